"""What a report of a shared server is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """What the catalog and the parameter group say."""

    #: Connections of each user that the catalog knows.
    pools: Mapping[str, int]
    databases: tuple[str, ...]
    parameters: Mapping[str, str]
    #: Connections that stay free for administration and monitoring.
    reserved: int
    #: 0: not known.
    allocated_gib: float
    #: Seconds that a replica may be behind.
    max_lag: float


@dataclass(frozen=True)
class Problem:
    """Something that somebody should do something about."""

    check: str
    problem: str
    remedy: str


@dataclass
class Reading:
    """What a server said."""

    server: dict[str, Any] = field(default_factory=dict)
    #: max_connections, used, most, refused, users (name to how many), system (users of the server's own)
    connections: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    #: logged, seconds (from which on), count (None where the server does not count), running (id, user, database, state, seconds)
    slow: dict[str, Any] = field(default_factory=dict)
    #: databases (name to bytes), logs (bytes)
    disk: dict[str, Any] = field(default_factory=dict)
    #: name, role, lag (s, or None), problem, remedy
    replication: list[dict[str, Any]] = field(default_factory=list)
    #: What differs: name, has, wanted, remedy
    charsets: list[dict[str, Any]] = field(default_factory=list)
    #: How many tables were looked at.
    tables: int = 0

    def as_result(self) -> dict[str, Any]:
        return dict(vars(self))
