#!/usr/bin/python
"""Ansible module: configuration of the embedded Prometheus and routing proxy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: embedded_observability
short_description: Configure the embedded Prometheus and the proxy that routes like the load balancer
description:
  - Renders prometheus.yml from targets and nginx.conf from the route table, checks each with the program itself in its
    container, writes it atomically, reloads, and waits until the program is ready. All checks come before the first
    write. A program that refuses the reload gets its old file back and the run fails with its message.
  - Runs on the control machine, beside the containers.
options:
  estate:
    description: Name of the embedded estate; its containers are C(groundwork-<estate>-prometheus) and C(…-lgtm).
    type: str
    required: true
  directory:
    description: Folder on the control machine; C(prometheus) and C(lgtm) in it are the containers' /etc/groundwork.
    type: path
    required: true
  routes:
    description: The route table file.
    type: path
    required: true
  upstreams:
    description: For each backend that this estate has, its address (host:port) and rewrite (path asked → path served).
    type: dict
    required: true
  tenants:
    description: Tenant ids that the proxy lets in.
    type: list
    elements: str
    required: true
  jobs:
    description: Scrape jobs by name, each a list of address (host:port) and labels.
    type: dict
    default: {}
  rules:
    description: Rule files of Prometheus, name to text. A folder of theirs is made, checked by promtool, and named in the configuration.
    type: dict
    default: {}
  environment_name:
    description: Value of the label C(env) on what Prometheus says about itself.
    type: str
    required: true
  resolver:
    description: DNS server of the estate's network, asked for upstream names.
    type: str
    required: true
  prometheus_url:
    description: Where the control machine reaches Prometheus, without path.
    type: str
    required: true
  proxy_url:
    description: Where the control machine reaches the proxy, without path.
    type: str
    required: true
attributes:
  check_mode: {support: full, description: Reports which file would change and how. Nothing is checked in a container.}
  diff_mode: {support: full, description: One entry a file.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Scrape three brokers
  embedded_observability:
    estate: local
    directory: /srv/groundwork/observability
    routes: terraform/routes.yml
    upstreams:
      mimir: {address: "prometheus:9090", rewrite: {/api/v1/push: /prometheus/api/v1/write}}
    tenants: [local]
    jobs:
      kafka: [{address: "10.213.0.11:9404", labels: {host: local-kafka-1}}]
    environment_name: local
    resolver: 10.213.255.254
    prometheus_url: http://10.213.255.20:9090
    proxy_url: http://10.213.255.21
"""

RETURN = r"""
programs: {description: Programs whose configuration changed, returned: always, type: list, elements: str}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.estate.podman import PodmanError
from ansible.module_utils.groundwork.observability import embedded, embedded_apply, embedded_podman, routes


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "estate": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "routes": {"type": "path", "required": True},
            "upstreams": {"type": "dict", "required": True},
            "tenants": {"type": "list", "elements": "str", "required": True},
            "jobs": {"type": "dict", "default": {}},
            "rules": {"type": "dict", "default": {}},
            "environment_name": {"type": "str", "required": True},
            "resolver": {"type": "str", "required": True},
            "prometheus_url": {"type": "str", "required": True},
            "proxy_url": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        nginx = embedded.render_nginx(
            routes.load(p["routes"]), embedded.upstreams_from(p["upstreams"]), p["tenants"], p["resolver"]
        )
        prometheus = embedded.render_prometheus(
            embedded.jobs_from(p["jobs"]), environment=p["environment_name"], rules=p["rules"]
        )
        programs = [
            embedded_podman.prometheus(p["estate"], Path(p["directory"]), prometheus, p["prometheus_url"], p["rules"]),
            embedded_podman.proxy(p["estate"], Path(p["directory"]), nginx, p["proxy_url"]),
        ]
        outcome = embedded_apply.apply(programs, module.check_mode)
    except (routes.RouteError, embedded.EmbeddedError, embedded_apply.ApplyError, PodmanError, OSError) as error:
        module.fail_json(msg=str(error))
    diff = [
        {"before_header": name, "after_header": name, "before": outcome.before[name], "after": outcome.after[name]}
        for name in outcome.changed
    ]
    module.exit_json(changed=bool(outcome.changed), programs=outcome.changed, diff=diff)


if __name__ == "__main__":
    main()
