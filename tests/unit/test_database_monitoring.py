"""The agent's login on the shared servers: what is planned from what a server says. On real servers: tests/databases."""

from __future__ import annotations

import pytest
from groundwork.databases.model import DatabaseError
from groundwork.databases.monitoring import (
    CONNECTIONS,
    MYSQL_GRANTS,
    MySQLState,
    PostgreSQLState,
    parse_grants,
    plan_mysql,
    plan_postgresql,
)

USER = "groundwork_monitoring"
SECRET = "Secret%s0f28Letters"
RIGHT = MySQLState(tls=True, connections=CONNECTIONS, usable=True, grants=MYSQL_GRANTS)
ADMIN = "admin"
RIGHT_ROLE = PostgreSQLState(login=True, connections=CONNECTIONS, excess=(), roles={"pg_monitor": frozenset({ADMIN})})


def test_what_is_right_is_left() -> None:
    assert plan_mysql(USER, SECRET, RIGHT, login_ok=True) == []
    assert plan_postgresql(USER, SECRET, RIGHT_ROLE, login_ok=True, administrator=ADMIN) == []


def test_a_new_account_gets_its_grants_and_no_more() -> None:
    plan = plan_mysql(USER, SECRET, None, login_ok=False)
    assert [one.shown for one in plan] == [
        f"CREATE USER `{USER}`@`%` IDENTIFIED BY (the secret's password) REQUIRE SSL WITH MAX_USER_CONNECTIONS 3",
        f"GRANT PROCESS, REFERENCES, REPLICATION CLIENT ON *.* TO `{USER}`@`%`",
        f"GRANT SELECT ON `performance_schema`.* TO `{USER}`@`%`",
    ]
    # For the driver a per cent sign is doubled; the password is a parameter.
    assert plan[0].sql.startswith(f"CREATE USER `{USER}`@'%%' IDENTIFIED BY %s ")
    assert plan[0].parameters == (SECRET,)
    role = plan_postgresql(USER, SECRET, None, login_ok=False, administrator=ADMIN)
    assert [one.shown for one in role] == [
        f'CREATE ROLE "{USER}" LOGIN CONNECTION LIMIT 3 PASSWORD (the secret\'s password)',
        f'GRANT "pg_monitor" TO "{USER}"',
    ]


def test_no_password_is_shown() -> None:
    for plan in (
        plan_mysql(USER, SECRET, None, login_ok=False),
        plan_mysql(USER, SECRET, RIGHT, login_ok=False),
        plan_postgresql(USER, SECRET, None, login_ok=False, administrator=ADMIN),
        plan_postgresql(USER, SECRET, RIGHT_ROLE, login_ok=False, administrator=ADMIN),
    ):
        assert plan and SECRET not in repr([one.shown for one in plan])


def test_what_it_holds_beside_that_is_taken_away() -> None:
    grants = {**MYSQL_GRANTS, "*.*": MYSQL_GRANTS["*.*"] | {"SELECT"}, "`orders`.*": frozenset({"SELECT", "INSERT"})}
    state = MySQLState(tls=True, connections=CONNECTIONS, usable=True, grants=grants, roles=("`writer`@`%`",))
    assert [one.shown for one in plan_mysql(USER, SECRET, state, login_ok=True)] == [
        "REVOKE SELECT ON *.* FROM `groundwork_monitoring`@`%`",
        "REVOKE INSERT, SELECT ON `orders`.* FROM `groundwork_monitoring`@`%`",
        "REVOKE `writer`@`%` FROM `groundwork_monitoring`@`%`",
    ]
    role = PostgreSQLState(
        login=True,
        connections=CONNECTIONS,
        excess=(),
        roles={"pg_monitor": frozenset({ADMIN}), "orders_owner": frozenset({ADMIN, "other"})},
    )
    assert [one.shown for one in plan_postgresql(USER, SECRET, role, login_ok=True, administrator=ADMIN)] == [
        f'REVOKE "orders_owner" FROM "{USER}"',
        f'REVOKE "orders_owner" FROM "{USER}" GRANTED BY "other"',
    ]


@pytest.mark.parametrize(
    ("state", "login_ok", "words"),
    [
        (MySQLState(tls=False, connections=CONNECTIONS, usable=True, grants=MYSQL_GRANTS), True, "REQUIRE SSL"),
        (MySQLState(tls=True, connections=0, usable=True, grants=MYSQL_GRANTS), True, "MAX_USER_CONNECTIONS 3"),
        (MySQLState(tls=True, connections=CONNECTIONS, usable=False, grants=MYSQL_GRANTS), True, "ACCOUNT UNLOCK"),
        (RIGHT, False, "IDENTIFIED BY"),
    ],
)
def test_an_account_that_is_another_one(state: MySQLState, login_ok: bool, words: str) -> None:
    plan = plan_mysql(USER, SECRET, state, login_ok=login_ok)
    assert len(plan) == 1 and plan[0].shown.startswith("ALTER USER") and words in plan[0].shown


def test_grants_are_read_as_mysql_writes_them() -> None:
    grants, roles = parse_grants(
        [
            "GRANT USAGE ON *.* TO `u`@`%`",
            "GRANT PROCESS, REFERENCES, REPLICATION CLIENT ON *.* TO `u`@`%`",
            "GRANT SELECT ON `performance_schema`.* TO `u`@`%`",
            "GRANT SELECT ON `a_b`.`t` TO `u`@`%` WITH GRANT OPTION",
            "GRANT `reader`@`%` TO `u`@`%`",
        ]
    )
    assert grants == {**MYSQL_GRANTS, "`a_b`.`t`": frozenset({"SELECT", "GRANT OPTION"})}
    assert roles == ("`reader`@`%`",)
    with pytest.raises(DatabaseError, match="not understood"):
        parse_grants(["REVOKE SELECT ON `a`.* FROM `u`@`%`"])
