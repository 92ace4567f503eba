"""Makes a MySQL server in a container look like RDS: administrator, privileges, parameters, CA bundle."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .model import DatabaseError

ROLE = "rds_superuser_role"
#: What the master user of RDS for MySQL holds, after the privilege list in the RDS user guide: neither SUPER, FILE,
#: SHUTDOWN, CREATE TABLESPACE nor SYSTEM_VARIABLES_ADMIN, SYSTEM_USER, CONNECTION_ADMIN and the like.
PRIVILEGES = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "DROP",
        "RELOAD",
        "PROCESS",
        "REFERENCES",
        "INDEX",
        "ALTER",
        "SHOW DATABASES",
        "CREATE TEMPORARY TABLES",
        "LOCK TABLES",
        "EXECUTE",
        "REPLICATION SLAVE",
        "REPLICATION CLIENT",
        "CREATE VIEW",
        "SHOW VIEW",
        "CREATE ROUTINE",
        "ALTER ROUTINE",
        "CREATE USER",
        "EVENT",
        "TRIGGER",
        "CREATE ROLE",
        "DROP ROLE",
        "APPLICATION_PASSWORD_ADMIN",
        "FLUSH_OPTIMIZER_COSTS",
        "FLUSH_STATUS",
        "FLUSH_TABLES",
        "FLUSH_USER_RESOURCES",
        "ROLE_ADMIN",
        "SENSITIVE_VARIABLES_OBSERVER",
        "SESSION_VARIABLES_ADMIN",
        "SET_ANY_DEFINER",
        "SHOW_ROUTINE",
        "XA_RECOVER_ADMIN",
    }
)
CA_IN_CONTAINER = "/var/lib/mysql/tls/ca.pem"
_ROOT = ("--no-defaults", "--default-character-set=utf8mb4", "--protocol=socket", "-uroot", "-N")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")


def literal(text: str) -> str:
    """A string literal for the mysql client, which has no parameters."""
    if any(ord(character) < 32 for character in text):
        raise DatabaseError("a value for the embedded database has a control character")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class Container:
    """The server's container. Everything secret goes through standard input."""

    def __init__(self, podman: str, name: str) -> None:
        self._podman = podman
        self.name = name

    def exec(self, command: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._podman, "exec", "-i", self.name, *command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def sql(self, script: str) -> list[str]:
        """Runs a script as root over the socket; the rows as lines."""
        done = self.exec(["mysql", *_ROOT, "-B", "-r"], script)
        if done.returncode != 0:
            raise DatabaseError(f"container {self.name}: MySQL refused: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def wait(self, seconds: int) -> None:
        """Waits until the server answers."""
        deadline = time.monotonic() + seconds
        command = ["mysql", *_ROOT, "-e", "SELECT 1"]
        while True:
            done = self.exec(command)
            if done.returncode == 0:
                return
            running = self._run("inspect", "--format", "{{.State.Running}}")
            if running.stdout.strip() != "true" or time.monotonic() > deadline:
                log = "\n".join((self._run("logs", "--tail", "8").stderr or done.stderr).strip().splitlines()[-8:])
                raise DatabaseError(
                    f"container {self.name}: MySQL does not answer. Its last words:\n{log}\n"
                    "Remedy: make destroy-local, then make local."
                )
            time.sleep(0.5)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self._podman, *arguments, self.name]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def login_works(self, user: str, password: str) -> bool:
        """Whether this password lets the user in over TLS, the only way to know: the stored hash is salted."""
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        options = f'[client]\nuser="{user}"\npassword="{escaped}"\n'
        command = ["mysql", "--defaults-file=/dev/stdin", "--host=127.0.0.1", "--ssl-mode=REQUIRED", "-e", "SELECT 1"]
        return self.exec(command, options).returncode == 0


def compare(
    user: str,
    login_works: bool,
    held: Mapping[str, Sequence[str]],
    variables: Mapping[str, str],
    wanted: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Before, after and the statements between them; `(password)` stands where the password belongs."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    statements: list[str] = []
    account, role = f"{literal(user)}@'%'", f"{ROLE}@'%'"
    have = frozenset(held.get("role", ()))
    if have != PRIVILEGES:
        before["privileges"], after["privileges"] = sorted(have), sorted(PRIVILEGES)
        statements.append(f"CREATE ROLE IF NOT EXISTS {role}")
        if have - PRIVILEGES:
            statements.append(f"REVOKE {', '.join(sorted(have - PRIVILEGES))} ON *.* FROM {role}")
        statements.append(f"GRANT {', '.join(sorted(PRIVILEGES))} ON *.* TO {role} WITH GRANT OPTION")
    if not login_works:
        before["password"], after["password"] = "not the secret's", "as in the secret"
        statements.append(f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY (password)")
        statements.append(f"ALTER USER {account} IDENTIFIED BY (password) ACCOUNT UNLOCK")
    own = [name for name in held.get("user", ()) if name != "USAGE"]
    if own or not held.get("granted"):
        before["administrator"] = [*own, *held.get("granted", ())]
        after["administrator"] = [ROLE]
        if own:
            statements.append(f"REVOKE {', '.join(sorted(own))} ON *.* FROM {account}")
        statements.append(f"GRANT {role} TO {account} WITH ADMIN OPTION")
        statements.append(f"SET DEFAULT ROLE {role} TO {account}")
    for name, value in wanted.items():
        if variables.get(name) != value:
            before.setdefault("parameters", {})[name] = variables.get(name, "unknown")
            after.setdefault("parameters", {})[name] = value
            quoted = value if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else literal(value)
            statements.append(f"SET PERSIST {name} = {quoted}")
    return before, after, statements


def ensure(options: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Everything the module embedded_rds does; the result is the module's result."""
    user, password = str(options["user"]), str(options["password"])
    wanted = {str(name): _parameter(value) for name, value in (options.get("parameters") or {}).items()}
    wrong = [name for name in wanted if not _PARAMETER.fullmatch(name)]
    if wrong:
        raise DatabaseError(f"not names of MySQL variables: {', '.join(wrong)}")
    container = Container(str(options["podman"]), str(options["container"]))
    container.wait(int(options["timeout"]))
    held, variables = _read(container, user)
    before, after, statements = compare(user, container.login_works(user, password), held, variables, wanted)
    ca = container.exec(["cat", CA_IN_CONTAINER]).stdout
    if "BEGIN CERTIFICATE" not in ca:
        raise DatabaseError(f"container {container.name}: no certificate at {CA_IN_CONTAINER}")
    ca_file = Path(str(options["ca_file"]))
    write_ca = not ca_file.is_file() or ca_file.read_text() != ca
    if write_ca:
        before["ca_file"], after["ca_file"] = "another or none", str(ca_file)
    if not check:
        if statements:
            script = ";\n".join(item.replace("(password)", literal(password)) for item in statements) + ";\n"
            container.sql(script)
            if not container.login_works(user, password):
                raise DatabaseError(f"container {container.name}: {user} cannot log in with the password just set")
        if write_ca:
            ca_file.parent.mkdir(parents=True, exist_ok=True)
            ca_file.write_text(ca)
    return {"changed": bool(after), "diff": {"before": before, "after": after}, "changes": statements}


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return str(value)


_READ = """
SELECT JSON_OBJECT('kind', 'privilege', 'of', GRANTEE, 'name', PRIVILEGE_TYPE, 'value', IS_GRANTABLE)
  FROM information_schema.USER_PRIVILEGES;
SELECT JSON_OBJECT('kind', 'role', 'of', CONCAT(TO_USER, '@', TO_HOST), 'name', FROM_USER)
  FROM mysql.role_edges JOIN mysql.default_roles
  ON USER = TO_USER AND HOST = TO_HOST AND DEFAULT_ROLE_USER = FROM_USER;
SELECT JSON_OBJECT('kind', 'variable', 'name', VARIABLE_NAME, 'value', VARIABLE_VALUE)
  FROM performance_schema.global_variables;
"""


def _read(container: Container, user: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """What the role and the user hold, and the server's variables."""
    held: dict[str, list[str]] = {"role": [], "user": [], "granted": []}
    variables: dict[str, str] = {}
    for line in container.sql(_READ):
        row = json.loads(line)
        if row["kind"] == "variable":
            variables[row["name"]] = row["value"]
        elif row["kind"] == "role" and (row["of"], row["name"]) == (f"{user}@%", ROLE):
            held["granted"].append(row["name"])
        elif row["kind"] == "privilege" and row["of"] == f"'{ROLE}'@'%'" and row["value"] == "YES":
            held["role"].append(row["name"])
        elif row["kind"] == "privilege" and row["of"] == f"'{user}'@'%'":
            held["user"].append(row["name"])
    return held, variables
