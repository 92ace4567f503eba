"""Ansible connection plugin: podman containers, with pipelining."""

from __future__ import annotations

DOCUMENTATION = r"""
name: groundwork_podman
short_description: Run commands in a podman container, modules through standard input
description:
  - As containers.podman.podman, but modules are piped into C(podman exec --interactive) instead of being copied in,
    which takes one process a task instead of five.
author: Groundwork
options:
  remote_addr:
    description: Name of the container.
    default: inventory_hostname
    vars: [{name: ansible_host}, {name: inventory_hostname}, {name: ansible_podman_host}]
  remote_user:
    description: User in the container.
    vars: [{name: ansible_user}]
  podman_extra_args:
    description: More arguments of podman.
    default: ""
    vars: [{name: ansible_podman_extra_args}]
  podman_executable:
    description: The podman program.
    default: podman
    vars: [{name: ansible_podman_executable}]
"""

import shlex

from ansible.plugins.connection import ConnectionBase, ensure_connect
from ansible_collections.containers.podman.plugins.connection.podman import Connection as PodmanConnection


class Connection(PodmanConnection):
    """One `podman exec --interactive` a command; files still go by `podman cp`."""

    transport = "groundwork_podman"
    has_pipelining = True

    def _connect(self) -> Connection:
        # The collection's plugin mounts the container's file system here, which every task pays for.
        self._connected = True
        return self

    @ensure_connect
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = False) -> tuple[int, bytes, bytes]:
        ConnectionBase.exec_command(self, cmd, in_data=in_data, sudoable=sudoable)
        arguments = ["exec", *(["--interactive"] if in_data else []), *(["--user", self.user] if self.user else [])]
        return self._podman(arguments, shlex.split(cmd), in_data)
