"""ACLs in bulk: exactly the wanted ones for the principals that are managed; others are reported and left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import protocol
from .client import Connection, KafkaProblem, admin, confirmed

RESOURCE_TYPES = ("topic", "group", "cluster", "transactional_id", "delegation_token", "user")
OPERATIONS = (
    "all",
    "read",
    "write",
    "create",
    "delete",
    "alter",
    "describe",
    "cluster_action",
    "describe_configs",
    "alter_configs",
    "idempotent_write",
    "create_tokens",
    "describe_tokens",
)


@dataclass(frozen=True, order=True)
class Acl:
    """One ACL; words are lower case, as in the module's arguments."""

    principal: str
    resource_type: str
    resource_name: str
    operation: str
    pattern_type: str = "literal"
    permission: str = "allow"
    host: str = "*"

    def __str__(self) -> str:
        where = f"{self.resource_type} {self.resource_name}" + (
            " (prefixed)" if self.pattern_type == "prefixed" else ""
        )
        from_host = "" if self.host == "*" else f" from {self.host}"
        return f"{self.principal} {self.permission} {self.operation} on {where}{from_host}"


@dataclass
class Plan:
    create: list[Acl] = field(default_factory=list)
    delete: list[Acl] = field(default_factory=list)
    unmanaged: list[Acl] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.create or self.delete)


def parse(entries: Iterable[Mapping[str, Any]]) -> list[Acl]:
    found = []
    for entry in entries:
        acl = Acl(
            str(entry["principal"]),
            str(entry["resource_type"]).lower(),
            str(entry["resource_name"]),
            str(entry["operation"]).lower(),
            str(entry.get("pattern_type") or "literal").lower(),
            str(entry.get("permission") or "allow").lower(),
            str(entry.get("host") or "*"),
        )
        if ":" not in acl.principal:
            raise KafkaProblem(f"principal {acl.principal!r} has no type: write it as User:{acl.principal}")
        for word, allowed in (
            (acl.resource_type, RESOURCE_TYPES),
            (acl.operation, OPERATIONS),
            (acl.pattern_type, ("literal", "prefixed")),
            (acl.permission, ("allow", "deny")),
        ):
            if word not in allowed:
                raise KafkaProblem(f"{acl}: {word!r} is not one of {', '.join(allowed)}")
        found.append(acl)
    return sorted(set(found))


def make_plan(wanted: Sequence[Acl], present: Iterable[Acl], managed: Iterable[str]) -> Plan:
    """Pure. ``managed`` are the principals whose ACLs must be exactly ``wanted``; wanted principals are managed too."""
    have, want = set(present), set(wanted)
    principals = {*managed, *(acl.principal for acl in want)}
    return Plan(
        create=sorted(want - have),
        delete=sorted(acl for acl in have - want if acl.principal in principals),
        unmanaged=sorted(acl for acl in have if acl.principal not in principals),
    )


def read(client: Any) -> list[Acl]:
    from kafka.admin import (
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )

    found, _ = client.describe_acls(
        ACLFilter(
            None,
            None,
            ACLOperation.ANY,
            ACLPermissionType.ANY,
            ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
        )
    )
    return [
        Acl(
            acl.principal,
            acl.resource_pattern.resource_type.name.lower(),
            acl.resource_pattern.resource_name,
            acl.operation.name.lower(),
            acl.resource_pattern.pattern_type.name.lower(),
            acl.permission_type.name.lower(),
            acl.host,
        )
        for acl in found
    ]


def execute(client: Any, plan: Plan) -> list[str]:
    """Create before delete: a replaced ACL never leaves a moment without either. Returns what was refused."""
    from kafka.admin import (
        ACL,
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourcePatternFilter,
        ResourceType,
    )

    def parts(acl: Acl, pattern: Any) -> tuple[Any, ...]:
        return (
            acl.principal,
            acl.host,
            ACLOperation[acl.operation.upper()],
            ACLPermissionType[acl.permission.upper()],
            pattern(
                ResourceType[acl.resource_type.upper()],
                acl.resource_name,
                ACLResourcePatternType[acl.pattern_type.upper()],
            ),
        )

    refused: list[str] = []
    if plan.create:
        answer = client.create_acls([ACL(*parts(acl, ResourcePattern)) for acl in plan.create])
        refused += [f"an ACL was refused: {kind.__name__}" for kind in answer["failed"]]
    if plan.delete:
        for given, _, kind in client.delete_acls(
            [ACLFilter(*parts(acl, ResourcePatternFilter)) for acl in plan.delete]
        ):
            if kind.__name__ != "NoError":
                refused.append(f"{given}: {kind.__name__}")
    return refused


def ensure(
    connection: Connection,
    wanted: Sequence[Acl],
    managed: Iterable[str],
    check: bool,
    *,
    prune: bool = False,
    confirm: str = "",
) -> dict[str, Any]:
    with admin(connection) as client:
        present = read(client)
        plan = make_plan(wanted, present, managed)
        pruned: list[Acl] = []
        if prune:
            pruned, plan.unmanaged = plan.unmanaged, []
            confirmed(client, "prune-acls", confirm, [str(acl) for acl in pruned], check)
        revoked = [str(acl) for acl in plan.delete]
        plan.delete = sorted({*plan.delete, *pruned})
        if plan.changed and not check:
            refused = execute(client, plan)
            if refused:
                raise KafkaProblem("; ".join(refused))
            gone = set(plan.delete)
            protocol.settled_everywhere(
                client, lambda: set(plan.create) <= (now := set(read(client))) and not now & gone
            )
    return {
        "changed": plan.changed,
        "created": [str(acl) for acl in plan.create],
        "revoked": revoked,
        "unmanaged": [str(acl) for acl in plan.unmanaged],
        "pruned": [str(acl) for acl in pruned],
        "before": "".join(f"{line}\n" for line in [*revoked, *map(str, pruned)]),
        "after": "".join(f"{acl}\n" for acl in plan.create),
    }
