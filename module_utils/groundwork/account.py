"""Whose AWS account is this? Asked before anything is touched, and answered in one line when it is the wrong one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .aws_client import AwsError, explain

#: Settings of the caller's shell that would mix with the credentials of an environment that brings its own.
CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@dataclass(frozen=True)
class Identity:
    """Who asks, and in which account."""

    account_id: str
    arn: str


def merged_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The process environment with `environment` over it; its own credentials, if it has some, replace all others."""
    merged = dict(os.environ)
    if "AWS_ACCESS_KEY_ID" in environment or "AWS_PROFILE" in environment:
        for name in CREDENTIAL_VARIABLES:
            merged.pop(name, None)
    merged.update({name: str(value) for name, value in environment.items()})
    return merged


def open_session_client(service: str, region: str, environment: Mapping[str, str]) -> Any:
    """A boto3 client from an explicit environment, for callers whose own process environment is another one."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise AwsError(
            f"Python package '{error.name}' is missing for {service}: install boto3 into the Python that runs Ansible."
        ) from error
    from botocore.exceptions import BotoCoreError

    merged = merged_environment(environment)
    own_keys = "AWS_ACCESS_KEY_ID" in environment
    try:
        session = boto3.session.Session(
            aws_access_key_id=merged.get("AWS_ACCESS_KEY_ID") if own_keys else None,
            aws_secret_access_key=merged.get("AWS_SECRET_ACCESS_KEY") if own_keys else None,
            aws_session_token=merged.get("AWS_SESSION_TOKEN") if own_keys else None,
            profile_name=environment.get("AWS_PROFILE"),
            region_name=region,
        )
        endpoint = merged.get(f"AWS_ENDPOINT_URL_{service.upper()}") or merged.get("AWS_ENDPOINT_URL")
        # The service is not a literal here, so the stubs' overloads cannot say which client it is.
        connect: Callable[..., Any] = session.client
        return connect(
            service,
            endpoint_url=endpoint or None,
            config=Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=30),
        )
    except (BotoCoreError, ValueError) as error:
        raise AwsError(explain(error, f"opening a client of {service}")) from error


def check_account(account_id: str, region: str, environment: Mapping[str, str], name: str) -> Identity:
    """The identity behind the credentials, or one line why the run cannot go on. Nothing is touched either way."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = open_session_client("sts", region, environment)
    try:
        answer = client.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        endpoint = merged_environment(environment).get("AWS_ENDPOINT_URL", "")
        where = f" at {endpoint}" if endpoint else ""
        raise AwsError(
            explain(error, f"{name}: asking AWS{where} for the account of the credentials (must be {account_id})")
            + " Nothing was touched."
        ) from error
    found = Identity(account_id=str(answer["Account"]), arn=str(answer["Arn"]))
    if found.account_id != account_id:
        raise AwsError(
            f"{name}: the credentials are of account {found.account_id} ({found.arn}), the inventory names {account_id}. "
            f"Remedy: log in to account {account_id}, or set AWS_PROFILE. Nothing was touched."
        )
    return found
