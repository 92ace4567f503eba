"""A PostgreSQL server in a container that looks like RDS for PostgreSQL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..estate.inside import Container
from .model import DatabaseError

ROLE = "rds_superuser"
#: What RDS's rds_superuser is a member of, after "Understanding the rds_superuser role" of the RDS user guide.
MEMBERSHIPS = frozenset(
    {
        "pg_checkpoint",
        "pg_create_subscription",
        "pg_monitor",
        "pg_signal_backend",
        "pg_use_reserved_connections",
        "rds_password",
        "rds_replication",
    }
)
#: Attributes of the master user: neither SUPERUSER, REPLICATION nor BYPASSRLS.
ATTRIBUTES = frozenset({"LOGIN", "CREATEDB", "CREATEROLE"})
_ALL_ATTRIBUTES = ("LOGIN", "CREATEDB", "CREATEROLE", "SUPERUSER", "REPLICATION", "BYPASSRLS")
_PROVIDER_ROLES = (ROLE, "rds_password", "rds_replication")
# RFC 7677's least number of iterations, PostgreSQL's own.
_ITERATIONS = 4096
RESTART = "-- restart"


@dataclass
class State:
    """Roles with their attributes, what each is a member of and whether it may grant that on, and parameters."""

    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    members: dict[str, dict[str, bool]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    #: Parameters that are read when the server starts only.
    at_start: set[str] = field(default_factory=set)


def literal(text: str) -> str:
    """A string literal; backslashes are themselves (standard_conforming_strings)."""
    if "\0" in text:
        raise DatabaseError("a value for the embedded database has a NUL character")
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores of a password (RFC 5803): sent in its place, so that no log can have the password."""
    if not password.isascii() or not password.isprintable():
        raise DatabaseError("a PostgreSQL master password has printable ASCII characters only, as on RDS")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{text[0]}${text[1]}:{text[2]}"


def _attributes(wanted: frozenset[str]) -> str:
    return " ".join(name if name in wanted else f"NO{name}" for name in _ALL_ATTRIBUTES)


def compare(
    user: str, login_works: bool, state: State, wanted: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Before, after and the statements between them; `(password)` stands where the password belongs."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    statements: list[str] = []
    for role, attributes in [*((role, frozenset[str]()) for role in _PROVIDER_ROLES), (user, ATTRIBUTES)]:
        have = state.roles.get(role)
        if have != attributes:
            before.setdefault("roles", {})[role] = "not there" if have is None else sorted(have)
            after.setdefault("roles", {})[role] = sorted(attributes)
            verb = "CREATE" if have is None else "ALTER"
            statements.append(f"{verb} ROLE {identifier(role)} {_attributes(attributes)}")
    for member, groups in ((ROLE, MEMBERSHIPS), (user, frozenset({ROLE}))):
        held = state.members.get(member, {})
        lacking = sorted(group for group in groups if not held.get(group))
        # The master user becomes a member of every role that it makes; those are its own affair.
        surplus = sorted(held.keys() - groups) if member == ROLE else []
        if lacking or surplus:
            before.setdefault("memberships", {})[member] = sorted(
                group for group in held if held[group] or group in surplus
            )
            after.setdefault("memberships", {})[member] = sorted((held.keys() | groups) - set(surplus))
            statements += [f"REVOKE {identifier(group)} FROM {identifier(member)}" for group in surplus]
            statements += [f"GRANT {identifier(group)} TO {identifier(member)} WITH ADMIN OPTION" for group in lacking]
    if not login_works:
        before["password"], after["password"] = "not the secret's", "as in the secret"
        statements.append(f"ALTER ROLE {identifier(user)} PASSWORD (password) VALID UNTIL 'infinity'")
    differing = [name for name, value in wanted.items() if state.parameters.get(name) != value]
    for name in differing:
        before.setdefault("parameters", {})[name] = state.parameters.get(name, "unknown")
        after.setdefault("parameters", {})[name] = wanted[name]
        statements.append(f"ALTER SYSTEM SET {name} = {literal(wanted[name])}")
    if differing:
        statements.append(RESTART if state.at_start & set(differing) else "SELECT pg_reload_conf()")
    return before, after, statements


_READ = """
SELECT json_build_object('kind', 'role', 'name', rolname, 'value', array_remove(ARRAY[
    CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
    CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolsuper THEN 'SUPERUSER' END,
    CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL))
  FROM pg_roles;
SELECT json_build_object('kind', 'member', 'name', m.rolname, 'value', g.rolname, 'admin', bool_or(admin_option))
  FROM pg_auth_members JOIN pg_roles g ON g.oid = roleid JOIN pg_roles m ON m.oid = member GROUP BY m.rolname, g.rolname;
SELECT json_build_object('kind', 'parameter', 'name', name, 'value', setting, 'context', context) FROM pg_settings;
"""


class PostgreSQLServer:
    """PostgreSQL as the provider's superuser over the container's socket."""

    ca_path = "/var/lib/postgresql/tls/ca.pem"

    def __init__(self, container: Container, user: str, password: str, wanted: Mapping[str, str]) -> None:
        self._container = container
        self._user = user
        self._password = password
        self._wanted = wanted

    _PROVIDER = ("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "rdsadmin", "-d", "postgres")

    def wait(self, seconds: int) -> None:
        self._container.wait([*self._PROVIDER, "-c", "SELECT 1"], seconds, "PostgreSQL", user="postgres")

    def compare(self) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        return compare(self._user, self.login_works(), self._read(), self._wanted)

    def apply(self, statements: Sequence[str], seconds: int) -> None:
        stored = literal(verifier(self._password))
        self._sql("".join(f"{item.replace('(password)', stored)};\n" for item in statements if item != RESTART))
        if RESTART in statements:
            self._container.restart()
            self.wait(seconds)
        if not self.login_works():
            raise DatabaseError(
                f"container {self._container.name}: {self._user} cannot log in with the password just set"
            )

    def login_works(self) -> bool:
        """Whether this password lets the user in over TLS. It comes as a line of standard input."""
        script = 'IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql -Xqw -c "SELECT 1" "$0"'
        address = f"host=127.0.0.1 dbname=postgres sslmode=require user={_conninfo(self._user)}"
        return self._container.exec(["sh", "-c", script, address], self._password + "\n").returncode == 0

    def _sql(self, script: str) -> list[str]:
        done = self._container.exec(self._PROVIDER, script, user="postgres")
        if done.returncode != 0:
            raise DatabaseError(f"container {self._container.name}: PostgreSQL refused: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def _read(self) -> State:
        state = State()
        for line in self._sql(_READ):
            row = json.loads(line)
            if row["kind"] == "role":
                state.roles[row["name"]] = frozenset(row["value"])
            elif row["kind"] == "member":
                state.members.setdefault(row["name"], {})[row["value"]] = row["admin"]
            elif row["kind"] == "parameter":
                state.parameters[row["name"]] = row["value"]
                if row["context"] == "postmaster":
                    state.at_start.add(row["name"])
        return state


def _conninfo(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
