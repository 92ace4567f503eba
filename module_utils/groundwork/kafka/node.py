"""One Kafka host: what is installed and running there, and the installation of an archive. Standard library only."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What the unit's environment file says of the configuration and the trust store that the process has read.
CONFIG_HASH = "GROUNDWORK_CONFIG_HASH"
TRUST_HASH = "GROUNDWORK_TRUST_HASH"
CERTIFICATE_END = "GROUNDWORK_CERTIFICATE_END"


class NodeError(Exception):
    """The host is not as it must be; the message says what and what to do."""


@dataclass(frozen=True)
class Directory:
    path: str
    owner: str
    group: str
    mode: int

    def differs(self) -> list[str]:
        """What is not as wanted; names of users that do not exist yet differ too."""
        try:
            info = Path(self.path).lstat()
        except FileNotFoundError:
            return ["missing"]
        if not stat.S_ISDIR(info.st_mode):
            raise NodeError(f"{self.path} is not a directory: move it away")
        found = []
        try:
            if (info.st_uid, info.st_gid) != (pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid):
                found.append("owner")
        except KeyError:
            found.append("owner")
        if stat.S_IMODE(info.st_mode) != self.mode:
            found.append("mode")
        return found


def running_environment(pid: int, name: str) -> str:
    """A variable that a running process was started with; "" when it has none."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    prefix = f"{name}=".encode()
    return next(
        (entry[len(prefix) :].decode(errors="replace") for entry in environment if entry.startswith(prefix)), ""
    )


def running_archive(pid: int) -> str:
    """The archive whose jars a running process was started with; "" when it cannot be told."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    found = re.search(r"/(kafka_[0-9.]+-[0-9][^/\0]*)/libs/", command)
    return found[1] if found else ""


def written_environment(path: str) -> dict[str, str]:
    """What the unit's environment file says: what the next process will be started with."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def read_service(unit: str, start_file: str) -> dict[str, Any]:
    """State of a systemd unit, what its process was started with, and whether the next one would be started otherwise."""
    try:
        shown = subprocess.run(
            [
                "systemctl",
                "show",
                unit,
                "--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,InvocationID",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except FileNotFoundError as error:
        raise NodeError("systemctl is not installed: Kafka runs as a systemd service") from error
    values = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    pid = int(values.get("MainPID") or 0)
    written = written_environment(start_file)
    return {
        "loaded": values.get("LoadState") == "loaded",
        "active": values.get("ActiveState") == "active",
        "state": f"{values.get('ActiveState', 'unknown')}/{values.get('SubState', 'unknown')}",
        "enabled": values.get("UnitFileState") == "enabled",
        "pid": pid,
        "restarts": int(values.get("NRestarts") or 0),
        # Another one at each start: tells whether a node was restarted since somebody looked, without a clock.
        "invocation": values.get("InvocationID", ""),
        "pending": bool(pid)
        and any(running_environment(pid, name) != written.get(name, "") for name in (CONFIG_HASH, TRUST_HASH)),
        "archive": running_archive(pid) if pid else "",
        "certificate_end": running_environment(pid, CERTIFICATE_END) if pid else "",
        "config_hash": running_environment(pid, CONFIG_HASH) if pid else "",
        "trust_hash": running_environment(pid, TRUST_HASH) if pid else "",
    }


def java_version(program: str) -> str:
    """The version of the Java runtime, "" when there is none. Read from its release file: starting a JVM costs 0.1 s."""
    found = shutil.which(program)
    if found is None:
        return ""
    release = Path(os.path.realpath(found)).parents[1] / "release"
    try:
        lines = release.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    return next((line.split("=", 1)[1].strip('"') for line in lines if line.startswith("JAVA_VERSION=")), "unknown")


def installed(install_dir: str) -> dict[str, Any]:
    """``current``: the archive in use (name of the folder), ``available``: every complete one."""
    root = Path(install_dir)
    current = ""
    link = root / "current"
    if link.is_symlink():
        current = link.readlink().name if (link / "libs").is_dir() else ""
    available = sorted(
        path.name for path in root.glob("kafka_*") if (path / "libs").is_dir() and not path.name.endswith(".partial")
    )
    return {"current": current, "available": available}


def sha512(path: Path) -> str:
    digest = hashlib.sha512()
    with path.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def unpack(archive: str, checksum: str, install_dir: str, name: str) -> None:
    """Check the archive, unpack it beside its place and rename it there: a folder of that name is always whole."""
    found = sha512(Path(archive))
    if found != checksum.strip().lower():
        raise NodeError(
            f"{archive} has sha512 {found}, wanted {checksum}: the download is broken or the archive is another one. Nothing was installed."
        )
    final = Path(install_dir) / name
    with tempfile.TemporaryDirectory(prefix=f"{name}.", suffix=".partial", dir=install_dir) as work:
        with tarfile.open(archive) as tar:
            # Python 3.11.2 (Debian 12) has no extraction filter: only files and folders below the top folder come out.
            for member in (one for one in tar if one.isfile() or one.isdir()):
                parts = Path(member.name).parts
                if not parts or parts[0] != name or ".." in parts:
                    raise NodeError(f"{archive} has {member.name}, outside {name}/: nothing was installed")
                target = Path(work) / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                if (source := tar.extractfile(member)) is None:
                    target.mkdir(exist_ok=True)
                    continue
                with target.open("wb") as handle:
                    shutil.copyfileobj(source, handle)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
        top = Path(work) / name
        if not (top / "libs").is_dir():
            raise NodeError(f"{archive} has no {name}/libs: it is not the archive of that version")
        for path in [top, *top.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        if final.exists():
            shutil.rmtree(final)
        top.replace(final)


def link(install_dir: str, name: str) -> None:
    """Point ``current`` at the archive, in one step."""
    partial = Path(install_dir) / ".current.partial"
    partial.unlink(missing_ok=True)
    partial.symlink_to(name)
    partial.replace(Path(install_dir) / "current")


def read_node(
    user: str, directories: Sequence[Directory], install_dir: str, *, unit: str, java: str, start_file: str
) -> dict[str, Any]:
    try:
        pwd.getpwnam(user)
        user_exists = True
    except KeyError:
        user_exists = False
    differing = {}
    for directory in directories:
        if found := directory.differs():
            differing[directory.path] = found
    return {
        "user_exists": user_exists,
        "directories": differing,
        "java_version": java_version(java),
        "installed": installed(install_dir),
        "service": read_service(unit, start_file),
    }
