"""Rotation of passwords without downtime, the half in Secrets Manager; the other half is `rotation`.

How far a rotation is, is told by the staging labels that AWS has for this: AWSCURRENT is the login that clients read,
AWSPENDING the next one until it is published, AWSPREVIOUS the one of before. The next login is in the secret before any
server has it, and clients read it only after the server took it, so a killed run loses nothing and refuses nobody.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..aws_client import AwsError, error_code, explain, open_client, side_by_side
from ..secrets import SecretsError, SecretStore, Value, parse_value
from .run import ROTATIONS

CURRENT, NEXT, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
STATES = ("read", "pending", "published")
#: Names the password, so that a server can tell which one it has.
PASSWORD_ID = "password_id"  # noqa: S105 - the name of a key
#: The engine by its name in a secret, which is that of RDS's own rotation.
ENGINES = {"mysql": "mysql", "postgres": "postgresql"}
#: What a rotation changes; the rest of a secret is kept as it is now.
LOGIN_KEYS = ("username", "password", PASSWORD_ID)


@dataclass(frozen=True)
class Version:
    """A version of a secret."""

    id: str
    value: Value = field(repr=False)


@dataclass(frozen=True)
class Stages:
    """A secret's versions by their labels."""

    name: str
    current: Version
    #: None also when it is the current one: then it was published.
    next: Version | None = None
    previous: Version | None = None
    #: The label of what was published is still there.
    left_over: bool = False


def login(value: Value) -> Value:
    return {key: value[key] for key in LOGIN_KEYS if key in value}


def next_value(current: Value, following: Value) -> Value:
    """The secret with another login, and everything else as it is now."""
    return {**{key: item for key, item in current.items() if key not in LOGIN_KEYS}, **login(following)}


def next_user(name: str, value: Value) -> str:
    """The user of the login that follows the secret's."""
    missing = [key for key in ("engine", "username", "password") if not value.get(key)]
    if missing:
        raise SecretsError(
            f"secret {name} has no {', '.join(missing)}. Remedy: run playbooks/databases.yml, which makes it"
        )
    engine = ENGINES.get(str(value["engine"]))
    if engine is None:
        raise SecretsError(f"secret {name} is of engine {value['engine']!r}; rotation knows {', '.join(ENGINES)}")
    return ROTATIONS[engine][1](str(value["username"]))


class StageStore:
    """Secrets Manager, as rotation needs it. Every step may be repeated."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._store = SecretStore(client)

    def read(self, names: Sequence[str]) -> dict[str, Stages]:
        """The labelled versions of secrets, which all must be there."""
        return dict(zip(names, side_by_side(self._read, names), strict=True))

    def _read(self, name: str) -> Stages:
        def versions() -> dict[str, list[str]]:
            about = self._client.describe_secret(SecretId=name)
            return dict(about.get("VersionIdsToStages") or {})

        found = {
            label: id_ for id_, labels in self._ask(f"reading secret {name}", versions).items() for label in labels
        }
        if CURRENT not in found:
            raise SecretsError(f"secret {name} has no value yet. Remedy: run playbooks/databases.yml, which makes it")
        following, previous = found.get(NEXT, ""), found.get(PREVIOUS, "")
        return Stages(
            name=name,
            current=self._version(name, found[CURRENT]),
            next=self._version(name, following) if following not in ("", found[CURRENT]) else None,
            previous=self._previous(name, previous) if previous else None,
            left_over=following == found[CURRENT],
        )

    def _version(self, name: str, version: str) -> Version:
        entry = self._ask(
            f"reading secret {name}", lambda: self._client.get_secret_value(SecretId=name, VersionId=version)
        )
        return Version(version, parse_value(name, entry))

    def _previous(self, name: str, version: str) -> Version | None:
        try:
            return self._version(name, version)
        except SecretsError:
            # Whatever it was before it was a login.
            return None

    def make_next(self, stages: Stages, length: int) -> Stages:
        """A secret with a next login: the one that is there, or a new one."""
        user = next_user(stages.name, stages.current.value)
        following = stages.next.value if stages.next else {}
        if following.get("username") != user or not following.get("password"):
            following = {"username": user, "password": self._store.password(stages.name, length)}
        return self._label_next(stages, following)

    def take_back(self, stages: Stages) -> Stages:
        """A secret whose next login is its previous one."""
        refused = cannot_go_back(stages)
        if refused or stages.previous is None:
            raise SecretsError(refused)
        # A previous login that no rotation made gets its name only once.
        return self._label_next(stages, (stages.next or stages.previous).value)

    def _label_next(self, stages: Stages, following: Value) -> Stages:
        # The rest of the secret may have changed since the next login was made, its host for one.
        value = next_value(stages.current.value, {PASSWORD_ID: uuid.uuid4().hex, **login(following)})
        if stages.next and stages.next.value == value:
            return stages
        self._ask(
            f"storing the next login in secret {stages.name}",
            lambda: self._client.put_secret_value(
                SecretId=stages.name, SecretString=json.dumps(value, ensure_ascii=False), VersionStages=[NEXT]
            ),
        )
        return self._read(stages.name)

    def publish(self, stages: Stages, password_id: str) -> Stages:
        """Makes the next login the one that clients read, if it is the one that the server was given."""
        if stages.next is not None:
            if stages.next.value.get(PASSWORD_ID) != password_id:
                raise SecretsError(
                    f"secret {stages.name}: its next login is not the one that the server was given, another run made it. "
                    "Remedy: let that run end, then run again"
                )
            self._move(stages.name, CURRENT, stages.next.id, stages.current.id)
            stages = self._read(stages.name)
        if stages.left_over:
            self._move(stages.name, NEXT, None, stages.current.id)
        return self._read(stages.name)

    def _move(self, name: str, label: str, to: str | None, away_from: str) -> None:
        """Moves a label. AWS refuses when it is not where it was seen; then somebody else moved it, or an answer was lost."""
        target = {"MoveToVersionId": to} if to else {}
        try:
            self._client.update_secret_version_stage(
                SecretId=name, VersionStage=label, RemoveFromVersionId=away_from, **target
            )
        except Exception as error:
            about = self._ask(f"reading secret {name}", lambda: self._client.describe_secret(SecretId=name))
            labels = about.get("VersionIdsToStages") or {}
            where = [id_ for id_, held in labels.items() if label in held]
            if where != ([to] if to else []):
                raise AwsError(explain(error, f"moving {label} of secret {name}")) from error

    @staticmethod
    def _ask(doing: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            if error_code(error) == "ResourceNotFoundException":
                raise SecretsError(
                    f"{doing}: it is not there. Remedy: run playbooks/databases.yml, which makes it"
                ) from error
            raise AwsError(explain(error, doing)) from error


def cannot_go_back(stages: Stages) -> str:
    """Why a secret's previous login cannot be its next one; empty when it can."""
    previous = stages.previous.value if stages.previous else {}
    if not previous.get("password") or previous.get("password") == stages.current.value.get("password"):
        return f"secret {stages.name}: its previous version has no other login, so there is nothing to go back to"
    if previous.get("username") != next_user(stages.name, stages.current.value):
        return f"secret {stages.name}: its previous version is of {previous.get('username')!r}, which is no login of its rotation"
    if stages.next and stages.next.value.get("password") != previous.get("password"):
        return f"secret {stages.name}: a rotation is under way. Remedy: finish that step (do=rotate), then go back"
    return ""


def ensure(options: Mapping[str, Any], *, check: bool, client: Any = None) -> dict[str, Any]:
    """Everything the module does; the result is the module's result."""
    state, names, back = str(options["state"]), [str(name) for name in options["names"]], bool(options.get("back"))
    if state not in STATES:
        raise SecretsError(f"no state {state!r}; there are: {', '.join(STATES)}")
    length = int(options.get("password_length") or 32)
    expect = {str(name): str(item) for name, item in (options.get("expect") or {}).items()}
    store = StageStore(client if client is not None else open_client("secretsmanager", options.get("region")))
    found = store.read(list(dict.fromkeys(names)))
    if back:
        refused = [why for stages in found.values() if (why := cannot_go_back(stages))]
        if refused:
            raise SecretsError("nothing was changed:\n" + "\n".join(f"  - {why}" for why in refused))

    def step(stages: Stages) -> Stages:
        if state == "pending":
            return store.take_back(stages) if back else store.make_next(stages, length)
        return store.publish(stages, expect.get(stages.name, ""))

    done = found
    if state == "pending" and check:
        done = {name: _predicted(stages, back) for name, stages in found.items()}
    elif state != "read" and not check:
        done = dict(zip(found, side_by_side(step, list(found.values())), strict=True))
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, stages in found.items():
        users = stages.current.value.get("username"), next_user(name, stages.current.value) if state != "read" else ""
        now = done[name]
        if state == "pending" and now.next and (stages.next is None or now.next.id != stages.next.id):
            before[name] = {"next login": "none" if stages.next is None else "beside other values"}
            after[name] = {"next login": f"of {users[1]}"}
        elif state == "published" and (stages.next is not None or check):
            before[name], after[name] = {"login": f"of {users[0]}"}, {"login": f"the next one, of {users[1]}"}
        elif state == "published" and stages.left_over:
            before[name], after[name] = {"label": NEXT}, {"label": "none"}
    result: dict[str, Any] = {"changed": bool(after), "diff": {"before": before, "after": after}}
    if options.get("return_values", True):
        result["logins"] = {
            name: {
                "current": stages.current.value,
                "next": stages.next.value if stages.next else {},
                "can_go_back": not cannot_go_back(stages),
            }
            for name, stages in done.items()
        }
    return result


def _predicted(stages: Stages, back: bool) -> Stages:
    """A secret as `pending` would leave it; a password that is not made yet is absent."""
    user = next_user(stages.name, stages.current.value)
    there = stages.previous if back else stages.next
    known = login(there.value) if there and there.value.get("username") == user else {}
    value = next_value(stages.current.value, {"username": user, **known})
    if stages.next and stages.next.value == value:
        return stages
    return Stages(stages.name, stages.current, Version("", value), stages.previous)
