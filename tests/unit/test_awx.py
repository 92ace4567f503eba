"""playbooks/awx.yml run by the real modules of awx.awx against a controller's API in memory: made once, then unchanged."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
VARIABLES: dict[str, Any] = yaml.safe_load((PROJECT / "playbooks/vars/awx.yml").read_text())
#: One environment and a branch of the workflow show as much as all of them; each object costs four starts of a module.
SOME: dict[str, Any] = {
    "awx_environments": ["prod"],
    "awx_parts": {name: VARIABLES["awx_parts"][name] for name in ("hosts", "kafka", "verify")},
    "awx_after": {"hosts": ["kafka"], "kafka": ["verify"], "verify": []},
    "awx_schedules": {"nightly-verify": VARIABLES["awx_schedules"]["nightly-verify"]},
}
#: References that the API hands out as ids, by field and the endpoint they point to.
POINTERS = {
    "organization": "organizations",
    "inventory": "inventories",
    "project": "projects",
    "source_project": "projects",
    "workflow_job_template": "workflow_job_templates",
}


class Controller(BaseHTTPRequestHandler):
    """As much of AWX's API as its collection asks for: lists with filters, objects, associations."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, list[dict[str, Any]]]
    links: dict[str, list[int]]
    numbers: Iterator[int]
    guard: threading.Lock

    def _answer(self, code: int, body: Any) -> None:
        text = json.dumps(body).encode() if body is not None else b""
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.end_headers()
        self.wfile.write(text)

    def _list(self, found: list[dict[str, Any]]) -> None:
        self._answer(200, {"count": len(found), "results": found, "next": None, "previous": None})

    def _matches(self, one: dict[str, Any], query: list[tuple[str, str]]) -> bool:
        for key, value in query:
            if key.startswith(("page", "order")):
                continue
            if key.startswith("or__"):
                continue
            name = key.removesuffix("__in").removesuffix("__exact")
            if "__" in name:
                pointer, field = name.split("__", 1)
                target = next(
                    (o for o in self.objects.get(POINTERS.get(pointer, ""), []) if o["id"] == one.get(pointer)), {}
                )
                if str(target.get(field)) != value:
                    return False
            elif str(one.get(name)) not in (value.split(",") if key.endswith("__in") else [value]):
                return False
        either = [(key.removeprefix("or__"), value) for key, value in query if key.startswith("or__")]
        return not either or any(str(one.get(key)) == value for key, value in either)

    def _find(self, kind: str) -> list[dict[str, Any]]:
        if kind == "unified_job_templates":
            return [
                *self.objects.get("job_templates", []),
                *self.objects.get("workflow_job_templates", []),
                *self.objects.get("projects", []),
            ]
        return self.objects.setdefault(kind, [])

    def _handle(self) -> None:
        with self.guard:
            self._locked()

    def _locked(self) -> None:
        path, _, query = self.path.partition("?")
        parts = [part for part in path.removeprefix("/api/v2/").split("/") if part]
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        if path.rstrip("/") == "/api":
            return self._answer(200, {"current_version": "/api/v2/", "available_versions": {"v2": "/api/v2/"}})
        if parts in (["ping"], ["config"]):
            return self._answer(200, {"version": "24.6.1"})
        kind = parts[0]
        if len(parts) == 1 and self.command == "GET":
            pairs = parse_qsl(query, keep_blank_values=True)
            return self._list([one for one in self._find(kind) if self._matches(one, pairs)])
        if len(parts) == 1:
            return self._create(kind, body)
        one = next((one for one in self._find(kind) if one["id"] == int(parts[1])), None)
        if one is None:
            return self._answer(404, {"detail": "Not found."})
        if len(parts) == 2:
            one.update(body if self.command == "PATCH" else {})
            return self._answer(200, one)
        linked = self.links.setdefault(path, [])
        if self.command == "GET":
            everything = [item for items in self.objects.values() for item in items]
            return self._list([item for item in everything if item["id"] in linked])
        (linked.remove if body.get("disassociate") else linked.append)(body["id"])
        return self._answer(204, None)

    def _create(self, kind: str, body: dict[str, Any]) -> None:
        number = next(self.numbers)
        base = f"/api/v2/{kind}/{number}/"
        kinds = (
            "credentials",
            "labels",
            "instance_groups",
            "success_nodes",
            "failure_nodes",
            "always_nodes",
            "schedules",
            "survey_spec",
        )
        related = {name: f"{base}{name}/" for name in (*kinds, "workflow_nodes")}
        body |= {"id": number, "url": base, "type": kind.removesuffix("s"), "related": related, "summary_fields": {}}
        self._find(kind).append(body)
        self._answer(201, body)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def controller() -> Iterator[tuple[str, type[Controller]]]:
    numbers = itertools.count(1)
    held = [
        {"id": next(numbers), "name": f"{env}-{kind}", "url": "", "related": {}, "summary_fields": {}}
        for env in VARIABLES["awx_environments"]
        for kind in ("aws", "ssh")
    ]
    state = {"objects": {"credentials": held}, "links": {}, "numbers": numbers, "guard": threading.Lock()}
    handler = type("Fake", (Controller,), state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()


def run(
    address: str, *arguments: str, image: str = "registry.example.com/groundwork-ee:1"
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "CONTROLLER_HOST": address,
        "CONTROLLER_OAUTH_TOKEN": "token",
        "GROUNDWORK_EE_IMAGE": image,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
    }
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "playbooks/awx.yml",
        "-i",
        "localhost,",
        *arguments,
    ]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


def test_without_an_image_nothing_is_made() -> None:
    done = run("http://127.0.0.1:9", image="")
    assert done.returncode == 2 and "set GROUNDWORK_EE_IMAGE" in done.stdout + done.stderr


def test_everything_is_made_and_the_second_run_changes_nothing(controller: tuple[str, type[Controller]]) -> None:
    address, fake = controller
    some = ("-e", json.dumps(SOME))
    first = run(address, *some)
    assert first.returncode == 0, first.stdout[-4000:] + first.stderr[-2000:]
    again = run(address, *some)
    assert again.returncode == 0 and "changed=0 " in again.stdout, again.stdout[-3000:]

    templates = {one["name"]: one for one in fake.objects["job_templates"]}
    assert set(templates) == {f"groundwork-prod-{part}" for part in SOME["awx_parts"]}
    hosts = templates["groundwork-prod-hosts"]
    assert (hosts["forks"], hosts["job_slice_count"], hosts["timeout"]) == (50, 4, 3600)
    assert templates["groundwork-prod-kafka"]["job_slice_count"] == 1
    workflows = {one["id"]: one["name"] for one in fake.objects["workflow_job_templates"]}
    nodes = {
        one["id"]: (workflows[one["workflow_job_template"]], one["identifier"])
        for one in fake.objects["workflow_job_template_nodes"]
    }
    after = {
        nodes[int(path.split("/")[4])]: {nodes[number][1] for number in linked}
        for path, linked in fake.links.items()
        if path.endswith("/success_nodes/")
    }
    for part, following in SOME["awx_after"].items():
        assert after.get(("groundwork-prod", part), set()) == set(following)
    schedules = {one["name"]: one for one in fake.objects["schedules"]}
    assert (
        schedules["groundwork-prod-nightly-verify"]["unified_job_template"] == templates["groundwork-prod-verify"]["id"]
    )


def test_the_workflow_is_site_yml() -> None:
    """The parts are those that site.yml imports, and none comes before what site.yml puts before it, but side by side."""
    site = re.findall(r"import_playbook: (\S+)", (PROJECT / "site.yml").read_text())
    parts, after = VARIABLES["awx_parts"], VARIABLES["awx_after"]
    assert [part["playbook"] for part in parts.values()] == site
    order = list(parts)
    for part, following in after.items():
        assert all(order.index(part) < order.index(one) for one in following)
    reached = {one for following in after.values() for one in following}
    assert reached == set(order[1:]) and set(after) == set(order)


def test_only_plays_without_order_between_hosts_are_sliced() -> None:
    for name, part in VARIABLES["awx_parts"].items():
        if part.get("slices", 1) > 1:
            text = (PROJECT / part["playbook"]).read_text()
            assert not re.search(r"run_once|serial|groups\[|throttle", text), name
