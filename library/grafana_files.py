#!/usr/bin/python
"""Ansible module: Grafana's provisioning folder as a whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_files
short_description: Write Grafana's provisioning folder in one step
description:
  - Writes data sources, the provider of dashboards and every dashboard below O(path), for a mounted folder, an image or a bucket. The new
    folder is made beside the old one and takes its place at once; Grafana never reads half of it.
  - Files of others are carried over. Below C(dashboards/groundwork/) everything is the project's, and what is not wanted any more goes.
options:
  path: {description: The provisioning folder., type: path, required: true}
  seen_at: {description: Where Grafana sees that folder., type: str, default: /etc/lgtm/provisioning}
  folder: {description: "Folder of the dashboards in Grafana, uid and title.", type: dict, required: true}
  dashboards: {description: Dashboards as Grafana takes them., type: list, elements: dict, required: true}
  data_sources: {description: Data sources as Grafana's API takes them; none leaves no file of them., type: list, elements: dict, default: []}
  owner: {description: Owner of the files; a name or a number., type: str, default: root}
  group: {description: "Group that may read them (mode 0640); a name or a number.", type: str, default: root}
attributes:
  check_mode: {support: full, description: Compares only.}
  diff_mode: {support: full, description: "One entry a file; the data sources' file, which has tenants in it, without its content."}
requirements: [PyYAML]
author: Groundwork
"""

EXAMPLES = r"""
- name: Provisioning folder of the image
  grafana_files:
    path: /srv/grafana/provisioning
    folder: "{{ grafana_model.folder }}"
    dashboards: "{{ grafana_model.dashboards }}"
    data_sources: "{{ grafana_model.data_sources }}"
    group: "472"
"""

RETURN = r"""
paths: {description: Files that differed., type: list, elements: str, returned: success}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import grafana_files as work


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "seen_at": {"type": "str", "default": "/etc/lgtm/provisioning"},
            "folder": {"type": "dict", "required": True},
            "dashboards": {"type": "list", "elements": "dict", "required": True},
            "data_sources": {"type": "list", "elements": "dict", "default": []},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
        },
        supports_check_mode=True,
        no_log=True,
    )
    p = module.params
    # What Ansible tells of the call (with -vvv) and writes to the host's log is without secrets. Masking each value would
    # blot out every word that is a tenant's name too.
    data_sources, p["data_sources"] = (
        p["data_sources"],
        [{**one, "secureJsonData": "(hidden)"} for one in p["data_sources"]],
    )
    try:
        files = work.render(p["dashboards"], data_sources, p["folder"], p["seen_at"])
        changes = work.ensure(Path(p["path"]), files, module.check_mode, owner=p["owner"], group=p["group"])
    except (work.FilesProblem, OSError) as error:
        module.fail_json(msg=str(error))
    diff = []
    for change in changes:
        hidden = change.path == work.SOURCES
        diff.append(
            {
                "before_header": change.path,
                "after_header": change.path if change.before != change.after else f"{change.path} (owner or mode)",
                "before": "(content hidden)\n" if hidden and change.before else change.before or "",
                "after": "(new content hidden)\n" if hidden and change.after else change.after or "",
            }
        )
    module.exit_json(changed=bool(changes), paths=[change.path for change in changes], diff=diff)


if __name__ == "__main__":
    main()
