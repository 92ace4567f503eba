"""The drill `kafka-load`: the load's own proof. What it must see is really done to the log of a real cluster."""

from __future__ import annotations

import json
import time

import pytest
from conftest import Drill
from drills.harness import (
    NODES,
    OPS,
    PYTHON,
    TOPIC,
    Job,
    ask,
    authority,
    login,
    min_isr,
    not_in_sync,
    stopped,
    under_load,
    until,
    until_whole,
)

# Runs beside the load, as a producer that is nobody of it: reads the run's own records and writes some of them again.
FORGE = """
import json, ssl, sys
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
job = json.loads(sys.stdin.readline())
def settings(who):
    return dict(bootstrap_servers=who["bootstrap_servers"].split(","), security_protocol="SASL_SSL",
        ssl_context=ssl.create_default_context(cadata=job["ca"]), sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=who["username"], sasl_plain_password=who["password"])
reader = KafkaConsumer(group_id=None, auto_offset_reset="earliest", **settings(job["reader"]))
one = TopicPartition(job["topic"], 0)
reader.assign([one])
reader.seek(one, max(reader.end_offsets([one])[one] - 1, 0))
while not (polled := reader.poll(timeout_ms=500)):
    pass
run, producer_id, number, padding = json.loads(polled[one][-1].value)
writer = KafkaProducer(acks="all", **settings(job["writer"]))
for other in job["numbers"]:
    value = json.dumps([run, producer_id, number + other, padding]).encode()
    writer.send(job["topic"], value, partition=0).get(timeout=20)
writer.close()
"""


def forge(drill: Drill, numbers: list[int]) -> None:
    job = {
        "topic": TOPIC,
        "reader": login(drill, "crawler"),
        "writer": login(drill, "fileflow"),
        "ca": authority(drill),
    }
    drill.on(OPS, PYTHON, "-c", FORGE, stdin=json.dumps({**job, "numbers": numbers}) + "\n")


def test_a_quiet_cluster_loses_nothing(drill: Drill) -> None:
    with under_load(drill, "quiet") as seen:
        time.sleep(10)
    seen.assert_unnoticed()


def test_it_sees_what_is_lost(drill: Drill) -> None:
    """Records are deleted from the log after they were acknowledged."""
    with under_load(drill, "lost on purpose", samplers=()) as seen:
        script = """
from kafka import TopicPartition
ends = admin.list_partition_offsets({TopicPartition("TOPIC", 0): OffsetSpec.LATEST})
admin.delete_records({one: found.offset - 2 for one, found in ends.items()})
print("null")
"""
        ask(drill, script.replace("TOPIC", TOPIC))
    assert seen.load["lost"] > 0, seen.load
    with pytest.raises(AssertionError):
        seen.assert_nothing_lost()


def test_it_sees_what_is_there_twice(drill: Drill) -> None:
    with under_load(drill, "duplicated on purpose", samplers=()) as seen:
        forge(drill, [0])
    assert (seen.load["lost"], seen.load["duplicated"]) == (0, 1), seen.load
    with pytest.raises(AssertionError):
        seen.assert_nothing_lost()


def test_it_sees_what_is_out_of_order(drill: Drill) -> None:
    """Two numbers that are far ahead, the higher one first."""
    with under_load(drill, "reordered on purpose", samplers=()) as seen:
        forge(drill, [100_001, 100_000])
    assert seen.load["reordered"] > 0, seen.load
    with pytest.raises(AssertionError):
        seen.assert_nothing_lost()


def test_it_sees_partitions_below_min_isr(drill: Drill) -> None:
    """A topic that wants three in sync, and one of three brokers is down: producers wait, nothing acknowledged is lost."""
    with under_load(drill, "below min ISR on purpose") as seen, min_isr(drill, TOPIC, 3), stopped(drill, NODES[2]):
        until("a partition below min ISR", lambda: len(not_in_sync(drill)) > 0)
        # What was appended just before waits out its request's 10 s (the high watermark stands still below min ISR);
        # only what is sent after that is refused by name.
        time.sleep(15)
    until_whole(drill)
    assert all(one["below_min_isr"] > 0 for one in seen.samples.values()), seen.samples
    assert any("NotEnoughReplicas" in name for name in seen.load["complaints"]), seen.load
    seen.assert_nothing_lost()
    with pytest.raises(AssertionError):
        seen.assert_unnoticed()


def test_a_sampler_sees_one_broker_down_and_min_isr_kept(drill: Drill) -> None:
    with under_load(drill, "one broker down") as seen, stopped(drill, NODES[2]):
        assert not_in_sync(drill) != []
    until_whole(drill)
    seen.assert_nothing_lost()
    assert {one["fewest_in_sync"] for one in seen.samples.values()} == {2}
    assert sum(one["below_min_isr"] for one in seen.samples.values()) == 0


def test_the_load_ends_with_the_one_who_started_it(drill: Drill) -> None:
    job = Job(
        drill,
        NODES[0],
        "sample",
        {"bootstrap_servers": ["kafka-1.local.internal:9092"], "interval": 0.4, "seconds": 600},
    )
    job.drop()
    # Its standard input is closed: it prints to nobody and goes.
    drill.on(
        NODES[0],
        "sh",
        "-c",
        "for i in $(seq 40); do pgrep -f [g]roundwork-load.py >/dev/null || exit 0; sleep 0.5; done; exit 1",
    )
