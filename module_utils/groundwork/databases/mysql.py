"""MySQL: reads the server's state, applies the difference in one connection, reads it back, logs in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .model import DatabaseError, Endpoint, Engine, LoginSpec, Options, Report, ServiceSpec
from .mysql_plan import (
    DATABASE_PRIVILEGES,
    DEFAULT_GRANTS,
    LOGIN_OK,
    LOGIN_SHADOWED,
    LOGIN_WRONG,
    ServicePlan,
    account_of,
    can_try_login,
    plan_services,
    strangers,
    wanted_grant,
    warnings,
)
from .mysql_sql import (
    MAX_USER,
    Statement,
    database_fault,
    identifier,
    name_fault,
    privilege_list,
    shown_account,
    shown_identifier,
)
from .mysql_state import (
    SYSTEM_DATABASES,
    SYSTEM_USERS,
    ServerState,
    read_state,
    read_version,
    version_tuple,
)

MISSING: str | None = None
try:
    import pymysql
    from pymysql.cursors import DictCursor
except ImportError as import_error:
    MISSING = import_error.name

#: The name of the server-side lock that a changing run holds.
LOCK = "groundwork.shared_databases"
#: partial_revokes, which decides how a grant's pattern is read, is there since this version.
OLDEST = (8, 0, 16)
PARALLEL_LOGINS = 8
#: The limit of caching_sha2_password.
MAX_PASSWORD_BYTES = 256

# Error numbers: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
ER_DBACCESS_DENIED = 1044
ER_ACCESS_DENIED = 1045
ER_TABLEACCESS_DENIED = 1142
ER_SPECIFIC_ACCESS_DENIED = 1227
ER_ACCESS_DENIED_NO_PASSWORD = 1698
ER_PLAINTEXT_REFUSED = 3159
#: The client's own, CR_SERVER_LOST.
ER_LOST_CONNECTION = 2013
LACKS_PRIVILEGE = frozenset(
    {
        ER_DBACCESS_DENIED,
        ER_ACCESS_DENIED,
        ER_TABLEACCESS_DENIED,
        ER_SPECIFIC_ACCESS_DENIED,
        ER_ACCESS_DENIED_NO_PASSWORD,
    }
)
#: Said only after the password was accepted: the user's or the server's connections are used up, the account is locked.
PASSWORD_WAS_RIGHT = frozenset({1203, 1226, 3118})
_REMEDIES = {
    1021: "the server's disk is full: raise the allocated storage, then run again",
    1040: "the server has no free connection: see who holds them (SHOW PROCESSLIST), then run again",
    1114: "the server's disk or a table space is full: raise the allocated storage, then run again",
    1290: "the server is read-only: is this a replica? Take the writer's endpoint",
    1836: "the server is read-only: is this a replica? Take the writer's endpoint",
    2003: "check the name, the security group and that the server runs",
    2006: "the server went away; the next run goes on where this one stopped",
    2013: "the connection broke; the next run goes on where this one stopped",
    3024: "the server was too slow; run again",
    3638: "password_history keeps a password from being set again: discard the account's second one by hand, or set it to 0",
}


def explain(error: BaseException, doing: str, endpoint: Endpoint) -> str:
    """What failed, where, why and the remedy."""
    code = _code(error)
    text = " ".join(str(error.args[1] if len(error.args) > 1 else error).split())
    where = f"{doing} at {endpoint.where} as {endpoint.user}"
    certificate = next((item for item in _causes(error) if isinstance(item, ssl.SSLError)), None)
    if certificate is not None or "certificate" in text.lower():
        reason = getattr(certificate, "verify_message", "") or " ".join(str(certificate or text).split())
        return (
            f"{where}: the server's certificate is not accepted: {reason}. Remedy: give the CA bundle of this server "
            "and the endpoint's own name; never switch the verification off."
        )
    if code == ER_ACCESS_DENIED and "using password" in text:
        return (
            f"{where}: {text}. Remedy: the password in the secret is not the server's, or the account does not exist; "
            "set the master password (RDS) to the secret's."
        )
    remedy = _REMEDIES.get(code)
    if "timed out" in text and code == ER_LOST_CONNECTION:
        # The server says so in its log only; it goes on by itself as soon as there is room.
        remedy = (
            "the server did not answer in time. With a full disk MySQL waits for room instead of refusing: look at the free "
            "storage (FreeStorageSpace), raise the allocated storage; the next run goes on where this one stopped"
        )
    return f"{where}: {text} (error {code})." + (f" Remedy: {remedy}." if remedy else "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        original = getattr(seen, "original_exception", None)
        seen = original if isinstance(original, BaseException) else seen.__cause__ or seen.__context__


def _code(error: BaseException) -> int:
    return int(error.args[0]) if error.args and isinstance(error.args[0], int) else 0


class Connection:
    """A connection that counts its queries. Statements come as `Statement` or as constants with parameters."""

    def __init__(self, raw: Any, endpoint: Endpoint) -> None:
        self._raw = raw
        self._endpoint = endpoint
        self.queries = 0

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Runs a constant statement and returns its rows."""
        self.queries += 1
        try:
            with self._raw.cursor(DictCursor) as cursor:
                cursor.execute(sql, tuple(parameters))
                return list(cursor.fetchall())
        except (pymysql.MySQLError, OSError) as error:
            raise DatabaseError(explain(error, "reading the server's state", self._endpoint)) from error

    def run(self, statement: Statement) -> None:
        """Runs a statement; the driver's own exception on failure."""
        self.queries += 1
        with self._raw.cursor() as cursor:
            cursor.execute(statement.sql, statement.parameters)

    def execute(self, text: str) -> int:
        """Runs a statement that is whole as it stands, and returns how many rows it was about."""
        self.queries += 1
        with self._raw.cursor() as cursor:
            return int(cursor.execute(text))

    def execute_all(self, texts: Sequence[str]) -> list[int]:
        """The same for many in one round trip; the connection needs CLIENT.MULTI_STATEMENTS. The first that fails ends it."""
        self.queries += 1
        with self._raw.cursor() as cursor:
            counts = [int(cursor.execute(";\n".join(texts)))]
            while cursor.nextset():
                counts.append(int(cursor.rowcount))
            return counts

    @property
    def raw(self) -> Any:
        """The driver's own connection."""
        return self._raw


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """TLS with the server's certificate and name verified."""
    if not endpoint.ca_pem and not Path(endpoint.ca_file).is_file():
        raise DatabaseError(
            f"the CA bundle {endpoint.ca_file or '(none given)'} is not there. Remedy: give the certificate authority "
            f"of {endpoint.where} (ca_file or ca_pem)."
        )
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file or None, cadata=endpoint.ca_pem or None)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise DatabaseError(
            f"the CA bundle for {endpoint.where} cannot be used: {error}. Remedy: give certificates in PEM form."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _raw_connection(
    endpoint: Endpoint,
    context: ssl.SSLContext | None,
    database: str | None = None,
    *,
    read_timeout: int = 120,
    client_flag: int = 0,
) -> Any:
    return pymysql.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        # The driver would encode text as Latin-1; the server is told utf8mb4.
        password=endpoint.password.encode(),
        database=database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=endpoint.connect_timeout,
        read_timeout=read_timeout,
        write_timeout=60,
        client_flag=client_flag,
        ssl=context,
        ssl_disabled=context is None,
        # Quoting does not depend on what the server's default says.
        init_command="SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
    )


@contextmanager
def connect(
    endpoint: Endpoint, context: ssl.SSLContext, *, read_timeout: int = 120, client_flag: int = 0
) -> Iterator[Connection]:
    """A connection over verified TLS. `read_timeout`: seconds that a statement may take; `client_flag`: of the protocol."""
    try:
        raw = _raw_connection(endpoint, context, read_timeout=read_timeout, client_flag=client_flag)
    except (pymysql.MySQLError, OSError) as error:
        raise DatabaseError(explain(error, "logging in", endpoint)) from error
    try:
        yield Connection(raw, endpoint)
    finally:
        # The work is done or has its own error; a connection that is gone needs no closing.
        with suppress(pymysql.MySQLError, OSError):
            raw.close()


def carry_out(connection: Connection, statement: Statement, doing: str, endpoint: Endpoint) -> None:
    """Runs a statement; a failure says what failed, where, why and the remedy."""
    try:
        connection.run(statement)
    except (pymysql.MySQLError, OSError) as error:
        raise DatabaseError(explain(error, doing, endpoint)) from error


def processes(connection: Connection) -> list[dict[str, Any]]:
    """The server's sessions: Id, User, Host, db, Time and more.

    information_schema.PROCESSLIST fails while any session runs a statement with a character that utf8mb3 does not have.
    """
    return connection.query("SHOW PROCESSLIST")


@contextmanager
def server_lock(connection: Connection, endpoint: Endpoint, timeout: int, name: str = LOCK) -> Iterator[None]:
    """Holds a server-side lock; the server frees it when the connection ends, however that is."""
    got = connection.query("SELECT GET_LOCK(%s, %s) AS got", (name, timeout))[0]["got"]
    if got != 1:
        holder = connection.query("SELECT IS_USED_LOCK(%s) AS id", (name,))[0]["id"]
        who = "; ".join(
            f"connection {item['Id']} of {item['User']} from {item['Host']}, for {item['Time']} s"
            for item in processes(connection)
            if item["Id"] == holder
        )
        raise DatabaseError(
            f"another run holds the lock {name} at {endpoint.where} ({who or 'it ended just now'}), waited "
            f"{timeout} s. Remedy: let it end, then run again."
        )
    try:
        yield
    finally:
        # When the connection broke, the lock went with it.
        with suppress(DatabaseError):
            connection.query("SELECT RELEASE_LOCK(%s) AS freed", (name,))


def check_server(state: ServerState, endpoint: Endpoint) -> None:
    """Refuses servers on which the grants would mean something else."""
    if "mariadb" in state.version.lower():
        raise DatabaseError(
            f"{endpoint.where} is MariaDB {state.version}, whose accounts and grants differ. "
            "Remedy: give a MySQL server."
        )
    if version_tuple(state.version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise DatabaseError(f"{endpoint.where} is MySQL {state.version}. Remedy: upgrade it to {oldest} or newer.")


class MySQL(Engine):
    """MySQL 8.0.16 and newer, on RDS or elsewhere; the administrator needs no SUPER."""

    name = "mysql"
    default_port = 3306
    default_charset = "utf8mb4"
    default_collation = "utf8mb4_unicode_ci"
    default_grants = DEFAULT_GRANTS

    def faults(self, spec: ServiceSpec) -> list[str]:
        faults = []
        fault = database_fault(spec.database)
        if fault:
            faults.append(f"MySQL refuses {spec.database!r} as a database: {fault}")
        if spec.database.lower() in SYSTEM_DATABASES:
            faults.append(f"{spec.database!r} is one of the server's own databases")
        fault = name_fault(spec.user, MAX_USER)
        if fault:
            faults.append(f"MySQL refuses {spec.user!r} as a user: {fault}")
        if spec.user.lower() in SYSTEM_USERS or spec.user.lower().startswith("mysql."):
            faults.append(f"{spec.user!r} is one of the server's own users")
        if spec.password is not None:
            if any(ord(character) < 32 or ord(character) == 127 for character in spec.password):
                faults.append("the password has a control character")
            if len(spec.password.encode()) > MAX_PASSWORD_BYTES:
                faults.append(f"the password is longer than {MAX_PASSWORD_BYTES} bytes")
        unknown = spec.grants - DATABASE_PRIVILEGES
        if unknown:
            faults.append(
                f"{', '.join(sorted(unknown))} cannot be granted on a database; there are: "
                f"{', '.join(sorted(DATABASE_PRIVILEGES))}"
            )
        if not spec.grants:
            faults.append("grants is empty")
        if not all(item.replace("_", "").isalnum() and item.isascii() for item in (spec.charset, spec.collation)):
            faults.append(f"{spec.charset!r} / {spec.collation!r} is not a character set and collation")
        return faults

    def ensure(self, endpoint: Endpoint, specs: Sequence[ServiceSpec], options: Options) -> Report:
        require_driver()
        for spec in specs:
            if spec.user == endpoint.user:
                raise DatabaseError(f"{spec.name}: user {spec.user!r} is the administrator that this run logs in as")
        context = tls_context(endpoint)
        with connect(endpoint, context) as connection:
            if options.check:
                return self._ensure(connection, endpoint, context, specs, options)
            with server_lock(connection, endpoint, options.lock_timeout):
                return self._ensure(connection, endpoint, context, specs, options)

    def _ensure(
        self,
        connection: Connection,
        endpoint: Endpoint,
        context: ssl.SSLContext,
        specs: Sequence[ServiceSpec],
        options: Options,
    ) -> Report:
        check_server(read_version(connection.query), endpoint)
        state, logins, plans = self._compare(connection, endpoint, context, specs)
        report = _report(specs, state, logins, plans, options.ignore_users | {endpoint.user})
        wanted = [plan for plan in plans if plan.statements]
        if wanted and state.read_only:
            raise DatabaseError(
                f"{endpoint.where} is read-only and {', '.join(plan.service for plan in wanted)} needs a change. "
                "Remedy: take the writer's endpoint; this is a replica or a server in maintenance."
            )
        if wanted and not options.check:
            apply(connection, endpoint, wanted)
            state, logins, plans = self._compare(connection, endpoint, context, specs)
            left = [f"{plan.service}: {plan.before} instead of {plan.after}" for plan in plans if plan.statements]
            if left:
                raise DatabaseError(
                    f"every statement was carried out at {endpoint.where}, but reading back shows: {'; '.join(left)}. "
                    "Remedy: another administrator changes the same accounts; find out who, then run again."
                )
        report.queries = connection.queries
        return report

    @staticmethod
    def _compare(
        connection: Connection, endpoint: Endpoint, context: ssl.SSLContext, specs: Sequence[ServiceSpec]
    ) -> tuple[ServerState, dict[str, str], list[ServicePlan]]:
        # An empty list would not be SQL; no user has an empty name that is managed.
        state = read_state(connection.query, [spec.user for spec in specs] or [""])
        logins = try_logins(
            endpoint, context, [spec for spec in specs if can_try_login(state.accounts.get(account_of(spec)))]
        )
        return state, logins, plan_services(specs, state, logins)

    def verify_login(self, endpoint: Endpoint, login: LoginSpec) -> dict[str, Any]:
        require_driver()
        return verify_login(endpoint, login)


def require_driver() -> None:
    if MISSING is not None:
        raise DatabaseError(
            f"Python package '{MISSING}' is missing: install PyMySQL and cryptography into the Python that runs this "
            "module (ansible_python_interpreter)."
        )


def apply(connection: Connection, endpoint: Endpoint, plans: Sequence[ServicePlan]) -> None:
    """Carries out plans; what the administrator may not do is told at the end."""
    done, refused = 0, []
    total = sum(len(plan.statements) for plan in plans)
    for plan in plans:
        for statement in plan.statements:
            try:
                _run(connection, statement)
            except (pymysql.MySQLError, OSError) as error:
                if _code(error) in LACKS_PRIVILEGE:
                    # The others can still be made right.
                    refused.append(f"{plan.service}: {statement.shown} ({error.args[-1]})")
                    continue
                doing = f"{plan.service}: {statement.shown} (statement {done + 1} of {total})"
                raise DatabaseError(explain(error, doing, endpoint)) from error
            done += 1
    if refused:
        raise DatabaseError(
            f"{done} of {total} statements were carried out at {endpoint.where}; {endpoint.user} may not:\n"
            + "\n".join(f"  - {item}" for item in refused)
            + "\nRemedy: let an account that holds the privilege do these (on RDS: AWS support), then run again."
        )


def _run(connection: Connection, statement: Statement) -> None:
    try:
        connection.run(statement)
    except pymysql.MySQLError as error:
        if not statement.instead or _code(error) not in LACKS_PRIVILEGE:
            raise
        for other in statement.instead:
            connection.run(other)


def _report(
    specs: Sequence[ServiceSpec],
    state: ServerState,
    logins: dict[str, str],
    plans: Sequence[ServicePlan],
    ignore_users: frozenset[str],
) -> Report:
    changed = [plan for plan in plans if plan.statements]
    unknown = strangers(specs, state, ignore_users)
    return Report(
        server={"engine": "mysql", "version": state.version, "max_connections": state.max_connections},
        before={plan.service: plan.before for plan in changed},
        after={plan.service: plan.after for plan in changed},
        changes=[f"{plan.service}: {statement.shown}" for plan in changed for statement in plan.statements],
        created_databases=[spec.database for spec, plan in zip(specs, plans, strict=True) if plan.creates_database],
        created_users=[spec.user for spec, plan in zip(specs, plans, strict=True) if plan.creates_user],
        updated=[plan.service for plan in changed if not plan.creates_user],
        unknown_databases=unknown.databases,
        unknown_users=unknown.users,
        other_access=unknown.access,
        second_passwords=unknown.second_passwords,
        warnings=warnings(specs, state, logins),
    )


def _as_user(endpoint: Endpoint, user: str, password: str) -> Endpoint:
    return replace(endpoint, user=user, password=password)


def try_logins(endpoint: Endpoint, context: ssl.SSLContext, specs: Sequence[ServiceSpec]) -> dict[str, str]:
    """What a login with each service's wanted password shows. A hash could not tell: it is salted."""

    def one(spec: ServiceSpec) -> str | None:
        if spec.password is None:
            return None
        user = _as_user(endpoint, spec.user, spec.password)
        try:
            raw = _raw_connection(user, context)
        except (pymysql.MySQLError, OSError) as error:
            if _code(error) in PASSWORD_WAS_RIGHT:
                return LOGIN_OK
            if _code(error) == ER_ACCESS_DENIED:
                return LOGIN_WRONG
            raise DatabaseError(explain(error, f"{spec.name}: trying the login", user)) from error
        try:
            with raw.cursor() as cursor:
                cursor.execute("SELECT CURRENT_USER()")
                row = cursor.fetchone()
            return LOGIN_OK if row and row[0] == f"{spec.user}@%" else LOGIN_SHADOWED
        except (pymysql.MySQLError, OSError) as error:
            raise DatabaseError(explain(error, f"{spec.name}: trying the login", user)) from error
        finally:
            raw.close()

    if not specs:
        return {}
    with ThreadPoolExecutor(max_workers=min(PARALLEL_LOGINS, len(specs))) as pool:
        answers = list(pool.map(one, specs))
    return {spec.user: answer for spec, answer in zip(specs, answers, strict=True) if answer is not None}


def verify_login(endpoint: Endpoint, login: LoginSpec) -> dict[str, Any]:
    """One service's login as its application makes it, and what must not work."""
    user = _as_user(endpoint, login.user, login.password)
    failures: list[str] = []
    refused: dict[str, str] = {}
    seen: dict[str, Any] = {"name": login.name, "user": login.user, "database": login.database}
    try:
        raw = _raw_connection(user, tls_context(endpoint), login.database)
    except (pymysql.MySQLError, OSError) as error:
        failures.append(explain(error, "logging in over TLS", user))
        return {**seen, "tls": "", "grants": [], "refused": refused, "failures": failures}
    try:
        with raw.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            seen["account"] = str((cursor.fetchone() or [""])[0])
            cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_%%'", ())
            status = {str(name): str(value) for name, value in cursor.fetchall()}
            seen["tls"] = f"{status.get('Ssl_version', '')} {status.get('Ssl_cipher', '')}".strip()
            cursor.execute("SHOW GRANTS")
            seen["grants"] = [str(row[0]) for row in cursor.fetchall()]
        if not seen["tls"]:
            failures.append(f"{login.name}: the session is not encrypted")
        failures.extend(_grant_faults(login, seen["grants"]))
        for what, statement in _forbidden(login):
            answer = _attempt(raw, statement)
            refused[what] = answer or "ALLOWED"
            if answer is None:
                failures.append(f"{login.name}: {what} is allowed and must not be")
    except (pymysql.MySQLError, OSError) as error:
        failures.append(explain(error, f"{login.name}: asking as the service", user))
    finally:
        raw.close()
    plain = _plaintext_refusal(user)
    refused["login without TLS"] = plain or "ALLOWED"
    if plain is None:
        failures.append(f"{login.name}: a login without TLS is accepted and must be refused")
    return {**seen, "refused": refused, "failures": failures}


def _grant_faults(login: LoginSpec, grants: Sequence[str]) -> list[str]:
    """SHOW GRANTS must say exactly USAGE and the wanted privileges on the one database."""
    spec = ServiceSpec(login.name, login.database, login.user, None, "", "", 0, login.grants)
    wanted = wanted_grant(spec)
    account = shown_account(account_of(spec))
    usage = f"GRANT USAGE ON *.* TO {account}"
    # The server writes privileges in its own order, hence sets.
    tail = f" ON {shown_identifier(wanted.on[0])}.* TO {account}"
    found = False
    faults = []
    for line in grants:
        if line == usage:
            continue
        names = line.removeprefix("GRANT ").removesuffix(tail)
        if line.endswith(tail) and {item.strip() for item in names.split(",")} == wanted.privileges:
            found = True
        else:
            faults.append(f"{login.name}: holds also: {line}")
    if not found:
        faults.append(f"{login.name}: does not hold exactly {privilege_list(wanted.privileges)[1]}{tail}")
    return faults


def _forbidden(login: LoginSpec) -> list[tuple[str, Statement]]:
    """What the service may not do. Each would do no harm if it were allowed."""
    database = identifier(login.database)
    attempts = [
        ("reading the accounts", Statement("SELECT 1 FROM mysql.user LIMIT 1")),
        ("changing a server setting", Statement("SET GLOBAL max_connections = @@GLOBAL.max_connections")),
        ("granting its own privileges", Statement(f"GRANT SELECT ON {database}.* TO %s@%s", (login.user, "%"))),
        ("making accounts", Statement("CREATE USER IF NOT EXISTS %s@%s ACCOUNT LOCK", (login.user, "%"))),
    ]
    for privilege, what, sql in (
        ("DROP", "dropping a table", f"DROP TABLE IF EXISTS {database}.groundwork_not_allowed"),
        (
            "CREATE TEMPORARY TABLES",
            "a temporary table",
            f"CREATE TEMPORARY TABLE {database}.groundwork_not_allowed (i INT)",
        ),
        ("EVENT", "listing events", f"SHOW EVENTS FROM {database}"),
    ):
        if privilege not in login.grants:
            attempts.append((f"{what} (a privilege not held)", Statement(sql)))
    attempts.extend((f"using database {name}", Statement(f"USE {identifier(name)}")) for name in login.foreign)
    return attempts


def _attempt(raw: Any, statement: Statement) -> str | None:
    """The refusal's text, None when it was allowed. Other errors than refusals are raised."""
    try:
        with raw.cursor() as cursor:
            cursor.execute(statement.sql, statement.parameters)
    except pymysql.MySQLError as error:
        if _code(error) in LACKS_PRIVILEGE:
            return f"refused (error {_code(error)})"
        raise
    return None


def _plaintext_refusal(user: Endpoint) -> str | None:
    try:
        raw = _raw_connection(user, None)
    except (pymysql.MySQLError, OSError) as error:
        if _code(error) in {ER_ACCESS_DENIED, ER_PLAINTEXT_REFUSED}:
            return f"refused (error {_code(error)})"
        raise DatabaseError(explain(error, "trying a login without TLS", user)) from error
    raw.close()
    return None
