"""Grafana's dashboards as code: one file a dashboard, put together here.

`models` gives them as Grafana takes them, `queries` every query in them, so that a test can ask each one of a real
Prometheus. Metrics come from the contract, observability/metrics.yml, and from terraform/metrics.yml for CloudWatch.
Needs grafana-foundation-sdk, which only the control machine has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.models import dashboard as model

from . import (
    alloy,
    consumer_lag,
    databases,
    ecs,
    estate,
    host,
    kafka_broker,
    kafka_cluster,
    kraft_quorum,
    lgtm,
    load_balancer,
    topics,
)
from .build import FOLDER_TITLE, FOLDER_UID, LOKI, PROMETHEUS, panels_of, to_json

#: In the order in which a reader meets them.
BUILDERS: tuple[Callable[[], model.Dashboard], ...] = (
    estate.build,
    kafka_cluster.build,
    kafka_broker.build,
    kraft_quorum.build,
    consumer_lag.build,
    topics.build,
    host.build,
    databases.build,
    alloy.build,
    lgtm.build,
    load_balancer.build,
    ecs.build,
)
FOLDER = {"uid": FOLDER_UID, "title": FOLDER_TITLE}

# What Grafana puts in by itself, for a query that is asked without Grafana.
_BUILT_IN = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


@dataclass(frozen=True)
class PanelQuery:
    """One query of a panel. `kind` is the data source's: prometheus, loki or cloudwatch."""

    dashboard: str
    panel: str
    expression: str
    kind: str
    legend: str = ""
    instant: bool = False


def models(docs_url: str = "docs/") -> list[dict[str, Any]]:
    """All dashboards as Grafana takes them; links to the guides lead to `docs_url`."""
    return [to_json(build(), docs_url) for build in BUILDERS]


def queries(dashboards: Iterable[Mapping[str, Any]]) -> list[PanelQuery]:
    """Every query of every panel, and of every variable, as (dashboard, panel, expression, kind)."""
    found = []
    for one in dashboards:
        for panel in panels_of(one):
            found += panel_queries(one, panel)
    return found


def panel_queries(dashboard: Mapping[str, Any], panel: Mapping[str, Any]) -> list[PanelQuery]:
    """The queries of one panel, in the order of their letters."""
    found = []
    for target in panel.get("targets", ()):
        kind = target["datasource"]["type"]
        if kind in {PROMETHEUS, LOKI}:
            expression = target["expr"]
        else:
            dimensions = ", ".join(f"{name}={value}" for name, value in sorted(target["dimensions"].items()))
            expression = f"{target['namespace']} {target['metricName']} {target['statistic']} {{{dimensions}}}"
        legend = target.get("legendFormat", "")
        found.append(
            PanelQuery(
                dashboard["uid"],
                panel["title"],
                expression,
                kind,
                "" if legend == "__auto" else legend,
                bool(target.get("instant")),
            )
        )
    return found


def expand(expression: str, values: Mapping[str, str] | None = None) -> str:
    """The expression as Grafana would send it: variables become `values`, or everything (`.*`)."""
    given = {**_BUILT_IN, **(values or {})}

    def put_in(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        return given.get(name, ".*")

    return _VARIABLE.sub(put_in, expression)


# Words of PromQL that look like a metric's name. Functions are known by the parenthesis behind them.
_WORDS = frozenset({"by", "without", "on", "ignoring", "bool", "and", "or", "unless", "offset", "inf", "nan", "atan2"})
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"(?<![\w$.:])([A-Za-z_:][\w:]*)(\s*\()?")


def metric_names(expression: str) -> set[str]:
    """Names of the metrics that a PromQL expression reads."""
    text = _STRINGS.sub('""', expression)
    text = re.sub(r"\{[^}]*\}", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    text = _GROUPING.sub("", text)
    return {name for name, call in _NAME.findall(text) if not call and name.lower() not in _WORDS}
