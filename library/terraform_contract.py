#!/usr/bin/python
"""Check that every parameter that Terraform hands over is there and of its type."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: terraform_contract
short_description: Check that the SSM hand-off of Terraform is complete
description:
  - Reads every parameter that C(terraform/contract.yml) names with a Terraform producer, and fails with all that are
    missing, empty or of another type, each with the component that makes it. Never changes anything.
  - Takes endpoint and credentials from the environment.
options:
  path:
    description: The contract.
    type: path
    required: true
  catalog:
    description: The environment's catalog. Its environment stands in the paths, its services decide which there are.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: There is nothing to differ.
author:
  - Groundwork
"""

EXAMPLES = r"""
- name: Check that the SSM contract is complete
  terraform_contract:
    path: /srv/groundwork/terraform/contract.yml
    catalog: "{{ catalog }}"
"""

RETURN = r"""
parameters:
  description: Number of parameters that were checked.
  type: int
  returned: success
  sample: 34
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.contract import ContractError, check_live


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "catalog": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        count = check_live(module.params["path"], module.params["catalog"])
    except (AwsError, ContractError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, parameters=count)


if __name__ == "__main__":
    main()
