"""Dynamic configurations in bulk: of brokers, of all brokers, topics, groups and client metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import protocol
from .client import Connection, KafkaProblem, admin
from .protocol import SET_HERE, Resource
from .topics import RUNTIME_KEYS, config_value

# Set by reassignments while they run (kafka_reassign clears them), and by draining (kafka_brokers).
NOT_OURS = {
    "topic": RUNTIME_KEYS,
    "broker": frozenset(
        {"leader.replication.throttled.rate", "follower.replication.throttled.rate", "cordoned.log.dirs"}
    ),
}
# Eligible leader replicas (KIP-966) need it: the controller sets it itself and refuses to let it go.
KEPT = frozenset({"min.insync.replicas"})
_LISTENER = re.compile(r"^listener\.name\.[^.]+\.(?:(?:plain|scram-sha-256|scram-sha-512|gssapi|oauthbearer)\.)?")


@dataclass(frozen=True)
class Wanted:
    """The configuration of one entity. A value of None is reset; ``exclusive``: so is all that is not named."""

    resource: Resource
    config: Mapping[str, str | None]
    exclusive: bool = False
    #: Send it even when nothing differs: brokers then read the files that it names anew (key and trust stores).
    resend: bool = False


@dataclass
class Plan:
    changes: dict[Resource, dict[str, str | None]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def parse(entries: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    found: dict[Resource, Wanted] = {}
    problems: list[str] = []
    for entry in entries:
        one = Resource(str(entry["entity"]), str(entry.get("name") or ""))
        if one.entity == "broker" and not one.name.isdigit():
            problems.append(f"broker {one.name!r}: a broker's name is its id")
        if one.entity == "default_broker" and one.name:
            problems.append(f"default_broker {one.name!r}: it has no name, it is for all brokers")
        if one.entity not in ("broker", "default_broker") and not one.name:
            problems.append(f"{one.entity}: the name is missing")
        if one in found:
            problems.append(f"{one} is given twice")
        config = {
            str(key): None if value is None else config_value(value)
            for key, value in (entry.get("config") or {}).items()
        }
        found[one] = Wanted(one, config, bool(entry.get("exclusive")), bool(entry.get("resend")))
    if problems:
        raise KafkaProblem("nothing was changed: " + "; ".join(problems))
    return list(found.values())


def set_here(resource: Resource, described: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What is set on this entity itself; a secret's value is not told and shows as "(secret)"."""
    return {
        name: "(secret)" if entry["is_sensitive"] else str(entry["value"])
        for name, entry in sorted(described.items())
        if entry["config_source"] == SET_HERE[resource.entity] and name not in NOT_OURS.get(resource.entity, ())
    }


def make_plan(
    wanted: Iterable[Wanted],
    present: Mapping[Resource, Mapping[str, Mapping[str, Any]]],
    broker: Mapping[str, Mapping[str, Any]],
) -> Plan:
    """Pure. ``broker``: how a living broker describes its configurations, for what is static and what is secret."""
    plan = Plan()
    for one in wanted:
        described = present[one.resource]
        for name in sorted(one.config):
            if name in NOT_OURS.get(one.resource.entity, ()):
                owner = "kafka_brokers" if name.startswith("cordoned") else "kafka_reassign"
                plan.problems.append(f"{one.resource}: {name} belongs to module {owner}")
                continue
            if one.resource.entity not in ("broker", "default_broker"):
                known = described.get(name)
            else:
                # Once a listener's configuration is set, brokers describe it as static under its own name, which it is not.
                known = broker.get(_LISTENER.sub("", name)) or described.get(name)
                if known is None:
                    plan.problems.append(f"{one.resource}: brokers know no configuration {name}")
                elif known["read_only"]:
                    plan.problems.append(
                        f"{one.resource}: {name} is static: it stands in server.properties (kafka_properties of role kafka) and "
                        "takes effect with a rolling restart"
                    )
            if known is not None and known["is_sensitive"]:
                plan.problems.append(
                    f"{one.resource}: {name} is a secret that Kafka does not tell, so nothing can be compared: keep it in a file "
                    "and configure the file"
                )
        have = set_here(one.resource, described)
        change: dict[str, str | None] = {}
        for name, value in one.config.items():
            if have.get(name) != value or one.resend:
                change[name] = value
        if one.exclusive:
            change |= {
                name: None
                for name in have
                if name not in one.config and not (one.resource.entity == "default_broker" and name in KEPT)
            }
        if change:
            plan.changes[one.resource] = change
    return plan


def everything(client: Any, brokers: Iterable[int]) -> list[Resource]:
    """Every entity that can have a dynamic configuration."""
    found = [Resource("default_broker", ""), *(Resource("broker", str(id_)) for id_ in brokers)]
    found += [Resource("topic", topic["name"]) for topic in client.describe_topics(None)]
    listed = client.list_config_resources(["CLIENT_METRICS", "GROUP"])
    for kind in ("client_metrics", "group"):
        found += [Resource(kind, name) for name in listed.get(kind, [])]
    return found


def info(connection: Connection, resources: Sequence[Resource]) -> dict[str, Any]:
    """What is set dynamically on these entities, or with none given on every one that has something."""
    with admin(connection) as client:
        asked = list(resources) or everything(client, protocol.serving(client))
        present = protocol.describe_configs(client, asked)
    configs = [
        {"entity": one.entity, "name": one.name, "config": set_here(one, found)}
        for one, found in sorted(present.items())
    ]
    return {"changed": False, "configs": [one for one in configs if resources or one["config"]]}


def _by_outcome(plan: Plan, before: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """By entity what was ``set``, ``reset``, and only ``resent`` although it was so already."""
    found: dict[str, dict[str, Any]] = {"set": {}, "reset": {}, "resent": {}}
    for one, change in plan.changes.items():
        have = before[str(one)]
        differing = {key: value for key, value in change.items() if have.get(key) != value}
        for outcome, content in (
            ("set", {key: value for key, value in differing.items() if value is not None}),
            ("reset", sorted(key for key, value in differing.items() if value is None)),
            ("resent", sorted(set(change) - set(differing))),
        ):
            if content:
                found[outcome][str(one)] = content
    return found


def ensure(connection: Connection, wanted: Sequence[Wanted], check: bool) -> dict[str, Any]:
    with admin(connection) as client:
        serving = protocol.serving(client)
        topics = {topic["name"] for topic in client.describe_topics(None)}
        missing = [
            f"{one.resource} is not in service: its configuration cannot be checked (brokers in service: {serving})"
            for one in wanted
            if one.resource.node is not None and one.resource.node not in serving
        ] + [
            f"{one.resource} does not exist"
            for one in wanted
            if one.resource.entity == "topic" and one.resource.name not in topics
        ]
        if missing:
            raise KafkaProblem("nothing was changed: " + "; ".join(missing))
        reference = Resource("broker", str(serving[0]))
        found = protocol.describe_configs(client, {reference, *(one.resource for one in wanted)})
        plan = make_plan(wanted, found, found[reference])
        if plan.problems:
            raise KafkaProblem("nothing was changed: " + "; ".join(plan.problems))
        # The brokers judge values before anything is touched.
        refused = protocol.alter_configs(client, plan.changes, True) if plan.changes else {}
        if refused:
            raise KafkaProblem(
                "nothing was changed: " + "; ".join(f"{one} refuses it: {why}" for one, why in refused.items())
            )
        if plan.changes and not check and (failed := protocol.alter_configs(client, plan.changes, False)):
            raise KafkaProblem("; ".join(f"{one} could not be configured: {why}" for one, why in failed.items()))
    before = {str(one): set_here(one, found[one]) for one in plan.changes}
    after: dict[str, dict[str, str]] = {}
    for one, change in plan.changes.items():
        merged = {**before[str(one)], **{key: value for key, value in change.items() if value is not None}}
        after[str(one)] = {
            key: value for key, value in sorted(merged.items()) if key not in change or change[key] is not None
        }
    return {
        "changed": bool(plan.changes),
        **_by_outcome(plan, before),
        "before": before,
        "after": after,
    }
