#!/usr/bin/python
"""Ansible module: the project's dashboards and data sources as data."""

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_model
short_description: Make the project's folder, dashboards and data sources for an estate
description:
  - Makes them from code (module_utils/groundwork/observability/dashboards, grafana_sources.py) and the route table. Changes nothing and asks
    nobody. What it gives is pushed by M(grafana_objects) or written by M(grafana_files), on whichever host reaches Grafana.
  - Runs on the control machine, which has grafana-foundation-sdk.
options:
  lgtm_url: {description: Load balancer before the observability stack; http and a host name, without path., type: str, required: true}
  routes: {description: The route table., type: path, required: true}
  tenants: {description: "Tenants whose data are read: former ones, oldest first, the current one last.", type: list, elements: str, required: true}
  region: {description: Region of CloudWatch., type: str, required: true}
  docs_url: {description: Where the guides of docs/ are read; links of panels lead there., type: str, default: docs/}
attributes:
  check_mode: {support: full, description: Changes nothing.}
requirements: [grafana-foundation-sdk]
author: Groundwork
"""

EXAMPLES = r"""
- name: Make dashboards and data sources
  grafana_model:
    lgtm_url: "{{ lgtm_url }}"
    routes: "{{ groundwork_dir }}/terraform/routes.yml"
    tenants: ["{{ tenant_id }}"]
    region: "{{ aws_region }}"
  delegate_to: localhost
  no_log: true
  register: grafana_model
"""

RETURN = r"""
folder: {description: "The folder of the dashboards, uid and title.", type: dict, returned: success}
folders: {description: That folder as a list., type: list, elements: dict, returned: success}
data_sources: {description: Data sources as Grafana's API takes them., type: list, elements: dict, returned: success}
dashboards: {description: Dashboards as Grafana takes them., type: list, elements: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.observability import grafana_sources, routes


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "lgtm_url": {"type": "str", "required": True},
            "routes": {"type": "path", "required": True},
            "tenants": {"type": "list", "elements": "str", "required": True},
            "region": {"type": "str", "required": True},
            "docs_url": {"type": "str", "default": "docs/"},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        from ansible.module_utils.groundwork.observability import dashboards
    except ImportError as error:
        module.fail_json(msg=f"{error}. Dashboards are made on the control machine: make setup")
    try:
        sources = grafana_sources.data_sources(routes.load(p["routes"]), p["lgtm_url"], p["tenants"], p["region"])
    except (grafana_sources.SourceError, routes.RouteError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        folder=dashboards.FOLDER,
        folders=[dashboards.FOLDER],
        data_sources=sources,
        dashboards=dashboards.models(p["docs_url"]),
    )


if __name__ == "__main__":
    main()
