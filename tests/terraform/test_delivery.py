"""The workflows' steps against the real terraform on a moto: plan, comment, drift, the approved plan of Atlantis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Estate
from groundwork.delivery import __main__ as delivery
from groundwork.terraform.state import States

COMPONENTS = ("00-bootstrap", "20-kms")


@pytest.fixture(scope="module")
def estate(estate_of: Callable[[str], Estate]) -> Estate:
    made = estate_of("staging")
    # A lifecycle of old versions would only add a minute.
    made.overrides = {"state_version_days": "0"}
    assert made.statuses(components=COMPONENTS) == dict.fromkeys(COMPONENTS, "applied")
    return made


@pytest.fixture(autouse=True)
def on_the_estate(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps use the shell's credentials; here they are the estate's, and so are its folders."""
    plain = delivery.settings
    for name, value in estate.aws.items():
        monkeypatch.setenv(name, value)
    folders = {
        "work_dir": estate.work / "terraform",
        "var_file": estate.write_settings(),
        "catalog_path": estate.write_catalog("catalog"),
    }
    monkeypatch.setattr(
        delivery, "settings", lambda env, components, **more: plain(env, components, **(folders | more))
    )


def lose_a_parameter(estate: Estate) -> str:
    ssm = estate.client("ssm")
    name = next(one["Name"] for one in ssm.describe_parameters()["Parameters"] if one["Name"].endswith("sqs-key-arn"))
    ssm.delete_parameter(Name=name)
    return str(name)


def test_plan_drift_and_apply(tmp_path: Path, estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the workflows do one after the other. Each terraform costs seconds: one history shows it all."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    options = ["--env", "staging", "--out", str(tmp_path), "--components", "20-kms"]

    def text(name: str) -> str:
        return (tmp_path / f"{name}-staging.md").read_text()

    def drift() -> dict[str, Any]:
        assert delivery.main(["drift", *options, "--terraform-only"]) == 0
        data: dict[str, Any] = json.loads((tmp_path / "drift-staging.json").read_text())
        return data

    assert delivery.main(["plan", *options]) == 0
    assert text("plan").startswith("<!-- groundwork plan staging -->\n### Terraform plan of staging: no changes")
    name = lose_a_parameter(estate)
    assert delivery.main(["plan", *options]) == 0
    assert "1 component of 1 would change" in text("plan")
    assert f'+ module.exports.aws_ssm_parameter.this["{name}"]' in text("plan")
    assert summary.read_text().endswith(text("plan"))
    assert drift()["drift"] is True
    assert "staging differs from the code" in text("drift")
    assert delivery.main(["apply", *options]) == 0
    assert "### Terraform apply of staging: 1 component of 1 changed" in text("apply")
    assert drift() == {"environment": "staging", "drift": False, "failures": []}


def test_a_plan_that_fails_says_so_in_the_comment(tmp_path: Path) -> None:
    # What it reads was never applied.
    assert (
        delivery.main(["plan", "--env", "staging", "--out", str(tmp_path), "--components", "30-security-groups"]) == 1
    )
    text = (tmp_path / "plan-staging.md").read_text()
    assert "failed (30-security-groups)" in text and "Remedy: apply what this component reads first" in text


def test_atlantis_applies_the_approved_plan_only(
    tmp_path: Path, estate: Estate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROJECT_NAME", "staging-20-kms")
    monkeypatch.setenv("PLANFILE", str(tmp_path / "staging.tfplan"))
    monkeypatch.setattr(delivery, "PROJECT", PROJECT)
    assert delivery.main(["atlantis-apply"]) == 1
    assert "no approved plan" in capsys.readouterr().err
    assert delivery.main(["atlantis-plan"]) == 0
    name = lose_a_parameter(estate)
    assert delivery.main(["atlantis-apply"]) == 1
    assert "not the approved one any more; nothing was applied" in capsys.readouterr().err
    assert delivery.main(["atlantis-plan"]) == 0
    assert delivery.main(["atlantis-apply"]) == 0
    assert estate.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]


def test_a_step_that_is_cancelled_leaves_no_lock(tmp_path: Path, estate: Estate) -> None:
    """A plan in the middle is told to stop as GitHub does it: it ends with its lock released."""
    program = (
        "import sys, json; from pathlib import Path\n"
        "from groundwork.delivery import __main__ as delivery\n"
        "plain = delivery.settings\n"
        f"folders = {{'work_dir': Path({str(estate.work / 'terraform')!r}), 'var_file': Path({str(estate.work / 'common.tfvars')!r}),"
        f" 'catalog_path': Path({str(estate.work / 'catalog.yml')!r})}}\n"
        "delivery.settings = lambda env, components, **more: plain(env, components, **(folders | more))\n"
        f"sys.exit(delivery.main(['plan', '--env', 'staging', '--out', {str(tmp_path)!r}, '--components', '20-kms']))\n"
    )
    environment = {**os.environ, **estate.aws, "PYTHONPATH": str(PROJECT / "module_utils")}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    states = States("staging", estate.catalog["region"], str(estate.catalog["account_id"]), estate.aws)
    seen: list[Any] = []
    deadline = time.monotonic() + 60
    while not seen and process.poll() is None and time.monotonic() < deadline:
        seen = states.locks(("20-kms",))
    assert seen, "the plan must take the lock"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) != 0
    assert states.locks(("20-kms",)) == []
