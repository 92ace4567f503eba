"""Adopt what a killed run made and no state knows: named resources that a new creation finds already there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..account import open_session_client
from ..aws_client import AwsError

#: How AWS says that a name is taken.
TAKEN = re.compile(
    r"AlreadyExists|already exists|ResourceExistsException|Duplicate|BucketAlreadyOwnedByYou|ResourceInUseException"
    r"|scheduled for deletion|Table already exists",
    re.IGNORECASE,
)
Open = Callable[[str], Any]


def _plain(attribute: str) -> Callable[[Mapping[str, Any], Open], str]:
    return lambda after, _open: str(after[attribute])


def _secret(after: Mapping[str, Any], open_: Open) -> str:
    client = open_("secretsmanager")
    found = client.describe_secret(SecretId=after["name"])
    if found.get("DeletedDate"):
        client.restore_secret(SecretId=after["name"])
    return str(found["ARN"])


def _security_group(after: Mapping[str, Any], open_: Open) -> str:
    filters = [{"Name": "group-name", "Values": [after["name"]]}, {"Name": "vpc-id", "Values": [after["vpc_id"]]}]
    return str(open_("ec2").describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"])


def _oidc(after: Mapping[str, Any], open_: Open) -> str:
    host = str(after["url"]).removeprefix("https://")
    providers = open_("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next(
        str(provider["Arn"]) for provider in providers if str(provider["Arn"]).endswith(f"oidc-provider/{host}")
    )


def _namespace(after: Mapping[str, Any], open_: Open) -> str:
    namespaces = open_("servicediscovery").list_namespaces()["Namespaces"]
    found = next(namespace for namespace in namespaces if namespace["Name"] == after["name"])
    return f"{found['Id']}:{after['vpc']}"


#: How the import id of each type follows from its planned attributes.
IDENTIFIERS: dict[str, Callable[[Mapping[str, Any], Open], str]] = {
    "aws_cloudwatch_log_group": _plain("name"),
    "aws_cloudwatch_metric_alarm": _plain("alarm_name"),
    "aws_db_instance": _plain("identifier"),
    "aws_db_parameter_group": _plain("name"),
    "aws_db_subnet_group": _plain("name"),
    "aws_dynamodb_table": _plain("name"),
    "aws_iam_instance_profile": _plain("name"),
    "aws_iam_openid_connect_provider": _oidc,
    "aws_iam_role": _plain("name"),
    "aws_kms_alias": _plain("name"),
    "aws_s3_bucket": _plain("bucket"),
    "aws_secretsmanager_secret": _secret,
    "aws_security_group": _security_group,
    "aws_service_discovery_private_dns_namespace": _namespace,
}


def adopt(
    planned: Mapping[str, Any],
    diagnostics: str,
    import_: Callable[[str, str], bool],
    environment: Mapping[str, str],
    region: str,
) -> list[str]:
    """Import every resource whose creation failed because its name is taken; the addresses that were imported.

    Only what carries this engine's own names is imported: a name is `{env}-...`, so a foreign resource would have to be
    called like ours in our own account.
    """
    taken = {line.split(": ", 1)[0] for line in diagnostics.splitlines() if ": " in line and TAKEN.search(line)}
    # The reason may stand in the line below the address.
    lines = diagnostics.splitlines()
    taken |= {lines[index - 1].split(": ", 1)[0] for index in range(1, len(lines)) if TAKEN.search(lines[index])}
    adopted = []
    for entry in planned.get("resource_changes", []):
        address, kind = str(entry["address"]), str(entry["type"])
        if address not in taken or kind not in IDENTIFIERS or entry["change"]["actions"] != ["create"]:
            continue
        try:
            identifier = IDENTIFIERS[kind](
                entry["change"]["after"], lambda service: open_session_client(service, region, environment)
            )
        except (KeyError, IndexError, StopIteration, AwsError):
            continue
        if import_(address, identifier):
            adopted.append(address)
    return adopted
