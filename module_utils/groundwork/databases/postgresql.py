"""PostgreSQL: reads the server's state, applies the difference under a server-side lock, reads it back, logs in."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

from .model import DatabaseError, Endpoint, Engine, LoginSpec, Options, Report, ServiceSpec
from .postgresql_plan import (
    DEFAULT_GRANTS,
    ENCODING,
    GRANTS,
    LOGIN_NOT_SCRAM,
    LOGIN_OK,
    LOGIN_WRONG,
    OWNER,
    OWNER_SUFFIX,
    Planner,
    ServicePlan,
    can_try_login,
    is_limited,
    managed_roles,
    owner_of,
    wanted_on,
)
from .postgresql_sql import MAX_NAME_BYTES, Name, Secret, Statement, Value, name_fault, role_fault, statement
from .postgresql_state import (
    MAINTENANCE,
    SYSTEM_DATABASES,
    SYSTEM_ROLES,
    Inside,
    ServerState,
    read_cluster,
    read_inside,
    read_server,
)
from .tls import ca_bundle

MISSING: str | None = None
try:
    import psycopg
    from psycopg import sql
    from psycopg.rows import dict_row
except ImportError as import_error:
    MISSING = import_error.name

#: The server-side advisory lock that a changing run holds, in the maintenance database: "groundwk" in ASCII.
LOCK = 0x67726F756E64776B
LOCK_NAME = "groundwork.shared_databases"
#: PUBLIC makes nothing in schema public, and pg_database_owner owns it, since this version.
OLDEST = 150000
PARALLEL = 4
MAX_PASSWORD_BYTES = 256
#: How long the server may count a connection that was closed, which matters to a login with a low limit.
CLOSING_SECONDS = 5
#: A first round that meets something unforeseen (a database that could not be looked into) is followed by one more.
ROUNDS = 2
INSUFFICIENT_PRIVILEGE = "42501"
_REMEDIES = {
    "53100": "the server's disk is full: raise the allocated storage, then run again",
    "53200": "the server is out of memory: take a larger instance, then run again",
    "53300": "the server has no free connection: see who holds them (pg_stat_activity), then run again",
    "25006": "the server is read-only: is this a replica? Take the writer's endpoint",
    "55P03": "an open transaction holds a lock on it: end it (pg_stat_activity, pg_blocking_pids), then run again",
    "55006": "it is in use: end the sessions that use it, then run again",
    "57014": "the server was too slow; run again",
    "57P01": "the server is going down; the next run goes on where this one stopped",
    "57P03": "the server is starting or stopping; run again when it is up",
}
# What libpq has for a refused login is text only; the server's messages are English unless lc_messages says otherwise.
_WRONG = "password authentication failed"
_NOT_SCRAM = ("authentication method requirement", "server did not complete authentication")
#: Said only after the password was accepted.
_AFTER_THE_PASSWORD = (
    'FATAL:  database "',
    "permission denied for database",
    "too many connections for role",
    "too many connections for database",
    "remaining connection slots are reserved",
    "is not currently accepting connections",
    "is not permitted to log in",
)
_PLAINTEXT_REFUSED = ("no pg_hba.conf entry", "pg_hba.conf rejects connection")
_BROKE = "the connection broke; the next run goes on where this one stopped"
_TEXT_REMEDIES = {
    _WRONG: (
        "the password in the secret is not the server's, or the account does not exist; set the master password (RDS) "
        "to the secret's"
    ),
    "no pg_hba.conf entry": "the server does not let this user in from here: look at the security group and at rds.force_ssl",
    "authentication method requirement": (
        "the server asks for the password in another way than SCRAM-SHA-256: set password_encryption to scram-sha-256 and "
        "the password anew"
    ),
    "Connection refused": "check the name, the security group and that the server runs",
    "timeout": "check the name, the security group and that the server runs",
    "failed to resolve host": "check the name, the security group and that the server runs",
    "too many clients": _REMEDIES["53300"],
    "connection slots are reserved": _REMEDIES["53300"],
    "starting up": _REMEDIES["57P03"],
    "shutting down": _REMEDIES["57P03"],
    "server closed the connection": _BROKE,
    "unexpected eof": _BROKE,
    "Connection reset": _BROKE,
    "No space left": _REMEDIES["53100"],
    "connection is closed": _BROKE,
    "connection is lost": _BROKE,
}


def explain(error: BaseException, doing: str, endpoint: Endpoint) -> str:
    """What failed, where, why and the remedy."""
    text = " ".join(str(error).split())
    where = f"{doing} at {endpoint.where} as {endpoint.user}"
    if "certificate" in text.lower() and ("SSL error" in text or "server certificate" in text):
        reason = _certificate_reason(endpoint) or text
        return (
            f"{where}: the server's certificate is not accepted: {reason}. Remedy: give the CA bundle of this server "
            "and the endpoint's own name; never switch the verification off."
        )
    code = str(getattr(error, "sqlstate", None) or "")
    remedy = _REMEDIES.get(code) or next((what for part, what in _TEXT_REMEDIES.items() if part in text), "")
    if not remedy and code.startswith("08"):
        remedy = _TEXT_REMEDIES["connection is lost"]
    return f"{where}: {text}{f' (error {code})' if code else ''}." + (f" Remedy: {remedy}." if remedy else "")


def _certificate_reason(endpoint: Endpoint) -> str:
    """Why the certificate is not accepted, which libpq does not say; empty when this cannot be found out."""
    # https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file or None, cadata=endpoint.ca_pem or None)
        with socket.create_connection((endpoint.host, endpoint.port), timeout=endpoint.connect_timeout) as plain:
            plain.sendall(struct.pack("!ii", 8, 80877103))
            if plain.recv(1) == b"S":
                context.wrap_socket(plain, server_hostname=endpoint.host).close()
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except (OSError, ValueError):
        return ""
    return ""


def _raw_connection(endpoint: Endpoint, ca: str | None, database: str, *, own_settings: bool = False) -> Any:
    """A connection of the driver. Without `ca` plaintext is tried, and no password is sent.

    `own_settings`: the session begins as the application's would, without settings for this program's work.
    """
    # Shadowing objects in other schemas are not found, and nobody's lock is waited for without end.
    work = "-c search_path=pg_catalog -c lock_timeout=10s -c statement_timeout=120s -c client_min_messages=warning"
    return psycopg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password if ca else None,
        dbname=database,
        sslmode="verify-full" if ca else "disable",
        sslrootcert=ca,
        ssl_min_protocol_version="TLSv1.2",
        # Nothing of this machine's account: neither its client certificate nor its password file.
        sslcertmode="disable",
        gssencmode="disable",
        passfile="/nonexistent",
        require_auth="scram-sha-256",
        client_encoding="UTF8",
        connect_timeout=endpoint.connect_timeout,
        tcp_user_timeout=120_000,
        application_name="groundwork",
        options="" if own_settings else work,
        autocommit=True,
    )


class Connection:
    """A connection that counts its queries."""

    def __init__(self, raw: Any, endpoint: Endpoint) -> None:
        self.raw = raw
        self._endpoint = endpoint
        self.queries = 0

    def query(self, text: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Runs a constant statement and returns its rows."""
        self.queries += 1
        try:
            with self.raw.cursor(row_factory=dict_row) as cursor:
                cursor.execute(text, parameters)
                return list(cursor.fetchall())
        except (psycopg.Error, OSError) as error:
            raise DatabaseError(explain(error, "reading the server's state", self._endpoint)) from error

    def run(self, item: Statement) -> None:
        """Runs a statement; the driver's own exception on failure."""
        self.queries += 1
        self.raw.execute(self._composed(item))

    def _composed(self, item: Statement) -> Any:
        parts: list[Any] = []
        for part in item.parts:
            if isinstance(part, Name):
                parts.append(sql.Identifier(*part.names))
            elif isinstance(part, Value):
                parts.append(sql.Literal(part.value))
            elif isinstance(part, Secret):
                # As psql's \password does: the password itself reaches neither the server nor its log.
                verifier = self.raw.pgconn.encrypt_password(
                    part.password.encode(), part.role.encode(), b"scram-sha-256"
                )
                parts.append(sql.Literal(verifier.decode()))
            else:
                # Checked by Statement to be words only.
                parts.append(sql.SQL(part))
        return sql.Composed(parts)


@contextmanager
def connect(endpoint: Endpoint, ca: str, database: str = MAINTENANCE) -> Iterator[Connection]:
    """A connection over verified TLS."""
    try:
        raw = _raw_connection(endpoint, ca, database)
    except (psycopg.Error, OSError) as error:
        raise DatabaseError(explain(error, f"logging in to database {database}", endpoint)) from error
    try:
        yield Connection(raw, endpoint)
    finally:
        # The work is done or has its own error; a connection that is gone needs no closing.
        with suppress(psycopg.Error, OSError):
            raw.close()


def carry_out(connection: Connection, item: Statement, doing: str, endpoint: Endpoint) -> None:
    """Runs a statement; a failure says what failed, where, why and the remedy."""
    try:
        connection.run(item)
    except (psycopg.Error, OSError) as error:
        raise DatabaseError(explain(error, doing, endpoint)) from error


@contextmanager
def server_lock(connection: Connection, endpoint: Endpoint, timeout: int) -> Iterator[None]:
    """Holds the server-side lock; the server frees it when the connection ends, however that is."""
    try:
        with connection.raw.transaction():
            # 0 would mean to wait for ever.
            limits = {"lock": f"{max(timeout * 1000, 1)}ms", "all": f"{timeout + 60}s"}
            connection.raw.execute(
                "SELECT set_config('lock_timeout', %(lock)s, true), set_config('statement_timeout', %(all)s, true)",
                limits,
            )
            connection.raw.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    except psycopg.errors.LockNotAvailable as error:
        holders = connection.query(
            "SELECT a.pid, a.usename AS name, coalesce(host(a.client_addr), 'the server itself') AS host,"
            " coalesce(extract(epoch FROM now() - a.backend_start)::int, 0) AS seconds"
            " FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted"
            " AND (l.classid::bigint << 32) + l.objid::bigint = %(lock)s AND l.objsubid = 1",
            {"lock": LOCK},
        )
        who = "; ".join(
            f"connection {item['pid']} of {item['name']} from {item['host']}, for {item['seconds']} s"
            for item in holders
        )
        raise DatabaseError(
            f"another run holds the lock {LOCK_NAME} at {endpoint.where} ({who or 'it ended just now'}), waited "
            f"{timeout} s. Remedy: let it end, then run again."
        ) from error
    except (psycopg.Error, OSError) as error:
        raise DatabaseError(explain(error, "taking the lock", endpoint)) from error
    try:
        yield
    finally:
        # When the connection broke, the lock went with it.
        with suppress(psycopg.Error, OSError):
            connection.raw.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def check_server(state: ServerState, endpoint: Endpoint) -> None:
    """Refuses servers on which roles and schemas would mean something else."""
    if state.number < OLDEST:
        raise DatabaseError(
            f"{endpoint.where} is PostgreSQL {state.version}. Remedy: upgrade it to {OLDEST // 10000} or newer."
        )
    if not state.version[:1].isdigit():
        raise DatabaseError(f"{endpoint.where} is no PostgreSQL but {state.version}. Remedy: give a PostgreSQL server.")


def check_users(specs: Sequence[ServiceSpec], endpoint: Endpoint) -> None:
    """Refuses logins that are something else on this server."""
    owners = {owner_of(spec.database): spec for spec in specs}
    for spec in specs:
        if spec.user == endpoint.user or owner_of(spec.database) == endpoint.user:
            raise DatabaseError(f"{spec.name}: {endpoint.user!r} is the administrator that this run logs in as")
        if spec.user in owners:
            raise DatabaseError(
                f"{spec.name}: user {spec.user!r} is the owner role of database {owners[spec.user].database!r}"
            )


class PostgreSQL(Engine):
    """PostgreSQL 15 and newer, on RDS or elsewhere; the administrator needs CREATEROLE and CREATEDB, not SUPERUSER."""

    name = "postgresql"
    default_port = 5432
    default_charset = ENCODING
    #: That of template0.
    default_collation = ""
    default_grants = DEFAULT_GRANTS

    def faults(self, spec: ServiceSpec) -> list[str]:
        faults = []
        fault = name_fault(spec.database, most=MAX_NAME_BYTES - len(OWNER_SUFFIX))
        if fault:
            faults.append(f"PostgreSQL cannot have {spec.database!r} as a database with an owner role: {fault}")
        elif fault := role_fault(owner_of(spec.database)):
            faults.append(f"PostgreSQL refuses {owner_of(spec.database)!r} as the owner role: {fault}")
        if spec.database.lower() in SYSTEM_DATABASES:
            faults.append(f"{spec.database!r} is one of the server's own databases")
        fault = role_fault(spec.user)
        if fault:
            faults.append(f"PostgreSQL refuses {spec.user!r} as a user: {fault}")
        if spec.user.lower() in SYSTEM_ROLES or owner_of(spec.database).lower() in SYSTEM_ROLES:
            faults.append(f"{spec.user!r} is one of the server's own roles")
        if spec.user == owner_of(spec.database):
            faults.append(f"{spec.user!r} is the name of the database's owner role")
        if spec.password is not None:
            if any(ord(character) < 32 or ord(character) == 127 for character in spec.password):
                faults.append("the password has a control character")
            try:
                if len(spec.password.encode()) > MAX_PASSWORD_BYTES:
                    faults.append(f"the password is longer than {MAX_PASSWORD_BYTES} bytes")
            except UnicodeEncodeError:
                faults.append("the password is not text in Unicode")
        unknown = spec.grants - GRANTS
        if unknown:
            faults.append(
                f"{', '.join(sorted(unknown))} cannot be granted here; there are: {', '.join(sorted(GRANTS))}"
            )
        if not spec.grants:
            faults.append("grants is empty")
        if OWNER in spec.grants and len(spec.grants) > 1:
            faults.append(f"{OWNER} stands alone: it has every other privilege")
        if spec.charset.upper().replace("-", "") != ENCODING:
            faults.append(f"the encoding is {ENCODING}, not {spec.charset!r}")
        if not all(character.isalnum() or character in "_.-@" for character in spec.collation):
            faults.append(f"{spec.collation!r} is not the name of a locale")
        return faults

    def ensure(self, endpoint: Endpoint, specs: Sequence[ServiceSpec], options: Options) -> Report:
        require_driver()
        check_users(specs, endpoint)
        with ca_bundle(endpoint) as ca, connect(endpoint, ca) as connection, ExitStack() as stack:
            run = Run(endpoint, ca, connection, list(specs), options)
            if not options.check:
                stack.enter_context(server_lock(connection, endpoint, options.lock_timeout))
            return run.ensure()

    def verify_login(self, endpoint: Endpoint, login: LoginSpec) -> dict[str, Any]:
        require_driver()
        return verify_login(endpoint, login)


class Run:
    """One run of `ensure`."""

    def __init__(
        self, endpoint: Endpoint, ca: str, connection: Connection, specs: list[ServiceSpec], options: Options
    ) -> None:
        self._endpoint = endpoint
        self._ca = ca
        self._connection = connection
        self._specs = specs
        self._options = options
        self._queries_inside = 0

    def ensure(self) -> Report:
        endpoint = self._endpoint
        check_server(read_server(self._connection.query), endpoint)
        state, planner, plans = self._compare()
        report = self._report(state, planner, plans)
        wanted = [plan for plan in plans if plan.statements]
        if wanted and state.read_only:
            raise DatabaseError(
                f"{endpoint.where} is read-only and {', '.join(plan.service for plan in wanted)} needs a change. "
                "Remedy: take the writer's endpoint; this is a replica or a server in maintenance."
            )
        if not self._options.check:
            for _ in range(ROUNDS):
                if not wanted:
                    break
                self._apply(wanted)
                state, planner, plans = self._compare()
                wanted = [plan for plan in plans if plan.statements]
            if wanted:
                left = [f"{plan.service}: {plan.before} instead of {plan.after}" for plan in wanted]
                raise DatabaseError(
                    f"every statement was carried out at {endpoint.where}, but reading back shows: {'; '.join(left)}. "
                    "Remedy: another administrator changes the same roles; find out who, then run again."
                )
        if plaintext_allowed(endpoint, MAINTENANCE):
            report.warnings.append(
                f"{endpoint.where} accepts connections without TLS. Remedy: set rds.force_ssl = 1 in the parameter "
                "group (elsewhere: hostssl in pg_hba.conf)"
            )
        report.queries = self._connection.queries + self._queries_inside
        return report

    def _compare(self) -> tuple[ServerState, Planner, list[ServicePlan]]:
        managed = managed_roles(self._specs)
        state = read_cluster(self._connection.query, managed)
        state = replace(state, insides=self._insides(state, managed))
        logins = self._try_logins([spec for spec in self._specs if can_try_login(state.roles.get(spec.user))])
        planner = Planner(self._specs, state, logins)
        return state, planner, planner.plans()

    def _insides(self, state: ServerState, managed: Sequence[str]) -> dict[str, Inside]:
        mine: dict[str, list[ServiceSpec]] = {}
        for spec in self._specs:
            mine.setdefault(spec.database, []).append(spec)
        names = [
            name
            for name, database in state.databases.items()
            if (name in mine or name in state.mentioned) and database.reachable and not database.invalid
        ]

        def one(name: str) -> tuple[Inside, int]:
            specs = mine.get(name, [])
            with connect(self._endpoint, self._ca, name) as connection:
                inside = read_inside(
                    connection.query,
                    managed,
                    owner_of(name) if specs else "",
                    [spec.user for spec in specs],
                    listed=any(is_limited(spec) for spec in specs),
                )
                return inside, connection.queries

        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            answers = dict(zip(names, pool.map(one, names), strict=True))
        self._queries_inside += sum(queries for _, queries in answers.values())
        return {name: inside for name, (inside, _) in answers.items()}

    def _apply(self, plans: Sequence[ServicePlan]) -> None:
        """What belongs to the whole server first: databases must be there before they are connected to."""
        steps = [(plan.service, item) for plan in plans for item in plan.statements]
        places = list(dict.fromkeys(item.database for _, item in steps))
        done = 0
        refused: list[str] = []
        for place in sorted(places, key=bool):
            with ExitStack() as stack:
                connection = self._connection
                if place:
                    connection = stack.enter_context(connect(self._endpoint, self._ca, place))
                for service, item in steps:
                    if item.database != place:
                        continue
                    try:
                        connection.run(item)
                    except (psycopg.Error, OSError) as error:
                        if getattr(error, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
                            # The others can still be made right; this one is told at the end.
                            refused.append(f"{service}: {item.shown} ({' '.join(str(error).split())})")
                            continue
                        doing = f"{service}: {item.shown} (statement {done + 1} of {len(steps)})"
                        raise DatabaseError(explain(error, doing, self._endpoint)) from error
                    done += 1
                if place:
                    self._queries_inside += connection.queries
        if refused:
            raise DatabaseError(
                f"{done} of {len(steps)} statements were carried out at {self._endpoint.where}; {self._endpoint.user} "
                "may not:\n"
                + "\n".join(f"  - {item}" for item in refused)
                + "\nRemedy: let an account that holds the privilege do these (on RDS: AWS support), then run again."
            )

    def _report(self, state: ServerState, planner: Planner, plans: Sequence[ServicePlan]) -> Report:
        changed = [plan for plan in plans if plan.statements]
        unknown = planner.strangers(self._options.ignore_users | {self._endpoint.user})
        return Report(
            server={"engine": "postgresql", "version": state.version, "max_connections": state.max_connections},
            before={plan.service: plan.before for plan in changed},
            after={plan.service: plan.after for plan in changed},
            changes=[f"{plan.service}: {item.shown}" for plan in changed for item in plan.statements],
            created_databases=[
                spec.database for spec, plan in zip(self._specs, plans, strict=True) if plan.creates_database
            ],
            created_users=[spec.user for spec, plan in zip(self._specs, plans, strict=True) if plan.creates_user],
            updated=[plan.service for plan in changed if not plan.creates_user],
            unknown_databases=unknown.databases,
            unknown_users=unknown.users,
            other_access=unknown.access,
            second_passwords=unknown.second_logins,
            warnings=[
                *(f"{plan.service}: {warning}" for plan in plans for warning in plan.warnings),
                *planner.warnings(),
            ],
        )

    def _try_logins(self, specs: Sequence[ServiceSpec]) -> dict[str, str]:
        """What a login with each service's wanted password shows. A verifier could not tell, and cannot be read."""

        def one(spec: ServiceSpec) -> str | None:
            if spec.password is None:
                return None
            return try_login(as_user(self._endpoint, spec.user, spec.password), self._ca, spec.database)

        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            answers = list(pool.map(one, specs))
        return {spec.user: answer for spec, answer in zip(specs, answers, strict=True) if answer is not None}


def require_driver() -> None:
    if MISSING is not None:
        raise DatabaseError(
            f"Python package '{MISSING}' is missing: install psycopg[binary] into the Python that runs this module "
            "(ansible_python_interpreter)."
        )


def as_user(endpoint: Endpoint, user: str, password: str) -> Endpoint:
    return replace(endpoint, user=user, password=password)


def try_login(user: Endpoint, ca: str, database: str) -> str:
    """What a login shows about its password: one of LOGIN_OK, LOGIN_WRONG, LOGIN_NOT_SCRAM."""
    try:
        _raw_connection(user, ca, database).close()
    except (psycopg.Error, OSError) as error:
        text = str(error)
        if _WRONG in text:
            return LOGIN_WRONG
        if any(part in text for part in _NOT_SCRAM):
            return LOGIN_NOT_SCRAM
        if any(part in text for part in _AFTER_THE_PASSWORD):
            return LOGIN_OK
        raise DatabaseError(explain(error, "trying the login", user)) from error
    return LOGIN_OK


def plaintext_allowed(user: Endpoint, database: str) -> bool:
    """Whether the server goes on with a login without TLS. No password is sent: being asked for it is the answer."""
    try:
        _raw_connection(user, None, database).close()
    except (psycopg.Error, OSError) as error:
        connection = getattr(error, "pgconn", None)
        if connection is not None and connection.needs_password:
            return True
        text = str(error)
        if any(part in text for part in _PLAINTEXT_REFUSED):
            return False
        # Let in without being asked, which only SCRAM may do.
        if any(part in text for part in _NOT_SCRAM):
            return True
        raise DatabaseError(explain(error, "trying a login without TLS", user)) from error
    return True


# --- verifying a login ---------------------------------------------------------------------------------------------

_TLS = """
SELECT concat_ws(' ', version, cipher) AS tls FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl
"""
_ROLES_HELD = """
SELECT g.rolname AS name FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
 WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = session_user) ORDER BY 1
"""
# Of a limited login, what it really may do on each thing of the owner role, however it came by it.
_EFFECTIVE = """
SELECT kind, privilege, has, count(*) AS things FROM (
  SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, p.privilege,
         CASE c.relkind WHEN 'S' THEN has_sequence_privilege(session_user, c.oid, p.privilege)
                        ELSE has_table_privilege(session_user, c.oid, p.privilege) END AS has
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN (VALUES ('S'::"char", 'USAGE'), ('S', 'SELECT'), ('S', 'UPDATE'), ('r', 'SELECT'), ('r', 'INSERT'),
                      ('r', 'UPDATE'), ('r', 'DELETE'), ('r', 'TRUNCATE'), ('r', 'REFERENCES'), ('r', 'TRIGGER'))
           p(kind, privilege) ON p.kind = CASE c.relkind WHEN 'S' THEN 'S' ELSE 'r' END
   WHERE pg_get_userbyid(c.relowner) = %(owner)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
     AND n.nspname NOT LIKE 'pg\\_%%'
  UNION ALL
  SELECT 'SCHEMA', p.privilege, has_schema_privilege(session_user, n.oid, p.privilege)
    FROM pg_namespace n CROSS JOIN (VALUES ('USAGE'), ('CREATE')) p(privilege)
   WHERE pg_get_userbyid(n.nspowner) = %(owner)s AND n.nspname NOT LIKE 'pg\\_%%'
  UNION ALL
  SELECT 'DATABASE', p.privilege, has_database_privilege(session_user, d.oid, p.privilege)
    FROM pg_database d CROSS JOIN (VALUES ('CONNECT'), ('CREATE'), ('TEMPORARY')) p(privilege)
   WHERE d.datname = current_database()) held
 GROUP BY kind, privilege, has
"""


def verify_login(endpoint: Endpoint, login: LoginSpec) -> dict[str, Any]:
    """One service's login as its application makes it, and what must not work."""
    user = as_user(endpoint, login.user, login.password)
    failures: list[str] = []
    refused: dict[str, str] = {}
    seen: dict[str, Any] = {"name": login.name, "user": login.user, "database": login.database}
    with ca_bundle(endpoint) as ca:
        try:
            raw = _raw_connection(user, ca, login.database, own_settings=True)
        except (psycopg.Error, OSError) as error:
            failures.append(explain(error, "logging in over TLS", user))
            return {**seen, "account": "", "tls": "", "grants": [], "refused": refused, "failures": failures}
        try:
            connection = Connection(raw, user)
            seen["account"] = str(connection.query("SELECT current_user::text AS acting", {})[0]["acting"])
            # The server shows a session's TLS to the login only, not to the role it acts as.
            with raw.transaction():
                connection.run(statement("SET LOCAL ROLE NONE"))
                seen["tls"] = "".join(str(row["tls"]) for row in connection.query(_TLS, {}))
            if not seen["tls"]:
                failures.append(f"{login.name}: the session is not encrypted")
            seen["grants"], faults = _held_faults(connection, login, seen["account"])
            failures += faults
            for what, item in _forbidden(login):
                answer = _attempt(connection, item)
                refused[what] = answer or "ALLOWED"
                if answer is None:
                    failures.append(f"{login.name}: {what} is allowed and must not be")
        except (psycopg.Error, OSError) as error:
            failures.append(explain(error, f"{login.name}: asking as the service", user))
        finally:
            raw.close()
        for name in login.foreign:
            answer = _connect_refusal(user, ca, name)
            refused[f"using database {name}"] = answer or "ALLOWED"
            if answer is None:
                failures.append(f"{login.name}: using database {name} is allowed and must not be")
    plain = plaintext_allowed(user, login.database)
    refused["login without TLS"] = "ALLOWED" if plain else "refused"
    if plain:
        failures.append(f"{login.name}: a login without TLS is accepted and must be refused (rds.force_ssl)")
    return {**seen, "refused": refused, "failures": failures}


def _held_faults(connection: Connection, login: LoginSpec, acting: str) -> tuple[list[str], list[str]]:
    """What the login holds, and what of it is not as it should be."""
    owner = owner_of(login.database)
    spec = ServiceSpec(login.name, login.database, login.user, None, "", "", 0, login.grants)
    groups = [str(row["name"]) for row in connection.query(_ROLES_HELD, {})]
    faults = []
    wanted_groups = [] if is_limited(spec) else [owner]
    if sorted(set(groups)) != wanted_groups:
        faults.append(f"{login.name}: is a member of {groups or 'no role'}, should be of {wanted_groups or 'none'}")
    wanted_acting = login.user if is_limited(spec) else owner
    if acting != wanted_acting:
        faults.append(f"{login.name}: its sessions act as {acting}, they should as {wanted_acting}")
    if not is_limited(spec):
        table = statement("CREATE TABLE public.", Name(("groundwork_login_check",)), " ()")
        if answer := _attempt(connection, table):
            faults.append(f"{login.name}: making a table in schema public is {answer}")
        return [f"member of {name}" for name in groups], faults
    shown: list[str] = []
    for row in connection.query(_EFFECTIVE, {"owner": owner}):
        wanted = row["privilege"] in wanted_on(spec, str(row["kind"]))
        on = f"{row['privilege']} ON {row['things']} {row['kind']}"
        if row["has"]:
            shown.append(on)
        if row["has"] != wanted:
            faults.append(f"{login.name}: {'does not hold' if wanted else 'holds also'} {on}")
    return sorted(shown), faults


def _forbidden(login: LoginSpec) -> list[tuple[str, Statement]]:
    """What the service may not do. Each is rolled back if it is allowed after all."""
    attempts = [
        ("reading the passwords", statement("SELECT FROM pg_authid LIMIT ", Value(1))),
        ("changing a superuser's setting", statement("SET LOCAL log_statement = ", Value("none"))),
        ("making roles", statement("CREATE ROLE ", Name(("groundwork_login_check",)))),
        ("reading the server's files", statement("SELECT pg_read_file(", Value("PG_VERSION"), ")")),
        ("becoming a role that reads everything", statement("SET LOCAL ROLE pg_read_all_data")),
    ]
    if OWNER not in login.grants:
        table = statement("CREATE TABLE public.", Name(("groundwork_login_check",)), " ()")
        attempts.append(("making a table (a privilege not held)", table))
        owner = statement("SET LOCAL ROLE ", Name((owner_of(login.database),)))
        attempts.append(("becoming the owner role", owner))
    return attempts


def _attempt(connection: Connection, item: Statement) -> str | None:
    """The refusal's text, None when it was allowed. Other errors than refusals are raised."""
    try:
        with connection.raw.transaction(force_rollback=True):
            connection.run(item)
    except psycopg.Error as error:
        if getattr(error, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            return f"refused (error {INSUFFICIENT_PRIVILEGE})"
        raise
    return None


def _connect_refusal(user: Endpoint, ca: str, database: str) -> str | None:
    deadline = time.monotonic() + CLOSING_SECONDS
    while True:
        try:
            _raw_connection(user, ca, database).close()
        except (psycopg.Error, OSError) as error:
            if "permission denied for database" in str(error):
                return "refused"
            if "too many connections for role" in str(error) and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise DatabaseError(explain(error, f"trying database {database}", user)) from error
        return None
