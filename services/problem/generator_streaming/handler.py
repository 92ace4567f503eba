"""WebSocket API of the problem service: makes a problem and shows the model's words while they come.

API Gateway waits 29 s for an integration, a model may need minutes: the route's call hands the work to a second,
asynchronous call of the same function and answers at once.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError
from common import problems

log = logging.getLogger()
log.setLevel(os.environ.get("LOG_LEVEL", "INFO"))

#: Characters a message: a post for each token would be slower than the model. API Gateway takes 32 KiB a frame.
CHUNK = 200


class Gone(Exception):
    """The client has left: no more words are bought for it."""


@cache
def management(endpoint: str) -> Any:
    return boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)


@cache
def functions() -> Any:
    return boto3.client("lambda")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Entry point of the WebSocket routes and of the asynchronous call."""
    if "generate" in event:
        generate(event["generate"])
        return {"statusCode": 200}
    request = event["requestContext"]
    route = request["routeKey"]
    if route in {"$connect", "$disconnect"}:
        return {"statusCode": 200}
    connection = request["connectionId"]
    if route != "generate":
        return reply(connection, {"type": "error", "error": 'send {"action": "generate", "topic": …, "difficulty": …}'})
    try:
        document = json.loads(event.get("body") or "")
        if not isinstance(document, dict):
            raise ValueError("no object")
        topic, difficulty = problems.check_order(document.get("topic"), document.get("difficulty", "easy"))
    except problems.BadProblem as error:
        return reply(connection, {"type": "error", "error": str(error)})
    except ValueError:
        return reply(connection, {"type": "error", "error": "the message is not a JSON object"})
    work = {"connection": connection, "problem_id": uuid.uuid4().hex, "topic": topic, "difficulty": difficulty}
    functions().invoke(
        FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps({"generate": work}).encode()
    )
    return {"statusCode": 202}


def generate(work: dict[str, str]) -> None:
    """Stream the model's answer to the client, then store the problem and tell its id."""
    connection, problem_id = work["connection"], work["problem_id"]
    text, waiting = "", ""
    try:
        send(connection, {"type": "started", "problem_id": problem_id})
        for piece in problems.stream(work["topic"], work["difficulty"]):
            text += piece
            waiting += piece
            if len(waiting) >= CHUNK:
                send(connection, {"type": "chunk", "text": waiting})
                waiting = ""
        if waiting:
            send(connection, {"type": "chunk", "text": waiting})
        problem = problems.parse(text)
        problems.store(problem_id, work["topic"], work["difficulty"], problem)
        send(connection, {"type": "done", "problem_id": problem_id, "title": problem["title"]})
    except Gone:
        log.info("connection %s has left", connection)
    except problems.BadProblem as error:
        tell(connection, str(error))
    except ClientError as error:
        log.exception("AWS refused a call")
        tell(connection, f"temporarily unavailable ({error.response['Error']['Code']})")


def reply(connection: str, message: dict[str, Any]) -> dict[str, Any]:
    try:
        send(connection, message)
    except Gone:
        return {"statusCode": 410}
    return {"statusCode": 200}


def tell(connection: str, error: str) -> None:
    try:
        send(connection, {"type": "error", "error": error})
    except Gone:
        log.info("connection %s left before it could be told: %s", connection, error)


def send(connection: str, message: dict[str, Any]) -> None:
    try:
        management(os.environ["CONNECTIONS_ENDPOINT"]).post_to_connection(
            ConnectionId=connection, Data=json.dumps(message).encode()
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "GoneException":
            raise Gone from error
        raise
