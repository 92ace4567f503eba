#!/usr/bin/python
"""Ansible module: rules of the Mimir and Loki rulers in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ruler_rules
short_description: Bring the rules of the Mimir and Loki rulers to what the project's files say
description:
  - Reads all namespaces of a ruler in one request, then sets the groups that are missing or differ, and deletes those of the
    managed namespace that no file has. Other namespaces are reported and never touched.
  - Durations and blanks are compared by what they mean, so that what the ruler wrote in its own way is no change.
  - Both rulers are read and planned before the first of them is changed.
  - Paths and the tenant header come from the route table. Needs nothing but Python and PyYAML where it runs.
options:
  url: {description: "The observability stack's load balancer, without path.", type: str, required: true}
  routes: {description: The route table file., type: path, required: true}
  tenant: {description: Tenant id., type: str, required: true}
  files:
    description: For each ruler (mimir, loki) its rule files, name to text.
    type: dict
    required: true
  docs_url:
    description: What stands before C(docs/…) in runbook_url, for example the address of the repository's files; empty leaves it.
    type: str
    default: ""
  wait:
    description: Seconds in which every group of Mimir must be loaded and healthy; 0 does not ask. Its ruler looks for changes each minute.
    type: int
    default: 0
attributes:
  check_mode: {support: full, description: "Reads and plans only; with nothing to change, O(wait) is obeyed."}
  diff_mode: {support: full, description: "By ruler, only the groups that change."}
author: Groundwork
"""

EXAMPLES = r"""
- name: Rules of both rulers
  ruler_rules:
    url: http://lgtm.prod.internal
    routes: terraform/routes.yml
    tenant: prod
    files: {mimir: {kafka.yml: "{{ lookup('ansible.builtin.file', 'observability/rules/kafka.yml') }}"}}
    wait: 180
"""

RETURN = r"""
set: {description: "By ruler, the groups that were made or changed.", type: dict, returned: success}
deleted: {description: "By ruler, the groups that were taken away.", type: dict, returned: success}
unmanaged: {description: "By ruler, namespaces that are not the project's and were left alone.", type: dict, returned: success}
groups: {description: "By ruler, the number of groups wanted.", type: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import routes, rules, rules_sync
from ansible.module_utils.groundwork.observability.rules_ruler import RulerError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "routes": {"type": "path", "required": True},
            "tenant": {"type": "str", "required": True},
            "files": {"type": "dict", "required": True},
            "docs_url": {"type": "str", "default": ""},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        table = routes.load(p["routes"])
        outcome = rules_sync.sync(
            table,
            p["url"],
            p["tenant"],
            p["files"],
            docs_url=p["docs_url"],
            check_mode=module.check_mode,
            wait=p["wait"],
        )
    except (routes.RouteError, rules.RulesError, RulerError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
