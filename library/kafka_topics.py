#!/usr/bin/python
"""Ansible module: Kafka topics in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_topics
short_description: Create and configure many Kafka topics in one call
description:
  - Reads all topics in one connection, then creates what is missing, adds partitions, sets configurations that differ and resets those that
    were set but are not wanted. Everything is done in at most three requests.
  - A topic with more partitions than wanted is refused before anything is changed.
  - A different replication factor is reported; with O(throttle) it is changed by a planned reassignment that is waited for, and whose
    throttle is cleared. A killed run is finished by the same call.
  - Topics that are not wanted are reported and left alone, or deleted with O(prune). Internal topics are never touched.
options:
  topics:
    description: The topics that should exist, beside those of O(services).
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name., type: str, required: true}
      partitions: {description: Number of partitions., type: int, required: true}
      replication_factor: {description: Replicas of each partition., type: int, required: true}
      min_insync_replicas: {description: min.insync.replicas., type: int}
      config: {description: Topic configurations., type: dict, default: {}}
  services: {description: Services of the catalog; their topics are taken., type: list, elements: dict, default: []}
  default_replication_factor: {description: For topics of O(services) without one., type: int, default: 3}
  default_min_insync_replicas: {description: For topics of O(services) without one., type: int, default: 2}
  canary: {description: Name of the topic that verification uses; empty for none., type: str, default: ""}
  brokers: {description: Number of brokers; bounds the canary's replicas., type: int, default: 3}
  throttle: {description: Bytes a second that a change of the replication factor may copy in and out of each broker., type: int}
  wait: {description: Seconds that it may take., type: float, default: 600.0}
  assume:
    description: "For check mode: brokers to come, by id their rack. What only they make possible is predicted instead of refused."
    type: dict
    default: {}
  prune: {description: Delete topics that are not wanted. Without it they are reported in RV(unmanaged)., type: bool, default: false}
  confirm: {description: "What O(prune) asks to be typed, C({cluster id}:prune-topics); not in check mode.", type: str, default: ""}
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: "The brokers validate the requests without carrying them out, so that their refusals are predicted too."}
  diff_mode: {support: full, description: "By topic, only what changes."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: Topics of the catalog
  kafka_topics:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    services: "{{ catalog.services }}"
    canary: groundwork.canary.v1
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
created: {description: Topics made., type: list, elements: str, returned: success}
partitions_added: {description: "By topic, C(from) and C(to).", type: dict, returned: success}
config_set: {description: "By topic, the configurations set.", type: dict, returned: success}
config_reset: {description: "By topic, the configurations reset to the default.", type: dict, returned: success}
replication_differs: {description: "By topic, C(present) and C(wanted) replication factor.", type: dict, returned: success}
replication_changed: {description: "By topic, C(present) and C(wanted) replication factor; with O(throttle).", type: dict, returned: success}
unmanaged: {description: Topics that are not wanted and were left alone., type: list, elements: str, returned: success}
pruned: {description: Topics deleted., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args, desired
from ansible.module_utils.groundwork.kafka import topics as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            **args.PRUNE,
            **args.TOPICS,
            "topics": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "partitions": {"type": "int", "required": True},
                    "replication_factor": {"type": "int", "required": True},
                    "min_insync_replicas": {"type": "int"},
                    "config": {"type": "dict", "default": {}},
                },
            },
            "services": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        result = work.ensure(
            args.connection(p),
            work.parse(desired.wanted_topics(p, p["topics"])),
            module.check_mode,
            throttle=p["throttle"],
            wait=p["wait"],
            prune=p["prune"],
            confirm=p["confirm"],
            assume=args.assumed(p),
        )
    except (KafkaProblem, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    for text in work.left(result):
        module.warn(text)
    diff = {"before": result.pop("before"), "after": result.pop("after")}
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
