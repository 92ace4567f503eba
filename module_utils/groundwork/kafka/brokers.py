"""Registered brokers: keep new replicas off a broker's disks (cordon), and forget a broker that is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import protocol, reassign
from .client import Connection, KafkaProblem, admin, error_text
from .protocol import Resource

CORDONED = "cordoned.log.dirs"  # KIP-1066, Kafka 4.3
ALL = "*"


def read(client: Any) -> list[dict[str, Any]]:
    present = reassign.topics(client)
    found = []
    for broker in sorted(client.describe_cluster()["brokers"], key=lambda one: int(one["broker_id"])):
        id_ = broker["broker_id"]
        folders: list[dict[str, Any]] = []
        if not broker.get("is_fenced"):
            (answer,) = client.describe_log_dirs(brokers=[id_])
            folders = [
                {
                    "path": folder["log_dir"],
                    "cordoned": bool(folder.get("is_cordoned")),
                    "error": error_text(folder["error_code"]),
                    "total_bytes": folder.get("total_bytes", -1),
                    "usable_bytes": folder.get("usable_bytes", -1),
                }
                for folder in sorted(answer["log_dirs"], key=lambda one: str(one["log_dir"]))
            ]
        found.append(
            {
                "id": id_,
                "rack": broker.get("rack") or "",
                "fenced": bool(broker.get("is_fenced")),
                "leaders": sum(one["leader"] == id_ for one in present.values()),
                "replicas": sum(id_ in one["replicas"] for one in present.values()),
                "log_dirs": folders,
            }
        )
    return found


def _find(brokers: Sequence[Mapping[str, Any]], id_: int) -> Mapping[str, Any]:
    for one in brokers:
        if one["id"] == id_:
            return one
    raise KafkaProblem(
        f"nothing was changed: broker {id_} is not registered (registered: {[one['id'] for one in brokers]})"
    )


def cordon(client: Any, broker: Mapping[str, Any], log_dirs: Sequence[str], on: bool, check: bool) -> dict[str, Any]:
    """Cordon these log dirs (none named: all), or take that back. What is there stays; new replicas go elsewhere."""
    if broker["fenced"]:
        raise KafkaProblem(
            f"nothing was changed: broker {broker['id']} is not in service: it takes no new replica as it is"
        )
    paths = [folder["path"] for folder in broker["log_dirs"]]
    if unknown := sorted(set(log_dirs) - set(paths)):
        raise KafkaProblem(
            f"nothing was changed: broker {broker['id']} has no log dir {', '.join(unknown)} (it has {', '.join(paths)})"
        )
    resource = Resource("broker", str(broker["id"]))
    entry = protocol.describe_configs(client, [resource])[resource].get(CORDONED)
    if entry is None:
        raise KafkaProblem(f"nothing was changed: broker {broker['id']} is too old for {CORDONED} (Kafka 4.3)")
    present = set(paths) if entry["value"] == ALL else set(filter(None, str(entry["value"] or "").split(",")))
    chosen = set(log_dirs or paths)
    target = present | chosen if on else present - chosen
    change: dict[Resource, dict[str, str | None]] = {}
    if target != present:
        # All of them in one word, so that a log dir that is added later is cordoned too.
        change[resource] = {CORDONED: ALL if target == set(paths) else ",".join(sorted(target)) or None}
        if refused := protocol.alter_configs(client, change, True):
            raise KafkaProblem(f"nothing was changed: {'; '.join(refused.values())}")
        if not check:
            if failed := protocol.alter_configs(client, change, False):
                raise KafkaProblem("; ".join(failed.values()))
            protocol.settled(lambda: _cordoned(client, broker["id"]) == target)
    return {"changed": bool(change), "before": {"cordoned": sorted(present)}, "after": {"cordoned": sorted(target)}}


def _cordoned(client: Any, id_: int) -> set[str]:
    (answer,) = client.describe_log_dirs(brokers=[id_])
    return {str(folder["log_dir"]) for folder in answer["log_dirs"] if folder.get("is_cordoned")}


def unregister(client: Any, brokers: Sequence[Mapping[str, Any]], id_: int, check: bool) -> dict[str, Any]:
    """Forget a broker. One that is not registered is what was asked for; one that serves or holds replicas is refused."""
    broker = next((one for one in brokers if one["id"] == id_), None)
    if broker is None:
        return {"changed": False, "before": {}, "after": {}}
    if not broker["fenced"]:
        raise KafkaProblem(f"nothing was changed: broker {id_} is in service: it would register again. Stop it first.")
    if broker["replicas"]:
        raise KafkaProblem(
            f"nothing was changed: {broker['replicas']} partitions still have a replica on broker {id_}: move them first "
            f"(kafka_reassign, leaving: [{id_}])"
        )
    if not check and (why := protocol.unregister_broker(client, id_)):
        raise KafkaProblem(f"broker {id_} stays registered: {why}")
    if not check:
        protocol.settled_everywhere(
            client, lambda: all(one["broker_id"] != id_ for one in client.describe_cluster()["brokers"])
        )
    return {"changed": True, "before": {"registered": [one["id"] for one in brokers]},
            "after": {"registered": [one["id"] for one in brokers if one["id"] != id_]}}  # fmt: skip


def run(connection: Connection, state: str, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What module kafka_brokers does."""
    with admin(connection) as client:
        brokers = read(client)
        result: dict[str, Any] = {"changed": False, "before": {}, "after": {}}
        if state in ("cordoned", "uncordoned"):
            broker = _find(brokers, params["broker"])
            result = cordon(client, broker, params["log_dirs"], state == "cordoned", check)
        elif state == "unregistered":
            result = unregister(client, brokers, params["broker"], check)
        if result["changed"] and not check:
            brokers = read(client)
    return {**result, "brokers": brokers}
