#!/usr/bin/python
"""Ansible module: Look at Kafka brokers, cordon their log dirs, unregister them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_brokers
short_description: Look at Kafka brokers, cordon their log dirs, unregister them
description:
  - A cordoned log dir (KIP-1066, Kafka 4.3) keeps what it has and gets no new replica. V(unregistered) forgets a broker that is stopped and holds
    no replica; a registration that stays blocks the upgrade of features.
options:
  state: {description: What to do., type: str, required: true, choices: [info, cordoned, uncordoned, unregistered]}
  broker: {description: Broker id., type: int}
  log_dirs: {description: Log dirs to cordon; default all., type: list, elements: str, default: []}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Refuses what the run would refuse.}
  diff_mode: {support: full, description: "Cordoned log dirs, or registered brokers."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: No new replica for broker 3
  kafka_brokers:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: cordoned
    broker: 3
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
brokers:
  description: "id, rack, fenced, leaders, replicas, log_dirs (path, cordoned, error, total_bytes, usable_bytes)."
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import brokers as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            "state": {"type": "str", "required": True, "choices": ["info", "cordoned", "uncordoned", "unregistered"]},
            "broker": {"type": "int"},
            "log_dirs": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
        required_if=[("state", state, ["broker"]) for state in ("cordoned", "uncordoned", "unregistered")],
    )
    p = module.params
    try:
        result = work.run(args.connection(p), p["state"], p, module.check_mode)
    except KafkaProblem as problem:
        module.fail_json(msg=str(problem))
    diff = {"before": result.pop("before"), "after": result.pop("after")}
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
