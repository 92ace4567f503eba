"""Taking a service off a shared server, the half that happens on the server: lock its logins, let them in again, drop them.

What there is, is asked of the server each time, so every step may be repeated and a run that was killed is gone on with.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from .model import DatabaseError, Endpoint

#: A statement for people, and how it is done.
Step = tuple[str, Callable[[], object]]

STATES = ("info", "locked", "unlocked", "dropped")
#: Seconds that sessions may take to end after they were told to.
ENDING = 30


@dataclass(frozen=True)
class Login:
    """An account or role of the service."""

    user: str
    locked: bool
    #: Who is connected with it: process and client.
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What a server has of a service."""

    version: str
    database: bool
    #: Bytes.
    size: int = 0
    logins: Mapping[str, Login] = field(default_factory=dict)
    #: The role that owns the database, where there is one.
    owner: str = ""
    #: What others may do in the database: it would go with it.
    others: tuple[str, ...] = ()
    #: Sessions of others in the database.
    visitors: tuple[str, ...] = ()

    @property
    def gone(self) -> bool:
        return not (self.database or self.logins or self.owner)

    def problems(self, database: str) -> list[str]:
        """Why it cannot be dropped."""
        found = [f"{name} is not locked" for name, login in self.logins.items() if not login.locked]
        found += [
            f"{name} is still connected: {', '.join(login.sessions)}"
            for name, login in self.logins.items()
            if login.sessions
        ]
        return found + [f"in database {database}: {item}" for item in (*self.others, *self.visitors)]

    def as_result(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "database": self.database,
            "bytes": self.size,
            "gone": self.gone,
            "logins": {
                name: {**asdict(login), "sessions": list(login.sessions)} for name, login in self.logins.items()
            },
            "others": list(self.others),
            "visitors": list(self.visitors),
        }


class OffboardingServer(ABC):
    """A server, opened as its administrator."""

    endpoint: Endpoint

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """The server-side lock of shared_databases."""

    @abstractmethod
    def see(self, database: str, users: Sequence[str]) -> Seen:
        """What the server has of the service whose logins these are, as far as they exist."""

    @abstractmethod
    def turn(self, user: str, *, lock: bool) -> Step:
        """Lets a login in no more, or again."""

    @abstractmethod
    def end_sessions(self, database: str, users: Sequence[str]) -> None:
        """Tells the sessions of these logins to end."""

    @abstractmethod
    def drops(self, database: str, seen: Seen) -> Sequence[Step]:
        """What drops the database and the logins, in order."""


def act(server: OffboardingServer, state: str, database: str, users: Sequence[str], *, check: bool) -> dict[str, Any]:
    """One call of the module; the result is the module's result."""
    if state not in STATES:
        raise DatabaseError(f"no state {state!r}; there are: {', '.join(STATES)}")
    if state == "info":
        seen = server.see(database, users)
        return {"changed": False, "changes": [], "seen": seen.as_result()}
    if check:
        return _act(server, state, database, users, check=True)
    with server.locked():
        return _act(server, state, database, users, check=False)


def _act(server: OffboardingServer, state: str, database: str, users: Sequence[str], *, check: bool) -> dict[str, Any]:
    before = server.see(database, users)
    run = partial(_drop, server, database, before, check=check)
    if state != "dropped":
        run = partial(_turn, server, database, before, lock=state == "locked", check=check)
    changes = run()
    after = before if check or not changes else server.see(database, users)
    return {
        "changed": bool(changes),
        "changes": changes,
        "seen": after.as_result(),
        "diff": {"before": before.as_result(), "after": after.as_result() if not check else {"changes": changes}}
        if changes
        else {"before": {}, "after": {}},
    }


def _turn(server: OffboardingServer, database: str, seen: Seen, *, lock: bool, check: bool) -> list[str]:
    changes = _carry_out(
        [server.turn(name, lock=lock) for name, login in seen.logins.items() if login.locked != lock], check=check
    )
    if not lock:
        return changes
    connected = {name: login.sessions for name, login in seen.logins.items() if login.sessions}
    changes += [
        f"end {len(sessions)} sessions of {name}: {', '.join(sessions)}" for name, sessions in connected.items()
    ]
    if not check:
        # Those too that came between the look and the lock.
        end_sessions(server, database, list(seen.logins))
    return changes


def end_sessions(server: OffboardingServer, database: str, users: Sequence[str]) -> None:
    """Ends the sessions of these logins and waits until they have ended."""
    deadline = time.monotonic() + ENDING
    while True:
        server.end_sessions(database, users)
        left = {name: login.sessions for name, login in server.see(database, users).logins.items() if login.sessions}
        if not left:
            return
        if time.monotonic() > deadline:
            raise DatabaseError(
                f"sessions did not end within {ENDING} s: {left}. Remedy: run it again; they may be rolling back much."
            )
        time.sleep(0.2)


def _drop(server: OffboardingServer, database: str, seen: Seen, *, check: bool) -> list[str]:
    problems = seen.problems(database)
    if problems:
        raise DatabaseError(
            f"{database} at {server.endpoint.where} is not dropped: {'; '.join(problems)}. Remedy: it is used; find out by whom, or "
            "lock it again."
        )
    return _carry_out(server.drops(database, seen), check=check)


def _carry_out(steps: Sequence[Step], *, check: bool) -> list[str]:
    for _, do in () if check else steps:
        do()
    return [shown for shown, _ in steps]
