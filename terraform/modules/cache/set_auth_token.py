"""Give an ElastiCache replication group its AUTH token.

From the environment: AUTH_TOKEN, REPLICATION_GROUP_ID, AWS_DEFAULT_REGION and what boto3 takes its credentials from. A group
without a token demands this one afterwards. One that has a token accepts this one beside it (strategy ROTATE) until the next
rotation, so that clients can change over without an interruption. May be repeated.
"""

from __future__ import annotations

import os
import sys

#: A change of a group's token takes minutes.
WAIT = {"Delay": 10, "MaxAttempts": 180}


def main() -> int:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        print(f"{sys.executable} has no boto3: put the control environment's Python first on PATH", file=sys.stderr)
        return 1
    group, token = os.environ["REPLICATION_GROUP_ID"], os.environ["AUTH_TOKEN"]
    try:
        client = boto3.client("elasticache", region_name=os.environ["AWS_DEFAULT_REGION"])
        found = client.describe_replication_groups(ReplicationGroupId=group)["ReplicationGroups"][0]
        # SET is allowed after ROTATE only, and is what makes the token mandatory.
        for strategy in ("ROTATE",) if found.get("AuthTokenEnabled") else ("ROTATE", "SET"):
            client.modify_replication_group(
                ReplicationGroupId=group, AuthToken=token, AuthTokenUpdateStrategy=strategy, ApplyImmediately=True
            )
            client.get_waiter("replication_group_available").wait(ReplicationGroupId=group, WaiterConfig=WAIT)
    except (BotoCoreError, ClientError) as error:
        # The error's text names the request, never its token.
        print(f"{group}: its AUTH token was not set: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
