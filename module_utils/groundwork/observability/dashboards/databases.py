"""Shared databases per service: the two servers, and what each service's schema and login take of them."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, Target, Variable, bad_above, bad_below, bars, graph, listing, make, number, plain
from .estate import DATABASES

E = 'env=~"$env"'
SERVICE = Variable(
    "service", "Service (MySQL schema)", "mysql_info_schema_table_size",
    'env=~"$env", schema!~"mysql|sys|information_schema|performance_schema"', label="schema",
)  # fmt: skip
DATABASE = Variable(
    "database",
    "Database (PostgreSQL)",
    "pg_database_size_bytes",
    'env=~"$env", datname!~"template.*|rdsadmin"',
    label="datname",
)
SCHEMA = f'{E}, schema=~"$service"'
DATNAME = f'{E}, datname=~"$database"'
ROTATION = ("Clients that have not moved", "breakglass-databases.md#clients-that-have-not-moved")


def build() -> model.Dashboard:
    return make(
        "databases",
        "Shared databases",
        "The shared MySQL and PostgreSQL servers, and what each service takes of them.",
        (
            "MySQL",
            [
                number(
                    "MySQL up", "none", "1 when the server lets the exporter in.", Target(f"min(mysql_up{{{E}}})"), bad_below(1),
                    runbook=DATABASES,
                ),
                number(
                    "Since start", "s", "Time since the server started.", Target(f"min(mysql_global_status_uptime{{{E}}})"),
                    bad_below(600), runbook=DATABASES,
                ),
                number(
                    "Connections used", "percentunit", "Share of max_connections.",
                    Target(
                        f"max(mysql_global_status_threads_connected{{{E}}} / mysql_global_variables_max_connections{{{E}}})"
                    ),
                    bad_above(0.7, 0.9), decimals=2, runbook=DATABASES,
                ),
                number(
                    "Read-only", "none", "1 when the server takes no writes: a failover, or a full disk.",
                    Target(f"max(mysql_global_variables_read_only{{{E}}})"), bad_above(None, 1), runbook=DATABASES,
                ),
                number(
                    "Found in memory", "percentunit", "Pages that were in the buffer pool, of all read.",
                    Target(
                        f"1 - sum(rate(mysql_global_status_innodb_buffer_pool_reads{{{E}}}[$__rate_interval]))"
                        f" / sum(rate(mysql_global_status_innodb_buffer_pool_read_requests{{{E}}}[$__rate_interval]))"
                    ),
                    bad_below(0.9, 0.98), decimals=3,
                ),
                number(
                    "Row locks waited for", "none", "Statements that wait for a row right now.",
                    Target(f"max(mysql_global_status_innodb_row_lock_current_waits{{{E}}})"), bad_above(5, 20),
                ),
                graph(
                    "Statements", "cps", "Statements of clients, and slow ones.",
                    Target(f"sum(rate(mysql_global_status_questions{{{E}}}[$__rate_interval]))", "statements"),
                    Target(f"sum(rate(mysql_global_status_slow_queries{{{E}}}[$__rate_interval]))", "slow"),
                ),
                graph(
                    "Connections over time", "short", "Open, working, and the most that the server takes.",
                    Target(f"sum(mysql_global_status_threads_connected{{{E}}})", "open"),
                    Target(f"sum(mysql_global_status_threads_running{{{E}}})", "working"),
                    Target(f"sum(mysql_global_variables_max_connections{{{E}}})", "most"),
                ),
                graph(
                    "Refused and dropped connections", "cps", "By reason.",
                    Target(f"sum(rate(mysql_global_status_aborted_connects{{{E}}}[$__rate_interval]))", "never made"),
                    Target(f"sum(rate(mysql_global_status_aborted_clients{{{E}}}[$__rate_interval]))", "dropped by clients"),
                    Target(
                        f"sum by (error) (rate(mysql_global_status_connection_errors_total{{{E}}}[$__rate_interval]))", "{{error}}"
                    ),
                    runbook=ROTATION,
                ),
                graph(
                    "Commands", "cps", "Statements that change or read rows, by kind.",
                    Target(
                        f'sum by (command) (rate(mysql_global_status_commands_total{{{E}, command=~"select|insert|update|delete|commit"}}'
                        "[$__rate_interval]))",
                        "{{command}}",
                    ),
                ),
                graph(
                    "Reads and writes of the disk", "iops", "By InnoDB.",
                    Target(f"sum(rate(mysql_global_status_innodb_data_reads{{{E}}}[$__rate_interval]))", "reads"),
                    Target(f"sum(rate(mysql_global_status_innodb_data_writes{{{E}}}[$__rate_interval]))", "writes"),
                ),
                graph(
                    "Waiting for locks", "ms", "Time waited for row locks in each second, all statements together.",
                    Target(f"sum(rate(mysql_global_status_innodb_row_lock_time{{{E}}}[$__rate_interval]))", "row locks"),
                    limits=bad_above(500, 2000),
                ),
            ],
        ),
        (
            "MySQL, by service",
            [
                graph(
                    "Connections by login", "short", "Each service has its login; during a rotation it has two.",
                    Target(f"sum by (mysql_user) (mysql_info_schema_processlist_processes_by_user{{{E}}})", "{{mysql_user}}"), stacked=True,
                    runbook=ROTATION,
                ),
                graph(
                    "Time of statements", "percentunit", "Seconds of statements in each second, by schema: 1 is one statement always at work.",
                    Target(
                        f"sum by (schema) (rate(mysql_perf_schema_events_statements_seconds_total{{{SCHEMA}}}[$__rate_interval]))", "{{schema}}"
                    ),
                    stacked=True,
                ),
                graph(
                    "Statements by schema", "cps", "Statements a second.",
                    Target(f"sum by (schema) (rate(mysql_perf_schema_events_statements_total{{{SCHEMA}}}[$__rate_interval]))", "{{schema}}"),
                ),
                bars(
                    "Size by schema", "bytes", "Data and indexes.",
                    Target(
                        f'sum by (schema) (mysql_info_schema_table_size{{{SCHEMA}, component=~"data_length|index_length"}})', "{{schema}}"
                    ),
                    limits=plain(),
                ),
                listing(
                    "Largest tables", "bytes", "Data and indexes.",
                    Target(
                        f'topk(15, sum by (schema, table) (mysql_info_schema_table_size{{{SCHEMA}, component=~"data_length|index_length"}}))'
                    ),
                    columns={"schema": "Service", "table": "Table"}, values=("Bytes",), width=8,
                ),
                listing(
                    "Statements that took most time", "s", "Seconds in the last hour, by the statement's shape.",
                    Target(
                        "topk(15, sum by (schema, digest_text) "
                        f"(increase(mysql_perf_schema_events_statements_seconds_total{{{SCHEMA}}}[1h])))"
                    ),
                    columns={"schema": "Service", "digest_text": "Statement"}, values=("Seconds",), width=8,
                ),
            ],
        ),
        (
            "PostgreSQL",
            [
                number(
                    "PostgreSQL up", "none", "1 when the server lets the exporter in.", Target(f"min(pg_up{{{E}}})"), bad_below(1),
                    runbook=DATABASES,
                ),
                number(
                    "Start", "dateTimeFromNow", "When the server started.",
                    Target(f"1000 * max(pg_postmaster_start_time_seconds{{{E}}})"), plain(), runbook=DATABASES,
                ),
                number(
                    "Connections", "percentunit", "Share of max_connections.",
                    Target(f"sum(pg_stat_database_numbackends{{{E}}}) / max(pg_settings_max_connections{{{E}}})"),
                    bad_above(0.7, 0.9), decimals=2, runbook=DATABASES,
                ),
                number(
                    "Longest transaction", "s", "Age of the oldest open transaction: vacuum cannot clean behind it.",
                    Target(f"max(pg_stat_activity_max_tx_duration{{{DATNAME}}})"), bad_above(300, 3600),
                ),
                number(
                    "In memory", "percentunit", "Blocks that were in memory, of all read.",
                    Target(
                        f"sum(rate(pg_stat_database_blks_hit{{{E}}}[$__rate_interval]))"
                        f" / (sum(rate(pg_stat_database_blks_hit{{{E}}}[$__rate_interval]))"
                        f" + sum(rate(pg_stat_database_blks_read{{{E}}}[$__rate_interval])))"
                    ),
                    bad_below(0.9, 0.98), decimals=3,
                ),
                number(
                    "Deadlocks", "none", "In the time shown.",
                    Target(f"sum(increase(pg_stat_database_deadlocks{{{DATNAME}}}[$__range]))"), bad_above(1), decimals=0,
                ),
                graph(
                    "Transactions", "cps", "Committed and rolled back, by database.",
                    Target(f"sum by (datname) (rate(pg_stat_database_xact_commit{{{DATNAME}}}[$__rate_interval]))", "committed {{datname}}"),
                    Target(f"sum by (datname) (rate(pg_stat_database_xact_rollback{{{DATNAME}}}[$__rate_interval]))", "rolled back {{datname}}"),
                ),
                graph(
                    "Connections by database", "short", "Open connections.",
                    Target(f"sum by (datname) (pg_stat_database_numbackends{{{DATNAME}}})", "{{datname}}"), stacked=True,
                ),
                graph(
                    "Connections by state", "short", "Idle in transaction holds locks and rows.",
                    Target(f"sum by (state) (pg_stat_activity_count{{{DATNAME}}})", "{{state}}"), stacked=True,
                ),
                graph(
                    "Rows", "cps", "Rows fetched and changed.",
                    Target(f"sum(rate(pg_stat_database_tup_fetched{{{DATNAME}}}[$__rate_interval]))", "fetched"),
                    Target(f"sum(rate(pg_stat_database_tup_inserted{{{DATNAME}}}[$__rate_interval]))", "inserted"),
                    Target(f"sum(rate(pg_stat_database_tup_updated{{{DATNAME}}}[$__rate_interval]))", "changed"),
                    Target(f"sum(rate(pg_stat_database_tup_deleted{{{DATNAME}}}[$__rate_interval]))", "deleted"),
                ),
                bars(
                    "Size by database", "bytes", "On disk.", Target(f"sum by (datname) (pg_database_size_bytes{{{DATNAME}}})", "{{datname}}"),
                    limits=plain(),
                ),
                graph(
                    "Temporary files", "Bps", "Sorts and joins that did not fit into memory.",
                    Target(f"sum by (datname) (rate(pg_stat_database_temp_bytes{{{DATNAME}}}[$__rate_interval]))", "{{datname}}"),
                ),
                graph(
                    "Locks", "short", "By mode.", Target(f"sum by (mode) (pg_locks_count{{{DATNAME}}})", "{{mode}}"), stacked=True,
                ),
                listing(
                    "Tables with most dead rows", "none", "Rows that vacuum has still to remove.",
                    Target(f"topk(15, sum by (datname, relname) (pg_stat_user_tables_n_dead_tup{{{E}}}))"),
                    columns={"datname": "Database", "relname": "Table"}, values=("Dead rows",), width=16,
                ),
            ],
        ),
        variables=[ENV, SERVICE, DATABASE],
        guides=[("Databases in an emergency", "breakglass-databases.md"), ("Databases of the services", "databases.md")],
        tags=["databases"],
    )  # fmt: skip
