"""What a cluster's answers mean, on answers of real brokers (tests/fixtures/kafka)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from groundwork.kafka import cluster
from groundwork.kafka.client import KafkaProblem, explain, kafka_uuid

FIXTURES = Path(__file__).parents[1] / "fixtures" / "kafka"
EXPECTED = cluster.Expected(brokers=(1, 2, 3), voters=(1, 2, 3))


def state(name: str) -> dict[str, Any]:
    return cluster.summarise(json.loads((FIXTURES / f"{name}.json").read_text()))


def test_healthy_cluster() -> None:
    found = state("healthy")
    assert cluster.judge(found, EXPECTED) == []
    assert found["controllers"] == [1, 2, 3]
    assert found["active_controller"] in {1, 2, 3}
    assert sum(broker["leaders"] for broker in found["brokers"]) == found["partitions"]
    assert found["topics"]["fileflow.uploaded.v1"] == {
        "partitions": 6,
        "replication_factor": 3,
        "min_insync_replicas": 2,
        "internal": False,
    }
    assert found["features"]["kraft.version"]["finalized"] == 1
    assert len(found["log_dirs"]) == 3


def test_cluster_with_a_broker_down() -> None:
    found = state("broker_down")
    reasons = cluster.judge(found, EXPECTED)
    assert any(reason.startswith("broker fenced") and "[3]" in reason for reason in reasons)
    assert any(reason.startswith("partition under-replicated") for reason in reasons)
    assert any(reason.startswith("voter 3 ") for reason in reasons)
    assert found["under_min_isr_partitions"] == []
    assert len(found["at_min_isr_partitions"]) > 0
    assert found["offline_partitions"] == []


def test_inventory_and_cluster_disagree() -> None:
    found = state("healthy")
    reasons = cluster.judge(found, cluster.Expected(cluster_id="another", brokers=(1, 2, 4), voters=(1, 2)))
    assert "not another" in reasons[0]
    assert "a voter that the inventory does not know: [3]" in reasons
    assert "broker not registered: [4]" in reasons
    assert "a broker is registered that the inventory does not know: [3]" in reasons


def change(path: list[Any], value: Any) -> list[str]:
    found = copy.deepcopy(state("healthy"))
    target: Any = found
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return cluster.judge(found, EXPECTED)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["quorum", "leader_id"], -1, "the quorum has no leader"),
        (["under_min_isr_partitions"], ["t-0"], "partition below min ISR: t-0"),
        (
            ["offline_partitions"],
            [f"t-{i}" for i in range(7)],
            "partition without a leader: t-0, t-1, t-2, t-3, t-4 and 2 more",
        ),
        (["log_dirs", 0, "error"], "storage error", "storage error"),
        (["log_dirs", 0, "free_percent"], 1.5, "1.5 % free"),
        (["unreadable"], ["topic t: gone"], "cannot read topic t: gone"),
    ],
)
def test_one_fault(path: list[Any], value: Any, reason: str) -> None:
    assert any(reason in one for one in change(path, value))


def test_lagging_and_silent_voters() -> None:
    found = state("healthy")
    follower = next(voter for voter in found["quorum"]["voters"] if voter["id"] != found["active_controller"])
    follower["lag"] = 500
    assert any("lags by 500 records" in reason for reason in cluster.judge(found, EXPECTED))
    follower.update(lag=None, lag_ms=None)
    assert any("has not fetched" in reason for reason in cluster.judge(found, EXPECTED))


def test_quorum_that_cannot_be_read() -> None:
    raw = json.loads((FIXTURES / "healthy.json").read_text())
    raw["quorum"]["topics"][0]["partitions"][0]["error"] = "LEADER_NOT_AVAILABLE"
    with pytest.raises(KafkaProblem, match="quorum cannot be read"):
        cluster.summarise(raw)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run_gate(answers: list[Any], wanted: int = 3, wait: float = 10.0) -> dict[str, Any]:
    clock = Clock()
    left = iter(answers)

    def ask() -> dict[str, Any]:
        answer = next(left)
        if isinstance(answer, str):
            raise KafkaProblem(answer)
        return {"healthy": answer, "reasons": [] if answer else ["sick"]}

    return cluster.gate(ask, wanted, 1.0, wait, clock=clock, sleep=clock.sleep)


def test_gate_needs_a_run_of_healthy_answers() -> None:
    outcome = run_gate([True, True, False, True, "no broker answers", True, True, True])
    assert (outcome["passed"], outcome["asked"]) == (True, 8)


def test_gate_fails_closed() -> None:
    outcome = run_gate(["no broker answers"] * 20)
    assert (outcome["passed"], outcome["reasons"]) == (False, ["no broker answers"])
    assert run_gate([True, False] * 20)["reasons"] == ["sick"]


def test_gate_does_not_take_an_answer_without_a_verdict_for_healthy() -> None:
    clock = Clock()
    outcome = cluster.gate(dict, 1, 1.0, 3.0, clock=clock, sleep=clock.sleep)
    assert (outcome["passed"], outcome["reasons"]) == (False, ["the answer gave no verdict"])


def test_words() -> None:
    class NoBrokersAvailable(Exception):
        pass

    assert explain(NoBrokersAvailable("NoBrokersAvailable: x")) == "no broker answers (NoBrokersAvailable: x)"
    assert kafka_uuid("f6172938-9fe6-4cda-aa02-2001add48348") == "9hcpOJ_mTNqqAiABrdSDSA"


def test_a_known_absence_is_no_reason() -> None:
    found = state("broker_down")
    missing = {node for nodes in found["missing_replicas"].values() for node in nodes}
    assert len(missing) == 1
    expected = cluster.Expected(brokers=(1, 2, 3), voters=(1, 2, 3), without=frozenset(missing))
    assert cluster.judge(found, expected) == [
        reason for reason in cluster.judge(found, expected) if "below min ISR" in reason or "without a leader" in reason
    ]
    assert cluster.judge(found, EXPECTED) != []


def test_what_a_stop_breaks_is_told() -> None:
    raw = json.loads((FIXTURES / "healthy.json").read_text())
    assert cluster.summarise(raw)["below_min_isr_without"] == {}
    topic = next(one for one in raw["topics"] if one["name"] == "fileflow.uploaded.v1")
    raw["min_isr"]["fileflow.uploaded.v1"] = 3
    broken = cluster.summarise(raw)["below_min_isr_without"]
    assert {label for labels in broken.values() for label in labels} == {
        f"fileflow.uploaded.v1-{part['partition_index']}" for part in topic["partitions"]
    }
    assert set(broken) == {"1", "2", "3"}
