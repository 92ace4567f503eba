"""Load balancers from CloudWatch: what came in, what failed, who answers behind them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from .build import CLOUDWATCH, Metric, bad_above, cloudwatch_graph, make

NAMESPACE = "AWS/ApplicationELB"
ALARMS = ("Alarms of the load balancers", "monitoring.md#load-balancers")


def _metric(name: str, statistic: str, legend: str, **dimensions: str) -> Metric:
    return Metric(NAMESPACE, name, statistic, {"LoadBalancer": "$load_balancer", **dimensions}, legend)


def dimension_variable(
    name: str, title: str, namespace: str, *, metric: str, key: str, narrowed: str = "{}"
) -> dashboard.QueryVariable:
    """A variable whose values are those of a CloudWatch dimension."""
    query = f"dimension_values(default, {namespace}, {metric}, {key}, {narrowed})"
    return (
        dashboard.QueryVariable(name)
        .label(title)
        .datasource(CLOUDWATCH)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def build() -> model.Dashboard:
    return make(
        "load-balancer",
        "Load balancers (CloudWatch)",
        "The public load balancer and the one before the observability stack, as AWS measures them.",
        (
            "Requests",
            [
                cloudwatch_graph(
                    "Requests", "short", "Requests a minute.", _metric("RequestCount", "Sum", "${PROP('Dim.LoadBalancer')}"), runbook=ALARMS
                ),
                cloudwatch_graph(
                    "Errors", "short", "Answers a minute of the load balancer itself, and of what is behind it.",
                    _metric("HTTPCode_ELB_5XX_Count", "Sum", "load balancer 5xx"),
                    _metric("HTTPCode_Target_5XX_Count", "Sum", "targets 5xx"),
                    _metric("HTTPCode_Target_4XX_Count", "Sum", "targets 4xx"), runbook=ALARMS,
                ),
                cloudwatch_graph(
                    "Time to answer", "s", "Half of the requests, and all but one of a hundred, were answered within.",
                    _metric("TargetResponseTime", "p50", "half"), _metric("TargetResponseTime", "p99", "99 %"), limits=bad_above(1, 5),
                    runbook=ALARMS,
                ),
            ],
        ),
        (
            "Connections",
            [
                cloudwatch_graph(
                    "Connections", "short", "Open and new, a minute.",
                    _metric("ActiveConnectionCount", "Sum", "open"), _metric("NewConnectionCount", "Sum", "new"),
                ),
                cloudwatch_graph(
                    "Connections that failed", "short", "Refused because a limit was reached, and not made to a target.",
                    _metric("RejectedConnectionCount", "Sum", "refused"), _metric("TargetConnectionErrorCount", "Sum", "to a target"),
                    limits=bad_above(1), runbook=ALARMS,
                ),
                cloudwatch_graph(
                    "Capacity units", "short", "What the load balancer is paid by.", _metric("ConsumedLCUs", "Average", "units"),
                ),
            ],
        ),
        (
            "Targets",
            [
                cloudwatch_graph(
                    "Healthy targets", "none", "The fewest in the minute, by target group.",
                    _metric("HealthyHostCount", "Minimum", "${PROP('Dim.TargetGroup')}", TargetGroup="$target_group"), width=12, runbook=ALARMS,
                ),
                cloudwatch_graph(
                    "Unhealthy targets", "none", "The most in the minute, by target group.",
                    _metric("UnHealthyHostCount", "Maximum", "${PROP('Dim.TargetGroup')}", TargetGroup="$target_group"), width=12,
                    limits=bad_above(1), runbook=ALARMS,
                ),
            ],
        ),
        extra_variables=[
            dimension_variable("load_balancer", "Load balancer", NAMESPACE, metric="RequestCount", key="LoadBalancer"),
            dimension_variable(
                "target_group", "Target group", NAMESPACE, metric="HealthyHostCount", key="TargetGroup", narrowed='{"LoadBalancer": "$load_balancer"}'
            ),
        ],
        guides=[("Monitoring in CloudWatch", "monitoring.md")],
        tags=["aws"],
    )  # fmt: skip
