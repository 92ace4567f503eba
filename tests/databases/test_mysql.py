"""shared_databases and database_login against a real MySQL, whose administrator is what RDS gives: no SUPER."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import conftest
import pymysql
import pytest
from conftest import ADMIN, PASSWORD, quiet
from groundwork.databases import mysql
from groundwork.databases.model import DatabaseError

EIGHT = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "INDEX", "ALTER"]
SHOWN = ", ".join(EIGHT)
SERVICES: list[dict[str, Any]] = [
    {"name": "fileflow", "password": "first'%s\\", "max_user_connections": 20},
    {"name": "authhub", "password": "p-second", "max_user_connections": 20},
    {
        "name": "authhub/readonly",
        "database": "authhub",
        "user": "authhub_readonly",
        "password": "p-read",
        "grants": ["SELECT"],
    },
    {"name": "a_b", "password": "p-ab", "max_user_connections": 5},
    {"name": "axb", "password": "p-axb"},
]


class Server(conftest.Server):
    """With the services of these tests where none are named."""

    def ensure(self, services: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        return super().ensure(SERVICES if services is None else services, **more)

    def ensure_here(self, services: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        return super().ensure_here(SERVICES if services is None else services, **more)

    def verify(self, services: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        return super().verify(SERVICES if services is None else services)

    def column(self, text: str) -> list[str]:
        return [str(row[0]) for row in self.sql(text)]


@pytest.fixture(scope="module")
def server(empty_server: Callable[[str], conftest.Server]) -> Server:
    return Server(**vars(empty_server("mysql")))


@pytest.fixture(scope="module")
def made(server: Server) -> Server:
    """The server after a first run."""
    predicted = server.ensure(check=True)
    assert server.sql("SHOW DATABASES LIKE 'fileflow'") == [], "check mode changed something"
    done = server.ensure()
    assert done["diff"] == predicted["diff"] and done["changes"] == predicted["changes"]
    assert done["created_databases"] == ["fileflow", "authhub", "a_b", "axb"] and len(done["created_users"]) == 5
    return server


# --- after a run ---------------------------------------------------------------------------------------------------


def test_second_run_changes_nothing_and_every_login_works_as_far_as_it_should(made: Server) -> None:
    answer = made.ensure()
    assert quiet(answer) and answer["report_warnings"] == [], answer
    assert answer["unknown"] == {"databases": [], "users": [], "access": []}
    seen = made.verify()
    assert seen["failures"] == []
    assert all(login["tls"].startswith("TLSv1.") for login in seen["logins"])
    assert seen["logins"][3]["refused"]["using database axb"] == "refused (error 1044)"


def test_what_the_server_itself_says(made: Server) -> None:
    for name in ("fileflow", "authhub", "a_b", "axb"):
        pattern = name.replace("_", "\\_")
        assert made.column(f"SHOW GRANTS FOR '{name}_user'@'%'") == [
            f"GRANT USAGE ON *.* TO `{name}_user`@`%`",
            f"GRANT {SHOWN} ON `{pattern}`.* TO `{name}_user`@`%`",
        ]
    assert made.sql(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'a_b'"
    ) == [("utf8mb4", "utf8mb4_unicode_ci")]
    assert made.sql(
        "SELECT Host, ssl_type, plugin, account_locked, password_expired, max_user_connections FROM mysql.user"
        " WHERE User = 'a_b_user'"
    ) == [("%", "ANY", "caching_sha2_password", "N", "N", 5)]


def test_no_password_in_the_servers_log(made: Server) -> None:
    made.sql("SET GLOBAL general_log = ON; SET GLOBAL log_output = 'TABLE'")
    try:
        made.sql("ALTER USER fileflow_user IDENTIFIED BY 'other'")
        assert made.ensure()["updated"] == ["fileflow"]
        logged = made.column("SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log")
    finally:
        made.sql("SET GLOBAL general_log = OFF; TRUNCATE mysql.general_log; SET GLOBAL log_output = 'FILE'")
    text = "\n".join(logged) + made.log()
    # The server hides it; what it writes instead shows that the statement was seen.
    assert "ALTER USER 'fileflow_user'@'%' IDENTIFIED WITH 'caching_sha2_password'" in text
    assert "first'" not in text and "first\\'" not in text and PASSWORD not in text


# --- drift ---------------------------------------------------------------------------------------------------------

U = "`fileflow_user`@`%`"
#: The kinds of drift, listed in docs/databases.md.
DRIFT = {
    "a privilege is missing": f"REVOKE INSERT ON fileflow.* FROM {U}",
    "all privileges are missing": f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {U}",
    "one more database privilege": f"GRANT REFERENCES ON fileflow.* TO {U}",
    "temporary tables and locks": f"GRANT CREATE TEMPORARY TABLES, LOCK TABLES ON fileflow.* TO {U}",
    "grant option": f"GRANT SELECT ON fileflow.* TO {U} WITH GRANT OPTION",
    "another database": f"GRANT SELECT ON authhub.* TO {U}",
    "a pattern with per cent": f"GRANT SELECT ON `%`.* TO {U}",
    "a pattern with underscore": f"GRANT SELECT ON `fileflo_`.* TO {U}",
    "global privilege": f"GRANT SELECT ON *.* TO {U}",
    "global grant option": f"GRANT USAGE ON *.* TO {U} WITH GRANT OPTION",
    "global privilege the administrator has not": f"GRANT FILE ON *.* TO {U}",
    "SUPER": f"GRANT SUPER ON *.* TO {U}",
    "dynamic privilege": f"GRANT ROLE_ADMIN ON *.* TO {U}",
    "dynamic privilege the administrator has not": f"GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO {U} WITH GRANT OPTION",
    "static and dynamic together": f"GRANT PROCESS, SHOW_ROUTINE ON *.* TO {U}",
    "table of the system": f"GRANT SELECT ON mysql.user TO {U}",
    "table": f"GRANT SELECT, UPDATE ON drift.t TO {U}",
    "table with grant option": f"GRANT SELECT ON drift.t TO {U} WITH GRANT OPTION",
    "column": f"GRANT SELECT (a), UPDATE (a, `b %s`) ON drift.t TO {U}",
    "table and column": f"GRANT DELETE, SELECT (a) ON drift.t TO {U}",
    "procedure": f"GRANT EXECUTE ON PROCEDURE drift.p TO {U}",
    "function": f"GRANT EXECUTE, ALTER ROUTINE ON FUNCTION drift.f TO {U}",
    "role": f"GRANT drift_role TO {U}",
    "role as default": f"GRANT drift_role TO {U} WITH ADMIN OPTION; SET DEFAULT ROLE ALL TO {U}",
    "TLS not required": f"ALTER USER {U} REQUIRE NONE",
    "TLS with a client certificate": f"ALTER USER {U} REQUIRE X509",
    "TLS with an issuer": f"ALTER USER {U} REQUIRE ISSUER '/CN=x'",
    "locked": f"ALTER USER {U} ACCOUNT LOCK",
    "password expired": f"ALTER USER {U} PASSWORD EXPIRE",
    "password changed by hand": f"ALTER USER {U} IDENTIFIED BY 'something else'",
    "another plugin": f"ALTER USER {U} IDENTIFIED WITH sha256_password BY 'x'",
    "connection limit": f"ALTER USER {U} WITH MAX_USER_CONNECTIONS 3",
    "hourly limit": f"ALTER USER {U} WITH MAX_QUERIES_PER_HOUR 1000",
    "user dropped": f"DROP USER {U}",
    "user under another host": f"RENAME USER {U} TO `fileflow_user`@`10.1.%`",
    "character set": "ALTER DATABASE fileflow CHARACTER SET latin1",
    "collation": "ALTER DATABASE fileflow COLLATE utf8mb4_0900_ai_ci",
    "database dropped": "DROP DATABASE fileflow",
}


@pytest.fixture
def scratch(made: Server) -> Iterator[Server]:
    clean = (
        "DROP DATABASE IF EXISTS drift; DROP ROLE IF EXISTS drift_role; DROP USER IF EXISTS `fileflow_user`@`10.1.%`"
    )
    made.sql(
        f"{clean}; CREATE DATABASE drift; CREATE TABLE drift.t (a INT, `b %s` INT); CREATE ROLE drift_role;"
        "CREATE PROCEDURE drift.p() SELECT 1; CREATE FUNCTION drift.f() RETURNS INT DETERMINISTIC RETURN 1"
    )
    yield made
    made.sql(clean)


@pytest.mark.parametrize("kind", DRIFT)
def test_drift_is_told_in_check_mode_and_repaired(kind: str, scratch: Server) -> None:
    others = [scratch.sql(f"SHOW {what} authhub_user") for what in ("GRANTS FOR", "CREATE USER")]
    scratch.sql(DRIFT[kind])
    predicted = scratch.ensure(check=True)
    assert predicted["changed"] and list(predicted["diff"]["after"]) == ["fileflow"], predicted
    done = scratch.ensure()
    # It had changed nothing, or the run would have had less to do.
    assert (done["diff"], done["changes"]) == (predicted["diff"], predicted["changes"])
    again = scratch.ensure()
    assert quiet(again), again
    assert scratch.column("SHOW GRANTS FOR fileflow_user") == [
        f"GRANT USAGE ON *.* TO {U}",
        f"GRANT {SHOWN} ON `fileflow`.* TO {U}",
    ]
    assert scratch.verify(SERVICES[:1])["failures"] == []
    assert [scratch.sql(f"SHOW {what} authhub_user") for what in ("GRANTS FOR", "CREATE USER")] == others
    assert all("IDENTIFIED BY '" not in line for line in done["changes"])


def test_what_the_administrator_may_not_revoke_is_told_and_the_rest_is_done(made: Server) -> None:
    made.sql(f"GRANT PROXY ON root@localhost TO {U}; REVOKE INSERT ON fileflow.* FROM {U}")
    try:
        with pytest.raises(DatabaseError, match=r"(?s)REVOKE PROXY ON `root`@`localhost` FROM .*Remedy"):
            made.ensure()
        assert made.column("SHOW GRANTS FOR fileflow_user")[1] == f"GRANT {SHOWN} ON `fileflow`.* TO {U}"
    finally:
        made.sql(f"REVOKE PROXY ON root@localhost FROM {U}")
    assert quiet(made.ensure())


def test_unknown_is_reported_and_never_touched(made: Server) -> None:
    made.sql(
        "CREATE DATABASE stray; CREATE USER stray_user IDENTIFIED BY 'x'; GRANT SELECT ON `fileflow`.* TO stray_user;"
        "CREATE USER fileflow_user@'10.9.%' IDENTIFIED BY 'x'; GRANT fileflow_user TO stray_user"
    )
    about = ("SHOW GRANTS FOR stray_user", "SHOW CREATE USER stray_user", "SHOW CREATE DATABASE stray")
    before = [made.sql(text) for text in about]
    try:
        answer = made.ensure()
        assert quiet(answer)
        assert answer["unknown"] == {
            "databases": ["stray"],
            "users": ["`fileflow_user`@`10.9.%`", "`stray_user`@`%`"],
            "access": [
                "`stray_user`@`%` holds ROLE `fileflow_user`@`%`",
                "`stray_user`@`%` holds SELECT ON `fileflow`.*",
            ],
        }
        assert any("`fileflow_user`@`10.9.%` answers instead" in line for line in answer["report_warnings"])
        assert [made.sql(text) for text in about] == before
    finally:
        made.sql("DROP DATABASE stray; DROP USER stray_user, fileflow_user@'10.9.%'")


def test_second_password_is_reported(made: Server) -> None:
    made.each(f"ALTER USER {U} IDENTIFIED BY 'first''%s\\\\' RETAIN CURRENT PASSWORD")
    try:
        answer = made.ensure()
        assert quiet(answer) and answer["second_passwords"] == ["`fileflow_user`@`%`"]
    finally:
        made.sql(f"ALTER USER {U} DISCARD OLD PASSWORD")
    assert made.ensure()["second_passwords"] == []


def test_used_up_connections_do_not_look_like_a_wrong_password(made: Server) -> None:
    """The login check must not reset a password because the service holds all its connections."""
    held_open = [made.connect("a_b_user", "p-ab") for _ in range(5)]
    try:
        assert quiet(made.ensure())
    finally:
        for connection in held_open:
            connection.close()


# --- names, passwords and locks ------------------------------------------------------------------------------------


def test_odd_names_and_passwords_are_safe(made: Server) -> None:
    odd = [
        {"name": "quotes", "database": "it's `q`\";--", "user": "o'`\"%s\\", "password": "p'\"`\\%s%%;-- "},
        {"name": "wild", "database": "w%_d", "user": "w%_d", "password": "%(x)s\\'{}"},
        {"name": "unicode", "database": "데이터베이스", "user": "사용자", "password": "비밀번호-é"},
        {"name": "longest", "database": "d" * 60 + "_%", "user": "u" * 32, "password": "x" * 200, "grants": ["SELECT"]},
        {"name": "statement", "database": "x`; DROP DATABASE fileflow", "user": "'@'%' ; --", "password": "'; DROP USER a"},
    ]  # fmt: skip
    before = made.column("SHOW DATABASES")
    try:
        predicted = made.ensure(odd, check=True)
        first = made.ensure(odd)
        assert first["diff"] == predicted["diff"] and len(first["created_users"]) == len(odd)
        assert quiet(made.ensure(odd))
        answer = made.verify(odd)
        assert answer["failures"] == []
        assert f"GRANT {SHOWN} ON `w\\%\\_d`.* TO `w%_d`@`%`" in answer["logins"][1]["grants"]
        assert set(made.column("SHOW DATABASES")) == {*before, *(item["database"] for item in odd)}
    finally:
        made.each(*("DROP DATABASE IF EXISTS `{}`".format(item["database"].replace("`", "``")) for item in odd))
        made.each(*("DROP USER IF EXISTS `{}`".format(item["user"].replace("`", "``")) for item in odd))
    assert quiet(made.ensure())


def test_an_underscore_in_a_name_reaches_no_other_database(made: Server) -> None:
    """Also on a server where somebody wrote the grant without escaping it: that is drift."""
    with pytest.raises(pymysql.MySQLError, match="denied"):
        made.sql("SELECT 1", "axb", "a_b_user", "p-ab")
    made.sql(f"GRANT {SHOWN} ON `a_b`.* TO a_b_user")
    assert made.sql("SELECT 1", "axb", "a_b_user", "p-ab") == [(1,)], "the wildcard reaches it, so this can fail"
    answer = made.ensure()
    assert answer["changes"] == [f"a_b: REVOKE {SHOWN} ON `a_b`.* FROM `a_b_user`@`%`"]
    with pytest.raises(pymysql.MySQLError, match="denied"):
        made.sql("SELECT 1", "axb", "a_b_user", "p-ab")
    assert made.sql("SELECT 1", "a_b", "a_b_user", "p-ab") == [(1,)]


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"user": "u" * 33}, "33 characters, MySQL takes 32"),
        ({"database": "d" * 65}, "65 characters, MySQL takes 64"),
        ({"database": "d" * 63 + "_"}, "in a grant, where each _ and % has an escape character, it has 65 characters"),
        ({"database": "a\\b"}, r"it has one of"),
        ({"database": "../x"}, r"it has one of"),
        ({"user": "a\nb"}, "control character"),
        ({"user": "🙂"}, r"beyond U\+FFFF"),
        ({"database": "end "}, "begins or ends with a space"),
        ({"password": "a\0b"}, "control character"),
        ({"charset": "utf8mb4'; DROP"}, "is not a character set"),
        ({"grants": ["SELECT ON *.* TO x; --"]}, "cannot be granted on a database"),
    ],
)
def test_what_is_not_safe_is_refused_with_the_reason(wish: dict[str, Any], reason: str, made: Server) -> None:
    before = (made.sql("SHOW DATABASES"), made.sql("SELECT user, host FROM mysql.user"))
    with pytest.raises(DatabaseError, match=reason):
        made.ensure([*SERVICES, {"name": "odd", "password": "x", **wish}])
    assert (made.sql("SHOW DATABASES"), made.sql("SELECT user, host FROM mysql.user")) == before


def test_a_held_lock_is_waited_for_and_its_holder_named(made: Server) -> None:
    with closing(made.connect(ADMIN["mysql"])) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 1)", (mysql.LOCK,))
        with pytest.raises(DatabaseError, match=r"another run holds the lock.* of admin from .*waited 1 s"):
            made.ensure(lock_timeout=1)
        assert quiet(made.ensure(lock_timeout=1, check=True)), "check mode needs no lock"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(made.ensure_here, lock_timeout=30)
            time.sleep(1)
            assert not waiting.done()
            made.sql(f"KILL {holder.thread_id()}")
            assert quiet(waiting.result())


@contextmanager
def dropped_after(server: Server, prefix: str, count: int) -> Iterator[list[dict[str, Any]]]:
    names = [f"{prefix}{number}" for number in range(count)]
    try:
        yield [{"name": name, "password": f"password-{name}"} for name in names]
    finally:
        server.each(*(f"DROP DATABASE IF EXISTS {name}" for name in names))
        server.each(f"DROP USER IF EXISTS {', '.join(f'{name}_user' for name in names)}")


def test_two_runs_at_once(made: Server) -> None:
    with dropped_after(made, "race", 20) as many, ThreadPoolExecutor(2) as pool:
        answers = [task.result() for task in [pool.submit(made.ensure_here, many) for _ in range(2)]]
        assert sorted(answer["changed"] for answer in answers) == [False, True], answers
        assert quiet(made.ensure(many)) and made.verify(many)["failures"] == []


def test_statements_grow_by_a_constant_and_not_with_services(made: Server) -> None:
    """By the server's own count, and by the module's."""

    def counted(services: list[dict[str, Any]]) -> int:
        # Of the administrator's sessions: that logins are tried is each service's own.
        of = "SELECT SUM(COUNT_STAR) FROM performance_schema.events_statements_summary_by_user_by_event_name WHERE USER = 'admin'"
        ((before,),) = made.sql(of)
        answer = made.ensure(services)
        ((after,),) = made.sql(of)
        assert quiet(answer) and answer["queries"] < 16
        return int(after - before)

    with dropped_after(made, "many", 200) as many:
        assert len(made.ensure(many)["created_users"]) == 200
        few, all_ = counted(many[:10]), counted(many)
        assert few == all_ < 32, (few, all_)


# --- trouble -------------------------------------------------------------------------------------------------------


def refused(server: Server, **more: Any) -> str:
    with pytest.raises(DatabaseError) as caught:
        server.ensure(**more)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_wrong_administrator_and_wrong_places(made: Server, tmp_path: Path) -> None:
    error = refused(made, password="wr0ng")
    assert "logging in at" in error and "Remedy: the password in the secret is not the server's" in error
    assert "wr0ng" not in error
    assert "is not there" in refused(made, ca_file="/nowhere.pem")
    (tmp_path / "no.pem").write_text("no certificate")
    assert "cannot be used" in refused(made, ca_file=str(tmp_path / "no.pem"))
    for error in (refused(made, host="127.0.0.1"), refused(made, ca_file="/etc/ssl/certs/ca-certificates.crt")):
        assert "certificate is not accepted" in error and "never switch the verification off" in error
    assert "Remedy: check the name, the security group" in refused(made, port=1)
    assert "Remedy: check the name" in refused(made, host="no-such-server.local.internal")
    assert "is the administrator" in refused(made, services=[{"name": "x", "user": "admin", "password": "p-x"}])
    assert quiet(made.ensure())


@pytest.mark.parametrize("variable", ["read_only", "super_read_only"])
def test_read_only_replica(variable: str, made: Server) -> None:
    made.sql(f"REVOKE INSERT ON fileflow.* FROM {U}; SET GLOBAL {variable} = ON")
    try:
        error = refused(made)
        assert "is read-only and fileflow needs a change" in error and "Remedy: take the writer's endpoint" in error
        assert refused(made, check=True) == error
    finally:
        made.sql("SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF")
    assert made.ensure()["updated"] == ["fileflow"]
    assert quiet(made.ensure())
