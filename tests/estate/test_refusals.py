"""What is wrong is refused before anything is touched: no estate is needed, and none appears."""

from __future__ import annotations

import shutil
from pathlib import Path

from conftest import PROJECT, Estate, Run


def inventory(tmp_path: Path, environment: str, change: tuple[str, str]) -> Path:
    """A copy of an environment's inventory with one text replaced in its catalog."""
    folder = tmp_path / "inventories" / environment
    shutil.copytree(PROJECT / "inventories" / environment, folder)
    catalog = folder / "catalog.yml"
    text = catalog.read_text()
    assert change[0] in text
    catalog.write_text(text.replace(change[0], change[1], 1))
    return folder


def one_clear_line(run: Run, expected: str) -> None:
    """One error that says it, no play, no traceback."""
    assert run.code != 0
    errors = [line for line in run.output.splitlines() if "ERROR" in line]
    assert len(errors) == 1, run.output[-4000:]
    assert expected in errors[0]
    assert "Traceback" not in run.output
    assert "PLAY" not in run.output
    assert run.totals("changed") == 0


def test_a_wrong_catalog_is_refused_with_all_its_errors(bare: Estate, tmp_path: Path) -> None:
    before = bare.containers()
    folder = inventory(tmp_path, "local", ("  brokers: 3", "  brokerz: 3\n  default_min_insync_replicaz: no"))
    run = bare.play(inventory=str(folder))
    assert run.code != 0
    for expected in ("catalog.yml", "brokerz", "did you mean", "default_min_insync_replicaz"):
        assert expected in run.output, run.output[-4000:]
    assert "Traceback" not in run.output
    assert bare.containers() == before
    assert run.totals("changed") == 0


def test_production_without_credentials(bare: Estate) -> None:
    """One clear line, nothing touched."""
    environment = dict.fromkeys(("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "")
    environment |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }
    one_clear_line(bare.play(inventory="inventories/prod", environment=environment), "credentials")


def test_production_with_the_credentials_of_another_account(bare: Estate, first_run: object) -> None:
    one_clear_line(bare.play(inventory="inventories/prod", environment=bare.aws_environment), "123456789012")


def test_a_range_in_use_is_refused(bare: Estate) -> None:
    """The range of a route of this machine: the estate's own tests make one on a bridge."""
    import subprocess

    subprocess.run(["ip", "link", "add", "gwtest0", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", "10.199.3.1/24", "dev", "gwtest0"], check=True)
        subprocess.run(["ip", "link", "set", "gwtest0", "up"], check=True)
        run = bare.play(environment={"GROUNDWORK_ESTATE": "collides", "GROUNDWORK_ESTATE_OCTET": "199"})
        assert run.code != 0
        assert "collides with this machine's route 10.199.3.0/24" in run.output, run.output[-4000:]
        assert "GROUNDWORK_ESTATE_OCTET" in run.output
    finally:
        subprocess.run(["ip", "link", "del", "gwtest0"], check=True)
