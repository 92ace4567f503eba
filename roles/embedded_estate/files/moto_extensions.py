"""The embedded AWS: moto's server with the few things it lacks for the real Terraform provider.

Run it like moto's own server: ``python moto_extensions.py -H 0.0.0.0 -p 5000``. Each extension is one function that names
the gap it closes (moto 5.2.1); one that moto has outgrown is deleted.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

Extension = Callable[[], None]
EXTENSIONS: list[Extension] = []


def extension(function: Extension) -> Extension:
    """Load it before the server starts."""
    EXTENSIONS.append(function)
    return function


@extension
def an_answer_that_was_lost() -> None:
    """A client whose connection broke after its request was served asks again, and must not be told that it exists already.

    AWS's own SDKs number their attempts: a second one gets the first one's answer.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    # Loaded before the lock below, so that it is inside it: a second attempt waits until the first one is served.
    serve = DomainDispatcherApplication.__call__
    answered: dict[str, tuple[str, list[tuple[str, str]], list[bytes]]] = {}

    def call(application: Any, environ: dict[str, Any], start_response: Any) -> Any:
        invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID", "")
        if environ["REQUEST_METHOD"] != "POST" or not invocation:
            return serve(application, environ, start_response)
        if invocation in answered:
            status, headers, body = answered[invocation]
            # Not what it says: an answer may hold a secret.
            print(f"answered again: {environ.get('HTTP_AMZ_SDK_REQUEST')} {invocation}", file=sys.stderr)
            start_response(status, headers)
            return body
        said: list[Any] = []

        def remember(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            said[:] = [status, headers]
            return start_response(status, headers, exc_info)

        body = list(serve(application, environ, remember))
        if said[0].startswith("2"):
            answered[invocation] = (said[0], said[1], body)
            # Nobody asks again after so many others.
            while len(answered) > 500:
                del answered[next(iter(answered))]
        return body

    DomainDispatcherApplication.__call__ = call


@extension
def one_request_at_a_time() -> None:
    """Requests are served by threads over backends that are not safe for them.

    One that reads a list while another adds to it answers 500 after its work was done, and the client that tries again
    is told that it exists already.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    serve = DomainDispatcherApplication.__call__
    alone = threading.RLock()

    def call(application: Any, environ: dict[str, Any], start_response: Any) -> Any:
        # The one request that waits for what others bring.
        if environ.get("HTTP_X_AMZ_TARGET") == "AmazonSQS.ReceiveMessage":
            return serve(application, environ, start_response)
        with alone:
            return serve(application, environ, start_response)

    DomainDispatcherApplication.__call__ = call


@extension
def security_group_rule_description() -> None:
    """A rule that names a group loses its description: moto reads it from the CIDR part of the request only."""
    from moto.ec2.models.security_groups import SecurityGroupRule

    def description(rule: Any) -> str | None:
        return rule.ip_range.get("Description") or rule.source_group.get("Description")

    SecurityGroupRule.description = property(description)


@extension
def touching_rds_windows() -> None:
    """A backup window that ends when the maintenance window begins is refused; RDS accepts it."""
    from moto.rds import utils

    overlap = utils.get_overlap_between_two_date_ranges

    def overlap_in_seconds(*window: Any) -> int:
        seconds: int = overlap(*window)
        # The callers refuse zero, which is no overlap.
        return -1 if seconds == 0 else seconds

    utils.get_overlap_between_two_date_ranges = overlap_in_seconds


DEBIAN = "136693071363"
DEBIAN_IMAGE = re.compile(r"debian-\d+-(amd64|arm64)-\d{8}-\d+")


@extension
def debian_images() -> None:
    """Images of Debian's account are unknown: answer for an exact name of its scheme with an id made from the name."""
    from moto.ec2.models.amis import Ami, AmiBackend

    describe = AmiBackend.describe_images

    def describe_images(
        backend: Any,
        ami_ids: Any = None,
        filters: Any = None,
        exec_users: Any = None,
        owners: Any = None,
    ) -> Any:
        for name in (filters or {}).get("name", []) if DEBIAN in (owners or []) else []:
            match = DEBIAN_IMAGE.fullmatch(name)
            ami_id = f"ami-{hashlib.sha256(f'{backend.region_name}/{name}'.encode()).hexdigest()[:17]}"
            if match and ami_id not in backend.amis:
                backend.amis[ami_id] = Ami(
                    backend,
                    ami_id,
                    name=name,
                    owner_id=DEBIAN,
                    public=True,
                    virtualization_type="hvm",
                    architecture={"amd64": "x86_64"}.get(match[1], match[1]),
                    image_location=f"{DEBIAN}/{name}",
                    hypervisor="xen",
                    root_device_type="ebs",
                    root_device_name="/dev/xvda",
                    sriov="simple",
                    region_name=backend.region_name,
                )
        return describe(backend, ami_ids, filters, exec_users, owners)

    AmiBackend.describe_images = describe_images


@extension
def parameter_source() -> None:
    """DescribeDBParameters does not say who set a parameter; the provider keeps only those of the user."""
    from moto.rds.models import DBParameterGroup

    update = DBParameterGroup.update_parameters

    def update_parameters(group: Any, new_parameters: Any) -> None:
        update(group, [{**parameter, "Source": "user"} for parameter in new_parameters])

    DBParameterGroup.update_parameters = update_parameters


@extension
def plain_http_buckets() -> None:
    """Bucket policies are applied without their conditions, so a refusal of plain HTTP refuses everybody.

    The embedded AWS is plain HTTP on a loopback address: that one condition is left out, all others stay unevaluated.
    """
    from moto.iam.access_control import IAMPolicy, PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(bucket: Any, action: str, resource: str) -> Any:
        document = json.loads(bucket.policy or b'{"Statement": []}')
        document["Statement"] = [
            statement
            for statement in document["Statement"]
            if statement.get("Condition") != {"Bool": {"aws:SecureTransport": "false"}}
        ]
        if not document["Statement"]:
            return PermissionResult.NEUTRAL
        return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)

    FakeBucket.get_permission = get_permission


@extension
def instance_groups() -> None:
    """Groups given with an instance's network interface are not the instance's; in AWS they are the same list."""
    from moto.ec2.models.instances import Instance

    def groups(instance: Any) -> Any:
        nics = getattr(instance, "nics", {})
        return list(nics[0]._group_set) if 0 in nics else instance.given_groups

    def give(instance: Any, given: Any) -> None:
        instance.given_groups = given
        if 0 in getattr(instance, "nics", {}):
            instance.nics[0]._group_set = list(given)

    Instance.security_groups = property(groups, give)


@extension
def instance_termination_guard() -> None:
    """RunInstances drops DisableApiTermination, though its backend would take it."""
    from moto.ec2.models.instances import InstanceBackend
    from moto.ec2.responses.instances import InstanceResponse

    given = threading.local()
    respond, run = InstanceResponse.run_instances, InstanceBackend.run_instances

    def response(request: Any) -> Any:
        given.guard = request._get_param("DisableApiTermination") is True
        return respond(request)

    def run_instances(backend: Any, *args: Any, **kwargs: Any) -> Any:
        return run(backend, *args, disable_api_termination=getattr(given, "guard", False), **kwargs)

    InstanceResponse.run_instances = response
    InstanceBackend.run_instances = run_instances


@extension
def database_monitoring() -> None:
    """Enhanced monitoring and Performance Insights of a database are accepted and forgotten."""
    from moto.rds.models import DBInstance

    construct = DBInstance.__init__
    remembered = (
        "monitoring_interval",
        "monitoring_role_arn",
        "enable_performance_insights",
        "performance_insights_kms_key_id",
        "performance_insights_retention_period",
    )

    def init(database: Any, *args: Any, **kwargs: Any) -> None:
        construct(database, *args, **kwargs)
        for name in remembered:
            setattr(database, name, kwargs.get(name))

    DBInstance.__init__ = init
    DBInstance.performance_insights_enabled = property(
        lambda database: bool(getattr(database, "enable_performance_insights", False))
    )


@extension
def versioned_delete_markers() -> None:
    """Removing the last version of a key fails when a delete marker is among its versions."""
    from moto.s3.models import FakeDeleteMarker

    FakeDeleteMarker.dispose = lambda _marker, *_args, **_kwargs: None


@extension
def instance_monitoring() -> None:
    """MonitorInstances and UnmonitorInstances are not implemented."""
    from moto.core.responses import ActionResult
    from moto.ec2.responses.monitoring import Monitoring

    def switch(state: str) -> Any:
        def answer(response: Any) -> Any:
            response.error_on_dryrun()
            instances = [response.ec2_backend.get_instance(id_) for id_ in response._get_param("InstanceIds", [])]
            for instance in instances:
                instance.monitoring_state = state
            return ActionResult(
                {
                    "InstanceMonitorings": [
                        {"InstanceId": instance.id, "Monitoring": {"State": state}} for instance in instances
                    ]
                }
            )

        return answer

    Monitoring.monitor_instances = switch("enabled")
    Monitoring.unmonitor_instances = switch("disabled")


@extension
def database_resource_id() -> None:
    """Every database has the same resource id, and a second one is taken for the first."""
    from moto.rds.models import DBInstance

    def resource_id(database: Any) -> str:
        return f"db-{hashlib.sha256(database.db_instance_arn.encode()).hexdigest()[:26].upper()}"

    DBInstance.dbi_resource_id = property(resource_id, lambda _database, _constant: None)


@extension
def database_replica() -> None:
    """A read replica looks its groups up in its source's region, shares its lists and its Multi-AZ, and cannot leave another region's."""
    from moto.rds.models import DBInstance, RDSBackend

    promote = RDSBackend.promote_read_replica

    def create_replica(backend: Any, db_kwargs: dict[str, Any]) -> Any:
        source = backend.find_db_from_id(db_kwargs["source_db_instance_identifier"])
        replica = copy.copy(source)
        replica.backend = backend
        replica.enabled_cloudwatch_logs_exports = list(db_kwargs.get("enable_cloudwatch_logs_exports") or [])
        replica.tags = []
        replica.multi_az = False
        replica.update(**db_kwargs)
        replica.set_as_replica()
        backend.databases[db_kwargs["db_instance_identifier"]] = replica
        source.add_replica(replica)
        return replica

    def remove_replica(source: Any, replica: Any) -> None:
        names = (replica.db_instance_identifier, replica.db_instance_arn)
        source.replicas = [name for name in source.replicas if name not in names]

    def promote_replica(backend: Any, db_kwargs: dict[str, Any]) -> Any:
        replica = backend.databases[db_kwargs["db_instance_identifier"]]
        if replica.is_replica:
            backend.find_db_from_id(replica.source_db_instance_identifier).remove_replica(replica)
            replica.source_db_instance_identifier = None
        return promote(backend, db_kwargs)

    DBInstance.remove_replica = remove_replica
    RDSBackend.create_db_instance_read_replica = create_replica
    RDSBackend.promote_read_replica = promote_replica


@extension
def cache_parameter_groups() -> None:
    """ElastiCache has no parameter groups."""
    from moto.core.responses import ActionResult, EmptyResult
    from moto.elasticache.models import ElastiCacheBackend
    from moto.elasticache.responses import ElastiCacheResponse

    construct = ElastiCacheBackend.__init__

    def init(backend: Any, *args: Any, **kwargs: Any) -> None:
        construct(backend, *args, **kwargs)
        backend.parameter_groups = {}
        backend.arn_regex = re.compile(r"^arn:aws:elasticache:[^:]*:[0-9]*:[a-z]+:.+$")

    def create(response: Any) -> Any:
        backend, name = response.elasticache_backend, response._get_param("CacheParameterGroupName")
        group = {
            "CacheParameterGroupName": name,
            "CacheParameterGroupFamily": response._get_param("CacheParameterGroupFamily"),
            "Description": response._get_param("Description"),
            "ARN": f"arn:aws:elasticache:{backend.region_name}:{backend.account_id}:parametergroup:{name}",
            "parameters": {},
        }
        backend.parameter_groups[name] = group
        backend.tagging_service.tag_resource(group["ARN"], response._get_param("Tags", []))
        return ActionResult({"CacheParameterGroup": group})

    def describe(response: Any) -> Any:
        groups, name = response.elasticache_backend.parameter_groups, response._get_param("CacheParameterGroupName")
        if name and name not in groups:
            raise error("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.")
        return ActionResult({"CacheParameterGroups": [groups[name]] if name else list(groups.values())})

    def parameters(response: Any) -> Any:
        group = response.elasticache_backend.parameter_groups[response._get_param("CacheParameterGroupName")]
        return ActionResult(
            {
                "Parameters": [
                    {"ParameterName": name, "ParameterValue": value, "Source": "user"}
                    for name, value in group["parameters"].items()
                ]
            }
        )

    def modify(response: Any) -> Any:
        name = response._get_param("CacheParameterGroupName")
        given = response._get_param("ParameterNameValues", [])
        group = response.elasticache_backend.parameter_groups[name]
        group["parameters"] |= {entry["ParameterName"]: entry["ParameterValue"] for entry in given}
        return ActionResult({"CacheParameterGroupName": name})

    def delete(response: Any) -> Any:
        response.elasticache_backend.parameter_groups.pop(response._get_param("CacheParameterGroupName"))
        return EmptyResult()

    def delete_subnet_group(response: Any) -> Any:
        response.elasticache_backend.cache_subnet_groups.pop(response._get_param("CacheSubnetGroupName"))
        return EmptyResult()

    def error(code: str, message: str) -> Exception:
        from moto.core.exceptions import ServiceException

        return ServiceException(code, message)

    ElastiCacheBackend.__init__ = init
    ElastiCacheResponse.create_cache_parameter_group = create
    ElastiCacheResponse.describe_cache_parameter_groups = describe
    ElastiCacheResponse.describe_cache_parameters = parameters
    ElastiCacheResponse.modify_cache_parameter_group = modify
    ElastiCacheResponse.delete_cache_parameter_group = delete
    ElastiCacheResponse.delete_cache_subnet_group = delete_subnet_group


@extension
def cache_replication_groups() -> None:
    """A replication group ignores its number of nodes, has no endpoints and no readable nodes, and is never gone."""
    from moto.core.responses import ActionResult
    from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
    from moto.elasticache.responses import ElastiCacheResponse

    construct, delete = ReplicationGroup.__init__, ElastiCacheBackend.delete_replication_group
    describe = ElastiCacheBackend.describe_cache_clusters

    def init(group: Any, *args: Any, **kwargs: Any) -> None:
        nodes = kwargs.get("num_cache_clusters") or 1
        construct(group, *args, **{**kwargs, "replicas_per_node_group": kwargs["replicas_per_node_group"] or nodes - 1})
        for shard in group.node_groups:
            host = f"{group.replication_group_id}.{group.arn.split(':')[3]}.cache.amazonaws.com"
            shard["primary_endpoint"] = {"Address": f"master.{host}", "Port": group.port}
            shard["reader_endpoint"] = {"Address": f"replica.{host}", "Port": group.port}

    def node(group: Any, name: str) -> dict[str, Any]:
        endpoint = {"Address": f"{name}.{group.arn.split(':')[3]}.cache.amazonaws.com", "Port": group.port}
        return {
            "CacheClusterId": name,
            "ReplicationGroupId": group.replication_group_id,
            "CacheClusterStatus": "available",
            "ARN": group.arn.replace(":replicationgroup:", ":cluster:") + name[len(group.replication_group_id) :],
            "Engine": group.engine,
            "EngineVersion": f"{group.engine_version}.0",
            "CacheNodeType": group.cache_node_type,
            "NumCacheNodes": 1,
            "CacheNodes": [{"CacheNodeId": "0001", "CacheNodeStatus": "available", "Endpoint": endpoint}],
            "CacheSubnetGroupName": group.cache_subnet_group_name,
            "CacheParameterGroup": {"CacheParameterGroupName": group.cache_parameter_group_name},
            "SecurityGroups": [{"SecurityGroupId": id_, "Status": "active"} for id_ in group.security_group_ids or []],
            "PreferredMaintenanceWindow": group.preferred_maintenance_window,
            "AutoMinorVersionUpgrade": group.auto_minor_version_upgrade,
            "AtRestEncryptionEnabled": group.at_rest_encryption_enabled,
            "TransitEncryptionEnabled": group.transit_encryption_enabled,
            "TransitEncryptionMode": group.transit_encryption_mode,
            "AuthTokenEnabled": group.auth_token_enabled,
        }

    def clusters(backend: Any, cache_cluster_id: str | None = None) -> Any:
        nodes = {name: group for group in backend.replication_groups.values() for name in group.member_clusters}
        if cache_cluster_id in nodes:
            return [node(nodes[cache_cluster_id], cache_cluster_id)]
        return describe(backend, cache_cluster_id)

    def remove(backend: Any, replication_group_id: str, *args: Any, **kwargs: Any) -> Any:
        group = delete(backend, replication_group_id, *args, **kwargs)
        del backend.replication_groups[replication_group_id]
        return group

    def modify(response: Any) -> Any:
        backend = response.elasticache_backend
        group = backend.describe_replication_groups(response._get_param("ReplicationGroupId"))[0]
        if response._get_param("AuthToken"):
            group.auth_token_enabled = True
        for parameter, attribute in {
            "ReplicationGroupDescription": "description",
            "CacheNodeType": "cache_node_type",
            "SnapshotRetentionLimit": "snapshot_retention_limit",
            "CacheParameterGroupName": "cache_parameter_group_name",
        }.items():
            if response._get_param(parameter) is not None:
                setattr(group, attribute, response._get_param(parameter))
        return ActionResult({"ReplicationGroup": group})

    ReplicationGroup.__init__ = init
    ElastiCacheBackend.describe_cache_clusters = clusters
    ElastiCacheBackend.delete_replication_group = remove
    ElastiCacheResponse.modify_replication_group = modify


@extension
def bucket_replication_rules() -> None:
    """A bucket's replication answers with constants for delete markers and filter, and forgets the selection criteria."""
    from moto.core.responses import ActionResult
    from moto.s3.exceptions import ReplicationConfigurationNotFoundError
    from moto.s3.responses import S3Response

    def get(response: Any) -> Any:
        response.data["Action"] = "GetBucketReplication"
        stored = response.backend.get_bucket_replication(response.bucket_name)
        if not stored:
            raise ReplicationConfigurationNotFoundError(bucket_name=response.bucket_name)
        rules = [
            rule | {"Filter": {"Prefix": (rule.get("Filter") or {}).get("Prefix") or ""}} for rule in stored["Rule"]
        ]
        return response.serialized(ActionResult({"ReplicationConfiguration": {"Role": stored["Role"], "Rules": rules}}))

    S3Response.get_bucket_replication = get


@extension
def backup_selections() -> None:
    """AWS Backup has no selections, a deleted plan is still there, and a plan cannot be updated."""
    from moto.backup.exceptions import ResourceNotFoundException
    from moto.backup.models import BackupBackend
    from moto.backup.responses import BackupResponse
    from moto.backup.urls import url_paths
    from moto.moto_api._internal import mock_random

    delete = BackupBackend.delete_backup_plan

    def delete_plan(backend: Any, backup_plan_id: str) -> Any:
        answer = delete(backend, backup_plan_id)
        del backend.plans[backup_plan_id]
        return answer

    def selections(response: Any) -> dict[str, Any]:
        plan = response.backup_backend.get_backup_plan(response.path.split("/")[3], None)
        return plan.__dict__.setdefault("selections", {})

    def create(response: Any) -> str:
        id_ = str(mock_random.uuid4())
        entry = {"SelectionId": id_, "BackupPlanId": response.path.split("/")[3], "CreationDate": 0}
        selections(response)[id_] = entry | json.loads(response.body)
        return json.dumps(entry)

    def get(response: Any) -> str:
        id_ = response.path.rstrip("/").split("/")[-1]
        if id_ not in selections(response):
            raise ResourceNotFoundException(msg=f"Backup selection {id_} not found")
        return json.dumps(selections(response)[id_])

    def forget(response: Any) -> str:
        del selections(response)[response.path.rstrip("/").split("/")[-1]]
        return "{}"

    def update(response: Any) -> str:
        plan = response.backup_backend.get_backup_plan(response.path.rstrip("/").split("/")[-1], None)
        plan.backup_plan = {**json.loads(response.body)["BackupPlan"]}
        return json.dumps(plan.to_dict())

    BackupBackend.delete_backup_plan = delete_plan
    BackupResponse.create_backup_selection = create
    BackupResponse.get_backup_selection = get
    BackupResponse.delete_backup_selection = forget
    BackupResponse.update_backup_plan = update
    plans = url_paths.pop("{0}/backup/plans/(?P<name>.+)/?$")
    url_paths["{0}/backup/plans/(?P<name>[^/]+)/selections/?$"] = plans
    url_paths["{0}/backup/plans/(?P<name>[^/]+)/selections/(?P<selection>[^/]+)$"] = plans
    url_paths["{0}/backup/plans/(?P<name>[^/]+)/?$"] = plans


@extension
def state_machines() -> None:
    """State machines are stored and never run, and ValidateStateMachineDefinition is missing, on which a plan hangs.

    moto's own interpreter of the States Language runs them; its parser and its check of intrinsic functions validate them.
    """
    from moto.core.config import default_user_config
    from moto.core.responses import ActionResult
    from moto.stepfunctions.parser.api import InvalidDefinition
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend
    from moto.stepfunctions.responses import StepFunctionResponse

    default_user_config["stepfunctions"] = {"execute_state_machine": True}

    def validate(response: Any) -> ActionResult:
        try:
            StepFunctionsParserBackend._validate_definition(response._get_param("definition"))
        except InvalidDefinition as error:
            problem = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": str(error.message)}
            return ActionResult({"result": "FAIL", "diagnostics": [problem], "truncated": False})
        return ActionResult({"result": "OK", "diagnostics": [], "truncated": False})

    StepFunctionResponse.validate_state_machine_definition = validate


@extension
def function_images() -> None:
    """A function of an image that was given no command shows an empty one, which every plan would remove."""
    from moto.awslambda.models import LambdaFunction

    plain = LambdaFunction.get_configuration

    def configuration(function: Any, on_create: bool = False) -> Any:
        config = plain(function, on_create)
        if not any(config.get("ImageConfigResponse", {}).get("ImageConfig", {}).values()):
            config.pop("ImageConfigResponse", None)
        return config

    LambdaFunction.get_configuration = configuration


@extension
def tasks_of_fargate() -> None:
    """RunTask wants the memory of each container, which Fargate takes from the task."""
    from moto.ecs.models import EC2ContainerServiceBackend

    plain = EC2ContainerServiceBackend._calculate_task_resource_requirements

    def requirements(task_definition: Any) -> Any:
        counted = copy.copy(task_definition)
        counted.container_definitions = [{"memory": 0, **one} for one in task_definition.container_definitions]
        return plain(counted)

    EC2ContainerServiceBackend._calculate_task_resource_requirements = staticmethod(requirements)


@extension
def state_machine_tasks() -> None:
    """Parameters and answers of ECS and of the SDK go through the interpreter unchanged, though boto spells them otherwise; and
    after a first execution, whose threads cannot be copied with its state machine, no second one starts."""
    from botocore import xform_name
    from botocore.session import get_session
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
        StateTaskServiceAwsSdk,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
        StateTaskServiceEcs,
    )
    from moto.stepfunctions.parser.backend.execution import Execution

    def operation(task: Any, action: str | None) -> Any:
        model = get_session().get_service_model(task._get_boto_service_name())
        wanted = action or task._get_boto_service_action()
        return model.operation_model(next(name for name in model.operation_names if xform_name(name) == wanted))

    def parameters(
        task: Any, parameters: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        task._to_boto_request(parameters, operation(task, service_action_name).input_shape)

    def answer(
        task: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        task._from_boto_response(response, operation(task, service_action_name).output_shape)

    for service in (StateTaskServiceAwsSdk, StateTaskServiceEcs):
        service._normalise_parameters = parameters
        service._normalise_response = answer
    Execution.__deepcopy__ = lambda execution, _: execution


@extension
def state_machine_versions() -> None:
    """ListStateMachineVersions is missing, which the provider asks after each change."""
    from moto.core.responses import ActionResult
    from moto.stepfunctions.responses import StepFunctionResponse

    def list_versions(response: Any) -> ActionResult:
        machine = response.stepfunction_backend.describe_state_machine(response._get_param("stateMachineArn"))
        versions = [
            {"stateMachineVersionArn": version.arn, "creationDate": version.creation_date}
            for version in reversed(machine.versions.values())
        ]
        return ActionResult({"stateMachineVersions": versions})

    StepFunctionResponse.list_state_machine_versions = list_versions


@extension
def composite_alarms() -> None:
    """PutCompositeAlarm and the switches of an alarm's actions are missing, though the backend keeps rules."""
    from moto.cloudwatch.responses import CloudWatchResponse
    from moto.core.responses import EmptyResult

    def switch(enabled: bool) -> Any:
        def answer(response: Any) -> Any:
            for alarm in response.cloudwatch_backend.get_alarms_by_alarm_names(response._get_param("AlarmNames", [])):
                alarm.actions_enabled = enabled
            return EmptyResult()

        return answer

    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm
    CloudWatchResponse.enable_alarm_actions = switch(True)
    CloudWatchResponse.disable_alarm_actions = switch(False)


@extension
def xray_configuration() -> None:
    """Groups, sampling rules, their tags and the encryption of X-Ray are missing; it takes traces only."""
    from moto.xray.responses import XRayResponse
    from moto.xray.urls import url_paths

    def state(response: Any) -> Any:
        backend = response.xray_backend
        if not hasattr(backend, "configuration"):
            # Every account has the rule Default.
            default = {
                "RuleName": "Default",
                "ResourceARN": "*",
                "Priority": 10000,
                "FixedRate": 0.05,
                "ReservoirSize": 1,
            }
            default |= {
                "ServiceName": "*",
                "ServiceType": "*",
                "Host": "*",
                "HTTPMethod": "*",
                "URLPath": "*",
                "Version": 1,
            }
            backend.configuration = {
                "groups": {},
                "rules": {"Default": default},
                "encryption": {"Type": "NONE"},
                "tags": {},
            }
        return backend.configuration

    def arn(response: Any, kind: str, name: str) -> str:
        return f"arn:aws:xray:{response.region}:{response.current_account}:{kind}/{name}"

    def refuse(message: str) -> tuple[str, dict[str, Any]]:
        body = json.dumps({"__type": "InvalidRequestException", "Message": message})
        return body, {"status": 400, "x-amzn-errortype": "InvalidRequestException"}

    def group_of(response: Any) -> Any:
        given = response.request_params
        name = given.get("GroupName") or given["GroupARN"].split("/")[1]
        return state(response)["groups"].get(name)

    def create_group(response: Any) -> Any:
        given = response.request_params
        name = given["GroupName"]
        if name in state(response)["groups"]:
            return refuse(f"Group {name} already exists")
        identifier = hashlib.sha256(name.encode()).hexdigest()[:32].upper()
        group = {key: given[key] for key in ("GroupName", "FilterExpression", "InsightsConfiguration") if key in given}
        group["GroupARN"] = arn(response, "group", f"{name}/{identifier}")
        state(response)["groups"][name] = group
        state(response)["tags"][group["GroupARN"]] = given.get("Tags", [])
        return json.dumps({"Group": group})

    def get_group(response: Any) -> Any:
        group = group_of(response)
        return refuse("Group not found") if group is None else json.dumps({"Group": group})

    def update_group(response: Any) -> Any:
        group = group_of(response)
        if group is None:
            return refuse("Group not found")
        given = response.request_params
        group.update({key: given[key] for key in ("FilterExpression", "InsightsConfiguration") if key in given})
        return json.dumps({"Group": group})

    def delete_group(response: Any) -> Any:
        group = group_of(response)
        if group is None:
            return refuse("Group not found")
        del state(response)["groups"][group["GroupName"]]
        return "{}"

    def groups(response: Any) -> Any:
        return json.dumps({"Groups": list(state(response)["groups"].values())})

    def record(rule: Any) -> Any:
        return {"SamplingRule": rule, "CreatedAt": 0, "ModifiedAt": 0}

    def create_sampling_rule(response: Any) -> Any:
        given = response.request_params
        rule = {"Attributes": {}, **given["SamplingRule"]}
        rule["RuleARN"] = arn(response, "sampling-rule", rule["RuleName"])
        state(response)["rules"][rule["RuleName"]] = rule
        state(response)["tags"][rule["RuleARN"]] = given.get("Tags", [])
        return json.dumps({"SamplingRuleRecord": record(rule)})

    def get_sampling_rules(response: Any) -> Any:
        return json.dumps({"SamplingRuleRecords": [record(rule) for rule in state(response)["rules"].values()]})

    def update_sampling_rule(response: Any) -> Any:
        update = response.request_params["SamplingRuleUpdate"]
        rule = state(response)["rules"].get(update.get("RuleName") or update["RuleARN"].split("/")[-1])
        if rule is None:
            return refuse("Sampling rule does not exist")
        rule.update(update)
        return json.dumps({"SamplingRuleRecord": record(rule)})

    def delete_sampling_rule(response: Any) -> Any:
        given = response.request_params
        rule = state(response)["rules"].pop(given.get("RuleName") or given["RuleARN"].split("/")[-1], None)
        return (
            refuse("Sampling rule does not exist") if rule is None else json.dumps({"SamplingRuleRecord": record(rule)})
        )

    def put_encryption_config(response: Any) -> Any:
        given = response.request_params
        state(response)["encryption"] = {**given, "Status": "ACTIVE"}
        return json.dumps({"EncryptionConfig": state(response)["encryption"]})

    def encryption_config(response: Any) -> Any:
        return json.dumps({"EncryptionConfig": state(response)["encryption"]})

    def list_tags_for_resource(response: Any) -> Any:
        return json.dumps({"Tags": state(response)["tags"].get(response.request_params["ResourceARN"], [])})

    def tag_resource(response: Any) -> Any:
        given = response.request_params
        tags = {tag["Key"]: tag for tag in [*state(response)["tags"].get(given["ResourceARN"], []), *given["Tags"]]}
        state(response)["tags"][given["ResourceARN"]] = list(tags.values())
        return "{}"

    def untag_resource(response: Any) -> Any:
        given = response.request_params
        tags = state(response)["tags"].get(given["ResourceARN"], [])
        state(response)["tags"][given["ResourceARN"]] = [tag for tag in tags if tag["Key"] not in given["TagKeys"]]
        return "{}"

    paths = {
        "CreateGroup": create_group,
        "GetGroup": get_group,
        "Groups": groups,
        "UpdateGroup": update_group,
        "DeleteGroup": delete_group,
        "CreateSamplingRule": create_sampling_rule,
        "GetSamplingRules": get_sampling_rules,
        "UpdateSamplingRule": update_sampling_rule,
        "DeleteSamplingRule": delete_sampling_rule,
        "PutEncryptionConfig": put_encryption_config,
        "EncryptionConfig": encryption_config,
        "ListTagsForResource": list_tags_for_resource,
        "TagResource": tag_resource,
        "UntagResource": untag_resource,
    }
    for path, method in paths.items():
        setattr(XRayResponse, method.__name__, method)
        url_paths[f"{{0}}/{path}$"] = XRayResponse.dispatch


@extension
def application_insights() -> None:
    """Application Insights is missing: applications of resource groups, with their tags and nothing behind them."""
    from types import ModuleType

    from moto import backend_index
    from moto.core.base_backend import BackendDict, BaseBackend
    from moto.core.exceptions import ServiceException
    from moto.core.responses import ActionResult, BaseResponse

    class Backend(BaseBackend):
        def __init__(self, region_name: str, account_id: str) -> None:
            super().__init__(region_name, account_id)
            self.applications: dict[str, dict[str, Any]] = {}
            self.tags: dict[str, dict[str, str]] = {}

    backends = BackendDict(Backend, "application-insights")

    class Response(BaseResponse):
        def __init__(self) -> None:
            super().__init__(service_name="application-insights")
            self.automated_parameter_parsing = True

        @property
        def backend(self) -> Backend:
            return backends[self.current_account][self.region]

        def given(self, *names: str) -> dict[str, Any]:
            values = {name: self._get_param(name) for name in names}
            return {name: value for name, value in values.items() if value is not None}

        def application(self) -> dict[str, Any]:
            name = self._get_param("ResourceGroupName")
            if name not in self.backend.applications:
                raise ResourceNotFoundException(f"Application {name} not found")
            return self.backend.applications[name]

        def create_application(self) -> ActionResult:
            name = self._get_param("ResourceGroupName")
            switches = dict.fromkeys(("OpsCenterEnabled", "CWEMonitorEnabled", "AutoConfigEnabled"), False)
            application = {
                "AccountId": self.current_account,
                "LifeCycle": "ACTIVE",
                "DiscoveryType": "RESOURCE_GROUP_BASED",
            }
            application |= switches | self.given("ResourceGroupName", *switches, "OpsItemSNSTopicArn")
            self.backend.applications[name] = application
            arn = f"arn:aws:applicationinsights:{self.region}:{self.current_account}:application/resource-group/{name}"
            self.backend.tags[arn] = {tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])}
            return ActionResult({"ApplicationInfo": application})

        def describe_application(self) -> ActionResult:
            return ActionResult({"ApplicationInfo": self.application()})

        def list_applications(self) -> ActionResult:
            return ActionResult({"ApplicationInfoList": list(self.backend.applications.values())})

        def update_application(self) -> ActionResult:
            application = self.application()
            application |= self.given(
                "OpsCenterEnabled", "CWEMonitorEnabled", "AutoConfigEnabled", "OpsItemSNSTopicArn"
            )
            return ActionResult({"ApplicationInfo": application})

        def delete_application(self) -> ActionResult:
            del self.backend.applications[self.application()["ResourceGroupName"]]
            return ActionResult({})

        def list_tags_for_resource(self) -> ActionResult:
            tags = self.backend.tags.get(self._get_param("ResourceARN"), {})
            return ActionResult({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})

        def tag_resource(self) -> ActionResult:
            tags = self.backend.tags.setdefault(self._get_param("ResourceARN"), {})
            tags |= {tag["Key"]: tag["Value"] for tag in self._get_param("Tags")}
            return ActionResult({})

        def untag_resource(self) -> ActionResult:
            for key in self._get_param("TagKeys"):
                self.backend.tags.get(self._get_param("ResourceARN"), {}).pop(key, None)
            return ActionResult({})

    class ResourceNotFoundException(ServiceException):
        code = "ResourceNotFoundException"

    # moto finds a service by the names of its modules.
    modules = {name: ModuleType(f"moto.applicationinsights{name}") for name in ("", ".models", ".urls")}
    modules[""].applicationinsights_backends = backends
    modules[".urls"].url_bases = [r"https?://applicationinsights\.(.+)\.amazonaws\.com"]
    modules[".urls"].url_paths = {"{0}/$": Response.dispatch}
    Backend.__module__ = modules[".models"].__name__
    sys.modules.update({module.__name__: module for module in modules.values()})
    backend_index.backend_url_patterns.append(
        ("applicationinsights", re.compile(r"https?://applicationinsights\.(.+)\.amazonaws\.com"))
    )


@extension
def backup_recovery_points() -> None:
    """A vault's recovery points cannot be listed, which the provider does before it deletes the vault; there are none."""
    from moto.backup.responses import BackupResponse
    from moto.backup.urls import url_paths

    BackupResponse.list_recovery_points_by_backup_vault = lambda _response: json.dumps({"RecoveryPoints": []})
    url_paths["{0}/backup-vaults/(?P<name>[^/]+)/recovery-points/$"] = BackupResponse.dispatch


@extension
def backup_tags() -> None:
    """ListTags takes the resource from a path with a slash at its end only: the provider sends none and finds no tags."""
    from urllib.parse import unquote

    from moto.backup.responses import BackupResponse

    def list_tags(response: Any) -> str:
        arn = unquote(response.path.rstrip("/").split("/tags/")[-1])
        return json.dumps({"Tags": response.backup_backend.list_tags(arn)})

    BackupResponse.list_tags = list_tags


@extension
def budget_notifications() -> None:
    """Budgets do not tell a notification's subscribers, forget their tags and cannot be changed."""
    from moto.budgets.responses import BudgetsResponse

    tags: dict[str, list[dict[str, str]]] = {}
    create = BudgetsResponse.create_budget

    def create_budget(response: Any) -> str:
        name = response._get_param("Budget")["BudgetName"]
        tags[f"arn:aws:budgets::{response.current_account}:budget/{name}"] = response._get_param("ResourceTags", [])
        answer: str = create(response)
        return answer

    def budget(response: Any) -> Any:
        return response.backend.budgets[response._get_param("AccountId")][response._get_param("BudgetName")]

    def notification(response: Any) -> Any:
        wanted = response._get_param("Notification")
        keys = ("NotificationType", "ComparisonOperator", "Threshold")
        return next(
            entry for entry in budget(response).notifications if all(entry.details[key] == wanted[key] for key in keys)
        )

    def subscribers(response: Any) -> str:
        return json.dumps({"Subscribers": notification(response).subscribers})

    def delete_notification(response: Any) -> str:
        budget(response).notifications.remove(notification(response))
        return "{}"

    def update(response: Any) -> str:
        given = response._get_param("NewBudget")
        stored = response.backend.budgets[response._get_param("AccountId")][given["BudgetName"]]
        stored.budget |= given
        return "{}"

    def list_tags(response: Any) -> str:
        return json.dumps({"ResourceTags": tags.get(response._get_param("ResourceARN"), [])})

    BudgetsResponse.create_budget = create_budget
    BudgetsResponse.update_budget = update
    BudgetsResponse.delete_notification = delete_notification
    BudgetsResponse.describe_subscribers_for_notification = subscribers
    BudgetsResponse.list_tags_for_resource = list_tags


@extension
def cost_anomalies() -> None:
    """Cost Explorer has no anomaly monitors and subscriptions."""
    from moto.ce.responses import CostExplorerResponse
    from moto.moto_api._internal import mock_random

    def keep(kind: str, argument: str, arn_key: str) -> None:
        stored: dict[str, dict[str, Any]] = {}
        plural, snake = f"{argument}s", re.sub(r"(?<!^)(?=[A-Z])", "_", argument).lower()

        def create(response: Any) -> str:
            params = json.loads(response.body)
            arn = f"arn:aws:ce::{response.current_account}:{kind}/{mock_random.uuid4()}"
            stored[arn] = {**params[argument], arn_key: arn, "AccountId": response.current_account}
            response.ce_backend.tag_resource(arn, params.get("ResourceTags") or [])
            return json.dumps({arn_key: arn})

        def get(response: Any) -> str:
            wanted = json.loads(response.body).get(f"{arn_key}List")
            return json.dumps({plural: [entry for arn, entry in stored.items() if not wanted or arn in wanted]})

        def update(response: Any) -> str:
            params = json.loads(response.body)
            stored[params[arn_key]] |= params
            return json.dumps({arn_key: params[arn_key]})

        def delete(response: Any) -> str:
            del stored[json.loads(response.body)[arn_key]]
            return "{}"

        setattr(CostExplorerResponse, f"create_{snake}", create)
        setattr(CostExplorerResponse, f"get_{snake}s", get)
        setattr(CostExplorerResponse, f"update_{snake}", update)
        setattr(CostExplorerResponse, f"delete_{snake}", delete)

    keep("anomalymonitor", "AnomalyMonitor", "MonitorArn")
    keep("anomalysubscription", "AnomalySubscription", "SubscriptionArn")


@extension
def ecs_service_settings() -> None:
    """CreateService drops what UpdateService keeps: capacity providers, deployment, grace period, rebalancing."""
    from moto.core.responses import ActionResult
    from moto.core.utils import camelcase_to_underscores
    from moto.ecs.responses import EC2ContainerServiceResponse

    create = EC2ContainerServiceResponse.create_service
    names = (
        "availabilityZoneRebalancing",
        "capacityProviderStrategy",
        "deploymentConfiguration",
        "enableECSManagedTags",
        "enableExecuteCommand",
        "healthCheckGracePeriodSeconds",
    )

    def create_service(response: Any) -> ActionResult:
        answer = create(response)
        service = answer.result["service"]
        for name in names:
            value = response._get_param(name)
            if value is not None:
                setattr(service, camelcase_to_underscores(name), value)
        if response._get_param("capacityProviderStrategy"):
            # The strategy takes the launch type's place.
            service.launch_type = None
        return answer

    EC2ContainerServiceResponse.create_service = create_service


@extension
def certificates_at_once() -> None:
    """A certificate is issued a minute after it was asked for; here nobody has to find a validation record."""
    from moto import settings

    settings.ACM_VALIDATION_WAIT = 0


@extension
def autoscaling_tags() -> None:
    """Scalable targets have no tags, and the provider asks for them."""
    from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

    tags: dict[str, dict[str, str]] = {}
    register = ApplicationAutoScalingResponse.register_scalable_target

    def register_scalable_target(response: Any) -> str:
        answer: str = register(response)
        tags.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(response._get_param("Tags") or {})
        return answer

    def list_tags(response: Any) -> str:
        return json.dumps({"Tags": tags.get(response._get_param("ResourceARN"), {})})

    def tag(response: Any) -> str:
        tags.setdefault(response._get_param("ResourceARN"), {}).update(response._get_param("Tags"))
        return "{}"

    def untag(response: Any) -> str:
        for key in response._get_param("TagKeys"):
            tags.get(response._get_param("ResourceARN"), {}).pop(key, None)
        return "{}"

    ApplicationAutoScalingResponse.register_scalable_target = register_scalable_target
    ApplicationAutoScalingResponse.list_tags_for_resource = list_tags
    ApplicationAutoScalingResponse.tag_resource = tag
    ApplicationAutoScalingResponse.untag_resource = untag


@extension
def function_settings() -> None:
    """A function's key and log settings are accepted and forgotten, so every plan wants to set them."""
    from moto.awslambda.models import LambdaFunction

    construct = LambdaFunction.__init__
    configuration, update = LambdaFunction.get_configuration, LambdaFunction.update_configuration
    forgotten = ("KMSKeyArn", "LoggingConfig")

    def remember(function: Any, spec: Any) -> None:
        kept = {name: spec[name] for name in forgotten if spec.get(name)}
        function.remembered = {**getattr(function, "remembered", {}), **kept}

    def init(function: Any, *args: Any, **kwargs: Any) -> None:
        construct(function, *args, **kwargs)
        remember(function, kwargs.get("spec") or args[1])

    def get_configuration(function: Any, on_create: bool = False) -> Any:
        return {**configuration(function, on_create), **function.remembered}

    def update_configuration(function: Any, updates: Any) -> Any:
        remember(function, updates)
        return update(function, updates)

    LambdaFunction.__init__ = init
    LambdaFunction.get_configuration = get_configuration
    LambdaFunction.update_configuration = update_configuration


@extension
def queue_attributes() -> None:
    """Queues do not tell RedriveAllowPolicy, space RedrivePolicy out, and forget their policy when another attribute is set."""
    from moto.sqs.models import Queue

    set_attributes, attributes_of = Queue._set_attributes, Queue.attributes.fget

    def set_and_keep(queue: Any, attributes: dict[str, Any], now: float | None = None) -> None:
        set_attributes(queue, {"Policy": getattr(queue, "policy", None), **attributes}, now)

    def attributes(queue: Any) -> dict[str, Any]:
        result: dict[str, Any] = attributes_of(queue)
        # One that was taken back is set to nothing.
        result["RedriveAllowPolicy"] = queue.redrive_allow_policy or None
        if result.get("RedrivePolicy"):
            result["RedrivePolicy"] = json.dumps(json.loads(result["RedrivePolicy"]), separators=(",", ":"))
        return result

    Queue.attributes = property(attributes)
    Queue.redrive_allow_policy = None
    Queue.BASE_ATTRIBUTES = [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]
    Queue._set_attributes = set_and_keep


@extension
def file_system_policy_deletion() -> None:
    """DeleteFileSystemPolicy of EFS is not implemented."""
    from moto.efs.responses import EFSResponse

    def delete_file_system_policy(response: Any) -> tuple[str, dict[str, str | int]]:
        identifier = response._get_param("FileSystemId")
        response.efs_backend.file_systems_by_id[identifier].file_system_policy = None
        return "{}", {"Content-Type": "application/json", "status": 200}

    EFSResponse.delete_file_system_policy = delete_file_system_policy


@extension
def namespace_zone() -> None:
    """The hosted zone that a DNS namespace of Cloud Map made stays when the namespace is deleted; AWS deletes it too."""
    from moto.route53 import route53_backends
    from moto.servicediscovery.models import ServiceDiscoveryBackend
    from moto.utilities.utils import get_partition

    delete = ServiceDiscoveryBackend.delete_namespace

    def delete_namespace(backend: Any, namespace_id: str) -> str:
        namespace = backend.namespaces.get(namespace_id)
        operation: str = delete(backend, namespace_id)
        if zone := (namespace.dns_properties or {}).get("HostedZoneId"):
            route53_backends[backend.account_id][get_partition(backend.region_name)].delete_hosted_zone(zone)
        return operation

    ServiceDiscoveryBackend.delete_namespace = delete_namespace


@extension
def secret_stages() -> None:
    """A label that is moved between a secret's versions is not followed by who reads it without naming a version, nor by who writes it next."""
    from moto.secretsmanager.models import SecretsManagerBackend

    move = SecretsManagerBackend.update_secret_version_stage

    def update(backend: Any, secret_id: str, *arguments: Any, **more: Any) -> Any:
        answer = move(backend, secret_id, *arguments, **more)
        secret = backend.secrets[secret_id]
        for version, about in secret.versions.items():
            if "AWSCURRENT" in about["version_stages"]:
                secret.set_default_version_id(version)
        return answer

    SecretsManagerBackend.update_secret_version_stage = update


def main() -> None:
    for load in EXTENSIONS:
        load()
    from moto.server import main as serve

    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
