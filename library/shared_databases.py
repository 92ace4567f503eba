#!/usr/bin/python
"""Ansible module: databases, users and grants of all services on a shared server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_databases
short_description: Make databases, users and exact grants of all services on a shared server in one connection
description:
  - Reads the server's whole relevant state with a constant number of queries, computes the difference to what is
    wanted, applies it in one connection under a server-side lock, and reads it back.
  - Per service a database, a user that may come from anywhere but over TLS only, and exactly the wanted privileges on
    that database. Wildcards in the database's name are escaped in the grant, so that C(a_b) never matches C(axb).
  - Every other privilege of a managed user is drift and revoked, whether global, dynamic, on another database or
    pattern, on a table, column or routine, by proxy or by role. So is another authentication plugin, a lock, an expired
    password, another connection limit, or TLS not required.
  - Whether a password is the wanted one is found out by logging in, so a change by hand in Secrets Manager is noticed.
  - Databases, users and access to managed databases that nobody asked for are reported and never touched.
  - The server's certificate and name are verified. The administrator needs what an RDS master user has, no SUPER.
options:
  engine:
    description: Kind of server.
    type: str
    choices: [mysql]
    default: mysql
  host:
    description: Name of the server, as in its certificate.
    type: str
    required: true
  port:
    description: TCP port.
    type: int
    default: 3306
  user:
    description: Administrator.
    type: str
    required: true
  password:
    description: Administrator's password.
    type: str
    required: true
  ca_file:
    description: CA bundle on the host that runs the module; this or O(ca_pem) is needed.
    type: str
  ca_pem:
    description: CA bundle as text.
    type: str
  connect_timeout:
    description: Seconds to wait for a connection.
    type: int
    default: 10
  lock_timeout:
    description: Seconds to wait while another run holds the lock C(groundwork.shared_databases).
    type: int
    default: 60
  ignore_users:
    description: Users that are not reported as unknown, beside the server's and RDS's own.
    type: list
    elements: str
    default: []
  services:
    description: The services.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      database:
        description: Database; the service's name when not given.
        type: str
      user:
        description: User, at most 32 characters; C({name}_user) when not given.
        type: str
      password:
        description: Password. May be absent in check mode only, for a secret that does not exist yet.
        type: str
      charset:
        description: Character set of the database; C(utf8mb4) when not given.
        type: str
      collation:
        description: Collation of the database; C(utf8mb4_unicode_ci) when not given.
        type: str
      max_user_connections:
        description: Connections the user may have at once; 0 means no limit of its own.
        type: int
        default: 0
      grants:
        description:
          - Privileges on the database. When not given SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER.
        type: list
        elements: str
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Per service, database, user and grants before and after.
    support: full
requirements: [PyMySQL, cryptography]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Databases of all services
  shared_databases:
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    services:
      - {name: fileflow, password: "{{ fileflow_password }}", max_user_connections: 20}
      - {name: fileflow-report, database: fileflow, user: fileflow_report, password: "{{ other }}", grants: [SELECT]}
"""

RETURN = r"""
changes:
  description: What was (check mode, would be) done, one statement each, without passwords.
  type: list
  elements: str
  returned: success
created_databases:
  description: Databases made.
  type: list
  elements: str
  returned: success
created_users:
  description: Users made.
  type: list
  elements: str
  returned: success
updated:
  description: Services that existed at least in part and were changed.
  type: list
  elements: str
  returned: success
unknown:
  description: What is on the server and was not asked for. Reported, never touched.
  type: dict
  returned: success
  contains:
    databases: {description: Databases., type: list, elements: str}
    users: {description: Accounts; also those of a managed user's name with another host., type: list, elements: str}
    access: {description: Grants of others that reach a managed database or user., type: list, elements: str}
second_passwords:
  description: Managed accounts that still have a second (retained) password.
  type: list
  elements: str
  returned: success
report_warnings:
  description: What an operator should know and the module cannot change.
  type: list
  elements: str
  returned: success
server:
  description: C(engine), C(version) and C(max_connections) of the server.
  type: dict
  returned: success
queries:
  description: Statements sent on the administrator's connection.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases.model import DatabaseError
from ansible.module_utils.groundwork.databases.run import ensure


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "engine": {"type": "str", "choices": ["mysql"], "default": "mysql"},
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 3306},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "ca_file": {"type": "str"},
            "ca_pem": {"type": "str"},
            "connect_timeout": {"type": "int", "default": 10},
            "lock_timeout": {"type": "int", "default": 60},
            "ignore_users": {"type": "list", "elements": "str", "default": []},
            "services": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "database": {"type": "str"},
                    "user": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                    "charset": {"type": "str"},
                    "collation": {"type": "str"},
                    "max_user_connections": {"type": "int", "default": 0},
                    "grants": {"type": "list", "elements": "str"},
                },
            },
        },
        mutually_exclusive=[("ca_file", "ca_pem")],
        required_one_of=[("ca_file", "ca_pem")],
        supports_check_mode=True,
    )
    try:
        result = ensure(module.params, check=module.check_mode)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    for warning in result["report_warnings"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
