"""From the catalog's services to topics, users, ACLs and quotas (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .acls import Acl

# Idempotent producers need no ACL on the cluster: since Kafka 3.0 (KIP-679) Write on a topic is enough.
PRODUCE = ("write", "describe")
CONSUME = ("read", "describe")


def principal(service: str) -> str:
    return f"User:{service}"


def _kafka(service: Mapping[str, Any]) -> Mapping[str, Any]:
    return service.get("kafka") or {}


def uses_kafka(service: Mapping[str, Any]) -> bool:
    """True for a service that has topics, or produces or consumes: it gets a user."""
    return any(_kafka(service).get(key) for key in ("topics", "produces", "consumes", "consumer_groups"))


def topics(
    services: Sequence[Mapping[str, Any]], replication_factor: int, min_insync_replicas: int
) -> list[dict[str, Any]]:
    """Every declared topic, with the cluster's defaults where the catalog leaves them out."""
    found = []
    for service in services:
        for topic in _kafka(service).get("topics") or []:
            factor = int(topic.get("replication_factor") or replication_factor)
            found.append(
                {
                    "name": topic["name"],
                    "partitions": int(topic.get("partitions") or 1),
                    "replication_factor": factor,
                    # A lowered replication factor must stay writable with one replica down.
                    "min_insync_replicas": int(
                        topic.get("min_insync_replicas") or min(min_insync_replicas, max(factor - 1, 1))
                    ),
                    "config": dict(topic.get("config") or {}),
                }
            )
    return sorted(found, key=lambda one: str(one["name"]))


def canary_topic(name: str, brokers: int, replication_factor: int, min_insync_replicas: int) -> dict[str, Any]:
    """The topic that verification writes to, so that no record of it ever lands in a service's topic."""
    factor = min(replication_factor, brokers)
    return {
        "name": name,
        "partitions": brokers,
        # A broker that leaves takes no partition with it.
        "at_least": True,
        "replication_factor": factor,
        "min_insync_replicas": min(min_insync_replicas, max(factor - 1, 1)),
        "config": {"retention.ms": "3600000"},
    }


def wanted_topics(params: Mapping[str, Any], more: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Topics of a module's ``services`` and its canary, beside ``more``."""
    factor, min_isr = params["default_replication_factor"], params["default_min_insync_replicas"]
    canary = [canary_topic(params["canary"], params["brokers"], factor, min_isr)] if params["canary"] else []
    return [*more, *topics(params["services"], factor, min_isr), *canary]


def acls(services: Sequence[Mapping[str, Any]], canary: str = "") -> list[Acl]:
    """Exactly what each service needs: nothing follows from owning a topic, only from producing and consuming."""
    found: set[Acl] = set()
    for service in services:
        if not uses_kafka(service):
            continue
        who, kafka = principal(service["name"]), _kafka(service)
        for names, operations, kind in (
            (kafka.get("produces"), PRODUCE, "topic"),
            (kafka.get("consumes"), CONSUME, "topic"),
            (kafka.get("consumer_groups"), CONSUME, "group"),
            ([canary] if canary else [], (*PRODUCE, *CONSUME), "topic"),
        ):
            found |= {Acl(who, kind, name, operation) for name in names or [] for operation in operations}
    return sorted(found)


def quotas(services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The quota of each service's user, where the catalog gives one."""
    return [{"user": service["name"], **quota} for service in services if (quota := _kafka(service).get("quota"))]


def principals(services: Sequence[Mapping[str, Any]]) -> list[str]:
    """Principals whose ACLs are managed: every service of the catalog, also one that no longer uses Kafka."""
    return sorted(principal(service["name"]) for service in services)
