"""Configuration of the embedded proxy and Prometheus, and how it is put in place."""

from __future__ import annotations

import dataclasses
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from groundwork.estate.paths import PROJECT
from groundwork.observability import embedded, embedded_apply, routes

TABLE = routes.load(PROJECT / "terraform" / "routes.yml")
UPSTREAMS = {"mimir": embedded.Upstream("prometheus:9090", {"/api/v1/push": "/prometheus/api/v1/write"})}


def test_rules_keep_the_tables_order() -> None:
    text = embedded.render_nginx(TABLE, UPSTREAMS, ["local"], "10.0.0.1")
    places = [text.index(f"# {route.priority} {route.name}\n") for route in TABLE.routes]
    assert places == sorted(places)
    assert text.count("return 401") == 2 * sum(route.tenant for route in TABLE.routes)


def test_several_tenants_pass_where_data_are_read() -> None:
    text = embedded.render_nginx(TABLE, UPSTREAMS, ["old", "new"], "10.0.0.1")
    assert '"~^new\\\\|old$" several;' in text
    refusals = sum(route.tenant and not route.federated for route in TABLE.routes)
    assert text.count("several tenants are for reading") == refusals > 0


def test_push_is_rewritten_and_queries_pass_untouched() -> None:
    text = embedded.render_nginx(TABLE, UPSTREAMS, ["local"], "10.0.0.1")
    push, query = (text.split(f"# {name}\n")[1].split("# ")[0] for name in ("100 mimir-push", "110 mimir-query"))
    assert 'rewrite "^/api/v1/push$" /prometheus/api/v1/write break;' in push
    assert "proxy_pass http://$upstream$uri$is_args$args;" in push
    assert "rewrite" not in query
    assert "proxy_pass http://$upstream$request_uri;" in query


def test_a_backend_that_is_not_there_says_so() -> None:
    text = embedded.render_nginx(TABLE, {}, ["local"], "10.0.0.1")
    assert text.count("return 503") == len(TABLE.routes)
    assert 'return 503 "this estate has no tempo_otlp\\n";' in text


def test_tenants_are_patterns_of_the_whole_value() -> None:
    assert '"~^a\\\\.b\\\\*$" known;' in embedded.render_nginx(TABLE, {}, ["a.b*"], "10.0.0.1")


@pytest.mark.parametrize("tenants", [[], ["a|b"], ["a b"], ['"'], [""], ["x" * 151]])
def test_tenants_that_are_none(tenants: list[str]) -> None:
    with pytest.raises(embedded.EmbeddedError, match="tenant"):
        embedded.render_nginx(TABLE, {}, tenants, "10.0.0.1")


def test_upstream_of_no_backend_and_no_address() -> None:
    with pytest.raises(embedded.EmbeddedError, match="upstreams of no backend: mimr"):
        embedded.render_nginx(TABLE, {"mimr": embedded.Upstream("a:1")}, ["t"], "10.0.0.1")
    with pytest.raises(embedded.EmbeddedError, match="not host:port"):
        embedded.upstreams_from({"mimir": {"address": "http://prometheus:9090"}})


def test_prometheus_jobs_are_sorted_and_text_safe() -> None:
    jobs = embedded.jobs_from({
        "kafka": [
            {"address": "10.0.0.12:9404", "labels": {"host": "b", "env": "no", "node_id": 2}},
            {"address": "10.0.0.11:9404", "labels": {"host": "a: #1", "env": "no", "node_id": "010"}},
        ]
    })  # fmt: skip
    config = yaml.safe_load(embedded.render_prometheus(jobs))
    own, kafka = config["scrape_configs"]
    assert own["metrics_path"] == "/prometheus/metrics"
    assert kafka["static_configs"] == [
        {"targets": ["10.0.0.11:9404"], "labels": {"env": "no", "host": "a: #1", "node_id": "010"}},
        {"targets": ["10.0.0.12:9404"], "labels": {"env": "no", "host": "b", "node_id": "2"}},
    ]
    assert config["storage"]["tsdb"]["out_of_order_time_window"] == "30m"


def test_a_target_twice_and_a_job_of_its_own_name() -> None:
    target = embedded.Target("10.0.0.11:9404")
    with pytest.raises(embedded.EmbeddedError, match=r"same target twice: 10\.0\.0\.11:9404"):
        embedded.render_prometheus({"kafka": [target, target]})
    with pytest.raises(embedded.EmbeddedError, match="Prometheus itself"):
        embedded.render_prometheus({"prometheus": [target]})


class Control(http.server.BaseHTTPRequestHandler):
    """A program's control port: ready, and a reload that answers as told."""

    status = 200
    reloads = 0

    def do_GET(self) -> None:
        self.answer(200, "ready")

    def do_POST(self) -> None:
        type(self).reloads += 1
        self.answer(type(self).status, "line 3: bad")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def control() -> Iterator[str]:
    Control.status, Control.reloads = 200, 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Control)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def program(tmp_path: Path, url: str, content: str, check: tuple[int, str] = (0, "")) -> embedded_apply.Program:
    return embedded_apply.Program(
        "prometheus", tmp_path / "p" / "prometheus.yml", content, ("promtool",), f"{url}/-/reload", f"{url}/-/ready",
        lambda command, stdin: check,
    )  # fmt: skip


def test_configured_once(tmp_path: Path, control: str) -> None:
    one = program(tmp_path, control, "a")
    predicted = embedded_apply.apply([one], check_mode=True)
    assert predicted.changed == ["prometheus"]
    assert not one.path.exists()
    assert embedded_apply.apply([one], check_mode=False).changed == ["prometheus"]
    assert one.path.read_text() == "a"
    assert embedded_apply.apply([one], check_mode=False).changed == []
    assert Control.reloads == 1


def test_what_the_program_refuses_changes_nothing(tmp_path: Path, control: str) -> None:
    embedded_apply.apply([program(tmp_path, control, "a")], check_mode=False)
    with pytest.raises(embedded_apply.ApplyError, match="nothing was changed:\nno such field"):
        embedded_apply.apply([program(tmp_path, control, "b", (1, "no such field\n"))], check_mode=False)
    assert (tmp_path / "p" / "prometheus.yml").read_text() == "a"


def test_refused_reload_puts_the_old_file_back(tmp_path: Path, control: str) -> None:
    embedded_apply.apply([program(tmp_path, control, "a")], check_mode=False)
    Control.status = 500
    with pytest.raises(embedded_apply.ApplyError, match="the old one is kept: line 3: bad"):
        embedded_apply.apply([program(tmp_path, control, "b")], check_mode=False)
    assert (tmp_path / "p" / "prometheus.yml").read_text() == "a"


def test_a_file_that_was_written_but_never_loaded_is_loaded(tmp_path: Path, control: str) -> None:
    one = program(tmp_path, control, "a")
    one.path.parent.mkdir()
    one.path.write_text("a")
    assert embedded_apply.apply([one], check_mode=False).changed == ["prometheus"]
    assert Control.reloads == 1


def with_rules(
    tmp_path: Path, url: str, texts: dict[str, str], check: tuple[int, str] = (0, "")
) -> embedded_apply.Program:
    content = embedded.render_prometheus({}, rules=texts)
    beside = embedded_apply.Beside("rules-", embedded.rules_folder(texts), texts)
    return dataclasses.replace(program(tmp_path, url, content, check), beside=beside)


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "p").iterdir() if path.is_dir())


def test_rule_files_lie_beside_and_other_ones_in_another_folder(tmp_path: Path, control: str) -> None:
    first, second = with_rules(tmp_path, control, {"a.yml": "one"}), with_rules(tmp_path, control, {"a.yml": "two"})
    predicted = embedded_apply.apply([first], check_mode=True)
    assert "# a.yml\none" in predicted.after["prometheus"] and not (tmp_path / "p").exists()
    embedded_apply.apply([first], check_mode=False)
    assert first.beside and folders(tmp_path) == [first.beside.name]
    assert f"/etc/groundwork/{first.beside.name}/*.yml" in first.path.read_text()
    changed = embedded_apply.apply([second], check_mode=False)
    assert "\none" in changed.before["prometheus"] and "\ntwo" in changed.after["prometheus"]
    assert second.beside and folders(tmp_path) == [second.beside.name]
    assert embedded_apply.apply([second], check_mode=False).changed == []


def test_a_rule_file_changed_by_hand_is_put_right(tmp_path: Path, control: str) -> None:
    one = with_rules(tmp_path, control, {"a.yml": "one"})
    embedded_apply.apply([one], check_mode=False)
    assert one.beside
    file = tmp_path / "p" / one.beside.name / "a.yml"
    file.write_text("by hand")
    assert embedded_apply.apply([one], check_mode=False).changed == ["prometheus"]
    assert (file.read_text(), Control.reloads) == ("one", 2)


def test_refused_rules_leave_the_old_ones(tmp_path: Path, control: str) -> None:
    first = with_rules(tmp_path, control, {"a.yml": "one"})
    embedded_apply.apply([first], check_mode=False)
    with pytest.raises(embedded_apply.ApplyError, match="could not parse"):
        embedded_apply.apply([with_rules(tmp_path, control, {"a.yml": "no"}, (1, "could not parse"))], check_mode=False)
    assert first.beside and folders(tmp_path) == [first.beside.name]
