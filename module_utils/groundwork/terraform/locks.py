"""State locks: who holds one, and whether it is the lock of a run of ours that died."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from .cli import Recorded


@dataclass(frozen=True)
class Lock:
    """What terraform prints about a lock that it could not get."""

    id: str
    who: str
    operation: str
    created: str

    def describe(self) -> str:
        return f"{self.who} since {self.created} ({self.operation}, lock id {self.id})"


def parse(output: str) -> Lock | None:
    """The holder's lock info in the output of a terraform that was refused, or None."""
    if "Error acquiring the state lock" not in output:
        return None

    def value(name: str) -> str:
        match = re.search(rf"^[\s│]*{name}:[ \t]*(.*?)\s*$", output, re.MULTILINE)
        return match[1] if match else ""

    return Lock(id=value("ID"), who=value("Who"), operation=value("Operation"), created=value("Created"))


def left_by_dead_run(lock: Lock, earlier: Recorded | None) -> bool:
    """Whether the lock is of a terraform that this engine started on this machine and that no longer lives.

    Anything less certain is left to a person: a lock that is broken while its holder works costs the state.
    """
    if earlier is None or earlier.alive or not lock.id or not lock.who.endswith(f"@{socket.gethostname()}"):
        return False
    match = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", lock.created)
    if match is None:
        return False
    created = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    return earlier.started - 2 <= created <= earlier.started + LOCK_DELAY


#: Seconds after its start within which a terraform takes the lock; later ones are somebody else's.
LOCK_DELAY = 180.0
