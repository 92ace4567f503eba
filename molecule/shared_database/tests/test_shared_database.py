"""What the real server says after the role ran, and how the module meets drift, wrong input and a server in trouble."""

from __future__ import annotations

import functools
import io
import json
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

PROJECT = Path(__file__).resolve().parents[3]
PODMAN = str(Path(sys.executable).parent / "podman")
SERVER = "groundwork-molecule-shared-database-mysql"
OPS = "groundwork-molecule-shared-database-local-ops-1"
PYTHON = "/opt/groundwork/venv/bin/python"
AWS = {"endpoint_url": "http://127.0.0.1:5222", "region_name": "ap-northeast-2"}
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
SERVICES = ("fileflow", "authhub", "crawler", "a_b", "axb")
CLIENT = ("--no-defaults", "--default-character-set=utf8mb4", "-uroot", "-N", "-B", "-r")
EIGHT = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER"


def podman_exec(container: str, *command: str, stdin: str | bytes = "") -> str:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([PODMAN, "exec", "-i", container, *command], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


class Session:
    """A program in a container that is asked by lines: starting one for each question would take most of the time."""

    END = "end of the answer"

    def __init__(self, container: str, *command: str) -> None:
        self._command = [PODMAN, "exec", "-i", container, *command]
        self._process: subprocess.Popen[str] | None = None

    def ask(self, text: str) -> list[str]:
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
            )
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(text)
        process.stdin.flush()
        lines: list[str] = []
        for line in process.stdout:
            if line.rstrip("\n") == self.END:
                return lines
            lines.append(line.rstrip("\n"))
        # It ended at an error; the next question gets a new one.
        self._process = None
        raise AssertionError("\n".join(lines))


ROOT = Session(SERVER, "mysql", *CLIENT, "--unbuffered")


def root_sql(script: str) -> list[str]:
    """What the server's root sees: not what the module believes it did."""
    return ROOT.ask(f"{script};\nSELECT '{Session.END}';\n")


@functools.cache
def secret(name: str) -> dict[str, Any]:
    client = boto3.client("secretsmanager", **AWS, **KEYS)
    value: dict[str, Any] = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    return value


@pytest.fixture(scope="session", autouse=True)
def package() -> None:
    """The project's package on the ops host, as Ansible would bring it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(
            PROJECT / "module_utils" / "groundwork",
            "groundwork",
            filter=lambda item: None if "__pycache__" in item.name else item,
        )
    podman_exec(OPS, "sh", "-c", "rm -rf /tmp/gw && mkdir /tmp/gw && tar -xf - -C /tmp/gw", stdin=buffer.getvalue())


def options(**more: Any) -> dict[str, Any]:
    master = secret("local-shared-mysql-master")
    return {
        "engine": "mysql",
        "host": master["host"],
        "port": master["port"],
        "user": master["username"],
        "password": master["password"],
        "ca_file": "/etc/ssl/groundwork-rds-ca.pem",
        "connect_timeout": 5,
        "lock_timeout": 30,
        "services": services(),
        **more,
    }


def services() -> list[dict[str, Any]]:
    limits = {"a_b": 5, "axb": 5}
    return [
        {
            "name": name,
            "password": secret(f"local-{name}-database")["password"],
            "max_user_connections": limits.get(name, 20),
        }
        for name in SERVICES
    ]


RUN = f"""
import json, sys
sys.path.insert(0, "/tmp/gw")
from groundwork.databases import run
from groundwork.databases.model import DatabaseError
for line in sys.stdin:
    call, check, options = json.loads(line)
    try:
        answer = run.verify(options) if call == "verify" else run.ensure(options, check=check)
    except DatabaseError as error:
        answer = {{"error": str(error)}}
    print(json.dumps(answer))
    print("{Session.END}", flush=True)
"""
MODULES = threading.local()


def call(what: str = "ensure", *, check: bool = False, **more: Any) -> dict[str, Any]:
    """What a module's task would do, on the ops host."""
    if not hasattr(MODULES, "session"):
        MODULES.session = Session(OPS, PYTHON, "-c", RUN)
    lines = MODULES.session.ask(json.dumps([what, check, options(**more)]) + "\n")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


HOLD = """
import json, sys
sys.path.insert(0, "/tmp/gw")
from groundwork.databases import mysql, run
endpoint = run.endpoint_of(json.loads(sys.stdin.readline()))
def connection():
    return mysql._raw_connection(endpoint, mysql.tls_context(endpoint))
"""


@contextmanager
def holding(what: str, login: dict[str, Any]) -> Iterator[None]:
    """Keeps something held on the server while the body runs."""
    script = f"{HOLD}{what}\nprint('held', flush=True)\nsys.stdin.read()\n"
    with subprocess.Popen(
        [PODMAN, "exec", "-i", OPS, PYTHON, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin and holder.stdout
        holder.stdin.write(json.dumps(login) + "\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.stdin.close()


def quiet(answer: dict[str, Any]) -> bool:
    return "error" not in answer and not answer["changed"]


# --- after the role ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_exact_grants_read_back_as_root(name: str) -> None:
    pattern = name.replace("_", "\\_")
    assert root_sql(f"SHOW GRANTS FOR '{name}_user'@'%'") == [
        f"GRANT USAGE ON *.* TO `{name}_user`@`%`",
        f"GRANT {EIGHT} ON `{pattern}`.* TO `{name}_user`@`%`",
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_database_and_account_as_wanted(name: str) -> None:
    databases = root_sql(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
    )
    assert f"{name}\tutf8mb4\tutf8mb4_unicode_ci" in databases
    limit = 5 if name in ("a_b", "axb") else 20
    accounts = root_sql(
        "SELECT User, Host, ssl_type, plugin, account_locked, password_expired, max_user_connections FROM mysql.user"
    )
    assert f"{name}_user\t%\tANY\tcaching_sha2_password\tN\tN\t{limit}" in accounts


def test_secret_is_what_applications_expect() -> None:
    value = secret("local-fileflow-database")
    assert {key: value[key] for key in ("engine", "port", "dbname", "username")} == {
        "engine": "mysql",
        "port": 3306,
        "dbname": "fileflow",
        "username": "fileflow_user",
    }
    assert len(value["password"]) == 32 and value["password"].isalnum()
    about = boto3.client("secretsmanager", **AWS, **KEYS).describe_secret(SecretId="local-fileflow-database")
    tags = {tag["Key"]: tag["Value"] for tag in about["Tags"]}
    assert tags["Service"] == "fileflow" and tags["DataClass"] == "confidential" and tags["Environment"] == "local"
    assert "key/" in about["KmsKeyId"]


def test_every_login_works_over_tls_and_only_as_far_as_it_should() -> None:
    answer = call("verify")
    assert answer["failures"] == []
    assert [login["name"] for login in answer["logins"]] == list(SERVICES)
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
    passwords = [secret(f"local-{name}-database")["password"] for name in SERVICES]
    passwords.append(secret("local-shared-mysql-master")["password"])
    log = subprocess.run([PODMAN, "logs", SERVER], capture_output=True, check=True)
    text = (log.stdout + log.stderr).decode()
    text += podman_exec(SERVER, "sh", "-c", "cat /var/lib/mysql/data/*slow.log 2>/dev/null || true")
    assert not [password for password in passwords if password in text]


def test_state_is_read_with_the_same_number_of_queries_for_any_number_of_services() -> None:
    few = call(services=services()[:1])
    assert quiet(few) and few["queries"] == call()["queries"] < 16


# --- drift ---------------------------------------------------------------------------------------------------------

U = "`fileflow_user`@`%`"
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
def scratch() -> Iterator[None]:
    clean = (
        "DROP DATABASE IF EXISTS drift; DROP ROLE IF EXISTS drift_role; DROP USER IF EXISTS `fileflow_user`@`10.1.%`"
    )
    root_sql(
        f"{clean}; CREATE DATABASE drift; CREATE TABLE drift.t (a INT, `b %s` INT); CREATE ROLE drift_role;"
        "CREATE PROCEDURE drift.p() SELECT 1; CREATE FUNCTION drift.f() RETURNS INT DETERMINISTIC RETURN 1"
    )
    yield
    root_sql(clean)


@pytest.mark.parametrize("kind", DRIFT)
def test_drift_is_told_in_check_mode_and_repaired(kind: str, scratch: None) -> None:
    others = root_sql("SHOW GRANTS FOR authhub_user; SHOW CREATE USER authhub_user")
    root_sql(DRIFT[kind])
    predicted = call(check=True)
    assert predicted["changed"], predicted
    assert list(predicted["diff"]["after"]) == ["fileflow"]
    assert call(check=True)["diff"] == predicted["diff"], "check mode changed something"
    done = call()
    assert "error" not in done, done
    assert done["diff"] == predicted["diff"]
    assert quiet(call())
    assert root_sql("SHOW GRANTS FOR fileflow_user") == [
        f"GRANT USAGE ON *.* TO {U}",
        f"GRANT {EIGHT} ON `fileflow`.* TO {U}",
    ]
    assert call("verify")["failures"] == []
    assert root_sql("SHOW GRANTS FOR authhub_user; SHOW CREATE USER authhub_user") == others
    assert all("IDENTIFIED BY '" not in line for line in done["changes"])


def test_what_the_administrator_may_not_revoke_is_told_and_the_rest_is_done() -> None:
    root_sql(f"GRANT PROXY ON root@localhost TO {U}; REVOKE INSERT ON fileflow.* FROM {U}")
    try:
        answer = call()
        assert "REVOKE PROXY ON `root`@`localhost` FROM" in answer["error"] and "Remedy" in answer["error"]
        assert root_sql("SHOW GRANTS FOR fileflow_user")[1] == f"GRANT {EIGHT} ON `fileflow`.* TO {U}"
    finally:
        root_sql(f"REVOKE PROXY ON root@localhost FROM {U}")
    assert quiet(call())


def test_unknown_is_reported_and_never_touched() -> None:
    clean = "DROP DATABASE IF EXISTS stray; DROP USER IF EXISTS stray_user, fileflow_user@'10.9.%'"
    root_sql(
        f"{clean}; CREATE DATABASE stray; CREATE USER stray_user IDENTIFIED BY 'x'; GRANT SELECT ON `fileflow`.* TO stray_user;"
        "CREATE USER fileflow_user@'10.9.%' IDENTIFIED BY 'x'; GRANT fileflow_user TO stray_user"
    )
    before = root_sql("SHOW GRANTS FOR stray_user; SHOW CREATE USER stray_user; SHOW CREATE DATABASE stray")
    try:
        answer = call()
        assert quiet(answer)
        assert answer["unknown"]["databases"] == ["stray"]
        assert answer["unknown"]["users"] == ["`fileflow_user`@`10.9.%`", "`stray_user`@`%`"]
        assert answer["unknown"]["access"] == [
            "`stray_user`@`%` holds ROLE `fileflow_user`@`%`",
            "`stray_user`@`%` holds SELECT ON `fileflow`.*",
        ]
        assert any("`fileflow_user`@`10.9.%` answers instead" in line for line in answer["report_warnings"])
        assert root_sql("SHOW GRANTS FOR stray_user; SHOW CREATE USER stray_user; SHOW CREATE DATABASE stray") == before
    finally:
        root_sql(clean)


def test_second_password_is_reported() -> None:
    password = secret("local-fileflow-database")["password"]
    root_sql(f"ALTER USER {U} IDENTIFIED BY '{password}' RETAIN CURRENT PASSWORD")
    try:
        answer = call()
        assert quiet(answer) and answer["second_passwords"] == ["`fileflow_user`@`%`"]
    finally:
        root_sql(f"ALTER USER {U} DISCARD OLD PASSWORD")
    assert call()["second_passwords"] == []


def test_used_up_connections_do_not_look_like_a_wrong_password() -> None:
    """The login check must not reset a password because the service holds all its connections."""
    user = options(user="a_b_user", password=secret("local-a_b-database")["password"])
    with holding("connections = [connection() for _ in range(5)]", user):
        answer = call()
    assert quiet(answer), answer


# --- names, passwords and locks ------------------------------------------------------------------------------------


def test_odd_names_and_passwords_are_safe() -> None:
    odd = [
        {"name": "quotes", "database": "it's `q`\"", "user": "o'`\"%s", "password": "p'\"`\\%s%%;-- "},
        {"name": "wild", "database": "w%_d", "user": "w%_d", "password": "%(x)s\\'"},
        {"name": "unicode", "database": "데이터베이스", "user": "사용자", "password": "비밀번호-é"},
        {"name": "longest", "database": "d" * 64, "user": "u" * 32, "password": "x" * 200},
    ]
    try:
        first = call(services=odd)
        assert "error" not in first, first
        assert quiet(call(services=odd))
        answer = call("verify", services=odd)
        assert answer["failures"] == []
        assert (
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER ON `w\\%\\_d`.* TO `w%_d`@`%`"
            in (answer["logins"][1]["grants"])
        )
    finally:
        root_sql("DROP DATABASE IF EXISTS `it's ``q``\"`; DROP DATABASE IF EXISTS `w%_d`;"
                 f"DROP DATABASE IF EXISTS `데이터베이스`; DROP DATABASE IF EXISTS `{'d' * 64}`;"
                 f"DROP USER IF EXISTS `o'``\"%s`, `w%_d`, `사용자`, `{'u' * 32}`")  # fmt: skip
    assert quiet(call())


def test_a_held_lock_is_waited_for_and_its_holder_named() -> None:
    take = "cursor = connection().cursor(); cursor.execute('SELECT GET_LOCK(%s, 1)', (mysql.LOCK,))"
    with holding(take, options()):
        refused = call(lock_timeout=1)
        assert "another run holds the lock" in refused["error"] and "of admin from" in refused["error"]
        assert quiet(call(lock_timeout=1, check=True)), "check mode needs no lock"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(call, lock_timeout=30)
            time.sleep(1)
            assert not waiting.done()
            for line in root_sql("SELECT IS_USED_LOCK('groundwork.shared_databases')"):
                root_sql(f"KILL {line}")
            assert quiet(waiting.result())


def test_two_runs_at_once() -> None:
    many = [{"name": f"race{number}", "password": f"password-{number}"} for number in range(20)]
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = [task.result() for task in [pool.submit(call, services=many) for _ in range(2)]]
        assert sorted(answer["changed"] for answer in answers) == [False, True], answers
    finally:
        root_sql(";".join(f"DROP DATABASE IF EXISTS race{n}; DROP USER IF EXISTS race{n}_user" for n in range(20)))


def test_two_hundred_services_quickly_with_as_many_queries_as_one() -> None:
    many = [{"name": f"many{number}", "password": f"password-{number}"} for number in range(200)]
    try:
        started = time.monotonic()
        assert len(call(services=many)["created_users"]) == 200
        created = time.monotonic() - started
        started = time.monotonic()
        again = call(services=many)
        unchanged = time.monotonic() - started
        assert quiet(again) and again["queries"] < 16
        print(f"200 services: created in {created:.1f} s, unchanged in {unchanged:.1f} s")
        assert created < 60 and unchanged < 20
    finally:
        root_sql(";".join(f"DROP DATABASE IF EXISTS many{n}; DROP USER IF EXISTS many{n}_user" for n in range(200)))


# --- trouble -------------------------------------------------------------------------------------------------------


def test_wrong_administrator_password() -> None:
    error = call(password="wrong")["error"]
    assert "logging in at" in error and "Remedy: the password in the secret is not the server's" in error
    assert "wrong" not in error.replace("wrong input", "")


def test_another_authority_is_refused() -> None:
    error = call(ca_file="/etc/ssl/certs/ca-certificates.crt")["error"]
    assert "certificate is not accepted" in error and "never switch the verification off" in error
    assert "is not there" in call(ca_file="/nowhere.pem")["error"]


def test_another_name_than_the_certificates_is_refused() -> None:
    address = podman_exec(SERVER, "hostname", "-i").split()[0]
    error = call(host=address)["error"]
    assert "certificate is not accepted" in error


def test_server_away() -> None:
    assert "Remedy: check the name, the security group" in call(port=3307)["error"]
    assert "Remedy: check the name" in call(host="no-such-server.local.internal")["error"]


def test_read_only_server() -> None:
    root_sql(f"REVOKE INSERT ON fileflow.* FROM {U}; SET GLOBAL read_only = ON")
    try:
        assert "is read-only and fileflow needs a change" in call()["error"]
    finally:
        root_sql("SET GLOBAL read_only = OFF")
    assert call()["updated"] == ["fileflow"]


def test_killed_connection_and_the_next_run_completes() -> None:
    """The server goes in the middle: what is done stays, the next run does the rest."""
    many = [{"name": f"killed{number}", "password": f"password-{number}"} for number in range(60)]
    try:
        with ThreadPoolExecutor(1) as pool:
            task = pool.submit(call, services=many)
            for _ in range(200):
                if root_sql("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'killed%'") != ["0"]:
                    break
                time.sleep(0.02)
            for line in root_sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'admin'"):
                root_sql(f"KILL {line}")
            answer = task.result()
        assert "error" not in answer or "next run goes on" in answer["error"], answer
        assert "error" not in call(services=many)
        assert quiet(call(services=many))
    finally:
        root_sql(";".join(f"DROP DATABASE IF EXISTS killed{n}; DROP USER IF EXISTS killed{n}_user" for n in range(60)))
