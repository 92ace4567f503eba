"""The project's rule files, brought to the rulers of one observability stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from . import rules, rules_ruler
from .routes import RouteTable
from .rules import Group
from .rules_ruler import RulerError

# The use of the route table that names each ruler's API, with the one namespace of it that is the project's.
USES = {"mimir": "metrics_rules", "loki": "logs_rules"}


def with_docs(groups: Iterable[Group], docs_url: str) -> list[Group]:
    """Groups whose runbooks are whole addresses: a message is read where the repository is not."""
    if not docs_url:
        return list(groups)
    base = docs_url.rstrip("/") + "/"
    found = []
    for group in groups:
        made = []
        for rule in group.rules:
            page = rule.annotations.get("runbook_url", "")
            texts = {**rule.annotations, "runbook_url": base + page} if page.startswith("docs/") else rule.annotations
            made.append(replace(rule, annotations=texts))
        found.append(replace(group, rules=tuple(made)))
    return found


def sync(
    table: RouteTable,
    url: str,
    tenant: str,
    files: Mapping[str, Mapping[str, str]],
    *,
    docs_url: str,
    check_mode: bool,
    wait: int,
) -> dict[str, Any]:
    """Plan for every ruler, then change them; returns the module's result."""
    unknown = sorted(set(files) - set(USES))
    if unknown:
        raise RulerError(f"no ruler {', '.join(unknown)}; there are: {', '.join(USES)}")
    headers = {table.tenant_header: tenant}
    plans = {}
    names: dict[str, list[str]] = {}
    for name, texts in files.items():
        path = table.path(USES[name])
        ruler = rules_ruler.Ruler(name, url.rstrip("/") + rules_ruler.base_of(path), headers)
        namespace = path.rpartition("/")[2]
        groups = with_docs(rules.load_texts(texts), docs_url)
        names[name] = [group.name for group in groups]
        wanted = {namespace: [group.plain() for group in groups]}
        plans[name] = (ruler, rules_ruler.make_plan(wanted, rules_ruler.read(ruler), [namespace]))
    if not check_mode:
        for ruler, plan in plans.values():
            rules_ruler.apply(ruler, plan)
    # In check mode the ruler has other rules as long as there is something to change.
    if wait and "mimir" in plans and not (check_mode and plans["mimir"][1].changed):
        _verify(table, url, headers, names["mimir"], wait)
    diffs = {name: rules_ruler.diff(plan) for name, (_, plan) in plans.items() if plan.changed}
    return {
        "changed": bool(diffs),
        "set": {name: [f"{ns}/{group}" for ns, group in plan.put] for name, (_, plan) in plans.items()},
        "deleted": {name: [f"{ns}/{group}" for ns, group in plan.delete] for name, (_, plan) in plans.items()},
        "unmanaged": {name: plan.unmanaged for name, (_, plan) in plans.items()},
        "groups": {name: len(found) for name, found in names.items()},
        "diff": [
            {"before_header": name, "after_header": name, "before": _text(before), "after": _text(after)}
            for name, (before, after) in diffs.items()
        ],
    }


def _verify(table: RouteTable, url: str, headers: Mapping[str, str], names: list[str], wait: int) -> None:
    """Mimir's ruler tells what it has loaded beside the query API."""
    path = table.path("metrics_query").rpartition("/")[0] + "/rules"
    problems = rules_ruler.wait_healthy(url.rstrip("/") + path, headers, names, wait)
    if problems:
        told = "; ".join(f"{name}: {what}" for name, what in sorted(problems.items()))
        raise RulerError(f"after {wait} s these groups are not well in Mimir's ruler: {told}")


def _text(groups: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(groups), sort_keys=True, allow_unicode=True) if groups else ""
