"""YAML as Ansible and Terraform both read it, with the line of every value.

Ansible reads YAML 1.1 (PyYAML), Terraform's yamldecode mostly YAML 1.2: `010` is 8 for one and 10 for the other, `n` is
text for one and false for the other. A scalar without quotes is accepted only when both read the same; the others are
reported with both readings. tests/unit/test_catalog_terraform.py asks the real Terraform.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]

# A catalog has seven levels.
MAX_DEPTH = 40
DEPTH_REMEDY = "look for a bracket or dash too many"

_INTEGER = re.compile(r"-?[1-9][0-9]{0,14}|0")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_NULL = re.compile(r"|~|null|Null|NULL")

# Text that one of the two readers, or a reader of another version, takes for something else.
_TRAPS = (
    re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE),
    re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]*)?"),
    re.compile(r"[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"),
    re.compile(r"[-+]?0[xXoObB][0-9a-fA-F_]*"),
    re.compile(r"[-+]?[0-9][0-9_]*(?::[0-9]+)+(?:\.[0-9_]*)?"),
    re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?"),
    re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE),
    re.compile(r"=|<<|~"),
)

_TERRAFORM_TRUE = re.compile(r"y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE")
_TERRAFORM_FALSE = re.compile(r"n|N|no|No|NO|off|Off|OFF|false|False|FALSE")
_TERRAFORM_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_TERRAFORM_BASED = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_TERRAFORM_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?")


@dataclass(frozen=True)
class Mark:
    line: int
    column: int


@dataclass(frozen=True)
class Fault:
    """Something wrong at a place of the file, before its meaning is known."""

    mark: Mark
    path: Path
    reason: str
    remedy: str


@dataclass(frozen=True)
class Null:
    """A key without a value, which neither reader refuses and nobody means."""


@dataclass
class Document:
    """Data (dict, list, str, int, float, bool, Null) and where each value stands; a faulty value is None in `data`."""

    data: Any = None
    marks: dict[Path, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    # Paths whose value was refused: it is reported once, and not as missing a second time.
    refused: set[Path] = field(default_factory=set)

    def mark(self, path: Path) -> Mark:
        """The place of the value, or of the nearest thing around it."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, Mark(1, 1))


def show(value: object) -> str:
    """A value in a sentence: text in quotes, so that blanks are seen."""
    if isinstance(value, Null) or value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return '"' + text.replace('"', "'") + '"'
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value)) if abs(value) < 1e15 else str(value)
    return str(value)


def terraform_reading(text: str) -> str:
    """What Terraform's yamldecode makes of a scalar without quotes, in words."""
    if _NULL.fullmatch(text):
        return "nothing"
    if _TERRAFORM_TRUE.fullmatch(text):
        return "true"
    if _TERRAFORM_FALSE.fullmatch(text):
        return "false"
    if _TERRAFORM_BASED.fullmatch(text):
        return f"the number {int(text, 0)}"
    if _TERRAFORM_NUMBER.fullmatch(text):
        return f"the number {_number(text)}"
    if _TERRAFORM_DATE.fullmatch(text):
        return "a time stamp"
    if re.fullmatch(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", text):
        return "an error"
    return f"the text {show(text)}"


def ansible_reading(text: str) -> str:
    """What PyYAML, and with it Ansible, makes of a scalar without quotes, in words."""
    try:
        value = yaml.safe_load(f"[{text}]")[0]
    except (yaml.YAMLError, ValueError, OverflowError, IndexError, TypeError):
        return "an error"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"the number {show(value)}"
    if isinstance(value, str):
        return f"the text {show(value)}"
    return "a time stamp" if hasattr(value, "year") else show(value)


def _number(text: str) -> str:
    try:
        value = float(text)
    except OverflowError:
        return text
    return show(value)


def is_trap(text: str) -> bool:
    """Whether a scalar without quotes could mean something else to one of the readers than to the other."""
    if text in {"true", "false"} or _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text) or _NULL.fullmatch(text):
        return False
    if any(trap.fullmatch(text) for trap in _TRAPS):
        return True
    resolver: Any = yaml.SafeLoader("")
    return bool(resolver.resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str")


def scalar(text: str) -> Any:
    """The value of a scalar without quotes that is no trap."""
    if _NULL.fullmatch(text):
        return Null()
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text


def parse(text: str) -> Document:
    """Reads one document. Never raises: what is wrong is in `faults`."""
    document = Document()
    try:
        unusable = list(_unusable_events(text))
        if unusable:
            document.faults.extend(unusable)
            return document
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        place = _mark(mark) if mark else Mark(1, 1)
        document.faults.append(
            Fault(
                place,
                (),
                f"this is not YAML: {reason}",
                "correct the indentation, bracket or quote there or just above",
            )
        )
        return document
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        document.faults.append(
            Fault(Mark(line, 1), (), f"the character U+{_code(error):04X} is not allowed in YAML", "remove it")
        )
        return document
    if node is None:
        document.faults.append(
            Fault(Mark(1, 1), (), "the file is empty", "start from another environment's catalog.yml")
        )
        return document
    document.data = _build(document, node, ())
    return document


def _code(error: yaml.reader.ReaderError) -> int:
    character = error.character
    if isinstance(character, int):
        return character
    return ord(character[:1]) if character else 0


def _mark(mark: Any) -> Mark:
    return Mark(int(mark.line) + 1, int(mark.column) + 1)


def _unusable_events(text: str) -> Iterator[Fault]:
    """Features of YAML that the two readers treat differently, or that hide where a value comes from."""
    documents = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            yield Fault(_mark(event.start_mark), (), "the nesting is too deep", DEPTH_REMEDY)
            return
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents == 2:
                yield Fault(
                    _mark(event.start_mark), (), "a second document starts here", "keep one document in the file"
                )
        elif isinstance(event, yaml.AliasEvent):
            yield Fault(
                _mark(event.start_mark), (), f"the alias *{event.anchor} is not supported", "write the value out"
            )
        else:
            tag = getattr(event, "tag", None)
            if tag is not None:
                yield Fault(_mark(event.start_mark), (), f"the tag {tag} is not supported", "write a plain value")


def _build(document: Document, node: Any, path: Path) -> Any:
    document.marks.setdefault(path, _mark(node.start_mark))
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(document, node, path)
    if isinstance(node, yaml.SequenceNode):
        # Faulty items keep their place as None: positions in messages are those of the file.
        return [_build(document, child, (*path, index)) for index, child in enumerate(node.value)]
    text = str(node.value)
    if not unicodedata.is_normalized("NFC", text):
        document.refused.add(path)
        document.faults.append(_decomposed(document.mark(path), text, path))
        return None
    if node.style is not None:
        return text
    if is_trap(text):
        document.refused.add(path)
        document.faults.append(_trap(document, text, path))
        return None
    return scalar(text)


def _decomposed(mark: Mark, text: str, path: Path) -> Fault:
    """Terraform normalises every string (Unicode NFC); Ansible keeps it as it is."""
    composed = unicodedata.normalize("NFC", text)
    return Fault(
        mark,
        path,
        f"{text} is written with characters that Terraform replaces (it composes all text), and Ansible does not",
        f'write it composed (Unicode NFC): "{composed}"',
    )


def _trap(document: Document, text: str, path: Path) -> Fault:
    ansible, terraform = ansible_reading(text), terraform_reading(text)
    if ansible == terraform:
        reason = f"{text} without quotes is read as {ansible}, and only some readers agree"
    else:
        reason = f"{text} without quotes is {ansible} to Ansible and {terraform} to Terraform"
    return Fault(
        document.mark(path),
        path,
        reason,
        f'quote it if text is meant: "{text}"; else write a plain number, true or false',
    )


def _build_mapping(document: Document, node: Any, path: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    first: dict[str, Mark] = {}
    for key_node, value_node in node.value:
        mark = _mark(key_node.start_mark)
        if not isinstance(key_node, yaml.ScalarNode):
            document.faults.append(Fault(mark, path, "a list or mapping cannot be a key", "write the key as text"))
            continue
        key = str(key_node.value)
        if not unicodedata.is_normalized("NFC", key):
            document.faults.append(_decomposed(mark, key, path))
            continue
        if key_node.style is None and (is_trap(key) or not isinstance(scalar(key), str)):
            document.faults.append(
                Fault(mark, path, f"the key {key or '(empty)'} is not text without quotes", f'quote it: "{key}"')
            )
            continue
        if key in first:
            document.faults.append(
                Fault(
                    mark,
                    (*path, key),
                    f"the key is there twice, first on line {first[key].line}; one of the two would be lost",
                    "keep one",
                )
            )
            continue
        first[key] = mark
        document.marks[(*path, key)] = mark
        result[key] = _build(document, value_node, (*path, key))
    return result
