"""The metrics contract: its shape, expressions held against it, and that Kafka's exporter brings what it promises.

tests/fixtures/kafka/scrape-*.txt are what the exporter gave with the role's rules on two real nodes (Kafka 4.3.1, one
broker and controller, one broker; a topic with traffic, a group, a quota), without the help lines.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from groundwork.estate.paths import PROJECT
from groundwork.observability import contract, contract_jmx, contract_promql, rules

CONTRACT = contract.load(PROJECT / "observability" / "metrics.yml")
KAFKA = CONTRACT.jobs["kafka"].metrics
GOOD = {"type": "gauge", "labels": ["topic"], "help": "Something"}


def a_contract(**metrics: Any) -> contract.Contract:
    return contract.parse({"jobs": {"kafka": {"source": "the exporter", "metrics": metrics}}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "number"}, "type 'number' is none of counter"),
        ({"labels": ["topic", "topic"]}, "a label is there twice"),
        ({"labels": ["env"]}, "every series has env"),
        ({"labels": "topic"}, "labels must be a list"),
        ({"help": ""}, "help must say"),
        ({"unit": "s"}, "must have help, labels, type"),
    ],
)
def test_what_is_wrong_with_a_metric(change: dict[str, Any], words: str) -> None:
    with pytest.raises(contract.ContractError, match=words):
        a_contract(x={**GOOD, **change})


def test_a_metric_that_is_there_twice(tmp_path: Any) -> None:
    path = tmp_path / "metrics.yml"
    line = "      a: {type: gauge, labels: [], help: A}\n"
    path.write_text(f"jobs:\n  kafka:\n    source: x\n    metrics:\n{line}{line}")
    with pytest.raises(contract.ContractError, match=r"a is there twice \(line 6\)"):
        contract.load(path)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("rate(nowhere_total[5m])", "nowhere_total is not in the metrics contract"),
        ("kafka_server_bytesin_total{topic='a'}", "has no label topic"),
        ("sum by (topic) (kafka_server_bytesin_total)", "groups by topic"),
        ("process_cpu_seconds_total > 1", "say which job"),
        ("kafka_server_bytesin_total{job='node'}", "no job that the selector takes brings"),
        ("sum(rate(kafka_server_bytesin_total))", "expected type matrix"),
        ("kafka_network_totaltimems{le='1'}", "has no label le"),
    ],
)
def test_what_is_wrong_with_an_expression(expression: str, words: str) -> None:
    assert any(words in problem for problem in contract.problems_of(CONTRACT, {"panel": expression}))


@pytest.mark.parametrize(
    "expression",
    [
        "sum by (topic) (rate(kafka_server_topic_bytesin_total{env='$env'}[$__rate_interval]))",
        "histogram_quantile(0.9, sum by (le) (rate(cortex_request_duration_seconds_bucket[5m])))",
        "rate(jvm_gc_collection_seconds_sum[5m]) / rate(jvm_gc_collection_seconds_count[5m])",
        "label_values(up{job='kafka'}, host)",
        "cluster:kafka_server_bytesin:rate5m",
        "process_cpu_seconds_total{job=~'loki|tempo'}",
        "label_replace(up, 'x', '$1', 'host', '(.*)')",
    ],
)
def test_expressions_that_are_right(expression: str) -> None:
    recorded = {"cluster:kafka_server_bytesin:rate5m"}
    assert contract.problems_of(CONTRACT, {"panel": expression}, recorded) == []


def test_use_is_counted_by_job_and_by_base_name() -> None:
    asked = {"a": "process_cpu_seconds_total{job='loki'}", "b": "rate(cortex_request_duration_seconds_count[1m])"}
    assert contract.used(CONTRACT, asked) == {
        ("loki", "process_cpu_seconds_total"), ("mimir", "cortex_request_duration_seconds")
    }  # fmt: skip
    assert "kafka.kafka_raft_state is used nowhere" in contract.unused(CONTRACT, asked)


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("sum by (env) (a) > 1", {"env"}),
        ("a / on (env, host) b", {"env", "host"}),
        ("a > on (env) group_left () b", None),
        ("a unless on (env) b", None),
        ("sum without (x) (sum by (x, y) (a))", {"y"}),
        ("histogram_quantile(0.9, sum by (le, env) (rate(a[5m])))", {"env"}),
        ("absent(up{job='a'})", {"job"}),
        ("time() - sum by (env) (a)", {"env"}),
        ("vector(1)", set()),
    ],
)
def test_labels_of_a_result(expression: str, labels: set[str] | None) -> None:
    assert contract_promql.result_labels(expression) == labels


def test_rules_use_only_what_is_listed() -> None:
    groups = rules.load(PROJECT / "observability" / "rules")
    assert contract.problems_of(CONTRACT, rules.expressions(groups), rules.recorded(groups)) == []


# ---------------------------------------------------------------------------------------------- what the exporter brings


def scraped() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Types and labels by name, over both nodes."""
    types: dict[str, str] = {}
    labels: dict[str, set[str]] = defaultdict(set)
    for path in sorted((PROJECT / "tests" / "fixtures" / "kafka").glob("scrape-*.txt")):
        for line in path.read_text().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                types[name] = kind
            elif match := re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ", line):
                labels[match[1]] |= set(re.findall(r'(\w+)="', match[2] or ""))
    return types, labels


def test_real_nodes_bring_every_metric_of_the_contract() -> None:
    types, labels = scraped()
    problems = []
    for metric in KAFKA.values():
        there = [name for name in metric.series if name in labels]
        if not there:
            problems.append(f"{metric.name} is not there")
        elif types.get(metric.name) != metric.type:
            problems.append(f"{metric.name} is a {types.get(metric.name)}")
        elif not labels[there[0]] <= set(metric.labels):
            problems.append(f"{metric.name} has labels {sorted(labels[there[0]])}")
    assert problems == []


def jmx_rules(role: Path = PROJECT / "roles" / "jmx_exporter") -> list[contract_jmx.JmxRule]:
    """The rules as the role renders them, with its own variables."""
    known: dict[str, Any] = {}
    for path in (role / "defaults" / "main.yml", role / "vars" / "main.yml"):
        known |= yaml.safe_load(path.read_text()) if path.exists() else {}
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)  # noqa: S701 - no HTML
    text = environment.from_string((role / "templates" / "kafka.yml.j2").read_text()).render(known)
    return contract_jmx.read(yaml.safe_load(text))


def test_a_rule_makes_every_metric_of_the_contract() -> None:
    made = jmx_rules()
    for metric in KAFKA.values():
        if not metric.name.startswith(contract_jmx.OWN):
            makers = contract_jmx.makers(made, metric.name)
            assert makers, f"no rule of the JMX exporter makes {metric.name}"
            assert any(one.type == metric.type for one in makers), (
                f"{metric.name} is none of type {metric.type} any more"
            )
            labels = {label for one in makers for label in one.labels}
            assert labels >= set(metric.labels), f"{metric.name} lost {sorted(set(metric.labels) - labels)}"


def beans() -> dict[str, str]:
    """Which attribute of the real nodes each metric of the contract came from, for objects of at most one more key."""
    lines = (PROJECT / "tests" / "fixtures" / "kafka" / "beans.txt").read_text().splitlines()
    found = dict(line.split(" ", 1) for line in lines)
    return {name: bean for name, bean in found.items() if name in KAFKA}


def test_the_attributes_of_real_nodes_become_the_contracts_metrics() -> None:
    made = jmx_rules()
    known = beans()
    assert len(known) > 40
    assert {name: contract_jmx.made_of(made, bean) for name, bean in known.items()} == {name: name for name in known}


def test_a_rule_that_is_lost_is_seen() -> None:
    """Each rule by itself: without it a metric of the contract is made no more, or the contract does not need the rule."""
    made = jmx_rules()
    needed = []
    for index, rule in enumerate(made):
        others = made[:index] + made[index + 1 :]
        lost = [name for name in KAFKA if rule.names.fullmatch(name) and not contract_jmx.makers(others, name)]
        lost += [name for name, bean in beans().items() if contract_jmx.made_of(others, bean) != name]
        needed += [rule.pattern] if lost else []
    assert len(needed) > len(made) * 3 / 4
    assert any("ReplicaManager, name=(.+)PerSec" in pattern for pattern in needed)
    narrowed = contract_jmx.read(
        {"rules": [{"pattern": r"kafka.x<type=raft-metrics><>(epoch)-(avg|max)", "name": "kafka_$1_$2"}]}
    )
    assert [bool(contract_jmx.makers(narrowed, name)) for name in ("kafka_epoch_max", "kafka_epoch_min")] == [
        True,
        False,
    ]
