"""Read a plan: what it changes, in one line and in detail, and what it would lose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: What holds data, and what is lost with it. An instance counts when its Role tag says that it holds data.
DATA_TYPES = {
    "aws_db_instance": "database",
    "aws_dynamodb_table": "table",
    "aws_ebs_volume": "volume",
    "aws_ecr_repository": "image repository",
    "aws_efs_file_system": "file system",
    "aws_elasticache_cluster": "cache",
    "aws_elasticache_replication_group": "cache",
    "aws_kms_key": "key, and everything encrypted with it",
    "aws_rds_cluster": "database cluster",
    "aws_s3_bucket": "bucket",
    "aws_secretsmanager_secret": "secret",
    "aws_sqs_queue": "queue",
    "aws_volume_attachment": "volume of a running host",
}
DATA_ROLES = {"kafka": "broker"}
#: Attributes of an instance that the provider changes by stopping and starting it: all brokers at once.
STOPPING = frozenset({"instance_type", "user_data", "user_data_base64", "ebs_optimized", "cpu_options", "hibernation"})
#: Attributes that say nothing which their neighbour does not say.
NOISE = frozenset({"tags_all"})


@dataclass(frozen=True)
class Change:
    """One resource that a plan changes."""

    address: str
    type: str
    action: str
    attributes: tuple[str, ...] = ()
    reason: str = ""
    role: str = ""

    @property
    def sign(self) -> str:
        return {"create": "+", "update": "~", "delete": "-", "replace": "-/+", "import": "<", "forget": "."}[
            self.action
        ]

    def line(self) -> str:
        text = f"{self.sign} {self.address}"
        if self.attributes:
            text += f" ({', '.join(self.attributes)})"
        if self.reason:
            text += f" [{self.reason}]"
        return text

    def loss(self) -> str:
        """What would be lost or stopped by this change, or "" when nothing is."""
        what = DATA_TYPES.get(self.type, "")
        if self.type == "aws_instance":
            what = DATA_ROLES.get(self.role, "")
        if not what:
            return ""
        if self.action in {"delete", "replace"} and self.type == "aws_volume_attachment":
            return f"{what} is detached"
        if self.action in {"delete", "replace"}:
            return f"{what} is {'deleted' if self.action == 'delete' else 'replaced by a new, empty one'}"
        stopped = sorted(STOPPING.intersection(self.attributes)) if self.type == "aws_instance" else []
        if self.action == "update" and stopped:
            return f"{what} is stopped to change its {', '.join(stopped)}"
        return ""


@dataclass(frozen=True)
class Summary:
    """What a plan does."""

    changes: tuple[Change, ...] = ()
    gone: tuple[str, ...] = ()
    outputs: tuple[str, ...] = field(default=())

    def count(self, *actions: str) -> int:
        return sum(change.action in actions for change in self.changes)

    @property
    def adds(self) -> int:
        return self.count("create", "replace")

    @property
    def updates(self) -> int:
        return self.count("update")

    @property
    def deletes(self) -> int:
        return self.count("delete", "replace")

    @property
    def empty(self) -> bool:
        return not self.changes and not self.outputs

    def counts(self) -> str:
        text = f"+{self.adds} ~{self.updates} -{self.deletes}"
        if replaced := self.count("replace"):
            text += f" ({replaced} replaced)"
        if imported := self.count("import"):
            text += f" <{imported} adopted"
        return text

    def lines(self) -> list[str]:
        lines = [change.line() for change in self.changes]
        lines += [f"! {address} was deleted outside Terraform" for address in self.gone]
        lines += [f"~ output {name}" for name in self.outputs]
        return lines

    def losses(self) -> list[str]:
        return [f"{change.address}: {loss}" for change in self.changes if (loss := change.loss())]


ACTIONS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("forget",): "forget",
}
REASONS = {
    "replace_because_tainted": "an earlier creation did not finish",
    "replace_because_cannot_update": "cannot be changed in place",
    "replace_by_request": "replacement was asked for",
    "replace_by_triggers": "replacement was triggered",
    "delete_because_no_resource_config": "no longer in the configuration",
    "delete_because_wrong_repetition": "no longer in the configuration",
    "delete_because_count_index": "fewer are wanted",
    "delete_because_each_key": "no longer in the catalog or settings",
    "delete_because_no_module": "no longer in the configuration",
}


def summarize(plan: Mapping[str, Any]) -> Summary:
    """The summary of a plan as `terraform show -json` prints it. Attribute names only: values may be secrets."""
    changes = [change for entry in plan.get("resource_changes", []) if (change := _change(entry)) is not None]
    gone = [
        str(entry["address"])
        for entry in plan.get("resource_drift", [])
        if entry.get("change", {}).get("actions") == ["delete"]
    ]
    outputs = [
        name
        for name, output in sorted(plan.get("output_changes", {}).items())
        if output.get("actions", ["no-op"]) not in (["no-op"], ["read"])
    ]
    return Summary(
        changes=tuple(sorted(changes, key=lambda change: change.address)),
        gone=tuple(sorted(gone)),
        outputs=tuple(outputs),
    )


def _change(entry: Mapping[str, Any]) -> Change | None:
    if entry.get("mode") != "managed":
        return None
    change = entry["change"]
    action = ACTIONS.get(tuple(change["actions"]))
    if action is None:
        if "importing" not in change:
            return None
        action = "import"
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    attributes: tuple[str, ...] = ()
    if action in {"update", "replace"}:
        attributes = tuple(_changed(before, after, unknown))
    reason = REASONS.get(str(entry.get("action_reason", "")), "")
    if action == "replace" and (paths := change.get("replace_paths")):
        reason = (
            f"{', '.join(sorted({str(path[0]) for path in paths if path}))} {reason or 'cannot be changed in place'}"
        )
    role = str(((before or after).get("tags") or {}).get("Role", "")) if entry["type"] == "aws_instance" else ""
    return Change(
        address=str(entry["address"]),
        type=str(entry["type"]),
        action=action,
        attributes=attributes,
        reason=reason,
        role=role,
    )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], unknown: Mapping[str, Any]) -> Iterable[str]:
    for name in sorted({*before, *after, *unknown} - NOISE):
        # What only AWS can say after the change follows from the others.
        if unknown.get(name) is True or before.get(name) == after.get(name):
            continue
        old, new = before.get(name), after.get(name)
        if name == "tags" and isinstance(old, dict) and isinstance(new, dict):
            yield from (f"tags.{tag}" for tag in sorted({*old, *new}) if old.get(tag) != new.get(tag))
        else:
            yield name
