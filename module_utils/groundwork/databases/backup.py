"""What the module database_dump does, without Ansible: dump into the bucket, restore from it, and prove that it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..aws_client import AwsError
from .dump_store import DumpStore
from .dumps import (
    DATABASE,
    Contents,
    DumpEngine,
    Manifest,
    check_key,
    differences,
    new_key,
    scratch_name,
    some,
)
from .model import DatabaseError
from .mysql_dumps import MySQLDumps
from .postgresql_dumps import PostgreSQLDumps
from .run import endpoint_of

ENGINES: dict[str, type[DumpEngine]] = {MySQLDumps.name: MySQLDumps, PostgreSQLDumps.name: PostgreSQLDumps}
STATES = ("listed", "dumped", "restored", "verified")

Result = dict[str, Any]


def _engine(options: Mapping[str, Any]) -> DumpEngine:
    return ENGINES[str(options["engine"])](endpoint_of(options), str(options.get("programs") or ""))


def _store(options: Mapping[str, Any], client: Any) -> DumpStore:
    return DumpStore(
        str(options["bucket"]), str(options.get("kms_key_id") or ""), region=options.get("region"), client=client
    )


def act(options: Mapping[str, Any], *, check: bool, client: Any = None) -> Result:
    """One call of the module; the result is the module's result."""
    state = str(options["state"])
    if state not in STATES:
        raise DatabaseError(f"no state {state!r}; there are: {', '.join(STATES)}")
    store = _store(options, client)
    if state == "listed":
        return listed(store, str(options.get("service") or ""))
    engine = _engine(options)
    if state == "dumped":
        return dumped(engine, store, options["services"], check=check)
    key = chosen(store, engine.name, str(options.get("service") or ""), str(options.get("dump") or ""))
    if state == "restored":
        into = str(options.get("into") or "")
        return restored(engine, store, key, into, check=check)
    return verified(engine, store, key, check=check)


def listed(store: DumpStore, service: str) -> Result:
    dumps = [store.manifest(key).as_result(key) for key in store.keys(service)]
    return {"changed": False, "dumps": dumps}


def chosen(store: DumpStore, engine: str, service: str, key: str) -> str:
    """The dump that was named, or the newest one of a service on this engine."""
    if key:
        return check_key(key)
    found = store.keys(service, engine)
    if not found:
        raise DatabaseError(
            f"there is no dump of {service} on {engine} in {store.where('')}. Remedy: take one with db_backup.yml."
        )
    return found[-1]


# --- dump ----------------------------------------------------------------------------------------------------------


def _there(engine: DumpEngine, database: str) -> Contents:
    contents = engine.contents(database)
    if contents is None:
        raise DatabaseError(f"there is no database {database!r} at {engine.endpoint.where}")
    return contents


def dumped(engine: DumpEngine, store: DumpStore, services: Sequence[Mapping[str, Any]], *, check: bool) -> Result:
    """Dumps one service after the other. What was dumped stays when a later one fails, which is told at the end."""
    result: Result = {"changed": bool(services), "dumps": [], "changes": [], "report_warnings": []}
    failed: list[str] = []
    for service in services:
        name, database = str(service["name"]), str(service.get("database") or service["name"])
        try:
            contents = _there(engine, database)
            client = engine.client()
            result["changes"].append(f"{name}: dump database {database} ({len(contents.tables)} tables)")
            result["report_warnings"] += [f"{name}: {warning}" for warning in contents.warnings]
            if check:
                continue
            now = datetime.now(UTC)
            key = new_key(name, engine.name, now)
            begun = Manifest(
                service=name,
                engine=engine.name,
                database=database,
                host=engine.endpoint.host,
                made=now.isoformat(timespec="seconds"),
                server_version=contents.version,
                client=client,
                objects=contents.objects,
            )
            result["dumps"].append(_dump(engine, store, key, begun).as_result(key))
        except (DatabaseError, AwsError) as error:
            failed.append(f"{name}: {error}")
    if failed:
        done = ", ".join(str(dump["key"]) for dump in result["dumps"]) or "none"
        raise DatabaseError(f"not every database was dumped (these were: {done}):\n" + "\n".join(failed))
    return result


def _dump(engine: DumpEngine, store: DumpStore, key: str, begun: Manifest) -> Manifest:
    parts = []
    with engine.dump(begun.database) as dumping:
        for name in dumping.parts():
            with dumping.read(name) as reader:
                parts.append(store.put(name, f"{key}/{name}.{engine.suffix}", reader))
        manifest = replace(begun, parts=tuple(parts), tables=dict(dumping.tables))
    store.finish(key, manifest)
    return manifest


# --- restore -------------------------------------------------------------------------------------------------------


def restored(engine: DumpEngine, store: DumpStore, key: str, into: str, *, check: bool) -> Result:
    """Fills an empty database from a dump and compares. A restore that was killed is begun again."""
    manifest = _manifest(engine, store, key)
    database = into or manifest.database
    found = engine.contents(database)
    make = found is None and bool(into)
    contents = Contents("", 0) if make else _there(engine, database)
    engine.client()
    if not contents.empty and contents.unfinished != key:
        what = [f"{len(contents.tables)} tables"] if contents.tables else []
        what += [f"{len(names)} {kind}" for kind, names in contents.objects.items() if names]
        raise DatabaseError(
            f"database {database} at {engine.endpoint.where} is not empty ({', '.join(what)}): nothing is overwritten. "
            "Remedy: restore into another database (into), or dump this one and drop what is in it."
        )
    result: Result = {
        "changed": True,
        "dump": manifest.as_result(key),
        "database": database,
        "changes": [
            *([f"make database {database}, for the administrator alone"] if make else []),
            f"restore {store.where(key)} into database {database}",
        ],
    }
    if check:
        return result
    if make:
        engine.make(database)
    if contents.unfinished:
        engine.clear(database)
    engine.begin(database, key)
    # A copy beside the original gets no events: they would run at once, perhaps on the original.
    parts = [part for part in manifest.parts if part.name == DATABASE or database == manifest.database]
    for part in parts:
        with engine.restore(database, part.name, manifest) as writer:
            store.get(part, writer)
    engine.end(database)
    other = _compare(engine, database, manifest, [part.name for part in parts])
    if other:
        raise DatabaseError(
            f"{store.where(key)} was restored into {database}, which now has something else than was dumped: {some(other)}. "
            "Remedy: do not use it; restore another dump."
        )
    return result


def _manifest(engine: DumpEngine, store: DumpStore, key: str) -> Manifest:
    manifest = store.manifest(key)
    if manifest.engine != engine.name:
        raise DatabaseError(f"{store.where(key)} is a dump of {manifest.engine}, this server is {engine.name}")
    return manifest


def _compare(engine: DumpEngine, database: str, manifest: Manifest, parts: Sequence[str]) -> list[str]:
    contents = _there(engine, database)
    # What a part of its own holds was left out with the part.
    left_out = {part.name for part in manifest.parts} - set(parts)
    wanted = {kind: () if kind in left_out else names for kind, names in manifest.objects.items()}
    return differences(replace(manifest, objects=wanted), engine.sums(database), contents.objects)


def verified(engine: DumpEngine, store: DumpStore, key: str, *, check: bool) -> Result:
    """Restores a dump into a scratch database, compares it with what the dump says, and drops it again."""
    manifest = _manifest(engine, store, key)
    scratch = scratch_name(key)
    result: Result = {
        # Nothing is left of it.
        "changed": False,
        "dump": manifest.as_result(key),
        "database": scratch,
        "changes": [],
    }
    if check:
        return result
    engine.client()
    try:
        # A drill of this dump that was killed left it.
        engine.drop_scratch(scratch)
        engine.make(scratch)
        with engine.restore(scratch, DATABASE, manifest) as writer:
            store.get(manifest.parts[0], writer)
        found = _compare(engine, scratch, manifest, [DATABASE])
    except BaseException:
        # Its own error is the one to tell.
        with suppress(DatabaseError):
            engine.drop_scratch(scratch)
        raise
    engine.drop_scratch(scratch)
    if found:
        raise DatabaseError(
            f"{store.where(key)} does not give back what was dumped: {some(found)}. Remedy: take another "
            "dump and try that; look at this one by hand (docs/breakglass-databases.md)."
        )
    return result
