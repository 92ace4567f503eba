"""What a PostgreSQL server has.

Roles, memberships, settings and databases belong to the whole server and are read with a constant number of queries,
whatever the number of services. Schemas, default privileges and objects can be seen only from inside their database:
a constant number of queries in one connection for each managed database, and for each other one that the server says
has something granted to a managed role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Runs one constant statement with named parameters and returns its rows as dictionaries.
Query = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]

#: The database of the connection that changes what belongs to the whole server; always there, on RDS too.
MAINTENANCE = "postgres"
SYSTEM_DATABASES = frozenset({"postgres", "template0", "template1", "rdsadmin"})
#: What RDS makes; roles of PostgreSQL itself begin with pg_.
SYSTEM_ROLES = frozenset(
    {
        "rdsadmin",
        "rds_superuser",
        "rds_password",
        "rds_replication",
        "rds_ad",
        "rds_iam",
        "rds_extension",
        "rds_reserved",
        "rdsproxyadmin",
        "rdsrepladmin",
        "rdstopmgr",
        "rdswriteforwarduser",
    }
)


@dataclass(frozen=True)
class Role:
    """A role's attributes; its password cannot be read. The last three say what this run's administrator may do."""

    login: bool = False
    superuser: bool = False
    inherit: bool = True
    createdb: bool = False
    createrole: bool = False
    replication: bool = False
    bypassrls: bool = False
    #: -1: no limit.
    connection_limit: int = -1
    #: When the password ends, empty for never.
    valid_until: str = ""
    #: valid_until has passed, so that no login can succeed.
    expired: bool = False
    #: May be altered and granted.
    admin: bool = False
    #: Its privileges are the administrator's as well.
    usable: bool = False
    #: The administrator may become it, and so hand objects over to it.
    settable: bool = False


@dataclass(frozen=True)
class Membership:
    """`role` was granted to `member`. Before version 16 there are no options but ADMIN."""

    role: str
    member: str
    grantor: str
    admin: bool = False
    inherit: bool = True
    set: bool = True


@dataclass(frozen=True)
class Setting:
    """A parameter of a role's sessions; `database` is empty for all databases."""

    role: str
    database: str
    name: str
    value: str
    #: The administrator may take it away.
    resettable: bool = True


@dataclass(frozen=True)
class Entry:
    """One privilege of an ACL."""

    #: Empty for PUBLIC.
    grantee: str
    privilege: str
    grantable: bool
    grantor: str


@dataclass(frozen=True)
class Database:
    """A database as the server's catalog shows it from outside."""

    owner: str
    encoding: str
    locale: str
    connection_limit: int
    allow_connections: bool
    template: bool
    #: What an interrupted DROP DATABASE leaves behind.
    invalid: bool
    #: The administrator may connect.
    reachable: bool
    acl: frozenset[Entry]


@dataclass(frozen=True)
class Thing:
    """Something that privileges are granted on."""

    #: SCHEMA, TABLE, SEQUENCE, ROUTINE, TYPE, DOMAIN, LANGUAGE, LARGE OBJECT, TABLESPACE, PARAMETER, …: as GRANT says it
    kind: str
    #: Schema and name; the name only where there is no schema.
    path: tuple[str, ...]
    #: Of a routine, schema and name of each argument's type.
    arguments: tuple[tuple[str, str], ...] = ()
    #: Of a table, for privileges on a column.
    column: str = ""


@dataclass(frozen=True)
class Held:
    """A privilege on a thing, and whose the thing is."""

    thing: Thing
    owner: str
    entry: Entry


@dataclass(frozen=True)
class Default:
    """A privilege that things will get when `creator` makes them; `schema` is empty for all schemas."""

    creator: str
    schema: str
    #: TABLES, SEQUENCES, ROUTINES, TYPES, SCHEMAS
    kind: str
    entry: Entry


@dataclass(frozen=True)
class Inside:
    """What a database has, as far as managed roles and PUBLIC are concerned."""

    #: Owner of each schema that is not the server's own.
    schemas: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[Held] = frozenset()
    defaults: frozenset[Default] = frozenset()
    #: What the owner role owns, without members of extensions.
    owned: frozenset[Thing] = frozenset()
    #: Logins that own things themselves, with what they own.
    strays: Mapping[str, tuple[Thing, ...]] = field(default_factory=dict)
    #: Sequences of columns of these: they change hands with their tables.
    following: Mapping[str, tuple[Thing, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerState:
    """Everything that the planner looks at."""

    version: str
    #: 170011 for 17.11.
    number: int
    read_only: bool
    max_connections: int
    #: Kept for superusers and for members of pg_use_reserved_connections.
    reserved_connections: int
    administrator: str
    password_encryption: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    memberships: frozenset[Membership] = frozenset()
    settings: frozenset[Setting] = frozenset()
    databases: Mapping[str, Database] = field(default_factory=dict)
    #: Privileges on tablespaces and parameters, which belong to no database.
    held: frozenset[Held] = frozenset()
    #: Databases in which something is granted to a managed role or owned by it.
    mentioned: frozenset[str] = frozenset()
    insides: Mapping[str, Inside] = field(default_factory=dict)

    @property
    def has_grant_options(self) -> bool:
        """Memberships have INHERIT and SET, and CREATEROLE reaches only roles held with ADMIN."""
        return self.number >= 160000


_SERVER = """
SELECT version() AS full_version, current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS number,
       pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS read_only,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved_connections,
       current_setting('password_encryption') AS password_encryption, current_user::text AS administrator
"""

# A member of a role can be asked for SET since version 16; before, each member may set.
_ROLES = """
SELECT r.rolname AS name, r.rolcanlogin AS login, r.rolsuper AS superuser, r.rolinherit AS inherit,
       r.rolcreatedb AS createdb, r.rolcreaterole AS createrole, r.rolreplication AS replication,
       r.rolbypassrls AS bypassrls, r.rolconnlimit AS connection_limit,
       CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil::text ELSE '' END AS valid_until,
       coalesce(r.rolvaliduntil < now(), false) AS expired,
       CASE WHEN me.rolsuper THEN true WHEN NOT me.rolcreaterole OR r.rolsuper THEN false
            WHEN current_setting('server_version_num')::int < 160000 THEN true
            ELSE pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION') END AS admin,
       pg_has_role(me.oid, r.oid, 'USAGE') AS usable,
       pg_has_role(me.oid, r.oid,
                   CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
         AS settable
  FROM pg_roles r CROSS JOIN (SELECT * FROM pg_roles WHERE rolname = current_user) me
"""

_MEMBERSHIPS = """
SELECT g.rolname AS role, m.rolname AS member, coalesce(b.rolname, '') AS grantor, a.admin_option AS admin,
       coalesce((to_jsonb(a) ->> 'inherit_option')::bool, m.rolinherit) AS inherit,
       coalesce((to_jsonb(a) ->> 'set_option')::bool, true) AS set
  FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
       LEFT JOIN pg_roles b ON b.oid = a.grantor
 WHERE g.rolname = ANY(%(roles)s) OR m.rolname = ANY(%(roles)s)
"""

# What no loaded library has (my.own) may be anything later on, so PostgreSQL lets a superuser alone take it away, too.
_SETTINGS = """
SELECT r.rolname AS role, coalesce(d.datname, '') AS database, s.name, s.value,
       coalesce(p.context NOT IN ('superuser', 'superuser-backend'), s.name NOT LIKE '%%.%%')
         OR coalesce(has_parameter_privilege(coalesce(p.name, s.name), 'SET'), false) AS resettable
  FROM pg_db_role_setting c JOIN pg_roles r ON r.oid = c.setrole LEFT JOIN pg_database d ON d.oid = c.setdatabase
       CROSS JOIN LATERAL (SELECT split_part(item, '=', 1) AS name, substr(item, strpos(item, '=') + 1) AS value
                             FROM unnest(c.setconfig) item) s
       LEFT JOIN pg_settings p ON lower(p.name) = lower(s.name)
 WHERE r.rolname = ANY(%(roles)s)
"""

_DATABASES = """
SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate) AS locale,
       d.datconnlimit AS connection_limit, d.datallowconn AS allow_connections, d.datistemplate AS template,
       has_database_privilege(d.oid, 'CONNECT') AS reachable,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(coalesce(g.rolname, CASE WHEN a.grantee = 0 THEN '' ELSE '?' END),
                        a.privilege_type, a.is_grantable, coalesce(b.rolname, '?'))), '[]')
          FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
               LEFT JOIN pg_roles g ON g.oid = a.grantee LEFT JOIN pg_roles b ON b.oid = a.grantor) AS acl
  FROM pg_database d
"""

# Which databases to look into: the server keeps for every role where an ACL names it and what it owns.
_MENTIONED = """
SELECT DISTINCT d.datname AS name
  FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid JOIN pg_database d ON d.oid = s.dbid
 WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype IN ('a', 'o') AND r.rolname = ANY(%(roles)s)
"""

_SHARED_HELD = """
SELECT kind, ARRAY[name] AS path, owner, coalesce(g.rolname, '?') AS grantee, a.privilege_type AS privilege,
       a.is_grantable AS grantable, coalesce(b.rolname, '?') AS grantor
  FROM (SELECT 'TABLESPACE' AS kind, spcname::text AS name, pg_get_userbyid(spcowner)::text AS owner, spcacl AS acl
          FROM pg_tablespace
        UNION ALL
        SELECT 'PARAMETER', parname, pg_get_userbyid(10)::text, paracl FROM pg_parameter_acl) things
       CROSS JOIN LATERAL aclexplode(acl) a JOIN pg_roles g ON g.oid = a.grantee
       LEFT JOIN pg_roles b ON b.oid = a.grantor
 WHERE g.rolname = ANY(%(roles)s)
"""

_SCHEMAS = """
SELECT nspname AS name, pg_get_userbyid(nspowner)::text AS owner FROM pg_namespace
 WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'
"""

#: Everything that has an ACL: kind as GRANT says it, path, arguments, owner, ACL, and whether an extension made it.
_THINGS = """
WITH things AS (
  SELECT 'SCHEMA' AS kind, ARRAY[n.nspname::text] AS path, NULL::oid[] AS arguments, '' AS col, n.nspowner AS owner,
         n.nspacl AS acl, n.oid AS id, 'pg_namespace'::regclass::oid AS class, n.nspname AS schema
    FROM pg_namespace n
  UNION ALL
  SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, ARRAY[n.nspname::text, c.relname::text], NULL, '',
         c.relowner, c.relacl, c.oid, 'pg_class'::regclass::oid, n.nspname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT 'TABLE', ARRAY[n.nspname::text, c.relname::text], NULL, t.attname::text, c.relowner, t.attacl, c.oid,
         'pg_class'::regclass::oid, n.nspname
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE t.attacl IS NOT NULL AND NOT t.attisdropped
  UNION ALL
  SELECT 'ROUTINE', ARRAY[n.nspname::text, p.proname::text], p.proargtypes::oid[], '', p.proowner,
         coalesce(p.proacl, acldefault('f', p.proowner)), p.oid, 'pg_proc'::regclass::oid, n.nspname
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  UNION ALL
  SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, ARRAY[n.nspname::text, t.typname::text], NULL, '',
         t.typowner, t.typacl, t.oid, 'pg_type'::regclass::oid, n.nspname
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         LEFT JOIN pg_class c ON c.oid = t.typrelid
   WHERE t.typacl IS NOT NULL OR t.typtype IN ('d', 'e') OR c.relkind = 'c'
  UNION ALL
  SELECT 'LANGUAGE', ARRAY[lanname::text], NULL, '', lanowner, lanacl, oid, 'pg_language'::regclass::oid, 'pg_catalog'
    FROM pg_language WHERE lanacl IS NOT NULL
  UNION ALL
  SELECT 'LARGE OBJECT', ARRAY[oid::text], NULL, '', lomowner, lomacl, oid, 'pg_largeobject'::regclass::oid, ''
    FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL
  UNION ALL
  SELECT 'FOREIGN DATA WRAPPER', ARRAY[fdwname::text], NULL, '', fdwowner, fdwacl, oid,
         'pg_foreign_data_wrapper'::regclass::oid, 'pg_catalog'
    FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
  UNION ALL
  SELECT 'FOREIGN SERVER', ARRAY[srvname::text], NULL, '', srvowner, srvacl, oid, 'pg_foreign_server'::regclass::oid, ''
    FROM pg_foreign_server WHERE srvacl IS NOT NULL
), named AS (
  SELECT t.kind, t.path, t.col, pg_get_userbyid(t.owner)::text AS owner, t.acl, t.owner AS owner_id,
         t.schema LIKE 'pg\\_%%' OR t.schema = 'information_schema' AS system,
         EXISTS (SELECT FROM pg_depend d WHERE d.classid = t.class AND d.objid = t.id AND d.deptype = 'e') AS extension,
         -- A sequence of a column has its table's owner, always.
         t.kind = 'SEQUENCE' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = t.class AND d.objid = t.id
           AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS follows,
         (SELECT coalesce(jsonb_agg(jsonb_build_array(n.nspname, y.typname) ORDER BY a.place), '[]')
            FROM unnest(t.arguments) WITH ORDINALITY a(type, place) JOIN pg_type y ON y.oid = a.type
                 JOIN pg_namespace n ON n.oid = y.typnamespace) AS arguments
    FROM things t
"""

# PUBLIC's and strangers' entries matter on what the owner role has or will have; those of managed roles everywhere.
_HELD = "".join(
    (
        _THINGS,
        """
   WHERE t.acl IS NOT NULL
     AND (EXISTS (SELECT FROM aclexplode(t.acl) a JOIN pg_roles g ON g.oid = a.grantee AND g.rolname = ANY(%(roles)s))
          OR pg_get_userbyid(t.owner) = ANY(%(yours)s) OR (t.kind = 'SCHEMA' AND t.schema = 'public'))
)
SELECT t.kind, t.path, t.col, t.owner, t.arguments, coalesce(g.rolname, CASE WHEN a.grantee = 0 THEN '' ELSE '?' END)
         AS grantee, a.privilege_type AS privilege, a.is_grantable AS grantable, coalesce(b.rolname, '?') AS grantor
  FROM named t CROSS JOIN LATERAL aclexplode(t.acl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
       LEFT JOIN pg_roles b ON b.oid = a.grantor
 WHERE a.grantee <> t.owner_id AND (g.rolname = ANY(%(roles)s) OR (NOT t.system AND NOT t.extension))
""",
    )
)

# Things of the owner role, which limited logins need privileges on, and things that logins own by themselves.
_OWNED = "".join(
    (
        _THINGS,
        """
   WHERE pg_get_userbyid(t.owner) = ANY(%(listed)s) AND t.col = '' AND t.schema NOT LIKE 'pg\\_%%'
)
SELECT kind, path, col, owner, arguments, follows FROM named WHERE NOT system AND NOT extension
""",
    )
)

_DEFAULTS = """
SELECT pg_get_userbyid(d.creator)::text AS creator, coalesce(n.nspname, '') AS schema, k.kind,
       coalesce(g.rolname, CASE WHEN a.grantee = 0 THEN '' ELSE '?' END) AS grantee, a.privilege_type AS privilege,
       a.is_grantable AS grantable, coalesce(b.rolname, '?') AS grantor
  FROM (VALUES ('r'::"char", 'TABLES'), ('S', 'SEQUENCES'), ('f', 'ROUTINES'), ('T', 'TYPES'), ('n', 'SCHEMAS'))
         k(letter, kind)
       JOIN (SELECT defaclrole AS creator, defaclnamespace AS schema, defaclobjtype AS letter, defaclacl AS acl
               FROM pg_default_acl
             UNION ALL
             -- Where nothing is set, the built-in privileges of what the owner role makes.
             SELECT r.oid, 0, l.letter, acldefault(l.letter, r.oid)
               FROM pg_roles r CROSS JOIN (VALUES ('r'::"char"), ('S'), ('f')) l(letter)
              WHERE r.rolname = ANY(%(owners)s)
                AND NOT EXISTS (SELECT FROM pg_default_acl x WHERE x.defaclrole = r.oid AND x.defaclnamespace = 0
                                   AND x.defaclobjtype = l.letter)) d USING (letter)
       CROSS JOIN LATERAL aclexplode(d.acl) a LEFT JOIN pg_namespace n ON n.oid = d.schema
       LEFT JOIN pg_roles g ON g.oid = a.grantee LEFT JOIN pg_roles b ON b.oid = a.grantor
 WHERE a.grantee <> d.creator
   AND (g.rolname = ANY(%(roles)s) OR pg_get_userbyid(d.creator) = ANY(%(owners)s))
"""


def read_server(query: Query) -> ServerState:
    """Version and settings."""
    row = query(_SERVER, {})[0]
    return ServerState(
        version=str(row["version"]) if str(row["full_version"]).startswith("PostgreSQL ") else str(row["full_version"]),
        number=int(row["number"]),
        read_only=bool(row["read_only"]),
        max_connections=int(row["max_connections"]),
        reserved_connections=int(row["reserved_connections"]),
        administrator=str(row["administrator"]),
        password_encryption=str(row["password_encryption"]),
    )


def read_cluster(query: Query, managed: Sequence[str]) -> ServerState:
    """What belongs to the whole server; `managed` are all owner and login roles. The insides are not read yet."""
    server = read_server(query)
    roles = {"roles": list(managed)}
    names = ("login", "superuser", "inherit", "createdb", "createrole", "replication", "bypassrls", "connection_limit")
    more = ("valid_until", "expired", "admin", "usable", "settable")
    return ServerState(
        version=server.version,
        number=server.number,
        read_only=server.read_only,
        max_connections=server.max_connections,
        reserved_connections=server.reserved_connections,
        administrator=server.administrator,
        password_encryption=server.password_encryption,
        roles={str(row["name"]): Role(**{name: row[name] for name in (*names, *more)}) for row in query(_ROLES, {})},
        memberships=frozenset(Membership(**row) for row in query(_MEMBERSHIPS, roles)),
        settings=frozenset(Setting(**row) for row in query(_SETTINGS, roles)),
        databases={str(row["name"]): _database(row) for row in query(_DATABASES, {})},
        mentioned=frozenset(str(row["name"]) for row in query(_MENTIONED, roles)),
        held=frozenset(Held(_thing(row), str(row["owner"]), _entry(row)) for row in query(_SHARED_HELD, roles)),
    )


def read_inside(query: Query, managed: Sequence[str], owner: str, logins: Sequence[str], *, listed: bool) -> Inside:
    """What one database has. `owner` is its owner role, empty in a database that is not managed; `logins` are its own.

    `listed`: a login needs privileges on each of the owner role's things, so they are listed.
    """
    parameters = {
        "roles": list(managed),
        "owners": [owner] if owner else [],
        "yours": [*logins, owner] if owner else [],
        "listed": [*logins, *([owner] if listed and owner else [])],
    }
    owned: set[Thing] = set()
    strays: dict[str, list[Thing]] = {}
    following: dict[str, list[Thing]] = {}
    for row in query(_OWNED, parameters):
        if row["owner"] == owner:
            owned.add(_thing(row))
        else:
            found = following if row["follows"] else strays
            found.setdefault(str(row["owner"]), []).append(_thing(row))
    return Inside(
        schemas={str(row["name"]): str(row["owner"]) for row in query(_SCHEMAS, {})},
        held=frozenset(Held(_thing(row), str(row["owner"]), _entry(row)) for row in query(_HELD, parameters)),
        defaults=frozenset(
            Default(str(row["creator"]), str(row["schema"]), str(row["kind"]), _entry(row))
            for row in query(_DEFAULTS, parameters)
        ),
        owned=frozenset(owned),
        strays={login: tuple(sorted(things, key=repr)) for login, things in strays.items()},
        following={login: tuple(things) for login, things in following.items()},
    )


def fresh_inside(owner: str) -> Inside:
    """What CREATE DATABASE … TEMPLATE template0 makes, as far as it matters here (versions 15 and newer).

    https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PUBLIC
    """
    first = "pg_database_owner"
    return Inside(
        schemas={"public": first},
        held=frozenset({Held(Thing("SCHEMA", ("public",)), first, Entry("", "USAGE", False, first))}),
        defaults=frozenset({Default(owner, "", "ROUTINES", Entry("", "EXECUTE", False, owner))}),
    )


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(str(row["grantee"]), str(row["privilege"]), bool(row["grantable"]), str(row["grantor"]))


def _thing(row: Mapping[str, Any]) -> Thing:
    arguments = tuple((str(schema), str(name)) for schema, name in row.get("arguments") or ())
    return Thing(str(row["kind"]), tuple(map(str, row["path"])), arguments, str(row.get("col") or ""))


def _database(row: Mapping[str, Any]) -> Database:
    return Database(
        owner=str(row["owner"]),
        encoding=str(row["encoding"]),
        locale=str(row["locale"] or ""),
        connection_limit=int(row["connection_limit"]),
        allow_connections=bool(row["allow_connections"]),
        template=bool(row["template"]),
        invalid=int(row["connection_limit"]) == -2,
        reachable=bool(row["reachable"]) and bool(row["allow_connections"]),
        acl=frozenset(Entry(*item) for item in row["acl"]),
    )
