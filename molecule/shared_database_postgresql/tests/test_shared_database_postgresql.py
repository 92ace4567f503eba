"""What the real PostgreSQL server says after the role ran. Drift, wrong input and trouble: tests/databases."""

# ruff: noqa: S608 - the statements are this file's own

from __future__ import annotations

import subprocess

import pytest
from database_scenario import PODMAN, Scenario, User, podman_exec, quiet

USERS = [
    User("crawler", "user", 20, ("OWNER",)),
    User("crawler", "readonly", 5, ("SELECT",)),
    User("crawler", "migration", 2, ("OWNER",)),
    User("a_b", "user", 5, ("OWNER",)),
    User("axb", "user", 5, ("OWNER",)),
]
DATABASES = ("crawler", "a_b", "axb")
SCENARIO = Scenario("shared-database-postgresql", 223, "postgresql", USERS)
MANAGED = "'^(crawler|a_b|axb)_'"
PROVIDER = ("setpriv", "--reuid=postgres", "--clear-groups", "psql", "-XqAtv", "ON_ERROR_STOP=1", "-U", "rdsadmin")


def sql(text: str, database: str = "postgres") -> list[str]:
    """What the server's superuser sees: not what the module believes it did."""
    return podman_exec(SCENARIO.server, *PROVIDER, database, stdin=text).splitlines()


@pytest.fixture(scope="session", autouse=True)
def package() -> None:
    SCENARIO.bring_package()


def test_roles_have_these_attributes_and_no_others() -> None:
    owners = [f"{name}_owner|f|t|f|f|f|f|f|-1||" for name in DATABASES]
    logins = [f"{user.user}|t|t|f|f|f|f|f|{user.connections}||t" for user in USERS]
    assert sorted(
        sql(
            "SELECT rolname, rolcanlogin, rolinherit, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,"
            " rolconnlimit, rolvaliduntil, rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid"
            f" WHERE rolname ~ {MANAGED}"
        )
    ) == sorted(owners + logins)


def test_members_and_settings() -> None:
    """Sessions of the service and of a migration begin as the owner role; a reader is a member of nothing."""
    members = sql(
        "SELECT g.rolname, m.rolname, admin_option, inherit_option, set_option FROM pg_auth_members"
        " JOIN pg_roles g ON g.oid = roleid JOIN pg_roles m ON m.oid = member"
        f" WHERE (g.rolname ~ {MANAGED} OR m.rolname ~ {MANAGED}) AND m.rolname <> 'postgres'"
    )
    settings = sql("SELECT setrole::regrole, setdatabase, setconfig FROM pg_db_role_setting")
    owning = [user for user in USERS if user.grants == ("OWNER",)]
    assert sorted(members) == sorted(f"{user.service}_owner|{user.user}|f|t|t" for user in owning)
    assert sorted(settings) == sorted(f"{user.user}|0|{{role={user.service}_owner}}" for user in owning)


def test_databases_and_their_privileges() -> None:
    assert sql(
        "SELECT datname, datdba::regrole, pg_encoding_to_char(encoding), datconnlimit, datacl FROM pg_database"
        " WHERE datname IN ('crawler', 'a_b', 'axb') ORDER BY datname"
    ) == [
        "a_b|a_b_owner|UTF8|-1|{a_b_owner=CTc/a_b_owner}",
        "axb|axb_owner|UTF8|-1|{axb_owner=CTc/axb_owner}",
        "crawler|crawler_owner|UTF8|-1|{crawler_owner=CTc/crawler_owner,crawler_readonly=c/crawler_owner}",
    ]


@pytest.mark.parametrize("database", DATABASES)
def test_schema_and_default_privileges(database: str) -> None:
    """PUBLIC holds nothing; a reader will read what the owner role makes."""
    owner = f"{database}_owner"
    reader = database == "crawler"
    schema = f"{{{owner}=UC/{owner}" + (f",crawler_readonly=U/{owner}" if reader else "") + "}"
    assert sql("SELECT nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = 'public'", database) == [
        f"{owner}|{schema}"
    ]
    assert sql("SELECT DISTINCT defaclrole::regrole, defaclnamespace FROM pg_default_acl", database) == [f"{owner}|0"]
    others = sql(
        "SELECT defaclobjtype, grantee::regrole, privilege_type, is_grantable FROM pg_default_acl, aclexplode(defaclacl)"
        " WHERE grantee <> defaclrole",
        database,
    )
    wanted = {"r": "SELECT", "S": "SELECT", "n": "USAGE"} if reader else {}
    assert sorted(others) == sorted(f"{kind}|crawler_readonly|{name}|f" for kind, name in wanted.items())
    # That functions have an entry without PUBLIC is what takes its EXECUTE away.
    assert sql("SELECT count(*) FROM pg_default_acl WHERE defaclobjtype = 'f'", database) == ["1"]


def test_secrets_are_what_applications_and_rds_expect() -> None:
    for user in USERS[:3]:
        value = SCENARIO.secret(user.secret)
        assert set(value) == {"engine", "host", "port", "dbname", "username", "password"}
        assert (value["engine"], value["port"], value["dbname"]) == ("postgres", 5432, "crawler")
        assert value["username"] == user.user
        assert len(value["password"]) == 32 and value["password"].isalnum()
        tags, key = SCENARIO.about_secret(user.secret)
        assert tags["Service"] == "crawler" and tags["Environment"] == "local" and "key/" in key
    assert len(set(SCENARIO.passwords())) == len(USERS) + 1


def test_every_login_works_over_tls_and_only_as_far_as_it_should() -> None:
    answer = SCENARIO.call("verify")
    assert answer["failures"] == []
    logins = {login["name"]: login for login in answer["logins"]}
    assert list(logins) == [user.name for user in USERS]
    for login in logins.values():
        assert login["tls"].startswith("TLSv1.")
        assert all(text.startswith("refused") for text in login["refused"].values()), login["refused"]
    assert {name: login["account"] for name, login in logins.items()} == {
        "crawler": "crawler_owner", "crawler/migration": "crawler_owner", "crawler/readonly": "crawler_readonly",
        "a_b": "a_b_owner", "axb": "axb_owner",
    }  # fmt: skip
    assert logins["a_b"]["refused"]["using database axb"] == "refused"
    assert "making a table (a privilege not held)" in logins["crawler/readonly"]["refused"]


def test_a_migration_changes_the_schema_and_a_reader_only_reads() -> None:
    as_user = SCENARIO.as_user
    try:
        assert as_user(
            "crawler/migration",
            "CREATE TABLE pages (id serial PRIMARY KEY, url text)",
            "CREATE VIEW urls AS SELECT url FROM pages",
            "CREATE FUNCTION one() RETURNS int RETURN 1",
            "CREATE SCHEMA more",
            "CREATE TABLE more.facts (id int REFERENCES pages)",
        ) == ""  # fmt: skip
        # What a migration made is the owner role's, so that the service may use and the next migration may change it.
        assert sql(
            "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname IN ('pages', 'facts')", "crawler"
        ) == ["crawler_owner"]
        assert as_user("crawler", "INSERT INTO pages (url) VALUES ('x')", "ALTER TABLE pages ADD seen int") == ""
        readable = ("SELECT * FROM pages", "SELECT * FROM urls", "SELECT * FROM more.facts")
        assert as_user("crawler/readonly", *readable) == ""
        for refused in (
            "INSERT INTO pages (url) VALUES ('y')",
            "UPDATE pages SET url = 'y'",
            "DELETE FROM more.facts",
            "TRUNCATE pages",
            "SELECT nextval('pages_id_seq')",
            "SELECT one()",
            "CREATE TABLE mine ()",
            "CREATE TEMPORARY TABLE mine ()",
            "CREATE SCHEMA mine",
            "SET ROLE crawler_owner",
        ):
            assert "permission denied" in as_user("crawler/readonly", refused), refused
        assert quiet(SCENARIO.call()), "the default privileges are the wanted ones"
    finally:
        sql(
            "DROP SCHEMA IF EXISTS more CASCADE; DROP TABLE IF EXISTS pages CASCADE; DROP FUNCTION IF EXISTS one",
            "crawler",
        )


def test_second_run_changes_nothing_and_knows_everything() -> None:
    answer = SCENARIO.call()
    assert quiet(answer) and answer["report_warnings"] == [], answer
    assert answer["unknown"] == {"databases": [], "users": [], "access": []}


def test_drift_is_told_in_check_mode_and_repaired() -> None:
    sql(
        "ALTER ROLE crawler_readonly CREATEDB CONNECTION LIMIT 50; GRANT CONNECT ON DATABASE crawler TO PUBLIC;"
        "GRANT CREATE ON SCHEMA public TO crawler_readonly; ALTER ROLE crawler_user RESET role",
        "crawler",
    )
    predicted = SCENARIO.call(check=True)
    assert set(predicted["diff"]["after"]) == {"crawler", "crawler/readonly"}
    done = SCENARIO.call()
    assert done["diff"] == predicted["diff"], done
    assert quiet(SCENARIO.call())
    assert SCENARIO.call("verify")["failures"] == []


def test_unknown_is_reported_and_never_touched() -> None:
    sql("CREATE ROLE stray LOGIN")
    sql("CREATE DATABASE stray")
    sql("GRANT CONNECT ON DATABASE crawler TO stray")
    try:
        answer = SCENARIO.call()
        assert quiet(answer)
        assert answer["unknown"] == {
            "databases": ["stray"],
            "users": ["stray"],
            "access": ['"stray" holds CONNECT ON DATABASE "crawler"'],
        }
    finally:
        sql("REVOKE CONNECT ON DATABASE crawler FROM stray")
        sql("DROP DATABASE stray")
        sql("DROP ROLE stray")


def test_administrator_is_no_superuser() -> None:
    assert sql("SELECT rolsuper, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'postgres'") == ["f|f|f"]


def test_no_password_in_the_servers_log() -> None:
    log = subprocess.run([PODMAN, "logs", SCENARIO.server], capture_output=True, check=True)
    text = (log.stdout + log.stderr).decode()
    assert not [password for password in SCENARIO.passwords() if password in text]
