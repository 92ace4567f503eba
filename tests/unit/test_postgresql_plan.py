"""The planner of shared_databases for PostgreSQL, its quoting and its wishes: all without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from groundwork.databases import postgresql, run
from groundwork.databases.model import DatabaseError, Endpoint, ServiceSpec, parse_services
from groundwork.databases.postgresql_plan import LOGIN_OK, LOGIN_WRONG, Planner
from groundwork.databases.postgresql_sql import Name, NameRefused, Value, name_fault, shown_name, statement
from groundwork.databases.postgresql_state import (
    Database,
    Default,
    Entry,
    Held,
    Inside,
    Membership,
    Role,
    ServerState,
    Setting,
    Thing,
)
from hypothesis import given
from hypothesis import strategies as st

ENGINE = postgresql.PostgreSQL()
ENDPOINT = Endpoint("db.internal", 5432, "postgres", "S3CRET", ca_file="/ca.pem")


def spec(name: str = "a_b", **more: Any) -> ServiceSpec:
    return parse_services(ENGINE, [{"name": name, "password": "pw", **more}], check=False)[0]


READER = {"database": "a_b", "user": "reader", "grants": ["SELECT"]}


def server(**more: Any) -> ServerState:
    """A server on which `a_b` is as it should be."""
    values: dict[str, Any] = {
        "version": "17.2",
        "number": 170002,
        "read_only": False,
        "max_connections": 100,
        "reserved_connections": 3,
        "administrator": "postgres",
        "password_encryption": "scram-sha-256",
        "roles": {
            "postgres": Role(login=True, createdb=True, createrole=True, usable=True, settable=True),
            "a_b_owner": Role(admin=True, usable=True, settable=True),
            "a_b_user": Role(login=True, admin=True),
        },
        "memberships": frozenset({Membership("a_b_owner", "a_b_user", "postgres")}),
        "settings": frozenset({Setting("a_b_user", "", "role", "a_b_owner")}),
        "databases": {"a_b": Database("a_b_owner", "UTF8", "C.UTF-8", -1, True, False, False, True, owns("a_b_owner"))},
        "insides": {"a_b": Inside(schemas={"public": "a_b_owner"})},
        **more,
    }
    return ServerState(**values)


def owns(owner: str) -> frozenset[Entry]:
    return frozenset(Entry(owner, name, False, owner) for name in ("CONNECT", "CREATE", "TEMPORARY"))


def statements(state: ServerState, *specs: ServiceSpec, login: str = LOGIN_OK) -> list[str]:
    wanted = list(specs) or [spec()]
    plans = Planner(wanted, state, {item.user: login for item in wanted}).plans()
    return [item.shown for plan in plans for item in plan.statements]


def warned(state: ServerState) -> str:
    plan = Planner([spec()], state, {"a_b_user": LOGIN_OK}).plans()[0]
    assert plan.statements == [] and (plan.before, plan.after) == ({}, {})
    return "\n".join(plan.warnings)


def with_role(name: str, **more: Any) -> ServerState:
    state = server()
    return replace(state, roles={**state.roles, name: replace(state.roles[name], **more)})


def test_nothing_to_do() -> None:
    plan = Planner([spec()], server(), {"a_b_user": LOGIN_OK}).plans()[0]
    assert (plan.statements, plan.before, plan.after, plan.warnings) == ([], {}, {}, [])


def test_everything_is_missing() -> None:
    empty = server(roles={}, memberships=frozenset(), settings=frozenset(), databases={}, insides={})
    plan = Planner([spec()], empty, {}).plans()[0]
    assert plan.creates_database and plan.creates_user and plan.sets_password
    assert [item.shown.split(" WITH")[0] for item in plan.statements] == [
        'CREATE ROLE "a_b_owner"',
        'GRANT "a_b_owner" TO "postgres"',
        'CREATE ROLE "a_b_user"',
        'GRANT "a_b_owner" TO "a_b_user"',
        "ALTER ROLE \"a_b_user\" SET role = 'a_b_owner'",
        'CREATE DATABASE "a_b"',
        'ALTER SCHEMA "public" OWNER TO "a_b_owner"',
        'REVOKE CONNECT, TEMPORARY ON DATABASE "a_b" FROM PUBLIC CASCADE',
        'REVOKE USAGE ON SCHEMA "public" FROM PUBLIC CASCADE',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "a_b_owner" REVOKE EXECUTE ON ROUTINES FROM PUBLIC',
    ]
    assert "pw" not in repr(plan).replace("pwd", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"createdb": True}, "NOCREATEDB"),
        ({"createrole": True}, "NOCREATEROLE"),
        ({"inherit": False}, "INHERIT"),
        ({"connection_limit": 3}, "CONNECTION LIMIT -1"),
        ({"valid_until": "2090-01-01"}, "VALID UNTIL 'infinity'"),
        ({"login": False}, "LOGIN PASSWORD (the secret's password)"),
    ],
)
def test_drift_of_a_role(change: dict[str, Any], words: str) -> None:
    assert statements(with_role("a_b_user", **change)) == [f'ALTER ROLE "a_b_user" WITH {words}']


def test_password_is_set_only_when_refused() -> None:
    assert statements(server(), login=LOGIN_WRONG) == ['ALTER ROLE "a_b_user" WITH PASSWORD (the secret\'s password)']


@pytest.mark.parametrize("attribute", ["superuser", "replication", "bypassrls"])
def test_attributes_beyond_the_administrator_are_warnings(attribute: str) -> None:
    for number in (150004, 170002):
        assert attribute.upper() in warned(replace(with_role("a_b_user", **{attribute: True}), number=number))


def test_roles_of_another_administrator_are_warnings() -> None:
    assert "has no ADMIN option on it" in warned(with_role("a_b_user", admin=False, createdb=True))


def test_memberships_before_and_since_version_16() -> None:
    extra = frozenset({Membership("a_b_owner", "a_b_user", "postgres"), Membership("x", "a_b_user", "postgres")})
    state = replace(server(memberships=extra), roles={**server().roles, "x": Role(admin=True)})
    assert statements(state) == ['REVOKE "x" FROM "a_b_user" GRANTED BY "postgres" CASCADE']
    assert statements(replace(state, number=150004)) == ['REVOKE "x" FROM "a_b_user" CASCADE']
    others = replace(state, memberships=frozenset({replace(item, grantor="rdsadmin") for item in extra}))
    assert "rdsadmin granted it" in warned(others)


def test_a_foreign_owner_s_privileges_are_borrowed_and_given_back() -> None:
    database = replace(server().databases["a_b"], owner="a_b_user", acl=owns("a_b_user"))
    assert statements(server(databases={"a_b": database})) == [
        'GRANT "a_b_user" TO "postgres" WITH INHERIT TRUE, SET TRUE',
        'ALTER DATABASE "a_b" OWNER TO "a_b_owner"',
        'REVOKE "a_b_user" FROM "postgres" GRANTED BY "postgres"',
    ]
    foreign = replace(database, owner="stranger", acl=owns("stranger"))
    assert "belongs to stranger" in warned(server(databases={"a_b": foreign}))


def test_privileges_of_a_reader_on_what_is_there() -> None:
    table, routine = Thing("TABLE", ("public", "t")), Thing("ROUTINE", ("public", "f"), (("pg_catalog", "_int4"),))
    more = Held(replace(table, column='c"'), "a_b_owner", Entry("reader", "UPDATE", False, "a_b_owner"))
    function = Held(routine, "a_b_owner", Entry("", "EXECUTE", False, "a_b_owner"))
    wrong = Default("a_b_owner", "s", "TABLES", Entry("reader", "INSERT", False, "a_b_owner"))
    inside = Inside(
        {"public": "a_b_owner"}, frozenset({more, function}), frozenset({wrong}), frozenset({table, routine})
    )
    state = server(insides={"a_b": inside})
    state = replace(state, roles={**state.roles, "reader": Role(login=True, admin=True)})
    done = statements(state, spec(), spec("reader", **READER))
    assert done == [
        'REVOKE EXECUTE ON ROUTINE "public"."f"("pg_catalog"."_int4") FROM PUBLIC CASCADE',
        'GRANT CONNECT ON DATABASE "a_b" TO "reader"',
        'GRANT USAGE ON SCHEMA "public" TO "reader"',
        'GRANT SELECT ON TABLE "public"."t" TO "reader"',
        'REVOKE UPDATE ("c""") ON TABLE "public"."t" FROM "reader" CASCADE',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "a_b_owner" IN SCHEMA "s" REVOKE INSERT ON TABLES FROM "reader"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "a_b_owner" GRANT USAGE ON SCHEMAS TO "reader"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "a_b_owner" GRANT SELECT ON SEQUENCES TO "reader"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "a_b_owner" GRANT SELECT ON TABLES TO "reader"',
    ]


def test_what_belongs_to_others_is_a_warning() -> None:
    held = Held(Thing("TABLE", ("x", "t")), "stranger", Entry("a_b_user", "SELECT", False, "stranger"))
    inside = Inside(schemas={"public": "a_b_owner"}, held=frozenset({held}))
    assert "it belongs to stranger" in warned(server(insides={"a_b": inside}))


def test_connections_and_encryption_are_warnings() -> None:
    state = server(password_encryption="md5")
    text = "\n".join(Planner([spec(max_user_connections=98)], state, {}).warnings())
    assert "may open 98 connections together, the server has 97" in text and "stored weakly" in text


@pytest.mark.parametrize(("login", "second"), [(True, ['"a_b_user_2"']), (False, [])])
def test_the_other_login_of_a_rotation_is_no_stranger_but_told_while_it_works(login: bool, second: list[str]) -> None:
    state = server()
    other = Role(login=login, admin=True)
    member = Membership("a_b_owner", "a_b_user_2", "postgres")
    state = replace(state, roles={**state.roles, "a_b_user_2": other}, memberships=state.memberships | {member})
    found = Planner([spec()], state, {"a_b_user": LOGIN_OK}).strangers({"postgres"})
    assert (found.users, found.access, found.second_logins) == ([], [], second)
    both = Planner([spec(), spec(name="two", database="a_b", user="a_b_user_2")], state, {}).strangers({"postgres"})
    assert both.second_logins == [], "wanted by itself"


def test_every_fault_at_once() -> None:
    wishes = [
        {"name": "postgres", "password": "x"},
        {"name": "d" * 58, "password": "x"},
        {"name": "one", "password": "x", "user": "pg_one"},
        {"name": "two", "password": "x", "user": "PUBLIC"},
        {"name": "three", "password": "x", "user": "rds_superuser"},
        {"name": "four", "password": "a\nb"},
        {"name": "five", "password": "x", "grants": ["OWNER", "SELECT"]},
        {"name": "six", "password": "x", "grants": ["CREATE"]},
        {"name": "seven", "password": "x", "charset": "LATIN1"},
        {"name": "eight", "password": "x", "collation": "C'; DROP"},
        {"name": "nine", "password": "x", "user": "nine_owner"},
        {"name": "te\0n", "password": "x"},
    ]
    with pytest.raises(DatabaseError) as caught:
        parse_services(ENGINE, wishes, check=False)
    for part in (
        "server's own databases", "58 bytes, it may have 57", "begin with pg_", "stands for other roles",
        "server's own roles", "password has a control character", "OWNER stands alone", "CREATE cannot be granted",
        "the encoding is UTF8", "not the name of a locale", "the database's owner role", "it has a control character",
    ):  # fmt: skip
        assert part in str(caught.value)


@given(st.text(min_size=1, max_size=63))
def test_names_are_quoted_or_refused(name: str) -> None:
    if name_fault(name) is None:
        composed = postgresql.sql.Identifier(name).as_string(None)
        assert composed == shown_name(name) == statement(Name((name,))).shown
        assert '"' not in composed[1:-1].replace('""', "")


@given(st.text(max_size=20))
def test_words_of_a_statement_cannot_carry_a_value(text: str) -> None:
    if set(text) & set("'\";$\\%\0\n"):
        with pytest.raises(NameRefused):
            statement("SELECT ", text)
    assert statement(Value(text)).shown.count("'") % 2 == 0


@given(st.sets(st.sampled_from(["SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "TEMPORARY"]), min_size=1))
def test_what_a_plan_leaves_needs_no_other_plan(grants: set[str]) -> None:
    """Applied to the state, the default privileges of any login are what the next plan finds."""
    reader = spec("reader", **{**READER, "grants": sorted(grants)})
    state = replace(server(), roles={**server().roles, "reader": Role(login=True, admin=True)})
    plan = Planner([spec(), reader], state, {"a_b_user": LOGIN_OK, "reader": LOGIN_OK}).plans()[1]
    made = frozenset(
        Default("a_b_owner", "", kind, Entry("reader", name, False, "a_b_owner"))
        for name, _, kind, *_ in (text.split() for text in plan.after["default privileges"])
    )
    inside = replace(state.insides["a_b"], defaults=made)
    again = Planner([spec(), reader], replace(state, insides={"a_b": inside}), {"reader": LOGIN_OK}).plans()[1]
    assert "default privileges" not in again.after


def test_old_and_other_servers_are_refused() -> None:
    with pytest.raises(DatabaseError, match="upgrade it to 15"):
        postgresql.check_server(server(number=140010, version="14.10"), ENDPOINT)
    with pytest.raises(DatabaseError, match="is no PostgreSQL"):
        postgresql.check_server(server(version="CockroachDB"), ENDPOINT)


def test_ports_follow_the_engine() -> None:
    options = {"host": "db", "engine": "postgresql"}
    assert run.endpoint_of(options).port == 5432 and run.endpoint_of({**options, "engine": "mysql"}).port == 3306
    assert run.endpoint_of({**options, "port": 1}).port == 1
