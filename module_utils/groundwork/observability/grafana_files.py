"""Grafana's provisioning folder as a whole: for an image, a volume or a bucket, instead of the API.

    datasources/groundwork.yaml     the data sources
    dashboards/groundwork.yaml      where dashboards are read
    dashboards/groundwork/*.json    the dashboards

The new folder is made beside the old one and takes its place in one step: Grafana, which looks every half minute, never
sees half of it. Files of others in the folder are carried over; those under dashboards/groundwork/ are the project's.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import json
import os
import pwd
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import grafana_sources

SOURCES = "datasources/groundwork.yaml"
PROVIDER = "dashboards/groundwork.yaml"
DASHBOARDS = "dashboards/groundwork"
#: How often Grafana looks into the folder, seconds.
INTERVAL = 30
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class FilesProblem(RuntimeError):
    """The folder cannot be written; the message names what and why."""


@dataclass(frozen=True)
class Change:
    """One file that differs; `after` None means that it goes."""

    path: str
    before: str | None
    after: str | None


def render(
    dashboards: Sequence[Mapping[str, Any]],
    data_sources: Sequence[Mapping[str, Any]],
    folder: Mapping[str, str],
    seen_at: str,
) -> dict[str, str]:
    """The files of the folder, by path below it. `seen_at`: where Grafana sees the folder, which may be a mount."""
    import yaml

    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "groundwork",
                "type": "file",
                "folder": folder["title"],
                "folderUid": folder["uid"],
                "disableDeletion": False,
                "allowUiUpdates": False,
                "updateIntervalSeconds": INTERVAL,
                "options": {"path": f"{seen_at.rstrip('/')}/{DASHBOARDS}"},
            }
        ],
    }
    files = {
        PROVIDER: "# Written by Groundwork; changes here are overwritten.\n" + yaml.safe_dump(provider, sort_keys=False)
    }
    if data_sources:
        files[SOURCES] = grafana_sources.provisioning(data_sources)
    for one in dashboards:
        files[f"{DASHBOARDS}/{one['uid']}.json"] = json.dumps(one, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return files


def ensure(
    root: Path, files: Mapping[str, str], check: bool, *, owner: str = "root", group: str = "root"
) -> list[Change]:
    """Bring the folder to these files in one step; returns what differed. Files can be read by `group` and nobody else."""
    if not root.is_absolute():
        raise FilesProblem(f"{root}: the folder's path must be absolute")
    if root.exists() and not root.is_dir():
        raise FilesProblem(f"{root} is no folder")
    ids = _ids(owner, group, check)
    changes = _changes(root, files)
    stale = [path for path in files if (root / path).is_file() and _mode_differs(root / path, ids)]
    changes += [Change(path, files[path], files[path]) for path in stale if path not in {one.path for one in changes}]
    if changes and not check:
        _swap(root, files, ids)
    return changes


def _changes(root: Path, files: Mapping[str, str]) -> list[Change]:
    found = []
    for path, text in sorted(files.items()):
        target = root / path
        have = target.read_text(encoding="utf-8") if target.is_file() else None
        if have != text:
            found.append(Change(path, have, text))
    for target in sorted((root / DASHBOARDS).glob("**/*")):
        path = str(target.relative_to(root))
        if target.is_file() and path not in files:
            found.append(Change(path, target.read_text(encoding="utf-8", errors="replace"), None))
    if SOURCES not in files and (root / SOURCES).is_file():
        found.append(Change(SOURCES, (root / SOURCES).read_text(encoding="utf-8"), None))
    return found


def _ids(owner: str, group: str, check: bool) -> tuple[int, int]:
    try:
        uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        if check:  # the task that makes the user has not run
            return -1, -1
        raise FilesProblem(f"{error.args[0]}: the user and group of Grafana are made first") from error
    return uid, gid


def _mode_differs(path: Path, ids: tuple[int, int]) -> bool:
    status = path.stat()
    return (status.st_uid, status.st_gid) != ids or status.st_mode & 0o7777 != 0o640


def _swap(root: Path, files: Mapping[str, str], ids: tuple[int, int]) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        if root.is_dir():
            shutil.copytree(root, staged, symlinks=True, dirs_exist_ok=True, copy_function=_copy)
            shutil.rmtree(staged / DASHBOARDS, ignore_errors=True)
            (staged / SOURCES).unlink(missing_ok=True)
        for path, text in files.items():
            target = staged / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            target.chmod(0o640)
            os.chown(target, *ids)
        for folder in [staged, *(one for one in staged.rglob("*") if one.is_dir())]:
            if folder == staged or not (root / folder.relative_to(staged)).is_dir():
                os.chown(folder, *ids)
                folder.chmod(0o750)
        _take_place(staged, root)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target, follow_symlinks=False)
    status = Path(source).lstat()
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def _take_place(staged: Path, root: Path) -> None:
    """Exchange the folders; `staged` is the old one afterwards."""
    if not root.exists():
        staged.rename(root)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        if libc.renameat2(_AT_FDCWD, os.fsencode(staged), _AT_FDCWD, os.fsencode(root), _RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in {errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EOPNOTSUPP}:
            raise FilesProblem(f"{root}: {os.strerror(number)}")
    # A file system without exchange, or a mount point: for a moment there is no folder.
    old = root.with_name(f".{root.name}.previous")
    shutil.rmtree(old, ignore_errors=True)
    root.rename(old)
    staged.rename(root)
    shutil.rmtree(old)
