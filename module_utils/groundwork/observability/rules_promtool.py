"""promtool, Prometheus' own checker: found on PATH or in the project's cache, brought from Debian's package if neither has it.

Only the one file is taken from the package: installing it would start a Prometheus on the control machine.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "prometheus"
_INSIDE = "usr/bin/promtool"


class PromtoolError(RuntimeError):
    """promtool cannot be had, or did not answer; says nothing about the rules."""


@dataclass(frozen=True)
class Answer:
    ok: bool
    text: str


def cached(cache: Path) -> Path:
    return cache / "bin" / "promtool"


def find(cache: Path | None = None) -> Path | None:
    """promtool on PATH, else the one that `install` brought."""
    if found := shutil.which("promtool"):
        return Path(found)
    if cache is not None and os.access(cached(cache), os.X_OK):
        return cached(cache)
    return None


def install(say: Callable[[str], None], cache: Path | None = None) -> bool:
    """Bring promtool into the cache when it is nowhere. Returns whether it did."""
    if cache is None:
        from ..estate.paths import cache_dir

        cache = cache_dir()
    if find(cache):
        return False
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise PromtoolError(f"no promtool on PATH, and no {program} to take it from Debian's package {PACKAGE}")
    say("promtool from Debian's package prometheus")
    target = cached(cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        # As root apt-get loads as another user, who cannot write here: it says so and loads as root then.
        _run(["apt-get", "download", PACKAGE], Path(folder))
        package = next(Path(folder).glob(f"{PACKAGE}_*.deb"))
        archive = _run(["dpkg-deb", "--fsys-tarfile", package.name], Path(folder))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            inside = next((name for name in tar.getnames() if name.endswith(_INSIDE)), "")
            member = tar.extractfile(inside) if inside else None
            if member is None:
                raise PromtoolError(f"Debian's package {PACKAGE} has no {_INSIDE}")
            staged = Path(folder) / "promtool"
            staged.write_bytes(member.read())
            staged.chmod(0o755)
            staged.replace(target)
    return True


def _run(command: list[str], folder: Path) -> bytes:
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise PromtoolError(f"{' '.join(command)}: {words or done.returncode}. Is a Debian mirror reachable?")
    return done.stdout


def run(program: Path, arguments: list[str], timeout: float = 300) -> Answer:
    """What promtool says; raises PromtoolError when it does not run."""
    try:
        done = subprocess.run(
            [str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PromtoolError(f"{program} {' '.join(arguments[:2])}: {error}") from error
    return Answer(done.returncode == 0, done.stdout)


def check(program: Path, text: str) -> list[str]:
    """What promtool refuses in the text of a rule file; a lint that it only remarks on counts too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yml"
        path.write_text(text, encoding="utf-8")
        answer = run(program, ["check", "rules", "--lint-fatal", str(path)])
        if answer.ok:
            return []
        lines = [line.strip().replace(f"{path}: ", "") for line in answer.text.splitlines()]
        return [line for line in lines if line and not line.startswith(("Checking ", "FAILED"))]
