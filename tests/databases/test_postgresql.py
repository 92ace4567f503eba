"""shared_databases and database_login against a real PostgreSQL, whose administrator is what RDS gives: no superuser."""

# ruff: noqa: S608 - the statements are this file's own

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import conftest
import psycopg
import pytest
from conftest import ADMIN, PASSWORD, PROVIDER, podman, quiet
from groundwork.databases import postgresql
from groundwork.databases.model import DatabaseError

ADMINISTRATOR = ADMIN["postgresql"]


class Server(conftest.Server):
    """With the services of these tests where none are named."""

    def ensure(self, services: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        return super().ensure(SERVICES if services is None else services, **{"ignore_users": IGNORED, **more})

    def ensure_here(self, services: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        return super().ensure_here(SERVICES if services is None else services, **{"ignore_users": IGNORED, **more})

    def verify(self, services: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        return super().verify(SERVICES if services is None else services)


IGNORED = [PROVIDER, "drift_role"]
SERVICES = [
    {"name": "fileflow", "password": "first'%s\\", "max_user_connections": 8},
    {"name": "fileflow-2", "database": "fileflow", "user": "fileflow_2", "password": "p-second"},
    {"name": "report", "database": "fileflow", "user": "fileflow_ro", "password": "p-read", "grants": ["select"]},
    {"name": "a_b", "password": "p-ab", "max_user_connections": 2},
    {"name": "axb", "password": "p-axb"},
]


@pytest.fixture(scope="module")
def server(empty_server: Callable[[str], conftest.Server]) -> Server:
    return Server(**vars(empty_server("postgresql")))


@pytest.fixture(scope="module")
def made(server: Server) -> Server:
    """The server after a first run, with what an application makes in its database."""
    predicted = server.ensure(check=True)
    assert server.sql("SELECT FROM pg_database WHERE datname = 'fileflow'") == [], "check mode changed something"
    done = server.ensure()
    assert done["diff"] == predicted["diff"] and done["changes"] == predicted["changes"]
    assert done["created_databases"] == ["fileflow", "a_b", "axb"] and len(done["created_users"]) == 5
    server.sql(
        "CREATE TABLE t (a int, b text); CREATE SEQUENCE s; CREATE FUNCTION f(int, text[]) RETURNS int RETURN 1;"
        "CREATE TABLE numbered (id serial, it int); CREATE SCHEMA more; CREATE VIEW more.v AS SELECT * FROM t",
        "fileflow", "fileflow_user", "first'%s\\",
    )  # fmt: skip
    return server


# --- after a run ---------------------------------------------------------------------------------------------------


def test_second_run_changes_nothing_and_every_login_works_as_far_as_it_should(made: Server) -> None:
    answer = made.ensure()
    assert quiet(answer) and answer["report_warnings"] == [], answer
    assert answer["unknown"] == {"databases": [], "users": [], "access": []}
    seen = made.verify()
    assert seen["failures"] == []
    assert all(login["tls"].startswith("TLSv1.") for login in seen["logins"])
    assert seen["logins"][3]["refused"]["using database axb"] == "refused"


def test_what_the_server_itself_says(made: Server) -> None:
    assert made.sql(
        "SELECT datname, pg_get_userbyid(datdba), datacl::text, pg_encoding_to_char(encoding) FROM pg_database"
        " WHERE datname IN ('fileflow', 'a_b') ORDER BY 1"
    ) == [
        ("a_b", "a_b_owner", "{a_b_owner=CTc/a_b_owner}", "UTF8"),
        ("fileflow", "fileflow_owner", "{fileflow_owner=CTc/fileflow_owner,fileflow_ro=c/fileflow_owner}", "UTF8"),
    ]
    public = "SELECT pg_get_userbyid(nspowner), nspacl::text FROM pg_namespace WHERE nspname = 'public'"
    assert made.sql(public, "a_b") == [("a_b_owner", "{a_b_owner=UC/a_b_owner}")]
    assert made.sql("SELECT rolname, rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname ~ '^fileflow'"
                    " ORDER BY 1") == [("fileflow_2", True), ("fileflow_owner", None), ("fileflow_ro", True),
                                       ("fileflow_user", True)]  # fmt: skip
    assert made.sql("SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'postgres'") == [
        (False, True, True)
    ]


def test_two_logins_of_a_rotation_use_each_others_tables_and_a_reader_only_reads(made: Server) -> None:
    made.sql("CREATE TABLE by_2 (i int); INSERT INTO by_2 VALUES (1)", "fileflow", "fileflow_2", "p-second")
    made.sql("INSERT INTO by_2 VALUES (2); ALTER TABLE by_2 ADD j int", "fileflow", "fileflow_user", "first'%s\\")
    assert made.sql("SELECT count(*) FROM by_2", "fileflow", "fileflow_ro", "p-read") == [(2,)]
    assert made.sql("SELECT count(*) FROM more.v", "fileflow", "fileflow_ro", "p-read") == [(0,)]
    for text in ("INSERT INTO by_2 VALUES (3)", "CREATE TABLE x ()", "SELECT f(1, NULL)", "CREATE TEMP TABLE x ()"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            made.sql(text, "fileflow", "fileflow_ro", "p-read")
    made.sql("DROP TABLE by_2", "fileflow", "fileflow_user", "first'%s\\")


def test_cluster_wide_queries_do_not_grow_with_services_and_others_with_databases_only(made: Server) -> None:
    counts = [made.ensure(check=True, services=some)["queries"] for some in (SERVICES[:1], SERVICES[:3], SERVICES)]
    cluster = counts[0] - 4
    assert counts == [cluster + 4, cluster + 4, cluster + 12] and cluster < 10


def test_a_server_that_no_service_uses_yet_can_be_asked(made: Server) -> None:
    answer = made.ensure(check=True, services=[])
    assert quiet(answer) and set(answer["unknown"]["databases"]) == {"fileflow", "a_b", "axb"}
    assert made.verify(services=[]) == {"changed": False, "logins": [], "failures": []}


def test_no_password_in_the_servers_log(made: Server) -> None:
    text = made.log()
    assert "CREATE ROLE" in text and "PASSWORD 'SCRAM-SHA-256$" in text
    assert "first'" not in text and "'p-second'" not in text and "first''" not in text


# --- drift ---------------------------------------------------------------------------------------------------------

#: Whose logins are tried after each repair; the others' are when the server is made.
TOUCHED = [SERVICES[0], SERVICES[2]]
U = "fileflow_user"
R = "fileflow_ro"
#: Who drifts (the superuser or the administrator), in which database, and how.
DRIFT = {
    "CREATEDB": (PROVIDER, "postgres", f"ALTER ROLE {U} CREATEDB"),
    "CREATEROLE": (PROVIDER, "postgres", f"ALTER ROLE {U} CREATEROLE"),
    "NOLOGIN": (PROVIDER, "postgres", f"ALTER ROLE {U} NOLOGIN"),
    "NOINHERIT": (PROVIDER, "postgres", f"ALTER ROLE {U} NOINHERIT"),
    "VALID UNTIL past": (PROVIDER, "postgres", f"ALTER ROLE {U} VALID UNTIL '2020-01-01'"),
    "VALID UNTIL later": (PROVIDER, "postgres", f"ALTER ROLE {U} VALID UNTIL '2090-01-01'"),
    "connection limit": (PROVIDER, "postgres", f"ALTER ROLE {U} CONNECTION LIMIT 3"),
    "owner role logs in": (PROVIDER, "postgres", "ALTER ROLE fileflow_owner LOGIN CONNECTION LIMIT 3"),
    "password by hand": (PROVIDER, "postgres", f"ALTER ROLE {U} PASSWORD 'other'"),
    "password removed": (PROVIDER, "postgres", f"ALTER ROLE {U} PASSWORD NULL"),
    "password as md5": (PROVIDER, "postgres", f"SET password_encryption = 'md5'; ALTER ROLE {U} PASSWORD 'first''%s\\'"),
    "membership": (ADMINISTRATOR, "postgres", f"GRANT drift_role TO {U}"),
    "membership with ADMIN": (ADMINISTRATOR, "postgres", f"GRANT drift_role TO {R} WITH ADMIN OPTION"),
    "member of another owner role": (ADMINISTRATOR, "postgres", f"GRANT axb_owner TO {U}"),
    "reader is a member of the owner role": (ADMINISTRATOR, "postgres", f"GRANT fileflow_owner TO {R}"),
    "member of another login": (ADMINISTRATOR, "postgres", f"GRANT fileflow_2 TO {U}"),
    "owner role in another role": (ADMINISTRATOR, "postgres", "GRANT drift_role TO fileflow_owner"),
    "member without SET": (ADMINISTRATOR, "postgres", f"GRANT fileflow_owner TO {U} WITH SET FALSE"),
    "member without INHERIT": (ADMINISTRATOR, "postgres", f"GRANT fileflow_owner TO {U} WITH INHERIT FALSE"),
    "ADMIN on the owner role": (ADMINISTRATOR, "postgres", f"GRANT fileflow_owner TO {U} WITH ADMIN OPTION"),
    "no member any more": (ADMINISTRATOR, "postgres", f"REVOKE fileflow_owner FROM {U}"),
    "another role of sessions": (PROVIDER, "postgres", f"ALTER ROLE {U} SET role = 'none'"),
    "setting": (PROVIDER, "postgres", f"ALTER ROLE {U} SET search_path = 'x, y'"),
    "setting in a database": (PROVIDER, "postgres", f"ALTER ROLE {U} IN DATABASE fileflow SET work_mem = '1GB'"),
    "setting of the owner role": (PROVIDER, "postgres", "ALTER ROLE fileflow_owner SET work_mem = '1GB'"),
    "database of the administrator": (PROVIDER, "postgres", "ALTER DATABASE fileflow OWNER TO postgres"),
    "database of a login": (PROVIDER, "postgres", f"ALTER DATABASE fileflow OWNER TO {U}"),
    "database's connection limit": (PROVIDER, "postgres", "ALTER DATABASE fileflow CONNECTION LIMIT 1"),
    "database is a template": (PROVIDER, "postgres", "ALTER DATABASE fileflow IS_TEMPLATE true"),
    "PUBLIC may connect": (PROVIDER, "postgres", "GRANT CONNECT, TEMPORARY ON DATABASE fileflow TO PUBLIC"),
    "another service may connect": (PROVIDER, "postgres", "GRANT CONNECT ON DATABASE fileflow TO axb_user"),
    "reader makes schemas": (PROVIDER, "postgres", f"GRANT CREATE ON DATABASE fileflow TO {R} WITH GRANT OPTION"),
    "reader may not connect": (PROVIDER, "postgres", f"REVOKE CONNECT ON DATABASE fileflow FROM {R}"),
    "owner's own privileges": (PROVIDER, "postgres", "REVOKE CREATE, CONNECT ON DATABASE fileflow FROM fileflow_owner"),
    "schema of the administrator": (PROVIDER, "fileflow", "ALTER SCHEMA public OWNER TO postgres"),
    "schema of a login": (PROVIDER, "fileflow", f"ALTER SCHEMA public OWNER TO {U}"),
    "schema as it was": (PROVIDER, "fileflow", "ALTER SCHEMA public OWNER TO pg_database_owner"),
    "PUBLIC in the schema": (PROVIDER, "fileflow", "GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC"),
    "reader in the schema": (PROVIDER, "fileflow", f"GRANT CREATE ON SCHEMA public TO {R}; REVOKE USAGE ON SCHEMA more FROM {R}"),
    "default privileges": (ADMINISTRATOR, "fileflow", f"ALTER DEFAULT PRIVILEGES FOR ROLE fileflow_owner GRANT INSERT ON TABLES TO {R};"
                           f"ALTER DEFAULT PRIVILEGES FOR ROLE fileflow_owner REVOKE SELECT ON TABLES FROM {R}"),
    "default privileges of PUBLIC": (ADMINISTRATOR, "fileflow", "ALTER DEFAULT PRIVILEGES FOR ROLE fileflow_owner GRANT EXECUTE ON ROUTINES TO PUBLIC;"
                                     "ALTER DEFAULT PRIVILEGES FOR ROLE fileflow_owner IN SCHEMA more GRANT ALL ON TABLES TO PUBLIC"),
    "default privileges with grant option": (
        ADMINISTRATOR, "fileflow",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE fileflow_owner GRANT SELECT ON TABLES TO {R} WITH GRANT OPTION",
    ),
    "default privileges by a login": (PROVIDER, "fileflow", f"ALTER DEFAULT PRIVILEGES FOR ROLE {U} GRANT SELECT ON TABLES TO axb_user"),
    "table": (PROVIDER, "fileflow", f"GRANT INSERT, SELECT ON t TO {R} WITH GRANT OPTION; GRANT SELECT ON t TO {U}"),
    "table, passed on": (PROVIDER, "fileflow", f"GRANT SELECT ON t TO {R} WITH GRANT OPTION; SET ROLE {R}; GRANT SELECT ON t TO axb_user"),
    "table of PUBLIC": (PROVIDER, "fileflow", "GRANT ALL ON t TO PUBLIC"),
    "column": (PROVIDER, "fileflow", f"GRANT SELECT (a), UPDATE (a, b) ON t TO {R}; GRANT INSERT (b) ON t TO PUBLIC"),
    "sequence": (PROVIDER, "fileflow", f"GRANT ALL ON SEQUENCE s TO {R}"),
    "function": (PROVIDER, "fileflow", f"GRANT EXECUTE ON FUNCTION f TO {R}; GRANT EXECUTE ON FUNCTION f TO PUBLIC"),
    "reader's table is lacking": (PROVIDER, "fileflow", f"REVOKE SELECT ON t, numbered, more.v FROM {R}"),
    "something of the administrator": (ADMINISTRATOR, "postgres", f"GRANT SELECT ON of_admin TO {U}"),
    "table of a login": (PROVIDER, "fileflow", f"ALTER TABLE numbered OWNER TO {U}; ALTER FUNCTION f OWNER TO fileflow_2;"
                         f"GRANT SELECT ON numbered TO axb_user"),
    "role dropped": (PROVIDER, "postgres", "DROP ROLE axb_user"),
    "database dropped": (PROVIDER, "postgres", "DROP DATABASE axb"),
}  # fmt: skip


#: The administrator cannot look into the database until it is put right.
OUT_OF_REACH = {"database of a login", "owner's own privileges"}


@pytest.fixture(scope="module")
def scratch(made: Server) -> Iterator[Server]:
    made.sql("CREATE ROLE drift_role", user=ADMINISTRATOR)
    made.sql("CREATE TABLE of_admin (i int); ALTER TABLE of_admin OWNER TO postgres")
    yield made
    made.sql("DROP TABLE of_admin; DROP ROLE drift_role")


@pytest.mark.parametrize("kind", DRIFT)
def test_drift_is_told_in_check_mode_and_repaired(kind: str, scratch: Server) -> None:
    who, database, text = DRIFT[kind]
    scratch.sql(text, database, who)
    predicted = scratch.ensure(check=True)
    assert predicted["changed"], predicted
    if kind in OUT_OF_REACH:
        [warning] = predicted["report_warnings"]
        assert "cannot connect to fileflow yet" in warning
    else:
        assert predicted["report_warnings"] == []
    done = scratch.ensure()
    # It had changed nothing, or the run would have had less to do.
    assert (done["diff"], done["changes"]) == (predicted["diff"], predicted["changes"])
    again = scratch.ensure()
    assert quiet(again), again
    assert scratch.verify(TOUCHED)["failures"] == []
    # What was borrowed for the repair was given back.
    mine = "SELECT count(*) FROM pg_auth_members WHERE member = 'postgres'::regrole AND (inherit_option OR set_option)"
    assert scratch.sql(
        f"{mine} AND roleid NOT IN ('rds_superuser'::regrole) AND roleid::regrole::text !~ '_owner$'"
    ) == [(0,)]
    assert all("PASSWORD '" not in line for line in done["changes"])


# Drift that an administrator who is no superuser cannot repair: what the superuser did, and the way back.
BEYOND = {
    "SUPERUSER": (f"ALTER ROLE {U} SUPERUSER", f"ALTER ROLE {U} NOSUPERUSER", "only a superuser"),
    "BYPASSRLS": (f"ALTER ROLE {U} BYPASSRLS", f"ALTER ROLE {U} NOBYPASSRLS", "only who has it"),
    "REPLICATION": (f"ALTER ROLE {U} REPLICATION", f"ALTER ROLE {U} NOREPLICATION", "only who has it"),
    "a superuser's membership": (f"GRANT drift_role TO {U}", f"REVOKE drift_role FROM {U}", "granted it"),
    "a role of the server": (f"GRANT pg_read_server_files TO {U}", f"REVOKE pg_read_server_files FROM {U}", "has no ADMIN"),
    "a superuser's setting": (f"ALTER ROLE {U} SET log_statement = 'none'", f"ALTER ROLE {U} RESET log_statement", "only a superuser"),
    "a setting that no loaded library has": (
        f"ALTER ROLE {U} SET my.own = 'a=b'",
        f"ALTER ROLE {U} RESET my.own", "only a superuser",
    ),
    "something of the server": (
        f"GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {U}",
        f"REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM {U}", "belongs to rdsadmin",
    ),
    "a tablespace": (f"GRANT CREATE ON TABLESPACE pg_default TO {U}", f"REVOKE CREATE ON TABLESPACE pg_default FROM {U}", "belongs to rdsadmin"),
    "a parameter": (f"GRANT SET ON PARAMETER log_statement TO {U}", f"REVOKE SET ON PARAMETER log_statement FROM {U}", "belongs to rdsadmin"),
    "database of the superuser": ("ALTER DATABASE fileflow OWNER TO provider", "ALTER DATABASE fileflow OWNER TO fileflow_owner", "belongs to provider"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BEYOND)
def test_what_cannot_be_repaired_is_a_warning_with_the_reason(kind: str, scratch: Server) -> None:
    drift, back, reason = BEYOND[kind]
    scratch.sql(drift)
    try:
        answer = scratch.ensure()
        assert quiet(answer), answer
        assert any(reason in warning for warning in answer["report_warnings"]), answer["report_warnings"]
        assert answer["report_warnings"] == scratch.ensure(check=True)["report_warnings"]
    finally:
        scratch.sql(back)
    answer = scratch.ensure()
    assert quiet(answer) and answer["report_warnings"] == [], answer


def test_the_administrator_lost_its_membership(made: Server) -> None:
    made.sql("REVOKE axb_owner FROM postgres GRANTED BY postgres")
    predicted = made.ensure(check=True)
    assert any("cannot connect to axb yet" in warning for warning in predicted["report_warnings"])
    done = made.ensure()
    assert done["changed"] and done["diff"] == predicted["diff"]
    assert quiet(made.ensure())


def test_unknown_is_reported_and_never_touched(made: Server) -> None:
    made.sql(
        "CREATE ROLE stray LOGIN; CREATE DATABASE other OWNER stray; GRANT fileflow_owner TO stray;"
        "GRANT CONNECT ON DATABASE fileflow TO stray"
    )
    made.sql("GRANT SELECT ON t, numbered TO stray", "fileflow")
    try:
        answer = made.ensure()
        assert quiet(answer)
        assert answer["unknown"] == {
            "databases": ["other"],
            "users": ["stray"],
            "access": [
                '"stray" holds CONNECT ON DATABASE "fileflow"',
                '"stray" holds SELECT ON 2 TABLE in "fileflow"',
                '"stray" is a member of "fileflow_owner"',
            ],
        }
        assert made.sql("SELECT datacl FROM pg_database WHERE datname = 'other'") == [(None,)]
        assert made.sql("SELECT count(*) FROM t", "fileflow", PROVIDER) == [(0,)]
        assert made.sql("SELECT has_table_privilege('stray', 't', 'SELECT')", "fileflow") == [(True,)]
    finally:
        made.sql("REVOKE ALL ON t, numbered FROM stray", "fileflow")
        made.sql("REVOKE CONNECT ON DATABASE fileflow FROM stray; DROP DATABASE other; DROP ROLE stray")
    assert quiet(made.ensure())


def test_used_up_connections_do_not_look_like_a_wrong_password(made: Server) -> None:
    with made.connect("a_b_user", "p-ab", "a_b"), made.connect("a_b_user", "p-ab", "a_b"):
        assert quiet(made.ensure())


# --- names, passwords and locks ------------------------------------------------------------------------------------


def test_odd_names_and_passwords_are_safe(made: Server) -> None:
    odd = [
        {"name": "quotes", "database": "it's `q`\";--", "user": "o'`\"%s\\", "password": "p'\"`\\%s%%;-- "},
        {"name": "wild", "database": "w%_d=%(x)s", "user": "postgresql://x", "password": "%(x)s\\'{}"},
        {"name": "unicode", "database": "데이터베이스", "user": "사용자", "password": "비밀번호-é"},
        {"name": "longest", "database": "d" * 57, "user": "u" * 63, "password": "x" * 200, "grants": ["SELECT"]},
    ]
    try:
        predicted = made.ensure(services=odd, check=True)
        first = made.ensure(services=odd)
        assert first["diff"] == predicted["diff"]
        table = 'CREATE TABLE "a\'""%s" ("c %(x)s" int); CREATE FUNCTION "f\'"""() RETURNS int RETURN 1'
        made.sql(table, "it's `q`\";--", "o'`\"%s\\", "p'\"`\\%s%%;-- ")
        made.sql('GRANT UPDATE ("c %(x)s") ON "a\'""%s" TO "사용자"', "it's `q`\";--")
        assert made.ensure(services=odd)["updated"] == ["unicode"]
        assert quiet(made.ensure(services=odd))
        assert made.verify(services=odd)["failures"] == []
    finally:
        with made.connect(PROVIDER) as connection:
            for item in odd:
                connection.execute(
                    psycopg.sql.SQL("DROP DATABASE IF EXISTS {}").format(psycopg.sql.Identifier(item["database"]))
                )
            for name in [item["user"] for item in odd] + [f"{item['database']}_owner" for item in odd]:
                connection.execute(psycopg.sql.SQL("DROP ROLE IF EXISTS {}").format(psycopg.sql.Identifier(name)))
    assert quiet(made.ensure())


def test_a_held_lock_is_waited_for_and_its_holder_named(made: Server) -> None:
    with made.connect(ADMINISTRATOR) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (postgresql.LOCK,))
        with pytest.raises(DatabaseError, match=r"another run holds the lock.* of postgres from .*waited 1 s"):
            made.ensure(lock_timeout=1)
        assert quiet(made.ensure(lock_timeout=1, check=True)), "check mode needs no lock"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(made.ensure_here, lock_timeout=30)
            time.sleep(1)
            assert not waiting.done()
            holder.close()
            assert quiet(waiting.result())


@contextmanager
def dropped_after(server: Server, names: list[str]) -> Iterator[list[dict[str, Any]]]:
    try:
        yield [{"name": name, "password": f"password-{name}"} for name in names]
    finally:
        server.sql(";".join(f"DROP DATABASE IF EXISTS {name}" for name in names))
        server.sql(";".join(f"DROP ROLE IF EXISTS {name}_user, {name}_owner" for name in names))


def test_two_runs_at_once(made: Server) -> None:
    with dropped_after(made, [f"race{number}" for number in range(3)]) as many, ThreadPoolExecutor(2) as pool:
        answers = [task.result() for task in [pool.submit(made.ensure_here, services=many) for _ in range(2)]]
        assert sorted(answer["changed"] for answer in answers) == [False, True], answers


def test_killed_connection_and_the_next_run_completes(made: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends the connection in the middle: what is done stays, the next run does the rest."""
    original = postgresql.Connection.run

    def killed(connection: postgresql.Connection, item: Any) -> None:
        if item.shown.startswith('ALTER ROLE "killed1_user"'):
            made.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'")
        original(connection, item)

    with dropped_after(made, [f"killed{number}" for number in range(3)]) as many:
        monkeypatch.setattr(postgresql.Connection, "run", killed)
        with pytest.raises(DatabaseError, match="the next run goes on where this one stopped"):
            made.ensure_here(services=many)
        monkeypatch.undo()
        assert made.ensure(services=many)["created_users"] == ["killed2_user"]
        assert quiet(made.ensure(services=many))
        assert made.verify(services=many)["failures"] == []


# --- trouble -------------------------------------------------------------------------------------------------------


def refused(server: Server, **more: Any) -> str:
    with pytest.raises(DatabaseError) as caught:
        server.ensure(**more)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_wrong_administrator_and_wrong_places(server: Server, tmp_path: Path) -> None:
    assert "Remedy: the password in the secret is not the server's" in refused(server, password="wr0ng")
    assert "self-signed certificate" in refused(server, ca_file="/etc/ssl/certs/ca-certificates.crt")
    assert "is not there" in refused(server, ca_file="/nowhere.pem")
    (tmp_path / "no.pem").write_text("no certificate")
    assert "cannot be used" in refused(server, ca_file=str(tmp_path / "no.pem"))
    for error in (refused(server, host="127.0.0.1"), refused(server, ca_file="/etc/ssl/certs/ca-certificates.crt")):
        assert "certificate is not accepted" in error and "never switch the verification off" in error
    assert "Remedy: check the name, the security group" in refused(server, port=1)
    assert "Remedy: check the name" in refused(server, host="no-such-server.local.internal")
    assert "is the administrator" in refused(server, services=[{"name": "x", "user": ADMINISTRATOR, "password": "p-x"}])
    both = [{"name": "x", "password": "p-x"}, {"name": "y", "user": "x_owner", "password": "p-y"}]
    assert "is the owner role of database 'x'" in refused(server, services=both)


def test_read_only_server(made: Server) -> None:
    made.sql(f"ALTER ROLE {U} CREATEDB; ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        assert "is read-only and fileflow needs a change" in refused(made)
    finally:
        with made.connect(PROVIDER, options="-c default_transaction_read_only=off") as connection:
            connection.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
    assert made.ensure()["updated"] == ["fileflow"]


def test_a_busy_table_does_not_hang_the_run(made: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made.sql(f"ALTER TABLE numbered OWNER TO {U}", "fileflow")
    original = postgresql._raw_connection

    def hasty(*arguments: Any, **more: Any) -> Any:
        raw = original(*arguments, **more)
        raw.execute("SET lock_timeout = '500ms'")
        return raw

    with made.connect(PROVIDER, database="fileflow") as holder, holder.transaction():
        holder.execute("LOCK TABLE numbered IN ACCESS SHARE MODE")
        monkeypatch.setattr(postgresql, "_raw_connection", hasty)
        with pytest.raises(DatabaseError, match="an open transaction holds a lock"):
            made.ensure_here()
    monkeypatch.undo()
    made.ensure()
    assert quiet(made.ensure())
    assert made.verify()["failures"] == []


def test_a_server_that_takes_plaintext_is_told(made: Server) -> None:
    rule = "host all all 0.0.0.0/0 scram-sha-256"
    hba = "/etc/groundwork/pg_hba.conf"
    podman("exec", made.container.name, "sh", "-c", f"echo '{rule}' >> {hba}")
    made.sql("SELECT pg_reload_conf()")
    try:
        time.sleep(0.5)
        answer = made.ensure()
        assert quiet(answer) and any("rds.force_ssl = 1" in line for line in answer["report_warnings"])
        failures = made.verify()["failures"]
        assert len(failures) == len(SERVICES) and all("a login without TLS is accepted" in line for line in failures)
    finally:
        podman("exec", made.container.name, "sed", "-i", "$d", hba)
        made.sql("SELECT pg_reload_conf()")
        time.sleep(0.5)
    assert made.ensure()["report_warnings"] == []


def test_verify_sees_what_is_wrong(made: Server) -> None:
    made.sql(
        f"GRANT axb_owner TO fileflow_2; GRANT CONNECT ON DATABASE a_b TO axb_user; ALTER ROLE {U} SET role = 'none'"
    )
    made.sql(f"GRANT INSERT ON t TO {R}; REVOKE SELECT ON numbered FROM {R}", "fileflow")
    failures = "\n".join(made.verify()["failures"])
    for text in (
        "fileflow-2: is a member of ['axb_owner', 'fileflow_owner']", "axb: using database a_b is allowed",
        "fileflow: its sessions act as fileflow_user", "report: holds also INSERT ON 1 TABLE",
        "report: does not hold SELECT ON 1 TABLE",
    ):  # fmt: skip
        assert text in failures
    # That membership is a superuser's, and so beyond the administrator.
    made.sql("REVOKE axb_owner FROM fileflow_2")
    made.ensure()
    assert made.verify()["failures"] == []


def test_a_dropped_server_connection_frees_the_lock(made: Server) -> None:
    started = threading.Event()

    def hold() -> None:
        connection = made.connect(ADMINISTRATOR)
        connection.execute("SELECT pg_advisory_lock(%s)", (postgresql.LOCK,))
        started.set()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT pg_sleep(60)")

    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(hold)
        started.wait()
        made.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        task.result()
    assert quiet(made.ensure(lock_timeout=1))
