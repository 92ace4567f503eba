#!/usr/bin/python
"""Ansible module: the agent's login on a shared server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_monitoring
short_description: Make a login that may read the server's figures, and no row of anybody
description:
  - On MySQL the account O(login)@% over TLS only, with PROCESS, REPLICATION CLIENT and REFERENCES, and SELECT on C(performance_schema).
    REFERENCES shows tables and their sizes and does not let rows be read.
  - On PostgreSQL a role that may log in and is a member of C(pg_monitor).
  - Both have three connections. Everything else that the login holds is drift and taken away; on PostgreSQL attributes that it
    must not have are an error.
  - Whether the password is the wanted one is found out by logging in. The server's certificate and name are verified.
options:
  engine: {description: Kind of server., type: str, choices: [mysql, postgresql], default: mysql}
  host: {description: "Name of the server, as in its certificate.", type: str, required: true}
  port: {description: TCP port; the engine's own when not given., type: int}
  user: {description: Administrator., type: str, required: true}
  password: {description: Administrator's password., type: str, required: true}
  ca_file: {description: CA bundle on the host that runs the module; this or O(ca_pem) is needed., type: str}
  ca_pem: {description: CA bundle as text., type: str}
  connect_timeout: {description: Seconds to wait for a connection., type: int, default: 10}
  lock_timeout: {description: Seconds to wait while another run changes the same server., type: int, default: 60}
  login: {description: The login., type: str, required: true}
  login_password: {description: "Its password. May be absent in check mode only, for a secret that does not exist yet.", type: str}
attributes:
  check_mode: {support: full, description: Changes nothing and predicts what would be changed.}
  diff_mode: {support: full, description: "The statements, without passwords."}
requirements: [PyMySQL and cryptography, or psycopg for PostgreSQL]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: The agent's login
  database_monitoring:
    engine: postgresql
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    login: groundwork_monitoring
    login_password: "{{ monitoring.password }}"
"""

RETURN = r"""
changes: {description: "What was (check mode, would be) done, one statement each, without passwords.", type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases import args
from ansible.module_utils.groundwork.databases.model import DatabaseError
from ansible.module_utils.groundwork.databases.monitoring import ensure


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.ENGINE,
            **args.SERVER,
            **args.ADMINISTRATOR,
            **args.LOCK,
            "login": {"type": "str", "required": True},
            "login_password": {"type": "str", "no_log": True},
        },
        **args.TRUST,
        supports_check_mode=True,
    )
    try:
        result = ensure(module.params, check=module.check_mode)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    diff = {"before": "", "after": "".join(f"{line}\n" for line in result["changes"])}
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
