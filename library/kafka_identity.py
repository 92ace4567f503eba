#!/usr/bin/python
"""Ansible module: decide what may be formatted; fails closed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_identity
short_description: Compare the disks, the records and the inventory of a Kafka cluster and decide what each node needs
description:
  - Runs on the control machine and touches nothing. Every disagreement between C(meta.properties), the identity files, Parameter
    Store and the inventory is an error; all are told at once.
  - A missing cluster id in Parameter Store is adopted when all disks agree on one. A new cluster gets its id and the
    directory ids of its first controllers here; write RV(parameters) before anything is formatted.
options:
  nodes:
    description: RV(ignore:node) of kafka_node_info, for each host of the run.
    type: list
    elements: dict
    required: true
  prefix: {description: Path in Parameter Store., type: str, required: true}
  parameters: {description: What Parameter Store has below O(prefix)., type: dict, required: true}
  controllers: {description: "Every controller of the inventory, name to node id.", type: dict, required: true}
  joining: {description: Node ids that are new although the records were lost., type: list, elements: int, default: []}
  replacing:
    description: Node ids whose disk is lost; they join as new nodes and their old records count no more.
    type: list
    elements: int
    default: []
attributes:
  check_mode: {support: full, description: Only decides. Ids of a new cluster differ from those the real run makes.}
author: Groundwork
"""

EXAMPLES = r"""
- name: Decide what may be formatted
  kafka_identity:
    nodes: "{{ ansible_play_batch | map('extract', hostvars, ['kafka_node', 'node']) | list }}"
    prefix: /shared/kafka/prod
    parameters: "{{ kafka_parameters['values'] }}"
    controllers: {prod-kafka-1: 1, prod-kafka-2: 2, prod-kafka-3: 3}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
cluster_id: {description: The cluster id., type: str, returned: success}
cluster_id_source: {description: "C(recorded), C(adopted) or C(made).", type: str, returned: success}
initial_controllers: {description: First controllers of the cluster as the storage tool wants them., type: str, returned: success}
nodes: {description: "By host name, C(action) (C(keep) or C(format)), C(directory_ids) and C(initial_controllers).", type: dict, returned: success}
parameters: {description: Parameters to write before formatting., type: dict, returned: success}
notes: {description: What the operator should know., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import storage


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "dict", "required": True},
            "prefix": {"type": "str", "required": True},
            "parameters": {"type": "dict", "required": True},
            "controllers": {"type": "dict", "required": True},
            "joining": {"type": "list", "elements": "int", "default": []},
            "replacing": {"type": "list", "elements": "int", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        nodes = [
            storage.Node(n["name"], int(n["node_id"]), tuple(n["roles"]), n["endpoint"], n["log_dirs"], n["recorded"])
            for n in params["nodes"]
        ]
        decision = storage.decide(
            nodes,
            params["prefix"],
            params["parameters"],
            {k: int(v) for k, v in params["controllers"].items()},
            params["joining"],
            replacing=params["replacing"],
        )
    except storage.StorageError as error:
        module.fail_json(msg=str(error))
    if decision.problems:
        module.fail_json(
            msg="Kafka's identity does not agree; nothing was touched.\n"
            + "\n".join(f"- {one}" for one in decision.problems),
            problems=decision.problems,
        )
    module.exit_json(
        changed=False,
        cluster_id=decision.cluster_id,
        cluster_id_source=decision.cluster_id_source,
        initial_controllers=decision.initial_controllers,
        nodes=decision.nodes,
        parameters=decision.parameters,
        notes=decision.notes,
    )


if __name__ == "__main__":
    main()
