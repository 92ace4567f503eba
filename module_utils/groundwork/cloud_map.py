"""What AWS Cloud Map has registered in a namespace: the private names and where each should lead."""

from __future__ import annotations

from typing import Any

from .aws_client import AwsError, explain, open_client, side_by_side


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page[key]]


def names(namespace_id: str, region: str | None = None) -> dict[str, list[str]]:
    """Addresses by full name; no address where the name is an alias of another."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = open_client("servicediscovery", region)

    def instances(service: dict[str, Any]) -> list[dict[str, Any]]:
        return _pages(client, "list_instances", "Instances", ServiceId=service["Id"])

    try:
        domain = client.get_namespace(Id=namespace_id)["Namespace"]["Name"]
        services = _pages(
            client,
            "list_services",
            "Services",
            Filters=[{"Name": "NAMESPACE_ID", "Values": [namespace_id], "Condition": "EQ"}],
        )
        registered = side_by_side(instances, services)
    except (BotoCoreError, ClientError) as error:
        raise AwsError(explain(error, f"reading the names of Cloud Map namespace {namespace_id}")) from error
    return {
        f"{service['Name']}.{domain}": sorted(
            instance["Attributes"]["AWS_INSTANCE_IPV4"]
            for instance in found
            if "AWS_INSTANCE_IPV4" in instance.get("Attributes", {})
        )
        for service, found in zip(services, registered, strict=True)
        if found
    }
