"""The life of an environment: applied, without a difference, destroyed, nothing left."""

from __future__ import annotations

from typing import Any

from conftest import TERRAFORM, Estate
from groundwork.terraform import graph

COMPONENTS = list(graph.load(TERRAFORM / "components.yml"))


def apply(estate: Estate) -> None:
    """Everything from nothing, in one run."""
    assert estate.statuses() == dict.fromkeys(COMPONENTS, "applied"), estate.env


def differences(estate: Estate) -> list[str]:
    """What a plan of the applied environment would still change; must be nothing."""
    results = estate.engine(check=True).run()
    assert [result.name for result in results if result.status not in {"unchanged", "planned"}] == [], estate.env
    return [f"{result.name}: {line}" for result in results for line in result.summary.lines()]


def destroy(estate: Estate) -> None:
    """Everything, with the consent that it takes; what is protected is opened first, in a change of its own."""
    if "deletion_protection   = false" not in (TERRAFORM / "environments" / estate.env / "common.tfvars").read_text():
        estate.overrides = {**estate.overrides, "deletion_protection": "false", "apply_immediately": "true"}
        protected = [
            name
            for name in COMPONENTS
            if "deletion_protection" in (TERRAFORM / "components" / name / "variables.tf").read_text()
        ]
        confirm = ",".join(f"{estate.env}-{name}" for name in protected)
        opened = estate.statuses(components=tuple(protected), confirm=confirm)
        assert set(opened.values()) <= {"applied", "unchanged"}, opened
    confirm = ",".join(f"{estate.env}-{name}" for name in COMPONENTS)
    assert estate.statuses(state="absent", confirm=confirm) == dict.fromkeys(COMPONENTS, "destroyed"), estate.env


#: What an account holds after everything was destroyed: service, question, its arguments, list in the answer, name in an
#: entry ("" for the entry itself).
HELD: tuple[tuple[str, str, dict[str, Any], str, str], ...] = (
    ("acm", "list_certificates", {}, "CertificateSummaryList", "CertificateArn"),
    ("apigatewayv2", "get_apis", {}, "Items", "Name"),
    ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "ecs"}, "ScalableTargets", "ResourceId"),
    ("application-insights", "list_applications", {}, "ApplicationInfoList", "ResourceGroupName"),
    ("backup", "list_backup_plans", {}, "BackupPlansList", "BackupPlanName"),
    ("backup", "list_backup_vaults", {}, "BackupVaultList", "BackupVaultName"),
    ("ce", "get_anomaly_monitors", {}, "AnomalyMonitors", "MonitorName"),
    ("ce", "get_anomaly_subscriptions", {}, "AnomalySubscriptions", "SubscriptionName"),
    ("cloudwatch", "describe_alarms", {}, "CompositeAlarms", "AlarmName"),
    ("cloudwatch", "describe_alarms", {}, "MetricAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", {}, "DashboardEntries", "DashboardName"),
    ("dynamodb", "list_tables", {}, "TableNames", ""),
    ("ec2", "describe_addresses", {}, "Addresses", "AllocationId"),
    ("ec2", "describe_flow_logs", {}, "FlowLogs", "FlowLogId"),
    ("ec2", "describe_volumes", {}, "Volumes", "VolumeId"),
    ("ecr", "describe_repositories", {}, "repositories", "repositoryName"),
    ("efs", "describe_file_systems", {}, "FileSystems", "Name"),
    ("elasticache", "describe_cache_subnet_groups", {}, "CacheSubnetGroups", "CacheSubnetGroupName"),
    ("elasticache", "describe_cache_parameter_groups", {}, "CacheParameterGroups", "CacheParameterGroupName"),
    ("elasticache", "describe_replication_groups", {}, "ReplicationGroups", "ReplicationGroupId"),
    ("elbv2", "describe_load_balancers", {}, "LoadBalancers", "LoadBalancerName"),
    ("elbv2", "describe_target_groups", {}, "TargetGroups", "TargetGroupName"),
    ("iam", "list_instance_profiles", {}, "InstanceProfiles", "InstanceProfileName"),
    ("iam", "list_open_id_connect_providers", {}, "OpenIDConnectProviderList", "Arn"),
    ("iam", "list_policies", {"Scope": "Local"}, "Policies", "PolicyName"),
    ("iam", "list_roles", {}, "Roles", "RoleName"),
    ("lambda", "list_functions", {}, "Functions", "FunctionName"),
    ("logs", "describe_log_groups", {}, "logGroups", "logGroupName"),
    ("rds", "describe_db_instances", {}, "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_parameter_groups", {}, "DBParameterGroups", "DBParameterGroupName"),
    ("rds", "describe_db_subnet_groups", {}, "DBSubnetGroups", "DBSubnetGroupName"),
    ("resource-groups", "list_groups", {}, "Groups", "Name"),
    ("route53", "list_hosted_zones", {}, "HostedZones", "Name"),
    ("s3", "list_buckets", {}, "Buckets", "Name"),
    ("secretsmanager", "list_secrets", {}, "SecretList", "Name"),
    ("servicediscovery", "list_namespaces", {}, "Namespaces", "Name"),
    ("sns", "list_topics", {}, "Topics", "TopicArn"),
    ("sqs", "list_queues", {}, "QueueUrls", ""),
    ("ssm", "describe_parameters", {"ParameterFilters": [{"Key": "Name", "Option": "BeginsWith", "Values": ["/shared"]}]},
     "Parameters", "Name"),
    ("stepfunctions", "list_state_machines", {}, "stateMachines", "name"),
    ("xray", "get_groups", {}, "Groups", "GroupName"),
)  # fmt: skip


def leftovers(estate: Estate) -> list[str]:
    """What still exists, apart from what AWS itself keeps: keys waiting for their end, hosts that are terminated."""
    left = []
    for service, question, arguments, listed, name in HELD:
        for entry in getattr(estate.client(service), question)(**arguments).get(listed, []):
            left.append(f"{service}: {entry[name] if name else entry}")
    ec2, ecs, kms = (estate.client(service) for service in ("ec2", "ecs", "kms"))
    # A deleted cluster is listed for a while as inactive.
    left += [
        f"ecs: {cluster['clusterName']}"
        for cluster in ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
        if cluster["status"] != "INACTIVE"
    ]
    budgets = estate.client("budgets").describe_budgets(AccountId=str(estate.catalog["account_id"]))["Budgets"]
    left += [f"budgets: {budget['BudgetName']}" for budget in budgets]
    rules = estate.client("xray").get_sampling_rules()["SamplingRuleRecords"]
    names = {rule["SamplingRule"]["RuleName"] for rule in rules}
    left += [f"xray: {name}" for name in names - {"Default"}]
    left += [f"ec2: {vpc['VpcId']}" for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc.get("IsDefault")]
    left += [
        f"ec2: {instance['InstanceId']}"
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    for key in kms.list_keys()["Keys"]:
        state = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        # AWS's own keys (aws/s3, aws/ebs) stay; ours are known by their tags.
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
        if tags.get("ManagedBy") == "terraform" and state != "PendingDeletion":
            left.append(f"kms: {key['KeyArn']}")
    return left
