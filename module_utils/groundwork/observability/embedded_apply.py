"""Bring the configuration of the embedded Prometheus and proxy to the wanted state: check → write → reload → ask.

A program's configuration is checked inside its own container by the program itself before a file changes; when the
program refuses it at reload all the same, the old file is put back and the run fails.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .web import request

READY_SECONDS = 30


class ApplyError(RuntimeError):
    """A configuration was refused, or its program does not answer; the message carries the program's own words."""


@dataclass(frozen=True)
class Beside:
    """Files that a configuration names. `kind` is what the names of all such folders begin with."""

    kind: str
    name: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Program:
    """One program of the embedded stack.

    `url` answers control requests from this machine; `path` is the file that the container sees in its read-only
    folder; `run` runs a command in the container with standard input and returns (exit status, output).
    `beside` is a folder next to the file with the files that the content names. Its name says what is in it, so it can be
    written before the check; folders that the file in place does not name are taken away.
    """

    name: str
    path: Path
    content: str
    check: tuple[str, ...]
    reload: tuple[str, ...] | str
    ready: str
    run: Callable[[tuple[str, ...], str | None], tuple[int, str]]
    beside: Beside | None = None


@dataclass
class Outcome:
    changed: list[str] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def apply(programs: list[Program], check_mode: bool) -> Outcome:
    """Configure every program whose file, or whose last successful reload, is not what is wanted."""
    outcome = Outcome()
    stale = []
    before: dict[str, str] = {}
    for program in programs:
        have = program.path.read_text(encoding="utf-8") if program.path.exists() else ""
        if have == program.content and _loaded(program) == _digest(program.content) and _whole(program):
            continue
        stale.append(program)
        outcome.changed.append(program.name)
        outcome.before[program.name] = have + _text_beside(program)
        outcome.after[program.name] = program.content + _text(program.beside.files if program.beside else {})
        before[program.name] = have
    if check_mode:
        return outcome
    # All checks before the first write, so that one bad file leaves everything as it was.
    for program in stale:
        _write_beside(program)
        status, output = program.run(program.check, program.content)
        if status:
            for one in stale:
                _tidy(one)
            raise ApplyError(f"{program.name} refuses its configuration, nothing was changed:\n{output.strip()}")
    for program in stale:
        _swap(program, before[program.name])
        _tidy(program)
    return outcome


def _folders(program: Program) -> list[Path]:
    """The folders of this kind that are there."""
    if program.beside is None:
        return []
    return sorted(path for path in program.path.parent.glob(f"{program.beside.kind}*") if path.is_dir())


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if path.is_file()}


def _text(files: Mapping[str, str]) -> str:
    return "".join(f"\n# {name}\n{text}" for name, text in sorted(files.items()))


def _text_beside(program: Program) -> str:
    return _text({name: text for folder in _folders(program) for name, text in _texts(folder).items()})


def _whole(program: Program) -> bool:
    """Whether the folder beside is as it was written."""
    if program.beside is None:
        return True
    folder = program.path.parent / program.beside.name
    return folder.is_dir() and _texts(folder) == dict(program.beside.files)


def _write_beside(program: Program) -> None:
    if program.beside is None or _whole(program):
        return
    folder = program.path.parent / program.beside.name
    staged = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(staged, ignore_errors=True)
    for name, text in program.beside.files.items():
        _write(staged / name, text)
    staged.chmod(0o755)
    if folder.exists():
        shutil.rmtree(folder)
    staged.rename(folder)


def _tidy(program: Program) -> None:
    """Take away the folders that the file in place does not name: superseded ones, or one that was refused."""
    named = program.path.read_text(encoding="utf-8") if program.path.exists() else ""
    for folder in _folders(program):
        if folder.name not in named:
            shutil.rmtree(folder)


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
