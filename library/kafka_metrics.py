#!/usr/bin/python
"""Ansible module: ask the JMX exporters of Kafka's nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_metrics
short_description: Check that the nodes' JMX exporters answer with the series that must be there
description:
  - Fetches all URLs at the same time, as Prometheus does over the network. A node that does not answer, or lacks a required
    series, is a failure that names it.
options:
  urls:
    description: Addresses of C(/metrics).
    type: list
    elements: str
    required: true
  required:
    description: Names of series that must be there.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that an answer may take.
    type: float
    default: 20.0
attributes:
  check_mode: {support: full, description: Only reads.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Every node serves its metrics
  kafka_metrics:
    urls: ["http://10.0.48.11:9404/metrics"]
    required: [kafka_raft_state]
"""

RETURN = r"""
nodes:
  description: By URL, C(series) (number), C(missing) and C(error).
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import metrics


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "urls": {"type": "list", "elements": "str", "required": True},
            "required": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 20.0},
        },
        supports_check_mode=True,
    )
    nodes = metrics.ask(module.params["urls"], module.params["required"], module.params["timeout"])
    faults = [
        f"{url}: {found['error'] or 'lacks ' + ', '.join(found['missing'])}"
        for url, found in nodes.items()
        if found["error"] or found["missing"]
    ]
    if faults:
        module.fail_json(msg="metrics are not complete. " + "; ".join(faults), nodes=nodes)
    module.exit_json(changed=False, nodes=nodes)


if __name__ == "__main__":
    main()
