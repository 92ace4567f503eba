"""Makes database servers in containers look like RDS: administrator, privileges, parameters, CA bundle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..estate.inside import Container
from .embedded_mysql import MySQLServer
from .embedded_postgresql import PostgreSQLServer
from .model import DatabaseError


class Server(Protocol):
    """What an engine does; the constructor takes container, user, password and wanted parameters."""

    ca_path: str

    def wait(self, seconds: int) -> None: ...

    def compare(self) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        """Before, after and the statements between them; `(password)` stands where the password belongs."""

    def apply(self, statements: Sequence[str], seconds: int) -> None:
        """Runs the statements and makes sure that the administrator can log in."""


ENGINES: dict[str, type[MySQLServer] | type[PostgreSQLServer]] = {
    "mysql": MySQLServer,
    "postgresql": PostgreSQLServer,
}
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")


@dataclass
class _Outcome:
    name: str
    ca: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)


def _server(podman: str, options: Mapping[str, Any]) -> tuple[Container, Server]:
    engine = str(options["engine"])
    wanted = {str(name): _parameter(value) for name, value in (options.get("parameters") or {}).items()}
    wrong = [name for name in wanted if not _PARAMETER.fullmatch(name)]
    if wrong:
        raise DatabaseError(f"not names of {engine} parameters: {', '.join(wrong)}")
    container = Container(podman, str(options["container"]))
    return container, ENGINES[engine](container, str(options["user"]), str(options["password"]), wanted)


def ensure(options: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Everything the module embedded_rds does, all servers side by side; the result is the module's result."""
    seconds = int(options["timeout"])

    def one(entry: Mapping[str, Any]) -> _Outcome:
        container, server = _server(str(options["podman"]), entry)
        if check and not container.running():
            # Bringing it up is what comes first; until then nobody knows what it holds.
            return _Outcome(container.name, "")
        server.wait(seconds)
        ca = container.read(server.ca_path)
        if "BEGIN CERTIFICATE" not in ca:
            raise DatabaseError(f"container {container.name}: no certificate at {server.ca_path}")
        outcome = _Outcome(container.name, ca, *server.compare())
        if outcome.statements and not check:
            server.apply(outcome.statements, seconds)
        return outcome

    with ThreadPoolExecutor(max_workers=4) as pool:
        outcomes = list(pool.map(one, options["servers"]))
    before = {outcome.name: outcome.before for outcome in outcomes if outcome.after}
    after = {outcome.name: outcome.after for outcome in outcomes if outcome.after}
    bundle = "".join(sorted({outcome.ca for outcome in outcomes})) if all(outcome.ca for outcome in outcomes) else ""
    ca_file = Path(str(options["ca_file"]))
    if bundle and (not ca_file.is_file() or ca_file.read_text() != bundle):
        before["ca_file"], after["ca_file"] = {"path": "another or none"}, {"path": str(ca_file)}
        if not check:
            ca_file.parent.mkdir(parents=True, exist_ok=True)
            ca_file.write_text(bundle)
    changes = {outcome.name: outcome.statements for outcome in outcomes if outcome.statements}
    return {"changed": bool(after), "diff": {"before": before, "after": after}, "changes": changes}


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return str(value)
