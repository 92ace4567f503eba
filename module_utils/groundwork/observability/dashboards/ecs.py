"""Tasks on ECS from CloudWatch: the services and the observability stack."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import Metric, bad_above, bad_below, cloudwatch_graph, make
from .load_balancer import dimension_variable

ALARMS = ("Alarms of applications on ECS", "monitoring.md#applications-on-ecs")
STACK = ("Alarms of the observability stack", "monitoring.md#observability-stack")
SERVICE = "${PROP('Dim.ServiceName')}"


def _metric(namespace: str, name: str, statistic: str, legend: str) -> Metric:
    return Metric(namespace, name, statistic, {"ClusterName": "$cluster", "ServiceName": "$service"}, legend)


def build() -> model.Dashboard:
    insights = "ECS/ContainerInsights"
    return make(
        "ecs",
        "Tasks on ECS (CloudWatch)",
        "Services of the cluster, with those of the observability stack, as AWS measures them.",
        (
            "Use",
            [
                cloudwatch_graph(
                    "Processors", "percent", "Of what the task definition reserves.",
                    _metric("AWS/ECS", "CPUUtilization", "Average", SERVICE), limits=bad_above(80, 95), width=12, runbook=ALARMS,
                ),
                cloudwatch_graph(
                    "Memory", "percent", "Of what the task definition reserves; at 100 the task is killed.",
                    _metric("AWS/ECS", "MemoryUtilization", "Maximum", SERVICE), limits=bad_above(80, 95), width=12, runbook=ALARMS,
                ),
            ],
        ),
        (
            "Tasks (Container Insights)",
            [
                cloudwatch_graph(
                    "Running", "none", "Tasks that run, the fewest in the minute.",
                    _metric(insights, "RunningTaskCount", "Minimum", SERVICE), limits=bad_below(1), runbook=ALARMS,
                ),
                cloudwatch_graph(
                    "Wanted and pending", "none", "Tasks that should run, and that are about to.",
                    _metric(insights, "DesiredTaskCount", "Maximum", f"wanted {SERVICE}"),
                    _metric(insights, "PendingTaskCount", "Maximum", f"pending {SERVICE}"), runbook=ALARMS,
                ),
                cloudwatch_graph(
                    "Deployments", "none", "More than one: a deployment runs; for long: it hangs or went back.",
                    _metric(insights, "DeploymentCount", "Maximum", SERVICE), limits=bad_above(2), runbook=STACK,
                ),
                cloudwatch_graph(
                    "Network", "Bps", "Bytes received and sent.",
                    _metric(insights, "NetworkRxBytes", "Average", f"in {SERVICE}"), _metric(insights, "NetworkTxBytes", "Average", f"out {SERVICE}"),
                    width=12,
                ),
                cloudwatch_graph(
                    "Ephemeral storage", "decgbytes", "Gigabytes used on the tasks' own disks: write-ahead logs lie there.",
                    _metric(insights, "EphemeralStorageUtilized", "Maximum", SERVICE), width=12, runbook=STACK,
                ),
            ],
        ),
        extra_variables=[
            dimension_variable("cluster", "Cluster", "AWS/ECS", metric="CPUUtilization", key="ClusterName"),
            dimension_variable("service", "Service", "AWS/ECS", metric="CPUUtilization", key="ServiceName", narrowed='{"ClusterName": "$cluster"}'),
        ],
        guides=[("Monitoring in CloudWatch", "monitoring.md")],
        tags=["aws"],
    )  # fmt: skip
