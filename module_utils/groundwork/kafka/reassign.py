"""Moving replicas: plan, execute with a throttle, verify and clear the throttle, cancel, roll back.

A plan is a document (JSON) that can be kept, read and given back; it names its cluster and holds the way back. What is moving
is never taken from memory but asked: the same call can be repeated after a kill at any moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import args, planner, protocol
from .client import Connection, KafkaProblem, admin, error_text
from .protocol import Key, Resource, label

VERSION = 1
RATES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
REPLICAS = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")
POLL_SECONDS = 1.0
SETTLE_SECONDS = 15.0  # how much later than the controller a broker may know that something has arrived


def check_throttle(throttle: int | None) -> int:
    if throttle is None:
        raise KafkaProblem(
            "nothing was changed: give a throttle in bytes a second: without one the copying takes all of the network and clients starve"
        )
    if throttle <= 0:
        raise KafkaProblem(
            f"nothing was changed: the throttle must be more than 0 bytes a second, not {throttle}: with it nothing would ever arrive"
        )
    return throttle


# -- The document ----------------------------------------------------------------------------------------------------


def document(cluster_id: str, made: planner.Plan, size: Mapping[Key, int]) -> dict[str, Any]:
    def sized(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, "size": size.get((one["topic"], one["partition"]), 0)} for one in entries]

    return with_cost(
        {
            "version": VERSION,
            "cluster_id": cluster_id,
            "moves": sized(made.forward()),
            "rollback": sized(made.rollback()),
        }
    )


def with_cost(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with ``bytes`` to copy, and by broker how many it receives and sends (as a leader of what was there)."""
    received: dict[str, int] = {}
    sent: dict[str, int] = {}
    before = {(one["topic"], one["partition"]): one["replicas"] for one in plan["rollback"]}
    for one in plan["moves"]:
        had, size = before[one["topic"], one["partition"]], int(one.get("size", 0))
        for id_ in one["replicas"]:
            if id_ not in had:
                received[str(id_)] = received.get(str(id_), 0) + size
                sent[str(had[0])] = sent.get(str(had[0]), 0) + size
    return {
        **plan,
        "bytes": sum(received.values()),
        "received": dict(sorted(received.items())),
        "sent": dict(sorted(sent.items())),
    }


def _replicas(entries: Any, what: str, problems: list[str]) -> dict[Key, tuple[int, ...]]:
    found: dict[Key, tuple[int, ...]] = {}
    for entry in entries if isinstance(entries, list) else []:
        try:
            key = (str(entry["topic"]), int(entry["partition"]))
            replicas = tuple(int(id_) for id_ in entry["replicas"])
        except (TypeError, KeyError, ValueError):
            problems.append(f"{what}: {entry!r} is not {{topic, partition, replicas}}")
            continue
        if not replicas or len(set(replicas)) != len(replicas):
            problems.append(f"{what}: {label(key)} has replicas {list(replicas)}")
        if key in found:
            problems.append(f"{what}: {label(key)} is there twice")
        found[key] = replicas
    return found


def read_plan(
    plan: Mapping[str, Any], cluster_id: str
) -> tuple[dict[Key, tuple[int, ...]], dict[Key, tuple[int, ...]]]:
    """The moves and the way back; refuses a document that is not a plan of this cluster."""
    problems: list[str] = []
    if plan.get("version") != VERSION:
        problems.append(f"its version is {plan.get('version')!r}, this module writes and reads {VERSION}")
    if plan.get("cluster_id") != cluster_id:
        problems.append(f"it was made for cluster {plan.get('cluster_id')}, this is {cluster_id}: make a plan here")
    for part in ("moves", "rollback"):
        if not isinstance(plan.get(part), list):
            problems.append(f"it has no list {part!r}")
    moves = _replicas(plan.get("moves"), "moves", problems)
    back = _replicas(plan.get("rollback"), "rollback", problems)
    if set(moves) != set(back):
        odd = sorted(label(key) for key in set(moves) ^ set(back))
        problems.append(f"moves and rollback differ in their partitions: {', '.join(odd[:10])}")
    if problems:
        raise KafkaProblem("nothing was changed, the plan is refused: " + "; ".join(problems))
    return moves, back


def reverse(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan of the way back."""
    return with_cost({**plan, "moves": plan["rollback"], "rollback": plan["moves"]})


# -- What there is ---------------------------------------------------------------------------------------------------


def topics(client: Any) -> dict[Key, dict[str, Any]]:
    """Every partition with ``replicas``, ``isr`` and ``leader``."""
    found: dict[Key, dict[str, Any]] = {}
    for topic in client.describe_topics(None):
        if topic["error_code"]:
            raise KafkaProblem(f"topic {topic['name']} cannot be read: {error_text(topic['error_code'])}")
        for part in topic["partitions"]:
            found[topic["name"], part["partition_index"]] = {
                "replicas": tuple(part["replica_nodes"]),
                "isr": tuple(part["isr_nodes"]),
                "leader": part["leader_id"],
            }
    return found


def moving(client: Any) -> dict[Key, dict[str, tuple[int, ...]]]:
    """What is being moved: ``replicas`` it has, and the ``target`` it will have.

    Asked before ``topics``, never after: what arrives between the two would be taken for settled with the replicas of its move.
    """
    found = {}
    for key, entry in client.list_partition_reassignments().items():
        leaving = set(entry["removing_replicas"])
        found[key.topic, key.partition] = {
            "replicas": tuple(entry["replicas"]),
            "target": tuple(id_ for id_ in entry["replicas"] if id_ not in leaving),
        }
    return found


def sizes(client: Any, serving: Iterable[int]) -> tuple[dict[Key, int], dict[int, dict[str, int]]]:
    """The size of each partition (its largest replica), and by broker bytes ``used``, ``free`` and ``total``."""
    largest: dict[Key, int] = {}
    disks: dict[int, dict[str, int]] = {}
    for id_ in serving:
        (answer,) = client.describe_log_dirs(brokers=[id_])
        disk = disks[id_] = {"used": 0, "free": 0, "total": 0}
        for folder in answer["log_dirs"]:
            for topic in folder["topics"]:
                for part in topic["partitions"]:
                    key = (topic["name"], part["partition_index"])
                    largest[key] = max(largest.get(key, 0), part["partition_size"])
                    disk["used"] += part["partition_size"]
            # A failed or cordoned log dir takes no replica.
            if not folder["error_code"] and not folder.get("is_cordoned"):
                disk["free"] += max(folder.get("usable_bytes", 0), 0)
                disk["total"] += max(folder.get("total_bytes", 0), 0)
    return largest, disks


# -- Plan ------------------------------------------------------------------------------------------------------------


def make(
    client: Any,
    *,
    leaving: Sequence[int] = (),
    entering: Sequence[int] = (),
    assume: Mapping[int, str] | None = None,
    only: Sequence[str] = (),
    replication: Mapping[str, int] | None = None,
    tolerance: float | None = 0.1,
    leaders: bool = True,
    min_free_percent: float = 5.0,
) -> dict[str, Any]:
    """The plan for the cluster as it is now, or as it is with the brokers (id to rack) of ``assume``. Changes nothing."""
    described = client.describe_cluster()
    registered = {one["broker_id"]: one for one in described["brokers"]}
    serving = sorted(id_ for id_, one in registered.items() if not one.get("is_fenced"))
    running, present = moving(client), topics(client)
    held = {id_ for one in present.values() for id_ in one["replicas"]}
    known = {name for name, _ in present}
    problems = [f"broker {id_} is neither registered nor does it hold a replica" for id_ in leaving
                if id_ not in registered and id_ not in held]  # fmt: skip
    problems += [f"broker {id_} cannot enter: it is not in service (in service: {serving})" for id_ in entering
                 if id_ not in serving]  # fmt: skip
    problems += [f"broker {id_} cannot both leave and enter" for id_ in entering if id_ in leaving]
    problems += [f"broker {id_} is fenced (down, or recovering its logs): start it, or let it leave" for id_ in registered
                 if id_ not in serving and id_ not in leaving]  # fmt: skip
    problems += [f"topic {name} does not exist" for name in [*only, *(replication or {})] if name not in known]
    problems += [f"topic {name}: a replication factor of {factor}" for name, factor in (replication or {}).items()
                 if factor < 1]  # fmt: skip
    if running:
        shown = ", ".join(label(key) for key in sorted(running)[:5])
        problems.append(f"{len(running)} partitions are being moved already ({shown}): verify or cancel that first")
    if problems:
        raise KafkaProblem("no plan: " + "; ".join(problems))
    size, disks = sizes(client, serving)
    brokers = []
    for id_ in sorted(registered):
        disk = disks.get(id_, {"used": 0, "free": 0, "total": 0})
        free = max(disk["free"] - int(disk["total"] * min_free_percent / 100), 0)
        brokers.append(
            planner.Broker(id_, registered[id_].get("rack") or "", disk["used"], free, leaving=id_ in leaving)
        )
    least = min((one.capacity for one in brokers if one.id in serving), default=0)
    brokers += [
        planner.Broker(id_, rack, 0, least) for id_, rack in sorted((assume or {}).items()) if id_ not in registered
    ]
    made = planner.plan(
        brokers,
        [planner.Partition(*key, one["replicas"], size.get(key, 0)) for key, one in present.items()],
        replication=replication,
        tolerance=tolerance,
        leaders=leaders,
        only=set(only) or None,
    )
    return document(described["cluster_id"], made, size)


def seconds(plan: Mapping[str, Any], throttle: int | None) -> float | None:
    """How long the copying takes at least, with ``throttle`` bytes a second in and out of each broker."""
    if throttle is None:
        return None
    most: int = max([*plan["received"].values(), *plan["sent"].values(), 0])
    return round(most / check_throttle(throttle), 1)


# -- Execute ---------------------------------------------------------------------------------------------------------


def throttles(
    moves: Mapping[Key, tuple[int, ...]], before: Mapping[Key, tuple[int, ...]], rate: int
) -> dict[Resource, dict[str, str]]:
    """The throttle of KIP-73: rates of the brokers that send or receive, and which replicas they are for.

    Leaders are throttled on every replica there was (any may lead meanwhile), followers only where a replica is new: what
    keeps the ISR together is never slowed down.
    """
    found: dict[Resource, dict[str, str]] = {}
    involved: set[int] = set()
    sending: dict[str, list[str]] = {}
    receiving: dict[str, list[str]] = {}
    for (topic, number), target in sorted(moves.items()):
        had = before[topic, number]
        new = [id_ for id_ in target if id_ not in had]
        if not new:
            continue
        involved |= {*had, *new}
        sending.setdefault(topic, []).extend(f"{number}:{id_}" for id_ in had)
        receiving.setdefault(topic, []).extend(f"{number}:{id_}" for id_ in new)
    for topic, replicas in sending.items():
        found[Resource("topic", topic)] = {REPLICAS[0]: ",".join(replicas), REPLICAS[1]: ",".join(receiving[topic])}
    for id_ in sorted(involved):
        found[Resource("broker", str(id_))] = dict.fromkeys(RATES, str(rate))
    return found


def _throttled(client: Any, brokers: Iterable[int], names: Iterable[str]) -> dict[Resource, dict[str, str]]:
    """The throttles that are set, on these brokers and topics."""
    asked = [Resource("broker", str(id_)) for id_ in brokers] + [Resource("topic", name) for name in names]
    found: dict[Resource, dict[str, str]] = {}
    for one, entries in protocol.describe_configs(client, asked).items():
        keys = RATES if one.entity == "broker" else REPLICAS
        # 2 and 1: set on this broker, on this topic (ConfigSource). The default of a throttled-replicas list is empty.
        here = {
            key: str(entries[key]["value"])
            for key in keys
            if key in entries and entries[key]["config_source"] in (1, 2) and entries[key]["value"]
        }
        if here:
            found[one] = here
    return found


def _alter(client: Any, changes: Mapping[Resource, Mapping[str, str | None]], check: bool) -> None:
    if changes and (refused := protocol.alter_configs(client, changes, check)):
        raise KafkaProblem("; ".join(f"throttle of {one} was refused: {why}" for one, why in refused.items()))


def _raised(client: Any, changes: Mapping[Resource, Mapping[str, str | None]]) -> None:
    """Wait until each broker knows its rate: what is moved before that is moved without a throttle."""
    deadline = time.monotonic() + 30
    pending = {one: values for one, values in changes.items() if one.entity == "broker"}
    while pending:
        told = protocol.describe_configs(client, pending)
        pending = {
            one: values
            for one, values in pending.items()
            if any((told[one].get(key) or {}).get("value") != value for key, value in values.items())
        }
        if pending and time.monotonic() > deadline:
            raise KafkaProblem(
                f"the throttle did not reach {', '.join(map(str, pending))} within 30 s: nothing was moved; run it again"
            )
        if pending:
            time.sleep(0.2)


def _stale(
    moves: Mapping[Key, tuple[int, ...]],
    back: Mapping[Key, tuple[int, ...]],
    present: Mapping[Key, Mapping[str, Any]],
    running: Mapping[Key, Mapping[str, Any]],
    registered: Mapping[int, bool],
) -> list[str]:
    """Why the plan no longer fits the cluster: topics gone, brokers gone, replicas moved by somebody else since."""
    problems = []
    for key, target in sorted(moves.items()):
        if key not in present:
            problems.append(f"{label(key)} does not exist any more")
            continue
        have = running[key]["target"] if key in running else present[key]["replicas"]
        if have not in (target, back[key]):
            problems.append(
                f"{label(key)} has replicas {list(have)}, the plan knows {list(back[key])} and {list(target)}"
            )
        for id_ in target:
            if id_ not in registered:
                problems.append(f"{label(key)} should go to broker {id_}, which is not registered")
            elif not registered[id_] and id_ not in present[key]["replicas"]:
                problems.append(f"{label(key)} should go to broker {id_}, which is not in service")
    if others := sorted(set(running) - set(moves)):
        shown = ", ".join(label(key) for key in others[:5])
        problems.append(f"{len(others)} other partitions are being moved ({shown}): verify or cancel that first")
    return problems


def execute(client: Any, plan: Mapping[str, Any], throttle: int | None, check: bool) -> dict[str, Any]:
    """Start what of the plan is still to do, throttled. A plan under way gets another throttle if that differs."""
    rate = check_throttle(throttle)
    described = client.describe_cluster()
    moves, back = read_plan(plan, described["cluster_id"])
    registered = {one["broker_id"]: not one.get("is_fenced") for one in described["brokers"]}
    running, present = moving(client), topics(client)
    if problems := _stale(moves, back, present, running, registered):
        more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise KafkaProblem(
            "nothing was changed, the plan does not fit the cluster any more: " + "; ".join(problems[:20]) + more
            + ". Make a new plan."
        )  # fmt: skip
    start = {
        key: target
        for key, target in moves.items()
        if (running[key]["target"] if key in running else present[key]["replicas"]) != target
    }
    # The same for the whole of a plan under way, so that what has arrived meanwhile changes nothing.
    wanted = throttles(moves, back, rate) if start or running else {}
    # A broker that is down cannot be asked; it neither sends nor receives.
    have = _throttled(client, [id_ for id_, serves in registered.items() if serves], {topic for topic, _ in moves})
    changes: dict[Resource, dict[str, str | None]] = {}
    for one, values in wanted.items():
        if one.entity == "broker" and not registered[int(one.name)]:
            continue
        if differing := {key: value for key, value in values.items() if have.get(one, {}).get(key) != value}:
            changes[one] = dict(differing)
    _alter(client, changes, check)
    if start and not check:
        _raised(client, changes)
        _stop(client, set(start) & set(running), 10.0)
        if refused := protocol.alter_reassignments(client, start):
            raise KafkaProblem("; ".join(f"{label(key)} was not moved: {why}" for key, why in sorted(refused.items())))
    return {
        "changed": bool(start or changes),
        "started": sorted(label(key) for key in start),
        "before": {label(key): list(present[key]["replicas"]) for key in sorted(start)}
        | {str(one): have.get(one, {}) for one in changes},
        "after": {label(key): list(start[key]) for key in sorted(start)}
        | {str(one): {**have.get(one, {}), **values} for one, values in changes.items()},
    }


def _stop(client: Any, keys: Iterable[Key], wait: float) -> None:
    """Cancel the moves of these partitions.

    Also before a move under way gets another target. Told that target at once, Kafka 4.3 keeps what it was adding beside what it
    now removes (ReplicationControlManager.changePartitionReassignment sets no empty list): a replica that is in both lists never
    gets in sync, and the move never ends.
    """
    running = sorted(keys)
    refused = protocol.alter_reassignments(client, dict.fromkeys(running)) if running else {}
    # What arrived in this very moment need not be cancelled.
    refused = {key: why for key, why in refused.items() if "NoReassignmentInProgress" not in why}
    if refused:
        raise KafkaProblem("; ".join(f"{label(key)} goes on: {why}" for key, why in sorted(refused.items())))
    finish(client, running, wait)


# -- Verify, cancel --------------------------------------------------------------------------------------------------


def set_throttles(client: Any) -> dict[Resource, dict[str, str]]:
    """Every throttle of a reassignment that is set anywhere."""
    brokers = protocol.serving(client)
    return _throttled(client, brokers, sorted({name for name, _ in topics(client)}))


def clear(client: Any, check: bool) -> list[str]:
    """Take every throttle away. Returns where there was one."""
    found = set_throttles(client)
    _alter(client, {one: dict.fromkeys(values) for one, values in found.items()}, check)
    return sorted(f"{one}: {key}" for one, values in found.items() for key in values)


def progress(client: Any, moves: Mapping[Key, tuple[int, ...]]) -> dict[str, Any]:
    """How far the moves are: ``done`` when every partition has its replicas, all in sync, and nothing moves."""
    running, present = moving(client), topics(client)
    differs, behind = [], []
    for key, target in sorted(moves.items()):
        if key in running:
            continue
        if key not in present or present[key]["replicas"] != target:
            have = list(present[key]["replicas"]) if key in present else "gone"
            differs.append(f"{label(key)}: {have}, planned {list(target)}")
        elif set(present[key]["isr"]) != set(target):
            behind.append(f"{label(key)}: in sync {sorted(present[key]['isr'])} of {sorted(target)}")
    return {
        "moving": sorted(label(key) for key in running),
        "differs": differs,
        "out_of_sync": behind,
        "done": not (running or differs or behind),
    }


def verify(client: Any, plan: Mapping[str, Any], wait: float, check: bool) -> dict[str, Any]:
    """How far a plan is; waits up to ``wait`` seconds, then fails. Clears the throttles once nothing moves.

    ``stopped``: nothing moves and yet not all is where the plan says. A broker that is asked may know later than the controller
    what has arrived, so that is not said before it was so for SETTLE_SECONDS, whatever ``wait`` is.
    """
    moves, _ = read_plan(plan, client.describe_cluster()["cluster_id"])
    still = time.monotonic()
    deadline = still + wait
    while True:
        found = progress(client, moves)
        now = time.monotonic()
        quiet = bool(found["differs"] and not found["moving"])
        still = still if quiet else now
        stopped = quiet and now - still > SETTLE_SECONDS
        if found["done"] or check or stopped or (now >= deadline and not quiet):
            break
        time.sleep(POLL_SECONDS)
    # Check mode takes it that what moves arrives while the run would wait.
    cleared = clear(client, check) if not found["moving"] or (check and wait) else []
    if wait and not found["done"] and not check:
        rest = found["moving"] or found["out_of_sync"]
        if stopped:
            raise KafkaProblem(
                "nothing moves any more, but not all is where the plan says: " + "; ".join(found["differs"][:20])
                + ". Execute the plan again, or roll it back."
            )  # fmt: skip
        raise KafkaProblem(
            f"after {wait:.0f} s {len(rest)} partitions are still being moved: {', '.join(rest[:10])}. The throttle stays. "
            "Run it again to wait on, execute with a higher throttle, or cancel."
        )
    return {"changed": bool(cleared), "throttles_cleared": cleared, "stopped": stopped, **found}


def finish(client: Any, keys: Iterable[Key], wait: float) -> None:
    """Wait until none of these partitions moves any more."""
    deadline = time.monotonic() + wait
    while left := sorted(set(moving(client)) & set(keys)):
        if time.monotonic() >= deadline:
            raise KafkaProblem(
                f"after {wait:.0f} s {len(left)} partitions are still being moved: {', '.join(map(label, left[:10]))}. The throttle stays. "
                "Run it again to wait on, or cancel (kafka_reassign)."
            )
        time.sleep(POLL_SECONDS)


def cancel(client: Any, plan: Mapping[str, Any] | None, wait: float, check: bool) -> dict[str, Any]:
    """Stop what is moving (of the plan, or all): its partitions keep the replicas they had. Clears the throttles.

    Kafka leaves what it cancels in the order of the target, with another preferred leader; a plan knows the order of before.
    """
    running = moving(client)
    moves: dict[Key, tuple[int, ...]] = {}
    back: dict[Key, tuple[int, ...]] = {}
    if plan is not None:
        moves, back = read_plan(plan, client.describe_cluster()["cluster_id"])
        running = {key: entry for key, entry in running.items() if key in moves}
    present = topics(client)
    disordered = {
        key: back[key]
        for key, target in moves.items()
        if key not in running
        and set(target) != set(back[key])
        and set(present.get(key, {}).get("replicas", ())) == set(back[key])
        and present[key]["replicas"] != back[key]
    }
    if not check:
        _stop(client, running, max(wait, 10.0))
    if not check:
        now = topics(client)
        orders = disordered | {
            key: back[key]
            for key in running
            if key in back and now[key]["replicas"] != back[key] and set(now[key]["replicas"]) == set(back[key])
        }
        if orders and (refused := protocol.alter_reassignments(client, orders)):
            raise KafkaProblem("; ".join(f"order of {label(key)}: {why}" for key, why in sorted(refused.items())))
        finish(client, orders, 10.0)
    cleared = [] if set(moving(client)) - set(running) else clear(client, check)
    stopped = {
        key: running[key]["target"] if key in running else present[key]["replicas"] for key in {*running, *disordered}
    }
    return {
        "changed": bool(stopped or cleared),
        "cancelled": sorted(label(key) for key in running),
        "throttles_cleared": cleared,
        "before": {label(key): list(replicas) for key, replicas in sorted(stopped.items())},
        "after": {label(key): list(back[key]) for key in sorted(stopped) if key in back},
    }


def lines(plan: Mapping[str, Any]) -> list[str]:
    """The plan for a person: one line a partition."""
    before = {(one["topic"], one["partition"]): one["replicas"] for one in plan["rollback"]}
    return [
        f"{one['topic']}-{one['partition']}: {before[one['topic'], one['partition']]} -> {one['replicas']}"
        for one in plan["moves"]
    ]


def run(connection: Connection, state: str, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What module kafka_reassign does; the result has ``before`` and ``after`` for its diff."""
    throttle: int | None = params["throttle"]
    if throttle is not None:
        check_throttle(throttle)
    plan: dict[str, Any] | None = params["plan"]
    result: dict[str, Any] = {
        "changed": False,
        "before": {},
        "after": {},
        "moving": [],
        "differs": [],
        "out_of_sync": [],
        "done": False,
        "stopped": False,
        "throttles_cleared": [],
        "cancelled": [],
    }
    with admin(connection) as client:
        if plan is not None:
            read_plan(plan, client.describe_cluster()["cluster_id"])
            plan = with_cost(reverse(plan) if state == "rolled_back" else plan)
        if state == "cancelled":
            result |= cancel(client, plan, params["wait"], check)
            result["moving"] = sorted(label(key) for key in moving(client))
        elif state == "planned":
            plan = make(
                client,
                leaving=params["leaving"],
                entering=params["entering"],
                assume=args.assumed(params),
                only=params["topics"],
                replication={str(name): int(factor) for name, factor in (params["replication"] or {}).items()},
                tolerance=params["tolerance"] if params["balance"] else None,
                leaders=params["leaders"],
                min_free_percent=params["min_free_percent"],
            )
            result["done"] = not plan["moves"]
        elif plan is None:
            raise KafkaProblem(f"nothing was changed: state {state} needs the plan that state planned returned")
        elif state == "verified":
            result |= verify(client, plan, params["wait"], check)
        else:
            result |= execute(client, plan, throttle, check)
            moves, _ = read_plan(plan, plan["cluster_id"])
            result |= progress(client, moves)
    if result["throttles_cleared"]:
        result["before"] = {**result["before"], "throttles": result["throttles_cleared"]}
    if plan is not None:
        result |= {
            "plan": plan,
            "lines": lines(plan),
            "bytes": plan["bytes"],
            "seconds": seconds(plan, throttle),
        }
    return result
