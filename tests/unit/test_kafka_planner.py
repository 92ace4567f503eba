"""The reassignment planner: laws that hold for any cluster, and the answers to plain questions."""

from __future__ import annotations

import resource
import time
from collections import Counter

import pytest
from groundwork.kafka.client import KafkaProblem
from groundwork.kafka.planner import Broker, Partition, Plan, plan
from hypothesis import given, settings
from hypothesis import strategies as st

GIB = 1 << 30


def cluster(
    count: int, racks: int, partitions: int, replication: int, leaving: frozenset[int] = frozenset()
) -> tuple[list[Broker], list[Partition]]:
    """Brokers numbered from 1, racks in turn, replicas in consecutive brokers, sizes of a long tail."""
    # 10 MB and more, a few of them very large (Pareto, 1.5), without chance.
    sizes = [
        int(10_000_000 * ((number * 7919 % partitions + 1) / partitions) ** (-1 / 1.5)) for number in range(partitions)
    ]
    parts = [
        Partition(
            f"topic-{number % 97}", number, tuple((number + offset) % count + 1 for offset in range(replication)), size
        )
        for number, size in enumerate(sizes)
    ]
    used: Counter[int] = Counter()
    for part in parts:
        for id_ in part.replicas:
            used[id_] += part.size
    capacity = int(max(used.values()) * 2.5)
    brokers = [
        Broker(id_, f"rack-{id_ % racks}", used[id_], capacity - used[id_], id_ in leaving)
        for id_ in range(1, count + 1)
    ]
    return brokers, parts


def laws(brokers: list[Broker], partitions: list[Partition], result: Plan, replication: dict[str, int]) -> None:
    """Rules 1 to 3 of the planner, checked from outside."""
    staying = {broker.id: broker for broker in brokers if not broker.leaving}
    after = {(one.topic, one.partition): one.replicas for one in partitions}
    after |= {(move.topic, move.partition): move.after for move in result.moves}
    racks = {broker.rack for broker in staying.values()}
    received: Counter[int] = Counter()
    for one in partitions:
        replicas = after[one.key]
        assert len(replicas) == len(set(replicas)) == replication.get(one.topic, len(one.replicas)), one
        assert set(replicas) <= set(staying), one
        counts = Counter(staying[id_].rack for id_ in replicas)
        assert not (max(counts.values()) > 1 and len(counts) < len(racks)), (one, replicas)
        for id_ in set(replicas) - set(one.replicas):
            received[id_] += one.size
    for id_, size in received.items():
        assert size <= staying[id_].free
    assert dict(received) == result.received


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Broker], list[Partition], dict[str, int]]:
    count = draw(st.integers(1, 8))
    racks = draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    leaving = draw(st.sets(st.integers(1, count), max_size=count - 1))
    free = draw(st.lists(st.integers(0, 3000), min_size=count, max_size=count))
    partitions = []
    for number in range(draw(st.integers(0, 20))):
        # A broker that is not registered any more may be among the replicas.
        ids = draw(st.lists(st.integers(1, count + 1), min_size=1, max_size=min(count, 4), unique=True))
        partitions.append(Partition(draw(st.sampled_from(["a", "b"])), number, tuple(ids), draw(st.integers(0, 500))))
    used: Counter[int] = Counter()
    for one in partitions:
        for id_ in one.replicas:
            used[id_] += one.size
    brokers = [Broker(i + 1, racks[i], used[i + 1], free[i], i + 1 in leaving) for i in range(count)]
    return brokers, partitions, draw(st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 4)))


@settings(max_examples=400, deadline=None)
@given(clusters(), st.sampled_from([None, 0.0, 0.1, 0.5]), st.booleans())
def test_no_plan_breaks_a_law(
    given_: tuple[list[Broker], list[Partition], dict[str, int]], tolerance: float | None, leaders: bool
) -> None:
    brokers, partitions, replication = given_
    try:
        result = plan(brokers, partitions, replication=replication, tolerance=tolerance, leaders=leaders)
    except KafkaProblem as problem:
        assert "nothing was changed" in str(problem)
        return
    laws(brokers, partitions, result, replication)
    shuffled = plan(brokers[::-1], partitions[::-1], replication=replication, tolerance=tolerance, leaders=leaders)
    assert shuffled.moves == result.moves


def test_a_balanced_cluster_is_left_alone() -> None:
    brokers = [Broker(id_, f"r{id_}", 300, 700) for id_ in (1, 2, 3)]
    partitions = [Partition("t", n, (n % 3 + 1, (n + 1) % 3 + 1, (n + 2) % 3 + 1), 100) for n in range(3)]
    assert plan(brokers, partitions).moves == []


def test_a_drained_broker_keeps_nothing_and_only_its_replicas_move() -> None:
    brokers, partitions = cluster(6, 3, 300, 3, leaving=frozenset({4}))
    result = plan(brokers, partitions, tolerance=None, leaders=False)
    laws(brokers, partitions, result, {})
    held = [one for one in partitions if 4 in one.replicas]
    assert len(result.moves) == len(held)
    assert result.bytes == sum(one.size for one in held)
    assert {move.removing for move in result.moves} == {(4,)}


def test_a_new_broker_takes_its_share_and_no_more_than_that_is_moved() -> None:
    brokers, partitions = cluster(3, 3, 300, 3)
    capacity = brokers[0].capacity
    brokers = [*brokers, Broker(4, "rack-new", 0, capacity)]
    result = plan(brokers, partitions, tolerance=0.1)
    laws(brokers, partitions, result, {})
    total = sum(one.size * 3 for one in partitions)
    assert 0.85 * total / 4 <= result.received[4] <= 1.1 * total / 4
    assert result.bytes == result.received[4], "nothing but the new broker's share is copied"


def test_empty_topics_are_spread_to_a_new_broker_too() -> None:
    brokers = [*(Broker(id_, f"r{id_}", 0, 10 * GIB) for id_ in (1, 2, 3)), Broker(4, "r1", 0, 10 * GIB)]
    partitions = [Partition("t", n, (n % 3 + 1, (n + 1) % 3 + 1), 0) for n in range(24)]
    result = plan(brokers, partitions)
    laws(brokers, partitions, result, {})
    assert sum(4 in move.adding for move in result.moves) >= 10
    assert result.bytes == 0


def test_replication_is_raised_and_lowered() -> None:
    brokers, partitions = cluster(6, 3, 60, 2)
    topics = {one.topic for one in partitions}
    up = plan(brokers, partitions, replication=dict.fromkeys(topics, 3), tolerance=None)
    laws(brokers, partitions, up, dict.fromkeys(topics, 3))
    assert up.bytes == sum(one.size for one in partitions), "one copy of each partition, no more"
    down = plan(brokers, partitions, replication=dict.fromkeys(topics, 1), tolerance=None)
    assert down.bytes == 0
    assert {len(move.after) for move in down.moves} == {1}


def test_two_replicas_on_a_rack_are_parted() -> None:
    brokers = [Broker(1, "a", 10, 90), Broker(2, "a", 10, 90), Broker(3, "b", 0, 90)]
    result = plan(brokers, [Partition("t", 0, (1, 2), 10)], tolerance=None)
    assert [(move.before, move.after) for move in result.moves] == [((1, 2), (1, 3))]


def test_leaders_are_spread_without_copying() -> None:
    brokers = [Broker(id_, f"r{id_}", 0, GIB) for id_ in (1, 2, 3)]
    partitions = [Partition("t", n, (1, 2, 3), 0) for n in range(9)]
    result = plan(brokers, partitions, tolerance=None)
    led = Counter(one.replicas[0] for one in partitions)
    for move in result.moves:
        led[move.before[0]] -= 1
        led[move.after[0]] += 1
    assert led == {1: 3, 2: 3, 3: 3}
    assert (len(result.moves), result.bytes) == (6, 0)


def test_leaders_move_along_a_chain() -> None:
    """Broker 1 leads too much and shares nothing with the idle broker 3: 2 hands one on and takes one."""
    brokers = [Broker(id_, f"r{id_}", 0, GIB) for id_ in (1, 2, 3)]
    partitions = [Partition("t", 0, (1, 2), 0), Partition("t", 1, (1, 2), 0), Partition("t", 2, (2, 3), 0)]
    result = plan(brokers, partitions, tolerance=None)
    after = {one.partition: one.replicas for one in partitions} | {move.partition: move.after for move in result.moves}
    assert sorted(replicas[0] for replicas in after.values()) == [1, 2, 3]


def test_what_does_not_fit_is_refused_with_every_reason() -> None:
    brokers = [Broker(1, "a", 300, 0, leaving=True), Broker(2, "a", 0, 100)]
    partitions = [Partition("t", 0, (1,), 150), Partition("t", 1, (1,), 150), Partition("u", 0, (1, 2), 0)]
    with pytest.raises(KafkaProblem) as problem:
        plan(brokers, partitions)
    text = str(problem.value)
    assert "t-0: 150 bytes do not fit" in text
    assert "t-1: 150 bytes do not fit" in text
    assert "u-0: 2 replicas on 1 brokers that stay" in text


def test_the_rack_rule_is_not_given_up_for_space() -> None:
    brokers = [
        Broker(1, "a", 10, 90),
        Broker(2, "b", 10, 90, leaving=True),
        Broker(3, "b", 0, 5),
        Broker(4, "a", 0, 90),
    ]
    with pytest.raises(KafkaProblem, match="t-0: 10 bytes do not fit on rack b"):
        plan(brokers, [Partition("t", 0, (1, 2), 10)])


def test_estimate_and_way_back() -> None:
    brokers = [Broker(1, "a", 100, 900), Broker(2, "a", 100, 900, leaving=True), Broker(3, "b", 0, 900)]
    partitions = [Partition("t", 0, (1,), 100), Partition("t", 1, (2,), 100)]
    result = plan(brokers, partitions, tolerance=None, leaders=False)
    assert result.seconds(50) == 2.0
    with pytest.raises(KafkaProblem, match="more than 0"):
        result.seconds(0)
    assert result.rollback() == [{"topic": "t", "partition": 1, "replicas": [2]}]
    assert result.forward()[0]["replicas"] in ([1], [3])


def test_ten_thousand_partitions_on_a_hundred_brokers() -> None:
    brokers, partitions = cluster(100, 3, 10_000, 3, leaving=frozenset({7, 50}))
    brokers = [*brokers, Broker(101, "rack-0", 0, brokers[0].capacity), Broker(102, "rack-1", 0, brokers[0].capacity)]
    began = time.process_time()
    result = plan(brokers, partitions)
    seconds = time.process_time() - began
    laws(brokers, partitions, result, {})
    assert seconds <= 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 500 * 1024


def test_topics_that_may_not_move_stay_and_count() -> None:
    brokers = [Broker(id_, f"r{id_}", 0, 1000) for id_ in (1, 2, 3)]
    fixed = [Partition("fixed", n, (1,), 100) for n in range(4)]
    free = [Partition("free", n, (1,), 100) for n in range(2)]
    result = plan(brokers, fixed + free, only={"free"})
    assert {move.topic for move in result.moves} == {"free"}
    # Broker 1 has four already: what may move goes to the two others, one each.
    assert sorted(move.after for move in result.moves) == [(2,), (3,)]
    assert plan(brokers, fixed, only=set()).moves == []


def test_preferred_leaders_of_what_stays_are_counted() -> None:
    brokers = [Broker(id_, f"r{id_}", 0, 1000) for id_ in (1, 2)]
    fixed = [Partition("fixed", n, (1, 2), 10) for n in range(2)]
    free = [Partition("free", n, (1, 2), 10) for n in range(2)]
    result = plan(brokers, fixed + free, tolerance=None, only={"free"})
    assert [move.after for move in result.moves] == [(2, 1), (2, 1)]
