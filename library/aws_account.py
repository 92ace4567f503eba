#!/usr/bin/python
"""Check that the credentials in force belong to the inventory's account."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: aws_account
short_description: Check that the AWS credentials belong to the inventory's account
description:
  - Asks STS who the caller is and fails with one line when there are no credentials, when AWS does not answer, or when the
    account is another one than the inventory names. Never changes anything.
  - Takes endpoint, region and credentials from the environment (C(AWS_ENDPOINT_URL), C(AWS_PROFILE), ...).
options:
  account_id:
    description: The only account that the run may touch, twelve digits.
    type: str
    required: true
  region:
    description: Region of the environment.
    type: str
    required: true
  name:
    description: Name of the environment, for the message.
    type: str
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
- name: Refuse credentials of another account
  aws_account:
    account_id: "{{ aws_account_id }}"
    region: "{{ aws_region }}"
    name: "{{ env }}"
  environment: "{{ aws_environment }}"
"""

RETURN = r"""
account_id:
  description: Account of the credentials.
  type: str
  returned: success
  sample: "123456789012"
arn:
  description: ARN of the caller.
  type: str
  returned: success
  sample: arn:aws:iam::123456789012:user/someone
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.account import check_account
from ansible.module_utils.groundwork.aws_client import MISSING, AwsError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "account_id": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=f"Python package '{MISSING}' is missing: install boto3 into the Python that runs Ansible.")
    try:
        identity = check_account(module.params["account_id"], module.params["region"], {}, module.params["name"])
    except AwsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, account_id=identity.account_id, arn=identity.arn)


if __name__ == "__main__":
    main()
