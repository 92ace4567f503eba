"""Container images of the embedded estate, built from Debian packages by mmdebstrap.

An image is described by `roles/embedded_estate/files/images/<name>.yml`; its tag is a hash of that description and of
the files that it names, so that it is rebuilt exactly when its inputs change. Keys:

    suite: bookworm | trixie | …   Debian suite (host images stay on bookworm: newer systemd refuses hybrid cgroups)
    packages: [..]                 installed without recommended packages
    check_valid_until: false       for suites whose index may be out of date
    wheels: aws                    requirements/<name>.lock installed into /opt/venv
    files: {path: content}         small files
    copy: {path: source}           files beside the description, by name
    programs: {image: [path]}      programs of other images, with the libraries and the loader that they run by there
    run: [..]                      shell lines, run in the image at the end
    command: [..]                  what the container runs
    stop_signal: SIGINT            what asks the command to end, where SIGTERM is not best
    systemd: true                  the command is an init
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from . import wheels
from .paths import PROJECT, cache_dir
from .podman import WRAPPER, podman

DEFINITIONS = PROJECT / "roles" / "embedded_estate" / "files" / "images"
REPOSITORY = "localhost/groundwork"
_KEYS = {
    "suite",
    "packages",
    "check_valid_until",
    "wheels",
    "files",
    "copy",
    "programs",
    "run",
    "command",
    "stop_signal",
    "systemd",
}


#: Where programs of other images are, each image's with its libraries in one folder.
PROGRAMS = Path("/opt/programs")
LOADER = "ld-linux-x86-64.so.2"
#: Writes the programs that it is given, and every library that they load, flat into a tar file.
CLOSURE = r"""
for program in "$@"; do
    echo "$program"
    ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\/.*\/ld-/ { print $1 }'
done | sort -u | tar -c -h -P --transform 's,.*/,,' -T -
"""


class ImageError(RuntimeError):
    """An image cannot be built: the message says which, why, and where the whole log lies."""


def names() -> list[str]:
    return sorted(path.stem for path in DEFINITIONS.glob("*.yml"))


def definition(name: str) -> dict[str, Any]:
    path = DEFINITIONS / f"{name}.yml"
    if not path.exists():
        raise ImageError(f"no image {name!r}; there are: {', '.join(names())}")
    spec: dict[str, Any] = yaml.safe_load(path.read_text())
    unknown = set(spec) - _KEYS
    if unknown:
        raise ImageError(f"{path.name}: unknown keys {', '.join(sorted(unknown))}; known: {', '.join(sorted(_KEYS))}")
    return spec


def reference(name: str) -> str:
    """The image's full name with the tag that its present inputs give."""
    spec = definition(name)
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    # How an image is built is one of its inputs, too.
    digest.update("\0".join(_mmdebstrap(spec, Path("rootfs"), Path("staging"))).replace(str(PROJECT), "").encode())
    for source in sorted(spec.get("copy", {}).values()):
        digest.update((DEFINITIONS.parent / source).read_bytes())
    if "wheels" in spec:
        digest.update(wheels.digest(spec["wheels"]).encode())
    for other in sorted(spec.get("programs", {})):
        digest.update(reference(other).encode())
    return f"{REPOSITORY}/{name}:{digest.hexdigest()[:12]}"


def exists(name: str) -> bool:
    return bool(podman("images", "-q", reference(name), check=False).strip())


def _staged(path: str) -> str:
    """Name in the staging folder of a small file that goes to `path` in the image."""
    return path.strip("/").replace("/", "_")


def _mmdebstrap(spec: dict[str, Any], rootfs: Path, staging: Path) -> list[str]:
    """The command that writes the image's root file system as a tar file; `staging` holds what it copies in."""
    command = ["mmdebstrap", "--mode=root" if os.geteuid() == 0 else "--mode=unshare", "--variant=minbase",
               "--include=" + ",".join(spec["packages"]),
               "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
               "--dpkgopt=path-exclude=/usr/share/locale/*",
               # update-alternatives of the JRE and of PostgreSQL link manual pages and fail without their folders.
               '--essential-hook=mkdir -p "$1/usr/share/man/man1" "$1/usr/share/man/man7"']  # fmt: skip
    if not spec.get("check_valid_until", True):
        command.append('--aptopt=Acquire::Check-Valid-Until "false"')
    copies = {path: staging / _staged(path) for path in spec.get("files", {})}
    copies |= {path: DEFINITIONS.parent / source for path, source in spec.get("copy", {}).items()}
    for path, source in copies.items():
        command.append(f'--customize-hook=mkdir -p "$1{Path(path).parent}" && cp {shlex.quote(str(source))} "$1{path}"')
    if "wheels" in spec:
        tar = shlex.quote(str(staging / "wheels.tar"))
        command.append(
            f'--customize-hook=mkdir -p "$1/tmp/wheels" && tar -xf {tar} -C "$1/tmp/wheels" && chroot "$1" sh -ec '
            "'python3 -m venv /opt/venv && /opt/venv/bin/pip install --quiet --no-index --no-deps --find-links /tmp/wheels "
            "--require-hashes -r /tmp/wheels/requirements.lock && rm -rf /tmp/wheels'"
        )
    for other, paths in sorted(spec.get("programs", {}).items()):
        folder = PROGRAMS / other
        command.append(f'--customize-hook=mkdir -p "$1{folder}"')
        command.append(f"--customize-hook=tar-in {shlex.quote(str(staging / f'{other}.tar'))} {folder}")
        for program in sorted(Path(path).name for path in paths):
            line = f"printf %s {shlex.quote(_starter(folder, program))} > /usr/local/bin/{program}; chmod 0755 /usr/local/bin/{program}"
            command.append(f'--customize-hook=chroot "$1" sh -ec {shlex.quote(line)}')
    for line in spec.get("run", []):
        command.append(f'--customize-hook=chroot "$1" sh -ec {shlex.quote(line)}')
    # The lists and the package cache would only make the image larger.
    command.append('--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/archives/*.deb')
    return [*command, spec.get("suite", "bookworm"), str(rootfs)]


def _apt_sources() -> str | None:
    """This machine's own Debian mirror, when it names one: the images come from where the machine's packages come."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.exists():
            for raw in path.read_text().splitlines():
                words = raw.replace("URIs:", "deb").split()
                address = next((word for word in words if word.startswith("http") and "security" not in word), None)
                if address and not raw.startswith("#"):
                    return address
    return None


def _starter(folder: Path, program: str) -> str:
    """Starts a program by the loader that it was built for: the C library of where it is used may be older."""
    return f'#!/bin/sh\nexec {folder}/{LOADER} --library-path {folder} {folder}/{program} "$@"\n'


def install_programs(name: str, folder: Path) -> None:
    """The programs that an image takes from others, for use on this machine: tests are what they are for."""
    for other, paths in definition(name).get("programs", {}).items():
        build(other)
        # An image may have the name of one of its programs.
        target = folder / "images" / other
        target.mkdir(parents=True)
        _take_programs(other, paths, folder / f"{other}.tar")
        with tarfile.open(folder / f"{other}.tar") as tar:
            tar.extractall(target, filter="data")
        for program in (Path(path).name for path in paths):
            (folder / program).write_text(_starter(target, program))
            (folder / program).chmod(0o755)


def _take_programs(image: str, paths: list[str], target: Path) -> None:
    """Programs of another image with their libraries, as a tar file."""
    with target.open("wb") as out:
        done = subprocess.run(
            [str(WRAPPER), "run", "--rm", "--network", "none", reference(image), "sh", "-ec", CLOSURE, "sh", *paths],
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode != 0:
        raise ImageError(f"image {image}: its programs cannot be taken: {done.stderr.decode(errors='replace').strip()}")


def build(name: str, progress: Callable[[str], None] = lambda _: None) -> bool:
    """Build one image; returns False when it was there already. `progress` gets a line every few seconds."""
    if exists(name):
        # Another checkout may have built its own in the meantime: `latest` is what this one's code describes.
        podman("tag", reference(name), f"{REPOSITORY}/{name}:latest")
        return False
    spec = definition(name)
    if "wheels" in spec:
        wheels.build(spec["wheels"])
    for other in spec.get("programs", {}):
        build(other, progress)
    folder = cache_dir() / "build"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder) as temporary:
        staging = Path(temporary)
        # apt's sandbox user must be able to walk in.
        staging.chmod(0o755)
        rootfs = staging / "rootfs.tar"
        for path, content in spec.get("files", {}).items():
            (staging / _staged(path)).write_text(content)
        if "wheels" in spec:
            (staging / "wheels.tar").symlink_to(wheels.archive(spec["wheels"]))
        for other, paths in spec.get("programs", {}).items():
            _take_programs(other, paths, staging / f"{other}.tar")
        command = _mmdebstrap(spec, rootfs, staging)
        mirror = _apt_sources()
        if mirror:
            command.append(mirror)
        started = time.monotonic()
        with log.open("w") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
            while process.poll() is None:
                time.sleep(1)
                seconds = int(time.monotonic() - started)
                if seconds and seconds % 15 == 0:
                    progress(f"image {name}: {seconds} s")
        if process.returncode != 0:
            last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
            raise ImageError(f"image {name}: mmdebstrap failed. Is a Debian mirror reachable? Whole log: {log}\n{last}")
        changes = ["--change", "CMD " + json.dumps(spec["command"])] if "command" in spec else []
        # systemd leaves on this signal instead of waiting for podman to kill it.
        stop_signal = "SIGRTMIN+3" if spec.get("systemd") else spec.get("stop_signal")
        if stop_signal:
            changes += ["--change", f"STOPSIGNAL {stop_signal}"]
        podman("import", "--quiet", *changes, str(rootfs), reference(name))
        podman("tag", reference(name), f"{REPOSITORY}/{name}:latest")
    return True


def remove_superseded() -> list[str]:
    """Remove images of ours whose inputs have changed since; returns their names."""
    wanted = {reference(name) for name in names()}
    removed = []
    for line in podman("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        ours = line.startswith(REPOSITORY + "/") and not line.endswith(":latest")
        if ours and line not in wanted and podman("rmi", line, check=False).strip():
            removed.append(line)
    return removed


def main(arguments: list[str]) -> int:
    try:
        for name in arguments or names():
            made = build(name, lambda line: print(line, flush=True))
            print(f"image {name}: {'built' if made else 'there'} ({reference(name)})", flush=True)
    except (ImageError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    if shutil.which("podman"):
        remove_superseded()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
