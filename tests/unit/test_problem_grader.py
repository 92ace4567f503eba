"""The grader Lambda against a real moto server: request → DynamoDB → state machine → answer."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest

SOURCE = Path(__file__).parents[2] / "services/problem/grader/handler.py"
PROBLEM = "0" * 32
TABLES = {"problems": "problem_id", "submissions": "submission_id"}


@pytest.fixture(scope="module")
def grader() -> Iterator[ModuleType]:
    """The handler as Lambda loads it, with its environment, tables and state machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    patch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "ap-northeast-2",
        "IMAGE_TAG": "1.0.0",
        "PROBLEMS_TABLE": "problems",
        "SUBMISSIONS_TABLE": "submissions",
        "SUBMISSION_DAYS": "90",
    }.items():
        patch.setenv(name, value)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the moto server ended at once"
                assert time.monotonic() < deadline, "the moto server did not answer within 60 s"
                time.sleep(0.2)
        for table, key in TABLES.items():
            boto3.client("dynamodb").create_table(
                TableName=table,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        machine = boto3.client("stepfunctions").create_state_machine(
            name="grader",
            definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
            roleArn="arn:aws:iam::123456789012:role/states",
        )
        patch.setenv("STATE_MACHINE_ARN", machine["stateMachineArn"])
        item(
            "problems",
            {
                "problem_id": PROBLEM,
                "status": "ready",
                "title": "Sum",
                "cases": [{"input": "1 2", "output": "hidden"}],
                "examples": [{"input": "1 1", "output": "2"}],
            },
        )
        spec = importlib.util.spec_from_file_location("problem_grader", SOURCE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        patch.undo()
        server.terminate()
        server.wait(timeout=20)


def item(table: str, values: dict[str, Any]) -> None:
    boto3.resource("dynamodb").Table(table).put_item(Item=values)


def ask(grader: ModuleType, route: str, body: Any = None, **path: str) -> tuple[int, dict[str, Any]]:
    event = {"routeKey": route, "pathParameters": path, "body": body if isinstance(body, str) else json.dumps(body)}
    answer = grader.handler(event, None)
    assert answer["headers"]["content-type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"])


def submission(**changes: Any) -> dict[str, Any]:
    return {"problem_id": PROBLEM, "language": "python", "source": "print(5)", **changes}


def test_a_submission_is_stored_and_its_grading_started(grader: ModuleType) -> None:
    before = int(time.time())
    status, answer = ask(grader, "POST /submissions", submission())
    assert (status, answer["status"]) == (202, "queued"), answer
    name = answer["submission_id"]
    stored = boto3.resource("dynamodb").Table("submissions").get_item(Key={"submission_id": name})["Item"]
    assert (stored["source"], stored["problem_id"], stored["status"]) == ("print(5)", PROBLEM, "queued")
    assert 0 <= stored["expires_at"] - before - 90 * 86400 < 60
    states = boto3.client("stepfunctions")
    arn = os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{name}"
    execution = states.describe_execution(executionArn=arn)
    assert json.loads(execution["input"]) == {"job": "grade", "submission_id": name}
    assert ask(grader, "GET /submissions/{submission_id}", submission_id=name)[1]["status"] == "queued"


def test_a_verdict_is_told_as_json(grader: ModuleType) -> None:
    name = "a" * 32
    results = [{"verdict": "accepted", "milliseconds": 31, "message": ""}]
    item(
        "submissions",
        {"submission_id": name, "problem_id": PROBLEM, "source": "secret", "status": "graded", "verdict": "accepted",
         "passed": 1, "total": 1, "results": json.dumps(results)},
    )  # fmt: skip
    status, answer = ask(grader, "GET /submissions/{submission_id}", submission_id=name)
    assert (status, answer["passed"], answer["results"]) == (200, 1, results)
    assert "source" not in answer


def test_hidden_cases_stay_hidden(grader: ModuleType) -> None:
    status, answer = ask(grader, "GET /problems/{problem_id}", problem_id=PROBLEM)
    assert (status, answer["examples"]) == (200, [{"input": "1 1", "output": "2"}])
    assert "hidden" not in json.dumps(answer)


def test_a_problem_is_ordered(grader: ModuleType) -> None:
    status, answer = ask(grader, "POST /problems", {"topic": " graphs ", "difficulty": "hard"})
    assert (status, answer["status"]) == (202, "queued"), answer
    stored = boto3.resource("dynamodb").Table("problems").get_item(Key={"problem_id": answer["problem_id"]})["Item"]
    assert (stored["topic"], stored["difficulty"], stored["status"]) == ("graphs", "hard", "queued")
    assert ask(grader, "POST /submissions", submission(problem_id=answer["problem_id"]))[0] == 409


@pytest.mark.parametrize(
    ("route", "body", "status", "said"),
    [
        ("POST /submissions", "{", 400, "not JSON"),
        ("POST /submissions", [], 400, "object"),
        ("POST /submissions", {}, 400, "problem_id must be .*language must be .*source must be"),
        ("POST /submissions", submission(language="cobol"), 400, "language must be one of python"),
        ("POST /submissions", submission(source="x" * 65537), 400, "more than 65536 bytes"),
        ("POST /submissions", submission(problem_id="f" * 32), 404, "no problem"),
        ("POST /submissions", submission(problem_id="../../etc"), 400, "32 hexadecimal"),
        ("POST /problems", {"topic": "", "difficulty": "absurd"}, 400, "topic must be .*difficulty must be"),
        ("POST /problems", {"topic": "x" * 201}, 400, "topic must be"),
        ("DELETE /problems", {}, 404, "no such route"),
    ],
)
def test_wrong_requests(grader: ModuleType, route: str, body: Any, status: int, said: str) -> None:
    answered, answer = ask(grader, route, body)
    assert answered == status, answer
    assert re.search(said, answer["error"])


def test_a_body_may_be_base64(grader: ModuleType) -> None:
    body = base64.b64encode(json.dumps(submission()).encode()).decode()
    answer = grader.handler({"routeKey": "POST /submissions", "body": body, "isBase64Encoded": True}, None)
    assert answer["statusCode"] == 202


def test_unknown_ids(grader: ModuleType) -> None:
    assert ask(grader, "GET /submissions/{submission_id}", submission_id="b" * 32)[0] == 404
    assert ask(grader, "GET /submissions/{submission_id}", submission_id="%2e")[0] == 400


def test_what_cannot_be_started_does_not_look_queued(grader: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn:aws:states:ap-northeast-2:123456789012:stateMachine:none")
    status, answer = ask(grader, "POST /submissions", submission())
    assert (status, answer["error"]) == (503, "temporarily unavailable (StateMachineDoesNotExist)")
    stored = boto3.resource("dynamodb").Table("submissions").scan()["Items"]
    assert [entry["status"] for entry in stored if entry.get("error")] == ["failed"]


def test_without_images_nothing_is_accepted(grader: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_TAG", "")
    assert ask(grader, "POST /submissions", submission())[0] == 503
    assert ask(grader, "POST /problems", {"topic": "graphs"})[0] == 503
