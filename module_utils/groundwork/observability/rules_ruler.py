"""The rulers' configuration API, which Mimir and Loki share: namespaces of groups, compared and changed by the group.

GET <base> gives every namespace of the tenant as YAML (404 when there is none), POST <base>/<namespace> puts one group
in, DELETE <base>/<namespace>/<group> takes one out. So one read says all, and only what differs is written.
"""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .rules import milliseconds
from .web import request

TIMEOUT = 30.0


class RulerError(RuntimeError):
    """A ruler refused, or does not answer; says what was changed before and what to do."""


@dataclass(frozen=True)
class Ruler:
    """`base` is the address of the rules' API, without namespace."""

    name: str
    base: str
    headers: Mapping[str, str]

    def url(self, *parts: str) -> str:
        return "/".join([self.base.rstrip("/"), *(urllib.parse.quote(part, safe="") for part in parts)])


Namespaces = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass
class Plan:
    """What differs, as (namespace, group). `unmanaged` namespaces are left alone."""

    put: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    delete: list[tuple[str, str]] = field(default_factory=list)
    before: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    unmanaged: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.put or self.delete)


def base_of(path: str) -> str:
    """The API's path from the route table's, which names a namespace."""
    return path.rpartition("/")[0]


def canonical(group: Mapping[str, Any]) -> dict[str, Any]:
    """A group with what a ruler may write in another way in one way: durations, blanks around expressions, empty fields."""
    found: dict[str, Any] = {"name": str(group.get("name", ""))}
    if interval := milliseconds(str(group.get("interval") or "0")):
        found["interval"] = interval
    found["rules"] = []
    for rule in group.get("rules") or []:
        one: dict[str, Any] = {key: str(rule[key]) for key in ("alert", "record") if rule.get(key)}
        one["expr"] = str(rule.get("expr", "")).strip()
        if wait := milliseconds(str(rule.get("for") or "0")):
            one["for"] = wait
        for key in ("labels", "annotations"):
            if texts := {str(name): str(value) for name, value in (rule.get(key) or {}).items()}:
                one[key] = dict(sorted(texts.items()))
        found["rules"].append(one)
    # Fields that this code does not write, such as Mimir's source_tenants, are a difference: somebody set them.
    known = {"name", "interval", "rules"}
    found.update({str(key): value for key, value in group.items() if key not in known and value})
    return found


def read(ruler: Ruler) -> dict[str, list[dict[str, Any]]]:
    """Every namespace of the tenant, in one request."""
    import yaml

    status, text = request(ruler.url(), headers=dict(ruler.headers), timeout=TIMEOUT)
    if status == 404 and ("no rule groups found" in text or "group does not exist" in text):
        return {}
    if status != 200:
        raise RulerError(_refused(ruler, "does not tell its rules", status, text))
    try:
        data = yaml.safe_load(text) or {}
        if not isinstance(data, dict):
            raise ValueError("no mapping")
        return {str(name): [dict(group) for group in groups or []] for name, groups in data.items()}
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise RulerError(
            f"{ruler.name}: {ruler.url()} answers, and not with rules ({error}). Is the path's rule in the load balancer?"
        ) from error


def make_plan(wanted: Namespaces, present: Namespaces, managed: Sequence[str]) -> Plan:
    """What differs inside the managed namespaces; those of `wanted` are managed whatever `managed` says."""
    own = sorted({*wanted, *managed})
    plan = Plan(unmanaged=sorted(set(present) - set(own)))
    for namespace in own:
        have = {str(group["name"]): dict(group) for group in present.get(namespace, [])}
        want = {str(group["name"]): dict(group) for group in wanted.get(namespace, [])}
        for name, group in want.items():
            if name not in have or canonical(have[name]) != canonical(group):
                plan.put[(namespace, name)] = group
        plan.delete += [(namespace, name) for name in sorted(set(have) - set(want))]
        plan.before.update({(namespace, name): group for name, group in have.items()})
    return plan


def apply(ruler: Ruler, plan: Plan) -> None:
    """New and changed groups first, so that a group that moved to another name is never away."""
    import yaml

    done = 0
    for (namespace, name), group in plan.put.items():
        body = yaml.safe_dump(group, sort_keys=False, allow_unicode=True).encode()
        headers = {**ruler.headers, "Content-Type": "application/yaml"}
        status, text = request(ruler.url(namespace), "POST", headers, body, TIMEOUT)
        if status not in {200, 202}:
            raise RulerError(_refused(ruler, f"refuses group {name} of {namespace}", status, text, done))
        done += 1
    for namespace, name in plan.delete:
        status, text = request(ruler.url(namespace, name), "DELETE", dict(ruler.headers), timeout=TIMEOUT)
        if status not in {200, 202, 204, 404}:
            raise RulerError(_refused(ruler, f"does not delete group {name} of {namespace}", status, text, done))
        done += 1


def _refused(ruler: Ruler, what: str, status: int, text: str, done: int = 0) -> str:
    words = " ".join(text.split())[:400]
    remedy = {
        0: "Is the observability stack up, and its load balancer reachable from here?",
        401: "The tenant header is missing or another tenant's: compare tenant_id with the stack's.",
        403: "The tenant header is missing or another tenant's: compare tenant_id with the stack's.",
        404: "The path leads nowhere: compare terraform/routes.yml with the load balancer, and see that the ruler's API is enabled.",
        413: "Larger than the ruler's limit of a group: split the group.",
        429: "Over the tenant's limit of groups or rules.",
    }.get(status, "The ruler's log says more." if status >= 500 else "Correct the rule.")
    kept = f" {done} groups were changed before; the next run goes on." if done else ""
    return f"{ruler.name} {what} ({status or 'no answer'}): {words}. {remedy}{kept}"


def diff(plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """(before, after) by namespace/group: only what changes."""
    before = {
        f"{ns}/{name}": plan.before[(ns, name)] for ns, name in [*plan.put, *plan.delete] if (ns, name) in plan.before
    }
    return before, {f"{ns}/{name}": group for (ns, name), group in plan.put.items()}


def health(url: str, headers: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """What is wrong with these groups by GET <url> (Prometheus' /api/v1/rules): not loaded, not evaluated yet, or failing."""
    import json

    status, text = request(url, headers=dict(headers), timeout=TIMEOUT)
    if status != 200:
        raise RulerError(f"{url} does not tell its rules ({status or 'no answer'}): {' '.join(text.split())[:400]}")
    try:
        groups = json.loads(text)["data"]["groups"]
    except (ValueError, KeyError, TypeError) as error:
        raise RulerError(f"{url} answers, and not with rules. Is the path's rule in the load balancer?") from error
    problems: dict[str, str] = dict.fromkeys(names, "not loaded")
    for group in groups:
        if group["name"] not in problems:
            continue
        bad = [rule for rule in group["rules"] if rule.get("health") != "ok"]
        if not bad:
            del problems[group["name"]]
            continue
        failing = [f"{rule['name']}: {rule['lastError']}" for rule in bad if rule.get("lastError")]
        problems[group["name"]] = "; ".join(failing) or "not evaluated yet"
    return problems


def wait_healthy(url: str, headers: Mapping[str, str], names: Sequence[str], wait: float) -> dict[str, str]:
    """`health`, asked again until nothing is wrong or the time is over."""
    until = time.monotonic() + wait
    while True:
        problems: dict[str, str] = {}
        failure: RulerError | None = None
        try:
            problems = health(url, headers, names)
        except RulerError as error:
            failure = error
        if failure is None and not problems:
            return {}
        if time.monotonic() >= until:
            if failure is not None:
                raise failure
            return problems
        time.sleep(min(2.0, max(0.1, wait / 20)))
