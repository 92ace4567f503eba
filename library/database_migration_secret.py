#!/usr/bin/python
"""Ansible module: the secret that a service reads, while its database moves to the shared server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_migration_secret
short_description: Switch a service's secret from a dedicated database server to the shared one, and back
description:
  - The half of a migration in Secrets Manager; M(database_migration) is the half on the servers.
  - Both logins are versions of the one secret, with the staging labels C(groundwork-dedicated) and C(groundwork-shared), so that neither
    is lost. The switch moves C(AWSCURRENT) from one to the other; AWS refuses when it is not where it was seen.
  - C(prepared) writes the login to come without showing it to anybody, so that missing permissions are known before the service is
    stopped. C(shared) and C(dedicated) switch. C(finished) takes the labels away.
  - Values are in RV(login) only; a task that returns it needs C(no_log=true).
  - Region, endpoint and credentials come from the environment (C(AWS_REGION), C(AWS_PROFILE), C(AWS_ENDPOINT_URL)).
options:
  state:
    description: What is to be so afterwards; C(read) changes nothing.
    type: str
    choices: [read, prepared, shared, dedicated, finished]
    required: true
  name:
    description: Name or ARN of the secret that the service reads, a JSON object.
    type: str
    required: true
  login:
    description: Keys that the shared server's login has (C(prepared)); the other keys of the secret are kept.
    type: dict
    default: {}
  return_values:
    description: Whether RV(login) is returned.
    type: bool
    default: false
  region:
    description: AWS region; else the environment's.
    type: str
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Labels, and which server the secret names; no values.
    support: full
requirements: [boto3]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Let the service read the shared server's login
  database_migration_secret:
    state: shared
    name: prod-fileflow-mysql
  delegate_to: localhost
"""

RETURN = r"""
names:
  description: Which server the secret names afterwards - C(dedicated), C(shared), C(another) (somebody else changed it) or C(unlabelled).
  type: str
  returned: success
login:
  description: The JSON object that clients read.
  type: dict
  returned: with return_values
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.databases.migration_secret import act
from ansible.module_utils.groundwork.secrets import SecretsError


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["read", "prepared", "shared", "dedicated", "finished"],
                "required": True,
            },
            "name": {"type": "str", "required": True},
            "login": {"type": "dict", "default": {}, "no_log": True},
            "return_values": {"type": "bool", "default": False},
            "region": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = act(module.params, check=module.check_mode)
    except (AwsError, SecretsError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
