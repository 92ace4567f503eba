"""Stands in for Grafana, which cannot be had here: a real HTTP server with the documented endpoints that the project uses.

Folders and dashboards as Grafana 12 lists them (pages, resourceVersion, 409 on a stale one), data sources without their
secrets, 403 for what came from a file. Like Grafana it adds to what it is given: defaults in dashboards, ids, versions.
The older endpoints that the collection community.grafana asks are there for the benchmark; a dashboard is kept there as given.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "glsa_token-of-the-test"
KINDS = {
    "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards": "dashboards",
    "/apis/folder.grafana.app/v1beta1/namespaces/default/folders": "folders",
}


class Grafana:
    """Its state, what it was asked, and how it should fail."""

    def __init__(self) -> None:
        self.version = "12.3.1"
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.folders: dict[str, dict[str, Any]] = {}
        #: Dashboards that came by POST /api/dashboards/db.
        self.as_given: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[str] = []
        self.role = "Admin"
        self.unwell: dict[str, str] = {}
        #: uid → what to do when it is about to be written, to come in between.
        self.before_write: dict[str, Any] = {}
        self.page = 5
        self.url = ""
        self.lock = threading.Lock()

    def written(self) -> list[tuple[str, str]]:
        return [one for one in self.asked if one[0] != "GET"]

    def save(self, kind: str, uid: str, body: dict[str, Any]) -> dict[str, Any]:
        items = getattr(self, kind)
        spec = copy.deepcopy(body["spec"])
        if kind == "dashboards":
            spec.setdefault("annotations", {"list": [{"builtIn": 1, "name": "Annotations & Alerts"}]})
            spec["schemaVersion"] = 42
            for panel in spec.get("panels", ()):
                panel.setdefault("pluginVersion", self.version)
        old = int(items[uid]["metadata"]["resourceVersion"]) if uid in items else 0
        annotations = {k: v for k, v in body["metadata"].get("annotations", {}).items() if not k.endswith("message")}
        items[uid] = {
            "metadata": {"name": uid, "resourceVersion": str(old + 1), "annotations": annotations},
            "spec": spec,
        }
        return dict(items[uid])


def handler(grafana: Grafana) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, data: Any) -> None:
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def work(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length).decode()
            with grafana.lock:
                grafana.asked.append((self.command, self.path))
                grafana.bodies.append(text)
                self.answer(*self.route(json.loads(text) if text else {}))

        do_GET = do_POST = do_PUT = do_DELETE = work

        def route(self, body: dict[str, Any]) -> tuple[int, Any]:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path == "/api/health":
                return 200, {"database": "ok", "version": grafana.version}
            # admin:admin, as a browser sends it.
            if self.headers.get("Authorization") not in {f"Bearer {TOKEN}", "Basic YWRtaW46YWRtaW4="}:
                return 401, {"message": "Invalid API key"}
            if self.command != "GET" and grafana.role != "Admin":
                return 403, {"message": "You'll need additional permissions"}
            for base, kind in KINDS.items():
                if path == base or path.startswith(f"{base}/"):
                    return self.resource(kind, path.removeprefix(base).strip("/"), query, body)
            if path == "/api/datasources" or path.startswith("/api/datasources/uid/"):
                return self.source(path.removeprefix("/api/datasources").removeprefix("/uid/"), body)
            return self.older(path, body)

        def older(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
            """What community.grafana's modules ask beside POST /api/datasources."""
            if path == "/api/frontend/settings":
                return 200, {"buildInfo": {"version": grafana.version}}
            if path == "/api/folders" and self.command == "POST":
                spec = {"title": body["title"]}
                grafana.save("folders", body["uid"], {"metadata": {}, "spec": spec})
            if path == "/api/folders":
                found = enumerate(grafana.folders.items(), 1)
                listed = [{"id": number, "uid": uid, "title": one["spec"]["title"]} for number, (uid, one) in found]
                return 200, listed if self.command == "GET" else listed[-1]
            if path == "/api/dashboards/db":
                uid = body["dashboard"]["uid"]
                grafana.as_given[uid] = {"dashboard": body["dashboard"], "meta": {"folderId": body["folderId"]}}
                return 200, {"uid": uid, "id": len(grafana.as_given), "version": 1, "status": "success"}
            if (uid := path.removeprefix("/api/dashboards/uid/")) in grafana.as_given:
                return 200, grafana.as_given[uid]
            name = unquote(path.removeprefix("/api/datasources/name/"))
            named = (one for one in grafana.sources.values() if one["name"] == name)
            return next(((200, one) for one in named), (404, {"message": "Not found"}))

        def resource(self, kind: str, uid: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
            items = getattr(grafana, kind)
            if self.command == "GET" and not uid:
                start = int(query.get("continue", ["0"])[0])
                end = start + min(grafana.page, int(query["limit"][0]))
                more = str(end) if end < len(items) else ""
                return 200, {"metadata": {"continue": more}, "items": list(items.values())[start:end]}
            name = uid or body["metadata"]["name"]
            if name in grafana.before_write:
                grafana.before_write.pop(name)()
            if self.command == "DELETE":
                return (200, {"status": "Success"}) if items.pop(uid, None) else (404, {"message": "not found"})
            if self.command == "POST":
                if name in items:
                    return 409, {"message": "already exists"}
                return 201, grafana.save(kind, name, body)
            if name not in items:
                return 404, {"message": "not found"}
            sent = body["metadata"].get("resourceVersion")
            if sent and sent != items[name]["metadata"]["resourceVersion"]:
                return 409, {"message": "the object has been modified"}
            if "grafana.app/managedBy" in items[name]["metadata"]["annotations"]:
                return 403, {"message": "provisioned"}
            return 200, grafana.save(kind, name, body)

        def source(self, uid: str, body: dict[str, Any]) -> tuple[int, Any]:
            if uid.endswith("/health"):
                uid = uid.removesuffix("/health")
                if uid not in grafana.sources:
                    return 404, {"message": "Data source not found"}
                words = grafana.unwell.get(uid)
                return (400, {"status": "ERROR", "message": words}) if words else (200, {"status": "OK", "message": ""})
            if self.command == "GET":
                return 200, list(grafana.sources.values())
            if self.command == "DELETE":
                return (
                    (200, {"message": "deleted"}) if grafana.sources.pop(uid, None) else (404, {"message": "not found"})
                )
            name = uid or body["uid"]
            if self.command == "POST" and (
                name in grafana.sources or body["name"] in {one["name"] for one in grafana.sources.values()}
            ):
                return 409, {"message": "data source with the same name or uid already exists"}
            if grafana.sources.get(name, {}).get("readOnly"):
                return 403, {"message": "Cannot update read-only data source"}
            if body.get("isDefault"):
                for one in grafana.sources.values():
                    one["isDefault"] = False
            grafana.secrets.setdefault(name, {}).update(body.pop("secureJsonData", {}))
            grafana.sources[name] = {
                "id": 1,
                "orgId": 1,
                "user": "",
                "database": "",
                "basicAuth": False,
                "readOnly": False,
                **body,
            }
            return 200, {"datasource": grafana.sources[name], "message": "ok", "name": body["name"]}

    return Handler


@contextmanager
def serving() -> Iterator[Grafana]:
    """A Grafana of a test's own on loopback."""
    grafana = Grafana()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(grafana))
    grafana.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
