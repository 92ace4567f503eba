"""The login of the agent on a shared server: it may read the server's figures, and no row of anybody.

On MySQL REFERENCES is what shows a table and its size without letting its rows be read. Grants of mysqld_exporter and postgres_exporter:
https://github.com/prometheus/mysqld_exporter#required-grants, pg_monitor: https://www.postgresql.org/docs/current/predefined-roles.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import mysql, postgresql
from .model import DatabaseError, Endpoint, ServiceSpec
from .mysql_plan import LOGIN_OK
from .mysql_sql import MAX_USER, identifier, privilege, shown_account
from .mysql_sql import Statement as MySQLStatement
from .postgresql_sql import Name, Secret, Value, role_fault, statement
from .postgresql_sql import Statement as PostgreSQLStatement
from .postgresql_state import MAINTENANCE
from .run import endpoint_of
from .tls import ca_bundle

#: The exporter has one connection; one more while a scrape is late, one for a second agent while the owner moves.
CONNECTIONS = 3
#: Object as SHOW GRANTS writes it → privileges.
MYSQL_GRANTS: Mapping[str, frozenset[str]] = {
    "*.*": frozenset({"PROCESS", "REFERENCES", "REPLICATION CLIENT"}),
    "`performance_schema`.*": frozenset({"SELECT"}),
}
POSTGRESQL_ROLES = frozenset({"pg_monitor"})
_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<on>(?:TABLE |FUNCTION |PROCEDURE )?\S+) TO ")
_GRANTED_ROLE = re.compile(r"GRANT (?P<what>`.+) TO ")


@dataclass(frozen=True)
class MySQLState:
    """The account as it is; None where there is none."""

    tls: bool
    connections: int
    usable: bool
    grants: Mapping[str, frozenset[str]]
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class PostgreSQLState:
    """The role as it is."""

    login: bool
    connections: int
    excess: tuple[str, ...]
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)


def parse_grants(lines: Sequence[str]) -> tuple[dict[str, frozenset[str]], tuple[str, ...]]:
    """Privileges by object, and roles, from the lines of SHOW GRANTS."""
    grants: dict[str, frozenset[str]] = {}
    roles: list[str] = []
    for line in lines:
        if found := _GRANT.match(line):
            names = {name.strip() for name in found["what"].split(",")} - {"USAGE"}
            if line.rstrip().endswith("WITH GRANT OPTION"):
                names.add("GRANT OPTION")
            if names:
                grants[found["on"]] = grants.get(found["on"], frozenset()) | names
        elif found := _GRANTED_ROLE.match(line):
            roles += found["what"].split(",")
        else:
            raise DatabaseError(f"SHOW GRANTS has a line that is not understood: {line}")
    return grants, tuple(roles)


def plan_mysql(user: str, password: str | None, state: MySQLState | None, *, login_ok: bool) -> list[MySQLStatement]:
    """What brings the account to what it should be."""
    account, shown = f"{identifier(user, MAX_USER)}@'%%'", shown_account((user, "%"))
    limits = f"REQUIRE SSL WITH MAX_USER_CONNECTIONS {CONNECTIONS}"
    plan: list[MySQLStatement] = []
    if state is None:
        plan.append(
            MySQLStatement(
                f"CREATE USER {account} IDENTIFIED BY %s {limits}",
                (password or "",),
                f"CREATE USER {shown} IDENTIFIED BY (the secret's password) {limits}",
            )
        )
        state = MySQLState(tls=True, connections=CONNECTIONS, usable=True, grants={})
    elif not login_ok or not state.usable:
        plan.append(
            MySQLStatement(
                f"ALTER USER {account} IDENTIFIED BY %s {limits} ACCOUNT UNLOCK",
                (password or "",),
                f"ALTER USER {shown} IDENTIFIED BY (the secret's password) {limits} ACCOUNT UNLOCK",
            )
        )
    elif not state.tls or state.connections != CONNECTIONS:
        plan.append(MySQLStatement(f"ALTER USER {account} {limits}", (), f"ALTER USER {shown} {limits}"))
    for on in sorted({*MYSQL_GRANTS, *state.grants}):
        wanted, held = MYSQL_GRANTS.get(on, frozenset()), state.grants.get(on, frozenset())
        place = on.replace("%", "%%")
        for verb, joint, names in (("GRANT", "TO", wanted - held), ("REVOKE", "FROM", held - wanted)):
            if names:
                listed = ", ".join(privilege(name.partition(" (")[0]) for name in sorted(names))
                plan.append(
                    MySQLStatement(
                        f"{verb} {listed} ON {place} {joint} {account}", (), f"{verb} {listed} ON {on} {joint} {shown}"
                    )
                )
    for role in state.roles:
        quoted = role.replace("%", "%%")
        plan.append(MySQLStatement(f"REVOKE {quoted} FROM {account}", (), f"REVOKE {role} FROM {shown}"))
    return plan


def plan_postgresql(
    user: str, password: str | None, state: PostgreSQLState | None, *, login_ok: bool, administrator: str
) -> list[PostgreSQLStatement]:
    """What brings the role to what it should be, said by ``administrator``."""
    name, secret = Name((user,)), Secret(user, password or "")
    limit = (" LOGIN CONNECTION LIMIT ", Value(CONNECTIONS))
    plan: list[PostgreSQLStatement] = []
    if state is None:
        plan.append(statement("CREATE ROLE ", name, *limit, " PASSWORD ", secret))
        state = PostgreSQLState(login=True, connections=CONNECTIONS, excess=())
    elif not login_ok:
        plan.append(statement("ALTER ROLE ", name, *limit, " PASSWORD ", secret))
    elif not state.login or state.connections != CONNECTIONS:
        plan.append(statement("ALTER ROLE ", name, *limit))
    plan += [statement("GRANT ", Name((role,)), " TO ", name) for role in sorted(POSTGRESQL_ROLES - state.roles.keys())]
    for role in sorted(state.roles.keys() - POSTGRESQL_ROLES):
        for grantor in sorted(state.roles[role] or {administrator}):
            # What somebody else granted is theirs to revoke; the server says so in its own words where we may not.
            by: list[Any] = [] if grantor == administrator else [" GRANTED BY ", Name((grantor,))]
            plan.append(statement("REVOKE ", Name((role,)), " FROM ", name, *by))
    return plan


def ensure(options: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Makes the login as it should be; the result is the module's result."""
    user, password = str(options["login"]), options.get("login_password")
    if not password and not check:
        raise DatabaseError(f"{user}: no password. Remedy: make the secret first")
    endpoint = endpoint_of(options)
    if user == endpoint.user:
        raise DatabaseError(f"{user!r} is the administrator that this run logs in as")
    work = {"mysql": _ensure_mysql, "postgresql": _ensure_postgresql}[str(options["engine"])]
    changes = work(endpoint, user, str(password) if password else None, int(options["lock_timeout"]), check)
    return {"changed": bool(changes), "changes": changes}


def _ensure_mysql(endpoint: Endpoint, user: str, password: str | None, lock_timeout: int, check: bool) -> list[str]:
    mysql.require_driver()
    context = mysql.tls_context(endpoint)
    spec = ServiceSpec(
        name="monitoring", database="", user=user, password=password, charset="", collation="", max_connections=CONNECTIONS,
        grants=frozenset(),
    )  # fmt: skip
    with mysql.connect(endpoint, context) as connection:
        state = _read_mysql(connection, user)
        # Nobody logs in with a password that does not exist yet.
        tried = mysql.try_logins(endpoint, context, [spec]) if state and password else {}
        plan = plan_mysql(user, password, state, login_ok=not password or tried.get(user) == LOGIN_OK)
        if check or not plan:
            return [one.shown for one in plan]
        with mysql.server_lock(connection, endpoint, lock_timeout):
            for one in plan:
                mysql.carry_out(connection, one, one.shown, endpoint)
            if left := plan_mysql(user, password, _read_mysql(connection, user), login_ok=True):
                raise DatabaseError(f"{endpoint.where} did not take: {'; '.join(one.shown for one in left)}")
    return [one.shown for one in plan]


def _read_mysql(connection: mysql.Connection, user: str) -> MySQLState | None:
    rows = connection.query(
        "SELECT ssl_type AS tls, max_user_connections AS connections, account_locked AS locked, password_expired AS expired"
        " FROM mysql.user WHERE User = %s AND Host = '%%'",
        (user,),
    )
    if not rows:
        return None
    row = {key: value.decode() if isinstance(value, bytes) else value for key, value in rows[0].items()}
    lines = [str(next(iter(line.values()))) for line in connection.query("SHOW GRANTS FOR %s@'%%'", (user,))]
    grants, roles = parse_grants(lines)
    return MySQLState(
        tls=str(row["tls"]) == "ANY",
        connections=int(row["connections"]),
        usable=row["locked"] == "N" and row["expired"] == "N",
        grants=grants,
        roles=roles,
    )


def _ensure_postgresql(
    endpoint: Endpoint, user: str, password: str | None, lock_timeout: int, check: bool
) -> list[str]:
    postgresql.require_driver()
    if fault := role_fault(user):
        raise DatabaseError(f"PostgreSQL refuses {user!r} as a user: {fault}")
    with ca_bundle(endpoint) as ca, postgresql.connect(endpoint, ca) as connection:
        state = _read_postgresql(connection, user)
        if state and state.excess:
            raise DatabaseError(
                f"{user} at {endpoint.where} has {', '.join(state.excess)}, which a login that only looks must not have. "
                f"Remedy: take it away (ALTER ROLE), or drop the role; the next run makes it anew."
            )
        right = True
        if state and state.login and password:
            right = postgresql.try_login(postgresql.as_user(endpoint, user, password), ca, MAINTENANCE) == LOGIN_OK
        plan = plan_postgresql(user, password, state, login_ok=right, administrator=endpoint.user)
        if check or not plan:
            return [one.shown for one in plan]
        with postgresql.server_lock(connection, endpoint, lock_timeout):
            for one in plan:
                postgresql.carry_out(connection, one, one.shown, endpoint)
            now = _read_postgresql(connection, user)
            if left := plan_postgresql(user, password, now, login_ok=True, administrator=endpoint.user):
                raise DatabaseError(f"{endpoint.where} did not take: {'; '.join(one.shown for one in left)}")
    return [one.shown for one in plan]


def _read_postgresql(connection: postgresql.Connection, user: str) -> PostgreSQLState | None:
    rows = connection.query(
        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit"
        " FROM pg_roles WHERE rolname = %(user)s",
        {"user": user},
    )
    if not rows:
        return None
    row = rows[0]
    roles = connection.query(
        "SELECT g.rolname AS name, coalesce(array_agg(b.rolname::text) FILTER (WHERE b.rolname IS NOT NULL), '{}') AS grantors"
        " FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles u ON u.oid = m.member"
        " LEFT JOIN pg_roles b ON b.oid = m.grantor WHERE u.rolname = %(user)s GROUP BY g.rolname",
        {"user": user},
    )
    attributes = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
    return PostgreSQLState(
        login=bool(row["rolcanlogin"]),
        connections=int(row["rolconnlimit"]),
        excess=tuple(name.removeprefix("rol").upper() for name in attributes if row[name]),
        roles={str(one["name"]): frozenset(map(str, one["grantors"])) for one in roles},
    )
