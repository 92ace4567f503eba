"""Wheels for the machines of the estate, taken once by the control machine: hosts need no package index."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from .paths import PROJECT, cache_dir

# Debian 12's Python, the one on every host and in every image.
TARGET_PYTHON = "3.11"


def lock_file(name: str) -> Path:
    return PROJECT / "requirements" / f"{name}.lock"


def digest(name: str) -> str:
    """The identity of a lock file's content, short enough for a file name."""
    return hashlib.sha256(lock_file(name).read_bytes()).hexdigest()[:16]


def archive(name: str) -> Path:
    """Path of the archive with all wheels of `requirements/<name>.lock` and the lock file itself."""
    return cache_dir() / "wheels" / f"{name}-{digest(name)}.tar"


def build(name: str) -> bool:
    """Make the archive; returns False when it was there already. Raises RuntimeError with pip's last words."""
    target = archive(name)
    if target.exists():
        return False
    folder = target.with_suffix(".d")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", "-r",
               str(lock_file(name)), "--dest", str(folder), "--only-binary=:all:",
               "--python-version", TARGET_PYTHON]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise RuntimeError(f"pip download of {lock_file(name).name} failed: {last}")
    shutil.copy(lock_file(name), folder / "requirements.lock")
    partial = target.with_suffix(".part")
    with tarfile.open(partial, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    partial.rename(target)
    shutil.rmtree(folder)
    return True
