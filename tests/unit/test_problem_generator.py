"""Both generators against a server that speaks Bedrock's event stream and API Gateway's connections, and against moto's DynamoDB."""

from __future__ import annotations

import binascii
import importlib
import json
import struct
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

SERVICE = Path(__file__).parents[2] / "services/problem"
PROBLEM = {
    "title": "Sum",
    "statement": "Add two numbers.",
    "examples": [{"input": "1 1", "output": "2"}],
    "cases": [{"input": f"{number} 1", "output": str(number + 1)} for number in range(5)],
    "limits": {"seconds": 99, "memory_mib": 1},
}


def frame(kind: str, payload: dict[str, Any]) -> bytes:
    """One message of the event stream encoding."""
    headers = b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += (
            struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack("!I", binascii.crc32(message))


class Server(ThreadingHTTPServer):
    """The model's answer to give, the reason of its end, and what was asked and sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.reason = json.dumps(PROBLEM), "end_turn"
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[dict[str, Any]] = []
        self.gone_after = 1000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/live/@connections/"):
            gone = len(self.server.sent) >= self.server.gone_after
            if not gone:
                self.server.sent.append(json.loads(body))
            self.reply(410 if gone else 200, b"{}", **({"x-amzn-errortype": "GoneException"} if gone else {}))
        elif self.path.endswith("/converse-stream"):
            self.server.asked.append((self.path, json.loads(body)))
            text = self.server.answer
            frames = frame("messageStart", {"role": "assistant"})
            for start in range(0, len(text), 50):
                frames += frame(
                    "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text[start : start + 50]}}
                )
            self.reply(200, frames + frame("messageStop", {"stopReason": self.server.reason}))
        else:
            # The function's call of itself.
            self.server.asked.append((self.path, json.loads(body)))
            self.reply(202, b"")

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/vnd.amazon.eventstream", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "ap-northeast-2",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": made.url,
        "AWS_ENDPOINT_URL_LAMBDA": made.url,
        "CONNECTIONS_ENDPOINT": f"{made.url}/live",
        "MODEL_ID": "apac.amazon.nova-lite-v1:0",
        "PROBLEMS_TABLE": "problems",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def table(server: Server) -> Iterator[Any]:
    with mock_aws(config={"core": {"mock_credentials": False, "passthrough": {"urls": [r"http://127\.0\.0\.1:.*"]}}}):
        boto3.client("dynamodb").create_table(
            TableName="problems",
            KeySchema=[{"AttributeName": "problem_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "problem_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield boto3.resource("dynamodb").Table("problems")


def fresh(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program as its image has it: beside `common`, with no client of an earlier test."""
    for module in [
        module for module in sys.modules if module in {"handler", "main"} or module.split(".")[0] == "common"
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(SERVICE)
    monkeypatch.syspath_prepend(SERVICE / folder)
    return importlib.import_module(name)


@pytest.fixture
def streaming(table: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return fresh("generator_streaming", "handler", monkeypatch)


WORK = {"connection": "abc", "problem_id": "0" * 32, "topic": "sums", "difficulty": "easy"}


def test_the_words_reach_the_client_while_they_come(streaming: ModuleType, server: Server, table: Any) -> None:
    assert streaming.handler({"generate": WORK}, None) == {"statusCode": 200}
    kinds = [message["type"] for message in server.sent]
    assert kinds[0] == "started"
    assert kinds[-1] == "done"
    assert kinds.count("chunk") > 1, "not one message at the end"
    assert "".join(message.get("text", "") for message in server.sent) == server.answer
    stored = table.get_item(Key={"problem_id": "0" * 32})["Item"]
    assert (stored["status"], stored["title"], len(stored["cases"])) == ("ready", "Sum", 5)
    assert stored["limits"] == {"seconds": 10, "memory_mib": 64}, "limits stay within what the runner has"
    path, body = server.asked[0]
    assert path == "/model/apac.amazon.nova-lite-v1%3A0/converse-stream"
    assert json.loads(body["messages"][0]["content"][0]["text"]) == {"topic": "sums", "difficulty": "easy"}


def route(key: str, body: Any = None) -> dict[str, Any]:
    return {
        "requestContext": {"routeKey": key, "connectionId": "abc"},
        "body": body if isinstance(body, str) else json.dumps(body),
    }


def test_a_route_hands_the_work_on_and_answers_at_once(streaming: ModuleType, server: Server) -> None:
    context = SimpleNamespace(function_name="dev-problem-generator-streaming")
    message = {"action": "generate", "topic": " sums ", "difficulty": "hard"}
    assert streaming.handler(route("generate", message), context) == {"statusCode": 202}
    (path, body) = server.asked[0]
    assert "/functions/dev-problem-generator-streaming/invocations" in path
    assert {**WORK, **body["generate"]} == {
        **body["generate"],
        "connection": "abc",
        "topic": "sums",
        "difficulty": "hard",
    }


@pytest.mark.parametrize(
    ("key", "body", "said"),
    [
        ("generate", {"topic": ""}, "topic must be"),
        ("generate", "{", "not a JSON object"),
        ("generate", [], "not a JSON object"),
        ("$default", {"action": "other"}, "send"),
    ],
)
def test_wrong_messages_are_answered(streaming: ModuleType, server: Server, key: str, body: Any, said: str) -> None:
    assert streaming.handler(route(key, body), None)["statusCode"] == 200
    (message,) = server.sent
    assert message["type"] == "error"
    assert said in message["error"]


def test_connecting_costs_nothing(streaming: ModuleType, server: Server) -> None:
    for key in ("$connect", "$disconnect"):
        assert streaming.handler(route(key), None) == {"statusCode": 200}
    assert not server.sent
    assert not server.asked


def test_nothing_is_stored_for_a_client_that_left(streaming: ModuleType, server: Server, table: Any) -> None:
    server.gone_after = 2
    streaming.handler({"generate": WORK}, None)
    assert len(server.sent) == 2
    assert table.scan()["Items"] == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (("sorry", "end_turn"), "not JSON"),
        ((json.dumps({**PROBLEM, "cases": [], "title": ""}), "end_turn"), "title is missing; cases must have"),
        ((json.dumps({**PROBLEM, "examples": [{"input": 1}]}), "end_turn"), "each of examples needs"),
        ((json.dumps(PROBLEM), "max_tokens"), "stopped early: max_tokens"),
    ],
)
def test_an_unusable_answer_is_told_and_not_stored(
    streaming: ModuleType, server: Server, table: Any, reply: tuple[str, str], said: str
) -> None:
    server.answer, server.reason = reply
    streaming.handler({"generate": WORK}, None)
    assert server.sent[-1]["type"] == "error"
    assert said in server.sent[-1]["error"]
    assert table.scan()["Items"] == []


def test_the_background_generator(table: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    main = fresh("generator", "main", monkeypatch)
    for name, value in {"PROBLEM_ID": "1" * 32, "TOPIC": "sums", "DIFFICULTY": "easy"}.items():
        monkeypatch.setenv(name, value)
    server.answer = f"```json\n{json.dumps(PROBLEM)}\n```"
    assert main.main() == 0
    assert table.get_item(Key={"problem_id": "1" * 32})["Item"]["status"] == "ready"
    server.answer = "no"
    assert main.main() == 1, "the state machine tries again"
