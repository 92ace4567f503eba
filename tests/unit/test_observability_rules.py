"""Alert and recording rules: linted, checked and unit-tested by the real promtool; each threshold and operator matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from groundwork.estate.paths import PROJECT, cache_dir
from groundwork.observability import contract, rules, rules_promtool
from observability_rules import promtool_rows

CONTRACT = contract.load(PROJECT / "observability" / "metrics.yml")
GROUPS = rules.load(PROJECT / "observability" / "rules")
ROWS = promtool_rows.read(PROJECT / "tests" / "observability_rules", GROUPS, CONTRACT)


@pytest.fixture(scope="module")
def promtool() -> Path:
    rules_promtool.install(print)
    found = rules_promtool.find(cache_dir())
    assert found, "promtool is not there. Run: make setup"
    return found


def test_rules_hold_every_law() -> None:
    assert rules.lint(GROUPS, PROJECT, CONTRACT) == []


def test_promtool_takes_every_file(promtool: Path) -> None:
    for path in sorted((PROJECT / "observability" / "rules").glob("*.yml")):
        assert rules_promtool.check(promtool, path.read_text()) == [], path.name


def test_every_alert_has_a_row() -> None:
    assert sorted(ROWS) == sorted(rule.alert for rule in rules.alerts(GROUPS))


def test_alerts_fire_and_keep_quiet(promtool: Path, tmp_path: Path) -> None:
    cases = [promtool_rows.case(rule, GROUPS, ROWS[rule.alert]) for rule in rules.alerts(GROUPS)]
    assert promtool_rows.run(promtool, tmp_path, cases, CONTRACT) == {}


def test_a_changed_operator_or_threshold_is_seen(promtool: Path, tmp_path: Path) -> None:
    cases = [
        promtool_rows.case(mutated, GROUPS, ROWS[rule.alert], words)
        for rule in rules.alerts(GROUPS)
        for words, mutated in promtool_rows.mutations(rule, ROWS[rule.alert].scale)
    ]
    names = [one.name for one in cases]
    assert len(set(names)) == len(names)
    survived = sorted(set(names) - set(promtool_rows.run(promtool, tmp_path, cases, CONTRACT)))
    assert survived == [], f"{len(survived)} of {len(names)} changes are not seen by any row"
