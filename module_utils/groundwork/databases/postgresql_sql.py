"""PostgreSQL statements as lists of parts: words, names, values. The driver composes them, people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
MAX_NAME_BYTES = 63
#: The grantee of an ACL entry for everyone.
PUBLIC = ""
#: Names that GRANT and SET ROLE read as something else even when quoted, or that CREATE ROLE refuses.
RESERVED_ROLES = frozenset({"public", "none", "current_user", "current_role", "session_user", "user"})

_WORDS = re.compile(r"[A-Za-z_ (),=.*-]*")
_PRIVILEGE = re.compile(r"[A-Z]+( [A-Z]+)*")


class NameRefused(ValueError):
    """A name or word that may not stand in a statement."""


@dataclass(frozen=True)
class Name:
    """An identifier, qualified when there are several."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """A literal."""

    value: str | int


@dataclass(frozen=True)
class Secret:
    """A password; sent as its SCRAM verifier, never shown."""

    role: str
    password: str = field(repr=False)


Part = str | Name | Value | Secret


@dataclass(frozen=True)
class Statement:
    """A statement, and the database whose connection it needs: "" for what belongs to the whole server."""

    parts: tuple[Part, ...]
    database: str = ""

    def __post_init__(self) -> None:
        for part in self.parts:
            if isinstance(part, str) and not _WORDS.fullmatch(part):
                raise NameRefused(f"{part!r} is not made of words of SQL")

    @property
    def shown(self) -> str:
        """The statement as people read it, without passwords."""
        return "".join(map(_shown, self.parts))


def statement(*parts: Part, database: str = "") -> Statement:
    return Statement(tuple(parts), database)


def _shown(part: Part) -> str:
    if isinstance(part, Name):
        return shown_name(*part.names)
    if isinstance(part, Secret):
        return "(the secret's password)"
    if isinstance(part, Value):
        return str(part.value) if isinstance(part.value, int) else "'" + part.value.replace("'", "''") + "'"
    return part


def shown_name(*names: str) -> str:
    """`"a"."b"`, always quoted."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def name_fault(name: str, *, most: int = MAX_NAME_BYTES) -> str | None:
    """Why a name cannot be managed, or None. `most`: bytes in UTF-8."""
    if not name:
        return "it is empty"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it is not text in Unicode"
    if size > most:
        return f"it has {size} bytes, it may have {most}"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "it has a control character"
    if name != name.strip():
        return "it begins or ends with a space"
    return None


def role_fault(name: str, *, most: int = MAX_NAME_BYTES) -> str | None:
    """Why a name cannot be a managed role's, or None."""
    fault = name_fault(name, most=most)
    if fault:
        return fault
    if name.lower().startswith("pg_"):
        return "names that begin with pg_ are the server's"
    if name.lower() in RESERVED_ROLES:
        return "it is a word of SQL that stands for other roles"
    return None


def privilege(name: str) -> str:
    """A privilege's name as it may stand in a statement: checked though it comes from the server or a fixed list."""
    if not _PRIVILEGE.fullmatch(name):
        raise NameRefused(f"{name!r} is not a privilege")
    return name


#: The order in which people write them; others follow by the alphabet.
_ORDER = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "USAGE", "CREATE")


def ordered(privileges: Iterable[str]) -> list[str]:
    return sorted(privileges, key=lambda item: (_ORDER.index(item) if item in _ORDER else len(_ORDER), item))


def privilege_list(privileges: Iterable[str]) -> str:
    """`SELECT, INSERT`."""
    return ", ".join(privilege(item) for item in ordered(set(privileges)))


def joined(items: Sequence[Sequence[Part]]) -> list[Part]:
    """The parts of all items with commas between."""
    result: list[Part] = []
    for item in items:
        if result:
            result.append(", ")
        result.extend(item)
    return result


def role(name: str) -> Part:
    """A grantee: a role's name, or PUBLIC."""
    return "PUBLIC" if name == PUBLIC else Name((name,))


def shown_role(name: str) -> str:
    return "PUBLIC" if name == PUBLIC else shown_name(name)
