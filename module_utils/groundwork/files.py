"""Bring many files to their wanted content, owner and mode in one pass, each written atomically."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class FilesError(ValueError):
    """A file cannot be managed; the message names the path and the reason."""


@dataclass(frozen=True)
class Wanted:
    """One file: `mode` is the numeric mode; `content` None means that the file must not exist."""

    path: Path
    content: bytes | None
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Wanted:
        unknown = set(raw) - {"path", "content", "owner", "group", "mode", "state"}
        if unknown:
            raise FilesError(f"{raw.get('path')}: unknown keys {', '.join(sorted(unknown))}")
        path = Path(str(raw.get("path", "")))
        if not path.is_absolute():
            raise FilesError(f"{path}: a path must be absolute")
        absent = raw.get("state") == "absent"
        if not absent and not isinstance(raw.get("content"), str):
            raise FilesError(f"{path}: content must be text")
        return cls(path, None if absent else raw["content"].encode(), str(raw.get("owner", "root")),
                   str(raw.get("group", "root")), int(str(raw.get("mode", "0644")), 8))  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One file that differs: `before` and `after` are texts for a diff, `reasons` what differs."""

    path: Path
    before: str
    after: str
    reasons: tuple[str, ...]


def _text(content: bytes | None) -> str:
    return "" if content is None else content.decode(errors="replace")


def _difference(wanted: Wanted, uid: int, gid: int) -> Change | None:
    try:
        status = wanted.path.lstat()
    except FileNotFoundError:
        if wanted.content is None:
            return None
        return Change(wanted.path, "", _text(wanted.content), ("absent",))
    if stat.S_ISDIR(status.st_mode):
        raise FilesError(f"{wanted.path}: is a directory, a file is wanted")
    before = None if stat.S_ISLNK(status.st_mode) else wanted.path.read_bytes()
    reasons = []
    if before != wanted.content:
        reasons.append("content" if wanted.content is not None else "present")
    if wanted.content is not None and before is not None:
        if (status.st_uid, status.st_gid) != (uid, gid):
            reasons.append("owner")
        if stat.S_IMODE(status.st_mode) != wanted.mode:
            reasons.append(f"mode {stat.S_IMODE(status.st_mode):04o} -> {wanted.mode:04o}")
    return Change(wanted.path, _text(before), _text(wanted.content), tuple(reasons)) if reasons else None


def write_atomically(path: Path, content: bytes, uid: int, gid: int, mode: int) -> None:
    """Write beside the target and rename: a killed run leaves the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.chown(temporary, uid, gid)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _ids(wanted: Wanted, check: bool) -> tuple[int, int]:
    try:
        return pwd.getpwnam(wanted.owner).pw_uid, grp.getgrnam(wanted.group).gr_gid
    except KeyError as error:
        if check:  # in check mode the task that makes the user has not made it
            return -1, -1
        raise FilesError(f"{wanted.path}: {error.args[0]}") from error


def apply(files: list[Wanted], check: bool = False) -> list[Change]:
    """Make the files so; returns those that differed. Nothing is written before all have been looked at."""
    ids = [_ids(wanted, check) for wanted in files]
    found = [_difference(wanted, *pair) for wanted, pair in zip(files, ids, strict=True)]
    if not check:
        for wanted, (uid, gid), change in zip(files, ids, found, strict=True):
            if change is None:
                continue
            if wanted.content is None:
                wanted.path.unlink()
            elif change.reasons and set(change.reasons) <= {"owner"} | {
                r for r in change.reasons if r.startswith("mode")
            }:
                os.chown(wanted.path, uid, gid)
                wanted.path.chmod(wanted.mode)
            else:
                write_atomically(wanted.path, wanted.content, uid, gid, wanted.mode)
    return [change for change in found if change is not None]
