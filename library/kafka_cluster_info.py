#!/usr/bin/python
"""Ansible module: the whole state of a Kafka cluster in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_cluster_info
short_description: Read the whole state of a Kafka cluster and judge its health
description:
  - One connection - quorum, brokers, topics, ISR, log dirs, features and reassignments, with a verdict and its reasons.
    An unhealthy cluster is a result, not a failure; use kafka_gate to wait for health.
options:
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
  expect_cluster_id: {description: Cluster id that it must have., type: str}
  expect_brokers: {description: Broker ids that must be registered and no others., type: list, elements: int}
  expect_voters: {description: Node ids that must be voters and no others., type: list, elements: int}
  max_voter_lag: {description: Records that a voter may be behind., type: int, default: 100}
  max_voter_lag_ms: {description: Milliseconds since a voter was last caught up., type: int, default: 10000}
  min_free_percent: {description: Free space that a log dir must have., type: float, default: 5.0}
  without: {description: Node ids whose absence is known and is no reason., type: list, elements: int, default: []}
attributes:
  check_mode: {support: full, description: Only reads.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: How is the cluster?
  kafka_cluster_info:
    bootstrap_servers: ["kafka-1.prod.internal:9092", "kafka-2.prod.internal:9092"]
    expect_brokers: [1, 2, 3]
    expect_voters: [1, 2, 3]
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
  register: kafka
"""

RETURN = r"""
healthy: {description: True when there is no reason against it., type: bool, returned: success}
reasons: {description: Why it is not healthy., type: list, elements: str, returned: success}
cluster_id: {description: The cluster id., type: str, returned: success}
active_controller: {description: Node id of the quorum's leader., type: int, returned: success}
controllers: {description: Node ids of the voters., type: list, elements: int, returned: success}
quorum:
  description: >-
    C(leader_id), C(leader_epoch), C(high_watermark), C(voters) and C(observers) (id, directory_id, log_end_offset, lag, lag_ms, fetched_ms, endpoint).
    C(fetched_ms) is milliseconds since its last fetch; an observer that is gone stays listed for minutes.
  type: dict
  returned: success
brokers: {description: "id, endpoint, rack, fenced, leaders, replicas.", type: list, elements: dict, returned: success}
topics: {description: "By name: partitions, replication_factor, min_insync_replicas, internal.", type: dict, returned: success}
partitions: {description: Number of partitions., type: int, returned: success}
offline_partitions: {description: Partitions without a leader., type: list, elements: str, returned: success}
under_min_isr_partitions: {description: Partitions below min.insync.replicas., type: list, elements: str, returned: success}
at_min_isr_partitions: {description: Partitions that would go below with one replica less., type: list, elements: str, returned: success}
under_replicated_partitions: {description: Partitions whose ISR lacks a replica., type: list, elements: str, returned: success}
missing_replicas: {description: By under-replicated partition the replicas that are not in sync., type: dict, returned: success}
below_min_isr_without: {description: By node id the partitions that go below min.insync.replicas when it stops., type: dict, returned: success}
not_preferred_leaders: {description: Partitions led by another than their preferred replica., type: int, returned: success}
reassigning: {description: Partitions that are being moved., type: list, elements: str, returned: success}
log_dirs:
  description: broker, path, error, total_bytes, usable_bytes, free_percent, replicas, replica_bytes, cordoned.
  type: list
  elements: dict
  returned: success
features: {description: "By name: finalized, supported_min, supported_max.", type: dict, returned: success}
unreadable: {description: What could not be read., type: list, elements: str, returned: success}
seconds: {description: How long it took., type: float, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args, cluster
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(argument_spec={**args.CONNECTION, **args.EXPECTED}, supports_check_mode=True)
    try:
        state = cluster.info(args.connection(module.params), args.expected(module.params))
    except KafkaProblem as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, **state)


if __name__ == "__main__":
    main()
