"""Every privilege of a real PostgreSQL: which ones a login for reading holds, read back, and an attempt for each of the others."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from conftest import PROVIDER, Server

SERVICES = [
    {"name": "fileflow", "password": "p-user"},
    {"name": "report", "database": "fileflow", "user": "fileflow_ro", "password": "p-read", "grants": ["SELECT"]},
]
R = "fileflow_ro"
#: Letters of acldefault(): https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-ACLITEM
KINDS = {
    "r": "t", "s": "s", "d": "fileflow", "f": "f(int, text[])", "l": "plpgsql", "n": "public", "p": "log_duration",
    "t": "space", "F": "wrapper", "S": "other", "T": "int4",
}  # fmt: skip
#: What a login for reading holds of them; the last two are everybody's in every database, and give nothing by themselves.
READER = {("r", "SELECT"), ("s", "SELECT"), ("d", "CONNECT"), ("n", "USAGE"), ("l", "USAGE"), ("T", "USAGE")}
#: How the server is asked whether they are held. Of large objects 17 has no such function: there the attempt says it.
HAS = {
    "r": "has_table_privilege", "s": "has_sequence_privilege", "d": "has_database_privilege", "f": "has_function_privilege",
    "l": "has_language_privilege", "n": "has_schema_privilege", "p": "has_parameter_privilege",
    "t": "has_tablespace_privilege", "F": "has_foreign_data_wrapper_privilege", "S": "has_server_privilege", "T": "has_type_privilege",
}  # fmt: skip
#: One attempt for each of the others, and the grant with which it is allowed.
ATTEMPTS = {
    ("r", "INSERT"): ("INSERT INTO t VALUES (1)", "INSERT ON t"),
    ("r", "UPDATE"): ("UPDATE t SET b = 'x'", "UPDATE ON t"),
    ("r", "DELETE"): ("DELETE FROM t", "DELETE ON t"),
    ("r", "TRUNCATE"): ("TRUNCATE t", "TRUNCATE ON t"),
    ("r", "REFERENCES"): ("CREATE TABLE mine.x (a int REFERENCES public.keyed (a))", "REFERENCES ON keyed"),
    ("r", "TRIGGER"): (
        "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", "TRIGGER ON t",
    ),
    ("r", "MAINTAIN"): ("REINDEX TABLE t", "MAINTAIN ON t"),
    ("s", "USAGE"): ("SELECT nextval('s')", "USAGE ON SEQUENCE s"),
    ("s", "UPDATE"): ("SELECT setval('s', 1)", "UPDATE ON SEQUENCE s"),
    ("d", "CREATE"): ("CREATE SCHEMA other", "CREATE ON DATABASE fileflow"),
    ("d", "TEMPORARY"): ("CREATE TEMP TABLE x ()", "TEMPORARY ON DATABASE fileflow"),
    ("f", "EXECUTE"): ("SELECT f(1, NULL)", "EXECUTE ON FUNCTION f"),
    ("L", "SELECT"): ("SELECT lo_get(424242)", "SELECT ON LARGE OBJECT 424242"),
    ("L", "UPDATE"): ("SELECT lo_put(424242, 0, 'x')", "SELECT, UPDATE ON LARGE OBJECT 424242"),
    ("n", "CREATE"): ("CREATE TABLE public.x ()", "CREATE ON SCHEMA public"),
    ("p", "SET"): ("SET log_duration = off", "SET ON PARAMETER log_duration"),
    ("p", "ALTER SYSTEM"): ("ALTER SYSTEM SET log_duration = off", "ALTER SYSTEM ON PARAMETER log_duration"),
    ("t", "CREATE"): ("CREATE TABLE mine.x () TABLESPACE space", "CREATE ON TABLESPACE space"),
    ("F", "USAGE"): ("CREATE SERVER x FOREIGN DATA WRAPPER wrapper", "USAGE ON FOREIGN DATA WRAPPER wrapper"),
    ("S", "USAGE"): ("CREATE FOREIGN TABLE mine.x () SERVER other", "USAGE ON FOREIGN SERVER other"),
}  # fmt: skip
#: The same for what a role is, and for the roles that the server comes with.
ATTRIBUTES = {
    "SUPERUSER": "SET SESSION AUTHORIZATION postgres", "CREATEDB": "CREATE DATABASE x", "CREATEROLE": "CREATE ROLE x",
    "REPLICATION": "SELECT pg_create_physical_replication_slot('x')", "BYPASSRLS": "ALTER ROLE fileflow_ro BYPASSRLS",
}  # fmt: skip


@pytest.fixture(scope="module")
def things(empty_server: Callable[[str], Server]) -> Server:
    """What the attempts are about; schema mine is the reader's, so that its other attempts fail for their own reasons."""
    made = empty_server("postgresql")
    made.ensure(SERVICES)
    made.sql(
        "CREATE TABLE t (a int, b text); CREATE SEQUENCE s; CREATE FUNCTION f(int, text[]) RETURNS int RETURN 1;"
        "CREATE TABLE keyed (a int PRIMARY KEY)", "fileflow", "fileflow_user", "p-user",
    )  # fmt: skip
    made.sql("SET allow_in_place_tablespaces = on; CREATE TABLESPACE space LOCATION ''")
    made.sql(
        f"CREATE SCHEMA mine AUTHORIZATION {PROVIDER}; GRANT ALL ON SCHEMA mine TO fileflow_ro;"
        "CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER other FOREIGN DATA WRAPPER wrapper; SELECT lo_create(424242)",
        "fileflow",
    )
    return made


def test_of_every_privilege_that_the_server_has_exactly_these_are_held(things: Server) -> None:
    known = set(
        things.sql(
            "SELECT k.kind::text, a.privilege_type FROM unnest(ARRAY['r', 's', 'd', 'f', 'l', 'L', 'n', 'p', 't', 'F', 'S', 'T']::\"char\"[])"
            " k(kind), LATERAL aclexplode(acldefault(k.kind, 10)) a WHERE a.grantee = 10"
        )
    )
    # A new version's privileges are nobody's until somebody thought about them.
    assert known == READER | set(ATTEMPTS)
    ask = [
        f"SELECT '{kind}', '{name}', {HAS[kind]}('fileflow_ro', '{KINDS[kind]}', '{name}')"
        for kind, name in sorted(known)
        if kind in HAS
    ]
    held = {(kind, name) for kind, name, has in things.sql(" UNION ALL ".join(ask), "fileflow") if has}
    assert held == READER
    assert things.sql(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'fileflow_ro'"
    ) == [(False, False, False, False, False, True)]
    assert things.sql("SELECT count(*) FROM pg_auth_members WHERE member = 'fileflow_ro'::regrole") == [(0,)]


@pytest.mark.parametrize("privilege", ATTEMPTS, ids=" ".join)
def test_an_attempt_for_each_privilege_that_is_not_held_is_refused(privilege: tuple[str, str], things: Server) -> None:
    attempt, grant = ATTEMPTS[privilege]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        things.sql(attempt, "fileflow", R, "p-read")
    if privilege == ("p", "ALTER SYSTEM"):
        # Nothing that can be rolled back.
        return
    # It was for want of this privilege: with it the same is allowed.
    with things.connect(database="fileflow") as session, session.transaction(force_rollback=True):
        session.execute(f"GRANT {grant} TO {R}")
        session.execute(f"SET LOCAL SESSION AUTHORIZATION {R}")
        session.execute(attempt)


def test_neither_attributes_nor_the_server_s_own_roles_are_held(things: Server) -> None:
    own = [name for (name,) in things.sql("SELECT rolname FROM pg_roles WHERE rolname ~ '^(pg_|rds)' ORDER BY 1")]
    assert len(own) > 15 and "pg_read_all_data" in own
    for attempt in [*ATTRIBUTES.values(), *(f"SET ROLE {name}" for name in own)]:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            things.sql(attempt, "fileflow", R, "p-read")
