#!/usr/bin/python
"""Ansible module: Look at, finalise and lower feature levels of a Kafka cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_features
short_description: Look at, finalise and lower feature levels of a Kafka cluster
description:
  - V(finalized) raises levels to those of O(release) or to O(features) and lowers none; V(downgraded) lowers and raises none. Brokers that do not all
    support a level refuse it, and a downgrade that would lose metadata is never asked for.
options:
  state: {description: What to do., type: str, required: true, choices: [info, finalized, downgraded]}
  release: {description: "A release of Kafka, like 4.3: all its features.", type: str}
  features: {description: "By name, the level.", type: dict}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: "The controllers validate the request without carrying it out."}
  diff_mode: {support: full, description: "By feature, the levels that change."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: The upgrade to 4.3 is final
  kafka_features:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    state: finalized
    release: "4.3"
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
features: {description: "By name, finalized, supported_min, supported_max (of the broker that answered).", type: dict, returned: success}
release: {description: Newest release whose levels are all finalised., type: str, returned: success}
changes: {description: "By name, C(from) and C(to).", type: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import features as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            "state": {"type": "str", "required": True, "choices": ["info", "finalized", "downgraded"]},
            "release": {"type": "str"},
            "features": {"type": "dict"},
        },
        supports_check_mode=True,
        mutually_exclusive=[("release", "features")],
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
