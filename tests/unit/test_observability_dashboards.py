"""Dashboards as code: what Grafana gets, what it names, and that every query is of the metrics that are there."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from groundwork.estate.paths import PROJECT
from groundwork.observability import contract, dashboards, rules
from groundwork.observability.dashboards import build, listed

MODELS = dashboards.models("https://docs.example.com/")
QUERIES = dashboards.queries(MODELS)
CONTRACT = yaml.safe_load((PROJECT / "observability" / "metrics.yml").read_text())["jobs"]
PUBLISHED = yaml.safe_load((PROJECT / "terraform" / "metrics.yml").read_text())["namespaces"]
#: On every series by Alloy's labels, or made by Prometheus for a histogram.
COMMON = {"env", "host", "az", "service", "role", "instance", "job", "node_id", "le"}
#: Units that the report can write; Grafana knows many more.
UNITS = {
    "none", "short", "bytes", "Bps", "percent", "percentunit", "s", "ms", "cps", "reqps", "iops", "pps", "decgbytes",
    "dateTimeFromNow",
}  # fmt: skip


def panels(kind: str = "") -> list[tuple[str, dict[str, Any]]]:
    return [
        (model["uid"], panel)
        for model in MODELS
        for panel in model["panels"]
        if panel["type"] != "row" and (not kind or panel["type"] == kind)
    ]


def labels_of(metric: str) -> set[str] | None:
    """Labels that the contract gives a metric, of all jobs that have it."""
    base = re.sub(r"_(bucket|sum|count)$", "", metric)
    found = [
        set(entry.get("labels") or [])
        for job in CONTRACT.values()
        for name, entry in job["metrics"].items()
        if (name == metric and entry["type"] not in {"histogram", "summary"})
        or (name == base and metric != base and entry["type"] in {"histogram", "summary"})
    ]
    return set().union(*found) if found else None


def test_the_dashboards_that_are_promised() -> None:
    assert [one["uid"] for one in MODELS] == [
        "groundwork-estate", "groundwork-kafka-cluster", "groundwork-kafka-broker", "groundwork-kraft-quorum",
        "groundwork-consumer-lag", "groundwork-kafka-topics", "groundwork-host", "groundwork-databases",
        "groundwork-alloy", "groundwork-lgtm", "groundwork-load-balancer", "groundwork-ecs",
    ]  # fmt: skip
    assert {variable["name"] for one in MODELS for variable in one["templating"]["list"]} >= {
        "env", "host", "node_id", "topic", "service",
    }  # fmt: skip


def test_the_same_code_gives_the_same_bytes() -> None:
    # A second process: no order of a set, no time, no random uid.
    code = "import json; from groundwork.observability import dashboards as d; print(json.dumps(d.models()))"
    done = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert done[0] == done[1] != ""


def test_every_metric_is_of_the_contract() -> None:
    unknown = {
        f"{query.dashboard}: {name}"
        for query in QUERIES
        if query.kind == "prometheus"
        for name in dashboards.metric_names(query.expression)
        if name != "up" and labels_of(name) is None
    }
    assert not unknown


def test_the_contract_holds_nothing_that_nobody_asks_for() -> None:
    asked = {
        f"{one.dashboard}/{one.panel}/{one.expression}": one.expression for one in QUERIES if one.kind == "prometheus"
    }
    asked |= {
        f"{one['uid']}/{variable['name']}": variable["query"]["query"]
        for one in MODELS
        for variable in one["templating"]["list"]
        if variable["type"] == "query" and variable["datasource"]["type"] == "prometheus"
    }
    asked = {place: dashboards.expand(expression) for place, expression in asked.items()}
    groups = rules.load(PROJECT / "observability" / "rules")
    whole = contract.load(PROJECT / "observability" / "metrics.yml")
    assert contract.problems_of(whole, asked, rules.recorded(groups)) == []
    assert contract.unused(whole, {**asked, **rules.expressions(groups)}) == []


def test_every_label_that_is_asked_for_is_one_that_the_metric_has() -> None:
    wrong = set()
    for query in QUERIES:
        if query.kind != "prometheus":
            continue
        for metric, matchers in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", query.expression):
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", matchers))
            wrong |= {
                f"{query.dashboard}/{query.panel}: {metric}.{one}"
                for one in asked - COMMON - (labels_of(metric) or set())
            }
        names = dashboards.metric_names(query.expression)
        known = COMMON.union(*(labels_of(name) or set() for name in names))
        grouped = {
            one.strip() for group in re.findall(r"\bby \(([^)]*)\)", query.expression) for one in group.split(",")
        }
        named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        wrong |= {f"{query.dashboard}/{query.panel}: {one}" for one in (grouped | named) - known}
        if grouped:
            wrong |= {f"{query.dashboard}/{query.panel}: legend has {one}" for one in named - grouped}
    assert not wrong


def test_every_query_is_of_the_chosen_environment() -> None:
    for query in QUERIES:
        if query.kind == "cloudwatch":
            continue
        for selector in re.findall(r"\{([^}]*)\}", query.expression):
            assert 'env=~"$env"' in selector, (query.panel, query.expression)


def test_variables_in_queries_are_the_dashboards_own() -> None:
    for model in MODELS:
        names = [one["name"] for one in model["templating"]["list"]]
        assert len(set(names)) == len(names)
        for query in dashboards.queries([model]):
            used = set(re.findall(r"\$\{?(\w+)", query.expression)) - {"__rate_interval", "__range", "__interval"}
            assert used <= set(names), (model["uid"], query.panel, used - set(names))
        for index, variable in enumerate(model["templating"]["list"]):
            used = set(re.findall(r"\$(\w+)", str(variable["query"])))
            assert used <= set(names[:index]), f"{model['uid']}: {variable['name']} uses one that comes after it"


def test_variables_are_values_of_labels_that_are_there() -> None:
    for model in MODELS:
        for variable in model["templating"]["list"]:
            if variable["datasource"]["type"] != "prometheus":
                continue
            found = re.fullmatch(r"label_values\((\w+)\{.*\}, (\w+)\)", variable["query"]["query"])
            assert found, variable["query"]
            metric, label = found.groups()
            assert label in COMMON | (labels_of(metric) or set()), variable["query"]


def test_cloudwatch_metrics_are_published_so() -> None:
    for uid, panel in panels():
        for target in panel["targets"]:
            if target["datasource"]["type"] != "cloudwatch":
                continue
            namespace = PUBLISHED[target["namespace"]]
            metric = namespace["metrics"][target["metricName"]]
            assert sorted(target["dimensions"]) in [
                sorted(one) for one in metric.get("dimensions", namespace["dimensions"])
            ], (uid, panel["title"])
            statistic = "p" if re.fullmatch(r"p\d+", target["statistic"]) else target["statistic"]
            assert statistic in metric["statistics"], (uid, panel["title"], statistic)


def test_a_panel_tells_what_it_is() -> None:
    for uid, panel in panels():
        assert len(panel["description"]) > 3, (uid, panel["title"])
        if panel["type"] == "logs":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, (uid, panel["title"], defaults["unit"])
        if panel["type"] in {"stat", "bargauge", "table"}:
            assert defaults["thresholds"]["steps"][0]["value"] is None
            values = [one["value"] for one in defaults["thresholds"]["steps"][1:]]
            assert values == sorted(values) and len(set(values)) == len(values)


def test_ids_titles_and_letters_are_unique() -> None:
    for model in MODELS:
        ids = [panel["id"] for panel in model["panels"]]
        assert len(set(ids)) == len(ids)
        titles = [panel["title"] for panel in model["panels"] if panel["type"] != "row"]
        assert len(set(titles)) == len(titles), (model["uid"], {one for one in titles if titles.count(one) > 1})
        for panel in model["panels"]:
            letters = [one["refId"] for one in panel.get("targets", ())]
            assert len(set(letters)) == len(letters)


def test_no_panel_lies_on_another() -> None:
    for model in MODELS:
        taken: dict[tuple[int, int], str] = {}
        for panel in model["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, (model["uid"], panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    assert (x, y) not in taken, (model["uid"], panel["title"], taken.get((x, y)))
                    taken[(x, y)] = panel["title"]


def test_links_lead_to_a_guide_and_heading_that_are_there() -> None:
    links = [(model["uid"], one) for model in MODELS for one in model["links"]]
    links += [(uid, one) for uid, panel in panels() for one in panel.get("links", ())]
    guides = [
        (uid, one["url"].removeprefix("https://docs.example.com/")) for uid, one in links if one["type"] == "link"
    ]
    assert len(guides) > 50
    for uid, page in guides:
        name, _, heading = page.partition("#")
        text = (PROJECT / "docs" / name).read_text()
        headings = {
            re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in re.findall(r"(?m)^#+ (.+)$", text)
        }
        assert not heading or heading in headings, (uid, page)


def test_the_list_in_the_documents_is_current() -> None:
    page = (PROJECT / "docs" / "dashboards.md").read_text()
    assert listed.docs_of(page) == page, "run: python -m groundwork.observability.dashboards.listed"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (host) (rate(a_total{x="b_c"}[$__rate_interval]))', {"a_total"}),
        ('a:b:c / on (host) group_left (d) e{f!~"g"}', {"a:b:c", "e"}),
        ("time() - max(a > 0) or vector(0)", {"a"}),
        ("histogram_quantile(0.99, sum by (le, host) (rate(a_bucket[5m]))) unless b offset 1h", {"a_bucket", "b"}),
        ("sum(up == bool 0)", {"up"}),
    ],
)
def test_names_of_metrics(expression: str, names: set[str]) -> None:
    assert dashboards.metric_names(expression) == names


def test_variables_are_filled_as_grafana_does() -> None:
    text = 'a{env=~"$env", x="${y}", z="${z:raw}"}[$__rate_interval]'
    assert dashboards.expand(text, {"env": "prod"}) == 'a{env=~"prod", x=".*", z=".*"}[5m]'


def test_thresholds_are_in_order() -> None:
    assert [(one.value, one.color) for one in build.bad_above(1, 2).build().steps] == [
        (None, "green"), (1, "#EAB839"), (2, "red"),
    ]  # fmt: skip
    assert [(one.value, one.color) for one in build.bad_below(0.1, 0.3).build().steps] == [
        (None, "red"), (0.1, "#EAB839"), (0.3, "green"),
    ]  # fmt: skip
