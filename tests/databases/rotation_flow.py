"""A rotation as roles/database_maintenance does it, step by step and without Ansible; it can be killed before any of its writes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from typing import Any

import botocore.client
from groundwork.databases import mysql, postgresql, rotation_secrets, run

Job = dict[str, Any]
SECRET_WRITES = {"PutSecretValue", "UpdateSecretVersionStage"}


def secret_of(job: Job, service: str) -> str:
    return f"{job['prefix']}-{service}-database"


def secrets(job: Job, state: str, services: Sequence[str], *, check: bool = False, **more: Any) -> dict[str, Any]:
    """One call of database_rotation_secrets; the logins by service."""
    names = [secret_of(job, service) for service in services]
    answer = rotation_secrets.ensure({"state": state, "names": names, **more}, check=check)
    answer["logins"] = {service: answer["logins"][name] for service, name in zip(services, names, strict=True)}
    return answer


def wish(service: str, login: dict[str, Any]) -> dict[str, Any]:
    """What templates/services.json.j2 makes of a service and its secret."""
    current, following = login["current"], login["next"]
    return {
        "name": service,
        "database": current["dbname"],
        "user": current["username"],
        "password": current["password"],
        "password_id": current.get("password_id", ""),
        "max_user_connections": 30,
        "next": {
            "user": following["username"],
            "password": following.get("password"),
            "password_id": following.get("password_id"),
        }
        if following
        else None,
    }


def server(job: Job, state: str, logins: dict[str, Any], *, check: bool = False, **more: Any) -> dict[str, Any]:
    """One call of database_rotation."""
    options = {
        **{key: job[key] for key in ("engine", "host", "port", "user", "password", "ca_file")},
        "connect_timeout": 5,
        "lock_timeout": 30,
        "force": False,
        "grace": 3600,
        "watch": 0,
        "wait": 0,
        "poll": 0.1,
        **job.get("settings", {}),
        **more,
        "state": state,
        "services": [wish(service, login) for service, login in logins.items()],
    }
    return run.rotate(options, check=check)


def rotate(job: Job, *, check: bool = False) -> dict[str, Any]:
    """do=rotate and do=back: next logins beside the present ones, then published. Who has another one than at the beginning is done."""
    services, begun = job["services"], job["begun"]
    now = secrets(job, "read", services)["logins"]
    todo = [name for name in services if now[name]["current"].get("password_id", "") == begun[name]]
    answers = []
    if todo:
        made = secrets(job, "pending", todo, check=check, back=job["do"] == "back")
        expect = {secret_of(job, name): made["logins"][name]["next"].get("password_id") for name in todo}
        answers += [made, server(job, "set", made["logins"], check=check)]
        answers.append(secrets(job, "published", todo, check=check, expect=expect))
    if not check:
        answers.append(server(job, "published", secrets(job, "read", services)["logins"]))
    return {
        "changed": any(answer["changed"] for answer in answers),
        "diffs": [answer["diff"] for answer in answers],
        "changes": [line for answer in answers for line in answer.get("changes", [])],
    }


def finish(job: Job, *, check: bool = False) -> dict[str, Any]:
    """do=finish and do=revoke."""
    logins = secrets(job, "read", job["services"])["logins"]
    return server(job, "finished", logins, check=check, force=job["do"] == "revoke")


def do(job: Job, *, check: bool = False) -> dict[str, Any]:
    return (rotate if job["do"] in ("rotate", "back") else finish)(job, check=check)


def kill_before(number: int | None) -> list[int]:
    """Dies by SIGKILL instead of the write of this number (from 0); the list has how many there were."""
    writes = [0]

    def write() -> None:
        if writes[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        writes[0] += 1

    def counted(owner: Any, name: str, counts: Any) -> None:
        original = getattr(owner, name)

        def call(itself: Any, *arguments: Any, **more: Any) -> Any:
            if counts(*arguments):
                write()
            return original(itself, *arguments, **more)

        setattr(owner, name, call)

    counted(mysql.Connection, "run", lambda *_: True)
    counted(postgresql.Connection, "run", lambda *_: True)
    counted(botocore.client.BaseClient, "_make_api_call", lambda operation, *_: operation in SECRET_WRITES)
    return writes


def _work(job: Job, number: int | None, answers: Any) -> None:
    # Only in this process, which ends with it.
    writes = kill_before(number)
    try:
        answers.send({**do(job), "writes": writes[0]})
    except Exception as error:
        answers.send({"error": repr(error)})


def apart(job: Job, number: int | None = None) -> dict[str, Any]:
    """The job in a process of its own, killed before the write of this number; the answer is empty when it was."""
    fork = multiprocessing.get_context("fork")
    mine, its = fork.Pipe(duplex=False)
    process = fork.Process(target=_work, args=(job, number, its))
    process.start()
    its.close()
    try:
        answer: dict[str, Any] = mine.recv()
    except EOFError:
        answer = {}
    process.join()
    return answer
