"""The record of an operation, against a real moto server: one at a time, resumed by the same, never by another."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from groundwork import operations
from groundwork.operations import OperationError, Records
from moto.server import ThreadedMotoServer

BUCKET = "test-groundwork-state-123456789012"
DEAD = 2**22 + 1  # above Linux' highest process id


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, ip_address="127.0.0.1", verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="ap-northeast-2",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
    finally:
        server.stop()


def me(**other: Any) -> dict[str, Any]:
    pid = os.getpid()
    return {"user": "kim", "host": socket.gethostname(), "pid": pid, "started": operations._process(pid)[1], **other}


@pytest.fixture
def records(s3: Any, request: pytest.FixtureRequest) -> Records:
    made = Records(BUCKET, f"records/{request.node.name}", client=s3)
    made.me = me()
    made.make_bucket()
    return made


def beside(records: Records, **other: Any) -> Records:
    """Another operator's view of the same records."""
    one = Records(records.bucket, records.prefix, client=records._s3)
    one.me = me(**other)
    return one


def test_an_operation_is_opened_noted_and_closed(records: Records) -> None:
    record, resumed = records.open("kafka-drain", {"broker": 3}, ["move 4"], {"plan": [1]})
    assert not resumed
    records.note("moved", "topic-0", {"orders_3": ["x"]})
    closed = records.close("done")
    assert closed is not None
    assert [step["step"] for step in closed["steps"]] == ["opened", "moved", "closed"]
    assert closed["data"] == {"plan": [1], "orders_3": ["x"]}
    assert closed["outcome"] == "done" and closed["key"] == record["key"]
    assert records.read() is None
    assert records.close("done") is None


def test_a_killed_run_gets_its_data_back(records: Records) -> None:
    beside(records, pid=DEAD, started="1").open("kafka-drain", {"broker": 3}, [], {"plan": [1]})
    record, resumed = records.open("kafka-drain", {"broker": 3}, [], {"plan": ["another"]})
    assert resumed
    assert record["data"] == {"plan": [1]}


def test_killed_between_the_two_puts_is_resumed_from_the_pointer(records: Records) -> None:
    record, _ = records.open("kafka-drain", {}, [], {"plan": [1]})
    records._s3.delete_object(Bucket=BUCKET, Key=record["key"])
    again, resumed = records.open("kafka-drain", {}, [], {})
    assert resumed and again["data"] == {"plan": [1]}


def test_another_operation_is_refused_with_who_and_how_to_end_it(records: Records) -> None:
    records.open("kafka-drain", {}, [], {})
    with pytest.raises(OperationError, match=r"kafka-drain is open \(opened .* by kim@.*kafka_operation\.yml"):
        records.open("kafka-restart", {}, [], {})


def test_other_values_are_refused(records: Records) -> None:
    records.open("kafka-drain", {"broker": 3}, [], {})
    with pytest.raises(OperationError, match=r'open with other values .*"broker": 3.*"broker": 2'):
        records.open("kafka-drain", {"broker": 2}, [], {})


@pytest.mark.parametrize(
    "holder", [{"host": "elsewhere", "pid": 4}, {"pid": 1, "started": operations._process(1)[1]}], ids=["far", "here"]
)
def test_two_runs_of_the_same_operation_are_refused(records: Records, holder: dict[str, Any]) -> None:
    beside(records, **holder).open("kafka-drain", {}, [], {})
    with pytest.raises(OperationError, match="is being worked on by kim@"):
        records.open("kafka-drain", {}, [], {})
    assert records.open("kafka-drain", {}, [], {}, takeover=True)[1]


def test_a_silent_run_elsewhere_is_taken_for_dead() -> None:
    now = datetime.now(UTC)
    far = {"host": "elsewhere", "pid": 4, "started": "1"}
    assert operations.alive(far, (now - timedelta(minutes=29)).isoformat(), now, me())
    assert not operations.alive(far, (now - timedelta(minutes=31)).isoformat(), now, me())


def test_of_two_that_open_at_once_one_is_refused(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "read", lambda: None)  # looked before the other one wrote
    beside(records).open("kafka-drain", {}, [], {})
    with pytest.raises(OperationError, match="opened just now"):
        records.open("kafka-restart", {}, [], {})


def test_check_mode_writes_nothing_and_refuses_the_same(records: Records) -> None:
    records.open("kafka-drain", {}, [], {}, check=True)
    assert records.read() is None
    records.open("kafka-drain", {}, [], {})
    with pytest.raises(OperationError, match="one operation at a time"):
        records.open("kafka-restart", {}, [], {}, check=True)


def test_a_missing_bucket_says_what_to_do(s3: Any) -> None:
    with pytest.raises(OperationError, match="00-bootstrap"):
        Records("test-no-such-bucket", "records/x", client=s3).open("kafka-drain", {}, [], {})


def test_nothing_open_cannot_be_noted(records: Records) -> None:
    with pytest.raises(OperationError, match="no operation is open"):
        records.note("moved", "", {})
