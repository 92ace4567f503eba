#!/usr/bin/python
"""Ansible module: locks of Terraform states, shown and broken."""

from __future__ import annotations

DOCUMENTATION = r"""
module: terraform_lock
short_description: Show who locks Terraform states, and break stale locks by name
description:
  - Looks for the lock file in S3 and for the item in the DynamoDB lock table; a lock that is in both is one lock.
  - A lock is fresh while its terraform works on this machine, or while it is younger than O(fresh_minutes); it is stale at
    once when its terraform was started from O(work_dir) on this machine and is dead.
  - Breaks only what O(confirm) names, never a fresh lock, and only the very lock that was shown. A record goes to
    C(records/<component>/) in the state bucket.
  - Region, endpoint and credentials come from the environment. The account is checked before anything else.
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
  components:
    description: Components whose locks are looked for.
    type: list
    elements: str
    required: true
  confirm:
    description: Locks to break, each C(<env>-<component>-<lock id or 8 characters of it>), separated by commas.
    type: str
    default: ""
  fresh_minutes:
    description: Age in minutes below which a lock counts as fresh.
    type: int
    default: 90
  work_dir:
    description: Folder in which terraform_components worked on this machine; tells whether a local holder is alive.
    type: path
attributes:
  check_mode:
    description: Breaks nothing and says what would be broken.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
requirements: [boto3]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Break one lock
  terraform_lock:
    env: prod
    region: ap-northeast-2
    account_id: "111122223333"
    components: [10-network]
    confirm: prod-10-network-3dd07a1e
  environment: "{{ aws_environment }}"
"""

RETURN = r"""
locks:
  description: Every lock that was held.
  type: list
  elements: dict
  returned: success
  sample:
    - {component: 10-network, id: 3dd07a1e-3a1e-4c5d-8d5c-2c2c5a5d1f0e, who: runner@host, since: "2026-01-31 10:00:00 UTC",
       minutes: 612.0, operation: OperationTypeApply, where: [lock file], run: "", url: "", fresh: false,
       reason: "older than 90 minutes, longer than any run may take", terraform: 1.11.4}
lines:
  description: The same, a line each.
  type: list
  elements: str
  returned: success
broken:
  description: Ids of the locks that were (check mode, would be) broken.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.terraform.cli import TerraformError
from ansible.module_utils.groundwork.terraform.state import FRESH_MINUTES, States


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "env": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "account_id": {"type": "str", "required": True},
            "components": {"type": "list", "elements": "str", "required": True},
            "confirm": {"type": "str", "default": ""},
            "fresh_minutes": {"type": "int", "default": FRESH_MINUTES},
            "work_dir": {"type": "path"},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        states = States(
            options["env"],
            options["region"],
            options["account_id"],
            work_dir=Path(options["work_dir"]) if options["work_dir"] else None,
            fresh_minutes=options["fresh_minutes"],
        )
        held, broken = states.unlock(options["components"], options["confirm"], check=module.check_mode)
    except (AwsError, TerraformError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(broken),
        locks=[lock.report() for lock in held],
        lines=[lock.describe() for lock in held],
        broken=[lock.id for lock in broken],
    )


if __name__ == "__main__":
    main()
