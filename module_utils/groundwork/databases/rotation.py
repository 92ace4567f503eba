"""Rotation of passwords without downtime, the half on the database server; the other half is `rotation_secrets`.

What a service goes through. Every state is found again by looking at its secret and at the server, so a run that was killed
anywhere leaves nothing that the next one would have to remember:

    idle       the secret's login (AWSCURRENT) works, and no other one
    pending    the secret has a next login (AWSPENDING) that the server does not take yet
    set        the server takes both
    published  the secret's login is the new one, the old one still works
    idle       clients have moved, the old one was retired

Between two states one thing changes, and the login that the secret has works before, during and after it. What "two logins"
are is the engine's affair: two passwords of one account (`mysql_rotation`) or two roles in turn (`postgresql_rotation`).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from .model import DatabaseError, Endpoint, Engine, ServiceSpec, parse_services

IDLE, PENDING, SET, PUBLISHED = "idle", "pending", "set", "published"
#: What the module does; `info` changes nothing.
STATES = ("info", "set", "published", "finished")
STRANGE = (
    "{}: of two logins that work, the newer one is not what its secret was read to have. Remedy: run this again; if that does not "
    "help, the secret or the server was changed by hand, and do=finish keeps the secret's"
)
#: How many sessions are named when they hold a rotation up.
SHOWN_HOLDERS = 5


@dataclass(frozen=True)
class Login:
    """A login as a secret has it."""

    user: str
    #: None only in check mode, when the secret does not exist yet.
    password: str | None = field(repr=False)
    #: Names the password without telling it; empty for one that no rotation made.
    password_id: str = ""


@dataclass(frozen=True)
class RotationSpec:
    """A service with the login that its secret has (AWSCURRENT) and the next one (AWSPENDING)."""

    service: ServiceSpec
    password_id: str = ""
    next: Login | None = None

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def published(self) -> RotationSpec:
        """The service as it will be after the publication."""
        if self.next is None:
            raise DatabaseError(f"{self.name}: its secret has no next login")
        service = replace(self.service, user=self.next.user, password=self.next.password)
        return RotationSpec(service, self.next.password_id)


@dataclass(frozen=True)
class Settings:
    """How a run behaves."""

    check: bool = False
    lock_timeout: int = 60
    #: Retire the old logins whoever still uses them.
    force: bool = False
    #: Seconds for which the old login must not have been used: at least as long as clients keep what they read of a secret.
    grace: float = 3600
    #: Seconds for which every look must have found nobody.
    watch: float = 30
    #: Seconds to wait for clients, and between looks.
    wait: float = 0
    poll: float = 1


@dataclass(frozen=True)
class Seen:
    """What the server shows of one service."""

    user: str
    #: Why the server's account cannot be rotated; empty when it can.
    fault: str = ""
    #: Whether the secret's login works; None when it was not tried.
    works: bool | None = None
    #: What still works beside the secret's login, for people; empty for nothing.
    old: str = ""
    #: The next login works.
    ready: bool = False
    #: It is certain which of two logins is the old one.
    settled: bool = True
    #: Seconds since the publication was noted on the server; None: it was not.
    published: float | None = None
    #: Sessions of the old login, for people.
    holders: tuple[str, ...] = ()
    #: Seconds since somebody logged in with the old login; None: nobody since the publication, as far as the server tells.
    last_use: float | None = None
    #: Seconds for which the server can say that nobody did.
    quiet: float = 0.0
    #: What that is known by.
    told_by: str = ""

    def status(self, spec: RotationSpec) -> str:
        if spec.next is not None and self.ready:
            return SET
        if self.old:
            return PUBLISHED
        return IDLE if spec.next is None else PENDING

    def blockers(self, grace: float) -> list[str]:
        """Why the old login cannot be retired yet; empty when clients have moved, as far as the server tells."""
        if self.published is None or not self.settled:
            return ["its publication was not noted on the server yet"]
        reasons = []
        if self.holders:
            more = len(self.holders) - SHOWN_HOLDERS
            named = ", ".join(self.holders[:SHOWN_HOLDERS]) + (f" and {more} more" if more > 0 else "")
            reasons.append(f"{len(self.holders)} sessions of {self.old}: {named}")
        if self.last_use is not None and self.last_use < grace:
            reasons.append(f"{self.old} was used to log in {self.last_use:.0f} s ago")
        elif self.quiet < grace:
            reasons.append(f"{self.quiet:.0f} s of {grace:.0f} have passed without a use of {self.old}")
        return reasons


@dataclass
class Done:
    """What a step changed, by service (in check mode: would change)."""

    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)

    def add(self, other: Done) -> None:
        for mine, more in ((self.before, other.before), (self.after, other.after)):
            for name, what in more.items():
                mine[name] = {**mine.get(name, {}), **what}
        self.changes += other.changes


class RotationServer(ABC):
    """An open connection to a server, as rotation needs it. Every step may be repeated."""

    @property
    @abstractmethod
    def queries(self) -> int:
        """Statements sent so far."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Holds the lock that other runs respect."""

    @abstractmethod
    def look(self, specs: Sequence[RotationSpec], *, logins: bool) -> dict[str, Seen]:
        """What the server shows, by service. `logins`: also by logging in."""

    @abstractmethod
    def set_next(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        """Makes the next logins work beside those of the secrets."""

    @abstractmethod
    def note(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        """Notes on the server that the secrets have the new logins, as from now."""

    @abstractmethod
    def retire(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        """Makes the old logins unusable."""


#: Opens a server for rotation; given by the engine.
Opener = Callable[[Endpoint, Settings], AbstractContextManager[RotationServer]]


def parse_rotation(
    engine: Engine, wishes: Sequence[Mapping[str, Any]], next_user: Callable[[str], str], *, check: bool
) -> list[RotationSpec]:
    """Specs from the module's options; every fault of every wish in one error."""
    services = parse_services(engine, wishes, check=False)
    users = {service.user: service.name for service in services}
    specs: list[RotationSpec] = []
    faults: list[str] = []
    for service, wish in zip(services, wishes, strict=True):
        given = wish.get("next")
        login: Login | None = None
        if given:
            password = given.get("password")
            login = Login(
                user=str(given.get("user") or ""),
                password=None if password is None else str(password),
                password_id=str(given.get("password_id") or ""),
            )
            wanted = next_user(service.user)
            if login.user != wanted:
                faults.append(
                    f"{service.name}: its next login is {login.user!r}, after {service.user!r} it is {wanted!r}"
                )
            elif login.user != service.user and login.user in users:
                faults.append(f"{service.name}: its next login {login.user!r} is the login of {users[login.user]}")
            if login.password is None and not check:
                faults.append(f"{service.name}: its next login has no password")
            if login.password == service.password:
                faults.append(f"{service.name}: its next password is the present one")
            faults += [
                f"{service.name}: its next login: {fault}"
                for fault in engine.faults(replace(service, user=login.user, password=login.password))
            ]
        specs.append(RotationSpec(service, str(wish.get("password_id") or ""), login))
    if faults:
        raise DatabaseError("the wanted rotation is not valid:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return specs


def refuse(faults: Sequence[str], endpoint: Endpoint) -> None:
    """Everything that is wrong at once, before anything is touched."""
    if faults:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        raise DatabaseError(f"nothing was changed at {endpoint.where}:\n{lines}")


def account_faults(specs: Sequence[RotationSpec], seen: Mapping[str, Seen]) -> list[str]:
    """Why services cannot be rotated as they are."""
    faults = []
    for spec in specs:
        shown = seen[spec.name]
        if shown.fault:
            faults.append(f"{spec.name}: {shown.fault}. Remedy: run playbooks/databases.yml, which repairs it")
        elif shown.works is False:
            faults.append(
                f"{spec.name}: {spec.service.user} is refused with the secret's password. Remedy: run playbooks/databases.yml, "
                "which gives the server the secret's password"
            )
    return faults


def set_faults(specs: Sequence[RotationSpec], seen: Mapping[str, Seen]) -> list[str]:
    """Why next logins cannot be set: an old one that still works would be lost, and clients with it."""
    return [
        *account_faults(specs, seen),
        *(
            f"{spec.name}: its last rotation is not finished: {seen[spec.name].old} still works. Remedy: finish it "
            "(do=finish says who holds it up)"
            for spec in specs
            if seen[spec.name].old and not seen[spec.name].ready
        ),
        *(f"{spec.name}: its secret has no next login" for spec in specs if spec.next is None),
    ]


class Run:
    """One run of the module."""

    def __init__(
        self,
        server: RotationServer,
        endpoint: Endpoint,
        specs: Sequence[RotationSpec],
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._endpoint = endpoint
        self._specs = list(specs)
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self.done = Done()
        self.finished: list[str] = []
        self.left: dict[str, list[str]] = {}

    def run(self, state: str) -> dict[str, Any]:
        if state == "set":
            with self._changing():
                seen = self._server.look(self._specs, logins=True)
                refuse(set_faults(self._specs, seen), self._endpoint)
                self._do(self._server.set_next, self._specs, seen)
        elif state == "published":
            self._note(self._specs, adopt=False)
        elif state == "finished":
            self._finish()
        seen = self._server.look(self._specs, logins=state == "info")
        return self._result(seen)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        if self._settings.check:
            yield
        else:
            with self._server.locked():
                yield

    def _do(self, step: Callable[..., Done], specs: Sequence[RotationSpec], seen: Mapping[str, Seen]) -> None:
        self.done.add(step(specs, seen, check=self._settings.check))

    def _note(self, specs: Sequence[RotationSpec], *, adopt: bool) -> None:
        """Notes publications. `adopt`: also where an old login was not left by a rotation, or not by this secret's."""
        with self._changing():
            seen = self._server.look(specs, logins=True)
            published = [spec for spec in specs if seen[spec.name].status(spec) == PUBLISHED]
            strange = [spec.name for spec in published if not adopt and not seen[spec.name].settled]
            refuse(account_faults(specs, seen) + [STRANGE.format(name) for name in strange], self._endpoint)
            todo = [spec for spec in published if seen[spec.name].published is None or not seen[spec.name].settled]
            self._do(self._server.note, todo, seen)

    def _finish(self) -> None:
        self._note(self._specs, adopt=True)
        seen = self._server.look(self._specs, logins=False)
        waiting = [spec for spec in self._specs if seen[spec.name].status(spec) == PUBLISHED]
        if self._settings.force or self._settings.check:
            self._retire(waiting)
            return
        began = self._clock()
        #: Since when each service was found without blockers at every look.
        clear: dict[str, float] = {}
        while waiting:
            self.left = self._blockers(waiting, seen)
            now = self._clock()
            clear = {spec.name: clear.get(spec.name, now) for spec in waiting if spec.name not in self.left}
            self._retire([spec for spec in waiting if now - clear.get(spec.name, now + 1) >= self._settings.watch])
            waiting = [spec for spec in waiting if spec.name not in self.finished]
            clear = {name: since for name, since in clear.items() if name not in {*self.finished, *self.left}}
            # What is clear is only watched a little longer; what is not is waited for.
            if not waiting or (not clear and now - began >= self._settings.wait):
                break
            self._sleep(self._settings.poll)
            seen = self._server.look(waiting, logins=False)

    def _blockers(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen]) -> dict[str, list[str]]:
        found = {spec.name: seen[spec.name].blockers(self._settings.grace) for spec in specs}
        return {name: reasons for name, reasons in found.items() if reasons}

    def _retire(self, specs: Sequence[RotationSpec]) -> None:
        """Retires the old logins of those that nobody uses at this moment, too."""
        if not specs:
            return
        with self._changing():
            seen = self._server.look(specs, logins=False)
            if not self._settings.force:
                self.left |= self._blockers(specs, seen)
            clear = [spec for spec in specs if spec.name not in self.left and seen[spec.name].old]
            self._do(self._server.retire, clear, seen)
        self.finished += [spec.name for spec in clear]

    def _result(self, seen: Mapping[str, Seen]) -> dict[str, Any]:
        return {
            "changed": bool(self.done.changes),
            "changes": self.done.changes,
            "services": {spec.name: _shown(spec, seen[spec.name], self._settings.grace) for spec in self._specs},
            "finished": [spec.name for spec in self._specs if spec.name in self.finished],
            "left": self.left,
            "queries": self._server.queries,
            "diff": {"before": self.done.before, "after": self.done.after},
        }


def _shown(spec: RotationSpec, seen: Seen, grace: float) -> dict[str, Any]:
    status = seen.status(spec)
    problems = account_faults([spec], {spec.name: seen})
    return {
        "user": spec.service.user,
        "status": status,
        "old": seen.old,
        "problems": problems,
        "published_seconds": None if seen.published is None else round(seen.published),
        "quiet_seconds": round(seen.quiet),
        "told_by": seen.told_by,
        "holders": list(seen.holders),
        "blockers": seen.blockers(grace) if status == PUBLISHED else [],
    }
