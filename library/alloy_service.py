#!/usr/bin/python
"""Ansible module: Alloy's systemd unit on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: alloy_service
short_description: Write, enable and start Alloy's unit, and restart it only when it runs with something older
description:
  - The process carries a digest of its unit, environment file and program in its environment. It is restarted when this is another
    one than that of the files, and for nothing else; configuration is loaded by M(alloy_config) without a restart.
  - It waits until Alloy says that it is healthy, after a start and where there was nothing to do; else it fails with Alloy's last
    lines of the journal. When a start failed and M(alloy_config) had brought another environment, the one of before is put back
    with its folder and unit, and Alloy restarted with them.
options:
  unit:
    description: Text of the unit; the digest is added to its section C([Service]).
    type: str
    required: true
  binary:
    description: The program.
    type: path
    required: true
  environment_file:
    description: Environment of the service.
    type: path
    required: true
  config_directory:
    description: The folder of M(alloy_config); beside it is what that one keeps until Alloy is healthy after a restart.
    type: path
    required: true
  url:
    description: Where Alloy answers on the host.
    type: str
    required: true
  wait:
    description: Seconds until it must be healthy.
    type: float
    default: 60
  pending:
    description: In check mode, whether an earlier task would have changed the program or the environment.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Says what would be done.}
  diff_mode: {support: full, description: The unit before and after.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Run Alloy
  alloy_service:
    unit: "{{ lookup('ansible.builtin.template', 'alloy.service.j2') }}"
    binary: /usr/bin/alloy
    environment_file: /etc/alloy/environment
    config_directory: /etc/alloy/conf.d
    url: http://127.0.0.1:12345
"""

RETURN = r"""
actions: {description: 'What was done, or in check mode would be - C(unit), C(enable), C(start), C(restart)', returned: always, type: list, elements: str}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import alloyservice as work


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "binary": {"type": "path", "required": True},
            "environment_file": {"type": "path", "required": True},
            "config_directory": {"type": "path", "required": True},
            "url": {"type": "str", "required": True},
            "wait": {"type": "float", "default": 60.0},
            "pending": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    p = module.params
    service = work.Service(
        unit=p["unit"],
        binary=Path(p["binary"]),
        environment_file=Path(p["environment_file"]),
        config_directory=Path(p["config_directory"]),
        url=p["url"].rstrip("/"),
        wait=p["wait"],
    )
    try:
        outcome = work.apply(service, pending=p["pending"], check_mode=module.check_mode)
    except (work.ServiceError, OSError) as error:
        module.fail_json(msg=str(error))
    diff = []
    if "unit" in outcome.actions:
        diff.append(
            {
                "before_header": str(service.path),
                "after_header": str(service.path),
                "before": outcome.before,
                "after": outcome.after,
            }
        )
    module.exit_json(changed=bool(outcome.actions), actions=outcome.actions, diff=diff)


if __name__ == "__main__":
    main()
