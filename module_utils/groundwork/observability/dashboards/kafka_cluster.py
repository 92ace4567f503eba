"""Kafka cluster: can every partition be written and read, how much goes through, how long requests take."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, Target, bad_above, bad_below, graph, listing, log_lines, make, number, plain
from .estate import NODE_LOST, OFFLINE

LEADERS = ("Leaders are unevenly spread", "breakglass-kafka.md#leaders-are-unevenly-spread")
REPLICAS = ("Replicas are unevenly spread", "breakglass-kafka.md#replicas-are-unevenly-spread")
LOG_DIR = ("A log dir failed or is full", "breakglass-kafka.md#a-log-dir-failed-or-is-full")


def build() -> model.Dashboard:
    return make(
        "kafka-cluster",
        "Kafka cluster",
        "Partitions, replication, traffic and request times of the cluster as a whole.",
        (
            "Partitions",
            [
                number(
                    "Offline", "none", "Partitions without a leader, by the active controller.",
                    Target('max(kafka_controller_offlinepartitionscount{env=~"$env"})'), bad_above(None, 1),
                    runbook=OFFLINE,
                ),
                number(
                    "Under min ISR", "none", "Partitions that refuse acks=all.",
                    Target('sum(kafka_server_underminisrpartitioncount{env=~"$env"})'), bad_above(None, 1),
                    runbook=OFFLINE,
                ),
                number(
                    "Under-replicated", "none", "Partitions that lack an in-sync replica.",
                    Target('sum(kafka_server_underreplicatedpartitions{env=~"$env"})'), bad_above(1), runbook=NODE_LOST,
                ),
                number(
                    "At min ISR", "none", "Partitions that may lose no more replica without refusing acks=all.",
                    Target('sum(kafka_server_atminisrpartitioncount{env=~"$env"})'), bad_above(1), runbook=NODE_LOST,
                ),
                number(
                    "Brokers in service", "none", "Brokers that are registered and not fenced, by the active controller.",
                    Target('max(kafka_controller_activebrokercount{env=~"$env"})'), bad_below(1), runbook=NODE_LOST,
                ),
                number(
                    "Brokers fenced", "none", "Registered brokers whose heartbeats do not come.",
                    Target('max(kafka_controller_fencedbrokercount{env=~"$env"})'), bad_above(None, 1), runbook=NODE_LOST,
                ),
                number(
                    "Partitions", "none", "Partitions of the cluster.",
                    Target('max(kafka_controller_globalpartitioncount{env=~"$env"})'), plain(),
                ),
                number(
                    "Topics", "none", "Topics of the cluster.",
                    Target('max(kafka_controller_globaltopiccount{env=~"$env"})'), plain(),
                ),
                number(
                    "Not led by the preferred broker", "none", "Partitions whose leader is not their first replica.",
                    Target('max(kafka_controller_preferredreplicaimbalancecount{env=~"$env"})'), bad_above(10),
                    runbook=LEADERS,
                ),
                number(
                    "Being moved", "none", "Partitions of a reassignment that runs.",
                    Target('sum(kafka_server_reassigningpartitions{env=~"$env"})'), plain(), runbook=REPLICAS,
                ),
                number(
                    "Failed log dirs", "none", "Log dirs that a broker has given up.",
                    Target('sum(kafka_log_offline_directories{env=~"$env"})'), bad_above(None, 1), runbook=LOG_DIR,
                ),
                number(
                    "Unclean elections", "none", "Elections that lost records, in the time shown.",
                    Target('sum(increase(kafka_controller_uncleanleaderelections_total{env=~"$env"}[$__range]))'),
                    bad_above(None, 1), decimals=0, runbook=OFFLINE,
                ),
            ],
        ),
        (
            "Replication",
            [
                graph(
                    "Troubled partitions", "none", "Partitions by what they lack.",
                    Target('max(kafka_controller_offlinepartitionscount{env=~"$env"})', "offline"),
                    Target('sum(kafka_server_underminisrpartitioncount{env=~"$env"})', "under min ISR"),
                    Target('sum(kafka_server_underreplicatedpartitions{env=~"$env"})', "under-replicated"),
                    Target('sum(kafka_server_offlinereplicacount{env=~"$env"})', "replicas in failed log dirs"),
                    runbook=NODE_LOST,
                ),
                graph(
                    "In-sync replicas lost and won", "cps", "Replicas that fell out of sync and came back, a second.",
                    Target('sum(rate(kafka_server_isrshrinks_total{env=~"$env"}[$__rate_interval]))', "lost"),
                    Target('sum(rate(kafka_server_isrexpands_total{env=~"$env"}[$__rate_interval]))', "won"),
                    runbook=NODE_LOST,
                ),
                graph(
                    "Slowest follower", "short", "Records that the slowest follower of each broker is behind.",
                    Target('max by (host) (kafka_server_replica_fetcher_maxlag{env=~"$env"})', "{{host}}"),
                ),
            ],
        ),
        (
            "Traffic",
            [
                graph(
                    "Bytes in and out", "Bps", "Produced by services and fetched by consumers.",
                    Target('sum(rate(kafka_server_bytesin_total{env=~"$env"}[$__rate_interval]))', "in"),
                    Target('sum(rate(kafka_server_bytesout_total{env=~"$env"}[$__rate_interval]))', "out"),
                ),
                graph(
                    "Replication and reassignment", "Bps", "Bytes between brokers.",
                    Target('sum(rate(kafka_server_replicationbytesin_total{env=~"$env"}[$__rate_interval]))', "replication"),
                    Target('sum(rate(kafka_server_reassignmentbytesin_total{env=~"$env"}[$__rate_interval]))', "reassignment"),
                ),
                graph(
                    "Records in", "cps", "Records a second, by broker.",
                    Target('sum by (host) (rate(kafka_server_messagesin_total{env=~"$env"}[$__rate_interval]))', "{{host}}"),
                    stacked=True,
                ),
            ],
        ),
        (
            "Requests",
            [
                graph(
                    "Produce, 99th percentile", "ms", "Time of a produce request on the slowest broker, by its parts.",
                    Target('max(kafka_network_totaltimems{env=~"$env", request="Produce", quantile="0.99"})', "total"),
                    Target('max(kafka_network_requestqueuetimems{env=~"$env", request="Produce", quantile="0.99"})', "queue"),
                    Target('max(kafka_network_localtimems{env=~"$env", request="Produce", quantile="0.99"})', "local"),
                    Target('max(kafka_network_remotetimems{env=~"$env", request="Produce", quantile="0.99"})', "other brokers"),
                    Target('max(kafka_network_throttletimems{env=~"$env", request="Produce", quantile="0.99"})', "held back by quota"),
                    limits=bad_above(200, 1000),
                ),
                graph(
                    "Fetch of consumers, 99th percentile", "ms",
                    "A fetch waits for records up to the consumer's fetch.max.wait.ms, so half a second is usual.",
                    Target(
                        'max by (host) (kafka_network_totaltimems{env=~"$env", request="FetchConsumer", quantile="0.99"})',
                        "{{host}}",
                    ),
                ),
                graph(
                    "Requests refused", "cps", "Answers with an error, by error.",
                    Target(
                        'sum by (error) (rate(kafka_network_request_errors_total{env=~"$env", error!="NONE"}[$__rate_interval]))',
                        "{{error}}",
                    ),
                ),
                graph(
                    "Failed produce and fetch", "cps", "Requests that failed for a reason of the broker.",
                    Target('sum(rate(kafka_server_failedproducerequests_total{env=~"$env"}[$__rate_interval]))', "produce"),
                    Target('sum(rate(kafka_server_failedfetchrequests_total{env=~"$env"}[$__rate_interval]))', "fetch"),
                ),
                graph(
                    "Failed log-ins", "cps", "Log-ins that brokers refused, by listener.",
                    Target(
                        'sum by (listener) (rate(kafka_network_failed_authentication_total{env=~"$env"}[$__rate_interval]))',
                        "{{listener}}",
                    ),
                    limits=bad_above(1), runbook=("Passwords of services", "breakglass-kafka.md#passwords-of-services"),
                ),
                graph(
                    "Connections", "short", "Open connections, by listener.",
                    Target('sum by (listener) (kafka_network_connection_count{env=~"$env"})', "{{listener}}"), stacked=True,
                ),
            ],
        ),
        (
            "Brokers",
            [
                listing(
                    "Leaders and replicas", "none", "Partitions that each broker leads and holds.",
                    Target('sum by (host, node_id) (kafka_server_leadercount{env=~"$env"})'),
                    Target('sum by (host, node_id) (kafka_server_partitioncount{env=~"$env"})'),
                    columns={"host": "Host", "node_id": "Node"}, values=("Leads", "Holds"), runbook=LEADERS, width=8,
                ),
                log_lines(
                    "Errors and warnings of the brokers", "Kafka's own log, levels WARN, ERROR and FATAL.",
                    '{env=~"$env", job="kafka", level=~"(?i)warn|error|fatal"}', width=16, height=8,
                ),
            ],
        ),
        variables=[ENV],
        guides=[("Kafka in an emergency", "breakglass-kafka.md"), ("The Kafka role", "kafka-role.md")],
        tags=["kafka"],
    )  # fmt: skip
