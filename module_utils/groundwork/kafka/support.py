"""What helps to understand a Kafka node, in one archive, without its secrets. Standard library only.

Records of topics are never read. Every text goes through :func:`redact` before it is written; a file that cannot be text is left out.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HIDDEN = "(redacted)"

# What is hidden: private keys, values whose name says that they are secret, logins in addresses, keys of AWS, JAAS configurations.
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
_NAMED = re.compile(
    r"""(?ix) (["']?[\w.\-]*(?:password|passwd|passphrase|secret|token|credential|private[._-]?key|api[._-]?key|salted|storedkey|serverkey
        |stored_key|server_key|salt)[\w.\-]*["']?\s*[=:]\s*) ("[^"\n]*"|'[^'\n]*'|[^\s,;}\]\n]+)"""
)
_JAAS = re.compile(r"(?i)(sasl\.jaas\.config\s*[=:]\s*)([^\n]+)")
_ADDRESS = re.compile(r"([a-zA-Z][\w+.-]*://)[^\s/@:]+:[^\s/@]+@")
_AWS = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")
# A setting that names a file, a provider or a number is no secret.
_HARMLESS = re.compile(
    r"(?i)(file|path|location|url|type|class|enabled|enable|iterations|ms|seconds|id)[\"']?\s*[=:]\s*$"
)


def redact(text: str) -> str:
    """The text without secrets (pure)."""

    def named(match: re.Match[str]) -> str:
        return match[0] if _HARMLESS.search(match[1]) else f"{match[1]}{HIDDEN}"

    text = _PEM.sub(f"-----BEGIN PRIVATE KEY----- {HIDDEN}", text)
    text = _JAAS.sub(rf"\1{HIDDEN}", text)
    text = _NAMED.sub(named, text)
    text = _ADDRESS.sub(rf"\1{HIDDEN}@", text)
    return _AWS.sub(HIDDEN, text)


@dataclass(frozen=True)
class Wanted:
    """What is collected: files (their last ``tail_bytes``), and what commands print."""

    files: Sequence[str]
    commands: dict[str, list[str]]
    texts: dict[str, str] = field(default_factory=dict)
    tail_bytes: int = 2 << 20
    timeout: float = 30.0


def commands(unit: str, log_dirs: Sequence[str], keystore: str, since: str) -> dict[str, list[str]]:
    """Programs that every host has; none of them changes anything and none has a secret in its arguments."""
    return {
        "systemctl-status": ["systemctl", "status", "--no-pager", "--full", unit],
        "systemctl-show": ["systemctl", "show", unit],
        "journal": ["journalctl", "--no-pager", "--unit", unit, "--since", since, "--lines", "5000"],
        "kernel": ["journalctl", "--no-pager", "--dmesg", "--since", since, "--lines", "2000"],
        "disk-bytes": ["df", "--block-size=1", *log_dirs],
        "disk-inodes": ["df", "--inodes", *log_dirs],
        "log-dirs": ["du", "--max-depth=1", "--block-size=1", *log_dirs],
        "memory": ["free", "--bytes"],
        "uptime": ["uptime"],
        "processes": ["ps", "-eo", "pid,ppid,user,rss,pcpu,stat,etime,comm"],
        "sockets": ["ss", "--summary"],
        "listeners": ["ss", "-Hltn"],
        "clock": ["timedatectl", "show"],
        "certificate": [
            "openssl",
            "x509",
            "-in",
            keystore,
            "-noout",
            "-subject",
            "-issuer",
            "-dates",
            "-ext",
            "subjectAltName",
        ],
    }


def _run(command: Sequence[str], timeout: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=timeout)
    except FileNotFoundError:
        return f"{command[0]} is not installed\n"
    except subprocess.TimeoutExpired:
        return f"{' '.join(command)} took longer than {timeout:.0f} s\n"
    said = done.stdout + done.stderr
    return said if done.returncode == 0 else f"{said}exit code {done.returncode}\n"


def _tail(path: Path, size: int) -> str:
    with path.open("rb") as handle:
        handle.seek(0, os.SEEK_END)
        handle.seek(max(0, handle.tell() - size))
        data = handle.read()
    if b"\0" in data[:4096]:
        raise ValueError("not a text")
    return data.decode(errors="replace")


def collect(wanted: Wanted, name: str, archive: str) -> dict[str, object]:
    """Write the archive, readable by root only. Returns its members and what could not be read, with the reason."""
    members: list[str] = []
    missing: dict[str, str] = {}
    target = Path(archive)
    partial = target.with_name(f".{target.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as tar:

        def add(where: str, text: str) -> None:
            content = redact(text).encode()
            member = tarfile.TarInfo(f"{name}/{where}")
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
            members.append(where)

        for path in wanted.files:
            try:
                add(f"files{path}", _tail(Path(path), wanted.tail_bytes))
            except (OSError, ValueError) as error:
                missing[path] = getattr(error, "strerror", None) or str(error)
        for label, command in wanted.commands.items():
            add(f"commands/{label}.txt", f"$ {' '.join(command)}\n{_run(command, wanted.timeout)}")
        for label, text in wanted.texts.items():
            add(label, text)
    partial.replace(target)
    return {"archive": archive, "members": members, "missing": missing, "bytes": target.stat().st_size}
