#!/usr/bin/python
"""Ansible module: many files in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Bring many files to their wanted content, owner and mode in one call
description:
  - Looks at all files first, then writes those that differ, each atomically (written beside the target and renamed).
options:
  files:
    description:
      - The files. Keys of each are path (absolute), content (text), owner and group (default root), mode (octal text,
        default C(0644)), state (C(absent) removes the file).
    type: list
    elements: dict
    required: true
  secret:
    description: Leave the contents out of the diff.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Reports exactly what would be written.}
  diff_mode: {support: full, description: One entry a file.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Write two files
  files:
    files:
      - {path: /etc/example/a.conf, content: "a = 1\n"}
      - {path: /etc/example/b.env, content: "B=2\n", group: example, mode: "0640"}
"""

RETURN = r"""
paths: {description: Paths that differed, returned: always, type: list, elements: str}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork import files as work


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True},
            "secret": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        changes = work.apply([work.Wanted.parse(raw) for raw in module.params["files"]], module.check_mode)
    except (work.FilesError, OSError) as error:
        module.fail_json(msg=str(error))
    hidden = module.params["secret"]
    diff = [
        {
            "before_header": str(change.path),
            "after_header": f"{change.path} ({', '.join(change.reasons)})",
            "before": "" if hidden else change.before,
            "after": "(content hidden)\n" if hidden else change.after,
        }
        for change in changes
    ]
    module.exit_json(changed=bool(changes), paths=[str(change.path) for change in changes], diff=diff)


if __name__ == "__main__":
    main()
