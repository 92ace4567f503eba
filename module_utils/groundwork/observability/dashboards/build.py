"""Small helpers over grafana-foundation-sdk: one look for all dashboards, and nothing that a panel can forget.

A panel has a title, a unit and a description; thresholds say where green ends; a link leads to what to do. Every query
of a dashboard is made here, so each names its data source and has its letter.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, cloudwatch, common, dashboard, logs, loki, prometheus
from grafana_foundation_sdk.builders import stat as stat_panel
from grafana_foundation_sdk.builders import table as table_panel
from grafana_foundation_sdk.builders import timeseries as timeseries_panel
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import cloudwatch as cloudwatch_model
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

FOLDER_UID, FOLDER_TITLE = "groundwork", "Groundwork"
PREFIX = "groundwork-"
#: Stands for the address where the guides of docs/ are read, until `to_json` puts in an estate's own.
DOCS = "docs://"

#: Stable uids of the data sources, the same in every Grafana (grafana_sources).
METRICS = model.DataSourceRef(type_val="prometheus", uid="mimir")
LOGS = model.DataSourceRef(type_val="loki", uid="loki")
CLOUDWATCH = model.DataSourceRef(type_val="cloudwatch", uid="cloudwatch")

#: Kinds of data source that a query can be for.
PROMETHEUS, LOKI, CLOUDWATCH_KIND = "prometheus", "loki", "cloudwatch"

GREEN, YELLOW, RED, BLUE = "green", "#EAB839", "red", "blue"
_ROW_WIDTH = 24

P = TypeVar("P", timeseries_panel.Panel, stat_panel.Panel, table_panel.Panel, bargauge.Panel, logs.Panel)


@dataclass(frozen=True)
class Variable:
    """A variable of dashboards: the values that `label` has in `metric`, narrowed by the variables before it."""

    name: str
    title: str
    metric: str
    #: Matchers, which may use variables that stand before this one.
    matchers: str = ""
    #: The label, where it is called otherwise than the variable.
    label: str = ""


ENV = Variable("env", "Environment", "up")
HOST = Variable("host", "Host", "up", 'env=~"$env"')
NODE_ID = Variable("node_id", "Node", "up", 'env=~"$env", job="kafka"')
TOPIC = Variable("topic", "Topic", "kafka_topic_partitions", 'env=~"$env"')


@dataclass(frozen=True)
class Target:
    """One query: PromQL or LogQL; `legend` names its series by their labels."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Metric:
    """One CloudWatch metric of every resource that has the dimensions; a value `*` is every resource."""

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, str]
    legend: str = ""
    period: str = "60"


def docs(page: str) -> str:
    """Address of a guide: `docs("breakglass-kafka.md#drain-and-decommission")`."""
    return DOCS + page


def link(title: str, page: str) -> dashboard.DashboardLink:
    """A link to a guide, for a panel or a dashboard."""
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .url(docs(page))
        .target_blank(True)
        .icon("doc")
        .tooltip(title)
    )


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Colours by value: the first step has no value and counts from below."""
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )


def bad_above(warning: float | None, critical: float | None = None) -> dashboard.ThresholdsConfig:
    """Green below, yellow from `warning`, red from `critical`."""
    steps: list[tuple[float | None, str]] = [(None, GREEN)]
    if warning is not None:
        steps.append((warning, YELLOW))
    if critical is not None:
        steps.append((critical, RED))
    return thresholds(*steps)


def bad_below(critical: float, warning: float | None = None) -> dashboard.ThresholdsConfig:
    """Red below `critical`, yellow below `warning`, green above."""
    steps: list[tuple[float | None, str]] = [(None, RED)]
    if warning is not None:
        steps.append((critical, YELLOW))
        steps.append((warning, GREEN))
    else:
        steps.append((critical, GREEN))
    return thresholds(*steps)


def exactly(value: float) -> dashboard.ThresholdsConfig:
    """Green at this whole number, red at any other."""
    return thresholds((None, RED), (value, GREEN), (value + 1, RED))


def plain() -> dashboard.ThresholdsConfig:
    """A number that is neither good nor bad."""
    return thresholds((None, BLUE))


def graph(
    title: str,
    unit: str,
    description: str,
    *targets: Target,
    limits: dashboard.ThresholdsConfig | None = None,
    runbook: tuple[str, str] | None = None,
    stacked: bool = False,
    lowest: float | None = 0,
    highest: float | None = None,
    width: int = 8,
    height: int = 8,
) -> timeseries_panel.Panel:
    """Lines over time; with `limits` the thresholds are drawn into it."""
    panel = _base(timeseries_panel.Panel(), title, description, width, height, runbook=runbook).datasource(METRICS)
    _with_metrics(panel, targets, instant=False)
    _graph_look(panel, unit, limits, stacked=stacked, lowest=lowest, highest=highest)
    return panel


def number(
    title: str,
    unit: str,
    description: str,
    target: Target,
    limits: dashboard.ThresholdsConfig,
    *,
    runbook: tuple[str, str] | None = None,
    decimals: int | None = None,
    width: int = 4,
    height: int = 4,
) -> stat_panel.Panel:
    """What it is now, coloured by the thresholds."""
    panel = _base(stat_panel.Panel(), title, description, width, height, runbook=runbook).datasource(METRICS)
    _with_metrics(panel, [target], instant=True)
    panel.unit(unit).thresholds(limits).no_value("no data").graph_mode(common_model.BigValueGraphMode.NONE)
    panel.color_mode(common_model.BigValueColorMode.BACKGROUND)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def bars(
    title: str,
    unit: str,
    description: str,
    *targets: Target,
    limits: dashboard.ThresholdsConfig,
    runbook: tuple[str, str] | None = None,
    highest: float | None = None,
    width: int = 8,
    height: int = 8,
) -> bargauge.Panel:
    """One bar a series, as it is now."""
    panel = _base(bargauge.Panel(), title, description, width, height, runbook=runbook).datasource(METRICS)
    _with_metrics(panel, targets, instant=True)
    panel.unit(unit).thresholds(limits).min(0).no_value("no data")
    panel.orientation(common_model.VizOrientation.HORIZONTAL).display_mode(common_model.BarGaugeDisplayMode.BASIC)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    if highest is not None:
        panel.max(highest)
    return panel


def listing(
    title: str,
    unit: str,
    description: str,
    *targets: Target,
    columns: Mapping[str, str],
    values: Sequence[str] = ("Value",),
    limits: dashboard.ThresholdsConfig | None = None,
    runbook: tuple[str, str] | None = None,
    width: int = 12,
    height: int = 8,
) -> table_panel.Panel:
    """A table as it is now: a row a series; `columns`: label to heading, `values`: heading of each query's value."""
    panel = _base(table_panel.Panel(), title, description, width, height, runbook=runbook).datasource(METRICS)
    _with_metrics(panel, targets, instant=True, table=True)
    panel.unit(unit).thresholds(limits or plain()).no_value("no data")
    headings = dict(columns)
    if len(targets) == 1:
        headings["Value"] = values[0]
    else:
        panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        headings |= {f"Value #{letter}": one for letter, one in zip(string.ascii_uppercase, values, strict=False)}
    shown = {name: place for place, name in enumerate(headings)}
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": shown,
                "renameByName": headings,
                "excludeByName": {"Time": True},
                "includeByName": dict.fromkeys(headings, True),
            },
        )
    )
    return panel


def log_lines(
    title: str, description: str, expr: str, *, runbook: tuple[str, str] | None = None, width: int = 24, height: int = 9
) -> logs.Panel:
    """The lines that a LogQL query finds, newest first."""
    panel = _base(logs.Panel(), title, description, width, height, runbook=runbook).datasource(LOGS)
    panel.with_target(loki.Dataquery().expr(expr).query_type("range").max_lines(200).ref_id("A").datasource(LOGS))
    return panel.show_time(True).wrap_log_message(True).enable_log_details(True)


def cloudwatch_graph(
    title: str,
    unit: str,
    description: str,
    *metrics: Metric,
    limits: dashboard.ThresholdsConfig | None = None,
    runbook: tuple[str, str] | None = None,
    width: int = 8,
    height: int = 8,
) -> timeseries_panel.Panel:
    """Lines over time of metrics that AWS publishes (terraform/metrics.yml)."""
    panel = _base(timeseries_panel.Panel(), title, description, width, height, runbook=runbook).datasource(CLOUDWATCH)
    for letter, metric in zip(string.ascii_uppercase, metrics, strict=False):
        dimensions: Any = {
            name: value if value.startswith("$") else [value] for name, value in metric.dimensions.items()
        }
        panel.with_target(
            cloudwatch.CloudWatchMetricsQuery()
            .id(letter.lower())
            .ref_id(letter)
            .datasource(CLOUDWATCH)
            .query_mode(cloudwatch_model.CloudWatchQueryMode.METRICS)
            .metric_query_type(cloudwatch_model.MetricQueryType.SEARCH)
            .metric_editor_mode(cloudwatch_model.MetricEditorMode.BUILDER)
            .region("default")
            .namespace(metric.namespace)
            .metric_name(metric.name)
            .statistic(metric.statistic)
            .period(metric.period)
            .dimensions(dimensions)
            .match_exact(True)
            .label(metric.legend)
        )
    _graph_look(panel, unit, limits, stacked=False, lowest=0, highest=None)
    return panel


def make(
    name: str,
    title: str,
    description: str,
    *rows: tuple[str, Sequence[Builder[model.Panel]]],
    variables: Sequence[Variable] = (),
    extra_variables: Sequence[Builder[model.VariableModel]] = (),
    guides: Sequence[tuple[str, str]] = (),
    tags: Sequence[str] = (),
    since: str = "now-3h",
) -> model.Dashboard:
    """A dashboard of rows of panels. Its uid is `groundwork-<name>`, so links and bookmarks stay."""
    made = (
        dashboard.Dashboard(title)
        .uid(PREFIX + name)
        .description(description)
        .tags(["groundwork", *tags])
        .timezone("browser")
        .time(since, "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        # What is changed by hand is overwritten: it is changed here.
        .readonly()
    )
    # The links and the choices of a reader go along from one dashboard to the next.
    made.link(
        dashboard.DashboardLink("Groundwork")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags(["groundwork"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
    for text, page in guides:
        made.link(link(text, page))
    for variable in variables:
        made.with_variable(_variable(variable))
    for extra in extra_variables:
        made.with_variable(extra)
    for heading, panels in rows:
        made.with_row(dashboard.Row(heading))
        for panel in panels:
            made.with_panel(panel)
    built = made.build()
    for number_, one in enumerate(built.panels or [], start=1):
        one.id_val = number_
    return built


def to_json(built: model.Dashboard, docs_url: str) -> dict[str, Any]:
    """The dashboard as Grafana takes it: plain data, links to the guides at `docs_url`."""
    text = json.dumps(built, cls=JSONEncoder, sort_keys=True)
    return dict(json.loads(text.replace(DOCS, docs_url.rstrip("/") + "/")))


def panels_of(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Panels of a dashboard (plain data) without its rows."""
    for panel in data.get("panels", ()):
        if panel["type"] != "row":
            yield panel


def _base(panel: P, title: str, description: str, width: int, height: int, *, runbook: tuple[str, str] | None) -> P:
    panel.title(title)
    panel.description(description)
    panel.span(width)
    panel.height(height)
    if runbook is not None:
        panel.links([link(*runbook)])
    return panel


def _with_metrics(panel: Any, targets: Sequence[Target], *, instant: bool, table: bool = False) -> None:
    for letter, target in zip(string.ascii_uppercase, targets, strict=False):
        made = prometheus.Dataquery().expr(target.expr).ref_id(letter).datasource(METRICS)
        made.legend_format(target.legend or "__auto")
        if table:
            made.format(prometheus_model.PromQueryFormat.TABLE)
        panel.with_target(made.instant() if instant else made.range())


def _graph_look(
    panel: timeseries_panel.Panel,
    unit: str,
    limits: dashboard.ThresholdsConfig | None,
    *,
    stacked: bool,
    lowest: float | None,
    highest: float | None,
) -> None:
    panel.unit(unit).line_width(1).fill_opacity(30 if stacked else 5).show_points(common_model.VisibilityMode.NEVER)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(common_model.LegendDisplayMode.TABLE)
        .placement(common_model.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(
        common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI).sort(common_model.SortOrder.DESCENDING)
    )
    if limits is not None:
        panel.thresholds(limits)
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED))
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    if lowest is not None:
        panel.min(lowest)
    if highest is not None:
        panel.max(highest)


def _variable(one: Variable) -> dashboard.QueryVariable:
    query = f"label_values({one.metric}{{{one.matchers}}}, {one.label or one.name})"
    made = (
        dashboard.QueryVariable(one.name)
        .label(one.title)
        .datasource(METRICS)
        .query({"qryType": 1, "query": query, "refId": one.name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )
    return made.current(model.VariableOption(selected=True, text="All", value="$__all"))
