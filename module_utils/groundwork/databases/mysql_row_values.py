"""Values of MySQL's row events as SQL literals, so that what is written is what was read: no type of Python lies between.

Formats: https://dev.mysql.com/doc/dev/mysql-server/latest/namespacemysql_1_1binlog_1_1event.html (table map, rows),
`my_time.cc`, `decimal.cc` and `json_binary.h` of the server's source.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .model import DatabaseError

NULL = "NULL"

TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG, INT24, DATE, YEAR = 1, 2, 3, 4, 5, 8, 9, 10, 13
VARCHAR, BIT, TIMESTAMP2, DATETIME2, TIME2 = 15, 16, 17, 18, 19
TIMESTAMP, TIME, DATETIME = 7, 11, 12
VECTOR, JSON, NEWDECIMAL, ENUM, SET, BLOB, VAR_STRING, STRING, GEOMETRY = 242, 245, 246, 247, 248, 252, 253, 254, 255
_INTEGERS = {TINY: 1, SHORT: 2, INT24: 3, LONG: 4, LONGLONG: 8}
#: Bytes of metadata that a type has in a table map.
META = {
    FLOAT: 1, DOUBLE: 1, BLOB: 1, GEOMETRY: 1, JSON: 1, VECTOR: 1, TIMESTAMP2: 1, DATETIME2: 1, TIME2: 1,
    VARCHAR: 2, BIT: 2, NEWDECIMAL: 2, STRING: 2, VAR_STRING: 2, ENUM: 2, SET: 2,
}  # fmt: skip
#: Decimal digits are packed nine to four bytes; this many bytes have the digits that are left over.
_DIGITS_LEFT = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """A column as information_schema has it."""

    name: str
    unsigned: bool = False
    #: Character set; empty for bytes.
    charset: str = ""
    #: The server computes it.
    generated: bool = False


class Bytes:
    """Reads from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __len__(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise DatabaseError("an event of the binary log is shorter than it says")
        self.at += size
        return piece

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def big(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def packed(self) -> int:
        """MySQL's integer of one, three, four or nine bytes."""
        first = self.number(1)
        return first if first < 0xFB else self.number({0xFC: 2, 0xFD: 3, 0xFE: 8}[first])


def text_literal(data: bytes, charset: str) -> str:
    return f"_{charset} X'{data.hex()}'" if charset else f"X'{data.hex()}'"


def real_type(kind: int, meta: bytes) -> tuple[int, int]:
    """The type behind STRING, and its length: both are squeezed into two bytes."""
    if kind != STRING:
        return kind, int.from_bytes(meta, "little")
    kind, length = meta[0], meta[1]
    if kind & 0x30 != 0x30:
        return kind | 0x30, length | ((kind & 0x30) ^ 0x30) << 4
    return kind, length


def value(kind: int, meta: bytes, column: Column, data: Bytes) -> str:
    """The next value of a row, which is not NULL."""
    kind, length = real_type(kind, meta)
    if kind in _INTEGERS:
        return str(data.number(_INTEGERS[kind], signed=not column.unsigned))
    if kind == FLOAT:
        return repr(struct.unpack("<f", data.take(4))[0])
    if kind == DOUBLE:
        return repr(struct.unpack("<d", data.take(8))[0])
    if kind == NEWDECIMAL:
        return decimal(data, meta[0], meta[1])
    if kind in (ENUM, SET):
        return str(data.number(length))
    if kind == BIT:
        return str(data.big((meta[1] * 8 + meta[0] + 7) // 8))
    if kind == JSON:
        return text_literal(document(data.take(data.number(length))).encode(), "utf8mb4")
    if kind in (BLOB, GEOMETRY, VECTOR):
        return text_literal(data.take(data.number(length)), column.charset)
    if kind in (VARCHAR, VAR_STRING, STRING):
        return text_literal(data.take(data.number(2 if length > 255 else 1)), column.charset)
    found = moment(kind, meta[0] if meta else 0, data)
    if found is None:
        raise DatabaseError(f"column {column.name} is of type {kind} of the binary log, which is not known here")
    return f"'{found}'"


# --- times -----------------------------------------------------------------------------------------------------------


def _fraction(data: Bytes, digits: int) -> int:
    size = (digits + 1) // 2
    return data.big(size) * 100 ** (3 - size) if size else 0


def _fractional(text: str, micros: int, digits: int) -> str:
    return f"{text}.{micros:06d}"[: len(text) + 1 + digits] if digits else text


def _clock(number: int) -> str:
    return f"{number >> 12:02d}:{number >> 6 & 0x3F:02d}:{number & 0x3F:02d}"


def _calendar(number: int) -> str:
    months, day = number >> 5, number & 0x1F
    return f"{months // 13:04d}-{months % 13:02d}-{day:02d}"


def moment(kind: int, digits: int, data: Bytes) -> str | None:
    """A date or a time, as MySQL writes it; zero dates too. A TIMESTAMP is in UTC."""
    if kind == YEAR:
        year = data.number(1)
        return str(1900 + year) if year else "0000"
    if kind == DATE:
        number = data.number(3)
        return f"{number >> 9:04d}-{number >> 5 & 0xF:02d}-{number & 0x1F:02d}"
    if kind == TIMESTAMP2:
        seconds, micros = data.big(4), _fraction(data, digits)
        text = f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}" if seconds else "0000-00-00 00:00:00"
        return _fractional(text, micros, digits)
    if kind == DATETIME2:
        number = data.big(5) - (1 << 39)
        return _fractional(f"{_calendar(number >> 17)} {_clock(number & 0x1FFFF)}", _fraction(data, digits), digits)
    if kind == TIME2:
        size = (digits + 1) // 2
        # Whole seconds and fraction are one number, below zero for a negative time.
        number = data.big(3 + size) - (1 << (23 + 8 * size))
        sign, number = "-" if number < 0 else "", abs(number)
        micros = (number & ((1 << 8 * size) - 1)) * 100 ** (3 - size) if size else 0
        return _fractional(sign + _clock(number >> 8 * size & 0x3FFFFF), micros, digits)
    return None


# --- decimals --------------------------------------------------------------------------------------------------------


def decimal(data: Bytes, precision: int, scale: int) -> str:
    """A DECIMAL: groups of nine digits, big-endian, inverted when it is negative."""
    whole, whole_left = divmod(precision - scale, 9)
    parts, parts_left = divmod(scale, 9)
    widths = [_DIGITS_LEFT[whole_left], *[4] * whole, *[4] * parts, _DIGITS_LEFT[parts_left]]
    digits = [whole_left, *[9] * whole, *[9] * parts, parts_left]
    raw = bytearray(data.take(sum(widths)))
    negative = not raw[0] & 0x80
    raw[0] ^= 0x80
    if negative:
        raw = bytearray(byte ^ 0xFF for byte in raw)
    text, packed = "", Bytes(bytes(raw))
    for width, count in zip(widths, digits, strict=True):
        text += str(packed.big(width)).rjust(count, "0") if count else ""
    number = text[: precision - scale].lstrip("0") or "0"
    return ("-" if negative else "") + number + ("." + text[precision - scale :] if scale else "")


# --- JSON ------------------------------------------------------------------------------------------------------------

_LITERALS = {0: "null", 1: "true", 2: "false"}
#: Numbers that stand in a container itself, where a value's offset would be: bytes and whether there is a sign.
_NUMBERS = {5: (2, True), 6: (2, False), 7: (4, True), 8: (4, False), 9: (8, True), 10: (8, False)}


def document(data: bytes) -> str:
    """A JSON document as text."""
    return _json(data[0], data[1:]) if data else "null"


def _json(kind: int, data: bytes) -> str:
    if kind <= 3:
        return _container(kind, data)
    if kind == 4:
        return _LITERALS[data[0]]
    if kind in _NUMBERS:
        size, signed = _NUMBERS[kind]
        return str(int.from_bytes(data[:size], "little", signed=signed))
    if kind == 11:
        return repr(struct.unpack("<d", data[:8])[0])
    if kind == 12:
        return json.dumps(_sized(Bytes(data)).decode(), ensure_ascii=False)
    if kind == 15:
        return _opaque(data[0], _sized(Bytes(data[1:])))
    raise DatabaseError(f"a JSON document has a value of type {kind}, which is not known here")


def _sized(data: Bytes) -> bytes:
    """What follows its length, seven bits a byte."""
    length, shift = 0, 0
    while True:
        byte = data.number(1)
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return data.take(length)
        shift += 7


def _container(kind: int, data: bytes) -> str:
    width = 4 if kind & 1 else 2
    head = Bytes(data)
    count = head.number(width)
    head.number(width)
    keys = [(head.number(width), head.number(2)) for _ in range(count)] if kind <= 1 else []
    values = []
    for _ in range(count):
        item, place = head.number(1), head.take(width)
        size = 1 if item == 4 else _NUMBERS.get(item, (8, False))[0]
        inline = item == 4 or (item in _NUMBERS and size <= width)
        values.append(_json(item, place if inline else data[int.from_bytes(place, "little") :]))
    if kind > 1:
        return "[" + ", ".join(values) + "]"
    names = [json.dumps(data[at : at + length].decode(), ensure_ascii=False) for at, length in keys]
    return "{" + ", ".join(f"{name}: {item}" for name, item in zip(names, values, strict=True)) + "}"


def _opaque(kind: int, data: bytes) -> str:
    """A value of one of MySQL's own types, as the server writes it in a document's text."""
    if kind == NEWDECIMAL:
        return decimal(Bytes(data[2:]), data[0], data[1])
    if kind in (TIME, DATE, DATETIME, TIMESTAMP):
        number = int.from_bytes(data, "little", signed=True)
        sign, number = "-" if number < 0 else "", abs(number)
        whole, micros = number >> 24, number & 0xFFFFFF
        if kind == TIME:
            return f'"{sign}{_clock(whole)}.{micros:06d}"'
        day = _calendar(whole >> 17)
        return f'"{day}"' if kind == DATE else f'"{day} {_clock(whole & 0x1FFFF)}.{micros:06d}"'
    raise DatabaseError(f"a JSON document has bytes of MySQL's type {kind}: no text stands for them")
