"""Every module of this folder once through Ansible itself: check mode, the run, the run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import PROJECT, Cluster

TASKS: list[dict[str, Any]] = [
    {"kafka_topics": {"topics": [{"name": "ansible.t", "partitions": 3, "replication_factor": 2}]}},
    {"kafka_users": {"users": [{"name": "ansible", "password": "not-a-real-secret"}]}},
    {"kafka_acls": {"acls": [{"principal": "User:ansible", "resource_type": "topic", "resource_name": "ansible.t", "operation": "read"}]}},
    {"kafka_quotas": {"quotas": [{"user": "ansible", "producer_byte_rate": 1000000}]}},
    {"kafka_configs": {"configs": [{"entity": "default_broker", "config": {"log.cleaner.threads": 2}}]}},
    {"kafka_leaders": {"state": "info"}},
    {"kafka_quorum": {"state": "absent", "voter": {"id": 99}}},
    {"kafka_features": {"state": "finalized", "release": "4.3"}},
    {"kafka_reassign": {"state": "planned", "throttle": 1000000}},
    {"kafka_brokers": {"state": "cordoned", "broker": 3}},
]  # fmt: skip
UNDO: list[dict[str, Any]] = [
    {"kafka_brokers": {"state": "uncordoned", "broker": 3}},
    {"kafka_configs": {"configs": [{"entity": "default_broker", "exclusive": True}]}},
    {"kafka_quotas": {"quotas": []}},
    {"kafka_acls": {"acls": []}},
    {"kafka_users": {"users": []}},
    {"kafka_topics": {"topics": []}},
]
#: Modules that remove what nobody names, when that word is typed.
PRUNING = ("quotas", "acls", "users", "topics")
CHANGING = {"kafka_topics", "kafka_users", "kafka_acls", "kafka_quotas", "kafka_configs", "kafka_brokers"}


def play(kafka: Cluster, folder: Path, tasks: list[dict[str, Any]], *options: str) -> dict[str, bool]:
    """Run the tasks on this machine; which modules reported a change."""
    reach = {
        "bootstrap_servers": kafka.servers(),
        "ca_file": str(kafka.nodes[1].folder / "ca.crt"),
        "certificate_file": str(kafka.nodes[1].folder / "keystore.pem"),
        "timeout": 30,
    }
    more: dict[str, dict[str, Any]] = {"kafka_users": {"client_servers": kafka.servers("CLIENT")}}
    if tasks is UNDO:
        for what in PRUNING:
            more.setdefault(f"kafka_{what}", {}).update(prune=True, confirm=f"{kafka.id}:prune-{what}")
    listed = [
        {"name": module.replace("_", " ").capitalize(), module: {**reach, **more.get(module, {}), **arguments}}
        for task in tasks
        for module, arguments in task.items()
    ]
    (folder / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": listed}]))
    done = subprocess.run(
        ["ansible-playbook", str(folder / "play.yml"), "-i", "localhost,", "-c", "local", "--diff", *options,
         "-e", f"ansible_python_interpreter={sys.executable}"],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600, stdin=subprocess.DEVNULL,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "not-a-real-secret" not in done.stdout + done.stderr
    # The project's own callback writes its table behind it.
    told, _ = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])
    results = [task["hosts"]["localhost"] for task in told["plays"][0]["tasks"]]
    return {next(iter(task)): bool(one["changed"]) for task, one in zip(tasks, results, strict=True)}


def test_modules_through_ansible(kafka: Cluster, tmp_path: Path) -> None:
    expected = {next(iter(task)): next(iter(task)) in CHANGING for task in TASKS}
    assert play(kafka, tmp_path, TASKS, "--check") == expected
    assert play(kafka, tmp_path, TASKS) == expected
    assert not any(play(kafka, tmp_path, TASKS).values())
    assert all(play(kafka, tmp_path, UNDO).values())
