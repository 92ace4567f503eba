#!/usr/bin/python
"""Ansible module: validation of an environment's catalog."""

from __future__ import annotations

DOCUMENTATION = r"""
module: catalog
short_description: Validate a catalog before anything is touched
description:
  - Reads C(inventories/<env>/catalog.yml) and reports everything that is wrong with it at once, each with file, line,
    path, reason and remedy. Unknown and missing keys, types, names that MySQL, Kafka, S3 or ElastiCache would refuse,
    values that do not fit each other, and text that Ansible and Terraform read differently are wrong; docs/catalog.md
    has all.
  - The range of the VPC is compared with the catalogs of the other environments in the same inventories folder.
  - Reads files only, on the machine it runs on, which should be the control machine.
options:
  path:
    description: The catalog file.
    type: path
    required: true
  display:
    description: Name of the file in messages; else its path.
    type: str
attributes:
  check_mode:
    description: Never changes anything.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
requirements: [PyYAML]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Validate the catalog
  catalog:
    path: "{{ inventory_dir }}/catalog.yml"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
summary:
  description: What the catalog asks for, in one line.
  returned: success
  type: str
  sample: "prod: 3 services, 3 topics, 3 brokers (isolated), 3 databases"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.catalog import summary, validate_file


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}, "display": {"type": "str"}},
        supports_check_mode=True,
    )
    report = validate_file(module.params["path"], module.params["display"])
    if not report.ok:
        module.fail_json(msg=report.message())
    module.exit_json(changed=False, summary=summary(report.catalog))


if __name__ == "__main__":
    main()
