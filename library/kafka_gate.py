#!/usr/bin/python
"""Ansible module: wait until a Kafka cluster has been healthy for a while; fails closed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_gate
short_description: Pass only after a run of consecutive healthy answers of the cluster
description:
  - Asks for the whole state (see kafka_cluster_info) until O(answers) answers in a row are healthy. An error, a timeout or an answer
    that cannot be read counts as unhealthy. When the time is over the module fails and says what it saw last.
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
  answers: {description: Healthy answers in a row., type: int, default: 12}
  interval: {description: Seconds between answers., type: float, default: 1.0}
  wait: {description: Seconds after which it fails., type: float, default: 300.0}
attributes:
  check_mode: {support: full, description: Asks once and never fails.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Go on only when the cluster is healthy
  kafka_gate:
    bootstrap_servers: ["kafka-1.prod.internal:9092", "kafka-2.prod.internal:9092"]
    expect_brokers: [1, 2, 3]
    expect_voters: [1, 2, 3]
    answers: 12
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
passed: {description: Whether the gate was passed., type: bool, returned: always}
consecutive: {description: Healthy answers in a row at the end., type: int, returned: always}
asked: {description: Number of questions., type: int, returned: always}
seconds: {description: How long it took., type: float, returned: always}
reasons: {description: Why the last unhealthy answer was unhealthy., type: list, elements: str, returned: always}
state: {description: The last answer., type: dict, returned: always}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args, cluster


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            **args.EXPECTED,
            "answers": {"type": "int", "default": 12},
            "interval": {"type": "float", "default": 1.0},
            "wait": {"type": "float", "default": 300.0},
        },
        supports_check_mode=True,
    )
    connection, expected = args.connection(module.params), args.expected(module.params)
    wanted = 1 if module.check_mode else module.params["answers"]
    wait = 0.0 if module.check_mode else module.params["wait"]
    outcome = cluster.gate(lambda: cluster.info(connection, expected), wanted, module.params["interval"], wait)
    if not outcome["passed"] and not module.check_mode:
        module.fail_json(
            msg=f"the cluster was not healthy {wanted} times in a row within {wait:.0f} s (asked {outcome['asked']} times): "
            + "; ".join(outcome["reasons"]),
            **outcome,
        )
    module.exit_json(changed=False, **outcome)


if __name__ == "__main__":
    main()
