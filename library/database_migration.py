#!/usr/bin/python
"""Ansible module: moves a service's database from a dedicated MySQL server to the shared one, one step at a time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_migration
short_description: Move a service's MySQL database to the shared server while the service writes, and back
description:
  - The half of a migration that happens on the servers; M(database_migration_secret) is the half in Secrets Manager.
  - The order is C(info), C(copied), C(followed), C(frozen), then the secret, and when nobody wants to go back any more C(finished). The
    way back until then is C(followed), C(frozen) and C(thawed) with O(back), then the secret; before the switch it is C(aborted).
  - A copy is taken at one moment (C(mysqldump --single-transaction) of MySQL's own, straight into the other server) whose place in the binary
    log is known, and compared with what was read. What was committed since is read from the row log and applied, each transaction once.
    How far it is, is written by the same transaction into the table C(groundwork_migration) of the database, so a run that was killed
    goes on by the same call.
  - C(frozen) compares every table as of one moment while the service writes, then locks the service's accounts on the server that it
    leaves, ends their sessions, applies the rest, compares every row that was changed since that moment, and moves the triggers. Only the
    time from the lock on is the write pause. When it would last longer than O(pause), the service is let in again where it was.
  - Definitions must not change meanwhile (C(ALTER TABLE), C(TRUNCATE)); that is seen in the log and refused.
  - Needs no more than the administrator of RDS has, C(REPLICATION SLAVE) in particular; no channel, no GTID, no FLUSH TABLES WITH READ LOCK.
options:
  state:
    description: What is to be so afterwards; C(info) changes nothing and says what is wrong.
    type: str
    choices: [info, copied, followed, frozen, thawed, aborted, finished]
    required: true
  back:
    description: The other direction, from the shared server to the dedicated one (C(followed), C(frozen), C(thawed)).
    type: bool
    default: false
  host:
    description: Name of the shared server, as in its certificate.
    type: str
    required: true
  port:
    description: TCP port; 3306 when not given.
    type: int
  user:
    description: Its administrator.
    type: str
    required: true
  password:
    description: Its administrator's password.
    type: str
    required: true
  dedicated:
    description: The dedicated server.
    type: dict
    required: true
    suboptions:
      host:
        description: Its name, as in its certificate.
        type: str
        required: true
      port:
        description: TCP port; 3306 when not given.
        type: int
      user:
        description: Its administrator.
        type: str
        required: true
      password:
        description: Its administrator's password.
        type: str
        required: true
      database:
        description: The database there; O(database) when not given.
        type: str
  ca_file:
    description: CA bundle of both servers on the host that runs the module; this or O(ca_pem) is needed.
    type: str
  ca_pem:
    description: CA bundle as text.
    type: str
  connect_timeout:
    description: Seconds to wait for a connection.
    type: int
    default: 10
  database:
    description: The service's database on the shared server.
    type: str
    required: true
  login:
    description: User with which the service logs in to the dedicated server.
    type: str
    required: true
  new_login:
    description: User with which it will log in to the shared one.
    type: str
    required: true
  users:
    description: All users that the service may have on the shared server; another one that may write to the database is refused.
    type: list
    elements: str
    required: true
  storage:
    description: Bytes of the shared server's storage, or to which it may grow; 0 when that is not known.
    type: int
    default: 0
  accept:
    description: Kinds of differences that are accepted - C(charset), C(sql_mode), C(settings), C(size).
    type: list
    elements: str
    default: []
  lag:
    description: Seconds after which what is committed on one server has to be on the other, before the service is stopped.
    type: float
    default: 2
  follow:
    description: Seconds to get there.
    type: float
    default: 3600
  pause:
    description: Seconds that the service may be stopped, on the servers' side.
    type: float
    default: 30
  programs:
    description: Folder in which client programs are looked for first.
    type: str
attributes:
  check_mode:
    description: Changes nothing and predicts what would be done; refuses what would be refused (C(info)).
    support: full
  diff_mode:
    description: There is none.
    support: none
requirements: [PyMySQL and cryptography, zstd, "mysqldump and mysql of MySQL, of the newer server's series or newer (role database_client)"]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: What would hinder the move
  database_migration:
    state: info
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    dedicated: {host: fileflow.abc.ap-northeast-2.rds.amazonaws.com, user: admin, password: "{{ old_master.password }}"}
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    database: fileflow
    login: app
    new_login: fileflow_user
    users: [fileflow_user, fileflow_readonly, fileflow_migration]
"""

RETURN = r"""
phase:
  description: >-
    How far it is afterwards - C(none), C(copying), C(following), C(switched) (the service may use the shared server, changes can go back),
    C(returned) (on the way back, the service is stopped), C(gone back).
  type: str
  returned: success
changes:
  description: What was (check mode, would be) done, a line each.
  type: list
  elements: str
  returned: success
problems:
  description: Everything that has to be put right first, each with its remedy.
  type: list
  elements: str
  returned: state is info
accepted:
  description: What would be a problem and is accepted.
  type: list
  elements: str
  returned: state is info
bytes:
  description: Size of the database.
  type: int
  returned: state is info
writers:
  description: Accounts on the dedicated server that may write to the database and will be locked.
  type: list
  elements: str
  returned: state is info
rows:
  description: Rows that were carried over.
  type: int
  returned: state is followed
lag:
  description: Seconds; what was committed that long ago is on the other server.
  type: float
  returned: state is followed
pause:
  description: Seconds for which the service could not write, from the lock on its accounts to the end of the step; 0 when it was frozen already.
  type: float
  returned: state is frozen
seconds:
  description: Seconds that the whole step took.
  type: float
  returned: a step was carried out
compared:
  description: Rows that were compared in the pause.
  type: int
  returned: state is frozen
tables:
  description: By table its C(rows) and a C(checksum) of them, the same on both servers.
  type: dict
  returned: state is copied or frozen
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.databases import args
from ansible.module_utils.groundwork.databases.migrate import act
from ansible.module_utils.groundwork.databases.model import DatabaseError


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            **args.SERVER,
            **args.ADMINISTRATOR,
            "state": {
                "type": "str",
                "choices": ["info", "copied", "followed", "frozen", "thawed", "aborted", "finished"],
                "required": True,
            },
            "back": {"type": "bool", "default": False},
            "dedicated": {
                "type": "dict",
                "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "port": {"type": "int"},
                    **args.ADMINISTRATOR,
                    "database": {"type": "str"},
                },
            },
            "database": {"type": "str", "required": True},
            "login": {"type": "str", "required": True},
            "new_login": {"type": "str", "required": True},
            "users": {"type": "list", "elements": "str", "required": True},
            "storage": {"type": "int", "default": 0},
            "accept": {"type": "list", "elements": "str", "default": []},
            "lag": {"type": "float", "default": 2},
            "follow": {"type": "float", "default": 3600},
            "pause": {"type": "float", "default": 30},
            "programs": {"type": "str"},
        },
        **args.TRUST,
        supports_check_mode=True,
    )
    try:
        result = act(module.params, check=module.check_mode)
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
