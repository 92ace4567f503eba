"""What the module database_migration does, without Ansible."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from .dumps import TableSum
from .model import DatabaseError
from .mysql_migration import BACK, COPYING, FOLLOWING, SWITCHED, Limits, Migration, Note, Progress, Server
from .mysql_migration_plan import ACCEPTABLE, Wish, problems
from .mysql_sql import shown_account
from .run import endpoint_of

STATES = ("info", "copied", "followed", "frozen", "thawed", "aborted", "finished")
#: How far it is as a whole; the first three are before the switch.
NONE, RETURNED, GONE_BACK = "none", "returned", "gone back"

Result = dict[str, Any]


def phase(forward: Note | None, backward: Note | None) -> str:
    """How far it is, from the notes of the shared server and of the dedicated one."""
    if forward is None:
        return NONE
    if forward.phase == BACK:
        return GONE_BACK
    if forward.phase == SWITCHED and backward is not None and backward.phase == SWITCHED:
        return RETURNED
    return forward.phase


class Run:
    """Both servers, open."""

    def __init__(
        self, options: Mapping[str, Any], dedicated: Server, shared: Server, say: Callable[[str], None]
    ) -> None:
        self.options, self.dedicated, self.shared = options, dedicated, shared
        limits = Limits(float(options["lag"]), float(options["follow"]), float(options["pause"]))
        self.forward = Migration(dedicated, shared, limits, say)
        self.backward = Migration(shared, dedicated, limits, say)
        self.phase = phase(shared.note(), dedicated.note())

    @property
    def direction(self) -> Migration:
        return self.backward if self.options["back"] else self.forward

    def wish(self, own_copy: bool) -> Wish:
        return Wish(
            user=str(self.options["login"]),
            new_user=str(self.options["new_login"]),
            users=frozenset(str(user) for user in self.options["users"]),
            storage=int(self.options.get("storage") or 0),
            own_copy=own_copy,
        )

    def info(self) -> Result:
        """Where it stands; before the copy also what is wrong, in which of it is accepted nothing any more."""
        facts, target = self.dedicated.facts(), self.shared.facts()
        result: Result = {
            "phase": self.phase,
            "bytes": facts.size,
            "tables": len(facts.tables),
            "writers": [shown_account(account) for account in facts.writers],
            "source": {"where": facts.where, "version": facts.version},
            "target": {"where": target.where, "version": target.version},
            "problems": [],
            "accepted": [],
        }
        if self.phase in (NONE, COPYING, GONE_BACK):
            accept = {str(kind) for kind in self.options["accept"]}
            wrong = sorted(accept - set(ACCEPTABLE))
            if wrong:
                raise DatabaseError(f"{', '.join(wrong)} cannot be accepted; these can: {', '.join(ACCEPTABLE)}")
            names = (self.dedicated.database, self.shared.database)
            found = problems(facts, target, names, self.wish(self.phase != NONE))
            result["problems"] = [problem.text for problem in found if problem.kind not in accept]
            result["accepted"] = [problem.text for problem in found if problem.kind in accept]
            self.dedicated.dumps.client()
            self.shared.dumps.client()
        return result

    def copied(self) -> Result:
        if self.phase not in (NONE, COPYING, GONE_BACK):
            return _nothing()
        found = self.info()["problems"]
        if found:
            raise DatabaseError("nothing was touched:\n" + "\n".join(f"  - {text}" for text in found))
        return _result([f"copied {self.dedicated.where} to {self.shared.where}"], tables=_sums(self.forward.copy()))

    def followed(self) -> Result:
        self._need(SWITCHED if self.options["back"] else FOLLOWING)
        ended = self.direction.recover()
        progress = self.direction.follow()
        changes = ["let the service in again, whom a run that was killed had locked out"] if ended else []
        if progress.rows:
            changes.append(
                f"carried {progress.rows} changed rows from {self.direction.source.where} to {self.direction.target.where}"
            )
        return _result(changes, **_progress(progress))

    def frozen(self) -> Result:
        done = RETURNED if self.options["back"] else SWITCHED
        if self.phase == done:
            # A run that was killed between the pause and the secret: the pause lasts.
            return {**_nothing(), "pause": 0.0, "compared": 0, "tables": {}}
        self._need(SWITCHED if self.options["back"] else FOLLOWING)
        self.direction.recover()
        facts = self.direction.source.facts()
        if facts.running:
            raise DatabaseError(
                f"events that run would write to {facts.where} while the service is stopped: {', '.join(facts.running)}. Remedy: ALTER EVENT … DISABLE, "
                "then run it again"
            )
        accounts = facts.writers
        pause, compared, sums = self.direction.freeze(accounts, way_back=not self.options["back"])
        source = self.direction.source
        return _result(
            [
                f"locked {', '.join(map(shown_account, accounts))} at {source.endpoint.where}",
                f"carried the rest of {source.where} over",
            ],
            pause=round(pause, 3),
            compared=compared,
            tables=_sums(sums),
        )

    def thawed(self) -> Result:
        """After the way back: the service may log in to the dedicated server again, before it is told of it."""
        if self.phase == GONE_BACK:
            # A run that was killed may have left it.
            self.dedicated.drop_note()
            return _nothing()
        self._need(RETURNED)
        note = self.shared.note() or Note(BACK)
        self.dedicated.lock(note.locked, lock=False)
        self.shared.write_note(replace(note, phase=BACK, locked=()))
        self.dedicated.drop_note()
        return _result(
            [f"let {', '.join(map(shown_account, note.locked))} in again at {self.dedicated.endpoint.where}"]
        )

    def aborted(self) -> Result:
        """Before the switch: the copy is thrown away."""
        if self.phase == NONE:
            return _nothing()
        if self.phase not in (COPYING, FOLLOWING):
            raise DatabaseError(f"it is {self.phase}: there is no copy to be thrown away")
        self.forward.recover()
        self.shared.dumps.clear(self.shared.database)
        self.dedicated.drop_note()
        return _result([f"emptied {self.shared.where}"])

    def finished(self) -> Result:
        if self.phase == NONE:
            return _nothing()
        self._need(SWITCHED)
        # Its own server first: without it, what is in the shared one is nobody's copy any more.
        self.dedicated.drop_note()
        self.shared.drop_note()
        return _result([f"gave the way back to {self.dedicated.where} up"])

    def _need(self, wanted: str) -> None:
        if self.phase != wanted:
            raise DatabaseError(f"the migration of {self.shared.database} is {self.phase}, not {wanted}")


def _result(changes: Sequence[str], **more: Any) -> Result:
    return {"changed": bool(changes), "changes": list(changes), **more}


def _nothing() -> Result:
    return _result([])


def _sums(sums: Mapping[str, TableSum]) -> Result:
    return {name: {"rows": table.rows, "checksum": table.checksum} for name, table in sorted(sums.items())}


def _progress(progress: Progress) -> Result:
    return {"rows": progress.rows, "transactions": progress.transactions, "lag": round(progress.lag, 3)}


#: What check mode says instead of doing it.
_PREDICTED = {
    "copied": "copy {old} to {new}, every table compared",
    "followed": "carry over what is changed meanwhile",
    "frozen": "lock the service out, carry over the rest, compare",
    "thawed": "let the service in again at the dedicated server",
    "aborted": "empty {new}",
    "finished": "give the way back up",
}


def act(options: Mapping[str, Any], *, check: bool, say: Callable[[str], None] = lambda _: None) -> Result:
    """One call of the module; the result is the module's result."""
    state = str(options["state"])
    if state not in STATES:
        raise DatabaseError(f"no state {state!r}; there are: {', '.join(STATES)}")
    began = time.monotonic()
    common = {
        "engine": "mysql",
        "ca_file": options.get("ca_file"),
        "ca_pem": options.get("ca_pem"),
        "connect_timeout": options.get("connect_timeout"),
    }
    programs = str(options.get("programs") or "")
    shared = Server(endpoint_of({**options, **common}), str(options["database"]), programs)
    dedicated = Server(
        endpoint_of({**options["dedicated"], **common}),
        str(options["dedicated"].get("database") or options["database"]),
        programs,
    )
    with ExitStack() as stack:
        stack.enter_context(shared.opened())
        stack.enter_context(dedicated.opened())
        if state != "info" and not check:
            # The same lock for both directions.
            stack.enter_context(Migration(dedicated, shared, Limits()).locked())
        run = Run(options, dedicated, shared, say)
        if state == "info":
            return {"changed": False, "changes": [], **run.info()}
        if check:
            return _result([_PREDICTED[state].format(old=dedicated.where, new=shared.where)], phase=run.phase)
        result: Result = getattr(run, state)()
        seconds = round(time.monotonic() - began, 3)
        return {**result, "phase": phase(shared.note(), dedicated.note()), "seconds": seconds}
