"""The drill `kafka-restart`: the rolling restart under load, killed at five points, refused by the gate, and with wrong input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Drill, Run
from drills.harness import (
    NODES,
    TOPIC,
    ask,
    assert_predicted,
    broker_dies,
    frozen,
    held_in_recovery,
    killed_at,
    min_isr,
    node_id,
    not_in_sync,
    orders,
    pids,
    services,
    state,
    stopped,
    sum_of_parts,
    under_load,
    until,
    until_whole,
    worked_on,
)

RESTART = "playbooks/breakglass/kafka_restart.yml"
#: A refusal need not be waited for; asked more than once, because on a busy machine one answer may come too late.
QUICK = ("-e", "kafka_gate_wait=15", "-e", "kafka_gate_answers=1")
# Where a run is killed, one after the other: each is further on than the one before.
POINTS = (
    r"TASK \[.*The plan\]",
    r"TASK \[.*Open the record\]",
    r"TASK \[.*Restart the node\]",
    r"TASK \[.*Gate after the restart\]",
    r"TASK \[.*Give the leaders back\]",
)


def assert_silent(run: Run) -> None:
    assert run.code == 0, run.output[-8000:]
    assert run.changed == {}, run.changed


def no_operation_is_open(drill: Drill) -> None:
    run = drill.run("playbooks/breakglass/kafka_operation.yml")
    assert run.code == 0, run.output[-4000:]
    assert "no operation is open" in run.output, run.output[-4000:]


def test_the_restart_goes_unnoticed_and_was_predicted(drill: Drill) -> None:
    predicted = drill.run(RESTART, "--check")
    assert predicted.code == 0, predicted.output[-8000:]
    before, last, placed = services(drill), state(drill)["controller"], orders(drill)
    assert services(drill) == before, "check mode restarted something"

    with under_load(drill, "rolling restart") as seen:
        run = drill.run(RESTART)
    assert run.code == 0, run.output[-8000:]
    after = services(drill)
    order = worked_on(before, after)
    parts = sum_of_parts(after, seen.samples, order)
    print(
        f"rolling restart: {seen.seconds:.0f} s whole, {parts:.0f} s stop, start and catch up, {seen.seconds / parts:.2f}",
        flush=True,
    )
    assert sorted(order) == list(NODES)
    assert node_id(order[-1]) == last, (order, last)
    assert_predicted(predicted, run)
    assert not_in_sync(drill) == []
    assert_preferred(drill)
    # The first consumers of the load bring the offsets topic with them.
    now = orders(drill)
    assert {name: now[name] for name in placed} == placed
    seen.assert_unnoticed()


def assert_preferred(drill: Drill) -> None:
    wrong = {name: part for name, part in state(drill)["partitions"].items() if part["leader"] != part["replicas"][0]}
    assert wrong == {}


def test_afterwards_there_is_nothing_to_do(drill: Drill) -> None:
    assert_silent(drill.run("playbooks/kafka.yml"))
    no_operation_is_open(drill)


def test_killed_at_five_points_it_finishes(drill: Drill, tmp_path: Path) -> None:
    """Each run goes on where the one before was killed; the last one also loses a broker in the middle."""
    before, placed = services(drill), orders(drill)
    with under_load(drill, "restart killed at five points") as seen:
        for number, point in enumerate(POINTS):
            killed = killed_at(drill, [RESTART, *drill.inventory()], point, 1, tmp_path / f"{number}.log")
            assert killed, f"{point}: {(tmp_path / f'{number}.log').read_text()[-4000:]}"
        run = drill.run(RESTART)
    assert run.code == 0, run.output[-8000:]
    after = services(drill)
    assert sorted(worked_on(before, after)) == list(NODES)
    no_operation_is_open(drill)
    assert_preferred(drill)
    assert orders(drill) == placed
    seen.assert_unnoticed()
    assert_silent(drill.run("playbooks/kafka.yml"))


def test_a_broker_dies_in_the_middle(drill: Drill, tmp_path: Path) -> None:
    """kill -9 of a broker while another is restarted; systemd starts it, the gate waits for it, and the run ends well."""
    with under_load(drill, "a broker killed during the restart") as seen:
        victim = next(host for host in NODES if node_id(host) == state(drill)["controller"])
        step = r"TASK \[.*Gate after the restart\]"
        broker_dies(drill, [RESTART, *drill.inventory()], step, victim, tmp_path / "run.log")
    until_whole(drill)
    seen.assert_nothing_lost()
    no_operation_is_open(drill)


# -- Refusals: the fault is really made ----------------------------------------------------------------------------


def refused(drill: Drill, *expected: str, arguments: tuple[str, ...] = (), four: bool = False) -> None:
    """The restart is refused with these reasons, and no node was restarted."""
    before = pids(drill)
    run = drill.run(RESTART, *QUICK, *arguments, four=four)
    assert run.code != 0, run.output[-4000:]
    for reason in expected:
        assert reason in run.output, f"{reason!r} is not in:\n{run.output[-6000:]}"
    assert "Traceback" not in run.output
    assert pids(drill) == before
    # What a refused gate left open is the next run's to go on with, or to be given up.
    drill.run("playbooks/breakglass/kafka_operation.yml", "-e", "confirm=local-kafka-abandon-kafka-restart")


def test_refused_while_a_broker_is_down(drill: Drill) -> None:
    with stopped(drill, NODES[2]):
        refused(drill, NODES[2], "Nothing was touched")
    until_whole(drill)


def test_refused_while_a_broker_hangs_and_a_voter_lags(drill: Drill) -> None:
    """The process is there for systemd; for the cluster it is fenced, and its voter falls behind."""
    with frozen(drill, NODES[2]):
        until("broker 3 out of sync", lambda: len(not_in_sync(drill)) > 0)
        refused(drill, "broker fenced", "voter 3 lags by")
    until_whole(drill)


def test_refused_while_a_partition_is_below_min_isr(drill: Drill) -> None:
    with min_isr(drill, TOPIC, 3), frozen(drill, NODES[2]):
        until("broker 3 out of sync", lambda: len(not_in_sync(drill)) > 0)
        refused(drill, f"partition below min ISR: {TOPIC}-0")
    until_whole(drill)


def test_refused_during_log_recovery(drill: Drill) -> None:
    with held_in_recovery(drill, NODES[2]):
        refused(drill, "broker fenced (down, starting or recovering its logs): [3]")
    until_whole(drill)


def test_refused_when_the_inventory_knows_a_broker_that_the_cluster_does_not(drill: Drill) -> None:
    refused(drill, "local-kafka-4", "Nothing was touched", four=True)


def test_refused_when_the_cluster_knows_a_voter_that_the_inventory_does_not(drill: Drill) -> None:
    arguments = ("-e", '{"kafka_controller_ids": [1, 2]}')
    refused(drill, "a voter that the inventory does not know: [3]", arguments=arguments)


def test_refused_when_metadata_cannot_be_read(drill: Drill) -> None:
    """Two of three voters hang: no leader, nobody can answer for the cluster."""
    with frozen(drill, NODES[1]), frozen(drill, NODES[2]):
        refused(drill)
    until_whole(drill)


def test_refused_when_it_is_another_cluster(drill: Drill) -> None:
    refused(drill, "this is cluster", arguments=("-e", "kafka_recorded_cluster_id=AAAAAAAAAAAAAAAAAAAAAA"))


# -- Wrong input ---------------------------------------------------------------------------------------------------


def test_unknown_node(drill: Drill) -> None:
    refused(drill, "local-kafka-9", "Nothing was touched", arguments=("-e", "nodes=local-kafka-9"))


def test_part_of_the_cluster_by_limit(drill: Drill) -> None:
    refused(drill, "left out by --limit", arguments=("--limit", "local-kafka-1"))


@pytest.fixture
def foreign_disk(drill: Drill) -> Iterator[None]:
    """Node 3 is down, and its disk says that it belongs to another cluster."""
    meta = "/var/lib/kafka/data/meta.properties"
    with stopped(drill, NODES[2]):
        kept = drill.on(NODES[2], "cat", meta)
        drill.on(NODES[2], "sed", "-i", "s/^cluster.id=.*/cluster.id=AAAAAAAAAAAAAAAAAAAAAA/", meta)
        yield
        drill.on(NODES[2], "sh", "-c", f"cat > {meta}", stdin=kept)


@pytest.mark.usefixtures("foreign_disk")
def test_a_disk_of_another_cluster(drill: Drill) -> None:
    before = pids(drill)
    run = drill.run("playbooks/kafka.yml")
    assert run.code != 0
    assert "AAAAAAAAAAAAAAAAAAAAAA" in run.output, run.output[-6000:]
    assert pids(drill) == before
    assert run.changed == {}, run.changed


def test_the_cluster_is_whole_at_the_end(drill: Drill) -> None:
    until_whole(drill)
    assert_silent(drill.run("playbooks/kafka.yml"))
    assert ask(drill, 'print(json.dumps(len(admin.describe_cluster()["brokers"])))') == 3
