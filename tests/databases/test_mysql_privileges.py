"""Every privilege of a real MySQL: exactly eight are held, read back, and an attempt for each of the others is refused."""

# ruff: noqa: S608 - the statements are this file's own

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pymysql
import pytest
from conftest import PASSWORD, PROVIDER, Server
from groundwork.databases import mysql, mysql_plan

EIGHT = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "INDEX", "ALTER"]
SHOWN = ", ".join(EIGHT)
SERVICES = [
    {"name": "fileflow", "password": "first'%s\\"},
    {"name": "authhub", "password": "p-authhub"},
    {"name": "axb", "password": "p-axb"},
]
#: One attempt for each privilege of the server that the service does not hold; {user} is who tries, {other} another's session.
ATTEMPTS = {
    "ALTER ROUTINE": "ALTER PROCEDURE fileflow.p COMMENT 'x'",
    "CREATE ROLE": "CREATE ROLE mine",
    "CREATE ROUTINE": "CREATE PROCEDURE fileflow.mine() SELECT 1",
    "CREATE TABLESPACE": "CREATE TABLESPACE mine ADD DATAFILE 'mine.ibd'",
    "CREATE TEMPORARY TABLES": "CREATE TEMPORARY TABLE fileflow.mine (i INT)",
    "CREATE USER": "ALTER USER mine ACCOUNT LOCK",
    "CREATE VIEW": "CREATE VIEW fileflow.mine AS SELECT 1",
    "CREATE_SPATIAL_REFERENCE_SYSTEM": "DROP SPATIAL REFERENCE SYSTEM IF EXISTS 990001",
    "DROP ROLE": "DROP ROLE mine",
    "EVENT": "CREATE EVENT fileflow.mine ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
    "EXECUTE": "CALL fileflow.p()",
    "FILE": "SELECT 1 INTO OUTFILE '/tmp/mine'",
    "GRANT OPTION": "GRANT SELECT ON fileflow.* TO {user}",
    "LOCK TABLES": "LOCK TABLES fileflow.t READ",
    "PROCESS": "SHOW ENGINE INNODB STATUS",
    "PROXY": "GRANT PROXY ON axb_user TO {user}",
    "REFERENCES": "CREATE TABLE fileflow.mine (a INT, FOREIGN KEY (a) REFERENCES fileflow.t (a))",
    "RELOAD": "FLUSH LOGS",
    "REPLICATION CLIENT": "SHOW BINARY LOG STATUS",
    "REPLICATION SLAVE": "SHOW REPLICAS",
    "SHOW DATABASES": "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'authhub'",
    "SHOW VIEW": "SHOW CREATE VIEW fileflow.v",
    "SHUTDOWN": "SHUTDOWN",
    "SUPER": "PURGE BINARY LOGS BEFORE '2000-01-01'",
    "TRIGGER": "CREATE TRIGGER fileflow.mine BEFORE INSERT ON fileflow.t FOR EACH ROW SET NEW.a = 1",
    "APPLICATION_PASSWORD_ADMIN": "ALTER USER {user} IDENTIFIED BY 'x' RETAIN CURRENT PASSWORD",
    "BACKUP_ADMIN": "LOCK INSTANCE FOR BACKUP",
    "BINLOG_ADMIN": "PURGE BINARY LOGS BEFORE '2000-01-01'",
    "BINLOG_ENCRYPTION_ADMIN": "SET GLOBAL binlog_encryption = OFF",
    "CLONE_ADMIN": "CLONE INSTANCE FROM mine@localhost:1 IDENTIFIED BY 'x'",
    "CONNECTION_ADMIN": "KILL {other}",
    "ENCRYPTION_KEY_ADMIN": "ALTER INSTANCE ROTATE INNODB MASTER KEY",
    "FLUSH_OPTIMIZER_COSTS": "FLUSH OPTIMIZER_COSTS",
    "FLUSH_PRIVILEGES": "FLUSH PRIVILEGES",
    "FLUSH_STATUS": "FLUSH STATUS",
    "FLUSH_TABLES": "FLUSH TABLES",
    "FLUSH_USER_RESOURCES": "FLUSH USER_RESOURCES",
    "GROUP_REPLICATION_ADMIN": "START GROUP_REPLICATION",
    "INNODB_REDO_LOG_ENABLE": "ALTER INSTANCE ENABLE INNODB REDO_LOG",
    "OPTIMIZE_LOCAL_TABLE": "OPTIMIZE LOCAL TABLE fileflow.t",
    "PERSIST_RO_VARIABLES_ADMIN": "SET PERSIST_ONLY back_log = 100",
    "REPLICATION_APPLIER": "BINLOG ''",
    "REPLICATION_SLAVE_ADMIN": "STOP REPLICA",
    "RESOURCE_GROUP_ADMIN": "DROP RESOURCE GROUP mine",
    "RESOURCE_GROUP_USER": "SET RESOURCE GROUP USR_default",
    "ROLE_ADMIN": "GRANT drift_role TO {user}",
    "SESSION_VARIABLES_ADMIN": "SET SESSION sql_log_bin = OFF",
    "SET_ANY_DEFINER": "CREATE DEFINER = axb_user VIEW fileflow.mine AS SELECT 1",
    "SHOW_ROUTINE": "SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'drift'",
    "SYSTEM_USER": "KILL {other}",
    "SYSTEM_VARIABLES_ADMIN": "SET GLOBAL max_connections = @@GLOBAL.max_connections",
    "TABLE_ENCRYPTION_ADMIN": "CREATE TABLE fileflow.mine (i INT) ENCRYPTION = 'Y'",
    "TRANSACTION_GTID_TAG": "SET gtid_next = 'AUTOMATIC:mine'",
    "XA_RECOVER_ADMIN": "XA RECOVER",
}
#: What no statement alone needs: it exempts from a plugin or a check that this server has not, or is used by another server's
#: connection. Granting it to itself is the attempt.
WITHOUT_STATEMENT = {
    "ALLOW_NONEXISTENT_DEFINER", "AUDIT_ABORT_EXEMPT", "AUDIT_ADMIN", "AUTHENTICATION_POLICY_ADMIN", "FIREWALL_EXEMPT",
    "GROUP_REPLICATION_STREAM", "INNODB_REDO_LOG_ARCHIVE", "MANAGE_DATA_MASKING_POLICY", "PASSWORDLESS_USER_ADMIN", "SENSITIVE_VARIABLES_OBSERVER",
    "SERVICE_CONNECTION_ADMIN", "TELEMETRY_LOG_ADMIN",
}  # fmt: skip
#: Beside the privilege itself, what its attempt needs to be allowed.
ALSO = {
    "BINLOG_ENCRYPTION_ADMIN": "SYSTEM_VARIABLES_ADMIN ON *.*",
    "PERSIST_RO_VARIABLES_ADMIN": "SYSTEM_VARIABLES_ADMIN ON *.*",
    "SET_ANY_DEFINER": "CREATE VIEW ON fileflow.*",
    "SYSTEM_USER": "CONNECTION_ADMIN ON *.*",
    "TRANSACTION_GTID_TAG": "SESSION_VARIABLES_ADMIN ON *.*",
}
#: Only where these are granted are they more than a database's.
ON_THE_DATABASE = mysql_plan.DATABASE_PRIVILEGES | {"GRANT OPTION"}
TRIED = {**ATTEMPTS, **{name: f"GRANT {name} ON *.* TO {{user}}" for name in WITHOUT_STATEMENT}}
#: Refused for want of a privilege, beside what mysql.LACKS_PRIVILEGE has.
REFUSED = mysql.LACKS_PRIVILEGE | {1095, 1370, 1401, 3630, 3826, 6038, 6427}


def attempt(server: Server, user: str, privilege: str) -> str:
    """What the server says to the attempt: refused, allowed, or what else is wrong with it once the privilege is there."""
    account = {"fileflow_user": "first'%s\\"}.get(user, "control")
    # Only a SYSTEM_USER's session is more than CONNECTION_ADMIN can end.
    whose = (PROVIDER, PASSWORD) if privilege == "SYSTEM_USER" else ("axb_user", "p-axb")
    with (
        closing(server.connect(*whose)) as other,
        closing(server.connect(user, account)) as session,
        session.cursor() as cursor,
    ):
        text = TRIED[privilege].format(user=user, other=other.thread_id())
        try:
            rows = cursor.execute(text)
        except pymysql.MySQLError as error:
            code, said = error.args
            return f"{'refused' if code in REFUSED else 'fails'} (error {code}): {said}"
        return "refused (shows nothing)" if text.startswith("SELECT") and not rows else "allowed"


@pytest.fixture(scope="module")
def things(empty_server: Callable[[str], Server]) -> Iterator[Server]:
    """What the attempts are about; an account, control, gets each privilege for a moment."""
    made = empty_server("mysql")
    made.ensure(SERVICES)
    made.sql(
        "CREATE DATABASE drift; CREATE PROCEDURE drift.p() SELECT 1; CREATE ROLE drift_role;"
        "CREATE TABLE fileflow.t (a INT PRIMARY KEY); CREATE VIEW fileflow.v AS SELECT a FROM fileflow.t;"
        "CREATE DEFINER = axb_user PROCEDURE fileflow.p() SQL SECURITY INVOKER SELECT 1;"
        "SET GLOBAL table_encryption_privilege_check = ON"
    )
    yield made
    made.sql("SET GLOBAL table_encryption_privilege_check = OFF")


def privileges(server: Server) -> set[str]:
    """Every privilege that the server knows, static and dynamic, by itself."""
    return {name.upper() for name in (str(row[0]) for row in server.sql("SHOW PRIVILEGES"))} - {"USAGE"}


def held(server: Server, user: str) -> dict[str, set[str]]:
    """What the server has of an account, of every kind of grant that there is: privilege to what it is on."""
    grantee = f"'{user}'@'%'"
    found: dict[str, set[str]] = {}
    for privilege, on in [
        *server.sql(f"SELECT PRIVILEGE_TYPE, '*.*' FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = \"{grantee}\""),
        *server.sql(f"SELECT 'GRANT OPTION', '*.*' FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = \"{grantee}\" AND IS_GRANTABLE = 'YES'"),
        *server.sql(f"SELECT PRIVILEGE_TYPE, TABLE_SCHEMA FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = \"{grantee}\""),
        *server.sql(f"SELECT 'GRANT OPTION', TABLE_SCHEMA FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = \"{grantee}\" AND IS_GRANTABLE = 'YES'"),
        *server.sql(f"SELECT PRIVILEGE_TYPE, TABLE_NAME FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = \"{grantee}\""),
        *server.sql(f"SELECT PRIVILEGE_TYPE, COLUMN_NAME FROM information_schema.COLUMN_PRIVILEGES WHERE GRANTEE = \"{grantee}\""),
        *server.sql(f"SELECT Proc_priv, Routine_name FROM mysql.procs_priv WHERE User = '{user}'"),
        *server.sql(f"SELECT 'PROXY', Proxied_user FROM mysql.proxies_priv WHERE User = '{user}'"),
        *server.sql(f"SELECT 'ROLE', FROM_USER FROM mysql.role_edges WHERE TO_USER = '{user}'"),
    ]:  # fmt: skip
        found.setdefault(str(privilege), set()).add(str(on))
    found.pop("USAGE", None)
    return found


def test_of_every_privilege_that_the_server_has_exactly_eight_are_held(things: Server) -> None:
    known = privileges(things)
    assert len(known) > 60 and set(EIGHT) < known
    has = held(things, "fileflow_user")
    table = {privilege: has.get(privilege, set()) for privilege in known}
    assert {privilege: on for privilege, on in table.items() if on} == {privilege: {"fileflow"} for privilege in EIGHT}
    assert set(has) == set(EIGHT), "something that SHOW PRIVILEGES does not list"
    # A new version's privileges are nobody's until somebody thought about them.
    assert known - set(EIGHT) == set(TRIED)


def test_each_of_the_eight_works(things: Server) -> None:
    things.sql(
        "CREATE TABLE eight (a INT); INSERT INTO eight VALUES (1); UPDATE eight SET a = 2; SELECT a FROM eight;"
        "DELETE FROM eight; ALTER TABLE eight ADD b INT; CREATE INDEX i ON eight (b); DROP TABLE eight",
        "fileflow", "fileflow_user", "first'%s\\",
    )  # fmt: skip


@pytest.mark.parametrize("privilege", sorted(TRIED))
def test_an_attempt_for_each_privilege_that_is_not_held_is_refused(privilege: str, things: Server) -> None:
    said = attempt(things, "fileflow_user", privilege)
    assert said.startswith("refused"), said
    if privilege == "SHUTDOWN":
        # Whoever may does.
        return
    # It was for want of this privilege: who holds the same otherwise is refused without it, and not with it.
    on = "fileflow" if privilege in ON_THE_DATABASE else "*"
    grant = {
        "PROXY": "GRANT PROXY ON axb_user TO control WITH GRANT OPTION",
        "GRANT OPTION": "GRANT USAGE ON fileflow.* TO control WITH GRANT OPTION",
    }.get(privilege, f"GRANT {privilege} ON {on}.* TO control")
    things.each(
        "CREATE USER control IDENTIFIED BY 'control'",
        f"GRANT {SHOWN} ON fileflow.* TO control",
        *(f"GRANT {also} TO control" for also in filter(None, [ALSO.get(privilege)])),
    )
    try:
        assert (said := attempt(things, "control", privilege)).startswith("refused"), said
        things.each(grant + (" WITH GRANT OPTION" if privilege in WITHOUT_STATEMENT else ""))
        assert not (said := attempt(things, "control", privilege)).startswith("refused"), said
    finally:
        for kind in ("VIEW", "PROCEDURE", "EVENT", "TABLE"):
            things.each(f"DROP {kind} IF EXISTS fileflow.mine")
        things.each("DROP TRIGGER IF EXISTS fileflow.mine", "DROP ROLE IF EXISTS mine", "DROP USER control")
        if privilege == "CREATE TABLESPACE":
            things.each("DROP TABLESPACE mine")
        if privilege == "ALTER ROUTINE":
            things.each("ALTER PROCEDURE fileflow.p COMMENT ''")
