"""Taking a service off PostgreSQL: its roles may log in no more, their sessions are ended, then database and roles dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from .model import Endpoint
from .offboarding import Login, OffboardingServer, Seen, Step
from .postgresql import Connection, carry_out, check_server, connect, require_driver, server_lock
from .postgresql_plan import owner_of
from .postgresql_sql import Name, Statement, shown_name, statement
from .postgresql_state import read_server
from .tls import ca_bundle

_DATABASE = "SELECT pg_database_size(oid) AS bytes FROM pg_database WHERE datname = %(database)s"
# The logins, and who else is a member of the owner role: a login of a rotation, or one that somebody made.
_ROLES = """
SELECT r.rolname AS name, r.rolcanlogin AS login, r.rolname = ANY (%(users)s) AS mine,
       EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                WHERE m.member = r.oid AND g.rolname = %(owner)s) AS member
  FROM pg_roles r WHERE r.rolname <> current_user AND r.rolname <> %(owner)s ORDER BY 1
"""
_GRANTEES = """
SELECT DISTINCT pg_get_userbyid(a.grantee) AS name, a.privilege_type AS privilege
  FROM pg_database d, aclexplode(d.datacl) a
 WHERE d.datname = %(database)s AND a.grantee <> 0 AND pg_get_userbyid(a.grantee) <> ALL (%(known)s)
   AND pg_get_userbyid(a.grantee) <> current_user ORDER BY 1, 2
"""
_SESSIONS = """
SELECT pid, usename AS name, coalesce(host(client_addr), 'the server itself') AS host, application_name AS program,
       usename = ANY (%(users)s) AS mine
  FROM pg_stat_activity
 WHERE (usename = ANY (%(users)s) OR datname = %(database)s) AND backend_type = 'client backend' AND pid <> pg_backend_pid()
 ORDER BY pid
"""
_END = """
SELECT pg_terminate_backend(pid) AS told FROM pg_stat_activity
 WHERE usename = ANY (%(users)s) AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_OWNER = "SELECT rolname AS name FROM pg_roles WHERE rolname = %(owner)s"
_MEMBER = "SELECT pg_has_role(%(role)s, 'USAGE') AS usable"


class PostgreSQLOffboarding(OffboardingServer):
    """PostgreSQL over one connection of the administrator."""

    def __init__(self, connection: Connection, endpoint: Endpoint, lock_timeout: int) -> None:
        self.endpoint = endpoint
        self._connection = connection
        self._lock_timeout = lock_timeout

    @contextmanager
    def locked(self) -> Iterator[None]:
        with server_lock(self._connection, self.endpoint, self._lock_timeout):
            yield

    def see(self, database: str, users: Sequence[str]) -> Seen:
        query = self._connection.query
        state = read_server(query)
        check_server(state, self.endpoint)
        owner = owner_of(database)
        found = query(_DATABASE, {"database": database})
        roles = query(_ROLES, {"users": list(users), "owner": owner})
        mine = [str(row["name"]) for row in roles if row["mine"]]
        sessions: dict[str, list[str]] = {}
        visitors = []
        for row in query(_SESSIONS, {"users": mine, "database": database}):
            client = " ".join(filter(None, [str(row["host"]), str(row["program"] or "")]))
            if row["mine"]:
                sessions.setdefault(str(row["name"]), []).append(f"{row['pid']} ({client})")
            else:
                visitors.append(f"session {row['pid']} of {row['name']} from {client}")
        others = [
            f"{shown_name(str(row['name']))} is a member of {shown_name(owner)}"
            for row in roles
            if row["member"] and not row["mine"]
        ]
        others += [
            f"{row['name']} holds {row['privilege']} on it"
            for row in query(_GRANTEES, {"database": database, "known": [*mine, owner]})
        ]
        return Seen(
            version=state.version,
            database=bool(found),
            size=int(found[0]["bytes"]) if found else 0,
            logins={
                str(row["name"]): Login(str(row["name"]), not row["login"], tuple(sessions.get(str(row["name"]), ())))
                for row in roles
                if row["mine"]
            },
            owner="".join(str(row["name"]) for row in query(_OWNER, {"owner": owner})),
            others=tuple(others),
            visitors=tuple(visitors),
        )

    def turn(self, user: str, *, lock: bool) -> Step:
        return self._step(statement("ALTER ROLE ", Name((user,)), " NOLOGIN" if lock else " LOGIN"))

    def end_sessions(self, database: str, users: Sequence[str]) -> None:
        self._connection.query(_END, {"users": list(users)})

    def drops(self, database: str, seen: Seen) -> Sequence[Step]:
        items: list[Statement] = []
        if seen.database:
            # FORCE: autovacuum may be at work in it; there are no sessions.
            items.append(statement("DROP DATABASE ", Name((database,)), " WITH (FORCE)"))
        for role in [*seen.logins, *filter(None, [seen.owner])]:
            if not self._connection.query(_MEMBER, {"role": role})[0]["usable"]:
                items.append(statement("GRANT ", Name((role,)), " TO CURRENT_USER"))
            # What it still holds on other things of the whole server; its own things went with the database.
            items.append(statement("DROP OWNED BY ", Name((role,))))
            items.append(statement("DROP ROLE ", Name((role,))))
        return [self._step(item) for item in items]

    def _step(self, item: Statement) -> Step:
        return item.shown, partial(carry_out, self._connection, item, item.shown, self.endpoint)


@contextmanager
def open_server(endpoint: Endpoint, options: Mapping[str, Any]) -> Iterator[OffboardingServer]:
    """A PostgreSQL server."""
    require_driver()
    with ca_bundle(endpoint) as ca, connect(endpoint, ca) as connection:
        connection.query("SELECT set_config('statement_timeout', %(most)s, false)", {"most": "3600s"})
        yield PostgreSQLOffboarding(connection, endpoint, int(options["lock_timeout"]))
