"""Client programs of the servers in a pipe with zstd. A password reaches a program by a file that has no name on any disk."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self, cast

from .model import DatabaseError

CHUNK = 1 << 20
#: Stands in arguments and environment for the path of the private file.
PRIVATE = "{private}"
#: Lines of a program's last words that an error repeats.
WORDS = 3
_VERSION = re.compile(r"(\d+)\.(\d+)")


class Sink(Protocol):
    """Takes bytes in pieces."""

    def feed(self, data: bytes) -> None: ...


@dataclass(frozen=True)
class Command:
    """A program with its arguments; `private` is the text of the file that they call `{private}`."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    private: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return Path(self.arguments[0]).name


def find(name: str, folders: Iterable[str] = ()) -> str | None:
    """The path of a program: in these folders, then on PATH."""
    for folder in folders:
        path = Path(folder) / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return shutil.which(name)


def version(program: str) -> tuple[str, tuple[int, ...]]:
    """What a program says about its version, and the first number in it that has a point."""
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=30, env=_environment(), check=False
    )
    text = " ".join((done.stdout or done.stderr).split())
    found = _VERSION.search(text)
    return text, tuple(map(int, found.groups())) if found else ()


def _environment() -> dict[str, str]:
    """Nothing of this process's own: that may name other servers, or hold credentials of AWS."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": "/nonexistent"}


@contextmanager
def _private(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A file in memory that only this process and who inherits it can read: its path and descriptors."""
    if not text:
        yield "", ()
        return
    descriptor = os.memfd_create("groundwork")
    try:
        # Both servers' clients refuse a file that others could read or write.
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def zstd(*arguments: str) -> Command:
    program = find("zstd")
    if program is None:
        raise DatabaseError("the program zstd is missing on this host. Remedy: run role database_client on it.")
    return Command((program, "-q", "-c", *arguments))


class _Running:
    """A program that runs, and its last words."""

    def __init__(self, command: Command, stdin: int | IO[bytes], stdout: int | IO[bytes]) -> None:
        self.name = command.name
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        with _private(command.private) as (path, descriptors):
            environment = _environment() | {
                key: value.replace(PRIVATE, path) for key, value in command.environment.items()
            }
            self.process = subprocess.Popen(
                [argument.replace(PRIVATE, path) for argument in command.arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=self._words,
                env=environment,
                pass_fds=descriptors,
            )

    def failure(self) -> str:
        """Why it failed; empty when it did not."""
        code = self.process.wait()
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        if code == 0:
            return ""
        words = " / ".join(" ".join(line.split())[:300] for line in lines[-WORDS:])
        return f"{self.name} ended with {code}: {words or 'it said nothing'}"

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._words.close()


class _Pump(threading.Thread):
    """Copies from one pipe to the next, through `sink` on the way or `change`d."""

    def __init__(
        self, source: IO[bytes], target: IO[bytes] | None, sink: Sink | None, change: Callable[[bytes], bytes] | None
    ) -> None:
        super().__init__(daemon=True)
        self._source, self._target, self._sink, self._change = source, target, sink, change
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            pieces = iter(self._source.readline, b"") if self._change else iter(self._read, b"")
            for piece in pieces:
                data = self._change(piece) if self._change else piece
                if self._sink:
                    self._sink.feed(data)
                if self._target:
                    self._target.write(data)
        except BrokenPipeError:
            pass  # Its reader ended, and says why.
        except Exception as error:
            self.error = error
        finally:
            # The program before is ended by its closed pipe, the one after sees the end.
            self._source.close()
            if self._target:
                with suppress(BrokenPipeError):
                    self._target.close()

    def _read(self) -> bytes:
        return cast("io.BufferedReader", self._source).read1(CHUNK)


class _Pipe:
    """What a reader and a writer share: programs, the pump between them, and how they fail."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._programs: list[_Running] = []
        self._pump: _Pump | None = None
        self._hash = hashlib.sha256()
        #: Compressed bytes so far.
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def _start(self, command: Command, stdin: int | IO[bytes], stdout: int | IO[bytes]) -> subprocess.Popen[bytes]:
        running = _Running(command, stdin, stdout)
        self._programs.append(running)
        return running.process

    def _count(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)

    def _finish(self) -> None:
        """Raises what went wrong anywhere; the server's program knows best, so it comes first."""
        if self._pump:
            self._pump.join()
        failures = [text for text in (running.failure() for running in self._programs) if text]
        if self._pump and self._pump.error:
            raise self._pump.error
        if failures:
            raise DatabaseError(f"{self._doing}: {failures[0]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self._programs:
            running.end()
        if self._pump:
            self._pump.join()


class Reader(_Pipe):
    """What a program writes, compressed. Its end is an error when a program failed, so that nobody takes half for whole."""

    def __init__(self, doing: str, command: Command, sink: Sink | None = None) -> None:
        super().__init__(doing)
        self._command, self._sink = command, sink
        self._out: IO[bytes]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.push(self)
            source = self._start(self._command, subprocess.DEVNULL, subprocess.PIPE)
            packer = self._start(zstd("-3", "-T0"), subprocess.PIPE, subprocess.PIPE)
            assert source.stdout and packer.stdin and packer.stdout  # noqa: S101 (they are pipes)
            self._out = packer.stdout
            self._pump = _Pump(source.stdout, packer.stdin, self._sink, None)
            self._pump.start()
            stack.pop_all()
        return self

    @property
    def over(self) -> bool:
        """Whether the program has ended, though what it wrote may not be read yet."""
        return self._programs[0].process.poll() is not None

    def read(self, size: int = -1) -> bytes:
        """As of a file; an S3 upload reads it."""
        data = self._out.read(size if size >= 0 else -1)
        self._count(data)
        if not data and size != 0:
            self._finish()
        return data


class Writer(_Pipe):
    """Takes compressed bytes and hands them to a program, line by line `change`d on the way."""

    def __init__(self, doing: str, command: Command, change: Callable[[bytes], bytes] | None = None) -> None:
        super().__init__(doing)
        self._command, self._change = command, change
        self._in: IO[bytes]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.push(self)
            target = self._start(self._command, subprocess.PIPE, subprocess.DEVNULL)
            unpacker = self._start(zstd("-d"), subprocess.PIPE, subprocess.PIPE)
            assert target.stdin and unpacker.stdin and unpacker.stdout  # noqa: S101 (they are pipes)
            self._in = unpacker.stdin
            self._pump = _Pump(unpacker.stdout, target.stdin, None, self._change)
            self._pump.start()
            stack.pop_all()
        return self

    def write(self, data: bytes) -> None:
        self._count(data)
        try:
            self._in.write(data)
        except BrokenPipeError:
            self._finish()
            raise

    def finish(self) -> None:
        """All is written: the program's verdict."""
        with suppress(BrokenPipeError):
            self._in.close()
        self._finish()


class _Look(_Pipe):
    """A program whose output is looked at and kept nowhere."""

    def look(self, command: Command, sink: Sink) -> None:
        source = self._start(command, subprocess.DEVNULL, subprocess.PIPE)
        assert source.stdout  # noqa: S101 (it is a pipe)
        self._pump = _Pump(source.stdout, None, sink, None)
        self._pump.start()
        self._finish()


def look(doing: str, command: Command, sink: Sink) -> None:
    """Runs a program to its end, its output into `sink`."""
    with _Look(doing) as pipe:
        pipe.look(command, sink)


def option_file(values: Mapping[str, Any]) -> str:
    """MySQL's option file of a client."""
    lines = ["[client]"]
    for key, value in values.items():
        text = str(value)
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise DatabaseError(f"{key} has a control character")
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{key}="{escaped}"')
    return "\n".join(lines) + "\n"


def password_file(password: str) -> str:
    """PostgreSQL's password file, for any server that a program is told to go to."""
    if any(character in password for character in "\n\r\0"):
        raise DatabaseError("the password has a control character")
    return "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:") + "\n"
