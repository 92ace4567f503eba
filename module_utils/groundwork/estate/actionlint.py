"""The linter of GitHub workflows, built from its Go module at the version and hashes of scripts/ci/actionlint.

python -m groundwork.estate.actionlint [WORKFLOW ...]    build it where it is not there, and check the workflows
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..observability import alloysyntax
from .paths import PROJECT, cache_dir

SOURCE = Path("scripts/ci/actionlint")
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


class ActionlintError(RuntimeError):
    """The linter could not be built; says nothing about the workflows."""


def path(project: Path, cache: Path) -> Path:
    """Where the linter of these pins is: other pins are another file."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((project / SOURCE / name).read_bytes())
    return cache / "bin" / f"actionlint-{digest.hexdigest()[:12]}"


def build(say: Callable[[str], None], project: Path = PROJECT, cache: Path | None = None) -> bool:
    """Build the linter when it is not there. Returns whether it was built."""
    cache = cache or cache_dir()
    binary = path(project, cache)
    if binary.exists():
        return False
    go = alloysyntax.find_go(project, cache) or alloysyntax.install_go(cache, say)
    binary.parent.mkdir(parents=True, exist_ok=True)
    staged = binary.with_name(f".{binary.name}.{os.getpid()}")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    command = [str(go), "build", "-trimpath", "-buildvcs=false", "-o", str(staged), PACKAGE]
    done = subprocess.run(command, cwd=project / SOURCE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        staged.unlink(missing_ok=True)
        raise ActionlintError(
            f"actionlint does not build ({' '.join(command)} in {SOURCE}):\n{done.stderr.strip()}\n"
            "Is the Go module proxy reachable?"
        )
    staged.rename(binary)
    for old in binary.parent.glob("actionlint-*"):
        if old != binary:
            old.unlink()
    return True


def version(project: Path = PROJECT) -> str:
    found = re.search(r"rhysd/actionlint (v\S+)", (project / SOURCE / "go.mod").read_text(encoding="utf-8"))
    if found is None:
        raise ActionlintError(f"{SOURCE}/go.mod names no version of actionlint")
    return found[1]


def main(workflows: Sequence[str]) -> int:
    try:
        made = build(lambda text: print(f"set-up: {text}", flush=True))
    except (RuntimeError, OSError) as error:
        print(f"actionlint: {error}", file=sys.stderr)
        return 2
    if not workflows:
        print(f"set-up: linter of GitHub workflows: {'done' if made else 'there'}")
        return 0
    # Scripts in workflows are one make target each; shellcheck and pyflakes have nothing to find there.
    command = [str(path(PROJECT, cache_dir())), "-no-color", "-shellcheck=", "-pyflakes=", *workflows]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
