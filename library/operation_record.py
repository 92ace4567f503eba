#!/usr/bin/python
"""Ansible module: the record of a maintenance operation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: operation_record
short_description: Open, note, close and read the record of a maintenance operation
description:
  - One operation at a time on a cluster, or on the shared databases (O(prefix)). The open one is named by C(open.json), written with
    a conditional put, so that two operators cannot both open one; a run that was killed opens the same record again and gets its
    RV(record.data) back.
  - Resumes only with the same O(operation) and O(parameters), and only when the run that holds the record is dead - its process on
    this machine is gone, or on another machine nothing was noted for 30 minutes.
  - Records stay in the bucket. Nothing secret may be given to this module.
  - Runs on the control machine; region, endpoint and credentials come from the environment.
options:
  state: {description: What to do., type: str, choices: [read, opened, noted, closed], required: true}
  bucket: {description: The bucket of the environment's states., type: str, required: true}
  prefix: {description: Where the records are in it., type: str, default: records/kafka}
  create_bucket: {description: Make the bucket when it is missing; only for an embedded estate without Terraform., type: bool, default: false}
  operation: {description: "Name of the operation; with C(closed) the record must be of it.", type: str}
  parameters: {description: "What was asked for (C(opened)); a resumed run must ask for the same.", type: dict, default: {}}
  plan: {description: "Lines that say what will be done (C(opened)).", type: list, elements: str, default: []}
  data: {description: "What was worked out and a resumed run needs (C(opened) for a new record, C(noted) added).", type: dict, default: {}}
  takeover: {description: Resume although the holder may be alive., type: bool, default: false}
  step: {description: "What was done (C(noted)).", type: str}
  detail: {description: "More about it (C(noted)).", type: str, default: ""}
  outcome: {description: "How it ended (C(closed)).", type: str, default: done}
attributes:
  check_mode: {support: full, description: "Writes nothing; refuses what would be refused."}
requirements: [boto3]
author: Groundwork
"""

EXAMPLES = r"""
- name: Open the record
  operation_record:
    state: opened
    bucket: prod-groundwork-state-111122223333
    operation: kafka-drain
    parameters: {broker: 3}
    plan: ["move 120 replicas off broker 3"]
  delegate_to: localhost
  run_once: true
  register: operation
"""

RETURN = r"""
record:
  description: >-
    operation, key, opened, by, holder, parameters, plan, data, steps (time, by, step, detail), closed and outcome; empty when none is open.
  type: dict
  returned: success
resumed: {description: Whether an open record was resumed., type: bool, returned: "state=opened"}
where: {description: Address of the record., type: str, returned: "when there is one"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.aws_client import AwsError
from ansible.module_utils.groundwork.operations import OperationError, Records


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["read", "opened", "noted", "closed"], "required": True},
            "bucket": {"type": "str", "required": True},
            "prefix": {"type": "str", "default": "records/kafka"},
            "create_bucket": {"type": "bool", "default": False},
            "operation": {"type": "str"},
            "parameters": {"type": "dict", "default": {}},
            "plan": {"type": "list", "elements": "str", "default": []},
            "data": {"type": "dict", "default": {}},
            "takeover": {"type": "bool", "default": False},
            "step": {"type": "str"},
            "detail": {"type": "str", "default": ""},
            "outcome": {"type": "str", "default": "done"},
        },
        required_if=[("state", "opened", ["operation"]), ("state", "noted", ["step"])],
        supports_check_mode=True,
    )
    p, check = module.params, module.check_mode
    changed, resumed = False, False
    try:
        records = Records(p["bucket"], p["prefix"])
        if p["state"] == "opened":
            if p["create_bucket"] and not check:
                records.make_bucket()
            record, resumed = records.open(
                p["operation"], p["parameters"], p["plan"], p["data"], check=check, takeover=p["takeover"]
            )
            changed = not resumed
        elif p["state"] == "noted" and not check:
            record, changed = records.note(p["step"], p["detail"], p["data"]), True
        elif p["state"] == "closed":
            record = records.read() or {}
            if record and p["operation"] not in (None, record["operation"]):
                raise OperationError(f"{record['operation']} is open, not {p['operation']}: it is not closed here")
            changed = bool(record)
            if record and not check:
                record = records.close(p["outcome"]) or {}
        else:
            record = records.read() or {}
    except (AwsError, OperationError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=changed,
        resumed=resumed,
        record=record,
        where=records.where(record["key"]) if record else "",
    )


if __name__ == "__main__":
    main()
