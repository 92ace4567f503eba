"""Which brokers a number in the catalog takes out, as `kafka_scale` decides it: rendered by Ansible; the brokers are the drill's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from plays import HERE, play, task


@pytest.mark.parametrize(
    ("registered", "wanted", "leaving", "missing"),
    [
        ([9, 3, 11, 1, 10, 2], 3, [11, 10, 9], []),
        ([3, 1], 3, [], [2]),
        ([1, 2, 3], 3, [], []),
    ],
)
def test_brokers_above_the_number_leave_the_highest_first(
    tmp_path: Path, registered: list[int], wanted: int, leaving: list[int], missing: list[int]
) -> None:
    host = {**HERE, "kafka_maintenance_registered": registered, "kafka_maintenance_brokers": wanted}
    shown = {"leaving": task("kafka_maintenance", "scale.yml", "Take out what is too many")["loop"]}
    shown["missing"] = "{{ kafka_maintenance_missing }}"
    copy = {"dest": f"{tmp_path}/decided.json", "content": "{{ shown | to_json }}", "mode": "0600"}
    plays = [
        {
            "hosts": "all",
            "gather_facts": False,
            # The inventory still has 12, which nobody has registered: it is not there to be drained.
            "vars": {"kafka_broker_ids": [12, *registered]},
            "tasks": [
                task("kafka_maintenance", "scale.yml", "Compare with the catalog"),
                {"ansible.builtin.copy": copy, "vars": {"shown": shown}},
            ],
        }
    ]
    done = play(tmp_path, {"all": {"hosts": {"kafka-1": host}}}, yaml.safe_dump(plays))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "decided.json").read_text()) == {"leaving": leaving, "missing": missing}
