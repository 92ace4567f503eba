#!/usr/bin/python
"""Ansible module: format a blank Kafka node once, and record who it is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_storage
short_description: Format a blank Kafka node and record its identity on the host
description:
  - With O(format=true) the log dirs are formatted with Kafka's storage tool as O(user). A log dir that has a C(meta.properties) is
    never formatted, whatever the arguments. kafka_identity decides who may be formatted.
  - The identity (cluster id, node id, directory ids) is written to O(identity_file), outside the data volume.
options:
  format: {description: Format the log dirs first., type: bool, default: false}
  cluster_id: {description: The cluster id., type: str, required: true}
  node_id: {description: The node id., type: int, required: true}
  initial_controllers:
    description: First controllers (ID@HOST:PORT:DIRECTORY_ID,…); empty for a node that joins a cluster.
    type: str
    default: ""
  config: {description: The node's server.properties., type: path, required: true}
  log_dirs: {description: Log dirs of the node., type: list, elements: str, required: true}
  identity_file: {description: Where the identity is recorded., type: path, required: true}
  libs: {description: Folder of Kafka's jars., type: path, required: true}
  java: {description: The Java program., type: path, default: /usr/bin/java}
  log4j2: {description: Logging configuration of the tool., type: path}
  user: {description: User that owns the log dirs., type: str, required: true}
attributes:
  check_mode: {support: full, description: Says whether it would format or record.}
  diff_mode: {support: full, description: The identity before and after.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Format the node
  kafka_storage:
    format: true
    cluster_id: UGlpbIryTMGGK3P43_kRGA
    node_id: 1
    initial_controllers: "1@kafka-1.prod.internal:9093:9hcpOJ_mTNqqAiABrdSDSA"
    config: /etc/kafka/server.properties
    log_dirs: [/var/lib/kafka/data]
    identity_file: /etc/kafka/identity.json
    libs: /opt/kafka/current/libs
    user: kafka
"""

RETURN = r"""
formatted: {description: "Whether the node was (check mode, would be) formatted.", type: bool, returned: success}
identity: {description: "Recorded identity; without directory ids in check mode before formatting.", type: dict, returned: success}
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import storage


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "format": {"type": "bool", "default": False},
            "cluster_id": {"type": "str", "required": True},
            "node_id": {"type": "int", "required": True},
            "initial_controllers": {"type": "str", "default": ""},
            "config": {"type": "path", "required": True},
            "log_dirs": {"type": "list", "elements": "str", "required": True},
            "identity_file": {"type": "path", "required": True},
            "libs": {"type": "path", "required": True},
            "java": {"type": "path", "default": "/usr/bin/java"},
            "log4j2": {"type": "path"},
            "user": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        before = storage.read_storage(params["log_dirs"], params["identity_file"])
        if params["format"] and not module.check_mode:
            blank = [path for path, entry in before["log_dirs"].items() if not entry["formatted"]]
            command = storage.format_command(
                params["java"],
                params["libs"],
                params["config"],
                params["cluster_id"],
                initial_controllers=params["initial_controllers"],
                log4j2=params["log4j2"],
                some_formatted=len(blank) < len(params["log_dirs"]),
            )
            storage.format_storage(command, blank, params["user"])
        after = storage.read_storage(params["log_dirs"], params["identity_file"])
        identity = {
            "cluster_id": params["cluster_id"],
            "node_id": params["node_id"],
            "directory_ids": {
                path: entry["directory_id"] for path, entry in after["log_dirs"].items() if entry["formatted"]
            },
        }
        changed = params["format"] or before["recorded"] != identity
        if changed and not module.check_mode:
            if wrong := [
                path for path, entry in after["log_dirs"].items() if entry.get("cluster_id") != params["cluster_id"]
            ]:
                module.fail_json(
                    msg=f"{', '.join(wrong)} is not formatted for cluster {params['cluster_id']}: the identity was not recorded"
                )
            storage.write_identity(params["identity_file"], identity)
    except (storage.StorageError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=changed,
        formatted=params["format"],
        identity=identity,
        diff={
            "before": json.dumps(before["recorded"], indent=2, sort_keys=True) + "\n",
            "after": json.dumps(identity, indent=2, sort_keys=True) + "\n",
        },
    )


if __name__ == "__main__":
    main()
