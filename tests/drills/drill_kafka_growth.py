"""The drill `kafka-growth`: one node becomes three, and three combined ones brokers beside controllers of their own; under load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Drill, Run
from drills.harness import NODES, PROJECT, assert_predicted, killed_at, state, under_load

KAFKA = "playbooks/kafka.yml"
CONTROLLERS = [101, 102, 103]
ISOLATED = '{"drill_isolated": true}'


def done(run: Run) -> Run:
    assert run.code == 0, run.output[-8000:]
    return run


def is_controller(drill: Drill, host: str) -> bool:
    """Whether the process that runs takes votes: the file may say something that it was not started with."""
    open_ = f"timeout 5 bash -c '</dev/tcp/{host.removeprefix('local-')}.local.internal/9093' 2>/dev/null && echo yes || echo no"
    return drill.on(host, "sh", "-c", open_).strip() == "yes"


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The catalog as it was with one broker, and as it is with controllers of their own."""
    whole: dict[str, Any] = yaml.safe_load((PROJECT / "inventories/local/catalog.yml").read_text())
    changes = {
        "one": {"brokers": 1, "default_replication_factor": 1, "default_min_insync_replicas": 1},
        "isolated": {"topology": "isolated", "controllers": 3},
    }
    folder = tmp_path_factory.mktemp("catalogs")
    for name, change in changes.items():
        (folder / name).write_text(json.dumps({"catalog": {**whole, "kafka": {**whole["kafka"], **change}}}))
    return {name: f"@{folder / name}" for name in changes}


@pytest.fixture(scope="module")
def single(empty: Drill, catalogs: dict[str, str]) -> Drill:
    """An estate with one node, and the hosts that it will need."""
    done(empty.run("tests/drills/up.yml", "-e", catalogs["one"], "-e", ISOLATED, nodes="one"))
    now = state(empty)
    assert (now["brokers"], now["voters"]) == ([1], [1])
    return empty


def test_one_node_becomes_three(single: Drill, tmp_path: Path) -> None:
    """While a topic has one replica its broker cannot be restarted unnoticed; nothing is lost, though."""
    predicted = done(single.run(KAFKA, "--check"))
    assert predicted.changed != {}
    points = (r"TASK \[.*Let a new controller join\]", r"TASK \[.*: Bring dynamic properties, topics")
    with under_load(single, "one node to three, killed at two points", samplers=NODES[:1]) as seen:
        for number, point in enumerate(points):
            assert killed_at(single, [KAFKA, *single.inventory()], point, 1, tmp_path / f"{number}.log"), point
        done(single.run(KAFKA))
    seen.assert_nothing_lost()
    now = state(single)
    assert (now["brokers"], now["voters"]) == ([1, 2, 3], [1, 2, 3])
    thin = {name: part["replicas"] for name, part in now["partitions"].items() if len(part["replicas"]) < 3}
    assert thin == {}
    assert all(is_controller(single, host) for host in NODES)
    run = done(single.run(KAFKA))
    assert run.changed == {}, run.changed


def test_combined_becomes_isolated_unnoticed(single: Drill, catalogs: dict[str, str], tmp_path: Path) -> None:
    predicted = done(single.run(KAFKA, "-e", catalogs["isolated"], "--check", nodes="isolated"))
    assert predicted.changed != {}
    # At the second one a node is stopped: the next run lets its controller leave before it starts.
    points = (
        r"TASK \[.*Let a new controller join\]",
        r"TASK \[.*Stop the node\]",
        r"TASK \[.*Let its controller leave\]",
    )
    arguments = [KAFKA, *single.inventory(nodes="isolated"), "-e", catalogs["isolated"]]
    with under_load(single, "combined to isolated, killed at three points") as seen:
        for number, point in enumerate(points):
            assert killed_at(single, arguments, point, 1, tmp_path / f"{number}.log"), point
        done(single.run(KAFKA, "-e", catalogs["isolated"], nodes="isolated"))
    now = state(single)
    assert (now["brokers"], now["voters"]) == ([1, 2, 3], CONTROLLERS)
    assert now["controller"] in CONTROLLERS
    assert not any(is_controller(single, host) for host in NODES)
    seen.assert_unnoticed()
    run = done(single.run(KAFKA, "-e", catalogs["isolated"], nodes="isolated"))
    assert run.changed == {}, run.changed


def test_isolated_nodes_are_restarted_unnoticed(single: Drill, catalogs: dict[str, str]) -> None:
    arguments = ("-e", catalogs["isolated"])
    predicted = done(single.run("playbooks/breakglass/kafka_restart.yml", *arguments, "--check", nodes="isolated"))
    with under_load(single, "rolling restart of six isolated nodes") as seen:
        run = done(single.run("playbooks/breakglass/kafka_restart.yml", *arguments, nodes="isolated"))
    assert_predicted(predicted, run)
    seen.assert_unnoticed()
