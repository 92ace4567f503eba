"""A server's binary log, read as a replica reads it: rows that were changed, where transactions end, and everything else as text.

An administrator of RDS may do that (REPLICATION SLAVE), and needs no file position of a dump's own, no channel and no GTID.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .model import DatabaseError, Endpoint
from .mysql import MISSING, Connection
from .mysql_row_values import META, NULL, Bytes, Column, value
from .mysql_state import version_tuple

if MISSING is None:
    import pymysql

    from .mysql import explain

_COM_BINLOG_DUMP = 0x12
#: The server says that the log ends, instead of waiting for more.
_NON_BLOCK = 1
_HEADER = struct.Struct("<IBIIIH")
_MAGIC = 4
CHECKSUM = 4
QUERY, ROTATE, FORMAT, XID, TABLE_MAP, PREVIOUS_GTIDS = 2, 4, 15, 16, 19, 35
XA_PREPARE, PARTIAL_UPDATE, COMPRESSED = 38, 39, 40
WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS = 30, 31, 32
NO_FOREIGN_KEY_CHECKS = 2
_UNREADABLE = {
    XA_PREPARE: "a transaction of XA",
    PARTIAL_UPDATE: "a part of a JSON document (binlog_row_value_options)",
    COMPRESSED: "a compressed transaction (binlog_transaction_compression)",
}
#: Statements of the log that change nothing by themselves, and those that end nothing either.
_CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "ROLLBACK", "RELEASE", "XA")
_WITHIN = ("BEGIN", "SAVEPOINT", "ROLLBACK", "RELEASE", "XA")
ER_FATAL_READING_LOG = 1236
ANEW = (
    "Remedy: while nothing is switched, begin anew (do=back, then this again) and change definitions afterwards; once it is switched there is no way "
    "back without loss any more, only do=finish"
)

Row = Sequence[str]


@dataclass(frozen=True, order=True)
class Position:
    """A place between two transactions; files are numbered."""

    number: int
    offset: int
    file: str = field(compare=False)

    @property
    def shown(self) -> str:
        return f"{self.file}:{self.offset}"


def position(file: str, offset: int) -> Position:
    return Position(int(file.rpartition(".")[2]), offset, file)


def newest(connection: Connection) -> Position:
    """Where the server's log ends."""
    version = str(connection.query("SELECT VERSION() AS version")[0]["version"])
    rows = connection.query("SHOW BINARY LOG STATUS" if version_tuple(version) >= (8, 2) else "SHOW MASTER STATUS")
    if not rows:
        raise DatabaseError("the server writes no binary log")
    return position(str(rows[0]["File"]), int(rows[0]["Position"]))


@dataclass(frozen=True)
class Rows:
    """Rows of one table that one statement changed: before, after or both, column by column in SQL literals."""

    table: str
    before: tuple[Row, ...]
    after: tuple[Row, ...]
    foreign_keys: bool


@dataclass(frozen=True)
class Text:
    """A statement that is in the log as such: a change of a definition, most likely."""

    schema: str
    sql: str


@dataclass(frozen=True)
class Boundary:
    """A transaction ended here."""

    position: Position


Event = Rows | Text | Boundary


@dataclass(frozen=True)
class _Map:
    schema: str
    table: str
    kinds: bytes
    metas: tuple[bytes, ...]


def parse_map(data: Bytes) -> tuple[int, _Map]:
    """Which table a number stands for in the events that follow."""
    number = data.number(6)
    data.take(2)
    schema = data.take(data.number(1)).decode()
    data.take(1)
    table = data.take(data.packed()).decode()
    data.take(1)
    kinds = data.take(data.packed())
    meta = Bytes(data.take(data.packed()))
    return number, _Map(schema, table, kinds, tuple(meta.take(META.get(kind, 0)) for kind in kinds))


def _bits(data: Bytes, count: int) -> list[bool]:
    packed = int.from_bytes(data.take((count + 7) // 8), "little")
    return [bool(packed >> number & 1) for number in range(count)]


def parse_rows(kind: int, data: Bytes, maps: Mapping[int, _Map], tables: Mapping[str, Sequence[Column]]) -> Rows:
    """The rows of an event. All columns are there (binlog_row_image = FULL)."""
    about = maps[data.number(6)]
    flags = data.number(2)
    data.take(data.number(2) - 2)
    count = data.packed()
    columns = tables.get(about.table)
    if columns is None or len(columns) != count:
        raise DatabaseError(
            f"the definition of table {about.table} was changed meanwhile ({count} columns in the binary log, {len(columns or ())} now), "
            f"which cannot be carried over. {ANEW}"
        )
    images = [_bits(data, count) for _ in range(2 if kind == UPDATE_ROWS else 1)]
    if not all(all(image) for image in images):
        raise DatabaseError(f"the binary log has rows of {about.table} in part only (binlog_row_image)")
    found: list[tuple[str, ...]] = []
    while len(data):
        nulls = _bits(data, count)
        found.append(
            tuple(
                NULL if nulls[number] else value(about.kinds[number], about.metas[number], column, data)
                for number, column in enumerate(columns)
            )
        )
    if kind == UPDATE_ROWS:
        before, after = found[::2], found[1::2]
    else:
        before, after = ([], found) if kind == WRITE_ROWS else (found, [])
    return Rows(about.table, tuple(before), tuple(after), not flags & NO_FOREIGN_KEY_CHECKS)


def parse_query(data: Bytes) -> Text:
    data.take(8)
    length = data.number(1)
    data.take(2)
    data.take(data.number(2))
    schema = data.take(length).decode()
    data.take(1)
    return Text(schema, data.take(len(data)).decode(errors="replace"))


class Log:
    """The binary log of a server, from a place on, as far as it is about one database."""

    def __init__(self, raw: Any, endpoint: Endpoint, database: str, tables: Mapping[str, Sequence[Column]]) -> None:
        self._raw = raw
        self._endpoint = endpoint
        self._database = database
        #: Columns by table; rows of other tables are passed over.
        self._tables = tables
        #: The transaction that is being read has changed the database.
        self._ours = False
        self._checksums = False

    def read(self, start: Position) -> Iterator[Event]:
        """Everything that is there now. The connection can be used once."""
        try:
            yield from self._read(start)
        except (pymysql.MySQLError, OSError) as error:
            raise DatabaseError(self._explain(error, start)) from error

    def _explain(self, error: BaseException, start: Position) -> str:
        text = explain(error, f"reading the binary log from {start.shown}", self._endpoint)
        if error.args and error.args[0] == ER_FATAL_READING_LOG:
            text += (
                " Remedy: the server has deleted that part of its log; keep it for longer ('binlog retention hours', "
                "binlog_expire_logs_seconds), then begin anew."
            )
        return text

    def _packets(self, start: Position) -> Iterator[Bytes]:
        with self._raw.cursor() as cursor:
            # A server whose events have checksums sends them only to who says that they are known.
            cursor.execute(
                "SET @source_binlog_checksum = @@GLOBAL.binlog_checksum, @master_binlog_checksum = @@GLOBAL.binlog_checksum"
            )
            cursor.execute("SELECT @@GLOBAL.binlog_checksum")
            self._checksums = str(cursor.fetchone()[0]).upper() != "NONE"
        # A number that no other replica has, or the server would end the connection of that one.
        number = secrets.randbelow(1 << 31) + (1 << 30)
        command = struct.pack("<IHI", start.offset, _NON_BLOCK, number) + start.file.encode()
        self._raw._execute_command(_COM_BINLOG_DUMP, command)
        while True:
            packet = self._raw._read_packet()
            if packet.is_eof_packet():
                return
            event = packet.get_all_data()[1:]
            if event[4] == FORMAT:
                # Its last bytes are the kind of checksum that the file has, and its own checksum.
                self._checksums = event[-1 - CHECKSUM] != 0
            # The connection has TLS, which has checked them.
            yield Bytes(event[:-CHECKSUM] if self._checksums else event)

    def _read(self, start: Position) -> Iterator[Event]:
        file, offset, maps = start.file, start.offset, dict[int, _Map]()
        for data in self._packets(start):
            _, kind, _, _, end, _ = _HEADER.unpack(data.take(_HEADER.size))
            if kind == ROTATE:
                offset, file = data.number(8), data.take(len(data)).decode()
                if offset == _MAGIC and file != start.file:
                    yield Boundary(position(file, offset))
                continue
            if end and end < offset:
                raise DatabaseError(
                    f"{file} has a transaction of more than 4 GiB, behind which no position can be told"
                )
            offset = end or offset
            if kind in (FORMAT, PREVIOUS_GTIDS) and end:
                # What a file begins with.
                yield Boundary(position(file, end))
            yield from self._event(kind, data, maps, position(file, offset))

    def _event(self, kind: int, data: Bytes, maps: dict[int, _Map], at: Position) -> Iterator[Event]:
        if kind == TABLE_MAP:
            number, about = parse_map(data)
            maps[number] = about
        elif kind in (WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS):
            about = maps[int.from_bytes(data.data[data.at : data.at + 6], "little")]
            if about.schema == self._database and about.table in self._tables:
                self._ours = True
                yield parse_rows(kind, data, maps, self._tables)
            elif about.schema == self._database and not about.table.startswith("groundwork_"):
                raise DatabaseError(f"table {about.table} was made meanwhile, which cannot be carried over. {ANEW}")
        elif kind == QUERY:
            found = parse_query(data)
            word = found.sql.lstrip().split(None, 1)[0].upper() if found.sql.strip() else ""
            if word not in _CONTROL:
                yield found
            if word not in _WITHIN:
                yield self._boundary(at)
        elif kind == XID or (kind == XA_PREPARE and not self._ours):
            yield self._boundary(at)
        elif kind in _UNREADABLE:
            # Whose it is cannot be told without reading it.
            raise DatabaseError(f"the binary log has {_UNREADABLE[kind]} at {at.shown}, which cannot be carried over")

    def _boundary(self, at: Position) -> Boundary:
        self._ours = False
        return Boundary(at)
