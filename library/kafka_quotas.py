#!/usr/bin/python
"""Ansible module: Set client quotas of Kafka in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_quotas
short_description: Set client quotas of Kafka in bulk
description:
  - Reads all quotas in one request and changes those that differ in another. An entity that is given has exactly the quotas that are given;
    so has the user of every service in O(services).
  - Quotas of other entities are reported and left alone, or removed with O(prune).
options:
  quotas:
    description:
      - The quotas, beside those of O(services). Each is for a user, a client id, both, or an address; V(<default>) is everybody who
        has none of their own.
    type: list
    elements: dict
    default: []
    suboptions:
      user: {description: User., type: str}
      client_id: {description: Client id., type: str}
      ip: {description: Client address., type: str}
      producer_byte_rate: {description: Bytes a second that may be written to one broker., type: float}
      consumer_byte_rate: {description: Bytes a second that may be read from one broker., type: float}
      request_percentage: {description: "Time that one broker's threads may spend, in percent of one thread.", type: float}
      controller_mutation_rate: {description: Partitions a second that may be created or deleted., type: float}
      connection_creation_rate: {description: "Connections a second that one broker accepts; for O(quotas[].ip).", type: float}
  services: {description: "Services of the catalog; C(kafka.quota) is the quota of the service's user.", type: list, elements: dict, default: []}
  prune: {description: Remove the quotas of other entities. Without it they are reported in RV(unmanaged)., type: bool, default: false}
  confirm: {description: "What O(prune) asks to be typed, C({cluster id}:prune-quotas); not in check mode.", type: str, default: ""}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: "The brokers validate the request without carrying it out."}
  diff_mode: {support: full, description: "By entity, only those that change."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Quotas of the catalog, and one for everybody else
  kafka_quotas:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    services: "{{ catalog.services }}"
    quotas:
      - {user: <default>, producer_byte_rate: 10485760, consumer_byte_rate: 20971520}
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
set: {description: "By entity, the quotas set.", type: dict, returned: success, sample: {"user=fileflow": {"producer_byte_rate": 1048576}}}
removed: {description: "By entity, the quotas taken away.", type: dict, returned: success}
unmanaged: {description: "Quotas of other entities, left alone.", type: dict, returned: success}
pruned: {description: Entities whose quotas were removed because nobody wants them., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args, desired
from ansible.module_utils.groundwork.kafka import quotas as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            **args.PRUNE,
            "quotas": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **{key: {"type": "str"} for key in work.ENTITY_TYPES},
                    **{key: {"type": "float"} for key in work.KEYS},
                },
            },
            "services": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        wanted = work.parse([*p["quotas"], *desired.quotas(p["services"])])
        managed = [(("user", service["name"]),) for service in p["services"]]
        result = work.ensure(
            args.connection(p), wanted, managed, module.check_mode, prune=p["prune"], confirm=p["confirm"]
        )
    except KafkaProblem as problem:
        module.fail_json(msg=str(problem))
    diff = {"before": result.pop("before"), "after": result.pop("after")}
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
