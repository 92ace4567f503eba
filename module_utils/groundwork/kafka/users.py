"""SCRAM-SHA-512 users in bulk. Kafka never tells a password, so each is verified by logging in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from . import protocol
from .client import MECHANISM, Connection, KafkaProblem, admin, confirmed, login

# The principal that nodes' certificates map to: a user of that name would be a super user.
RESERVED = frozenset({"kafka-node", "ANONYMOUS"})
ITERATIONS = 4096  # Kafka's own minimum and default for SCRAM
SETTLE_SECONDS = 10.0  # how long a new credential may take to reach the brokers


@dataclass(frozen=True)
class User:
    name: str
    password: str | None  # None: not made yet, known only to check mode
    iterations: int = ITERATIONS


@dataclass(frozen=True)
class Verdict:
    name: str
    action: str  # keep | create | update
    reason: str


def judge(user: User, present: dict[str, Any], accepted: str | None) -> Verdict:
    """What a user needs (pure). ``accepted`` is the refusal of a login, "" when it went through, None when not tried."""
    infos = [one for one in present.get(user.name, []) if one["mechanism"] == MECHANISM]
    if not infos:
        return Verdict(user.name, "create", f"no {MECHANISM} credential")
    if infos[0]["iterations"] != user.iterations:
        return Verdict(user.name, "update", f"iterations {infos[0]['iterations']}, wanted {user.iterations}")
    if user.password is None:
        return Verdict(user.name, "update", "its password is not made yet")
    if accepted:
        return Verdict(user.name, "update", f"the password of the secret was refused: {accepted}")
    return Verdict(user.name, "keep", "")


def check_names(users: Sequence[User]) -> None:
    names = [user.name for user in users]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise KafkaProblem(f"user given twice: {', '.join(doubled)}")
    if taken := sorted(set(names) & RESERVED):
        raise KafkaProblem(
            f"user name reserved for the brokers' own certificates: {', '.join(taken)}. Rename the service."
        )


def _read(client: Any) -> dict[str, list[dict[str, Any]]]:
    """{user: [{mechanism, iterations}]} of every user with a SCRAM credential."""
    return {
        name: [
            {"mechanism": info["mechanism"].name.replace("_", "-"), "iterations": info["iterations"]}
            for info in found["credential_infos"]
        ]
        for name, found in client.describe_user_scram_credentials().items()
    }


def _logins(connection: Connection, users: Sequence[User]) -> dict[str, str]:
    def attempt(user: User) -> tuple[str, str]:
        return user.name, login(replace(connection, username=user.name, password=user.password))

    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(pool.map(attempt, users))


def _delete(client: Any, mechanisms: Mapping[str, Sequence[str]]) -> None:
    """Take these users' credentials away, whatever their mechanism."""
    from kafka.admin import UserScramCredentialDeletion

    answers = client.alter_user_scram_credentials(
        [UserScramCredentialDeletion(name, kind) for name, kinds in mechanisms.items() for kind in kinds]
    )
    if refused := [f"user {name} stays: {why}" for name, why in sorted(answers.items()) if why]:
        raise KafkaProblem("; ".join(refused))


def need_passwords(users: Sequence[User]) -> None:
    """Only check mode can do without: what is not made yet has none."""
    if missing := [user.name for user in users if user.password is None]:
        raise KafkaProblem(f"no password for {', '.join(missing)}: their secrets were not read")


def ensure(
    connection: Connection,
    clients: Connection,
    users: Sequence[User],
    check: bool,
    *,
    prune: bool = False,
    confirm: str = "",
) -> dict[str, Any]:
    """Make the users so. ``clients`` is the CLIENT listener, where passwords are tried."""
    check_names(users)
    if not check:
        need_passwords(users)
    with admin(connection) as client:
        present = _read(client)
        unmanaged = sorted(set(present) - {user.name for user in users})
        pruned = unmanaged if prune else []
        confirmed(client, "prune-users", confirm, pruned, check)
        tried = _logins(clients, [user for user in users if user.password is not None and user.name in present])
        verdicts = [judge(user, present, tried.get(user.name)) for user in users]
        pending = {verdict.name for verdict in verdicts if verdict.action != "keep"}
        if pending and not check:
            from kafka.admin import UserScramCredentialUpsertion

            refused = {
                name: message
                for name, message in client.alter_user_scram_credentials(
                    [
                        UserScramCredentialUpsertion(user.name, MECHANISM, user.password, iterations=user.iterations)
                        for user in users
                        if user.name in pending
                    ]
                ).items()
                if message
            }
            if refused:
                raise KafkaProblem(
                    "; ".join(f"user {name} cannot be made: {message}" for name, message in sorted(refused.items()))
                )
            deadline = time.monotonic() + SETTLE_SECONDS
            waiting = [user for user in users if user.name in pending]
            while waiting:
                answers = _logins(clients, waiting)
                waiting = [user for user in waiting if answers[user.name]]
                if waiting and time.monotonic() > deadline:
                    raise KafkaProblem(
                        f"user {waiting[0].name} was made but cannot log in on {', '.join(clients.bootstrap_servers)}: {answers[waiting[0].name]}"
                    )
                if waiting:
                    time.sleep(0.2)
        if pruned and not check:
            _delete(client, {name: [info["mechanism"] for info in present[name]] for name in pruned})
        if (pending or pruned) and not check:
            protocol.settled_everywhere(
                client,
                lambda: (
                    not set(pruned) & set(now := _read(client))
                    and all(judge(user, now, "").action == "keep" for user in users)
                ),
            )
    created = [one.name for one in verdicts if one.action == "create"]
    updated = {one.name: one.reason for one in verdicts if one.action == "update"}
    return {
        "changed": bool(pending or pruned),
        "created": created,
        "updated": updated,
        "verified": [
            user.name for user in users if user.password is not None and (not check or user.name not in pending)
        ],
        "unmanaged": [] if prune else unmanaged,
        "pruned": pruned,
        "before": "".join(f"- {name}\n" for name in pruned),
        "after": "".join(
            [*(f"+ {name}\n" for name in created), *(f"~ {name}: {why}\n" for name, why in updated.items())]
        ),
    }
