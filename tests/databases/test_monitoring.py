"""database_monitoring against real servers: what the agent's login may see, what it may not, drift, and the second run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Server
from groundwork.databases.model import DatabaseError

USER, PASSWORD = "groundwork_monitoring", "Agents0nlyPassword"
SERVICE = {"name": "orders", "password": "ServicesPassw0rd"}


@pytest.fixture(scope="module", params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest, empty_server: Callable[[str], Server]) -> Server:
    server = empty_server(request.param)
    server.ensure([SERVICE])
    server.each("CREATE TABLE secrets (a int)", database="orders", login=("orders_user", SERVICE["password"]))
    return server


def monitoring(server: Server, *, check: bool = False, password: str | None = PASSWORD) -> dict[str, Any]:
    options = {**server.where, "login": USER, **({"login_password": password} if password else {})}
    return server.module("database_monitoring", check=check, **options)


def quiet(answer: dict[str, Any]) -> bool:
    return not answer["changed"] and not answer["changes"]


def test_check_mode_says_what_the_run_does_and_the_second_run_is_quiet(server: Server) -> None:
    predicted = monitoring(server, check=True)
    assert monitoring(server, check=True, password=None)["changes"] == predicted["changes"]
    done = monitoring(server)
    assert done["changes"] == predicted["changes"] and done["changed"]
    assert PASSWORD not in str(done)
    assert quiet(monitoring(server))
    # The services' module leaves it alone and, told to, does not report it.
    seen = server.ensure([SERVICE], ignore_users=["provider", USER])
    assert not seen["changed"] and seen["unknown"]["users"] == [] and seen["unknown"]["access"] == []


def assert_sees_figures_and_no_row(server: Server) -> None:
    """Asked of the server, as the agent."""
    if server.engine == "mysql":
        questions = ["SHOW GLOBAL STATUS", "SHOW PROCESSLIST", "SELECT * FROM performance_schema.threads LIMIT 1"]
        size = (
            "SELECT data_length FROM information_schema.tables WHERE table_schema = 'orders' AND table_name = 'secrets'"
        )
        refused = ["SELECT * FROM orders.secrets", "SELECT user FROM mysql.user", "CREATE DATABASE mine"]
        database = ""
    else:
        questions = ["SELECT query FROM pg_stat_activity", "SELECT * FROM pg_stat_database"]
        size = "SELECT pg_database_size('orders')"
        refused = ["SELECT * FROM pg_authid", "CREATE TABLE mine (a int)", "CREATE DATABASE mine"]
        database = "postgres"
        with pytest.raises(Exception, match="permission denied"):
            server.sql("SELECT 1", "orders", USER, PASSWORD)
    for text in questions:
        assert server.sql(text, database, USER, PASSWORD)
    rows = server.sql(size, database, USER, PASSWORD)
    assert len(rows) == 1 and rows[0][0] is not None
    for text in refused:
        with pytest.raises(Exception, match=r"denied|must be|permission"):
            server.sql(text, database, USER, PASSWORD)


def test_it_sees_figures_and_no_row(server: Server) -> None:
    monitoring(server)
    assert_sees_figures_and_no_row(server)


def test_drift_is_taken_away(server: Server) -> None:
    monitoring(server)
    if server.engine == "mysql":
        server.sql(f"GRANT SELECT ON orders.* TO {USER}; ALTER USER {USER} REQUIRE NONE ACCOUNT LOCK")
    else:
        server.each(f"GRANT orders_owner TO {USER}", login=(server.where["user"], server.where["password"]))
        server.sql(f"ALTER ROLE {USER} NOLOGIN CONNECTION LIMIT 50")
    predicted = monitoring(server, check=True)
    assert predicted["changed"]
    assert monitoring(server)["changes"] == predicted["changes"]
    assert quiet(monitoring(server))
    assert_sees_figures_and_no_row(server)
    # Another password in the secret is the server's after the next run.
    assert len(monitoring(server, password="Another0ne0fTwenty")["changes"]) == 1
    assert quiet(monitoring(server, password="Another0ne0fTwenty"))


def test_what_is_no_login_of_an_agent_is_refused(server: Server) -> None:
    with pytest.raises(DatabaseError, match="administrator"):
        server.module("database_monitoring", **{**server.where, "login": server.where["user"], "login_password": "x"})
    if server.engine == "postgresql":
        monitoring(server)
        server.sql(f"ALTER ROLE {USER} CREATEDB")
        with pytest.raises(DatabaseError, match="CREATEDB"):
            monitoring(server)
        server.sql(f"ALTER ROLE {USER} NOCREATEDB")
