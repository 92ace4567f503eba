"""A moto server of its own for each estate under test, and engines that work on it."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from groundwork.estate.paths import cache_dir
from groundwork.terraform import Engine, Settings

PROJECT = Path(__file__).resolve().parents[2]
TERRAFORM = PROJECT / "terraform"
CACHE = cache_dir()


@dataclass
class Estate:
    """An environment on a moto of its own."""

    env: str
    endpoint: str
    work: Path
    catalog: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    process: Any = None
    #: Settings that differ from the environment's variables file.
    overrides: dict[str, str] = field(default_factory=dict)

    @property
    def aws(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": self.catalog["region"],
            "AWS_DEFAULT_REGION": self.catalog["region"],
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.catalog["region"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def write_catalog(self, name: str, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
        catalog: dict[str, Any] = yaml.safe_load(yaml.safe_dump(self.catalog))
        if change is not None:
            change(catalog)
        path = self.work / f"{name}.yml"
        path.write_text(yaml.safe_dump(catalog))
        return path

    def write_settings(self) -> Path:
        """The environment's variables file with a provider that fits moto."""
        text = (TERRAFORM / "environments" / self.env / "common.tfvars").read_text()
        local = (TERRAFORM / "environments/local/common.tfvars").read_text()
        if "aws = {" not in text:
            text += "\n" + re.search(r"^aws = \{.*?^\}\n", local, re.MULTILINE | re.DOTALL)[0]  # type: ignore[index]
        for name, value in self.overrides.items():
            text, count = re.subn(rf"(?m)^(\s*{name}\s*=) .*$", rf"\1 {value}", text)
            if not count:
                text = text.replace("settings = {\n", f"settings = {{\n  {name} = {value}\n", 1)
        path = self.work / "common.tfvars"
        path.write_text(text)
        return path

    def settings(self) -> Settings:
        return Settings(
            env=self.env,
            region=self.catalog["region"],
            account_id=str(self.catalog["account_id"]),
            terraform_dir=TERRAFORM,
            catalog_path=self.write_catalog("catalog"),
            work_dir=self.work / "terraform",
            cache_dir=CACHE,
            aws_environment=self.aws,
            var_file=self.write_settings(),
        )

    def engine(self, **changes: Any) -> Engine:
        settings = replace(self.settings(), **changes)
        self.lines.clear()

        def say(line: str) -> None:
            self.lines.append(line)
            print(f"{self.env} {line}", flush=True)

        return Engine(settings, say)

    def statuses(self, **changes: Any) -> dict[str, str]:
        return {result.name: result.status for result in self.engine(**changes).run()}


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def estate_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Estate]]:
    """Make an estate: an empty work folder and an embedded AWS in a process of its own, or the one of `beside`."""
    estates: list[Estate] = []

    def make(env: str, beside: Estate | None = None) -> Estate:
        catalog = yaml.safe_load((PROJECT / "inventories" / env / "catalog.yml").read_text())
        work = tmp_path_factory.mktemp(env)
        if beside is not None:
            return Estate(env, beside.endpoint, work, catalog)
        port = free_port()
        environment = {
            **os.environ,
            "MOTO_ACCOUNT_ID": str(catalog["account_id"]),
            "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
            "MOTO_PORT": str(port),
            "AWS_DEFAULT_REGION": catalog["region"],
        }
        command = [sys.executable, str(PROJECT / "roles/embedded_estate/files/moto_extensions.py")]
        with (work / "moto.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "-H", "127.0.0.1", "-p", str(port)], env=environment, stdout=log, stderr=log
            )
        estate = Estate(env, f"http://127.0.0.1:{port}", work, catalog, process=process)
        estates.append(estate)
        deadline = time.monotonic() + 60
        while True:
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
                    connection.request("GET", "/moto-api/")
                    connection.getresponse().read()
                return estate
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"moto did not start:\n{(work / 'moto.log').read_text()[-3000:]}")
                time.sleep(0.3)

    yield make
    for estate in estates:
        estate.process.terminate()
        estate.process.wait(timeout=30)
