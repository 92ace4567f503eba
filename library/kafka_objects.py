#!/usr/bin/python
"""Ansible module: everything of the catalog that a Kafka cluster holds, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_objects
short_description: Bring dynamic properties, topics, users, ACLs and quotas of a Kafka cluster to the catalog in one call
description:
  - Does what M(kafka_configs), M(kafka_topics), M(kafka_users), M(kafka_acls) and M(kafka_quotas) do one by one, in this order, for what the
    catalog says. Nothing is pruned; what the catalog does not know is returned as C(unmanaged) of its part.
  - All parts are predicted first, and what is refused is refused of all of them at once, before anything is touched. Where nothing differs, that is all.
options:
  properties: {description: Dynamic properties of all brokers., type: dict, default: {}}
  services: {description: Services of the catalog; their topics are taken., type: list, elements: dict, default: []}
  principals: {description: Services whose ACLs and quotas must be exactly the catalog's., type: list, elements: dict, default: []}
  users:
    description: The SCRAM-SHA-512 users.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name., type: str, required: true}
      password: {description: "Password; may be absent in check mode, when it is not made yet.", type: str}
      iterations: {description: PBKDF2 iterations., type: int, default: 4096}
  acls: {description: "ACLs beside those of O(principals), as M(kafka_acls) takes them.", type: list, elements: dict, default: []}
  client_servers: {description: HOST:PORT of brokers' CLIENT listeners., type: list, elements: str, required: true}
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
  bootstrap_servers: {description: HOST:PORT of brokers' INTERNAL listeners., type: list, elements: str, required: true}
  ca_file: {description: The CA's certificate., type: path, default: /etc/kafka/tls/ca.crt}
  certificate_file: {description: The node's key and certificate., type: path, default: /etc/kafka/tls/keystore.pem}
  timeout: {description: Seconds that a connection or a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: "Logs in, and asks the brokers to validate what would be changed."}
  diff_mode: {support: full, description: "A section for each part that changes; of users names and reasons only."}
requirements: [kafka-python >= 3.0]
author: Groundwork
"""

EXAMPLES = r"""
- name: The catalog's objects
  kafka_objects:
    bootstrap_servers: ["kafka-1.prod.internal:9092"]
    client_servers: ["kafka-1.prod.internal:9094"]
    services: "{{ catalog.services }}"
    principals: "{{ catalog.services }}"
    users: [{name: fileflow, password: "{{ fileflow_password }}"}]
    canary: groundwork.canary.v1
  vars:
    ansible_python_interpreter: /opt/groundwork/venv/bin/python
"""

RETURN = r"""
parts:
  description: "By part (C(properties), C(topics), C(users), C(acls), C(quotas)) what its module returns; when it failed half way, those that were made."
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import acls, args, configs, desired, objects, quotas, topics
from ansible.module_utils.groundwork.kafka import users as logins
from ansible.module_utils.groundwork.kafka.client import KafkaProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **args.CONNECTION,
            "properties": {"type": "dict", "default": {}},
            "services": {"type": "list", "elements": "dict", "default": []},
            "principals": {"type": "list", "elements": "dict", "default": []},
            "users": {"type": "list", "elements": "dict", "default": [], "no_log": False, "options": args.USER},
            "acls": {"type": "list", "elements": "dict", "default": [], "options": args.ACL},
            "client_servers": {"type": "list", "elements": "str", "required": True},
            **args.TOPICS,
        },
        supports_check_mode=True,
    )
    p = module.params
    connection, clients = args.connection(p), args.client_connection(p, p["client_servers"])
    try:
        properties = [{"entity": "default_broker", "name": "", "config": p["properties"]}] if p["properties"] else []
        settings = configs.parse(properties)
        wanted_topics = topics.parse(desired.wanted_topics(p, []))
        users = [logins.User(entry["name"], entry["password"], entry["iterations"]) for entry in p["users"]]
        if not module.check_mode:
            logins.need_passwords(users)
        rights = sorted({*acls.parse(p["acls"]), *desired.acls(p["principals"], p["canary"])})
        limits = quotas.parse(desired.quotas(p["principals"]))
        owners = [(("user", service["name"]),) for service in p["principals"]]
        parts = {
            "properties": lambda check: configs.ensure(connection, settings, check),
            "topics": lambda check: topics.ensure(
                connection,
                wanted_topics,
                check,
                throttle=p["throttle"],
                wait=p["wait"],
                # What is really done needs brokers that are there.
                assume=args.assumed(p) if module.check_mode else {},
            ),
            "users": lambda check: logins.ensure(connection, clients, users, check),
            "acls": lambda check: acls.ensure(connection, rights, desired.principals(p["principals"]), check),
            "quotas": lambda check: quotas.ensure(connection, limits, owners, check, prune=False, confirm=""),
        }
        results = objects.ensure(parts, module.check_mode)
    except objects.HalfDone as problem:
        diff = objects.diff(problem.results)
        module.fail_json(msg=str(problem), changed=bool(diff), parts=problem.results, diff=diff)
    except (KafkaProblem, KeyError, ValueError) as error:
        module.fail_json(msg=str(error), parts={})
    for text in topics.left(results["topics"]):
        module.warn(text)
    diff = objects.diff(results)
    module.exit_json(changed=bool(diff), parts=results, diff=diff)


if __name__ == "__main__":
    main()
