"""Validation of inventories/<env>/catalog.yml: everything that is wrong at once, before anything is touched.

python -m groundwork.catalog [FILE ...]    validate (default: every inventories/*/catalog.yml), exit 1 when wrong
python -m groundwork.catalog --docs        print docs/catalog.md
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .catalog_schema import (
    EXTRA_LOGINS,
    FARGATE_MEMORY,
    RESERVED_CONNECTIONS,
    RESERVED_DATABASES,
    RESERVED_SERVICES,
    RESOURCE_NAMES,
    SCHEMA,
    TOPIC_CONFIG_ELSEWHERE,
    TOPIC_CONFIGS,
    Choice,
    Cidr,
    ConfigKey,
    Field,
    Integer,
    ListOf,
    Map,
    Text,
    TopicConfig,
    Type,
)
from .catalog_yaml import Document, Mark, Null, ansible_reading, parse, show, terraform_reading
from .catalog_yaml import Path as Place

# More than any catalog needs, far less than what would make validation slow.
MAX_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, in the operator's words."""

    file: str
    line: int
    column: int
    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        end = "?" if self.remedy.startswith("did you mean") else "."
        return f"{where}{self.path + ': ' if self.path else ''}{self.reason}; {self.remedy}{end}"


@dataclass
class Report:
    """Result of a validation. `catalog` is complete only when there are no problems."""

    file: str
    problems: list[Problem]
    catalog: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.problems

    def message(self) -> str:
        count = len(self.problems)
        if not count:
            return f"{self.file}: right ({summary(self.catalog)})"
        lines = "\n".join(str(problem) for problem in self.problems)
        return f"{count} {'thing is' if count == 1 else 'things are'} wrong; nothing was touched\n{lines}"


def path_text(path: Place) -> str:
    """`services[2].kafka.topics[0].name`; a key with a dot in it is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{show(part)}]"
    return text


def printable(text: str) -> str:
    """Text for one line of a terminal, whatever stood in the file."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    candidates = list(known)
    lowered = {candidate.lower().replace("-", "_"): candidate for candidate in candidates}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


@dataclass
class Check:
    """A validation under way."""

    file: str
    document: Document
    # Other environments' catalogs in the same inventories folder: (file, environment, network, line).
    neighbours: list[tuple[str, ipaddress.IPv4Network, int]] = field(default_factory=list)
    folder: str | None = None
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: Place, reason: str, remedy: str, mark: Mark | None = None) -> None:
        place = mark or self.document.mark(path)
        words = (printable(text) for text in (path_text(path), reason, remedy))
        self.problems.append(Problem(self.file, place.line, place.column, *words))

    def line(self, path: Place) -> int:
        return self.document.mark(path).line


# --- shape -----------------------------------------------------------------------------------------------------------

_BAD = object()


def _shape(check: Check, kind: Type, value: Any, path: Place) -> Any:
    """The value when it has the type, else _BAD after a report."""
    if path in check.document.refused:
        return _BAD
    if isinstance(value, Null) or value is None:
        check.report(path, "there is no value", f"write {describe(kind)}, or remove the key if it is optional")
        return _BAD
    if isinstance(kind, Map):
        return _shape_map(check, kind, value, path)
    if isinstance(kind, ListOf):
        return _shape_list(check, kind, value, path)
    if isinstance(kind, TopicConfig):
        return _shape_topic_config(check, value, path)
    if isinstance(kind, Integer):
        return _shape_integer(check, kind, value, path)
    if not isinstance(value, str):
        remedy = f"write {describe(kind)}"
        if isinstance(value, (int, float)):
            remedy += f', in quotes: "{show(value)}"' if isinstance(kind, Text) else ""
        check.report(path, f"is {_type_name(value)}, text is expected", remedy)
        return _BAD
    if isinstance(kind, Choice):
        if value in kind.values:
            return value
        guess = nearest(value, kind.values)
        reason = f"{show(value)} is none of {', '.join(kind.values)}"
        check.report(path, reason, f"did you mean {guess}" if guess else "use one of them")
        return _BAD
    if isinstance(kind, Cidr):
        return _shape_cidr(check, kind, value, path)
    return _shape_text(check, kind, value, path)


def _shape_map(check: Check, kind: Map, value: Any, path: Place) -> Any:
    if not isinstance(value, dict):
        check.report(path, f"is {_type_name(value)}, a mapping is expected", f"write keys: {', '.join(kind.fields)}")
        return _BAD
    result: dict[str, Any] = {}
    missing = [name for name, item in kind.fields.items() if item.required and name not in value]
    for key, item in value.items():
        if key in kind.fields:
            good = _shape(check, kind.fields[key].type, item, (*path, key))
            if good is not _BAD:
                result[key] = good
            continue
        # A key that is missing is the likeliest meaning of one that nobody knows.
        guess = nearest(key, missing) or nearest(key, [name for name in kind.fields if name not in value])
        reason = f"the key {show(key)} is not known"
        if guess:
            check.report((*path, key), reason, f"did you mean {guess}")
            if guess in missing:
                missing.remove(guess)
        else:
            check.report((*path, key), reason, f"remove it; known here: {', '.join(kind.fields)}")
    for name in missing:
        example = kind.fields[name].example
        meaning = kind.fields[name].doc.rstrip(".").split(";")[0]
        check.report(
            path, f"the key {name} is missing ({meaning})", f"add {name}: {example or describe(kind.fields[name].type)}"
        )
    return result


def _shape_list(check: Check, kind: ListOf, value: Any, path: Place) -> Any:
    if not isinstance(value, list):
        check.report(path, f"is {_type_name(value)}, a list is expected", f"write a list of: {describe(kind.item)}")
        return _BAD
    if not kind.minimum <= len(value) <= kind.maximum:
        wanted = f"{kind.minimum} to {kind.maximum} items" if kind.maximum < 10_000 else f"at least {kind.minimum}"
        why = " (a /16 has room for four)" if path[-1:] == ("availability_zones",) else ""
        check.report(path, f"has {len(value)} items, {wanted} are expected{why}", "add or remove some")
    result: list[Any] = []
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        good = _shape(check, kind.item, item, (*path, index))
        # A bad item keeps its place as an empty one: the positions in later messages stay those of the file.
        result.append(None if good is _BAD else good)
        if kind.unique and isinstance(good, str):
            if good in seen:
                first = check.line((*path, seen[good]))
                check.report((*path, index), f"{show(good)} is in the list twice, first on line {first}", "keep one")
            seen.setdefault(good, index)
    return result


def _shape_integer(check: Check, kind: Integer, value: Any, path: Place) -> Any:
    unit = f" {kind.unit}" if kind.unit else ""
    if not isinstance(value, int) or isinstance(value, bool):
        remedy = f"write a whole number from {kind.minimum} to {kind.maximum}"
        if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,14}|0", value):
            remedy = f"remove the quotes: {value}"
        check.report(path, f"is {_type_name(value)}, a whole number{' of' + unit if unit else ''} is expected", remedy)
        return _BAD
    if not kind.minimum <= value <= kind.maximum:
        check.report(path, f"{value}{unit} is out of range", f"use {kind.minimum} to {kind.maximum}{unit}")
        return _BAD
    return value


def _shape_text(check: Check, kind: Text, value: str, path: Place) -> Any:
    if not kind.min_length <= len(value) <= kind.max_length:
        wanted = (
            f"{kind.min_length}" if kind.min_length == kind.max_length else f"{kind.min_length} to {kind.max_length}"
        )
        check.report(path, f"{show(value)} has {len(value)} characters", f"use {wanted}")
        return _BAD
    if not re.fullmatch(kind.pattern, value):
        check.report(path, f"{show(value)} is not allowed", f"use {kind.form}")
        return _BAD
    return value


def _shape_cidr(check: Check, kind: Cidr, value: str, path: Place) -> Any:
    try:
        network = ipaddress.IPv4Network(value, strict=False)
    except ValueError:
        check.report(path, f"{show(value)} is not an IPv4 range", "write one like 10.20.0.0/16")
        return _BAD
    if "/" not in value or str(network) != value:
        check.report(path, f"{show(value)} is not the first address of a range with its length", f"write {network}")
        return _BAD
    private = (ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
    if not any(network.subnet_of(block) for block in private):
        check.report(path, f"{value} is not a private range", "use one in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
        return _BAD
    if network.prefixlen != kind.prefix:
        size = "too small for the subnets" if network.prefixlen > kind.prefix else "larger than a VPC may be"
        reason = f"{value} is {size} (a private /19 and two /20 in each of up to four zones fill a /{kind.prefix})"
        base = network.supernet(new_prefix=kind.prefix) if network.prefixlen > kind.prefix else network
        check.report(path, reason, f"use a /{kind.prefix} like {base.network_address}/{kind.prefix}")
        return _BAD
    return value


def _shape_topic_config(check: Check, value: Any, path: Place) -> Any:
    if not isinstance(value, dict):
        check.report(
            path, f"is {_type_name(value)}, a mapping is expected", 'write one like {retention.ms: "604800000"}'
        )
        return _BAD
    result: dict[str, str] = {}
    for key, item in value.items():
        at: Place = (*path, key)
        if at in check.document.refused:
            continue
        rule = TOPIC_CONFIGS.get(key)
        if rule is None:
            guess = nearest(key.replace("_", "."), TOPIC_CONFIGS)
            check.report(
                at,
                f"Kafka 4.3 has no topic configuration {show(key)}",
                f"did you mean {guess}" if guess else "see docs/catalog.md for the known ones",
            )
        elif key in TOPIC_CONFIG_ELSEWHERE:
            check.report(at, f"{key} is not set here", TOPIC_CONFIG_ELSEWHERE[key])
        elif isinstance(item, (Null, dict, list)) or item is None:
            check.report(at, f"is {_type_name(item)}, text is expected", "write the value in quotes")
        elif not isinstance(item, str):
            # Kafka answers with text; a number would be a difference on every run.
            check.report(at, f"is {_type_name(item)}, text is expected", f'quote it: "{show(item)}"')
        else:
            wrong = topic_config_fault(rule, item)
            if wrong:
                check.report(at, f"{show(item)} is not allowed", wrong)
            else:
                result[key] = item
    return result


def topic_config_fault(rule: ConfigKey, value: str) -> str | None:
    """What to write instead, when Kafka would refuse the value."""
    if rule.kind == "bool":
        return None if value in {"true", "false"} else 'use "true" or "false"'
    if rule.kind == "choice":
        return None if value in rule.values else f"use one of {', '.join(rule.values)}"
    if rule.kind == "list":
        parts = value.split(",")
        good = all(part in rule.values for part in parts) and len(set(parts)) == len(parts)
        return None if good else f"use {', '.join(rule.values)} or several with a comma between and no blank"
    pattern = r"-?[0-9]{1,19}" if rule.kind == "int" else r"-?[0-9]+(?:\.[0-9]+)?"
    if not re.fullmatch(pattern, value):
        return "use a whole number" if rule.kind == "int" else "use a number"
    number = int(value) if rule.kind == "int" else float(value)
    low, high = rule.minimum, rule.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        return f"use {_bound(low)} to {_bound(high)}"
    return None


def _bound(value: float | None) -> str:
    if value is None:
        return "any"
    if value >= 2.0**63 - 1:
        return str(2**63 - 1)
    return str(int(value)) if value == int(value) else str(value)


def _type_name(value: Any) -> str:
    if isinstance(value, Null) or value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{show(value)} (a truth value)"
    if isinstance(value, (int, float)):
        return f"the number {show(value)}"
    if isinstance(value, str):
        return f"the text {show(value)}"
    return "a mapping" if isinstance(value, dict) else "a list"


def describe(kind: Type) -> str:
    """A type in words."""
    if isinstance(kind, Integer):
        return f"a whole number from {kind.minimum} to {kind.maximum}"
    if isinstance(kind, Choice):
        return " or ".join(kind.values)
    if isinstance(kind, Cidr):
        return f"a private IPv4 range of size /{kind.prefix}"
    if isinstance(kind, ListOf):
        return f"a list of {describe(kind.item)}"
    if isinstance(kind, TopicConfig):
        return "a mapping of topic configurations"
    if isinstance(kind, Map):
        return f"a mapping with {', '.join(name for name, item in kind.fields.items() if item.required) or 'keys'}"
    return kind.form


# --- rules -----------------------------------------------------------------------------------------------------------

Rule = Callable[[Check, dict[str, Any]], None]
RULES: list[tuple[str, Rule]] = []


def rule(sentence: str) -> Callable[[Rule], Rule]:
    """Registers a check of values against each other; the sentence goes to docs/catalog.md."""

    def register(function: Rule) -> Rule:
        RULES.append((sentence, function))
        return function

    return register


def _dig(data: Any, *path: str) -> Any:
    for part in path:
        if not isinstance(data, dict):
            return None
        data = data.get(part)
    return data


def _services(catalog: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    for index, service in enumerate(catalog.get("services") or []):
        if isinstance(service, dict):
            yield ("services", index), service


def _topics(catalog: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any], dict[str, Any]]]:
    for path, service in _services(catalog):
        for index, topic in enumerate(_dig(service, "kafka", "topics") or []):
            if isinstance(topic, dict):
                yield (*path, "kafka", "topics", index), topic, service


@rule("`environment` is the name of the folder the catalog lies in.")
def _environment(check: Check, catalog: dict[str, Any]) -> None:
    name = catalog.get("environment")
    if name and check.folder and name != check.folder:
        check.report(
            ("environment",),
            f"{show(name)} lies in the folder {check.folder}",
            f"write {check.folder} or move the file",
        )


@rule("`network.vpc_cidr` overlaps that of no other environment in the same inventories folder: they may be peered.")
def _overlap(check: Check, catalog: dict[str, Any]) -> None:
    cidr = _dig(catalog, "network", "vpc_cidr")
    if not cidr:
        return
    mine = ipaddress.IPv4Network(cidr)
    for other_file, network, line in check.neighbours:
        if mine.overlaps(network):
            check.report(
                ("network", "vpc_cidr"),
                f"{cidr} overlaps {network} of {other_file}:{line}",
                "use a range that no other environment has",
            )


@rule("Brokers and controllers spread over `min(3, their number)` zones, so that the loss of one zone stops nothing.")
def _zones(check: Check, catalog: dict[str, Any]) -> None:
    zones = [zone for zone in _dig(catalog, "network", "availability_zones") or [] if zone]
    for key in ("brokers", "controllers"):
        number = _dig(catalog, "kafka", key) or 0
        if zones and len(set(zones)) < min(3, number):
            check.report(
                ("kafka", key),
                f"{number} {key} in {len(set(zones))} zones: the loss of one zone would take the majority",
                f"use at least {min(3, number)} availability_zones, or 1 of the {key}",
            )


@rule("The number of voters is odd: `controllers` with topology `isolated` (at least 1), `brokers` with `combined`.")
def _voters(check: Check, catalog: dict[str, Any]) -> None:
    kafka = catalog.get("kafka") or {}
    topology, brokers, controllers = kafka.get("topology"), kafka.get("brokers"), kafka.get("controllers")
    even = "a quorum of {0} survives no more failures than one of {1}"
    if topology == "combined":
        if controllers:
            check.report(
                ("kafka", "controllers"),
                f"{controllers} controllers with topology combined, where the brokers are the controllers",
                "write 0, or topology: isolated",
            )
        if brokers and brokers % 2 == 0:
            reason = f"{brokers} combined nodes are an even number of controllers: " + even.format(brokers, brokers - 1)
            check.report(("kafka", "brokers"), reason, f"use {brokers - 1} or {brokers + 1}, or topology: isolated")
    elif topology == "isolated" and controllers is not None:
        if controllers == 0:
            check.report(
                ("kafka", "controllers"), "topology isolated without controllers", "use 3, or topology: combined"
            )
        elif controllers % 2 == 0:
            reason = f"{controllers} is an even number of controllers: " + even.format(controllers, controllers - 1)
            check.report(("kafka", "controllers"), reason, f"use {controllers - 1} or {controllers + 1}")


def _check_replication(check: Check, path: Place, keys: tuple[str, str], values: tuple[Any, Any], brokers: Any) -> None:
    """`keys` are the names in the mapping at `path`; a value that comes from a default is None in neither."""
    factor, isr = values
    if factor and brokers and factor > brokers:
        check.report(
            (*path, keys[0]), f"{factor} replicas on {brokers} brokers", f"use at most {brokers} or add brokers"
        )
    if factor and isr:
        if factor == 1 and isr != 1:
            check.report(
                (*path, keys[1]), f"{isr} in-sync replicas of 1 replica can never be", f"use 1, or raise {keys[0]}"
            )
        elif factor > 1 and isr >= factor:
            reason = f"{isr} in-sync replicas of {factor}: one broker that restarts stops every write"
            check.report((*path, keys[1]), reason, f"use at most {factor - 1}, or raise {keys[0]}")


@rule("No replication factor is greater than the number of brokers.")
@rule(
    "`min_insync_replicas` is less than the replication factor, except 1 of 1; defaults count where a topic is silent."
)
def _replication(check: Check, catalog: dict[str, Any]) -> None:
    kafka = catalog.get("kafka") or {}
    brokers = kafka.get("brokers")
    keys = ("default_replication_factor", "default_min_insync_replicas")
    defaults = (kafka.get(keys[0]), kafka.get(keys[1]))
    _check_replication(check, ("kafka",), keys, defaults, brokers)
    own = ("replication_factor", "min_insync_replicas")
    for path, topic, _ in _topics(catalog):
        # A topic that says nothing has the faults of the defaults, which are reported once, above.
        if any(key in topic for key in own):
            values = (topic.get(own[0], defaults[0]), topic.get(own[1], defaults[1]))
            _check_replication(check, path, own, values, brokers if own[0] in topic else None)


@rule("Names of services are unique, and are no name of the database servers' own or of Groundwork's own resources.")
def _service_names(check: Check, catalog: dict[str, Any]) -> None:
    first: dict[str, Place] = {}
    for path, service in _services(catalog):
        name = service.get("name")
        if not name:
            continue
        at: Place = (*path, "name")
        if name in first:
            check.report(
                at, f"the service {name} is there twice, first on line {check.line(first[name])}", "rename one"
            )
        first.setdefault(name, at)
        if name in RESERVED_DATABASES:
            check.report(at, f"{name} is a name of the database servers' own", "choose another name")
        elif name in RESERVED_SERVICES:
            check.report(at, f"{name} would collide with names of the shared infrastructure", "choose another name")


@rule("The name of every resource that a service gets is short enough for AWS and MySQL (see the table of names).")
def _resource_names(check: Check, catalog: dict[str, Any]) -> None:
    env, account = catalog.get("environment"), catalog.get("account_id")
    if not env or not account:
        return
    for path, service in _services(catalog):
        name = service.get("name")
        for section, kind, pattern, limit in RESOURCE_NAMES:
            full = pattern.format(env=env, name=name, account=account)
            if name and _dig(service, *section.split(".")) is not None and len(full) > limit:
                reason = f"the {kind} would be named {full}: {len(full)} characters, {limit} are allowed"
                check.report((*path, "name"), reason, f"shorten the name by {len(full) - limit}")


@rule("Names of topics are unique in the catalog, also with `.` and `_` taken as the same (Kafka's metrics do that).")
def _topic_names(check: Check, catalog: dict[str, Any]) -> None:
    first: dict[str, tuple[str, Place]] = {}
    for path, topic, _ in _topics(catalog):
        name = topic.get("name")
        if not name:
            continue
        at: Place = (*path, "name")
        if name in {".", ".."}:
            check.report(at, f"Kafka refuses the name {show(name)}", "choose another name")
            continue
        if name.startswith("__"):
            check.report(at, f"{name} begins like Kafka's own topics", "choose a name without __ in front")
        metric = name.replace(".", "_")
        if metric in first:
            other, place = first[metric]
            if other == name:
                check.report(at, f"the topic {name} is there twice, first on line {check.line(place)}", "keep one")
            else:
                reason = (
                    f"{name} and {other} (line {check.line(place)}) are both {metric} in metrics; Kafka refuses that"
                )
                check.report(at, reason, "rename one")
        first.setdefault(metric, (name, at))


@rule("Every topic in `produces` and `consumes` is declared by a service of the catalog.")
@rule("A service that consumes has a consumer group; no two services share one, they would take each other's records.")
def _topic_use(check: Check, catalog: dict[str, Any]) -> None:
    known = {str(topic["name"]) for _, topic, _ in _topics(catalog) if topic.get("name")}
    groups: dict[str, tuple[str, Place]] = {}
    for path, service in _services(catalog):
        kafka = service.get("kafka")
        if not isinstance(kafka, dict):
            continue
        for key in ("produces", "consumes"):
            for index, name in enumerate(kafka.get(key) or []):
                if name and name not in known:
                    guess = nearest(name, known)
                    remedy = (
                        f"did you mean {guess}" if guess else "declare it under the topics of the service that owns it"
                    )
                    check.report((*path, "kafka", key, index), f"no service declares the topic {name}", remedy)
        # A list that is there but was refused as a whole is reported already.
        unread = kafka.get("consumer_groups") is None and (*path, "kafka", "consumer_groups") in check.document.marks
        if kafka.get("consumes") and not kafka.get("consumer_groups") and not unread:
            check.report(
                (*path, "kafka", "consumes"),
                "it consumes without a consumer group",
                f"add consumer_groups: [{service.get('name', 'name')}]",
            )
        for index, group in enumerate(kafka.get("consumer_groups") or []):
            at = (*path, "kafka", "consumer_groups", index)
            if group and group in groups and groups[group][0] != str(path):
                line = check.line(groups[group][1])
                check.report(
                    at, f"the consumer group {group} belongs to another service too (line {line})", "rename one"
                )
            if group:
                groups.setdefault(group, (str(path), at))


@rule("The server that a service's `database.engine` names is among the `databases`.")
def _database_servers(check: Check, catalog: dict[str, Any]) -> None:
    servers = catalog.get("databases")
    # Servers that are there but were refused are reported already.
    if not servers:
        return
    for path, service in _services(catalog):
        engine = _dig(service, "database", "engine")
        if engine and engine not in servers and ("databases", engine) not in check.document.marks:
            check.report(
                (*path, "database", "engine"),
                f"the environment has no shared server for {engine}",
                f"add databases.{engine}, or use {' or '.join(servers)}",
            )


def connections(service: dict[str, Any]) -> dict[str, int]:
    """Connections that each login of a service may hold on its database server, by what the login is called in reports."""
    database = service.get("database") or {}
    name = service.get("name", "?")
    sizes = {name: database.get("max_connections")}
    sizes |= {f"{name}/{login}": _dig(database, login, "max_connections") for login in EXTRA_LOGINS}
    return {login: size for login, size in sizes.items() if size}


@rule(
    "The connections of all logins on a database server leave "
    f"{RESERVED_CONNECTIONS} of its `max_connections` free for administration and monitoring."
)
def _connections(check: Check, catalog: dict[str, Any]) -> None:
    for engine, server in (catalog.get("databases") or {}).items():
        limit = _dig(server, "max_connections")
        pools = [
            pool
            for _, service in _services(catalog)
            if _dig(service, "database", "engine") == engine
            for pool in connections(service).items()
        ]
        total = sum(size for _, size in pools)
        if limit and total > limit - RESERVED_CONNECTIONS:
            sizes = ", ".join(f"{name} {size}" for name, size in pools)
            check.report(
                ("databases", engine, "max_connections"),
                f"the services may hold {total} connections ({sizes}), the server accepts {limit} "
                f"and {RESERVED_CONNECTIONS} stay reserved",
                f"raise it to {total + RESERVED_CONNECTIONS} or lower the services' max_connections",
            )


@rule("`max_allocated_gib` is at least a tenth more than `allocated_gib` (RDS refuses less).")
def _storage(check: Check, catalog: dict[str, Any]) -> None:
    for engine, server in (catalog.get("databases") or {}).items():
        size, limit = _dig(server, "allocated_gib"), _dig(server, "max_allocated_gib")
        if size and limit and limit * 10 < size * 11:
            least = -(-size * 11 // 10)
            check.report(
                ("databases", engine, "max_allocated_gib"),
                f"{limit} GiB is too little above {size} GiB",
                f"use {least} or more",
            )


@rule("Objects of a bucket go to Infrequent Access, at least 30 days later to Glacier, and are deleted after that.")
def _lifecycle(check: Check, catalog: dict[str, Any]) -> None:
    for path, service in _services(catalog):
        bucket = service.get("bucket")
        if not isinstance(bucket, dict):
            continue
        ia, glacier, expire = (bucket.get(key) for key in ("ia_days", "glacier_days", "expire_days"))
        if ia and glacier and glacier < ia + 30:
            reason = f"Glacier after {glacier} days, Infrequent Access after {ia}; S3 wants 30 days between"
            check.report((*path, "bucket", "glacier_days"), reason, f"use {ia + 30} or more")
        if glacier and expire and expire <= glacier:
            reason = f"deleted after {expire} days, before or when they go to Glacier ({glacier})"
            check.report((*path, "bucket", "expire_days"), reason, f"use more than {glacier}")


@rule(
    "A task has an `image`; a `queue` and a `bucket` belong to a `task` (its stack makes them, its role may use them)."
)
def _stack(check: Check, catalog: dict[str, Any]) -> None:
    for path, service in _services(catalog):
        # A part that is there but was refused as a whole is reported already.
        known = {key for key in ("task", "image") if service.get(key) or (*path, key) in check.document.marks}
        if service.get("task") and "image" not in known:
            check.report((*path, "task"), "a task without an image", "add image: {keep: 30}")
        for key in ("queue", "bucket"):
            if service.get(key) and "task" not in known:
                check.report((*path, key), f"a {key} without a task would not be made", "add a task, or take it away")


@rule("`cpu` and `memory_mib` of a task are a pair that Fargate has (see the table of pairs).")
def _fargate(check: Check, catalog: dict[str, Any]) -> None:
    for path, service in _services(catalog):
        cpu, memory = _dig(service, "task", "cpu"), _dig(service, "task", "memory_mib")
        if cpu is None:
            continue
        if cpu not in FARGATE_MEMORY:
            sizes = ", ".join(str(size) for size in FARGATE_MEMORY)
            check.report((*path, "task", "cpu"), f"Fargate has no task with {cpu} CPU units", f"use one of {sizes}")
        elif memory is not None and memory not in FARGATE_MEMORY[cpu]:
            closest = min(FARGATE_MEMORY[cpu], key=lambda size: abs(size - memory))
            check.report(
                (*path, "task", "memory_mib"),
                f"Fargate has no task with {cpu} CPU units and {memory} MiB",
                f"use {_memory_words(FARGATE_MEMORY[cpu])}; the nearest is {closest}",
            )


def _memory_words(sizes: tuple[int, ...]) -> str:
    if len(sizes) <= 3:
        return ", ".join(str(size) for size in sizes)
    return f"{sizes[0]} to {sizes[-1]} in steps of {sizes[1] - sizes[0]}"


# --- entry points ----------------------------------------------------------------------------------------------------


def validate_text(
    text: str,
    file: str,
    folder: str | None = None,
    neighbours: list[tuple[str, ipaddress.IPv4Network, int]] | None = None,
) -> Report:
    """Validates a catalog. `folder` is the environment's folder name, if it is known."""
    document = parse(text)
    check = Check(file, document, neighbours or [], folder)
    for fault in document.faults:
        check.report(fault.path, fault.reason, fault.remedy, fault.mark)
    if document.data is None:
        return Report(file, sorted(check.problems))
    shaped = _shape(check, SCHEMA, document.data, ())
    catalog: dict[str, Any] = shaped if isinstance(shaped, dict) else {}
    for function in dict.fromkeys(function for _, function in RULES):
        function(check, catalog)
    return Report(file, sorted(set(check.problems)), catalog)


def validate_file(path: Path | str, display: str | None = None) -> Report:
    """Validates a catalog file, and its ranges against those of the environments beside it."""
    file = Path(path)
    name = display or _display(file)
    text, problem = _read(file, name)
    if problem:
        return Report(name, [problem])
    folder = file.resolve().parent
    return validate_text(text, name, folder.name, _neighbours(folder))


def summary(catalog: dict[str, Any]) -> str:
    """What a valid catalog asks for, in one line."""
    services = catalog["services"]
    topics = sum(1 for _ in _topics(catalog))
    databases = sum(1 for service in services if "database" in service)
    kafka = catalog["kafka"]
    parts = (
        _count(len(services), "service"),
        _count(topics, "topic"),
        f"{_count(kafka['brokers'], 'broker')} ({kafka['topology']})",
        _count(databases, "database"),
    )
    return f"{catalog['environment']}: {', '.join(parts)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _display(file: Path) -> str:
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _read(file: Path, name: str) -> tuple[str, Problem | None]:
    try:
        if file.stat().st_size > MAX_BYTES:
            return "", Problem(name, 1, 1, "", f"the file has more than {MAX_BYTES} bytes", "is it a catalog")
        content = file.read_bytes()
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return "", Problem(name, 1, 1, "", reason, "every environment needs a catalog.yml beside its aws_ec2.yml")
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return "", Problem(name, line, 1, "", "the text is not UTF-8", "save the file as UTF-8")


def _neighbours(folder: Path) -> list[tuple[str, ipaddress.IPv4Network, int]]:
    """Ranges of the other environments; what is wrong in their files is reported when they are validated."""
    found = []
    for other in sorted(folder.parent.glob("*/catalog.yml")):
        if other.parent == folder:
            continue
        text, problem = _read(other, str(other))
        if problem:
            continue
        document = parse(text)
        value = _dig(document.data, "network", "vpc_cidr")
        if isinstance(value, str):
            try:
                network = ipaddress.IPv4Network(value)
            except ValueError:
                continue
            found.append((_display(other), network, document.mark(("network", "vpc_cidr")).line))
    return found


def _type_cell(kind: Type) -> str:
    if isinstance(kind, Integer):
        return f"whole number, {kind.minimum} to {kind.maximum}" + (f" ({kind.unit})" if kind.unit else "")
    if isinstance(kind, Choice):
        return " \\| ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, Cidr):
        return f"private IPv4 range, /{kind.prefix}"
    if isinstance(kind, ListOf):
        if isinstance(kind.item, Map):
            return "list of mappings"
        count = f", {kind.minimum} to {kind.maximum} items" if kind.maximum < 10_000 else ""
        return f"list of {_type_cell(kind.item)}{count}"
    if isinstance(kind, TopicConfig):
        return "mapping of texts"
    if isinstance(kind, Map):
        return "mapping"
    length = f"; at most {kind.max_length} characters" if kind.max_length < 256 else ""
    return kind.form.replace("|", "\\|") + length


def _rows(fields: dict[str, Field], prefix: str) -> Iterator[str]:
    for name, item in fields.items():
        path = f"{prefix}{name}"
        nested = item.type.item if isinstance(item.type, ListOf) else item.type
        need = "required" if item.required else f"default: {item.default}"
        example = f" Example: `{item.example}`." if item.example else ""
        yield f"| `{path}` | {_type_cell(item.type)} | {need} | {item.doc}{example} |"
        if isinstance(nested, Map):
            yield from _rows(nested.fields, f"{path}[]." if isinstance(item.type, ListOf) else f"{path}.")


def _config_cell(item: ConfigKey) -> str:
    if item.kind in {"choice", "list"}:
        several = ", several with a comma between" if item.kind == "list" else ""
        return ", ".join(f"`{value}`" for value in item.values) + several
    if item.kind == "bool":
        return "`true`, `false`"
    return f"{_bound(item.minimum)} to {_bound(item.maximum)}"


TRAPS_SHOWN = (
    "no",
    "n",
    "on",
    "1e3",
    "010",
    "0o10",
    "0b11",
    "1_000",
    "12:30:00",
    "2025-01-31",
    "2025-1-31",
    "~",
    "=",
    "+1",
)


def docs() -> str:
    """docs/catalog.md."""
    lines = [
        "# The catalog",
        "",
        "<!-- Made by `python -m groundwork.catalog --docs` from module_utils/groundwork/catalog_schema.py. -->",
        "",
        "`inventories/<env>/catalog.yml` says what should exist in an environment. Terraform reads it with",
        "`yamldecode`, Ansible as the variable `catalog`; there is no second list. It is validated before anything is",
        "touched: `site.yml` does it first, `PYTHONPATH=module_utils python -m groundwork.catalog [FILE ...]` only it.",
        "Every message says file, line, place, reason and remedy; all of them come at once; the exit code is 1.",
        "",
        "## Keys",
        "",
        "| key | type and limits | | meaning |",
        "| --- | --- | --- | --- |",
        *_rows(SCHEMA.fields, ""),
        "",
        "## Rules between keys",
        "",
        *(f"- {sentence}" for sentence, _ in RULES),
        "",
        "## Names",
        "",
        "| resource | name | limit |",
        "| --- | --- | --- |",
        *(f"| {kind} | `{pattern}` | {limit} characters |" for _, kind, pattern, limit in RESOURCE_NAMES),
        "",
        "Not allowed as names of services: "
        + ", ".join(f"`{name}`" for name in (*RESERVED_DATABASES, *RESERVED_SERVICES))
        + ".",
        "",
        "## Topic configurations",
        "",
        "Those of Apache Kafka 4.3. Values are text, in quotes, as Kafka answers them.",
        "",
        "| configuration | values |",
        "| --- | --- |",
        *(
            f"| `{key}` | {_config_cell(item)} |"
            for key, item in TOPIC_CONFIGS.items()
            if key not in TOPIC_CONFIG_ELSEWHERE
        ),
        "",
        *(f"`{key}`: {remedy}.  " for key, remedy in TOPIC_CONFIG_ELSEWHERE.items()),
        "",
        "## Sizes of tasks",
        "",
        "| `cpu` | `memory_mib` |",
        "| --- | --- |",
        *(f"| {cpu} | {_memory_words(sizes)} |" for cpu, sizes in FARGATE_MEMORY.items()),
        "",
        "## Text without quotes",
        "",
        "Ansible and Terraform do not read YAML alike. What they read differently, or what only looks like text, is",
        "refused; in quotes everything is text to both, in any script. A test asks the real Terraform for this table.",
        "",
        "| written | Ansible | Terraform |",
        "| --- | --- | --- |",
        *(f"| `{text}` | {ansible_reading(text)} | {terraform_reading(text)} |" for text in TRAPS_SHOWN),
        "",
        "Anchors, aliases, tags and a second document are refused too: write values out. So is text that is not composed (Unicode NFC).",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--docs"]:
        sys.stdout.write(docs())
        return 0
    if any(argument.startswith("-") for argument in arguments):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    files = [Path(argument) for argument in arguments]
    if not files:
        inventories = Path(__file__).resolve().parents[2] / "inventories"
        files = sorted(inventories.glob("*/catalog.yml"))
        if not files:
            sys.stderr.write(f"{inventories}: no */catalog.yml there; name the files.\n")
            return 2
    failed = False
    for file in files:
        report = validate_file(file / "catalog.yml" if file.is_dir() else file)
        failed = failed or not report.ok
        sys.stdout.write(f"{report.message()}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
