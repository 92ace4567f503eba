#!/usr/bin/python
"""Ansible module: copies of a Kafka cluster's metadata log."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_metadata_snapshot
short_description: Read, copy and unpack the metadata log of a Kafka controller
description:
  - Runs on the controller's host. A copy is the newest snapshot and the log behind it up to the quorum's high watermark, every
    batch of it read and its checksum compared; it is written for root only, since it holds the SCRAM credentials.
  - C(state=unpacked) reads a copy back, record by record, and writes a C(bootstrap.checkpoint) beside it, from which a formatted,
    blank controller starts a new quorum with these records. Nothing of the old quorum (its voters and votes) is in it.
options:
  state:
    description: C(info) only reads; C(backup) makes the copy; C(unpacked) reads a copy into O(folder).
    type: str
    choices: [info, backup, unpacked]
    default: info
  metadata_dir: {description: The log dir that has the metadata log (C(info) and C(backup))., type: path}
  archive: {description: The copy (C(backup) and C(unpacked))., type: path}
  end_offset: {description: High watermark of the quorum; later records are left out (C(backup))., type: int}
  objects: {description: What kafka_export saw at the same moment; kept in the copy (C(backup))., type: dict, default: {}}
  kafka_version: {description: Version of Kafka that wrote the log; kept in the copy., type: str, default: ""}
  folder: {description: Folder that is made for what is unpacked; it must be absent or empty., type: path}
  cluster_id: {description: The cluster that the copy must be of., type: str}
attributes:
  check_mode: {support: full, description: Says whether a copy would be made; an archive is read and checked.}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Copy the metadata
  kafka_metadata_snapshot:
    state: backup
    metadata_dir: /var/lib/kafka/data
    archive: /var/tmp/kafka-metadata.tar.gz
    end_offset: "{{ kafka_state.quorum.high_watermark }}"
    objects: "{{ kafka_exported.document }}"
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
cluster_id: {description: The cluster that the log or the copy is of., type: str, returned: success}
end_offset: {description: The offset behind the last record., type: int, returned: success}
records: {description: Number of records by kind., type: dict, returned: success}
snapshots: {description: "Snapshots of the log dir (end_offset, epoch, bytes).", type: list, elements: dict, returned: with state=info}
sha256: {description: Checksum of the copy., type: str, returned: with state=backup}
bytes: {description: "Size of the copy, or of the log in bytes.", type: int, returned: with state=backup and state=info}
objects: {description: What kafka_export saw when the copy was made., type: dict, returned: with state=unpacked}
taken_at: {description: When the copy was made (UTC)., type: str, returned: with state=backup and state=unpacked}
"""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import metadata_log


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["info", "backup", "unpacked"], "default": "info"},
            "metadata_dir": {"type": "path"},
            "archive": {"type": "path"},
            "end_offset": {"type": "int"},
            "objects": {"type": "dict", "default": {}},
            "kafka_version": {"type": "str", "default": ""},
            "folder": {"type": "path"},
            "cluster_id": {"type": "str"},
        },
        required_if=[
            ("state", "info", ["metadata_dir"]),
            ("state", "backup", ["metadata_dir", "archive", "end_offset"]),
            ("state", "unpacked", ["archive", "folder"]),
        ],
        supports_check_mode=True,
    )
    params = module.params
    try:
        if params["state"] == "unpacked":
            result = unpack(module)
        elif params["state"] == "backup" and not module.check_mode:
            told = metadata_log.info(params["metadata_dir"], params["end_offset"])
            refuse_other_cluster(module, told["cluster_id"])
            result = metadata_log.backup(
                params["metadata_dir"],
                params["archive"],
                end_offset=params["end_offset"],
                objects=json.dumps(params["objects"], indent=2, sort_keys=True) + "\n",
                taken_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                kafka_version=params["kafka_version"],
            )
        else:
            result = metadata_log.info(params["metadata_dir"], params["end_offset"])
            refuse_other_cluster(module, result["cluster_id"])
    except (metadata_log.MetadataError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=params["state"] != "info", **result)


def refuse_other_cluster(module: AnsibleModule, cluster_id: str) -> None:
    wanted = module.params["cluster_id"]
    if wanted and wanted != cluster_id:
        module.fail_json(msg=f"this is the metadata of cluster {cluster_id}, not of {wanted}: nothing was touched")


def unpack(module: AnsibleModule) -> dict[str, object]:
    """Read the copy; outside check mode leave it in the folder with the first records of a new quorum."""
    params = module.params
    target = Path(params["folder"])
    if target.exists() and any(target.iterdir()):
        module.fail_json(msg=f"{target} is not empty: it is left alone. Remove it, or give another folder.")
    with tempfile.TemporaryDirectory(prefix="kafka-metadata.") as scratch:
        told = metadata_log.unpack(params["archive"], scratch)
        refuse_other_cluster(module, str(told["cluster_id"]))
        first = metadata_log.bootstrap(scratch, int(told["end_offset"]))
    if not module.check_mode:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        (target / metadata_log.BOOTSTRAP).write_bytes(first)
    return told


if __name__ == "__main__":
    main()
