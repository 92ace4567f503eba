"""Taking a service off MySQL: its accounts are locked, their sessions ended as RDS allows it, then database and accounts dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from .model import DatabaseError, Endpoint
from .mysql import MISSING, Connection, check_server, connect, processes, require_driver, server_lock, tls_context
from .mysql_sql import Account, Statement, grant_pattern, identifier, shown_account, shown_identifier
from .mysql_state import SYSTEM_USERS, read_state
from .offboarding import Login, OffboardingServer, Seen, Step

if MISSING is None:
    import pymysql

    from .mysql import explain

#: Dropping a large database takes its time.
PATIENCE = 3600
ER_NO_SUCH_THREAD = 1094
#: The user of a session that is logging in. One that takes longer waits for its client, and finds the lock.
NOBODY = "unauthenticated user"
LOGGING_IN = 2
#: RDS's administrator has no CONNECTION_ADMIN; this procedure has.
_KILLER = "SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'mysql' AND ROUTINE_NAME = 'rds_kill'"
_DATABASE = (
    "SELECT s.SCHEMA_NAME AS name, (SELECT SUM(DATA_LENGTH + INDEX_LENGTH) FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA = s.SCHEMA_NAME) AS bytes FROM information_schema.SCHEMATA s WHERE s.SCHEMA_NAME = %s"
)
_ACCOUNTS = (
    "SELECT User AS user, Host AS host, account_locked AS locked FROM mysql.user WHERE User IN %s ORDER BY User, Host"
)
_TABLE_GRANTS = (
    "SELECT DISTINCT User AS user, Host AS host FROM mysql.tables_priv WHERE Db = %s"
    " UNION SELECT User, Host FROM mysql.columns_priv WHERE Db = %s"
    " UNION SELECT User, Host FROM mysql.procs_priv WHERE Db = %s"
)


def sessions(connection: Connection, users: Sequence[str], database: str = "") -> list[dict[str, Any]]:
    """Sessions of these users and those in a database, without this one."""
    own = connection.query("SELECT CONNECTION_ID() AS id")[0]["id"]
    found = [
        {"id": int(row["Id"]), "user": row["User"], "host": row["Host"], "db": row["db"]}
        for row in processes(connection)
    ]
    return [row for row in found if row["id"] != own and (row["user"] in users or (database and row["db"] == database))]


class MySQLOffboarding(OffboardingServer):
    """MySQL over one connection of the administrator."""

    def __init__(self, connection: Connection, endpoint: Endpoint, lock_timeout: int) -> None:
        self.endpoint = endpoint
        self._connection = connection
        self._lock_timeout = lock_timeout
        self._accounts: dict[str, Account] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        with server_lock(self._connection, self.endpoint, self._lock_timeout):
            yield

    def see(self, database: str, users: Sequence[str]) -> Seen:
        query = self._connection.query
        state = read_state(query, [*users] or [""])
        check_server(state, self.endpoint)
        found = query(_DATABASE, (database,))
        held: dict[str, list[str]] = {}
        visitors = []
        for row in sessions(self._connection, users, database):
            shown = f"{row['id']} ({row['host']})"
            if row["user"] in users:
                held.setdefault(str(row["user"]), []).append(shown)
            else:
                visitors.append(f"session {row['id']} of {row['user']} from {row['host']}")
        self._accounts = {}
        logins = {}
        for row in query(_ACCOUNTS, (tuple(users) or ("",),)):
            account = (str(row["user"]), str(row["host"]))
            self._accounts[shown_account(account)] = account
            # Sessions tell their user only; of several accounts of one user each is shown with all of them.
            logins[shown_account(account)] = Login(account[0], row["locked"] == "Y", tuple(held.get(account[0], ())))
        others = [
            f"{shown_account(account)} holds privileges on {shown_identifier(item.on[0])}.*"
            for account, about in state.accounts.items()
            for item in about.held
            if item.scope == "database"
            and self._other(account, users)
            # A wider pattern is about other databases, too, and stays.
            and item.on[0] in (grant_pattern(database), database)
        ]
        others += [
            f"{shown_account((str(row['user']), str(row['host'])))} holds privileges on things in it"
            for row in query(_TABLE_GRANTS, (database,) * 3)
            if self._other((str(row["user"]), str(row["host"])), users)
        ]
        return Seen(
            version=state.version,
            database=bool(found),
            size=int(found[0]["bytes"] or 0) if found else 0,
            logins=logins,
            others=tuple(sorted(others)),
            visitors=tuple(visitors),
        )

    def _other(self, account: Account, users: Sequence[str]) -> bool:
        return account[0] not in users and account[0] not in SYSTEM_USERS and account[0] != self.endpoint.user

    def turn(self, user: str, *, lock: bool) -> Step:
        how = "LOCK" if lock else "UNLOCK"
        return self._step(
            Statement(f"ALTER USER %s@%s ACCOUNT {how}", self._accounts[user], f"ALTER USER {user} ACCOUNT {how}")
        )

    def _wait_for_logins(self) -> None:
        """A login that was found open and has no user yet is waited for: the lock comes too late for it."""
        deadline = time.monotonic() + LOGGING_IN
        under_way = {row["id"] for row in sessions(self._connection, [NOBODY])}
        while under_way and time.monotonic() < deadline:
            time.sleep(0.02)
            under_way &= {row["id"] for row in sessions(self._connection, [NOBODY])}

    def end_sessions(self, database: str, users: Sequence[str]) -> None:
        self._wait_for_logins()
        names = {self._accounts[user][0] for user in users if user in self._accounts}
        call = "CALL mysql.rds_kill(%s)" if self._connection.query(_KILLER) else "KILL CONNECTION %s"
        for row in sessions(self._connection, sorted(names)):
            try:
                self._connection.run(Statement(call, (int(row["id"]),)))
            except (pymysql.MySQLError, OSError) as error:
                if error.args and error.args[0] == ER_NO_SUCH_THREAD:
                    continue
                doing = f"ending session {row['id']} of {row['user']}"
                raise DatabaseError(explain(error, doing, self.endpoint)) from error

    def drops(self, database: str, seen: Seen) -> Sequence[Step]:
        items = []
        if seen.database:
            shown = f"DROP DATABASE {shown_identifier(database)}"
            items.append(Statement(f"DROP DATABASE {identifier(database)}", (), shown))
        # Accounts last: MySQL keeps the definer of a view or a routine as long as that is there.
        items += [Statement("DROP USER %s@%s", self._accounts[name], f"DROP USER {name}") for name in seen.logins]
        return [self._step(item) for item in items]

    def _step(self, item: Statement) -> Step:
        return item.shown, partial(self._run, item)

    def _run(self, item: Statement) -> None:
        try:
            self._connection.run(item)
        except (pymysql.MySQLError, OSError) as error:
            raise DatabaseError(explain(error, item.shown, self.endpoint)) from error


@contextmanager
def open_server(endpoint: Endpoint, options: Mapping[str, Any]) -> Iterator[OffboardingServer]:
    """A MySQL server."""
    require_driver()
    with connect(endpoint, tls_context(endpoint), read_timeout=PATIENCE) as connection:
        yield MySQLOffboarding(connection, endpoint, int(options["lock_timeout"]))
