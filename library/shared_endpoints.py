#!/usr/bin/python
"""Ansible module: asks private names, databases and caches from where clients stand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_endpoints
short_description: Ask private names, PostgreSQL servers and caches whether they are there and closed to everyone else
description:
  - Every name must resolve on this host to exactly the registered addresses.
  - On every PostgreSQL server the login must work over TLS with certificate and name verified, must be no superuser, and
    must be refused without TLS.
  - Every cache must answer to its token over verified TLS, and neither without token nor without TLS.
  - Everything side by side. Changes nothing. The task fails with everything that is wrong.
options:
  names:
    description: Registered addresses by name; an empty list for an alias, which must resolve only.
    type: dict
    default: {}
  postgresql:
    description: PostgreSQL servers.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: What it is called in the result, type: str, required: true}
      host: {description: Name of the server as in its certificate, type: str, required: true}
      port: {description: TCP port, type: int, default: 5432}
      user: {description: Login, type: str, required: true}
      password: {description: Password of the login, type: str, required: true}
      ca_file: {description: CA bundle on this host; else the authorities that it trusts, type: str, default: ""}
  caches:
    description: Valkey or Redis servers.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: What it is called in the result, type: str, required: true}
      host: {description: Name of the server as in its certificate, type: str, required: true}
      port: {description: TCP port, type: int, default: 6379}
      password: {description: The token, type: str, required: true}
      ca_file: {description: CA bundle on this host; else the authorities that it trusts, type: str, default: ""}
  connect_timeout:
    description: Seconds to wait for a connection.
    type: int
    default: 10
  wait:
    description: Seconds to ask again while something is wrong.
    type: int
    default: 0
attributes:
  check_mode: {support: full, description: Reads only.}
requirements: [psycopg]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: The cache answers
  shared_endpoints:
    names: {kafka-1.prod.internal: [10.20.1.11]}
    caches:
      - {name: fileflow, host: "{{ endpoint }}", password: "{{ token }}"}
"""

RETURN = r"""
answers:
  description: For each endpoint kind (name, database or cache), name, address, facts (version, tls, …) and failure.
  returned: always
  type: list
  elements: dict
failures:
  description: What is wrong.
  returned: always
  type: list
  elements: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.endpoints import ask


def main() -> None:
    """Runs the module."""
    login = {
        "name": {"type": "str", "required": True},
        "host": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "ca_file": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "dict", "default": {}},
            "postgresql": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **login,
                    "port": {"type": "int", "default": 5432},
                    "user": {"type": "str", "required": True},
                },
            },
            "caches": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**login, "port": {"type": "int", "default": 6379}},
            },
            "connect_timeout": {"type": "int", "default": 10},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    answers = ask(module.params)
    failures = [answer.failure for answer in answers if answer.failure]
    result = {"answers": [asdict(answer) for answer in answers], "failures": failures}
    if failures:
        module.fail_json(msg="\n".join(failures), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
