"""Rotation on PostgreSQL, which has one password a role: two logins in turn, `{user}` and `{user}_2`.

Both are what `shared_databases` makes of a login of this database, so the next one is made by the same code, beside the
present one. A session tells by its user which of them a client has. The one that was replaced is kept without a login and
without a password until the next rotation; when it was replaced is noted in its comment, by the server's clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .model import DatabaseError, Endpoint, Options
from .postgresql import (
    PARALLEL,
    Connection,
    Run,
    as_user,
    carry_out,
    check_server,
    check_users,
    connect,
    require_driver,
    server_lock,
    try_login,
)
from .postgresql_plan import LOGIN_OK, other_login
from .postgresql_sql import Name, Statement, Value, shown_name, statement
from .postgresql_state import read_server
from .rotation import Done, RotationServer, RotationSpec, Seen, Settings
from .tls import ca_bundle

BY_SESSIONS = "sessions by user"
_KEY = "groundwork"

next_user = other_login


@dataclass(frozen=True)
class Role:
    """A login role as rotation looks at it."""

    login: bool
    #: When it was found replaced, in seconds since 1970 by the server's clock.
    replaced: float | None = None


@dataclass(frozen=True)
class Moment:
    """The server at one moment."""

    now: float
    roles: Mapping[str, Role]
    #: (process, client) of each session, by user.
    sessions: Mapping[str, Sequence[tuple[int, str]]]


def parse_role(row: Mapping[str, Any]) -> Role:
    """A role from its row; a comment that is not as this program writes it says nothing."""
    try:
        replaced = float(json.loads(row["comment"])[_KEY]["replaced"])
    except (KeyError, TypeError, ValueError):
        return Role(bool(row["login"]))
    return Role(bool(row["login"]), replaced)


def see(spec: RotationSpec, moment: Moment, works: bool | None, ready: bool) -> Seen:
    """What the server shows of one service. `works` and `ready`: what logins as the two users showed."""
    user = spec.service.user
    role, other = moment.roles.get(user), moment.roles.get(other_login(user))
    fault = "" if role else f"the role {shown_name(user)} does not exist"
    if role and not role.login:
        fault = f"the role {shown_name(user)} may not log in"
    seen = Seen(user, fault=fault, works=works)
    if other is None or not other.login:
        return seen
    seen = replace(seen, old=f"the login {shown_name(other_login(user))}", ready=spec.next is not None and ready)
    if other.replaced is None:
        return seen
    age = max(moment.now - other.replaced, 0.0)
    return replace(
        seen,
        published=age,
        holders=tuple(f"{number} ({client})" for number, client in sorted(moment.sessions.get(other_login(user), ()))),
        quiet=age,
        told_by=BY_SESSIONS,
    )


class PostgreSQLRotation(RotationServer):
    """Two roles in turn over one connection of the administrator."""

    def __init__(self, connection: Connection, endpoint: Endpoint, ca: str, settings: Settings) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._ca = ca
        self._settings = settings
        self._queries = 0
        #: As of the last look.
        self._roles: Mapping[str, Role] = {}

    @property
    def queries(self) -> int:
        return self._connection.queries + self._queries

    @contextmanager
    def locked(self) -> Iterator[None]:
        with server_lock(self._connection, self._endpoint, self._settings.lock_timeout):
            yield

    def look(self, specs: Sequence[RotationSpec], *, logins: bool) -> dict[str, Seen]:
        moment = self._read(specs)
        works: dict[str, bool] = {}
        ready: dict[str, bool] = {}
        if logins:
            works = self._try(specs)
            ready = self._try([spec.published for spec in specs if spec.next and spec.next.password is not None])
        return {spec.name: see(spec, moment, works.get(spec.name), ready.get(spec.name, False)) for spec in specs}

    def _read(self, specs: Sequence[RotationSpec]) -> Moment:
        users = [spec.service.user for spec in specs]
        moment = read_moment(self._connection, [*users, *map(other_login, users)])
        self._roles = moment.roles
        return moment

    def _try(self, specs: Sequence[RotationSpec]) -> dict[str, bool]:
        able = [spec for spec in specs if self._roles.get(spec.service.user, Role(False)).login]

        def one(spec: RotationSpec) -> bool:
            user = as_user(self._endpoint, spec.service.user, spec.service.password or "")
            return try_login(user, self._ca, spec.service.database) == LOGIN_OK

        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            return {spec.name: answer for spec, answer in zip(able, pool.map(one, able), strict=True)}

    def set_next(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        # Both logins at once: what belongs to one must not be taken for a stranger's.
        wanted = [replace(spec.service, name=f"{spec.name} (present)") for spec in specs]
        following = [spec.published.service for spec in specs]
        # Without a password, in check mode, it is planned like one that cannot be tried.
        wanted += [replace(service, password=service.password or "") for service in following]
        check_users(wanted, self._endpoint)
        report = Run(self._endpoint, self._ca, self._connection, wanted, Options(check=check)).ensure()
        self._queries += report.queries - self._connection.queries
        done = Done(report.before, report.after, report.changes)
        done.add(self._comments([spec for spec in specs if self._replaced(spec.published.service.user)], None, check))
        if not check:
            self._must_work(specs)
            self._must_work([spec.published for spec in specs])
        return done

    def _replaced(self, user: str) -> bool:
        role = self._roles.get(user)
        return role is not None and role.replaced is not None

    def note(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        return self._comments(specs, self._read(specs).now, check)

    def retire(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        done = Done()
        for spec in specs:
            other = Name((other_login(spec.service.user),))
            done.before[spec.name] = {"second login": other.names[0]}
            done.after[spec.name] = {"second login": "none"}
            self._run(spec, statement("ALTER ROLE ", other, " WITH NOLOGIN PASSWORD NULL"), done, check)
        done.add(self._comments(specs, None, check))
        if not check:
            self._must_work(specs)
        return done

    def _comments(self, specs: Sequence[RotationSpec], replaced: float | None, check: bool) -> Done:
        """Notes at the logins that are not the secrets' when they were replaced; None takes the note away."""
        done = Done()
        text: Value | str = "NULL" if replaced is None else Value(json.dumps({_KEY: {"replaced": replaced}}))
        for spec in specs:
            other = Name((other_login(spec.service.user),))
            if replaced is not None:
                done.before[spec.name], done.after[spec.name] = {"publication": "not noted"}, {"publication": "noted"}
            self._run(spec, statement("COMMENT ON ROLE ", other, " IS ", text), done, check)
        return done

    def _run(self, spec: RotationSpec, item: Statement, done: Done, check: bool) -> None:
        done.changes.append(f"{spec.name}: {item.shown}")
        if not check:
            carry_out(self._connection, item, done.changes[-1], self._endpoint)

    def _must_work(self, specs: Sequence[RotationSpec]) -> None:
        """The logins that the server was just told, or that were to stay, work."""
        self._read(specs)
        answers = self._try(specs)
        refused = [spec.service.user for spec in specs if not answers.get(spec.name)]
        if refused:
            raise DatabaseError(
                f"{', '.join(refused)}: a password that {self._endpoint.where} should take is refused. Remedy: another "
                "administrator changes the same roles; run playbooks/databases.yml, then this again."
            )


_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8 AS now"
_ROLES = """
SELECT rolname AS name, rolcanlogin AS login, shobj_description(oid, 'pg_authid') AS comment
  FROM pg_roles WHERE rolname = ANY (%(users)s)
"""
_SESSIONS = """
SELECT pid, usename AS name, coalesce(host(client_addr), 'the server itself') AS host, application_name AS program
  FROM pg_stat_activity WHERE usename = ANY (%(users)s)
"""


def read_moment(connection: Connection, users: Sequence[str]) -> Moment:
    """The server's state with a constant number of queries, whatever the number of services."""
    wanted = {"users": list(users)}
    sessions: dict[str, list[tuple[int, str]]] = {}
    for row in connection.query(_SESSIONS, wanted):
        client = " ".join(filter(None, [str(row["host"]), str(row["program"] or "")]))
        sessions.setdefault(str(row["name"]), []).append((int(row["pid"]), client))
    return Moment(
        now=float(connection.query(_NOW, {})[0]["now"]),
        roles={str(row["name"]): parse_role(row) for row in connection.query(_ROLES, wanted)},
        sessions=sessions,
    )


@contextmanager
def open_server(endpoint: Endpoint, settings: Settings) -> Iterator[RotationServer]:
    """A PostgreSQL server, or the reason why it cannot be rotated on."""
    require_driver()
    with ca_bundle(endpoint) as ca, connect(endpoint, ca) as connection:
        check_server(read_server(connection.query), endpoint)
        yield PostgreSQLRotation(connection, endpoint, ca, settings)
