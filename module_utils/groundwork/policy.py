"""Policies over plans: checkov with the checks of policy/, in an environment of its own, without the network.

python -m groundwork.policy ENV ...                 plan these environments offline and check them
python -m groundwork.policy --plans DIR [DIR ...]   check plans that groundwork.terraform.offline wrote
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .estate.paths import PROJECT, WORK

VENV = WORK / "policy-venv"
LOCK = PROJECT / "requirements/policy.lock"
POLICIES = PROJECT / "policy"
PREFIX = "CKV_GROUNDWORK_"
#: checkov's own mark (TRUE_AFTER_UNKNOWN).
UNKNOWN = "true_after_unknown"
#: Variables that would send plans to a service, or change what is checked.
FOREIGN_PREFIXES = ("BC_", "CKV_", "CHECKOV_", "PRISMA_")


class PolicyError(RuntimeError):
    """The policies could not be checked."""


@dataclass(frozen=True, order=True)
class Finding:
    """One check of one resource."""

    plan: str
    address: str
    check: str
    name: str
    details: str = ""

    def line(self) -> str:
        return f"{self.plan}: {self.address}: {self.check} {self.name}{f': {self.details}' if self.details else ''}"


@dataclass(frozen=True)
class Report:
    """What passed and what failed."""

    passed: tuple[Finding, ...]
    failed: tuple[Finding, ...]


def install() -> bool:
    """The environment that the lock file describes; False when it is there."""
    stamp = VENV / ".lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(VENV)
    command = [str(VENV / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    answer = subprocess.run([*command, "--no-deps", "-r", str(LOCK)], check=False, capture_output=True, text=True)
    if answer.returncode:
        raise PolicyError(f"pip failed: {answer.stderr.strip()[-1500:]}\nIs the Python package index reachable?")
    stamp.write_text(wanted, encoding="utf-8")
    return True


def builtin_checks() -> list[str]:
    """The ids of checkov's own checks that must pass."""
    return list(yaml.safe_load((POLICIES / "builtin.yml").read_text(encoding="utf-8")))


def readable(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan as checkov wants it, with the policy documents that are complete only after the apply.

    Such a document is a data source that is read later: checkov does not look at it, though its actions are known.
    """
    unknown = {
        entry["address"]: entry["change"].get("after_unknown") or {} for entry in plan.get("resource_changes", [])
    }
    root = _completed(plan.get("planned_values", {}).get("root_module", {}), unknown)
    deferred = [entry for entry in plan.get("resource_changes", []) if entry.get("type") == "aws_iam_policy_document"]
    root["resources"] = [
        *root.get("resources", []),
        *(
            {
                "address": entry["address"],
                "mode": "managed",
                "type": entry["type"],
                "name": entry["address"].replace(".", "_"),
                "values": entry["change"].get("after") or {},
            }
            for entry in deferred
            if entry["mode"] == "data"
        ),
    ]
    kept = {name: plan[name] for name in ("format_version", "terraform_version", "configuration") if name in plan}
    changes = [entry for entry in plan.get("resource_changes", []) if entry["mode"] == "managed"]
    return {**kept, "planned_values": {"root_module": root}, "resource_changes": changes}


def _completed(module: Mapping[str, Any], unknown: Mapping[str, Any]) -> dict[str, Any]:
    """A module's resources with UNKNOWN where only the apply will tell; checkov itself does so at the top level alone."""
    return {
        **module,
        "resources": [
            {**entry, "values": _marked(entry.get("values") or {}, unknown.get(entry["address"], {}))}
            for entry in module.get("resources", [])
        ],
        "child_modules": [_completed(child, unknown) for child in module.get("child_modules", [])],
    }


def _marked(value: Any, unknown: Any) -> Any:
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, Mapping) and isinstance(value, Mapping):
        return {**value, **{name: _marked(value.get(name), entry) for name, entry in unknown.items() if entry}}
    if isinstance(unknown, list) and isinstance(value, list) and len(unknown) == len(value):
        return [_marked(*pair) for pair in zip(value, unknown, strict=True)]
    return value


def check(plans: Mapping[str, Mapping[str, Any]], only: Iterable[str] = ()) -> Report:
    """Check plans by name with all policies, or with some checks only."""
    if not (VENV / ".lock.sha256").exists():
        raise PolicyError("checkov is not installed. Remedy: make setup")
    checks = list(only) or [*builtin_checks(), *(f"{PREFIX}{number}" for number in custom_numbers())]
    with tempfile.TemporaryDirectory(prefix="groundwork-policy-") as folder:
        files = []
        for name, plan in plans.items():
            path = _file(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(readable(plan)), encoding="utf-8")
            files.append(str(path))
        command = [str(VENV / "bin/checkov"), "--framework", "terraform_plan", "--output", "json"]
        command += ["--skip-download", "--skip-results-upload", "--compact", "--soft-fail"]
        command += ["--external-checks-dir", str(POLICIES), "--check", ",".join(checks), "--file", *files]
        answer = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment(), cwd=folder)
    return _report(answer, {str(_file(folder, name)): name for name in plans})


def custom_numbers() -> list[int]:
    """Numbers of the policies of policy/checks.py: each has its fixtures."""
    return sorted(int(path.stem.removeprefix(PREFIX)) for path in (POLICIES / "fixtures").glob(f"{PREFIX}*.yml"))


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    environment.update(
        # What only the apply will tell counts as given where any value will do.
        EVAL_TF_PLAN_AFTER_UNKNOWN="true",
        CKV_SKIP_PACKAGE_UPDATE_CHECK="true",
        LOG_LEVEL="ERROR",
        PYTHONDONTWRITEBYTECODE="1",
    )
    environment.pop("PYTHONPATH", None)
    return environment


def _file(folder: str, name: str) -> Path:
    return Path(folder).resolve() / f"{name}.json"


def _report(answer: subprocess.CompletedProcess[str], names: Mapping[str, str]) -> Report:
    try:
        document = json.loads(answer.stdout)
        results = document["results"]
    except (ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"checkov gave no report: {(answer.stderr or answer.stdout).strip()[-2000:]}") from error
    if results.get("parsing_errors"):
        raise PolicyError(f"checkov cannot read {', '.join(results['parsing_errors'])}")

    def findings(entries: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
        return tuple(
            sorted(
                Finding(
                    names[str(entry["file_abs_path"])],
                    str(entry.get("resource_address") or entry["resource"]),
                    str(entry["check_id"]),
                    str(entry["check_name"]),
                    "; ".join(entry.get("details") or []),
                )
                for entry in entries
            )
        )

    return Report(findings(results.get("passed_checks", [])), findings(results.get("failed_checks", [])))


def main(arguments: Sequence[str] | None = None) -> int:
    from .terraform import TerraformError, offline

    parser = argparse.ArgumentParser(description="Check plans against the policies.")
    parser.add_argument("environments", nargs="*")
    parser.add_argument("--plans", nargs="+", type=Path, default=[], help="folders of groundwork.terraform.offline")
    options = parser.parse_args(arguments)
    try:
        plans: dict[str, Mapping[str, Any]] = {}
        for env in options.environments or ([] if options.plans else ["dev", "prod"]):
            found = offline.plan_environment(env, say=lambda line: print(line, flush=True))
            plans.update({f"{env}/{name}": plan for name, plan in found.items()})
        for folder in options.plans:
            plans.update({f"{folder.name}/{name}": plan for name, plan in offline.read(folder).items()})
        report = check(plans)
    except (PolicyError, TerraformError) as error:
        print(error, file=sys.stderr)
        return 1
    for finding in report.failed:
        print(finding.line())
    print(f"policies: {len(plans)} plans, {len(report.passed)} checks passed, {len(report.failed)} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
