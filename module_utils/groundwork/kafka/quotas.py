"""Client quotas in bulk: exactly the wanted ones for the entities that are managed; others are reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import protocol
from .client import Connection, KafkaProblem, admin, confirmed
from .protocol import Entity

#: Bytes a second and broker, but for: percent of a thread's time; mutations a second in the cluster; connections a second.
KEYS = (
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
    "connection_creation_rate",
)
DEFAULT = "<default>"
ENTITY_TYPES = {"user": "user", "client_id": "client-id", "ip": "ip"}

Quotas = dict[Entity, dict[str, float]]


def label(entity: Entity) -> str:
    return ", ".join(f"{kind}={DEFAULT if name is None else name}" for kind, name in sorted(entity, reverse=True))


def parse(entries: Iterable[Mapping[str, Any]]) -> Quotas:
    """Quotas from the module's arguments; every wrong entry is named."""
    found: Quotas = {}
    problems: list[str] = []
    for number, entry in enumerate(entries, 1):
        names = {kind: str(entry[key]) for key, kind in ENTITY_TYPES.items() if entry.get(key) is not None}
        entity = tuple(sorted((kind, None if name == DEFAULT else name) for kind, name in names.items()))
        values = {key: float(entry[key]) for key in KEYS if entry.get(key) is not None}
        what = f"quota {number} ({label(entity)})" if entity else f"quota {number}"
        if not entity:
            problems.append(f"{what} is for nobody: give user, client_id or ip ({DEFAULT!r} for everybody else)")
        elif "ip" in names and len(names) > 1:
            problems.append(f"{what}: ip stands alone, Kafka knows no quota of an address and a user")
        elif entity in found:
            problems.append(f"{what} is given twice")
        if not values:
            problems.append(f"{what} limits nothing: give one of {', '.join(KEYS)}")
        if wrong := [f"{key} {value:g}" for key, value in values.items() if value <= 0]:
            problems.append(f"{what}: {', '.join(wrong)} must be more than 0 (it would stop the client altogether)")
        if names and ("ip" in names) != ("connection_creation_rate" in values):
            problems.append(f"{what}: connection_creation_rate is for ip, and ip has no other quota")
        elif "ip" in names and len(values) > 1:
            problems.append(f"{what}: ip has no other quota than connection_creation_rate")
        found[entity] = values
    if problems:
        raise KafkaProblem("nothing was changed: " + "; ".join(problems))
    return found


@dataclass
class Plan:
    set: dict[Entity, dict[str, float]] = field(default_factory=dict)
    remove: dict[Entity, list[str]] = field(default_factory=dict)
    unmanaged: Quotas = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.set or self.remove)


def make_plan(wanted: Quotas, present: Quotas, managed: Iterable[Entity], prune: bool) -> Plan:
    """Pure. A managed entity has exactly the wanted quotas; with ``prune`` every entity is managed."""
    plan = Plan()
    ours = {*managed, *wanted}
    for entity in sorted({*wanted, *present}, key=label):
        have, want = present.get(entity, {}), wanted.get(entity, {})
        if entity not in ours and not prune:
            plan.unmanaged[entity] = have
            continue
        if differing := {key: value for key, value in want.items() if have.get(key) != value}:
            plan.set[entity] = differing
        if extra := sorted(set(have) - set(want)):
            plan.remove[entity] = extra
    return plan


def ensure(
    connection: Connection, wanted: Quotas, managed: Sequence[Entity], check: bool, *, prune: bool, confirm: str
) -> dict[str, Any]:
    with admin(connection) as client:
        present = protocol.describe_quotas(client)
        plan = make_plan(wanted, present, managed, prune)
        pruned = [label(entity) for entity in plan.remove if entity not in {*managed, *wanted}]
        confirmed(client, "prune-quotas", confirm, pruned, check)
        if plan.changed:
            changes: dict[Entity, dict[str, float | None]] = {
                entity: dict(values) for entity, values in plan.set.items()
            }
            for entity, keys in plan.remove.items():
                changes.setdefault(entity, {}).update(dict.fromkeys(keys))
            if refused := protocol.alter_quotas(client, changes, check):
                raise KafkaProblem(
                    "; ".join(f"quota of {label(one)} was refused: {why}" for one, why in refused.items())
                )
            if not check:
                protocol.settled_everywhere(
                    client, lambda: not make_plan(wanted, protocol.describe_quotas(client), managed, prune).changed
                )

    def shown(entities: Iterable[Entity], quotas: Quotas) -> dict[str, Any]:
        return {label(one): dict(sorted(quotas[one].items())) for one in entities if quotas.get(one)}

    touched = {*plan.set, *plan.remove}
    return {
        "changed": plan.changed,
        "set": {label(entity): values for entity, values in plan.set.items()},
        "removed": {label(entity): keys for entity, keys in plan.remove.items()},
        "unmanaged": shown(plan.unmanaged, plan.unmanaged),
        "pruned": pruned,
        "before": shown(touched, present),
        "after": shown(touched, wanted),
    }
