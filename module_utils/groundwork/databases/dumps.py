"""Logical dumps of services' databases: what a dump is, where it lies, and whether what was restored is the same."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from .model import DatabaseError, Endpoint
from .pipes import Reader, Writer

#: Of the form of a manifest; a reader refuses what it does not know.
FORMAT = 1
PREFIX = "dumps"
MANIFEST = "manifest.json"
#: The part that every dump has.
DATABASE = "database"
#: Databases that a drill makes and drops; nobody else's name begins so.
SCRATCH = "groundwork_drill_"
#: What an error about a comparison repeats of a long list.
SHOWN = 10
_TIME = "%Y%m%dT%H%M%SZ"
_KEY = re.compile(rf"{PREFIX}/[A-Za-z0-9_-]+/[a-z]+/[0-9]{{8}}T[0-9]{{6}}Z")


@dataclass(frozen=True)
class TableSum:
    """A table's rows and a checksum of them. Only sums that the same engine made can be compared."""

    rows: int
    checksum: str


@dataclass(frozen=True)
class Contents:
    """What a database has, by kind of thing: names only."""

    version: str
    size: int
    tables: tuple[str, ...] = ()
    #: Views, triggers, routines, …
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: What a dump of it would lack, or why its tables may not fit together.
    warnings: tuple[str, ...] = ()
    #: The dump whose restore into this database was not finished.
    unfinished: str = ""

    @property
    def empty(self) -> bool:
        return not self.tables and not any(self.objects.values())


@dataclass(frozen=True)
class Part:
    """One object of a dump in the bucket."""

    name: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Written last: a dump without it is none."""

    service: str
    engine: str
    database: str
    #: The server that it was dumped from.
    host: str
    made: str
    server_version: str
    client: str
    objects: Mapping[str, tuple[str, ...]]
    parts: tuple[Part, ...] = ()
    tables: Mapping[str, TableSum] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())

    def as_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode() + b"\n"

    def as_result(self, key: str) -> dict[str, Any]:
        """What a module returns of it."""
        return {
            "service": self.service,
            "engine": self.engine,
            "database": self.database,
            "key": key,
            "host": self.host,
            "made": self.made,
            "server_version": self.server_version,
            "bytes": self.size,
            "tables": len(self.tables),
            "rows": self.rows,
        }


def parse_manifest(text: bytes, where: str) -> Manifest:
    """A manifest from the bucket."""
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise DatabaseError(f"{where} has format {value['format']}, this version of Groundwork knows {FORMAT}")
        return Manifest(
            **{
                **value,
                "parts": tuple(Part(**part) for part in value["parts"]),
                "tables": {name: TableSum(**table) for name, table in value["tables"].items()},
                "objects": {kind: tuple(names) for kind, names in value["objects"].items()},
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatabaseError(f"{where} is no manifest of a dump. Remedy: take another dump.") from error


def new_key(service: str, engine: str, now: datetime) -> str:
    """Where a dump lies in its bucket: below this."""
    return f"{PREFIX}/{service}/{engine}/{now.astimezone(UTC).strftime(_TIME)}"


def check_key(key: str) -> str:
    """The key of a dump as somebody gave it, without what they may have copied with it."""
    cleaned = key.removesuffix(f"/{MANIFEST}").strip("/")
    if not _KEY.fullmatch(cleaned):
        raise DatabaseError(
            f"{key!r} names no dump; one is {PREFIX}/<service>/<engine>/<time>, as state=listed says it"
        )
    return cleaned


def scratch_name(key: str) -> str:
    """The scratch database of a drill: of the same dump the same, so that what a killed drill left is found and dropped."""
    return SCRATCH + hashlib.sha256(key.encode()).hexdigest()[:12]


def differences(manifest: Manifest, tables: Mapping[str, TableSum], objects: Mapping[str, Sequence[str]]) -> list[str]:
    """What a restored database has otherwise than the dump says; empty when it is the same."""
    found = [f"table {name} is missing" for name in sorted(manifest.tables.keys() - tables.keys())]
    found += [f"table {name} is too many" for name in sorted(tables.keys() - manifest.tables.keys())]
    for name in sorted(manifest.tables.keys() & tables.keys()):
        wanted, have = manifest.tables[name], tables[name]
        if wanted.rows != have.rows:
            found.append(f"table {name} has {have.rows} rows instead of {wanted.rows}")
        elif wanted.checksum != have.checksum:
            found.append(f"table {name} has its {have.rows} rows, but other values in them")
    for kind in sorted({*manifest.objects, *objects}):
        wanted_names, have_names = set(manifest.objects.get(kind, ())), set(objects.get(kind, ()))
        found += [f"{kind}: {name} is missing" for name in sorted(wanted_names - have_names)]
        found += [f"{kind}: {name} is too many" for name in sorted(have_names - wanted_names)]
    return found


def some(items: Sequence[str]) -> str:
    """A list for an error's text."""
    more = f"; and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more


class Dumping(ABC):
    """A dump that is being made: the server stays at one moment until the last part is read."""

    @property
    @abstractmethod
    def tables(self) -> Mapping[str, TableSum]:
        """Rows and checksums, known when the part `database` was read to its end."""

    @abstractmethod
    def parts(self) -> Sequence[str]:
        """Names of the parts; `database` is the first."""

    @abstractmethod
    def read(self, part: str) -> Reader:
        """A part, to be entered and read to its end."""


class DumpEngine(ABC):
    """Dumps on one kind of server, by the server's own client programs."""

    name: str
    #: How a part's file ends.
    suffix: str

    def __init__(self, endpoint: Endpoint, folder: str = "") -> None:
        self.endpoint = endpoint
        #: Where client programs are looked for first.
        self.folder = folder

    @abstractmethod
    def client(self) -> str:
        """The version of the client programs; refused when they are missing or do not fit the server."""

    @abstractmethod
    def contents(self, database: str) -> Contents | None:
        """What a database has; None when it is not there."""

    @abstractmethod
    def dump(self, database: str) -> AbstractContextManager[Dumping]:
        """A consistent dump of a database."""

    @abstractmethod
    def restore(self, database: str, part: str, manifest: Manifest) -> AbstractContextManager[Writer]:
        """Takes a part of a dump into a database, whose owner its things become."""

    @abstractmethod
    def sums(self, database: str) -> dict[str, TableSum]:
        """Rows and checksum of each table, computed anew."""

    @abstractmethod
    def begin(self, database: str, key: str) -> None:
        """Notes on the server that a restore of this dump began, where an unfinished one leaves something behind."""

    @abstractmethod
    def end(self, database: str) -> None:
        """Takes the note away."""

    @abstractmethod
    def clear(self, database: str) -> None:
        """Makes a database empty that holds nothing but an unfinished restore."""

    @abstractmethod
    def make(self, database: str) -> None:
        """Makes a database that nobody but the administrator enters."""

    @abstractmethod
    def drop_scratch(self, database: str) -> None:
        """Drops a scratch database, if it is there; refuses every other."""
