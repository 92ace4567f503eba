"""The embedded Prometheus and proxy as containers: how each is checked, reloaded and asked whether it is ready."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..estate.podman import WRAPPER, PodmanError
from .embedded import PREFIX, rules_folder
from .embedded_apply import Beside, Program


def run_in(container: str, command: tuple[str, ...], stdin: str | None) -> tuple[int, str]:
    """Run a command in a container; raises PodmanError when the container is not up."""
    if not WRAPPER.exists():
        raise PodmanError(f"{WRAPPER} is not there. Run: make setup")
    arguments = [str(WRAPPER), "exec", *(["--interactive"] if stdin is not None else []), container, *command]
    done = subprocess.run(arguments, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    # podman's own failures are 125 to 127; 126 and 127 cannot come from the commands used here.
    if done.returncode in {125, 126, 127}:
        raise PodmanError(f"container {container}: {done.stderr.strip()}. Bring the estate up first: make local")
    return done.returncode, done.stdout + done.stderr


def prometheus(estate: str, directory: Path, content: str, url: str, rules: Mapping[str, str] | None = None) -> Program:
    """`rules` are the rule files that the content names; promtool checks them with it."""
    container = f"groundwork-{estate}-prometheus"
    return Program(
        name="prometheus",
        path=directory / "prometheus" / "prometheus.yml",
        content=content,
        check=("promtool", "check", "config", "/dev/stdin"),
        reload=f"{url}{PREFIX}/-/reload",
        ready=f"{url}{PREFIX}/-/ready",
        run=lambda command, stdin: run_in(container, command, stdin),
        beside=Beside("rules-", rules_folder(rules), rules) if rules else None,
    )


def proxy(estate: str, directory: Path, content: str, url: str) -> Program:
    container = f"groundwork-{estate}-lgtm"
    return Program(
        name="proxy",
        path=directory / "lgtm" / "nginx.conf",
        content=content,
        # nginx reads as many bytes as the file's size says, so a pipe would be an empty configuration and pass.
        check=("sh", "-c", "cat >/tmp/check.conf && nginx -q -t -c /tmp/check.conf"),
        reload=("nginx", "-c", "/etc/groundwork/nginx.conf", "-s", "reload"),
        ready=f"{url}/-/proxy-healthy",
        run=lambda command, stdin: run_in(container, command, stdin),
    )
