"""The drill `kafka-upgrade`: 4.2.1 to 4.3.1 under load, killed on the way, back again while it is allowed, finalised."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Drill, Run, bring_up
from drills.harness import (
    NODES,
    ask,
    assert_predicted,
    killed_then_broker_dies,
    node_id,
    pids,
    services,
    state,
    under_load,
    worked_on,
)

OLD, NEW = "4.2.1", "4.3.1"
UPGRADE, DOWNGRADE, FINALIZE = (
    f"playbooks/breakglass/kafka_{name}.yml" for name in ("upgrade", "downgrade", "finalize")
)
SOAK = ("-e", "soak=2")


@pytest.fixture(scope="module")
def older(empty: Drill) -> Drill:
    """The estate with the release before this one."""
    bring_up(empty, "-e", f"kafka_version={OLD}")
    assert versions(empty) == {OLD}
    return empty


def done(run: Run) -> Run:
    assert run.code == 0, run.output[-8000:]
    return run


def versions(drill: Drill) -> set[str]:
    """What the running processes were started from."""
    told = [drill.on(host, "sh", "-c", "tr '\\0' ' ' < /proc/$(pgrep -x java)/cmdline") for host in NODES]
    return {version for version in (OLD, NEW) if any(f"kafka_2.13-{version}/libs" in line for line in told)}


def level(drill: Drill) -> int:
    return int(ask(drill, 'print(json.dumps(admin.describe_features()["metadata.version"]["finalized"][1]))'))


def confirmed(operation: str, version: str) -> tuple[str, ...]:
    return ("-e", f"kafka_version={version}", "-e", f"confirm=local-kafka-{operation}-{version}")


def test_it_is_refused_without_its_confirmation(older: Drill) -> None:
    before = pids(older)
    run = older.run(UPGRADE)
    assert run.code != 0
    assert f"-e confirm=local-kafka-upgrade-{NEW}" in run.output, run.output[-4000:]
    assert pids(older) == before
    assert run.changed == {}


def test_the_upgrade_finishes_although_killed_and_a_broker_dies(older: Drill, tmp_path: Path) -> None:
    levels, arguments = level(older), [*SOAK, *confirmed("upgrade", NEW)]
    # A run goes on for a moment after a step is printed: at the last two a node is restarted or about to be, one is left for sure.
    points = (
        r"TASK \[.*Open the record\]",
        r"TASK \[.*Check and unpack the archive\]",
        r"TASK \[.*Gate before the restart\]",
        r"TASK \[.*Move its leaders away\]",
        r"TASK \[.*Restart the node\]",
    )
    with under_load(older, f"upgrade {OLD} to {NEW}, killed at five points, and a broker dies") as seen:
        dies = (r"TASK \[.*Gate before the restart\]", NODES[2])
        killed_then_broker_dies(older, [UPGRADE, *older.inventory(), *arguments], points, dies, tmp_path)
    assert versions(older) == {NEW}
    assert level(older) == levels, "the levels are not the upgrade's to touch"
    seen.assert_nothing_lost()


def test_it_goes_back_while_that_is_allowed(older: Drill) -> None:
    with under_load(older, f"downgrade {NEW} to {OLD}") as seen:
        done(older.run(DOWNGRADE, *SOAK, *confirmed("downgrade", OLD)))
    assert versions(older) == {OLD}
    seen.assert_unnoticed()


def test_it_is_finalised(older: Drill) -> None:
    levels = level(older)
    predicted = done(older.run(UPGRADE, *SOAK, "--check"))
    before, last = services(older), state(older)["controller"]
    with under_load(older, f"upgrade {OLD} to {NEW}, finalised") as seen:
        run = done(older.run(UPGRADE, *SOAK, *confirmed("upgrade", NEW)))
        done(older.run(FINALIZE, *confirmed("finalize", NEW)))
    assert_predicted(predicted, run)
    order = worked_on(before, services(older))
    assert (sorted(order), node_id(order[-1])) == (list(NODES), last)
    assert level(older) > levels
    seen.assert_unnoticed()


def test_afterwards_there_is_nothing_to_do_and_no_way_back(older: Drill) -> None:
    for playbook in ("playbooks/kafka.yml", UPGRADE, FINALIZE):
        run = done(older.run(playbook))
        assert run.changed == {}, (playbook, run.changed)
    before = pids(older)
    run = older.run(DOWNGRADE, *confirmed("downgrade", OLD))
    assert run.code != 0, run.output[-4000:]
    assert pids(older) == before
    assert versions(older) == {NEW}
