#!/usr/bin/python
"""Ansible module: databases, users and grants of all services on a shared server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_databases
short_description: Make databases, users and exact grants of all services on a shared server in one connection
description:
  - Reads the server's whole relevant state with a constant number of queries, computes the difference to what is
    wanted, applies it in one connection under a server-side lock, and reads it back.
  - On MySQL, per service a database, a user that may come from anywhere but over TLS only, and exactly the wanted privileges on
    that database. Wildcards in the database's name are escaped in the grant, so that C(a_b) never matches C(axb).
  - There, every other privilege of a managed user is drift and revoked, whether global, dynamic, on another database or
    pattern, on a table, column or routine, by proxy or by role. So is another authentication plugin, a lock, an expired
    password, another connection limit, or TLS not required.
  - On PostgreSQL 15 and newer, per database an owner role C({database}_owner) that cannot log in and owns the database
    and its schema public, and per service a login role. With the grant C(OWNER) a login is a member of the owner role
    and its sessions begin as it (C(ALTER ROLE … SET role)), so that several logins, as those of a rotation, make and use
    the same things; migrations are another login with C(OWNER). Any other login is limited to the wanted privileges on
    everything that the owner role has, and by default privileges on what it will make; C([SELECT]) reads only.
  - There, PUBLIC holds nothing on the database, in its schemas and on its routines. Drift that is repaired is attributes,
    password, connection limit, memberships and settings of managed roles, owner, ACL and limits of the database, owner
    of things that a login made as itself, default privileges, and every privilege of a managed role on anything in any
    database that the administrator may connect to. The administrator becomes a member of the owner roles that it makes.
    What it may not change, since it is no superuser, is a warning with the reason.
  - PostgreSQL shows a database's inside to connections to this database only. Roles, memberships, settings and databases
    are read with a constant number of queries; schemas, default privileges and objects with a constant number for each
    managed database, and each other one in which something is granted to a managed role.
  - PostgreSQL has no requirement of TLS for a user. A server that takes connections without it is a warning; the remedy
    is C(rds.force_ssl) in the parameter group. Logins are by SCRAM-SHA-256 only, and a password is sent as its verifier.
  - Whether a password is the wanted one is found out by logging in, so a change by hand in Secrets Manager is noticed.
  - Databases, users and access to managed databases that nobody asked for are reported and never touched.
  - The server's certificate and name are verified. The administrator needs what an RDS master user has, no SUPER.
options:
  engine:
    description: Kind of server.
    type: str
    choices: [mysql, postgresql]
    default: mysql
  host:
    description: Name of the server, as in its certificate.
    type: str
    required: true
  port:
    description: TCP port; 3306 for C(mysql) and 5432 for C(postgresql) when not given.
    type: int
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
        description: Database; the service's name when not given. On PostgreSQL at most 57 bytes.
        type: str
      user:
        description: User, at most 32 characters (PostgreSQL 63 bytes); C({name}_user) when not given.
        type: str
      password:
        description: Password. May be absent in check mode only, for a secret that does not exist yet.
        type: str
      charset:
        description: Character set of the database; C(utf8mb4) when not given, on PostgreSQL C(UTF8) and nothing else.
        type: str
      collation:
        description:
          - Collation of the database; C(utf8mb4_unicode_ci) when not given. On PostgreSQL a locale of the C library, that of
            C(template0) when not given; that of a database that exists cannot be changed and another one is a warning.
        type: str
      max_user_connections:
        description: Connections the user may have at once; 0 means no limit of its own.
        type: int
        default: 0
      grants:
        description:
          - Privileges on the database. When not given SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER.
          - On PostgreSQL C(OWNER), which is the default, or any of SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES,
            TRIGGER on tables, EXECUTE on routines and TEMPORARY on the database. Sequences follow from those of tables.
        type: list
        elements: str
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Per service, database, user and grants before and after.
    support: full
requirements: [PyMySQL and cryptography, or psycopg for PostgreSQL]
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

- name: Databases of all services on PostgreSQL, one with a second login
  shared_databases:
    engine: postgresql
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    services:
      - {name: fileflow, password: "{{ fileflow_password }}", max_user_connections: 20}
      - {name: fileflow-2, database: fileflow, user: fileflow_2, password: "{{ second }}"}
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
  description: Services whose user existed and that were changed.
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
  description:
    - Logins that still work beside the wanted ones, since a rotation is not finished - accounts of MySQL with a second (retained)
      password, roles of PostgreSQL that take turns with a managed one (C({user}_2)) and may log in.
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
  description: Statements sent on the administrator's connections.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases import args
from ansible.module_utils.groundwork.databases.model import DatabaseError
from ansible.module_utils.groundwork.databases.run import ensure


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            **args.ENGINE,
            **args.SERVER,
            **args.ADMINISTRATOR,
            **args.LOCK,
            "ignore_users": {"type": "list", "elements": "str", "default": []},
            "services": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    **args.LOGIN,
                    "password": {"type": "str", "no_log": True},
                },
            },
        },
        **args.TRUST,
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
