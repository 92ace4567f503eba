"""The embedded stack for real: Prometheus and the routing proxy in containers, in an estate of this test's own."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from groundwork.estate import containers, images
from groundwork.estate.paths import PROJECT, Estate
from groundwork.observability import embedded, embedded_apply, embedded_podman, query, routes
from groundwork.observability.web import request

ESTATE = Estate("obs-test", 229)
NETWORK = f"10.{ESTATE.octet}"
PROMETHEUS, PROXY = f"http://{NETWORK}.255.20:9090", f"http://{NETWORK}.255.21"
TABLE = routes.load(PROJECT / "terraform" / "routes.yml")
UPSTREAMS = {"mimir": embedded.Upstream("prometheus:9090", {"/api/v1/push": "/prometheus/api/v1/write"})}
TENANT = {"X-Scope-OrgID": "local"}
pytestmark = pytest.mark.xdist_group("obs-test")  # one estate, so one worker
RUN = "/usr/local/sbin/groundwork-observability"


@dataclass(frozen=True)
class Stack:
    directory: Path

    def programs(
        self, prometheus: str | None = None, tenants: tuple[str, ...] = ("local",)
    ) -> list[embedded_apply.Program]:
        # Prometheus' own metrics, scraped a second time, stand for a broker's.
        jobs = {
            "kafka": [
                embedded.Target("127.0.0.1:9090", {"host": "local-kafka-1", "__metrics_path__": "/prometheus/metrics"})
            ]
        }
        text = prometheus if prometheus is not None else embedded.render_prometheus(jobs, interval="1s")
        nginx = embedded.render_nginx(TABLE, UPSTREAMS, tenants, f"{NETWORK}.0.1")
        return [
            embedded_podman.prometheus(ESTATE.name, self.directory, text, PROMETHEUS),
            embedded_podman.proxy(ESTATE.name, self.directory, nginx, PROXY),
        ]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    images.build("observability", print)
    folder = tmp_path_factory.mktemp("observability")
    containers.destroy(ESTATE)
    for name in ("prometheus", "lgtm"):
        (folder / name).mkdir()
    specs = [
        {"name": "prometheus", "image": "observability", "ip": f"{NETWORK}.255.20", "aliases": ["prometheus"],
         "command": [RUN, "prometheus"], "volumes": {"prometheus": "/var/lib/prometheus"},
         "binds": [f"{folder / 'prometheus'}:/etc/groundwork"]},
        {"name": "lgtm", "image": "observability", "ip": f"{NETWORK}.255.21", "aliases": ["lgtm.local.internal"],
         "command": [RUN, "proxy"], "binds": [f"{folder / 'lgtm'}:/etc/groundwork"]},
    ]  # fmt: skip
    try:
        containers.apply(ESTATE, "observability", [containers.Container.parse(one) for one in specs], False)
        stack = Stack(folder)
        assert embedded_apply.apply(stack.programs(), check_mode=False).changed == ["prometheus", "proxy"]
        yield stack
    finally:
        containers.destroy(ESTATE)
        shutil.rmtree(folder)


def remote_write(name: str, value: float, seconds_ago: float = 0) -> bytes:
    """One sample as Prometheus' remote-write 1.0 sends it: a protobuf in a snappy block that is all literal."""

    def field(number: int, payload: bytes) -> bytes:
        return bytes([number << 3 | 2]) + varint(len(payload)) + payload

    def varint(number: int) -> bytes:
        out = b""
        while number > 0x7F:
            out += bytes([number & 0x7F | 0x80])
            number >>= 7
        return out + bytes([number])

    label = field(1, field(1, b"__name__") + field(2, name.encode()))
    stamp = int((time.time() - seconds_ago) * 1000)
    sample = field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(stamp))
    message = field(1, label + sample)
    return varint(len(message)) + bytes([60 << 2, len(message) - 1]) + message


def ask(expr: str) -> list[dict[str, object]]:
    return query.ask(f"{PROXY}/prometheus", TENANT, query.Query("test", expr))


def test_second_run_changes_nothing(stack: Stack) -> None:
    assert embedded_apply.apply(stack.programs(), check_mode=False).changed == []


def test_brokers_metrics_arrive_through_the_proxy(stack: Stack) -> None:
    one = query.Query("brokers", 'up{job="kafka"} == 1', "host", ("local-kafka-1",))
    answer = query.ask_all(f"{PROXY}/prometheus", TENANT, [one], wait=20)
    assert answer.missing == {}
    missing = query.ask_all(f"{PROXY}/prometheus", TENANT, [query.Query("b", "up", "host", ("local-kafka-2",))], wait=0)
    assert missing.missing == {"b": ["host=local-kafka-2"]}
    assert query.refusals(f"{PROXY}/prometheus", "X-Scope-OrgID", "local") == []


@pytest.mark.parametrize("headers", [{}, {"X-Scope-OrgID": "other"}, {"X-Scope-OrgID": "LOCAL"}, {"X-Scope-OrgID": ""}])
def test_every_rule_with_a_tenant_refuses_others(stack: Stack, headers: dict[str, str]) -> None:
    for use in TABLE.uses:
        route = TABLE.resolve(use.path)
        assert route is not None
        status, text = request(PROXY + use.path, headers=headers)
        assert status == (401 if route.tenant else 503), (use.path, text)


def test_every_use_gets_to_its_backend(stack: Stack) -> None:
    for use in TABLE.uses:
        status, text = request(PROXY + use.path, headers=TENANT)
        if use.backend == "mimir":
            # Prometheus answers: a GET of the push path, a query without expression, a ruler's API and an Alertmanager
            # that it does not have, and the rules that it has.
            assert status in {200, 400, 404, 405}, (use.path, status, text)
        else:
            assert (status, text) == (503, f"this estate has no {use.backend}\n")


def test_a_pushed_sample_is_found_by_a_query(stack: Stack) -> None:
    headers = {**TENANT, "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
               "X-Prometheus-Remote-Write-Version": "0.1.0"}  # fmt: skip
    # Ten minutes late, as after an outage of the receiver, is still in time.
    for value, age in ((42.0, 0.0), (7.0, 600.0)):
        status, text = request(f"{PROXY}/api/v1/push", "POST", headers, remote_write("groundwork_pushed", value, age))
        assert status == 204, text
    assert [one["value"] for one in ask("groundwork_pushed")] == ["42"]
    assert [one["value"] for one in ask("groundwork_pushed offset 10m")] == ["7"]
    refused = {**headers, "X-Scope-OrgID": "other"}
    assert request(f"{PROXY}/api/v1/push", "POST", refused, remote_write("groundwork_refused", 1))[0] == 401
    assert ask("groundwork_refused") == []


def test_control_paths_of_prometheus_are_not_served(stack: Stack) -> None:
    assert request(f"{PROXY}/prometheus/-/reload", "POST", TENANT)[0] == 404


def test_promtool_refuses_before_anything_changes(stack: Stack) -> None:
    before = (stack.directory / "prometheus" / "prometheus.yml").read_text()
    with pytest.raises(embedded_apply.ApplyError, match=r"nothing was changed:[\s\S]*scrape_intervall"):
        embedded_apply.apply(stack.programs("global: {scrape_intervall: 5s}\n"), check_mode=False)
    assert (stack.directory / "prometheus" / "prometheus.yml").read_text() == before


def test_another_tenant_is_let_in_by_a_reload(stack: Stack) -> None:
    assert embedded_apply.apply(stack.programs(tenants=("other",)), check_mode=False).changed == ["proxy"]
    asked = f"{PROXY}/prometheus/api/v1/query?query=1"
    until = time.monotonic() + 10
    # nginx reloads gracefully: for a moment an old worker still answers, so both answers are waited for.
    while (request(asked, headers={"X-Scope-OrgID": "other"})[0], request(asked, headers=TENANT)[0]) != (200, 401):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert embedded_apply.apply(stack.programs(), check_mode=False).changed == ["proxy"]


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(query.QueryError, match=r"query up \(up\): http://127\.0\.0\.1:9 answered -: .*refused"):
        query.ask_all("http://127.0.0.1:9", {}, [query.Query("up", "up")], wait=0)


def test_queries_that_are_none() -> None:
    for raw, words in (
        ({"a": {"expression": "up"}}, "not expression"),
        ({"a": {"expr": "up", "label": "host"}}, "go together"),
    ):
        with pytest.raises(query.QueryError, match=words):
            query.parse_queries(raw)
