"""How a PostgreSQL server is: read with a constant number of queries, from the maintenance database alone."""

from __future__ import annotations

from typing import Any

from .postgresql_state import SYSTEM_ROLES, Query
from .report_model import Reading, Wanted

#: Seconds after which a statement, or a transaction, that is still running is told.
LONG = 600

_SERVER = """
SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby,
       current_setting('max_connections')::int AS most,
       coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp())::int, 0) AS lag
"""
_USERS = """
SELECT coalesce(usename::text, '') AS name, count(*) AS used FROM pg_stat_activity
 WHERE backend_type = 'client backend' GROUP BY 1
"""
_PARAMETERS = "SELECT name, setting AS value FROM pg_settings WHERE name = ANY(%(names)s)"
_RUNNING = """
SELECT pid, usename::text AS name, coalesce(datname::text, '') AS database,
       CASE WHEN state LIKE 'idle in transaction%%' THEN 'idle in a transaction' ELSE 'running a statement' END AS state,
       extract(epoch FROM now() - xact_start)::int AS seconds
  FROM pg_stat_activity WHERE backend_type = 'client backend' AND xact_start < now() - make_interval(secs => %(long)s)
 ORDER BY xact_start LIMIT 20
"""
_DATABASES = """
SELECT datname::text AS name, CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
         THEN pg_database_size(oid) ELSE 0 END AS size,
       pg_encoding_to_char(encoding)::text AS encoding, datcollversion AS noted, pg_database_collation_actual_version(oid) AS actual
  FROM pg_database WHERE datallowconn
"""
_LOGS = "SELECT coalesce(sum(size), 0)::bigint AS size FROM pg_ls_waldir()"
_REPLICAS = """
SELECT application_name AS name, coalesce(host(client_addr), 'the server itself') AS address, state,
       extract(epoch FROM coalesce(replay_lag, '0'))::int AS lag FROM pg_stat_replication
"""
_SLOTS = """
SELECT slot_name::text AS name, active, coalesce(wal_status, '') AS wal,
       CASE WHEN pg_is_in_recovery() THEN 0 ELSE coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint END AS kept
  FROM pg_replication_slots
"""


def read_postgresql(query: Query, wanted: Wanted) -> Reading:
    reading = Reading()
    server = query(_SERVER, {})[0]
    reading.server = {
        "engine": "postgresql",
        "version": str(server["version"]),
        "read_only": bool(server["standby"]),
    }
    users = {str(row["name"]): int(row["used"]) for row in query(_USERS, {})}
    names = [*wanted.parameters, "log_min_duration_statement"]
    reading.parameters = {str(row["name"]): str(row["value"]) for row in query(_PARAMETERS, {"names": names})}
    reading.connections = {
        "max_connections": int(server["most"]),
        "used": sum(users.values()),
        # Neither is counted by PostgreSQL.
        "most": None,
        "refused": 0,
        "users": users,
        "system": sorted(SYSTEM_ROLES),
    }
    milliseconds = int(reading.parameters["log_min_duration_statement"])
    reading.slow = {
        "logged": milliseconds >= 0,
        "seconds": milliseconds / 1000 if milliseconds >= 0 else None,
        "count": None,
        "running": [
            {"id": int(row["pid"]), "user": str(row["name"]), "database": str(row["database"]), "state": str(row["state"]),
             "seconds": int(row["seconds"])}
            for row in query(_RUNNING, {"long": LONG})
        ],
    }  # fmt: skip
    databases = query(_DATABASES, {})
    reading.disk = {
        "databases": {str(row["name"]): int(row["size"]) for row in databases},
        "logs": int(query(_LOGS, {})[0]["size"]),
    }
    if server["standby"]:
        reading.replication.append(_about("this standby", "standby", int(server["lag"])))
    for row in query(_REPLICAS, {}):
        problem = "" if row["state"] == "streaming" else f"it is in the state {row['state']}"
        name = f"replica {row['name']} at {row['address']}"
        reading.replication.append(
            _about(name, "replica", int(row["lag"]), problem, "let it catch up, or make it anew")
        )
    for row in query(_SLOTS, {}):
        problem = (
            "" if row["active"] else f"nobody reads it, and the server keeps {int(row['kept'])} bytes of log for it"
        )
        remedy = "let its reader come back, or SELECT pg_drop_replication_slot(…): the log that is kept fills the disk"
        reading.replication.append(_about(f"slot {row['name']}", "slot", None, problem, remedy))
    reading.charsets = _charsets(databases, wanted)
    reading.tables = len([row for row in databases if row["name"] in wanted.databases])
    return reading


def _about(name: str, role: str, lag: int | None, problem: str = "", remedy: str = "") -> dict[str, Any]:
    return {"name": name, "role": role, "lag": lag, "problem": problem, "remedy": remedy if problem else ""}


def _charsets(databases: list[dict[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    """An encoding is a whole database's here; what can differ inside is the collation's version, under which indexes were built."""
    found: list[dict[str, Any]] = []
    for row in sorted(databases, key=lambda item: str(item["name"])):
        if row["name"] not in wanted.databases:
            continue
        if row["encoding"] != "UTF8":
            remedy = "dump it, drop it, run playbooks/databases.yml, restore it"
            found.append({"name": str(row["name"]), "has": str(row["encoding"]), "wanted": "UTF8", "remedy": remedy})
        if row["noted"] != row["actual"]:
            found.append({
                "name": str(row["name"]), "has": f"indexes of collation version {row['noted']}", "wanted": str(row["actual"]),
                "remedy": "REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION",
            })  # fmt: skip
    return found
