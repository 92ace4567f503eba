#!/usr/bin/python
"""Ansible module: versions of a Terraform state, listed and restored."""

from __future__ import annotations

DOCUMENTATION = r"""
module: terraform_state
short_description: List the versions of a component's Terraform state and restore one
description:
  - Without O(version) lists the newest versions with time, serial, number of resources and size.
  - With O(version) makes that version the current state. The lineage stays; the serial becomes one more than that of any
    listed version, since Terraform refuses to go back. A version of another lineage is refused.
  - Refuses while the state is locked, and holds both locks (lock file, DynamoDB item) while it writes. Corrects the digest in
    the lock table, so restoring the current version repairs a state whose digest is wrong.
  - A record goes to C(records/<component>/) in the state bucket.
  - Restoring changes what Terraform knows, not what exists; run a plan afterwards.
options:
  env:
    description: Name of the environment.
    type: str
    required: true
  region:
    description: AWS region of the states.
    type: str
    required: true
  account_id:
    description: The only account that may be touched.
    type: str
    required: true
  component:
    description: The component.
    type: str
    required: true
  version:
    description: Id of the version to restore, or 8 of its characters or more from the beginning.
    type: str
    default: ""
  confirm:
    description: C(<env>-<component>-<version id or 8 characters of it>); not needed in check mode.
    type: str
    default: ""
  limit:
    description: How many versions are listed.
    type: int
    default: 20
attributes:
  check_mode:
    description: Writes nothing and shows the difference.
    support: full
  diff_mode:
    description: A line per resource and output, names of attributes without values.
    support: full
requirements: [boto3]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: See what a restore would change
  terraform_state:
    env: prod
    region: ap-northeast-2
    account_id: "111122223333"
    component: 10-network
    version: 8fQ2kT0x
  check_mode: true
  environment: "{{ aws_environment }}"
"""

RETURN = r"""
versions:
  description: The newest versions, newest first; without O(version).
  type: list
  elements: dict
  returned: success
  sample:
    - {version: 8fQ2kT0xZ, time: "2026-01-31 10:00:00 UTC", current: true, size: 18231, serial: 7, lineage: 0c5f, resources: 42,
       terraform: 1.11.4, fault: ""}
lines:
  description: What a person reads, a line per version or per difference.
  type: list
  elements: str
  returned: success
restored:
  description: What was (check mode, would be) done; with O(version).
  type: dict
  returned: success
  sample: {component: 10-network, version: 8fQ2kT0xZ, version_serial: 5, serial_before: 7, serial: 8, difference: ["+ aws_eip.this"]}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.terraform.cli import TerraformError
from ansible.module_utils.groundwork.terraform.state import States


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "env": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "account_id": {"type": "str", "required": True},
            "component": {"type": "str", "required": True},
            "version": {"type": "str", "default": ""},
            "confirm": {"type": "str", "default": ""},
            "limit": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    options = module.params
    component = options["component"]
    try:
        states = States(options["env"], options["region"], options["account_id"])
        if not options["version"]:
            versions = states.versions(component, options["limit"])
            lines = [version.describe() for version in versions] or [f"{component} has no state"]
            module.exit_json(
                changed=False, versions=[version.report() for version in versions], lines=lines, restored={}
            )
        done = states.restore(component, options["version"], options["confirm"], check=module.check_mode)
    except (AwsError, TerraformError) as error:
        module.fail_json(msg=str(error))
    head = f"{component}: version {done['version']} (serial {done['version_serial']}) becomes serial {done['serial']}"
    lines = [head, *(f"  {line}" for line in done["difference"])]
    if not done["changed"]:
        lines = [f"{component}: version {done['version']} is what the current state says already"]
    elif module.check_mode:
        lines.append(f"if that is meant: -e confirm={done['confirm']}")
    module.exit_json(
        changed=done["changed"], versions=[], lines=lines, restored=done, diff={"prepared": "\n".join([*lines, ""])}
    )


if __name__ == "__main__":
    main()
