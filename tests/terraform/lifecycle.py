"""The life of an environment: applied, without a difference, destroyed, nothing left."""

from __future__ import annotations

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


def leftovers(estate: Estate) -> list[str]:
    """What still exists, apart from what AWS itself keeps: keys waiting for their end, hosts that are terminated."""
    ec2 = estate.client("ec2")
    left = [bucket["Name"] for bucket in estate.client("s3").list_buckets()["Buckets"]]
    left += [
        parameter["Name"]
        for parameter in estate.client("ssm").describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/shared"]}]
        )["Parameters"]
    ]
    left += [role["RoleName"] for role in estate.client("iam").list_roles()["Roles"]]
    left += [policy["PolicyName"] for policy in estate.client("iam").list_policies(Scope="Local")["Policies"]]
    left += [
        database["DBInstanceIdentifier"] for database in estate.client("rds").describe_db_instances()["DBInstances"]
    ]
    left += [secret["Name"] for secret in estate.client("secretsmanager").list_secrets()["SecretList"]]
    cache = estate.client("elasticache")
    left += [group["ReplicationGroupId"] for group in cache.describe_replication_groups()["ReplicationGroups"]]
    left += [
        group["CacheParameterGroupName"] for group in cache.describe_cache_parameter_groups()["CacheParameterGroups"]
    ]
    left += [group["CacheSubnetGroupName"] for group in cache.describe_cache_subnet_groups()["CacheSubnetGroups"]]
    backup = estate.client("backup")
    left += [vault["BackupVaultName"] for vault in backup.list_backup_vaults()["BackupVaultList"]]
    left += [plan["BackupPlanName"] for plan in backup.list_backup_plans()["BackupPlansList"]]
    budgets = estate.client("budgets").describe_budgets(AccountId=str(estate.catalog["account_id"]))["Budgets"]
    left += [budget["BudgetName"] for budget in budgets]
    left += [monitor["MonitorName"] for monitor in estate.client("ce").get_anomaly_monitors()["AnomalyMonitors"]]
    left += [group["logGroupName"] for group in estate.client("logs").describe_log_groups()["logGroups"]]
    left += estate.client("dynamodb").list_tables()["TableNames"]
    left += [alarm["AlarmName"] for alarm in estate.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    left += [alarm["AlarmName"] for alarm in estate.client("cloudwatch").describe_alarms()["CompositeAlarms"]]
    left += [board["DashboardName"] for board in estate.client("cloudwatch").list_dashboards()["DashboardEntries"]]
    left += [topic["TopicArn"] for topic in estate.client("sns").list_topics()["Topics"]]
    left += [group["GroupName"] for group in estate.client("xray").get_groups()["Groups"]]
    left += [group["Name"] for group in estate.client("resource-groups").list_groups()["Groups"]]
    left += [
        application["ResourceGroupName"]
        for application in estate.client("application-insights").list_applications()["ApplicationInfoList"]
    ]
    left += [namespace["Name"] for namespace in estate.client("servicediscovery").list_namespaces()["Namespaces"]]
    left += [zone["Name"] for zone in estate.client("route53").list_hosted_zones()["HostedZones"]]
    left += [entry["CertificateArn"] for entry in estate.client("acm").list_certificates()["CertificateSummaryList"]]
    left += [entry["repositoryName"] for entry in estate.client("ecr").describe_repositories()["repositories"]]
    left += [entry["LoadBalancerName"] for entry in estate.client("elbv2").describe_load_balancers()["LoadBalancers"]]
    left += [entry["TargetGroupName"] for entry in estate.client("elbv2").describe_target_groups()["TargetGroups"]]
    ecs = estate.client("ecs")
    # A deleted cluster is listed for a while as inactive.
    left += [
        cluster["clusterName"]
        for cluster in ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
        if cluster["status"] != "INACTIVE"
    ]
    left += estate.client("sqs").list_queues().get("QueueUrls", [])
    left += [
        target["ResourceId"]
        for target in estate.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")[
            "ScalableTargets"
        ]
    ]
    left += [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc.get("IsDefault")]
    left += [volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]]
    left += [
        instance["InstanceId"]
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    kms = estate.client("kms")
    for key in kms.list_keys()["Keys"]:
        state = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        # AWS's own keys (aws/s3, aws/ebs) stay; ours are known by their tags.
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
        if tags.get("ManagedBy") == "terraform" and state != "PendingDeletion":
            left.append(key["KeyArn"])
    return left
