"""The metrics contract (observability/metrics.yml): read, typed, linted, and held against expressions.

A metric that is used and not listed is a dashboard without data or an alert that never fires; one that is listed and
not used is paid for and not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import contract_promql
from .contract_promql import ExpressionError, Selector

TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
# What every series has, whoever brings it.
COMMON_LABELS = frozenset({"env", "host", "az", "service", "role", "instance", "job", "node_id"})
# What a scrape, and the evaluation of rules, make by themselves.
OF_A_SCRAPE = frozenset({"up", "ALERTS", "ALERTS_FOR_STATE"})
_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum")}
# Labels that a series of the type has beside its own.
_TYPE_LABELS = {"histogram": frozenset({"le"}), "summary": frozenset({"quantile"})}
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_KEYS = {"type", "labels", "help"}


class ContractError(ValueError):
    """The contract is wrong. `problems` lists everything that is, not the first."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


@dataclass(frozen=True)
class Metric:
    """`when` says under which condition it is there; empty: always, once its program runs."""

    job: str
    name: str
    type: str
    labels: tuple[str, ...]
    help: str
    when: str = ""

    @property
    def series(self) -> tuple[str, ...]:
        """Names of its series."""
        return tuple(self.name + suffix for suffix in _SUFFIXES.get(self.type, ("",)))

    @property
    def all_labels(self) -> frozenset[str]:
        return COMMON_LABELS | _TYPE_LABELS.get(self.type, frozenset()) | set(self.labels)


@dataclass(frozen=True)
class Job:
    name: str
    source: str
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class Contract:
    jobs: Mapping[str, Job]

    def of(self, series: str) -> list[Metric]:
        """The metrics that a series of this name can come from, one for each job that brings it."""
        return [one for job in self.jobs.values() for one in job.metrics.values() if series in one.series]

    def taken(self, selector: Selector) -> list[Metric]:
        """The metrics that a selector takes, by its names and by what it says of the job."""
        jobs = selector.of("job")
        found = [metric for name in selector.names for metric in self.of(name)]
        return [one for one in found if all(matcher.accepts(one.job) for matcher in jobs)]


def load(path: str | Path) -> Contract:
    """The contract in the file at `path`; raises ContractError with everything that is wrong with it."""
    import yaml

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.safe_load(text)
        repeated = _repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader))
    except OSError as error:
        raise ContractError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise ContractError(str(path), [f"is not YAML: {error}"]) from error
    if repeated:
        raise ContractError(str(path), repeated)
    return parse(data, str(path))


def _repeated_keys(node: Any) -> list[str]:
    """Keys that a mapping has twice: YAML's reader takes the last and says nothing."""
    problems = []
    value = getattr(node, "value", None)
    if not isinstance(value, list):
        return []
    seen: set[str] = set()
    for one in value:
        key, below = one if isinstance(one, tuple) else (None, one)
        if key is not None:
            if key.value in seen:
                problems.append(f"{key.value} is there twice (line {key.start_mark.line + 1})")
            seen.add(key.value)
        problems += _repeated_keys(below)
    return problems


def parse(data: Any, source: str = "metrics") -> Contract:
    """A contract from plain data; raises ContractError with every problem."""
    problems: list[str] = []
    jobs: dict[str, Job] = {}
    given = data.get("jobs") if isinstance(data, dict) else None
    if not isinstance(given, dict) or not given:
        raise ContractError(source, ["must be a mapping with jobs"])
    for name, job in given.items():
        if not isinstance(job, dict) or set(job) != {"source", "metrics"} or not isinstance(job["metrics"], dict):
            problems.append(f"job {name}: must have source (words) and metrics (a mapping), and nothing else")
            continue
        metrics: dict[str, Metric] = {}
        for metric, told in job["metrics"].items():
            where = f"{name}.{metric}"
            if problem := _problem(str(metric), told):
                problems.append(f"{where}: {problem}")
                continue
            metrics[metric] = Metric(
                name, metric, told["type"], tuple(told["labels"]), told["help"], str(told.get("when", ""))
            )
        jobs[name] = Job(name, str(job["source"]), metrics)
    if problems:
        raise ContractError(source, problems)
    return Contract(jobs)


def _problem(name: str, told: Any) -> str:
    if not isinstance(told, dict) or not set(told) >= _KEYS or not set(told) <= _KEYS | {"when"}:
        return f"must have {', '.join(sorted(_KEYS))} (and when, if it is not always there)"
    if not _NAME.fullmatch(name):
        return "is no metric's name"
    if told["type"] not in TYPES:
        return f"type {told['type']!r} is none of {', '.join(TYPES)}"
    labels = told["labels"]
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        return "labels must be a list of names"
    if common := sorted(set(labels) & COMMON_LABELS):
        return f"every series has {', '.join(common)}: leave them out"
    if len(set(labels)) < len(labels):
        return "a label is there twice"
    if not isinstance(told["help"], str) or not told["help"]:
        return "help must say what it is"
    return ""


def problems_of(contract: Contract, expressions: Mapping[str, str], recorded: Collection[str] = ()) -> list[str]:
    """What is wrong with expressions (by where each stands): no PromQL, a metric that is not listed, a label that it
    does not have, a metric of several jobs asked without saying which. `recorded` are the names of recording rules."""
    problems = []
    for where, expression in expressions.items():
        try:
            found = contract_promql.selectors(expression)
            grouped = contract_promql.grouping_labels(expression)
        except ExpressionError as error:
            problems.append(f"{where}: {error}")
            continue
        known: set[str] = set(COMMON_LABELS)
        open_ended = False
        for selector in found:
            unlisted = [one for one in selector.names if not _is_known(contract, one, recorded)]
            problems += [f"{where}: {one} is not in the metrics contract" for one in unlisted]
            metrics = contract.taken(selector)
            listed = [one for one in selector.names if contract.of(one)]
            if listed and not metrics:
                problems.append(f"{where}: no job that the selector takes brings {', '.join(listed)}")
            if not selector.of("job") and len({one.job for one in metrics if one.name in listed}) > 1:
                jobs = ", ".join(sorted({one.job for one in metrics}))
                problems.append(f"{where}: {', '.join(listed)} comes from {jobs}: say which job")
            labels = {label for one in metrics for label in one.all_labels}
            known |= labels
            # A recorded series, or one without a name, has labels that the contract does not know.
            open_ended = open_ended or not selector.names or any(":" in one for one in selector.names)
            if metrics and not any(":" in one for one in selector.names):
                strange = sorted({one.label for one in selector.matchers} - labels)
                problems += [f"{where}: {', '.join(selector.names)} has no label {one}" for one in strange]
        if found and not open_ended:
            made = _made_labels(expression)
            problems += [
                f"{where}: groups by {one}, which none of its metrics has" for one in sorted(grouped - known - made)
            ]
    return problems


def _made_labels(expression: str) -> set[str]:
    """Labels that the expression itself gives to series."""
    made = {"__name__"}
    for node in contract_promql.nodes(contract_promql.parse(expression)):
        if type(node).__name__ == "Call" and node.func.name in {"label_replace", "label_join"}:
            made.add(node.args[1].val)
        if type(node).__name__ == "AggregateExpr" and str(node.op) == "count_values":
            made.add(node.param.val)
    return made


def _is_known(contract: Contract, name: str, recorded: Collection[str]) -> bool:
    return bool(name in OF_A_SCRAPE or name.startswith("scrape_") or name in recorded or contract.of(name))


def used(contract: Contract, expressions: Mapping[str, str]) -> set[tuple[str, str]]:
    """(job, metric) of every metric that these expressions ask for."""
    return {
        (metric.job, metric.name)
        for expression in expressions.values()
        for selector in contract_promql.selectors(expression)
        for metric in contract.taken(selector)
    }


def unused(contract: Contract, expressions: Mapping[str, str]) -> list[str]:
    """Metrics of the contract that no expression asks for. Give it all of them: rules and dashboards together."""
    taken = used(contract, expressions)
    every = [(job.name, name) for job in contract.jobs.values() for name in job.metrics]
    return [f"{job}.{name} is used nowhere" for job, name in every if (job, name) not in taken]
