#!/usr/bin/python
"""Ansible module: Grafana's folders, data sources and dashboards in bulk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_objects
short_description: Bring Grafana's folders, data sources and dashboards to what is wanted, in one call
description:
  - Reads three lists (folders, dashboards as a whole, data sources), compares, and writes what differs, eight dashboards at a time. A run that
    changes nothing makes four requests, however many objects there are.
  - What Grafana adds to an object by itself is no difference; what somebody changed by hand is, and is put back.
  - An object that comes from a provisioning file cannot be changed here. When it differs the run is refused before anything is written.
  - Secrets (C(secureJsonData)) are sent and never shown. Grafana does not give them back, so a digest of what was set last is kept in
    C(jsonData.groundworkSecrets).
  - Needs Grafana 12 or newer, and nothing but Python on the host that it runs on.
options:
  url: {description: Address of Grafana, for example C(http://lgtm.prod.internal)., type: str, required: true}
  token: {description: Token of a service account with role Admin. Without it the variable E(GRAFANA_TOKEN)., type: str}
  user: {description: User, where there is no token., type: str, default: admin}
  password: {description: Password of O(user)., type: str}
  folders:
    description: Folders, each with uid and title.
    type: list
    elements: dict
    default: []
  data_sources:
    description: Data sources as Grafana's API takes them, each with uid, name and type.
    type: list
    elements: dict
    default: []
  dashboards:
    description: Dashboards as Grafana takes them, each with uid and title.
    type: list
    elements: dict
    default: []
  folder: {description: Uid of the folder that the dashboards belong into, one of O(folders)., type: str, default: ""}
  prune_folders:
    description:
      - Uids of folders that hold the given dashboards and nothing else. What else is in them is reported, as are data sources that this
        module made and that are not wanted any more.
    type: list
    elements: str
    default: []
  prune: {description: Delete what is reported so., type: bool, default: false}
  confirm: {description: "What O(prune) asks to be typed, C({host of url}:prune-dashboards); not in check mode.", type: str, default: ""}
  health: {description: Uids of data sources whose answer Grafana is asked to check afterwards., type: list, elements: str, default: []}
  timeout: {description: Seconds that a request may take., type: float, default: 15.0}
attributes:
  check_mode: {support: full, description: Reads and compares only.}
  diff_mode: {support: full, description: "By object, the paths that differ; panels by their titles."}
author: Groundwork
"""

EXAMPLES = r"""
- name: The project's dashboards and data sources
  grafana_objects:
    url: "{{ lgtm_url }}"
    token: "{{ lookup('ansible.builtin.env', 'GRAFANA_TOKEN') }}"
    folders: "{{ grafana_model.folders }}"
    folder: groundwork
    data_sources: "{{ grafana_model.data_sources }}"
    dashboards: "{{ grafana_model.dashboards }}"
    prune_folders: [groundwork]
"""

RETURN = r"""
created: {description: "Objects made, as C(dashboard UID).", type: list, elements: str, returned: success}
updated: {description: Objects changed., type: list, elements: str, returned: success}
unmanaged: {description: Objects of O(prune_folders) that are not wanted and were left alone., type: list, elements: str, returned: success}
pruned: {description: Objects deleted., type: list, elements: str, returned: success}
unhealthy: {description: "With O(health), by data source what is wrong.", type: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible.module_utils.groundwork.observability import grafana_api as work


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["GRAFANA_TOKEN"])},
            "user": {"type": "str", "default": "admin"},
            "password": {"type": "str", "no_log": True},
            "folders": {"type": "list", "elements": "dict", "default": []},
            "data_sources": {"type": "list", "elements": "dict", "default": []},
            "dashboards": {"type": "list", "elements": "dict", "default": []},
            "folder": {"type": "str", "default": ""},
            "prune_folders": {"type": "list", "elements": "str", "default": []},
            "prune": {"type": "bool", "default": False},
            "confirm": {"type": "str", "default": ""},
            "health": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 15.0},
        },
        supports_check_mode=True,
        no_log=True,
    )
    p = module.params
    # What Ansible tells of the call (with -vvv) and writes to the host's log is without secrets. Masking each value would
    # blot out every word that is a tenant's name too.
    data_sources, p["data_sources"] = (
        p["data_sources"],
        [{**one, "secureJsonData": "(hidden)"} for one in p["data_sources"]],
    )
    try:
        result = work.ensure(
            work.server(p["url"], p["token"] or "", p["user"], p["password"] or "", p["timeout"]),
            work.parse(p["folders"], data_sources, p["dashboards"], p["folder"]),
            module.check_mode,
            prune_folders=p["prune_folders"],
            prune=p["prune"],
            confirm=p["confirm"],
            health=p["health"],
        )
    except work.GrafanaProblem as error:
        module.fail_json(msg=str(error))
    diff = {"before": result.pop("before"), "after": result.pop("after")}
    if result["unhealthy"]:
        words = "; ".join(f"{uid}: {said}" for uid, said in result["unhealthy"].items())
        module.fail_json(msg=f"data sources that do not answer: {words}", **result, diff=diff)
    module.exit_json(**result, diff=diff)


if __name__ == "__main__":
    main()
