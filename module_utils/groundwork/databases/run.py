"""What the modules shared_databases, database_login and database_rotation do, without Ansible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import mysql_rotation, postgresql_rotation
from .model import DatabaseError, Endpoint, Engine, LoginSpec, Options, parse_services
from .mysql import MySQL
from .postgresql import PostgreSQL
from .rotation import STATES, Opener, Run, Settings, parse_rotation

ENGINES: dict[str, type[Engine]] = {MySQL.name: MySQL, PostgreSQL.name: PostgreSQL}
#: How a server is opened for rotation, and the user of the login that follows one.
ROTATIONS: dict[str, tuple[Opener, Callable[[str], str]]] = {
    MySQL.name: (mysql_rotation.open_server, mysql_rotation.next_user),
    PostgreSQL.name: (postgresql_rotation.open_server, postgresql_rotation.next_user),
}
PARALLEL_LOGINS = 4


def engine_of(name: str) -> Engine:
    """The implementation of an engine."""
    if name not in ENGINES:
        raise DatabaseError(f"no engine {name!r}; there are: {', '.join(sorted(ENGINES))}")
    return ENGINES[name]()


def endpoint_of(options: Mapping[str, Any]) -> Endpoint:
    """The endpoint in a module's options."""
    return Endpoint(
        host=str(options["host"]),
        port=int(options.get("port") or engine_of(str(options["engine"])).default_port),
        user=str(options.get("user") or ""),
        password=str(options.get("password") or ""),
        ca_pem=str(options.get("ca_pem") or ""),
        ca_file=str(options.get("ca_file") or ""),
        connect_timeout=int(options.get("connect_timeout") or 10),
    )


def ensure(options: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Makes databases, users and grants as wanted; the result is the module's result."""
    engine = engine_of(str(options["engine"]))
    specs = parse_services(engine, options["services"], check=check)
    settings = Options(
        check=check,
        lock_timeout=int(options["lock_timeout"]),
        ignore_users=frozenset(str(item) for item in options.get("ignore_users") or ()),
    )
    return engine.ensure(endpoint_of(options), specs, settings).as_result()


def verify(options: Mapping[str, Any]) -> dict[str, Any]:
    """Logs in as every service; the result is the module's result."""
    engine = engine_of(str(options["engine"]))
    endpoint = endpoint_of(options)
    specs = parse_services(engine, options["services"], check=False)
    wanted = [
        LoginSpec(
            name=spec.name,
            database=spec.database,
            user=spec.user,
            password=spec.password or "",
            grants=spec.grants,
            foreign=_neighbours(spec.database, [other.database for other in specs]),
        )
        for spec in specs
    ]

    def one(login: LoginSpec) -> dict[str, Any]:
        try:
            return engine.verify_login(endpoint, login)
        except DatabaseError as error:
            return {"name": login.name, "user": login.user, "database": login.database, "failures": [str(error)]}

    with ThreadPoolExecutor(max_workers=PARALLEL_LOGINS) as pool:
        logins = list(pool.map(one, wanted))
    failures = [failure for login in logins for failure in login["failures"]]
    return {"changed": False, "logins": logins, "failures": failures}


def rotate(options: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """One step of a rotation on the server; the result is the module's result."""
    state = str(options["state"])
    if state not in STATES:
        raise DatabaseError(f"no state {state!r}; there are: {', '.join(STATES)}")
    engine = engine_of(str(options["engine"]))
    open_server, next_user = ROTATIONS[engine.name]
    specs = parse_rotation(engine, options["services"], next_user, check=check)
    settings = Settings(
        check=check,
        lock_timeout=int(options["lock_timeout"]),
        force=bool(options["force"]),
        grace=float(options["grace"]),
        watch=float(options["watch"]),
        wait=float(options["wait"]),
        poll=float(options["poll"]),
    )
    endpoint = endpoint_of(options)
    with open_server(endpoint, settings) as server:
        return Run(server, endpoint, specs, settings).run(state)


def _neighbours(database: str, all_databases: Sequence[str], most: int = 3) -> tuple[str, ...]:
    """The others' databases that a wrongly written grant would reach first: those of the most similar name."""

    def distance(other: str) -> tuple[int, str]:
        differing = sum(a != b for a, b in zip(database, other, strict=False))
        return (abs(len(database) - len(other)) * 2 + differing, other)

    return tuple(sorted({name for name in all_databases if name != database}, key=distance)[:most])
