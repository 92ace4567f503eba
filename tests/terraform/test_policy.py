"""Every policy fails on what it is for and passes on what is right; the whole skeleton passes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from conftest import PROJECT
from groundwork import policy
from groundwork.policy import Report

FIXTURES = sorted((PROJECT / "policy/fixtures").glob("*.yml"))


def address_of(number: int, entry: dict[str, Any]) -> str:
    return str(entry.get("address") or f"{entry['type']}.number{number}")


def plan_of(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """The smallest plan that has these resources."""
    entries = [
        {
            "address": address_of(number, entry),
            "mode": "managed",
            "type": entry["type"],
            "name": f"number{number}",
            "values": entry["values"],
        }
        for number, entry in enumerate(resources)
    ]
    changes = [
        {
            **{key: entry[key] for key in ("address", "mode", "type", "name")},
            "change": {
                "actions": ["create"],
                "before": None,
                "after": entry["values"],
                "after_unknown": given.get("unknown", {}),
            },
        }
        for entry, given in zip(entries, resources, strict=True)
    ]
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "planned_values": {"root_module": {"resources": entries}},
        "resource_changes": changes,
        "configuration": {"root_module": {}},
    }


@pytest.fixture(scope="module")
def report() -> Report:
    """All fixtures in one run: checkov takes seconds to start."""
    plans = {}
    for path in FIXTURES:
        fixture = yaml.safe_load(path.read_text())
        plans[f"{path.stem}/passes"] = plan_of(fixture["passes"])
        plans[f"{path.stem}/fails"] = plan_of(fixture["fails"])
    return policy.check(plans, [path.stem for path in FIXTURES])


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_policy(path: Any, report: Report) -> None:
    fixture = yaml.safe_load(path.read_text())
    assert fixture["passes"] and fixture["fails"]
    for verdict, findings, others in (
        ("passes", report.passed, report.failed),
        ("fails", report.failed, report.passed),
    ):
        plan = f"{path.stem}/{verdict}"
        wanted = {address_of(number, entry) for number, entry in enumerate(fixture[verdict])}
        found = {finding.address for finding in findings if (finding.plan, finding.check) == (plan, path.stem)}
        wrong = [finding.line() for finding in others if (finding.plan, finding.check) == (plan, path.stem)]
        assert found == wanted, wrong


def test_every_policy_has_fixtures() -> None:
    text = (PROJECT / "policy/checks.py").read_text()
    numbers = re.findall(r"super\(\).__init__\(\s*(\d+),", text)
    assert sorted(f"{policy.PREFIX}{number}" for number in numbers) == [path.stem for path in FIXTURES]


def test_nothing_is_skipped() -> None:
    """Neither in the code (checkov:skip comments) nor by a configuration of checkov's."""
    skips = [
        path.name
        for path in [*(PROJECT / "terraform").rglob("*.tf"), *PROJECT.glob(".checkov*")]
        if path.name.startswith(".checkov") or "checkov:skip" in path.read_text()
    ]
    assert not skips


def test_a_finding_says_where_and_why(report: Report) -> None:
    lines = [finding.line() for finding in report.failed]
    assert (
        "CKV_GROUNDWORK_1/fails: aws_sqs_queue.number0: CKV_GROUNDWORK_1 Every taggable resource has the required tags: "
        "without Owner"
    ) in lines
