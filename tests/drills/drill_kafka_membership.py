"""The drill `kafka-membership`: add a broker, drain it, take it out, replace one whose disk is lost; all under load."""

from __future__ import annotations

import json
import time
from pathlib import Path

from conftest import Drill, Run
from drills.harness import (
    NODES,
    Observed,
    assert_predicted,
    broker_dies,
    killed_at,
    killed_then_broker_dies,
    pids,
    state,
    under_load,
    until,
    until_whole,
)

ADD = "playbooks/breakglass/kafka_add_brokers.yml"
DRAIN = "playbooks/breakglass/kafka_drain.yml"
REPLACE = "playbooks/breakglass/kafka_replace_broker.yml"
REASSIGN = "playbooks/breakglass/kafka_reassign.yml"
SCALE = "playbooks/kafka_scale.yml"


def on(drill: Drill, node: int) -> int:
    """Replicas on a node."""
    return sum(node in part["replicas"] for part in state(drill)["partitions"].values())


def done(run: Run) -> Run:
    assert run.code == 0, run.output[-8000:]
    return run


def worked(drill: Drill, name: str, playbook: str, *arguments: str, four: bool = False) -> tuple[Run, Observed]:
    """Predicted in check mode, then really done under load."""
    predicted = done(drill.run(playbook, *arguments, "--check", four=four))
    with under_load(drill, name) as seen:
        run = done(drill.run(playbook, *arguments, four=four))
    assert_predicted(predicted, run)
    return run, seen


def refused(drill: Drill, playbook: str, *arguments: str, expected: str, four: bool = False) -> None:
    before, placed = pids(drill), {name: part["replicas"] for name, part in state(drill)["partitions"].items()}
    run = drill.run(playbook, *arguments, four=four)
    assert run.code != 0, run.output[-4000:]
    assert expected in run.output, run.output[-6000:]
    assert "Traceback" not in run.output
    assert pids(drill) == before
    assert {name: part["replicas"] for name, part in state(drill)["partitions"].items()} == placed


def test_a_broker_is_added(drill: Drill) -> None:
    _, seen = worked(drill, "add broker 4", ADD, four=True)
    seen.assert_unnoticed()
    assert state(drill)["brokers"] == [1, 2, 3, 4]
    assert on(drill, 4) > 0


def test_wrong_input_moves_nothing(drill: Drill, tmp_path: Path) -> None:
    refused(drill, DRAIN, "-e", "node=9", expected="There is no node 9", four=True)
    refused(drill, DRAIN, "-e", "node=4", expected="-e confirm=local-kafka-drain-4", four=True)
    refused(drill, DRAIN, "-e", "node=4", "-e", "confirm=prod-kafka-drain-4", expected="is another target", four=True)
    refused(drill, DRAIN, "-e", "node=4", "-e", "kafka_maintenance_throttle=0", "-e", "confirm=local-kafka-drain-4",
            expected="The throttle is 0", four=True)  # fmt: skip
    plan = tmp_path / "plan.json"
    done(drill.run(REASSIGN, "-e", f"plan_file={plan}", four=True))
    told = json.loads(plan.read_text())
    plan.write_text(json.dumps({**told, "cluster_id": "AAAAAAAAAAAAAAAAAAAAAA"}))
    refused(drill, REASSIGN, "-e", "do=execute", "-e", f"plan_file={plan}", "-e", "confirm=local-kafka-reassign",
            expected="AAAAAAAAAAAAAAAAAAAAAA", four=True)  # fmt: skip


def test_it_is_drained_although_killed(drill: Drill, tmp_path: Path) -> None:
    arguments = ("-e", "node=4", "-e", "confirm=local-kafka-drain-4")
    points = (
        r"TASK \[.*Open the record\]",
        r"TASK \[.*: Cordon\]",
        r"TASK \[.*Start what is still to be moved\]",
        r"TASK \[.*Wait until nothing moves",
        r"TASK \[.*Bring preferred leaders back\]",
    )
    with under_load(drill, "drain of broker 4, killed at five points") as seen:
        for number, point in enumerate(points):
            assert killed_at(
                drill, [DRAIN, *drill.inventory(four=True), *arguments], point, 1, tmp_path / f"{number}.log"
            ), point
        done(drill.run(DRAIN, *arguments, four=True))
    assert on(drill, 4) == 0
    seen.assert_unnoticed()


def test_it_is_taken_out(drill: Drill) -> None:
    arguments = ("-e", "node=4", "-e", "do=decommission", "-e", "confirm=local-kafka-decommission-4")
    _, seen = worked(drill, "decommission of broker 4", DRAIN, *arguments, four=True)
    assert state(drill)["brokers"] == [1, 2, 3]
    seen.assert_unnoticed()


def test_the_catalogs_number_is_reached_both_ways(drill: Drill) -> None:
    """The hosts are there: in an estate of Terraform's they come and go in the step that is left out here."""
    hosts = ("--skip-tags", "skeleton")
    with under_load(drill, "scale out to four") as seen:
        done(drill.run(SCALE, *hosts, "-e", "kafka_maintenance_brokers=4", four=True))
    assert state(drill)["brokers"] == [1, 2, 3, 4]
    assert on(drill, 4) > 0
    seen.assert_unnoticed()
    refused(drill, SCALE, *hosts, expected="-e confirm=local-kafka-scale-3", four=True)
    _, seen = worked(drill, "scale in to three", SCALE, *hosts, "-e", "confirm=local-kafka-scale-3", four=True)
    assert state(drill)["brokers"] == [1, 2, 3]
    seen.assert_unnoticed()


def as_new(drill: Drill, host: str) -> None:
    """A host that Terraform makes has an empty disk and no record of a node; the one that was taken out here keeps both."""
    drill.on(host, "sh", "-c", "rm -rf /var/lib/kafka/data/* /var/lib/kafka/data/.[!.]* /etc/kafka/identity.json")


def test_it_is_added_although_killed_and_a_broker_dies(drill: Drill, tmp_path: Path) -> None:
    as_new(drill, "local-kafka-4")
    points = (
        r"TASK \[.*Format the node once",
        r"TASK \[.*Wait until the cluster is healthy\]",
        r"TASK \[.*Open the record\]",
        r"TASK \[.*Start what is still to be moved\]",
        r"TASK \[.*Bring preferred leaders back\]",
    )
    with under_load(drill, "add broker 4, killed at five points, and a broker dies") as seen:
        dies = (r"TASK \[.*Gate before\]", NODES[1])
        killed_then_broker_dies(drill, [ADD, *drill.inventory(four=True)], points, dies, tmp_path)
    seen.assert_nothing_lost()
    assert state(drill)["brokers"] == [1, 2, 3, 4]
    assert on(drill, 4) > 0


def test_it_is_drained_and_taken_out_although_a_broker_dies(drill: Drill, tmp_path: Path) -> None:
    arguments = ["-e", "node=4", "-e", "do=decommission", "-e", "confirm=local-kafka-decommission-4"]
    with under_load(drill, "decommission of broker 4, and a broker dies") as seen:
        command = [DRAIN, *drill.inventory(four=True), *arguments]
        broker_dies(drill, command, r"TASK \[.*Start what is still to be moved\]", NODES[1], tmp_path / "run.log")
    seen.assert_nothing_lost()
    assert state(drill)["brokers"] == [1, 2, 3]


REPLACE_3 = (REPLACE, "-e", "node=3", "-e", "confirm=local-kafka-replace-3")


def lose_disk_3(drill: Drill) -> None:
    """The dead one is dead before the work begins: only then must two replicas be enough."""
    host = NODES[2]
    drill.on(host, "systemctl", "kill", "--signal=KILL", "kafka")
    drill.on(host, "systemctl", "stop", "kafka")
    drill.on(host, "sh", "-c", "rm -rf /var/lib/kafka/data/* /var/lib/kafka/data/.[!.]*")


def test_a_broker_whose_disk_is_lost_is_replaced(drill: Drill) -> None:
    """Same id, new disk. Its death is noticed, for as long as the cluster takes to believe it; its replacement is not."""
    with under_load(drill, "death of broker 3") as died:
        lose_disk_3(drill)
        until("others lead", lambda: all(part["leader"] != 3 for part in state(drill)["partitions"].values()), 60)
        time.sleep(5)
    died.assert_nothing_lost()
    with under_load(drill, "replacement of broker 3") as seen:
        done(drill.run(*REPLACE_3))
    until_whole(drill)
    seen.assert_unnoticed()
    assert state(drill)["voters"] == [1, 2, 3]


def test_it_is_replaced_although_killed_and_a_broker_dies(drill: Drill, tmp_path: Path) -> None:
    points = (
        r"TASK \[.*Open the record\]",
        r"TASK \[.*Take the lost disk out of the quorum\]",
        r"TASK \[.*Format the node once",
        r"TASK \[.*Let a new controller join\]",
        r"TASK \[.*Gate after\]",
    )
    with under_load(drill, "replacement of broker 3, killed at five points, and a broker dies") as seen:
        lose_disk_3(drill)
        dies = (r"TASK \[.*Gate before\]", NODES[1])
        killed_then_broker_dies(drill, [*REPLACE_3, *drill.inventory()], points, dies, tmp_path)
    until_whole(drill)
    seen.assert_nothing_lost()
    assert state(drill)["voters"] == [1, 2, 3]


def test_afterwards_there_is_nothing_to_do(drill: Drill) -> None:
    run = done(drill.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed
