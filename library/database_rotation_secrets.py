#!/usr/bin/python
"""Ansible module: rotates passwords of services in Secrets Manager, one step at a time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_rotation_secrets
short_description: Rotate database passwords in Secrets Manager by its staging labels
description:
  - The half of a rotation that happens in Secrets Manager; M(database_rotation) is the half on the server and tells the order.
  - The secrets are those of M(secrets), JSON objects with C(engine), C(username) and C(password). C(pending) makes a version with the
    next login and the label C(AWSPENDING) and leaves what clients read as it is; one that is there already is taken again. Its
    password is made by Secrets Manager; C(password_id) names it without telling it. C(published) moves C(AWSCURRENT) to that version,
    and AWS moves C(AWSPREVIOUS).
  - The next login has the same user on MySQL, and the other one of C({user}) and C({user}_2) on PostgreSQL. Every other key is the
    present version's.
  - Values are in RV(logins) only; a task that returns them needs C(no_log=true). Region, endpoint and credentials come from the
    environment.
options:
  state:
    description: What to do; C(read) changes nothing.
    type: str
    choices: [read, pending, published]
    required: true
  names:
    description: Names of the secrets.
    type: list
    elements: str
    required: true
  back:
    description: With C(pending), the next login is that of C(AWSPREVIOUS) instead of a new one.
    type: bool
    default: false
  expect:
    description: With C(published), C(password_id) of the next login by name of the secret, as the server was given it; another is refused.
    type: dict
    default: {}
  password_length:
    description: Characters of a password that is made, 20 to 4096.
    type: int
    default: 32
  return_values:
    description: Whether RV(logins) is returned.
    type: bool
    default: true
  region:
    description: AWS region; else the environment's.
    type: str
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Names and users; never a password.
    support: full
requirements: [boto3]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Make the next logins
  database_rotation_secrets:
    state: pending
    names: [prod-fileflow-database, prod-authhub-database]
  delegate_to: localhost
  no_log: true
  register: secrets_next
"""

RETURN = r"""
logins:
  description: By name of the secret C(current) and C(next) (empty for none), the JSON objects, and C(can_go_back).
  type: dict
  returned: with return_values
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.databases.rotation_secrets import ensure
from ansible.module_utils.groundwork.secrets import SecretsError


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["read", "pending", "published"], "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "back": {"type": "bool", "default": False},
            "expect": {"type": "dict", "default": {}},
            "password_length": {"type": "int", "default": 32, "no_log": False},
            "return_values": {"type": "bool", "default": True},
            "region": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module.params, check=module.check_mode)
    except (AwsError, SecretsError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
