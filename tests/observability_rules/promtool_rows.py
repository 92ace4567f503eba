"""promtool's unit tests made of a table: for each alert the series that fire it and those that keep it quiet.

A row of tests/observability_rules/<file>.yml, by the alert's name:

    fire:   series to values, or a list of such worlds, each of which must fire it
    quiet:  the same, none of which may
    at:     when it is asked (default: its `for` and 40 minutes)
    scale:  how far a threshold of 0 is moved by a mutation (default 1)

A series is a metric with the labels that matter; env, host, instance and job come by themselves. A value is a number
(constant), `a+b` (from a, b more each minute), or a sequence `1x60 _x20` (60 and 20 minutes). Alerts on absence and on
missing metrics have no row: their worlds follow from the contract. Each alert is tested alone, with what it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from groundwork.observability import contract_promql, rules, rules_promtool
from groundwork.observability.contract import Contract
from groundwork.observability.rules import Group, Rule

World = Mapping[str, str | int | float]
_SERIES = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_SLOPE = re.compile(r"-?[\d.]+[+-][\d.]+")
_REPEAT = re.compile(r"(-?[\d.]+)x(\d+)")
_FLIPPED = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
_EDGE = {"<": "<=", ">": ">="}


@dataclass(frozen=True)
class Row:
    alert: str
    fire: tuple[World, ...]
    quiet: tuple[World, ...]
    at: int  # minutes
    scale: float = 1


@dataclass(frozen=True)
class Case:
    """A rule with the recording rules it needs, and worlds with what must be seen in each."""

    name: str
    rule: Rule
    before: tuple[tuple[str, str], ...]
    row: Row


def read(folder: Path, groups: Sequence[Group], contract: Contract) -> dict[str, Row]:
    """Rows of all files, and those that follow from the contract."""
    known = {rule.alert: rule for rule in rules.alerts(groups)}
    rows: dict[str, Row] = {}
    for path in sorted(folder.glob("*.yml")):
        for alert, told in yaml.safe_load(path.read_text()).items():
            assert alert in known, f"{path.name}: there is no alert {alert}"
            assert alert not in rows, f"{path.name}: {alert} is there twice"
            wait = rules.milliseconds(known[alert].wait) // 60_000
            at = rules.milliseconds(str(told.get("at", ""))) // 60_000 or wait + 40
            rows[alert] = Row(alert, _worlds(told["fire"]), _worlds(told["quiet"]), at, float(told.get("scale", 1)))
    for alert, rule in known.items():
        wait = rules.milliseconds(rule.wait) // 60_000
        if alert.endswith("Absent"):
            fire, quiet = absence(rule)
            rows[alert] = Row(alert, (fire,), (quiet,), wait + 10)
        elif alert.endswith("MetricsMissing"):
            rows[alert] = _missing(rule, groups, contract, wait + 10)
    return rows


def _worlds(told: Any) -> tuple[World, ...]:
    return tuple(told) if isinstance(told, list) else (told,)


def absence(rule: Rule) -> tuple[World, World]:
    """Another job of the environment is there and this one is not; both are."""
    others, own = (one.of("job") for one in contract_promql.selectors(rule.expr))
    other = others[0].value if others else ("kafka" if own[0].value == "node" else "node")
    there: dict[str, str | int | float] = {f'up{{job="{other}"}}': 1}
    return there, {**there, f'up{{job="{own[0].value}"}}': 1}


def _missing(rule: Rule, groups: Sequence[Group], contract: Contract, at: int) -> Row:
    """Quiet with all that the job's alerts need; fires when the series of any one alert are gone, or all."""
    job = contract_promql.selectors(rule.expr)[0].of("job")[0].value
    up = f'up{{job="{job}"}}'
    whole: dict[str, str | int | float] = {
        up: 1, **{f'{name}{{job="{job}"}}': 1 for name in rules.needed(groups, contract, job)}
    }  # fmt: skip
    worlds: list[World] = [{up: 1}]
    for alert in rules.alerts(groups):
        gone = {f'{name}{{job="{job}"}}' for name in rules.needed(groups, contract, job, alert.alert)}
        if gone:
            worlds.append({name: value for name, value in whole.items() if name not in gone})
    return Row(rule.alert, tuple(worlds), (whole,), at)


def case(rule: Rule, groups: Sequence[Group], row: Row, name: str = "") -> Case:
    """The rule with the recording rules that it asks for, theirs first."""
    records = rules.recorded(groups)
    before: dict[str, str] = {}

    def add(expression: str) -> None:
        for selector in contract_promql.selectors(expression):
            for one in selector.names:
                if one in records and one not in before:
                    add(records[one])
                    before[one] = records[one]

    add(rule.expr)
    return Case(name or rule.alert, rule, tuple(before.items()), row)


def run(promtool: Path, folder: Path, cases: Iterable[Case], contract: Contract) -> dict[str, str]:
    """promtool over all cases in one call: for each that fails, what promtool says."""
    files: dict[str, str] = {}
    for index, one in enumerate(cases):
        alone = Group("", "alone", (*(Rule(expr, record=name) for name, expr in one.before), one.rule))
        path = folder / f"{index}.test.yml"
        (folder / f"{index}.rules.yml").write_text(yaml.safe_dump({"groups": [alone.plain()]}, sort_keys=False))
        path.write_text(yaml.safe_dump(_file(one, f"{index}.rules.yml", contract), sort_keys=False))
        files[str(path)] = one.name
    answer = rules_promtool.run(promtool, ["test", "rules", *files], timeout=900)
    failed: dict[str, str] = {}
    seen = set()
    for part in answer.text.split("Unit Testing:")[1:]:
        path_text, _, said = part.strip().partition("\n")
        seen.add(path_text.strip())
        if "SUCCESS" not in said:
            failed[files[path_text.strip()]] = said.strip()
    assert seen == set(files), answer.text[-2000:]
    return failed


def _file(one: Case, rule_file: str, contract: Contract) -> dict[str, Any]:
    asked = f'group by (alertname) (ALERTS{{alertname="{one.rule.alert}", alertstate="firing"}})'
    firing = [{"labels": f'{{alertname="{one.rule.alert}"}}', "value": 1}]
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": _series(name, contract), "values": _values(value, one.row.at)}
                for name, value in world.items()
            ],
            "promql_expr_test": [
                {"expr": asked, "eval_time": f"{one.row.at}m", "exp_samples": firing if fires else []}
            ],
        }
        for fires, worlds in ((True, one.row.fire), (False, one.row.quiet))
        for world in worlds
    ]
    return {"rule_files": [rule_file], "evaluation_interval": "1m", "tests": tests}


def _series(text: str, contract: Contract) -> str:
    match = _SERIES.fullmatch(text)
    assert match, f"{text} is no series"
    labels = {"env": "prod", "host": "h1", "instance": "i1", **dict(_LABEL.findall(match[2] or ""))}
    if "job" not in labels:
        metrics = contract.of(match[1])
        assert len(metrics) == 1, f"{text}: say which job"
        labels["job"] = metrics[0].job
    return match[1] + "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"


def _values(value: str | float, minutes: int) -> str:
    text = str(value)
    if _SLOPE.fullmatch(text):
        return f"{text}x{minutes}"
    if "x" in text:
        words = [(word, _REPEAT.fullmatch(word)) for word in text.split()]
        return " ".join(f"{match[1]}+0x{match[2]}" if match else word for word, match in words)
    return f"{text}+0x{minutes}"


def mutations(rule: Rule, scale: float = 1) -> list[tuple[str, Rule]]:
    """The rule with one operator or threshold of the expression changed, each with words for it.

    Changed are the comparisons that decide, and the set operators between them; a comparison deeper in, which keeps a
    divisor above 0, decides nothing.
    """
    tree = contract_promql.parse(rule.expr)
    found: list[tuple[str, Rule]] = []
    for index, node in enumerate(_deciding(tree)):
        for words, text in _changed(node, scale):
            mutated = _replaced(tree, index, text)
            found.append((f"{rule.alert}, {index + 1}: {words}", replace(rule, expr=mutated)))
    return found


def _deciding(node: Any) -> list[Any]:
    kind = type(node).__name__
    if kind == "ParenExpr":
        return _deciding(node.expr)
    if kind != "BinaryExpr":
        return []
    if contract_promql.is_comparison(node):
        return [node]
    if str(node.op) in {"and", "or", "unless"}:
        return [node, *_deciding(node.lhs), *_deciding(node.rhs)]
    return []


def _changed(node: Any, scale: float) -> list[tuple[str, str]]:
    left, right, operator = str(node.lhs), str(node.rhs), str(node.op)
    modifier = f" {node.modifier}" if node.modifier is not None else ""
    if operator in {"and", "unless"}:
        other = "unless" if operator == "and" else "and"
        return [(f"{operator} → {other}", f"({left}) {other}{modifier} ({right})")]
    if operator == "or":
        return [("or → and", f"({left}) and{modifier} ({right})")]
    changed = [_FLIPPED[operator]]
    if not _is_number(right):
        changed.append(_EDGE[operator])
    made = [(f"{operator} → {one}", f"({left}) {one}{modifier} ({right})") for one in changed]
    if _is_number(right):
        for factor, step in ((2, scale), (0.5, -scale)):
            text = f"({right}) * {factor}" if right != "0" else f"{step}"
            made.append((f"{operator} {right} → {text}", f"({left}) {operator} ({text})"))
    return made


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[\d.e+* -]+", text) is not None


def _replaced(tree: Any, index: int, text: str) -> str:
    """The expression with its deciding node of this index as `text`."""
    if index == 0 and type(tree).__name__ != "ParenExpr":
        return text
    if type(tree).__name__ == "ParenExpr":
        return f"({_replaced(tree.expr, index, text)})"
    below = len(_deciding(tree.lhs))
    modifier = f" {tree.modifier}" if tree.modifier is not None else ""
    left, right = str(tree.lhs), str(tree.rhs)
    if index - 1 < below:
        left = _replaced(tree.lhs, index - 1, text)
    else:
        right = _replaced(tree.rhs, index - 1 - below, text)
    return str(promql_parser.parse(f"({left}) {tree.op}{modifier} ({right})"))
