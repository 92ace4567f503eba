"""A MySQL server in a container that looks like RDS for MySQL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..estate.inside import Container
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
#: How the master user of RDS ends sessions of others: it has no CONNECTION_ADMIN.
KILL = "CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) SQL SECURITY DEFINER KILL thread"
_ROOT = ("--no-defaults", "--default-character-set=utf8mb4", "--protocol=socket", "-uroot", "-N")


def literal(text: str) -> str:
    """A string literal for the mysql client, which has no parameters."""
    if any(ord(character) < 32 for character in text):
        raise DatabaseError("a value for the embedded database has a control character")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


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
    if "rds_kill" not in held.get("routines", ()):
        before["procedures"], after["procedures"] = [], ["mysql.rds_kill"]
        statements.append(KILL)
    for name, value in wanted.items():
        if variables.get(name) != value:
            before.setdefault("parameters", {})[name] = variables.get(name, "unknown")
            after.setdefault("parameters", {})[name] = value
            quoted = value if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else literal(value)
            statements.append(f"SET PERSIST {name} = {quoted}")
    return before, after, statements


_READ = """
SELECT JSON_OBJECT('kind', 'privilege', 'of', GRANTEE, 'name', PRIVILEGE_TYPE, 'value', IS_GRANTABLE)
  FROM information_schema.USER_PRIVILEGES;
SELECT JSON_OBJECT('kind', 'role', 'of', CONCAT(TO_USER, '@', TO_HOST), 'name', FROM_USER)
  FROM mysql.role_edges JOIN mysql.default_roles
  ON USER = TO_USER AND HOST = TO_HOST AND DEFAULT_ROLE_USER = FROM_USER;
SELECT JSON_OBJECT('kind', 'routine', 'name', ROUTINE_NAME)
  FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'mysql';
SELECT JSON_OBJECT('kind', 'variable', 'name', VARIABLE_NAME, 'value', VARIABLE_VALUE)
  FROM performance_schema.global_variables;
"""


class MySQLServer:
    """MySQL as the server's root over the container's socket."""

    ca_path = "/var/lib/mysql/tls/ca.pem"

    def __init__(self, container: Container, user: str, password: str, wanted: Mapping[str, str]) -> None:
        self._container = container
        self._user = user
        self._password = password
        self._wanted = wanted

    def wait(self, seconds: int) -> None:
        self._container.wait(["mysql", *_ROOT, "-e", "SELECT 1"], seconds, "MySQL")

    def compare(self) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        held, variables = self._read()
        return compare(self._user, self.login_works(), held, variables, self._wanted)

    def apply(self, statements: Sequence[str], seconds: int) -> None:
        script = ";\n".join(item.replace("(password)", literal(self._password)) for item in statements) + ";\n"
        self._sql(script)
        if not self.login_works():
            raise DatabaseError(
                f"container {self._container.name}: {self._user} cannot log in with the password just set"
            )

    def login_works(self) -> bool:
        """Whether this password lets the user in over TLS, the only way to know: the stored hash is salted."""
        escaped = self._password.replace("\\", "\\\\").replace('"', '\\"')
        options = f'[client]\nuser="{self._user}"\npassword="{escaped}"\n'
        command = ["mysql", "--defaults-file=/dev/stdin", "--host=127.0.0.1", "--ssl-mode=REQUIRED", "-e", "SELECT 1"]
        return self._container.exec(command, options).returncode == 0

    def _sql(self, script: str) -> list[str]:
        """Runs a script as root over the socket; the rows as lines."""
        done = self._container.exec(["mysql", *_ROOT, "-B", "-r"], script)
        if done.returncode != 0:
            raise DatabaseError(f"container {self._container.name}: MySQL refused: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def _read(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        """What the role and the user hold, and the server's variables."""
        held: dict[str, list[str]] = {"role": [], "user": [], "granted": [], "routines": []}
        variables: dict[str, str] = {}
        for line in self._sql(_READ):
            row = json.loads(line)
            if row["kind"] == "variable":
                variables[row["name"]] = row["value"]
            elif row["kind"] == "routine":
                held["routines"].append(row["name"])
            elif row["kind"] == "role" and (row["of"], row["name"]) == (f"{self._user}@%", ROLE):
                held["granted"].append(row["name"])
            elif row["kind"] == "privilege" and row["of"] == f"'{ROLE}'@'%'" and row["value"] == "YES":
                held["role"].append(row["name"])
            elif row["kind"] == "privilege" and row["of"] == f"'{self._user}'@'%'":
                held["user"].append(row["name"])
        return held, variables
