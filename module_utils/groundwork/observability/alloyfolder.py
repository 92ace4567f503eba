"""Alloy's configuration folder on a host: plan → stage → check with the host's own alloy → swap → reload, or back.

The folder is managed as a whole: every `*.alloy` file in it is one of the wanted ones. Anything else in it is carried
over, since Alloy does not read it. The folder that was replaced stays beside it as `.<name>.previous`.

A change that needs a restart is judged by alloyservice. Until then folder and environment of before are kept in
`.<name>.restart-pending`, and are put back from there when Alloy does not get healthy with the new ones.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..files import write_atomically
from .web import request

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.alloy")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r"""([\\"$`])""")
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


class AlloyError(RuntimeError):
    """The configuration was refused or cannot be put in place; says what stayed as it was."""


@dataclass(frozen=True)
class Folder:
    """What must be on the host. `binary` and `url` are empty where no Alloy is; `flags` are those of `alloy run` that
    `alloy validate` must be given too."""

    path: Path
    files: Mapping[str, str]
    environment_file: Path
    environment: Mapping[str, str]
    group: str = "alloy"
    binary: str = ""
    flags: tuple[str, ...] = ()
    url: str = ""

    def __post_init__(self) -> None:
        wrong = [name for name in self.files if not _NAME.fullmatch(name)]
        if wrong:
            raise AlloyError(
                f"a file's name is letters, digits, '.', '_', '-' and ends in .alloy, not: {', '.join(wrong)}"
            )
        if not self.files:
            raise AlloyError("no file: an empty configuration would stop every signal of this host")
        for name, value in self.environment.items():
            if not _VARIABLE.fullmatch(name) or any(char in value for char in "\n\r\0"):
                raise AlloyError(f"environment variable {name}: a name is letters, digits and '_', a value is one line")


@dataclass(frozen=True)
class Change:
    """A file that differs and why. Texts are empty for a file that is not there."""

    path: Path
    before: str
    after: str
    reasons: tuple[str, ...]
    secret: bool = False


@dataclass
class Outcome:
    changes: list[Change] = field(default_factory=list)
    reload: str = "not needed"  # not needed | done | not running | restart


def environment_text(environment: Mapping[str, str]) -> str:
    """An EnvironmentFile of systemd: double quotes, with backslash before what is special inside of them."""
    quoted = {name: _SPECIAL.sub(r"\\\1", value) for name, value in sorted(environment.items())}
    lines = [f'{name}="{value}"' for name, value in quoted.items()]
    return "# Written by Groundwork; changes here are overwritten.\n" + "".join(f"{line}\n" for line in lines)


def apply(folder: Folder, check_mode: bool) -> Outcome:
    """Bring folder and environment file to what is wanted."""
    gid = _gid(folder.group, missing_ok=check_mode)
    outcome = Outcome(changes=_plan(folder, gid))
    pending = _marker(folder).exists()
    environment = [change for change in outcome.changes if change.path == folder.environment_file]
    # The running process has the old environment: the folder may not be right for it. It is to be restarted; so it is
    # when a run was killed before Alloy was healthy with what that one brought.
    restart = bool(folder.url) and (
        kept(folder.path).is_dir() or any({"content", "missing"} & set(change.reasons) for change in environment)
    )
    if restart:
        outcome.reload = "restart"
    if check_mode or not (outcome.changes or pending):
        return outcome
    for old in folder.path.parent.glob(f".{folder.path.name}.staged-*"):
        shutil.rmtree(old)
    in_folder = [change for change in outcome.changes if change.path != folder.environment_file]
    folder.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    staged = _stage(folder, gid) if in_folder else None
    try:
        if staged:
            _check(folder, staged)
        if restart:
            _keep(folder)
        if staged:
            if folder.url and not restart:
                _marker(folder).touch()
            _swap(staged, folder.path)
    finally:
        if staged:
            shutil.rmtree(staged, ignore_errors=True)
    # Last: a run that is killed before it finds the environment to differ, and has Alloy restarted.
    if environment:
        _write(folder.environment_file, environment_text(folder.environment), gid)
    if restart:
        _marker(folder).unlink(missing_ok=True)
    elif folder.url and (in_folder or pending):
        outcome.reload = _reload_or_back(folder, swapped=bool(in_folder))
    return outcome


def kept(path: Path) -> Path:
    """Where folder and environment of before are, from before the change until Alloy is healthy after a restart."""
    return path.with_name(f".{path.name}.restart-pending")


def put_back(path: Path, environment_file: Path) -> None:
    """Folder and environment of before in their places again; the refused folder stays as `.<name>.refused`. They stay
    kept too, so that a run that is killed here is made good."""
    staged = Path(tempfile.mkdtemp(prefix=f".{path.name}.staged-", dir=path.parent))
    _copy_tree(kept(path) / "folder", staged)
    refused = path.with_name(f".{path.name}.refused")
    _remove(refused)
    if path.exists():
        path.rename(refused)
    staged.rename(path)
    _copy(kept(path) / "environment", environment_file)


def _keep(folder: Folder) -> None:
    # What an earlier run kept and none has judged is what Alloy was healthy with.
    if kept(folder.path).exists() or not folder.path.is_dir() or not folder.environment_file.is_file():
        return
    staged = Path(tempfile.mkdtemp(prefix=f".{folder.path.name}.staged-", dir=folder.path.parent))
    (staged / "folder").mkdir()
    _copy_tree(folder.path, staged / "folder")
    _copy(folder.environment_file, staged / "environment")
    staged.rename(kept(folder.path))


def _copy_tree(source: Path, target: Path) -> None:
    """Into a folder that is there; owners and modes as well."""
    shutil.copytree(
        source,
        target,
        symlinks=True,
        dirs_exist_ok=True,
        copy_function=lambda one, other: _copy(Path(one), Path(other)),
    )
    status = source.stat()
    os.chown(target, status.st_uid, status.st_gid)


def _copy(source: Path, target: Path) -> None:
    """At once, with owner and mode: nobody else can read it in the meantime."""
    status = source.stat()
    write_atomically(target, source.read_bytes(), status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def _plan(folder: Folder, gid: int) -> list[Change]:
    changes = []
    if folder.path.is_symlink() or (folder.path.exists() and not folder.path.is_dir()):
        raise AlloyError(f"{folder.path} is not a folder. Move it away; the role makes the folder")
    for name, text in sorted(folder.files.items()):
        change = _difference(folder.path / name, text, gid)
        if change:
            changes.append(change)
    if folder.path.is_dir():
        status = folder.path.stat()
        if (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (os.geteuid(), gid, 0o750):
            changes.append(Change(folder.path, "", "", ("owner or mode",)))
        for path in sorted(folder.path.glob("*.alloy")):
            if path.name not in folder.files:
                changes.append(Change(path, _read(path), "", ("not one of the wanted files",)))
    change = _difference(folder.environment_file, environment_text(folder.environment), gid)
    if change:
        changes.append(Change(change.path, "", "", change.reasons, secret=True))
    return changes


def _difference(path: Path, text: str, gid: int) -> Change | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return Change(path, "", text, ("missing",))
    if not stat.S_ISREG(status.st_mode):
        return Change(path, "", text, ("not a regular file",))
    reasons = []
    have = _read(path)
    if have != text:
        reasons.append("content")
    if stat.S_IMODE(status.st_mode) != 0o640:
        reasons.append(f"mode {stat.S_IMODE(status.st_mode):04o}, wanted 0640")
    if (status.st_uid, status.st_gid) != (os.geteuid(), gid):
        reasons.append("owner")
    return Change(path, have, text, tuple(reasons)) if reasons else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _gid(group: str, missing_ok: bool) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        if missing_ok:
            return -1
        raise AlloyError(f"group {group} is not there; the role's install tasks make it") from None


def _own(path: Path, gid: int, mode: int) -> None:
    os.chown(path, os.geteuid(), gid)
    path.chmod(mode)


def _write(path: Path, text: str, gid: int) -> None:
    write_atomically(path, text.encode(), os.geteuid(), gid, 0o640)


def _stage(folder: Folder, gid: int) -> Path:
    staged = Path(tempfile.mkdtemp(prefix=f".{folder.path.name}.staged-", dir=folder.path.parent))
    for name, text in folder.files.items():
        _write(staged / name, text, gid)
    if folder.path.is_dir():
        for other in folder.path.iterdir():
            if other.name.endswith(".alloy"):
                continue
            if other.is_dir() and not other.is_symlink():
                shutil.copytree(other, staged / other.name, symlinks=True)
            else:
                shutil.copy2(other, staged / other.name, follow_symlinks=False)
    _own(staged, gid, 0o750)
    return staged


def _check(folder: Folder, staged: Path) -> None:
    """`alloy fmt --test` of each file and `alloy validate` of the folder, with the host's own program."""
    if not folder.binary:
        return
    environment = {**os.environ, **folder.environment}
    commands = [[folder.binary, "fmt", "--test", str(staged / name)] for name in sorted(folder.files)]
    commands.append([folder.binary, "validate", *folder.flags, str(staged)])
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AlloyError(f"{' '.join(command)}: {error}. The configuration on the host is unchanged") from error
        if done.returncode:
            words = (done.stderr + done.stdout).strip().replace(f"{staged}/", "")
            raise AlloyError(f"alloy {command[1]} refuses the new configuration, the old one is unchanged:\n{words}")


def _swap(staged: Path, target: Path) -> None:
    """Put `staged` in the place of `target`; what was there becomes `.<name>.previous`."""
    previous = target.with_name(f".{target.name}.previous")
    if not target.exists():
        staged.rename(target)
        return
    if _exchange(staged, target):
        _remove(previous)
        staged.rename(previous)
        return
    # A file system without exchange: for a moment there is no folder, which Alloy reads only at start and reload.
    _remove(previous)
    target.rename(previous)
    staged.rename(target)


def _exchange(one: Path, other: Path) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EOPNOTSUPP}:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def _marker(folder: Folder) -> Path:
    """Stands from before the swap until Alloy has taken the folder: a run that was killed between is made good."""
    return folder.path.with_name(f".{folder.path.name}.reload-pending")


def _reload_or_back(folder: Folder, swapped: bool) -> str:
    status, text = request(f"{folder.url}/-/reload", "POST", timeout=60)
    if status == 0:
        # Not running: it reads the folder when it starts.
        _marker(folder).unlink(missing_ok=True)
        return "not running"
    if status == 200:
        status, text = request(f"{folder.url}/-/healthy", timeout=30)
    if status == 200:
        _marker(folder).unlink(missing_ok=True)
        return "done"
    previous = folder.path.with_name(f".{folder.path.name}.previous")
    kept = "there was no earlier configuration to put back"
    if swapped and previous.is_dir():
        refused = folder.path.with_name(f".{folder.path.name}.refused")
        _remove(refused)
        folder.path.rename(refused)
        previous.rename(folder.path)
        back, words = request(f"{folder.url}/-/reload", "POST", timeout=60)
        kept = f"the old one is back and {'loaded' if back == 200 else f'refused as well: {words.strip()}'}"
        if back == 200:
            _marker(folder).unlink(missing_ok=True)
    raise AlloyError(f"Alloy refuses the new configuration; {kept}. Alloy says ({status}): {text.strip()}")
