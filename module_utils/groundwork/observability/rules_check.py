"""Rule files held against every law that can be checked on the control machine.

PromQL: by promtool where it is there, by the parser of the contract otherwise; and always by the project's own laws
(names, severities, runbooks, the metrics contract). LogQL has no parser outside of Loki: its shape is checked (brackets,
quotes, patterns, the selector's labels), and Loki's ruler is the one that refuses the rest when it is pushed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from . import contract, rules, rules_promtool
from .rules import Group, Rule

# Limit of a group in Mimir (ruler.max-rules-per-rule-group); a larger one is refused as a whole.
MAX_RULES = 20
# Labels of a log stream, as the agents set them.
STREAM_LABELS = frozenset({"env", "host", "az", "service", "role", "job", "unit", "level", "filename"})
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_SELECTOR = re.compile(r"\{([^{}]*)\}")
_MATCHER = re.compile(r"\s*(\w+)\s*(=~|!~|!=|=)\s*(§\d+§)\s*")
_PATTERN = re.compile(r"(?:\|~|!~|=~)\s*(§\d+§)")
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass
class Report:
    problems: list[str] = field(default_factory=list)
    checked_by: str = ""
    groups: list[str] = field(default_factory=list)
    alerts: int = 0


def check(project: Path, promtool: Path | None) -> Report:
    """Everything that is wrong with the project's rules and its metrics contract."""
    report = Report(checked_by="promtool" if promtool else "promql-parser")
    metrics: list[Group] = []
    logs: list[Group] = []
    try:
        listed = contract.load(project / "observability" / "metrics.yml")
        metrics = rules.load(project / "observability" / "rules")
        logs = rules.load(project / "observability" / "loki-rules")
    except (contract.ContractError, rules.RulesError) as error:
        report.problems += error.problems
        return report
    report.problems += rules.lint(metrics, project, listed)
    report.problems += rules.lint(logs, project)
    for group in [*metrics, *logs]:
        if len(group.rules) > MAX_RULES:
            report.problems.append(
                f"{group.file}: group {group.name} has {len(group.rules)} rules, Mimir takes {MAX_RULES}: split it"
            )
    for group in logs:
        report.problems += [
            f"{group.file}: {rule.name}: {problem}" for rule in group.rules for problem in logql_problems(rule)
        ]
    if not report.problems:
        report.problems += _absences(metrics, listed)
    if promtool is not None:
        for path in sorted((project / "observability" / "rules").glob("*.yml")):
            said = rules_promtool.check(promtool, path.read_text(encoding="utf-8"))
            report.problems += [f"{path.name}: {one}" for one in said]
    report.groups = [group.name for group in metrics]
    report.alerts = len(rules.alerts([*metrics, *logs]))
    return report


def _absences(groups: list[Group], listed: contract.Contract) -> list[str]:
    """Every job has its alert on absence; one whose metrics alerts need has one on missing metrics that names them all."""
    by_name = {rule.alert: rule for rule in rules.alerts(groups)}
    problems = []
    for job in listed.jobs:
        absent = [
            rule for name, rule in by_name.items() if name.endswith("Absent") and f'up{{job="{job}"}})' in rule.expr
        ]
        if not any(rule.expr.endswith(f'group by (env) (up{{job="{job}"}})') for rule in absent):
            problems.append(f"job {job} has no alert on its absence")
        names = rules.needed(groups, listed, job)
        if not names:
            continue
        missing = [
            rule for name, rule in by_name.items() if name.endswith("MetricsMissing") and f'job="{job}"' in rule.expr
        ]
        wanted = rules.missing_expression(job, names)
        if not missing:
            problems.append(f"job {job} has no alert on missing metrics: {wanted}")
        elif _squeezed(missing[0].expr) != _squeezed(wanted):
            problems.append(f"{missing[0].alert}: alerts need other metrics by now, its expression should be: {wanted}")
    return problems


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def logql_problems(rule: Rule) -> list[str]:
    """What is wrong with the shape of a LogQL rule."""
    strings = _STRING.findall(rule.expr)
    number = iter(range(len(strings)))
    text = _STRING.sub(lambda _: f"§{next(number)}§", rule.expr)
    problems = ["a quote is not closed"] if re.search(r'["`]', text) else []
    problems += _brackets(text)
    value = {f"§{index}§": one[1:-1] for index, one in enumerate(strings)}
    for pattern in _PATTERN.findall(text):
        try:
            re.compile(value[pattern])
        except re.error as error:
            problems.append(f"pattern {value[pattern]!r}: {error}")
    selectors = _SELECTOR.findall(text)
    if not selectors:
        problems.append("there is no stream selector")
    for selector in selectors:
        matchers = [_MATCHER.fullmatch(one) for one in selector.split(",")]
        if not all(matchers):
            problems.append(f"selector {{{selector}}} is no list of matchers")
        problems += [f"streams have no label {one[1]}" for one in matchers if one and one[1] not in STREAM_LABELS]
    if rule.alert and not re.search(r"(absent_over_time\(.*\)|(>|<|==|>=|<=)\s*[\d.]+)\s*$", text, re.DOTALL):
        problems.append("an alert over logs ends with a comparison, or is absent_over_time")
    return problems


def _brackets(text: str) -> list[str]:
    opened: list[str] = []
    for char in text:
        if char in _PAIRS.values():
            opened.append(char)
        elif char in _PAIRS and (not opened or opened.pop() != _PAIRS[char]):
            return [f"{char} closes nothing"]
    return [f"{opened[-1]} is not closed"] if opened else []
