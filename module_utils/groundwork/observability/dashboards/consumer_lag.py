"""Consumer lag: which group is behind, on which topic, by how much and for how long."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, TOPIC, Target, Variable, bad_above, bad_below, bars, graph, listing, make, number

GROUP = Variable("group", "Consumer group", "kafka_consumergroup_members", 'env=~"$env"', label="consumergroup")
CHOSEN = 'env=~"$env", consumergroup=~"$group"'
OF_TOPIC = 'env=~"$env", consumergroup=~"$group", topic=~"$topic"'


def build() -> model.Dashboard:
    return make(
        "consumer-lag",
        "Kafka consumer lag",
        "Records that consumer groups have not consumed, by group, topic and partition.",
        (
            "Now",
            [
                number(
                    "Largest lag", "short", "Records of the group that is furthest behind.",
                    Target(f"max(sum by (consumergroup) (kafka_consumergroup_uncommitted_offsets_sum{{{OF_TOPIC}}}))"),
                    bad_above(10_000, 100_000), width=6,
                ),
                number(
                    "Oldest record not consumed", "ms", "Estimated age, over all groups chosen.",
                    Target(f"max(kafka_consumer_lag_millis{{{OF_TOPIC}}})"), bad_above(60_000, 600_000), width=6,
                ),
                number(
                    "Groups without a member", "none", "Nobody consumes: the service is down, or the group is not used any more.",
                    Target(f"sum(kafka_consumergroup_members{{{CHOSEN}}} == bool 0)"), bad_above(1), width=6,
                ),
                number(
                    "Brokers seen by the exporter", "none", "The exporter of the owner host asks these.",
                    Target('max(kafka_brokers{env=~"$env"})'), bad_below(1), width=6,
                ),
            ],
        ),
        (
            "Groups",
            [
                graph(
                    "Lag by group", "short", "Records not consumed, all topics together.",
                    Target(f"sum by (consumergroup) (kafka_consumergroup_uncommitted_offsets_sum{{{OF_TOPIC}}})", "{{consumergroup}}"),
                    width=12,
                ),
                graph(
                    "Age by group", "ms", "Estimated age of the oldest record that is not consumed.",
                    Target(f"max by (consumergroup) (kafka_consumer_lag_millis{{{OF_TOPIC}}})", "{{consumergroup}}"), width=12,
                    limits=bad_above(60_000, 600_000),
                ),
                graph(
                    "Consumed", "cps", "Offsets committed a second: 0 under lag means that the group stands.",
                    Target(
                        f"sum by (consumergroup) (rate(kafka_consumergroup_current_offset_sum{{{OF_TOPIC}}}[$__rate_interval]))",
                        "{{consumergroup}}",
                    ),
                    width=12,
                ),
                graph(
                    "Members", "none", "Consumers of each group; a saw is a group that rebalances again and again.",
                    Target(f"sum by (consumergroup) (kafka_consumergroup_members{{{CHOSEN}}})", "{{consumergroup}}"), width=12,
                ),
            ],
        ),
        (
            "Topics and partitions",
            [
                bars(
                    "Lag by group and topic", "short", "The twenty largest.",
                    Target(
                        f"topk(20, sum by (consumergroup, topic) (kafka_consumergroup_uncommitted_offsets_sum{{{OF_TOPIC}}}))",
                        "{{consumergroup}} {{topic}}",
                    ),
                    limits=bad_above(10_000, 100_000), width=12, height=10,
                ),
                listing(
                    "Partitions that are furthest behind", "short",
                    "One partition far ahead of the others is a key that is used too much, or a record that cannot be consumed.",
                    Target(f"topk(20, kafka_consumergroup_uncommitted_offsets{{{OF_TOPIC}}})"),
                    columns={"consumergroup": "Group", "topic": "Topic", "partition": "Partition"}, values=("Records",),
                    limits=bad_above(10_000, 100_000), height=10,
                ),
            ],
        ),
        variables=[ENV, GROUP, TOPIC],
        guides=[("Kafka in an emergency", "breakglass-kafka.md")],
        tags=["kafka"],
    )  # fmt: skip
