"""What an administrator made on a cluster, as one document: topics, ACLs, users, quotas and dynamic configurations.

Each section has the shape of the arguments of the module that makes it, so that a document is restored by handing its
sections to kafka_topics, kafka_acls, kafka_quotas and kafka_configs. Passwords are in no document: Kafka does not tell them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from . import acls, protocol, topics
from .client import Connection, KafkaProblem, admin

VERSION = 1
SECTIONS = ("topics", "acls", "users", "quotas", "configs")
# Set while something is under way, by drains and reassignments: no document keeps them.
PASSING = frozenset({"cordoned.log.dirs", "leader.replication.throttled.rate", "follower.replication.throttled.rate"})
_DYNAMIC_BROKER, _DYNAMIC_DEFAULT_BROKER = 2, 3


def read(client: Any) -> dict[str, Any]:
    """The document of the cluster that this client is connected to."""
    described = client.describe_cluster()
    return {
        "version": VERSION,
        "cluster_id": described["cluster_id"],
        "topics": [
            {
                "name": name,
                "partitions": topic.partitions,
                "replication_factor": max(topic.replication_factors),
                "config": {key: value for key, value in sorted(topic.config.items()) if key not in topics.RUNTIME_KEYS},
            }
            for name, topic in sorted(topics.read(client).items())
        ],
        "acls": [asdict(acl) for acl in sorted(acls.read(client))],
        "users": [
            {"name": name, "mechanism": info["mechanism"].name.replace("_", "-"), "iterations": info["iterations"]}
            for name, found in sorted(client.describe_user_scram_credentials().items())
            for info in found["credential_infos"]
        ],
        "quotas": quotas(protocol.describe_quotas(client)),
        "configs": configs(client, [broker["broker_id"] for broker in described["brokers"]]),
    }


def quotas(found: Mapping[protocol.Entity, Mapping[str, float]]) -> list[dict[str, Any]]:
    """As kafka_quotas takes them; numbers that are whole are written whole (pure)."""
    words = {"user": "user", "client-id": "client_id", "ip": "ip"}
    written = [
        {
            **{words[kind]: "<default>" if name is None else name for kind, name in entity},
            **{key: int(value) if float(value).is_integer() else value for key, value in sorted(values.items())},
        }
        for entity, values in found.items()
    ]
    return sorted(written, key=lambda one: json.dumps(one, sort_keys=True))


def configs(client: Any, brokers: Iterable[int]) -> list[dict[str, Any]]:
    """What is set dynamically on brokers, one by one and on all; secret values cannot be read and are named without one."""
    found = []
    for resource in [
        protocol.Resource("default_broker", ""),
        *(protocol.Resource("broker", str(one)) for one in brokers),
    ]:
        try:
            entries = protocol.describe_configs(client, [resource])[resource]
        except KafkaProblem:
            # A broker that is down cannot be asked; the others and the default still can.
            continue
        source = _DYNAMIC_DEFAULT_BROKER if resource.entity == "default_broker" else _DYNAMIC_BROKER
        values = {
            name: str(entry["value"])
            for name, entry in sorted(entries.items())
            if entry["config_source"] == source and not entry["is_sensitive"] and name not in PASSING
        }
        if values:
            found.append({"entity": resource.entity, "name": resource.name, "config": values})
    return found


def check(document: Mapping[str, Any]) -> None:
    """Refuse what is no document of this shape."""
    if document.get("version") != VERSION or not all(isinstance(document.get(one), list) for one in SECTIONS):
        raise KafkaProblem(
            f"this is no export of version {VERSION} (sections {', '.join(SECTIONS)}): give the file that kafka_export.yml wrote"
        )


def compare(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """What the second lacks, has in addition or has otherwise, a line for each (pure)."""
    lines: list[str] = []
    for section in SECTIONS:
        have, want = _by_name(section, present[section]), _by_name(section, wanted[section])
        for name in sorted({*have, *want}):
            if name not in have:
                lines.append(f"{section}: {name} is missing")
            elif name not in want:
                lines.append(f"{section}: {name} is not in the document")
            elif have[name] != want[name]:
                lines.append(f"{section}: {name} is {_plain(have[name])}, the document says {_plain(want[name])}")
    return lines


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _by_name(section: str, entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    def key(entry: Mapping[str, Any]) -> str:
        match section:
            case "topics":
                return str(entry["name"])
            case "users":
                return f"{entry['name']} ({entry['mechanism']})"
            case "quotas":
                parts = (f"{kind}={entry[kind]}" for kind in ("user", "client_id", "ip") if kind in entry)
                return ", ".join(parts)
            case "configs":
                return "all brokers" if entry["entity"] == "default_broker" else f"{entry['entity']} {entry['name']}"
            case _:
                return str(acls.parse([entry])[0])

    return {key(entry): dict(entry) for entry in entries}


def export(connection: Connection) -> dict[str, Any]:
    with admin(connection) as client:
        return read(client)
