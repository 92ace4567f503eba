"""Plays of their own by which unit tests let Ansible render what a role decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
#: A host that is this machine.
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def task(role: str, file: str, name: str) -> dict[str, Any]:
    """The task of this name, wherever it stands in a file of the role."""
    waiting = yaml.safe_load((PROJECT / "roles" / role / "tasks" / file).read_text())
    while waiting:
        one = waiting.pop(0)
        if one["name"] == name and "block" not in one:
            return dict(one)
        waiting += one.get("block", [])
    raise AssertionError(f"{file} has no task {name!r}")


def play(
    folder: Path, inventory: dict[str, Any], plays: str, *arguments: str, templates: Iterable[Path] = ()
) -> subprocess.CompletedProcess[str]:
    """Run plays (YAML) for an inventory, both written to ``folder``; outside of a role a template lookup finds ``templates`` there."""
    (folder / "hosts.yml").write_text(json.dumps(inventory))
    (folder / "play.yml").write_text(plays)
    (folder / "templates").mkdir(exist_ok=True)
    for template in templates:
        (folder / "templates" / template.name).symlink_to(template)
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", folder / "hosts.yml", *arguments, folder / "play.yml"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
