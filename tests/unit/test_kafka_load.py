"""The verdict about a load: what it must see in a log, and what it must let pass."""

from __future__ import annotations

import pytest
from drills.harness import sum_of_parts, worked_on
from drills.load import below_min_isr, stalls, verdict

ACKNOWLEDGED = {(0, 0): dict(enumerate(range(100, 110))), (1, 0): dict(enumerate(range(200, 205)))}
WHOLE = {(0, 0): list(range(10)), (1, 0): list(range(5))}


def told(found: dict[tuple[int, int], list[int]]) -> tuple[int, int, int]:
    answer = verdict(ACKNOWLEDGED, found)
    assert answer["acknowledged"] == 15
    return answer["lost"], answer["duplicated"], answer["reordered"]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (list(range(10)), (0, 0, 0)),
        # What was sent and not acknowledged may be there, once, in its place.
        ([*range(10), 10, 11], (0, 0, 0)),
        ([*range(10), 10, 10], (0, 1, 0)),
        ([*range(9)], (1, 0, 0)),
        ([0, *range(4, 10)], (3, 0, 0)),
        ([0, 1, 1, *range(2, 10)], (0, 1, 0)),
        # A whole batch again, as a producer without idempotence writes it.
        ([0, 1, 2, 0, 1, 2, *range(3, 10)], (0, 3, 0)),
        ([0, 2, 1, *range(3, 10)], (0, 0, 1)),
        ([5, 6, 7, 8, 9, 0, 1, 2, 3, 4], (0, 0, 5)),
        ([], (10, 0, 0)),
    ],
)
def test_one_partition(numbers: list[int], expected: tuple[int, int, int]) -> None:
    assert told({**WHOLE, (0, 0): numbers}) == expected


def test_the_producers_of_a_partition_are_counted_apart() -> None:
    assert told(WHOLE) == (0, 0, 0)
    assert told({(1, 0): WHOLE[(1, 0)]}) == (10, 0, 0)


def test_examples_name_the_records() -> None:
    assert verdict({(3, 7): {4: 0}}, {})["examples"] == ["producer 3 partition 7 number 4"]


def test_stalls_of_a_thousand() -> None:
    assert stalls(range(1, 1001)) == {"p50": 501, "p99": 991, "p99.9": 1000, "max": 1000}
    assert stalls([]) == {}


def test_below_min_isr() -> None:
    topics = [
        {"name": "a", "partitions": [{"partition_index": 0, "isr_nodes": [1, 2], "replica_nodes": [1, 2, 3]}]},
        {"name": "b", "partitions": [{"partition_index": 3, "isr_nodes": [2], "replica_nodes": [1, 2, 3]}]},
    ]
    assert below_min_isr(topics, {"a": 2, "b": 2}) == ["b-3 in sync [2] of [1, 2, 3]"]
    assert below_min_isr(topics, {"a": 2, "b": 1}) == []


BEFORE = {
    host: {"MainPID": 1.0, "ActiveExitTimestamp": 0.0, "ActiveEnterTimestamp": 1.0} for host in ("a-1", "a-2", "a-3")
}
AFTER = {
    "a-1": {"MainPID": 7.0, "ActiveExitTimestamp": 200.0, "ActiveEnterTimestamp": 205.0},
    "a-2": {"MainPID": 8.0, "ActiveExitTimestamp": 100.0, "ActiveEnterTimestamp": 106.0},
    "a-3": {"MainPID": 1.0, "ActiveExitTimestamp": 0.0, "ActiveEnterTimestamp": 1.0},
}


def test_which_nodes_were_restarted_and_in_which_order() -> None:
    assert worked_on(BEFORE, AFTER) == ["a-2", "a-1"]


def test_the_parts_of_a_restart_end_with_the_last_replica() -> None:
    samples = {
        "a-1": {"replicas_missing": [[101.0, 120.0], [201.0, 0.0]]},
        "a-3": {"replicas_missing": [[101.5, 121.0]]},
    }
    # The first node until the slower sampler saw all replicas, the second at least until it had started.
    assert sum_of_parts(AFTER, samples, ["a-2", "a-1"]) == 21.0 + 5.0
