"""Stands in for the rulers of Mimir and Loki, which cannot be had here: a real HTTP server with their documented rules' API.

YAML, 202 for a change, 404 for a tenant without rules, groups judged one by one. It writes durations in its own way as they
do, refuses a request without the tenant, and counts what it is asked.
"""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from groundwork.estate.paths import PROJECT
from groundwork.observability import routes, rules_ruler, rules_sync

TABLE = routes.load(PROJECT / "terraform" / "routes.yml")
TENANT = "prod"


class Rulers:
    """Both rulers of one stack. `store` is by ruler, namespace and group."""

    def __init__(self) -> None:
        self.store: dict[str, dict[str, dict[str, Any]]] = {"mimir": {}, "loki": {}}
        self.asked: list[str] = []
        self.refuse = ""
        self.sick: dict[str, str] = {}
        self.url = ""

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        rulers = self
        bases = {name: rules_ruler.base_of(TABLE.path(use)) for name, use in rules_sync.USES.items()}

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def handle_it(self) -> None:
                rulers.asked.append(f"{self.command} {self.path}")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get(TABLE.tenant_header) != TENANT:
                    self.answer(401, "no org id")
                    return
                if self.path == "/prometheus/api/v1/rules":
                    self.answer(200, rulers.loaded())
                    return
                for name, base in bases.items():
                    if self.path == base or self.path.startswith(base + "/"):
                        parts = [urllib.parse.unquote(one) for one in self.path[len(base) :].split("/") if one]
                        self.answer(*rulers.rule_api(self.command, rulers.store[name], parts, body))
                        return
                self.answer(404, "page not found")

            do_GET = do_POST = do_DELETE = handle_it

        return Handler

    def rule_api(self, method: str, store: dict[str, dict[str, Any]], parts: list[str], body: bytes) -> tuple[int, str]:
        if method == "GET" and not parts:
            if not store:
                return 404, "no rule groups found"
            return 200, yaml.safe_dump({ns: list(groups.values()) for ns, groups in store.items()})
        if method == "POST" and len(parts) == 1:
            group = yaml.safe_load(body)
            if group["name"] == self.refuse:
                return 400, "invalid rules configuration: could not parse expression"
            for rule in group["rules"]:
                if rule.get("for") == "1h":
                    rule["for"] = "60m"
            store.setdefault(parts[0], {})[group["name"]] = group
            return 202, '{"status":"success"}'
        if method == "DELETE" and len(parts) == 2:
            if store.get(parts[0], {}).pop(parts[1], None) is None:
                return 404, "group does not exist"
            if not store[parts[0]]:
                del store[parts[0]]
            return 202, ""
        return 405, "not here"

    def loaded(self) -> str:
        groups = []
        for namespace in self.store["mimir"].values():
            for group in namespace.values():
                error = self.sick.get(group["name"], "")
                found = [
                    {
                        "name": rule.get("alert") or rule["record"],
                        "health": "err" if error else "ok",
                        "lastError": error,
                    }
                    for rule in group["rules"]
                ]
                groups.append({"name": group["name"], "rules": found})
        return json.dumps({"status": "success", "data": {"groups": groups}})

    def count(self, method: str) -> int:
        return sum(one.startswith(method) for one in self.asked)


@contextmanager
def serving() -> Iterator[Rulers]:
    """Rulers of a test's own on loopback."""
    rulers = Rulers()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), rulers.handler())
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    rulers.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield rulers
    finally:
        server.shutdown()
        server.server_close()
