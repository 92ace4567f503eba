"""Rotation on MySQL by dual passwords: an account keeps its old password as a second one until that is discarded.

Which of two passwords is the old one, the server does not say. So the statement that sets the next one also writes its name
(`password_id` of the secret, no password) into the account's attributes, in one step; and the first look after the
publication adds when that was, by the server's own clock and its own number of connections:

    {"groundwork": {"password": "…", "published": {"at": …, "connection": …, "changed": "…", "told": true}}}

Who still uses the old one is told by the server's error log, which has a note for every login by a second password, when
`log_error_verbosity` is 3 and the performance schema is on (`performance_schema.error_log`). Without them the server cannot
tell the two passwords apart, and sessions from before the publication and the time since then are all there is.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .model import DatabaseError, Endpoint
from .mysql import (
    Connection,
    apply,
    check_server,
    connect,
    processes,
    require_driver,
    server_lock,
    tls_context,
    try_logins,
)
from .mysql_plan import HOST, LOGIN_OK, LOGIN_SHADOWED, PLUGIN, ServicePlan
from .mysql_sql import Statement, shown_account
from .mysql_state import read_version, version_tuple
from .rotation import Done, RotationServer, RotationSpec, Seen, Settings

#: Dual passwords are there since 8.0.14, attributes of accounts since 8.0.21, performance_schema.error_log since this one.
OLDEST = (8, 0, 22)
#: "Second password was used for login by user", of caching_sha2_password; a note, so logged with this verbosity.
LOGGED_USE = "MY-013302"
NOTES = 3
BY_LOG, BY_SESSIONS = "error log", "sessions and time"
_KEY = "groundwork"
#: Takes the attributes away; one password alone needs no name.
NOTHING = json.dumps({_KEY: None})


@dataclass(frozen=True)
class Published:
    """When a look first found the publication done."""

    #: Seconds since 1970 by the server's clock, and the highest number that a connection had then.
    at: float
    connection: int
    #: When the account's password was changed last, then: another time now means that somebody else changed it.
    changed: str
    #: Logins by the second password were logged.
    told: bool


@dataclass(frozen=True)
class Account:
    """An account as rotation looks at it; hashes are not read."""

    plugin: str
    locked: bool
    expired: bool
    second: bool
    changed: str
    password_id: str = ""
    published: Published | None = None


@dataclass(frozen=True)
class Moment:
    """The server at one moment."""

    now: float
    started: float
    connection: int
    #: Logins by a second password are logged.
    told: bool
    #: The oldest entry that the error log's table still has; None: it has none.
    oldest: float | None
    accounts: Mapping[str, Account]
    #: (number of the connection, client) of each session, by user.
    sessions: Mapping[str, Sequence[tuple[int, str]]]
    #: When a second password was last used, by user.
    uses: Mapping[str, float]


def next_user(user: str) -> str:
    """The user of the next login: the same, with another password."""
    return user


def parse_account(row: Mapping[str, Any]) -> Account:
    """An account from its row; attributes that are not as this program writes them count as absent."""
    noted = json.loads(row["noted"]) if row["noted"] else None
    noted = noted if isinstance(noted, dict) else {}
    published: Published | None = None
    try:
        about = noted["published"]
        published = Published(
            float(about["at"]), int(about["connection"]), str(about["changed"]), bool(about.get("told"))
        )
    except (KeyError, TypeError, ValueError):
        pass
    return Account(
        plugin=str(row["plugin"]),
        locked=row["locked"] == "Y",
        expired=row["expired"] == "Y",
        second=bool(row["second"]),
        changed=str(row["changed"]),
        password_id=str(noted.get("password") or ""),
        published=published,
    )


def see(spec: RotationSpec, moment: Moment, works: bool | None, ready: bool) -> Seen:
    """What the server shows of one service. `works` and `ready`: what logins with the two passwords showed."""
    user = spec.service.user
    account = moment.accounts.get(user)
    if account is None:
        return Seen(user, fault=f"the account {shown_account((user, HOST))} does not exist", works=works)
    faults = [
        *([] if account.plugin == PLUGIN else [f"its plugin is {account.plugin}, not {PLUGIN}"]),
        *(["it is locked"] if account.locked else []),
        *(["its password is expired"] if account.expired else []),
    ]
    seen = Seen(user, fault=", ".join(faults), works=works)
    if not account.second:
        return seen
    published = account.published
    # What was noted counts as long as nobody changed the password since.
    known = published is not None and published.changed == account.changed
    fresh = bool(spec.password_id) and account.password_id == spec.password_id
    seen = replace(
        seen,
        old=f"the old password of {shown_account((user, HOST))}",
        ready=spec.next is not None and (ready or account.password_id == spec.next.password_id != ""),
        settled=known or (fresh and published is None),
    )
    if published is None:
        return seen
    told = moment.told and published.told
    use = moment.uses.get(user)
    since = published.at
    if told and (moment.oldest is None or moment.oldest > since):
        # The log's table lost what is older: it is of a fixed size, and begins anew with the server.
        since = moment.now if moment.oldest is None else moment.oldest
    use = use if told and use is not None and use > published.at else None
    restarted = moment.started > published.at
    return replace(
        seen,
        published=max(moment.now - published.at, 0.0),
        holders=tuple(
            f"{number} ({client})"
            for number, client in sorted(moment.sessions.get(user, ()))
            # Connections are numbered in the order in which they were opened, from 1 when the server starts.
            if number <= published.connection and not restarted
        ),
        last_use=None if use is None else max(moment.now - use, 0.0),
        quiet=max(moment.now - max(since, use or 0.0), 0.0),
        told_by=BY_LOG if told else BY_SESSIONS,
    )


def published_note(published: Published) -> str:
    """Attributes to be merged into the account's own."""
    return json.dumps({_KEY: {"published": vars(published)}})


def password_note(password_id: str) -> str:
    """The same for a password that was not published yet; what is None is taken away."""
    return json.dumps({_KEY: {"password": password_id, "published": None}})


def check_dual_passwords(version: str, endpoint: Endpoint) -> None:
    """Refuses servers that cannot keep two passwords, or do not tell who uses the second."""
    if version_tuple(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise DatabaseError(
            f"{endpoint.where} is MySQL {version}, which cannot tell what rotation has to know of two passwords of one account. "
            f"Remedy: upgrade it to {oldest} or newer."
        )


class MySQLRotation(RotationServer):
    """Dual passwords over one connection of the administrator."""

    def __init__(self, connection: Connection, endpoint: Endpoint, context: ssl.SSLContext, settings: Settings) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._context = context
        self._settings = settings
        #: As of the last look.
        self._accounts: Mapping[str, Account] = {}

    @property
    def queries(self) -> int:
        return self._connection.queries

    @contextmanager
    def locked(self) -> Iterator[None]:
        with server_lock(self._connection, self._endpoint, self._settings.lock_timeout):
            yield

    def look(self, specs: Sequence[RotationSpec], *, logins: bool) -> dict[str, Seen]:
        moment = self._read(specs)
        works: dict[str, bool | None] = {}
        ready: dict[str, bool] = {}
        if logins:
            works = self._try(specs, moment)
            # A login that must be refused is not tried: it would count as an attack.
            second = [
                spec.published
                for spec in specs
                if spec.next is not None
                and spec.next.password is not None
                and (account := moment.accounts.get(spec.service.user)) is not None
                and account.second
            ]
            ready = {name: bool(answer) for name, answer in self._try(second, moment).items()}
        return {spec.name: see(spec, moment, works.get(spec.name), ready.get(spec.name, False)) for spec in specs}

    def _read(self, specs: Sequence[RotationSpec]) -> Moment:
        moment = read_moment(self._connection, [spec.service.user for spec in specs])
        self._accounts = moment.accounts
        return moment

    def _try(self, specs: Sequence[RotationSpec], moment: Moment) -> dict[str, bool | None]:
        able = [spec for spec in specs if _can_try(moment.accounts.get(spec.service.user))]
        answers = try_logins(self._endpoint, self._context, [spec.service for spec in able])
        for spec in able:
            if answers.get(spec.service.user) == LOGIN_SHADOWED:
                raise DatabaseError(
                    f"{spec.name}: another account than {shown_account((spec.service.user, HOST))} answers its logins from this "
                    "host, so nothing can be told of its password. Remedy: drop the other account"
                )
        return {spec.name: answers.get(spec.service.user) == LOGIN_OK for spec in able}

    def set_next(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        plans = []
        for spec in specs:
            account = self._accounts[spec.service.user]
            if account.second and account.password_id == spec.published.password_id != "":
                continue
            plan = ServicePlan(spec.name)
            plan.before["second password"] = "another one" if account.second else "none"
            plan.after["second password"] = "the secret's, beside the next one"
            if account.second and not (seen[spec.name].settled and account.password_id == spec.password_id != ""):
                # Both work and nobody knows which is the second. The next statement keeps the first, so that is made the secret's.
                plan.statements.append(_set_password(spec, keep=False))
            plan.statements.append(_set_password(spec.published, keep=True))
            plans.append(plan)
        done = self._apply(plans, check)
        if not check:
            self._must_work(specs)
            self._must_work([spec.published for spec in specs])
        return done

    def note(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        plans = []
        for spec in specs:
            plan = ServicePlan(spec.name)
            if not seen[spec.name].settled:
                # Somebody else's second password: the secret's is made the first, so that the other one is the old one.
                plan.before["password"], plan.after["password"] = "one of two", "the first of two"
                plan.statements.append(_set_password(spec, keep=False))
                plans.append(plan)
        done = self._apply(plans, check)
        # When a password was changed last is part of what is noted.
        moment = self._read(specs)
        marks = []
        for spec in specs:
            changed = moment.accounts[spec.service.user].changed
            published = Published(moment.now, moment.connection, changed, moment.told)
            plan = ServicePlan(spec.name)
            plan.before["publication"], plan.after["publication"] = "not noted", "noted"
            plan.statements.append(_attributes(spec, published_note(published)))
            marks.append(plan)
        done.add(self._apply(marks, check))
        return done

    def retire(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        plans = []
        for spec in specs:
            account = (spec.service.user, HOST)
            plan = ServicePlan(spec.name)
            plan.before["second password"], plan.after["second password"] = "the old one", "none"
            shown = f"ALTER USER {shown_account(account)} DISCARD OLD PASSWORD"
            plan.statements.append(
                Statement("ALTER USER %s@%s DISCARD OLD PASSWORD ATTRIBUTE %s", (*account, NOTHING), shown)
            )
            plans.append(plan)
        done = self._apply(plans, check)
        if not check:
            self._must_work(specs)
        return done

    def _apply(self, plans: Sequence[ServicePlan], check: bool) -> Done:
        if not check:
            apply(self._connection, self._endpoint, plans)
        return Done(
            {plan.service: plan.before for plan in plans},
            {plan.service: plan.after for plan in plans},
            [f"{plan.service}: {statement.shown}" for plan in plans for statement in plan.statements],
        )

    def _must_work(self, specs: Sequence[RotationSpec]) -> None:
        """The passwords that the server was just told, or that were to stay, work."""
        answers = self._try(specs, self._read(specs))
        refused = [spec.name for spec in specs if not answers.get(spec.name)]
        if refused:
            raise DatabaseError(
                f"{', '.join(refused)}: a password that {self._endpoint.where} should take is refused. Remedy: another "
                "administrator changes the same accounts; run playbooks/databases.yml, then this again."
            )


def _can_try(account: Account | None) -> bool:
    return account is not None and account.plugin == PLUGIN and not account.expired


def _set_password(spec: RotationSpec, *, keep: bool) -> Statement:
    """Sets the service's password and tells the account its name. `keep`: the password of before becomes the second."""
    account = (spec.service.user, HOST)
    retain = " RETAIN CURRENT PASSWORD" if keep else ""
    return Statement(
        f"ALTER USER %s@%s IDENTIFIED BY %s{retain} ATTRIBUTE %s",
        (*account, spec.service.password or "", password_note(spec.password_id)),
        f"ALTER USER {shown_account(account)} IDENTIFIED BY ({'next' if keep else 'present'} password){retain}",
    )


def _attributes(spec: RotationSpec, text: str) -> Statement:
    account = (spec.service.user, HOST)
    shown = f"ALTER USER {shown_account(account)} ATTRIBUTE (the time of the publication)"
    return Statement("ALTER USER %s@%s ATTRIBUTE %s", (*account, text), shown)


_MOMENT = """
SELECT UNIX_TIMESTAMP(NOW(6)) AS now, CONNECTION_ID() AS connection, @@GLOBAL.performance_schema AS instrumented,
       @@GLOBAL.log_error_verbosity AS verbosity
"""
_ACCOUNTS = """
SELECT User AS user, plugin, account_locked AS locked, password_expired AS expired,
       UNIX_TIMESTAMP(password_last_changed) AS changed,
       User_attributes IS NOT NULL AND JSON_CONTAINS_PATH(User_attributes, 'one', '$.additional_password') AS second,
       JSON_EXTRACT(User_attributes, '$.metadata.groundwork') AS noted
  FROM mysql.user WHERE Host = %s AND User IN %s
"""
# A client's program is in the connection's attributes, if it sends any and the performance schema is on.
_PROGRAMS = """
SELECT PROCESSLIST_ID AS number, ATTR_VALUE AS program FROM performance_schema.session_connect_attrs WHERE ATTR_NAME = 'program_name'
"""
_LOG = """
SELECT DATA AS text, UNIX_TIMESTAMP(MAX(LOGGED)) AS at FROM performance_schema.error_log WHERE ERROR_CODE = %s GROUP BY DATA
"""


def read_moment(connection: Connection, users: Sequence[str]) -> Moment:
    """The server's state with a constant number of queries, whatever the number of services."""
    wanted = tuple(users) or ("",)
    server = connection.query(_MOMENT)[0]
    uptime = connection.query("SHOW GLOBAL STATUS LIKE 'Uptime'")[0]["Value"]
    now = float(server["now"])
    told = bool(server["instrumented"]) and int(server["verbosity"]) >= NOTES
    sessions: dict[str, list[tuple[int, str]]] = {}
    programs = {int(row["number"]): str(row["program"] or "") for row in connection.query(_PROGRAMS)}
    for row in processes(connection):
        if row["User"] in wanted:
            number = int(row["Id"])
            client = " ".join(filter(None, [str(row["Host"]), programs.get(number, "")]))
            sessions.setdefault(str(row["User"]), []).append((number, client))
    oldest: float | None = None
    uses: dict[str, float] = {}
    if told:
        first = connection.query("SELECT UNIX_TIMESTAMP(MIN(LOGGED)) AS at FROM performance_schema.error_log")[0]["at"]
        oldest = None if first is None else float(first)
        for row in connection.query(_LOG, (LOGGED_USE,)):
            for user in wanted:
                if f"login by user: '{user}'@'{HOST}'" in str(row["text"]):
                    uses[user] = max(float(row["at"]), uses.get(user, 0.0))
    return Moment(
        now=now,
        started=now - float(uptime),
        connection=int(server["connection"]),
        told=told,
        oldest=oldest,
        accounts={str(row["user"]): parse_account(row) for row in connection.query(_ACCOUNTS, (HOST, wanted))},
        sessions=sessions,
        uses=uses,
    )


@contextmanager
def open_server(endpoint: Endpoint, settings: Settings) -> Iterator[RotationServer]:
    """A MySQL server that keeps two passwords of an account, or the reason why it does not."""
    require_driver()
    context = tls_context(endpoint)
    with connect(endpoint, context) as connection:
        server = read_version(connection.query)
        check_server(server, endpoint)
        check_dual_passwords(server.version, endpoint)
        yield MySQLRotation(connection, endpoint, context, settings)
