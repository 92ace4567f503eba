#!/usr/bin/python
"""Ansible module: a MySQL server in a container that looks like RDS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: embedded_rds
short_description: Make a MySQL server in a container look like an RDS instance
description:
  - Gives the administrator the password and the privileges that RDS gives its master user (no SUPER, FILE, SHUTDOWN,
    SYSTEM_VARIABLES_ADMIN and the like), sets the parameters of the parameter group, and writes the CA bundle.
  - Works as the server's root over the container's socket; passwords go through standard input only.
  - Whether the administrator's password is right is found out by logging in.
options:
  podman:
    description: The podman command.
    type: str
    required: true
  container:
    description: Name of the container.
    type: str
    required: true
  user:
    description: The administrator.
    type: str
    required: true
  password:
    description: The administrator's password.
    type: str
    required: true
  parameters:
    description: Server variables by name.
    type: dict
    default: {}
  ca_file:
    description: Where to write the certificate authority's certificate on the machine that runs the module.
    type: str
    required: true
  timeout:
    description: Seconds to wait for the server.
    type: int
    default: 120
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Privileges, parameters, and whether the password is right; never the password.
    support: full
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Make the container an RDS instance
  embedded_rds:
    podman: /usr/bin/podman
    container: groundwork-local-mysql
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    parameters: {max_connections: 100}
    ca_file: .groundwork/local/rds-ca.pem
"""

RETURN = r"""
changes:
  description: The statements that were (check mode, would be) run, with C((password)) in the password's place.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases.embedded import ensure
from ansible.module_utils.groundwork.databases.model import DatabaseError


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "podman": {"type": "str", "required": True},
            "container": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "parameters": {"type": "dict", "default": {}},
            "ca_file": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module.params, check=module.check_mode)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
