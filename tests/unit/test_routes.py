"""The route table: what is right passes, and every way to be wrong is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork.estate.paths import PROJECT
from groundwork.observability import routes
from hypothesis import given
from hypothesis import strategies as st

TABLE = PROJECT / "terraform" / "routes.yml"


@pytest.fixture
def data() -> Any:
    return copy.deepcopy(yaml.safe_load(TABLE.read_text()))


def problems(data: Any) -> list[str]:
    with pytest.raises(routes.RouteError) as raised:
        routes.parse(data)
    return raised.value.problems


def route(data: Any, name: str) -> Any:
    return next(one for one in data["routes"] if one["name"] == name)


@pytest.mark.parametrize(
    ("path", "backend", "tenant"),
    [
        ("/api/v1/push", "mimir", True),
        ("/prometheus/api/v1/query_range", "mimir", True),
        ("/loki/api/v1/push", "loki", True),
        ("/v1/traces", "tempo_otlp", True),
        ("/prometheus/config/v1/rules/groundwork/kafka", "mimir", True),
        ("/api/v1/alerts", "mimir", True),
        ("/alertmanager/api/v2/silences", "mimir", True),
        ("/loki/api/v1/rules/groundwork", "loki", True),
        ("/tempo/api/traces/1", "tempo", True),
        ("/pyroscope/render", "pyroscope", True),
        ("/push.v1.PusherService/Push", "pyroscope", True),
        ("/querier.v1.QuerierService/LabelNames", "pyroscope", True),
        ("/ingest", "pyroscope", True),
        ("/", "grafana", False),
        ("/d/abc/kafka", "grafana", False),
        ("/settings.v1.SettingsService/Get", "pyroscope", True),
        # Grafana's own API of its rules and data sources.
        ("/api/v1/provisioning/alert-rules", "grafana", False),
        ("/api/datasources/uid/mimir", "grafana", False),
        # A pattern is the whole path, and case matters.
        ("/api/v1/push/more", "grafana", False),
        ("/Loki/api/v1/push", "grafana", False),
        ("/v1/traces/", "grafana", False),
    ],
)
def test_who_gets_a_path(path: str, backend: str, tenant: bool) -> None:
    found = routes.load(TABLE).resolve(path)
    assert found is not None
    assert (found.backend, found.tenant) == (backend, tenant)


def test_the_guide_shows_the_table() -> None:
    table = routes.load(TABLE)
    guide = (PROJECT / "docs/lgtm.md").read_text()
    for one in table.routes:
        paths = ", ".join(f"`{path}`" for path in one.paths)
        tenant = "none, it has its own log-in" if not one.tenant else "one or several" if one.federated else "one"
        assert f"| {one.priority} | {one.name} | {paths} | {one.backend} | {tenant} |" in guide
    for backend in table.backends.values():
        other = f" on {backend.health_port}" if backend.health_port != backend.port else ""
        assert f"| {backend.name} | {backend.port} | `{backend.health_path}`{other} |" in guide


def test_a_use_by_name() -> None:
    table = routes.load(TABLE)
    assert table.path("logs_push") == "/loki/api/v1/push"
    with pytest.raises(KeyError, match="no use 'logs_pusch'"):
        table.path("logs_pusch")


def test_use_without_its_own_rule_lands_in_grafana(data: Any) -> None:
    data["routes"] = [one for one in data["routes"] if one["name"] != "mimir-query"]
    assert (
        "use metrics_query: /prometheus/api/v1/query has no rule of its own and lands in grafana, not mimir"
        in problems(data)
    )


def test_use_that_another_rule_takes(data: Any) -> None:
    for name in ("loki", "loki-push", "loki-rules"):
        route(data, name)["backend"] = "tempo"
    found = problems(data)
    assert "use logs_push: /loki/api/v1/push lands in tempo by route loki-push, not in loki" in found
    assert "backend loki gets no route" in found


@pytest.mark.parametrize(
    ("rule", "use", "path"),
    [
        ("mimir-query", "metrics_query", "/prometheus/api/v1/query"),
        ("alertmanager", "alerts_config", "/api/v1/alerts"),
        ("pyroscope-services", "profiles_push", "/push.v1.PusherService/Push"),
        ("tempo", "traces_query", "/tempo/api/search"),
        ("mimir-push", "metrics_push", "/api/v1/push"),
    ],
)
def test_a_path_without_its_rule_is_told(data: Any, rule: str, use: str, path: str) -> None:
    backend = next(one["backend"] for one in data["uses"] if one["name"] == use)
    data["routes"] = [one for one in data["routes"] if one["name"] != rule]
    assert f"use {use}: {path} has no rule of its own and lands in grafana, not {backend}" in problems(data)


def test_a_rule_for_many_before_the_rule_for_one(data: Any) -> None:
    """Loki's rules behind all of Loki: the load balancer would never try them."""
    route(data, "loki")["priority"] = 170
    found = problems(data)
    assert "route loki-push: /loki/api/v1/push is never reached, route loki takes it with /loki/*" in found
    assert "route loki-rules: /loki/api/v1/rules is never reached, route loki takes it with /loki/*" in found


def test_several_tenants_where_none_is_asked_for(data: Any) -> None:
    route(data, "grafana")["federated"] = True
    assert problems(data) == [
        "route grafana is federated and takes no tenant: say tenant: true, or leave federated out"
    ]


def test_writing_routes_take_one_tenant() -> None:
    table = routes.load(TABLE)
    for use in table.uses:
        taken = table.resolve(use.path)
        assert taken is not None
        if use.name.endswith(("_push", "_ingest", "_rules", "_rules_list", "_config")):
            assert not taken.federated, use.name


def test_the_header_of_several_tenants() -> None:
    assert routes.federation(["old", "new"]) == "new|old"
    assert routes.federation(["only"]) == ""


def test_shadowed_rule(data: Any) -> None:
    route(data, "mimir-push")["paths"] = ["/api/*", "/prom*"]
    found = problems(data)
    assert "route mimir-query: /prometheus/* is never reached, route mimir-push takes it with /prom*" in found


def test_shadow_inside_one_rule(data: Any) -> None:
    route(data, "pyroscope")["paths"] = ["/pyroscope/*", "/pyroscope/render"]
    assert problems(data) == [
        "route pyroscope: /pyroscope/render is never reached, route pyroscope takes it with /pyroscope/*"
    ]


def test_order_and_priority(data: Any) -> None:
    data["routes"].insert(0, data["routes"].pop(data["routes"].index(route(data, "loki"))))
    assert any("route alertmanager (priority 80) stands after loki (200)" in one for one in problems(data))


def test_same_priority_and_name_twice(data: Any) -> None:
    route(data, "tempo")["priority"] = 300
    route(data, "tempo")["name"] = "tempo-otlp"
    found = problems(data)
    assert "priority 300 is there 2 times" in found
    assert "route tempo-otlp is there 2 times" in found


def test_no_rule_for_the_rest(data: Any) -> None:
    route(data, "grafana")["paths"] = ["/grafana/*"]
    found = problems(data)
    assert "the last route, grafana, must take what is left (/*), or a path has no rule" in found
    assert "use grafana_api: /api/health has no rule" in found


def test_unknown_backend(data: Any) -> None:
    route(data, "tempo")["backend"] = "tenpo"
    assert any("route tempo: no backend tenpo; there are: mimir," in one for one in problems(data))


def test_more_conditions_than_a_rule_takes(data: Any) -> None:
    route(data, "pyroscope-services")["paths"] += ["/a/*", "/b/*"]
    assert any("6 condition values" in one for one in problems(data))


@pytest.mark.parametrize("pattern", ["loki/*", "/lo ki/*", "/lo%20ki", "/" + "x" * 128])
def test_what_is_no_pattern(data: Any, pattern: str) -> None:
    route(data, "loki")["paths"].append(pattern)
    assert any("route loki:" in one for one in problems(data))


def test_shape_is_told_all_at_once(data: Any) -> None:
    data["tenant_header"] = "X Scope"
    data["backends"]["mimir"]["port"] = 80800
    data["backends"]["loki"]["healthpath"] = "/ready"
    data["routes"][0]["tenant"] = "yes"
    data["routes"][1]["priority"] = True
    data["routes"][2]["paths"] = []
    del data["uses"][0]["by"]
    found = problems(data)
    for words in (
        "tenant_header: tenant_header 'X Scope'", "backends.mimir: port 80800",
        "backends.loki: unknown key 'healthpath'",
        "routes[0] (alertmanager): tenant 'yes'", "routes[1] (mimir-rules): priority True",
        "routes[2] (mimir-push).paths: must be a list of at least one text", "uses[0]: by is missing",
    ):  # fmt: skip
        assert any(one.startswith(words) for one in found), (words, found)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "routes: 1"])
def test_files_that_are_no_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "routes.yml"
    path.write_text(text)
    with pytest.raises(routes.RouteError, match=r"routes\.yml"):
        routes.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(routes.RouteError, match="cannot be read: No such file"):
        routes.load(tmp_path / "none.yml")


PATTERNS = st.text("ab*?", max_size=6)


@given(PATTERNS, PATTERNS, st.lists(st.text("abc", max_size=7), max_size=30))
def test_what_covers_says_holds_for_paths(wide: str, narrow: str, paths: list[str]) -> None:
    if routes.covers(wide, narrow):
        for path in paths:
            if routes.pattern_regex(narrow).fullmatch(path):
                assert routes.pattern_regex(wide).fullmatch(path)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "a*b", True),
        ("a*", "a", True),
        ("a?", "a*", False),
        ("a*", "a?c", True),
        ("ab", "a?", False),
        ("a*c", "a*", False),
    ],
)
def test_covers(wide: str, narrow: str, expected: bool) -> None:
    assert routes.covers(wide, narrow) is expected
