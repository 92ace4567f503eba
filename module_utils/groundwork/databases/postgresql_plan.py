"""The difference between what should be on a PostgreSQL server and what is: pure functions, no connection.

The model. A database has an owner role `{database}_owner`, which cannot log in and owns the database, its schema public
and, by default, all that is made in it. A login with the grant OWNER is a member of it, and each of its sessions begins
as the owner role (ALTER ROLE … SET role), so that two logins of a rotation make and use the same things. Any other login
is limited: it holds the wanted privileges on everything that the owner role has or will make, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .model import ServiceSpec
from .postgresql_sql import (
    PUBLIC,
    Name,
    Part,
    Secret,
    Statement,
    Value,
    joined,
    ordered,
    privilege_list,
    role,
    shown_name,
    shown_role,
    statement,
)
from .postgresql_state import (
    SYSTEM_DATABASES,
    SYSTEM_ROLES,
    Database,
    Default,
    Entry,
    Held,
    Inside,
    Membership,
    Role,
    ServerState,
    Thing,
    fresh_inside,
)

OWNER = "OWNER"
DEFAULT_GRANTS = frozenset({OWNER})
#: https://www.postgresql.org/docs/current/ddl-priv.html
TABLE_GRANTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"})
GRANTS = TABLE_GRANTS | {OWNER, "EXECUTE", "TEMPORARY"}
ENCODING = "UTF8"
#: A value of password_encryption.
SCRAM = "scram-sha-256"
OWNER_SUFFIX = "_owner"
#: Two logins of a service take turns when its password is rotated: `{user}` and `{user}_2`.
SECOND_SUFFIX = "_2"
_DATABASE_OWNER_HOLDS = frozenset({"CONNECT", "CREATE", "TEMPORARY"})
_KINDS = {"SCHEMA": "SCHEMAS", "TABLE": "TABLES", "SEQUENCE": "SEQUENCES", "ROUTINE": "ROUTINES"}

#: What a login with the wanted password showed.
LOGIN_OK = "accepted"
LOGIN_WRONG = "refused"
#: The server has something else than a SCRAM verifier, or lets the login in without asking.
LOGIN_NOT_SCRAM = "not asked for by SCRAM-SHA-256"


@dataclass
class ServicePlan:
    """What one service needs; empty statements mean nothing."""

    service: str
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    #: What differs and cannot be changed, with the reason.
    warnings: list[str] = field(default_factory=list)
    creates_database: bool = False
    creates_user: bool = False
    sets_password: bool = False

    def differs(self, what: str, before: Any, after: Any) -> None:
        self.before[what], self.after[what] = before, after


@dataclass(frozen=True)
class Strangers:
    """What is on the server and in nobody's catalog: reported, never touched."""

    databases: list[str]
    users: list[str]
    access: list[str]
    #: Logins that a rotation replaced, or made, and that still work beside the secret's.
    second_logins: list[str]


def owner_of(database: str) -> str:
    """The owner role of a managed database."""
    return database + OWNER_SUFFIX


def other_login(user: str) -> str:
    """The login that takes turns with this one."""
    return user.removesuffix(SECOND_SUFFIX) if user.endswith(SECOND_SUFFIX) else user + SECOND_SUFFIX


def is_limited(spec: ServiceSpec) -> bool:
    return OWNER not in spec.grants


def managed_roles(specs: Sequence[ServiceSpec]) -> list[str]:
    """All owner and login roles, each once."""
    return sorted({name for spec in specs for name in (owner_of(spec.database), spec.user)})


def can_try_login(state: Role | None) -> bool:
    """Whether a login tells if the password is the wanted one; else the plan sets it anyway."""
    return state is not None and state.login and not state.expired


def wanted_on(spec: ServiceSpec, kind: str) -> frozenset[str]:
    """The privileges of a limited login on things of a kind in its database."""
    if not is_limited(spec):
        return frozenset()
    if kind == "DATABASE":
        return frozenset({"CONNECT"}) | (spec.grants & {"TEMPORARY"})
    if kind == "SCHEMA":
        return frozenset({"USAGE"})
    if kind == "TABLE":
        return spec.grants & TABLE_GRANTS
    if kind == "SEQUENCE":
        # A default value of nextval() needs USAGE of whoever adds a row.
        usage = {"USAGE"} if spec.grants & {"INSERT", "UPDATE"} else set[str]()
        return frozenset(usage | (spec.grants & {"SELECT"}))
    return spec.grants & {"EXECUTE"} if kind == "ROUTINE" else frozenset()


@dataclass(frozen=True)
class _After:
    """What the plan of a database makes of ownership, on which the other plans build."""

    owner: str
    inside: Inside | None
    acl: frozenset[Entry]
    #: Who owns the database in the end.
    database_owner: str


class Planner:
    """Plans all services against one state."""

    def __init__(self, specs: Sequence[ServiceSpec], state: ServerState, logins: Mapping[str, str]) -> None:
        self._specs = list(specs)
        self._state = state
        self._logins = logins
        self._me = state.roles.get(state.administrator, Role(admin=True, usable=True, settable=True))
        self._users = {spec.user: spec for spec in specs}
        self._owners = {owner_of(spec.database) for spec in specs}
        self._after: dict[str, _After] = {}

    def plans(self) -> list[ServicePlan]:
        """One plan for each service, in their order. Of several with one database, the first one's has the database."""
        plans = [ServicePlan(spec.name) for spec in self._specs]
        first: dict[str, ServicePlan] = {}
        for spec, plan in zip(self._specs, plans, strict=True):
            if spec.database not in first:
                first[spec.database] = plan
                self._plan_owner(plan, spec)
        for spec, plan in zip(self._specs, plans, strict=True):
            self._plan_user(plan, spec)
        for spec, plan in zip(self._specs, plans, strict=True):
            if first[spec.database] is plan:
                self._plan_database(plan, spec)
        for spec, plan in zip(self._specs, plans, strict=True):
            if first[spec.database] is plan:
                self._plan_public(plan, spec)
            self._plan_privileges(plan, spec)
            self._plan_defaults(plan, spec)
        return plans

    # --- roles -----------------------------------------------------------------------------------------------------

    def _plan_owner(self, plan: ServicePlan, spec: ServiceSpec) -> None:
        name = owner_of(spec.database)
        present = self._state.roles.get(name)
        before, after = self._plan_role(plan, name, present, Role(login=False), None)
        if after:
            plan.differs("owner", before, after)
        usable = present is not None and (self._me.superuser or (present.usable and present.settable))
        if not usable:
            # To make and to repair what the owner role owns; CREATEROLE alone does not allow it.
            if present is None or present.admin:
                plan.differs("administrator", f"no member of {name}", f"member of {name}")
                plan.statements.append(self._grant_role(name, self._state.administrator))
            else:
                plan.warnings.append(
                    f"{self._state.administrator} is no member of {name} and has no ADMIN option on it: what belongs to "
                    f"{name} cannot be repaired. Remedy: let who made the role grant it."
                )
        self._plan_memberships(plan, name, None)
        self._plan_settings(plan, name, None)

    def _plan_user(self, plan: ServicePlan, spec: ServiceSpec) -> None:
        present = self._state.roles.get(spec.user)
        login = self._logins.get(spec.user)
        why = None
        if present is None:
            why = "as in the secret"
        elif login in (LOGIN_WRONG, LOGIN_NOT_SCRAM) or (spec.password is None and login is None):
            why = login if login == LOGIN_NOT_SCRAM else "not the secret's"
        elif not can_try_login(present):
            why = "cannot be tried"
        wanted = Role(login=True, connection_limit=spec.max_connections or -1)
        before, after = self._plan_role(plan, spec.user, present, wanted, (spec, why))
        plan.creates_user = present is None
        plan.sets_password = why is not None and (present is None or "password" in after)
        if after:
            plan.differs("user", before, after)
        group = None if is_limited(spec) else owner_of(spec.database)
        self._plan_memberships(plan, spec.user, group)
        self._plan_settings(plan, spec.user, group)

    def _plan_role(
        self,
        plan: ServicePlan,
        name: str,
        present: Role | None,
        wanted: Role,
        password: tuple[ServiceSpec, str | None] | None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        parts: list[Part] = []
        have = present or Role(login=False)
        for attribute in ("login", "inherit", "superuser", "createdb", "createrole", "replication", "bypassrls"):
            old, new = getattr(have, attribute), getattr(wanted, attribute)
            if old != new or (present is None and attribute == "login"):
                reason = self._attribute_refused(attribute) if present else ""
                if reason:
                    plan.warnings.append(f"{name} has {attribute.upper()}, which {reason}")
                    continue
                before[attribute], after[attribute] = old, new
                parts.append(f" {'' if new else 'NO'}{attribute.upper()}")
        if have.connection_limit != wanted.connection_limit:
            before["connection limit"], after["connection limit"] = have.connection_limit, wanted.connection_limit
            parts += [" CONNECTION LIMIT ", Value(wanted.connection_limit)]
        if have.valid_until:
            before["valid until"], after["valid until"] = have.valid_until, "for ever"
            parts += [" VALID UNTIL ", Value("infinity")]
        if password and password[1] is not None:
            spec, why = password
            before["password"], after["password"] = why, "as in the secret"
            parts += [" PASSWORD ", Secret(name, spec.password or "")]
        if present is None:
            plan.statements.append(statement("CREATE ROLE ", Name((name,)), " WITH", *parts))
            return {"state": "missing"}, {"state": "exists", **after}
        if not after:
            return {}, {}
        refused = self._role_refused(present)
        if refused:
            plan.warnings.append(f"{name} should be changed ({', '.join(after)}), but {refused}")
            return {}, {}
        plan.statements.append(statement("ALTER ROLE ", Name((name,)), " WITH", *parts))
        return before, after

    def _attribute_refused(self, attribute: str) -> str:
        """Why this administrator cannot take an attribute away: https://www.postgresql.org/docs/current/sql-alterrole.html"""
        me = self._me
        if me.superuser or attribute in ("login", "inherit", "createrole"):
            return ""
        if attribute == "superuser":
            return "only a superuser can take away. Remedy: have it done by one, or drop the role"
        if attribute in ("replication", "bypassrls") and not self._state.has_grant_options:
            return "before version 16 only a superuser can take away. Remedy: have it done by one"
        if getattr(me, attribute) or (attribute == "createdb" and not self._state.has_grant_options):
            return ""
        return (
            f"only who has it can take away, and {self._state.administrator} has it not. "
            "Remedy: have it done by an account that has it"
        )

    def _role_refused(self, present: Role) -> str:
        if self._me.superuser:
            return ""
        if present.superuser:
            return "it is a superuser, which only a superuser may change"
        if present.replication and not self._state.has_grant_options:
            return "it has REPLICATION, and before version 16 only a superuser may change such a role"
        if not present.admin:
            return (
                f"{self._state.administrator} has no ADMIN option on it, since another account made it. Remedy: let that "
                "account grant it WITH ADMIN OPTION"
            )
        return ""

    def _plan_memberships(self, plan: ServicePlan, member: str, group: str | None) -> None:
        """`group` is the one role that `member` may be a member of."""
        state = self._state
        rows = sorted((item for item in state.memberships if item.member == member), key=repr)
        before: list[str] = []
        after: list[str] = []
        statements: list[Statement] = []
        satisfied = any(item.role == group and item.set and (item.inherit or not self._grant_options) for item in rows)
        for item in rows:
            surplus = "ADMIN OPTION" if item.role == group else "membership"
            if item.role == group and not item.admin:
                continue
            refused = self._membership_refused(item)
            if refused:
                plan.warnings.append(
                    f"{member} has {'ADMIN OPTION on' if item.role == group else 'membership of'} {item.role}, "
                    f"but {refused}"
                )
                continue
            before.append(_shown_membership(item))
            parts: list[Part] = ["REVOKE ", *(["ADMIN OPTION FOR "] if surplus == "ADMIN OPTION" else [])]
            parts += [Name((item.role,)), " FROM ", Name((member,))]
            if self._grant_options:
                parts += [" GRANTED BY ", Name((item.grantor,))]
            statements.append(statement(*parts, " CASCADE"))
        if group and not satisfied:
            held = state.roles.get(group)
            if held is None or held.admin:
                # First, so that the application does not lose what it has in between.
                statements.insert(0, self._grant_role(group, member))
                before.extend(_shown_membership(item) for item in rows if item.role == group and not item.admin)
                after.append(f"member of {group}")
            else:
                plan.warnings.append(
                    f"{member} should be a member of {group}, but {state.administrator} has no ADMIN option on it"
                )
        if statements:
            plan.differs(f"memberships of {member}", before, after)
            plan.statements += statements

    @property
    def _grant_options(self) -> bool:
        return self._state.has_grant_options

    def _membership_refused(self, item: Membership) -> str:
        held, grantor = self._state.roles.get(item.role), self._state.roles.get(item.grantor)
        if self._me.superuser:
            return ""
        if held is None or not held.admin:
            return f"{self._state.administrator} has no ADMIN option on {item.role}. Remedy: let who has it revoke it"
        if self._grant_options and item.grantor != self._state.administrator and not (grantor and grantor.usable):
            return f"{item.grantor or 'a dropped role'} granted it and only it, or a superuser, can revoke it"
        return ""

    def _grant_role(self, group: str, member: str, database: str = "") -> Statement:
        options = " WITH INHERIT TRUE, SET TRUE" if self._grant_options else ""
        return statement("GRANT ", Name((group,)), " TO ", Name((member,)), options, database=database)

    def _plan_settings(self, plan: ServicePlan, name: str, owner: str | None) -> None:
        before: dict[str, str] = {}
        after: dict[str, str] = {}
        found = False
        for item in sorted((item for item in self._state.settings if item.role == name), key=repr):
            if owner and (item.name, item.database) == ("role", ""):
                found = item.value == owner
                if not found:
                    before["role"] = item.value
                continue
            where = f"{item.name} in {item.database}" if item.database else item.name
            if not item.resettable:
                plan.warnings.append(f"{name} has the setting {where}, which only a superuser may take away")
                continue
            before[where] = item.value
            parts: list[Part] = ["ALTER ROLE ", Name((name,))]
            if item.database:
                parts += [" IN DATABASE ", Name((item.database,))]
            plan.statements.append(statement(*parts, " RESET ", Name(tuple(item.name.split(".")))))
        if owner and not found:
            after["role"] = owner
            plan.statements.append(statement("ALTER ROLE ", Name((name,)), " SET role = ", Value(owner)))
        if before or after:
            plan.differs(f"settings of {name}", before, after)

    def _borrowed(self, name: str, statements: Sequence[Statement], database: str = "") -> list[Statement] | None:
        """Statements that need the privileges of a role, between taking and giving them back; None: it cannot be had."""
        present = self._state.roles.get(name)
        if self._me.superuser or name in self._owners or (present is not None and present.usable):
            return list(statements)
        if present is None or not present.admin:
            return None
        me = self._state.administrator
        by: list[Part] = [" GRANTED BY ", Name((me,))] if self._grant_options else []
        give_back = statement("REVOKE ", Name((name,)), " FROM ", Name((me,)), *by, database=database)
        return [self._grant_role(name, me, database), *statements, give_back]

    # --- databases -------------------------------------------------------------------------------------------------

    def _plan_database(self, plan: ServicePlan, spec: ServiceSpec) -> None:
        owner = owner_of(spec.database)
        present = self._state.databases.get(spec.database)
        name = Name((spec.database,))
        if present is None:
            plan.creates_database = True
            described = f"{ENCODING} {spec.collation}".strip()
            plan.differs("database", "missing", {"owner": owner, "encoding and locale": described})
            locale: list[Part] = []
            if spec.collation:
                locale = [" LOCALE_PROVIDER libc LOCALE ", Value(spec.collation)]
            plan.statements.append(
                statement(
                    "CREATE DATABASE ", name, " WITH OWNER ", Name((owner,)), " TEMPLATE ", Name(("template0",)),
                    " ENCODING ", Value(ENCODING), *locale,
                )
            )  # fmt: skip
            # What acldefault('d', owner) says.
            acl = frozenset({Entry(PUBLIC, "CONNECT", False, owner), Entry(PUBLIC, "TEMPORARY", False, owner)})
            self._after[spec.database] = _After(owner, self._plan_inside(plan, spec, fresh_inside(owner)), acl, owner)
            return
        if present.invalid:
            plan.warnings.append(f"database {spec.database} is what an interrupted DROP DATABASE left. Remedy: drop it")
            self._after[spec.database] = _After(owner, None, frozenset(), present.owner)
            return
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        last = present.owner
        if present.owner != owner:
            change = statement("ALTER DATABASE ", name, " OWNER TO ", Name((owner,)))
            statements = self._borrowed(present.owner, [change])
            if statements is None:
                plan.warnings.append(
                    f"database {spec.database} belongs to {present.owner}, whose privileges {self._state.administrator} "
                    f"cannot take. Remedy: ALTER DATABASE … OWNER TO {owner} by {present.owner} or a superuser"
                )
            else:
                before["owner"], after["owner"], last = present.owner, owner, owner
                plan.statements += statements
        mine = last == owner or self._me.superuser
        for what, have, wanted, words in (
            ("connection limit", present.connection_limit, -1, (" CONNECTION LIMIT ", Value(-1))),
            ("allow connections", present.allow_connections, True, (" ALLOW_CONNECTIONS true",)),
            ("template", present.template, False, (" IS_TEMPLATE false",)),
        ):
            if have != wanted and mine:
                before[what], after[what] = have, wanted
                plan.statements.append(statement("ALTER DATABASE ", name, " WITH", *words))
        self._warn_about_encoding(plan, spec, present)
        entries = _owned_by(present.acl, present.owner, last)
        lacking = _DATABASE_OWNER_HOLDS - {entry.privilege for entry in entries if entry.grantee == last}
        if lacking and mine:
            after["privileges of the owner"] = ordered(_DATABASE_OWNER_HOLDS)
            before["privileges of the owner"] = ordered(_DATABASE_OWNER_HOLDS - lacking)
            plan.statements.append(_grant(Thing("DATABASE", (spec.database,)), lacking, owner))
        if after:
            plan.differs("database", before, after)
        inside = self._state.insides.get(spec.database)
        if inside is None:
            plan.warnings.append(
                f"{self._state.administrator} cannot connect to {spec.database} yet, so what differs in it is not "
                "foreseen; it is put right as soon as it can"
            )
        else:
            inside = self._plan_inside(plan, spec, inside)
        acl = frozenset(entry for entry in entries if entry.grantee != last)
        self._after[spec.database] = _After(owner, inside, acl, last)

    @staticmethod
    def _warn_about_encoding(plan: ServicePlan, spec: ServiceSpec, present: Database) -> None:
        if present.encoding != ENCODING:
            plan.warnings.append(
                f"database {spec.database} has the encoding {present.encoding}, which cannot be changed. "
                "Remedy: dump it, drop it, run again, restore it"
            )
        if spec.collation and present.locale != spec.collation:
            plan.warnings.append(
                f"database {spec.database} has the locale {present.locale}, not {spec.collation}; it cannot be changed"
            )

    def _plan_inside(self, plan: ServicePlan, spec: ServiceSpec, inside: Inside) -> Inside:
        """Ownership inside a database; returns what the inside is then."""
        owner = owner_of(spec.database)
        first = inside.schemas.get("public", owner)
        moved: dict[Thing, str] = {}
        logins = {other.user for other in self._specs if other.database == spec.database}
        before: list[str] = []
        if first != owner and first not in logins:
            public = Thing("SCHEMA", ("public",))
            change = _give(public, owner, spec.database)
            # The database's owner is its member: https://www.postgresql.org/docs/current/predefined-roles.html
            statements = (
                [change] if first == "pg_database_owner" else self._borrowed(first, [change], database=spec.database)
            )
            if statements is None:
                plan.warnings.append(
                    f"schema public of {spec.database} belongs to {first}, whose privileges "
                    f"{self._state.administrator} cannot take"
                )
            else:
                plan.differs("schema public", {"owner": first}, {"owner": owner})
                plan.statements += statements
                moved[public] = first
        for login, things in sorted(inside.strays.items()):
            # Schemas first: whoever gets a thing must be allowed to make things in its schema.
            in_order = sorted(things, key=lambda thing: (thing.kind != "SCHEMA", repr(thing)))
            statements = self._borrowed(
                login, [_give(thing, owner, spec.database) for thing in in_order], database=spec.database
            )
            if statements is None:
                plan.warnings.append(
                    f"{login} owns {len(things)} things in {spec.database} that belong to {owner}, but "
                    f"{self._state.administrator} has no ADMIN option on {login}"
                )
                continue
            before += [f"{show_thing(thing)} of {login}" for thing in in_order]
            plan.statements += statements
            moved.update(dict.fromkeys([*in_order, *inside.following.get(login, ())], login))
        if before:
            plan.differs("things of logins", before, f"of {owner}")
        held = {
            replace(item, owner=owner, entry=_moved(item.entry, moved[_whole(item.thing)], owner))
            if _whole(item.thing) in moved
            else item
            for item in inside.held
        }
        return replace(
            inside,
            schemas={**inside.schemas, **{thing.path[0]: owner for thing in moved if thing.kind == "SCHEMA"}},
            held=frozenset(item for item in held if item.entry.grantee != item.owner),
            owned=inside.owned | {thing for thing in moved if thing.kind in _KINDS},
            strays={},
            following={},
        )

    # --- privileges ------------------------------------------------------------------------------------------------

    def _all_held(self) -> list[tuple[str, Held]]:
        """Everything held by anyone, with the database to be connected to when it is changed."""
        result = [("", item) for item in self._state.held]
        for name, database in self._state.databases.items():
            after = self._after.get(name)
            entries = after.acl if after else database.acl
            owner = after.database_owner if after else database.owner
            thing = Thing("DATABASE", (name,))
            result += [("", Held(thing, owner, entry)) for entry in entries if entry.grantee != owner]
        for name, after in self._after.items():
            if name not in self._state.databases:
                thing = Thing("DATABASE", (name,))
                result += [("", Held(thing, after.owner, entry)) for entry in after.acl]
        for name in {*self._state.insides, *self._after}:
            after = self._after.get(name)
            inside = after.inside if after else self._state.insides[name]
            result += [(name, item) for item in inside.held] if inside else []
        return result

    def _plan_public(self, plan: ServicePlan, spec: ServiceSpec) -> None:
        """PUBLIC holds nothing on what belongs to the owner role."""
        owner = owner_of(spec.database)
        surplus = [
            (database, item)
            for database, item in self._all_held()
            if item.entry.grantee == PUBLIC
            and item.owner == owner
            and item.thing.kind in {"DATABASE", *_KINDS}
        ]  # fmt: skip
        if surplus:
            plan.differs("PUBLIC", sorted(_shown_held(item) for _, item in surplus), [])
            plan.statements += _revokes(surplus, PUBLIC)

    def _plan_privileges(self, plan: ServicePlan, spec: ServiceSpec) -> None:
        after = self._after[spec.database]
        wanted: set[tuple[str, Thing, str]] = set()
        if is_limited(spec):
            things: list[tuple[str, Thing]] = []
            if self._me.superuser or after.database_owner == after.owner:
                things = [("", Thing("DATABASE", (spec.database,)))]
            if after.inside is not None:
                schemas = [name for name, owner in after.inside.schemas.items() if owner == after.owner]
                things += [(spec.database, Thing("SCHEMA", (name,))) for name in schemas]
                things += [(spec.database, thing) for thing in after.inside.owned]
            wanted = {(place, thing, name) for place, thing in things for name in wanted_on(spec, thing.kind)}
        surplus: list[tuple[str, Held]] = []
        held: set[tuple[str, Thing, str]] = set()
        for database, item in self._all_held():
            if item.entry.grantee != spec.user:
                continue
            key = (database, item.thing, item.entry.privilege)
            if key in wanted:
                held.add(key)
                if not item.entry.grantable:
                    continue
            refused = self._revoke_refused(item)
            if refused:
                plan.warnings.append(f"{spec.user} holds {_shown_held(item)}, but {refused}")
            else:
                surplus.append((database, item))
        self._plan_grant_differences(plan, spec, surplus, wanted - held, wanted)

    def _plan_grant_differences(
        self,
        plan: ServicePlan,
        spec: ServiceSpec,
        surplus: Sequence[tuple[str, Held]],
        missing: set[tuple[str, Thing, str]],
        wanted: set[tuple[str, Thing, str]],
    ) -> None:
        if not surplus and not missing:
            return
        plan.differs(
            "grants",
            sorted(_shown_held(item) for _, item in surplus),
            sorted(f"{name} ON {show_thing(thing)}" for _, thing, name in missing),
        )
        groups: dict[tuple[str, str, tuple[str, ...]], list[Thing]] = {}
        by_thing: dict[tuple[str, Thing], set[str]] = {}
        for database, thing, name in missing:
            by_thing.setdefault((database, thing), set()).add(name)
        for (database, thing), names in by_thing.items():
            groups.setdefault((database, thing.kind, tuple(ordered(names))), []).append(thing)
        for (database, _, names_of_group), things in sorted(groups.items()):
            plan.statements.append(_grant_all(sorted(things, key=repr), names_of_group, spec.user, database))
        options = [(place, item) for place, item in surplus if (place, item.thing, item.entry.privilege) in wanted]
        plan.statements += _revokes(options, spec.user, option_only=True)
        # What a managed login passed on goes with its own grant option.
        rest = [pair for pair in surplus if pair not in options and pair[1].entry.grantor not in self._users]
        plan.statements += _revokes(rest, spec.user)

    def _revoke_refused(self, item: Held) -> str:
        """Why the administrator cannot revoke something, or nothing."""
        owner = self._state.roles.get(item.owner)
        if not (self._me.superuser or item.owner in self._owners or (owner and owner.usable)):
            return (
                f"it belongs to {item.owner}, whose privileges {self._state.administrator} has not. "
                f"Remedy: let {item.owner} revoke it"
            )
        if item.entry.grantor != item.owner and item.entry.grantor not in self._users:
            return f"{item.entry.grantor} granted it and only it can revoke it"
        return ""

    def _plan_defaults(self, plan: ServicePlan, spec: ServiceSpec) -> None:
        """Default privileges of a login, and those of PUBLIC in the plan that has the database."""
        owner = owner_of(spec.database)
        first = next(other for other in self._specs if other.database == spec.database)
        grantees = {spec.user} | ({PUBLIC} if first is spec else set())
        before: list[str] = []
        after: list[str] = []
        statements: list[Statement] = []
        held: set[tuple[str, str]] = set()
        for name in sorted({*self._state.insides, *self._after}):
            place = self._after.get(name)
            inside = place.inside if place else self._state.insides[name]
            for item in sorted(inside.defaults if inside else (), key=repr):
                entry = item.entry
                if entry.grantee not in grantees or (entry.grantee == PUBLIC and item.creator != owner):
                    continue
                if entry.grantee == PUBLIC and (name != spec.database or item.kind == "TYPES"):
                    continue
                if (
                    name == spec.database
                    and (item.creator, item.schema) == (owner, "")
                    and entry.privilege in self._wanted_by_default(spec, item.kind)
                ):
                    held.add((item.kind, entry.privilege))
                    if not entry.grantable:
                        continue
                change = _alter_default(item, name, "REVOKE")
                borrowed = self._borrowed(item.creator, [change], database=name)
                if borrowed is None:
                    plan.warnings.append(
                        f"{shown_role(entry.grantee)} will hold {_shown_default(item)}, but {self._state.administrator} "
                        f"has no ADMIN option on {item.creator}"
                    )
                    continue
                before.append(_shown_default(item))
                statements += borrowed
                if entry.grantable and (item.kind, entry.privilege) in held:
                    held.discard((item.kind, entry.privilege))
        if self._after[spec.database].inside is not None:
            for kind in sorted(_KINDS.values()):
                for name in ordered(self._wanted_by_default(spec, kind)):
                    if (kind, name) not in held:
                        item = Default(owner, "", kind, Entry(spec.user, name, False, owner))
                        after.append(_shown_default(item))
                        statements.append(_alter_default(item, spec.database, "GRANT"))
        if statements:
            plan.differs("default privileges", before, after)
            plan.statements += statements

    @staticmethod
    def _wanted_by_default(spec: ServiceSpec, kinds: str) -> frozenset[str]:
        kind = next((one for one, many in _KINDS.items() if many == kinds), "")
        return wanted_on(spec, kind)

    # --- what is not ours ------------------------------------------------------------------------------------------

    def strangers(self, ignore_users: Collection[str]) -> Strangers:
        """What the catalog does not know. `ignore_users` are the administrator and its like."""
        state = self._state
        managed = {*self._users, *self._owners}
        others = {other_login(user) for user in self._users} - managed
        ignored = {*SYSTEM_ROLES, *ignore_users, *others}

        def strange(name: str) -> bool:
            return name not in managed and name not in ignored and not name.startswith("pg_") and name != PUBLIC

        access = [
            f"{shown_name(item.member)} is a member of {shown_name(item.role)}"
            for item in state.memberships
            if item.role in managed and strange(item.member)
        ]
        counted: dict[tuple[str, str, str, str], set[Thing]] = {}
        mine = {spec.database for spec in self._specs}
        for database, item in self._all_held():
            where = database or (item.thing.path[0] if item.thing.kind == "DATABASE" else "")
            if where in mine and strange(item.entry.grantee):
                key = (item.entry.grantee, item.entry.privilege, item.thing.kind, where)
                counted.setdefault(key, set()).add(item.thing)
        for (grantee, name, kind, where), things in counted.items():
            on = (
                f"DATABASE {shown_name(where)}"
                if kind == "DATABASE"
                else f"{len(things)} {kind} in {shown_name(where)}"
            )
            access.append(f"{shown_name(grantee)} holds {name} ON {on}")
        return Strangers(
            databases=sorted(set(state.databases) - mine - SYSTEM_DATABASES),
            users=sorted(name for name in state.roles if strange(name)),
            access=sorted(access),
            second_logins=sorted(shown_name(name) for name in others if state.roles.get(name, Role()).login),
        )

    def warnings(self) -> list[str]:
        """What an operator should know though nothing can be changed here."""
        state = self._state
        result = []
        limits = [spec.max_connections for spec in self._specs]
        free = state.max_connections - state.reserved_connections
        if sum(limits) > free:
            result.append(
                f"the services may open {sum(limits)} connections together, the server has {free} for them: lower "
                "database.max_connections in the catalog or take a larger instance"
            )
        if state.password_encryption != SCRAM:
            result.append(
                f"password_encryption is {state.password_encryption}: passwords set by others are stored weakly. "
                "Remedy: set it to scram-sha-256 in the parameter group"
            )
        foreign = sorted(state.mentioned - {spec.database for spec in self._specs} - set(state.insides))
        if foreign:
            result.append(
                f"managed roles own or hold something in {', '.join(foreign)}, which {state.administrator} cannot look "
                "into. Remedy: let who may connect there revoke it (DROP OWNED)"
            )
        for name, inside in sorted(state.insides.items()):
            for login, things in sorted(inside.strays.items()) if name not in self._after else ():
                result.append(f"{login} owns {len(things)} things in {name}, which is not its database")
        return result


def _moved(entry: Entry, old: str, new: str) -> Entry:
    """An ACL entry after the thing went from one owner to another."""
    return replace(
        entry,
        grantee=new if entry.grantee == old else entry.grantee,
        grantor=new if entry.grantor == old else entry.grantor,
    )


def _owned_by(entries: Iterable[Entry], old: str, new: str) -> frozenset[Entry]:
    return frozenset(_moved(entry, old, new) for entry in entries)


def _whole(thing: Thing) -> Thing:
    return replace(thing, column="")


def _target(thing: Thing) -> list[Part]:
    """What stands after ON and the kind."""
    if thing.kind == "LARGE OBJECT":
        return [Value(int(thing.path[0]))]
    if thing.kind == "PARAMETER":
        return [Name(tuple(thing.path[0].split(".")))]
    parts: list[Part] = [Name(thing.path)]
    if thing.kind == "ROUTINE":
        parts += ["(", *joined([[Name(argument)] for argument in thing.arguments]), ")"]
    return parts


def show_thing(thing: Thing) -> str:
    """`TABLE "public"."t"`, as people read it."""
    shown = Statement(tuple(_target(thing))).shown
    return f"{thing.kind} {shown}" + (f" COLUMN {shown_name(thing.column)}" if thing.column else "")


def _shown_held(item: Held) -> str:
    option = " WITH GRANT OPTION" if item.entry.grantable else ""
    return f"{item.entry.privilege} ON {show_thing(item.thing)}{option}"


def _shown_default(item: Default) -> str:
    where = f" in {shown_name(item.schema)}" if item.schema else ""
    option = " WITH GRANT OPTION" if item.entry.grantable else ""
    return f"{item.entry.privilege} ON {item.kind} of {item.creator}{where} TO {shown_role(item.entry.grantee)}{option}"


def _shown_membership(item: Membership) -> str:
    options = [
        *(["with ADMIN"] if item.admin else []),
        *([] if item.inherit else ["without INHERIT"]),
        *([] if item.set else ["without SET"]),
    ]
    return " ".join([f"member of {item.role}", *options])


def _grant(thing: Thing, privileges: Collection[str], grantee: str, database: str = "") -> Statement:
    return _grant_all([thing], privileges, grantee, database)


def _grant_all(things: Sequence[Thing], privileges: Collection[str], grantee: str, database: str) -> Statement:
    targets = joined([_target(thing) for thing in things])
    return statement(
        f"GRANT {privilege_list(privileges)} ON {things[0].kind} ", *targets, " TO ", role(grantee), database=database
    )


def _revokes(pairs: Sequence[tuple[str, Held]], grantee: str, *, option_only: bool = False) -> list[Statement]:
    """One statement for each thing, or for each set of privileges on columns of it."""
    groups: dict[tuple[str, Thing], list[tuple[str, str]]] = {}
    for database, item in pairs:
        groups.setdefault((database, _whole(item.thing)), []).append((item.entry.privilege, item.thing.column))
    result = []
    for (database, thing), held in sorted(groups.items(), key=lambda pair: repr(pair[0])):
        whole = {name for name, column in held if not column}
        parts: list[list[Part]] = [[privilege_list([name])] for name in ordered(whole)]
        columns: dict[str, list[str]] = {}
        for name, column in sorted(held):
            # Revoked from the table, a privilege is revoked from its columns.
            if column and name not in whole:
                columns.setdefault(name, []).append(column)
        for name, names in columns.items():
            listed = joined([[Name((column,))] for column in names])
            parts.append([f"{privilege_list([name])} (", *listed, ")"])
        result.append(
            statement(
                "REVOKE ", *(["GRANT OPTION FOR "] if option_only else []), *joined(parts), f" ON {thing.kind} ",
                *_target(thing), " FROM ", role(grantee), " CASCADE", database=database,
            )
        )  # fmt: skip
    return result


def _give(thing: Thing, owner: str, database: str) -> Statement:
    return statement(f"ALTER {thing.kind} ", *_target(thing), " OWNER TO ", Name((owner,)), database=database)


def _alter_default(item: Default, database: str, verb: str) -> Statement:
    parts: list[Part] = ["ALTER DEFAULT PRIVILEGES FOR ROLE ", Name((item.creator,))]
    if item.schema:
        parts += [" IN SCHEMA ", Name((item.schema,))]
    parts.append(
        f" {verb} {privilege_list([item.entry.privilege])} ON {item.kind} {'TO' if verb == 'GRANT' else 'FROM'} "
    )
    return statement(*parts, role(item.entry.grantee), database=database)
