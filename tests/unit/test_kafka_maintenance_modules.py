"""What modules of maintenance decide, without a cluster: voters, heirs of leaders, plans, features, quotas, configurations."""

from __future__ import annotations

from typing import Any

import pytest
from groundwork.kafka import configs, desired, features, leaders, objects, protocol, quorum, quotas, reassign
from groundwork.kafka.client import KafkaProblem
from groundwork.kafka.protocol import Resource


def replica(
    id_: int, lag: int | None = 0, lag_ms: int | None = 0, directory: str = "", fetched_ms: int | None = 0
) -> dict[str, Any]:
    return {
        "id": id_,
        "lag": lag,
        "lag_ms": lag_ms,
        "fetched_ms": fetched_ms,
        "directory_id": directory or f"dir-{id_}",
    }


def votes(*voters: dict[str, Any], observers: tuple[dict[str, Any], ...] = (), dynamic: bool = True) -> dict[str, Any]:
    return {"voters": list(voters), "observers": list(observers), "dynamic": dynamic}


@pytest.mark.parametrize(
    ("state", "id_", "words"),
    [
        (votes(replica(1), replica(2), replica(3)), 3, ""),
        (votes(replica(1), replica(2, None, None), replica(3)), 3, "need 2 that are caught up, and only [1] are"),
        (votes(replica(1), replica(2, 101), replica(3)), 3, "bring [2] back first"),
        (votes(replica(1), replica(2, 0, 10_001), replica(3)), 1, "bring [2] back first"),
        # A dead voter may always be taken out while the others have their majority.
        (votes(replica(1), replica(2), replica(3, None, None)), 3, ""),
        (votes(replica(1), replica(2)), 2, ""),
        (votes(replica(1)), 1, "the only voter"),
        (votes(replica(1), replica(2), replica(3), dynamic=False), 3, "kraft.version is 0"),
    ],
)
def test_removing_a_voter(state: dict[str, Any], id_: int, words: str) -> None:
    why = quorum.refuse_remove(state, {"id": id_}, 100, 10_000)
    assert words in why if words else why == ""


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (votes(replica(1), observers=(replica(4),)), ""),
        (votes(replica(1)), "does not fetch the metadata log (observers: none)"),
        (votes(replica(1), observers=(replica(4, 500),)), "not caught up: 500 records"),
        (votes(replica(1), observers=(replica(4, None, None),)), "not caught up"),
        (
            votes(replica(1), replica(4, directory="old"), observers=(replica(4),)),
            "is a voter already, with directory id old",
        ),
        (votes(replica(1), observers=(replica(4),), dynamic=False), "kraft.version is 0"),
        # The lost disk of a node that was replaced is listed for minutes after it, in any order.
        (votes(replica(1), observers=(replica(4, 700, 90_000, "lost", 90_000), replica(4))), ""),
        (votes(replica(1), observers=(replica(4), replica(4, 0, 900, "lost", 900))), ""),
        (votes(replica(1), observers=(replica(4, 0, 900, "lost", 900), replica(4, 500))), "500 records"),
        (votes(replica(1), observers=(replica(4, 0, 5_000, "lost", 90_000),)), "does not fetch the metadata log"),
        (votes(replica(1), observers=(replica(4, fetched_ms=None),)), "does not fetch the metadata log"),
    ],
)
def test_adding_a_voter(state: dict[str, Any], words: str) -> None:
    why = quorum.refuse_add(state, {"id": 4}, 100, 10_000)
    assert words in why if words else why == ""


def part(replicas: tuple[int, ...], leader: int, isr: tuple[int, ...] | None = None) -> dict[str, Any]:
    return {"replicas": replicas, "leader": leader, "isr": replicas if isr is None else isr}


def test_heirs_are_in_sync_in_service_and_spread() -> None:
    state = {("t", n): part((1, 2, 3), 1) for n in range(4)}
    orders, stuck = leaders.make_way(state, 1, [1, 2, 3])
    assert stuck == [] and sorted(order[0] for order in orders.values()) == [2, 2, 3, 3]
    assert all(order[-1] == 1 and set(order) == {1, 2, 3} for order in orders.values())
    state = {
        ("a", 0): part((1, 2), 1, (1,)),  # nobody else is in sync
        ("b", 0): part((1, 3), 1),  # 3 is in sync and not in service
        ("c", 0): part((1, 2), 2),  # led elsewhere, but a preferred election would bring it back
        ("d", 0): part((2, 1), 2),  # nothing to do with it
        ("e", 0): part((1, 2), -1, ()),  # offline: nothing to hand over
    }
    orders, stuck = leaders.make_way(state, 1, [1, 2])
    assert (orders, stuck) == ({("c", 0): (2, 1)}, ["a-0", "b-0"])


def test_the_way_back_has_its_own_cost() -> None:
    plan = reassign.with_cost(
        {
            "version": 1,
            "cluster_id": "c",
            "moves": [{"topic": "t", "partition": 0, "replicas": [2, 3], "size": 100}],
            "rollback": [{"topic": "t", "partition": 0, "replicas": [1, 2], "size": 100}],
        }
    )
    assert (plan["bytes"], plan["received"], plan["sent"]) == (100, {"3": 100}, {"1": 100})
    back = reassign.reverse(plan)
    assert (back["received"], back["sent"]) == ({"1": 100}, {"2": 100})
    assert reassign.seconds(plan, 10) == 10.0 and reassign.seconds(plan, None) is None


def test_throttles_are_for_new_replicas_only() -> None:
    moves = {("t", 0): (1, 2, 3), ("t", 1): (2, 1), ("u", 0): (1,)}
    before = {("t", 0): (1, 2), ("t", 1): (1, 2), ("u", 0): (1, 2)}
    found = reassign.throttles(moves, before, 7)
    assert found[Resource("topic", "t")] == {
        "leader.replication.throttled.replicas": "0:1,0:2",
        "follower.replication.throttled.replicas": "0:3",
    }
    assert Resource("topic", "u") not in found
    assert sorted(one.name for one in found if one.entity == "broker") == ["1", "2", "3"]


def test_partitions_by_name() -> None:
    assert protocol.parse_label("a-b.v1-12") == ("a-b.v1", 12)
    for wrong in ("a", "a-", "-1", "a-x"):
        with pytest.raises(KafkaProblem, match="TOPIC-NUMBER"):
            protocol.parse_label(wrong)


def test_features_only_go_the_way_that_was_asked() -> None:
    have = {
        name: {"finalized": level, "supported_min": 0, "supported_max": 30}
        for name, level in features.RELEASES["4.2"].items()
    }
    assert features.release_of(have) == "4.2"
    assert features.changes(have, features.RELEASES["4.3"], "finalized") == {"metadata.version": (29, 30)}
    assert features.changes(have, features.RELEASES["4.1"], "finalized") == {}
    down = features.changes(have, features.RELEASES["4.1"], "downgraded")
    assert down == {"metadata.version": (29, 27), "share.version": (1, 0), "streams.version": (1, 0)}


def test_a_services_quota_is_managed_and_others_are_not() -> None:
    wanted = quotas.parse(desired.quotas([{"name": "a", "kafka": {"quota": {"producer_byte_rate": 5}}}, {"name": "b"}]))
    assert wanted == {(("user", "a"),): {"producer_byte_rate": 5.0}}
    present: quotas.Quotas = {
        (("user", "b"),): {"producer_byte_rate": 1.0},
        (("user", "foreign"),): {"producer_byte_rate": 1.0},
    }
    plan = quotas.make_plan(wanted, present, [(("user", "a"),), (("user", "b"),)], False)
    assert list(plan.set) == [(("user", "a"),)] and list(plan.remove) == [(("user", "b"),)]
    assert list(plan.unmanaged) == [(("user", "foreign"),)]


def test_a_listeners_configuration_is_judged_by_its_own_name() -> None:
    def entry(read_only: bool, secret: bool = False) -> dict[str, Any]:
        return {"read_only": read_only, "is_sensitive": secret, "config_source": 5, "value": None}

    broker = {"ssl.keystore.location": entry(False), "sasl.jaas.config": entry(False, True), "log.dirs": entry(True)}
    one = Resource("broker", "1")
    names = {
        "listener.name.internal.ssl.keystore.location": "",
        "listener.name.client.scram-sha-512.sasl.jaas.config": "is a secret",
        "log.dirs": "is static",
        "listener.name.internal.none": "know no configuration",
    }
    for name, words in names.items():
        plan = configs.make_plan([configs.Wanted(one, {name: "x"})], {one: {}}, broker)
        assert [words in problem for problem in plan.problems] == ([True] if words else []), name
    # What is set is told as static by the brokers themselves.
    name = "listener.name.internal.ssl.keystore.location"
    assert not configs.make_plan([configs.Wanted(one, {name: "x"})], {one: {name: entry(True)}}, broker).problems


# -- All of the catalog in one call ----------------------------------------------------------------------------------


def test_parts_are_predicted_before_any_is_made() -> None:
    asked: list[tuple[str, bool]] = []

    def part(name: str, changed: bool = True, fails: bool | None = None) -> objects.Part:
        def run(check: bool) -> dict[str, Any]:
            asked.append((name, check))
            if fails is check:
                raise KafkaProblem(f"nothing was changed: {name} is wrong" if check else f"{name} broke")
            return {"changed": changed, "before": "", "after": name}

        return run

    done = objects.ensure({"a": part("a"), "b": part("b", False), "c": part("c")}, False)
    assert asked == [("a", True), ("b", True), ("c", True), ("a", False), ("c", False)]
    assert [one["after_header"] for one in objects.diff(done)] == ["a", "c"]
    asked.clear()
    assert objects.ensure({"a": part("a")}, True)["a"]["changed"] and asked == [("a", True)]
    asked.clear()
    with pytest.raises(KafkaProblem, match=r"^nothing was changed\. b: b is wrong; c: c is wrong$"):
        objects.ensure({"a": part("a"), "b": part("b", fails=True), "c": part("c", fails=True)}, False)
    assert ("a", False) not in asked
    with pytest.raises(objects.HalfDone, match="b: b broke; changed before it: a") as half:
        objects.ensure({"a": part("a"), "b": part("b", fails=False), "c": part("c")}, False)
    assert list(half.value.results) == ["a"]
