"""The difference between what should be on a MySQL server and what is: pure functions, no connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .model import ServiceSpec
from .mysql_sql import (
    Account,
    Statement,
    grant_pattern,
    identifier,
    matches,
    ordered,
    privilege_list,
    shown_account,
    shown_identifier,
)
from .mysql_state import SYSTEM_DATABASES, SYSTEM_USERS, AccountState, Held, ServerState

HOST = "%"
PLUGIN = "caching_sha2_password"

#: Privileges that can be granted on a database, the columns of mysql.db.
#: https://dev.mysql.com/doc/refman/8.4/en/grant.html#grant-database-privileges
DATABASE_PRIVILEGES = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "DROP",
        "REFERENCES",
        "INDEX",
        "ALTER",
        "CREATE TEMPORARY TABLES",
        "LOCK TABLES",
        "EXECUTE",
        "CREATE VIEW",
        "SHOW VIEW",
        "CREATE ROUTINE",
        "ALTER ROUTINE",
        "EVENT",
        "TRIGGER",
    }
)
DEFAULT_GRANTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "INDEX", "ALTER"})

#: What a login with the wanted password showed.
LOGIN_OK = "accepted"
LOGIN_WRONG = "refused"
#: Another account with a closer host answers for this user, so the login says nothing about this one.
LOGIN_SHADOWED = "answered by another account"


@dataclass
class ServicePlan:
    """What one service needs; empty statements mean nothing."""

    service: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    creates_database: bool = False
    creates_user: bool = False
    sets_password: bool = False


@dataclass(frozen=True)
class Strangers:
    """What is on the server and in nobody's catalog: reported, never touched."""

    databases: list[str]
    users: list[str]
    access: list[str]
    second_passwords: list[str]


def account_of(spec: ServiceSpec) -> Account:
    return (spec.user, HOST)


def can_try_login(state: AccountState | None) -> bool:
    """Whether a login tells if the password is the wanted one; else the plan sets it anyway."""
    return state is not None and state.plugin == PLUGIN and not state.expired and state.tls in ("", "ANY")


def plan_services(specs: Sequence[ServiceSpec], state: ServerState, logins: Mapping[str, str]) -> list[ServicePlan]:
    """One plan for each service, in their order. Of several with one database, the first one's has the database."""
    first: dict[str, ServiceSpec] = {}
    for spec in specs:
        first.setdefault(spec.database, spec)
    return [
        plan_service(spec, state, logins.get(spec.user), with_database=first[spec.database] is spec) for spec in specs
    ]


def plan_service(
    spec: ServiceSpec, state: ServerState, login: str | None, *, with_database: bool = True
) -> ServicePlan:
    """One service. `login` is what a login with the wanted password showed, None when none was tried."""
    plan = ServicePlan(spec.name)
    if with_database:
        _plan_database(plan, spec, state)
    _plan_user(plan, spec, state.accounts.get(account_of(spec)), login)
    _plan_grants(plan, spec, state.accounts.get(account_of(spec)))
    return plan


def _plan_database(plan: ServicePlan, spec: ServiceSpec, state: ServerState) -> None:
    present = state.databases.get(spec.database)
    if present == (spec.charset, spec.collation):
        return
    plan.before["database"] = " ".join(present) if present else "missing"
    plan.after["database"] = f"{spec.charset} {spec.collation}"
    plan.creates_database = present is None
    verb = "CREATE" if present is None else "ALTER"
    plan.statements.append(
        Statement(
            f"{verb} DATABASE {identifier(spec.database)} CHARACTER SET %s COLLATE %s",
            (spec.charset, spec.collation),
            f"{verb} DATABASE {shown_identifier(spec.database)} CHARACTER SET {spec.charset} COLLATE {spec.collation}",
        )
    )


def _plan_user(plan: ServicePlan, spec: ServiceSpec, present: AccountState | None, login: str | None) -> None:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    set_password = present is None
    if present is None:
        before = {"state": "missing"}
        after = {"state": "exists", "tls": "required", "max_user_connections": spec.max_connections}
        plan.creates_user = True
    else:
        for name, wanted, have in (
            ("plugin", PLUGIN, present.plugin),
            ("tls", "required", _tls(present.tls)),
            ("locked", False, present.locked),
            ("password expired", False, present.expired),
            ("max_user_connections", spec.max_connections, present.max_connections),
            ("hourly limits", False, present.hourly_limits),
        ):
            if wanted != have:
                before[name], after[name] = have, wanted
        if login == LOGIN_WRONG or (spec.password is None and login is None):
            set_password = True
            before["password"], after["password"] = "not the secret's", "as in the secret"
        elif not can_try_login(present):
            set_password = True
            before["password"], after["password"] = "cannot be tried", "as in the secret"
    if not after:
        return
    plan.before["user"], plan.after["user"] = before, after
    plan.sets_password = set_password
    verb = "CREATE" if present is None else "ALTER"
    sql, shown = [f"{verb} USER %s@%s"], [f"{verb} USER {shown_account(account_of(spec))}"]
    parameters: list[str | int] = list(account_of(spec))
    if set_password:
        sql.append(f"IDENTIFIED WITH {PLUGIN} BY %s")
        shown.append(f"IDENTIFIED WITH {PLUGIN} BY (the secret's password)")
        parameters.append(spec.password or "")
    limits = (
        "WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS "
        f"{int(spec.max_connections)}"
    )
    for part in ("REQUIRE SSL", limits, "ACCOUNT UNLOCK"):
        sql.append(part)
        shown.append(part)
    plan.statements.append(Statement(" ".join(sql), tuple(parameters), " ".join(shown)))


def _tls(kind: str) -> str:
    return {"": "not required", "ANY": "required"}.get(kind, f"required with {kind}")


def wanted_grant(spec: ServiceSpec) -> Held:
    return Held("database", (grant_pattern(spec.database),), spec.grants)


def _plan_grants(plan: ServicePlan, spec: ServiceSpec, present: AccountState | None) -> None:
    account = account_of(spec)
    wanted = wanted_grant(spec)
    have = present.held if present else ()
    if set(have) == {wanted}:
        return
    plan.before["grants"] = sorted(show_held(item) for item in have)
    plan.after["grants"] = [show_held(wanted)]
    same = next((item for item in have if (item.scope, item.on) == (wanted.scope, wanted.on)), None)
    missing = wanted.privileges - (same.privileges if same else frozenset())
    if missing:
        plan.statements.append(grant(Held(wanted.scope, wanted.on, missing), account))
    if same and same.privileges - wanted.privileges:
        plan.statements.append(revoke(Held(same.scope, same.on, same.privileges - wanted.privileges), account))
    restore = grant(wanted, account)
    for item in have:
        if item is not same:
            plan.statements.append(revoke(item, account, restore=restore))


def _target(item: Held) -> tuple[str, str]:
    """`db`.* and its like, for the driver and for people."""
    if item.scope == "global":
        return "*.*", "*.*"
    if item.scope == "database":
        return f"{_pattern(item.on[0])}.*", f"{shown_identifier(item.on[0])}.*"
    if item.scope == "table":
        return ".".join(identifier(name) for name in item.on), ".".join(shown_identifier(name) for name in item.on)
    kind, database, name = item.on
    kind = kind if kind in {"FUNCTION", "PROCEDURE", "LIBRARY"} else "PROCEDURE"
    return (
        f"{kind} {identifier(database)}.{identifier(name)}",
        f"{kind} {shown_identifier(database)}.{shown_identifier(name)}",
    )


def _pattern(pattern: str) -> str:
    # A pattern may be longer than a name: each escaped wildcard adds a character.
    return identifier(pattern, limit=2 * 64)


def grant(item: Held, account: Account) -> Statement:
    """GRANT of a database's privileges."""
    names, shown = privilege_list(item.privileges)
    target, shown_target = _target(item)
    return Statement(
        f"GRANT {names} ON {target} TO %s@%s", account, f"GRANT {shown} ON {shown_target} TO {shown_account(account)}"
    )


def revoke(item: Held, account: Account, restore: Statement | None = None) -> Statement:
    """REVOKE of exactly what is held."""
    who = shown_account(account)
    if item.scope == "role":
        return Statement("REVOKE %s@%s FROM %s@%s", (*item.on, *account), f"REVOKE {_other(item)} FROM {who}")
    if item.scope == "proxy":
        return Statement(
            "REVOKE PROXY ON %s@%s FROM %s@%s", (*item.on, *account), f"REVOKE PROXY ON {_other(item)} FROM {who}"
        )
    names, shown = privilege_list(item.privileges, item.columns)
    target, shown_target = _target(item)
    instead: tuple[Statement, ...] = ()
    if restore is not None and item.scope == "global":
        # An RDS administrator may revoke a global privilege that it does not hold itself (FILE, SUPER) only this way.
        instead = (
            Statement("REVOKE ALL PRIVILEGES, GRANT OPTION FROM %s@%s", account, f"REVOKE ALL PRIVILEGES FROM {who}"),
            restore,
        )
    return Statement(
        f"REVOKE {names} ON {target} FROM %s@%s", account, f"REVOKE {shown} ON {shown_target} FROM {who}", instead
    )


def _other(item: Held) -> str:
    return shown_account((item.on[0], item.on[1]))


def show_held(item: Held) -> str:
    """`SELECT, INSERT ON db.*`, as people read grants."""
    if item.scope == "role":
        return f"ROLE {_other(item)}"
    if item.scope == "proxy":
        return f"PROXY ON {_other(item)}"
    _, shown = privilege_list(ordered(item.privileges), item.columns)
    return f"{shown} ON {_target(item)[1]}"


def strangers(specs: Sequence[ServiceSpec], state: ServerState, ignore_users: Collection[str]) -> Strangers:
    """What the catalog does not know. `ignore_users` are the administrator and its like."""
    managed_databases = {spec.database for spec in specs}
    managed_accounts = {account_of(spec) for spec in specs}
    ignored = SYSTEM_USERS | frozenset(ignore_users)
    access: list[str] = []
    for account, about in state.accounts.items():
        if account in managed_accounts or account[0] in ignored:
            continue
        for item in about.held:
            reached: list[str] = []
            if item.scope == "database":
                reached = [
                    name for name in managed_databases if matches(item.on[0], name, literal=state.partial_revokes)
                ]
            elif item.scope == "role" and item.on in managed_accounts:
                reached = [item.on[0]]
            if reached:
                access.append(f"{shown_account(account)} holds {show_held(item)}")
    return Strangers(
        databases=sorted(set(state.databases) - managed_databases - SYSTEM_DATABASES),
        users=sorted(
            shown_account(account)
            for account in state.accounts
            if account not in managed_accounts and account[0] not in ignored
        ),
        access=sorted(access),
        second_passwords=sorted(
            shown_account(account)
            for account, about in state.accounts.items()
            if account in managed_accounts and about.second_password
        ),
    )


def warnings(specs: Sequence[ServiceSpec], state: ServerState, logins: Mapping[str, str]) -> list[str]:
    """What an operator should know though nothing can be changed here."""
    result = []
    reserved = sum(spec.max_connections for spec in specs)
    if reserved > state.max_connections:
        result.append(
            f"the services may open {reserved} connections together, the server takes {state.max_connections}: "
            "lower database.max_connections in the catalog or take a larger instance"
        )
    shadows = [account for account in state.accounts if account[0] == "" and account[1] != "localhost"]
    for spec in specs:
        others = [account for account in state.accounts if account[0] == spec.user and account[1] != HOST]
        if others:
            names = ", ".join(shown_account(account) for account in others)
            result.append(f"{spec.name}: {names} answers instead of {shown_account(account_of(spec))} from its hosts")
        if logins.get(spec.user) == LOGIN_SHADOWED:
            result.append(f"{spec.name}: another account answered the login, so the password could not be checked")
    if shadows:
        result.append(f"anonymous accounts answer for everybody: {', '.join(map(shown_account, shadows))}")
    return result
