#!/usr/bin/python
"""Ansible module: takes a service off a shared database server, one step at a time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_offboarding
short_description: Lock, unlock and drop a service's logins and database on a shared server
description:
  - The half of an offboarding that happens on the server. What there is, is read from the server each time, so every step may be
    repeated; changes are made under the lock of M(shared_databases).
  - C(locked) lets the logins in no more (C(ACCOUNT LOCK), C(NOLOGIN)) and ends their sessions, C(unlocked) takes that back,
    C(dropped) drops the database, then the logins, on PostgreSQL also the owner role.
  - Nothing is dropped while a login is not locked or connected, while somebody else is connected to the database, or holds
    privileges on it by name (RV(seen.others)): these would lose it.
  - Sessions on RDS for MySQL are ended by C(mysql.rds_kill), elsewhere by C(KILL).
options:
  engine:
    description: Kind of server.
    type: str
    choices: [mysql, postgresql]
    default: mysql
  state:
    description: C(info) changes nothing.
    type: str
    choices: [info, locked, unlocked, dropped]
    required: true
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
  database:
    description: Database of the service.
    type: str
    required: true
  users:
    description: Names of all logins that the service may have; those that are not there are left out.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: What the server has of the service, before and after.
    support: full
requirements: [PyMySQL and cryptography, or psycopg for PostgreSQL]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Let nobody in as crawler any more
  database_offboarding:
    engine: postgresql
    state: locked
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    database: crawler
    users: [crawler_user, crawler_user_2, crawler_readonly, crawler_migration]
"""

RETURN = r"""
changes:
  description: What was (check mode, would be) done, a line each.
  type: list
  elements: str
  returned: success
seen:
  description:
    - What the server has afterwards (check mode, now). C(database), C(bytes), C(logins) (by name C(user), C(locked) and C(sessions)), C(owner), C(others) and
      C(visitors) (what others hold on it, and who is connected to it), and C(gone) when nothing is left.
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases import args
from ansible.module_utils.groundwork.databases.model import DatabaseError
from ansible.module_utils.groundwork.databases.offboard import offboard


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            **args.ENGINE,
            **args.SERVER,
            **args.ADMINISTRATOR,
            **args.LOCK,
            "state": {"type": "str", "choices": ["info", "locked", "unlocked", "dropped"], "required": True},
            "database": {"type": "str", "required": True},
            "users": {"type": "list", "elements": "str", "required": True},
        },
        **args.TRUST,
        supports_check_mode=True,
    )
    try:
        result = offboard(module.params, check=module.check_mode)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
