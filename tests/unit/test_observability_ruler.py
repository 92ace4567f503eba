"""Rules brought to rulers in bulk: plan, requests, pruning, refusals, against a server that answers like them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ruler_server
from groundwork.estate.paths import PROJECT
from groundwork.observability import rules, rules_check, rules_ruler, rules_sync
from ruler_server import TABLE, TENANT, Rulers


@pytest.fixture
def rulers() -> Iterator[Rulers]:
    with ruler_server.serving() as served:
        yield served


def files() -> dict[str, dict[str, str]]:
    folders = {"mimir": "rules", "loki": "loki-rules"}
    return {
        name: {path.name: path.read_text() for path in (PROJECT / "observability" / folder).glob("*.yml")}
        for name, folder in folders.items()
    }


def sync(rulers: Rulers, given: dict[str, dict[str, str]] | None = None, **more: Any) -> dict[str, Any]:
    options = {"docs_url": "", "check_mode": False, "wait": 0, **more}
    tenant = options.pop("tenant", TENANT)
    rulers.asked.clear()
    return rules_sync.sync(TABLE, rulers.url, tenant, files() if given is None else given, **options)


def test_from_nothing_and_again(rulers: Rulers) -> None:
    predicted = sync(rulers, check_mode=True)
    assert (predicted["changed"], rulers.count("POST"), rulers.count("GET")) == (True, 0, 2)
    first = sync(rulers, wait=5)
    assert first["set"] == predicted["set"] and first["changed"]
    assert rulers.count("POST") == sum(first["groups"].values()) > 10
    assert list(rulers.store["mimir"]) == ["groundwork"] and list(rulers.store["loki"]) == ["groundwork"]
    again = sync(rulers)
    assert (again["changed"], again["diff"], rulers.asked) == (
        False, [], ["GET /prometheus/config/v1/rules", "GET /loki/api/v1/rules"]
    )  # fmt: skip


def test_drift_by_hand_is_put_right_and_nothing_else_is_sent(rulers: Rulers) -> None:
    sync(rulers)
    group = rulers.store["mimir"]["groundwork"]["host"]
    group["rules"][1]["expr"] = "up"
    del rulers.store["loki"]["groundwork"]
    rulers.store["mimir"]["groundwork"]["by-hand"] = {"name": "by-hand", "rules": [{"record": "a:b:c", "expr": "up"}]}
    done = sync(rulers)
    assert done["set"] == {"mimir": ["groundwork/host"], "loki": ["groundwork/logs"]}
    assert done["deleted"]["mimir"] == ["groundwork/by-hand"]
    assert [entry["before_header"] for entry in done["diff"]] == ["mimir", "loki"]
    assert "by-hand" in done["diff"][0]["before"] and "by-hand" not in done["diff"][0]["after"]
    assert not sync(rulers)["changed"]


def test_what_is_not_ours_is_told_and_left_alone(rulers: Rulers) -> None:
    theirs = {"theirs": {"name": "theirs", "rules": [{"record": "a:b:c", "expr": "up"}]}}
    rulers.store["mimir"]["another team"] = dict(theirs)
    done = sync(rulers)
    assert done["unmanaged"] == {"mimir": ["another team"], "loki": []}
    assert rulers.store["mimir"]["another team"] == theirs
    assert not any("another" in one for one in rulers.asked)


def test_a_field_that_somebody_set_is_drift(rulers: Rulers) -> None:
    sync(rulers)
    rulers.store["mimir"]["groundwork"]["host"]["source_tenants"] = ["dev"]
    assert sync(rulers, check_mode=True)["set"]["mimir"] == ["groundwork/host"]


def test_a_refused_group_says_which_and_what_was_done(rulers: Rulers) -> None:
    rulers.refuse = "kafka-quorum"
    with pytest.raises(
        rules_ruler.RulerError, match=r"mimir refuses group kafka-quorum .*\(400\).*could not parse"
    ) as caught:
        sync(rulers)
    assert "groups were changed before; the next run goes on" in str(caught.value)
    rulers.refuse = ""
    assert "groundwork/kafka-quorum" in sync(rulers)["set"]["mimir"]


def test_both_are_read_before_one_is_changed(rulers: Rulers) -> None:
    with pytest.raises(rules_ruler.RulerError, match=r"401.*tenant_id"):
        sync(rulers, tenant="another")
    given = files()
    given["loki"]["logs.yml"] = "groups: {}"
    with pytest.raises(rules.RulesError, match=r"logs\.yml: must be a mapping with groups"):
        sync(rulers, given)
    assert rulers.count("POST") == 0


def test_no_answer_and_another_programs_answer(rulers: Rulers) -> None:
    with pytest.raises(rules_ruler.RulerError, match=r"no answer.*stack up"):
        rules_sync.sync(TABLE, "http://127.0.0.1:9", TENANT, files(), docs_url="", check_mode=True, wait=0)
    nowhere = rules_ruler.Ruler("mimir", f"{rulers.url}/elsewhere", {TABLE.tenant_header: TENANT})
    with pytest.raises(rules_ruler.RulerError, match=r"404.*routes\.yml"):
        rules_ruler.read(nowhere)


def test_groups_that_fail_are_told(rulers: Rulers) -> None:
    rulers.sick["host"] = "many-to-many matching not allowed"
    with pytest.raises(rules_ruler.RulerError, match=r"not well.*host: .*many-to-many"):
        sync(rulers, wait=1)


def test_runbooks_become_addresses(rulers: Rulers) -> None:
    sync(rulers, docs_url="https://git.example.com/ground/blob/main/")
    pages = {
        rule["annotations"]["runbook_url"]
        for group in rulers.store["mimir"]["groundwork"].values()
        for rule in group["rules"]
        if "alert" in rule
    }
    assert all(page.startswith("https://git.example.com/ground/blob/main/docs/") for page in pages)
    assert sync(rulers, check_mode=True)["changed"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"for": "1h"}, {"for": "60m"}, True),
        ({"for": "0s"}, {}, True),
        ({"labels": {}}, {}, True),
        ({"expr": " up\n"}, {"expr": "up"}, True),
        ({"for": "1h"}, {"for": "61m"}, False),
        ({"labels": {"severity": "info"}}, {"labels": {"severity": "warning"}}, False),
        ({"annotations": {"summary": "a"}}, {}, False),
    ],
)
def test_what_counts_as_the_same(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    base = {"alert": "A", "expr": "up"}
    found = [rules_ruler.canonical({"name": "g", "rules": [{**base, **rule}]}) for rule in (one, other)]
    assert (found[0] == found[1]) is same


# ------------------------------------------------------------------------------------------------------- the check


def test_the_projects_rules_hold_without_promtool() -> None:
    report = rules_check.check(PROJECT, None)
    assert (report.problems, report.checked_by) == ([], "promql-parser")


def copy(tmp_path: Path) -> Path:
    for folder in ("observability", "docs"):
        for path in (PROJECT / folder).rglob("*.*"):
            if path.suffix in {".yml", ".md"}:
                target = tmp_path / path.relative_to(PROJECT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(path.read_text())
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "rules/host.yml",
            "node_timex_sync_status == 0",
            "node_timex_sync == 0",
            "node_timex_sync is not in the metrics",
        ),
        ("rules/host.yml", "node_timex_sync_status == 0", "node_timex_sync_status = 0", "HostClockNotSynchronised"),
        ("rules/host.yml", "#clock", "#clocks", "docs/alerts.md#clocks is not there"),
        ("rules/host.yml", "severity: critical", "severity: urgent", "severity must be one of"),
        ("rules/host.yml", "$labels.mountpoint", "$labels.mount", "label mount, which the alert does not have"),
        ("rules/host.yml", "alert: HostSilent", "alert: HostAbsent", "alert HostAbsent is there twice"),
        ("rules/host.yml", "for: 10m", "for: ten", "'ten' is no duration"),
        (
            "rules/host.yml",
            "instance:node_memory_utilisation:ratio",
            "node_memory_ratio",
            "named level:metric:operation",
        ),
        ("rules/kafka.yml", "|kafka_log_offline_directories", "", "KafkaMetricsMissing: alerts need other metrics"),
        ("rules/kafka.yml", "alert: KafkaAbsent", "alert: KafkaGone", "job kafka has no alert on its absence"),
        ("loki-rules/logs.yml", "[20m])", "[20m]", "( is not closed"),
        ("loki-rules/logs.yml", 'level="fatal"', 'lvl="fatal"', "streams have no label lvl"),
        ("loki-rules/logs.yml", "Failed password|", "Failed (password|", "pattern "),
        ("loki-rules/logs.yml", "[10m])) > 0", "[10m]))", "ends with a comparison"),
    ],
)
def test_what_the_check_refuses(tmp_path: Path, file: str, old: str, new: str, words: str) -> None:
    project = copy(tmp_path)
    path = project / "observability" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    problems = rules_check.check(project, None).problems
    assert any(words in problem for problem in problems), problems


def test_the_table_of_alerts_is_current() -> None:
    page = (PROJECT / "docs" / "alerts.md").read_text()
    groups = [rule for folder in ("rules", "loki-rules") for rule in rules.load(PROJECT / "observability" / folder)]
    assert rules.with_table(page, groups) == page, "run: python -m groundwork.observability.rules"
