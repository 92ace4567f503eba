#!/usr/bin/python
"""Ansible module: Plan, execute, verify, cancel and roll back moves of Kafka replicas."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_reassign
short_description: Plan, execute, verify, cancel and roll back moves of Kafka replicas
description:
  - V(planned) returns a plan (see RV(plan)) and changes nothing. V(executed) starts what of a plan is still to do, throttled.
    V(verified) says how far it is, and takes the throttle away once nothing moves. V(cancelled) stops what moves. V(rolled_back) executes
    the way back.
  - The plan is a document. One of another cluster, or one that does not fit the cluster any more, is refused as a whole.
options:
  state: {description: What to do., type: str, required: true, choices: [planned, executed, verified, cancelled, rolled_back]}
  leaving: {description: Brokers that shall hold no replica., type: list, elements: int, default: []}
  entering: {description: "Brokers that must be there; replicas go to every broker in service anyway.", type: list, elements: int, default: []}
  assume:
    description: "For V(planned): brokers to come, by id their rack, as if each were there already, with as much room as the one that has least."
    type: dict
    default: {}
  topics: {description: Topics that may be moved; default all., type: list, elements: str, default: []}
  replication: {description: "By topic, its new replication factor.", type: dict}
  balance: {description: Spread what is on the disks., type: bool, default: true}
  tolerance: {description: "How far a broker's disk use may be from the mean, as a part of the mean.", type: float, default: 0.1}
  leaders: {description: Spread preferred leaders., type: bool, default: true}
  min_free_percent: {description: Part of each broker's disks that the plan leaves free., type: float, default: 5.0}
  throttle:
    description: Bytes a second that may be copied in and out of each broker, more than 0. For V(executed) and V(rolled_back), and the estimate of V(planned).
    type: int
  plan: {description: "The plan; for V(cancelled) without one, everything that moves.", type: dict}
  wait: {description: "Seconds after which V(verified) and V(cancelled) fail when something still moves; 0 only looks.", type: float, default: 0.0}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Refuses what the run would refuse and says what it would start.}
  diff_mode: {support: full, description: "By partition its replicas, and the throttles that change."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: What has to move so that broker 3 can go?
  kafka_reassign:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: planned
    leaving: [3]
    balance: false
    throttle: 52428800
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
  register: planned

- name: Move it
  kafka_reassign:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: executed
    plan: "{{ planned.plan }}"
    throttle: 52428800
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python

- name: Wait for it, and take the throttle away
  kafka_reassign:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: verified
    plan: "{{ planned.plan }}"
    wait: 7200
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
plan:
  description:
    - C(cluster_id), C(version), C(moves) and C(rollback) (topic, partition, replicas, size), C(bytes) to copy, C(received) and C(sent) by broker.
      V(rolled_back) returns the reversed one, which is the one to verify.
  type: dict
  returned: when there is one
lines: {description: The plan for a person., type: list, elements: str, returned: when there is a plan}
bytes: {description: Bytes to copy., type: int, returned: when there is a plan}
seconds: {description: How long that takes at least at the throttle., type: float, returned: when there is a plan}
moving: {description: Partitions that are being moved., type: list, elements: str, returned: success}
differs: {description: "Partitions that are not, and not where the plan says.", type: list, elements: str, returned: success}
out_of_sync: {description: Partitions that are there and not in sync., type: list, elements: str, returned: success}
done: {description: Whether all is where the plan says and in sync., type: bool, returned: success}
stopped:
  description: "With O(state=verified): nothing moves, and yet not all is where the plan says; it was cancelled, or others moved it."
  type: bool
  returned: success
started: {description: Partitions whose move was started., type: list, elements: str, returned: with O(state=executed) and O(state=rolled_back)}
cancelled: {description: Partitions whose move was stopped., type: list, elements: str, returned: success}
throttles_cleared: {description: Where a throttle was taken away., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import reassign as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            "state": {
                "type": "str",
                "required": True,
                "choices": ["planned", "executed", "verified", "cancelled", "rolled_back"],
            },
            "leaving": {"type": "list", "elements": "int", "default": []},
            "entering": {"type": "list", "elements": "int", "default": []},
            "assume": {"type": "dict", "default": {}},
            "topics": {"type": "list", "elements": "str", "default": []},
            "replication": {"type": "dict"},
            "balance": {"type": "bool", "default": True},
            "tolerance": {"type": "float", "default": 0.1},
            "leaders": {"type": "bool", "default": True},
            "min_free_percent": {"type": "float", "default": 5.0},
            "throttle": {"type": "int"},
            "plan": {"type": "dict"},
            "wait": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
        required_if=[
            ("state", "executed", ["plan"]),
            ("state", "verified", ["plan"]),
            ("state", "rolled_back", ["plan"]),
        ],
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
