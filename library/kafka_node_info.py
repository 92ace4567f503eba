#!/usr/bin/python
"""Ansible module: everything the kafka role must know of one host, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_node_info
short_description: Read what is installed, formatted and running on a Kafka host
description:
  - Reads the disks' C(meta.properties), the identity file, the installed archives, the directories and the systemd
    unit with the hashes of the configuration and the trust store that its process was started with. Changes nothing; needs no library.
options:
  node: {description: "What the inventory says of the host (name, node_id, roles, endpoint); returned with what was found.", type: dict, required: true}
  log_dirs: {description: Log dirs; the first has the metadata log., type: list, elements: str, required: true}
  identity_file: {description: Where the identity is recorded on the host., type: path, required: true}
  start_file: {description: Environment file of the unit., type: path, default: /etc/kafka/start.env}
  install_dir: {description: Folder of the archives., type: path, required: true}
  user: {description: User that Kafka runs as., type: str, required: true}
  unit: {description: Name of the systemd unit., type: str, default: kafka.service}
  java: {description: The Java program., type: str, default: java}
  directories: {description: "Directories that must be there (path, owner, group, mode as octal text).", type: list, elements: dict, default: []}
attributes:
  check_mode: {support: full, description: Only reads.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Read what is on the host
  kafka_node_info:
    node: {name: prod-kafka-1, node_id: 1, roles: [broker, controller], endpoint: "kafka-1.prod.internal:9093"}
    log_dirs: [/var/lib/kafka/data]
    identity_file: /etc/kafka/identity.json
    install_dir: /opt/kafka
    user: kafka
"""

RETURN = r"""
node: {description: O(node) with C(log_dirs) and C(recorded) as kafka_identity wants it., type: dict, returned: success}
user_exists: {description: Whether the user is there., type: bool, returned: success}
directories: {description: "Directories that are not as wanted, with what differs.", type: dict, returned: success}
java_version: {description: "Version of the Java runtime, empty when there is none.", type: str, returned: success}
installed: {description: "C(current) archive and C(available) ones.", type: dict, returned: success}
service:
  description: >-
    C(active), C(enabled), C(loaded), C(state), C(pid), C(restarts), C(invocation) (another at each start), C(config_hash), C(trust_hash),
    C(archive) (that it runs), C(certificate_end) (of the certificate that the process began with) and C(pending) (its environment file
    says something else than the running process was started with).
  type: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import node as work
from ansible.module_utils.groundwork.kafka import storage


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "dict", "required": True},
            "log_dirs": {"type": "list", "elements": "str", "required": True},
            "identity_file": {"type": "path", "required": True},
            "start_file": {"type": "path", "default": "/etc/kafka/start.env"},
            "install_dir": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "unit": {"type": "str", "default": "kafka.service"},
            "java": {"type": "str", "default": "java"},
            "directories": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        directories = [
            work.Directory(d["path"], d["owner"], d["group"], int(d["mode"], 8)) for d in params["directories"]
        ]
        found = work.read_node(
            params["user"],
            directories,
            params["install_dir"],
            unit=params["unit"],
            java=params["java"],
            start_file=params["start_file"],
        )
        disks = storage.read_storage(params["log_dirs"], params["identity_file"])
    except (work.NodeError, storage.StorageError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, node={**params["node"], **disks}, **found)


if __name__ == "__main__":
    main()
