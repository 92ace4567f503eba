#!/usr/bin/python
"""Ansible module: where the logs of replicas end on this host's disks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_replica_ends
short_description: Read from the disks where replicas' logs end, whether their broker runs or not
description:
  - Reads the headers of the batches in the last segment of each replica; no record's content. A broker that is down cannot be asked
    how far its replica is, its disk can.
options:
  log_dirs: {description: Log dirs of the node., type: list, elements: str, required: true}
  partitions: {description: "Partitions, as C(topic-0).", type: list, elements: str, required: true}
attributes:
  check_mode: {support: full, description: Only reads.}
author: Groundwork
"""

EXAMPLES = r"""
- name: See how far the replica of a dead broker is
  kafka_replica_ends:
    log_dirs: [/var/lib/kafka/data]
    partitions: [orders.v1-0]
"""

RETURN = r"""
ends: {description: "Offset behind the last whole batch, by partition; only those that are on these disks.", type: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import metadata_log


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "log_dirs": {"type": "list", "elements": "str", "required": True},
            "partitions": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        ends = metadata_log.replica_ends(module.params["log_dirs"], module.params["partitions"])
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename} cannot be read: {error.strerror}. Is the data volume mounted and whole?"
        )
    module.exit_json(changed=False, ends=ends)


if __name__ == "__main__":
    main()
