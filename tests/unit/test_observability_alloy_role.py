"""The role `alloy` for every environment and role combination: rendered by Ansible, judged by the syntax checker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork.estate.paths import PROJECT, cache_dir
from groundwork.observability import alloysyntax

ENVIRONMENTS = tuple(sorted(path.parent.name for path in (PROJECT / "inventories").glob("*/catalog.yml")))
HOSTS = {
    "kafka-1": (["kafka", "kafka_broker", "kafka_controller"], ["broker", "controller"], 1),
    "kafka-2": (["kafka", "kafka_broker"], ["broker"], 2),
    "kafka-controller-101": (["kafka", "kafka_controller"], ["controller"], 101),
    "ops-2": (["ops"], [], 0),
    "ops-1": (["ops"], [], 0),
}
# Every character that a YAML, JSON or Alloy string could trip over; "no", 1e3 and 010 are YAML's own traps.
AWKWARD = {"owner": 'a"b\\c${d} é 世界 😀\ttab', "flag": "no", "size": "1e3", "code": "010"}

PLAY = """
- hosts: all:!localhost
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - ansible.builtin.include_role: {name: alloy, tasks_from: preflight.yml, public: true}
    - ansible.builtin.copy:
        dest: "{{ out }}/{{ inventory_hostname }}.json"
        content: "{{ seen | to_json }}"
        mode: "0600"
      vars:
        ansible_connection: local
        seen:
          files: "{{ alloy_files }}"
          environment: "{{ alloy_service_environment }}"
          secrets: "{{ alloy_service_secrets }}"
          unit: "{{ alloy_unit }}"
          groups: "{{ alloy_groups }}"
      delegate_to: localhost
"""


def logins(env: str) -> dict[str, dict[str, object]]:
    """What Secrets Manager has of the monitoring users."""
    login = {"username": "groundwork.monitoring", "password": f"Pass{env}Word"}
    servers = ",".join(f"kafka-{number}.{env}.internal:9094" for number in (1, 2, 3))
    return {
        f"{env}-groundwork.monitoring-kafka": {**login, "bootstrap_servers": servers},
        f"{env}-groundwork.monitoring-mysql": {**login, "host": f"mysql.{env}.example", "port": 3306},
        f"{env}-groundwork.monitoring-postgresql": {**login, "host": f"postgresql.{env}.example", "port": 5432},
    }


def inventory() -> dict[str, object]:
    groups: dict[str, dict[str, dict[str, object]]] = {}
    hosts: dict[str, object] = {}
    for env in ENVIRONMENTS:
        for short, (members, roles, node) in HOSTS.items():
            name = f"{env}-{short}"
            hosts[name] = {
                "env": env, "tenant_id": f"tenant-{env}", "lgtm_url": f"http://lgtm.{env}.internal",
                "availability_zone": "ap-northeast-2a", "private_ip": "10.9.0.11",
                "dns_name": f"{short}.{env}.internal",
                "kafka_node_id": node, "kafka_node_roles": roles,
                "ec2_tags": {"Service": "shared", "Role": "kafka" if roles else "ops"},
                "alloy_secrets": {"values": logins(env)}, "alloy_owner_group": f"ops_{env}",
                "catalog": yaml.safe_load((PROJECT / "inventories" / env / "catalog.yml").read_text()),
            }  # fmt: skip
            if not roles:
                groups.setdefault(f"ops_{env}", {"hosts": {}})["hosts"][name] = {}
            for group in members:
                groups.setdefault(group, {"hosts": {}})["hosts"][name] = {}
    hosts["awkward"] = {**hosts["dev-ops-1"], "alloy_labels": AWKWARD}  # type: ignore[dict-item]
    groups["ops"]["hosts"]["awkward"] = {}
    # Profiles are asked for, and nothing else is another way.
    hosts["profiled"] = {**hosts["dev-kafka-2"], "alloy_java_profiles": True}  # type: ignore[dict-item]
    groups["kafka"]["hosts"]["profiled"] = {}
    hosts["localhost"] = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {"groundwork_dir": str(PROJECT), "groundwork_cache": str(cache_dir())}
    return {"all": {"hosts": hosts, "children": groups, "vars": variables}}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Files, environment and unit of each host, as the role renders them."""
    alloysyntax.build(print)
    folder = tmp_path_factory.mktemp("alloy")
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory(), allow_unicode=True))
    (folder / "play.yml").write_text(PLAY)
    # Outside of the role its template lookups search beside the play.
    (folder / "templates").symlink_to(PROJECT / "roles" / "alloy" / "templates")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", folder / "hosts.yml", "-e", f"out={folder}",
         folder / "play.yml"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.fixture
def rendered(everything: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {host: one["files"] for host, one in everything.items()}


def test_every_combination_passes_the_checker_without_notes(rendered: dict[str, dict[str, str]]) -> None:
    assert len(rendered) == len(ENVIRONMENTS) * len(HOSTS) + 2
    checker = alloysyntax.checker_path(PROJECT, cache_dir())
    for host, files in rendered.items():
        assert [str(one) for one in alloysyntax.check(files, checker)] == [], host


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_tenant_labels_and_urls_are_the_environments(rendered: dict[str, dict[str, str]], env: str) -> None:
    files = rendered[f"{env}-kafka-1"]
    text = "".join(files.values())
    base = f"http://lgtm.{env}.internal"
    for path in ("/api/v1/push", "/loki/api/v1/push", "/v1/traces"):
        assert f'"{base}{path}"' in text
    # The tenant goes with metrics, logs and traces, and comes from the environment file: three places, no value.
    assert text.count('sys.env("GROUNDWORK_TENANT_ID")') == 3
    assert f"tenant-{env}" not in text
    labels = {"env": env, "host": f"{env}-kafka-1", "az": "ap-northeast-2a", "service": "shared", "role": "kafka"}
    for name, value in labels.items():
        # Metrics and logs as external labels, traces as attributes.
        assert text.count(f"\t{name}{' ' * (7 - len(name))} = {json.dumps(value)},\n") == 2, name
        assert f'key    = "{name}"\n\t\tvalue  = {json.dumps(value)}\n' in text


def test_kafka_files_are_on_kafka_hosts_only(rendered: dict[str, dict[str, str]]) -> None:
    for host, files in rendered.items():
        kafka = {name for name in files if name in {"30-kafka-metrics.alloy", "41-kafka-logs.alloy"}}
        wanted = {"30-kafka-metrics.alloy", "41-kafka-logs.alloy"} if "kafka" in host or host == "profiled" else set()
        assert kafka == wanted, host
    assert '"10.9.0.11:9404"' in rendered["prod-kafka-controller-101"]["30-kafka-metrics.alloy"]
    assert '"node_id"     = "101"' in rendered["prod-kafka-controller-101"]["30-kafka-metrics.alloy"]


def test_awkward_text_reaches_alloy_as_it_is(rendered: dict[str, dict[str, str]]) -> None:
    text = rendered["awkward"]["10-write-metrics.alloy"]
    for name, value in AWKWARD.items():
        line = next(one for one in text.splitlines() if one.strip().startswith(name + " "))
        assert json.loads(line.split(" = ", 1)[1].rstrip(",")) == value
