"""Alarms and dashboards ask only for metrics that AWS publishes, and nothing of the gap table is open."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import PROJECT, TERRAFORM
from groundwork import metrics

TABLES = metrics.load(TERRAFORM)


def test_every_metric_is_published() -> None:
    problems = metrics.lint(TABLES)
    assert not problems, "\n".join(problems)


def alarm(name: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(tables: dict[str, Any]) -> None:
        tables["alarms"][name][key] = value

    return change


def subject(name: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(tables: dict[str, Any]) -> None:
        tables["subjects"][name][key] = value

    return change


def graph(tables: dict[str, Any]) -> None:
    tables["dashboards"]["network"][0]["metrics"]["ErrorPortAllocations"] = "Sum"


def no_dashboard(tables: dict[str, Any]) -> None:
    del tables["dashboards"]["kafka"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        # The namespace that the name of the service suggests, and that does not exist.
        (subject("nat_gateway", "namespace", "AWS/NatGateway"), "AWS has no namespace AWS/NatGateway"),
        (subject("load_balancer", "namespace", "AWS/ELB"), "AWS has no namespace AWS/ELB"),
        (alarm("ecs-cpu", "metric", "CpuUtilization"), "AWS/ECS has no metric CpuUtilization"),
        # Healthy targets are counted by target group only: an alarm on the load balancer alone would never have data.
        (
            alarm("target-none-healthy", "subjects", ["load_balancer"]),
            "HealthyHostCount has no dimensions ['LoadBalancer']",
        ),
        (subject("cache_node", "dimensions", ["ReplicationGroupId"]), "has no dimensions ['ReplicationGroupId']"),
        (alarm("rds-storage", "unit", "Gigabytes"), "AWS/RDS FreeStorageSpace is in Bytes, not Gigabytes"),
        (alarm("rds-storage", "unit", None), "AWS/RDS FreeStorageSpace is in Bytes, not no unit"),
        (
            alarm("alb-5xx", "statistic", "Average"),
            "Average says nothing about AWS/ApplicationELB HTTPCode_ELB_5XX_Count",
        ),
        (alarm("alb-latency", "statistic", "p95.x"), "p95.x says nothing about"),
        (alarm("error-lines", "metric", "ErrorLine"), "no log filter makes ErrorLine of service_log"),
        (alarm("rds-cpu", "subjects", ["databases"]), "no subject databases"),
        (alarm("rds-cpu", "comparison", "GreaterThan"), "comparison GreaterThan is none of"),
        (alarm("rds-cpu", "missing", "ok"), "missing ok is none of"),
        (alarm("rds-cpu", "severity", "high"), "severity high is none of"),
        (alarm("rds-cpu", "treshold", 1), "does not know ['treshold']"),
        (subject("queue", "tier", "queues"), "tier queues is none of"),
        (graph, "AWS/NATGateway has no metric ErrorPortAllocations"),
        (no_dashboard, "tier kafka: has no dashboard"),
    ],
)
def test_a_mistake_is_found(change: Callable[[dict[str, Any]], None], problem: str) -> None:
    names = ("published", "tiers", "subjects", "filters", "alarms", "dashboards")
    tables = {name: copy.deepcopy(getattr(TABLES, name)) for name in names}
    change(tables)
    problems = metrics.lint(replace(TABLES, **tables))
    assert problems, "nothing was found"
    assert any(problem in found for found in problems), problems


def test_alarms_beside_what_they_watch_are_right_too() -> None:
    found = metrics.alarms_in_code(TERRAFORM)
    assert ("modules/ec2-hosts/main.tf", "StatusCheckFailed_System") in [
        (path, text["metric_name"]) for path, text in found
    ]
    for path, text in found:
        metric = TABLES.published[text["namespace"]]["metrics"][text["metric_name"]]
        assert text["statistic"] in metric["statistics"], path
        names = set(re.findall(r"(\w+)\s*=", text["dimensions"]))
        sets = metric.get("dimensions", TABLES.published[text["namespace"]]["dimensions"])
        assert names in [set(dimensions) for dimensions in sets], path


def test_the_list_of_metrics_has_its_sources_and_nothing_that_is_not_used() -> None:
    used = {(TABLES.subjects[use.subject]["namespace"], use.metric) for use in metrics.uses(TABLES)}
    listed = {(space, name) for space, entry in TABLES.published.items() for name in entry["metrics"]}
    assert not listed - used
    assert all(entry["source"].startswith("https://docs.aws.amazon.com/") for entry in TABLES.published.values())


def test_every_part_is_covered() -> None:
    problems = metrics.gaps(TABLES, PROJECT)
    assert not problems, "\n".join(problems)


def test_an_open_cell_is_found() -> None:
    coverage = copy.deepcopy(dict(TABLES.coverage))
    coverage["ALB"]["logs"] = [
        {"to": "S3", "of": "requests", "file": "terraform/modules/alb/main.tf", "code": "no_such_argument"}
    ]
    coverage["VPC"] |= {"subjects": [], "logs": []}
    problems = metrics.gaps(replace(TABLES, coverage=coverage), PROJECT)
    assert any("ALB: terraform/modules/alb/main.tf does not have no_such_argument" in problem for problem in problems)
    assert [problem for problem in problems if problem.startswith("VPC")] == [
        "VPC: has no logs",
        "VPC: has no metrics",
        "VPC: has no alarms",
        "VPC: has no dashboards",
    ]
    assert any("nat_gateway: belongs to no part" in problem for problem in problems)


def test_the_page_has_the_tables() -> None:
    page = PROJECT / "docs/monitoring.md"
    assert metrics.page(page.read_text(encoding="utf-8"), TABLES) == page.read_text(encoding="utf-8"), (
        "docs/monitoring.md is not what the tables say: run `python -m groundwork.metrics`"
    )
