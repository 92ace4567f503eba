"""The drill `kafka-manual`: every command of docs/kafka-manual-install.md, in its order, on bare hosts."""

from __future__ import annotations

import re
import time

import pytest
from conftest import Drill
from drills.harness import PROJECT
from groundwork.estate.paths import cache_dir

PAGE = PROJECT / "docs/kafka-manual-install.md"
#: A comment that says where the block below it is run, or what is done by hand in between.
STEP = re.compile(
    r"<!-- (?P<kind>values|nodes|copy|broken)(?:: (?P<text>.*?))? -->(?:\n```sh\n(?P<commands>.*?)\n```)?", re.DOTALL
)


def host(node: int) -> str:
    return f"local-kafka-{node}"


def steps() -> list[tuple[str, str, str]]:
    page = PAGE.read_text()
    found = [(one["kind"], one["text"] or "", one["commands"] or "") for one in STEP.finditer(page)]
    # A block that no comment introduces would never be run.
    assert page.count("```sh") == sum(bool(commands) for _, _, commands in found)
    return found


@pytest.fixture(scope="module")
def bare(empty: Drill) -> Drill:
    run = empty.run("tests/drills/up.yml", "--tags", "drill_hosts")
    assert run.code == 0, run.output[-6000:]
    archives = cache_dir() / "kafka"
    for node in (1, 2, 3):
        for suffix in ("tgz", "tgz.sha512"):
            archive = f"kafka_2.13-4.3.1.{suffix}"
            empty.podman("cp", str(archives / archive), f"{empty.container(host(node))}:/root/{archive}")
    return empty


def on(drill: Drill, node: int, commands: str) -> str:
    return drill.on(host(node), "bash", "-euo", "pipefail", "-c", f". /root/kafka.env\n{commands}")


def copy(drill: Drill, names: list[str]) -> None:
    """What the page has a person do with scp."""
    for node in (2, 3):
        drill.on(host(node), "mkdir", "-p", "-m", "0700", "/root/kafka-setup")
        for name in (name.replace("{N}", str(node)) for name in names):
            content = drill.on(host(1), "cat", f"/root/kafka-setup/{name}")
            drill.on(host(node), "sh", "-c", f"umask 077; cat > /root/kafka-setup/{name}", stdin=content)


def test_every_command_of_the_page_works(bare: Drill) -> None:
    told: list[str] = []
    for kind, text, commands in steps():
        began = time.monotonic()
        if kind == "values":
            for node in (1, 2, 3):
                values = commands.replace("N=1", f"N={node}").replace("HEAP=1g", "HEAP=320m")
                bare.on(host(node), "bash", "-euc", values)
        elif kind == "copy":
            copy(bare, text.split())
        elif kind == "broken":
            bare.on(host(int(text)), "sh", "-c", "rm -rf /var/lib/kafka/data")
        else:
            for node in map(int, text.split()):
                told.append(on(bare, node, commands))
                print(f"node {node}: {commands.splitlines()[0][:70]}: {time.monotonic() - began:.0f} s", flush=True)
    output = "\n".join(told)
    # Before and after the disk of node 3 was lost.
    assert output.count("written by hand") == 2, output[-6000:]
    assert "ReplicationFactor: 3" in output


def test_a_node_is_not_formatted_twice(bare: Drill) -> None:
    block = next(commands for _, _, commands in steps() if "--add-scram" in commands)
    before = bare.on(host(1), "cat", "/var/lib/kafka/data/meta.properties")
    with pytest.raises(AssertionError):
        on(bare, 1, block)
    assert bare.on(host(1), "cat", "/var/lib/kafka/data/meta.properties") == before


def test_a_wrong_checksum_stops_before_anything_is_unpacked(bare: Drill) -> None:
    block = next(commands for _, _, commands in steps() if "sha512sum" in commands)
    bare.on(
        host(2),
        "sh",
        "-c",
        "cp /root/kafka_2.13-4.3.1.tgz.sha512 /root/kept; echo 0000 > /root/kafka_2.13-4.3.1.tgz.sha512; touch /tmp/before",
    )
    with pytest.raises(AssertionError):
        on(bare, 2, block)
    bare.on(host(2), "sh", "-c", "mv /root/kept /root/kafka_2.13-4.3.1.tgz.sha512")
    assert bare.on(host(2), "find", "/opt/kafka", "-newer", "/tmp/before").strip() == ""
