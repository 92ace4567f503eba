"""The planner of shared_databases, its quoting and its errors: all without a server. The real server is in tests/databases."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import pytest
from groundwork.databases import embedded_mysql as embedded
from groundwork.databases import mysql, mysql_plan, mysql_sql, mysql_state, run
from groundwork.databases.model import DatabaseError, Endpoint, ServiceSpec, parse_services
from groundwork.databases.mysql_state import AccountState, Held, ServerState
from hypothesis import given
from hypothesis import strategies as st

ENGINE = mysql.MySQL()
ENDPOINT = Endpoint("db.internal", 3306, "admin", "S3CRET", ca_file="/ca.pem")
EIGHT = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER"
GOOD = AccountState(
    plugin="caching_sha2_password",
    tls="ANY",
    locked=False,
    expired=False,
    max_connections=20,
    hourly_limits=False,
    second_password=False,
    held=(Held("database", ("a\\_b",), mysql_plan.DEFAULT_GRANTS),),
)


def spec(**more: Any) -> ServiceSpec:
    return parse_services(ENGINE, [{"name": "a_b", "password": "pw", "max_user_connections": 20, **more}], check=False)[
        0
    ]


def server(account: AccountState | None = GOOD, **more: Any) -> ServerState:
    values: dict[str, Any] = {
        "version": "8.4.3",
        "read_only": False,
        "max_connections": 100,
        "partial_revokes": False,
        "databases": {"a_b": ("utf8mb4", "utf8mb4_unicode_ci"), "mysql": ("utf8mb4", "utf8mb4_0900_ai_ci")},
        "accounts": {("a_b_user", "%"): account} if account else {},
        **more,
    }
    return ServerState(**values)


def statements(state: ServerState, login: str | None = mysql_plan.LOGIN_OK, **more: Any) -> list[str]:
    return [item.shown for item in mysql_plan.plan_service(spec(**more), state, login).statements]


# --- plan ----------------------------------------------------------------------------------------------------------


def test_nothing_to_do() -> None:
    plan = mysql_plan.plan_service(spec(), server(), mysql_plan.LOGIN_OK)
    assert (plan.statements, plan.before, plan.after) == ([], {}, {})


def test_everything_is_missing() -> None:
    plan = mysql_plan.plan_service(spec(), server(None, databases={}), None)
    assert [item.shown for item in plan.statements] == [
        "CREATE DATABASE `a_b` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        "CREATE USER `a_b_user`@`%` IDENTIFIED WITH caching_sha2_password BY (the secret's password) REQUIRE SSL WITH"
        " MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 20"
        " ACCOUNT UNLOCK",
        f"GRANT {EIGHT} ON `a\\_b`.* TO `a_b_user`@`%`",
    ]
    assert plan.statements[1].parameters == ("a_b_user", "%", "pw")
    assert plan.creates_database and plan.creates_user and plan.sets_password


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"tls": ""}, "tls"),
        ({"tls": "X509"}, "tls"),
        ({"locked": True}, "locked"),
        ({"expired": True}, "password expired"),
        ({"plugin": "mysql_native_password"}, "plugin"),
        ({"max_connections": 3}, "max_user_connections"),
        ({"hourly_limits": True}, "hourly limits"),
    ],
)
def test_drift_of_the_account(change: dict[str, Any], key: str) -> None:
    account = replace(GOOD, **change)
    login = mysql_plan.LOGIN_OK if mysql_plan.can_try_login(account) else None
    plan = mysql_plan.plan_service(spec(), server(account), login)
    assert key in plan.before["user"] and key in plan.after["user"]
    assert len(plan.statements) == 1 and plan.statements[0].shown.startswith("ALTER USER")
    # A password that cannot be tried is set; one that was accepted is left.
    assert plan.sets_password == (login is None)


def test_password_is_set_only_when_refused() -> None:
    assert statements(server(), mysql_plan.LOGIN_WRONG)[0].count("(the secret's password)") == 1
    assert statements(server(), mysql_plan.LOGIN_SHADOWED) == []


def test_password_that_does_not_exist_yet_is_a_change_in_check_mode() -> None:
    pending = parse_services(ENGINE, [{"name": "a_b", "max_user_connections": 20}], check=True)[0]
    plan = mysql_plan.plan_service(pending, server(), None)
    assert plan.after["user"] == {"password": "as in the secret"}


@pytest.mark.parametrize(
    ("held", "revoked"),
    [
        (Held("global", (), frozenset({"SELECT", "GRANT OPTION"})), "REVOKE SELECT, GRANT OPTION ON *.*"),
        (Held("global", (), frozenset({"ROLE_ADMIN"})), "REVOKE ROLE_ADMIN ON *.*"),
        (Held("database", ("a_b",), frozenset({"SELECT"})), "REVOKE SELECT ON `a_b`.*"),
        (Held("database", ("%",), frozenset({"SELECT"})), "REVOKE SELECT ON `%`.*"),
        (
            Held("table", ("d`b", "t"), frozenset({"DELETE"}), frozenset({("SELECT", "b"), ("SELECT", "a")})),
            "REVOKE DELETE, SELECT (`a`, `b`) ON `d``b`.`t`",
        ),
        (
            Held("routine", ("FUNCTION", "db", "f"), frozenset({"EXECUTE", "GRANT OPTION"})),
            "REVOKE EXECUTE, GRANT OPTION ON FUNCTION `db`.`f`",
        ),
        (Held("proxy", ("root", "localhost"), frozenset({"PROXY"})), "REVOKE PROXY ON `root`@`localhost`"),
        (Held("role", ("r", "%")), "REVOKE `r`@`%`"),
    ],
)
def test_every_other_grant_is_revoked(held: Held, revoked: str) -> None:
    state = server(replace(GOOD, held=(*GOOD.held, held)))
    assert statements(state) == [f"{revoked} FROM `a_b_user`@`%`"]


def test_global_revoke_has_another_way_for_an_rds_administrator() -> None:
    state = server(replace(GOOD, held=(*GOOD.held, Held("global", (), frozenset({"FILE"})))))
    plan = mysql_plan.plan_service(spec(), state, mysql_plan.LOGIN_OK)
    assert [item.shown for item in plan.statements[0].instead] == [
        "REVOKE ALL PRIVILEGES FROM `a_b_user`@`%`",
        f"GRANT {EIGHT} ON `a\\_b`.* TO `a_b_user`@`%`",
    ]


def test_grants_come_before_revokes() -> None:
    held = (Held("database", ("a_b",), mysql_plan.DEFAULT_GRANTS),)
    assert [item.split()[0] for item in statements(server(replace(GOOD, held=held)))] == ["GRANT", "REVOKE"]


def test_only_the_difference_is_granted_and_revoked() -> None:
    held = (Held("database", ("a\\_b",), frozenset({"SELECT", "EVENT"})),)
    assert statements(server(replace(GOOD, held=held)), grants=["SELECT", "insert"]) == [
        "GRANT INSERT ON `a\\_b`.* TO `a_b_user`@`%`",
        "REVOKE EVENT ON `a\\_b`.* FROM `a_b_user`@`%`",
    ]


def test_strangers_are_reported() -> None:
    stray = replace(GOOD, held=(Held("database", ("a%",), frozenset({"SELECT"})), Held("role", ("a_b_user", "%"))))
    other = replace(GOOD, held=())
    state = server(
        databases={"a_b": ("utf8mb4", "utf8mb4_unicode_ci"), "old": ("latin1", "latin1_swedish_ci"), "sys": ("", "")},
        accounts={
            ("a_b_user", "%"): replace(GOOD, second_password=True),
            ("a_b_user", "10.%"): other,
            ("stray", "%"): stray,
            ("root", "localhost"): other,
            ("admin", "%"): other,
        },
    )
    found = mysql_plan.strangers([spec()], state, {"admin"})
    assert found.databases == ["old"]
    assert found.users == ["`a_b_user`@`10.%`", "`stray`@`%`"]
    assert found.access == ["`stray`@`%` holds ROLE `a_b_user`@`%`", "`stray`@`%` holds SELECT ON `a%`.*"]
    assert found.second_passwords == ["`a_b_user`@`%`"]
    assert "answers instead of" in mysql_plan.warnings([spec()], state, {})[0]


def test_too_many_connections_are_a_warning() -> None:
    assert "may open 200 connections" in mysql_plan.warnings([spec(max_user_connections=200)], server(), {})[0]


# --- wishes --------------------------------------------------------------------------------------------------------


def test_every_fault_at_once() -> None:
    wishes = [
        {"name": "mysql", "password": "x"},
        {"name": "a/b", "password": "x"},
        {"name": "one", "password": "x", "user": "u" * 33},
        {"name": "two", "password": "x", "user": "root"},
        {"name": "three", "user": "same", "password": ""},
        {"name": "four", "user": "same", "password": "a\nb"},
        {"name": "five", "password": "x", "grants": ["SELECT", "SUPER"]},
        {"name": "six", "password": "x", "grants": []},
        {"name": "seven", "password": "x" * 257},
        {"name": "eight", "password": "x", "charset": "utf8mb4; DROP"},
        {"name": "nine", "password": "x", "max_user_connections": -1},
        {"name": "ONE", "database": "One", "user": "one_2", "password": "x"},
        {"name": "nine", "user": "other", "password": "x"},
    ]
    with pytest.raises(DatabaseError) as caught:
        parse_services(ENGINE, wishes, check=False)
    text = str(caught.value)
    for part in (
        "one of the server's own databases", "it has one of \\ / .", "33 characters, MySQL takes 32",
        "one of the server's own users", "the password is missing", "is already the user of three",
        "control character", "SUPER cannot be granted on a database", "grants is empty", "longer than 256 bytes",
        "is not a character set", "must be 0 or more", "is also one's, written or set otherwise", "named twice",
    ):  # fmt: skip
        assert part in text


def test_two_users_may_share_a_database() -> None:
    parse_services(
        ENGINE,
        [
            {"name": "a", "password": "x"},
            {"name": "a-report", "database": "a", "user": "a_report", "password": "x", "grants": ["SELECT"]},
        ],
        check=False,
    )


def test_of_several_logins_the_first_one_makes_the_database() -> None:
    specs = parse_services(
        ENGINE,
        [
            {"name": "a_b", "password": "x"},
            {"name": "a_b/readonly", "database": "a_b", "user": "a_b_readonly", "password": "x", "grants": ["SELECT"]},
        ],
        check=False,
    )
    own, reader = mysql_plan.plan_services(specs, server(None, databases={}), {})
    assert [plan.creates_database for plan in (own, reader)] == [True, False]
    assert [item.shown.split(" IDENTIFIED")[0] for item in reader.statements] == [
        "CREATE USER `a_b_readonly`@`%`",
        "GRANT SELECT ON `a\\_b`.* TO `a_b_readonly`@`%`",
    ]


@pytest.mark.parametrize(
    ("grants", "tried"),
    [
        (mysql_plan.DEFAULT_GRANTS, {"a temporary table", "listing events"}),
        ({"SELECT"}, {"dropping a table", "a temporary table", "listing events"}),
        (mysql_plan.DATABASE_PRIVILEGES - {"EVENT"}, {"listing events"}),
    ],
)
def test_one_privilege_that_is_not_held_is_tried_at_least(grants: set[str], tried: set[str]) -> None:
    login = run.LoginSpec("a", "a_b", "a_user", "pw", frozenset(grants))
    attempts = [
        what.removesuffix(" (a privilege not held)") for what, _ in mysql._forbidden(login) if "not held" in what
    ]
    assert set(attempts) == tried


def test_nothing_shows_a_password() -> None:
    plan = mysql_plan.plan_service(spec(password="S3CRET"), server(None), None)
    assert (
        "S3CRET" not in repr(plan) and "S3CRET" not in repr(spec(password="S3CRET")) and "S3CRET" not in repr(ENDPOINT)
    )


# --- quoting -------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=64))
def test_identifiers_are_quoted_or_refused(name: str) -> None:
    try:
        quoted = mysql_sql.identifier(name)
    except mysql_sql.NameRefused:
        assert mysql_sql.name_fault(name, 64)
        return
    inner = quoted[1:-1]
    assert quoted[0] == quoted[-1] == "`"
    assert "`" not in inner.replace("``", "")
    # What the driver makes of it is the name itself.
    assert (inner % ()).replace("``", "`") == name


@given(st.text(alphabet="ab_%x", min_size=1, max_size=6), st.text(alphabet="ab_%x", min_size=1, max_size=6))
def test_a_grant_pattern_matches_its_database_only(database: str, other: str) -> None:
    pattern = mysql_sql.grant_pattern(database)
    for literal in (False, True):
        assert mysql_sql.matches(pattern, other, literal=literal) == (other == database)


def test_bare_wildcards_reach_others_unless_partial_revokes_is_on() -> None:
    assert mysql_sql.matches("a_b", "axb", literal=False) and not mysql_sql.matches("a_b", "axb", literal=True)
    assert mysql_sql.matches("a%", "abc", literal=False) and not mysql_sql.matches("a%", "abc", literal=True)


@pytest.mark.parametrize("name", ["SELECT; DROP", "", "select", "X`", "SELECT ON *.* TO x --"])
def test_what_is_no_privilege_is_refused(name: str) -> None:
    with pytest.raises(mysql_sql.NameRefused):
        mysql_sql.privilege(name)


# --- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "privilege"),
    [
        ("Select_priv", "SELECT"),
        ("Grant_priv", "GRANT OPTION"),
        ("Create_tmp_table_priv", "CREATE TEMPORARY TABLES"),
        ("Show_db_priv", "SHOW DATABASES"),
        ("Repl_slave_priv", "REPLICATION SLAVE"),
        ("Create_role_priv", "CREATE ROLE"),
        ("Lock_tables_priv", "LOCK TABLES"),
    ],
)
def test_columns_of_the_grant_tables(column: str, privilege: str) -> None:
    assert mysql_state.column_privilege(column) == privilege


def test_sets_of_the_grant_tables() -> None:
    assert mysql_state.set_privileges("Select,Create View,Grant") == {"SELECT", "CREATE VIEW", "GRANT OPTION"}
    assert mysql_state.set_privileges("") == frozenset()


def test_versions() -> None:
    assert mysql_state.version_tuple("8.0.42-azure") == (8, 0, 42) > mysql.OLDEST
    for version, reason in (("10.11.6-MariaDB-1", "is MariaDB"), ("5.7.44", "upgrade it to 8.0.16")):
        with pytest.raises(DatabaseError, match=reason):
            mysql.check_server(server(version=version), ENDPOINT)
    mysql.check_server(server(version="9.7.4-2"), ENDPOINT)


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(1114, "The table 'x' is full"), "raise the allocated storage"),
        (OSError(2013, "Lost connection"), "the connection broke; the next run goes on"),
        (OSError(2013, "Lost connection (The read operation timed out)"), "With a full disk MySQL waits for room"),
        (OSError(1045, "Access denied for user 'admin' (using password: YES)"), "not the server's"),
        (OSError(1045, "Access denied; you need SUPER"), "error 1045"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed: certificate has expired"), "never switch the"),
    ],
)
def test_errors_in_an_operators_words(error: Exception, expected: str) -> None:
    text = mysql.explain(error, "logging in", ENDPOINT)
    assert expected in text and "db.internal:3306" in text and "S3CRET" not in text


def test_engines_and_bundles() -> None:
    with pytest.raises(DatabaseError, match="there are: mysql, postgresql"):
        run.engine_of("oracle")
    with pytest.raises(DatabaseError, match="is not there"):
        mysql.tls_context(ENDPOINT)
    with pytest.raises(DatabaseError, match="cannot be used"):
        mysql.tls_context(replace(ENDPOINT, ca_pem="no certificate"))


def test_neighbours_are_the_most_alike() -> None:
    names = ["authhub", "crawler", "fileflow", "a_b", "axb"]
    assert run._neighbours("a_b", names)[0] == "axb"
    assert "a_b" not in run._neighbours("a_b", names)


def test_exact_grants_are_told_from_others() -> None:
    login = run.LoginSpec("a", "a_b", "a_user", "pw", mysql_plan.DEFAULT_GRANTS)
    good = ["GRANT USAGE ON *.* TO `a_user`@`%`", f"GRANT {EIGHT} ON `a\\_b`.* TO `a_user`@`%`"]
    assert mysql._grant_faults(login, good) == []
    for wrong in (
        [good[0]],
        [*good, "GRANT SELECT ON `x`.* TO `a_user`@`%`"],
        [good[0], good[1].replace("ALTER", "ALTER, EVENT")],
        [good[0], good[1].replace("\\", "")],
        [good[0], good[1] + " WITH GRANT OPTION"],
    ):
        assert mysql._grant_faults(login, wrong)


# --- the embedded RDS ----------------------------------------------------------------------------------------------


def test_embedded_rds_compares() -> None:
    held = {
        "role": sorted(embedded.PRIVILEGES),
        "user": ["USAGE"],
        "granted": [embedded.ROLE],
        "routines": ["rds_kill"],
    }
    assert embedded.compare("admin", True, held, {"max_connections": "100"}, {"max_connections": "100"}) == ({}, {}, [])
    held["role"] = [*sorted(embedded.PRIVILEGES - {"RELOAD"}), "FILE"]
    held["user"] = ["SUPER"]
    held["routines"] = []
    before, after, done = embedded.compare("admin", False, held, {"slow_query_log": "OFF"}, {"slow_query_log": "ON"})
    assert set(before) == set(after) == {"privileges", "password", "administrator", "procedures", "parameters"}
    assert embedded.KILL in done
    assert "REVOKE FILE ON *.* FROM rds_superuser_role@'%'" in done
    assert "REVOKE SUPER ON *.* FROM 'admin'@'%'" in done and "SET PERSIST slow_query_log = 'ON'" in done
    assert not {"SUPER", "FILE", "SHUTDOWN", "SYSTEM_VARIABLES_ADMIN", "SYSTEM_USER"} & embedded.PRIVILEGES


def test_literals() -> None:
    assert embedded.literal("a'b\\c") == "'a''b\\\\c'"
    with pytest.raises(DatabaseError):
        embedded.literal("a\nb")
