"""Groundwork's own policies, for checkov over plan JSON. Run by `make policy`; each has fixtures in policy/fixtures.

What is decided when a resource is made is known in a plan as `UNKNOWN` only: enough where any value will do, never
enough where a certain one is wanted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from checkov.common.graph.graph_builder import CustomAttributes
from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.common.util.consts import TRUE_AFTER_UNKNOWN
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

UNKNOWN = TRUE_AFTER_UNKNOWN
PROTECTED = {"prod", "dr"}

TAGS = (
    "Environment",
    "Service",
    "Owner",
    "CostCenter",
    "Team",
    "Lifecycle",
    "DataClass",
    "ManagedBy",
    "Repository",
)


def plain(value: Any) -> Any:
    """A value without the lists that checkov wraps around single ones."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def at(conf: Any, path: str) -> Any:
    """The value at a path of attributes and blocks; None when it is not there."""
    for key in path.split("."):
        conf = plain(conf)
        conf = conf.get(key) if isinstance(conf, dict) else None
    return plain(conf)


def blocks(conf: Any, name: str) -> list[Any]:
    """The blocks of a name, however checkov wrapped them."""
    found: list[Any] = []
    queue = [conf.get(name)]
    while queue:
        value = queue.pop(0)
        if isinstance(value, list):
            queue = value + queue
        elif isinstance(value, dict):
            found.append(value)
    return found


def texts(value: Any) -> list[str]:
    """All strings of a value of strings in lists."""
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def environment(conf: Any) -> str:
    return str(at(conf, "tags_all.Environment") or "")


class Policy(BaseResourceCheck):
    """A policy whose `problem` says what is wrong, or "" when nothing is."""

    def __init__(self, number: int, name: str, resources: Iterable[str], category: CheckCategories) -> None:
        super().__init__(
            name=name, id=f"CKV_GROUNDWORK_{number}", categories=[category], supported_resources=list(resources)
        )

    def problem(self, conf: dict[str, Any]) -> str | None:
        """None: the policy does not concern this resource."""
        raise NotImplementedError

    def scan_resource_conf(self, conf: dict[str, Any]) -> CheckResult:
        found = self.problem(conf)
        if found is None:
            return CheckResult.UNKNOWN
        self.details = [found] if found else []
        return CheckResult.FAILED if found else CheckResult.PASSED


class RequiredTags(Policy):
    """Owner, cost and class of data of everything that can be tagged."""

    def __init__(self) -> None:
        super().__init__(1, "Every taggable resource has the required tags", ["aws_*"], CheckCategories.CONVENTION)

    def problem(self, conf: dict[str, Any]) -> str | None:
        if "tags_all" not in conf:
            return None
        tags = plain(conf["tags_all"])
        if not isinstance(tags, dict):
            return "the tags are not known before the resource is made"
        missing = [tag for tag in TAGS if not str(plain(tags.get(tag)) or "").strip()]
        return f"without {', '.join(missing)}" if missing else ""


#: What must name a customer's key, by type: alternatives of one use are not wanted, so each is a plain list of paths.
KEYS = {
    "aws_backup_vault": ["kms_key_arn"],
    "aws_cloudwatch_log_group": ["kms_key_id"],
    "aws_db_instance": ["kms_key_id"],
    "aws_dynamodb_table": ["server_side_encryption.kms_key_arn"],
    "aws_ebs_volume": ["kms_key_id"],
    "aws_ecr_repository": ["encryption_configuration.kms_key"],
    "aws_efs_file_system": ["kms_key_id"],
    "aws_elasticache_replication_group": ["kms_key_id"],
    "aws_instance": ["root_block_device.kms_key_id"],
    "aws_lambda_function": ["kms_key_arn"],
    "aws_rds_cluster": ["kms_key_id"],
    "aws_s3_bucket_server_side_encryption_configuration": [
        "rule.apply_server_side_encryption_by_default.kms_master_key_id"
    ],
    "aws_secretsmanager_secret": ["kms_key_id"],
    "aws_sfn_state_machine": ["encryption_configuration.kms_key_id"],
    "aws_sns_topic": ["kms_master_key_id"],
    "aws_sqs_queue": ["kms_master_key_id"],
}
#: What must be switched on beside.
SWITCHES = {
    "aws_db_instance": ["storage_encrypted"],
    "aws_dynamodb_table": ["server_side_encryption.enabled"],
    "aws_ebs_volume": ["encrypted"],
    "aws_efs_file_system": ["encrypted"],
    "aws_elasticache_replication_group": ["at_rest_encryption_enabled", "transit_encryption_enabled"],
    "aws_instance": ["root_block_device.encrypted"],
    "aws_rds_cluster": ["storage_encrypted"],
}


class CustomerKeys(Policy):
    """A key of AWS's own can neither be withheld from an account's administrators nor be revoked."""

    def __init__(self) -> None:
        super().__init__(2, "Data at rest is encrypted with a customer's key", KEYS, CheckCategories.ENCRYPTION)

    def problem(self, conf: dict[str, Any]) -> str | None:
        kind = self.entity_type
        if kind == "aws_lambda_function" and not blocks(conf, "environment"):
            return None
        if kind == "aws_s3_bucket_server_side_encryption_configuration" and self._takes_no_key(conf):
            return ""
        missing = [path for path in KEYS[kind] if not self._customers(at(conf, path))]
        missing += [path for path in SWITCHES.get(kind, ()) if at(conf, path) is not True]
        if kind == "aws_db_instance" and at(conf, "performance_insights_enabled") is True:
            missing += [path for path in ["performance_insights_kms_key_id"] if not self._customers(at(conf, path))]
        return f"without {', '.join(missing)}" if missing else ""

    @staticmethod
    def _customers(key: Any) -> bool:
        return isinstance(key, str) and key != "" and "alias/aws/" not in key

    @staticmethod
    def _takes_no_key(conf: dict[str, Any]) -> bool:
        """A load balancer delivers its logs to buckets with S3's own encryption only (its guide, "access logs"), and the
        states' buckets exist before any key does."""
        address = str(conf.get(CustomAttributes.TF_RESOURCE_ADDRESS) or "")
        return address.startswith(("module.alb.module.logs.", "module.state.module.bucket."))


#: The attribute that holds a resource's name.
NAMES = {
    "aws_apigatewayv2_api": "name",
    "aws_backup_plan": "name",
    "aws_backup_vault": "name",
    "aws_budgets_budget": "name",
    "aws_cloudwatch_composite_alarm": "alarm_name",
    "aws_cloudwatch_dashboard": "dashboard_name",
    "aws_cloudwatch_event_rule": "name",
    "aws_cloudwatch_log_group": "name",
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_db_instance": "identifier",
    "aws_db_parameter_group": "name",
    "aws_db_subnet_group": "name",
    "aws_dynamodb_table": "name",
    "aws_ecs_cluster": "name",
    "aws_ecs_service": "name",
    "aws_ecs_task_definition": "family",
    "aws_elasticache_parameter_group": "name",
    "aws_elasticache_replication_group": "replication_group_id",
    "aws_elasticache_subnet_group": "name",
    "aws_iam_instance_profile": "name",
    "aws_iam_policy": "name",
    "aws_iam_role": "name",
    "aws_kms_alias": "name",
    "aws_lambda_function": "function_name",
    "aws_lb": "name",
    "aws_lb_target_group": "name",
    "aws_s3_bucket": "bucket",
    "aws_secretsmanager_secret": "name",
    "aws_security_group": "name",
    "aws_sfn_state_machine": "name",
    "aws_sns_topic": "name",
    "aws_sqs_queue": "name",
    "aws_ssm_parameter": "name",
    "aws_xray_group": "group_name",
}
#: An environment's name; the tags say which one it must be where there are tags.
ENVIRONMENTS = "local|dev|staging|prod|dr"


class Names(Policy):
    """`{env}-{service}-{resource}`; paths have the environment as a part; Parameter Store's are `/shared/…`."""

    def __init__(self) -> None:
        super().__init__(3, "Names begin with the environment", NAMES, CheckCategories.CONVENTION)

    def problem(self, conf: dict[str, Any]) -> str | None:
        name = at(conf, NAMES[self.entity_type])
        if not isinstance(name, str) or name == UNKNOWN:
            return f"{NAMES[self.entity_type]} is not known before the resource is made"
        env = re.escape(environment(conf)) or ENVIRONMENTS
        if self.entity_type == "aws_ssm_parameter" and name.startswith("/shared/"):
            return ""
        fits = re.match(rf"(alias/)?({env})-[a-z0-9]", name) or (
            name.startswith("/") and re.search(rf"(/|^)({env})(/|-)", name)
        )
        return "" if fits else f"{name} does not begin with the environment"


WORLD = {"0.0.0.0/0", "::/0"}


class PublicIngress(Policy):
    """From anywhere come only the public load balancer's 80 and 443."""

    def __init__(self) -> None:
        super().__init__(
            4,
            "Only the load balancer's 80 and 443 are open to the world",
            ["aws_vpc_security_group_ingress_rule", "aws_security_group_rule", "aws_security_group"],
            CheckCategories.NETWORKING,
        )

    def problem(self, conf: dict[str, Any]) -> str | None:
        if self.entity_type == "aws_security_group":
            rules = blocks(conf, "ingress")
            return "an inline rule is open to the world" if any(self._open(rule) for rule in rules) else ""
        if self.entity_type == "aws_security_group_rule" and at(conf, "type") != "ingress":
            return None
        if not self._open(conf):
            return ""
        ports = (at(conf, "from_port"), at(conf, "to_port"))
        name = str(at(conf, "tags_all.Name") or "")
        # The group's id is not known in a plan: the rule's name says which group it is of.
        if ports in {(80, 80), (443, 443)} and at(conf, "ip_protocol") == "tcp" and name.startswith("internet-to-alb-"):
            return ""
        return f"{name or 'a rule'} opens {ports[0]}-{ports[1]} to the world"

    @staticmethod
    def _open(rule: dict[str, Any]) -> bool:
        return any(
            WORLD.intersection(texts(rule.get(name)))
            for name in ("cidr_ipv4", "cidr_ipv6", "cidr_blocks", "ipv6_cidr_blocks")
        )


class WildcardActions(Policy):
    """Rights over everything are given by name, never by pattern."""

    def __init__(self) -> None:
        super().__init__(
            5,
            "No wildcard actions on all resources",
            # The last one is a document that is only complete when its resources are made: its actions are known already.
            [
                "aws_iam_policy",
                "aws_iam_role_policy",
                "aws_iam_group_policy",
                "aws_iam_user_policy",
                "aws_iam_policy_document",
            ],
            CheckCategories.IAM,
        )

    def problem(self, conf: dict[str, Any]) -> str | None:
        found = [text for statement in self._statements(conf) if (text := self._wildcards(statement))]
        return "; ".join(found)

    def _statements(self, conf: dict[str, Any]) -> list[dict[str, Any]]:
        if self.entity_type == "aws_iam_policy_document":
            return [
                {
                    "Effect": at(entry, "effect") or "Allow",
                    "Action": texts(entry.get("actions")),
                    "NotAction": texts(entry.get("not_actions")),
                    "Resource": texts(entry.get("resources")),
                }
                for entry in blocks(conf, "statement")
                # A document with principals is a resource's own: "*" is that resource.
                if not blocks(entry, "principals")
            ]
        policy = plain(conf.get("policy"))
        if isinstance(policy, str) and policy not in {"", UNKNOWN}:
            policy = json.loads(policy)
        if not isinstance(policy, dict):
            return []
        statements = policy.get("Statement", [])
        found: list[dict[str, Any]] = []
        queue = [statements]
        while queue:
            value = queue.pop(0)
            if isinstance(value, dict):
                found.append(value)
            elif isinstance(value, list):
                queue += value
        return found

    @staticmethod
    def _wildcards(statement: dict[str, Any]) -> str:
        if plain(statement.get("Effect")) != "Allow" or "*" not in texts(statement.get("Resource")):
            return ""
        actions = [action for action in texts(statement.get("Action")) if "*" in action]
        actions += [f"all but {action}" for action in texts(statement.get("NotAction"))]
        return f"{', '.join(actions)} on *" if actions else ""


class LogRetention(Policy):
    """Logs that never end cost for ever; production's must outlive an investigation."""

    LEAST = 7
    LEAST_PROTECTED = 30

    def __init__(self) -> None:
        super().__init__(
            6,
            "Log groups keep 7 days at least, in production 30, and not for ever",
            ["aws_cloudwatch_log_group"],
            CheckCategories.LOGGING,
        )

    def problem(self, conf: dict[str, Any]) -> str | None:
        days = at(conf, "retention_in_days")
        least = self.LEAST_PROTECTED if environment(conf) in PROTECTED else self.LEAST
        return (
            "" if isinstance(days, int) and days >= least else f"keeps {days or 'for ever'}, not {least} days or more"
        )


Wanted = Callable[[Any], bool]


def _true(value: Any) -> bool:
    return value is True


def _not_true(value: Any) -> bool:
    return value is not True


def _at_least(days: int) -> Wanted:
    return lambda value: isinstance(value, int) and value >= days


#: What production's resources must say, by type and path.
PROTECTION: dict[str, dict[str, Wanted]] = {
    "aws_backup_vault": {"force_destroy": _not_true},
    "aws_db_instance": {
        "deletion_protection": _true,
        "skip_final_snapshot": _not_true,
        "delete_automated_backups": _not_true,
        "backup_retention_period": _at_least(7),
    },
    "aws_dynamodb_table": {"deletion_protection_enabled": _true, "point_in_time_recovery.enabled": _true},
    "aws_ecr_repository": {"force_delete": _not_true},
    "aws_kms_key": {"deletion_window_in_days": _at_least(30)},
    "aws_lb": {"enable_deletion_protection": _true},
    "aws_rds_cluster": {"deletion_protection": _true, "skip_final_snapshot": _not_true},
    "aws_s3_bucket": {"force_destroy": _not_true},
    "aws_secretsmanager_secret": {"recovery_window_in_days": _at_least(7)},
}


class DeletionProtection(Policy):
    """What holds production's data does not go with one wrong command."""

    def __init__(self) -> None:
        super().__init__(7, "Production is protected from deletion", PROTECTION, CheckCategories.BACKUP_AND_RECOVERY)

    def problem(self, conf: dict[str, Any]) -> str | None:
        if environment(conf) not in PROTECTED:
            return None
        wrong = [
            f"{path} is {at(conf, path)}"
            for path, fits in PROTECTION[self.entity_type].items()
            if not fits(at(conf, path))
        ]
        return ", ".join(wrong)


class Listeners(Policy):
    """Requests are encrypted up to the load balancer; inside the network the observability stack's speaks HTTP on 80."""

    TLS = re.compile(r"ELBSecurityPolicy-(TLS13-1-[23]|FS-1-2|TLS-1-2)")

    def __init__(self) -> None:
        super().__init__(8, "Listeners want TLS 1.2 or redirect to it", ["aws_lb_listener"], CheckCategories.ENCRYPTION)

    def problem(self, conf: dict[str, Any]) -> str | None:
        if at(conf, "protocol") == "HTTPS":
            name = str(at(conf, "ssl_policy"))
            return "" if self.TLS.match(name) else f"the TLS policy is {name}"
        if at(conf, "default_action.redirect.protocol") == "HTTPS" or at(conf, "tags_all.Service") == "lgtm":
            return ""
        return f"port {at(conf, 'port')} speaks {at(conf, 'protocol')} and does not redirect"


class ExecutionLogs(Policy):
    """checkov's own check (CKV_AWS_285) wants the inputs and outputs in the log, which are the users'."""

    LEVELS = frozenset({"ALL", "ERROR"})

    def __init__(self) -> None:
        super().__init__(
            9,
            "State machines log their executions, without the executions' data",
            ["aws_sfn_state_machine"],
            CheckCategories.LOGGING,
        )

    def problem(self, conf: dict[str, Any]) -> str | None:
        if at(conf, "logging_configuration.level") not in self.LEVELS:
            return "executions are not logged"
        if not at(conf, "logging_configuration.log_destination"):
            return "the log goes nowhere"
        if at(conf, "logging_configuration.include_execution_data") is True:
            return "the log has the executions' data"
        return ""


for policy in (
    RequiredTags,
    CustomerKeys,
    Names,
    PublicIngress,
    WildcardActions,
    LogRetention,
    DeletionProtection,
    Listeners,
    ExecutionLogs,
):
    policy()
