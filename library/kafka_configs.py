#!/usr/bin/python
"""Ansible module: Set dynamic configurations of Kafka in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_configs
short_description: Set dynamic configurations of Kafka in bulk
description:
  - Configurations of single brokers, of all brokers, topics, groups and client metrics, read and set with one request an entity's kind.
  - Static configurations, secrets and names that nobody knows are refused by name, all of them at once, before anything is touched; values
    are judged by the brokers.
options:
  state:
    description: V(present) sets; V(info) reads what is set on the entities of O(configs), or with none given on all that have something.
    choices: [present, info]
    type: str
    default: present
  configs:
    description: The entities.
    type: list
    elements: dict
    default: []
    suboptions:
      entity: {description: What is configured., type: str, required: true, choices: [broker, default_broker, topic, group, client_metrics]}
      name: {description: "Broker id, topic, group or subscription; none for default_broker.", type: str, default: ""}
      config: {description: Configurations; a null is reset to the default., type: dict, default: {}}
      exclusive: {description: "Reset what is set and not in O(configs[].config).", type: bool, default: false}
      resend:
        description:
          - Send O(configs[].config) even when nothing differs. Brokers then read the key and trust store files that these name anew, also
            where a null says that server.properties names them.
        type: bool
        default: false
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: "The brokers validate the request without carrying it out."}
  diff_mode: {support: full, description: "By entity, everything that is set on it."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: More cleaner threads everywhere, and a new certificate without a restart
  kafka_configs:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    configs:
      - {entity: default_broker, config: {log.cleaner.threads: 2}}
      - entity: broker
        name: "1"
        config: {listener.name.internal.ssl.keystore.location: null}
        resend: true
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
set: {description: "By entity, the configurations set.", type: dict, returned: success, sample: {"broker 1": {"log.cleaner.threads": "2"}}}
reset: {description: "By entity, the configurations reset.", type: dict, returned: success}
resent: {description: "By entity, the configurations sent although they were so already.", type: dict, returned: success}
configs: {description: "entity, name, config (what is set on it; a secret as \"(secret)\").", type: list, elements: dict, returned: with O(state=info)}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import args
from ansible.module_utils.groundwork.kafka import configs as work
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            "state": {"type": "str", "choices": ["present", "info"], "default": "present"},
            "configs": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "entity": {"type": "str", "required": True, "choices": sorted(work.SET_HERE)},
                    "name": {"type": "str", "default": ""},
                    "config": {"type": "dict", "default": {}},
                    "exclusive": {"type": "bool", "default": False},
                    "resend": {"type": "bool", "default": False},
                },
            },
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        wanted = work.parse(p["configs"])
        if p["state"] == "info":
            module.exit_json(**work.info(args.connection(p), [one.resource for one in wanted]))
        result = work.ensure(args.connection(p), wanted, module.check_mode)
    except KafkaProblem as problem:
        module.fail_json(msg=str(problem))
    diff = {"before": result.pop("before"), "after": result.pop("after")}
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
