"""The route table of the observability stack: read, typed, linted, and asked "who gets this path?".

Limits are the application load balancer's own: priorities 1 to 50000 and unique, a path pattern of at most 128
characters from A-Z a-z 0-9 and ``_-.$/~"'@:+&*?``, and at most 5 condition values a rule, of which the tenant header
takes one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_CONDITION_VALUES = 5
MAX_PATTERN = 128
_PATTERN = re.compile(r"/[A-Za-z0-9_\-.$/~\"'@:+&*?]*")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}")


class RouteError(ValueError):
    """The route table is wrong. `problems` lists everything that is, not the first."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


@dataclass(frozen=True)
class Backend:
    """A program behind the load balancer."""

    name: str
    port: int
    health_path: str
    health_port: int


@dataclass(frozen=True)
class Route:
    """One rule: requests whose path matches one of `paths` go to `backend`. `federated`: several tenants may be named."""

    name: str
    priority: int
    paths: tuple[str, ...]
    backend: str
    tenant: bool
    federated: bool = False

    def matches(self, path: str) -> bool:
        return any(pattern_regex(pattern).fullmatch(path) for pattern in self.paths)


@dataclass(frozen=True)
class Use:
    """A path that something asks for, and the backend that must get it."""

    name: str
    path: str
    backend: str
    by: str


@dataclass(frozen=True)
class RouteTable:
    tenant_header: str
    backends: Mapping[str, Backend]
    routes: tuple[Route, ...]
    uses: tuple[Use, ...]

    def resolve(self, path: str) -> Route | None:
        """The rule that takes a request for `path`."""
        return next((route for route in self.routes if route.matches(path)), None)

    def path(self, use: str) -> str:
        """The path of a use by its name, for whoever builds a URL."""
        for one in self.uses:
            if one.name == use:
                return one.path
        raise KeyError(f"the route table has no use {use!r}; it has: {', '.join(one.name for one in self.uses)}")


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """A load balancer's path pattern as a regular expression for the whole path (case matters)."""
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern))


def federation(tenants: Sequence[str]) -> str:
    """The header's value that reads all of `tenants` (oldest first) at once: the current one comes first."""
    return "|".join(reversed(tenants)) if len(tenants) > 1 else ""


def covers(wide: str, narrow: str) -> bool:
    """Whether every path that `narrow` matches is matched by `wide` too (both are patterns with * and ?)."""
    # covered[i][j]: the rest of `wide` from i covers the rest of `narrow` from j.
    rows, columns = len(wide), len(narrow)
    covered = [[False] * (columns + 1) for _ in range(rows + 1)]
    covered[rows][columns] = True
    for i in range(rows - 1, -1, -1):
        for j in range(columns, -1, -1):
            if wide[i] == "*":
                covered[i][j] = covered[i + 1][j] or (j < columns and covered[i][j + 1])
            elif j < columns and narrow[j] != "*":
                covered[i][j] = (wide[i] == "?" or wide[i] == narrow[j]) and covered[i + 1][j + 1]
    return covered[0][0]


def load(path: str | Path) -> RouteTable:
    """The route table in the file at `path`; raises RouteError with everything that is wrong with it."""
    import yaml

    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RouteError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise RouteError(str(path), [f"is not YAML: {error}"]) from error
    return parse(data, str(path))


def parse(data: Any, source: str = "routes") -> RouteTable:
    """A route table from plain data. Shape first, then the rules of `lint`; raises RouteError with every problem."""
    shape = _Shape()
    top = shape.mapping(data, "the table", {"tenant_header", "backends", "routes", "uses"})
    header = shape.text(top, "tenant_header", "tenant_header", _HEADER)
    backends: dict[str, Backend] = {}
    for name, value in shape.items(top.get("backends"), "backends"):
        where = f"backends.{name}"
        one = shape.mapping(value, where, {"port", "health_path"}, {"health_port"})
        if not _NAME.fullmatch(name):
            shape.problems.append(f"{where}: a backend's name is a-z, 0-9, '_' and '-'")
        port = shape.number(one, "port", where, 1, 65535)
        health_port = shape.number(one, "health_port", where, 1, 65535) if "health_port" in one else port
        health_path = shape.text(one, "health_path", where, re.compile(r"/[^\s*?]*"))
        backends[name] = Backend(name, port, health_path, health_port)
    routes: list[Route] = []
    for index, value in enumerate(shape.sequence(top.get("routes"), "routes")):
        where = f"routes[{index}]"
        one = shape.mapping(value, where, {"name", "priority", "paths", "backend", "tenant"}, {"federated"})
        name = shape.text(one, "name", where, _NAME)
        where = f"routes[{index}] ({name})" if name else where
        paths = tuple(shape.strings(one.get("paths"), f"{where}.paths"))
        priority = shape.number(one, "priority", where, 1, 50000)
        flags = [shape.flag(one, key, where) for key in ("tenant", "federated")]
        routes.append(Route(name, priority, paths, shape.text(one, "backend", where), *flags))
    uses: list[Use] = []
    for index, value in enumerate(shape.sequence(top.get("uses"), "uses")):
        where = f"uses[{index}]"
        one = shape.mapping(value, where, {"name", "path", "backend", "by"})
        fields = [shape.text(one, key, where) for key in ("name", "path", "backend", "by")]
        uses.append(Use(*fields))
    if shape.problems:
        raise RouteError(source, shape.problems)
    table = RouteTable(header, backends, tuple(routes), tuple(uses))
    problems = lint(table)
    if problems:
        raise RouteError(source, problems)
    return table


def lint(table: RouteTable) -> list[str]:
    """Everything that is wrong with a well-shaped table."""
    problems: list[str] = []
    problems += _repeated("route", [route.name for route in table.routes])
    problems += _repeated("priority", [str(route.priority) for route in table.routes])
    problems += _repeated("use", [use.name for use in table.uses])
    if not table.routes:
        return [*problems, "there is no route"]
    for before, after in zip(table.routes, table.routes[1:], strict=False):
        if after.priority < before.priority:
            problems.append(
                f"route {after.name} (priority {after.priority}) stands after {before.name} ({before.priority}):"
                " order them as they are tried"
            )
    for route in table.routes:
        problems += _lint_route(table, route)
    seen: list[tuple[Route, str]] = []
    for route in sorted(table.routes, key=lambda one: one.priority):
        for pattern in route.paths:
            for other, earlier in seen:
                if covers(earlier, pattern):
                    problems.append(
                        f"route {route.name}: {pattern} is never reached, route {other.name} takes it with {earlier}"
                    )
                    break
            seen.append((route, pattern))
    last = max(table.routes, key=lambda one: one.priority)
    if "/*" not in last.paths:
        problems.append(f"the last route, {last.name}, must take what is left (/*), or a path has no rule")
    for use in table.uses:
        problems += _lint_use(table, use, last)
    used = {route.backend for route in table.routes}
    problems += [f"backend {name} gets no route" for name in table.backends if name not in used]
    return problems


def _lint_route(table: RouteTable, route: Route) -> list[str]:
    problems = []
    if route.backend not in table.backends:
        problems.append(f"route {route.name}: no backend {route.backend}; there are: {', '.join(table.backends)}")
    if route.federated and not route.tenant:
        problems.append(
            f"route {route.name} is federated and takes no tenant: say tenant: true, or leave federated out"
        )
    values = len(route.paths) + int(route.tenant)
    if values > MAX_CONDITION_VALUES:
        problems.append(
            f"route {route.name} has {values} condition values (paths and tenant header); a rule of the load balancer"
            f" takes {MAX_CONDITION_VALUES}, split it"
        )
    for pattern in route.paths:
        if not _PATTERN.fullmatch(pattern):
            problems.append(f"route {route.name}: {pattern!r} is no path pattern (it starts with /, without spaces)")
        elif len(pattern) > MAX_PATTERN:
            problems.append(f"route {route.name}: {pattern[:20]}… is longer than {MAX_PATTERN} characters")
    return problems


def _lint_use(table: RouteTable, use: Use, last: Route) -> list[str]:
    if use.backend not in table.backends:
        return [f"use {use.name}: no backend {use.backend}"]
    if not use.path.startswith("/") or "*" in use.path or "?" in use.path:
        return [f"use {use.name}: {use.path!r} is no path"]
    taken = table.resolve(use.path)
    if taken is None:
        return [f"use {use.name}: {use.path} has no rule"]
    if taken.backend == use.backend:
        return []
    if taken is last:
        return [f"use {use.name}: {use.path} has no rule of its own and lands in {taken.backend}, not {use.backend}"]
    return [f"use {use.name}: {use.path} lands in {taken.backend} by route {taken.name}, not in {use.backend}"]


def _repeated(what: str, names: list[str]) -> list[str]:
    counted = {name: names.count(name) for name in names}
    return [f"{what} {name} is there {times} times" for name, times in counted.items() if times > 1]


class _Shape:
    """Reads plain data and collects what has the wrong type, so that all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def mapping(self, value: Any, where: str, keys: set[str], optional: set[str] | None = None) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.problems.append(f"{where}: must be a mapping with {', '.join(sorted(keys))}")
            return {}
        known = keys | (optional or set())
        self.problems += [f"{where}: unknown key {key!r}" for key in value if key not in known]
        self.problems += [f"{where}: {key} is missing" for key in sorted(keys) if key not in value]
        return {str(key): one for key, one in value.items()}

    def items(self, value: Any, where: str) -> list[tuple[str, Any]]:
        if not isinstance(value, dict) or not value:
            self.problems.append(f"{where}: must be a mapping with at least one entry")
            return []
        return [(str(key), one) for key, one in value.items()]

    def sequence(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            self.problems.append(f"{where}: must be a list")
            return []
        return value

    def strings(self, value: Any, where: str) -> list[str]:
        found = self.sequence(value, where)
        if not found or not all(isinstance(one, str) for one in found):
            self.problems.append(f"{where}: must be a list of at least one text")
        return [one for one in found if isinstance(one, str)]

    def text(self, data: dict[str, Any], key: str, where: str, pattern: re.Pattern[str] | None = None) -> str:
        if key not in data:
            return ""
        value = data[key]
        if not isinstance(value, str) or not value or (pattern is not None and not pattern.fullmatch(value)):
            wanted = f"must match {pattern.pattern}" if pattern else "must be text"
            self.problems.append(f"{where}: {key} {value!r} {wanted}")
            return ""
        return value

    def number(self, data: dict[str, Any], key: str, where: str, low: int, high: int) -> int:
        if key not in data:
            return low
        value = data[key]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.problems.append(f"{where}: {key} {value!r} is no number from {low} to {high}")
            return low
        return value

    def flag(self, data: dict[str, Any], key: str, where: str) -> bool:
        value = data.get(key)
        if key in data and not isinstance(value, bool):
            self.problems.append(f"{where}: {key} {value!r} is neither true nor false")
        return value is True
