"""What has to be so before a database moves from one MySQL server to another: read from both, judged without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .model import Endpoint
from .mysql import Connection, check_server
from .mysql_dumps import NOTES
from .mysql_row_values import Column
from .mysql_sql import Account, matches, shown_account, shown_identifier
from .mysql_state import SYSTEM_USERS, Held, ServerState, read_state, version_tuple

#: Differences that somebody may accept, since they are about how statements behave and not about whether data fits.
ACCEPTABLE = ("charset", "sql_mode", "settings", "size")
#: What must be the same on both servers, and what may be accepted to differ.
SAME = ("lower_case_table_names", "innodb_page_size")
BEHAVIOUR = ("time_zone", "transaction_isolation", "explicit_defaults_for_timestamp", "innodb_strict_mode")
#: What a binary log must be to have whole rows of everything that is changed.
LOG = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_value_options": "",
       "binlog_transaction_compression": "OFF"}  # fmt: skip
_READ = (*SAME, *BEHAVIOUR, *LOG, "sql_mode", "max_allowed_packet", "binlog_expire_logs_seconds", "read_only",
         "log_bin_trust_function_creators", "event_scheduler")  # fmt: skip
#: Hours for which a server must keep its log: a copy, or the days until a way back is given up, may take long.
RETENTION = 24
#: Types of a key whose values cannot be found again by what is read of them.
INEXACT = frozenset({"float", "double"})
#: Privileges by which somebody changes data or definitions.
WRITES = frozenset(
    {
        "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "EXECUTE", "EVENT", "CREATE VIEW",
        "CREATE ROUTINE", "ALTER ROUTINE", "REFERENCES", "LOCK TABLES",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table of the database."""

    engine: str
    collation: str
    columns: tuple[Column, ...]
    #: Columns of the primary key, and of these the ones that cannot be looked up exactly.
    key: tuple[str, ...] = ()
    inexact: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definer:
    """Something that runs as an account."""

    what: str
    account: str


@dataclass(frozen=True)
class Facts:
    """What one server shows of a database."""

    where: str
    administrator: str
    version: str
    variables: Mapping[str, str]
    #: Hours for which RDS keeps the log: None where it is no RDS, 0 where it keeps nothing.
    rds_retention: int | None
    #: Character set and collation; None when the database is not there.
    defaults: tuple[str, str] | None
    size: int
    #: Of all databases of the server.
    all_sizes: int
    tables: Mapping[str, Table] = field(default_factory=dict)
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Events that run.
    running: tuple[str, ...] = ()
    #: Keys, views and the like that reach beyond the database.
    outside: tuple[str, ...] = ()
    definers: tuple[Definer, ...] = ()
    #: Collations that the database uses, and those that the server knows.
    used_collations: frozenset[str] = frozenset()
    collations: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    #: Accounts that may log in and change something in the database, without administrator and the server's own.
    writers: tuple[Account, ...] = ()
    locked: tuple[Account, ...] = ()

    @property
    def retention(self) -> float:
        if self.rds_retention is not None:
            return self.rds_retention
        seconds = int(self.variables.get("binlog_expire_logs_seconds") or 0)
        # Nothing is deleted by itself.
        return seconds / 3600 if seconds else float("inf")

    @property
    def empty(self) -> bool:
        return not self.tables and not any(self.objects.values())


@dataclass(frozen=True)
class Problem:
    """Why it cannot be done yet. What its kind is among ACCEPTABLE may be accepted."""

    kind: str
    text: str


@dataclass(frozen=True)
class Wish:
    """What is asked for, beside the two servers."""

    #: The user that the service logs in with now, and the one that it will have.
    user: str
    new_user: str
    #: Users on the shared server that are the service's.
    users: frozenset[str]
    #: Bytes that the shared server's storage has, or may grow to; 0 when that is not known.
    storage: int = 0
    #: The database there is a copy of a migration that was given up, and may be emptied.
    own_copy: bool = False


def problems(source: Facts, target: Facts, database: tuple[str, str], wish: Wish) -> list[Problem]:
    """Everything that is wrong at once, each with its remedy."""
    return [Problem(kind, text) for kind, text in _problems(source, target, database, wish)]


def _problems(source: Facts, target: Facts, database: tuple[str, str], wish: Wish) -> Iterator[tuple[str, str]]:
    old, new = database
    if (source.where, old) == (target.where, new):
        yield (
            "target",
            f"{source.where} is the shared server itself. Remedy: name the dedicated one (-e from=<host>:<port>)",
        )
        return
    if source.defaults is None:
        yield "source", f"there is no database {old} at {source.where}. Remedy: name it (-e database=<name>)"
        return
    if target.defaults is None:
        yield (
            "target",
            f"there is no database {new} at {target.where}. Remedy: run playbooks/databases.yml, which makes it",
        )
    yield from _tables(source, old)
    yield from _objects(source, target, database)
    yield from _servers(source, target)
    yield from _defaults(source, target, database)
    yield from _target(source, target, new, wish)
    yield from _logins(source, target, database, wish)


def _tables(source: Facts, old: str) -> Iterator[tuple[str, str]]:
    if not source.tables:
        yield (
            "source",
            f"{old} at {source.where} has no tables: there is nothing to move. Remedy: switch the secret by hand",
        )
    for name, table in source.tables.items():
        if table.engine != "InnoDB":
            yield (
                "engine",
                f"table {name} is {table.engine}'s. Remedy: ALTER TABLE {shown_identifier(name)} ENGINE = InnoDB",
            )
        if not table.key:
            yield (
                "key",
                f"table {name} has no primary key, so a row cannot be found again. Remedy: give it one (an invisible column will do)",
            )
        if table.inexact:
            yield (
                "key",
                (
                    f"the primary key of table {name} has {', '.join(table.inexact)}, which is not exact or only in part in it. Remedy: "
                    "another key"
                ),
            )
    for text in source.outside:
        yield "outside", f"{text}. Remedy: take it away; the other database stays where it is"


def _objects(source: Facts, target: Facts, database: tuple[str, str]) -> Iterator[tuple[str, str]]:
    old, new = database
    for name in source.running:
        yield (
            "event",
            (
                f"event {name} runs at {source.where} and would go on with that after the switch. Remedy: ALTER EVENT {shown_identifier(name)} "
                "DISABLE, and have its work done by the service or enable it on the shared server afterwards"
            ),
        )
    for definer in source.definers:
        if definer.account not in target.accounts:
            yield (
                "definer",
                (
                    f"{definer.what} runs as {definer.account}, which is no account at {target.where}. Remedy: make it anew with a definer that "
                    "the service has there, or SQL SECURITY INVOKER"
                ),
            )
    programs = [f"{kind} {', '.join(names)}" for kind, names in source.objects.items() if names]
    if old != new and programs:
        yield (
            "name",
            (
                f"the database becomes {new} instead of {old}, and {'; '.join(programs)} may name it. Remedy: drop them, and make them anew "
                "after the switch"
            ),
        )
    stored = [*source.objects.get("triggers", ()), *source.objects.get("routines", ())]
    for facts in (source, target):
        if stored and facts.variables.get("log_bin_trust_function_creators") != "ON":
            yield (
                "trust",
                (
                    f"{', '.join(stored)} cannot be made at {facts.where} by its administrator. Remedy: log_bin_trust_function_creators = 1 in its "
                    "parameter group"
                ),
            )


def _servers(source: Facts, target: Facts) -> Iterator[tuple[str, str]]:
    if version_tuple(target.version)[:2] < version_tuple(source.version)[:2]:
        yield (
            "version",
            (
                f"{source.where} is MySQL {source.version}, the shared server {target.version}: an older server may not take what a newer one wrote. "
                "Remedy: upgrade the shared server first"
            ),
        )
    for facts in (source, target):
        wrong = [
            f"{name} = {facts.variables.get(name) or '(empty)'}"
            for name, value in LOG.items()
            if facts.variables.get(name, value) != value
        ]
        if wrong:
            wanted = ", ".join(f"{name} = {value or '(empty)'}" for name, value in LOG.items())
            yield (
                "log",
                f"the binary log of {facts.where} has {', '.join(wrong)}. Remedy: {wanted}; on RDS log_bin is on with automated backups",
            )
        if facts.retention < RETENTION:
            yield (
                "log",
                (
                    f"{facts.where} keeps its binary log for {facts.retention:g} hours, which may be shorter than a copy, or the time until there is no "
                    "way back. Remedy: CALL mysql.rds_set_configuration('binlog retention hours', 168); elsewhere binlog_expire_logs_seconds"
                ),
            )
        if facts.variables.get("read_only") == "ON":
            yield "read_only", f"{facts.where} is read-only. Remedy: name the writer, not a replica"
    for name in SAME:
        if source.variables.get(name) != target.variables.get(name):
            yield (
                "server",
                (
                    f"{name} is {source.variables.get(name)} at {source.where} and {target.variables.get(name)} at {target.where}. Remedy: it is "
                    "settled when a server is made; this database cannot move there"
                ),
            )
    packets = [int(facts.variables.get("max_allowed_packet") or 0) for facts in (source, target)]
    if packets[1] < packets[0]:
        yield (
            "server",
            (
                f"max_allowed_packet is {packets[0]} at {source.where} and {packets[1]} at {target.where}: a large row would not fit. Remedy: raise it "
                "in the shared server's parameter group"
            ),
        )
    unknown = sorted(source.used_collations - target.collations)
    if unknown:
        yield (
            "collation",
            f"{target.where} does not know {', '.join(unknown)}. Remedy: convert these tables or columns first (ALTER TABLE … CONVERT TO CHARACTER SET)",
        )


def _defaults(source: Facts, target: Facts, database: tuple[str, str]) -> Iterator[tuple[str, str]]:
    if target.defaults and source.defaults and source.defaults != target.defaults:
        charset, collation = target.defaults
        yield (
            "charset",
            (
                f"tables that the service makes would get {charset}/{collation} instead of {'/'.join(source.defaults)} (those that are there keep theirs). "
                f"Remedy: ALTER DATABASE {shown_identifier(database[0])} CHARACTER SET {charset} COLLATE {collation} and see that the service works with it, "
                "or -e accept=charset"
            ),
        )
    modes = [frozenset(filter(None, facts.variables.get("sql_mode", "").split(","))) for facts in (source, target)]
    if modes[0] != modes[1]:
        only = [", ".join(sorted(mine - other)) or "nothing" for mine, other in (modes, modes[::-1])]
        yield (
            "sql_mode",
            (
                f"sql_mode: {only[0]} only at {source.where}, {only[1]} only at {target.where}. Remedy: set the shared server's on the dedicated one "
                "first and see that the service works with it, or, where it "
                "sets its own, -e accept=sql_mode"
            ),
        )
    other = [
        f"{name} is {source.variables.get(name)} and {target.variables.get(name)}"
        for name in BEHAVIOUR
        if source.variables.get(name) != target.variables.get(name)
    ]
    if other:
        yield "settings", f"the servers differ: {', '.join(other)}. Remedy: as for sql_mode, or -e accept=settings"


def _target(source: Facts, target: Facts, new: str, wish: Wish) -> Iterator[tuple[str, str]]:
    if not target.empty and not wish.own_copy:
        what = [
            *(f"table {name}" for name in target.tables),
            *(f"{kind}: {', '.join(names)}" for kind, names in target.objects.items() if names),
        ]
        yield (
            "target",
            (
                f"database {new} at {target.where} is not empty ({'; '.join(what[:5])}): nothing is overwritten. Remedy: dump it (db_backup.yml) and drop "
                "what is in it"
            ),
        )
    if not wish.storage:
        yield (
            "size",
            f"how much room {target.where} has is not known. Remedy: look (FreeStorageSpace), then -e accept=size",
        )
    # The copy's own log is written, too, and the tables of others grow meanwhile.
    elif target.all_sizes + 2 * source.size > 0.9 * wish.storage:
        yield (
            "size",
            (
                f"{source.where} has {source.size} bytes of it and the shared server {target.all_sizes} of {wish.storage}: with the log of the copy that is "
                "more than nine tenths. Remedy: raise the shared server's storage, or -e accept=size"
            ),
        )


def _logins(source: Facts, target: Facts, database: tuple[str, str], wish: Wish) -> Iterator[tuple[str, str]]:
    if wish.user == source.administrator:
        yield (
            "login",
            (
                f"the service logs in as {wish.user}, the administrator that moves it, who cannot be locked out. Remedy: give the service an account "
                "of its own on the dedicated server first"
            ),
        )
    elif wish.user not in {account[0] for account in (*source.writers, *source.locked)}:
        yield (
            "login",
            f"{wish.user}, whom the secret names, may write nothing in {database[0]} at {source.where}. Remedy: is it the right secret?",
        )
    if not any(account[0] == wish.new_user for account in target.writers):
        yield (
            "login",
            (
                f"{wish.new_user} is no open account that may write to {database[1]} at {target.where}. Remedy: run playbooks/databases.yml, which makes "
                "and opens it"
            ),
        )
    strangers = [shown_account(account) for account in target.writers if account[0] not in wish.users]
    if strangers:
        yield (
            "login",
            (
                f"{', '.join(strangers)} may write to {database[1]} at {target.where} and is not the service's, so a way back could not stop it. Remedy: "
                "revoke that"
            ),
        )


# --- reading ---------------------------------------------------------------------------------------------------------

_RETENTION = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
_IS_RDS = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 'rds_configuration'"
_DEFAULTS = "SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s"
_SIZES = "SELECT SUM(DATA_LENGTH + INDEX_LENGTH) AS bytes, SUM(IF(TABLE_SCHEMA = %s, DATA_LENGTH + INDEX_LENGTH, 0)) AS own FROM information_schema.TABLES"
_TABLES = (
    "SELECT TABLE_NAME AS name, ENGINE AS engine, TABLE_COLLATION AS collation FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
    " AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME NOT IN %s ORDER BY TABLE_NAME"
)
_COLUMNS = (
    "SELECT TABLE_NAME AS tab, COLUMN_NAME AS name, DATA_TYPE AS kind, COLUMN_TYPE LIKE '%% unsigned%%' AS positive, CHARACTER_SET_NAME AS charset,"
    " COLLATION_NAME AS collation, GENERATION_EXPRESSION <> '' AS computed FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
    " ORDER BY TABLE_NAME, ORDINAL_POSITION"
)
_KEYS = (
    "SELECT TABLE_NAME AS tab, COLUMN_NAME AS name, SUB_PART AS part FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s"
    " AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX"
)
_OBJECTS = {
    "views": "SELECT TABLE_NAME AS name, DEFINER AS definer FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s ORDER BY 1",
    "triggers": "SELECT TRIGGER_NAME AS name, DEFINER AS definer FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s ORDER BY 1",
    "routines": "SELECT ROUTINE_NAME AS name, DEFINER AS definer FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s ORDER BY 1",
    "events": "SELECT EVENT_NAME AS name, DEFINER AS definer FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY 1",
}
_RUNNING = (
    "SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s AND STATUS = 'ENABLED' ORDER BY 1"
)
_OUTSIDE = (
    "SELECT CONCAT('foreign key ', CONSTRAINT_NAME, ' of ', CONSTRAINT_SCHEMA, '.', TABLE_NAME, ' refers to ', UNIQUE_CONSTRAINT_SCHEMA, '.',"
    " REFERENCED_TABLE_NAME) AS text FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA <> UNIQUE_CONSTRAINT_SCHEMA"
    " AND (CONSTRAINT_SCHEMA = %s OR UNIQUE_CONSTRAINT_SCHEMA = %s)"
    " UNION SELECT CONCAT('view ', VIEW_NAME, ' reads ', TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.VIEW_TABLE_USAGE"
    " WHERE VIEW_SCHEMA = %s AND TABLE_SCHEMA <> %s"
)


def read_tables(connection: Connection, database: str) -> dict[str, Table]:
    """The tables of a database, with what is needed to carry their rows over."""
    columns: dict[str, list[Column]] = {}
    kinds: dict[tuple[str, str], str] = {}
    for row in connection.query(_COLUMNS, (database,)):
        table, name = str(row["tab"]), str(row["name"])
        kinds[table, name] = str(row["kind"])
        columns.setdefault(table, []).append(
            Column(name, bool(row["positive"]), str(row["charset"] or ""), bool(row["computed"]))
        )
    keys: dict[str, list[str]] = {}
    inexact: dict[str, list[str]] = {}
    for row in connection.query(_KEYS, (database,)):
        table, name = str(row["tab"]), str(row["name"])
        keys.setdefault(table, []).append(name)
        if row["part"] or kinds[table, name] in INEXACT:
            inexact.setdefault(table, []).append(name)
    return {
        (name := str(row["name"])): Table(
            engine=str(row["engine"]),
            collation=str(row["collation"]),
            columns=tuple(columns.get(name, ())),
            key=tuple(keys.get(name, ())),
            inexact=tuple(inexact.get(name, ())),
        )
        for row in connection.query(_TABLES, (database, NOTES))
    }


def read_facts(connection: Connection, endpoint: Endpoint, database: str) -> Facts:
    """What a server shows of a database, with a constant number of queries."""
    query = connection.query
    users = sorted({str(row["user"]) for row in query("SELECT User AS user FROM mysql.user")})
    state = read_state(query, users)
    check_server(state, endpoint)
    defaults = query(_DEFAULTS, (database,))
    sizes = query(_SIZES, (database,))[0]
    objects = {kind: query(sql, (database,)) for kind, sql in _OBJECTS.items()}
    retention: int | None = None
    if query(_IS_RDS):
        kept = query(_RETENTION)
        retention = int(kept[0]["value"] or 0) if kept else 0
    able = writers(state, database, endpoint.user)
    return Facts(
        where=endpoint.where,
        administrator=endpoint.user,
        version=state.version,
        variables={
            str(row["Variable_name"]): str(row["Value"])
            for row in query("SHOW GLOBAL VARIABLES WHERE Variable_name IN %s", (_READ,))
        },
        rds_retention=retention,
        defaults=(str(defaults[0]["charset"]), str(defaults[0]["collation"])) if defaults else None,
        size=int(sizes["own"] or 0),
        all_sizes=int(sizes["bytes"] or 0),
        tables=read_tables(connection, database),
        objects={kind: tuple(str(row["name"]) for row in rows) for kind, rows in objects.items()},
        running=tuple(str(row["name"]) for row in query(_RUNNING, (database,))),
        outside=tuple(str(row["text"]) for row in query(_OUTSIDE, (database,) * 4)),
        definers=tuple(
            Definer(f"{kind.removesuffix('s')} {row['name']}", str(row["definer"]))
            for kind, rows in objects.items()
            for row in rows
        ),
        used_collations=frozenset(
            str(row["collation"])
            for row in [*query(_COLUMNS, (database,)), *query(_TABLES, (database, NOTES))]
            if row["collation"]
        ),
        collations=frozenset(
            str(row["name"]) for row in query("SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS")
        ),
        accounts=frozenset(f"{user}@{host}" for user, host in state.accounts),
        writers=tuple(account for account in able if not state.accounts[account].locked),
        locked=tuple(account for account in able if state.accounts[account].locked),
    )


def writers(state: ServerState, database: str, administrator: str) -> list[Account]:
    """Accounts that may change something in a database, by themselves or by a role."""

    def writes(account: Account, seen: frozenset[Account]) -> bool:
        about = state.accounts.get(account)
        return about is not None and any(
            (item.scope == "role" and item.on not in seen and writes((item.on[0], item.on[1]), seen | {account}))
            or bool(item.privileges & WRITES and _reaches(item, database, literal=state.partial_revokes))
            or bool(item.columns and item.on[:1] == (database,))
            for item in about.held
        )

    return [
        account
        for account in sorted(state.accounts)
        if account[0] not in SYSTEM_USERS and account[0] != administrator and writes(account, frozenset())
    ]


def _reaches(item: Held, database: str, *, literal: bool) -> bool:
    if item.scope == "database":
        return matches(item.on[0], database, literal=literal)
    return (
        item.scope == "global"
        or (item.scope == "table" and item.on[0] == database)
        or (item.scope == "routine" and item.on[1] == database)
    )


def columns_of(tables: Mapping[str, Table]) -> dict[str, Sequence[Column]]:
    return {name: table.columns for name, table in tables.items()}
