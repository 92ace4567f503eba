#!/usr/bin/python
"""Ansible module: how a shared database server is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_report
short_description: Report connections, parameters, slow statements, disk, replication and character sets of a shared server
description:
  - Asks a server in one connection, with a constant number of queries, and compares what it says with the catalog. Reads only.
  - Connections - those of the services' pools together, with a reserve, against C(max_connections); those in use, by user; those that
    were refused (MySQL counts them, PostgreSQL does not).
  - Slow statements - whether the server logs them and from which time on, how many there were (MySQL), and sessions whose
    transaction is older than 600 s.
  - Disk - bytes of each database and of the logs (binary log, WAL) against the storage that the catalog allocates. What temporary
    files and the error log take is in no server's account; CloudWatch's C(FreeStorageSpace) has it.
  - Replication - replicas, what this server copies, and on PostgreSQL slots that keep the log for nobody.
  - Character sets - on MySQL every table and column of the services' databases that has another collation than
    C(utf8mb4_unicode_ci); on PostgreSQL the encoding is a whole database's, and the version of its collation is compared.
  - On MySQL the administrator needs PROCESS, REPLICATION CLIENT and REPLICATION SLAVE, on PostgreSQL C(pg_monitor); a master user
    of RDS has both.
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
  services:
    description: The services' logins.
    type: list
    elements: dict
    required: true
    suboptions:
      database:
        description: Database.
        type: str
        required: true
      user:
        description: User.
        type: str
        required: true
      max_user_connections:
        description: Connections that the catalog gives it.
        type: int
        default: 0
  parameters:
    description: Parameters that the server should have, as its parameter group says them. C(1) and C(ON) are the same.
    type: dict
    default: {}
  reserved_connections:
    description: Connections that stay free for administration and monitoring.
    type: int
    default: 10
  allocated_gib:
    description: Storage of the instance, in GiB; not compared when not given.
    type: float
  max_lag:
    description: Seconds that a replica may be behind.
    type: float
    default: 60
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Nothing changes, so there is no difference.
    support: none
requirements: [PyMySQL and cryptography, or psycopg for PostgreSQL]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: How the server is
  database_report:
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    allocated_gib: 20
    parameters: {slow_query_log: "1", require_secure_transport: "1"}
    services:
      - {database: fileflow, user: fileflow_user, max_user_connections: 20}
"""

RETURN = r"""
report:
  description: What the server said - C(server), C(connections), C(parameters), C(slow), C(disk) (bytes), C(replication), C(charsets), C(tables).
  type: dict
  returned: success
problems:
  description: What is not as it should be, each with its remedy.
  type: list
  elements: dict
  returned: success
  contains:
    check: {description: "One of connections, parameters, slow, disk, replication, charset.", type: str}
    problem: {description: What it is., type: str}
    remedy: {description: What to do., type: str}
queries:
  description: Statements sent.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases import args
from ansible.module_utils.groundwork.databases.model import DatabaseError
from ansible.module_utils.groundwork.databases.report import act


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            **args.ENGINE,
            **args.SERVER,
            **args.ADMINISTRATOR,
            "services": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "database": {"type": "str", "required": True},
                    "user": {"type": "str", "required": True},
                    "max_user_connections": {"type": "int", "default": 0},
                },
            },
            "parameters": {"type": "dict", "default": {}},
            "reserved_connections": {"type": "int", "default": 10},
            "allocated_gib": {"type": "float"},
            "max_lag": {"type": "float", "default": 60},
        },
        **args.TRUST,
        supports_check_mode=True,
    )
    try:
        result = act(module.params)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
