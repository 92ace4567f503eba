"""What every engine shares: what is wanted, where the server is, what a run did, and how it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class DatabaseError(Exception):
    """The wish is wrong, or the server refused. The text says what, where, why and the remedy; never a password."""


@dataclass(frozen=True)
class Endpoint:
    """A server and the administrator's login."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    #: Certificates of the authorities that may have signed the server's, as PEM text or as a file.
    ca_pem: str = field(default="", repr=False)
    ca_file: str = ""
    connect_timeout: int = 10

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class ServiceSpec:
    """The database and the login of one service, as they should be."""

    name: str
    database: str
    user: str
    #: None only in check mode, when the secret does not exist yet.
    password: str | None = field(repr=False)
    charset: str
    collation: str
    #: Connections the user may have at once; 0 means as many as the server allows.
    max_connections: int
    grants: frozenset[str]


@dataclass(frozen=True)
class Options:
    """How a run behaves."""

    check: bool = False
    #: Seconds to wait for another run that holds the server-side lock.
    lock_timeout: int = 60
    #: Accounts that are nobody's business here: not reported as unknown.
    ignore_users: frozenset[str] = frozenset()


@dataclass
class Report:
    """What a run saw and did (in check mode: would do)."""

    server: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    created_databases: list[str] = field(default_factory=list)
    created_users: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unknown_databases: list[str] = field(default_factory=list)
    unknown_users: list[str] = field(default_factory=list)
    other_access: list[str] = field(default_factory=list)
    second_passwords: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    queries: int = 0

    def as_result(self) -> dict[str, Any]:
        """The module's result."""
        return {
            "changed": bool(self.before or self.after),
            "changes": self.changes,
            "created_databases": self.created_databases,
            "created_users": self.created_users,
            "updated": self.updated,
            "unknown": {
                "databases": self.unknown_databases,
                "users": self.unknown_users,
                "access": self.other_access,
            },
            "second_passwords": self.second_passwords,
            "server": self.server,
            "queries": self.queries,
            "report_warnings": self.warnings,
            "diff": {"before": self.before, "after": self.after},
        }


@dataclass(frozen=True)
class LoginSpec:
    """A login that should work, and only as far as it should."""

    name: str
    database: str
    user: str
    password: str = field(repr=False)
    grants: frozenset[str]
    #: Databases of others that this login must not be let into.
    foreign: tuple[str, ...] = ()


class Engine(ABC):
    """A kind of database server."""

    name: str
    default_port: int
    default_charset: str
    default_collation: str
    default_grants: frozenset[str]

    @abstractmethod
    def faults(self, spec: ServiceSpec) -> list[str]:
        """Why a wish cannot be carried out on this engine; empty when it can."""

    @abstractmethod
    def ensure(self, endpoint: Endpoint, specs: Sequence[ServiceSpec], options: Options) -> Report:
        """Reads the server's state, changes what differs, and reads it back."""

    @abstractmethod
    def verify_login(self, endpoint: Endpoint, login: LoginSpec) -> dict[str, Any]:
        """Logs in as the service and reports what it saw; `failures` is empty when all is as it should be."""


def parse_services(engine: Engine, wishes: Sequence[Mapping[str, Any]], *, check: bool) -> list[ServiceSpec]:
    """Specs from the module's options; every fault of every wish in one error."""
    faults: list[str] = []
    specs: list[ServiceSpec] = []
    users: dict[str, str] = {}
    databases: dict[str, ServiceSpec] = {}
    for index, wish in enumerate(wishes):
        name = str(wish.get("name") or "")
        where = f"services[{index}] ({name or 'no name'})"
        password = wish.get("password") or None
        grants = wish.get("grants")
        spec = ServiceSpec(
            name=name,
            database=str(wish.get("database") or name),
            user=str(wish.get("user") or f"{name}_user"),
            password=None if password is None else str(password),
            charset=str(wish.get("charset") or engine.default_charset),
            collation=str(wish.get("collation") or engine.default_collation),
            max_connections=int(wish.get("max_user_connections") or 0),
            grants=engine.default_grants if grants is None else frozenset(str(item).upper().strip() for item in grants),
        )
        if not name:
            faults.append(f"{where}: name is missing")
        if any(spec.name == other.name for other in specs):
            faults.append(f"{where}: named twice")
        if spec.password is None and not check:
            faults.append(f"{where}: the password is missing; make its secret first")
        if spec.user in users:
            faults.append(f"{where}: user {spec.user!r} is already the user of {users[spec.user]}")
        users[spec.user] = name
        # Names that differ by case only are one database on a server that folds case.
        other_spec = databases.setdefault(spec.database.casefold(), spec)
        if (other_spec.database, other_spec.charset, other_spec.collation) != (
            spec.database,
            spec.charset,
            spec.collation,
        ):
            faults.append(f"{where}: database {spec.database!r} is also {other_spec.name}'s, written or set otherwise")
        if spec.max_connections < 0:
            faults.append(f"{where}: max_user_connections must be 0 or more, not {spec.max_connections}")
        faults.extend(f"{where}: {fault}" for fault in engine.faults(spec))
        specs.append(spec)
    if faults:
        raise DatabaseError("the wanted databases are not valid:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return specs
