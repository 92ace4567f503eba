#!/usr/bin/python
"""Ansible module: logs in as every service and asks the server what the login may do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_login
short_description: Log in as every service and check what the server lets it do
description:
  - Each service logs in over TLS with the server's certificate and name verified, and reads its grants back from the
    server; they must be exactly the wanted ones.
  - A login without TLS must be refused, and so must one real attempt for each of reading the accounts, changing a
    server setting, granting, making accounts, a privilege that is not held, and using the databases of others whose
    names are most alike. None of the attempts would do harm if it were allowed.
  - On PostgreSQL the role that sessions act as, memberships, and what a limited login may really do on all things of the
    owner role must be as wanted; attempts are rolled back.
  - Changes nothing. The task fails when RV(failures) is not empty, unless O(report_only=true).
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
  report_only:
    description: Return failures instead of failing.
    type: bool
    default: false
  services:
    description: The services, as for M(shared_databases).
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
        description: User; C({name}_user) when not given.
        type: str
      password:
        description: Password.
        type: str
        required: true
      charset:
        description: Not used here.
        type: str
      collation:
        description: Not used here.
        type: str
      max_user_connections:
        description: Not used here.
        type: int
        default: 0
      grants:
        description: Privileges that the login must hold on the database, and no others.
        type: list
        elements: str
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
- name: Every service can log in, as far as it should
  database_login:
    host: "{{ endpoint }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    services:
      - {name: fileflow, password: "{{ fileflow_password }}"}
"""

RETURN = r"""
logins:
  description: Per service C(name), C(user), C(database), C(account), C(tls), C(grants), C(refused) and C(failures).
  type: list
  elements: dict
  returned: always
failures:
  description: What is not as it should be, of all services.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases import args
from ansible.module_utils.groundwork.databases.model import DatabaseError
from ansible.module_utils.groundwork.databases.run import verify


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            **args.ENGINE,
            **args.SERVER,
            "report_only": {"type": "bool", "default": False},
            "services": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    **args.LOGIN,
                    "password": {"type": "str", "required": True, "no_log": True},
                },
            },
        },
        **args.TRUST,
        supports_check_mode=True,
    )
    try:
        result = verify(module.params)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    if result["failures"] and not module.params["report_only"]:
        module.fail_json(msg="\n".join(result["failures"]), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
