#!/usr/bin/python
"""Ansible module: Alloy's configuration folder on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: alloy_config
short_description: Bring Alloy's configuration folder to the wanted files, or leave it as it was
description:
  - Compares the folder with the wanted files, owner (root), group and mode (0640); other C(*.alloy) files in it are
    removed. When something differs, the whole folder is staged beside the old one, checked with the host's own alloy
    (O(binary)), swapped in at once, and loaded (O(url)).
  - A configuration that Alloy refuses at reload, or that makes it unhealthy, is taken back and the old one is loaded;
    the task fails with Alloy's message.
  - When the environment changed too, the running process would read the folder with the old one. It is not asked to then;
    RV(reload) is C(restart), and M(alloy_service) restarts it. Folder and environment of before are kept in
    C(.<name>.restart-pending), from where that module puts them back when Alloy does not get healthy.
options:
  path:
    description: The folder. Its parent also holds the folder that was replaced, C(.<name>.previous).
    type: path
    required: true
  files:
    description: File name (C(*.alloy)) to text.
    type: dict
    required: true
  environment_file:
    description: File with the environment of the service.
    type: path
    required: true
  environment_variables:
    description: Environment variables of the service. Never shown in a diff.
    type: dict
    default: {}
  secret_variables:
    description: More variables, whose values are kept out of every output.
    type: dict
    default: {}
  group:
    description: Group that may read the files.
    type: str
    default: alloy
  binary:
    description: The alloy program on the host; empty where there is none (then only what M(alloy_check) knows is sure).
    type: str
    default: ""
  flags:
    description: Flags of C(alloy run) that C(alloy validate) needs too, such as the stability level.
    type: list
    elements: str
    default: []
  url:
    description:
      - Where Alloy answers on the host; empty where none runs. No answer is no error, a start reads the folder.
    type: str
    default: ""
attributes:
  check_mode: {support: full, description: Reports which files would change. The host's alloy is not asked.}
  diff_mode: {support: full, description: One entry a file; the environment file without content.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Configure Alloy
  alloy_config:
    path: /etc/alloy/conf.d
    files:
      00-agent.alloy: "logging {\n\tlevel = \"info\"\n}\n"
    environment_file: /etc/alloy/environment
    environment_variables: {GROUNDWORK_TENANT_ID: local}
"""

RETURN = r"""
paths: {description: Files that differed, returned: always, type: list, elements: str}
reload: {description: 'C(not needed), C(done), C(not running) or C(restart), this one in check mode too', returned: always, type: str}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import alloyfolder as work


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "environment_file": {"type": "path", "required": True},
            "environment_variables": {"type": "dict", "default": {}},
            "secret_variables": {"type": "dict", "default": {}, "no_log": True},
            "group": {"type": "str", "default": "alloy"},
            "binary": {"type": "str", "default": ""},
            "flags": {"type": "list", "elements": "str", "default": []},
            "url": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        folder = work.Folder(
            path=Path(p["path"]),
            files={str(name): str(text) for name, text in p["files"].items()},
            environment_file=Path(p["environment_file"]),
            environment={
                str(name): str(value) for name, value in {**p["environment_variables"], **p["secret_variables"]}.items()
            },
            group=p["group"],
            binary=p["binary"],
            flags=tuple(p["flags"]),
            url=p["url"].rstrip("/"),
        )
        outcome = work.apply(folder, module.check_mode)
    except (work.AlloyError, OSError) as error:
        module.fail_json(msg=str(error))
    diff = [
        {
            "before_header": str(change.path),
            "after_header": f"{change.path} ({', '.join(change.reasons)})",
            "before": change.before,
            "after": "(content hidden)\n" if change.secret else change.after,
        }
        for change in outcome.changes
    ]
    paths = [str(change.path) for change in outcome.changes]
    module.exit_json(changed=bool(paths) or outcome.reload == "done", paths=paths, reload=outcome.reload, diff=diff)


if __name__ == "__main__":
    main()
