"""A podman of Groundwork's own: its configuration and storage lie in the cache folder, the machine's stay untouched."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .paths import cache_dir

# Beside the Python that runs this: the virtual environment's, also when Ansible ships this file to a temporary folder.
WRAPPER = Path(sys.prefix) / "bin" / "podman"


class PodmanError(RuntimeError):
    """podman said no: the message carries the command and podman's own words."""


def _limit(kind: int, wanted: int) -> int:
    """The limit to give containers: not above the one in force, since raising it may not be permitted."""
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def runtime_dir() -> Path:
    """Run-time files of this storage; two storages that shared them would remove each other's mounts."""
    base = Path("/run" if os.geteuid() == 0 else f"/run/user/{os.geteuid()}")
    return base / f"groundwork-{hashlib.sha256(str(cache_dir()).encode()).hexdigest()[:8]}"


def write_configuration() -> bool:
    """Write containers.conf, storage.conf and the wrapper; returns whether anything changed.

    The wrapper stands in the virtual environment's bin/, so that Ansible's podman connection, molecule and a person
    with the environment activated all use the same podman without setting anything.
    """
    base = cache_dir() / "containers"
    nofile = _limit(resource.RLIMIT_NOFILE, 20000)
    nproc = _limit(resource.RLIMIT_NPROC, 30000)
    plugins = ", ".join(f'"{path}"' for path in ("/usr/lib/podman", "/usr/libexec/podman", "/usr/local/libexec/podman"))
    real = shutil.which("podman", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if real is None:
        raise PodmanError("podman is not installed. Run: make setup")
    files = {
        base / "containers.conf": f"""\
[containers]
default_ulimits = ["nofile={nofile}:{nofile}", "nproc={nproc}:{nproc}"]
log_driver = "k8s-file"
log_size_max = 10000000
pids_limit = 0

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
# Locks and run-time files apart from the machine's own podman, which may not even be there.
lock_type = "file"
tmp_dir = "{runtime_dir() / "libpod"}"
helper_binaries_dir = [{plugins}]

[network]
network_backend = "netavark"
network_config_dir = "{base / "networks"}"
""",
        base / "storage.conf": f"""\
[storage]
driver = "overlay"
graphroot = "{base / "storage"}"
runroot = "{runtime_dir() / "containers"}"
""",
        WRAPPER: f"""\
#!/bin/sh
# Written by set-up: Groundwork's podman, with a storage and a configuration of its own.
export CONTAINERS_CONF="{base / "containers.conf"}" CONTAINERS_STORAGE_CONF="{base / "storage.conf"}"
exec {real} "$@"
""",
    }
    changed = False
    for path, text in files.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed = True
    WRAPPER.chmod(0o755)
    return changed


def podman(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Run podman through the wrapper and return what it printed."""
    if not WRAPPER.exists():
        raise PodmanError(f"{WRAPPER} is not there. Run: make setup")
    done = subprocess.run([str(WRAPPER), *arguments], input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        words = done.stderr.strip() or done.stdout.strip()
        raise PodmanError(f"podman {' '.join(arguments[:3])}: {words}")
    return done.stdout


def podman_json(*arguments: str) -> Any:
    """Run podman and parse the JSON that it prints; nothing printed is an empty list."""
    text = podman(*arguments)
    return json.loads(text) if text.strip() else []
