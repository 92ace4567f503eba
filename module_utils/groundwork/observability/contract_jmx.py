"""Which metrics the JMX exporter's rules can make, read from the rules: so that a change that loses one is seen at once.

A rule's name is a template of its pattern's groups. A group that lists its values makes one name each; any other group
makes every name that its pattern takes. Names are written as the exporter writes them: lower case, `_` for what no name
may have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PLACE = re.compile(r"\$(\d)")
_LISTED = re.compile(r"[\w-]+(?:\|[\w-]+)*")
# What the exporter tells of itself and of the JVM without any rule.
OWN = ("jmx_", "jvm_", "process_")


@dataclass(frozen=True)
class JmxRule:
    """`names` takes every name of a metric that the rule can make; `labels` are those that it gives."""

    pattern: str
    template: str
    names: re.Pattern[str]
    type: str
    labels: frozenset[str]


def read(data: dict[str, Any]) -> list[JmxRule]:
    """The rules of an exporter's configuration."""
    found = []
    for rule in data["rules"]:
        groups = _groups(str(rule["pattern"]))
        pieces = _PLACE.split(str(rule["name"]))
        # Odd pieces are numbers of groups.
        name = "".join(
            _group(groups[int(piece) - 1]) if index % 2 else re.escape(_written(piece))
            for index, piece in enumerate(pieces)
        )
        labels = frozenset(str(label).lower() for label in rule.get("labels") or {})
        found.append(
            JmxRule(
                str(rule["pattern"]),
                str(rule["name"]),
                re.compile(name),
                str(rule.get("type", "UNTYPED")).lower(),
                labels,
            )
        )
    return found


def makers(rules: Sequence[JmxRule], metric: str) -> list[JmxRule]:
    """The rules that can make a metric of this name."""
    return [rule for rule in rules if rule.names.fullmatch(metric)]


def made_of(rules: Sequence[JmxRule], bean: str) -> str:
    """Name of the metric that the exporter makes of an attribute (`domain<type=…, name=…><>attribute`); the first rule
    whose pattern is found in it does. Empty when none is."""
    for rule in rules:
        if match := re.search(rule.pattern, bean):
            return _written(_PLACE.sub(lambda place: match[int(place[1])] or "", rule.template))
    return ""


def _written(text: str) -> str:
    return re.sub(r"[^a-z0-9_:]", "_", text.lower())


def _group(inner: str) -> str:
    if _LISTED.fullmatch(inner):
        return "(?:" + "|".join(_written(one) for one in inner.split("|")) + ")"
    return "[a-z0-9_]+"


def _groups(pattern: str) -> list[str]:
    """What stands in each capturing group, in the order of their opening brackets."""
    found: list[tuple[int, int]] = []
    opened: list[int | None] = []
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            index += 1
        elif char == "[":
            index = pattern.index("]", index + 1)
        elif char == "(":
            if pattern.startswith("(?", index):
                opened.append(None)
            else:
                found.append((index + 1, -1))
                opened.append(len(found) - 1)
        elif char == ")":
            place = opened.pop()
            if place is not None:
                found[place] = (found[place][0], index)
        index += 1
    return [pattern[begin:end] for begin, end in found]
