"""The embedded AWS: moto's server with the few things it lacks for the real Terraform provider.

Run it like moto's own server: ``python moto_extensions.py -H 0.0.0.0 -p 5000``. Each extension is one function that names
the gap it closes (moto 5.2.1); one that moto has outgrown is deleted.
"""

from __future__ import annotations

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


def main() -> None:
    for load in EXTENSIONS:
        load()
    from moto.server import main as serve

    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
