"""Identity of a cluster and its nodes: what the disks say, what was recorded, and what may be formatted.

A node's identity is its cluster id, node id and a directory id for each log dir (``meta.properties``). It is recorded
twice when made: in Parameter Store and in a root-owned file outside the data volume. Every disagreement stops the run.
A directory that has a ``meta.properties`` is never formatted; a blank disk of a node that was recorded neither.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

META = "meta.properties"


class StorageError(Exception):
    """The storage cannot be read or formatted; the message says which and what to do."""


def random_uuid() -> str:
    """A Kafka Uuid: 16 random bytes in URL-safe base64. Kafka refuses ids that begin with a dash (KAFKA-17040)."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def is_uuid(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text + "==")) == 16 and len(text) == 22
    except ValueError:
        return False


def parse_properties(text: str) -> dict[str, str]:
    """A Java properties file as Kafka writes it: ``key=value`` lines and comments."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


def read_storage(log_dirs: list[str], identity_file: str) -> dict[str, Any]:
    """What this host's disks and its identity file say.

    Returns ``log_dirs`` {path: {exists, formatted, empty, cluster_id, node_id, directory_id}} and ``recorded`` (the
    identity file's content or None).
    """
    found: dict[str, Any] = {}
    for path in log_dirs:
        folder = Path(path)
        entry: dict[str, Any] = {"exists": folder.is_dir(), "formatted": False, "empty": True}
        if entry["exists"]:
            entry["empty"] = not any(one.name != "lost+found" for one in folder.iterdir())
            meta = folder / META
            if meta.exists():
                values = parse_properties(meta.read_text(encoding="utf-8", errors="replace"))
                node = values.get("node.id", "")
                entry.update(
                    formatted=True,
                    cluster_id=values.get("cluster.id", ""),
                    node_id=int(node) if node.isdigit() else node,
                    directory_id=values.get("directory.id", ""),
                )
        found[path] = entry
    recorded: dict[str, Any] | None = None
    try:
        recorded = json.loads(Path(identity_file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise StorageError(
            f"{identity_file} is not JSON ({error}): restore it from a backup, or from Parameter Store by hand"
        ) from error
    return {"log_dirs": found, "recorded": recorded}


@dataclass(frozen=True)
class Node:
    """One host of the inventory with what ``read_storage`` saw there."""

    name: str
    node_id: int
    roles: tuple[str, ...]
    endpoint: str
    log_dirs: Mapping[str, Mapping[str, Any]]
    recorded: Mapping[str, Any] | None

    @property
    def is_controller(self) -> bool:
        return "controller" in self.roles

    @property
    def formatted(self) -> dict[str, Mapping[str, Any]]:
        return {path: entry for path, entry in self.log_dirs.items() if entry.get("formatted")}

    @property
    def metadata_dir(self) -> str:
        return next(iter(self.log_dirs))


@dataclass
class Decision:
    """What the run may do. With ``problems`` nothing may be touched."""

    cluster_id: str = ""
    cluster_id_source: str = ""  # recorded | adopted | made
    initial_controllers: str = ""
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse_initial_controllers(text: str) -> dict[int, str]:
    """``1@host:9093:dirid,2@…`` → {node id: directory id}."""
    found: dict[int, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        try:
            node, rest = item.split("@", 1)
            found[int(node)] = rest.rsplit(":", 1)[1]
        except (ValueError, IndexError) as error:
            raise StorageError(f"initial controllers {text!r}: {item!r} is not ID@HOST:PORT:DIRECTORY_ID") from error
    return found


def decide(
    nodes: list[Node],
    prefix: str,
    parameters: Mapping[str, str],
    controllers: Mapping[str, int],
    joining: list[int] | None = None,
    *,
    replacing: list[int] | None = None,
) -> Decision:
    """Compare disks, records and inventory, and say what each node needs.

    ``prefix`` is ``/shared/kafka/<env>``, ``parameters`` what Parameter Store has below it, ``controllers`` every
    controller of the inventory {name: node id} (the play may be limited to fewer hosts), ``joining`` node ids that are
    said to be new although nothing proves it, ``replacing`` those whose disk is lost and whose records count no more: they
    join as new nodes of the same id, never with the votes of the lost disk.
    """
    out = Decision()
    joining, replacing = joining or [], replacing or []
    recorded_cluster = parameters.get(f"{prefix}/cluster-id", "")

    def recorded_directory(node: Node) -> str:
        return parameters.get(f"{prefix}/nodes/{node.node_id}/directory-id", "")

    ids: dict[int, str] = {}
    for node in nodes:
        if node.node_id in ids:
            out.problems.append(
                f"{node.name} and {ids[node.node_id]} have the same node id {node.node_id}: every node needs its own"
            )
        ids[node.node_id] = node.name

    # What the disks and the hosts' own records say of the cluster.
    seen: dict[str, list[str]] = {}
    for node in nodes:
        for path, entry in node.formatted.items():
            seen.setdefault(str(entry.get("cluster_id", "")), []).append(f"{node.name}:{path}")
        if node.recorded:
            seen.setdefault(str(node.recorded.get("cluster_id", "")), []).append(f"{node.name} (its identity file)")
    if recorded_cluster:
        out.cluster_id, out.cluster_id_source = recorded_cluster, "recorded"
        for cluster_id in sorted(set(seen) - {recorded_cluster}):
            out.problems.append(
                f"{', '.join(seen[cluster_id])} belongs to cluster {cluster_id!r}, but {prefix}/cluster-id says {recorded_cluster!r}. "
                "Put the right disk or host back, or correct the record if it is the wrong one."
            )
    elif len(seen) == 1:
        out.cluster_id, out.cluster_id_source = next(iter(seen)), "adopted"
        out.parameters[f"{prefix}/cluster-id"] = out.cluster_id
        out.notes.append(
            f"{prefix}/cluster-id is missing; adopted {out.cluster_id} on which {', '.join(seen[out.cluster_id])} agree"
        )
    elif seen:
        told = "; ".join(f"{cluster_id!r}: {', '.join(places)}" for cluster_id, places in sorted(seen.items()))
        out.problems.append(
            f"{prefix}/cluster-id is missing and the disks belong to different clusters ({told}): nothing says which is this one"
        )
    else:
        out.cluster_id, out.cluster_id_source = random_uuid(), "made"
        out.parameters[f"{prefix}/cluster-id"] = out.cluster_id
        out.notes.append(f"a new cluster: id {out.cluster_id}")
    for cluster_id in [out.cluster_id] if out.cluster_id else []:
        if not is_uuid(cluster_id):
            out.problems.append(f"the cluster id {cluster_id!r} is not a Kafka Uuid (22 characters of URL-safe base64)")

    # The first controllers: agreed once, before anything is formatted, so that a killed run goes on with the same ids.
    initial_text = parameters.get(f"{prefix}/initial-controllers", "")
    some_disk = any(node.formatted for node in nodes)
    bootstrapped = some_disk or any(name.startswith(f"{prefix}/nodes/") for name in parameters)
    playing = {node.node_id for node in nodes if node.is_controller}
    if not initial_text and not bootstrapped and out.cluster_id_source != "adopted":
        missing = sorted(name for name, node_id in controllers.items() if node_id not in playing)
        if missing:
            out.problems.append(
                f"the cluster has not been formatted yet and {', '.join(missing)} is not in this run: its first start needs all "
                "controllers (run it without --limit)"
            )
        else:
            initial_text = ",".join(
                f"{node.node_id}@{node.endpoint}:{random_uuid()}"
                for node in sorted(nodes, key=lambda one: one.node_id)
                if node.is_controller
            )
            out.parameters[f"{prefix}/initial-controllers"] = initial_text
    out.initial_controllers = initial_text
    initial = parse_initial_controllers(initial_text)

    for node in nodes:
        plan: dict[str, Any] = {"action": "keep", "directory_ids": {}}
        out.nodes[node.name] = plan
        lost = node.node_id in replacing
        record = "" if lost else recorded_directory(node)
        local = {} if lost else node.recorded or {}
        formatted = node.formatted
        blank = [path for path in node.log_dirs if path not in formatted]
        for path, entry in formatted.items():
            if entry.get("node_id") != node.node_id:
                out.problems.append(
                    f"{node.name}:{path} was formatted for node id {entry.get('node_id')}, the inventory says {node.node_id}. "
                    "The disk is another node's, or the KafkaNodeId tag is wrong."
                )
            known = (local.get("directory_ids") or {}).get(path)
            if known and known != entry.get("directory_id"):
                out.problems.append(
                    f"{node.name}:{path} has directory id {entry.get('directory_id')}, its identity file says {known}: the disk was "
                    "swapped or formatted by hand. Put the old disk back, or replace the node (break-glass: replace a dead broker)."
                )
            plan["directory_ids"][path] = entry.get("directory_id")
        if local and local.get("node_id") != node.node_id:
            out.problems.append(
                f"{node.name}: its identity file says node id {local.get('node_id')}, the inventory {node.node_id}"
            )
        meta = formatted.get(node.metadata_dir)
        if meta and record and record != meta.get("directory_id"):
            out.problems.append(
                f"{node.name}:{node.metadata_dir} has directory id {meta.get('directory_id')}, {prefix}/nodes/{node.node_id}/directory-id "
                f"says {record}: this is not the disk that was recorded. Put it back, or replace the node (break-glass: replace a dead broker)."
            )
        if meta and not record:
            out.parameters[f"{prefix}/nodes/{node.node_id}/directory-id"] = str(meta.get("directory_id"))
        if not blank:
            continue
        known_paths = set(local.get("directory_ids") or {})
        added = [path for path in blank if path not in known_paths and path != node.metadata_dir]
        # A log dir that was never one of this node's is new; one that was is a disk that failed or is not mounted.
        if formatted and not lost and known_paths and added == blank:
            if dirty := [path for path in blank if not node.log_dirs[path].get("empty", True)]:
                out.problems.append(f"{node.name}: {', '.join(dirty)} is to be a new log dir but is not empty: refused")
                continue
            plan["action"], plan["initial_controllers"] = "format", ""
            out.notes.append(f"{node.name}: {', '.join(blank)} is a new log dir")
            continue
        if formatted and not lost:
            out.problems.append(
                f"{node.name}: {', '.join(blank)} is blank while {', '.join(formatted)} is formatted: a log dir failed or was not mounted. "
                "Mount it, or use the break-glass playbook for a log dir failure."
            )
            continue
        if record or local:
            proof = f"{prefix}/nodes/{node.node_id}/directory-id" if record else "its identity file"
            out.problems.append(
                f"{node.name}: {', '.join(blank)} is blank, but {proof} says that this node was formatted before (directory id "
                f"{record or ', '.join((local.get('directory_ids') or {}).values())}). Mount its data volume; if the disk is lost, replace the node "
                "(break-glass: replace a dead broker). It is not formatted here: a voter that forgets its votes can lose acknowledged data."
            )
            continue
        dirty = [path for path in blank if not node.log_dirs[path].get("empty", True)]
        if dirty:
            out.problems.append(
                f"{node.name}: {', '.join(dirty)} has no {META} but is not empty: refused to format over what is there"
            )
            continue
        if node.node_id in initial and not lost:
            plan["action"] = "format"
            plan["initial_controllers"] = initial_text
        elif out.cluster_id_source == "adopted" and node.node_id not in [*joining, *replacing]:
            out.problems.append(
                f"{node.name} is blank and nothing says whether it is new: the record in Parameter Store was lost. If it is new, say so with "
                f"kafka_joining_nodes: [{node.node_id}]; if it lost its disk, replace it (break-glass: replace a dead broker)."
            )
        else:
            plan["action"] = "format"
            plan["initial_controllers"] = ""
            if node.is_controller:
                out.notes.append(f"{node.name} joins as an observer; it becomes a voter when it is added to the quorum")
    return out


def format_command(
    java: str,
    libs: str,
    config: str,
    cluster_id: str,
    *,
    initial_controllers: str,
    log4j2: str | None = None,
    some_formatted: bool = False,
) -> list[str]:
    """The storage tool's command line; nothing secret is in it."""
    command = [java, "-Xmx256m"]
    if log4j2:
        command.append(f"-Dlog4j2.configurationFile={log4j2}")
    command += ["-cp", f"{libs}/*", "kafka.tools.StorageTool", "format", "--config", config, "--cluster-id", cluster_id]
    return [
        *command,
        *(["--initial-controllers", initial_controllers] if initial_controllers else ["--no-initial-controllers"]),
        # Beside log dirs that are formatted and stay as they are.
        *(["--ignore-formatted"] if some_formatted else []),
    ]


def format_storage(command: list[str], log_dirs: list[str], user: str) -> str:
    """Format as ``user``; refuses when any log dir has a ``meta.properties`` by now. Returns the tool's output."""
    if not log_dirs:
        raise StorageError("every log dir has a meta.properties: they are formatted and will not be formatted again")
    for path in log_dirs:
        if (Path(path) / META).exists():
            raise StorageError(f"{path} has a {META}: it is formatted and will not be formatted again")
    result = subprocess.run(
        ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    output = (result.stdout + result.stderr).strip()
    if result.returncode != 0:
        raise StorageError(f"kafka-storage format failed (exit {result.returncode}): {output[-2000:]}")
    return output


def write_identity(path: str, content: Mapping[str, Any]) -> None:
    """Record the identity on the host, outside the data volume: root-owned, written whole."""
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    with partial.open("w", encoding="utf-8") as handle:
        json.dump(content, handle, indent=2, sort_keys=True)
        handle.write("\n")
        handle.flush()
        os.fsync(handle.fileno())
        os.fchmod(handle.fileno(), 0o644)
        os.fchown(handle.fileno(), 0, 0)
    partial.replace(target)
