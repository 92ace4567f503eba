"""The row about databases of `make bench`: the module beside a loop over the collection's modules, on one MySQL server, in one run.

    python tests/bench/database_rows.py

The server is a container of its own, as in tests/databases; both playbooks run on this machine, so no connection to a host is
measured, which the loop would need for each of its tasks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "tests" / "databases"), str(PROJECT / "module_utils")]

from conftest import PROVIDER, Server, container_name, started  # noqa: E402

SERVICES = 200
#: How many the loop is measured on; the rest is extrapolated.
MEASURED = 10


def services(prefix: str, count: int) -> list[dict[str, Any]]:
    return [
        {"name": f"{prefix}{number}", "password": f"{number}-password-of-a-service", "max_user_connections": 20}
        for number in range(count)
    ]


def play(server: Server, playbook: str, wanted: list[dict[str, Any]], folder: Path) -> tuple[float, int]:
    """Seconds of a whole ansible-playbook, and how many tasks of its recap changed something."""
    known = {
        "bench_server": {name: server.where[name] for name in ("host", "port", "user", "password", "ca_file")},
        "bench_services": wanted, "bench_provider": PROVIDER, "ansible_python_interpreter": sys.executable,
    }  # fmt: skip
    file = folder / "known.json"
    file.touch(mode=0o600)
    # As text that Ansible does not take for a template.
    file.write_text(json.dumps(known))
    began = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", f"tests/bench/{playbook}", "-i", "localhost,", "-c", "local", "-e", f"@{file}"],
        cwd=PROJECT, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    taken = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(f"bench: {playbook} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    recap = next(line for line in done.stdout.splitlines() if line.startswith("localhost") and "changed=" in line)
    return taken, int(recap.partition("changed=")[2].split()[0])


def statements(server: Server, wanted: list[dict[str, Any]]) -> tuple[int, int]:
    """What the server counts of a run with nothing to do: the administrator's statements, and everybody's."""

    def count() -> tuple[int, int]:
        rows = server.sql(
            "SELECT USER, SUM(COUNT_STAR) FROM performance_schema.events_statements_summary_by_user_by_event_name GROUP BY USER"
        )
        by_user = {str(user): int(number) for user, number in rows}
        return by_user["admin"], sum(number for user, number in by_user.items() if user != PROVIDER)

    before = count()
    if server.ensure(wanted)["changed"]:
        raise SystemExit("bench: not a no-op")
    after = count()
    return after[0] - before[0], after[1] - before[1]


def rows() -> list[str]:
    told = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with started("mysql", container_name("bench"), folder) as server:
            ours, loop = services("ours", SERVICES), services("loop", MEASURED)
            # What Ansible takes to begin is no part of what grows.
            start, _ = play(server, "database_loop.yml", [], folder)
            for what, changes, reach in (("from nothing", True, 30), ("as a no-op", False, 100)):
                mine, mine_changed = play(server, "database_services.yml", ours, folder)
                few, few_changed = play(server, "database_loop.yml", loop, folder)
                if (bool(mine_changed), bool(few_changed)) != (changes, changes):
                    raise SystemExit(f"bench: {what}: changed {mine_changed} and {few_changed}")
                work = (few - start) * SERVICES / MEASURED
                told.append(
                    f"{SERVICES} databases, users and grants {what}: {mine:.1f} s (whole ansible-playbook, {start:.1f} s of it its start), a loop over "
                    f"mysql_db and mysql_user {start + work:.0f} s (measured on {MEASURED}, extrapolated): {(start + work) / mine:.0f} times faster, "
                    f"{work / (mine - start):.0f} without either's start (to reach: {reach})"
                )
            few_counted, all_counted = statements(server, ours[:MEASURED]), statements(server, ours)
            told.append(
                f"statements of a no-op, by the server's count: {few_counted[0]} for {MEASURED} services and {all_counted[0]} for {SERVICES} on the "
                f"administrator's connection; {few_counted[1]} and {all_counted[1]} with the logins that are tried, one a service"
            )
    return told


if __name__ == "__main__":
    print("\n".join(rows()))
