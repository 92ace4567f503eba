"""`make bench`: seconds of the cold, the warm and the no-op run, by phase, and the estate's memory, in one table;
after the no-op run the rows about Terraform, observability (observability_rows.py), Kafka (kafka_rows.py) and databases
(database_rows.py).

    python tests/bench/bench.py [cold] [warm] [noop]      default: all three

`cold` makes everything anew in a temporary cache (virtual environment and Debian packages excepted), so it must not
run beside another estate. Absolute seconds depend on the machine; compare columns of one run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import database_rows
import kafka_rows
import observability_rows

PROJECT = Path(__file__).resolve().parents[2]
ESTATE = {"GROUNDWORK_ESTATE": "bench", "GROUNDWORK_ESTATE_OCTET": "215"}
INVENTORY = ["-i", "inventories/local"]


@dataclass
class Measured:
    """One column: seconds by phase, peak memory in MiB of the estate's containers."""

    phases: dict[str, float] = field(default_factory=dict)
    peak_mib: float = 0.0
    changed: int = 0

    @property
    def total(self) -> float:
        return sum(self.phases.values())


def run(command: list[str], extra: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **ESTATE, **extra}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(done.stdout[-4000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
        raise SystemExit(f"bench: {' '.join(command)} failed with {done.returncode}")


def memory_mib() -> float:
    """Resident memory of all processes in the estate's containers, in MiB, shared pages counted once (PSS)."""
    names = subprocess.run(
        ["podman", "ps", "-q", "--filter", "label=groundwork.estate=bench"], capture_output=True, text=True, check=False
    )
    total = 0
    for container in names.stdout.split():
        top = subprocess.run(["podman", "top", container, "hpid"], capture_output=True, text=True, check=False)
        for pid in top.stdout.split()[1:]:
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def site(extra: dict[str, str], setup: bool) -> Measured:
    measured = Measured()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(5):
            measured.peak_mib = max(measured.peak_mib, memory_mib())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        if setup:
            began = time.monotonic()
            run(["scripts/setup"], extra)
            measured.phases["set-up"] = time.monotonic() - began
        with tempfile.NamedTemporaryFile(suffix=".json") as timings:
            began = time.monotonic()
            run(["ansible-playbook", "site.yml", *INVENTORY], {**extra, "GROUNDWORK_TIMINGS": timings.name})
            whole = time.monotonic() - began
            told = json.loads(Path(timings.name).read_text())
        measured.phases.update(told["phases"])
        measured.phases["start of ansible"] = max(0.0, whole - sum(told["phases"].values()))
        measured.changed = sum(host["changed"] for host in told["hosts"].values())
        measured.peak_mib = max(measured.peak_mib, memory_mib())
    finally:
        stop.set()
        watcher.join()
    return measured


def overlap() -> str:
    """A no-op over all components against the slowest chain of single no-op plans, on the estate that stands."""
    sys.path.insert(0, str(PROJECT / "module_utils"))
    from groundwork.estate.paths import cache_dir
    from groundwork.terraform import Engine, Settings, graph

    octet = int(ESTATE["GROUNDWORK_ESTATE_OCTET"])
    settings = Settings(
        env="local",
        region="ap-northeast-2",
        account_id="123456789012",
        terraform_dir=PROJECT / "terraform",
        catalog_path=PROJECT / "inventories/local/catalog.yml",
        work_dir=PROJECT / ".groundwork/work" / ESTATE["GROUNDWORK_ESTATE"] / "terraform",
        cache_dir=cache_dir(),
        aws_environment={
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{5000 + octet}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "ap-northeast-2",
        },
        variables={"10-network": {"vpc_cidr": f"10.{octet}.0.0/16"}},
        check=True,
    )

    def seconds(names: tuple[str, ...]) -> float:
        began = time.monotonic()
        results = Engine(replace(settings, components=names), lambda _line: None).run()
        if any(result.status != "unchanged" for result in results):
            raise SystemExit(f"bench: not a no-op: {[(result.name, result.status) for result in results]}")
        return time.monotonic() - began

    whole = seconds(())
    components = graph.load(settings.terraform_dir / "components.yml")
    single = {name: seconds((name,)) for name in components}
    longest: dict[str, tuple[float, tuple[str, ...]]] = {}
    for name, component in components.items():
        before = max((longest[need] for need in component.needs), default=(0.0, ()))
        longest[name] = (before[0] + single[name], (*before[1], name))
    chain, names = max(longest.values())
    return (
        f"Terraform no-op over {len(components)} components: {whole:.1f}s; sum of single plans {sum(single.values()):.1f}s; "
        f"slowest chain {chain:.1f}s ({' -> '.join(names)})\n"
        f"no-op / slowest chain: {whole / chain:.2f} (to reach: at most 1.3)"
    )


def main(arguments: list[str]) -> int:
    columns: dict[str, Measured] = {}
    down = ["ansible-playbook", "playbooks/local/down.yml", *INVENTORY]
    wanted = arguments or ["cold", "warm", "noop"]
    told = ""
    if "cold" in wanted:
        with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as cache:
            columns["cold"] = site({"XDG_CACHE_HOME": cache}, setup=True)
            run(down, {"XDG_CACHE_HOME": cache})
            # A running storage has mounts, which only podman itself can let go of.
            run(["podman", "system", "reset", "--force"], {"XDG_CACHE_HOME": cache})
        run(["scripts/setup"], {})
    run(["scripts/setup"], {})
    if {"warm", "noop"} & set(wanted):
        run(down, {})
        columns["warm"] = site({}, setup=True)
    if "noop" in wanted:
        columns["no-op"] = site({}, setup=False)
        estate = (ESTATE["GROUNDWORK_ESTATE"], int(ESTATE["GROUNDWORK_ESTATE_OCTET"]))
        told = "\n".join(
            [
                overlap(),
                # Before Kafka's, which make 300 topics: each is more series in a scrape.
                *observability_rows.rows(*estate),
                *kafka_rows.rows(*estate),
                *database_rows.rows(),
            ]
        )
    run(down, {})
    phases = list(dict.fromkeys(phase for column in columns.values() for phase in column.phases))
    width = max(map(len, phases)) + 2
    print(" " * width + "".join(f"{name:>10}" for name in columns))
    for phase in phases:
        cells = "".join(
            f"{column.phases[phase]:9.1f}s" if phase in column.phases else " " * 10 for column in columns.values()
        )
        print(f"{phase:<{width}}{cells}")
    print(f"{'total':<{width}}" + "".join(f"{column.total:9.1f}s" for column in columns.values()))
    print(f"{'tasks changed':<{width}}" + "".join(f"{column.changed:10d}" for column in columns.values()))
    print(
        f"{'peak memory of the estate':<{width}}" + "".join(f"{column.peak_mib:7.0f}MiB" for column in columns.values())
    )
    if "warm" in columns and "no-op" in columns:
        print(f"no-op / warm: {columns['no-op'].total / columns['warm'].total:.2f}")
    if told:
        print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
