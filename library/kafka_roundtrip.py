#!/usr/bin/python
"""Ansible module: prove that a catalog user can produce and consume, and that others are refused."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_roundtrip
short_description: Write and read back a record as a user, and be refused as everybody else
description:
  - Logs in on the CLIENT listener, writes one record with acks=all and reads exactly that record back.
  - Then expects to be refused without a login, over plaintext, with a wrong password, and on a topic that the user has no ACL for.
    Anything accepted that must be refused is a failure.
options:
  username: {description: The user., type: str, required: true}
  password: {description: Its password., type: str, required: true}
  topic: {description: Topic that the user may write and read; use a canary topic., type: str, required: true}
  forbidden_topic: {description: A topic that the user has no ACL for., type: str}
  client_servers: {description: HOST:PORT of brokers' CLIENT listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  timeout: {description: Seconds that a step may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Does the same; the record in the canary topic is no change of the system.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: A catalog user can work, others cannot
  kafka_roundtrip:
    client_servers: ["kafka-1.prod.internal:9094"]
    username: fileflow
    password: "{{ password }}"
    topic: groundwork.canary.v1
    forbidden_topic: authhub.events.v1
"""

RETURN = r"""
roundtrip: {description: "user, topic, partition, offset, produce_ms, consume_ms.", type: dict, returned: success}
refused: {description: "How each was refused: anonymous, plaintext, wrong_password, forbidden_topic.", type: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import roundtrip as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "topic": {"type": "str", "required": True},
            "forbidden_topic": {"type": "str"},
            "client_servers": {"type": "list", "elements": "str", "required": True},
            "ca_file": args.CONNECTION["ca_file"],
            "timeout": args.CONNECTION["timeout"],
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        result = work.roundtrip(args.client_connection(p, p["client_servers"]), p["topic"], p["forbidden_topic"])
    except KafkaProblem as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
