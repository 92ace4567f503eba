#!/usr/bin/python
"""Ansible module: many instant queries in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_query
short_description: Ask Prometheus or Mimir many instant queries and wait for the series that must be there
description:
  - Sends all queries side by side. A query may name a label and the values of it that must be in the answer; the module
    asks again until nothing is missing or O(wait) is over, and fails with everything that is still missing.
  - Needs nothing but Python on the host that it runs on. Changes nothing.
options:
  url:
    description: Base of the query API, for example C(http://lgtm.local.internal/prometheus).
    type: str
    required: true
  tenant:
    description: Tenant id to send; empty for a server without tenants.
    type: str
    default: ""
  tenant_header:
    description: Name of the tenant header.
    type: str
    default: X-Scope-OrgID
  queries:
    description:
      - Queries by name. A value is an expression, or a mapping of expr, label and expect (a series for each of these
        values of that label), or expr and at_least (number of series).
    type: dict
    required: true
  wait:
    description: Seconds to ask again while something is missing.
    type: int
    default: 0
  refuse_others:
    description: Also demand that a request without tenant, and one with another tenant, get 401.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Reads only.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Metrics of every broker arrive
  prometheus_query:
    url: "{{ lgtm_url }}/prometheus"
    tenant: "{{ tenant_id }}"
    wait: 60
    refuse_others: true
    queries:
      brokers_up:
        expr: up{job="kafka"} == 1
        label: host
        expect: "{{ groups['kafka'] }}"
"""

RETURN = r"""
series:
  description: For each query its series, each with labels (dict), value (text) and timestamp (seconds).
  returned: always
  type: dict
missing:
  description: For each query that lacks something, what.
  returned: always
  type: dict
problems:
  description: What is wrong with the tenant gate.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import query as work


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "tenant": {"type": "str", "default": ""},
            "tenant_header": {"type": "str", "default": "X-Scope-OrgID"},
            "queries": {"type": "dict", "required": True},
            "wait": {"type": "int", "default": 0},
            "refuse_others": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    p = module.params
    headers = {p["tenant_header"]: p["tenant"]} if p["tenant"] else {}
    try:
        answer = work.ask_all(p["url"], headers, work.parse_queries(p["queries"]), p["wait"])
    except work.QueryError as error:
        module.fail_json(msg=str(error), series={}, missing={}, problems=[])
    problems = work.refusals(p["url"], p["tenant_header"], p["tenant"]) if p["refuse_others"] else []
    result = {"series": answer.series, "missing": answer.missing, "problems": problems}
    wrong = [f"{name}: missing {', '.join(what)}" for name, what in answer.missing.items()] + problems
    if wrong:
        module.fail_json(msg="; ".join(wrong), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
