#!/usr/bin/python
"""Ansible module: containers of the embedded estate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: estate
short_description: Bring the containers of one part of an embedded estate to the wanted state
description:
  - Makes the estate's network (refused when its range collides with a route of the machine) and the containers of one
    part in a single pass. A container is replaced only when its arguments or its image differ; volumes are always kept.
  - Everything carries the estate's name, so leftovers of a killed run are adopted or removed and nothing else is.
options:
  estate:
    description: Name of the estate.
    type: str
    required: true
  octet:
    description: Second octet of the estate's range 10.N.0.0/16, 1 to 254.
    type: int
    required: true
  part:
    description: The part of the estate that the containers belong to; others of the same part are removed.
    type: str
  containers:
    description:
      - The containers, without the estate's prefix in their names. Keys are name, image, ip, hostname, aliases,
        systemd, command, volumes (name to path), binds (list of C(path here:path inside), read-only), env, publish (loopback
        only), memory.
    type: list
    elements: dict
    default: []
  state:
    description: C(present) brings a part up, C(absent) removes the whole estate with its volumes and network.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full, description: Reports what would be done and does nothing.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Bring up one host
  estate:
    estate: local
    octet: 213
    part: hosts
    containers:
      - name: local-ops-1
        image: host
        systemd: true
        ip: 10.213.200.201
"""

RETURN = r"""
created: {description: Containers made, returned: always, type: list, elements: str}
replaced: {description: Containers made anew because their arguments or image differ, returned: always, type: list, elements: str}
started: {description: Containers that were there but stopped, returned: always, type: list, elements: str}
removed: {description: Containers (and with absent volumes and the network) removed, returned: always, type: list, elements: str}
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.estate import containers as work
from ansible.module_utils.groundwork.estate.paths import Estate
from ansible.module_utils.groundwork.estate.podman import PodmanError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "estate": {"type": "str", "required": True},
            "octet": {"type": "int", "required": True},
            "part": {"type": "str"},
            "containers": {"type": "list", "elements": "dict", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["part"])],
        supports_check_mode=True,
    )
    estate = Estate(module.params["estate"], module.params["octet"])
    try:
        if module.params["state"] == "absent":
            outcome = work.destroy(estate, module.check_mode)
        else:
            wanted = [work.Container.parse(raw) for raw in module.params["containers"]]
            outcome = work.apply(estate, module.params["part"], wanted, module.check_mode)
    except (work.EstateError, PodmanError) as error:
        module.fail_json(msg=str(error))
    lines = [
        f"{verb} {name}" for verb in ("created", "replaced", "started", "removed") for name in getattr(outcome, verb)
    ]
    module.exit_json(
        changed=outcome.changed, diff={"before": "", "after": "".join(f"{x}\n" for x in lines)}, **asdict(outcome)
    )


if __name__ == "__main__":
    main()
