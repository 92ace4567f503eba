"""How a shared server is: connections, parameters, slow statements, disk, replication, character sets. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import mysql, mysql_state, postgresql, postgresql_state
from .model import DatabaseError
from .mysql_report import read_mysql
from .postgresql_report import read_postgresql
from .report_model import Problem, Reading, Wanted
from .run import endpoint_of
from .tls import ca_bundle

#: Of what there is, how much may be in use before it is a problem.
FULL = 0.8
GIB = 1 << 30


@dataclass
class Checked:
    """What was read and what is wrong with it."""

    reading: Reading
    problems: list[Problem] = field(default_factory=list)

    def say(self, check: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(check, what, remedy))


def act(options: Mapping[str, Any]) -> dict[str, Any]:
    """The module's result."""
    endpoint = endpoint_of(options)
    wanted = Wanted(
        pools={str(item["user"]): int(item["max_user_connections"]) for item in options["services"]},
        databases=tuple(sorted({str(item["database"]) for item in options["services"]})),
        parameters={str(name): str(value) for name, value in (options.get("parameters") or {}).items()},
        reserved=int(options["reserved_connections"]),
        allocated_gib=float(options.get("allocated_gib") or 0),
        max_lag=float(options["max_lag"]),
    )
    if options["engine"] == "mysql":
        mysql.require_driver()
        with mysql.connect(endpoint, mysql.tls_context(endpoint)) as connection:
            mysql.check_server(mysql_state.read_version(connection.query), endpoint)
            reading = read_mysql(connection.query, wanted)
            queries = connection.queries
    elif options["engine"] == "postgresql":
        postgresql.require_driver()
        with ca_bundle(endpoint) as ca, postgresql.connect(endpoint, ca) as session:
            postgresql.check_server(postgresql_state.read_server(session.query), endpoint)
            reading = read_postgresql(session.query, wanted)
            queries = session.queries
    else:
        raise DatabaseError(f"no engine {options['engine']!r}; there are: mysql, postgresql")
    checked = check(reading, wanted)
    return {
        "changed": False,
        "report": reading.as_result(),
        "problems": [vars(problem) for problem in checked.problems],
        "queries": queries,
    }


def check(reading: Reading, wanted: Wanted) -> Checked:
    """Everything that is wrong, with its remedy: a pure function."""
    found = Checked(reading)
    _connections(found, wanted)
    _parameters(found, wanted)
    _slow(found)
    _disk(found, wanted)
    _replication(found, wanted)
    _charsets(found)
    return found


def _connections(found: Checked, wanted: Wanted) -> None:
    now = found.reading.connections
    most, pools = int(now["max_connections"]), sum(wanted.pools.values())
    if pools + wanted.reserved > most:
        found.say(
            "connections",
            f"the services' pools may open {pools} connections and {wanted.reserved} are reserved, the server takes {most}",
            f"raise max_connections to {pools + wanted.reserved} (a larger instance), or lower the services' max_connections in the catalog",
        )
    if int(now["used"]) > FULL * most:
        found.say(
            "connections",
            f"{now['used']} of {most} connections are in use",
            "see below whose they are; a user without a limit of its own can take all",
        )
    if int(now["refused"]):
        found.say(
            "connections",
            f"{now['refused']} connections were refused since the server was started, because all were in use",
            "raise max_connections, or find who holds them",
        )
    for user, used in sorted(now["users"].items()):
        limit = wanted.pools.get(user)
        if limit and used > FULL * limit:
            found.say(
                "connections",
                f"{user} has {used} of its {limit} connections",
                "raise the service's max_connections in the catalog, or look for sessions that it does not close",
            )
        if limit is None and used > FULL * wanted.reserved and user not in now["system"]:
            found.say(
                "connections",
                f"{user}, which is in no catalog, has {used} connections, and {wanted.reserved} are reserved for all of its like",
                "put it into the catalog with a limit, or end its sessions",
            )


def _parameters(found: Checked, wanted: Wanted) -> None:
    for name, value in sorted(wanted.parameters.items()):
        have = found.reading.parameters.get(name)
        if have is None:
            # Parameters of RDS alone (rds.*) are none of a server that stands elsewhere.
            if "." not in name:
                found.say("parameters", f"the server has no parameter {name}", "take it out of the wanted ones")
        elif _plain(have) != _plain(value):
            found.say(
                "parameters", f"{name} is {have}, not {value}", "apply 50-shared-rds: its parameter group sets it"
            )


def _plain(value: str) -> str:
    """ON and 1, 1.000000 and 1, 1000 and 1s are the same to who reads a parameter group."""
    text = str(value).lower()
    text = {"on": "1", "off": "0", "true": "1", "false": "0"}.get(text, text)
    try:
        return str(float(text))
    except ValueError:
        return text


def _slow(found: Checked) -> None:
    slow = found.reading.slow
    if not slow["logged"]:
        found.say("slow", "slow statements are not logged", "apply 50-shared-rds: its parameter group turns the log on")
    for item in slow["running"]:
        found.say(
            "slow",
            f"session {item['id']} of {item['user']} in {item['database'] or 'no database'} has been {item['state']} for {item['seconds']} s",
            "ask its service; end it with rds_kill (MySQL) or pg_terminate_backend (PostgreSQL): an open transaction keeps others waiting and old rows on disk",
        )


def _disk(found: Checked, wanted: Wanted) -> None:
    disk = found.reading.disk
    used = sum(disk["databases"].values()) + int(disk["logs"])
    if wanted.allocated_gib and used > FULL * wanted.allocated_gib * GIB:
        found.say(
            "disk",
            f"databases and logs take {used / GIB:.2f} GiB of {wanted.allocated_gib:g} GiB",
            "raise allocated_gib and max_allocated_gib in the catalog before RDS stops the instance; see which database grew",
        )
    if int(disk["logs"]) > max(sum(disk["databases"].values()), GIB):
        found.say(
            "disk",
            f"logs take {int(disk['logs']) / GIB:.2f} GiB, more than the databases",
            "a replica or a replication slot that nobody reads keeps them: see replication",
        )


def _replication(found: Checked, wanted: Wanted) -> None:
    for item in found.reading.replication:
        if item["problem"]:
            found.say("replication", f"{item['name']}: {item['problem']}", str(item["remedy"]))
        elif item["lag"] is not None and float(item["lag"]) > wanted.max_lag:
            found.say(
                "replication",
                f"{item['name']} is {item['lag']} s behind, {wanted.max_lag:g} are allowed",
                "look at the writer's load and at the replica's size; reads from it are old",
            )


def _charsets(found: Checked) -> None:
    for item in found.reading.charsets:
        found.say("charset", f"{item['name']} has {item['has']}, not {item['wanted']}", str(item["remedy"]))
