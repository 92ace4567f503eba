#!/usr/bin/python
"""Ansible module: logical dumps of services' databases in their bucket, and proof that they can be restored."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_dump
short_description: Dump services' databases into a bucket, restore them, and prove that a dump can be restored
description:
  - A dump is a consistent snapshot of one service's database, made by the server's own client program (C(mysqldump
    --single-transaction) of MySQL, C(pg_dump --format=custom)), compressed by zstd on its way into the bucket; nothing of it
    lies on this host's disk. It is encrypted by the bucket's KMS key.
  - A dump lies below C(dumps/{service}/{engine}/{time}). Its C(manifest.json) is written last and says what the dump holds, of
    each part bytes and SHA-256, of each table rows and a checksum. What has no manifest is no dump, so a run that was killed
    leaves none.
  - Checksums are of the rows that the dump has, not of a table a moment later. On PostgreSQL they are read in the snapshot that
    C(pg_dump) uses, on MySQL from the rows of C(mysqldump) as they pass. Every comparison reads what was restored anew, and lets the
    server count its rows.
  - Passwords reach the client programs by a file in memory that is theirs alone; not in arguments, not on a disk.
  - Runs on an ops host. Region, endpoint and credentials of AWS come from its instance profile or the environment.
  - "Needs on the host: C(zstd); for C(mysql) C(mysqldump) and C(mysql) of MySQL, not MariaDB's, of the server's series or newer; for
    C(postgresql) C(pg_dump) and C(pg_restore) of the server's major version or newer. Role database_client installs them."
options:
  state:
    description:
      - C(listed) says which dumps there are. C(dumped) dumps O(services). C(restored) fills a database that is there and empty
        from a dump; one that holds anything is refused. C(verified) restores a dump into a scratch database on the
        same server, compares every table, and drops it.
    type: str
    choices: [listed, dumped, restored, verified]
    required: true
  engine:
    description: Kind of server.
    type: str
    choices: [mysql, postgresql]
    default: mysql
  host:
    description: Name of the server, as in its certificate. Needed by all states but C(listed).
    type: str
  port:
    description: TCP port; 3306 for C(mysql) and 5432 for C(postgresql) when not given.
    type: int
  user:
    description: Administrator.
    type: str
  password:
    description: Administrator's password.
    type: str
  ca_file:
    description: CA bundle on the host that runs the module.
    type: str
  ca_pem:
    description: CA bundle as text.
    type: str
  connect_timeout:
    description: Seconds to wait for a connection.
    type: int
    default: 10
  bucket:
    description: Bucket of the dumps (SSM parameter C(/shared/rds/{env}/backup-bucket)).
    type: str
    required: true
  kms_key_id:
    description: ARN of the key that new objects are encrypted with; the bucket's own setting counts when not given.
    type: str
  region:
    description: Region of the bucket, when the environment does not say it.
    type: str
  programs:
    description: Folder in which client programs are looked for first.
    type: str
  services:
    description: What to dump (C(dumped)).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      database:
        description: Its database; the service's name when not given.
        type: str
  service:
    description: Whose newest dump is taken (C(restored), C(verified)) or whose dumps are listed (C(listed)).
    type: str
  dump:
    description: Key of a dump, as C(listed) and C(dumped) say it, instead of the newest one.
    type: str
  into:
    description: >-
      Database that is filled (C(restored)), made for the administrator alone when it is not there; the one that was dumped when not given,
      which must be there. Restored things belong to the database's owner.
    type: str
attributes:
  check_mode:
    description: Dumps, restores and drops nothing; refuses what would be refused.
    support: full
  diff_mode:
    description: There is none.
    support: none
requirements: [boto3, "PyMySQL and cryptography, or psycopg for PostgreSQL"]
author: [Groundwork]
"""

EXAMPLES = r"""
- name: Dump two services' databases
  database_dump:
    state: dumped
    engine: postgresql
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    bucket: prod-database-backup-111122223333
    services:
      - {name: crawler}
      - {name: authhub}

- name: Prove that the newest dump of a service can be restored
  database_dump:
    state: verified
    engine: postgresql
    host: "{{ endpoint }}"
    user: "{{ master.username }}"
    password: "{{ master.password }}"
    ca_file: /etc/ssl/groundwork-rds-ca.pem
    bucket: prod-database-backup-111122223333
    service: crawler
"""

RETURN = r"""
dumps:
  description: Of each dump C(service), C(engine), C(database), C(key), C(host), C(made), C(server_version), C(bytes) (compressed), C(tables) and C(rows).
  type: list
  elements: dict
  returned: state is listed or dumped
dump:
  description: The dump that was taken, likewise.
  type: dict
  returned: state is restored or verified
database:
  description: The database that was filled, or the scratch database that there was.
  type: str
  returned: state is restored or verified
changes:
  description: What was (check mode, would be) done, a line each.
  type: list
  elements: str
  returned: success
report_warnings:
  description: What a dump cannot promise, such as tables that are not InnoDB's.
  type: list
  elements: str
  returned: state is dumped
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.databases import args
from ansible.module_utils.groundwork.databases.backup import act
from ansible.module_utils.groundwork.databases.model import DatabaseError

#: What a server is reached by.
SERVER = ("host", "user", "password")


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["listed", "dumped", "restored", "verified"], "required": True},
            **args.ENGINE,
            "host": {"type": "str"},
            "port": {"type": "int"},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ca_file": {"type": "str"},
            "ca_pem": {"type": "str"},
            "connect_timeout": {"type": "int", "default": 10},
            "bucket": {"type": "str", "required": True},
            "kms_key_id": {"type": "str", "no_log": False},
            "region": {"type": "str"},
            "programs": {"type": "str"},
            "services": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, "database": {"type": "str"}},
            },
            "service": {"type": "str"},
            "dump": {"type": "str"},
            "into": {"type": "str"},
        },
        mutually_exclusive=[("ca_file", "ca_pem")],
        required_if=[
            *(("state", state, SERVER) for state in ("dumped", "restored", "verified")),
            *(("state", state, ("ca_file", "ca_pem"), True) for state in ("dumped", "restored", "verified")),
            *(("state", state, ("service", "dump"), True) for state in ("restored", "verified")),
        ],
        supports_check_mode=True,
    )
    try:
        result = act(module.params, check=module.check_mode)
    except (DatabaseError, AwsError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
