"""The alarms and dashboards of 85-monitoring against the metrics that AWS publishes (terraform/metrics.yml)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMPARISONS = (
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
)
MISSING = ("breaching", "ignore", "missing", "notBreaching")
SEVERITIES = ("critical", "warning")
#: Metrics that a log filter makes can have any of them.
STATISTICS = ("Average", "Maximum", "Minimum", "SampleCount", "Sum", "p")
ALARM_KEYS = {
    "subjects",
    "metric",
    "statistic",
    "unit",
    "comparison",
    "threshold",
    "period",
    "periods",
    "missing",
    "severity",
    "description",
    "action",
}


@dataclass(frozen=True)
class Tables:
    """The component's tables and the list of published metrics."""

    published: Mapping[str, Any]
    tiers: Mapping[str, str]
    subjects: Mapping[str, Any]
    filters: Mapping[str, Any]
    alarms: Mapping[str, Any]
    dashboards: Mapping[str, Any]
    coverage: Mapping[str, Any]


@dataclass(frozen=True)
class Use:
    """One metric as an alarm or a graph asks for it. `unit` is empty where none is said."""

    where: str
    subject: str
    metric: str
    statistic: str
    unit: str = ""


def load(terraform: Path) -> Tables:
    """Read the tables from the project's terraform folder."""

    def read(path: str) -> Any:
        return yaml.safe_load((terraform / path).read_text(encoding="utf-8"))

    component = "components/85-monitoring"
    kinds = read(f"{component}/subjects.yml")
    return Tables(
        published=read("metrics.yml")["namespaces"],
        tiers=kinds["tiers"],
        subjects=kinds["subjects"],
        filters=kinds["filters"],
        alarms=read(f"{component}/alarms.yml")["alarms"],
        dashboards=read(f"{component}/dashboards.yml"),
        coverage=read(f"{component}/coverage.yml"),
    )


def uses(tables: Tables) -> Iterator[Use]:
    """Every metric that an alarm or a graph asks for."""
    for name, alarm in tables.alarms.items():
        for subject in alarm.get("subjects", ()):
            yield Use(
                f"alarm {name}",
                subject,
                str(alarm.get("metric")),
                str(alarm.get("statistic")),
                str(alarm.get("unit") or "no unit"),
            )
    for tier, graphs in tables.dashboards.items():
        for graph in graphs:
            for metric, statistic in graph["metrics"].items():
                yield Use(f"dashboard {tier}: {graph['title']}", graph["subject"], str(metric), str(statistic))


def alarms_in_code(terraform: Path) -> list[tuple[str, dict[str, str]]]:
    """The alarms that stand beside what they watch and not in the table: where, and their arguments that are texts."""
    return [
        (str(path.relative_to(terraform)), dict(re.findall(r'^\s*(\w+)\s*=\s*"?([^"\n]*)"?$', block, re.MULTILINE)))
        for path in sorted(terraform.glob("*/*/*.tf"))
        if path.parent.name != "alarms"
        for block in re.findall(
            r'^resource "aws_cloudwatch_metric_alarm" .*?^}', path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
    ]


def lint(tables: Tables) -> list[str]:
    """All that is wrong: a metric that nobody publishes, under these dimensions, in this unit; a table that is not whole."""
    problems = [problem for use in uses(tables) for problem in _check(tables, use)]
    for name, alarm in tables.alarms.items():
        lacking = ALARM_KEYS - set(alarm)
        unknown = set(alarm) - ALARM_KEYS - {"share_of"}
        if lacking or unknown:
            problems.append(f"alarm {name}: lacks {sorted(lacking)}, does not know {sorted(unknown)}")
            continue
        for key, allowed in (("comparison", COMPARISONS), ("missing", MISSING), ("severity", SEVERITIES)):
            if alarm[key] not in allowed:
                problems.append(f"alarm {name}: {key} {alarm[key]} is none of {', '.join(allowed)}")
    for kind, subject in tables.subjects.items():
        if subject["tier"] not in tables.tiers:
            problems.append(f"subject {kind}: tier {subject['tier']} is none of {', '.join(tables.tiers)}")
    problems += [f"dashboard {tier}: is no tier" for tier in tables.dashboards if tier not in tables.tiers]
    problems += [f"tier {tier}: has no dashboard" for tier in tables.tiers if tier not in tables.dashboards]
    return problems


def _check(tables: Tables, use: Use) -> Iterator[str]:
    kind = tables.subjects.get(use.subject)
    if kind is None:
        yield f"{use.where}: no subject {use.subject}"
        return
    namespace, dimensions = kind["namespace"], set(kind["dimensions"])
    sets: list[set[str]]
    if namespace.startswith("Groundwork/"):
        made = [
            item for item in tables.filters.values() if item["subject"] == use.subject and item["metric"] == use.metric
        ]
        if not made:
            yield f"{use.where}: no log filter makes {use.metric} of {use.subject}"
            return
        unit, statistics, sets = made[0]["unit"], STATISTICS, [set()]
    else:
        entry = tables.published.get(namespace)
        if entry is None:
            yield f"{use.where}: AWS has no namespace {namespace}"
            return
        metric = entry["metrics"].get(use.metric)
        if metric is None:
            yield f"{use.where}: {namespace} has no metric {use.metric}"
            return
        # YAML reads the unit None as a text, as CloudWatch spells it.
        unit, statistics = str(metric["unit"]), tuple(metric["statistics"])
        sets = [set(names) for names in metric.get("dimensions", entry["dimensions"])]
    if dimensions not in sets:
        yield f"{use.where}: {namespace} {use.metric} has no dimensions {sorted(dimensions)}"
    if use.unit and use.unit != unit:
        yield f"{use.where}: {namespace} {use.metric} is in {unit}, not {use.unit}"
    if ("p" if re.fullmatch(r"p\d{1,3}(\.\d+)?", use.statistic) else use.statistic) not in statistics:
        yield f"{use.where}: {use.statistic} says nothing about {namespace} {use.metric}; {', '.join(statistics)} do"


# ------------------------------------------------------------------------------------------------------ the gap table


@dataclass(frozen=True)
class Row:
    """What is seen of one part: namespaces, alarms and tiers by the tables, logs and insights by the code."""

    part: str
    logs: tuple[str, ...]
    metrics: tuple[str, ...]
    alarms: tuple[str, ...]
    dashboards: tuple[str, ...]
    insights: tuple[str, ...]


def rows(tables: Tables) -> list[Row]:
    """The table of gaps, filled from the tables."""
    found = []
    for part, entry in tables.coverage.items():
        subjects = set(entry["subjects"])
        drawn = {use.subject for use in uses(tables) if use.where.startswith("dashboard")} & subjects
        found.append(
            Row(
                part,
                tuple(f"{log['of']} ({log['to']})" for log in entry["logs"]),
                tuple(sorted({tables.subjects[kind]["namespace"].partition("{")[0].rstrip("/") for kind in drawn})),
                tuple(name for name, alarm in tables.alarms.items() if subjects & set(alarm["subjects"])),
                tuple(
                    dict.fromkeys(
                        tables.tiers[tables.subjects[kind]["tier"]] for kind in tables.subjects if kind in drawn
                    )
                ),
                tuple(insight["name"] for insight in entry.get("insights", ())),
            )
        )
    return found


def gaps(tables: Tables, project: Path) -> list[str]:
    """Cells of the table of gaps that are open: nothing in them, or code that is not there."""
    problems = []
    for row in rows(tables):
        cells = {"logs": row.logs, "metrics": row.metrics, "alarms": row.alarms, "dashboards": row.dashboards}
        problems += [f"{row.part}: has no {name}" for name, cell in cells.items() if not cell]
    for part, entry in tables.coverage.items():
        for proof in (*entry["logs"], *entry.get("insights", ())):
            path = project / proof["file"]
            if not path.is_file() or proof["code"] not in path.read_text(encoding="utf-8"):
                problems.append(f"{part}: {proof['file']} does not have {proof['code']}")
    covered = {kind for entry in tables.coverage.values() for kind in entry["subjects"]}
    problems += [
        f"subject {kind}: belongs to no part of the table of gaps" for kind in tables.subjects if kind not in covered
    ]
    return problems


# ------------------------------------------------------------------------------------------------------------ the page

OPERATORS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": "≥",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "≤",
}


def page(text: str, tables: Tables) -> str:
    """The text of docs/monitoring.md with its generated parts as the tables say."""
    for name, lines in (("gaps", _gap_table(tables)), ("alarms", _alarm_tables(tables))):
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n" + "\n".join(lines) + f"\n\n{end}{rest.partition(end)[2]}"
    return text


def _gap_table(tables: Tables) -> Iterator[str]:
    yield "| part | logs | metrics | alarms | dashboards | insights |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in rows(tables):
        cells = (
            "; ".join(row.logs),
            ", ".join(row.metrics),
            str(len(row.alarms)),
            ", ".join(row.dashboards),
            ", ".join(row.insights),
        )
        yield f"| {row.part} | {' | '.join(cells)} |"


def _alarm_tables(tables: Tables) -> Iterator[str]:
    for number, (tier, title) in enumerate(tables.tiers.items()):
        if number:
            yield ""
        yield f"### {title}"
        yield ""
        yield "| alarm | metric | condition | for | no data | severity | first step |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for name, alarm in tables.alarms.items():
            kind = next((kind for kind in alarm["subjects"] if tables.subjects[kind]["tier"] == tier), None)
            if kind is None:
                continue
            limit = (
                f"{alarm['threshold']:,}" if "share_of" not in alarm else f"{alarm['threshold']} × {alarm['share_of']}"
            )
            condition = f"{alarm['statistic']} {OPERATORS[alarm['comparison']]} {limit} {alarm['unit']}"
            minutes = alarm["period"] * alarm["periods"] // 60
            metric = f"`{tables.subjects[kind]['namespace']}` {alarm['metric']}"
            cells = (name, metric, condition, f"{minutes} min", alarm["missing"], alarm["severity"], alarm["action"])
            yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    target = root / "docs/monitoring.md"
    target.write_text(page(target.read_text(encoding="utf-8"), load(root / "terraform")), encoding="utf-8")
