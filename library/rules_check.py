#!/usr/bin/python
"""Ansible module: check rule files before they are loaded, and the server that loaded them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rules_check
short_description: Check alert and recording rules, and that a server has loaded them
description:
  - Holds the project's rule files against its laws and its metrics contract, and has promtool check them where it is there
    (PATH, or what set-up brought); elsewhere the PromQL parser of the control machine's environment does.
  - With O(url) it also asks that Prometheus or Mimir whether every group is loaded and evaluated without an error.
  - Changes nothing.
options:
  project: {description: Folder of the project., type: path, required: true}
  cache: {description: Folder of what set-up made., type: path, required: true}
  url:
    description: "The rules' API of a server, for example C(http://lgtm.local.internal/prometheus/api/v1/rules); empty asks nobody."
    type: str
    default: ""
  headers: {description: Headers to send to it., type: dict, default: {}}
  wait: {description: Seconds in which every group must be loaded and healthy., type: int, default: 60}
attributes:
  check_mode: {support: full, description: Reads only.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Check the rules
  rules_check:
    project: "{{ groundwork_dir }}"
    cache: "{{ groundwork_cache }}"
"""

RETURN = r"""
problems: {description: Everything that is wrong., type: list, elements: str, returned: always}
checked_by: {description: promtool or promql-parser., type: str, returned: always}
alerts: {description: Number of alerts., type: int, returned: always}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import rules_check as work
from ansible.module_utils.groundwork.observability import rules_promtool, rules_ruler


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "path", "required": True},
            "cache": {"type": "path", "required": True},
            "url": {"type": "str", "default": ""},
            "headers": {"type": "dict", "default": {}},
            "wait": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        report = work.check(Path(p["project"]), rules_promtool.find(Path(p["cache"])))
        problems = list(report.problems)
        if p["url"] and not problems:
            bad = rules_ruler.wait_healthy(p["url"], p["headers"], report.groups, p["wait"])
            problems += [f"{p['url']}: group {name}: {what}" for name, what in sorted(bad.items())]
    except (rules_promtool.PromtoolError, rules_ruler.RulerError, ModuleNotFoundError) as error:
        module.fail_json(msg=str(error), problems=[str(error)], checked_by="", alerts=0)
    result = {"problems": problems, "checked_by": report.checked_by, "alerts": report.alerts}
    if problems:
        module.fail_json(msg="\n".join(problems), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
