"""Topics in bulk: a plan of what differs (pure), and its execution in a few requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import protocol, reassign
from .client import Connection, KafkaProblem, admin, confirmed, describe_topic_configs, error_text
from .protocol import Resource

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
    #: More partitions than these are as good: a topic that follows the number of brokers, which may fall.
    at_least: bool = False


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
    unmanaged: list[str] = field(default_factory=list)
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
        topic = Topic(
            name, int(entry["partitions"]), int(entry["replication_factor"]), config, bool(entry.get("at_least"))
        )
        if topic.partitions < 1 or topic.replication_factor < 1:
            raise KafkaProblem(f"topic {name}: partitions and replication_factor must be at least 1")
        found[name] = topic
    return sorted(found.values(), key=lambda one: one.name)


def make_plan(wanted: Sequence[Topic], present: Mapping[str, Present]) -> Plan:
    plan = Plan(unmanaged=sorted(set(present) - {topic.name for topic in wanted}))
    for topic in wanted:
        have = present.get(topic.name)
        if have is None:
            plan.create.append(topic)
            continue
        if topic.partitions > have.partitions:
            plan.grow[topic.name] = (have.partitions, topic.partitions)
        elif topic.partitions < have.partitions and not topic.at_least:
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


def by_replicas(plan: Plan, replicate: Mapping[str, Any]) -> tuple[Plan, Plan]:
    """What is done before replicas are added or taken away, and what after: min.insync.replicas is never above what is there."""
    rising = {name for name, entry in replicate.items() if entry["wanted"] > min(entry["present"])}
    later = Plan(config_set={name: values for name, values in plan.config_set.items() if name in rising})
    later.config_reset = {name: keys for name, keys in plan.config_reset.items() if name in rising}
    now = replace(
        plan,
        config_set={name: values for name, values in plan.config_set.items() if name not in rising},
        config_reset={name: keys for name, keys in plan.config_reset.items() if name not in rising},
    )
    return now, later


def hold_min_isr(plan: Plan, present: Mapping[str, Present]) -> None:
    """Replicas stay as they are: a min.insync.replicas above them would make the topic unwritable, so it waits for them."""
    for name in plan.replication:
        values = plan.config_set.get(name, {})
        if int(values.get("min.insync.replicas", 0)) > min(present[name].replication_factors):
            del values["min.insync.replicas"]
            if not values:
                del plan.config_set[name]


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
    changes: dict[Resource, dict[str, str | None]] = {
        Resource("topic", name): {**plan.config_set.get(name, {}), **dict.fromkeys(plan.config_reset.get(name, []))}
        for name in sorted({*plan.config_set, *plan.config_reset})
    }
    if changes:
        refused += [
            f"{topic} cannot be configured: {why}"
            for topic, why in protocol.alter_configs(client, changes, check).items()
        ]
    return refused


def _moves(client: Any, plan: Plan, assume: Mapping[int, str]) -> dict[str, Any]:
    """The reassignment that brings replication factors to the wanted ones; refused when it cannot be placed."""
    wanted = {name: int(entry["wanted"]) for name, entry in plan.replication.items()}
    return reassign.make(client, only=sorted(wanted), replication=wanted, assume=assume, tolerance=None, leaders=False)


def _replicate(client: Any, plan: Plan, throttle: int, wait: float, check: bool) -> None:
    """Carry it out; ends when every replica is in sync and the throttle is cleared."""
    document = _moves(client, plan, {})
    reassign.execute(client, document, throttle, check)
    if not check:
        reassign.verify(client, document, wait, check)


def _unfinished(client: Any, wanted: Sequence[Topic], present: Mapping[str, Present]) -> list[str]:
    """Wanted topics whose reassignment is under way or left its throttle behind."""
    running = {topic for topic, _ in reassign.moving(client)}
    names = [topic.name for topic in wanted if topic.name in present]
    return [name for name in names if name in running or RUNTIME_KEYS & set(present[name].config)]


def _finish(client: Any, names: Sequence[str], wait: float) -> None:
    """Wait for what a killed run began, and take its throttle away."""
    reassign.finish(client, [key for key in reassign.topics(client) if key[0] in names], wait)
    if not reassign.moving(client):
        reassign.clear(client, False)


def ensure(
    connection: Connection,
    wanted: Sequence[Topic],
    check: bool,
    *,
    throttle: int | None = None,
    wait: float = 600.0,
    prune: bool = False,
    confirm: str = "",
    assume: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Make the topics so, or with ``check`` say what would change. Replication factors only with a ``throttle``.

    ``assume``, with ``check``: brokers (id to rack) that will be there when it is really done.
    """
    assume = dict(assume or {}) if check else {}
    if throttle is not None and throttle <= 0:
        raise KafkaProblem(f"nothing was changed: the throttle must be more than 0 bytes a second, not {throttle}")
    with admin(connection) as client:
        present = read(client)
        unfinished = [] if throttle is None else _unfinished(client, wanted, present)
        if unfinished and not check:
            _finish(client, unfinished, wait)
            present = read(client)
        plan = make_plan(wanted, present)
        if throttle is None:
            hold_min_isr(plan, present)
        if plan.problems:
            raise KafkaProblem("nothing was changed. " + " ".join(plan.problems))
        pruned = plan.unmanaged if prune else []
        confirmed(client, "prune-topics", confirm, pruned, check)
        replicate = plan.replication if throttle is not None else {}
        if replicate and throttle is not None:
            # What cannot be placed is refused before anything is touched. Nothing can be asked of brokers to come.
            if assume:
                _moves(client, plan, assume)
            else:
                _replicate(client, plan, throttle, wait, True)
        now, later = by_replicas(plan, replicate)
        if assume:
            # Today's brokers would refuse what needs the brokers to come.
            room = len(protocol.serving(client))
            now.create = [topic for topic in now.create if topic.replication_factor <= room]
        if refused := execute(client, now, check) if now.changed else []:
            raise KafkaProblem(" ".join(refused))
        if not check:
            if plan.create:
                client.wait_for_topics([topic.name for topic in plan.create], timeout_ms=int(connection.timeout * 1000))
            if replicate and throttle is not None:
                _replicate(client, plan, throttle, wait, False)
        if refused := execute(client, later, check) if later.changed else []:
            raise KafkaProblem(" ".join(refused))
        if not check and pruned:
            _delete(client, pruned)
        if not check:
            partitions = {topic.name: topic.partitions for topic in plan.create}
            partitions |= {name: new for name, (_, new) in plan.grow.items()} | dict.fromkeys(pruned, 0)
            _settle(client, partitions)
    before, after = diff(wanted, present, plan)
    for name, entry in replicate.items():
        before.setdefault(name, {})["replication_factor"] = entry["present"]
        after.setdefault(name, {})["replication_factor"] = [entry["wanted"]]
    for name in unfinished:
        before.setdefault(name, {})["throttled"] = True
        after.setdefault(name, {})["throttled"] = False
    for name in pruned:
        before[name] = {"partitions": present[name].partitions, "config": dict(sorted(present[name].config.items()))}
    return {
        "changed": bool(plan.changed or replicate or pruned or unfinished),
        "created": [topic.name for topic in plan.create],
        "partitions_added": {name: {"from": old, "to": new} for name, (old, new) in plan.grow.items()},
        "config_set": plan.config_set,
        "config_reset": plan.config_reset,
        "replication_changed": replicate,
        "replication_differs": {} if replicate else plan.replication,
        "unmanaged": [] if prune else plan.unmanaged,
        "pruned": pruned,
        "before": before,
        "after": after,
    }


def left(result: Mapping[str, Any]) -> list[str]:
    """Warnings about what ``ensure`` found and left as it is."""
    return [
        f"topic {name} has replication factor {', '.join(map(str, found['present']))}, the catalog says {found['wanted']}: "
        "it was left as it is (a throttle lets it be changed)"
        for name, found in result["replication_differs"].items()
    ]


def _settle(client: Any, partitions: Mapping[str, int]) -> None:
    """Wait until every broker shows this many partitions of these topics; 0: none, it is deleted."""

    def shown() -> bool:
        have = {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics(None)}
        return all(have.get(name, 0) == count for name, count in partitions.items())

    if partitions:
        protocol.settled_everywhere(client, shown)


def _delete(client: Any, names: Sequence[str]) -> None:
    answer = client.delete_topics(list(names), raise_errors=False)
    refused = [
        f"topic {entry['name']} was not deleted: {error_text(entry['error_code'], entry.get('error_message'))}"
        for entry in answer["topics"]
        if entry["error_code"]
    ]
    if refused:
        raise KafkaProblem("; ".join(refused))
