#!/usr/bin/python
"""Ansible module: install a Kafka archive that is on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_install
short_description: Check and unpack a Kafka archive, and point C(current) at it
description:
  - The archive's sha512 is checked before anything is unpacked. The folder appears under its name only when it is
    whole. Older versions are kept, to go back to.
options:
  archive: {description: Archive on the host; not needed when the version is unpacked already., type: path}
  sha512: {description: Its checksum., type: str}
  install_dir: {description: Folder of the archives., type: path, required: true}
  name: {description: "Top folder of the archive, kafka_2.13-4.3.1.", type: str, required: true}
attributes:
  check_mode: {support: full, description: Says what would be done.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Install Kafka
  kafka_install:
    archive: /opt/kafka/kafka_2.13-4.3.1.tgz
    sha512: "{{ kafka_archive_sha512 }}"
    install_dir: /opt/kafka
    name: kafka_2.13-4.3.1
"""

RETURN = r"""
previous: {description: The version that was current., type: str, returned: success}
current: {description: The version that is current now., type: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import node as work


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path"},
            "sha512": {"type": "str"},
            "install_dir": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
        },
        required_together=[("archive", "sha512")],
        supports_check_mode=True,
    )
    params = module.params
    name = params["name"]
    found = work.installed(params["install_dir"])
    changed = found["current"] != name or name not in found["available"]
    try:
        if changed and not module.check_mode:
            if name not in found["available"]:
                if not params["archive"]:
                    module.fail_json(msg=f"{name} is not unpacked in {params['install_dir']} and no archive was given")
                work.unpack(params["archive"], params["sha512"], params["install_dir"], name)
            work.link(params["install_dir"], name)
    except (work.NodeError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=changed,
        previous=found["current"],
        current=name,
        diff={"before": f"{found['current']}\n", "after": f"{name}\n"},
    )


if __name__ == "__main__":
    main()
