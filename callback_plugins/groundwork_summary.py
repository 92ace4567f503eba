"""Ends a run with a table: what is there, what changed, seconds per phase."""

from __future__ import annotations

DOCUMENTATION = r"""
name: groundwork_summary
type: aggregate
short_description: Table of endpoints, checks, changes and seconds per phase at the end of a run
description:
  - A phase is a play. Rows of what is there come from C(set_stats) under C(groundwork_summary), a dict of a title to rows.
options:
  timings:
    description: File to which seconds per phase and changes are written as JSON.
    type: path
    env: [{name: GROUNDWORK_TIMINGS}]
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Collects play times and changed tasks; prints them once, at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "groundwork_summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._phases: list[tuple[str, float]] = []
        self._changed: dict[str, list[str]] = {}
        self._start = time.monotonic()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._phases.append((play.get_name(), time.monotonic()))

    def v2_runner_on_ok(self, result: Any) -> None:
        if result._result.get("changed"):
            hosts = self._changed.setdefault(result._task.get_name().strip(), [])
            if result._host.get_name() not in hosts:
                hosts.append(result._host.get_name())

    def _seconds(self) -> dict[str, float]:
        ends = [start for _, start in self._phases[1:]] + [time.monotonic()]
        seconds: dict[str, float] = {}
        for (name, start), end in zip(self._phases, ends, strict=True):
            seconds[name] = round(seconds.get(name, 0) + end - start, 1)
        return seconds

    def _table(self, title: str, rows: list[list[str]]) -> None:
        self._display.display(f"\n{title}")
        widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows)))]
        for row in rows:
            self._display.display(
                "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
            )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        seconds = self._seconds()
        summary = stats.custom.get("_run", {}).get("groundwork_summary", {})
        for title, rows in summary.items():
            if rows:
                self._table(title, [[str(cell) for cell in row] for row in rows])
        if self._changed:
            self._table(
                "changed" if not self._is_check() else "would change",
                [[name, ", ".join(hosts)] for name, hosts in self._changed.items()],
            )
        rows = [[name, f"{value:6.1f} s"] for name, value in seconds.items() if value >= 0.05]
        rows.append(["total", f"{time.monotonic() - self._start:6.1f} s"])
        self._table("seconds per phase", rows)
        target = self.get_option("timings")
        if target:
            totals = {host: stats.summarize(host) for host in stats.processed}
            Path(target).write_text(
                json.dumps({"phases": seconds, "changed": self._changed, "hosts": totals}, indent=1)
            )

    @staticmethod
    def _is_check() -> bool:
        from ansible import context

        return bool(context.CLIARGS.get("check"))
