"""The contract of routes and tenants on real parts: each request through a real nginx with the embedded estate's
configuration to real HTTP receivers, and the same requests judged by the load balancer's planned rules. Both must agree
with the route table, and so with each other."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from groundwork.estate import containers, images
from groundwork.estate.paths import Estate
from groundwork.observability import embedded, embedded_apply, embedded_podman
from groundwork.observability.web import request
from test_lgtm import FORMER, REFUSED, TABLE, plan_of, samples, takes

ESTATE = Estate("routing-test", 228)
NETWORK = f"10.{ESTATE.octet}"
GATEWAY, PROXY = f"{NETWORK}.0.1", f"http://{NETWORK}.255.21"
CURRENT = "dev"
SEVERAL = f"{CURRENT}|{FORMER}"
#: What a client may send as its tenant.
TENANTS = (None, "", "someone", CURRENT, FORMER, SEVERAL, f"{FORMER}|{CURRENT}", f"{CURRENT}|someone", "d*", "????")
pytestmark = pytest.mark.xdist_group("routing-test")

__all__ = ["plan_of"]


class Receiver(BaseHTTPRequestHandler):
    """A backend: answers with its name and what it got."""

    backend = ""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = {
            "backend": self.backend,
            "method": self.command,
            "path": self.path,
            "tenants": self.headers.get_all(TABLE.tenant_header) or [],
            "body": self.rfile.read(length).decode(),
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    images.build("observability", print)
    folder = tmp_path_factory.mktemp("routing")
    (folder / "lgtm").mkdir()
    containers.destroy(ESTATE)
    servers: list[ThreadingHTTPServer] = []
    spec = {
        "name": "lgtm", "image": "observability", "ip": f"{NETWORK}.255.21", "aliases": ["lgtm.dev.internal"],
        "command": ["/usr/local/sbin/groundwork-observability", "proxy"], "binds": [f"{folder / 'lgtm'}:/etc/groundwork"],
    }  # fmt: skip
    try:
        containers.apply(ESTATE, "observability", [containers.Container.parse(spec)], False)
        upstreams = {}
        for name in TABLE.backends:
            # On the estate's own network, which nobody else reaches.
            server = ThreadingHTTPServer((GATEWAY, 0), type(name, (Receiver,), {"backend": name}))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
            upstreams[name] = embedded.Upstream(f"{GATEWAY}:{server.server_port}")
        text = embedded.render_nginx(TABLE, upstreams, [FORMER, CURRENT], GATEWAY)
        embedded_apply.apply([embedded_podman.proxy(ESTATE.name, folder, text, PROXY)], check_mode=False)
        yield PROXY
    finally:
        containers.destroy(ESTATE)
        for server in servers:
            server.shutdown()
            server.server_close()
        shutil.rmtree(folder)


def ask(proxy: str, path: str, tenant: str | None, method: str = "GET", body: bytes | None = None) -> Any:
    """What the receiver was given, or the status that refused."""
    headers = {} if tenant is None else {TABLE.tenant_header: tenant}
    status, text = request(proxy + path, method, headers, body)
    return json.loads(text) if status == 200 else str(status)


@pytest.mark.parametrize("use", TABLE.uses, ids=lambda use: use.name)
def test_a_use_arrives_with_its_tenant(proxy: str, use: Any) -> None:
    push = use.name.endswith(("_push", "_ingest"))
    got = ask(proxy, f"{use.path}?a=1%2F2", CURRENT, "POST" if push else "GET", b"sent" if push else None)
    assert got["backend"] == use.backend
    # As it was sent: no decoded path, one header, the whole body.
    assert got["path"] == f"{use.path}?a=1%2F2"
    assert got["tenants"] == [CURRENT]
    assert got["body"] == ("sent" if push else "")


@pytest.mark.parametrize("use", [use for use in TABLE.uses if use.backend != "grafana"], ids=lambda use: use.name)
def test_a_use_without_its_tenant_is_refused(proxy: str, use: Any) -> None:
    for tenant in (None, "", "someone", CURRENT.upper(), f"{CURRENT}|someone"):
        assert ask(proxy, use.path, tenant) == REFUSED, tenant


def test_several_tenants_read_and_never_write(proxy: str) -> None:
    reads = {"metrics_query", "metrics_rules_state", "logs_query", "traces_query"}
    for use in TABLE.uses:
        got = ask(proxy, use.path, SEVERAL)
        if use.name in reads:
            assert got["tenants"] == [SEVERAL], use.name
        elif use.backend != "grafana":
            assert got == REFUSED, use.name


def test_proxy_and_load_balancer_say_the_same(proxy: str, plan_of: Any) -> None:
    rules = plan_of("dev", (FORMER,)).rules()
    backends = {route.name: route.backend for route in TABLE.routes}
    compared = 0
    for path in samples(TABLE):
        for tenant in TENANTS:
            planned = takes(rules, path, tenant)
            got = ask(proxy, path, tenant)
            route = planned.partition(":")[0]
            assert (got if isinstance(got, str) else got["backend"]) == backends.get(route, planned), (path, tenant)
            compared += 1
    assert compared == len(samples(TABLE)) * len(TENANTS) > 300


def test_the_load_balancer_does_not_tell_capitals(plan_of: Any) -> None:
    """The one known difference: its rules compare a header without regard to case (docs/lgtm.md)."""
    rules = plan_of("dev", (FORMER,)).rules()
    assert takes(rules, TABLE.path("metrics_push"), CURRENT.upper()) == "mimir-push"
