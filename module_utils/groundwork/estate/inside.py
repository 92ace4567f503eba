"""What is done inside a server's container: commands by podman exec, everything secret through standard input."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence


class ContainerError(RuntimeError):
    """The container or its server does not answer; the message has its last words and what to do."""


class Container:
    """One container of the estate, by its full name."""

    def __init__(self, podman: str, name: str) -> None:
        self._podman = podman
        self.name = name

    def exec(self, command: Sequence[str], stdin: str = "", user: str = "") -> subprocess.CompletedProcess[str]:
        # Not podman's own --user: that looks the name up in a file system which it may have lost sight of.
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return subprocess.run(
            [self._podman, "exec", "-i", self.name, *as_user, *command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def read(self, path: str) -> str:
        """A file's text; empty when it is not there."""
        return self.exec(["cat", path]).stdout

    def running(self) -> bool:
        return self._run("inspect", "--format", "{{.State.Running}}").stdout.strip() == "true"

    def wait(self, command: Sequence[str], seconds: int, what: str, user: str = "") -> None:
        """Waits until a command succeeds, as long as the container runs."""
        deadline = time.monotonic() + seconds
        while True:
            done = self.exec(command, user=user)
            if done.returncode == 0:
                return
            if not self.running() or time.monotonic() > deadline:
                log = "\n".join((self._run("logs", "--tail", "8").stderr or done.stderr).strip().splitlines()[-8:])
                raise ContainerError(
                    f"container {self.name}: {what} does not answer. Its last words:\n{log}\n"
                    "Remedy: make destroy-local, then make local."
                )
            time.sleep(0.5)

    def restart(self) -> None:
        done = self._run("restart", "--time", "30")
        if done.returncode != 0:
            raise ContainerError(f"container {self.name} cannot be restarted: {done.stderr.strip()}")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self._podman, *arguments, self.name]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
