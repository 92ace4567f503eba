"""The operation `kafka_passwords`: who is worked on in which state of a rotation, rendered by Ansible; the brokers are the drill's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork.kafka import acls
from groundwork.secrets import Found, parse_specs, plan_secret
from plays import HERE, PROJECT, play

ROLE = PROJECT / "roles" / "kafka_maintenance"
AGENT = "groundwork.monitoring"
SERVICES = [
    {"name": "writer", "kafka": {"topics": [{"name": "writer.a.v1"}]}},
    {"name": "silent", "database": {"engine": "mysql"}},
]
BOTH = [AGENT, "writer"]
PLAY = """
- hosts: states
  gather_facts: false
  vars_files: ["{{ project }}/roles/kafka/defaults/main.yml", "{{ project }}/roles/kafka/vars/main.yml",
               "{{ role }}/defaults/main.yml", "{{ role }}/vars/main.yml"]
  tasks:
    - ansible.builtin.copy:
        dest: "{{ out }}/{{ inventory_hostname }}.json"
        content: "{{ seen | to_json }}"
        mode: "0600"
      delegate_to: localhost
      vars:
        seen:
          known: "{{ kafka_maintenance_passwords_known }}"
          todo: "{{ kafka_maintenance_passwords_todo }}"
          old: "{{ kafka_maintenance_passwords_old }}"
          agent: "{{ kafka_maintenance_agent_old }}"
          next: "{{ lookup('ansible.builtin.template', 'passwords_next.json.j2') | from_json }}"
          users: "{{ lookup('ansible.builtin.template', 'passwords_users.json.j2') | from_json }}"
          switch: "{{ lookup('ansible.builtin.template', 'passwords_switch.json.j2') | from_json }}"
          revoked: "{{ lookup('ansible.builtin.template', 'passwords_revoked.json.j2') | from_json }}"
          forget: "{{ lookup('ansible.builtin.template', 'passwords_forget.json.j2') | from_json }}"
          present: "{{ lookup('ansible.builtin.template', 'users.json.j2') | from_json }}"
          plan: "{{ kafka_passwords_plan }}"
          asked: "{{ agent_is_asked }}"
          acls: "{{ kafka_monitoring_acls }}"
    # The agents of three hosts: one with the old login, one with the new one, one that is not there.
    - ansible.builtin.include_tasks: "{{ role }}/tasks/passwords_agent.yml"
      when: inventory_hostname == 'before_revoke'
    - ansible.builtin.copy:
        dest: "{{ out }}/agents.json"
        content: "{{ {'behind': kafka_maintenance_agent_behind, 'problems': operation_problems} | to_json }}"
        mode: "0600"
      delegate_to: localhost
      when: inventory_hostname == 'before_revoke'
"""


def login(user: str, **more: str) -> dict[str, str]:
    return {"username": user, "password": f"{user}'s", **more}


def turned(service: str) -> dict[str, str]:
    """The login of a service after the first step of its first rotation."""
    return login(f"{service}.b", previous_username=service, previous_password=f"{service}'s", next_username="")


def secrets(logins: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {f"test-{name}-kafka": value for name, value in logins.items()}


#: Logins of writer and agent, and what the run finds of itself: present users when it began.
FRESH = {name: login(name) for name in BOTH}
TURNED = {name: turned(name) for name in BOTH}
REVOKED = {name: login(f"{name}.b", previous_username="", previous_password="") for name in BOTH}
STATES: dict[str, tuple[dict[str, dict[str, str]], dict[str, str]]] = {
    "begin": (FRESH, {name: name for name in BOTH}),
    "killed": ({**FRESH, AGENT: turned(AGENT)}, {name: name for name in BOTH}),
    "before_revoke": (TURNED, {name: f"{name}.b" for name in BOTH}),
    "twice": (TURNED, {name: f"{name}.b" for name in BOTH}),
    "again": (REVOKED, {name: f"{name}.b" for name in BOTH}),
}


def inventory(folder: Path) -> dict[str, Any]:
    hosts: dict[str, Any] = {}
    for name, (logins, users) in STATES.items():
        other = {one: one if value["username"] != one else f"{one}.b" for one, value in logins.items()}
        hosts[name] = {
            "kafka_maintenance_logins": {"values": secrets(logins), "missing": []},
            "kafka_maintenance_record": {"data": {"users": users}},
            "kafka_maintenance_next": {
                "values": secrets(
                    {one: {"next_username": user, "next_password": f"{user} anew"} for one, user in other.items()}
                )
            },
            "kafka_secrets": {"values": secrets(logins)},
            "kafka_maintenance_before": {"record": {"operation": "kafka-passwords"} if name == "killed" else {}},
            "do": "revoke" if name == "before_revoke" else "rotate",
        }
    agents = {}
    for name, user in (("ops-1", AGENT), ("ops-2", f"{AGENT}.b")):
        (folder / name).write_text(f'# Written\nGROUNDWORK_KAFKA_PASSWORD="x"\nGROUNDWORK_KAFKA_USER="{user}"\n')
    for name in ("ops-1", "ops-2", "ops-3"):
        agents[name] = {**HERE, "ansible_host": name}
    # The tasks' own expressions.
    tasks = {one["name"]: one for one in yaml.safe_load((ROLE / "tasks" / "passwords.yml").read_text())}
    variables = {
        **HERE,
        "env": "test",
        "kafka_maintenance_operation": "passwords",
        "agent_is_asked": f"{{{{ ({') and ('.join(tasks['See whether the agent has its new login']['when'])}) }}}}",
        "catalog": {"services": SERVICES, "tags": {}},
        "operation_problems": tasks["Refuse what cannot be done"]["vars"]["operation_problems"],
        "kafka_passwords_plan": tasks["Begin"]["vars"]["kafka_passwords_plan"],
        "kafka_passwords_users": tasks["Begin"]["vars"]["kafka_passwords_users"],
    }
    return {"all": {"children": {"states": {"hosts": hosts}, "ops": {"hosts": agents}}, "vars": variables}}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("passwords")
    more = {"project": str(PROJECT), "role": str(ROLE), "out": str(folder)}
    # By host its own file, as there is one machine here.
    extra = {"kafka_maintenance_agent_environment": f"{folder}/{{{{ item }}}}"}
    templates = (PROJECT / "roles").glob("kafka*/templates/*")
    done = play(folder, inventory(folder), PLAY, "-e", json.dumps({**more, **extra}), templates=templates)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_the_agent_is_one_of_them_with_two_users_of_the_same_rights(rendered: dict[str, Any]) -> None:
    assert rendered["begin"]["known"] == ["writer", AGENT]
    wanted = acls.parse(rendered["begin"]["acls"])
    rights: dict[str, set[tuple[str, str, str]]] = {}
    for one in wanted:
        rights.setdefault(one.principal, set()).add((one.resource_type, one.resource_name, one.operation))
    assert rights[f"User:{AGENT}"] == {
        ("cluster", "kafka-cluster", "describe"), ("topic", "*", "describe"), ("group", "*", "describe"),
    }  # fmt: skip
    assert rights == dict.fromkeys((f"User:{AGENT}", f"User:{AGENT}.b"), rights[f"User:{AGENT}"])


def by_name(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["name"]: entry for entry in entries}


def test_a_rotation_gives_the_other_user_a_password_and_keeps_the_present_one(rendered: dict[str, Any]) -> None:
    begin = rendered["begin"]
    assert sorted(begin["todo"]) == BOTH
    [spec] = [one for one in parse_specs(begin["next"]) if AGENT in one.name]
    assert (spec.generate, spec.value) == (("next_password",), {"next_username": f"{AGENT}.b"})
    # Nothing of the login that is in use is touched by it.
    have = Found(spec.name, "arn", FRESH[AGENT])
    assert plan_secret(spec, have).set_keys == ("next_username",)
    assert by_name(begin["users"]) == {
        f"{one}.b": {"name": f"{one}.b", "password": f"{one}.b anew"} for one in ("writer", AGENT)
    }
    switched = by_name(begin["switch"])[f"test-{AGENT}-kafka"]["value"]
    assert switched == {
        "username": f"{AGENT}.b", "password": f"{AGENT}.b anew", "previous_username": AGENT,
        "previous_password": f"{AGENT}'s", "next_username": "", "next_password": "",
    }  # fmt: skip
    assert "run site.yml --tags observability for the agent, then run do=revoke" in begin["plan"]["rotate"][1]


def test_who_was_switched_by_a_killed_run_is_not_turned_back(rendered: dict[str, Any]) -> None:
    killed = rendered["killed"]
    assert killed["todo"] == ["writer"]
    assert list(by_name(killed["switch"])) == ["test-writer-kafka"]


def test_both_users_are_valid_until_the_old_one_is_revoked(rendered: dict[str, Any]) -> None:
    before = rendered["before_revoke"]
    # What playbooks/kafka.yml keeps in the meantime, and afterwards.
    assert set(by_name(before["present"])) == {AGENT, f"{AGENT}.b", "writer", "writer.b"}
    assert set(by_name(rendered["again"]["present"])) == {f"{AGENT}.b", "writer.b"}
    assert sorted(before["old"]) == BOTH
    revoked = by_name(before["revoked"])
    assert set(revoked) == set(BOTH)
    assert len(revoked[AGENT]["password"]) == 48
    assert by_name(before["forget"])[f"test-{AGENT}-kafka"]["value"] == {
        "previous_username": "", "previous_password": "",
    }  # fmt: skip
    assert rendered["again"]["old"] == []


def test_the_next_rotation_turns_back_to_the_first_user(rendered: dict[str, Any]) -> None:
    again = rendered["again"]
    assert sorted(again["todo"]) == BOTH
    assert set(by_name(again["users"])) == set(BOTH)


def test_an_agent_that_still_has_the_old_login_is_named(rendered: dict[str, Any]) -> None:
    assert {state: rendered[state]["agent"] for state in STATES} == {
        "begin": "", "killed": AGENT, "before_revoke": AGENT, "twice": AGENT, "again": "",
    }  # fmt: skip
    # A killed rotation goes on; a second one before the revocation would take the password from the agent.
    assert [state for state in STATES if rendered[state]["asked"]] == ["before_revoke", "twice"]
    agents = rendered["agents"]
    assert agents["behind"] == ["ops-1"]
    assert agents["problems"] == [
        f"the agent on ops-1 still logs in as {AGENT}; site.yml --tags observability gives it the new login."
    ]
