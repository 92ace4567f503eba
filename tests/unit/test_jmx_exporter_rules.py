"""The exporter's rules against the objects that a scrape reads: each rule's objects are read, and nothing is read for no rule."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

import jinja2
import pytest
import yaml
from groundwork.estate.paths import PROJECT

ROLE = PROJECT / "roles" / "jmx_exporter"
#: domain<key=value, …><>attribute: the head of a pattern is what decides which object it is about.
HEAD = re.compile(r"(?P<domain>[a-z.]+)<(?P<keys>[^<>]+)><>")


def render() -> dict[str, Any]:
    """As Ansible's template does."""
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    text = (ROLE / "templates" / "kafka.yml.j2").read_text()
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    return dict(yaml.safe_load(environment.from_string(text).render(variables)))


CONFIG = render()
INCLUDED: list[str] = CONFIG["includeObjectNames"]
PATTERNS: list[str] = [rule["pattern"] for rule in CONFIG["rules"]]
#: What stands for "any text" in a pattern, and a value that it matches.
ANY = {"(.+)": "any", "(.*)": "any", r"([\w-]+)": "any", '"?([^",]+)"?.*': '"/data"'}


def alternatives(text: str) -> list[str]:
    """Every text that a pattern of literals, alternatives and ANY can be about."""
    for pattern, value in ANY.items():
        text = text.replace(pattern, value)
    found = re.search(r"\((?:\?:)?([^()]+)\)", text)
    if found is None:
        assert not set(text) & set("()[]|*+?\\"), f"this test does not know the expression {text!r}"
        return [text]
    return [
        one
        for choice in found[1].split("|")
        for one in alternatives(text[: found.start()] + choice + text[found.end() :])
    ]


def objects(pattern: str) -> list[tuple[str, dict[str, str]]]:
    """Domain and keys of the objects that a rule's pattern is about."""
    head = HEAD.match(pattern)
    assert head, f"{pattern!r} does not say which object it is about"
    return [(head["domain"], dict(key.split("=", 1) for key in one.split(", "))) for one in alternatives(head["keys"])]


def parse(name: str) -> tuple[str, dict[str, str], bool]:
    """Domain, keys, and whether more keys are taken: a name as javax.management.ObjectName reads it."""
    domain, _, rest = name.partition(":")
    parts = rest.split(",")
    return domain, dict(part.split("=", 1) for part in parts if part != "*"), "*" in parts


def covers(name: str, domain: str, keys: dict[str, str]) -> bool:
    wanted_domain, wanted, more = parse(name)
    same = set(wanted) <= set(keys) if more else set(wanted) == set(keys)
    return same and wanted_domain == domain and all(fnmatchcase(keys[key], value) for key, value in wanted.items())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_object_of_a_rule_is_read(pattern: str) -> None:
    unread = [one for one in objects(pattern) if not any(covers(name, *one) for name in INCLUDED)]
    assert unread == []


@pytest.mark.parametrize("name", INCLUDED)
def test_nothing_is_read_for_no_rule(name: str) -> None:
    domain, keys, more = parse(name)
    assert keys, f"{name}: a whole domain is read"
    if more:
        keys = {**keys, "dir": '"/data"'}
    keys = {key: value.replace("*", "any") for key, value in keys.items()}
    text = f"{domain}<{', '.join(f'{key}={value}' for key, value in keys.items())}><>"
    heads = [re.compile(pattern[: pattern.index("<>") + 2]) for pattern in PATTERNS]
    assert any(head.fullmatch(text) for head in heads), text


def test_each_object_is_named_once() -> None:
    assert sorted(INCLUDED) == sorted(set(INCLUDED))


def test_objects_that_no_rule_is_about_are_left_out() -> None:
    """What the servers have most of, or what costs most, and nobody looks at."""
    for domain, keys in (
        ("kafka.network", {"type": "RequestMetrics", "name": "TotalTimeMs", "request": "DescribeConfigs"}),
        ("kafka.network", {"type": "RequestMetrics", "name": "MessageConversionsTimeMs", "request": "Produce"}),
        ("kafka.network", {"type": "RequestMetrics", "name": "RequestBytes", "request": "Fetch"}),
        ("kafka.server", {"type": "raft-channel-metrics"}),
        ("kafka.server", {"type": "transaction-coordinator-metrics"}),
        ("kafka.server", {"type": "socket-server-metrics", "listener": "CLIENT", "networkProcessor": "1",
                          "clientSoftwareName": "x", "clientSoftwareVersion": "1"}),
        ("kafka.controller", {"type": "ControllerServer", "name": "linux-disk-read-bytes"}),
    ):  # fmt: skip
        assert [name for name in INCLUDED if covers(name, domain, keys)] == []


def test_the_contracts_metrics_of_kafka_have_a_rule() -> None:
    """Names that dashboards and alerts use, as the exporter writes them from a rule's name."""
    contract = PROJECT / "observability" / "metrics.yml"
    # Whether it is there is for the contract's own tests to say.
    jobs = yaml.safe_load(contract.read_text())["jobs"] if contract.is_file() else {"kafka": {"metrics": {}}}
    names = [name for name in jobs["kafka"]["metrics"] if name.startswith("kafka_")]
    possible = [
        re.compile(
            re.sub(r"\\\$\d", "[a-z0-9_]+", re.escape(re.sub(r"[^\w$]", "_", rule["name"]).lower())) + r"(_total)?"
        )
        for rule in CONFIG["rules"]
    ]
    assert [name for name in names if not any(one.fullmatch(name) for one in possible)] == []
