"""The embedded AWS under many requests at once, as four Terraforms send them."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from conftest import Estate


def test_many_requests_at_once(estate_of: Callable[[str], Estate]) -> None:
    """Every request is answered at the first attempt, though half of them add to what the others read."""
    estate = estate_of("dev")

    def attempts(answer: dict[str, Any]) -> int:
        return int(answer["ResponseMetadata"]["RetryAttempts"])

    def work(worker: int) -> int:
        client, again = estate.client("cloudwatch"), 0
        for number in range(100):
            name = f"dev-{worker}-{number}"
            if worker % 2:
                again += attempts(client.describe_alarms(AlarmNames=[name] * 100))
                continue
            again += attempts(
                client.put_metric_alarm(
                    AlarmName=name,
                    ComparisonOperator="GreaterThanThreshold",
                    EvaluationPeriods=1,
                    Namespace="AWS/ECS",
                    MetricName="CPUUtilization",
                    Period=60,
                    Statistic="Average",
                    Threshold=1,
                )
            )
        return again

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0
    made = estate.client("cloudwatch").get_paginator("describe_alarms").paginate().build_full_result()
    assert len(made["MetricAlarms"]) == 400


def test_a_second_attempt_gets_the_answer_of_the_first(estate_of: Callable[[str], Estate]) -> None:
    """A connection breaks when its work is done: the SDK sends the same invocation again."""
    estate = estate_of("dev")

    def create(invocation: str) -> tuple[int, list[str]]:
        connection = http.client.HTTPConnection(estate.endpoint.removeprefix("http://"), timeout=30)
        connection.request(
            "POST",
            "/",
            "Action=CreateSecurityGroup&Version=2016-11-15&GroupName=twice&GroupDescription=twice",
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/ap-northeast-2/ec2/aws4_request, "
                "SignedHeaders=host, Signature=0",
                "Amz-Sdk-Invocation-Id": invocation,
            },
        )
        answer = connection.getresponse()
        return answer.status, re.findall(r"<groupId>(sg-\w+)</groupId>", answer.read().decode())

    first, again, other = create("one"), create("one"), create("another")
    assert first[0] == 200
    assert first[1] != []
    assert again == first
    assert other[0] == 400
