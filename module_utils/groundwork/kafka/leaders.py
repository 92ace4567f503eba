"""Leaders of partitions: where they are, preferred ones, away from a broker and back, and unclean elections.

``away`` puts the broker last in the replica list of what it leads and elects the new first: a reassignment that copies
nothing. A controlled shutdown moves leaders too, but only once the stop has begun; here the stop begins when the broker
leads nothing any more and that has been seen. Nor would an automatic preferred election bring a leader back meanwhile. The price
is that the order must be put back: ``orders_of`` says what it is before a roll, ``back`` restores it and hands the leaders back. What is
moved away from one broker may have to be moved again from the next: only the first order of a partition is the one to restore
(``kept``), nothing else is moved then, and what check mode says of a later broker or of the end depends on what would have been
done before (``assumed``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import protocol, reassign
from .client import Connection, KafkaProblem, admin, confirmed
from .protocol import Key, label, parse_label

State = dict[Key, dict[str, Any]]


def _entries(orders: Mapping[Key, Sequence[int]]) -> list[dict[str, Any]]:
    return [
        {"topic": topic, "partition": number, "replicas": list(replicas)}
        for (topic, number), replicas in sorted(orders.items())
    ]


def _chosen(state: State, partitions: Sequence[str]) -> State:
    """The partitions that were named, all when none was."""
    if not partitions:
        return state
    wanted = [parse_label(one) for one in partitions]
    if missing := [label(key) for key in wanted if key not in state]:
        raise KafkaProblem(f"nothing was changed: {', '.join(missing)} does not exist")
    return {key: state[key] for key in wanted}


def _await(client: Any, so: Callable[[State], list[str]], wait: float) -> list[str]:
    """Wait until ``so`` finds nothing any more; returns what it still found after ``wait`` seconds."""
    deadline = time.monotonic() + wait
    while left := so(reassign.topics(client)):
        if time.monotonic() >= deadline:
            return left
        time.sleep(0.2)
    return []


# -- Preferred, away, back -------------------------------------------------------------------------------------------


def not_preferred(state: State, serving: Iterable[int]) -> tuple[State, list[str]]:
    """What another than the preferred replica leads: those that can be handed back, and labels of those that cannot."""
    alive = set(serving)
    can: State = {}
    cannot = []
    for key, one in state.items():
        first = one["replicas"][0]
        if one["leader"] in (first, -1):
            continue
        if first in alive and first in one["isr"]:
            can[key] = one
        else:
            cannot.append(f"{label(key)} (broker {first} is not in sync)")
    return can, sorted(cannot)


def _elected(state: State, target: Mapping[Key, int]) -> list[dict[str, Any]]:
    return [
        {"partition": label(key), "from": state[key]["leader"], "to": to}
        for key, to in sorted(target.items())
        if state[key]["leader"] != to
    ]


def _elect(client: Any, kind: int, target: Mapping[Key, int], wait: float) -> None:
    def elsewhere(now: State) -> list[str]:
        return [label(key) for key, to in target.items() if key in now and now[key]["leader"] != to]

    refused = protocol.elect_leaders(client, kind, target)
    left = _await(client, elsewhere, 0.0 if refused else wait)
    if left:
        why = "; ".join(f"{label(key)}: {words}" for key, words in sorted(refused.items())[:10])
        raise KafkaProblem(
            f"{len(left)} leaders did not move within {wait:.0f} s: {', '.join(left[:10])}. {why}".rstrip()
        )
    protocol.settled_everywhere(client, lambda: not elsewhere(reassign.topics(client)))


def preferred(client: Any, partitions: Sequence[str], wait: float, check: bool) -> dict[str, Any]:
    state = _chosen(reassign.topics(client), partitions)
    can, cannot = not_preferred(state, protocol.serving(client))
    target = {key: one["replicas"][0] for key, one in can.items()}
    if target and not check:
        _elect(client, protocol.PREFERRED, target, wait)
    return {"changed": bool(target), "elected": _elected(state, target), "stuck": cannot}


def make_way(state: State, broker: int, serving: Iterable[int]) -> tuple[dict[Key, tuple[int, ...]], list[str]]:
    """New orders that take the lead from ``broker``: it goes last, the first in-sync replica that serves goes first.

    Whom a partition's lead goes to is spread: the candidate that leads least so far. Second: partitions that nobody can take.
    """
    alive = set(serving) - {broker}
    led = Counter(one["leader"] for one in state.values())
    orders: dict[Key, tuple[int, ...]] = {}
    stuck = []
    for key, one in sorted(state.items()):
        # Not what it leads alone: what it would lead again by a preferred election, too.
        if one["leader"] != broker and not (one["replicas"][0] == broker and one["leader"] != -1):
            continue
        candidates = [id_ for id_ in one["replicas"] if id_ in alive and id_ in one["isr"]]
        if not candidates:
            stuck.append(label(key))
            continue
        heir = min(candidates, key=lambda id_: (led[id_], one["replicas"].index(id_)))
        if one["leader"] == broker:
            led[heir] += 1
        else:
            heir = one["leader"]
        rest = [id_ for id_ in one["replicas"] if id_ not in (heir, broker)]
        orders[key] = (heir, *rest, broker)
    return orders, stuck


def made_way(state: State, brokers: Iterable[int], serving: Iterable[int]) -> State:
    """The state after way was made for these brokers, one after the other (pure)."""
    for broker in brokers:
        orders, _ = make_way(state, broker, serving)
        state = {
            key: {**one, "replicas": orders[key], "leader": orders[key][0]} if key in orders else one
            for key, one in state.items()
        }
    return state


def away(
    client: Any,
    broker: int,
    wait: float,
    check: bool,
    *,
    allow_stuck: bool = False,
    kept: Iterable[Mapping[str, Any]] | None = None,
    assumed: Sequence[int] = (),
) -> dict[str, Any]:
    moving = reassign.moving(client)
    serving = protocol.serving(client)
    state = made_way(reassign.topics(client), assumed, serving)
    if kept is not None:
        noted = _keys(kept)
        state = {key: one for key, one in state.items() if key in noted}
    if broker not in serving:
        raise KafkaProblem(
            f"nothing was changed: broker {broker} is not in service (in service: {sorted(serving)}): it leads nothing"
        )
    orders, stuck = make_way(state, broker, serving)
    if stuck and not allow_stuck:
        raise KafkaProblem(
            f"nothing was changed: {len(stuck)} partitions have no other in-sync replica than broker {broker} and would be offline without it: "
            f"{', '.join(stuck[:10])}. Wait until they are in sync, raise their replication factor, or say allow_stuck: true."
        )
    if running := sorted(set(moving) & set(orders)):
        raise KafkaProblem(
            f"nothing was changed: {', '.join(map(label, running[:10]))} is being moved: verify or cancel that first (kafka_reassign)"
        )
    before = {key: state[key]["replicas"] for key in orders}
    target = {key: order[0] for key, order in orders.items()}
    if not check:
        _arrange(client, orders, target, wait)
    return {
        "changed": bool(orders),
        "elected": _elected(state, target),
        "orders": _entries(before),
        "stuck": stuck,
    }


def _arrange(client: Any, orders: Mapping[Key, Sequence[int]], target: Mapping[Key, int], wait: float) -> None:
    """Give replicas these orders, then the lead to these, which are the first."""
    if orders:
        if refused := protocol.alter_reassignments(client, orders):
            raise KafkaProblem("; ".join(f"{label(key)}: {why}" for key, why in sorted(refused.items())))
        left = _await(
            client,
            lambda now: [label(key) for key, order in orders.items() if now[key]["replicas"] != tuple(order)],
            wait,
        )
        if left:
            raise KafkaProblem(
                f"the order of replicas did not change within {wait:.0f} s: {', '.join(left[:10])}. Run it again."
            )
    if target:
        _elect(client, protocol.PREFERRED, target, wait)


def orders_of(state: State, brokers: Iterable[int], kept: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The orders of every partition that has a replica on one of these brokers: what a roll of them may change.

    Those that are kept already stay as they are, first.
    """
    rolled, first = set(brokers), [dict(one) for one in kept]
    known = _keys(first)
    mine = {key: one["replicas"] for key, one in state.items() if key not in known and rolled & set(one["replicas"])}
    return [*first, *_entries(mine)]


def _keys(entries: Iterable[Mapping[str, Any]]) -> set[Key]:
    return {(str(entry["topic"]), int(entry["partition"])) for entry in entries}


def back(
    client: Any, entries: Sequence[Mapping[str, Any]], wait: float, check: bool, *, assumed: Sequence[int] = ()
) -> dict[str, Any]:
    """Restore orders, then elect preferred leaders; a partition whose replicas are others by now is left as it is."""
    running, serving = reassign.moving(client), protocol.serving(client)
    state = made_way(reassign.topics(client), assumed, serving)
    orders: dict[Key, tuple[int, ...]] = {}
    left = []
    for entry in entries:
        key, order = (str(entry["topic"]), int(entry["partition"])), tuple(int(id_) for id_ in entry["replicas"])
        if key not in state or set(state[key]["replicas"]) != set(order) or key in running:
            left.append(label(key))
        elif state[key]["replicas"] != order:
            orders[key] = order
    then = {key: {**one, "replicas": orders.get(key, one["replicas"])} for key, one in state.items()}
    can, cannot = not_preferred(then, serving)
    target = {key: one["replicas"][0] for key, one in can.items()}
    if not check:
        _arrange(client, orders, target, wait)
    touched = sorted({*orders, *target})

    def shown(at: State, leaders: Mapping[Key, int]) -> dict[str, Any]:
        return {
            label(key): {"leader": leaders.get(key, at[key]["leader"]), "replicas": list(at[key]["replicas"])}
            for key in touched
        }

    return {
        "changed": bool(touched),
        "elected": _elected(state, target),
        "stuck": cannot,
        # Not "skipped": that word tells Ansible that the task did not run.
        "left": sorted(left),
        "before": shown(state, {}),
        "after": shown(then, target),
    }


# -- Offline partitions ----------------------------------------------------------------------------------------------


def offline(client: Any, state: State, serving: Sequence[int]) -> list[dict[str, Any]]:
    """Partitions without a leader, and what can be known of what an unclean election would lose.

    ``live``: the end offset of each living replica; ``candidate``: whom the election takes; ``highest_committed``: the farthest
    offset that a consumer group has committed. What lies between the candidate's end and that was acknowledged and
    read, and would be lost: ``lost_at_least``. What only the dead replicas have, nobody who is alive knows, and what a group
    committed last is not told while ``__consumer_offsets`` has fewer in-sync replicas than it asks for (KIP-966).
    """
    keys = sorted(key for key, one in state.items() if one["leader"] < 0)
    if not keys:
        return []
    eligible = _eligible(client, keys)
    ends: dict[int, dict[Key, int]] = {}
    for id_ in sorted(serving):
        if held := [key for key in keys if id_ in state[key]["replicas"]]:
            ends[id_] = protocol.end_offsets(client, id_, held)
    committed = _committed(client, keys)
    found = []
    for key in keys:
        one = state[key]
        elr, last = eligible.get(key, ([], []))
        alive = [id_ for id_ in one["replicas"] if id_ in serving]
        # The order in which the controller looks (PartitionChangeBuilder): in sync, eligible, last known, any that lives.
        candidate = next(
            (id_ for group in (one["isr"], elr, last, one["replicas"]) for id_ in group if id_ in alive), -1
        )
        end = ends.get(candidate, {}).get(key)
        most = committed.get(key)
        found.append(
            {
                "partition": label(key),
                "replicas": list(one["replicas"]),
                "isr": list(one["isr"]),
                "elr": elr,
                "live": {str(id_): ends[id_][key] for id_ in alive if key in ends.get(id_, {})},
                "candidate": candidate,
                "clean": candidate in {*one["isr"], *elr},
                "end_offset": end,
                "highest_committed": most,
                "lost_at_least": max(most - end, 0) if most is not None and end is not None else None,
            }
        )
    return found


def _eligible(client: Any, keys: Iterable[Key]) -> dict[Key, tuple[list[int], list[int]]]:
    """By partition its eligible leader replicas (KIP-966) and the last known ones."""
    found: dict[Key, tuple[list[int], list[int]]] = {}
    cursor: Any = None
    names = sorted({topic for topic, _ in keys})
    while True:
        answer = client.describe_topic_partitions(names, cursor=cursor)
        for topic in answer["topics"]:
            for part in topic["partitions"]:
                found[topic["name"], part["partition_index"]] = (
                    part["eligible_leader_replicas"] or [],
                    part["last_known_elr"] or [],
                )
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


def _committed(client: Any, keys: Iterable[Key]) -> dict[Key, int]:
    """The highest offset that any group has committed; groups that cannot be read now are left out."""
    from kafka.errors import KafkaError

    wanted = set(keys)
    found: dict[Key, int] = {}
    try:
        groups = [group["group_id"] for group in client.list_groups()]
    except KafkaError:
        return found
    for group in groups:
        try:
            offsets = client.list_group_offsets(group)
        except KafkaError:
            continue
        for partition, place in offsets.get(group, offsets).items():
            key = (partition.topic, partition.partition)
            if key in wanted:
                found[key] = max(found.get(key, 0), place.offset)
    return found


def unclean(client: Any, partitions: Sequence[str], confirm: str, wait: float, check: bool) -> dict[str, Any]:
    state = _chosen(reassign.topics(client), partitions)
    if led := [label(key) for key in state if partitions and state[key]["leader"] >= 0]:
        raise KafkaProblem(
            f"nothing was changed: {', '.join(led)} has a leader: an unclean election is for partitions without one"
        )
    found = offline(client, state, protocol.serving(client))
    if dead := [one["partition"] for one in found if one["candidate"] < 0]:
        raise KafkaProblem(
            f"nothing was changed: no replica of {', '.join(dead)} is alive: start one of its brokers first (kafka_leaders state=info lists them)"
        )
    shown = [
        f"{one['partition']} (broker {one['candidate']}, which ends at offset {one['end_offset']}"
        + (f"; groups have read up to {one['highest_committed']}" if one["highest_committed"] is not None else "")
        + ")"
        for one in found
    ]
    confirmed(client, "unclean-election", confirm, shown, check)
    target = {parse_label(one["partition"]): one["candidate"] for one in found}
    if target and not check:
        _elect(client, protocol.UNCLEAN, target, wait)
    return {"changed": bool(target), "elected": _elected(state, target), "offline": found}


def run(connection: Connection, state: str, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What module kafka_leaders does."""
    wait = params["wait"]
    assumed = params["assume_away"] if check else []
    result: dict[str, Any] = {"changed": False, "elected": [], "orders": [], "stuck": [], "left": [], "offline": []}
    with admin(connection) as client:
        if state == "preferred":
            result |= preferred(client, params["partitions"], wait, check)
        elif state == "away":
            result |= away(
                client,
                params["broker"],
                wait,
                check,
                allow_stuck=params["allow_stuck"],
                kept=params["orders"],
                assumed=assumed,
            )
        elif state == "back":
            result |= back(client, params["orders"] or [], wait, check, assumed=assumed)
        elif state == "unclean":
            result |= unclean(client, params["partitions"], params["confirm"], wait, check)
        now = reassign.topics(client)
        serving = protocol.serving(client)
        if state == "info":
            result["offline"] = offline(client, _chosen(now, params["partitions"]), serving)
            result["orders"] = orders_of(now, params["orders_of"], params["orders"] or [])
        can, cannot = not_preferred(_chosen(now, params["partitions"]), serving)
    led = Counter(str(one["leader"]) for one in now.values())
    result.setdefault("before", {one["partition"]: one["from"] for one in result["elected"]})
    result.setdefault("after", {one["partition"]: one["to"] for one in result["elected"]})
    return {
        **result,
        "leaders": {str(id_): led[str(id_)] for id_ in sorted(serving)},
        "not_preferred": sorted([*(label(key) for key in can), *(one.split(" ")[0] for one in cannot)]),
    }
