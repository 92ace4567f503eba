#!/usr/bin/python
"""Ansible module: SCRAM-SHA-512 users of Kafka in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_users
short_description: Make many SCRAM-SHA-512 users in one call and verify their passwords by logging in
description:
  - Kafka never tells a password, so a user that exists is verified by logging in on the CLIENT listener; a refused password is set anew.
    A user that was made or changed is logged in before the module returns.
  - Users that are not wanted are reported and left alone, or deleted with O(prune). The password is salted here and is never sent in clear.
options:
  users:
    description: The users.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name., type: str, required: true}
      password: {description: "Password; may be absent in check mode, when it is not made yet.", type: str}
      iterations: {description: PBKDF2 iterations., type: int, default: 4096}
  client_servers: {description: HOST:PORT of brokers' CLIENT listeners., type: list, elements: str, required: true}
  prune: {description: Delete users that are not wanted. Without it they are reported in RV(unmanaged)., type: bool, default: false}
  confirm: {description: "What O(prune) asks to be typed, C({cluster id}:prune-users); not in check mode.", type: str, default: ""}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Logs in and says what would be changed.}
  diff_mode: {support: full, description: Names and reasons only.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Users of the services
  kafka_users:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    client_servers: ["kafka-1.prod.internal:9094"]
    users:
      - {name: fileflow, password: "{{ password }}"}
  no_log: true
"""

RETURN = r"""
created: {description: Users made., type: list, elements: str, returned: success}
updated: {description: "Users changed, with the reason.", type: dict, returned: success}
verified: {description: Users whose password was accepted., type: list, elements: str, returned: success}
unmanaged: {description: Users that are not wanted and were left alone., type: list, elements: str, returned: success}
pruned: {description: Users deleted., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import users as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            **args.PRUNE,
            "client_servers": {"type": "list", "elements": "str", "required": True},
            "users": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": args.USER,
            },
        },
        supports_check_mode=True,
    )
    p = module.params
    users = [work.User(entry["name"], entry["password"], entry["iterations"]) for entry in p["users"]]
    try:
        result = work.ensure(
            args.connection(p),
            args.client_connection(p, p["client_servers"]),
            users,
            module.check_mode,
            prune=p["prune"],
            confirm=p["confirm"],
        )
    except KafkaProblem as problem:
        module.fail_json(msg=str(problem))
    diff = {"before": result.pop("before"), "after": result.pop("after")}
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
