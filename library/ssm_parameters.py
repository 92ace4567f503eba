#!/usr/bin/python
"""Ansible module: parameters of AWS Systems Manager Parameter Store in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssm_parameters
short_description: Read trees of SSM parameters and write many parameters in one call
description:
  - Reads whole trees with C(GetParametersByPath), single names with C(GetParameters) ten at a time, and writes only the
    parameters whose value or description differs.
  - Values of C(String) and C(StringList) are shown in the diff; those of C(SecureString) never are. Reading a tree that
    holds a C(SecureString) needs C(no_log=true) on the task.
  - Region, endpoint and credentials come from the environment (C(AWS_REGION), C(AWS_PROFILE), C(AWS_ENDPOINT_URL)...).
options:
  read_path:
    description: Return every parameter below this path.
    type: str
  read_paths:
    description: Return every parameter below these paths.
    type: list
    elements: str
    default: []
  read_names:
    description: Return these parameters.
    type: list
    elements: str
    default: []
  require_names:
    description: Fail when a parameter of O(read_names) does not exist; else it is listed in RV(missing).
    type: bool
    default: true
  parameters:
    description:
      - Parameters that should exist, by path; each a dictionary of C(value) (a list is joined with commas),
        C(type) (C(String), C(StringList) or C(SecureString); default C(String)) and C(description).
    type: dict
    default: {}
  absent:
    description: Names of parameters that should not exist.
    type: list
    elements: str
    default: []
  kms_key_id:
    description: KMS key of the C(SecureString) parameters that are written.
    type: str
  tags:
    description: Tags that every parameter of O(parameters) must have; other tags are left alone.
    type: dict
    default: {}
  region:
    description: AWS region; else the environment's.
    type: str
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Values before and after, but of a SecureString.
    support: full
requirements: [boto3]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Read what Terraform exported for the shared database
  ssm_parameters:
    read_path: /shared/rds/prod
  delegate_to: localhost
  register: rds

- name: Record the cluster id
  ssm_parameters:
    parameters:
      /shared/kafka/prod/cluster-id: {value: "{{ cluster_id }}", description: Made once by the kafka role}
    tags: {Environment: prod, ManagedBy: ansible}
  delegate_to: localhost
"""

RETURN = r"""
values:
  description: Value by path, of what was read and what was written, as text (a StringList as C(a,b,c)).
  type: dict
  returned: success
types:
  description: Type by path.
  type: dict
  returned: success
created:
  description: Paths that were (check mode, would be) made.
  type: list
  elements: str
  returned: success
updated:
  description: Paths that were (check mode, would be) changed.
  type: list
  elements: str
  returned: success
removed:
  description: Paths that were (check mode, would be) deleted.
  type: list
  elements: str
  returned: success
missing:
  description: Entries of O(read_names) that do not exist, with O(require_names=false).
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.ssm import ParametersError, ensure


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "read_path": {"type": "str"},
            "read_paths": {"type": "list", "elements": "str", "default": []},
            "read_names": {"type": "list", "elements": "str", "default": []},
            "require_names": {"type": "bool", "default": True},
            "parameters": {"type": "dict", "default": {}},
            "absent": {"type": "list", "elements": "str", "default": []},
            "kms_key_id": {"type": "str", "no_log": False},
            "tags": {"type": "dict", "default": {}},
            "region": {"type": "str"},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        result = ensure(
            options["parameters"],
            read_paths=[path for path in [options["read_path"], *options["read_paths"]] if path],
            read_names=options["read_names"],
            require_names=options["require_names"],
            kms_key_id=options["kms_key_id"],
            tags=options["tags"],
            absent=options["absent"],
            check=module.check_mode,
            region=options["region"],
        )
    except (AwsError, ParametersError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
