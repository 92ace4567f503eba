"""What a plan says and what it would lose: real plans, cut down to what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from groundwork.terraform.plan import Summary, summarize

PLANS = Path(__file__).parent / "plans"


def summary(name: str) -> Summary:
    return summarize(json.loads((PLANS / f"{name}.json").read_text()))


def test_a_removed_broker_loses_its_volume() -> None:
    plan = summary("fewer-brokers")
    assert plan.counts() == "+0 ~2 -6"
    assert plan.losses() == [
        'module.hosts.aws_ebs_volume.data["kafka-3"]: volume is deleted',
        'module.hosts.aws_instance.this["kafka-3"]: broker is deleted',
        'module.hosts.aws_volume_attachment.data["kafka-3"]: volume of a running host is detached',
    ]
    assert '- module.hosts.aws_instance.this["kafka-3"] [no longer in the catalog or settings]' in plan.lines(), (
        "the plan must say why"
    )


def test_a_change_that_stops_all_brokers_is_a_loss() -> None:
    plan = summary("larger-brokers")
    assert [loss.split(": ")[1] for loss in plan.losses()] == ["broker is stopped to change its instance_type"] * 3
    assert '~ module.hosts.aws_ebs_volume.data["kafka-1"] (size)' in plan.lines(), "a volume that grows is no loss"


def test_a_replaced_host_is_a_loss_only_when_it_holds_data() -> None:
    plan = summary("newer-image")
    assert plan.counts() == "+7 ~4 -7 (7 replaced)"
    losses = "\n".join(plan.losses())
    assert 'aws_instance.this["kafka-1"]: broker is replaced' in losses
    assert "ops-1" not in losses, "the operations host holds nothing"
    assert any(line.startswith('-/+ module.hosts.aws_instance.this["ops-1"] (ami') for line in plan.lines())


def test_deleted_secrets_are_losses() -> None:
    assert summary("secrets-moved").losses() == [
        "module.mysql.aws_secretsmanager_secret.master: secret is deleted",
        "module.mysql.aws_secretsmanager_secret.origin: secret is deleted",
    ]


@pytest.mark.parametrize("plan", sorted(PLANS.glob("*.json")), ids=lambda path: path.stem)
def test_a_summary_has_names_and_no_values(plan: Path) -> None:
    text = "\n".join(summarize(json.loads(plan.read_text())).lines())
    for value in ("10.213.", "10.218.", "ami-0", "t3.large", "arn:aws", "kafka-1.local.internal"):
        assert value not in text


def test_what_disappeared_is_named() -> None:
    plan = {
        "resource_drift": [
            {"address": "aws_db_instance.this", "type": "aws_db_instance", "change": {"actions": ["delete"]}},
            {"address": "aws_vpc.this", "type": "aws_vpc", "change": {"actions": ["update"]}},
        ]
    }
    assert summarize(plan).lines() == ["! aws_db_instance.this was deleted outside Terraform"]


def test_an_adopted_resource_is_a_change() -> None:
    change = {"actions": ["no-op"], "before": {}, "after": {}, "importing": {"id": "bucket"}}
    plan = {
        "resource_changes": [
            {"address": "aws_s3_bucket.state", "mode": "managed", "type": "aws_s3_bucket", "change": change}
        ]
    }
    assert summarize(plan).counts() == "+0 ~0 -0 <1 adopted"
    assert summarize(plan).losses() == []
