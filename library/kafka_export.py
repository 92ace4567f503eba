#!/usr/bin/python
"""Ansible module: what was made on a Kafka cluster, as one document."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_export
short_description: Read topics, ACLs, users, quotas and dynamic configurations of a cluster as one document
description:
  - One connection, nothing is changed. Each section has the shape of the arguments of the module that makes it (kafka_topics,
    kafka_acls, kafka_quotas, kafka_configs). Users are names, mechanisms and iterations; no document has a password.
  - With O(compare_with) the result also says, line by line, how the cluster differs from an earlier document.
options:
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
  compare_with: {description: An earlier document., type: dict}
attributes:
  check_mode: {support: full, description: Only reads.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Read what was made
  kafka_export:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
  register: exported
"""

RETURN = r"""
document:
  description: "C(version), C(cluster_id), C(topics), C(acls), C(users), C(quotas), C(configs); all in a fixed order."
  type: dict
  returned: success
counts: {description: Number of entries by section., type: dict, returned: success}
differences: {description: How the cluster differs from O(compare_with)., type: list, elements: str, returned: with O(compare_with)}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args, export
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={**args.CONNECTION, "compare_with": {"type": "dict"}},
        supports_check_mode=True,
    )
    earlier = module.params["compare_with"]
    try:
        if earlier is not None:
            export.check(earlier)
        document = export.export(args.connection(module.params))
        differences = {} if earlier is None else {"differences": export.compare(earlier, document)}
    except KafkaProblem as problem:
        module.fail_json(msg=str(problem))
    counts = {section: len(document[section]) for section in export.SECTIONS}
    module.exit_json(changed=False, document=document, counts=counts, **differences)


if __name__ == "__main__":
    main()
