#!/usr/bin/python
"""Ansible module: Valkey servers in containers that look like ElastiCache."""

from __future__ import annotations

DOCUMENTATION = r"""
module: embedded_cache
short_description: Give Valkey servers in containers their tokens
description:
  - Writes each server's file of users - one user with a hash of the token and without the commands that ElastiCache
    refuses - and waits until the server lets the token in. All servers side by side.
  - A server whose token differs is restarted, which empties it.
  - The token goes through standard input only.
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
      container:
        description: Name of the container.
        type: str
        required: true
      token:
        description: What clients authenticate with.
        type: str
        required: true
  timeout:
    description: Seconds to wait for a server.
    type: int
    default: 60
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Whether the token is the secret's; never the token.
    support: full
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Give the cache its token
  embedded_cache:
    podman: /usr/bin/podman
    servers:
      - container: groundwork-local-local-fileflow-cache
        token: "{{ fileflow_cache.password }}"
"""

RETURN = "{}"

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.caches.embedded import ensure
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
                    "container": {"type": "str", "required": True},
                    "token": {"type": "str", "required": True, "no_log": True},
                },
            },
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module.params, check=module.check_mode)
    except ContainerError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
