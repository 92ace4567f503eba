"""The secret that a service reads, while its database moves: which server it names, and what it named before.

Both logins are versions of the secret with labels of their own, so neither is lost, and the switch is AWS's move of one label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..aws_client import open_client
from ..secrets import SecretsError, Value
from .rotation_secrets import CURRENT, StageStore, Version

#: Labels of the versions that have the login on the dedicated and on the shared server.
DEDICATED, SHARED = "groundwork-dedicated", "groundwork-shared"
STATES = ("read", "prepared", "shared", "dedicated", "finished")


@dataclass(frozen=True)
class Found:
    """A secret and its labels."""

    current: Version
    labels: Mapping[str, str]

    @property
    def names(self) -> str:
        """Which server it names."""
        where = {self.labels.get(DEDICATED): "dedicated", self.labels.get(SHARED): "shared"}
        return where.get(self.current.id, "another") if self.labels.get(DEDICATED) else "unlabelled"


class MigrationSecret(StageStore):
    """One secret. Every step may be repeated."""

    def __init__(self, client: Any, name: str) -> None:
        super().__init__(client)
        self.name = name

    def find(self) -> Found:
        about = self._ask(f"reading secret {self.name}", lambda: self._client.describe_secret(SecretId=self.name))
        labels = {label: id_ for id_, held in (about.get("VersionIdsToStages") or {}).items() for label in held}
        if CURRENT not in labels:
            raise SecretsError(f"secret {self.name} has no value")
        return Found(self._version(self.name, labels[CURRENT]), labels)

    def prepare(self, found: Found, login: Value) -> None:
        """Both logins are there: the present one, which stays what clients read, and the one to come."""
        if found.names == "shared":
            return
        if found.labels.get(DEDICATED) != found.current.id:
            self._label(DEDICATED, found.current.id, found.labels.get(DEDICATED))
        value = {**found.current.value, **login}
        there = found.labels.get(SHARED)
        if there is None or self._version(self.name, there).value != value:
            self._ask(
                f"storing the login to come in secret {self.name}",
                lambda: self._client.put_secret_value(
                    SecretId=self.name, SecretString=json.dumps(value, ensure_ascii=False), VersionStages=[SHARED]
                ),
            )

    def switch(self, found: Found, label: str) -> None:
        """Clients read the login that has this label from now on."""
        if label not in found.labels:
            raise SecretsError(f"secret {self.name} has no version {label}. Remedy: begin the migration anew")
        if found.names == "another":
            raise SecretsError(
                f"secret {self.name} was changed by somebody else meanwhile. Remedy: find out by whom; the login of before is its version {DEDICATED}, "
                f"the one on the shared server {SHARED}"
            )
        if found.labels[label] != found.current.id:
            self._move(self.name, CURRENT, found.labels[label], found.current.id)

    def finish(self, found: Found) -> None:
        for label in (DEDICATED, SHARED):
            if label in found.labels:
                self._label(label, None, found.labels[label])

    def _label(self, label: str, to: str | None, away_from: str | None) -> None:
        target = {"MoveToVersionId": to} if to else {}
        source = {"RemoveFromVersionId": away_from} if away_from else {}
        self._ask(
            f"labelling a version of secret {self.name}",
            lambda: self._client.update_secret_version_stage(
                SecretId=self.name, VersionStage=label, **target, **source
            ),
        )


def act(options: Mapping[str, Any], *, check: bool, client: Any = None) -> dict[str, Any]:
    """One call of the module; the result is the module's result."""
    state, login = str(options["state"]), dict(options.get("login") or {})
    if state not in STATES:
        raise SecretsError(f"no state {state!r}; there are: {', '.join(STATES)}")
    store = MigrationSecret(
        client if client is not None else open_client("secretsmanager", options.get("region")), str(options["name"])
    )
    found = store.find()
    before = {"labels": sorted({DEDICATED, SHARED} & found.labels.keys()), "names": found.names}
    after = {
        "read": before,
        "prepared": {"labels": [DEDICATED, SHARED], "names": found.names if found.names == "shared" else "dedicated"},
        "shared": {"labels": [DEDICATED, SHARED], "names": "shared"},
        "dedicated": {"labels": [DEDICATED, SHARED], "names": "dedicated"},
        "finished": {"labels": [], "names": "unlabelled"},
    }[state]
    if not check:
        if state == "prepared":
            store.prepare(found, login)
        elif state in ("shared", "dedicated"):
            store.switch(found, SHARED if state == "shared" else DEDICATED)
        elif state == "finished":
            store.finish(found)
    now = found if check or state == "read" else store.find()
    result: dict[str, Any] = {
        "changed": before != after or now.labels != found.labels,
        "names": now.names,
        "diff": {"before": {store.name: before}, "after": {store.name: after}},
    }
    if options.get("return_values"):
        result["login"] = found.current.value
    return result
