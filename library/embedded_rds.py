#!/usr/bin/python
"""Ansible module: database servers in containers that look like RDS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: embedded_rds
short_description: Make database servers in containers look like RDS instances
description:
  - Gives each administrator the password and the privileges that RDS gives its master user (no SUPER, FILE, SHUTDOWN,
    SYSTEM_VARIABLES_ADMIN and the like of MySQL, no SUPERUSER, REPLICATION, BYPASSRLS of PostgreSQL), sets the parameters
    of the parameter group, and writes the CA bundle. All servers side by side.
  - Works as the server's own superuser over the container's socket; passwords go through standard input only, and
    PostgreSQL gets the SCRAM verifier in the password's place.
  - Whether an administrator's password is right is found out by logging in.
  - A PostgreSQL parameter that is read at the start only restarts the container.
options:
  podman:
    description: The podman command.
    type: str
    required: true
  servers:
    description: The servers.
    type: list
    elements: dict
    required: true
    suboptions:
      engine:
        description: Kind of server.
        type: str
        choices: [mysql, postgresql]
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
        description: Server parameters by name; for PostgreSQL in the units of C(pg_settings).
        type: dict
        default: {}
  ca_file:
    description: Where to write the certificates of the authorities on the machine that runs the module.
    type: str
    required: true
  timeout:
    description: Seconds to wait for a server.
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
- name: Make the containers RDS instances
  embedded_rds:
    podman: /usr/bin/podman
    servers:
      - engine: postgresql
        container: groundwork-local-local-shared-postgresql
        user: "{{ master.username }}"
        password: "{{ master.password }}"
        parameters: {max_connections: 100}
    ca_file: .groundwork/local/rds-ca.pem
"""

RETURN = r"""
changes:
  description:
    - Per container the statements that were (check mode, would be) run, with C((password)) in the password's place.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases.embedded import ensure
from ansible.module_utils.groundwork.databases.model import DatabaseError
from ansible.module_utils.groundwork.estate.inside import ContainerError


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "podman": {"type": "str", "required": True},
            "servers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "engine": {"type": "str", "choices": ["mysql", "postgresql"], "required": True},
                    "container": {"type": "str", "required": True},
                    "user": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                    "parameters": {"type": "dict", "default": {}},
                },
            },
            "ca_file": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module.params, check=module.check_mode)
    except (DatabaseError, ContainerError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
