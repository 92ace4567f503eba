"""Dumps of MySQL by MySQL's own mysqldump. MariaDB's, which Debian calls by the same name, writes values of generated columns,
and MySQL refuses these.

Checksums are those of mysqldump's own rows, as they pass: no other session could read the same moment without locking the
tables. What was restored is compared by dumping it once more, and its rows are counted by the server.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from .dumps import DATABASE, SCRATCH, Contents, DumpEngine, Dumping, Manifest, TableSum
from .model import DatabaseError, Endpoint
from .mysql import MISSING, Connection, check_server, connect, require_driver, tls_context
from .mysql_sql import Statement, database_fault, identifier, shown_identifier
from .mysql_state import read_version, version_tuple
from .pipes import PRIVATE, Command, Reader, Writer, find, look, option_file, version
from .tls import ca_bundle

if MISSING is None:
    import pymysql

    from .mysql import explain

#: Events run from the moment they are made, in a scratch database too: they are a part of their own, which drills leave out.
EVENTS = "events"
#: The database without its triggers: a migration makes these last, since what it carries over fired them already.
COPY = "copy"
#: Names a dump while it is restored into the database that has this table.
NOTE = "groundwork_restore"
#: Says how far a migration is, in the databases that it is about.
MIGRATION = "groundwork_migration"
NOTES = (NOTE, MIGRATION)
#: Counting rows and dropping a database take their time.
PATIENCE = 24 * 3600
_INSERT = b"INSERT INTO "
_LOCK, _WRITE, _UNLOCK = b"LOCK TABLES ", b" WRITE;", b"UNLOCK TABLES;"
# What follows the table's name: the names of its columns when some are generated, then the rows.
_VALUES = re.compile(rb" (?:\((?:`(?:[^`]|``)*+`(?:, )?)++\) )?VALUES ")
_STRING = re.compile(rb"'(?:[^'\\]++|\\.)*+'", re.DOTALL)


class RowSums:
    """Rows and a checksum of each table of a dump, read as it passes."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._table = b""
        self._open: dict[bytes, tuple[int, hashlib._Hash]] = {}

    def feed(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._begun.append(first)
        for piece in others:
            self._line(b"".join(self._begun))
            self._begun = [piece]

    def _line(self, line: bytes) -> None:
        if not self._table:
            # No stored program may lock tables, so this line is mysqldump's own.
            if line.startswith(_LOCK) and line.endswith(_WRITE):
                self._table = line[len(_LOCK) : -len(_WRITE)]
                self._open[self._table] = (0, hashlib.sha256())
        elif line == _UNLOCK:
            self._table = b""
        elif line.startswith(_INSERT + self._table):
            found = _VALUES.match(line, len(_INSERT) + len(self._table))
            if found:
                self._values(line[found.end() :].removesuffix(b";"))

    def _values(self, values: bytes) -> None:
        rows, digest = self._open[self._table]
        # How many rows stand in one statement is a matter of a buffer's size, not of the table.
        digest.update(b"," + values if rows else values)
        self._open[self._table] = (rows + _STRING.sub(b"", values).count(b"),(") + 1, digest)

    def tables(self) -> dict[str, TableSum]:
        return {
            name[1:-1].replace(b"``", b"`").decode(): TableSum(rows, digest.hexdigest())
            for name, (rows, digest) in self._open.items()
        }


class MySQLDumping(Dumping):
    """One run of mysqldump, and a second one for the events."""

    def __init__(self, engine: MySQLDumps, database: str, contents: Contents) -> None:
        self._engine, self._database, self._contents = engine, database, contents
        self._sums = RowSums()

    @property
    def tables(self) -> dict[str, TableSum]:
        tables = self._sums.tables()
        if tables.keys() != set(self._contents.tables):
            other = ", ".join(sorted(tables.keys() ^ set(self._contents.tables)))
            raise DatabaseError(
                f"tables came or went while {self._database} was dumped: {other}. Remedy: run it again."
            )
        return tables

    def parts(self) -> Sequence[str]:
        return [DATABASE, EVENTS] if self._contents.objects["events"] else [DATABASE]

    def read(self, part: str) -> Reader:
        command = self._engine.mysqldump(self._database, part)
        return Reader(f"dumping {self._database}", command, self._sums if part in (DATABASE, COPY) else None)


class MySQLDumps(DumpEngine):
    """MySQL 8.0.16 and newer."""

    name = "mysql"
    suffix = "sql.zst"

    def __init__(self, endpoint: Endpoint, folder: str = "") -> None:
        super().__init__(endpoint, folder)
        require_driver()

    def client(self) -> str:
        with self._connected() as connection:
            server_version = read_version(connection.query).version
        texts = []
        for name in ("mysqldump", "mysql"):
            text, number = version(self._program(name))
            if "mariadb" in text.lower():
                raise DatabaseError(
                    f"{name} on this host is MariaDB's ({text}), whose dumps MySQL does not take back. Remedy: run role "
                    "database_client on it."
                )
            if number < version_tuple(server_version)[:2]:
                raise DatabaseError(
                    f"{name} on this host is older than the server's {server_version} ({text}). Remedy: raise "
                    "database_client_mysql_series and run role database_client on it."
                )
            texts.append(text)
        return texts[0]

    def _program(self, name: str) -> str:
        program = find(name, [self.folder] if self.folder else [])
        if program is None:
            raise DatabaseError(f"the program {name} is missing on this host. Remedy: run role database_client on it.")
        return program

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with connect(self.endpoint, tls_context(self.endpoint), read_timeout=PATIENCE) as connection:
            yield connection

    def contents(self, database: str) -> Contents | None:
        with self._connected() as connection:
            state = read_version(connection.query)
            check_server(state, self.endpoint)
            if not connection.query(_SCHEMA, (database,)):
                return None
            tables = connection.query(_TABLES, (database,))
            objects = {kind: _names(connection, sql, database) for kind, sql in _OBJECTS.items()}
            return Contents(
                version=state.version,
                size=sum(int(row["bytes"] or 0) for row in tables),
                tables=tuple(
                    str(row["name"]) for row in tables if row["kind"] == "BASE TABLE" and row["name"] not in NOTES
                ),
                objects={
                    "views": tuple(sorted(str(row["name"]) for row in tables if row["kind"] == "VIEW")),
                    **objects,
                },
                warnings=tuple(
                    f"table {row['name']} is {row['engine']}'s: what is written to it meanwhile may be torn"
                    for row in tables
                    if row["kind"] == "BASE TABLE" and row["engine"] != "InnoDB"
                ),
                unfinished=self._noted(connection, database, [str(row["name"]) for row in tables]),
            )

    @staticmethod
    def _noted(connection: Connection, database: str, tables: Sequence[str]) -> str:
        if NOTE not in tables:
            return ""
        rows = connection.query(f"SELECT dump FROM {identifier(database)}.{NOTE}")  # noqa: S608 (quoted)
        return str(rows[0]["dump"]) if rows else ""

    @contextmanager
    def dump(self, database: str) -> Iterator[MySQLDumping]:
        contents = self.contents(database)
        if contents is None:
            raise DatabaseError(f"there is no database {database!r} at {self.endpoint.where}")
        with self.files():
            yield MySQLDumping(self, database, contents)

    @contextmanager
    def files(self) -> Iterator[None]:
        """With the files that the client programs need."""
        with ca_bundle(self.endpoint) as self._ca:
            yield

    def _options(self) -> str:
        return option_file(
            {
                "user": self.endpoint.user,
                "password": self.endpoint.password,
                "host": self.endpoint.host,
                "port": self.endpoint.port,
                "protocol": "TCP",
                "ssl-mode": "VERIFY_IDENTITY",
                "ssl-ca": self._ca,
                "default-character-set": "utf8mb4",
                # A row may be as large as the protocol allows.
                "max-allowed-packet": "1G",
            }
        )

    def mysqldump(self, database: str, part: str) -> Command:
        """One run of mysqldump over one snapshot of the InnoDB tables."""
        arguments = [
            f"--defaults-file={PRIVATE}",
            "--single-transaction",
            "--quick",
            "--hex-blob",
            "--no-tablespaces",
            # Needs no lock of the whole server, which RDS does not give.
            "--set-gtid-purged=OFF",
            "--skip-dump-date",
            # A dump destroys nothing where it is restored.
            "--skip-add-drop-table",
            # The same rows give the same text.
            "--order-by-primary",
        ]
        if part == EVENTS:
            arguments += ["--no-create-info", "--no-data", "--skip-triggers", "--events"]
        else:
            triggers = "--skip-triggers" if part == COPY else "--triggers"
            arguments += ["--routines", triggers, "--skip-events"]
            arguments += [f"--ignore-table={database}.{note}" for note in NOTES]
        # `--`: a name is never taken for an option.
        return Command((self._program("mysqldump"), *arguments, "--", database), private=self._options())

    @contextmanager
    def restore(self, database: str, part: str, manifest: Manifest) -> Iterator[Writer]:
        old, new = (f"ALTER DATABASE {shown_identifier(name)} ".encode() for name in (manifest.database, database))

        def change(line: bytes) -> bytes:
            # mysqldump names the database where a program's collation is not the database's present one.
            return new + line[len(old) :] if line.startswith(old) else line

        with self.files():
            arguments = (
                self._program("mysql"),
                f"--defaults-file={PRIVATE}",
                "--binary-mode",
                f"--database={database}",
            )
            command = Command(arguments, private=self._options())
            try:
                with Writer(f"restoring {manifest.database} into {database}", command, change) as writer:
                    yield writer
            except DatabaseError as error:
                if "NONEXISTENT_DEFINER" not in str(error):
                    raise
                raise DatabaseError(
                    f"{error}. Remedy: the account that made a view, trigger or routine is not there any more; put the "
                    "service's users back (playbooks/databases.yml), then run this again."
                ) from error

    def sums(self, database: str) -> dict[str, TableSum]:
        sums = RowSums()
        with self.files():
            look(f"reading {database} back", self.mysqldump(database, DATABASE), sums)
        result = {}
        with self._connected() as connection:
            for name, table in sums.tables().items():
                counted = f"SELECT COUNT(*) AS counted FROM {identifier(database)}.{identifier(name)}"  # noqa: S608 (quoted)
                result[name] = TableSum(int(connection.query(counted)[0]["counted"]), table.checksum)
        return result

    def begin(self, database: str, key: str) -> None:
        note = f"{identifier(database)}.{NOTE}"
        self._run(Statement(f"CREATE TABLE IF NOT EXISTS {note} (dump VARCHAR(255) PRIMARY KEY)", (), f"noting {key}"))
        self._run(Statement(f"REPLACE INTO {note} VALUES (%s)", (key,), f"noting {key}"))  # noqa: S608 (quoted)

    def end(self, database: str) -> None:
        self._run(Statement(f"DROP TABLE {identifier(database)}.{NOTE}", (), "taking the note away"))

    def clear(self, database: str) -> None:
        with self._connected() as connection:
            row = connection.query(_SCHEMA, (database,))[0]
            self._run(Statement(f"DROP DATABASE {identifier(database)}", (), f"emptying {database}"))
            self._run(
                Statement(
                    f"CREATE DATABASE {identifier(database)} CHARACTER SET %s COLLATE %s",
                    (str(row["charset"]), str(row["collation"])),
                    f"emptying {database}",
                )
            )

    def make(self, database: str) -> None:
        fault = database_fault(database)
        if fault:
            raise DatabaseError(f"MySQL refuses {database!r} as a database: {fault}")
        self._run(Statement(f"CREATE DATABASE {identifier(database)}", (), f"making {database}"))

    def drop_scratch(self, database: str) -> None:
        if not database.startswith(SCRATCH):
            raise DatabaseError(f"{database!r} is no scratch database: it is not dropped")
        self._run(Statement(f"DROP DATABASE IF EXISTS {identifier(database)}", (), f"dropping {database}"))

    def _run(self, statement: Statement) -> None:
        with ExitStack() as stack:
            connection = stack.enter_context(self._connected())
            try:
                connection.run(statement)
            except (pymysql.MySQLError, OSError) as error:
                raise DatabaseError(explain(error, statement.shown, self.endpoint)) from error


_SCHEMA = (
    "SELECT DEFAULT_CHARACTER_SET_NAME AS charset, DEFAULT_COLLATION_NAME AS collation FROM information_schema.SCHEMATA"
    " WHERE SCHEMA_NAME = %s"
)
_TABLES = (
    "SELECT TABLE_NAME AS name, TABLE_TYPE AS kind, ENGINE AS engine, DATA_LENGTH + INDEX_LENGTH AS bytes"
    " FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME"
)
_OBJECTS = {
    "triggers": "SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s",
    "routines": (
        "SELECT CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_NAME) AS name FROM information_schema.ROUTINES"
        " WHERE ROUTINE_SCHEMA = %s"
    ),
    EVENTS: "SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s",
}


def _names(connection: Connection, sql: str, database: str) -> tuple[str, ...]:
    return tuple(sorted(str(row["name"]) for row in connection.query(sql, (database,))))
