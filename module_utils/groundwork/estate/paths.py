"""Where Groundwork keeps what it makes: never beside the code, except under the git-ignored `.groundwork/`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
WORK = PROJECT / ".groundwork"
VENV = WORK / "venv"


def cache_dir() -> Path:
    """Folder of what can be made again: images, archives, wheels (`$XDG_CACHE_HOME/groundwork`)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "groundwork"


@dataclass(frozen=True)
class Estate:
    """One embedded estate: its name is in everything it owns, its octet gives it a range and a port of its own."""

    name: str
    octet: int

    @property
    def subnet(self) -> str:
        return f"10.{self.octet}.0.0/16"

    @property
    def aws_port(self) -> int:
        return 5000 + self.octet

    @property
    def prefix(self) -> str:
        return f"groundwork-{self.name}"


def estate_from_environment() -> Estate:
    """The estate that GROUNDWORK_ESTATE and GROUNDWORK_ESTATE_OCTET name; `local` on 10.213.0.0/16 without them."""
    name = os.environ.get("GROUNDWORK_ESTATE", "local")
    octet = os.environ.get("GROUNDWORK_ESTATE_OCTET", "213")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise ValueError(f"GROUNDWORK_ESTATE={name!r}: use 1 to 31 of a-z, 0-9 and '-', starting with a letter")
    if not octet.isdigit() or not 1 <= int(octet) <= 254:
        raise ValueError(f"GROUNDWORK_ESTATE_OCTET={octet!r}: use a number from 1 to 254 (the estate gets 10.N.0.0/16)")
    return Estate(name, int(octet))
