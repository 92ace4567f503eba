"""What the tests of the database scenarios share: the server, the secrets, and the modules' code on the ops host."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

PROJECT = Path(__file__).resolve().parents[2]
PODMAN = str(Path(sys.executable).parent / "podman")
PYTHON = "/opt/groundwork/venv/bin/python"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


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


#: A user's own session, as an application has it: over TLS, with the settings that the server gives it.
CONNECT = {
    "mysql": """
from groundwork.databases.mysql import _raw_connection, tls_context
session = _raw_connection(endpoint, tls_context(endpoint), database)
""",
    "postgresql": """
from groundwork.databases.postgresql import _raw_connection
session = _raw_connection(endpoint, endpoint.ca_file, database, own_settings=True)
""",
}
AS_USER = """
import json, sys
sys.path.insert(0, "/tmp/gw")
from groundwork.databases import run
options, database, statements = json.loads(sys.stdin.readline())
endpoint = run.endpoint_of(options)
{connect}
cursor = session.cursor()
for statement in statements:
    cursor.execute(statement)
"""


@dataclass(frozen=True)
class User:
    """A user that the role made: the service's own (`user`), or the one for reading or for migrations."""

    service: str
    kind: str
    connections: int
    grants: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.service if self.kind == "user" else f"{self.service}/{self.kind}"

    @property
    def user(self) -> str:
        return f"{self.service}_{self.kind}"

    @property
    def secret(self) -> str:
        return f"local-{self.service}-database" + ("" if self.kind == "user" else f"-{self.kind}")


class Scenario:
    """The server of one engine after the role ran, and what the role was asked for."""

    def __init__(self, name: str, octet: int, engine: str, users: list[User]) -> None:
        self.engine = engine
        self.users = users
        self.server = f"groundwork-molecule-{name}-{engine}"
        self.ops = f"groundwork-molecule-{name}-local-ops-1"
        self._aws = {"endpoint_url": f"http://127.0.0.1:{5000 + octet}", "region_name": "ap-northeast-2", **KEYS}
        self._secrets: dict[str, dict[str, Any]] = {}
        self._modules = threading.local()

    def aws(self, service: str) -> Any:
        return boto3.client(service, **self._aws)

    def secret(self, name: str) -> dict[str, Any]:
        if name not in self._secrets:
            answer = self.aws("secretsmanager").get_secret_value(SecretId=name)
            self._secrets[name] = json.loads(answer["SecretString"])
        return self._secrets[name]

    def passwords(self) -> list[str]:
        """Every password of the scenario, the administrator's too."""
        names = [f"local-shared-{self.engine}-master", *(user.secret for user in self.users)]
        return [str(self.secret(name)["password"]) for name in names]

    def about_secret(self, name: str) -> tuple[dict[str, str], str]:
        """Tags and key of a secret."""
        about = self.aws("secretsmanager").describe_secret(SecretId=name)
        return {tag["Key"]: tag["Value"] for tag in about["Tags"]}, about["KmsKeyId"]

    def services(self) -> list[dict[str, Any]]:
        """What the role gives to the modules."""
        return [
            {
                "name": user.name,
                "database": user.service,
                "user": user.user,
                "password": self.secret(user.secret)["password"],
                "max_user_connections": user.connections,
                "grants": list(user.grants),
            }
            for user in self.users
        ]

    def options(self, **more: Any) -> dict[str, Any]:
        master = self.secret(f"local-shared-{self.engine}-master")
        return {
            "engine": self.engine,
            "host": master["host"],
            "port": master["port"],
            "user": master["username"],
            "password": master["password"],
            "ca_file": "/etc/ssl/groundwork-rds-ca.pem",
            "connect_timeout": 5,
            "lock_timeout": 30,
            "services": self.services(),
            # The agent's login, which the role makes beside the services'.
            "ignore_users": ["groundwork_monitoring"],
            **more,
        }

    def bring_package(self) -> None:
        """The project's package on the ops host, as Ansible would bring it."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(
                PROJECT / "module_utils" / "groundwork",
                "groundwork",
                filter=lambda item: None if "__pycache__" in item.name else item,
            )
        script = "rm -rf /tmp/gw && mkdir /tmp/gw && tar -xf - -C /tmp/gw"
        podman_exec(self.ops, "sh", "-c", script, stdin=buffer.getvalue())

    def call(self, what: str = "ensure", *, check: bool = False, **more: Any) -> dict[str, Any]:
        """What a module's task would do, on the ops host."""
        if not hasattr(self._modules, "session"):
            self._modules.session = Session(self.ops, PYTHON, "-c", RUN)
        lines = self._modules.session.ask(json.dumps([what, check, self.options(**more)]) + "\n")
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer

    def as_user(self, name: str, *statements: str) -> str:
        """Statements of one of the users on its database, from the ops host; what was said when one was refused, or nothing."""
        [user] = [user for user in self.users if user.name == name]
        told = self.options(user=user.user, password=self.secret(user.secret)["password"])
        done = subprocess.run(
            [PODMAN, "exec", "-i", self.ops, PYTHON, "-c", AS_USER.format(connect=CONNECT[self.engine])],
            input=json.dumps([told, user.service, statements]) + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr if done.returncode else ""


def quiet(answer: dict[str, Any]) -> bool:
    return "error" not in answer and not answer["changed"]
