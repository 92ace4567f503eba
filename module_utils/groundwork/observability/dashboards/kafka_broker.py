"""Kafka broker: one node or some of them, from its threads down to its disks and its JVM."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, NODE_ID, Target, bad_above, bad_below, graph, make, number
from .estate import NODE_LOST
from .kafka_cluster import LOG_DIR

NODE = 'env=~"$env", node_id=~"$node_id"'


def build() -> model.Dashboard:
    return make(
        "kafka-broker",
        "Kafka broker",
        "Threads, queues, request times, replication, log dirs and JVM of the chosen nodes.",
        (
            "Now",
            [
                number(
                    "Running", "none", "Nodes of those chosen that are in state 3, running.",
                    Target(f"sum(kafka_server_broker_state{{{NODE}}} == bool 3)"), bad_below(1), runbook=NODE_LOST,
                ),
                number(
                    "Failed log dirs", "none", "Log dirs that a node has given up.",
                    Target(f"sum(kafka_log_offline_directories{{{NODE}}})"), bad_above(None, 1), runbook=LOG_DIR,
                ),
                number(
                    "Request handlers idle", "percentunit", "Idle share of the busiest node's request handlers.",
                    Target(f"min(kafka_server_request_handler_idle_ratio{{{NODE}}})"), bad_below(0.1, 0.3), decimals=2,
                ),
                number(
                    "Network threads idle", "percentunit", "Idle share of the busiest node's network threads.",
                    Target(f"min(kafka_network_processor_idle_ratio{{{NODE}}})"), bad_below(0.1, 0.3), decimals=2,
                ),
                number(
                    "Dead fetchers", "none", "Replica fetcher threads that ended: their partitions fall behind.",
                    Target(f"sum(kafka_server_replica_fetcher_deadthreadcount{{{NODE}}})"), bad_above(None, 1),
                ),
                number(
                    "Dead log cleaners", "none", "Threads of the log cleaner that ended: compacted topics grow.",
                    Target(f"sum(kafka_log_cleaner_deadthreadcount{{{NODE}}})"), bad_above(None, 1),
                    runbook=LOG_DIR,
                ),
            ],
        ),
        (
            "Requests",
            [
                graph(
                    "Requests", "reqps", "Requests a second, by kind.",
                    Target(
                        f"sum by (request) (rate(kafka_network_requests_total{{{NODE},"
                        ' request=~"Produce|FetchConsumer|FetchFollower|Metadata|OffsetCommit"}[$__rate_interval]))',
                        "{{request}}",
                    ),
                ),
                graph(
                    "Produce, 99th percentile", "ms", "Whole time of a produce request, by node.",
                    Target(f'kafka_network_totaltimems{{{NODE}, request="Produce", quantile="0.99"}}', "{{host}}"),
                    limits=bad_above(200, 1000),
                ),
                graph(
                    "Time in the queue, 99th percentile", "ms", "How long requests wait for a request handler, by kind.",
                    Target(
                        f'max by (request) (kafka_network_requestqueuetimems{{{NODE}, request=~"Produce|FetchConsumer|FetchFollower",'
                        ' quantile="0.99"})',
                        "{{request}}",
                    ),
                    limits=bad_above(50, 500),
                ),
                graph(
                    "Waiting requests and answers", "short", "Entries of the queues, by node.",
                    Target(f"kafka_network_requestqueuesize{{{NODE}}}", "requests {{host}}"),
                    Target(f"kafka_network_responsequeuesize{{{NODE}}}", "answers {{host}}"),
                ),
                graph(
                    "Idle shares", "percentunit", "Idle share of request handlers and network threads; below 0.3 is busy.",
                    Target(f"kafka_server_request_handler_idle_ratio{{{NODE}}}", "handlers {{host}}"),
                    Target(f"kafka_network_processor_idle_ratio{{{NODE}}}", "network {{host}}"),
                ),
                graph(
                    "Parked requests", "short", "Requests that wait for replicas or for records, by what for.",
                    Target(
                        f'sum by (operation) (kafka_server_purgatory_size{{{NODE}, operation=~"Produce|Fetch|AlterAcls|ElectLeader"}})',
                        "{{operation}}",
                    ),
                ),
                graph(
                    "Held back by quotas", "ms", "Time that answers are delayed, by login.",
                    Target(f"max by (user) (kafka_quota_produce_throttle_time{{{NODE}}})", "produce {{user}}"),
                    Target(f"max by (user) (kafka_quota_fetch_throttle_time{{{NODE}}})", "fetch {{user}}"),
                    Target(f"max by (user) (kafka_quota_request_throttle_time{{{NODE}}})", "requests {{user}}"),
                ),
                graph(
                    "Log-ins", "cps", "Log-ins that succeeded and failed, by node.",
                    Target(
                        f"sum by (host) (rate(kafka_network_successful_authentication_total{{{NODE}}}[$__rate_interval]))",
                        "good {{host}}",
                    ),
                    Target(
                        f"sum by (host) (rate(kafka_network_failed_authentication_total{{{NODE}}}[$__rate_interval]))",
                        "failed {{host}}",
                    ),
                ),
                graph(
                    "Group coordinator idle", "percentunit", "Idle share of the threads that serve consumer groups.",
                    Target(f"kafka_group_coordinator_thread_idle_ratio_avg{{{NODE}}}", "{{host}}"), highest=1,
                ),
            ],
        ),
        (
            "Replicas and logs",
            [
                graph(
                    "Leaders and replicas", "none", "Partitions led and held.",
                    Target(f"kafka_server_leadercount{{{NODE}}}", "leads {{host}}"),
                    Target(f"kafka_server_partitioncount{{{NODE}}}", "holds {{host}}"),
                ),
                graph(
                    "Bytes on disk", "bytes", "Size of all logs, by node.",
                    Target(f"sum by (host) (kafka_log_size{{{NODE}}})", "{{host}}"), runbook=LOG_DIR,
                ),
                graph(
                    "Flush of a log, 99th percentile", "ms", "Time to bring a log to the disk.",
                    Target(f'kafka_log_flush_time_ms{{{NODE}, quantile="0.99"}}', "{{host}}"), limits=bad_above(100, 1000),
                ),
                graph(
                    "Behind the leaders", "short", "Records that the slowest follower of the node is behind.",
                    Target(f"kafka_server_replica_fetcher_maxlag{{{NODE}}}", "{{host}}"),
                ),
                graph(
                    "Replication", "Bps", "Bytes replicated to and from the node.",
                    Target(f"sum by (host) (rate(kafka_server_replicationbytesin_total{{{NODE}}}[$__rate_interval]))", "to {{host}}"),
                    Target(f"sum by (host) (rate(kafka_server_replicationbytesout_total{{{NODE}}}[$__rate_interval]))", "from {{host}}"),
                ),
                graph(
                    "Bytes in and out", "Bps", "Produced to and fetched from the node.",
                    Target(f"sum by (host) (rate(kafka_server_bytesin_total{{{NODE}}}[$__rate_interval]))", "in {{host}}"),
                    Target(f"sum by (host) (rate(kafka_server_bytesout_total{{{NODE}}}[$__rate_interval]))", "out {{host}}"),
                ),
            ],
        ),
        (
            "Process",
            [
                graph(
                    "Heap", "bytes", "Used heap; the collector lets it rise before it works.",
                    Target(f'jvm_memory_used_bytes{{{NODE}, job="kafka", area="heap"}}', "used {{host}}"),
                    Target(f'jvm_memory_max_bytes{{{NODE}, job="kafka", area="heap"}}', "most {{host}}"),
                ),
                graph(
                    "Garbage collection", "percentunit", "Share of time in which the JVM stood still for it.",
                    Target(
                        f'sum by (host) (rate(jvm_gc_collection_seconds_sum{{{NODE}, job="kafka"}}[$__rate_interval]))', "{{host}}"
                    ),
                    limits=bad_above(0.05, 0.2),
                ),
                graph(
                    "Processors", "short", "Processors that Kafka uses.",
                    Target(f'rate(process_cpu_seconds_total{{{NODE}, job="kafka"}}[$__rate_interval])', "{{host}}"),
                ),
                graph(
                    "Open files", "percentunit", "Share of the files that the process may open: segments and connections.",
                    Target(f'process_open_fds{{{NODE}, job="kafka"}} / process_max_fds{{{NODE}, job="kafka"}}', "{{host}}"),
                    limits=bad_above(0.6, 0.85), highest=1,
                ),
                graph(
                    "Threads", "short", "Threads of the JVM.",
                    Target(f'jvm_threads_current{{{NODE}, job="kafka"}}', "{{host}}"),
                ),
                graph(
                    "Asking for metrics", "s", "Time that the exporter needs to ask the JVM; a scrape times out above 15 s.",
                    Target(f"jmx_scrape_duration_seconds{{{NODE}}}", "{{host}}"), limits=bad_above(5, 10),
                ),
            ],
        ),
        variables=[ENV, NODE_ID],
        guides=[("Kafka in an emergency", "breakglass-kafka.md"), ("The Kafka role", "kafka-role.md")],
        tags=["kafka"],
    )  # fmt: skip
