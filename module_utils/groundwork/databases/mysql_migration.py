"""Moves a database from one MySQL server to another while its service writes to it.

A copy is taken at one moment whose place in the binary log is known; what was committed since is read from the log and applied,
each transaction once: how far it is, is written by the same transaction that applies it. Before the switch every table is compared at
one moment, without a pause. In the pause the service's accounts are locked, the rest of the log is applied, and every row that was
changed since that moment is compared. The way back is the same with the servers exchanged.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread
from typing import TypeVar

from .dumps import Manifest, TableSum, differences, some
from .model import DatabaseError, Endpoint
from .mysql import MISSING, Connection, connect, server_lock, tls_context
from .mysql_binlog import ANEW, Boundary, Event, Log, Position, Rows, Text, newest, position
from .mysql_dumps import COPY, EVENTS, MIGRATION, PATIENCE, MySQLDumps, RowSums
from .mysql_migration_plan import Facts, Table, columns_of, read_facts, read_tables
from .mysql_offboarding import MySQLOffboarding, sessions
from .mysql_sql import Account, identifier, shown_account, shown_identifier
from .offboarding import end_sessions
from .pipes import CHUNK, look

if MISSING is None:
    import pymysql
    from pymysql.constants import CLIENT

    from .mysql import explain

T = TypeVar("T")

#: How far a migration is, as the note in a database says it.
COPYING, FOLLOWING, SWITCHED, BACK = "copying", "following", "switched", "back"
#: Seconds that writers may wait while the tables are held for a moment, and how often that is tried.
HOLD, ATTEMPTS = 2, 15
#: A lock wait that timed out, or a deadlock with writers.
TRY_AGAIN = frozenset({1205, 1213})
#: Rows that one transaction on the target has at least, when it has more than one of the source.
BATCH = 500
#: Seconds that sessions of the administrator are given to end.
LEAVING = 10
#: Statements in one round trip.
TOGETHER = 100
#: Rows changed during a comparison of which the keys are kept.
MOST_KEYS = 1_000_000
KEYS_AT_ONCE = 200
_SESSION = (
    "SET SESSION time_zone = '+00:00',"
    # Dates that are not in the calendar are values like others here.
    " sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'"
)
#: Statements that concern no table: accounts, sessions and maintenance; and triggers, which move at the switch as they are then.
_HARMLESS = re.compile(
    r"(?:GRANT|REVOKE|SET|FLUSH|ANALYZE|OPTIMIZE|RENAME\s+USER|(?:CREATE|ALTER|DROP)\s+(?:USER|ROLE)"
    r"|(?:CREATE|DROP)\s+(?:/\*!\d*\s*)?TEMPORARY|(?:CREATE|DROP)\s+(?:DEFINER\s*=\s*\S+\s+)?TRIGGER)\b",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"(?:\s*/\*(?!!).*?\*/)*\s*", re.DOTALL)
_TRIGGERS = "SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, ACTION_ORDER"


def concerns(text: Text, database: str) -> bool:
    """Whether a statement of the log changed something in a database that rows do not say."""
    sql = text.sql[found.end() :] if (found := _COMMENT.match(text.sql)) else text.sql
    named = re.search(rf"(?<![\w$]){re.escape(database)}(?![\w$])", sql)
    return bool(text.schema == database or named) and not _HARMLESS.match(sql) and MIGRATION not in sql


@dataclass(frozen=True)
class Note:
    """What a database says of the copy in it: whence, how far, and whom the switch locked out on the other server."""

    phase: str
    origin: str = ""
    at: Position | None = None
    locked: tuple[Account, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How long things may take, in seconds."""

    #: Between a commit on the source and on the target, before the switch begins.
    lag: float = 2
    #: To get there.
    follow: float = 3600
    #: The write pause; when it would last longer, the service is let in again where it was.
    pause: float = 30


@dataclass
class Progress:
    """What following did."""

    rows: int = 0
    transactions: int = 0
    #: Seconds: what was committed on the source that long ago is on the target.
    lag: float = 0
    #: Keys of what was changed are kept here.
    changed: Changed | None = None
    #: When it must have caught up.
    deadline: float = float("inf")


class Server:
    """One of the two servers and the database on it."""

    def __init__(self, endpoint: Endpoint, database: str, programs: str) -> None:
        self.endpoint, self.database = endpoint, database
        self.dumps = MySQLDumps(endpoint, programs)
        self._context = tls_context(endpoint)
        self._control: Connection | None = None

    @property
    def where(self) -> str:
        return f"{self.database} at {self.endpoint.where}"

    @contextmanager
    def connected(self, *, client_flag: int = 0) -> Iterator[Connection]:
        with connect(self.endpoint, self._context, read_timeout=PATIENCE, client_flag=client_flag) as connection:
            # Some wait for hours until the work beside them is done.
            connection.execute(f"SET SESSION wait_timeout = {PATIENCE}")
            yield connection

    @contextmanager
    def opened(self) -> Iterator[Server]:
        """With the connection that short questions use."""
        with self.connected() as self._control:
            yield self

    @property
    def control(self) -> Connection:
        if self._control is None:
            raise DatabaseError(f"{self.endpoint.where} is not open")
        return self._control

    def facts(self) -> Facts:
        return read_facts(self.control, self.endpoint, self.database)

    def execute(self, text: str, doing: str) -> None:
        try:
            self.control.execute(text)
        except (pymysql.MySQLError, OSError) as error:
            raise DatabaseError(explain(error, doing, self.endpoint)) from error

    # --- the note ----------------------------------------------------------------------------------------------------

    @property
    def _noted(self) -> str:
        return f"{shown_identifier(self.database)}.{MIGRATION}"

    def note(self) -> Note | None:
        there = self.control.query(
            "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
            (self.database, MIGRATION),
        )
        sql = ("SELECT * FROM", f"{identifier(self.database)}.{MIGRATION}")
        rows = self.control.query(" ".join(sql)) if there else ()
        for row in rows:
            at = position(str(row["file"]), int(row["offset"])) if row["file"] else None
            locked = tuple((str(user), str(host)) for user, host in json.loads(row["locked"]))
            return Note(str(row["phase"]), str(row["origin"]), at, locked)
        return None

    def make_note_table(self) -> None:
        self.execute(
            f"CREATE TABLE IF NOT EXISTS {self._noted} (id INT PRIMARY KEY, phase VARCHAR(20) NOT NULL, origin VARCHAR(300) NOT NULL,"
            " file VARCHAR(300) NOT NULL, offset BIGINT NOT NULL, locked JSON NOT NULL) ENGINE = InnoDB",
            f"noting the migration in {self.where}",
        )

    def write_note(self, note: Note) -> None:
        self.control.query(
            " ".join(("REPLACE INTO", f"{identifier(self.database)}.{MIGRATION}", "VALUES (1, %s, %s, %s, %s, %s)")),
            (
                note.phase,
                note.origin,
                note.at.file if note.at else "",
                note.at.offset if note.at else 0,
                json.dumps(note.locked),
            ),
        )

    def progress(self, at: Position) -> str:
        """The statement that says how far a copy is, for the transaction that brought it there."""
        file = f"X'{at.file.encode().hex()}'"
        return " ".join(("UPDATE", self._noted, "SET file =", file, ", offset =", str(at.offset), "WHERE id = 1"))

    def drop_note(self) -> None:
        self.execute(f"DROP TABLE IF EXISTS {self._noted}", f"taking the note of the migration out of {self.where}")

    # --- accounts ----------------------------------------------------------------------------------------------------

    def lock(self, accounts: Sequence[Account], *, lock: bool) -> None:
        """Lets accounts in no more and ends their sessions, or lets them in again."""
        users = sorted({account[0] for account in accounts})
        keeper = MySQLOffboarding(self.control, self.endpoint, 0)
        seen = keeper.see(self.database, users)
        names = [name for name in map(shown_account, accounts) if name in seen.logins]
        for name in names:
            if seen.logins[name].locked != lock:
                keeper.turn(name, lock=lock)[1]()
        if lock:
            end_sessions(keeper, self.database, names)

    def administrators_sessions(self) -> list[str]:
        """Sessions of the administrator in the database, whom nobody locks out."""
        visitors = MySQLOffboarding(self.control, self.endpoint, 0).see(self.database, []).visitors
        return [visitor for visitor in visitors if f" of {self.endpoint.user} from " in visitor]

    # --- triggers ----------------------------------------------------------------------------------------------------

    def triggers(self) -> list[str]:
        return [str(row["name"]) for row in self.control.query(_TRIGGERS, (self.database,))]


def move_triggers(source: Server, target: Server) -> None:
    """Makes the source's triggers on the target, then takes them from the source. One that is on both was made by a run that was killed."""
    there = set(target.triggers())
    for name in source.triggers():
        quoted = f"{identifier(source.database)}.{identifier(name)}"
        if name not in there:
            row = source.control.query(f"SHOW CREATE TRIGGER {quoted}")[0]
            with target.connected() as connection:
                try:
                    connection.raw.select_db(target.database)
                    connection.query(
                        "SET SESSION sql_mode = %s, character_set_client = %s, collation_connection = %s",
                        (row["sql_mode"], row["character_set_client"], row["collation_connection"]),
                    )
                    connection.execute(str(row["SQL Original Statement"]))
                except (pymysql.MySQLError, OSError) as error:
                    raise DatabaseError(explain(error, f"making trigger {name}", target.endpoint)) from error
        source.execute(
            f"DROP TRIGGER {shown_identifier(source.database)}.{shown_identifier(name)}",
            f"taking trigger {name} from {source.where}",
        )


# --- applying ----------------------------------------------------------------------------------------------------------


class Changed:
    """Keys of the rows that were changed since a comparison began."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self.keys: dict[str, set[tuple[str, ...]]] = {}
        self._count = 0

    def add(self, rows: Rows) -> None:
        found = self.keys.setdefault(rows.table, set())
        before = len(found)
        found.update(key_of(self._tables[rows.table], row) for row in (*rows.before, *rows.after))
        self._count += len(found) - before
        if self._count > MOST_KEYS:
            raise DatabaseError(
                f"more than {MOST_KEYS} rows were changed while the tables were compared. Remedy: nothing is lost; switch at a quieter hour"
            )


def key_of(table: Table, row: Sequence[str]) -> tuple[str, ...]:
    names = [column.name for column in table.columns]
    return tuple(row[names.index(name)] for name in table.key)


class Applier:
    """Writes what the log says to the target. A row that is not there to be changed is an error, and nothing is written."""

    def __init__(self, connection: Connection, target: Server, tables: Mapping[str, Table]) -> None:
        self._connection, self._target, self._tables = connection, target, tables
        self._foreign_keys = True
        #: Statements that are sent together, each with the table in which it must find its row.
        self._waiting: list[tuple[str, str]] = []
        self._size = 0

    def rows(self, rows: Rows) -> None:
        if rows.foreign_keys != self._foreign_keys:
            # As the session had it that made the change.
            self.add(f"SET SESSION foreign_key_checks = {int(rows.foreign_keys)}")
            self._foreign_keys = rows.foreign_keys
        table = self._tables[rows.table]
        name = f"{shown_identifier(self._target.database)}.{shown_identifier(rows.table)}"
        if not rows.before:
            self._insert(name, table, rows.after)
        elif not rows.after:
            for row in rows.before:
                # A cascade may have taken it already.
                self.add(" ".join(("DELETE FROM", name, "WHERE", _where(table, row))))
        else:
            for before, after in zip(rows.before, rows.after, strict=True):
                self._update(name, table, before, after)

    def _insert(self, name: str, table: Table, rows: Iterable[Sequence[str]]) -> None:
        written = [number for number, column in enumerate(table.columns) if not column.generated]
        columns = ", ".join(shown_identifier(table.columns[number].name) for number in written)
        values = ", ".join(f"({', '.join(row[number] for number in written)})" for row in rows)
        self.add(" ".join(("INSERT INTO", name, f"({columns}) VALUES", values)))

    def _update(self, name: str, table: Table, before: Sequence[str], after: Sequence[str]) -> None:
        sets = ", ".join(
            f"{shown_identifier(column.name)} = {after[number]}"
            for number, column in enumerate(table.columns)
            if not column.generated
        )
        where = _where(table, before)
        if key_of(table, before) != key_of(table, after):
            # A cascade may have changed its key already.
            where = f"({where}) OR ({_where(table, after)})"
        self.add(" ".join(("UPDATE", name, "SET", sets, "WHERE", where)), name)

    def add(self, text: str, must_find: str = "") -> None:
        self._waiting.append((text, must_find))
        self._size += len(text)
        if len(self._waiting) >= TOGETHER or self._size >= CHUNK:
            self.send()

    def send(self) -> None:
        """Carries out what waits, in one round trip."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        if not waiting:
            return
        counts = self._connection.execute_all([text for text, _ in waiting])
        for (_, name), count in zip(waiting, counts, strict=True):
            if name and not count:
                raise DatabaseError(
                    f"a row of {name} that was changed on the source is not there: the copy is not what it should be. Remedy: begin anew "
                    "(do=back, then this again)"
                )


def _where(table: Table, row: Sequence[str]) -> str:
    pairs = zip(table.key, key_of(table, row), strict=True)
    return " AND ".join(f"{shown_identifier(name)} = {value}" for name, value in pairs)


class Migration:
    """One direction: from a source, to which the service writes, to a target, to which nobody writes yet."""

    def __init__(
        self, source: Server, target: Server, limits: Limits, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.source, self.target, self.limits = source, target, limits
        #: Steps, for those who want to know how far it is.
        self.say = say

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time for this database."""
        name = f"groundwork.migration.{self.target.database}"[:64]
        with self.target.connected() as connection, server_lock(connection, self.target.endpoint, 10, name):
            yield

    def _need(self, phase: str) -> Note:
        note = self.target.note()
        if note is None or note.phase != phase or note.origin != self.source.endpoint.where:
            found = f"{note.phase}, from {note.origin}" if note else "nothing"
            raise DatabaseError(
                f"{self.target.where} notes {found}, not {phase} from {self.source.endpoint.where}. Remedy: give the same values as the run before"
            )
        return note

    # --- copy ----------------------------------------------------------------------------------------------------------

    def _at_one_moment(
        self, tables: Mapping[str, Table], start: Callable[[], T], over: Callable[[T], bool]
    ) -> tuple[Position, T]:
        """Starts something whose first act is a snapshot, while nobody can write to the tables: the place in the log of that moment."""
        quoted = ", ".join(f"{shown_identifier(self.source.database)}.{shown_identifier(name)} READ" for name in tables)
        for _ in range(ATTEMPTS):
            with self.source.connected() as holder:
                holder.execute(f"SET SESSION lock_wait_timeout = {HOLD}")
                try:
                    holder.execute(f"LOCK TABLES {quoted}")
                except pymysql.MySQLError as error:
                    if error.args[0] not in TRY_AGAIN:
                        raise DatabaseError(
                            explain(error, "holding the tables for a moment", self.source.endpoint)
                        ) from error
                    # Writers wait behind this one: they go first before it is tried again.
                    time.sleep(HOLD)
                    continue
                at = newest(self.source.control)
                mine = int(holder.query("SELECT CONNECTION_ID() AS id")[0]["id"])
                started = start()
                self._wait_for_snapshot(mine, partial(over, started))
                return at, started
        raise DatabaseError(
            f"some transaction holds tables of {self.source.where} all the time, tried {ATTEMPTS} times for {HOLD} s. Remedy: find it in "
            "information_schema.INNODB_TRX and end it, then run again"
        )

    def _wait_for_snapshot(self, mine: int, over: Callable[[], bool]) -> None:
        """Until mysqldump, which connected after this session, has entered the database: it begins its transaction before that."""
        deadline = time.monotonic() + 2 * HOLD
        while time.monotonic() < deadline:
            inside = sessions(self.source.control, [self.source.endpoint.user])
            if over() or any(row["id"] > mine and row["db"] == self.source.database for row in inside):
                return
            time.sleep(0.02)
        raise DatabaseError(f"the snapshot of {self.source.where} did not begin. Remedy: run it again")

    def copy(self) -> dict[str, TableSum]:
        """A copy of one moment, compared with what was read, and the place in the log from which to follow."""
        source, target = self.source, self.target
        note = target.note()
        if note and note.phase == SWITCHED:
            raise DatabaseError(f"{target.where} is what the service uses: nothing is copied over it")
        if note:
            # The copy of a run that was killed, or of a migration that was given up.
            target.dumps.clear(target.database)
        target.make_note_table()
        target.write_note(Note(COPYING, source.endpoint.where))
        tables = read_tables(source.control, source.database)
        contents = source.dumps.contents(source.database)
        if contents is None:
            raise DatabaseError(f"there is no database {source.where}")
        manifest = Manifest(
            "", "mysql", source.database, source.endpoint.host, "", contents.version, "", contents.objects
        )
        self.say("copy")
        with source.dumps.dump(source.database) as dumping, ExitStack() as stack:
            at, reader = self._at_one_moment(
                tables, lambda: stack.enter_context(dumping.read(COPY)), lambda started: started.over
            )
            self.say("copying")
            with target.dumps.restore(target.database, COPY, manifest) as writer:
                while data := reader.read(CHUNK):
                    writer.write(data)
                writer.finish()
            sums = dict(dumping.tables)
            if EVENTS in dumping.parts():
                with dumping.read(EVENTS) as part, target.dumps.restore(target.database, EVENTS, manifest) as writer:
                    while data := part.read(CHUNK):
                        writer.write(data)
                    writer.finish()
        objects = {**contents.objects, "triggers": ()}
        copied = target.dumps.contents(target.database)
        self._same(
            differences(
                replace(manifest, tables=sums, objects=objects),
                target.dumps.sums(target.database),
                copied.objects if copied else {},
            )
        )
        target.write_note(Note(FOLLOWING, source.endpoint.where, at))
        return sums

    def _same(self, found: Sequence[str]) -> None:
        if found:
            raise DatabaseError(
                f"{self.target.where} has something else than {self.source.where}: {some(found)}. Nothing was switched. Remedy: begin anew "
                "(do=back, then this again)"
            )

    # --- follow ----------------------------------------------------------------------------------------------------------

    def _check_text(self, text: Text) -> None:
        if not concerns(text, self.source.database):
            return
        raise DatabaseError(
            f"a definition in {self.source.where} was changed meanwhile ({' '.join(text.sql.split()[:3])} …), which cannot be carried over. "
            f"{ANEW}"
        )

    def _apply(self, until: Position, progress: Progress) -> None:
        """Applies what is in the log up to a place. Stops between two transactions, wherever it is killed."""
        note = self._need(FOLLOWING)
        at = note.at
        if at is None or at >= until:
            return
        tables = read_tables(self.source.control, self.source.database)
        try:
            with (
                self.source.connected() as reading,
                self.target.connected(client_flag=CLIENT.FOUND_ROWS | CLIENT.MULTI_STATEMENTS) as writing,
            ):
                writing.execute(_SESSION)
                log = Log(reading.raw, self.source.endpoint, self.source.database, columns_of(tables))
                self._transactions(log.read(at), Applier(writing, self.target, tables), until, progress)
        except (pymysql.MySQLError, OSError) as error:
            text = explain(error, f"applying changes to {self.target.database}", self.target.endpoint)
            raise DatabaseError(f"{text} The copy stays as it was before that transaction.") from error

    def _transactions(self, events: Iterator[Event], applier: Applier, until: Position, progress: Progress) -> None:
        pending = 0
        applier.add("BEGIN")
        for event in events:
            if isinstance(event, Text):
                self._check_text(event)
            elif isinstance(event, Rows):
                applier.rows(event)
                if progress.changed:
                    progress.changed.add(event)
                pending += max(len(event.before), len(event.after))
            elif isinstance(event, Boundary):
                done = event.position >= until
                if not done and pending < BATCH:
                    continue
                applier.add(self.target.progress(event.position))
                applier.add("COMMIT")
                applier.send()
                progress.rows += pending
                progress.transactions += 1
                pending = 0
                self.say("applied")
                if done:
                    return
                if time.monotonic() > progress.deadline:
                    raise DatabaseError(
                        f"{self.target.where} does not catch up with {self.source.where} in time. Remedy: run it again, it goes on where it is; "
                        "a quieter hour, or a larger instance for the time of the move"
                    )
                applier.add("BEGIN")
        raise DatabaseError(
            f"the binary log of {self.source.endpoint.where} ended before {until.shown}. Remedy: run it again"
        )

    def follow(self, changed: Changed | None = None) -> Progress:
        """Applies changes until what is committed on the source is on the target within the wanted time."""
        progress = Progress(changed=changed, deadline=time.monotonic() + self.limits.follow)
        while True:
            began = time.monotonic()
            self._apply(newest(self.source.control), progress)
            progress.lag = time.monotonic() - began
            if progress.lag <= self.limits.lag:
                return progress
            if began > progress.deadline:
                raise DatabaseError(
                    f"{self.target.where} stays {progress.lag:.1f} s behind {self.source.where}, more than {self.limits.lag:g}. Remedy: a quieter "
                    "hour, a larger instance for the time of the move, or -e lag=<seconds>"
                )

    # --- compare -----------------------------------------------------------------------------------------------------------

    def compare(self) -> tuple[dict[str, TableSum], Changed]:
        """Compares every table as of one moment while the service writes; returns what to compare of what was changed since."""
        tables = read_tables(self.source.control, self.source.database)
        theirs, errors = RowSums(), list[BaseException]()

        def read() -> None:
            try:
                with self.source.dumps.files():
                    look(
                        f"reading {self.source.database}",
                        self.source.dumps.mysqldump(self.source.database, COPY),
                        theirs,
                    )
            except BaseException as error:
                errors.append(error)

        def start() -> Thread:
            thread = Thread(target=read, daemon=True)
            thread.start()
            return thread

        at, thread = self._at_one_moment(tables, start, lambda started: not started.is_alive())
        self.say("comparing")
        self._apply(at, Progress(deadline=time.monotonic() + self.limits.follow))
        changed = Changed(tables)
        ours = RowSums()
        with self.target.dumps.files():
            look(f"reading {self.target.database}", self.target.dumps.mysqldump(self.target.database, COPY), ours)
        thread.join()
        if errors:
            raise errors[0]
        manifest = Manifest("", "mysql", self.source.database, "", "", "", "", {}, tables=theirs.tables())
        self._same(differences(manifest, ours.tables(), {}))
        return theirs.tables(), changed

    def _compare_changed(self, changed: Changed, tables: Mapping[str, Table]) -> int:
        found, count = [], 0
        for name, keys in changed.keys.items():
            count += len(keys)
            ordered = sorted(keys)
            for begin in range(0, len(ordered), KEYS_AT_ONCE):
                some_keys = ordered[begin : begin + KEYS_AT_ONCE]
                rows = [_rows(server, name, tables[name], some_keys) for server in (self.source, self.target)]
                if rows[0] != rows[1]:
                    found.append(f"table {name} has other values in rows that were changed last")
                    break
        self._same(found)
        return count

    # --- the switch ----------------------------------------------------------------------------------------------------------

    def recover(self) -> bool:
        """Ends the pause that a killed switch left: the service is let in again where it was."""
        note = self.target.note()
        if note is None or note.phase != FOLLOWING or not (note.locked or self.target.triggers()):
            return False
        move_triggers(self.target, self.source)
        self.source.lock(note.locked, lock=False)
        self.target.write_note(replace(note, locked=()))
        return True

    def _wait_for_administrators(self) -> None:
        """Nobody can lock these out. Those of a run that was killed end by themselves."""
        deadline = time.monotonic() + LEAVING
        while visitors := self.source.administrators_sessions():
            if time.monotonic() > deadline:
                raise DatabaseError(
                    f"the administrator is connected to {self.source.where} and could write to it: {', '.join(visitors)}. Remedy: end these "
                    "sessions, then run again"
                )
            time.sleep(0.2)

    def freeze(self, accounts: Sequence[Account], *, way_back: bool) -> tuple[float, int, dict[str, TableSum]]:
        """Stops the service's writes for as long as it takes to carry over what is left: seconds, rows compared last, sums of the tables.

        Afterwards nobody writes to the source, and the service may be told of the target. `way_back`: the source gets a note that it
        is the target's copy from now on.
        """
        self.follow()
        sums, changed = self.compare()
        self.follow(changed)
        self._wait_for_administrators()
        if way_back:
            self.source.make_note_table()
        note = self._need(FOLLOWING)
        self.target.write_note(replace(note, locked=tuple(accounts)))
        began = time.monotonic()
        try:
            compared = self._frozen(accounts, changed, began)
            if way_back:
                # Whatever is written from here on comes back from this place.
                self.source.write_note(Note(FOLLOWING, self.target.endpoint.where, newest(self.target.control)))
        except BaseException:
            self.recover()
            raise
        note = self._need(FOLLOWING)
        self.target.write_note(replace(note, phase=SWITCHED))
        self.say("switched")
        return time.monotonic() - began, compared, sums

    def _drain(self, changed: Changed, began: float) -> int:
        """Applies the rest; how many rows that was."""
        progress = Progress(changed=changed, deadline=began + self.limits.pause)
        self._apply(newest(self.source.control), progress)
        return progress.rows

    def _frozen(self, accounts: Sequence[Account], changed: Changed, began: float) -> int:
        def in_time(doing: str) -> None:
            if time.monotonic() - began > self.limits.pause:
                raise DatabaseError(
                    f"the write pause would last longer than {self.limits.pause:g} s ({doing}): the service was let in again where it was, nothing is "
                    "lost. Remedy: run it again at a quieter hour, or with -e pause=<seconds>"
                )

        self.say("freeze")
        while True:
            # Once more after the last changes: a login that was under way when the accounts were locked may have come in.
            self.source.lock(accounts, lock=True)
            self.say("locked")
            in_time("sessions did not end")
            if not self._drain(changed, began):
                break
        self.say("drained")
        in_time("the last changes were not applied")
        compared = self._compare_changed(changed, read_tables(self.source.control, self.source.database))
        in_time("the last rows were not compared")
        if self._drain(changed, began):
            raise DatabaseError(
                f"somebody wrote to {self.source.where} though the service's accounts were locked: the service was let in again where it was, nothing "
                "is lost. Remedy: find out who it is, then run again"
            )
        move_triggers(self.source, self.target)
        self.say("triggers")
        in_time("the triggers did not move")
        return compared


def _rows(server: Server, name: str, table: Table, keys: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of these keys, whole: a star would leave invisible columns out."""
    columns = ", ".join(shown_identifier(column.name) for column in table.columns)
    key = ", ".join(shown_identifier(column) for column in table.key)
    wanted = ", ".join(f"({', '.join(values)})" for values in keys)
    where = f"{shown_identifier(server.database)}.{shown_identifier(name)} WHERE ({key}) IN ({wanted})"
    sql = " ".join(("SELECT", columns, "FROM", where))
    with server.connected() as connection:
        connection.execute(_SESSION)
        try:
            with connection.raw.cursor() as cursor:
                cursor.execute(sql)
                return sorted(map(repr, cursor.fetchall()))
        except (pymysql.MySQLError, OSError) as error:
            raise DatabaseError(explain(error, f"comparing {name}", server.endpoint)) from error
