#!/usr/bin/python
"""Documentation of the action plugin of the same name; the work is done on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: terraform_components
short_description: Plan and apply Terraform components in dependency order
description:
  - Plans every component of C(terraform/components.yml) in dependency order, independent ones at the same time, and
    applies the saved plan only when there is a difference.
  - Refuses a plan that deletes or replaces what holds data (database, volume, bucket, key, broker, secret, table), or that
    stops a broker, unless O(confirm) names the component. Nothing of that component is applied then.
  - Makes or adopts the bootstrap bucket, adopts the state bucket, the lock table and named resources that a killed run
    left behind, waits for a terraform that outlived its caller, and breaks a lock only when its holder was started by this
    work folder on this machine and is dead.
  - Credentials, region and endpoint come from the task's C(environment). The account is checked before anything else.
options:
  env:
    description: Name of the environment.
    type: str
    required: true
  region:
    description: AWS region of the states and resources.
    type: str
    required: true
  account_id:
    description: The only account that may be touched.
    type: str
    required: true
  catalog_path:
    description: Absolute path of the environment's catalog.
    type: path
    required: true
  terraform_dir:
    description: Folder with components.yml, components, modules and environments.
    type: path
    required: true
  work_dir:
    description: Folder for plan files, logs and Terraform's working data. One run at a time may use it.
    type: path
    required: true
  cache_dir:
    description: Folder for the provider when it comes from the registry.
    type: path
    required: true
  components:
    description: Only these components; all when empty. What they need must have been applied before.
    type: list
    elements: str
    default: []
  variables:
    description: Further variables by component and name.
    type: dict
    default: {}
  var_file:
    description: Another variables file than environments/<env>/common.tfvars.
    type: path
  state:
    description: V(absent) destroys, in reverse order.
    type: str
    choices: [present, absent]
    default: present
  confirm:
    description: Confirmed losses, each as C(<env>-<component>), separated by commas.
    type: str
    default: ""
  parallelism:
    description: Components that run at the same time. Each takes one core while it plans.
    type: int
    default: 2
  binary:
    description: The terraform program.
    type: str
    default: terraform
attributes:
  check_mode:
    support: full
    description: Plans only. A component whose producers are not applied yet is reported as blocked, not as failed.
  diff_mode:
    support: full
    description: One summary per changed component, attribute names without values.
author:
  - Groundwork
"""

EXAMPLES = r"""
- name: Make the skeleton
  terraform_components:
    env: prod
    region: ap-northeast-2
    account_id: "111122223333"
    catalog_path: /srv/groundwork/inventories/prod/catalog.yml
    terraform_dir: /srv/groundwork/terraform
    work_dir: /srv/groundwork/.groundwork/prod/terraform
    cache_dir: /home/operator/.cache/groundwork
  environment: "{{ aws_environment }}"
"""

RETURN = r"""
components:
  description: What became of each component, in the order of the run.
  type: list
  elements: dict
  returned: always
  sample:
    - component: 10-network
      status: applied
      add: 42
      change: 0
      destroy: 0
      changes: ["+ module.vpc.aws_vpc.this"]
      seconds: 37.2
      message: ""
seconds:
  description: Seconds by component.
  type: dict
  returned: always
  sample: {10-network: 37.2}
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.fail_json(msg="terraform_components runs as an action plugin: set action_plugins in ansible.cfg.")


if __name__ == "__main__":
    main()
