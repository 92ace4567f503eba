"""Dumps of PostgreSQL by pg_dump, in its custom format; pg_restore of the same or a newer version takes them back.

Rows and checksums are read in the very snapshot that pg_dump uses. A checksum is the sum of the rows' MD5s, so the order of the
rows does not matter. A restore is one transaction: one that was killed leaves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .dumps import DATABASE, SCRATCH, Contents, DumpEngine, Dumping, Manifest, TableSum
from .model import DatabaseError, Endpoint
from .pipes import PRIVATE, Command, Reader, Writer, find, password_file, version
from .postgresql import MISSING, Connection, carry_out, check_server, connect, require_driver
from .postgresql_sql import Name, name_fault, shown_name, statement
from .postgresql_state import MAINTENANCE, read_server
from .tls import ca_bundle

if MISSING is None:
    import psycopg
    from psycopg import sql

    from .postgresql import explain

#: Where Debian and PGDG put each version's programs.
PROGRAMS = Path("/usr/lib/postgresql")
# What a row looks like as text must not depend on the session.
_SESSION = {
    "statement_timeout": "0",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "0",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmlbinary": "base64",
    # A policy would hide rows in silence.
    "row_security": "off",
}


class PostgreSQLDumping(Dumping):
    """pg_dump in the snapshot of a transaction that stays open as long as this."""

    def __init__(self, engine: PostgreSQLDumps, database: str, snapshot: str, tables: Mapping[str, TableSum]) -> None:
        self._engine, self._database, self._snapshot = engine, database, snapshot
        self._tables = tables

    @property
    def tables(self) -> Mapping[str, TableSum]:
        return self._tables

    def parts(self) -> Sequence[str]:
        return [DATABASE]

    def read(self, part: str) -> Reader:
        return Reader(f"dumping {self._database}", self._engine.pg_dump(self._database, self._snapshot))


class PostgreSQLDumps(DumpEngine):
    """PostgreSQL 15 and newer."""

    name = "postgresql"
    suffix = "pgdump.zst"

    def __init__(self, endpoint: Endpoint, folder: str = "") -> None:
        super().__init__(endpoint, folder)
        require_driver()
        self._major = 0
        self._ca = ""

    def client(self) -> str:
        with self._connected() as connection:
            server_version = read_server(connection.query).version
        self._major = int(re.split(r"\D", server_version, maxsplit=1)[0])
        texts = []
        for name in ("pg_dump", "pg_restore"):
            text, number = version(self._program(name))
            if number[:1] < (self._major,):
                raise DatabaseError(
                    f"{name} on this host is older than the server's {server_version} ({text}). Remedy: raise "
                    "database_client_postgresql_major and run role database_client on it."
                )
            texts.append(text)
        return texts[0]

    def _program(self, name: str) -> str:
        # The server's own version first, then the nearest newer one.
        majors = sorted(int(path.name) for path in PROGRAMS.glob("*") if path.name.isdigit())
        folders = [str(PROGRAMS / str(major) / "bin") for major in majors if major >= self._major]
        program = find(name, [self.folder] if self.folder else folders)
        if program is None:
            raise DatabaseError(f"the program {name} is missing on this host. Remedy: run role database_client on it.")
        return program

    @contextmanager
    def _connected(self, database: str = MAINTENANCE) -> Iterator[Connection]:
        with ca_bundle(self.endpoint) as ca, connect(self.endpoint, ca, database) as connection:
            for name, value in _SESSION.items():
                connection.query("SELECT set_config(%(name)s, %(value)s, false)", {"name": name, "value": value})
            yield connection

    def contents(self, database: str) -> Contents | None:
        with self._connected() as connection:
            state = read_server(connection.query)
            check_server(state, self.endpoint)
            found = connection.query(_DATABASE, {"database": database})
            if not found:
                return None
        with self._connected(database) as connection:
            rows = connection.query(_OBJECTS, {})
        objects: dict[str, list[str]] = {}
        for row in rows:
            objects.setdefault(str(row["kind"]), []).append(str(row["name"]))
        tables = objects.pop("tables", [])
        return Contents(
            version=state.version,
            size=int(found[0]["bytes"]),
            tables=tuple(tables),
            objects={kind: tuple(names) for kind, names in objects.items()},
        )

    @contextmanager
    def dump(self, database: str) -> Iterator[PostgreSQLDumping]:
        with ca_bundle(self.endpoint) as self._ca, self._connected(database) as connection, self._moment(connection):
            snapshot = str(connection.query("SELECT pg_export_snapshot() AS snapshot", {})[0]["snapshot"])
            yield PostgreSQLDumping(self, database, snapshot, self._sums(connection))

    @contextmanager
    def _moment(self, connection: Connection) -> Iterator[None]:
        """All that is read in here is of one moment."""
        with connection.raw.transaction():
            connection.run(statement("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield

    def _environment(self, database: str) -> dict[str, str]:
        return {
            "PGHOST": self.endpoint.host,
            "PGPORT": str(self.endpoint.port),
            "PGUSER": self.endpoint.user,
            "PGDATABASE": database,
            "PGPASSFILE": PRIVATE,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": self._ca,
            "PGSSLCERTMODE": "disable",
            "PGGSSENCMODE": "disable",
            "PGREQUIREAUTH": "scram-sha-256",
            "PGCONNECT_TIMEOUT": str(self.endpoint.connect_timeout),
            "PGCLIENTENCODING": "UTF8",
            "PGAPPNAME": "groundwork",
        }

    def pg_dump(self, database: str, snapshot: str) -> Command:
        """pg_dump of a whole database in a snapshot."""
        arguments = [
            "--format=custom",
            # zstd does it, as for the other engine.
            "--compress=0",
            f"--snapshot={snapshot}",
            "--lock-wait-timeout=30s",
            "--no-password",
            "--no-subscriptions",
        ]
        return Command(
            (self._program("pg_dump"), *arguments),
            self._environment(database),
            password_file(self.endpoint.password),
        )

    @contextmanager
    def restore(self, database: str, part: str, manifest: Manifest) -> Iterator[Writer]:
        with self._connected() as connection:
            owner = str(connection.query(_OWNER, {"database": database})[0]["owner"])
        arguments = [
            # As a connection string, so that no name is taken for one.
            f"--dbname=dbname={_conninfo(database)}",
            "--exit-on-error",
            "--single-transaction",
            "--no-password",
            # Whose things are and who may do what is role shared_database's.
            "--no-owner",
            "--no-privileges",
            "--no-publications",
            "--no-subscriptions",
            *([f"--role={owner}"] if owner != self.endpoint.user else []),
        ]
        with ca_bundle(self.endpoint) as self._ca:
            command = Command(
                (self._program("pg_restore"), *arguments),
                self._environment(database),
                password_file(self.endpoint.password),
            )
            with Writer(f"restoring {manifest.database} into {database}", command) as writer:
                yield writer

    def sums(self, database: str) -> dict[str, TableSum]:
        with self._connected(database) as connection, self._moment(connection):
            return self._sums(connection)

    def _sums(self, connection: Connection) -> dict[str, TableSum]:
        result = {}
        for row in connection.query(_TABLES, {}):
            schema, name = str(row["schema"]), str(row["name"])
            try:
                text = sql.SQL(_SUM).format(sql.Identifier(schema, name))
                rows, first, second = connection.raw.execute(text).fetchone()
            except (psycopg.Error, OSError) as error:
                doing = f"reading table {shown_name(schema, name)}"
                raise DatabaseError(explain(error, doing, self.endpoint)) from error
            result[shown_name(schema, name)] = TableSum(int(rows), f"{int(first):x}-{int(second):x}")
        return result

    def begin(self, database: str, key: str) -> None:
        """Nothing is left of a transaction that was not finished."""

    def end(self, database: str) -> None:
        """Nothing was noted."""

    def clear(self, database: str) -> None:
        raise DatabaseError(f"{database} holds no unfinished restore: restores are one transaction")

    def make(self, database: str) -> None:
        fault = name_fault(database)
        if fault:
            raise DatabaseError(f"PostgreSQL refuses {database!r} as a database: {fault}")
        name = Name((database,))
        self._run(database, statement("CREATE DATABASE ", name, " TEMPLATE ", Name(("template0",))))
        self._run(database, statement("REVOKE ALL ON DATABASE ", name, " FROM PUBLIC"))

    def drop_scratch(self, database: str) -> None:
        if not database.startswith(SCRATCH):
            raise DatabaseError(f"{database!r} is no scratch database: it is not dropped")
        self._run(database, statement("DROP DATABASE IF EXISTS ", Name((database,)), " WITH (FORCE)"))

    def _run(self, database: str, item: Any) -> None:
        with self._connected() as connection:
            carry_out(connection, item, item.shown, self.endpoint)


def _conninfo(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_DATABASE = "SELECT pg_database_size(oid) AS bytes FROM pg_database WHERE datname = %(database)s"
_OWNER = "SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = %(database)s"
# Neither the server's own schemas nor what an extension brings.
_MINE = """
  n.nspname NOT IN ('information_schema', 'pg_catalog', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp\\_%%'
  AND n.nspname NOT LIKE 'pg\\_toast\\_temp\\_%%'
"""
_TABLES = f"""
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND {_MINE} AND NOT EXISTS (
   SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""  # noqa: S608 (constants)
_SUM = """
SELECT count(*), coalesce(sum(('x' || left(h, 16))::bit(64)::bigint::numeric), 0),
       coalesce(sum(('x' || right(h, 16))::bit(64)::bigint::numeric), 0)
  FROM (SELECT md5(ROW(t.*)::text) AS h FROM ONLY {} AS t) AS hashed
"""
_OBJECTS = f"""
SELECT kind, name FROM (
  SELECT 'pg_class'::regclass AS class, c.oid,
         CASE c.relkind WHEN 'r' THEN 'tables' WHEN 'p' THEN 'partitioned tables' WHEN 'v' THEN 'views'
              WHEN 'm' THEN 'materialized views' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'foreign tables' END AS kind,
         format('%%s.%%s', '"' || replace(n.nspname, '"', '""') || '"', '"' || replace(c.relname, '"', '""') || '"') AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND {_MINE}
  UNION ALL
  SELECT 'pg_proc'::regclass, p.oid, 'routines', p.oid::regprocedure::text
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_MINE}
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, 'types', format('%%I.%%I', n.nspname, t.typname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r') AND {_MINE}
  UNION ALL
  SELECT 'pg_trigger'::regclass, t.oid, 'triggers', format('%%I on %%s', t.tgname, t.tgrelid::regclass)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE NOT t.tgisinternal AND {_MINE}
  UNION ALL
  SELECT 'pg_constraint'::regclass, o.oid, 'constraints', format('%%I on %%s', o.conname, o.conrelid::regclass)
    FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace WHERE o.conrelid <> 0 AND {_MINE}
  UNION ALL
  SELECT 'pg_policy'::regclass, o.oid, 'policies', format('%%I on %%s', o.polname, o.polrelid::regclass) FROM pg_policy o
  UNION ALL
  SELECT 'pg_namespace'::regclass, n.oid, 'schemas', n.nspname FROM pg_namespace n WHERE n.nspname <> 'public' AND {_MINE}
  UNION ALL
  SELECT 'pg_extension'::regclass, e.oid, 'extensions', e.extname FROM pg_extension e WHERE e.extname <> 'plpgsql'
) found
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = found.class AND d.objid = found.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""  # noqa: S608 (constants)
