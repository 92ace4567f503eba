"""A real MySQL and a real PostgreSQL for the modules: a container each, whose administrator is what RDS gives, no superuser.

Each comes up once, when the first test asks for it, and is emptied for each file of tests. Modules are run by their own files,
with the arguments that they have in production.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible.module_utils
import psycopg
import pymysql
import pytest
from ansible.module_utils.testing import patch_module_args
from groundwork.databases import run
from groundwork.databases.embedded_mysql import MySQLServer
from groundwork.databases.embedded_postgresql import PostgreSQLServer
from groundwork.databases.model import DatabaseError
from groundwork.estate import images
from groundwork.estate.inside import Container
from psycopg import sql as words

PROJECT = Path(__file__).resolve().parents[2]
PODMAN = str(Path(sys.executable).parent / "podman")
PASSWORD = "Adm1n'%s:\\"
ADMIN = {"mysql": "admin", "postgresql": "postgres"}
PORT = {"mysql": 3306, "postgresql": 5432}
#: The engine's name in a secret.
KIND = {"mysql": "mysql", "postgresql": "postgres"}
#: Who may everything, which no administrator of RDS may: makes drift, and reads what the server has.
PROVIDER = "provider"
#: The last of each: a server may be killed here, the machine is not, so nothing has to reach the disk at once.
PARAMETERS = {
    "mysql": {
        "require_secure_transport": "ON", "log_error_verbosity": "3", "max_connections": "100",
        "log_bin_trust_function_creators": "ON", "innodb_flush_log_at_trx_commit": "2", "sync_binlog": "0",
    },
    "postgresql": {"max_connections": "100", "log_statement": "all", "fsync": "off"},
}  # fmt: skip

# The module's file finds the project's module_utils below Ansible's name, as Ansible's own wrapper lets it.
ansible.module_utils.__path__.append(str(PROJECT / "module_utils"))


def podman(*arguments: str) -> str:
    done = subprocess.run([PODMAN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def container_name(what: str) -> str:
    # Workers that run side by side have servers of their own.
    return f"groundwork-tests-database-{what}{os.environ.get('PYTEST_XDIST_WORKER', '').replace('gw', '-')}"


@dataclass
class Server:
    """A server in a container, seen by whoever a test wants to be."""

    engine: str
    container: Container
    port: int
    ca: str

    @property
    def where(self) -> dict[str, Any]:
        """The options of every module: the server and its administrator."""
        return {
            "engine": self.engine, "host": "localhost", "port": self.port, "ca_file": self.ca, "user": ADMIN[self.engine],
            "password": PASSWORD, "connect_timeout": 5, "lock_timeout": 30,
        }  # fmt: skip

    def connect(self, user: str = PROVIDER, password: str = PASSWORD, database: str = "", **more: Any) -> Any:
        if self.engine == "mysql":
            return pymysql.connect(
                host="localhost", port=self.port, user=user, password=password.encode(), database=database or None,
                ssl={"ca": self.ca}, charset="utf8mb4", autocommit=True, connect_timeout=5, **more,
            )  # fmt: skip
        return psycopg.connect(
            host="localhost", port=self.port, user=user, password=password, dbname=database or "postgres",
            sslmode="verify-full", sslrootcert=self.ca, autocommit=True, connect_timeout=5, **more,
        )  # fmt: skip

    def sql(self, text: str, database: str = "", user: str = PROVIDER, password: str = PASSWORD) -> list[Any]:
        """Runs statements, one at a time, and returns the last one's rows."""
        return self.each(
            *filter(None, (part.strip() for part in text.split(";"))), database=database, login=(user, password)
        )

    def each(self, *statements: str, database: str = "", login: tuple[str, str] = (PROVIDER, PASSWORD)) -> list[Any]:
        """The same for statements that have a semicolon in them."""
        connection = self.connect(*login, database)
        with contextlib.closing(connection), connection.cursor() as cursor:
            for item in statements:
                cursor.execute(item)
            return list(cursor.fetchall()) if cursor.description else []

    def module(self, name: str, *, check: bool = False, **params: Any) -> dict[str, Any]:
        """Runs a module's file with these arguments and the server's; a refusal is a DatabaseError, as it is without Ansible."""
        arguments = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp", **params}
        said = io.StringIO()
        # What Ansible does in a process of its own is done here: arguments in, JSON out, and an exit at the end.
        with patch_module_args(arguments), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            runpy.run_path(str(PROJECT / "library" / f"{name}.py"), run_name="__main__")
        answer: dict[str, Any] = json.loads(said.getvalue())
        del answer["invocation"]
        if answer.get("failed"):
            raise DatabaseError(answer["msg"])
        return answer

    def ensure(self, services: list[dict[str, Any]], *, check: bool = False, **more: Any) -> dict[str, Any]:
        options = {**self.where, "services": services, "ignore_users": [PROVIDER], **more}
        return self.module("shared_databases", check=check, **options)

    def ensure_here(self, services: list[dict[str, Any]], *, check: bool = False, **more: Any) -> dict[str, Any]:
        """The same without the module's file, which writes to standard output: for runs side by side, or with a part replaced."""
        options = {**self.where, "services": services, "ignore_users": [PROVIDER], **more}
        return run.ensure(options, check=check)

    def verify(self, services: list[dict[str, Any]]) -> dict[str, Any]:
        options = {
            name: value for name, value in self.where.items() if name not in ("user", "password", "lock_timeout")
        }
        return self.module("database_login", services=services, report_only=True, **options)

    def log(self) -> str:
        done = subprocess.run([PODMAN, "logs", self.container.name], capture_output=True, check=True)
        return (done.stdout + done.stderr).decode(errors="replace")

    def make_provider(self) -> None:
        password = PASSWORD.replace("'", "''")
        if self.engine == "postgresql":
            done = self.container.exec(
                ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "rdsadmin", "-d", "postgres"],
                f"CREATE ROLE {PROVIDER} SUPERUSER LOGIN PASSWORD '{password}'", user="postgres",
            )  # fmt: skip
        else:
            password = password.replace("\\", "\\\\")
            done = self.container.exec(
                ["mysql", "--no-defaults", "--protocol=socket", "-uroot"],
                f"CREATE USER {PROVIDER} IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO {PROVIDER} WITH GRANT OPTION;"
                f"GRANT PROXY ON ''@'' TO {PROVIDER} WITH GRANT OPTION",
            )
        assert done.returncode == 0, done.stderr

    def empty(self) -> None:
        """Without everything that a service, a test or a rotation made."""
        if self.engine == "mysql":
            with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT schema_name FROM information_schema.schemata")
                own = {"mysql", "sys", "information_schema", "performance_schema"}
                for name in {str(row[0]) for row in cursor.fetchall()} - own:
                    cursor.execute("DROP DATABASE `{}`".format(name.replace("`", "``")))
                cursor.execute("SELECT user, host FROM mysql.user")
                kept = {"root", "admin", "rds_superuser_role", PROVIDER, "debian-sys-maint"}
                for user, host in cursor.fetchall():
                    if user not in kept and not user.startswith("mysql."):
                        cursor.execute("DROP USER %s@%s", (user, host))
            return
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')"
            )
            for (name,) in rows.fetchall():
                connection.execute(words.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(words.Identifier(name)))
                connection.execute(words.SQL("DROP DATABASE {} WITH (FORCE)").format(words.Identifier(name)))
            rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|rds|postgres$|provider$)'")
            for (name,) in rows.fetchall():
                connection.execute(words.SQL("DROP OWNED BY {}").format(words.Identifier(name)))
                connection.execute(words.SQL("DROP ROLE {}").format(words.Identifier(name)))
            connection.execute("DROP TABLESPACE IF EXISTS space")


@contextlib.contextmanager
def started(engine: str, name: str, folder: Path, *options: str) -> Iterator[Server]:
    """A server that looks like RDS; `options` are podman's."""
    images.build(engine, print)
    # A killed run leaves it behind.
    podman("rm", "--force", "--volumes", "--ignore", "--time", "0", name)
    podman(
        "run", "--detach", "--name", name, "--env", "ENDPOINT=localhost", "--memory", "1g", *options,
        "--publish", f"127.0.0.1::{PORT[engine]}", images.reference(engine),
    )  # fmt: skip
    try:
        container = Container(PODMAN, name)
        kind = {"mysql": MySQLServer, "postgresql": PostgreSQLServer}[engine]
        provider: MySQLServer | PostgreSQLServer = kind(container, ADMIN[engine], PASSWORD, PARAMETERS[engine])
        provider.wait(120)
        _, _, statements = provider.compare()
        provider.apply(statements, 60)
        ca = folder / f"{name}-ca.pem"
        ca.write_text(container.read(provider.ca_path))
        port = int(podman("port", name, f"{PORT[engine]}/tcp").strip().rpartition(":")[2])
        server = Server(engine, container, port, str(ca))
        server.make_provider()
        yield server
    finally:
        podman("rm", "--force", "--volumes", "--ignore", "--time", "0", name)


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """The server of an engine, with nothing of a service on it."""
    up: dict[str, Server] = {}
    folder = tmp_path_factory.mktemp("servers")
    with contextlib.ExitStack() as stack:

        def one(engine: str) -> Server:
            if engine not in up:
                up[engine] = stack.enter_context(started(engine, container_name(engine), folder))
            up[engine].empty()
            return up[engine]

        yield one


def quiet(answer: dict[str, Any]) -> bool:
    return not answer["changed"] and answer["diff"] == {"before": {}, "after": {}} and not answer["changes"]
