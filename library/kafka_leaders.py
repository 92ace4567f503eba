#!/usr/bin/python
"""Ansible module: Look at and move leaders of Kafka partitions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_leaders
short_description: Look at and move leaders of Kafka partitions
description:
  - V(info) only reads. V(preferred) elects preferred leaders where another leads. V(away) makes O(broker) lead nothing, by putting it last
    among the replicas of what it leads; it returns the orders of before, which V(back) restores before it elects preferred leaders.
    V(unclean) elects an out-of-sync replica for partitions that have no leader.
  - V(info) with O(orders_of), and check mode of V(away), return RV(orders) so that they can be kept before anything is moved.
options:
  state: {description: What to do., type: str, required: true, choices: [info, preferred, away, back, unclean]}
  partitions: {description: "TOPIC-NUMBER, for V(info), V(preferred) and V(unclean); default all.", type: list, elements: str, default: []}
  broker: {description: Whom O(state=away) takes the lead from., type: int}
  allow_stuck: {description: "Go on with O(state=away) although some partitions have no other in-sync replica.", type: bool, default: false}
  orders:
    description:
      - For O(state=back), what RV(orders) was. For O(state=away), orders that are kept to be given back; no other partition's is changed. For
        O(state=info), orders that are kept already; RV(orders) begins with them.
    type: list
    elements: dict
  orders_of:
    description: "For O(state=info): brokers that may be asked to lead nothing later; RV(orders) has what that may change."
    type: list
    elements: int
    default: []
  assume_away:
    description: In check mode, brokers whose leaders would have been moved away before this, in their order.
    type: list
    elements: int
    default: []
  confirm:
    description: What O(state=unclean) asks to be typed, C({cluster id}:unclean-election); acknowledged records may be lost. Not in check mode.
    type: str
    default: ""
  wait: {description: Seconds until the leaders are where they should be., type: float, default: 30.0}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Says what would be elected.}
  diff_mode: {support: full, description: "By partition, its leader; for V(back) its replicas, too."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Let broker 2 lead nothing
  kafka_leaders:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: away
    broker: 2
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
  register: moved

- name: Put the order of replicas back
  kafka_leaders:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: back
    orders: "{{ moved.orders }}"
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
leaders: {description: "By broker in service, how many partitions it leads.", type: dict, returned: success}
not_preferred: {description: Partitions that another than their preferred replica leads., type: list, elements: str, returned: success}
elected: {description: "partition, from, to.", type: list, elements: dict, returned: success}
orders:
  description:
    - "topic, partition and replicas in the order of before V(away); for O(state=info) of every partition that has a replica on one of
      O(orders_of)."
  type: list
  elements: dict
  returned: success
stuck: {description: Partitions whose leader could not be moved., type: list, elements: str, returned: success}
left: {description: "Partitions that V(back) left, because their replicas are others by now.", type: list, elements: str, returned: success}
offline:
  description:
    - Partitions without a leader, for V(info) and V(unclean). C(live) end offsets of living replicas, C(candidate) whom an unclean election takes,
      C(clean) whether that is without loss, C(highest_committed) how far a group has read, C(lost_at_least) records
      between that and the candidate's end. Both are too small while C(__consumer_offsets) is below its C(min.insync.replicas).
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import leaders as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            "state": {"type": "str", "required": True, "choices": ["info", "preferred", "away", "back", "unclean"]},
            "partitions": {"type": "list", "elements": "str", "default": []},
            "broker": {"type": "int"},
            "allow_stuck": {"type": "bool", "default": False},
            "orders": {"type": "list", "elements": "dict"},
            "orders_of": {"type": "list", "elements": "int", "default": []},
            "assume_away": {"type": "list", "elements": "int", "default": []},
            "confirm": {"type": "str", "default": ""},
            "wait": {"type": "float", "default": 30.0},
        },
        supports_check_mode=True,
        required_if=[("state", "away", ["broker"])],
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
