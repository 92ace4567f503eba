"""The drills' estate: an AWS, three nodes of Kafka, one host to spare, one from which the load comes.

GROUNDWORK_KEEP=1 keeps it (and adopts the one that is there), for work on a single drill.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from estate.conftest import KEEP, Estate, Run

INVENTORY = "tests/drills/inventory"


class Drill(Estate):
    """An estate whose inventory has three nodes, or four."""

    def inventory(self, four: bool = False, nodes: str = "three") -> list[str]:
        return ["-i", f"{INVENTORY}/{nodes}.yml", *(["-i", f"{INVENTORY}/four.yml"] if four else [])]

    def run(self, playbook: str, *arguments: str, four: bool = False, nodes: str = "three", timeout: int = 1500) -> Run:
        more = self.inventory(four)[2:]
        run = self.play(*more, *arguments, playbook=playbook, inventory=f"{INVENTORY}/{nodes}.yml", timeout=timeout)
        # Whole, for whoever looks for a reason: a failed assertion shows a part of one run.
        kept = self.folder / f"{time.strftime('%H%M%S')}-{Path(playbook).stem}.log"
        kept.write_text(f"{' '.join(map(str, arguments))}\n{run.output}")
        return run


def down(drill: Drill) -> None:
    run = drill.run("playbooks/local/down.yml")
    assert run.code == 0, run.output[-4000:]
    assert drill.containers() == {}


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """An estate of which nothing is up yet."""
    octet = int(os.environ.get("GROUNDWORK_ESTATE_OCTET", "225"))
    drill = Drill(os.environ.get("GROUNDWORK_ESTATE", "drill"), octet, tmp_path_factory.mktemp("drill"))
    assert drill.name != "local", "the drills must not use a person's estate: set GROUNDWORK_ESTATE=drill"
    if not KEEP:
        down(drill)
    yield drill
    if not KEEP:
        down(drill)


def bring_up(drill: Drill, *arguments: str) -> None:
    run = drill.run("tests/drills/up.yml", *arguments)
    assert run.code == 0, run.output[-8000:]


@pytest.fixture(scope="session")
def drill(empty: Drill) -> Drill:
    bring_up(empty)
    return empty


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "playbook.log"
