"""Alert and recording rules (observability/rules, observability/loki-rules): read, typed, linted, shown as a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import contract_promql
from .contract import COMMON_LABELS, OF_A_SCRAPE, Contract, problems_of

SEVERITIES = ("critical", "warning", "info")
ANNOTATIONS = ("summary", "description", "runbook_url")
# level:metric:operation
_RECORD = re.compile(r"[a-z]+:[a-z][a-z0-9_]*:[a-z0-9_]+")
_ALERT = re.compile(r"[A-Z][A-Za-z0-9]+")
_GROUP = re.compile(r"[a-z][a-z0-9-]*")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (86_400_000, 3_600_000, 60_000, 1000, 1)
_LABEL_OF_TEMPLATE = re.compile(r"\$labels\.(\w+)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)


class RulesError(ValueError):
    """Rules are wrong. `problems` lists everything that is, not the first."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Rule:
    """An alert (`alert`) or a recording rule (`record`); the other one is empty."""

    expr: str
    alert: str = ""
    record: str = ""
    wait: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.alert or self.record


@dataclass(frozen=True)
class Group:
    """A group of rules and the file that it stands in (its name, without folder)."""

    file: str
    name: str
    rules: tuple[Rule, ...]
    interval: str = ""

    def plain(self) -> dict[str, Any]:
        """The group as the rulers' APIs and Prometheus' files have it, without what is empty."""
        data: dict[str, Any] = {"name": self.name}
        if self.interval:
            data["interval"] = self.interval
        data["rules"] = [
            {
                **({"alert": rule.alert} if rule.alert else {"record": rule.record}),
                "expr": rule.expr,
                **({"for": rule.wait} if rule.wait else {}),
                **({"labels": dict(rule.labels)} if rule.labels else {}),
                **({"annotations": dict(rule.annotations)} if rule.annotations else {}),
            }
            for rule in self.rules
        ]
        return data


def milliseconds(duration: str) -> int:
    """A duration as Prometheus writes it (1h30m, 15s, 0) in milliseconds."""
    if duration in {"", "0"}:
        return 0
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"{duration!r} is no duration such as 5m or 1h30m")
    return sum(int(number) * unit for number, unit in zip(match.groups(), _UNITS, strict=True) if number)


def load(folder: str | Path) -> list[Group]:
    """All groups of the *.yml files in `folder`, in the order of the files' names; raises RulesError."""
    folder = Path(folder)
    try:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yml"))}
    except OSError as error:
        raise RulesError([f"{error.filename} cannot be read: {error.strerror}"]) from error
    if not texts:
        raise RulesError([f"{folder} has no *.yml file"])
    return load_texts(texts)


def load_texts(texts: Mapping[str, str]) -> list[Group]:
    """All groups of rule files by name; raises RulesError with everything that is wrong with their shape."""
    import yaml

    problems: list[str] = []
    groups: list[Group] = []
    for name, text in sorted(texts.items()):
        try:
            groups += parse(yaml.safe_load(text), name)
        except yaml.YAMLError as error:
            problems.append(f"{name}: is not YAML: {error}")
        except RulesError as error:
            problems += error.problems
    problems += [f"group {name} is there twice" for name in _repeated(one.name for one in groups)]
    if problems:
        raise RulesError(problems)
    return groups


def parse(data: Any, file: str) -> list[Group]:
    """The groups of one file from plain data; only their shape is judged."""
    given = data.get("groups") if isinstance(data, dict) else None
    if not isinstance(given, list) or set(data) != {"groups"}:
        raise RulesError([f"{file}: must be a mapping with groups"])
    problems: list[str] = []
    groups = []
    for one in given:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not isinstance(one.get("rules"), list) or not one["rules"]:
            problems.append(f"{file}: a group must have a name and at least one rule")
            continue
        problems += [
            f"{file}: group {name}: unknown key {key}" for key in sorted(set(one) - {"name", "interval", "rules"})
        ]
        rules = [
            _rule(rule, f"{file}: group {name}, rule {index + 1}", problems) for index, rule in enumerate(one["rules"])
        ]
        groups.append(Group(file, name, tuple(rule for rule in rules if rule), str(one.get("interval", ""))))
    if problems:
        raise RulesError(problems)
    return groups


def _rule(data: Any, where: str, problems: list[str]) -> Rule | None:
    known = {"alert", "record", "expr", "for", "labels", "annotations"}
    if not isinstance(data, dict) or not isinstance(data.get("expr"), str):
        problems.append(f"{where}: must be a mapping with expr")
        return None
    if ("alert" in data) == ("record" in data):
        problems.append(f"{where}: must be an alert or a record")
        return None
    problems += [f"{where}: unknown key {key}" for key in sorted(set(data) - known)]
    texts = {
        key: {str(name): str(value) for name, value in (data.get(key) or {}).items()}
        for key in ("labels", "annotations")
    }
    return Rule(
        expr=data["expr"].strip(),
        alert=str(data.get("alert", "")),
        record=str(data.get("record", "")),
        wait=str(data.get("for", "")),
        labels=texts["labels"],
        annotations=texts["annotations"],
    )


def alerts(groups: Iterable[Group]) -> list[Rule]:
    return [rule for group in groups for rule in group.rules if rule.alert]


def recorded(groups: Iterable[Group]) -> dict[str, str]:
    """Expression by name of every recording rule."""
    return {rule.record: rule.expr for group in groups for rule in group.rules if rule.record}


def expressions(groups: Iterable[Group]) -> dict[str, str]:
    """Every expression by where it stands, as contract.problems_of and contract.unused want them."""
    return {f"{group.file} {rule.name}": rule.expr for group in groups for rule in group.rules}


def anchors(text: str) -> set[str]:
    """Anchors of a Markdown text's headings, as GitHub makes them."""
    found = set()
    for heading in _HEADING.findall(text):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading)).lower()
        found.add(plain.replace(" ", "-"))
    return found


def lint(groups: Sequence[Group], project: Path, contract: Contract | None = None) -> list[str]:
    """Everything that is wrong with well-shaped groups. `contract` is given for PromQL and left out for LogQL."""
    problems = [f"alert {name} is there twice" for name in _repeated(rule.alert for rule in alerts(groups))]
    records = [rule.record for group in groups for rule in group.rules if rule.record]
    problems += [f"record {name} is there twice" for name in _repeated(records)]
    for group in groups:
        if not _GROUP.fullmatch(group.name):
            problems.append(f"{group.file}: group {group.name}: a name is a-z, 0-9 and -")
        for rule in group.rules:
            where = f"{group.file}: {rule.name}"
            if rule.record:
                if not _RECORD.fullmatch(rule.record):
                    problems.append(f"{where}: a recording rule is named level:metric:operation")
                continue
            problems += [f"{where}: {problem}" for problem in _alert_problems(rule, project)]
            if contract is not None:
                problems += [f"{where}: {problem}" for problem in _template_problems(rule, contract, recorded(groups))]
    if contract is not None:
        problems += problems_of(contract, expressions(groups), records)
    return problems


def _alert_problems(rule: Rule, project: Path) -> list[str]:
    problems = []
    if not _ALERT.fullmatch(rule.alert):
        problems.append("an alert is named InWordsLikeThis")
    if rule.labels.get("severity") not in SEVERITIES:
        problems.append(f"severity must be one of {', '.join(SEVERITIES)}")
    try:
        milliseconds(rule.wait)
    except ValueError as error:
        problems.append(f"for: {error}")
    problems += [f"{name} is missing" for name in ANNOTATIONS if not rule.annotations.get(name)]
    problems += [f"unknown annotation {name}" for name in rule.annotations if name not in ANNOTATIONS]
    file, _, anchor = rule.annotations.get("runbook_url", "").partition("#")
    page = project / file
    if file and (not page.is_file() or anchor not in anchors(page.read_text(encoding="utf-8"))):
        problems.append(f"runbook_url: {file}#{anchor} is not there")
    return problems


def _template_problems(rule: Rule, contract: Contract, records: Mapping[str, str]) -> list[str]:
    """Labels that an annotation names and the alert does not have: they would be empty."""
    try:
        has = labels_of(rule.expr, contract, records) | set(rule.labels)
    except contract_promql.ExpressionError:
        return []  # said by problems_of
    named = {label for text in rule.annotations.values() for label in _LABEL_OF_TEMPLATE.findall(text)}
    return [f"an annotation names label {label}, which the alert does not have" for label in sorted(named - has)]


def labels_of(expression: str, contract: Contract, records: Mapping[str, str]) -> set[str]:
    """Labels that the result of an expression can have, through recording rules."""
    result = contract_promql.result_labels(expression)
    if result is not None:
        return result
    labels: set[str] = set()
    for selector in contract_promql.selectors(expression):
        for name in selector.names:
            if name in records:
                labels |= labels_of(records[name], contract, records)
            if name in OF_A_SCRAPE:
                labels |= COMMON_LABELS
        labels |= {label for metric in contract.taken(selector) for label in metric.all_labels}
    return labels


def needed(groups: Sequence[Group], contract: Contract, job: str, of: str = "") -> list[str]:
    """Series of the job that alerts (or the alert `of` alone) ask for, through recording rules, and that are always there."""
    records = recorded(groups)
    found: set[str] = set()
    waiting = [rule.expr for rule in alerts(groups) if not of or rule.alert == of]
    seen: set[str] = set()
    while waiting:
        for selector in contract_promql.selectors(waiting.pop()):
            if len(selector.names) > 1:
                continue  # the alert on missing metrics itself
            for name in selector.names:
                if name in records and name not in seen:
                    seen.add(name)
                    waiting.append(records[name])
                found |= {name for metric in contract.taken(selector) if metric.job == job and not metric.when}
    return sorted(found)


def missing_expression(job: str, names: Collection[str]) -> str:
    """Environments that have the job and lack at least one of these series."""
    return (
        f'group by (env) (up{{job="{job}"}}) unless on (env) (count by (env) (group by (env, __name__) '
        f'({{job="{job}", __name__=~"{"|".join(sorted(names))}"}})) == {len(names)})'
    )


def table(groups: Sequence[Group]) -> str:
    """Alerts as a Markdown table, by group."""
    lines = ["| alert | severity | after | what it says | page |", "| --- | --- | --- | --- | --- |"]
    for group in groups:
        for rule in group.rules:
            if rule.alert:
                summary = _LABEL_OF_TEMPLATE.sub(r"\1", rule.annotations["summary"])
                summary = re.sub(r"\{\{\s*(?:\$value(?:\s*\|\s*\w+)?|(\w+))\s*\}\}", lambda m: m[1] or "N", summary)
                page = rule.annotations["runbook_url"].removeprefix("docs/").removeprefix("alerts.md")
                title = page.partition("#")[2].replace("-", " ")
                lines.append(
                    f"| `{rule.alert}` | {rule.labels['severity']} | {rule.wait or 'at once'} | {summary} | [{title}]({page}) |"
                )
    return "\n".join(lines) + "\n"


def _repeated(names: Iterable[str]) -> list[str]:
    counted = [name for name in names if name]
    return sorted({name for name in counted if counted.count(name) > 1})


def with_table(page: str, groups: Sequence[Group]) -> str:
    """The page with the table of alerts between its two marks."""
    begin, end = "<!-- alerts: generated -->\n", "<!-- alerts: end -->\n"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise RulesError([f"the page must have {begin.strip()} and {end.strip()} once each"])
    head, _, rest = page.partition(begin)
    return f"{head}{begin}\n{table(groups)}\n{end}{rest.partition(end)[2]}"


def main() -> int:
    """Write the table of docs/alerts.md from the rule files."""
    project = Path(__file__).resolve().parents[3]
    page = project / "docs" / "alerts.md"
    groups = [*load(project / "observability" / "rules"), *load(project / "observability" / "loki-rules")]
    page.write_text(with_table(page.read_text(encoding="utf-8"), groups), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
