"""The build context of the execution environment: execution-environment.yml with the versions of the lock file.

python -m groundwork.delivery.execution_environment [--context FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import yaml

from ..estate.paths import PROJECT, WORK
from .changed import DeliveryError

DEFINITION = "execution-environment.yml"
BUILDER = WORK / "builder"


def pins(lock: str) -> dict[str, str]:
    """Versions by package name of a lock file."""
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s\\;]+)", lock, re.MULTILINE))


def definition(project: Path) -> dict[str, Any]:
    """The definition with a version for everything that comes from the package index."""
    found: dict[str, Any] = yaml.safe_load((project / DEFINITION).read_text(encoding="utf-8"))
    versions = pins((project / "requirements/control.lock").read_text(encoding="utf-8"))
    dependencies = found["dependencies"]
    wanted = [*dependencies["python"], dependencies["ansible_core"]["package_pip"]]
    missing = [name for name in wanted if name not in versions]
    if missing:
        raise DeliveryError(f"{DEFINITION}: requirements/control.lock has no {', '.join(missing)}")
    dependencies["python"] = [f"{name}=={versions[name]}" for name in dependencies["python"]]
    core = dependencies["ansible_core"]
    core["package_pip"] = f"{core['package_pip']}=={versions[core['package_pip']]}"
    return found


def builder(project: Path) -> Path:
    """ansible-builder in an environment of its own, exactly as its lock file says."""
    lock = project / "requirements/delivery.lock"
    want = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp, program = BUILDER / ".lock.sha256", BUILDER / "bin/ansible-builder"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == want and program.exists():
        return program
    venv.create(BUILDER, clear=True, with_pip=True)
    command = [
        str(BUILDER / "bin/pip"),
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
    ]
    done = subprocess.run([*command, "-r", str(lock)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeliveryError(
            f"pip cannot install ansible-builder: {done.stderr.strip()}. Is the package index reachable?"
        )
    stamp.write_text(want, encoding="utf-8")
    return program


def create(project: Path, context: Path) -> Path:
    """Write the build context; ansible-builder validates the definition against its schema on the way."""
    shutil.rmtree(context, ignore_errors=True)
    context.parent.mkdir(parents=True, exist_ok=True)
    resolved = context.parent / DEFINITION
    resolved.write_text(yaml.safe_dump(definition(project), sort_keys=False), encoding="utf-8")
    shutil.copy(project / "requirements.yml", context.parent)
    command = [
        str(builder(project)),
        "create",
        "-f",
        str(resolved),
        "--context",
        str(context),
        "--output-filename",
        "Containerfile",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeliveryError(f"ansible-builder refused {DEFINITION}:\n{(done.stdout + done.stderr).strip()[-3000:]}")
    if not (context / "Containerfile").is_file():
        raise DeliveryError(f"ansible-builder wrote no Containerfile to {context}")
    return context


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="groundwork.delivery.execution_environment")
    parser.add_argument("--context", type=Path, default=WORK / "execution-environment" / "context")
    given = parser.parse_args(arguments)
    try:
        context = create(PROJECT, given.context)
    except (DeliveryError, OSError) as error:
        print(f"execution environment: {error}", file=sys.stderr)
        return 1
    print(f"build context: {context}\nbuild it: podman build -f {context}/Containerfile -t groundwork-ee {context}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
