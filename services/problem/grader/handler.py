"""HTTP API of the problem service: takes submissions and orders for problems, starts the state machine, tells the state.

A zip Lambda without dependencies: boto3 comes with the runtime. Answers are JSON; a wrong request is 4xx with what is wrong.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import time
import uuid
from decimal import Decimal
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

log = logging.getLogger()
log.setLevel(os.environ.get("LOG_LEVEL", "INFO"))

LANGUAGES = ("python",)
DIFFICULTIES = ("easy", "medium", "hard")
#: Bytes of a submitted program; an execution's input may have 256 KiB, and the source travels by DynamoDB (400 KiB an item).
MAX_SOURCE = 64 * 1024
MAX_TOPIC = 200
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
#: What a client may see of a problem: the hidden test cases stay in the table.
PUBLIC_PROBLEM = (
    "problem_id",
    "status",
    "title",
    "statement",
    "difficulty",
    "topic",
    "examples",
    "created_at",
    "error",
)
PUBLIC_SUBMISSION = ("submission_id", "problem_id", "language", "status", "verdict", "passed", "total", "results",
                     "created_at", "finished_at", "error")  # fmt: skip


class Refused(Exception):
    """The request cannot be served: HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@cache
def client(service: str) -> Any:
    # The HTTP API gives up after 29 s: fail before it does.
    return boto3.client(service, config=Config(connect_timeout=3, read_timeout=8, retries={"max_attempts": 2}))


@cache
def table(variable: str) -> Any:
    return boto3.resource("dynamodb").Table(os.environ[variable])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Entry point: payload format 2.0 of the HTTP API."""
    route = ROUTES.get(event.get("routeKey", ""))
    try:
        if route is None:
            raise Refused(404, "no such route")
        status, body = route(event)
    except Refused as refused:
        status, body = refused.status, {"error": str(refused)}
    except ClientError as error:
        # The caller learns that it may try again, the log says why.
        log.exception("AWS refused a call")
        status, body = 503, {"error": f"temporarily unavailable ({error.response['Error']['Code']})"}
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body, default=plain),
    }


def plain(value: Any) -> Any:
    """DynamoDB's numbers as JSON numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


# ------------------------------------------------------------------------------------------------------------- requests


def body_of(event: dict[str, Any]) -> dict[str, Any]:
    raw = event.get("body") or ""
    try:
        text = base64.b64decode(raw).decode() if event.get("isBase64Encoded") else raw
        document = json.loads(text)
    except ValueError as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(document, dict):
        raise Refused(400, "the body must be a JSON object")
    return document


def identifier(event: dict[str, Any], name: str) -> str:
    value = str((event.get("pathParameters") or {}).get(name, ""))
    if not IDENTIFIER.fullmatch(value):
        raise Refused(400, f"{name} must be 32 hexadecimal digits")
    return value


def check_submission(document: dict[str, Any]) -> tuple[str, str, str]:
    """Problem, language and source of a submission. All mistakes at once."""
    problem, language, source = (document.get(name) for name in ("problem_id", "language", "source"))
    mistakes = []
    if not isinstance(problem, str) or not IDENTIFIER.fullmatch(problem):
        mistakes.append("problem_id must be 32 hexadecimal digits")
    if language not in LANGUAGES:
        mistakes.append(f"language must be one of {', '.join(LANGUAGES)}")
    if not isinstance(source, str) or not source.strip():
        mistakes.append("source must be the program's text")
    elif len(source.encode()) > MAX_SOURCE:
        mistakes.append(f"source has more than {MAX_SOURCE} bytes")
    if mistakes:
        raise Refused(400, "; ".join(mistakes))
    return str(problem), str(language), str(source)


def check_order(document: dict[str, Any]) -> tuple[str, str]:
    """Topic and difficulty of an ordered problem. All mistakes at once."""
    topic, difficulty = document.get("topic"), document.get("difficulty", "easy")
    mistakes = []
    if not isinstance(topic, str) or not 0 < len(topic.strip()) <= MAX_TOPIC:
        mistakes.append(f"topic must be 1 to {MAX_TOPIC} characters")
    if difficulty not in DIFFICULTIES:
        mistakes.append(f"difficulty must be one of {', '.join(DIFFICULTIES)}")
    if mistakes:
        raise Refused(400, "; ".join(mistakes))
    return str(topic).strip(), str(difficulty)


# --------------------------------------------------------------------------------------------------------------- routes


def submit(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """POST /submissions: store the program, start its grading."""
    problem_id, language, source = check_submission(body_of(event))
    require_images()
    problem = table("PROBLEMS_TABLE").get_item(Key={"problem_id": problem_id}, ConsistentRead=True).get("Item")
    if problem is None:
        raise Refused(404, f"no problem {problem_id}")
    if problem["status"] != "ready":
        raise Refused(409, f"problem {problem_id} is {problem['status']}")
    submission_id = uuid.uuid4().hex
    item = {
        "submission_id": submission_id,
        "problem_id": problem_id,
        "language": language,
        "source": source,
        "status": "queued",
        "created_at": int(time.time()),
        "expires_at": int(time.time()) + int(os.environ["SUBMISSION_DAYS"]) * 86400,
    }
    table("SUBMISSIONS_TABLE").put_item(Item=item, ConditionExpression="attribute_not_exists(submission_id)")
    start("SUBMISSIONS_TABLE", {"submission_id": submission_id}, {"job": "grade", "submission_id": submission_id})
    return 202, {"submission_id": submission_id, "status": "queued"}


def order(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """POST /problems: have a problem made in the background; the WebSocket API shows it while it is made."""
    topic, difficulty = check_order(body_of(event))
    require_images()
    problem_id = uuid.uuid4().hex
    item = {"problem_id": problem_id, "topic": topic, "difficulty": difficulty, "status": "queued",
            "created_at": int(time.time())}  # fmt: skip
    table("PROBLEMS_TABLE").put_item(Item=item, ConditionExpression="attribute_not_exists(problem_id)")
    start("PROBLEMS_TABLE", {"problem_id": problem_id},
          {"job": "generate", "problem_id": problem_id, "topic": topic, "difficulty": difficulty})  # fmt: skip
    return 202, {"problem_id": problem_id, "status": "queued"}


def submission_status(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """GET /submissions/{submission_id}"""
    return 200, public("SUBMISSIONS_TABLE", "submission_id", identifier(event, "submission_id"), PUBLIC_SUBMISSION)


def problem_status(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """GET /problems/{problem_id}"""
    return 200, public("PROBLEMS_TABLE", "problem_id", identifier(event, "problem_id"), PUBLIC_PROBLEM)


ROUTES = {
    "POST /submissions": submit,
    "GET /submissions/{submission_id}": submission_status,
    "POST /problems": order,
    "GET /problems/{problem_id}": problem_status,
}


def require_images() -> None:
    if not os.environ.get("IMAGE_TAG"):
        raise Refused(503, "the images of the problem service have not been pushed yet")


def public(variable: str, key: str, value: str, names: tuple[str, ...]) -> dict[str, Any]:
    item = table(variable).get_item(Key={key: value}, ConsistentRead=True).get("Item")
    if item is None:
        raise Refused(404, f"no {key.removesuffix('_id')} {value}")
    if "results" in item:
        # The state machine stores the runner's list as the text that it read.
        item["results"] = json.loads(item["results"])
    return {name: item[name] for name in names if name in item}


def start(variable: str, key: dict[str, str], job: dict[str, str]) -> None:
    """Start the state machine. The item's id is the execution's name: the same job cannot run twice."""
    (name,) = key.values()
    try:
        client("stepfunctions").start_execution(
            stateMachineArn=os.environ["STATE_MACHINE_ARN"], name=name, input=json.dumps(job)
        )
    except ClientError:
        # An item that nothing works on must not look queued for ever.
        table(variable).update_item(
            Key=key,
            UpdateExpression="SET #status = :failed, #error = :error",
            ExpressionAttributeNames={"#status": "status", "#error": "error"},
            ExpressionAttributeValues={":failed": "failed", ":error": "could not be started; send it again"},
        )
        raise
