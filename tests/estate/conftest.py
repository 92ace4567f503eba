"""One estate for all tests of this folder: brought up from nothing, taken down at the end, left-overs removed first.

GROUNDWORK_KEEP=1 keeps it (and adopts the one that is there), for work on a single test.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
KEEP = os.environ.get("GROUNDWORK_KEEP") == "1"


@dataclass
class Run:
    """A finished ansible-playbook: exit code, output, changed tasks with their hosts, totals by host."""

    code: int
    output: str
    changed: dict[str, list[str]]
    hosts: dict[str, dict[str, int]]
    phases: dict[str, float]

    def totals(self, key: str) -> int:
        return sum(host[key] for host in self.hosts.values())


@dataclass
class Estate:
    """The estate under test and the means to look into it."""

    name: str
    octet: int
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "GROUNDWORK_ESTATE": self.name, "GROUNDWORK_ESTATE_OCTET": str(self.octet)}

    @property
    def aws_environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{5000 + self.octet}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "ap-northeast-2",
        }

    def play(self, *arguments: str, playbook: str = "site.yml", inventory: str = "inventories/local",
             environment: dict[str, str] | None = None, timeout: int = 1200) -> Run:  # fmt: skip
        timings = self.folder / "timings.json"
        timings.unlink(missing_ok=True)
        try:
            done = subprocess.run(
                ["ansible-playbook", playbook, "-i", inventory, *arguments],
                cwd=PROJECT, env={**self.environment, "GROUNDWORK_TIMINGS": str(timings), **(environment or {})},
                capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            # Bytes, whatever `text` says.
            said = (error.stdout or b"").decode(errors="replace")
            pytest.fail(f"{playbook} was not done after {timeout} s; it had said last:\n{said[-6000:]}")
        told = json.loads(timings.read_text()) if timings.exists() else {"changed": {}, "hosts": {}, "phases": {}}
        # Hosts of a task report in the order in which they end.
        changed = {task: sorted(hosts) for task, hosts in told["changed"].items()}
        return Run(done.returncode, done.stdout + done.stderr, changed, told["hosts"], told["phases"])

    def podman(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False, input=stdin)
        assert done.returncode == 0, f"podman {arguments}: {done.stderr}"
        return done.stdout

    def container(self, name: str) -> str:
        return f"groundwork-{self.name}-{name}"

    def on(self, host: str, *command: str, stdin: str | None = None) -> str:
        return self.podman("exec", "-i", self.container(host), *command, stdin=stdin)

    def aws(self, service: str) -> Any:
        import boto3

        variables = self.aws_environment
        return boto3.client(
            service,
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="ap-northeast-2",
        )

    def containers(self) -> dict[str, str]:
        """Names (without prefix) and ids of the running containers."""
        listed = self.podman("ps", "--filter", f"label=groundwork.estate={self.name}", "--format", "{{.Names}} {{.ID}}")
        return {
            line.split()[0].removeprefix(f"groundwork-{self.name}-"): line.split()[1] for line in listed.splitlines()
        }


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """An estate of which nothing is up yet."""
    name = os.environ.get("GROUNDWORK_ESTATE", "test")
    estate = Estate(name, int(os.environ.get("GROUNDWORK_ESTATE_OCTET", "214")), tmp_path_factory.mktemp("estate"))
    assert name != "local", "the tests must not use a person's estate: set GROUNDWORK_ESTATE=test"
    if not KEEP:
        down = estate.play(playbook="playbooks/local/down.yml")
        assert down.code == 0, down.output[-4000:]
    yield estate
    if not KEEP:
        down = estate.play(playbook="playbooks/local/down.yml")
        assert down.code == 0, down.output[-4000:]
        assert estate.containers() == {}


@pytest.fixture(scope="session")
def first_run(bare: Estate) -> Run:
    """The run that brings everything up."""
    run = bare.play()
    assert run.code == 0, run.output[-12000:]
    return run


@pytest.fixture(scope="session")
def estate(bare: Estate, first_run: Run) -> Estate:
    return bare
