"""Results of plans and checks as Markdown for a pull request, an issue or a job's summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: GitHub takes 65,536 characters of a comment or an issue.
LIMIT = 60_000
#: Lines of one component that are shown.
LINES = 200

Entry = Mapping[str, Any]


def marker(kind: str, env: str) -> str:
    """What a later run finds its own comment or issue by."""
    return f"<!-- groundwork {kind} {env} -->"


def fenced(lines: Sequence[str], language: str = "") -> list[str]:
    """A code block that no line of it can end."""
    longest = max((len(run) for line in lines for run in _backticks(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def _backticks(line: str) -> list[str]:
    return [run for run in "".join(char if char == "`" else " " for char in line).split(" ") if run]


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _outcome(entry: Entry) -> str:
    if entry["losses"]:
        return "**would be refused: it loses data**"
    return str(entry["status"])


def _table(entries: Sequence[Entry]) -> list[str]:
    rows = [
        f"| {entry['component']} | {_outcome(entry)} | {entry['add']} | {entry['change']} | {entry['destroy']} "
        f"| {entry['seconds']:.0f} s |"
        for entry in entries
    ]
    return ["| component | | add | change | destroy | time |", "| --- | --- | ---: | ---: | ---: | ---: |", *rows]


def _details(entries: Sequence[Entry], env: str) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        changes = list(entry["changes"])
        if not changes and not entry["message"]:
            continue
        counts = f"+{entry['add']} ~{entry['change']} -{entry['destroy']}"
        lines += ["", f"<details><summary>{entry['component']}: {counts}</summary>", ""]
        if entry["losses"]:
            lines += [*fenced(entry["losses"]), "", f"Confirmed with `confirm={env}-{entry['component']}`.", ""]
        if changes:
            hidden = len(changes) - LINES
            shown = changes[:LINES] + ([f"… and {hidden} more"] if hidden > 0 else [])
            lines += fenced(shown, "diff")
        if entry["message"]:
            lines += fenced(str(entry["message"]).splitlines())
        lines += ["", "</details>"]
    return lines


def cut(lines: Sequence[str], limit: int = LIMIT) -> str:
    """The text, ended at a line and with open blocks closed when it is too long."""
    text = "\n".join(lines) + "\n"
    if len(text) <= limit:
        return text
    kept: list[str] = []
    size = 0
    fence, details = "", False
    for line in lines:
        size += len(line) + 1
        if size > limit:
            break
        kept.append(line)
        if line.startswith("```"):
            fence = "" if fence and line == fence else fence or "`" * (len(line) - len(line.lstrip("`")))
        details = (details or line.startswith("<details>")) and line != "</details>"
    kept += ([fence] if fence else []) + (["", "</details>"] if details else [])
    return "\n".join([*kept, "", "… cut: the whole text is in the job's files."]) + "\n"


def plan(env: str, entries: Sequence[Entry], error: str = "", kind: str = "plan") -> str:
    """The comment of a plan."""
    changing = [entry for entry in entries if entry["changes"]]
    failed = [entry for entry in entries if entry["status"] in {"failed", "refused"}]
    refused = [entry for entry in entries if entry["losses"]]
    title = f"{_count(len(changing), 'component')} of {len(entries)} would change" if changing else "no changes"
    if refused:
        title += f", {_count(len(refused), 'component')} would lose data"
    if failed or error:
        title = f"failed ({', '.join(entry['component'] for entry in failed) or 'before the first component'})"
    lines = [marker(kind, env), f"### Terraform plan of {env}: {title}", "", *_table(entries), *_details(entries, env)]
    if error and not failed:
        lines += ["", *fenced(error.splitlines())]
    blocked = [entry["component"] for entry in entries if entry["status"] == "blocked"]
    if blocked:
        lines += ["", f"Blocked until what they read is applied: {', '.join(blocked)}."]
    return cut(lines)


def has_drift(entries: Sequence[Entry], site: Mapping[str, Any]) -> bool:
    return any(entry["changes"] or entry["status"] == "blocked" for entry in entries) or bool(site.get("changed"))


def failures(entries: Sequence[Entry], site: Mapping[str, Any]) -> list[str]:
    """What could not be looked at: neither drift nor the absence of it."""
    found = [
        f"{entry['component']}: {entry['status']}" for entry in entries if entry["status"] in {"failed", "refused"}
    ]
    hosts = site.get("hosts") or {}
    found += [
        f"{host}: unreachable" if totals.get("unreachable") else f"{host}: a task failed"
        for host, totals in hosts.items()
        if totals.get("unreachable") or totals.get("failures")
    ]
    if site.get("code") and not any(": " in one for one in found if one.split(":")[0] in hosts):
        found.append(f"site.yml --check ended with {site['code']}")
    return found


def drift(env: str, entries: Sequence[Entry], site: Mapping[str, Any], error: str = "") -> str:
    """The issue's text: what differs from the code, in Terraform's resources and on hosts."""
    broken = failures(entries, site) + ([error] if error and not entries else [])
    differs = has_drift(entries, site)
    state = "differs from the code" if differs else "is what the code says"
    lines = [
        marker("drift", env),
        f"### {env} {state if not broken or differs else 'could not be compared wholly'}",
        "",
    ]
    if broken:
        lines += ["Could not be compared:", "", *fenced(broken), ""]
    lines += ["#### Terraform", "", *_table(entries), *_details(entries, env), "", "#### Hosts and services", ""]
    changed: Mapping[str, Sequence[str]] = site.get("changed") or {}
    if changed:
        lines += ["| task that would change something | where |", "| --- | --- |"]
        lines += [f"| {cell(task)} | {cell(', '.join(hosts))} |" for task, hosts in changed.items()]
    elif site.get("code") == 0:
        lines.append("No task of `site.yml --check` would change anything.")
    else:
        lines.append("Not known: `site.yml --check` did not end.")
    lines += [
        "",
        f"Repair: `make ci-apply ENV={env}` for Terraform, `ansible-playbook site.yml -i inventories/{env}` for all; "
        "or change the code to what is there.",
    ]
    return cut(lines)
