"""Estate overview: what is down, what is full, what waits. The first dashboard to open."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, Target, bad_above, bad_below, bars, exactly, graph, listing, log_lines, make, number, plain

OFFLINE = ("Partitions without a leader", "breakglass-kafka.md#partitions-without-a-leader")
NODE_LOST = ("A node is lost", "breakglass-kafka.md#a-node-is-lost")
LOOK = ("Look first", "breakglass-kafka.md#look-first")
DATABASES = ("Databases in an emergency", "breakglass-databases.md#report")


def build() -> model.Dashboard:
    return make(
        "estate",
        "Estate overview",
        "Hosts, Kafka, shared databases and the way of the measurements, at a glance.",
        (
            "Now",
            [
                number(
                    "Targets down", "none", "Endpoints that do not answer when asked for their metrics.",
                    Target('sum(up{env=~"$env"} == bool 0)'), bad_above(None, 1), runbook=LOOK,
                ),
                number(
                    "Hosts measured", "none", "Hosts whose agent reports.",
                    Target('count(count by (host) (node_time_seconds{env=~"$env"}))'), plain(),
                ),
                number(
                    "Brokers running", "none", "Brokers in state 3, running.",
                    Target('sum(kafka_server_broker_state{env=~"$env"} == bool 3)'), bad_below(1), runbook=NODE_LOST,
                ),
                number(
                    "Active controllers", "none", "Exactly one is right: none means no quorum, two a split view.",
                    Target('sum(kafka_controller_activecontrollercount{env=~"$env"})'), exactly(1),
                    runbook=("Voters of the quorum", "breakglass-kafka.md#voters-of-the-quorum"),
                ),
                number(
                    "Partitions offline", "none", "Partitions without a leader: nobody can write or read them.",
                    Target('max(kafka_controller_offlinepartitionscount{env=~"$env"})'), bad_above(None, 1),
                    runbook=OFFLINE,
                ),
                number(
                    "Under min ISR", "none", "Partitions that refuse acks=all because too few replicas are in sync.",
                    Target('sum(kafka_server_underminisrpartitioncount{env=~"$env"})'), bad_above(None, 1),
                    runbook=OFFLINE,
                ),
                number(
                    "Under-replicated", "none", "Partitions that lack an in-sync replica.",
                    Target('sum(kafka_server_underreplicatedpartitions{env=~"$env"})'), bad_above(1), runbook=NODE_LOST,
                ),
                number(
                    "Largest lag", "short", "Records that the slowest consumer group has not consumed.",
                    Target('max(sum by (consumergroup) (kafka_consumergroup_uncommitted_offsets_sum{env=~"$env"}))'),
                    bad_above(10_000, 100_000),
                ),
                number(
                    "MySQL", "none", "1 when the shared MySQL server lets the exporter in.",
                    Target('min(mysql_up{env=~"$env"})'), bad_below(1), runbook=DATABASES,
                ),
                number(
                    "PostgreSQL", "none", "1 when the shared PostgreSQL server lets the exporter in.",
                    Target('min(pg_up{env=~"$env"})'), bad_below(1), runbook=DATABASES,
                ),
                number(
                    "Fullest file system", "percent", "Used space of the fullest file system of all hosts.",
                    Target(
                        'max(100 * (1 - node_filesystem_avail_bytes{env=~"$env"} / node_filesystem_size_bytes{env=~"$env"}))'
                    ),
                    bad_above(75, 90), decimals=0,
                    runbook=("A log dir failed or is full", "breakglass-kafka.md#a-log-dir-failed-or-is-full"),
                ),
                number(
                    "Agents with a refused configuration", "none", "Hosts whose Alloy did not take its last configuration.",
                    Target('sum(alloy_config_last_load_successful{env=~"$env"} == bool 0)'), bad_above(None, 1),
                ),
            ],
        ),
        (
            "Load",
            [
                graph(
                    "Processors", "percentunit", "Share of the processors that works, by host.",
                    Target(
                        '1 - avg by (host) (rate(node_cpu_seconds_total{env=~"$env", mode="idle"}[$__rate_interval]))',
                        "{{host}}",
                    ),
                    limits=bad_above(0.8, 0.95), highest=1,
                ),
                graph(
                    "Memory", "percentunit", "Share of memory that programs could not get any more, by host.",
                    Target(
                        '1 - node_memory_MemAvailable_bytes{env=~"$env"} / node_memory_MemTotal_bytes{env=~"$env"}',
                        "{{host}}",
                    ),
                    limits=bad_above(0.85, 0.95), highest=1,
                ),
                bars(
                    "File systems", "percent", "Used space by host and mount point.",
                    Target(
                        'topk(12, 100 * (1 - node_filesystem_avail_bytes{env=~"$env"}'
                        ' / node_filesystem_size_bytes{env=~"$env"}))',
                        "{{host}} {{mountpoint}}",
                    ),
                    limits=bad_above(75, 90), highest=100,
                ),
                graph(
                    "Records produced", "cps", "Records a second taken by all brokers.",
                    Target('sum by (host) (rate(kafka_server_messagesin_total{env=~"$env"}[$__rate_interval]))', "{{host}}"),
                    stacked=True,
                ),
                graph(
                    "Lag by consumer group", "short", "Records not consumed, the ten largest groups.",
                    Target(
                        'topk(10, sum by (consumergroup) (kafka_consumergroup_uncommitted_offsets_sum{env=~"$env"}))',
                        "{{consumergroup}}",
                    ),
                ),
                graph(
                    "Connections to the shared databases", "short", "Open connections of each server.",
                    Target('sum(mysql_global_status_threads_connected{env=~"$env"})', "MySQL"),
                    Target('sum(pg_stat_database_numbackends{env=~"$env"})', "PostgreSQL"),
                ),
            ],
        ),
        (
            "Who answers",
            [
                listing(
                    "Targets by job", "none", "Endpoints that answer, and that do not.",
                    Target('sum by (job) (up{env=~"$env"})'), Target('sum by (job) (up{env=~"$env"} == bool 0)'),
                    columns={"job": "Job"}, values=("Up", "Down"), width=8, height=9,
                ),
                log_lines(
                    "Errors in the logs", "Lines of level ERROR and FATAL of all hosts.",
                    '{env=~"$env", level=~"(?i)error|fatal"}', width=16,
                ),
            ],
        ),
        variables=[ENV],
        guides=[("Troubleshooting", "troubleshooting.md"), ("Monitoring in CloudWatch", "monitoring.md")],
    )  # fmt: skip
