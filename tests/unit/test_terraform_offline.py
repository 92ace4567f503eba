"""What offline plans are made of: values for the contract's parameters, the peer, and that no plan holds a secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork import contract
from groundwork.terraform import TerraformError, offline
from groundwork.terraform.offline_values import Values

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ("local", "dev", "staging", "prod", "dr")


def catalog_of(env: str) -> dict[str, Any]:
    catalog: dict[str, Any] = yaml.safe_load((PROJECT / "inventories" / env / "catalog.yml").read_text())
    return catalog


def settings_of(env: str) -> str:
    return (PROJECT / "terraform/environments" / env / "common.tfvars").read_text()


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_parameter_of_the_contract_gets_a_value(env: str) -> None:
    catalog = catalog_of(env)
    wanted = {
        path.replace("{env}", env): parameter.type
        for parameter in contract.load(PROJECT / "terraform/contract.yml").values()
        for path in parameter.paths(catalog)
    }
    zones = offline.subnet_zones(settings_of(env), catalog)
    values = Values(catalog, zones).all(wanted)
    assert set(values) == set(wanted)
    for path, value in values.items():
        assert value and not value.startswith(","), path
        if path.endswith("-arn"):
            account = "" if ":iam:" in value else f"{catalog['region']}:{catalog['account_id']}"
            assert re.match(r"arn:aws:[a-z-]+:", value) and account in value, path
        if wanted[path] == "String" and not path.endswith("/bootstrap-servers"):
            assert "," not in value, path
    for tier in ("public", "private", "data"):
        assert len(values[f"/shared/network/{tier}-subnet-ids"].split(",")) == len(zones) >= 2
    assert Values(catalog, zones).all(wanted) == values


def test_all_unknown_parameters_at_once() -> None:
    with pytest.raises(TerraformError, match=r"/shared/a/moon, /shared/b/sun\. Remedy"):
        Values(catalog_of("dev"), ["a", "c"]).all({"/shared/b/sun": "String", "/shared/a/moon": "String"})


def test_peer() -> None:
    text = 'settings = {\n  multi_az = true\n  peer = {\n    environment = "dr"\n    region      = "ap-northeast-1"\n  }\n}\n'
    assert offline.peer(text) == ("dr", "ap-northeast-1")
    assert offline.peer("settings = {}\n") is None


def change(kind: str, after: dict[str, Any], sensitive: dict[str, Any]) -> dict[str, Any]:
    entry = {"address": f"{kind}.x", "mode": "managed", "type": kind}
    return {**entry, "change": {"actions": ["create"], "after": after, "after_sensitive": sensitive}}


def test_a_plan_with_a_secret_is_found() -> None:
    plan = {
        "resource_changes": [
            change("aws_db_instance", {"password": "hunter2"}, {"password": True}),
            change("aws_db_instance", {"password": None, "password_wo": None}, {"password": True}),
            change("aws_ssm_parameter", {"value": "vpc-1"}, {"value": True}),
        ]
    }
    assert offline.secrets(plan) == ["aws_db_instance.x.password"]


def test_plans_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "plans"
    offline.write({"10-network": {"resource_changes": []}}, folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "10-network.json").stat().st_mode & 0o777 == 0o600
    assert offline.read(folder) == {"10-network": {"resource_changes": []}}
    with pytest.raises(TerraformError, match=r"no plans\. Remedy"):
        offline.read(tmp_path)
