"""A node whose disk is lost joins anew under its id, and never with the votes of the lost disk."""

from __future__ import annotations

from typing import Any

import pytest
from groundwork.kafka import storage

PREFIX, CLUSTER = "/shared/kafka/test", "UGlpbIryTMGGK3P43_kRGA"
OLD, NEW = "S5ITZ7p8TD-8jZdzwn6jkw", "9hcpOJ_mTNqqAiABrdSDSA"
FIRST, SECOND = "/var/lib/kafka/data", "/var/lib/kafka/data2"
PARAMETERS = {
    f"{PREFIX}/cluster-id": CLUSTER,
    f"{PREFIX}/initial-controllers": f"3@kafka-3.test.internal:9093:{OLD}",
    f"{PREFIX}/nodes/3/directory-id": OLD,
}


def disk(directory_id: str = "") -> dict[str, Any]:
    if not directory_id:
        return {"exists": True, "formatted": False, "empty": True}
    meta = {"cluster_id": CLUSTER, "node_id": 3, "directory_id": directory_id}
    return {"exists": True, "formatted": True, "empty": False, **meta}


def decide(disks: dict[str, Any], recorded: dict[str, str] | None, replacing: list[int]) -> storage.Decision:
    record = {"cluster_id": CLUSTER, "node_id": 3, "directory_ids": recorded} if recorded else None
    node = storage.Node("kafka-3", 3, ("broker", "controller"), "kafka-3.test.internal:9093", disks, record)
    return storage.decide([node], PREFIX, PARAMETERS, {"kafka-3": 3}, replacing=replacing)


@pytest.mark.parametrize("recorded", [None, {FIRST: OLD}])
def test_a_lost_disk_is_formatted_without_initial_controllers(recorded: dict[str, str] | None) -> None:
    assert decide({FIRST: disk()}, recorded, []).problems
    out = decide({FIRST: disk()}, recorded, [3])
    assert out.problems == []
    assert out.nodes["kafka-3"] == {"action": "format", "directory_ids": {}, "initial_controllers": ""}


def test_killed_after_the_format_the_new_disk_is_recorded() -> None:
    assert decide({FIRST: disk(NEW)}, {FIRST: OLD}, []).problems
    out = decide({FIRST: disk(NEW)}, {FIRST: OLD}, [3])
    assert out.problems == []
    assert out.nodes["kafka-3"]["action"] == "keep"
    assert out.parameters == {f"{PREFIX}/nodes/3/directory-id": NEW}


def test_one_lost_log_dir_of_two_is_formatted_beside_the_other() -> None:
    disks = {FIRST: disk(OLD), SECOND: disk()}
    assert decide(disks, {FIRST: OLD, SECOND: NEW}, []).problems
    out = decide(disks, {FIRST: OLD, SECOND: NEW}, [3])
    assert out.problems == []
    assert out.nodes["kafka-3"]["action"] == "format"


def test_the_storage_tool_is_told_to_leave_what_is_formatted() -> None:
    command = storage.format_command("java", "libs", "p", CLUSTER, initial_controllers="", some_formatted=True)
    assert command[-2:] == ["--no-initial-controllers", "--ignore-formatted"]


def test_a_disk_with_files_is_not_formatted_even_then() -> None:
    assert "not empty" in decide({FIRST: {**disk(), "empty": False}}, None, [3]).problems[0]


def test_another_cluster_s_disk_is_refused_even_then() -> None:
    assert decide({FIRST: {**disk(NEW), "cluster_id": "AAAAAAAAAAAAAAAAAAAAAA"}}, None, [3]).problems
