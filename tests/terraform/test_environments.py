"""The skeleton of production beside development's: as the documents' tables say, and different nowhere else."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml
from conftest import PROJECT
from groundwork import cost, policy
from groundwork.terraform import offline
from groundwork.terraform.offline import Plan

GUIDE = PROJECT / "docs/environments.md"
ENVIRONMENTS = ("dev", "prod")
Plans = Mapping[str, Plan]


@pytest.fixture(scope="module")
def plans() -> dict[str, dict[str, Plan]]:
    return {env: offline.plan_environment(env, say=lambda line: print(line, flush=True)) for env in ENVIRONMENTS}


# ------------------------------------------------------------------------------------------------------- the sizes' table


def of(plans: Plans, kind: str, component: str = "*", address: str = "*") -> list[dict[str, Any]]:
    return [
        resource["values"]
        for name, plan in plans.items()
        if fnmatchcase(name, component)
        for resource in offline.managed(plan)
        if resource["type"] == kind and fnmatchcase(resource["address"], address)
    ]


def values(found: list[dict[str, Any]], attribute: str) -> str:
    """The different values of an attribute, as the guide writes them."""
    return ", ".join(sorted({written(entry.get(attribute)) for entry in found}, key=lambda text: (len(text), text)))


def written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def database(engine: str, attribute: str) -> Callable[[Plans], str]:
    return lambda plans: values(
        [entry for entry in of(plans, "aws_db_instance", "50-shared-rds") if entry.get("engine") == engine], attribute
    )


def parameter(name: str) -> Callable[[Plans], str]:
    def read(plans: Plans) -> str:
        return ", ".join(
            entry["value"]
            for group in of(plans, "aws_db_parameter_group", "50-shared-rds")
            for entry in group["parameter"]
            if entry["name"] == name and "mysql" in group["name"] + str(group.get("family"))
        )

    return read


def hosts(role: str) -> Callable[[Plans], list[dict[str, Any]]]:
    return lambda plans: [
        entry
        for entry in of(plans, "aws_instance", "60-kafka")
        if re.search(role, (entry.get("tags") or {}).get("Name", ""))
    ]


def application(attribute: str) -> Callable[[Plans], str]:
    return lambda plans: values(of(plans, "aws_ecs_task_definition", "75-applications"), attribute)


def spot(plans: Plans) -> str:
    used = {
        strategy["capacity_provider"]
        for service in of(plans, "aws_ecs_service", "75-applications")
        for strategy in service.get("capacity_provider_strategy") or []
        if strategy.get("weight") or strategy.get("base")
    }
    return "yes" if "FARGATE_SPOT" in used else "no"


BROKER = r"-kafka-(broker-)?\d+$"
CONTROLLER = r"-kafka-controller-\d+$|-controller-\d+$"

#: A row of the guide and how a plan answers it.
ROWS: dict[str, Callable[[Plans], str]] = {
    "Zones of hosts": lambda p: str(len({entry["availability_zone"] for entry in of(p, "aws_ebs_volume", "60-kafka")})),
    "Zones of subnets": lambda p: str(len({entry["availability_zone"] for entry in of(p, "aws_subnet")})),
    "NAT gateways": lambda p: str(len(of(p, "aws_nat_gateway"))),
    "Interface endpoints": lambda p: str(
        sum(entry.get("vpc_endpoint_type") == "Interface" for entry in of(p, "aws_vpc_endpoint"))
    ),
    "Kafka brokers": lambda p: str(len(hosts(BROKER)(p))),
    "Kafka controllers of their own": lambda p: str(len(hosts(CONTROLLER)(p))),
    "Broker instance": lambda p: values(hosts(BROKER)(p), "instance_type"),
    "MySQL instance": database("mysql", "instance_class"),
    "MySQL storage, GiB": database("mysql", "allocated_storage"),
    "MySQL storage grows to, GiB": database("mysql", "max_allocated_storage"),
    "MySQL max_connections": parameter("max_connections"),
    "Databases Multi-AZ": lambda p: values(of(p, "aws_db_instance"), "multi_az"),
    "Database backups, days": lambda p: values(of(p, "aws_db_instance"), "backup_retention_period"),
    "Database without a final snapshot": lambda p: values(of(p, "aws_db_instance"), "skip_final_snapshot"),
    "Database deletion protection": lambda p: values(of(p, "aws_db_instance"), "deletion_protection"),
    "Cache node": lambda p: values(of(p, "aws_elasticache_replication_group"), "node_type"),
    "Cache nodes a service": lambda p: values(of(p, "aws_elasticache_replication_group"), "num_cache_clusters"),
    "Cache Multi-AZ": lambda p: values(of(p, "aws_elasticache_replication_group"), "multi_az_enabled"),
    "Application task CPU": application("cpu"),
    "Application task memory, MiB": application("memory"),
    "Application tasks a service": lambda p: values(of(p, "aws_ecs_service", "75-applications"), "desired_count"),
    "Applications on Fargate Spot": spot,
    "Load balancer deletion protection": lambda p: values(of(p, "aws_lb"), "enable_deletion_protection"),
    "Log retention, days": lambda p: values(of(p, "aws_cloudwatch_log_group"), "retention_in_days"),
    "KMS deletion window, days": lambda p: values(of(p, "aws_kms_key"), "deletion_window_in_days"),
    "Secret recovery window, days": lambda p: values(of(p, "aws_secretsmanager_secret"), "recovery_window_in_days"),
    "Buckets emptied when destroyed": lambda p: values(of(p, "aws_s3_bucket"), "force_destroy"),
}


def guide_rows(text: str) -> dict[str, tuple[str, str]]:
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if (
            line.startswith("|")
            and len(cells) >= 3
            and cells[0] not in {"Setting", ""}
            and not cells[0].startswith("---")
        ):
            rows[cells[0]] = (cells[1], cells[2])
    return rows


def test_sizes_are_those_of_the_guide(plans: dict[str, dict[str, Plan]]) -> None:
    found = {row: tuple(answer(plans[env]) for env in ENVIRONMENTS) for row, answer in ROWS.items()}
    assert found == guide_rows(GUIDE.read_text())


# --------------------------------------------------------------------------------------------------- and nothing else

#: What an environment's name, account and addresses make different, and what only AWS decides.
SAME = (
    (r"(?<![a-z0-9])((dev|prod)\.)?example\.com", "DOMAIN"),
    (r"(?<![a-z0-9])(dev|prod)(?![a-z0-9])", "ENV"),
    (r"111122223333|777788889999", "ACCOUNT"),
    (r"(?<![0-9.])10\.(0|10)\.\d+\.\d+(/\d+)?", "ADDRESS"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (
        r"(?<=/)[0-9a-f]{16}\b|(?<=\.)[0-9a-f]{6,12}(?=\.ap-)|(?<=-)[0-9a-f]{6}(?=:|$)|^[0-9a-f]{10}$|\bZ[0-9A-F]{20}\b",
        "HASH",
    ),
    (r'"10\.(0|10)\.\*"', "ADDRESSES"),
    (r"\b(vpc|subnet|sg|nat|rtb|i|vol|ns|ami)-[0-9a-f]{16,17}\b", r"\1-ID"),
)


def normal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {normal(key): normal(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [normal(entry) for entry in value]
    if isinstance(value, str):
        for pattern, name in SAME:
            value = re.sub(pattern, name, value)
    return value


def differences(dev: Plans, prod: Plans) -> Iterator[str]:
    """`component type.attribute` of what both have, `component type` of what only one has."""
    for component in sorted({*dev, *prod}):
        one, other = (
            {normal(resource["address"]): resource for resource in offline.managed(plans[component])}
            for plans in (dev, prod)
        )
        yield from (f"{component} {(one.get(name) or other[name])['type']}" for name in {*one} ^ {*other})
        for name in {*one} & {*other}:
            before, after = normal(one[name]["values"]), normal(other[name]["values"])
            for attribute in {*before, *after}:
                if before.get(attribute) != after.get(attribute):
                    yield f"{component} {one[name]['type']}.{attribute}"


def test_environments_differ_nowhere_else(plans: dict[str, dict[str, Plan]]) -> None:
    allowed = yaml.safe_load((PROJECT / "tests/terraform/environments.yml").read_text())
    found = sorted(set(differences(plans["dev"], plans["prod"])))
    unexpected = [line for line in found if not any(fnmatchcase(line, pattern) for pattern in allowed)]
    assert not unexpected, "dev and prod differ in what tests/terraform/environments.yml does not allow:\n" + "\n".join(
        unexpected
    )
    unused = [pattern for pattern in allowed if not any(fnmatchcase(line, pattern) for line in found)]
    assert not unused, f"allowed, and the same in both: {unused}"


# ------------------------------------------------------------------------------------------------------------ rights of CI

#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; white space does not count.
INLINE_CHARACTERS, MANAGED_CHARACTERS, MANAGED_POLICIES = 10240, 6144, 10
OF_ROLE = re.compile(r"\.?aws_iam_(role_policy|role_policy_attachment|policy)\.")


def characters(policy: str) -> int:
    return len(re.sub(r"\s", "", policy))


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_rights_fit_the_limits_of_iam(plans: dict[str, dict[str, Plan]], env: str) -> None:
    inline: Counter[str] = Counter()
    attached: Counter[str] = Counter()
    problems = []
    for name, plan in plans[env].items():
        for resource in offline.managed(plan):
            role = f"{name} {OF_ROLE.split(resource['address'])[0]}"
            # A policy that names what is not made yet is known as a whole only afterwards.
            size = characters(resource["values"].get("policy") or "")
            if resource["type"] == "aws_iam_role_policy":
                inline[role] += size
            elif resource["type"] == "aws_iam_role_policy_attachment":
                attached[role] += 1
            elif resource["type"] == "aws_iam_policy" and size > MANAGED_CHARACTERS:
                problems.append(f"{resource['address']}: {size} characters")
    problems += [f"{role}: {size} characters" for role, size in inline.items() if size > INLINE_CHARACTERS]
    problems += [f"{role}: {count} policies" for role, count in attached.items() if count > MANAGED_POLICIES]
    assert not problems
    assert inline['40-iam module.ci["apply"]'] > 1000 and attached['40-iam module.ci["apply"]'] > 1


def allowed(plan: Plan) -> list[tuple[str, str]]:
    """Action and resource patterns that the apply role of CI is given."""
    policies = [
        json.loads(resource["values"]["policy"])
        for resource in offline.managed(plan)
        if resource["type"] in {"aws_iam_role_policy", "aws_iam_policy"} and 'module.ci["apply"]' in resource["address"]
    ]
    return [
        (action, target)
        for policy in policies
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in several(statement["Action"])
        for target in several(statement["Resource"])
    ]


def several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_ci_may_make_everything_planned(plans: dict[str, dict[str, Plan]], env: str) -> None:
    rights = yaml.safe_load((PROJECT / "tests/terraform/rights.yml").read_text())
    given = allowed(plans[env]["40-iam"])
    planned = {resource["type"] for plan in plans[env].values() for resource in offline.managed(plan)}
    wanted = {rights[kind] for kind in planned} - {"nothing", "by hand"}
    assert not {action for action in wanted if not any(fnmatchcase(action, pattern) for pattern, _ in given)}


#: Whose names are wholly known in a plan, with the attribute and an action and what its resource's ARN has before it.
NAMED = {
    "aws_backup_vault": ("name", "backup:CreateBackupVault", "backup-vault:"),
    "aws_budgets_budget": ("name", "budgets:ModifyBudget", "budget/"),
    "aws_cloudwatch_dashboard": ("dashboard_name", "cloudwatch:PutDashboard", "dashboard/"),
    "aws_cloudwatch_log_group": ("name", "logs:CreateLogGroup", "log-group:"),
    "aws_cloudwatch_metric_alarm": ("alarm_name", "cloudwatch:PutMetricAlarm", "alarm:"),
    "aws_db_instance": ("identifier", "rds:CreateDBInstance", "db:"),
    "aws_db_parameter_group": ("name", "rds:CreateDBParameterGroup", "pg:"),
    "aws_dynamodb_table": ("name", "dynamodb:CreateTable", "table/"),
    "aws_ecr_repository": ("name", "ecr:CreateRepository", "repository/"),
    "aws_ecs_cluster": ("name", "ecs:DeleteCluster", "cluster/"),
    "aws_elasticache_replication_group": (
        "replication_group_id",
        "elasticache:CreateReplicationGroup",
        "replicationgroup:",
    ),
    "aws_iam_role": ("name", "iam:CreateRole", "role/"),
    "aws_kms_alias": ("name", "kms:CreateAlias", ""),
    "aws_lambda_function": ("function_name", "lambda:CreateFunction", "function:"),
    "aws_lb": ("name", "elasticloadbalancing:CreateLoadBalancer", "loadbalancer/app/"),
    "aws_lb_target_group": ("name", "elasticloadbalancing:CreateTargetGroup", "targetgroup/"),
    "aws_resourcegroups_group": ("name", "resource-groups:DeleteGroup", "group/"),
    "aws_s3_bucket": ("bucket", "s3:CreateBucket", ""),
    "aws_secretsmanager_secret": ("name", "secretsmanager:CreateSecret", "secret:"),
    "aws_sfn_state_machine": ("name", "states:CreateStateMachine", "stateMachine:"),
    "aws_sns_topic": ("name", "sns:CreateTopic", ""),
    "aws_sqs_queue": ("name", "sqs:CreateQueue", ""),
    "aws_ssm_parameter": ("name", "ssm:PutParameter", "parameter"),
    "aws_xray_group": ("group_name", "xray:CreateGroup", "group/"),
    "aws_xray_sampling_rule": ("rule_name", "xray:CreateSamplingRule", "sampling-rule/"),
}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_rights_of_ci_reach_the_planned_names(plans: dict[str, dict[str, Plan]], env: str) -> None:
    given = allowed(plans[env]["40-iam"])
    missing = []
    for resource in (resource for plan in plans[env].values() for resource in offline.managed(plan)):
        attribute, wanted, before = NAMED.get(resource["type"], ("", "", ""))
        name = resource["values"].get(attribute)
        if name and not any(
            # AWS adds an id to some names.
            fnmatchcase(wanted, action)
            and any(fnmatchcase(f"{before}{name}{end}", reached(target)) for end in ("", "/1"))
            for action, target in given
        ):
            missing.append(f"{resource['type']} {name}")
    assert not missing


def reached(target: str) -> str:
    """The part of a resource pattern that has the name."""
    return target.split(":", 5)[-1]


# ---------------------------------------------------------------------------------------------------- policies and costs


def test_the_whole_skeleton_passes_the_policies(plans: dict[str, dict[str, Plan]]) -> None:
    named = {f"{env}/{name}": plan for env in ENVIRONMENTS for name, plan in plans[env].items()}
    report = policy.check(named)
    assert len(report.passed) > 1000
    assert not report.failed, "\n".join(finding.line() for finding in report.failed)


def test_everything_planned_has_a_price(plans: dict[str, dict[str, Plan]]) -> None:
    prices = cost.load()
    for env in ENVIRONMENTS:
        region = yaml.safe_load((PROJECT / "inventories" / env / "catalog.yml").read_text())["region"]
        assert [line.item for line in cost.cost(env, region, plans[env], prices).unpriced] == []
