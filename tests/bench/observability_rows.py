"""The rows about observability of `make bench`: the project's modules beside a loop over the collection's, and the roles with nothing to do.

    python tests/bench/observability_rows.py objects
    GROUNDWORK_ESTATE=… GROUNDWORK_ESTATE_OCTET=… python tests/bench/observability_rows.py [objects] [noop] [scrape]

`objects` needs no estate: Grafana and the rulers are stood in for by tests/grafana_server.py and tests/ruler_server.py, and both
playbooks run on this machine, so no connection to a host is measured, which the loop would need for each of its tasks.
`noop` and `scrape` ask an estate that stands.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "module_utils")]

import grafana_server  # noqa: E402
import ruler_server  # noqa: E402
from drills.harness import NODES, PYTHON  # noqa: E402
from estate.conftest import Estate  # noqa: E402
from groundwork.observability import dashboards, grafana_api, grafana_sources, rules, rules_sync  # noqa: E402

INVENTORY = os.environ.get("GROUNDWORK_INVENTORY", "inventories/local")
REGION = "ap-northeast-2"
#: Where the rules of each ruler lie.
RULES = {"mimir": "rules", "loki": "loki-rules"}
#: Community.grafana has no type for it.
NOT_IN_LOOP = "grafana-pyroscope-datasource"
#: How often the project's own objects are there; the loop is measured on 1.
COPIES = (1, 5)
#: Runs of the short side, of which the middle counts.
RUNS = 3

#: On a broker: processor time of a scrape, in milliseconds and less what the broker takes by itself, with the role's objects, and
#: with all objects of their kinds, which the exporter reads when its file has changed; series of both.
SCRAPE = r"""
import json, os, pathlib, re, subprocess, time, urllib.request

pid = subprocess.check_output(["systemctl", "show", "-P", "MainPID", "kafka"], text=True).strip()
command = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
address, port, file = re.search(r"-javaagent:[^\0]*=([\d.]+):(\d+):([^\0]+)", command).groups()
rules = pathlib.Path(file)

def used():
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

def scrape():
    text = urllib.request.urlopen(f"http://{address}:{port}/metrics", timeout=60).read().decode()
    return sum(not line.startswith("#") for line in text.splitlines())

def cost():
    series = [scrape() for _ in range(20)][-1]
    before, began = used(), time.monotonic()
    for _ in range(20):
        scrape()
    taken, with_scrapes = time.monotonic() - began, used() - before
    before = used()
    time.sleep(taken)
    return (with_scrapes - (used() - before)) / 20 * 1000, series

own = rules.read_text()
narrow = cost()
try:
    rules.write_text(re.sub(r"(?m)^  - (kafka\.\w+:type=[\w-]+).*$", r"  - \1,*", own))
    wide = cost()
finally:
    rules.write_text(own)
scrape()
print(json.dumps([*narrow, *wide]))
"""


@dataclass(frozen=True)
class Run:
    """A whole ansible-playbook: seconds of the clock and of processors, tasks of its recap that changed something, requests."""

    seconds: float
    cpu: float
    changed: int
    asked: int


def middle(runs: list[Run]) -> Run:
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


@dataclass
class Servers:
    """Grafana and the rulers, with nothing in them."""

    grafana: grafana_server.Grafana
    rulers: ruler_server.Rulers

    def play(self, playbook: str, wanted: dict[str, Any], folder: Path) -> Run:
        known = {
            "bench_grafana_url": self.grafana.url, "bench_rulers_url": self.rulers.url,
            "bench_token": grafana_server.TOKEN, "bench_tenant": ruler_server.TENANT, "bench_region": REGION,
            "bench_tenant_header": ruler_server.TABLE.tenant_header, "ansible_python_interpreter": sys.executable, **wanted,
        }  # fmt: skip
        file = folder / "known.json"
        file.write_text(json.dumps(known))
        before, began, asked = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), self.asked()
        done = subprocess.run(
            ["ansible-playbook", f"tests/bench/{playbook}", "-i", "localhost,", "-c", "local", "-e", f"@{file}"],
            cwd=PROJECT, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        taken, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            raise SystemExit(f"bench: {playbook} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        recap = next(line for line in done.stdout.splitlines() if line.startswith("localhost") and "changed=" in line)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Run(taken, cpu, int(recap.partition("changed=")[2].split()[0]), self.asked() - asked)

    def asked(self) -> int:
        return len(self.grafana.asked) + len(self.rulers.asked)


@contextmanager
def serving() -> Iterator[Servers]:
    with grafana_server.serving() as grafana, ruler_server.serving() as rulers:
        grafana.page = grafana_api.PAGE
        yield Servers(grafana, rulers)


def objects(folder: Path, copies: int) -> dict[str, Any]:
    """The project's own objects, some times over. Both sides read dashboards and rules from files."""

    def written(name: str, text: str) -> str:
        (folder / name).write_text(text)
        return str(folder / name)

    table = ruler_server.TABLE
    sources = grafana_sources.data_sources(table, "http://lgtm.bench.internal", [ruler_server.TENANT], REGION)
    found: dict[str, Any] = {
        "bench_folders": [dashboards.FOLDER], "bench_data_sources": [], "bench_dashboards": [], "bench_groups": [],
        "bench_rules": {ruler: [] for ruler in RULES},
    }  # fmt: skip
    for copy in range(copies):
        ending = f"-{copy}" if copy else ""
        found["bench_data_sources"] += [
            {
                **one,
                "uid": one["uid"] + ending,
                "name": one["name"] + ending,
                "isDefault": one["isDefault"] and not copy,
            }
            for one in sources
        ]
        for one in dashboards.models():
            named = {**one, "uid": one["uid"] + ending, "title": one["title"] + ending}
            found["bench_dashboards"].append(written(f"{named['uid']}.json", json.dumps(named)))
        for ruler, place in RULES.items():
            for file in sorted((PROJECT / "observability" / place).glob("*.yml")):
                groups = [group.plain() for group in rules.load_texts({file.name: file.read_text()})]
                groups = [{**group, "name": group["name"] + ending} for group in groups]
                name = f"{ruler}{ending}-{file.name}"
                found["bench_rules"][ruler].append(written(name, yaml.safe_dump({"groups": groups}, sort_keys=False)))
                for group in groups:
                    text = yaml.safe_dump(group, sort_keys=False)
                    path = written(f"group-{ruler}-{group['name']}.yml", text)
                    found["bench_groups"].append({"path": table.path(rules_sync.USES[ruler]), "file": path})
    return found


def expect(run: Run, changed: int) -> Run:
    if run.changed != changed:
        raise SystemExit(f"bench: {run.changed} tasks changed something, not {changed}")
    return run


def bulk(wanted: dict[str, Any], folder: Path) -> tuple[Run, Run]:
    """From nothing and as a no-op."""
    new: list[Run] = []
    again: list[Run] = []
    for _ in range(RUNS):
        with serving() as servers:
            new.append(expect(servers.play("observability_objects.yml", wanted, folder), 2))
            again.append(expect(servers.play("observability_objects.yml", wanted, folder), 0))
    return middle(new), middle(again)


def one_by_one(wanted: dict[str, Any], folder: Path) -> tuple[Run, Run, Run]:
    """The loop over nothing, from nothing and as a no-op, in which groups are posted all the same: that tells no change."""
    nothing: dict[str, Any] = {name: [] for name in wanted}
    known = [one for one in wanted["bench_data_sources"] if one["type"] != NOT_IN_LOOP]
    given = {**wanted, "bench_data_sources": known}
    with serving() as servers:
        start = middle([servers.play("observability_loop.yml", nothing, folder) for _ in range(RUNS)])
        new = expect(servers.play("observability_loop.yml", given, folder), 3)
        return start, new, expect(servers.play("observability_loop.yml", given, folder), 0)


def objects_row(_estate: Estate | None) -> str:
    told = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        start, *theirs = one_by_one(objects(folder, 1), folder)
        for copies in COPIES:
            wanted = objects(folder, copies)
            number = {name: len(wanted[f"bench_{name}"]) for name in ("dashboards", "data_sources", "groups")}
            what = f"{number['dashboards']} dashboards, {number['data_sources']} data sources and {number['groups']} groups of rules"
            measured = "measured" if copies == 1 else f"measured on a {copies}th of them, extrapolated"
            for when, ours, one in zip(("from nothing", "as a no-op"), bulk(wanted, folder), theirs, strict=True):
                work, cpu = (one.seconds - start.seconds) * copies, (one.cpu - start.cpu) * copies
                told.append(
                    f"{what} {when}: {ours.seconds:.1f} s (whole ansible-playbook, {start.seconds:.1f} s of it its start), a loop over "
                    f"community.grafana and uri {start.seconds + work:.0f} s ({measured}): {(start.seconds + work) / ours.seconds:.1f} times faster, "
                    f"{work / (ours.seconds - start.seconds):.1f} without either's start (to reach: 10); of processors {ours.cpu:.1f} s and "
                    f"{start.cpu + cpu:.0f} s, {(start.cpu + cpu) / ours.cpu:.1f} times, {cpu / (ours.cpu - start.cpu):.1f} without the start; "
                    f"{ours.asked} requests and {one.asked * copies}"
                )
    return "\n".join(told)


def noop_row(estate: Estate | None) -> str:
    """Every role that site.yml runs for observability; the JMX exporter's is in the play of Kafka."""
    assert estate
    began = time.monotonic()
    runs = [
        estate.play("--tags", tag, playbook=f"playbooks/{playbook}.yml", inventory=INVENTORY)
        for playbook, tag in (("kafka", "jmx_exporter"), ("observability", "observability"))
    ]
    taken = time.monotonic() - began
    for done in runs:
        assert done.code == 0, done.output[-4000:]
        assert done.changed == {}, done.changed
    hosts = {name for done in runs for name in done.hosts} - {"localhost"}
    phases = ", ".join(f"{name}: {seconds:.1f} s" for done in runs for name, seconds in done.phases.items())
    return (
        f"the roles with nothing to do: {taken:.1f} s over {len(hosts)} hosts (two ansible-playbook, whole; {phases}), "
        f"{taken / len(hosts):.1f} s a host (to reach: 5)"
    )


def scrape_row(estate: Estate | None) -> str:
    assert estate
    narrow, series, wide, all_series = json.loads(estate.on(NODES[0], PYTHON, "-c", SCRAPE))
    return (
        f"a scrape of a broker: {narrow:.0f} ms of its processor time for {series} series, {wide:.0f} ms for {all_series} where all objects "
        f"of a kind are read: {wide / narrow:.1f} times less"
    )


ROWS = {"objects": objects_row, "noop": noop_row, "scrape": scrape_row}


def rows(name: str, octet: int, wanted: list[str] | None = None) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        estate = Estate(name, octet, Path(folder)) if name else None
        return [ROWS[row](estate) for row in wanted or ROWS]


if __name__ == "__main__":
    alone = sys.argv[1:] == ["objects"]
    known = ("", 0) if alone else (os.environ["GROUNDWORK_ESTATE"], int(os.environ["GROUNDWORK_ESTATE_OCTET"]))
    print("\n".join(rows(*known, sys.argv[1:])))
