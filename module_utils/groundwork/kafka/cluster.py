"""The whole state of a cluster in one call, and a judgement of its health with reasons."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .client import Connection, KafkaProblem, admin, describe_topic_configs, error_text, kafka_uuid


@dataclass(frozen=True)
class Expected:
    """What the inventory says should be there; None is not checked."""

    cluster_id: str | None = None
    brokers: tuple[int, ...] | None = None
    voters: tuple[int, ...] | None = None
    max_voter_lag: int = 100
    max_voter_lag_ms: int = 10_000
    min_free_percent: float = 5.0
    #: Node ids whose absence is known and is no reason: the dead node that is being replaced.
    without: frozenset[int] = frozenset()


def gather(client: Any) -> dict[str, Any]:
    """Ask for everything; answers of the client, not yet judged. A part that cannot be read is in ``unreadable``."""
    unreadable: list[str] = []
    described = client.describe_cluster()
    quorum = client.describe_metadata_quorum()
    topics = client.describe_topics(None)
    names = [topic["name"] for topic in topics if topic["name"]]
    configs = describe_topic_configs(client, names, ["min.insync.replicas"])
    log_dirs: list[dict[str, Any]] = []
    for broker in described["brokers"]:
        if broker.get("is_fenced"):
            continue
        try:
            log_dirs.extend(client.describe_log_dirs(brokers=[broker["broker_id"]]))
        except Exception as error:  # one broker that does not answer must not hide the others
            unreadable.append(f"log dirs of broker {broker['broker_id']}: {type(error).__name__} {error}".strip())
    return {
        "cluster": described,
        "quorum": quorum,
        "topics": topics,
        "min_isr": {
            name: int(found.get("min.insync.replicas", {}).get("value") or 1) for name, found in configs.items()
        },
        "log_dirs": log_dirs,
        "features": client.describe_features(),
        "reassignments": client.list_partition_reassignments(),
        "unreadable": unreadable,
    }


def summarise_quorum(described: Mapping[str, Any]) -> dict[str, Any]:
    """The quorum of the metadata log: its leader, and how far each voter and observer is (pure)."""
    partition = described["topics"][0]["partitions"][0]
    if partition.get("error"):
        raise KafkaProblem(f"the quorum cannot be read: {partition['error']}")
    endpoints = {
        node["node_id"]: {listener["name"]: f"{listener['host']}:{listener['port']}" for listener in node["listeners"]}
        for node in described.get("nodes") or []
    }
    voters = partition["current_voters"]
    leader = partition["leader_id"]
    end = max((voter["log_end_offset"] for voter in voters if voter["replica_id"] == leader), default=-1)
    # The leader is caught up with itself now: its own clock, so that a skewed clock here reads as no lag.
    now_ms = max((voter["last_caught_up_timestamp"] for voter in voters if voter["replica_id"] == leader), default=-1)

    def since(entry: Mapping[str, Any], event: str) -> int | None:
        """Milliseconds; unknown is not zero: a voter that never fetched has -1."""
        at = entry.get(event, -1)
        return 0 if entry["replica_id"] == leader else (max(now_ms - at, 0) if at and at > 0 else None)

    def replica(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": entry["replica_id"],
            "directory_id": kafka_uuid(entry.get("replica_directory_id")),
            "log_end_offset": entry["log_end_offset"],
            "lag": max(end - entry["log_end_offset"], 0) if entry["log_end_offset"] >= 0 else None,
            "lag_ms": since(entry, "last_caught_up_timestamp"),
            "fetched_ms": since(entry, "last_fetch_timestamp"),
            "endpoint": next(iter(endpoints.get(entry["replica_id"], {}).values()), ""),
        }

    return {
        "leader_id": leader,
        "leader_epoch": partition["leader_epoch"],
        "high_watermark": partition["high_watermark"],
        "voters": [replica(voter) for voter in sorted(voters, key=lambda one: one["replica_id"])],
        "observers": [replica(one) for one in sorted(partition["observers"], key=lambda one: one["replica_id"])],
    }


def summarise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the client's answers into the module's result (pure)."""
    quorum = summarise_quorum(raw["quorum"])
    topics: dict[str, Any] = {}
    under_replicated: list[str] = []
    under_min_isr: list[str] = []
    at_min_isr: list[str] = []
    offline: list[str] = []
    missing: dict[str, list[int]] = {}
    breaks: dict[int, list[str]] = {}
    unreadable: list[str] = list(raw.get("unreadable", []))
    leaders: dict[int, int] = {}
    replicas: dict[int, int] = {}
    partitions = 0
    not_preferred = 0
    for topic in sorted(raw["topics"], key=lambda one: one["name"] or ""):
        name = topic["name"]
        if topic["error_code"]:
            unreadable.append(f"topic {name}: {error_text(topic['error_code'])}")
            continue
        min_isr = int(raw["min_isr"].get(name, 1))
        factors = set()
        for part in topic["partitions"]:
            label = f"{name}-{part['partition_index']}"
            isr, assigned = part["isr_nodes"], part["replica_nodes"]
            partitions += 1
            factors.add(len(assigned))
            leaders[part["leader_id"]] = leaders.get(part["leader_id"], 0) + 1
            for node in assigned:
                replicas[node] = replicas.get(node, 0) + 1
            if part["leader_id"] < 0:
                offline.append(label)
            elif assigned and part["leader_id"] != assigned[0]:
                not_preferred += 1
            if len(isr) < len(assigned):
                under_replicated.append(label)
                missing[label] = sorted(set(assigned) - set(isr))
            if len(isr) < min_isr:
                under_min_isr.append(label)
            elif len(isr) == min_isr:
                for node in isr:
                    breaks.setdefault(node, []).append(label)
                if len(assigned) > min_isr:
                    at_min_isr.append(label)
        topics[name] = {
            "partitions": len(topic["partitions"]),
            "replication_factor": max(factors, default=0),
            "min_insync_replicas": min_isr,
            "internal": bool(topic.get("is_internal")),
        }

    log_dirs = []
    for broker in raw["log_dirs"]:
        for folder in broker["log_dirs"]:
            total, usable = folder.get("total_bytes", -1), folder.get("usable_bytes", -1)
            log_dirs.append(
                {
                    "broker": broker["broker"],
                    "path": folder["log_dir"],
                    "error": error_text(folder["error_code"]),
                    "total_bytes": total,
                    "usable_bytes": usable,
                    "free_percent": round(100 * usable / total, 1) if total and total > 0 else None,
                    "replicas": sum(len(topic["partitions"]) for topic in folder["topics"]),
                    "replica_bytes": sum(
                        part["partition_size"] for topic in folder["topics"] for part in topic["partitions"]
                    ),
                    "cordoned": bool(folder.get("is_cordoned", False)),
                }
            )
    reassigning = raw.get("reassignments") or {}
    return {
        "cluster_id": raw["cluster"]["cluster_id"],
        "quorum": quorum,
        "brokers": [
            {
                "id": broker["broker_id"],
                "endpoint": f"{broker['host']}:{broker['port']}",
                "rack": broker.get("rack") or "",
                "fenced": bool(broker.get("is_fenced", False)),
                "leaders": leaders.get(broker["broker_id"], 0),
                "replicas": replicas.get(broker["broker_id"], 0),
            }
            for broker in sorted(raw["cluster"]["brokers"], key=lambda one: one["broker_id"])
        ],
        "controllers": [voter["id"] for voter in quorum["voters"]],
        "active_controller": quorum["leader_id"],
        "topics": topics,
        "partitions": partitions,
        "offline_partitions": offline,
        "under_min_isr_partitions": under_min_isr,
        "at_min_isr_partitions": at_min_isr,
        "under_replicated_partitions": under_replicated,
        "missing_replicas": missing,
        "below_min_isr_without": {str(node): labels for node, labels in sorted(breaks.items())},
        "not_preferred_leaders": not_preferred,
        "reassigning": sorted(f"{topic}-{index}" for topic, parts in reassigning.items() for index in parts),
        "log_dirs": log_dirs,
        "features": {
            name: {
                "finalized": int((feature.get("finalized") or (0, 0))[1]),
                "supported_min": int((feature.get("supported") or (0, 0))[0]),
                "supported_max": int((feature.get("supported") or (0, 0))[1]),
            }
            for name, feature in sorted(raw["features"].items())
        },
        "unreadable": unreadable,
    }


def _some(items: list[str], limit: int = 5) -> str:
    return ", ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")


def judge(state: Mapping[str, Any], expected: Expected) -> list[str]:
    """Reasons why the cluster is not healthy; an empty list is healthy (pure)."""
    reasons: list[str] = []
    quorum = state["quorum"]
    if expected.cluster_id and state["cluster_id"] != expected.cluster_id:
        reasons.append(f"this is cluster {state['cluster_id']}, not {expected.cluster_id}")
    if quorum["leader_id"] < 0:
        reasons.append("the quorum has no leader")
    for voter in quorum["voters"]:
        if voter["id"] == quorum["leader_id"] or voter["id"] in expected.without:
            continue
        if voter["lag"] is None or voter["lag_ms"] is None:
            reasons.append(f"voter {voter['id']} has not fetched from the leader")
        elif voter["lag"] > expected.max_voter_lag or voter["lag_ms"] > expected.max_voter_lag_ms:
            reasons.append(f"voter {voter['id']} lags by {voter['lag']} records, {voter['lag_ms']} ms")
    if expected.voters is not None:
        have = {voter["id"] for voter in quorum["voters"]}
        if missing := sorted(set(expected.voters) - have - expected.without):
            reasons.append(f"not a voter although the inventory says controller: {missing}")
        if extra := sorted(have - set(expected.voters)):
            reasons.append(f"a voter that the inventory does not know: {extra}")
    alive = {broker["id"] for broker in state["brokers"] if not broker["fenced"]}
    fenced = sorted({broker["id"] for broker in state["brokers"] if broker["fenced"]} - expected.without)
    if expected.brokers is not None:
        if missing := sorted(set(expected.brokers) - {broker["id"] for broker in state["brokers"]} - expected.without):
            reasons.append(f"broker not registered: {missing}")
        if extra := sorted({broker["id"] for broker in state["brokers"]} - set(expected.brokers)):
            reasons.append(f"a broker is registered that the inventory does not know: {extra}")
    if fenced:
        reasons.append(f"broker fenced (down, starting or recovering its logs): {fenced}")
    if not alive:
        reasons.append("no broker is in service")
    if state["offline_partitions"]:
        reasons.append(f"partition without a leader: {_some(state['offline_partitions'])}")
    if state["under_min_isr_partitions"]:
        reasons.append(f"partition below min ISR: {_some(state['under_min_isr_partitions'])}")
    if behind := [label for label, nodes in state["missing_replicas"].items() if set(nodes) - expected.without]:
        reasons.append(f"partition under-replicated: {_some(behind)}")
    for folder in state["log_dirs"]:
        if folder["error"]:
            reasons.append(f"log dir {folder['path']} of broker {folder['broker']}: {folder['error']}")
        elif folder["free_percent"] is not None and folder["free_percent"] < expected.min_free_percent:
            reasons.append(f"log dir {folder['path']} of broker {folder['broker']} has {folder['free_percent']} % free")
    reasons.extend(f"cannot read {item}" for item in state["unreadable"])
    return reasons


def info(connection: Connection, expected: Expected) -> dict[str, Any]:
    """One connection, the whole state, with ``healthy`` and ``reasons``."""
    started = time.monotonic()
    with admin(connection) as client:
        raw = gather(client)
    state = summarise(raw)
    reasons = judge(state, expected)
    return {**state, "healthy": not reasons, "reasons": reasons, "seconds": round(time.monotonic() - started, 3)}


def gate(
    ask: Callable[[], Mapping[str, Any]],
    answers: int,
    interval: float,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Wait for ``answers`` consecutive healthy answers; fails closed: silence and errors count as unhealthy.

    Returns ``passed``, ``consecutive``, ``asked``, ``seconds``, ``reasons`` (of the last unhealthy answer) and ``state``.
    """
    started = clock()
    consecutive = asked = 0
    reasons: list[str] = ["no answer yet"]
    state: Mapping[str, Any] = {}
    while True:
        asked += 1
        try:
            state = ask()
            healthy, reasons_now = bool(state.get("healthy")), list(state.get("reasons", []))
        except KafkaProblem as problem:
            healthy, reasons_now = False, [str(problem)]
        if healthy:
            consecutive += 1
            if consecutive >= answers:
                return {
                    "passed": True,
                    "consecutive": consecutive,
                    "asked": asked,
                    "seconds": round(clock() - started, 1),
                    "reasons": [],
                    "state": dict(state),
                }
        else:
            consecutive = 0
            reasons = reasons_now or ["the answer gave no verdict"]
        if clock() - started + interval > timeout:
            return {
                "passed": False,
                "consecutive": consecutive,
                "asked": asked,
                "seconds": round(clock() - started, 1),
                "reasons": reasons,
                "state": dict(state),
            }
        sleep(interval)
