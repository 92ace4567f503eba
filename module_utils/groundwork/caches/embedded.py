"""Gives Valkey servers in containers their token and makes them look like ElastiCache."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..estate.inside import Container, ContainerError

USERS = "/etc/groundwork/users.acl"
#: What ElastiCache refuses its users: "Supported and restricted commands" of the ElastiCache user guide.
RESTRICTED = (
    "acl|deluser",
    "acl|load",
    "acl|log",
    "acl|save",
    "acl|setuser",
    "bgrewriteaof",
    "bgsave",
    "cluster|addslots",
    "cluster|bumpepoch",
    "cluster|delslots",
    "cluster|failover",
    "cluster|flushslots",
    "cluster|forget",
    "cluster|meet",
    "cluster|replicate",
    "cluster|reset",
    "cluster|saveconfig",
    "cluster|set-config-epoch",
    "cluster|setslot",
    "config",
    "debug",
    "failover",
    "migrate",
    "module",
    "psync",
    "replicaof",
    "save",
    "shutdown",
    "slaveof",
    "sync",
)
_WRITE = f"umask 027; cat > {USERS}.new; chgrp valkey {USERS}.new; mv {USERS}.new {USERS}"
_CLIENT = ("valkey-cli", "-h", "127.0.0.1", "-p", "6379", "--tls", "--cacert", "/var/lib/valkey/tls/ca.pem")


def users(token: str) -> str:
    """The file of users: one, with a hash of the token."""
    if any(character.isspace() for character in token) or not token:
        raise ContainerError("a cache's token is empty or has blanks; AWS allows 16 to 128 printable characters")
    hashed = hashlib.sha256(token.encode()).hexdigest()
    restricted = " ".join(f"-{command}" for command in RESTRICTED)
    return f"user default on sanitize-payload #{hashed} ~* &* +@all {restricted}\n"


def _answers(container: Container, token: str) -> bool:
    """Whether the server lets the token in; it goes through standard input."""
    done = container.exec(_CLIENT, f"AUTH {token}\nPING\n")
    return done.stdout.split() == ["OK", "PONG"]


def ensure(options: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Everything the module embedded_cache does, all servers side by side; the result is the module's result."""
    seconds = int(options["timeout"])

    def one(entry: Mapping[str, Any]) -> str:
        container = Container(str(options["podman"]), str(entry["container"]))
        token = str(entry["token"])
        if check and not container.running():
            # Bringing it up is what comes first; until then nobody knows what it holds.
            return ""
        held, wanted = container.read(USERS), users(token)
        if held != wanted:
            if check:
                return "token" if held else "first token"
            done = container.exec(["sh", "-ec", _WRITE], wanted)
            if done.returncode != 0:
                raise ContainerError(f"container {container.name}: {USERS} cannot be written: {done.stderr.strip()}")
            if held:
                # The server reads the file at its start; what a cache holds can be made again.
                container.restart()
        deadline = time.monotonic() + seconds
        while not _answers(container, token):
            if time.monotonic() > deadline:
                container.wait(["false"], 0, "Valkey with the token of the secret")
            time.sleep(0.2)
        return "" if held == wanted else ("token" if held else "first token")

    with ThreadPoolExecutor(max_workers=4) as pool:
        done = list(pool.map(one, options["servers"]))
    changes = {str(entry["container"]): what for entry, what in zip(options["servers"], done, strict=True) if what}
    before = {name: "none" if what == "first token" else "not the secret's" for name, what in changes.items()}
    after = dict.fromkeys(changes, "as in the secret")
    return {"changed": bool(changes), "diff": {"before": before, "after": after}}
