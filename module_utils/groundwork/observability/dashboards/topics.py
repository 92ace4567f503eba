"""Kafka topics: traffic, size, partitions and replicas of each topic."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, TOPIC, Target, bad_above, bars, graph, listing, make, number, plain
from .estate import NODE_LOST
from .kafka_cluster import LEADERS, LOG_DIR

CHOSEN = 'env=~"$env", topic=~"$topic"'


def build() -> model.Dashboard:
    return make(
        "kafka-topics",
        "Kafka topics",
        "What goes into and out of each topic, how large it is, and whether its replicas are in sync.",
        (
            "Now",
            [
                number(
                    "Topics", "none", "Topics chosen.", Target(f"count(kafka_topic_partitions{{{CHOSEN}}})"), plain(), width=6
                ),
                number(
                    "Partitions", "none", "Partitions of these.", Target(f"sum(kafka_topic_partitions{{{CHOSEN}}})"), plain(), width=6
                ),
                number(
                    "Under-replicated", "none", "Partitions that lack an in-sync replica.",
                    Target(f"sum(kafka_topic_partition_under_replicated_partition{{{CHOSEN}}})"), bad_above(1), width=6,
                    runbook=NODE_LOST,
                ),
                number(
                    "On disk", "bytes", "All replicas of these topics.", Target(f"sum(kafka_log_size{{{CHOSEN}}})"), plain(), width=6
                ),
            ],
        ),
        (
            "Traffic",
            [
                graph(
                    "Records in", "cps", "Records produced a second, by topic.",
                    Target(f"sum by (topic) (rate(kafka_server_topic_messagesin_total{{{CHOSEN}}}[$__rate_interval]))", "{{topic}}"),
                ),
                graph(
                    "Bytes in", "Bps", "Bytes produced a second, by topic.",
                    Target(f"sum by (topic) (rate(kafka_server_topic_bytesin_total{{{CHOSEN}}}[$__rate_interval]))", "{{topic}}"),
                ),
                graph(
                    "Bytes out", "Bps", "Bytes fetched by consumers a second, by topic.",
                    Target(f"sum by (topic) (rate(kafka_server_topic_bytesout_total{{{CHOSEN}}}[$__rate_interval]))", "{{topic}}"),
                ),
                graph(
                    "Segments", "short", "Files of the logs of all replicas: each is held open.",
                    Target(f"sum by (topic) (kafka_log_numlogsegments{{{CHOSEN}}})", "{{topic}}"),
                ),
                graph(
                    "Records kept", "short", "Next offset minus first offset; compaction leaves holes, so it can be fewer.",
                    Target(
                        f"sum by (topic) (kafka_topic_partition_current_offset{{{CHOSEN}}}"
                        f" - kafka_topic_partition_oldest_offset{{{CHOSEN}}})",
                        "{{topic}}",
                    ),
                ),
                graph(
                    "Behind the leaders", "short", "Records that followers of the topic are behind, the slowest each.",
                    Target(f"max by (topic) (kafka_server_replica_lag{{{CHOSEN}}})", "{{topic}}"),
                ),
            ],
        ),
        (
            "Size and place",
            [
                bars(
                    "Largest topics", "bytes", "Bytes of all replicas, the twenty largest.",
                    Target(f"topk(20, sum by (topic) (kafka_log_size{{{CHOSEN}}}))", "{{topic}}"), limits=plain(), width=12, height=10,
                    runbook=LOG_DIR,
                ),
                listing(
                    "Partitions by topic", "none", "Partitions, replicas in sync and not led by the preferred broker, by topic.",
                    Target(f"sum by (topic) (kafka_topic_partitions{{{CHOSEN}}})"),
                    Target(f"sum by (topic) (kafka_topic_partition_replicas{{{CHOSEN}}})"),
                    Target(f"sum by (topic) (kafka_topic_partition_in_sync_replica{{{CHOSEN}}})"),
                    Target(f"sum by (topic) (kafka_topic_partition_leader_is_preferred{{{CHOSEN}}} == bool 0)"),
                    columns={"topic": "Topic"}, values=("Partitions", "Replicas", "In sync", "Not preferred"), height=10,
                    runbook=LEADERS,
                ),
            ],
        ),
        variables=[ENV, TOPIC],
        guides=[("Kafka in an emergency", "breakglass-kafka.md"), ("The catalog", "catalog.md")],
        tags=["kafka"],
    )  # fmt: skip
