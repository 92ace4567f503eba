"""Who leaves the quorum when, as role `kafka` decides it: rendered by Ansible from the role's own tasks; the brokers are the drill's
(`kafka-growth`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from plays import HERE, PROJECT, play, task

ROLE = PROJECT / "roles" / "kafka"
COMBINED, ISOLATED, NEXT = [1, 2, 3], [101, 102, 103], [104, 105, 106]


@dataclass
class Decided:
    """What a run would do: who leaves before the others are restarted, while they are, and after; who before it starts."""

    before: list[int]
    restarted: list[int]
    after: list[int]
    stopped: list[int]


def decide(
    folder: Path, *, brokers: list[int], controllers: list[int], voters: list[int], active: int, down: tuple[int, ...] = (),
    arguments: tuple[str, ...] = (),
) -> Decided | str:  # fmt: skip
    """For an inventory of brokers and controllers and a quorum of voters; the words of a refusal."""
    hosts = {
        f"node-{number}": {
            "kafka_node_id": number, "dns_name": f"node-{number}",
            "kafka_node_roles": [role for role, ids in (("broker", brokers), ("controller", controllers)) if number in ids],
            "kafka_node": {"node": {"recorded": True}, "service": {"active": number not in down}},
            "kafka_admin_host": f"node-{brokers[0]}", **HERE,
        }
        for number in sorted({*brokers, *controllers})
    }  # fmt: skip
    hosts[f"node-{brokers[0]}"]["kafka_quorum_now"] = {
        "quorum": {"leader_id": active, "voters": [{"id": one, "endpoint": f"node-{one}:9093"} for one in voters]}
    }
    groups = {
        name: {"hosts": {f"node-{one}": {} for one in ids}}
        for name, ids in (("kafka_broker", brokers), ("kafka_controller", controllers))
    }
    shown = {
        "before": task("kafka", "voters.yml", "Let a controller leave")["loop"],
        "after": task("kafka", "voters_left.yml", "Let a controller leave")["loop"],
        "stopped": task("kafka", "service.yml", "Let controllers leave that do not run")["loop"],
        "leaves": "{{ kafka_leaves_quorum }}",
    }
    deciding = {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "vars": {
            "env": "test", "kafka_parameters": {"values": {}}, "kafka_identity": {"nodes": {}}, "kafka_ask_only": False,
        },
        "tasks": [
            task("kafka", "identity.yml", "Refuse to move the only vote"),
            {
                "ansible.builtin.copy": {
                    "dest": f"{folder}/{{{{ inventory_hostname }}}}.json", "content": "{{ shown | to_json }}", "mode": "0600",
                },
                "check_mode": False,
                "vars": {"shown": shown},
            },
        ],
    }  # fmt: skip
    done = play(folder, {"all": {"hosts": hosts, "children": groups}}, yaml.safe_dump([deciding]), *arguments)
    if done.returncode:
        return done.stdout
    told = {
        int(path.stem.removeprefix("node-")): json.loads(path.read_text())
        for path in sorted(folder.glob("node-*.json"))
    }
    first = told[brokers[0]]
    return Decided(first["before"], [one for one in told if told[one]["leaves"]], first["after"], first["stopped"])


def test_combined_nodes_leave_when_they_are_restarted(tmp_path: Path) -> None:
    """Not before: their processes know each other only, and with none of them in the quorum nobody would find the leader."""
    found = decide(tmp_path, brokers=COMBINED, controllers=ISOLATED, voters=[*COMBINED, *ISOLATED], active=2)
    assert found == Decided(before=[], restarted=COMBINED, after=[], stopped=[])


def test_nobody_leaves_before_the_new_ones_vote(tmp_path: Path) -> None:
    state: dict[str, Any] = {"brokers": COMBINED, "controllers": ISOLATED, "voters": [*COMBINED, 101], "active": 1}
    found = decide(tmp_path, **state)
    assert isinstance(found, Decided)
    assert found.restarted == []
    # In check mode nobody has joined, and what will be is said.
    predicted = decide(tmp_path, **state, arguments=("--check",))
    assert isinstance(predicted, Decided)
    assert predicted.restarted == COMBINED


def test_one_that_a_killed_run_left_stopped_leaves_before_it_starts(tmp_path: Path) -> None:
    voters = [2, 3, *ISOLATED]
    found = decide(tmp_path, brokers=COMBINED, controllers=ISOLATED, voters=voters, active=101, down=(1, 3))
    assert found == Decided(before=[], restarted=[2, 3], after=[], stopped=[3])


def test_controllers_that_are_gone_leave_first_and_the_active_one_last(tmp_path: Path) -> None:
    """104 to 106 in the place of 101 to 103: brokers must be restarted while one that they know still votes."""
    found = decide(tmp_path, brokers=COMBINED, controllers=NEXT, voters=[*ISOLATED, *NEXT], active=102)
    assert found == Decided(before=[101, 103], restarted=[], after=ISOLATED, stopped=[])


def test_a_quorum_that_is_as_the_inventory_says_is_left(tmp_path: Path) -> None:
    found = decide(tmp_path, brokers=COMBINED, controllers=COMBINED, voters=COMBINED, active=2, down=(3,))
    assert found == Decided(before=[], restarted=[], after=[], stopped=[])


@pytest.mark.parametrize(("controllers", "refused"), [([101], True), (ISOLATED, False)])
def test_the_only_vote_is_not_moved(tmp_path: Path, controllers: list[int], refused: bool) -> None:
    found = decide(tmp_path, brokers=[1], controllers=controllers, voters=[1], active=1)
    if refused:
        assert isinstance(found, str)
        assert "Make it three controllers" in " ".join(found.split()), found
    else:
        assert isinstance(found, Decided), found
