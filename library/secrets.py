#!/usr/bin/python
"""Ansible module: secrets of AWS Secrets Manager in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets
short_description: Make and read many AWS Secrets Manager secrets in one call
description:
  - Every secret is a JSON object. Keys of O(secrets[].value) are kept as given; keys of O(secrets[].generate) are made
    once by Secrets Manager (C(GetRandomPassword), letters and digits only, so safe in a URL) when they are absent and
    are never changed afterwards.
  - Keys that are in the secret but in neither list are left alone, so that a rotation may keep its state there.
  - A secret that is scheduled for deletion is restored. A secret that does not hold a JSON object is refused and never
    overwritten.
  - Values are in RV(values) only; the diff and errors have names of secrets and keys. A task that returns values needs
    C(no_log=true); with O(return_values=false) and no secret text in O(secrets[].value) the task can be shown.
  - Region, endpoint and credentials come from the environment (C(AWS_REGION), C(AWS_PROFILE), C(AWS_ENDPOINT_URL)).
  - Calls of a no-op - one C(DescribeSecret) a secret, eight at a time, and one C(BatchGetSecretValue) for twenty.
options:
  secrets:
    description: The secrets that should exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the secret.
        type: str
        required: true
      description:
        description: Description; left alone when not given.
        type: str
      kms_key_id:
        description: KMS key (ARN, id or alias) that encrypts it; left alone when not given.
        type: str
      tags:
        description: Tags that the secret must have; other tags are left alone.
        type: dict
        default: {}
      value:
        description: Keys and values of the JSON object that are kept as given.
        type: dict
        default: {}
      generate:
        description: Keys of the JSON object that are generated once when absent.
        type: list
        elements: str
        default: []
      defaults:
        description: Keys and values of the JSON object that are set when absent and left alone afterwards.
        type: dict
        default: {}
      password_length:
        description: Characters of a generated key, 20 to 4096.
        type: int
        default: 32
  read:
    description: Names or ARNs of secrets to read only.
    type: list
    elements: str
    default: []
  absent:
    description: Names of secrets that are deleted. A deletion is only scheduled, and can be taken back for O(recovery_days).
    type: list
    elements: str
    default: []
  recovery_days:
    description: Days until a deletion is carried out, 7 to 30.
    type: int
    default: 30
  require_read:
    description: Fail when a secret of O(read) does not exist or has no value; else it is listed in RV(missing).
    type: bool
    default: true
  tags:
    description: Tags added to every secret of O(secrets).
    type: dict
    default: {}
  return_values:
    description: Whether RV(values) is returned.
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
    description: Names, key names and tags; never a value.
    support: full
requirements: [boto3]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Make the services' database secrets
  secrets:
    secrets:
      - name: prod-fileflow-database
        description: Database login of fileflow
        kms_key_id: "{{ secrets_key_arn }}"
        value: {engine: mysql, host: "{{ rds_endpoint }}", port: 3306, dbname: fileflow, username: fileflow_user}
        generate: [password]
    tags: {Environment: prod, ManagedBy: ansible}
    return_values: false
  delegate_to: localhost

- name: Read them late
  secrets:
    read: [prod-shared-mysql-master, prod-fileflow-database]
  delegate_to: localhost
  no_log: true
  register: logins
"""

RETURN = r"""
created:
  description: Names of the secrets that were (check mode, would be) made.
  type: list
  elements: str
  returned: success
removed:
  description: Names of the secrets whose deletion was (check mode, would be) scheduled.
  type: list
  elements: str
  returned: success
updated:
  description: Names of the secrets whose value, description, key or tags were changed, or that were restored.
  type: list
  elements: str
  returned: success
restored:
  description: Names of the secrets whose scheduled deletion was taken back.
  type: list
  elements: str
  returned: success
pending:
  description: In check mode, names of the secrets whose generated keys do not exist yet, so are absent from RV(values).
  type: list
  elements: str
  returned: success
missing:
  description: Entries of O(read) that have no value, with O(require_read=false).
  type: list
  elements: str
  returned: success
arns:
  description: ARN by name (for O(read) by the id as asked).
  type: dict
  returned: success
values:
  description: JSON object by name (for O(read) by the id as asked).
  type: dict
  returned: with return_values
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.secrets import SecretsError, ensure


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "secrets": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "description": {"type": "str"},
                    "kms_key_id": {"type": "str"},
                    "tags": {"type": "dict", "default": {}},
                    "value": {"type": "dict", "default": {}},
                    "defaults": {"type": "dict", "default": {}},
                    "generate": {"type": "list", "elements": "str", "default": []},
                    "password_length": {"type": "int", "default": 32, "no_log": False},
                },
            },
            "read": {"type": "list", "elements": "str", "default": []},
            "absent": {"type": "list", "elements": "str", "default": []},
            "recovery_days": {"type": "int", "default": 30},
            "require_read": {"type": "bool", "default": True},
            "tags": {"type": "dict", "default": {}},
            "return_values": {"type": "bool", "default": True},
            "region": {"type": "str"},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        result = ensure(
            options["secrets"],
            read=options["read"],
            absent=options["absent"],
            recovery_days=options["recovery_days"],
            tags=options["tags"],
            require_read=options["require_read"],
            return_values=options["return_values"],
            check=module.check_mode,
            region=options["region"],
        )
    except (AwsError, SecretsError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
