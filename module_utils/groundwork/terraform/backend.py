"""The buckets that hold states: made, adopted and removed without Terraform, which needs them before its first plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..account import open_session_client
from ..aws_client import AwsError, error_code, explain

NOT_THERE = frozenset({"404", "NoSuchBucket", "NotFound", "ResourceNotFoundException"})


@dataclass(frozen=True)
class Names:
    """Names of what holds the states of an environment; components/00-bootstrap derives the same ones."""

    bootstrap_bucket: str
    state_bucket: str
    lock_table: str

    @classmethod
    def of(cls, env: str, account_id: str) -> Names:
        return cls(
            bootstrap_bucket=f"{env}-groundwork-bootstrap-{account_id}",
            state_bucket=f"{env}-groundwork-state-{account_id}",
            lock_table=f"{env}-groundwork-state-lock",
        )


class Backend:
    """The state buckets of one environment."""

    def __init__(self, names: Names, account_id: str, region: str, environment: Mapping[str, str]) -> None:
        self.names = names
        self._account_id = account_id
        self._region = region
        self._s3 = open_session_client("s3", region, environment)
        self._dynamodb: Callable[[], Any] = lambda: open_session_client("dynamodb", region, environment)

    def bucket_exists(self, bucket: str) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self._account_id)
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                return False
            if error_code(error) in {"403", "AccessDenied"}:
                raise AwsError(
                    f"state bucket {bucket}: it exists, but is not of account {self._account_id} or s3:ListBucket is not "
                    "allowed. Remedy: give this role the state rights of components/40-iam (ci_state)."
                ) from error
            raise AwsError(explain(error, f"looking for the state bucket {bucket}")) from error
        except BotoCoreError as error:
            raise AwsError(explain(error, f"looking for the state bucket {bucket}")) from error
        return True

    def table_exists(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._dynamodb().describe_table(TableName=self.names.lock_table)
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                return False
            raise AwsError(explain(error, f"looking for the lock table {self.names.lock_table}")) from error
        except BotoCoreError as error:
            raise AwsError(explain(error, f"looking for the lock table {self.names.lock_table}")) from error
        return True

    def has_state(self, bucket: str, key: str) -> bool:
        """Whether a component was ever applied."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                return False
            raise AwsError(explain(error, f"looking for the state s3://{bucket}/{key}")) from error
        except BotoCoreError as error:
            raise AwsError(explain(error, f"looking for the state s3://{bucket}/{key}")) from error
        return True

    def write_json(self, bucket: str, key: str, document: Mapping[str, Any]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._s3.put_object(
                Bucket=bucket, Key=key, Body=json.dumps(document, indent=2).encode(), ContentType="application/json"
            )
        except (BotoCoreError, ClientError) as error:
            raise AwsError(explain(error, f"writing s3://{bucket}/{key}")) from error

    def make_bootstrap_bucket(self, tags: Mapping[str, str]) -> None:
        """Make the bucket of the bootstrap component's own state. Every step can be repeated on what a killed run left."""
        from botocore.exceptions import BotoCoreError, ClientError

        bucket = self.names.bootstrap_bucket
        try:
            if not self.bucket_exists(bucket):
                # us-east-1 is the one region that S3 does not take as a location constraint.
                location = {} if self._region == "us-east-1" else {"LocationConstraint": self._region}
                self._s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": location} if location else {}))
            self._s3.put_public_access_block(
                Bucket=bucket,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            )
            self._s3.put_bucket_encryption(
                Bucket=bucket,
                ServerSideEncryptionConfiguration={
                    "Rules": [
                        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
                    ]
                },
            )
            self._s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            self._s3.put_bucket_tagging(
                Bucket=bucket, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
            )
        except (BotoCoreError, ClientError) as error:
            raise AwsError(explain(error, f"making the bootstrap bucket {bucket}")) from error

    def bootstrap_bucket_ready(self) -> bool:
        """Whether the bucket is there and finished: versioning is set last but for the tags."""
        from botocore.exceptions import BotoCoreError, ClientError

        bucket = self.names.bootstrap_bucket
        if not self.bucket_exists(bucket):
            return False
        try:
            if self._s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
                return False
            return bool(self._s3.get_bucket_tagging(Bucket=bucket)["TagSet"])
        except ClientError as error:
            if error_code(error) == "NoSuchTagSet":
                return False
            raise AwsError(explain(error, f"reading the bootstrap bucket {bucket}")) from error
        except BotoCoreError as error:
            raise AwsError(explain(error, f"reading the bootstrap bucket {bucket}")) from error

    def remove_bootstrap_bucket(self) -> bool:
        """Remove the bootstrap bucket with every version in it; called when nothing is left that it describes."""
        from botocore.exceptions import BotoCoreError, ClientError

        bucket = self.names.bootstrap_bucket
        if not self.bucket_exists(bucket):
            return False
        try:
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                objects = [
                    {"Key": entry["Key"], "VersionId": entry["VersionId"]}
                    for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                ]
                if objects:
                    self._s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            self._s3.delete_bucket(Bucket=bucket)
        except (BotoCoreError, ClientError) as error:
            raise AwsError(explain(error, f"removing the bootstrap bucket {bucket}")) from error
        return True
