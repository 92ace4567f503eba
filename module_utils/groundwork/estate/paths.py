"""Where Groundwork keeps what it makes: never beside the code, except under the git-ignored `.groundwork/`."""

from __future__ import annotations

import os
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
