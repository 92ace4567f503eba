#!/usr/bin/python
"""Ansible module: Look at the controllers' quorum, add and remove voters."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_quorum
short_description: Look at the controllers' quorum, add and remove voters
description:
  - V(present) makes a controller that has caught up a voter (KIP-853); V(absent) takes one out. Each waits until the quorum shows it.
  - Refused is what would cost the majority - a voter that is not caught up, a removal after which the rest has no majority that is caught up, a
    voter whose disk was replaced before the old one was taken out.
options:
  state: {description: What to do., type: str, required: true, choices: [info, present, absent]}
  voter:
    description: The controller.
    type: dict
    suboptions:
      id: {description: Node id., type: int, required: true}
      directory_id: {description: "Directory id of its metadata log dir; default the one that the quorum shows.", type: str}
      endpoint: {description: "HOST:PORT of its controller listener, for V(present).", type: str}
  listener: {description: Name of the controller listener., type: str, default: CONTROLLER}
  max_voter_lag: {description: Records that a voter may be behind., type: int, default: 100}
  max_voter_lag_ms: {description: Milliseconds since a voter was last caught up., type: int, default: 10000}
  wait: {description: "Seconds until it has caught up, and until the quorum shows the change.", type: float, default: 60.0}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Refuses what the run would refuse.}
  diff_mode: {support: full, description: Ids of the voters.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Controller 4 votes
  kafka_quorum:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: present
    voter: {id: 4, endpoint: "kafka-4.prod.internal:9093"}
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
quorum: {description: "leader_id, leader_epoch, high_watermark, voters, observers, cluster_id, dynamic.", type: dict, returned: success}
voters: {description: Ids of the voters., type: list, elements: int, returned: success}
healthy: {description: Ids of the voters that are caught up., type: list, elements: int, returned: success}
majority: {description: How many must be., type: int, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import quorum as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            "state": {"type": "str", "required": True, "choices": ["info", "present", "absent"]},
            "voter": {
                "type": "dict",
                "options": {
                    "id": {"type": "int", "required": True},
                    "directory_id": {"type": "str"},
                    "endpoint": {"type": "str"},
                },
            },
            "listener": {"type": "str", "default": "CONTROLLER"},
            "max_voter_lag": {"type": "int", "default": 100},
            "max_voter_lag_ms": {"type": "int", "default": 10000},
            "wait": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
        required_if=[("state", "present", ["voter"]), ("state", "absent", ["voter"])],
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
