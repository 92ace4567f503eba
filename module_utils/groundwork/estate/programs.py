"""Alloy and Loki from their published Go modules, where no release can be had: pinned, built once, kept in the cache.

python -m groundwork.estate.programs alloy|loki          build it where it is not there
python -m groundwork.estate.programs --pin alloy|loki    write the pins anew from what the module's own go.mod requires

A pin is a module of this project's own: the program's module, and exactly the versions and replacements of its go.mod, which Go takes
no notice of when the module is somebody's dependency.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..observability import alloysyntax
from .paths import PROJECT, cache_dir

SOURCES = Path("roles/embedded_estate/files/programs")
Say = Callable[[str], None]


class ProgramError(RuntimeError):
    """A program could not be built; says what to do."""


@dataclass(frozen=True)
class Program:
    """One program: `package` is built; `local` are the modules that its go.mod replaces by folders of its repository."""

    name: str
    module: str
    version: str
    package: str
    tags: tuple[str, ...]
    cgo: bool
    minutes: str
    local: tuple[str, ...]


PROGRAMS = {
    "alloy": Program(
        name="alloy",
        module="github.com/grafana/alloy",
        version="v1.19.0",
        package=".",
        # promtail_journal_enabled: without it loki.source.journal is there and reads nothing.
        tags=("netgo", "slicelabels", "gore2regex", "promtail_journal_enabled"),
        cgo=True,
        minutes="25 to 35 minutes on two processors, 2 with Go's build cache warm",
        local=("github.com/grafana/alloy/syntax",),
    ),
    "loki": Program(
        name="loki",
        module="github.com/grafana/loki/v3",
        version="v3.7.8",
        package="github.com/grafana/loki/v3/cmd/loki",
        tags=("netgo", "slicelabels"),
        cgo=False,
        minutes="6 to 8 minutes on two processors",
        local=("github.com/grafana/loki/pkg/push",),
    ),
}
#: What a build with cgo needs, and the Debian package that has it.
HEADERS = {"/usr/include/systemd/sd-journal.h": "libsystemd-dev"}
#: Megabytes that must be free before a build: modules, Go's build cache and the program.
ROOM = 8000


def path(name: str, project: Path = PROJECT, cache: Path | None = None) -> Path:
    """Where the program of these pins is: other pins are another file."""
    digest = hashlib.sha256((project / SOURCES / name / "go.mod").read_bytes()).hexdigest()[:12]
    return (cache or cache_dir()) / "bin" / f"{name}-{digest}"


def build(name: str, say: Say, project: Path = PROJECT, cache: Path | None = None) -> bool:
    """Build the program when it is not there. Returns whether it was built."""
    program, cache = PROGRAMS[name], cache or cache_dir()
    binary = path(name, project, cache)
    if binary.exists():
        return False
    _refuse_early(program, cache)
    go = alloysyntax.find_go(project, cache) or alloysyntax.install_go(cache, say)
    binary.parent.mkdir(parents=True, exist_ok=True)
    staged = binary.with_name(f".{binary.name}.{os.getpid()}")
    environment = {
        **os.environ,
        "CGO_ENABLED": "1" if program.cgo else "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
    }
    command = [
        str(go), "build", "-trimpath", "-buildvcs=false", "-tags", " ".join(program.tags), "-ldflags", "-s -w", "-o", str(staged),
        program.package,
    ]  # fmt: skip
    say(f"{name} {program.version} from its Go module: {program.minutes}, once")
    with _told(f"{name} is being built", say):
        done = subprocess.run(
            command, cwd=project / SOURCES / name, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        staged.unlink(missing_ok=True)
        raise ProgramError(
            f"{name} does not build ({' '.join(command)} in {SOURCES / name}):\n{done.stderr.strip()[-4000:]}\n"
            "Is the Go module proxy reachable, and is there memory (6 GB)?"
        )
    said = subprocess.run([str(staged), "--version"], capture_output=True, text=True, check=False)
    if said.returncode:
        staged.unlink(missing_ok=True)
        raise ProgramError(f"{name} was built and does not start: {(said.stderr or said.stdout).strip()[-1000:]}")
    staged.rename(binary)
    for old in binary.parent.glob(f"{name}-*"):
        if re.fullmatch(rf"{name}-[0-9a-f]{{12}}", old.name) and old != binary:
            old.unlink()
    return True


def _refuse_early(program: Program, cache: Path) -> None:
    """What would be found missing after half an hour."""
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free // 2**20
    if free < ROOM:
        raise ProgramError(f"{program.name} needs {ROOM} MB of free disk to be built, {cache} has {free}")
    if not program.cgo:
        return
    missing = [package for header, package in HEADERS.items() if not Path(header).exists()]
    if shutil.which("cc") is None:
        missing.append("gcc libc6-dev")
    if missing:
        raise ProgramError(f"{program.name} reads the journal by C's library: apt-get install {' '.join(missing)}")


@contextmanager
def _told(what: str, say: Say, every: float = 60.0) -> Iterator[None]:
    """A line a minute, so that nobody takes a long build for a hung one."""
    ended, began = threading.Event(), time.monotonic()

    def tell() -> None:
        while not ended.wait(every):
            say(f"{what}: {(time.monotonic() - began) / 60:.0f} min")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


# -- The pins ------------------------------------------------------------------------------------------------------


def pin(name: str, say: Say, project: Path = PROJECT) -> None:
    """Write go.mod and go.sum from the program's own: requirements and replacements exactly as they are there."""
    program = PROGRAMS[name]
    go = alloysyntax.find_go(project, cache_dir()) or alloysyntax.install_go(cache_dir(), say)
    source = _module(go, f"{program.module}@{program.version}")
    theirs = json.loads(_go(go, ["mod", "edit", "-json", str(source.folder / "go.mod")], project))
    folder = project / SOURCES / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(go_mod(program, theirs))
    sums = (source.folder / "go.sum").read_text().splitlines()
    required = {one["Path"]: one["Version"] for one in theirs["Require"]}
    for module, version in ((program.module, program.version), *((one, required[one]) for one in program.local)):
        found = _module(go, f"{module}@{version}")
        sums += [f"{module} {version} {found.sum}", f"{module} {version}/go.mod {found.go_mod_sum}"]
    (folder / "go.sum").write_text("".join(f"{line}\n" for line in sorted(set(sums))))
    say(f"{folder / 'go.mod'}: {len(theirs['Require'])} requirements of {program.module} {program.version}")


def go_mod(program: Program, theirs: dict[str, list[dict[str, object]]]) -> str:
    """The text of the pin, from what `go mod edit -json` says of the program's own go.mod."""
    lines = [
        f"// Written by `python -m groundwork.estate.programs --pin {program.name}` from the go.mod of {program.module}",
        f"// {program.version}: its versions and its replacements, which Go takes from the main module alone.",
        f"module groundwork/{program.name}",
        "",
        f"go {theirs['Go']}",
        "",
        f"require {program.module} {program.version}{'' if program.package == '.' else ' // indirect'}",
        "",
        "require (",
        *(f"\t{one['Path']} {one['Version']} // indirect" for one in theirs["Require"]),
        ")",
    ]
    replaced: list[dict[str, dict[str, str]]] = theirs.get("Replace") or []  # type: ignore[assignment]
    for one in replaced:
        old, new = one["Old"], one["New"]
        if old["Path"] in program.local:
            # A folder of their repository; its published module has the same files.
            continue
        if "Version" not in new:
            raise ProgramError(
                f"{program.module} replaces {old['Path']} by its folder {new['Path']}: name it in Program.local"
            )
        was = f"{old['Path']} {old['Version']}" if old.get("Version") else old["Path"]
        lines += ["", f"replace {was} => {new['Path']} {new['Version']}"]
    excluded: list[dict[str, str]] = theirs.get("Exclude") or []  # type: ignore[assignment]
    for leave in excluded:
        lines += ["", f"exclude {leave['Path']} {leave['Version']}"]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Module:
    """What `go mod download -json` says of a module."""

    folder: Path
    sum: str
    go_mod_sum: str


def _module(go: Path, what: str) -> Module:
    # Outside of any module: what is asked for is not to be a requirement of ours.
    told = json.loads(_go(go, ["mod", "download", "-json", what], cache_dir()))
    return Module(Path(told["Dir"]), told["Sum"], told["GoModSum"])


def _go(go: Path, arguments: Sequence[str], folder: Path) -> str:
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    done = subprocess.run(
        [str(go), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProgramError(f"go {' '.join(arguments)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    pinning = list(arguments[:1]) == ["--pin"]
    names = list(arguments[1:] if pinning else arguments)
    if not names or [name for name in names if name not in PROGRAMS]:
        print(f"usage: python -m groundwork.estate.programs [--pin] {'|'.join(PROGRAMS)}", file=sys.stderr)
        return 2

    def say(text: str) -> None:
        print(f"set-up: {text}", flush=True)

    try:
        for name in names:
            if pinning:
                pin(name, say)
            else:
                say(f"{name}: {'built' if build(name, say) else 'there'}, {path(name)}")
    except (ProgramError, alloysyntax.CheckerError, OSError) as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
