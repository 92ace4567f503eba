#!/usr/bin/python
"""Ansible module: names registered in AWS Cloud Map."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_map
short_description: Read every name of a Cloud Map namespace and the addresses registered for it
description:
  - Lists the namespace's services and their instances. A service without instances has no name to resolve and is left out.
  - Region, endpoint and credentials come from the environment (C(AWS_REGION), C(AWS_PROFILE), C(AWS_ENDPOINT_URL)).
options:
  namespace_id:
    description: Id of the namespace.
    type: str
    required: true
  region:
    description: AWS region; else the environment's.
    type: str
attributes:
  check_mode: {support: full, description: Reads only.}
requirements: [boto3]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Read the private names
  cloud_map:
    namespace_id: ns-0123456789abcdef
  delegate_to: localhost
  register: private
"""

RETURN = r"""
names:
  description: Addresses by full name; an empty list where the name is an alias of another.
  returned: success
  type: dict
  sample: {kafka-1.prod.internal: [10.20.1.11]}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.cloud_map import names


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={"namespace_id": {"type": "str", "required": True}, "region": {"type": "str"}},
        supports_check_mode=True,
    )
    try:
        found = names(module.params["namespace_id"], module.params["region"])
    except AwsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, names=found)


if __name__ == "__main__":
    main()
