"""What the real MySQL server says after the role ran. Drift, wrong input and trouble: tests/databases."""

from __future__ import annotations

import subprocess

import pytest
from database_scenario import PODMAN, Scenario, Session, User, podman_exec, quiet

EIGHT = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "INDEX", "ALTER")
MIGRATION = (
    *EIGHT, "REFERENCES", "CREATE VIEW", "SHOW VIEW", "TRIGGER", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE",
    "CREATE TEMPORARY TABLES", "LOCK TABLES",
)  # fmt: skip
SHOWN = ", ".join(EIGHT)
SERVICES = ("fileflow", "authhub", "a_b", "axb")
USERS = [
    User("fileflow", "user", 20, EIGHT),
    User("authhub", "user", 20, EIGHT),
    User("authhub", "readonly", 5, ("SELECT",)),
    User("authhub", "migration", 2, MIGRATION),
    User("a_b", "user", 5, EIGHT),
    User("axb", "user", 5, EIGHT),
]
SCENARIO = Scenario("shared-database", 222, "mysql", USERS)
SERVER = SCENARIO.server
secret, services, call = SCENARIO.secret, SCENARIO.services, SCENARIO.call
CLIENT = ("--no-defaults", "--default-character-set=utf8mb4", "-uroot", "-N", "-B", "-r")
ROOT = Session(SERVER, "mysql", *CLIENT, "--unbuffered")


def root_sql(script: str) -> list[str]:
    """What the server's root sees: not what the module believes it did."""
    return ROOT.ask(f"{script};\nSELECT '{Session.END}';\n")


@pytest.fixture(scope="session", autouse=True)
def package() -> None:
    SCENARIO.bring_package()


# --- after the role ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_exact_grants_read_back_as_root(name: str) -> None:
    pattern = name.replace("_", "\\_")
    assert root_sql(f"SHOW GRANTS FOR '{name}_user'@'%'") == [
        f"GRANT USAGE ON *.* TO `{name}_user`@`%`",
        f"GRANT {SHOWN} ON `{pattern}`.* TO `{name}_user`@`%`",
    ]


@pytest.mark.parametrize("kind", ["readonly", "migration"])
def test_exact_grants_of_the_other_users(kind: str) -> None:
    [wanted] = [user.grants for user in USERS if user.kind == kind]
    usage, line = root_sql(f"SHOW GRANTS FOR 'authhub_{kind}'@'%'")
    assert usage == f"GRANT USAGE ON *.* TO `authhub_{kind}`@`%`"
    # The server writes privileges in its own order.
    head, _, tail = line.removeprefix("GRANT ").partition(" ON ")
    assert (sorted(head.split(", ")), tail) == (sorted(wanted), f"`authhub`.* TO `authhub_{kind}`@`%`")


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
def test_database_and_account_as_wanted(user: User) -> None:
    databases = root_sql(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
    )
    assert f"{user.service}\tutf8mb4\tutf8mb4_unicode_ci" in databases
    accounts = root_sql(
        "SELECT User, Host, ssl_type, plugin, account_locked, password_expired, max_user_connections FROM mysql.user"
    )
    assert f"{user.user}\t%\tANY\tcaching_sha2_password\tN\tN\t{user.connections}" in accounts


def test_a_migration_changes_the_schema_and_a_reader_only_reads() -> None:
    as_user = SCENARIO.as_user
    try:
        assert as_user(
            "authhub/migration",
            "CREATE TABLE parents (id INT PRIMARY KEY)",
            "CREATE TABLE children (id INT, parent INT, FOREIGN KEY (parent) REFERENCES parents (id))",
            "CREATE VIEW joined AS SELECT c.id FROM children c JOIN parents p ON p.id = c.parent",
            "CREATE TRIGGER counted BEFORE INSERT ON parents FOR EACH ROW SET NEW.id = NEW.id + 1",
            "CREATE FUNCTION next_number() RETURNS INT DETERMINISTIC RETURN 1",
        ) == ""  # fmt: skip
        assert as_user("authhub", "INSERT INTO parents VALUES (1)") == ""
        assert as_user("authhub/readonly", "SELECT * FROM parents", "SELECT * FROM joined") == ""
        for name, refused in (
            ("authhub/readonly", "INSERT INTO parents VALUES (3)"),
            ("authhub/readonly", "CREATE TABLE mine (i INT)"),
            ("authhub/readonly", "SELECT next_number()"),
            ("authhub", "CREATE VIEW mine AS SELECT 1"),
            ("authhub/migration", "CREATE EVENT mine ON SCHEDULE EVERY 1 DAY DO DELETE FROM parents"),
        ):
            assert "denied" in as_user(name, refused), (name, refused)
    finally:
        root_sql(
            "DROP FUNCTION IF EXISTS authhub.next_number; DROP VIEW IF EXISTS authhub.joined;"
            "DROP TABLE IF EXISTS authhub.children, authhub.parents"
        )
    assert quiet(call())


def test_secret_is_what_applications_expect() -> None:
    value = secret("local-fileflow-database")
    assert {key: value[key] for key in ("engine", "port", "dbname", "username")} == {
        "engine": "mysql",
        "port": 3306,
        "dbname": "fileflow",
        "username": "fileflow_user",
    }
    assert len(value["password"]) == 32 and value["password"].isalnum()
    tags, key = SCENARIO.about_secret("local-fileflow-database")
    assert tags["Service"] == "fileflow" and tags["DataClass"] == "confidential" and tags["Environment"] == "local"
    assert "key/" in key
    reader = secret("local-authhub-database-readonly")
    assert (reader["dbname"], reader["username"]) == ("authhub", "authhub_readonly")


def test_every_login_works_over_tls_and_only_as_far_as_it_should() -> None:
    answer = call("verify")
    assert answer["failures"] == []
    assert [login["name"] for login in answer["logins"]] == [user.name for user in USERS]
    for login in answer["logins"]:
        assert login["tls"].startswith("TLSv1.")
        assert all(text.startswith("refused") for text in login["refused"].values()), login["refused"]
    by_name = {login["name"]: login["refused"] for login in answer["logins"]}
    assert by_name["a_b"]["using database axb"] == "refused (error 1044)"


def test_account_itself_refuses_plaintext() -> None:
    """Not only the server's require_secure_transport."""
    root_sql("SET GLOBAL require_secure_transport = OFF")
    try:
        answer = call("verify")
    finally:
        root_sql("SET GLOBAL require_secure_transport = ON")
    assert answer["failures"] == []
    assert {login["refused"]["login without TLS"] for login in answer["logins"]} == {"refused (error 1045)"}


def test_verify_sees_what_is_wrong() -> None:
    root_sql("ALTER USER fileflow_user REQUIRE NONE; SET GLOBAL require_secure_transport = OFF;"
             "GRANT CREATE TEMPORARY TABLES ON fileflow.* TO fileflow_user;"
             "GRANT SELECT ON `a_b`.* TO a_b_user")  # fmt: skip
    try:
        failures = "\n".join(call("verify")["failures"])
    finally:
        root_sql("SET GLOBAL require_secure_transport = ON")
        call()
    assert "fileflow: a login without TLS is accepted" in failures
    assert "fileflow: does not hold exactly" in failures
    assert "a temporary table (a privilege not held) is allowed" in failures
    assert "a_b: using database axb is allowed" in failures
    assert call("verify")["failures"] == []


def test_administrator_is_no_superuser() -> None:
    held = " ".join(root_sql("SHOW GRANTS FOR admin USING rds_superuser_role"))
    for privilege in ("SUPER", "FILE", "SHUTDOWN", "CREATE TABLESPACE", "SYSTEM_VARIABLES_ADMIN", "SYSTEM_USER"):
        assert f" {privilege}," not in held and f",{privilege}" not in held
    assert "CREATE USER" in held and "WITH GRANT OPTION" in held


def test_no_password_in_the_servers_logs_or_on_command_lines() -> None:
    log = subprocess.run([PODMAN, "logs", SERVER], capture_output=True, check=True)
    text = (log.stdout + log.stderr).decode()
    text += podman_exec(SERVER, "sh", "-c", "cat /var/lib/mysql/data/*slow.log 2>/dev/null || true")
    assert not [password for password in SCENARIO.passwords() if password in text]


def test_state_is_read_with_the_same_number_of_queries_for_any_number_of_services() -> None:
    few = call(services=services()[:1])
    assert quiet(few) and few["queries"] == call()["queries"] < 16
