#!/usr/bin/python
"""Ansible module: check an Alloy configuration on the control machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: alloy_check
short_description: Check the Alloy configuration of every host before any host is touched
description:
  - Gives each host's files to the checker that set-up built from the official syntax module. It parses and formats as Alloy
    does, and checks over all files that labels are unique, that every reference has its component and export, that
    there is no circle, and that the arguments of the components that this project uses decode.
  - Runs on the control machine and changes nothing.
options:
  hosts:
    description: By host, the files of its folder, name to text.
    type: dict
    required: true
  project:
    description: Folder of the project.
    type: path
    required: true
  cache:
    description: Folder of what set-up made.
    type: path
    required: true
attributes:
  check_mode: {support: full, description: Reads only.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Check before touching the host
  alloy_check:
    hosts: {ops-1: "{{ alloy_files }}"}
    project: "{{ groundwork_dir }}"
    cache: "{{ groundwork_cache }}"
  delegate_to: localhost
"""

RETURN = r"""
problems:
  description: Everything that is wrong, each with host, file, line and column.
  returned: always
  type: list
  elements: str
notes:
  description: What could not be checked, or works and should change.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import alloysyntax


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "dict", "required": True},
            "project": {"type": "path", "required": True},
            "cache": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        checker = alloysyntax.checker_path(Path(p["project"]), Path(p["cache"]))
        found = [(host, one) for host, files in p["hosts"].items() for one in alloysyntax.check(files, checker)]
    except (alloysyntax.CheckerError, OSError) as error:
        module.fail_json(msg=str(error), problems=[], notes=[])
    problems = [f"{host}: {one}" for host, one in found if one.severity == "error"]
    notes = [f"{host}: {one}" for host, one in found if one.severity != "error"]
    if problems:
        listed = "\n".join(problems)
        module.fail_json(
            msg=f"the Alloy configuration is wrong, nothing was touched:\n{listed}", problems=problems, notes=notes
        )
    module.exit_json(changed=False, problems=problems, notes=notes)


if __name__ == "__main__":
    main()
