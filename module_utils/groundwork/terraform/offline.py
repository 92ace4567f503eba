"""Plan an environment from nothing, without a cloud account.

    python -m groundwork.terraform.offline ENV --out DIR [COMPONENT ...]

Every component is planned with an empty state against an embedded AWS of its own process. What a component reads from
Parameter Store is answered with well formed values that are made from the contract (terraform/contract.yml) and the
catalog; AMIs, zones and the caller's identity are answered by the embedded AWS. Policies, the cost table and the
comparison of environments read these plans.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import secrets as stdlib_secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import yaml

from .. import contract
from ..estate.paths import PROJECT, cache_dir
from . import graph, packages
from .cli import (
    Processes,
    TerraformError,
    find_source,
    find_terraform,
    pinned_version,
    terraform_environment,
    write_configuration,
)
from .engine import exclusive
from .offline_values import Values

Plan = dict[str, Any]

START_SECONDS = 60
#: Terraform and the provider keep one core busy each.
AT_ONCE = 2
PROVIDER = {
    "max_retries": 2,
    "s3_use_path_style": True,
    "skip_metadata_api_check": True,
    "skip_region_validation": True,
    "skip_credentials_validation": True,
}
OIDC_ISSUER = "https://token.actions.githubusercontent.com"
LOCAL_BACKEND = 'terraform {\n  backend "local" {}\n}\n'
#: Attributes that the provider marks as sensitive and that hold no secret here: what is handed over by SSM.
HANDED_OVER = {("aws_ssm_parameter", "value"), ("aws_ssm_parameter", "insecure_value")}


# ------------------------------------------------------------------------------------------------------ the embedded AWS


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def embedded_aws(account_id: str, region: str, work: Path, project: Path = PROJECT) -> Iterator[dict[str, str]]:
    """An embedded AWS on a free port of the loopback; yields the environment of its clients."""
    port = _free_port()
    environment = {
        **os.environ,
        "MOTO_ACCOUNT_ID": account_id,
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "MOTO_PORT": str(port),
        "AWS_DEFAULT_REGION": region,
    }
    program = project / "roles/embedded_estate/files/moto_extensions.py"
    log = work / "aws.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, str(program), "-H", "127.0.0.1", "-p", str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
                connection.request("GET", "/moto-api/")
                connection.getresponse().read()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise TerraformError(f"the embedded AWS did not start within {START_SECONDS} s:\n{text}") from error
            time.sleep(0.2)


def seed(
    parameters: Mapping[str, contract.Parameter], catalog: Mapping[str, Any], tfvars: str, aws: Mapping[str, str]
) -> int:
    """Put what the components read; the number of parameters."""
    import boto3

    env, region = str(catalog["environment"]), str(catalog["region"])
    wanted = {
        path.replace("{env}", env): parameter.type
        for parameter in parameters.values()
        for path in parameter.paths(catalog)
    }
    made = Values(catalog, subnet_zones(tfvars, catalog)).all(wanted)
    client = boto3.client("ssm", **_client_arguments(region, aws))
    for path, value in made.items():
        kind: Literal["String", "StringList"] = "StringList" if wanted[path] == "StringList" else "String"
        client.put_parameter(Name=path, Value=value, Type=kind, Overwrite=True)
    return len(made)


def _client_arguments(region: str, aws: Mapping[str, str]) -> dict[str, Any]:
    return {
        "region_name": region,
        "endpoint_url": aws["AWS_ENDPOINT_URL"],
        "aws_access_key_id": aws["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": aws["AWS_SECRET_ACCESS_KEY"],
    }


def stand_in(env: str, catalog: Mapping[str, Any], region: str, aws: Mapping[str, str]) -> None:
    """What components look up by name because another environment or region has made it: passwords of databases, and the
    account's OpenID Connect provider."""
    import boto3

    secrets_manager = boto3.client("secretsmanager", **_client_arguments(region, aws))
    for engine in catalog["databases"]:
        name = f"{env}-shared-{engine}-master-password"
        secrets_manager.create_secret(Name=name, SecretString=stdlib_secrets.token_urlsafe(24))
    iam = boto3.client("iam", **_client_arguments(region, aws))
    if not iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        iam.create_open_id_connect_provider(Url=OIDC_ISSUER, ThumbprintList=["f" * 40])


def subnet_zones(tfvars: str, catalog: Mapping[str, Any]) -> list[str]:
    """Zones of the subnets: the hosts' own, and those that databases and load balancers need beside (modules/vpc)."""
    named = re.search(r"(?m)^\s*subnet_availability_zones\s*=\s*\[([^]]*)\]", tfvars)
    further = re.findall(r'"(\w+)"', named[1]) if named else []
    return list(dict.fromkeys([*catalog["network"]["availability_zones"], *further]))


def peer(tfvars: str) -> tuple[str, str] | None:
    """Environment and region that this one replicates with: `settings.peer`."""
    block = re.search(r"(?m)^\s*peer\s*=\s*\{([^}]*)\}", tfvars)
    if block is None:
        return None
    values = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', block[1]))
    return (values["environment"], values["region"]) if {"environment", "region"} <= set(values) else None


# -------------------------------------------------------------------------------------------------------------- planning


def plan_environment(
    env: str,
    components: Sequence[str] = (),
    *,
    project: Path = PROJECT,
    at_once: int = AT_ONCE,
    say: Callable[[str], None] = print,
) -> dict[str, Plan]:
    """The plans of an environment's components by name, as `terraform show -json` prints them. All failures at once."""
    started = time.monotonic()
    chosen = graph.select(graph.load(project / "terraform/components.yml"), components)
    catalog = _catalog(project, env)
    parameters = contract.load(project / "terraform/contract.yml")
    tfvars = (project / "terraform/environments" / env / "common.tfvars").read_text(encoding="utf-8")
    # Plans name every resource of the estate: a folder that nobody else can read, removed at the end.
    with tempfile.TemporaryDirectory(prefix="groundwork-plans-") as folder:
        work = Path(folder)
        with embedded_aws(str(catalog["account_id"]), str(catalog["region"]), work, project) as aws:
            count = seed(parameters, catalog, tfvars, aws)
            stand_in(env, catalog, str(catalog["region"]), aws)
            other = peer(tfvars)
            if other is not None:
                others = project / "terraform/environments" / other[0] / "common.tfvars"
                peer_catalog = {**_catalog(project, other[0]), "region": other[1]}
                count += seed(parameters, peer_catalog, others.read_text(encoding="utf-8"), aws)
                stand_in(other[0], peer_catalog, str(catalog["region"]), aws)
            say(f"{env}: embedded AWS with {count} parameters ({time.monotonic() - started:.0f} s)")
            planner = _Planner(env=env, project=project, work=work, aws=aws, say=say)
            for component in chosen.values():
                packages.build(project, component.packages)
            with ThreadPoolExecutor(at_once) as pool:
                answers = list(pool.map(planner.plan, chosen))
    failed = [f"{name}: {answer}" for name, answer in zip(chosen, answers, strict=True) if isinstance(answer, str)]
    if failed:
        raise TerraformError(f"{env}: {len(failed)} of {len(answers)} plans failed\n" + "\n".join(failed))
    say(f"{env}: {len(answers)} plans in {time.monotonic() - started:.0f} s")
    return {name: answer for name, answer in zip(chosen, answers, strict=True) if not isinstance(answer, str)}


def _catalog(project: Path, env: str) -> dict[str, Any]:
    path = project / "inventories" / env / "catalog.yml"
    if not path.exists():
        known = ", ".join(sorted(entry.parent.name for entry in path.parents[1].glob("*/catalog.yml")))
        raise TerraformError(f"no environment {env}; there are {known}")
    catalog: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return catalog


class _Planner:
    """Plans one component after the other in a copy of the code whose states are files."""

    def __init__(
        self, *, env: str, project: Path, work: Path, aws: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._env, self._project, self._work = env, project, work
        self._terraform, self._aws, self._say = find_terraform(), aws, say
        self._processes = Processes()
        self._code = work / "terraform"
        shutil.copytree(project / "terraform", self._code, ignore=shutil.ignore_patterns(".terraform", "tests"))
        # Components name packages relative to themselves.
        (work / packages.FOLDER).parent.mkdir()
        (work / packages.FOLDER).symlink_to(project / packages.FOLDER)
        locks = sorted(self._code.glob("components/*/.terraform.lock.hcl"))
        for lock_file in locks:
            (lock_file.parent / "backend_override.tf").write_text(LOCAL_BACKEND, encoding="utf-8")
        source = find_source(pinned_version(locks[0]))
        self._configuration = write_configuration(source, work / "cli.tfrc")
        self._cache = cache_dir() / "terraform/plugins" if source.kind == "registry" else None

    def plan(self, name: str) -> Plan | str:
        """The plan of a component, or what went wrong."""
        started = time.monotonic()
        try:
            document = self._plan(name)
        except TerraformError as error:
            self._say(f"{self._env} {name}: FAILED ({time.monotonic() - started:.0f} s)")
            return str(error)
        found = secrets(document)
        if found:
            return f"the plan holds secrets: {', '.join(found)}. Remedy: make them write-only or ephemeral."
        count = len(managed(document))
        self._say(f"{self._env} {name}: {count} resources ({time.monotonic() - started:.0f} s)")
        return document

    def _plan(self, name: str) -> Plan:
        with exclusive(cache_dir() / "terraform/init.lock") if self._cache else contextlib.nullcontext():
            self._run(name, "init", "-backend=true", "-lockfile=readonly")
        plan_file = self._work / f"{name}.tfplan"
        self._run(
            name,
            "plan",
            f"-out={plan_file}",
            "-lock=false",
            f"-var-file={self._code / 'environments' / self._env / 'common.tfvars'}",
            f"-var=catalog_path={self._project / 'inventories' / self._env / 'catalog.yml'}",
            f"-var=aws={json.dumps(PROVIDER)}",
        )
        output = self._run(name, "show", "-json", str(plan_file))
        document: Plan = json.loads(output)
        return document

    def _run(self, name: str, command: str, *arguments: str) -> str:
        output = self._work / f"{name}.{command}.log"
        environment = terraform_environment(self._aws, self._work / "data" / name, self._configuration, self._cache)
        flags = ["-no-color"] if command == "show" else ["-no-color", "-input=false"]
        code = self._processes.run(
            [self._terraform, f"-chdir={self._code / 'components' / name}", command, *flags, *arguments],
            environment,
            output,
        )
        text = output.read_text(encoding="utf-8", errors="replace")
        if code != 0:
            raise TerraformError(f"terraform {command} failed:\n{text[max(text.find('Error:'), 0) :].strip()[:3000]}")
        return text


# ---------------------------------------------------------------------------------------------------- reading the plans


def managed(plan: Plan) -> list[dict[str, Any]]:
    """The resources that a plan makes: `address`, `type`, `values` and which of them are `unknown` yet."""
    return [
        {
            "address": entry["address"],
            "type": entry["type"],
            "values": entry["change"].get("after") or {},
            "unknown": entry["change"].get("after_unknown") or {},
        }
        for entry in plan.get("resource_changes", [])
        if entry["mode"] == "managed" and "create" in entry["change"]["actions"]
    ]


def secrets(plan: Plan) -> list[str]:
    """Addresses of attributes that are sensitive and known: a plan file would carry them."""
    return [
        f"{entry['address']}.{name}"
        for entry in plan.get("resource_changes", [])
        if entry["mode"] == "managed"
        for name, sensitive in (entry["change"].get("after_sensitive") or {}).items()
        if sensitive is True
        and (entry["type"], name) not in HANDED_OVER
        and (entry["change"].get("after") or {}).get(name) not in (None, "", [], {})
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Plan an environment from nothing, without a cloud account.")
    parser.add_argument("env")
    parser.add_argument("--out", required=True, type=Path, help="folder for <component>.json")
    parser.add_argument("components", nargs="*", help="all when none is named")
    # Components may stand behind --out.
    options = parser.parse_intermixed_args(arguments)
    try:
        plans = plan_environment(options.env, options.components, say=lambda line: print(line, flush=True))
    except (TerraformError, contract.ContractError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    write(plans, options.out)
    return 0


def write(plans: Mapping[str, Plan], folder: Path) -> None:
    """One file a component, for its owner's eyes only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, document in plans.items():
        path = folder / f"{name}.json"
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(json.dumps(document), encoding="utf-8")


def read(folder: Path) -> dict[str, Plan]:
    """Plans that were written."""
    plans = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    if not plans:
        raise TerraformError(f"{folder}: no plans. Remedy: python -m groundwork.terraform.offline ENV --out {folder}")
    return plans


if __name__ == "__main__":
    sys.exit(main())
