"""Alloy's unit on a host. `systemctl` and `journalctl` are small programs of this test, since nothing starts units here; the process
whose environment is read, and what answers for Alloy, are real."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from groundwork.observability import alloyservice
from groundwork.observability.alloyservice import MARK, Service, ServiceError

UNIT = "[Unit]\nDescription=Alloy\n\n[Service]\nExecStart=/usr/bin/alloy run\n\n[Install]\nWantedBy=multi-user.target\n"
SYSTEMCTL = """#!/bin/sh
echo "$@" >> {folder}/calls
case $1 in
show) cat {folder}/state ;;
start | restart) cp {folder}/after {folder}/state ;;
esac
"""


class Alloy(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(type(self).status)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"sick")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@dataclass
class Host:
    folder: Path
    service: Service

    def state(self, active: str, enabled: str, pid: int, name: str = "state") -> None:
        (self.folder / name).write_text(f"ActiveState={active}\nUnitFileState={enabled}\nMainPID={pid}\n")

    def calls(self) -> list[str]:
        calls = (self.folder / "calls").read_text().splitlines()
        return [line for line in calls if not line.startswith("show ")]

    def apply(self, *, pending: bool = False, check_mode: bool = False) -> list[str]:
        (self.folder / "calls").write_text("")
        return alloyservice.apply(self.service, pending=pending, check_mode=check_mode).actions


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", "#!/bin/sh\necho 'Error: no such file'\n")):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "alloy").write_text("a program")
    (tmp_path / "environment").write_text('TENANT="local"\n')
    Alloy.status = 200
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alloy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service = Service(
        unit=UNIT, binary=tmp_path / "alloy", environment_file=tmp_path / "environment", folder=tmp_path,
        url=f"http://127.0.0.1:{server.server_port}", wait=1.0,
    )  # fmt: skip
    one = Host(tmp_path, service)
    one.state("inactive", "disabled", 0)
    one.state("active", "enabled", 0, "after")
    yield one
    server.shutdown()
    server.server_close()


@pytest.fixture
def running(host: Host) -> Iterator[Host]:
    """A process that was started with what is there."""
    mark = alloyservice.digest(host.service)
    host.service.path.write_text(alloyservice.marked(UNIT, mark))
    process = subprocess.Popen(["sleep", "600"], env={MARK: mark, "PATH": os.environ["PATH"]})
    host.state("active", "enabled", process.pid)
    yield host
    process.kill()
    process.wait()


def test_the_first_run_is_predicted_and_done(host: Host) -> None:
    assert host.apply(check_mode=True) == ["unit", "enable", "start"]
    assert host.calls() == [] and not host.service.path.exists()
    assert host.apply() == ["unit", "enable", "start"]
    assert host.calls() == [
        "daemon-reload", "enable --quiet alloy.service", "reset-failed alloy.service", "start alloy.service",
    ]  # fmt: skip
    assert f"[Service]\nEnvironment={MARK}={alloyservice.digest(host.service)}\n" in host.service.path.read_text()
    assert host.service.path.stat().st_mode & 0o777 == 0o644


def test_what_runs_as_it_should_is_left(running: Host) -> None:
    assert running.apply() == []
    assert running.calls() == []


@pytest.mark.parametrize("what", ["unit", "environment", "program"])
def test_another_unit_environment_or_program_restarts_it(running: Host, what: str) -> None:
    if what == "unit":
        running.service = replace(running.service, unit=UNIT.replace("alloy run", "alloy run --more"))
    elif what == "environment":
        running.service.environment_file.write_text('TENANT="other"\n')
    else:
        running.service.binary.write_text("another program")
    assert running.apply(check_mode=True) == ["unit", "restart"]
    assert running.apply() == ["unit", "restart"]
    assert running.calls()[-1] == "restart alloy.service"


def test_a_run_that_was_killed_before_the_restart_is_made_good(running: Host) -> None:
    running.service.environment_file.write_text('TENANT="other"\n')
    running.service.path.write_text(alloyservice.marked(UNIT, alloyservice.digest(running.service)))
    assert running.apply() == ["restart"]


def test_check_mode_knows_what_earlier_tasks_would_change(running: Host) -> None:
    assert running.apply(pending=True, check_mode=True) == ["restart"]
    # In a run they have changed it: the digest says so, or it is the same.
    assert running.apply(pending=True) == []


def test_alloy_that_gets_not_healthy_fails_with_its_own_words(host: Host) -> None:
    Alloy.status = 500
    with pytest.raises(ServiceError, match=r"it answers 500: sick\. Its last lines:\nError: no such file"):
        host.apply()
    host.service = replace(host.service, url="http://127.0.0.1:9")
    host.state("failed", "enabled", 0, "after")
    with pytest.raises(ServiceError, match="it does not answer"):
        host.apply()


def test_no_program_is_said_before_anything_is_written(host: Host) -> None:
    host.service.binary.unlink()
    with pytest.raises(ServiceError, match="alloy_source"):
        host.apply()
    assert not host.service.path.exists()
