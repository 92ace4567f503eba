"""Alloy's unit on a host: written, enabled, and started anew only when the process runs with something older.

What a process was started with is told by a digest in its environment: of the unit, the environment file and the program.
So a run that was killed between writing and restarting is made good by the next one. What alloyfolder has kept until
Alloy was healthy with another environment is put back, with the unit of before, when Alloy does not get it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..files import write_atomically
from . import alloyfolder
from .web import request

#: Name of the variable that carries the digest.
MARK = "GROUNDWORK_START"
#: Of what Alloy says when it does not get healthy.
LAST_LINES = 30
_SECTION = "[Service]\n"


class ServiceError(RuntimeError):
    """Alloy cannot be run, or does not get healthy; says what it says itself."""


@dataclass(frozen=True)
class Service:
    """What must run. `unit` is the unit's text without the digest."""

    unit: str
    binary: Path
    environment_file: Path
    config_directory: Path
    url: str
    name: str = "alloy.service"
    folder: Path = Path("/etc/systemd/system")
    wait: float = 60.0

    @property
    def path(self) -> Path:
        return self.folder / self.name


@dataclass
class Outcome:
    """`actions`, in their order: unit (written), enable, start or restart."""

    actions: list[str] = field(default_factory=list)
    before: str = ""
    after: str = ""


def digest(service: Service) -> str:
    """Of what a process is started with. The program is known by its size and time: it has hundreds of megabytes."""
    total = hashlib.sha256(service.unit.encode())
    for path in (service.environment_file, service.binary):
        total.update(b"\0" + str(path).encode() + b"\0")
        try:
            status = path.stat()
            total.update(
                path.read_bytes()
                if path == service.environment_file
                else f"{status.st_size} {status.st_mtime_ns}".encode()
            )
        except FileNotFoundError:
            # In check mode of a first run neither is there yet.
            total.update(b"none")
    return total.hexdigest()[:16]


def marked(unit: str, mark: str) -> str:
    """The unit's text with the digest."""
    if unit.count(_SECTION) != 1:
        raise ServiceError("the unit has no section [Service], or two")
    return unit.replace(_SECTION, f"{_SECTION}Environment={MARK}={mark}\n")


def apply(service: Service, *, pending: bool, check_mode: bool) -> Outcome:
    """`pending`: in check mode, an earlier task would have changed the program or the environment."""
    mark = digest(service)
    wanted = marked(service.unit, mark)
    have = _read(service.path)
    kept = alloyfolder.kept(service.config_directory)
    outcome = Outcome(before=have, after=wanted)
    state = _state(service.name)
    running = _process_mark(int(state.get("MainPID") or 0))
    if have != wanted:
        outcome.actions.append("unit")
    if state.get("UnitFileState") != "enabled":
        outcome.actions.append("enable")
    if state.get("ActiveState") not in {"active", "reloading"}:
        outcome.actions.append("start")
    elif running != mark or kept.is_dir() or (check_mode and pending):
        outcome.actions.append("restart")
    if check_mode:
        return outcome
    if not service.binary.is_file():
        raise ServiceError(f"{service.binary} is not there: the install tasks of the role bring it (alloy_source)")
    if "unit" in outcome.actions:
        if kept.is_dir() and have and not (kept / service.name).exists():
            _write(kept / service.name, have)
        _write(service.path, wanted)
        _systemctl("daemon-reload")
    if "enable" in outcome.actions:
        _systemctl("enable", "--quiet", service.name)
    verb = outcome.actions[-1] if outcome.actions else ""
    if verb in {"start", "restart"}:
        try:
            _start(service, verb)
        except ServiceError as error:
            if kept.is_dir():
                raise ServiceError(f"{_back(service)}. {error}") from error
            raise
        if kept.is_dir():
            shutil.rmtree(kept)
    else:
        _until_healthy(service, time.time() - service.wait, "runs")
    return outcome


def _start(service: Service, verb: str) -> None:
    began = time.time()
    # A unit that gave up is not started again before this.
    _systemctl("reset-failed", service.name, refused_ok=True)
    _systemctl(verb, service.name)
    _until_healthy(service, began, "was started")


def _back(service: Service) -> str:
    """Environment, folder and unit of before, and Alloy with them; says whether it is healthy then."""
    kept = alloyfolder.kept(service.config_directory)
    alloyfolder.put_back(service.config_directory, service.environment_file)
    # With the digest that belongs to it, so that the next run tells what differs.
    _write(service.path, _read(kept / service.name) or marked(service.unit, digest(service)))
    try:
        _systemctl("daemon-reload")
        _start(service, "restart")
        how = "Alloy runs with them"
    except ServiceError as error:
        how = f"Alloy does not get healthy with them either ({error})"
    shutil.rmtree(kept)
    return f"Alloy refuses the new environment or configuration; the old ones are back and {how}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    write_atomically(path, text.encode(), os.getuid(), os.getgid(), 0o644)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(list(command), capture_output=True, text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"{' '.join(command)}: {error}") from error


def _systemctl(*arguments: str, refused_ok: bool = False) -> str:
    done = _run(["systemctl", *arguments])
    if done.returncode and not refused_ok:
        raise ServiceError(f"systemctl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _state(name: str) -> dict[str, str]:
    shown = _systemctl("show", "-p", "ActiveState,UnitFileState,MainPID", name)
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def _process_mark(pid: int) -> str:
    if not pid:
        return ""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    prefix = f"{MARK}=".encode()
    return next((one[len(prefix) :].decode(errors="replace") for one in entries if one.startswith(prefix)), "")


def _until_healthy(service: Service, began: float, how: str) -> None:
    """`began`: seconds since the epoch, from when on the journal may hold the reason."""
    deadline = time.monotonic() + service.wait
    status, text = 0, ""
    while time.monotonic() < deadline:
        # Before the first load there is no component that could be unhealthy: only a ready Alloy is asked.
        for question in ("ready", "healthy"):
            status, text = request(f"{service.url}/-/{question}", timeout=5)
            if status != 200:
                break
        else:
            return
        if _state(service.name).get("ActiveState") == "failed":
            break
        time.sleep(0.5)
    # Alloy's reason stands among many lines that say what goes well. With --since, journalctl's -n would count from the start.
    lines = _run(["journalctl", "-u", service.name, "--since", f"@{int(began)}", "-o", "cat", "--no-pager"])
    told = [
        line for line in lines.stdout.strip().splitlines() if "level=info" not in line and "level=debug" not in line
    ]
    said = "\n".join(told[-LAST_LINES:]) or "(nothing in the journal)"
    answer = f"it answers {status}: {text.strip()}" if status else "it does not answer"
    raise ServiceError(f"Alloy {how} and is not healthy after {service.wait:.0f} s, {answer}. Its last lines:\n{said}")
