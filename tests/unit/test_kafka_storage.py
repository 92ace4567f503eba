"""Identity fails closed: what may be formatted, adopted, or must stop the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from groundwork.kafka import storage

PREFIX = "/shared/kafka/test"
CLUSTER = "UGlpbIryTMGGK3P43_kRGA"
OTHER = "AAAAAAAAAAAAAAAAAAAAAA"
DATA = "/var/lib/kafka/data"
DIRECTORIES = {1: "9hcpOJ_mTNqqAiABrdSDSA", 2: "ZY_VirQEQoW4fMPRu_qOvQ", 3: "S5ITZ7p8TD-8jZdzwn6jkw"}
CONTROLLERS = {f"kafka-{i}": i for i in (1, 2, 3)}


def blank(i: int, roles: tuple[str, ...] = ("broker", "controller"), **entry: Any) -> storage.Node:
    disks = {DATA: {"exists": True, "formatted": False, "empty": True, **entry}}
    return storage.Node(f"kafka-{i}", i, roles, f"kafka-{i}.test.internal:9093", disks, None)


def formatted(i: int, recorded: bool = True, **entry: Any) -> storage.Node:
    meta = {"exists": True, "formatted": True, "empty": False, "cluster_id": CLUSTER, "node_id": i}
    disks = {DATA: {**meta, "directory_id": DIRECTORIES[i], **entry}}
    record = {"cluster_id": CLUSTER, "node_id": i, "directory_ids": {DATA: DIRECTORIES[i]}} if recorded else None
    return storage.Node(f"kafka-{i}", i, ("broker", "controller"), f"kafka-{i}.test.internal:9093", disks, record)


def records(*ids: int) -> dict[str, str]:
    initial = ",".join(f"{i}@kafka-{i}.test.internal:9093:{DIRECTORIES[i]}" for i in (1, 2, 3))
    return {
        f"{PREFIX}/cluster-id": CLUSTER,
        f"{PREFIX}/initial-controllers": initial,
        **{f"{PREFIX}/nodes/{i}/directory-id": DIRECTORIES[i] for i in ids},
    }


def decide(nodes: list[storage.Node], parameters: dict[str, str], **more: Any) -> storage.Decision:
    return storage.decide(nodes, PREFIX, parameters, CONTROLLERS, **more)


def test_new_cluster_gets_one_id_and_agreed_directory_ids() -> None:
    out = decide([blank(1), blank(2), blank(3)], {})
    assert out.problems == []
    assert out.cluster_id_source == "made"
    assert storage.is_uuid(out.cluster_id)
    assert set(storage.parse_initial_controllers(out.initial_controllers)) == {1, 2, 3}
    assert {plan["action"] for plan in out.nodes.values()} == {"format"}
    assert {plan["initial_controllers"] for plan in out.nodes.values()} == {out.initial_controllers}
    assert set(out.parameters) == {f"{PREFIX}/cluster-id", f"{PREFIX}/initial-controllers"}


def test_killed_before_the_last_format_goes_on_with_the_same_ids() -> None:
    out = decide([formatted(1), formatted(2), blank(3)], records(1, 2))
    assert out.problems == []
    assert out.nodes["kafka-3"]["action"] == "format"
    assert storage.parse_initial_controllers(out.nodes["kafka-3"]["initial_controllers"])[3] == DIRECTORIES[3]
    assert out.parameters == {}


def test_first_format_needs_every_controller() -> None:
    out = decide([blank(1)], {})
    assert "kafka-2, kafka-3 is not in this run" in out.problems[0]


def test_no_op() -> None:
    out = decide([formatted(1), formatted(2), formatted(3)], records(1, 2, 3))
    assert (out.problems, out.parameters, out.notes) == ([], {}, [])
    assert {plan["action"] for plan in out.nodes.values()} == {"keep"}


def test_lost_record_is_adopted_when_the_disks_agree() -> None:
    out = decide([formatted(1), formatted(2), formatted(3)], {})
    assert out.problems == []
    assert (out.cluster_id, out.cluster_id_source) == (CLUSTER, "adopted")
    assert out.parameters[f"{PREFIX}/cluster-id"] == CLUSTER
    assert out.parameters[f"{PREFIX}/nodes/2/directory-id"] == DIRECTORIES[2]
    assert "adopted" in out.notes[0]


def test_lost_record_and_disagreeing_disks_stop() -> None:
    out = decide([formatted(1), formatted(2, recorded=False, cluster_id=OTHER), formatted(3)], {})
    assert "different clusters" in out.problems[0]
    assert out.parameters == {f"{PREFIX}/nodes/{i}/directory-id": DIRECTORIES[i] for i in (1, 2, 3)}


def test_disk_of_another_cluster_stops() -> None:
    out = decide([formatted(1, recorded=False, cluster_id=OTHER), formatted(2), formatted(3)], records(1, 2, 3))
    assert any(OTHER in problem and "kafka-1" in problem for problem in out.problems)


def test_disk_of_another_node_stops() -> None:
    out = decide([formatted(1), formatted(2), formatted(3, node_id=1)], records(1, 2, 3))
    assert any("node id 1, the inventory says 3" in problem for problem in out.problems)


def test_swapped_disk_stops() -> None:
    out = decide([formatted(1, directory_id=OTHER), formatted(2), formatted(3)], records(1, 2, 3))
    assert any("not the disk that was recorded" in problem for problem in out.problems)
    assert any("identity file says" in problem for problem in out.problems)


@pytest.mark.parametrize("known", ["parameter store", "identity file"])
def test_blank_disk_of_a_recorded_node_is_never_formatted(known: str) -> None:
    node = blank(3)
    if known == "identity file":
        local = {"cluster_id": CLUSTER, "node_id": 3, "directory_ids": {DATA: DIRECTORIES[3]}}
        node = storage.Node(node.name, 3, node.roles, node.endpoint, node.log_dirs, local)
    parameters = records(1, 2, 3) if known == "parameter store" else records(1, 2)
    out = decide([formatted(1), formatted(2), node], parameters)
    assert "formatted before" in out.problems[0]
    assert "replace" in out.problems[0]
    assert out.nodes["kafka-3"]["action"] == "keep"


def test_blank_node_after_lost_records_needs_a_word() -> None:
    nodes = [formatted(1), formatted(2), blank(3)]
    assert "kafka_joining_nodes: [3]" in decide(nodes, {}).problems[0]
    out = decide(nodes, {}, joining=[3])
    assert out.problems == []
    assert out.nodes["kafka-3"] == {"action": "format", "directory_ids": {}, "initial_controllers": ""}


def test_new_broker_joins_without_initial_controllers() -> None:
    out = decide([formatted(1), formatted(2), formatted(3), blank(4, roles=("broker",))], records(1, 2, 3))
    assert out.problems == []
    assert out.nodes["kafka-4"]["action"] == "format"
    assert out.nodes["kafka-4"]["initial_controllers"] == ""


def test_directory_with_something_in_it_is_not_formatted() -> None:
    out = decide([blank(1), blank(2), blank(3, empty=False)], {})
    assert "not empty" in out.problems[0]


def test_same_node_id_twice_stops() -> None:
    twin = storage.Node("kafka-x", 1, ("broker",), "x:9093", blank(1).log_dirs, None)
    assert any("same node id 1" in problem for problem in decide([blank(1), blank(2), blank(3), twin], {}).problems)


def test_every_problem_is_told_at_once() -> None:
    out = decide([formatted(1, node_id=2), formatted(2, cluster_id=OTHER, recorded=False), blank(3)], records(1, 2, 3))
    assert len(out.problems) >= 3


def test_read_storage(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "meta.properties").write_text(
        "#\n#Sat Nov 21 07:28:13 UTC 2026\ncluster.id=UGlpbIryTMGGK3P43_kRGA\ndirectory.id=9hcpOJ_mTNqqAiABrdSDSA\nnode.id=1\nversion=1\n"
    )
    identity = tmp_path / "identity.json"
    found = storage.read_storage([str(data), str(tmp_path / "none")], str(identity))
    assert found["log_dirs"][str(data)] == {
        "exists": True,
        "formatted": True,
        "empty": False,
        "cluster_id": CLUSTER,
        "node_id": 1,
        "directory_id": DIRECTORIES[1],
    }
    assert found["log_dirs"][str(tmp_path / "none")] == {"exists": False, "formatted": False, "empty": True}
    assert found["recorded"] is None
    identity.write_text(json.dumps({"cluster_id": CLUSTER}))
    assert storage.read_storage([str(data)], str(identity))["recorded"] == {"cluster_id": CLUSTER}
    identity.write_text("{")
    with pytest.raises(storage.StorageError, match="not JSON"):
        storage.read_storage([str(data)], str(identity))


def test_format_refuses_a_formatted_directory(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_text("version=1\n")
    with pytest.raises(storage.StorageError, match="will not be formatted again"):
        storage.format_storage(["/bin/false"], [str(tmp_path)], "root")


def test_format_command() -> None:
    command = storage.format_command(
        "java", "/libs", "/etc/kafka/server.properties", CLUSTER, initial_controllers="1@a:9093:x"
    )
    assert command[-2:] == ["--initial-controllers", "1@a:9093:x"]
    assert (
        storage.format_command("java", "/libs", "c", CLUSTER, initial_controllers="")[-1] == "--no-initial-controllers"
    )


def with_second_dir(node: storage.Node, known: bool, **entry: Any) -> storage.Node:
    """The node with a second, blank log dir; known: it was one of its log dirs before."""
    disks = {**node.log_dirs, "/var/lib/kafka/data2": {"exists": True, "formatted": False, "empty": True, **entry}}
    record = dict(node.recorded or {})
    if known:
        record["directory_ids"] = {**record["directory_ids"], "/var/lib/kafka/data2": DIRECTORIES[2]}
    return storage.Node(node.name, node.node_id, node.roles, node.endpoint, disks, record)


def test_a_log_dir_that_was_never_there_is_formatted_beside_the_others() -> None:
    out = decide([with_second_dir(formatted(1), known=False), formatted(2), formatted(3)], records(1, 2, 3))
    assert out.problems == []
    assert out.nodes["kafka-1"]["action"] == "format"
    assert out.nodes["kafka-1"]["initial_controllers"] == ""
    assert out.notes == ["kafka-1: /var/lib/kafka/data2 is a new log dir"]


def test_a_log_dir_that_lost_its_content_is_not_formatted() -> None:
    out = decide([with_second_dir(formatted(1), known=True), formatted(2), formatted(3)], records(1, 2, 3))
    assert "a log dir failed or was not mounted" in out.problems[0]
    assert out.nodes["kafka-1"]["action"] == "keep"


def test_a_new_log_dir_that_is_not_empty_is_refused() -> None:
    out = decide(
        [with_second_dir(formatted(1), known=False, empty=False), formatted(2), formatted(3)], records(1, 2, 3)
    )
    assert "is to be a new log dir but is not empty" in out.problems[0]
