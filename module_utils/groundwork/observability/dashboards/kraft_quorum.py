"""KRaft quorum: who leads, who follows, how far behind, and what the active controller does."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, NODE_ID, Target, bad_above, bad_below, exactly, graph, listing, make, number, plain

NODE = 'env=~"$env", node_id=~"$node_id"'
VOTERS = ("Voters of the quorum", "breakglass-kafka.md#voters-of-the-quorum")
COPIES = ("Copies of the metadata", "breakglass-kafka.md#copies-of-the-metadata")


def build() -> model.Dashboard:
    return make(
        "kraft-quorum",
        "KRaft quorum",
        "The metadata quorum: leader, voters, epochs, commits, and how far every node is behind.",
        (
            "Now",
            [
                number(
                    "Active controllers", "none", "Exactly one is right.",
                    Target('sum(kafka_controller_activecontrollercount{env=~"$env"})'), exactly(1), runbook=VOTERS,
                ),
                number(
                    "Leader", "none", "Node id of the leader; -1 when a node does not know it.",
                    Target('min(kafka_raft_current_leader{env=~"$env"})'), bad_below(0), runbook=VOTERS,
                ),
                number(
                    "Voters", "none", "Nodes that vote. Three endure the loss of one, five of two.",
                    Target('max(kafka_raft_number_of_voters{env=~"$env"})'), bad_below(1, 3), runbook=VOTERS,
                ),
                number(
                    "Voters unknown", "none", "Voters whose address the leader does not know.",
                    Target('max(kafka_raft_number_unknown_voter_connections{env=~"$env"})'), bad_above(None, 1), runbook=VOTERS,
                ),
                number(
                    "Epoch", "none", "Rises by one with each election.",
                    Target('max(kafka_raft_current_epoch{env=~"$env"})'), plain(),
                ),
                number(
                    "Elections", "none", "Changes of the active controller in the time shown.",
                    Target('max(increase(kafka_controller_newactivecontrollerscount_total{env=~"$env"}[$__range]))'),
                    bad_above(3, 10), decimals=0, runbook=VOTERS,
                ),
            ],
        ),
        (
            "Log of the metadata",
            [
                graph(
                    "Behind the quorum's end", "short", "Records that each node has not fetched yet.",
                    Target(
                        'scalar(max(kafka_raft_log_end_offset{env=~"$env"}))'
                        f" - kafka_raft_log_end_offset{{{NODE}}}",
                        "{{host}}",
                    ),
                    runbook=VOTERS,
                ),
                graph(
                    "Behind in applying", "ms", "Age of the last record that each node has applied.",
                    Target(f"kafka_metadata_last_applied_record_lag_ms{{{NODE}}}", "broker {{host}}"),
                    Target(f"kafka_controller_lastappliedrecordlagms{{{NODE}}}", "controller {{host}}"),
                    limits=bad_above(2000, 10_000),
                ),
                graph(
                    "High watermark", "short", "Offset that a majority has: it must rise.",
                    Target(f"kafka_raft_high_watermark{{{NODE}}}", "{{host}}"), lowest=None,
                ),
                graph(
                    "Commit", "ms", "Time until a majority has a record.",
                    Target(f"kafka_raft_commit_latency_ms_avg{{{NODE}}}", "usual {{host}}"),
                    Target(f"kafka_raft_commit_latency_ms_max{{{NODE}}}", "longest {{host}}"),
                    limits=bad_above(500, 2000),
                ),
                graph(
                    "Records appended and fetched", "cps", "Metadata records a second.",
                    Target(f"kafka_raft_append_records_per_second{{{NODE}}}", "appended {{host}}"),
                    Target(f"kafka_raft_fetch_records_per_second{{{NODE}}}", "fetched {{host}}"),
                ),
                graph(
                    "Longest election", "ms", "Time without a leader at the last elections.",
                    Target(f"kafka_raft_election_latency_ms_max{{{NODE}}}", "{{host}}"), runbook=VOTERS,
                ),
            ],
        ),
        (
            "Controller",
            [
                graph(
                    "Events of the controller, 99th percentile", "ms", "Time that an event waits and takes.",
                    Target(f'kafka_controller_eventqueuetimems{{{NODE}, quantile="0.99"}}', "waits {{host}}"),
                    Target(f'kafka_controller_eventqueueprocessingtimems{{{NODE}, quantile="0.99"}}', "takes {{host}}"),
                    limits=bad_above(500, 5000),
                ),
                graph(
                    "Late heartbeats and timeouts", "cps", "Heartbeats of brokers that came too late; operations given up.",
                    Target(
                        f"rate(kafka_controller_timedoutbrokerheartbeatcount_total{{{NODE}}}[$__rate_interval])", "heartbeats {{host}}"
                    ),
                    Target(
                        f"rate(kafka_controller_eventqueueoperationstimedoutcount_total{{{NODE}}}[$__rate_interval])", "operations {{host}}"
                    ),
                ),
                graph(
                    "Errors in the metadata", "none", "Since start; each is a reason to look into the log of that node.",
                    Target(f"kafka_controller_metadataerrorcount_total{{{NODE}}}", "controller {{host}}"),
                    Target(f"kafka_metadata_metadata_load_error_count_total{{{NODE}}}", "load {{host}}"),
                    Target(f"kafka_metadata_metadata_apply_error_count_total{{{NODE}}}", "apply {{host}}"),
                    limits=bad_above(None, 1), runbook=COPIES,
                ),
            ],
        ),
        (
            "Snapshots and nodes",
            [
                graph(
                    "Age of the last snapshot", "ms", "Time since each node wrote the metadata down as a whole.",
                    Target(f"kafka_metadata_snapshot_latestsnapshotgeneratedagems{{{NODE}}}", "{{host}}"), runbook=COPIES,
                ),
                graph(
                    "Size of the last snapshot", "bytes", "It grows with topics, partitions and settings.",
                    Target(f"kafka_metadata_snapshot_latestsnapshotgeneratedbytes{{{NODE}}}", "{{host}}"),
                ),
                listing(
                    "State of each node", "none", "What each node is in the quorum.",
                    Target(f"max by (host, node_id, state) (kafka_raft_state{{{NODE}}})"),
                    columns={"host": "Host", "node_id": "Node", "state": "State"}, values=("Now",), width=8,
                    runbook=VOTERS,
                ),
            ],
        ),
        variables=[ENV, NODE_ID],
        guides=[("Kafka in an emergency", "breakglass-kafka.md")],
        tags=["kafka"],
    )  # fmt: skip
