#!/usr/bin/python
"""Ansible module: rotates passwords of services on a shared database server, one step at a time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_rotation
short_description: Rotate passwords of all given services on a shared database server without downtime
description:
  - The half of a rotation that happens on the server; M(database_rotation_secrets) is the half in Secrets Manager. One call
    does one step for all given services in one connection, under the lock of M(shared_databases).
  - The order is M(database_rotation_secrets) C(pending), this with C(set), M(database_rotation_secrets) C(published), this with
    C(published), and when clients have moved this with C(finished). What was done is found again on the server, so every
    step may be repeated, and a run that was killed is gone on with by the same calls.
  - At every moment the login that the secret has (C(AWSCURRENT)) works. Each step logs in with it before and after.
  - On MySQL the next login is a second password of the same account (C(RETAIN CURRENT PASSWORD), then C(DISCARD OLD PASSWORD)).
    MySQL 8.0.22 or newer is needed; older ones and MariaDB are refused. The account's attributes say, under C(groundwork), which
    password is the first and when the publication was seen; never a password.
  - On PostgreSQL it is another role, C({user}_2) and C({user}) in turn, made by what M(shared_databases) makes a login by. The role
    that was replaced keeps neither its login nor its password.
  - Whether clients have moved is told by the server. On MySQL by its error log, which has a note for every login by a second
    password if C(log_error_verbosity) is 3 and C(performance_schema) is on, and by sessions that were opened before the publication;
    without these notes MySQL cannot tell one password from the other, and sessions and O(grace) are all there is. On PostgreSQL by
    sessions of the role that was replaced, looked at again and again during O(watch); logins in between are not seen.
options:
  engine:
    description: Kind of server.
    type: str
    choices: [mysql, postgresql]
    default: mysql
  state:
    description:
      - C(info) changes nothing. C(set) makes the server take the next logins, too. C(published) notes that the secrets have them now.
        C(finished) makes the old ones unusable where clients have moved; the others are in RV(left).
    type: str
    choices: [info, set, published, finished]
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
  grace:
    description:
      - Seconds since the publication without a use of the old login, before it is retired (C(finished)). At least as long as clients
        keep what they have read of a secret; AWS's caching clients keep it for an hour.
    type: float
    default: 3600
  watch:
    description: Seconds during which every look must find no use of the old login (C(finished)).
    type: float
    default: 30
  wait:
    description: Seconds to wait for clients that still use the old login (C(finished)).
    type: float
    default: 0
  poll:
    description: Seconds between looks.
    type: float
    default: 1
  force:
    description: Retire the old logins whoever uses them (C(finished)). Clients that have no other one cannot log in any more.
    type: bool
    default: false
  services:
    description: The services, as for M(shared_databases), with the login that the secret has (C(AWSCURRENT)).
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
      password_id:
        description: The secret's key of this name; empty for a password that no rotation made.
        type: str
      next:
        description: The login that the secret has as C(AWSPENDING); none after the publication.
        type: dict
        suboptions:
          user:
            description: User, the same on MySQL, the other one on PostgreSQL.
            type: str
            required: true
          password:
            description: Password. May be absent in check mode only.
            type: str
          password_id:
            description: The secret's key of this name.
            type: str
      charset:
        description: Character set of the database, used on PostgreSQL for the login that is made.
        type: str
      collation:
        description: Collation of the database, likewise.
        type: str
      max_user_connections:
        description: Connections each of the logins may have at once, likewise; 0 means no limit of its own.
        type: int
        default: 0
      grants:
        description: Privileges, likewise.
        type: list
        elements: str
attributes:
  check_mode:
    description: Changes nothing and predicts what would be changed.
    support: full
  diff_mode:
    description: Per service, what changes about its logins; never a password.
    support: full
requirements: [PyMySQL and cryptography, or psycopg for PostgreSQL]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Make the server take the next logins beside the present ones
  database_rotation:
    state: set
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    services:
      - name: fileflow
        password: "{{ secret.current.password }}"
        password_id: "{{ secret.current.password_id | default('') }}"
        next:
          user: "{{ secret.next.username }}"
          password: "{{ secret.next.password }}"
          password_id: "{{ secret.next.password_id }}"

- name: Retire the old logins, wait for clients ten minutes at most
  database_rotation:
    state: finished
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    wait: 600
    services:
      - {name: fileflow, password: "{{ secret.current.password }}", password_id: "{{ secret.current.password_id }}"}
  register: rotation
  failed_when: rotation.left | default({}) | length > 0
"""

RETURN = r"""
changes:
  description: What was (check mode, would be) done, one statement each, without passwords.
  type: list
  elements: str
  returned: success
services:
  description:
    - Per service C(user), C(status) (C(idle), C(pending), C(set) or C(published)), C(old) (what still works beside the secret's login),
      C(problems) (why it cannot be rotated), C(published_seconds), C(quiet_seconds), C(told_by), C(holders) (sessions of the old
      login) and C(blockers) (why the old login cannot be retired yet).
  type: dict
  returned: success
finished:
  description: Services whose old login was (check mode, would be) retired.
  type: list
  elements: str
  returned: success
left:
  description: Services whose clients have not moved, each with the reasons.
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
from ansible.module_utils.groundwork.databases.run import rotate


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            **args.ENGINE,
            **args.SERVER,
            **args.ADMINISTRATOR,
            **args.LOCK,
            "state": {"type": "str", "choices": ["info", "set", "published", "finished"], "required": True},
            "grace": {"type": "float", "default": 3600},
            "watch": {"type": "float", "default": 30},
            "wait": {"type": "float", "default": 0},
            "poll": {"type": "float", "default": 1},
            "force": {"type": "bool", "default": False},
            "services": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    **args.LOGIN,
                    "password": {"type": "str", "required": True, "no_log": True},
                    "password_id": {"type": "str", "no_log": False},
                    "next": {
                        "type": "dict",
                        "options": {
                            "user": {"type": "str", "required": True},
                            "password": {"type": "str", "no_log": True},
                            "password_id": {"type": "str", "no_log": False},
                        },
                    },
                },
            },
        },
        **args.TRUST,
        supports_check_mode=True,
    )
    try:
        result = rotate(module.params, check=module.check_mode)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
