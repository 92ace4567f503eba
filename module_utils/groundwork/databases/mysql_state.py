"""What a MySQL server has: read with a constant number of queries, whatever the number of services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .mysql_sql import Account, identifier

#: Runs one statement and returns its rows as dictionaries.
Query = Callable[[str, Sequence[Any]], list[dict[str, Any]]]

#: Columns of mysql.user and mysql.db whose name is not the privilege's own.
_COLUMN_PRIVILEGES = {
    "grant": "GRANT OPTION",
    "show_db": "SHOW DATABASES",
    "create_tmp_table": "CREATE TEMPORARY TABLES",
    "repl_slave": "REPLICATION SLAVE",
    "repl_client": "REPLICATION CLIENT",
}

SYSTEM_DATABASES = frozenset({"information_schema", "mysql", "performance_schema", "sys", "innodb", "tmp", "ndbinfo"})
#: MySQL's own accounts and those that RDS makes.
SYSTEM_USERS = frozenset(
    {
        "mysql.infoschema",
        "mysql.session",
        "mysql.sys",
        "mysql.rds_superuser_role",
        "root",
        "rdsadmin",
        "rdsproxyadmin",
        "rdsrepladmin",
        "rdstopmgr",
        "rds_superuser_role",
        "event_scheduler",
        "debian-sys-maint",
    }
)


@dataclass(frozen=True)
class Held:
    """Privileges that an account holds on one thing."""

    #: global | database | table | routine | proxy | role
    scope: str
    #: (), (pattern,), (database, table), (kind, database, routine), (user, host), (user, host)
    on: tuple[str, ...]
    privileges: frozenset[str] = frozenset()
    #: (privilege, column), for tables.
    columns: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class AccountState:
    """An account of the server; its password's hash is not read."""

    plugin: str
    tls: str
    locked: bool
    expired: bool
    max_connections: int
    #: Other resource limits are in force (queries, updates or connections an hour).
    hourly_limits: bool
    second_password: bool
    held: tuple[Held, ...] = ()


@dataclass(frozen=True)
class ServerState:
    """Everything that the planner looks at."""

    version: str
    read_only: bool
    max_connections: int
    partial_revokes: bool
    databases: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    accounts: Mapping[Account, AccountState] = field(default_factory=dict)


def version_tuple(version: str) -> tuple[int, ...]:
    """(8, 4, 3) of `8.4.3-log`."""
    numbers = version.split("-", 1)[0].split(".")
    return tuple(int(number) for number in numbers if number.isdigit())


def column_privilege(column: str) -> str:
    """The privilege that a column such as `Create_tmp_table_priv` stands for."""
    name = column.lower().removesuffix("_priv")
    return _COLUMN_PRIVILEGES.get(name, name.upper().replace("_", " "))


def set_privileges(text: Any) -> frozenset[str]:
    """The privileges of a SET column such as `Select,Create View,Grant`."""
    names = [item.strip().upper() for item in str(text or "").split(",") if item.strip()]
    return frozenset("GRANT OPTION" if item == "GRANT" else item for item in names)


def read_version(query: Query) -> ServerState:
    """The version alone: what else is asked is not known to every server that speaks MySQL's protocol."""
    version = str(query("SELECT VERSION() AS version", ())[0]["version"])
    return ServerState(version=version, read_only=False, max_connections=0, partial_revokes=False)


def read_server(query: Query) -> ServerState:
    """Version and settings."""
    row = query(
        "SELECT VERSION() AS version, @@GLOBAL.read_only AS read_only, @@GLOBAL.max_connections AS max_connections,"
        " @@GLOBAL.partial_revokes AS partial_revokes",
        (),
    )[0]
    return ServerState(
        version=str(row["version"]),
        read_only=bool(row["read_only"]),
        max_connections=int(row["max_connections"]),
        partial_revokes=bool(row["partial_revokes"]),
    )


def read_state(query: Query, users: Sequence[str]) -> ServerState:
    """The whole relevant state. Grants below the database level are read for the managed users only."""
    server = read_server(query)
    databases = {
        str(row["name"]): (str(row["charset"]), str(row["collation"]))
        for row in query(
            "SELECT SCHEMA_NAME AS name, DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation"
            " FROM information_schema.SCHEMATA",
            (),
        )
    }
    columns: dict[str, list[str]] = {"user": [], "db": []}
    for row in query(
        "SELECT TABLE_NAME AS name, COLUMN_NAME AS col FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mysql'"
        " AND TABLE_NAME IN ('user', 'db') AND COLUMN_NAME LIKE '%%\\_priv' ORDER BY TABLE_NAME, ORDINAL_POSITION",
        (),
    ):
        columns[str(row["name"])].append(str(row["col"]))
    held: dict[Account, list[Held]] = {}
    accounts = _read_accounts(query, columns["user"], held)
    _read_dynamic(query, users, held)
    _read_databases(query, columns["db"], held)
    _read_tables(query, users, held)
    for row in query(
        "SELECT User AS user, Host AS host, Db AS db, Routine_name AS name, Routine_type AS kind, Proc_priv AS privs"
        " FROM mysql.procs_priv WHERE User IN %s",
        (tuple(users),),
    ):
        on = (str(row["kind"]), str(row["db"]), str(row["name"]))
        held.setdefault(_account(row), []).append(Held("routine", on, set_privileges(row["privs"])))
    for row in query(
        "SELECT User AS user, Host AS host, Proxied_user AS name, Proxied_host AS place FROM mysql.proxies_priv"
        " WHERE User IN %s",
        (tuple(users),),
    ):
        held.setdefault(_account(row), []).append(
            Held("proxy", (str(row["name"]), str(row["place"])), frozenset({"PROXY"}))
        )
    for row in query(
        "SELECT TO_USER AS user, TO_HOST AS host, FROM_USER AS name, FROM_HOST AS place FROM mysql.role_edges"
        " WHERE TO_USER IN %s OR FROM_USER IN %s",
        (tuple(users), tuple(users)),
    ):
        held.setdefault(_account(row), []).append(Held("role", (str(row["name"]), str(row["place"]))))
    return replace(
        server,
        databases=databases,
        accounts={account: replace(state, held=tuple(held.get(account, ()))) for account, state in accounts.items()},
    )


def _account(row: Mapping[str, Any]) -> Account:
    return (str(row["user"]), str(row["host"]))


def _read_accounts(
    query: Query, columns: Sequence[str], held: dict[Account, list[Held]]
) -> dict[Account, AccountState]:
    accounts: dict[Account, AccountState] = {}
    sql = (
        "SELECT User AS user, Host AS host, plugin, ssl_type AS tls, account_locked AS locked,",
        "password_expired AS expired, max_questions AS hourly_1, max_updates AS hourly_2,",
        "max_connections AS hourly_3, max_user_connections AS concurrent, User_attributes IS NOT NULL",
        "AND JSON_CONTAINS_PATH(User_attributes, 'one', '$.additional_password') AS second,",
        ", ".join(identifier(column) for column in columns),
        "FROM mysql.user",
    )
    for row in query(" ".join(sql), ()):
        account = _account(row)
        accounts[account] = AccountState(
            plugin=str(row["plugin"]),
            tls=_text(row["tls"]),
            locked=row["locked"] == "Y",
            expired=row["expired"] == "Y",
            max_connections=int(row["concurrent"]),
            hourly_limits=any(int(row[f"hourly_{number}"]) for number in (1, 2, 3)),
            second_password=bool(row["second"]),
        )
        privileges = frozenset(column_privilege(column) for column in columns if row[column] == "Y")
        if privileges:
            held.setdefault(account, []).append(Held("global", (), privileges))
    return accounts


def _read_dynamic(query: Query, users: Sequence[str], held: dict[Account, list[Held]]) -> None:
    dynamic: dict[Account, set[str]] = {}
    for row in query(
        "SELECT USER AS user, HOST AS host, PRIV AS privs FROM mysql.global_grants WHERE USER IN %s",
        (tuple(users),),
    ):
        dynamic.setdefault(_account(row), set()).add(str(row["privs"]).upper())
    for account, names in dynamic.items():
        held.setdefault(account, []).append(Held("global", (), frozenset(names)))


def _read_databases(query: Query, columns: Sequence[str], held: dict[Account, list[Held]]) -> None:
    names = ", ".join(identifier(column) for column in columns)
    # Of every account, so that others' access to a service's database can be reported.
    for row in query(" ".join(("SELECT User AS user, Host AS host, Db AS db,", names, "FROM mysql.db")), ()):
        privileges = frozenset(column_privilege(column) for column in columns if row[column] == "Y")
        if privileges:
            held.setdefault(_account(row), []).append(Held("database", (str(row["db"]),), privileges))


def _read_tables(query: Query, users: Sequence[str], held: dict[Account, list[Held]]) -> None:
    tables: dict[tuple[Account, str, str], tuple[frozenset[str], set[tuple[str, str]]]] = {}
    for row in query(
        "SELECT User AS user, Host AS host, Db AS db, Table_name AS name, Table_priv AS privs FROM mysql.tables_priv"
        " WHERE User IN %s",
        (tuple(users),),
    ):
        tables[(_account(row), str(row["db"]), str(row["name"]))] = (set_privileges(row["privs"]), set())
    for row in query(
        "SELECT User AS user, Host AS host, Db AS db, Table_name AS name, Column_name AS col, Column_priv AS privs"
        " FROM mysql.columns_priv WHERE User IN %s",
        (tuple(users),),
    ):
        key = (_account(row), str(row["db"]), str(row["name"]))
        _, pairs = tables.setdefault(key, (frozenset(), set()))
        pairs.update((name, str(row["col"])) for name in set_privileges(row["privs"]))
    for (account, database, table), (privileges, pairs) in tables.items():
        if privileges or pairs:
            held.setdefault(account, []).append(Held("table", (database, table), privileges, frozenset(pairs)))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
