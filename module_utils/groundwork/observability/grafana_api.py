"""Grafana through its HTTP API: folders, data sources and dashboards as a whole. Standard library only.

Three lists are read (each in pages), compared, and only what differs is written: folders, then data sources, then
dashboards, then what is to go. A run that was killed is finished by the same call.

Dashboards and folders: /apis/dashboard.grafana.app/v1beta1 and /apis/folder.grafana.app/v1beta1, which Grafana has since
12 and which list whole dashboards; data sources: /api/datasources. Grafana never gives a secret back, so a digest of what
was set last is kept beside it (`jsonData.groundworkSecrets`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .web import request

DASHBOARDS = "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards"
FOLDERS = "/apis/folder.grafana.app/v1beta1/namespaces/default/folders"
FOLDER_OF, MANAGED_BY = "grafana.app/folder", "grafana.app/managedBy"
SECRETS = "groundworkSecrets"
HIDDEN = "(hidden)"
PAGE = 200
WORKERS = 8
#: The first with the lists that are read.
OLDEST = 12
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
# Of a dashboard, what Grafana counts itself, and what it may raise when it reads an older one.
_OWN = frozenset({"id", "uid", "version", "schemaVersion"})


class GrafanaProblem(RuntimeError):
    """Grafana does not do what is asked; the message says what to do about it."""


@dataclass(frozen=True)
class Server:
    """Where Grafana is and how it lets in. `headers` hold the secret and are never shown."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float = 15.0

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded answer."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Accept": "application/json", "Content-Type": "application/json"}
        status, text = request(f"{self.url}{path}", method, headers, sent, self.timeout)
        if status == 0:
            raise GrafanaProblem(f"{self.url} does not answer: {text}. Is Grafana up, and can this host reach it?")
        try:
            return status, json.loads(text) if text else {}
        except ValueError:
            return status, text

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of a call that must succeed."""
        status, data = self.ask(method, path, body)
        if status in {200, 201}:
            if not isinstance(data, dict | list):
                raise GrafanaProblem(f"{self.url}{path} answers, but not as Grafana does: {str(data)[:120]!r}")
            return data
        said = data.get("message", "") if isinstance(data, dict) else str(data)[:200]
        if status == 401:
            raise GrafanaProblem(
                f"{self.url} refuses the log-in ({said}). Give a token of a service account (GRAFANA_TOKEN), or the"
                " administrator's password; the one in Secrets Manager counts when Grafana's database is made"
            )
        if status == 403:
            raise GrafanaProblem(
                f"{self.url} lets in, but not to {method} {path} ({said}). The account needs role Admin"
            )
        if status in {409, 412}:
            raise GrafanaProblem(f"{method} {path}: somebody changed it meanwhile ({said}). Run again")
        raise GrafanaProblem(f"{method} {self.url}{path} answered {status}: {said}")

    def items(self, path: str) -> list[dict[str, Any]]:
        """All items of a list, page after page."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query = {"limit": PAGE, **({"continue": token} if token else {})}
            data = self.call("GET", f"{path}?{urllib.parse.urlencode(query)}")
            found += data.get("items") or []
            token = (data.get("metadata") or {}).get("continue") or ""
            if not token:
                return found


def server(url: str, token: str = "", user: str = "", password: str = "", timeout: float = 15.0) -> Server:
    """A server by token, or by user and password."""
    if token:
        return Server(url.rstrip("/"), {"Authorization": f"Bearer {token}"}, timeout)
    if user and password:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return Server(url.rstrip("/"), {"Authorization": f"Basic {pair}"}, timeout)
    raise GrafanaProblem("no way in: give a token (GRAFANA_TOKEN), or user and password")


@dataclass(frozen=True)
class Wanted:
    """What should be there. A dashboard is its model, in the folder of that uid."""

    folders: Mapping[str, str] = field(default_factory=dict)
    data_sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dashboards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Folder of each dashboard.
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Present:
    """What Grafana has, by uid; dashboards and folders as its lists give them."""

    folders: Mapping[str, Mapping[str, Any]]
    data_sources: Mapping[str, Mapping[str, Any]]
    dashboards: Mapping[str, Mapping[str, Any]]


@dataclass
class Plan:
    """What differs: for each uid, by path, (before, after)."""

    folders: dict[str, dict[str, tuple[Any, Any]]] = field(default_factory=dict)
    data_sources: dict[str, dict[str, tuple[Any, Any]]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, tuple[Any, Any]]] = field(default_factory=dict)
    #: Dashboards of the pruned folders, and data sources that were made by this module, which are not wanted.
    extra_dashboards: list[str] = field(default_factory=list)
    extra_data_sources: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.folders or self.data_sources or self.dashboards)

    @property
    def extra(self) -> list[str]:
        return [f"dashboard {uid}" for uid in self.extra_dashboards] + [
            f"data source {uid}" for uid in self.extra_data_sources
        ]


def parse(
    folders: Sequence[Mapping[str, Any]],
    data_sources: Sequence[Mapping[str, Any]],
    dashboards: Sequence[Mapping[str, Any]],
    folder: str,
) -> Wanted:
    """Wanted objects from plain data; every uid is checked. Dashboards belong into `folder`."""
    wanted_folders = {uid: str(one.get("title") or uid) for uid, one in _by_uid("folder", folders).items()}
    found = _by_uid("dashboard", dashboards)
    if found and folder not in wanted_folders:
        raise GrafanaProblem(f"dashboards are for folder {folder!r}, which is not among the folders")
    sources = _by_uid("data source", data_sources)
    names = [str(one.get("name")) for one in sources.values()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise GrafanaProblem(f"data sources have the same name: {', '.join(twice)}")
    return Wanted(wanted_folders, sources, found, dict.fromkeys(found, folder))


def _by_uid(what: str, entries: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        uid = str(entry.get("uid") or "")
        if not _UID.fullmatch(uid):
            raise GrafanaProblem(f"a {what} has uid {uid!r}: 1 to 40 of letters, digits, - and _")
        if uid in found:
            raise GrafanaProblem(f"{what} {uid} is given twice")
        found[uid] = entry
    return found


def read(grafana: Server) -> Present:
    """Everything that Grafana has, by three lists side by side."""
    status, health = grafana.ask("GET", "/api/health")
    version = str(health.get("version", "")) if status == 200 and isinstance(health, dict) else ""
    if version.split(".")[0].isdigit() and int(version.split(".")[0]) < OLDEST:
        raise GrafanaProblem(f"{grafana.url} is Grafana {version}; the lists that are read came with {OLDEST}.0")
    with ThreadPoolExecutor(max_workers=3) as pool:
        folders = pool.submit(grafana.items, FOLDERS)
        dashboards = pool.submit(grafana.items, DASHBOARDS)
        sources = pool.submit(grafana.call, "GET", "/api/datasources")
        return Present(
            {one["metadata"]["name"]: one for one in folders.result()},
            {one["uid"]: one for one in sources.result()},
            {one["metadata"]["name"]: one for one in dashboards.result()},
        )


def make_plan(wanted: Wanted, present: Present, prune_folders: Sequence[str] = ()) -> Plan:
    """What differs, and what cannot be changed here."""
    plan = Plan()
    for uid, title in wanted.folders.items():
        have = present.folders.get(uid)
        if have is None:
            plan.folders[uid] = {"title": (None, title)}
        elif have["spec"].get("title") != title:
            plan.folders[uid] = {"title": (have["spec"].get("title"), title)}
            _refuse_provisioned(plan, f"folder {uid}", have)
    for uid, source in wanted.data_sources.items():
        _plan_source(plan, uid, source, present.data_sources)
    for uid, dashboard in wanted.dashboards.items():
        found = present.dashboards.get(uid)
        if found is None:
            plan.dashboards[uid] = {"": (None, f"{dashboard.get('title')} ({len(dashboard.get('panels', ()))} panels)")}
            continue
        differing = dict(differences(found["spec"], dashboard, ignore=_OWN))
        if (place := _folder(found)) != wanted.places[uid]:
            differing["folder"] = (place or "(none)", wanted.places[uid])
        if differing:
            plan.dashboards[uid] = differing
            _refuse_provisioned(plan, f"dashboard {uid}", found)
    plan.extra_dashboards = sorted(
        uid for uid, one in present.dashboards.items() if _folder(one) in prune_folders and uid not in wanted.dashboards
    )
    if wanted.data_sources and prune_folders:
        plan.extra_data_sources = sorted(
            uid
            for uid, one in present.data_sources.items()
            if SECRETS in (one.get("jsonData") or {}) and uid not in wanted.data_sources
        )
    return plan


def _folder(dashboard: Mapping[str, Any]) -> str:
    return str((dashboard["metadata"].get("annotations") or {}).get(FOLDER_OF, ""))


def _refuse_provisioned(plan: Plan, what: str, found: Mapping[str, Any]) -> None:
    manager = (found["metadata"].get("annotations") or {}).get(MANAGED_BY)
    if manager:
        plan.problems.append(f"{what} differs, and comes from {manager}: change it there, or take it out there first")


def _plan_source(plan: Plan, uid: str, wanted: Mapping[str, Any], present: Mapping[str, Mapping[str, Any]]) -> None:
    have = present.get(uid)
    if have is None:
        other = next((one["uid"] for one in present.values() if one.get("name") == wanted.get("name")), "")
        if other:
            plan.problems.append(
                f"data source {wanted.get('name')} is there with uid {other}: panels know it as {uid}. Delete or rename it"
            )
        plan.data_sources[uid] = {"": (None, f"{wanted.get('name')} ({wanted.get('type')}, {wanted.get('url')})")}
        return
    body = source_body(uid, wanted)
    provisioned = bool(have.get("readOnly"))
    ignore = {"secureJsonData", "jsonData"}
    differing = dict(differences(have, body, ignore=ignore))
    have_data, want_data = dict(have.get("jsonData") or {}), dict(body["jsonData"])
    before, after = have_data.pop(SECRETS, ""), want_data.pop(SECRETS)
    if before != after and not provisioned:
        differing["secureJsonData"] = (HIDDEN if before else None, f"{HIDDEN[:-1]}, new)")
    # Settings that are not wanted any more count as well.
    for name in sorted({*have_data, *want_data}):
        if name not in want_data:
            differing[f"jsonData.{name}"] = (have_data[name], None)
        else:
            differing |= {
                f"jsonData.{path}": pair
                for path, pair in differences({name: have_data.get(name)}, {name: want_data[name]})
            }
    if differing:
        plan.data_sources[uid] = differing
        if provisioned:
            plan.problems.append(
                f"data source {uid} differs in {', '.join(differing)}, and comes from a file: change it there"
                " (terraform/modules/lgtm/configs/datasources.yaml.tftpl), then restart Grafana"
            )


def source_body(uid: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent for a data source, with the digest of its secrets."""
    secrets = {str(name): str(value) for name, value in (wanted.get("secureJsonData") or {}).items()}
    return {
        "access": "proxy",
        "isDefault": False,
        **wanted,
        "uid": uid,
        "jsonData": {**(wanted.get("jsonData") or {}), SECRETS: digest(uid, secrets)},
        "secureJsonData": secrets,
    }


def digest(uid: str, secrets: Mapping[str, str]) -> str:
    """A digest that tells whether secrets changed, slow to guess from and different for each data source."""
    text = json.dumps(dict(sorted(secrets.items()))).encode()
    return hashlib.pbkdf2_hmac("sha256", text, f"groundwork:{uid}".encode(), 20_000).hex()[:32]


def differences(
    have: Any, want: Any, path: str = "", ignore: Iterable[str] = ()
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Where `have` lacks what `want` says: (path, (before, after)). What Grafana adds to an object does not count; a list
    must be the same. Panels and variables are called by their names."""
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        for key, value in want.items():
            if key in ignore and not path:
                continue
            yield from differences(have.get(key), value, f"{path}.{key}" if path else str(key))
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (one, other) in enumerate(zip(have, want, strict=True)):
            yield from differences(one, other, f"{path}[{_called(other, index)}]")
    elif isinstance(want, list) and isinstance(have, list):
        yield path, (_titles(have), _titles(want))
    # null, and what a server leaves out because it is nothing, are the same.
    elif have != want and not (have is None and want in ("", False, [], {})):
        yield path, (have, want)


def _called(item: Any, index: int) -> str:
    if isinstance(item, Mapping):
        for key in ("title", "name", "refId"):
            if item.get(key):
                return str(item[key])
    return str(index)


def _titles(items: Sequence[Any]) -> list[str]:
    return [_called(one, index) if isinstance(one, Mapping) else str(one) for index, one in enumerate(items)]


def diff(plan: Plan, prune: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changes, object by object: (before, after), only the paths that differ."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for kind, objects in (("folder", plan.folders), ("data source", plan.data_sources), ("dashboard", plan.dashboards)):
        for uid, paths in objects.items():
            before[f"{kind} {uid}"] = {path or "is": old for path, (old, _) in paths.items()}
            after[f"{kind} {uid}"] = {path or "is": new for path, (_, new) in paths.items()}
    if prune:
        before |= dict.fromkeys(plan.extra, "is there")
        after |= dict.fromkeys(plan.extra, "is deleted")
    return before, after


def ensure(
    grafana: Server,
    wanted: Wanted,
    check: bool,
    *,
    prune_folders: Sequence[str] = (),
    prune: bool = False,
    confirm: str = "",
    health: Sequence[str] = (),
) -> dict[str, Any]:
    """Make Grafana so. Everything is judged before the first write."""
    present = read(grafana)
    plan = make_plan(wanted, present, prune_folders)
    if plan.problems:
        raise GrafanaProblem("nothing was changed: " + "; ".join(plan.problems))
    pruned = plan.extra if prune else []
    needed = f"{urllib.parse.urlsplit(grafana.url).hostname}:prune-dashboards"
    if pruned and not check and confirm != needed:
        raise GrafanaProblem(
            f"nothing was changed: {', '.join(pruned)} would be deleted. To consent, give confirm: {needed}"
        )
    if not check:
        _write(grafana, wanted, present, plan, bool(prune))
    unwell = unhealthy(grafana, health)
    before, after = diff(plan, prune)
    return {
        "changed": plan.changed or bool(pruned),
        "created": sorted(_new(plan, present)),
        "updated": sorted(_old(plan, present)),
        "unmanaged": [] if prune else plan.extra,
        "pruned": pruned,
        "unhealthy": unwell,
        "before": before,
        "after": after,
    }


def _new(plan: Plan, present: Present) -> Iterator[str]:
    yield from (f"folder {uid}" for uid in plan.folders if uid not in present.folders)
    yield from (f"data source {uid}" for uid in plan.data_sources if uid not in present.data_sources)
    yield from (f"dashboard {uid}" for uid in plan.dashboards if uid not in present.dashboards)


def _old(plan: Plan, present: Present) -> Iterator[str]:
    yield from (f"folder {uid}" for uid in plan.folders if uid in present.folders)
    yield from (f"data source {uid}" for uid in plan.data_sources if uid in present.data_sources)
    yield from (f"dashboard {uid}" for uid in plan.dashboards if uid in present.dashboards)


def _write(grafana: Server, wanted: Wanted, present: Present, plan: Plan, prune: bool) -> None:
    def put_folder(uid: str) -> None:
        spec = {"title": wanted.folders[uid]}
        body = {"apiVersion": "folder.grafana.app/v1beta1", "kind": "Folder", "metadata": {}, "spec": spec}
        _put(grafana, uid, body, FOLDERS, present.folders)

    def put_source(uid: str) -> None:
        body = source_body(uid, wanted.data_sources[uid])
        if uid in present.data_sources:
            grafana.call("PUT", f"/api/datasources/uid/{uid}", body)
        else:
            grafana.call("POST", "/api/datasources", body)

    def put_dashboard(uid: str) -> None:
        spec = {key: value for key, value in wanted.dashboards[uid].items() if key not in {"id", "uid", "version"}}
        metadata = {"annotations": {FOLDER_OF: wanted.places[uid], "grafana.app/message": "Groundwork"}}
        body = {"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": metadata, "spec": spec}
        _put(grafana, uid, body, DASHBOARDS, present.dashboards)

    side_by_side(put_folder, plan.folders)
    # One data source is the default one: writing it takes that from another, so they go one after the other.
    for uid in plan.data_sources:
        put_source(uid)
    side_by_side(put_dashboard, plan.dashboards)
    if prune:
        side_by_side(lambda uid: grafana.call("DELETE", f"{DASHBOARDS}/{uid}"), plan.extra_dashboards)
        side_by_side(lambda uid: grafana.call("DELETE", f"/api/datasources/uid/{uid}"), plan.extra_data_sources)


def _put(grafana: Server, uid: str, body: dict[str, Any], path: str, present: Mapping[str, Mapping[str, Any]]) -> None:
    body["metadata"]["name"] = uid
    if uid in present:
        # With it Grafana refuses when somebody saved meanwhile.
        body["metadata"]["resourceVersion"] = present[uid]["metadata"].get("resourceVersion", "")
        grafana.call("PUT", f"{path}/{uid}", body)
    else:
        grafana.call("POST", path, body)


def side_by_side(work: Callable[[str], Any], uids: Iterable[str]) -> list[Any]:
    """`work` for each uid, some at a time; the first failure is raised when those begun have ended."""
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return [future.result() for future in [pool.submit(work, uid) for uid in uids]]


def unhealthy(grafana: Server, uids: Sequence[str]) -> dict[str, str]:
    """Data sources whose own check fails, with Grafana's words."""

    def one(uid: str) -> str:
        status, data = grafana.ask("GET", f"/api/datasources/uid/{uid}/health")
        if status == 200 and isinstance(data, dict) and data.get("status") == "OK":
            return ""
        return f"{status}: {data.get('message') if isinstance(data, dict) else str(data)[:200]}"

    return {uid: words for uid, words in zip(uids, side_by_side(one, uids), strict=True) if words}
