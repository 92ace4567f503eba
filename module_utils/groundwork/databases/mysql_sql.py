"""MySQL statements, built in one place: values are parameters, names go through one quoting function."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

#: https://dev.mysql.com/doc/refman/8.4/en/identifier-length.html
MAX_DATABASE = 64
MAX_USER = 32

_PRIVILEGE = re.compile(r"[A-Z][A-Z_ ]*")

Account = tuple[str, str]


class NameRefused(ValueError):
    """A name that MySQL, or the safe use of it in a grant, does not allow."""


@dataclass(frozen=True)
class Statement:
    """A statement for the driver (`%s` for a parameter, `%%` for a per cent sign) and its form for people."""

    sql: str
    parameters: tuple[str | int, ...] = field(default=(), repr=False)
    shown: str = ""
    #: What to do instead when the server says that the administrator lacks the privileges that this one needs.
    instead: tuple[Statement, ...] = ()


def name_fault(name: str, limit: int) -> str | None:
    """Why a name cannot be an identifier, or None."""
    if not name:
        return "it is empty"
    if len(name) > limit:
        return f"it has {len(name)} characters, MySQL takes {limit}"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "it has a control character"
    if any(ord(character) > 0xFFFF for character in name):
        return "it has a character beyond U+FFFF, which MySQL does not take in names"
    if name != name.strip():
        return "it begins or ends with a space"
    return None


def database_fault(name: str) -> str | None:
    """Why a name cannot be a managed database's, or None."""
    fault = name_fault(name, MAX_DATABASE)
    if fault:
        return fault
    if set(name) & set("\\/."):
        # A backslash is the escape character of grant patterns; the others are path characters of the data folder.
        return "it has one of \\ / ."
    pattern = len(grant_pattern(name))
    if pattern > MAX_DATABASE:
        return f"in a grant, where each _ and % has an escape character, it has {pattern} characters, MySQL takes {MAX_DATABASE}"
    return None


def identifier(name: str, limit: int = MAX_DATABASE) -> str:
    """A quoted identifier, ready to stand in `Statement.sql`."""
    fault = name_fault(name, limit)
    if fault:
        raise NameRefused(f"{name!r} cannot be quoted: {fault}")
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def shown_identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def grant_pattern(database: str) -> str:
    """The pattern that matches this database only: `_` and `%` are wildcards in a grant unless escaped."""
    return database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def matches(pattern: str, database: str, *, literal: bool) -> bool:
    """Whether a grant on a pattern reaches a database. `literal`: partial_revokes, where bare wildcards are not."""
    expression = ""
    escaped = False
    for character in pattern:
        if not escaped and character == "\\":
            escaped = True
            continue
        if escaped or literal or character not in "_%":
            expression += re.escape(character)
        else:
            expression += "." if character == "_" else ".*"
        escaped = False
    return re.fullmatch(expression, database, re.DOTALL) is not None


def privilege(name: str) -> str:
    """A privilege's name as it may stand in a statement: checked though it comes from the server or a fixed list."""
    if not _PRIVILEGE.fullmatch(name):
        raise NameRefused(f"{name!r} is not a privilege")
    return name


def privilege_list(privileges: Iterable[str], columns: Iterable[tuple[str, str]] = ()) -> tuple[str, str]:
    """`SELECT, INSERT (a, b)` for the driver and for people."""
    parts = [(privilege(item),) * 2 for item in ordered(privileges)]
    by_privilege: dict[str, list[str]] = {}
    for name, column in sorted(columns):
        by_privilege.setdefault(privilege(name), []).append(column)
    for name, names in by_privilege.items():
        quoted = ", ".join(identifier(column) for column in names)
        parts.append((f"{name} ({quoted})", f"{name} ({', '.join(shown_identifier(column) for column in names)})"))
    return ", ".join(part for part, _ in parts), ", ".join(part for _, part in parts)


#: The order in which people write them; others follow by the alphabet.
_ORDER = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "INDEX", "ALTER")


def ordered(privileges: Iterable[str]) -> list[str]:
    return sorted(privileges, key=lambda item: (_ORDER.index(item) if item in _ORDER else len(_ORDER), item))


def shown_account(account: Account) -> str:
    return f"{shown_identifier(account[0])}@{shown_identifier(account[1])}"
