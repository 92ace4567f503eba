#!/usr/bin/python
"""Ansible module: make a CA for Kafka's nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_ca
short_description: Make a CA key and certificate
description:
  - Makes a new ECDSA P-256 CA on the control machine and returns it; nothing is written. Call it only when the secret has none, with
    C(no_log=true), and keep the result in Secrets Manager.
options:
  common_name: {description: Name of the CA., type: str, required: true}
  organization: {description: Organization of the CA., type: str, default: groundwork}
  days: {description: Its life in days., type: int, default: 3650}
attributes:
  check_mode: {support: full, description: Makes a CA that is thrown away.}
requirements: [cryptography]
author: Groundwork
"""

EXAMPLES = r"""
- name: Make the CA
  kafka_ca:
    common_name: prod-kafka-ca
  delegate_to: localhost
  no_log: true
  register: ca
"""

RETURN = r"""
ca: {description: "C(certificate) and C(private_key), both PEM.", type: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import certs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "common_name": {"type": "str", "required": True},
            "organization": {"type": "str", "default": "groundwork"},
            "days": {"type": "int", "default": 3650},
        },
        supports_check_mode=True,
    )
    params = module.params
    module.exit_json(changed=False, ca=certs.make_ca(params["common_name"], params["organization"], params["days"]))


if __name__ == "__main__":
    main()
