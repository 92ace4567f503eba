"""What the module database_offboarding does, without Ansible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from . import mysql_offboarding, postgresql_offboarding
from .model import DatabaseError, Endpoint, Engine, ServiceSpec
from .mysql_sql import MAX_USER
from .offboarding import OffboardingServer, act
from .run import endpoint_of, engine_of

SERVERS: dict[str, Callable[[Endpoint, Mapping[str, Any]], AbstractContextManager[OffboardingServer]]] = {
    "mysql": mysql_offboarding.open_server,
    "postgresql": postgresql_offboarding.open_server,
}


def _spec(engine: Engine, database: str, user: str) -> ServiceSpec:
    charset, collation = engine.default_charset, engine.default_collation
    return ServiceSpec(user, database, user, None, charset, collation, 0, engine.default_grants)


def offboard(options: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """One call of the module; the result is the module's result."""
    engine = engine_of(str(options["engine"]))
    endpoint = endpoint_of(options)
    database = str(options["database"])
    users = [str(user) for user in options["users"]]
    if endpoint.user in users:
        raise DatabaseError(f"{endpoint.user!r} is the administrator that this run logs in as, no login of a service")
    faults = engine.faults(_spec(engine, database, f"{database}_user"[:MAX_USER]))
    if faults:
        raise DatabaseError(f"{database!r} is no database of a service: {'; '.join(faults)}")
    # The server's own users, and names that it cannot have, are no logins of a service.
    users = [user for user in users if not engine.faults(_spec(engine, database, user))]
    with SERVERS[engine.name](endpoint, options) as server:
        return act(server, str(options["state"]), database, users, check=check)
