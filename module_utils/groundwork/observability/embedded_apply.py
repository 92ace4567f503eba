"""Bring the configuration of the embedded Prometheus and proxy to the wanted state: check → write → reload → ask.

A program's configuration is checked inside its own container by the program itself before a file changes; when the
program refuses it at reload all the same, the old file is put back and the run fails.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .web import request

READY_SECONDS = 30


class ApplyError(RuntimeError):
    """A configuration was refused, or its program does not answer; the message carries the program's own words."""


@dataclass(frozen=True)
class Program:
    """One program of the embedded stack.

    `url` answers control requests from this machine; `path` is the file that the container sees in its read-only
    folder; `run` runs a command in the container with standard input and returns (exit status, output).
    """

    name: str
    path: Path
    content: str
    check: tuple[str, ...]
    reload: tuple[str, ...] | str
    ready: str
    run: Callable[[tuple[str, ...], str | None], tuple[int, str]]


@dataclass
class Outcome:
    changed: list[str] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def apply(programs: list[Program], check_mode: bool) -> Outcome:
    """Configure every program whose file, or whose last successful reload, is not what is wanted."""
    outcome = Outcome()
    stale = []
    for program in programs:
        have = program.path.read_text(encoding="utf-8") if program.path.exists() else ""
        if have == program.content and _loaded(program) == _digest(program.content):
            continue
        stale.append(program)
        outcome.changed.append(program.name)
        outcome.before[program.name], outcome.after[program.name] = have, program.content
    if check_mode:
        return outcome
    # All checks before the first write, so that one bad file leaves everything as it was.
    for program in stale:
        status, output = program.run(program.check, program.content)
        if status:
            raise ApplyError(f"{program.name} refuses its configuration, nothing was changed:\n{output.strip()}")
    for program in stale:
        _swap(program, outcome.before[program.name])
    return outcome


def _swap(program: Program, before: str) -> None:
    _write(program.path, program.content)
    try:
        _wait_ready(program)
        _reload(program)
        _wait_ready(program)
    except ApplyError:
        if before:
            _write(program.path, before)
            _reload(program)
        raise
    _write(_marker(program), _digest(program.content))


def _reload(program: Program) -> None:
    if isinstance(program.reload, str):
        status, text = request(program.reload, method="POST")
        if status != 200:
            raise ApplyError(f"{program.name} refused its configuration at reload; the old one is kept: {text.strip()}")
        return
    status_code, output = program.run(program.reload, None)
    if status_code:
        raise ApplyError(f"{program.name} refused its configuration at reload; the old one is kept: {output.strip()}")


def _wait_ready(program: Program) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        status, text = request(program.ready)
        if status == 200:
            return
        if time.monotonic() > until:
            answer = f"{program.ready}: {status or 'no answer'} {text.strip()}"
            raise ApplyError(f"{program.name} is not ready after {READY_SECONDS} s ({answer})")
        time.sleep(0.3)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(content, encoding="utf-8")
    staged.chmod(0o644)
    staged.replace(path)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _marker(program: Program) -> Path:
    return program.path.with_name(f".{program.path.name}.loaded")


def _loaded(program: Program) -> str:
    marker = _marker(program)
    return marker.read_text() if marker.exists() else ""
