"""Topics in bulk: a plan of what differs (pure), and its execution in a few requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .client import Connection, KafkaProblem, admin, describe_topic_configs, error_text

# Set by reassignments while they run: never part of a topic's wanted configuration.
RUNTIME_KEYS = frozenset({"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"})


def config_value(value: Any) -> str:
    """A configuration value as Kafka prints it: YAML's booleans and numbers become its strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass(frozen=True)
class Topic:
    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Present:
    partitions: int
    replication_factors: tuple[int, ...]
    config: Mapping[str, str]


@dataclass
class Plan:
    create: list[Topic] = field(default_factory=list)
    grow: dict[str, tuple[int, int]] = field(default_factory=dict)
    config_set: dict[str, dict[str, str]] = field(default_factory=dict)
    config_reset: dict[str, list[str]] = field(default_factory=dict)
    replication: dict[str, dict[str, Any]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.create or self.grow or self.config_set or self.config_reset)


def parse(topics: Sequence[Mapping[str, Any]]) -> list[Topic]:
    """Topics from the module's arguments; duplicate names are an error."""
    found: dict[str, Topic] = {}
    for entry in topics:
        name = str(entry["name"])
        if name in found:
            raise KafkaProblem(f"topic {name} is given twice")
        config = {str(key): config_value(value) for key, value in (entry.get("config") or {}).items()}
        if entry.get("min_insync_replicas") is not None:
            config["min.insync.replicas"] = str(int(entry["min_insync_replicas"]))
        topic = Topic(name, int(entry["partitions"]), int(entry["replication_factor"]), config)
        if topic.partitions < 1 or topic.replication_factor < 1:
            raise KafkaProblem(f"topic {name}: partitions and replication_factor must be at least 1")
        found[name] = topic
    return sorted(found.values(), key=lambda one: one.name)


def make_plan(wanted: Sequence[Topic], present: Mapping[str, Present]) -> Plan:
    plan = Plan(unknown=sorted(set(present) - {topic.name for topic in wanted}))
    for topic in wanted:
        have = present.get(topic.name)
        if have is None:
            plan.create.append(topic)
            continue
        if topic.partitions > have.partitions:
            plan.grow[topic.name] = (have.partitions, topic.partitions)
        elif topic.partitions < have.partitions:
            plan.problems.append(
                f"topic {topic.name} has {have.partitions} partitions, the catalog says {topic.partitions}: Kafka cannot remove partitions. "
                "Correct the catalog, or make a new topic and move its producers and consumers."
            )
        if set(have.replication_factors) != {topic.replication_factor}:
            plan.replication[topic.name] = {
                "present": list(have.replication_factors),
                "wanted": topic.replication_factor,
            }
        if differing := {key: value for key, value in topic.config.items() if have.config.get(key) != value}:
            plan.config_set[topic.name] = differing
        if extra := sorted(set(have.config) - set(topic.config) - RUNTIME_KEYS):
            plan.config_reset[topic.name] = extra
    return plan


def diff(wanted: Sequence[Topic], present: Mapping[str, Present], plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changes, topic by topic: (before, after). Unchanged topics and keys are left out."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for topic in plan.create:
        after[topic.name] = {
            "partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "config": dict(sorted(topic.config.items())),
        }
    for name, (old, new) in plan.grow.items():
        before.setdefault(name, {})["partitions"] = old
        after.setdefault(name, {})["partitions"] = new
    for name in sorted({*plan.config_set, *plan.config_reset}):
        have = present[name].config
        values = plan.config_set.get(name, {})
        gone = plan.config_reset.get(name, [])
        before.setdefault(name, {})["config"] = {key: have[key] for key in sorted({*values, *gone}) if key in have}
        after.setdefault(name, {})["config"] = dict(sorted(values.items()))
    return before, after


def read(client: Any) -> dict[str, Present]:
    """Every topic that is not internal, with what was set on it."""
    described = [topic for topic in client.describe_topics(None) if not topic.get("is_internal")]
    for topic in described:
        if topic["error_code"]:
            raise KafkaProblem(f"topic {topic['name']} cannot be read: {error_text(topic['error_code'])}")
    configs = describe_topic_configs(client, [topic["name"] for topic in described], config_filter="modified")
    return {
        topic["name"]: Present(
            len(topic["partitions"]),
            tuple(sorted({len(part["replica_nodes"]) for part in topic["partitions"]})),
            {
                key: str(entry["value"])
                for key, entry in configs.get(topic["name"], {}).items()
                if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"
            },
        )
        for topic in described
    }


def execute(client: Any, plan: Plan, check: bool) -> list[str]:
    """Carry the plan out; with ``check`` the brokers only validate it. Returns what they refused."""
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType

    refused: list[str] = []
    if plan.create:
        answer = client.create_topics(
            {
                topic.name: {
                    "num_partitions": topic.partitions,
                    "replication_factor": topic.replication_factor,
                    "configs": dict(topic.config),
                }
                for topic in plan.create
            },
            validate_only=check,
            raise_errors=False,
        )
        refused += [
            f"topic {entry['name']} cannot be created: {error_text(entry['error_code'], entry['error_message'])}"
            for entry in answer["topics"]
            if entry["error_code"]
        ]
    if plan.grow:
        grown = client.create_partitions(
            {name: new for name, (_, new) in plan.grow.items()}, validate_only=check, raise_errors=False
        )
        refused += [
            f"topic {entry.name} cannot get more partitions: {error_text(entry.error_code, entry.error_message)}"
            for entry in grown.results
            if entry.error_code
        ]
    names = sorted({*plan.config_set, *plan.config_reset})
    if names:
        answer = client.alter_configs(
            [
                ConfigResource(
                    ConfigResourceType.TOPIC,
                    name,
                    {
                        **{key: (AlterConfigOp.SET, value) for key, value in plan.config_set.get(name, {}).items()},
                        **dict.fromkeys(plan.config_reset.get(name, []), (AlterConfigOp.DELETE, None)),
                    },
                )
                for name in names
            ],
            validate_only=check,
            raise_on_unknown=False,
            incremental=True,
        )
        refused += [
            f"topic {name} cannot be configured: {result}"
            for name, result in answer.get("topic", {}).items()
            if result != "OK"
        ]
    return refused


def ensure(connection: Connection, wanted: Sequence[Topic], check: bool) -> dict[str, Any]:
    """Make the topics so, or with ``check`` say what would change."""
    with admin(connection) as client:
        present = read(client)
        plan = make_plan(wanted, present)
        if plan.problems:
            raise KafkaProblem("nothing was changed. " + " ".join(plan.problems))
        refused = execute(client, plan, check) if plan.changed else []
        if refused:
            raise KafkaProblem(" ".join(refused))
        if plan.create and not check:
            client.wait_for_topics([topic.name for topic in plan.create], timeout_ms=int(connection.timeout * 1000))
    before, after = diff(wanted, present, plan)
    return {
        "changed": plan.changed,
        "created": [topic.name for topic in plan.create],
        "partitions_added": {name: {"from": old, "to": new} for name, (old, new) in plan.grow.items()},
        "config_set": plan.config_set,
        "config_reset": plan.config_reset,
        "replication_differs": plan.replication,
        "unknown": plan.unknown,
        "before": before,
        "after": after,
    }
