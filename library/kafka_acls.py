#!/usr/bin/python
"""Ansible module: Kafka ACLs in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_acls
short_description: Bring the ACLs of principals to exactly the wanted ones in one call
description:
  - ACLs come from O(services) (what they produce and consume) and from O(acls). A managed principal's other ACLs are
    revoked; those of other principals are reported and left alone, or revoked with O(prune).
  - New ACLs are made before old ones are revoked.
options:
  acls:
    description: ACLs beside those of O(services).
    type: list
    elements: dict
    default: []
    suboptions:
      principal: {description: "Principal, User:name.", type: str, required: true}
      resource_type: {description: "topic, group, cluster, transactional_id, delegation_token or user.", type: str, required: true}
      resource_name: {description: Name of the resource., type: str, required: true}
      operation: {description: "read, write, describe, …", type: str, required: true}
      pattern_type: {description: literal or prefixed., type: str, default: literal}
      permission: {description: allow or deny., type: str, default: allow}
      host: {description: Client address., type: str, default: "*"}
  services: {description: Services of the catalog., type: list, elements: dict, default: []}
  canary: {description: Topic of verification that every service may use; empty for none., type: str, default: ""}
  managed: {description: More principals whose ACLs must be exactly the wanted ones., type: list, elements: str, default: []}
  prune: {description: Revoke the ACLs of principals that are not managed. Without it they are reported in RV(unmanaged)., type: bool, default: false}
  confirm: {description: "What O(prune) asks to be typed, C({cluster id}:prune-acls); not in check mode.", type: str, default: ""}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Says what would be made and revoked.}
  diff_mode: {support: full, description: One line an ACL.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: ACLs of the catalog
  kafka_acls:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    services: "{{ catalog.services }}"
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
created: {description: ACLs made., type: list, elements: str, returned: success}
revoked: {description: ACLs taken back., type: list, elements: str, returned: success}
unmanaged: {description: ACLs of principals that are not managed., type: list, elements: str, returned: success}
pruned: {description: ACLs of principals that are not managed and were revoked., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import acls as work
from ansible.module_utils.groundwork.kafka import args, desired
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            **args.PRUNE,
            "acls": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": args.ACL,
            },
            "services": {"type": "list", "elements": "dict", "default": []},
            "canary": {"type": "str", "default": ""},
            "managed": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        wanted = sorted({*work.parse(p["acls"]), *desired.acls(p["services"], p["canary"])})
        managed = [*p["managed"], *desired.principals(p["services"])]
        result = work.ensure(
            args.connection(p), wanted, managed, module.check_mode, prune=p["prune"], confirm=p["confirm"]
        )
    except (KafkaProblem, KeyError) as error:
        module.fail_json(msg=str(error))
    diff = {"before": result.pop("before"), "after": result.pop("after")}
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
