"""A fourth node: voters, features, cordons, a new broker that takes its share, and how it goes for good."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import WORK, Cluster, Node, wait_for
from groundwork.kafka import features, quorum

FAST = 50_000_000


@pytest.fixture(scope="module")
def four(kafka: Cluster) -> Iterator[Cluster]:
    """The cluster with a fourth broker, whose controller is an observer; it is unregistered at the end."""
    with kafka.admin() as client:
        there = [name for name in client.list_topics() if not name.startswith("__")]
    kafka.drop(*there)
    node = Node(4, kafka.spare, WORK / "node-4", "")
    kafka.prepare(node)
    kafka.format(node, [])
    kafka.nodes[4] = node
    kafka.start(4)
    kafka.healthy(4)
    yield kafka
    kafka.kill(4)
    del kafka.nodes[4]
    shutil.rmtree(WORK / "node-4")
    wait_for(lambda: [one["id"] for one in kafka.state()["brokers"] if one["fenced"]] == [4], 60, "broker 4 is fenced")
    assert kafka.twice("kafka_brokers", state="unregistered", broker=4).changed
    assert [one["id"] for one in kafka.state()["brokers"]] == [1, 2, 3]


# -- The quorum ------------------------------------------------------------------------------------------------------


def test_a_voter_is_added_and_removed(four: Cluster) -> None:
    node = four.nodes[4]
    told = four.run("kafka_quorum", state="info")
    assert told["voters"] == told["healthy"] == [1, 2, 3] and told["majority"] == 2
    assert [one["id"] for one in told["quorum"]["observers"]] == [4]
    for voter, words in (
        ({"id": 9, "endpoint": "localhost:1"}, "controller 9 does not fetch the metadata log"),
        ({"id": 4, "endpoint": node.controller, "directory_id": "AAAAAAAAAAAAAAAAAAAAAA"}, "does not fetch the metadata log (observers: 4 "),
        ({"id": 4}, "needs its endpoint"),
        ({"id": 1, "endpoint": "localhost:1", "directory_id": "AAAAAAAAAAAAAAAAAAAAAA"}, "its disk was replaced. Take that voter out first"),
    ):  # fmt: skip
        for check in (True, False):
            answer = four.run("kafka_quorum", check=check, state="present", voter=voter, wait=5)
            assert answer.failed and words in answer.said and "nothing was changed" in answer.said, answer.said
    voter = {"id": 4, "endpoint": node.controller}
    added = four.twice("kafka_quorum", state="present", voter=voter)
    assert added["voters"] == [1, 2, 3, 4] and added["majority"] == 3
    (shown,) = [one for one in added["quorum"]["voters"] if one["id"] == 4]
    assert shown["directory_id"] == node.directory_id and shown["endpoint"] == node.controller
    wait_for(lambda: four.run("kafka_quorum", state="info")["healthy"] == [1, 2, 3, 4], 30, "all voters caught up")
    gone = four.twice("kafka_quorum", state="absent", voter={"id": 4})
    assert gone["voters"] == [1, 2, 3]
    assert not four.run("kafka_quorum", state="absent", voter={"id": 77}).changed


def test_a_voter_whose_disk_was_replaced_comes_back_with_the_new_one(four: Cluster) -> None:
    """Kafka lists the lost disk among the observers for minutes more, as if it might still fetch."""
    node = four.nodes[4]
    voter = {"id": 4, "endpoint": node.controller}
    assert four.run("kafka_quorum", state="present", voter=voter).changed
    lost = node.directory_id
    four.kill(4)
    assert four.run("kafka_quorum", state="absent", voter={"id": 4}).changed
    for log_dir in node.log_dirs:
        shutil.rmtree(log_dir)
    four.format(node, [])

    def observers() -> list[dict[str, Any]]:
        return list(four.run("kafka_quorum", state="info")["quorum"]["observers"])

    wait_for(lambda: all(one["fetched_ms"] > quorum.SILENT_MS for one in observers()), 30, "the lost disk is silent")
    assert {one["directory_id"] for one in observers()} == {lost} != {node.directory_id}
    refused = four.run("kafka_quorum", state="present", voter={"id": 4, "endpoint": node.controller}, wait=15)
    assert refused.failed and "does not fetch the metadata log" in refused.said, refused.result
    four.start(4)
    four.healthy(4)
    began = time.monotonic()
    added = four.twice("kafka_quorum", state="present", voter=voter, wait=200)
    assert time.monotonic() - began < 60, "it waited until Kafka had forgotten the lost disk"
    assert {one["directory_id"] for one in added["quorum"]["voters"] if one["id"] == 4} == {node.directory_id}
    wait_for(lambda: four.run("kafka_quorum", state="info")["healthy"] == [1, 2, 3, 4], 30, "all voters caught up")
    assert four.run("kafka_quorum", state="absent", voter={"id": 4}).changed


def test_a_removal_that_costs_the_majority_is_refused(four: Cluster) -> None:
    four.kill(3)
    try:
        # Until then clients are sent to it too.
        wait_for(lambda: 3 in [one["id"] for one in four.state()["brokers"] if one["fenced"]], 60, "broker 3 is fenced")
        wait_for(lambda: four.run("kafka_quorum", state="info")["healthy"] == [1, 2], 60, "voter 3 is seen to lag")
        for check in (True, False):
            answer = four.run("kafka_quorum", check=check, state="absent", voter={"id": 2})
            assert answer.failed and "the voters [1, 3] need 2 that are caught up, and only [1] are" in answer.said
            assert "bring [3] back first" in answer.said
        assert four.run("kafka_quorum", state="info")["voters"] == [1, 2, 3]
    finally:
        four.start(3)
        four.healthy(4)


# -- Features --------------------------------------------------------------------------------------------------------


def test_releases_are_what_kafkas_own_tool_says(kafka: Cluster) -> None:
    for release, levels in features.RELEASES.items():
        done = subprocess.run(
            ["java", "-Xmx128m", f"-Dlog4j2.configurationFile={kafka.libs.parent}/config/tools-log4j2.yaml",
             "-cp", f"{kafka.libs}/*", "kafka.tools.StorageTool", "version-mapping", "--release-version", release],
            capture_output=True, text=True, check=True, timeout=180,
        )  # fmt: skip
        pairs = (line.split()[0].split("=") for line in done.stdout.splitlines() if "=" in line)
        assert {name: int(level) for name, level in pairs} == levels, release


def test_features_go_up_and_down_and_never_by_accident(four: Cluster) -> None:
    told = four.run("kafka_features", state="info")
    assert told["release"] == "4.3" and told["features"]["metadata.version"]["finalized"] == 30
    assert not four.run("kafka_features", state="finalized", release="4.3").changed
    assert not four.run("kafka_features", state="finalized", release="4.2.1").changed, "finalising lowers nothing"
    for params, words in (
        ({"state": "finalized", "features": {"metadata.version": 99}}, "metadata.version 99 is more than these brokers support (30)"),
        ({"state": "finalized", "features": {"no.such": 1}}, "know no feature no.such"),
        ({"state": "finalized", "features": {"metadata.version": 29}}, "would be lowered; that is state: downgraded"),
        ({"state": "finalized", "features": {"metadata.version": "new"}}, "a feature's level is a number"),
        ({"state": "finalized", "release": "9.9"}, "the levels of release 9.9 are not known"),
        ({"state": "finalized"}, "give release (like 4.3) or features"),
        ({"state": "downgraded", "features": {"kraft.version": 0}}, "a dynamic quorum stays dynamic"),
    ):  # fmt: skip
        for check in (True, False):
            answer = four.run("kafka_features", check=check, **params)
            assert answer.failed and words in answer.said, answer.said
    assert four.run("kafka_features", state="info")["features"] == told["features"], (
        "refused, but something was changed"
    )
    lower = four.twice("kafka_features", state="downgraded", features={"streams.version": 0})
    assert lower["changes"] == {"streams.version": {"from": 1, "to": 0}} and lower["release"] == "4.1"
    raised = four.twice("kafka_features", state="finalized", release="4.3")
    assert raised["changes"] == {"streams.version": {"from": 0, "to": 1}} and raised["release"] == "4.3"


# -- Brokers ---------------------------------------------------------------------------------------------------------


def test_a_cordoned_broker_gets_no_new_replica(four: Cluster) -> None:
    first, second = four.nodes[4].log_dirs
    part = four.twice("kafka_brokers", state="cordoned", broker=4, log_dirs=[first])
    assert part["diff"]["after"] == {"cordoned": [first]}
    whole = four.twice("kafka_brokers", state="cordoned", broker=4)
    assert whole["diff"] == {"before": {"cordoned": [first]}, "after": {"cordoned": [first, second]}}
    (told,) = [one for one in whole["brokers"] if one["id"] == 4]
    assert all(one["cordoned"] for one in told["log_dirs"])
    wanted = [{"name": "cordon.new", "partitions": 12, "replication_factor": 3}]
    assert four.run("kafka_topics", topics=wanted).changed
    assert all(4 not in one for one in four.replicas("cordon.new"))
    for params, words in (
        ({"broker": 77}, "broker 77 is not registered"),
        ({"broker": 4, "log_dirs": ["/nowhere"]}, "has no log dir /nowhere"),
    ):
        answer = four.run("kafka_brokers", state="cordoned", **params)
        assert answer.failed and words in answer.said
    back = four.twice("kafka_brokers", state="uncordoned", broker=4)
    assert back["diff"]["after"] == {"cordoned": []}
    four.drop("cordon.new")


def test_a_broker_that_hangs_is_not_waited_for(four: Cluster) -> None:
    """It accepts connections and says nothing, not even in a TLS handshake; the others are asked instead."""
    process = four.nodes[4].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(8):
            began = time.monotonic()
            told = four.run("kafka_topics", check=True, topics=[], timeout=9)
            assert not told.failed, told.said
            assert time.monotonic() - began < 9
    finally:
        process.send_signal(signal.SIGCONT)
    four.healthy(4)


def test_a_new_broker_takes_its_share_and_gives_it_back(four: Cluster) -> None:
    four.topic("share.of.four", [[1, 2], [2, 3], [3, 1], [1, 2], [2, 3], [3, 1]])
    for number in range(6):
        four.produce("share.of.four", 100, 20_000, partition=number)
    told = four.run("kafka_reassign", state="planned", topics=["share.of.four"], entering=[4])
    assert sum(4 in one["replicas"] for one in told["plan"]["moves"]) >= 2
    assert four.run("kafka_reassign", state="executed", plan=told["plan"], throttle=FAST).changed
    assert four.run("kafka_reassign", state="verified", plan=told["plan"], wait=90)["done"]
    assert sum(4 in one for one in four.replicas("share.of.four")) >= 2
    refused = four.run("kafka_brokers", state="unregistered", broker=4)
    assert refused.failed and "broker 4 is in service" in refused.said
    # The dead broker still holds replicas: it may not be forgotten, and a plan must say that it leaves.
    four.kill(4)
    # Until it is fenced it is among those whom a client may ask.
    for _ in range(12):
        told = four.run("kafka_topics", check=True, topics=[])
        assert not told.failed, told.said
    wait_for(lambda: 4 in [one["id"] for one in four.state()["brokers"] if one["fenced"]], 60, "broker 4 is fenced")
    refused = four.run("kafka_brokers", state="unregistered", broker=4)
    assert refused.failed and "partitions still have a replica on broker 4" in refused.said
    refused = four.run("kafka_reassign", state="planned")
    assert refused.failed and "broker 4 is fenced" in refused.said
    plan = four.run("kafka_reassign", state="planned", leaving=[4], balance=False)["plan"]
    assert four.run("kafka_reassign", state="executed", plan=plan, throttle=FAST).changed
    assert four.run("kafka_reassign", state="verified", plan=plan, wait=90)["done"]
    assert all(4 not in one for one in four.replicas("share.of.four"))
    four.start(4)
    four.healthy(4)
    four.drop("share.of.four")
