"""Write the list of a server's options from the reference that its own source tree carries.

    python -m groundwork.observability.options.make mimir 3.0.1 <folder of the source at that version>

Only names and types are taken. Where each server says them:

    mimir       cmd/mimir/config-descriptor.json
    loki        docs/sources/shared/configuration.md
    pyroscope   docs/sources/configure-server/reference-configuration-parameters/index.md
    tempo       docs/sources/tempo/configuration/manifest.md and, for what it leaves out, cmd/tempo/app/config.go
    grafana     conf/defaults.ini
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

_FIELD = re.compile(r"\[(?P<name>[\w.-]+): <(?P<type>[^>]+)>(?::? ?\|? ?default =? ?(?P<default>.*))?\]")
_INLINE = re.compile(r"\[<(?P<type>\w+)>\]")
_BLOCK = re.compile(r"(?P<name>[\w.-]+):")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d|w|y))+")
_SIZE = re.compile(r"\d+(?:\.\d+)?[KMGT]i?B")

#: Types of the references in the words of the check; what is not here is checked no deeper.
_TYPES = {
    "string": "string", "boolean": "boolean", "int": "int", "float": "float", "duration": "duration",
    "list of strings": "list", "list of durations": "list", "slice": "list", "url": "string", "time": "string",
    "daytime": "string",
}  # fmt: skip
#: Options that stand before any section of an INI file.
_NO_SECTION = "(none)"
#: Types of Go in Tempo's own struct.
_GO = {"string": "string", "bool": "boolean", "int": "int", "time.Duration": "duration"}

Options = dict[str, str]


def from_descriptor(text: str) -> Options:
    """Mimir's description of itself: blocks and fields."""
    options: Options = {}

    def walk(block: dict[str, Any], path: str) -> None:
        for entry in block.get("blockEntries") or ():
            name = f"{path}{entry['name']}"
            if entry["kind"] == "block":
                walk(entry, f"{name}.")
            else:
                options[name] = _type(entry["fieldType"], "")

    walk(json.loads(text), "")
    return options


def from_reference(text: str) -> Options:
    """The reference pages of Loki and Pyroscope: a root block, and a block for each type that it names."""
    blocks = dict(_blocks(text))
    options: Options = {}

    def walk(lines: list[str], path: str, within: tuple[str, ...]) -> None:
        parents: list[tuple[int, str]] = []
        for line in lines:
            indent = len(line) - len(line.lstrip())
            while parents and parents[-1][0] >= indent:
                parents.pop()
            prefix = path + "".join(f"{name}." for _, name in parents)
            word = line.strip()
            if inline := _INLINE.fullmatch(word):
                walk(blocks[inline["type"]], prefix, (*within, inline["type"]))
            elif found := _FIELD.fullmatch(word):
                kind = found["type"]
                many = re.fullmatch(r"list of (\w+)s", kind)
                if kind in blocks and kind not in within:
                    walk(blocks[kind], f"{prefix}{found['name']}.", (*within, kind))
                elif many and many[1] in blocks:
                    walk(blocks[many[1]], f"{prefix}{found['name']}[].", (*within, many[1]))
                else:
                    options[f"{prefix}{found['name']}"] = _type(kind, found["default"] or "")
            elif found := _BLOCK.fullmatch(word):
                parents.append((indent, found["name"]))
                # Stays when nothing is said below it: a block that is checked no deeper.
                options[f"{prefix}{found['name']}"] = "any"

    walk(blocks[""], "", ())
    nested = {name.rpartition(".")[0] for name in options}
    return {name: kind for name, kind in options.items() if kind != "any" or name not in nested}


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """The code blocks of a reference page by the heading before them; the root's name is empty."""
    name, started, seen_root = "", False, False
    lines: list[str] = []
    for line in text.splitlines():
        if heading := re.fullmatch(r"#{2,4} `?(\w+)`?", line):
            name = heading[1]
        elif line.startswith("```yaml") and not started:
            started, lines = True, []
        elif line.startswith("```") and started:
            started = False
            fields = [one for one in lines if one.strip() and not one.lstrip().startswith("#")]
            if any(one.startswith("[target:") for one in fields) and not seen_root:
                seen_root = True
                yield "", fields
            elif any(one.lstrip().startswith("[") for one in fields) or (name and fields):
                yield name, fields
        elif started:
            lines.append(line)


def from_manifest(text: str, go: str) -> Options:
    """Tempo's manifest is a configuration with every default; its empty values are left out and read from the struct."""
    import yaml

    body = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    options: Options = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict) and value:
            for name, one in value.items():
                walk(one, f"{path}.{name}" if path else str(name))
        else:
            options[path] = _type_of(value)

    walk(yaml.safe_load(body), "")
    struct = go.split("type Config struct {", 1)[1].split("\n}", 1)[0]
    for kind, name in re.findall(r"^\t\w+ +([\w.]+) +`yaml:\"(\w+)", struct, re.MULTILINE):
        if kind in _GO:
            options.setdefault(name, _GO[kind])
    return options


def from_ini(text: str) -> Options:
    """Grafana's defaults: sections and keys, the type by the default."""
    import configparser

    ini = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#", ";"))
    ini.optionxform = str  # type: ignore[assignment,method-assign]
    ini.read_string(f"[{_NO_SECTION}]\n{text}")
    options: Options = {}
    for section in ini.sections():
        for name, value in ini[section].items():
            kind = "boolean" if value in {"true", "false"} else "int" if value.isdigit() else "string"
            options[name if section == _NO_SECTION else f"{section}.{name}"] = kind
    return options


def _type(kind: str, default: str) -> str:
    if kind == "int" and _SIZE.fullmatch(default.strip()):
        return "size"
    if kind.startswith("list of"):
        return "list"
    if kind.startswith("map of"):
        return "map"
    return _TYPES.get(kind, "any")


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, list):
        return "list"
    if value == "":
        # An empty list of texts is shown so too.
        return "texts"
    if isinstance(value, str):
        return "duration" if _DURATION.fullmatch(value) else "string"
    return "any"


def text_of(options: Options) -> str:
    """A tree: one name a line, indented by one space a level, and its type where nothing is below it."""
    lines: list[str] = []
    before: list[str] = []
    for name, kind in sorted((name.split("."), kind) for name, kind in options.items()):
        shared = 0
        while shared < len(name) - 1 and name[shared : shared + 1] == before[shared : shared + 1]:
            shared += 1
        lines += [f"{' ' * level}{name[level]}" for level in range(shared, len(name))]
        lines[-1] += f" {kind}"
        before = name
    return "".join(f"{line}\n" for line in lines)


SOURCES: dict[str, Callable[[Path], Options]] = {
    "mimir": lambda source: from_descriptor((source / "cmd/mimir/config-descriptor.json").read_text()),
    "loki": lambda source: from_reference((source / "docs/sources/shared/configuration.md").read_text()),
    "pyroscope": lambda source: from_reference(
        (source / "docs/sources/configure-server/reference-configuration-parameters/index.md").read_text()
    ),
    "tempo": lambda source: from_manifest(
        (source / "docs/sources/tempo/configuration/manifest.md").read_text(),
        (source / "cmd/tempo/app/config.go").read_text(),
    ),
    "grafana": lambda source: from_ini((source / "conf/defaults.ini").read_text()),
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 3 or arguments[0] not in SOURCES:
        print(__doc__, file=sys.stderr)
        return 64
    server, version, source = arguments
    path = FOLDER / f"{server}-{version}.txt"
    options = SOURCES[server](Path(source))
    path.write_text(text_of(options), encoding="utf-8")
    print(f"{path.name}: {len(options)} options")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
