#!/usr/bin/python
"""Ansible module: what helps to understand a Kafka node, in one archive, redacted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_support_bundle
short_description: Collect a Kafka node's configuration, logs and state of the host in one archive without secrets
description:
  - Changes nothing on the node but writes O(archive), for root only. Passwords, tokens, private keys, JAAS configurations, logins in
    addresses and AWS keys are replaced before anything is written. Records of topics are never read.
options:
  archive: {description: The archive that is written on the host., type: path, required: true}
  name: {description: Name of the node; the folder inside the archive., type: str, required: true}
  unit: {description: systemd unit., type: str, default: kafka.service}
  config_dir: {description: Folder of Kafka's configuration., type: path, default: /etc/kafka}
  logs_path: {description: Folder of Kafka's own log files., type: path, default: /var/log/kafka}
  log_dirs: {description: Log dirs of the node., type: list, elements: str, required: true}
  since: {description: How far back the journal goes, as journalctl takes it., type: str, default: "-6h"}
  tail_bytes: {description: Bytes from the end of each file., type: int, default: 2097152}
  texts: {description: "More texts, by file name inside the archive.", type: dict, default: {}}
attributes:
  check_mode: {support: full, description: Writes no archive.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Collect
  kafka_support_bundle:
    archive: /var/tmp/kafka-support.tar.gz
    name: "{{ inventory_hostname }}"
    log_dirs: [/var/lib/kafka/data]
"""

RETURN = r"""
archive: {description: Where the archive is on the host., type: str, returned: success}
members: {description: Files inside the archive., type: list, elements: str, returned: not in check mode}
missing: {description: "Files that could not be read, with the reason.", type: dict, returned: not in check mode}
bytes: {description: Size of the archive., type: int, returned: not in check mode}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import support


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "unit": {"type": "str", "default": "kafka.service"},
            "config_dir": {"type": "path", "default": "/etc/kafka"},
            "logs_path": {"type": "path", "default": "/var/log/kafka"},
            "log_dirs": {"type": "list", "elements": "str", "required": True},
            "since": {"type": "str", "default": "-6h"},
            "tail_bytes": {"type": "int", "default": 2 << 20},
            "texts": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=True, archive=params["archive"])
    config, logs = Path(params["config_dir"]), Path(params["logs_path"])
    files = [
        *(
            str(config / one)
            for one in ("server.properties", "log4j2.yaml", "identity.json", "start.env", "tls/ca.crt")
        ),
        f"/etc/systemd/system/{params['unit']}",
        *(str(logs / f"{one}.log") for one in ("server", "controller", "authorizer")),
    ]
    for folder in (Path(one) for one in params["log_dirs"]):
        files += [
            str(folder / one)
            for one in ("meta.properties", "replication-offset-checkpoint", "recovery-point-offset-checkpoint")
        ]
    files.append(str(Path(params["log_dirs"][0]) / "__cluster_metadata-0" / "quorum-state"))
    wanted = support.Wanted(
        files,
        support.commands(params["unit"], params["log_dirs"], str(config / "tls/keystore.pem"), params["since"]),
        {str(name): str(text) for name, text in params["texts"].items()},
        params["tail_bytes"],
    )
    try:
        result = support.collect(wanted, params["name"], params["archive"])
    except OSError as error:
        module.fail_json(msg=f"{params['archive']} cannot be written: {error.strerror}")
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
