"""How a MySQL server is: read with a constant number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .mysql_state import SYSTEM_USERS, Query, read_server
from .report_model import Reading, Wanted

CHARSET, COLLATION = "utf8mb4", "utf8mb4_unicode_ci"
#: Seconds after which a statement, or a transaction, that is still running is told.
LONG = 600


def read_mysql(query: Query, wanted: Wanted) -> Reading:
    reading = Reading()
    server = read_server(query)
    reading.server = {"engine": "mysql", "version": server.version, "read_only": server.read_only}
    status = {
        str(row["name"]): str(row["value"])
        for row in query(
            "SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.global_status WHERE VARIABLE_NAME IN"
            " ('Threads_connected', 'Max_used_connections', 'Connection_errors_max_connections', 'Slow_queries')",
            (),
        )
    }
    reading.parameters = {
        str(row["name"]): str(row["value"])
        for row in query(
            "SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.global_variables WHERE VARIABLE_NAME IN %s",
            ((*wanted.parameters, "max_connections", "slow_query_log", "long_query_time", "lower_case_table_names"),),
        )
    }
    users = query(
        "SELECT USER AS user, CURRENT_CONNECTIONS AS used FROM performance_schema.users WHERE USER IS NOT NULL"
        " AND CURRENT_CONNECTIONS > 0",
        (),
    )
    reading.connections = {
        "max_connections": server.max_connections,
        "used": int(status["Threads_connected"]),
        "most": int(status["Max_used_connections"]),
        "refused": int(status["Connection_errors_max_connections"]),
        "users": {str(row["user"]): int(row["used"]) for row in users},
        "system": sorted(SYSTEM_USERS),
    }
    reading.slow = {
        "logged": reading.parameters["slow_query_log"] == "ON",
        "seconds": float(reading.parameters["long_query_time"]),
        "count": int(status["Slow_queries"]),
        "running": _running(query),
    }
    logs = query("SELECT @@GLOBAL.log_bin AS log_bin", ())[0]["log_bin"]
    reading.disk = {
        "databases": {
            str(row["name"]): int(row["size"])
            for row in query(
                "SELECT SUBSTRING_INDEX(NAME, '/', 1) AS name, SUM(FILE_SIZE) AS size FROM information_schema.INNODB_TABLESPACES"
                " GROUP BY 1",
                (),
            )
        },
        "logs": sum(int(row["File_size"]) for row in query("SHOW BINARY LOGS", ())) if logs else 0,
    }
    reading.replication = [
        *(_source(row) for row in query("SHOW REPLICA STATUS", ())),
        *(
            {"name": f"replica {row['Server_Id']} at {row['Host'] or 'an address that it does not tell'}", "role": "replica",
             "lag": None, "problem": "", "remedy": ""}
            for row in query("SHOW REPLICAS", ())
        ),
    ]  # fmt: skip
    reading.tables, reading.charsets = _charsets(query, wanted.databases or ("",))
    return reading


def _running(query: Query) -> list[dict[str, Any]]:
    rows = query(
        "SELECT p.ID AS id, p.USER AS user, p.DB AS db, IF(p.COMMAND = 'Sleep', 'idle in a transaction', 'running a statement') AS state,"
        " GREATEST(TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), 0) AS seconds"
        " FROM information_schema.INNODB_TRX t JOIN performance_schema.processlist p ON p.ID = t.trx_mysql_thread_id"
        " WHERE t.trx_started < NOW() - INTERVAL %s SECOND ORDER BY seconds DESC LIMIT 20",
        (LONG,),
    )
    return [
        {"id": int(row["id"]), "user": str(row["user"]), "database": str(row["db"] or ""), "state": str(row["state"]),
         "seconds": int(row["seconds"])}
        for row in rows
    ]  # fmt: skip


def _source(row: Mapping[str, Any]) -> dict[str, Any]:
    stopped = [
        f"its {what} thread does not run{': ' + str(row[error]) if row[error] else ''}"
        for what, column, error in (
            ("receiver", "Replica_IO_Running", "Last_IO_Error"),
            ("applier", "Replica_SQL_Running", "Last_SQL_Error"),
        )
        if row[column] != "Yes"
    ]
    lag = row["Seconds_Behind_Source"]
    return {
        "name": f"copy of {row['Source_Host']}",
        "role": "replica",
        "lag": None if lag is None else int(lag),
        "problem": "; ".join(stopped),
        "remedy": "read the error; a replica of RDS is made anew (delete it, apply 50-shared-rds)" if stopped else "",
    }


def _charsets(query: Query, databases: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
    """Of the services' databases, every table and column that has another character set or collation."""
    rows = query(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_COLLATION AS collation FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA IN %s AND TABLE_TYPE = 'BASE TABLE'",
        (tuple(databases),),
    )
    remedy = "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, by the service's migration: it rewrites the table"
    found = [
        {"name": f"{row['db']}.{row['name']}", "has": str(row["collation"]), "wanted": COLLATION, "remedy": remedy}
        for row in rows
        if row["collation"] != COLLATION
    ]
    columns = query(
        "SELECT c.TABLE_SCHEMA AS db, c.TABLE_NAME AS name, c.COLUMN_NAME AS col, c.COLLATION_NAME AS collation"
        " FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)"
        " WHERE c.TABLE_SCHEMA IN %s AND t.TABLE_TYPE = 'BASE TABLE' AND c.COLLATION_NAME <> %s"
        # A table that differs says it for its columns.
        " AND c.COLLATION_NAME <> t.TABLE_COLLATION ORDER BY 1, 2, 3 LIMIT 200",
        (tuple(databases), COLLATION),
    )
    found += [
        {"name": f"{row['db']}.{row['name']}.{row['col']}", "has": str(row["collation"]), "wanted": COLLATION,
         "remedy": "where it is not on purpose (keys compared byte by byte): " + remedy}
        for row in columns
    ]  # fmt: skip
    return len(rows), sorted(found, key=lambda item: str(item["name"]))
