"""Check the configuration of Mimir, Loki, Tempo, Pyroscope or Grafana against the options that its version knows.

The servers refuse an unknown key or a wrong type only when they start, which is in the middle of a deployment. The
lists in `options/` are names and types from each server's own published reference (options/make.py).
"""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

OPTIONS = Path(__file__).parent / "options"
#: Options below these are another program's: the receivers of the OpenTelemetry collector.
_FOREIGN = {"tempo": ("distributor.receivers",)}
_DURATION = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d|w|y))+|0")
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*(?:[KMGT]i?)?B?", re.IGNORECASE)
_WORDS = {
    "boolean": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "texts": "text or a list of texts",
    "duration": "a duration such as 30s, 5m or 24h",
    "size": "a size such as 256KB",
    "list": "a list",
    "map": "a mapping",
}


class ConfigError(ValueError):
    """The configuration is wrong; `problems` has everything that is."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and what to do."""

    file: str
    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.reason}. {self.remedy}"


def versions() -> dict[str, list[str]]:
    """Servers and the versions whose options are known."""
    found: dict[str, list[str]] = {}
    for path in sorted(OPTIONS.glob("*-*.txt")):
        server, _, version = path.stem.partition("-")
        found.setdefault(server, []).append(version)
    return found


@cache
def options(server: str, version: str) -> Mapping[str, str]:
    """The option paths of a version and their types; items of a list are below `name[]`."""
    path = OPTIONS / f"{server}-{version}.txt"
    if not path.is_file():
        known = ", ".join(f"{name} {one}" for name, some in versions().items() for one in some)
        raise ConfigError([
            Problem(
                path.name, server, f"the options of {server} {version} are not known; known are {known}",
                f"Make the list with: python -m groundwork.observability.options.make {server} {version} <its source>",
            )
        ])  # fmt: skip
    found: dict[str, str] = {}
    parents: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        level = len(line) - len(line.lstrip(" "))
        name, _, kind = line.strip().partition(" ")
        parents[level:] = [name]
        if kind:
            found[".".join(parents)] = kind
    return found


def check(server: str, version: str, file: str, text: str) -> None:
    """Raise ConfigError with every unknown key and every wrong type of the configuration `text`, named `file`."""
    known = options(server, version)
    reader = _read_ini if server == "grafana" else _read_yaml
    problems = list(_problems(server, version, file, known, reader(file, text)))
    if problems:
        raise ConfigError(problems)


def _problems(server: str, version: str, file: str, known: Mapping[str, str], data: Any) -> Iterator[Problem]:
    blocks = {path.rsplit(".", depth)[0] for path in known for depth in range(1, path.count(".") + 1)}
    # `a.b[]` is known as a list, and its items as blocks.
    lists = {block.removesuffix("[]") for block in blocks if block.endswith("[]")}

    def walk(value: Any, path: str) -> Iterator[Problem]:
        if path in _FOREIGN.get(server, ()):
            return
        if path in known:
            yield from _typed(file, path, known[path], value)
        elif path in lists:
            if not isinstance(value, list):
                yield _wrong(file, path, "list", value)
                return
            for one in value:
                yield from walk(one, f"{path}[]")
        elif path == "" or path in blocks:
            if value is None:
                return
            if not isinstance(value, dict):
                yield _wrong(file, path or "the file", "map", value)
                return
            for name, one in value.items():
                yield from walk(one, f"{path}.{name}" if path else str(name))
        else:
            yield Problem(file, path, f"{server} {version} has no such option", _remedy(path, known, blocks))

    yield from walk(data, "")


def _typed(file: str, path: str, kind: str, value: Any) -> Iterator[Problem]:
    number = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "boolean": isinstance(value, bool),
        "int": number,
        "float": number or isinstance(value, float),
        # YAML gives a server's text field a number or a flag as its letters.
        "string": isinstance(value, str | int | float),
        "texts": isinstance(value, str | int | float)
        or (isinstance(value, list) and all(isinstance(one, str) for one in value)),
        "duration": (isinstance(value, str) and bool(_DURATION.fullmatch(value))) or value == 0,
        "size": number or (isinstance(value, str) and bool(_SIZE.fullmatch(value))),
        # A list may be written as text with commas where it is a flag's.
        "list": isinstance(value, list | str),
        "map": isinstance(value, dict),
        "any": True,
    }
    if not fits[kind]:
        yield _wrong(file, path, kind, value)


def _wrong(file: str, path: str, kind: str, value: Any) -> Problem:
    shown = repr(value) if isinstance(value, str | int | float | bool) or value is None else type(value).__name__
    return Problem(file, path, f"{shown} is not {_WORDS[kind]}", f"Write {_WORDS[kind]}")


def _remedy(path: str, known: Mapping[str, str], blocks: set[str]) -> str:
    parent, _, name = path.rpartition(".")
    beside = {one.removeprefix(f"{parent}." if parent else "").partition(".")[0] for one in {*known, *blocks}
              if one.startswith(f"{parent}." if parent else "")}  # fmt: skip
    near = difflib.get_close_matches(name, beside, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {parent + '.' if parent else ''}{near[0]}?"
    elsewhere = sorted(one for one in known if one.rpartition(".")[2] == name)
    if elsewhere:
        return f"The option is at {' or '.join(elsewhere[:3])}"
    return "Remove it"


def _read_yaml(file: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, "the file", f"is not YAML: {error}", "Correct it")]) from error


def _read_ini(file: str, text: str) -> Any:
    ini = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#", ";"))
    ini.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        ini.read_string(text)
    except configparser.Error as error:
        raise ConfigError([Problem(file, "the file", f"is not an INI file: {error}", "Correct it")]) from error
    data: dict[str, Any] = {}
    for section in ini.sections():
        # A section's name may have dots, as an option's path has.
        block = data
        for part in section.split("."):
            block = block.setdefault(part, {})
        block.update({name: _ini_value(value) for name, value in ini[section].items()})
    return data


def _ini_value(value: str) -> Any:
    if value in {"true", "false"}:
        return value == "true"
    return int(value) if value.isdigit() else value
