"""Alloy's unit on a host. `systemctl` and `journalctl` are small programs of this test, since nothing starts units here; the process
whose environment is read, and what answers for Alloy, are real."""

from __future__ import annotations

import grp
import http.server
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from groundwork.observability import alloyfolder, alloyservice
from groundwork.observability.alloyfolder import Folder
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
    """Not healthy with an environment that says `sick`."""

    status = 200
    loaded = True
    environment: Path

    def do_GET(self) -> None:
        if self.path == "/-/ready":
            self.send_response(200 if self.loaded else 503)
        else:
            self.send_response(500 if "sick" in self.environment.read_text() else type(self).status)
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


#: The reason, and after it more of what goes well than is shown.
JOURNALCTL = "#!/bin/sh\necho 'Error: no such file'\nfor i in $(seq 99); do echo level=info msg=fine; done\n"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "alloy").write_text("a program")
    (tmp_path / "environment").write_text('TENANT="local"\n')
    Alloy.status, Alloy.loaded, Alloy.environment = 200, True, tmp_path / "environment"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alloy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service = Service(
        unit=UNIT, binary=tmp_path / "alloy", environment_file=tmp_path / "environment", folder=tmp_path,
        config_directory=tmp_path / "conf.d", url=f"http://127.0.0.1:{server.server_port}", wait=1.0,
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


def test_what_runs_and_is_sick_is_no_success(running: Host) -> None:
    Alloy.status = 500
    with pytest.raises(ServiceError, match=r"Alloy runs and is not healthy .* it answers 500: sick\."):
        running.apply()
    assert running.apply(check_mode=True) == [] and running.calls() == []


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


def test_alloy_that_has_loaded_nothing_yet_is_not_healthy(host: Host) -> None:
    """It says that all of its components are, of which there are none."""
    Alloy.loaded = False
    with pytest.raises(ServiceError, match="it answers 503"):
        host.apply()


def test_no_program_is_said_before_anything_is_written(host: Host) -> None:
    host.service.binary.unlink()
    with pytest.raises(ServiceError, match="alloy_source"):
        host.apply()
    assert not host.service.path.exists()


# -- Another environment that Alloy does not get healthy with ------------------------------------------------------


@pytest.fixture
def configured(host: Host) -> Iterator[Host]:
    """A process that was started with a folder and an environment that the role has made."""
    configure(host, {}, "// old\n")
    host.service.environment_file.chmod(0o640)
    mark = alloyservice.digest(host.service)
    host.service.path.write_text(alloyservice.marked(UNIT, mark))
    process = subprocess.Popen(["sleep", "600"], env={MARK: mark, "PATH": os.environ["PATH"]})
    host.state("active", "enabled", process.pid)
    host.state("active", "enabled", process.pid, "after")
    yield host
    process.kill()
    process.wait()


def configure(host: Host, more: dict[str, str], text: str) -> str:
    """What alloy_config does before."""
    service = host.service
    group = grp.getgrgid(os.getegid()).gr_name
    folder = Folder(
        service.config_directory, {"10-write.alloy": text}, service.environment_file, {"TENANT": "local", **more},
        group, url=service.url,
    )  # fmt: skip
    return alloyfolder.apply(folder, check_mode=False).reload


def on_disk(host: Host) -> tuple[str, str, str, int]:
    """Environment, folder and unit, and who reads the environment."""
    service = host.service
    texts = [path.read_text() for path in sorted(service.config_directory.iterdir())]
    mode = stat.S_IMODE(service.environment_file.stat().st_mode)
    return service.environment_file.read_text(), "".join(texts), service.path.read_text(), mode


@pytest.mark.parametrize("text", ["// old\n", "// new\n"])
def test_an_environment_that_makes_alloy_sick_is_taken_back(configured: Host, text: str) -> None:
    before = on_disk(configured)
    assert configure(configured, {"PASSWORD": "sick-and-secret"}, text) == "restart"
    kept = alloyfolder.kept(configured.service.config_directory)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    # Another unit beside it goes back as well.
    configured.service = replace(configured.service, unit=UNIT.replace("alloy run", "alloy run --more"))
    assert configured.apply(pending=True, check_mode=True) == ["unit", "restart"]
    with pytest.raises(ServiceError) as refused:
        configured.apply()
    assert "the old ones are back and Alloy runs with them. Alloy was started" in str(refused.value)
    assert "it answers 500: sick. Its last lines:\nError: no such file" in str(refused.value)
    assert "sick-and-secret" not in str(refused.value)
    assert on_disk(configured) == before and not kept.exists()
    restarted = ["daemon-reload", "reset-failed alloy.service", "restart alloy.service"]
    assert configured.calls() == restarted * 2
    assert (kept.with_name(".conf.d.refused") / "10-write.alloy").read_text() == text
    assert not list(kept.parent.glob(".*.staged-*")) and not list(kept.parent.glob(".environment.*"))
    # Who asks for what was there before has nothing to do; who asks for the same again is refused again.
    configured.service = replace(configured.service, unit=UNIT)
    assert (configure(configured, {}, "// old\n"), configured.apply()) == ("not needed", [])
    assert configure(configured, {"PASSWORD": "sick-and-secret"}, text) == "restart"
    with pytest.raises(ServiceError, match="the old ones are back"):
        configured.apply()
    assert on_disk(configured) == before


def test_nothing_is_kept_once_alloy_is_healthy(configured: Host) -> None:
    assert configure(configured, {"PASSWORD": "right"}, "// new\n") == "restart"
    assert configured.apply() == ["unit", "restart"]
    assert not alloyfolder.kept(configured.service.config_directory).exists()
    assert 'PASSWORD="right"' in on_disk(configured)[0] and on_disk(configured)[1] == "// new\n"
    # A program or a unit that is sick has nothing to go back to.
    Alloy.status = 500
    with pytest.raises(ServiceError, match=r"^Alloy was started and is not healthy"):
        configured.apply()


def test_a_run_that_was_killed_after_the_unit_is_judged_by_the_next_one(
    configured: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(service: Service, verb: str) -> None:
        raise KeyboardInterrupt

    before = on_disk(configured)
    configure(configured, {"PASSWORD": "sick"}, "// new\n")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(alloyservice, "_start", killed)
        configured.apply()
    # The next run brings something else that is sick, and goes back to what was healthy, not to what was never tried.
    assert configure(configured, {"PASSWORD": "also sick"}, "// newer\n") == "restart"
    with pytest.raises(ServiceError, match="the old ones are back and Alloy runs with them"):
        configured.apply()
    assert on_disk(configured) == before


def test_what_was_kept_by_a_killed_run_means_a_restart(configured: Host) -> None:
    """The process may have the new environment already: nobody knows whether it is healthy with it."""
    alloyfolder.kept(configured.service.config_directory).mkdir()
    # A folder is not loaded by the running process then, whose environment nobody knows.
    assert configure(configured, {}, "// new\n") == "restart"
    assert configured.apply(check_mode=True) == ["restart"]
    assert configured.apply() == ["restart"]
    assert not alloyfolder.kept(configured.service.config_directory).exists()


def test_a_killed_way_back_is_gone_again(configured: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = on_disk(configured)
    configure(configured, {"PASSWORD": "sick"}, "// new\n")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(alloyfolder, "_copy", killed)
        configured.apply()
    configure(configured, {"PASSWORD": "sick"}, "// new\n")
    with pytest.raises(ServiceError, match="the old ones are back and Alloy runs with them"):
        configured.apply()
    assert on_disk(configured) == before


def test_it_is_said_when_alloy_is_sick_with_the_old_ones_too(configured: Host) -> None:
    before = on_disk(configured)
    configure(configured, {"PASSWORD": "right"}, "// new\n")
    Alloy.status = 500
    with pytest.raises(ServiceError, match="the old ones are back and Alloy does not get healthy with them either"):
        configured.apply()
    assert on_disk(configured) == before
    assert not alloyfolder.kept(configured.service.config_directory).exists()
