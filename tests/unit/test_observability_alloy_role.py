"""The role `alloy` for every environment and role combination: rendered by Ansible, judged by the syntax checker."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork.estate.paths import PROJECT, cache_dir
from groundwork.observability import alloysyntax
from plays import HERE, play

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
        # After a rotation: the secret says who logs in.
        f"{env}-groundwork.monitoring-kafka": {
            **login,
            "username": "groundwork.monitoring.b",
            "bootstrap_servers": servers,
        },
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
    hosts["localhost"] = HERE
    variables = {"groundwork_dir": str(PROJECT), "groundwork_cache": str(cache_dir())}
    return {"all": {"hosts": hosts, "children": groups, "vars": variables}}


def render(folder: Path, hosts: dict[str, object], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The role's preflight, and what it rendered of each host beside it."""
    alloysyntax.build(print)
    templates = (PROJECT / "roles" / "alloy" / "templates").iterdir()
    return play(folder, hosts, PLAY, "-e", f"out={folder}", *arguments, templates=templates)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Files, environment and unit of each host, as the role renders them."""
    folder = tmp_path_factory.mktemp("alloy")
    done = render(folder, inventory())
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_what_is_wrong_of_any_host_is_told_of_all_before_one_is_touched(tmp_path: Path) -> None:
    hosts: Any = inventory()
    for name in ("dev-ops-1", "dev-kafka-2"):
        hosts["all"]["hosts"][name] = {**hosts["all"]["hosts"][name], "alloy_extra_files": {"90-more.alloy": "wrong {"}}
    done = render(tmp_path, hosts, "--limit", "dev-ops-1,dev-kafka-1,dev-kafka-2")
    assert done.returncode != 0
    told = done.stdout
    assert "nothing was touched" in told
    assert "dev-ops-1: 90-more.alloy:1:" in told and "dev-kafka-2: 90-more.alloy:1:" in told, told
    assert "dev-kafka-1: " not in told
    assert list(tmp_path.glob("*.json")) == []


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


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_exporters_run_on_the_first_host_of_the_group_alone(rendered: dict[str, dict[str, str]], env: str) -> None:
    catalog = yaml.safe_load((PROJECT / "inventories" / env / "catalog.yml").read_text())
    names = {"kafka_lag": "31-kafka-lag.alloy", "mysql": "32-mysql.alloy", "postgresql": "33-postgresql.alloy"}
    wanted = {names[one] for one in ("kafka_lag", *catalog["databases"])}
    found = {host: set(names.values()) & set(rendered[f"{env}-{host}"]) for host in HOSTS}
    # ops-2 comes first in the inventory; the names' order decides.
    assert found == {host: wanted if host == "ops-1" else set() for host in HOSTS}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_passwords_are_in_the_environment_of_the_owner_and_nowhere_else(
    everything: dict[str, dict[str, Any]], env: str
) -> None:
    for host in HOSTS:
        one = everything[f"{env}-{host}"]
        assert f"Pass{env}Word" not in json.dumps([one["files"], one["environment"], one["unit"]])
        assert (f"Pass{env}Word" in json.dumps(one["secrets"])) == (host == "ops-1"), host
    owner = everything[f"{env}-ops-1"]
    asked = set(re.findall(r'sys\.env\("([A-Z_]+)"\)', "".join(owner["files"].values())))
    assert asked == ({*owner["environment"], *owner["secrets"]}) - {"SSL_CERT_FILE"}
    # `kafka_passwords do=revoke` looks for this line.
    assert owner["environment"]["GROUNDWORK_KAFKA_USER"] == "groundwork.monitoring.b"
    assert owner["secrets"]["GROUNDWORK_KAFKA_PASSWORD"] == f"Pass{env}Word"


def test_series_of_a_shared_thing_do_not_carry_the_owners_labels(rendered: dict[str, dict[str, str]]) -> None:
    files = rendered["dev-ops-1"]
    for name, instance in (("31-kafka-lag", "dev-kafka"), ("32-mysql", "mysql.dev.example:3306")):
        rules = dict(re.findall(r'target_label = "(\w+)"\n\t\treplacement  = "([^"]+)"', files[f"{name}.alloy"]))
        assert set(rules) == {"az", "host", "instance", "job", "role", "service"} and rules["instance"] == instance
        assert "ops-1" not in files[f"{name}.alloy"]


def test_every_scrape_has_its_job_and_a_limit(rendered: dict[str, dict[str, str]]) -> None:
    text = "".join(rendered["dev-ops-1"].values()) + rendered["dev-kafka-1"]["30-kafka-metrics.alloy"]
    scrapes = re.findall(r'prometheus\.scrape "\w+" \{\n(.*?)\n\}', text, re.DOTALL)
    jobs = {re.search(r'job_name += "(\w+)"', one)[1] for one in scrapes}  # type: ignore[index]
    assert jobs == {"alloy", "kafka", "kafka_lag", "mysql", "node", "postgresql"}
    assert all(re.search(r"sample_limit += [1-9]\d+\n", one) for one in scrapes)
    # An exporter's target has a job already, which wins over job_name.
    assert set(re.findall(r'target_label = "job"\n\t\treplacement  = "(\w+)"', text)) == jobs - {"kafka"}


def test_the_contracts_metrics_are_kept(rendered: dict[str, dict[str, str]]) -> None:
    contract = PROJECT / "observability" / "metrics.yml"
    # Whether it is there is for the contract's own tests to say.
    jobs = yaml.safe_load(contract.read_text())["jobs"] if contract.is_file() else {}
    files = rendered["dev-ops-1"]
    for job, name in (("alloy", "00-agent"), ("mysql", "32-mysql"), ("postgresql", "33-postgresql")):
        keep = re.compile(
            json.loads(re.search(r'regex +=( ".+")\n\t\taction        = "keep"', files[f"{name}.alloy"])[1])
        )  # type: ignore[index]
        assert (
            keep.fullmatch("up")
            and keep.fullmatch("scrape_duration_seconds")
            and not keep.fullmatch("go_gc_cycles_total")
        )
        wanted = jobs.get(job, {"metrics": {}})["metrics"]
        assert [metric for metric in wanted if not keep.fullmatch(metric)] == []


def pattern(text: str, attribute: str, number: int = 0) -> re.Pattern[str]:
    """An expression of a file, as Python reads it: what is used of RE2 here is the same."""
    found = re.findall(rf'{attribute} += ("(?:[^"\\]|\\.)*")', text)
    return re.compile(json.loads(found[number]))


def test_kafkas_lines_are_taken_apart(rendered: dict[str, dict[str, str]]) -> None:
    text = rendered["dev-kafka-1"]["41-kafka-logs.alloy"]
    layout = yaml.safe_load((PROJECT / "roles/kafka/templates/log4j2.yaml.j2").read_text().split("  Appenders:")[0])
    assert layout["Configuration"]["Properties"]["Property"][0]["value"].startswith(
        "[%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}] %p %m"
    )
    line = "[2026-02-03T04:05:06.789Z] WARN Request failed trace_id=4bf92f3577b34da6a3ce929d0e0e4736 (kafka.server.X)"
    assert pattern(text, "firstline").match(line) and not pattern(text, "firstline").match("\tat kafka.Kafka.main")
    found = pattern(text, "expression").match(line)
    assert found and found.groupdict() == {"time": "2026-02-03T04:05:06.789Z", "level": "WARN"}
    assert 'template = "{{ ToLower .Value }}"' in text


@pytest.mark.parametrize(
    "line",
    [
        'level=info trace_id=4bf92f3577b34da6a3ce929d0e0e4736 msg="done"',
        '{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","level":"info"}',
        '{"trace-id": "4bf92f3577b34da6a3ce929d0e0e4736"}',
        "GET / traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ],
)
def test_trace_ids_are_found_and_are_no_labels(rendered: dict[str, dict[str, str]], line: str) -> None:
    for name, number in (("40-journal", 0), ("41-kafka-logs", 1)):
        text = rendered["dev-kafka-1"][f"{name}.alloy"]
        found = pattern(text, "expression", number).search(line)
        assert found and found["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert not pattern(text, "expression", number).search("commit 4bf92f3577b34da6a3ce929d0e0e4736")
        assert "trace_id" not in re.search(r"stage\.labels \{.*?\n\t\}", text + "stage.labels {\n\t}", re.DOTALL)[0]  # type: ignore[index]


def test_the_journals_job_is_put_on_after_the_source(rendered: dict[str, dict[str, str]]) -> None:
    """loki.source.journal puts its own name there, over its labels: the alerts on `job="journal"` would be of nothing."""
    for host in ("dev-ops-1", "dev-kafka-1"):
        _, stages = rendered[host]["40-journal.alloy"].split('loki.process "journal" {')
        assert re.search(r'stage\.static_labels \{\s+values = \{\s+job = "journal",', stages)


def test_the_journal_leaves_out_what_kafkas_files_have(rendered: dict[str, dict[str, str]]) -> None:
    assert "stage.match" not in rendered["dev-ops-1"]["40-journal.alloy"]
    selector = json.loads(re.search(r'selector +=( ".*")', rendered["dev-kafka-1"]["40-journal.alloy"])[1])  # type: ignore[index]
    stream, _, expression = selector.partition(" |~ ")
    assert stream == '{unit="kafka.service"}'
    # In double quotes: Alloy's parser of selectors takes nothing else, and only a start finds that.
    drop = re.compile(json.loads(expression))
    for line in (
        "INFO Awaiting socket connections (kafka.network)",
        "\tat java.base/java.lang.Thread.run",
        "Caused by: java.io.X",
    ):
        assert drop.search(line), line
    for line in ("java.lang.OutOfMemoryError: Java heap space", "Picked up JAVA_TOOL_OPTIONS", "INFORMATION"):
        assert not drop.search(line), line


def test_profiles_are_taken_where_they_are_asked_for_and_nowhere_else(everything: dict[str, dict[str, Any]]) -> None:
    for host, one in everything.items():
        asked = host == "profiled"
        assert ("60-java-profiles.alloy" in one["files"]) == ("13-write-profiles.alloy" in one["files"]) == asked, host
        assert f"User={'root' if asked else 'alloy'}\n" in one["unit"]
        assert ("CapabilityBoundingSet=\n" in one["unit"]) == (not asked)


def test_systemd_takes_the_unit(everything: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    program = tmp_path / "alloy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for host in ("dev-kafka-1", "dev-ops-1", "profiled"):
        unit = everything[host]["unit"]
        assert f"alloy run {'--stability.level=generally-available'} " in unit
        path = tmp_path / "alloy.service"
        path.write_text(unit.replace("ExecStart=/usr/bin/alloy", f"ExecStart={program}"))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
        )
        said = [line for line in done.stderr.splitlines() if "alloy.service" in line]
        assert (done.returncode, said) == (0, []), done.stderr
    # A host that comes up while Kafka is down must not give up for good.
    assert (
        "StartLimitIntervalSec=0\n" in everything["dev-ops-1"]["unit"]
        and "Restart=on-failure\n" in everything["dev-ops-1"]["unit"]
    )
    assert everything["dev-kafka-1"]["groups"] == ["adm", "systemd-journal", "kafka"]
    assert "SupplementaryGroups=adm systemd-journal\n" in everything["dev-ops-1"]["unit"]


def test_what_takes_a_start_back_looks_where_the_old_ones_are_kept() -> None:
    tasks = PROJECT / "roles" / "alloy" / "tasks"
    configure, service = (
        {name: task[name] for task in yaml.safe_load((tasks / f"{file}.yml").read_text()) for name in task}
        for file in ("configure", "service")
    )
    folder, unit = configure["alloy_config"], service["alloy_service"]
    assert (folder["path"], folder["environment_file"]) == (unit["config_directory"], unit["environment_file"])
    # What check mode is told of: a restart that is pending from an earlier run too.
    assert "reload | default('') == 'restart'" in unit["pending"]


def test_the_pages_budgets_are_the_roles(everything: dict[str, dict[str, Any]]) -> None:
    page = (PROJECT / "docs" / "alloy.md").read_text()
    defaults = yaml.safe_load((PROJECT / "roles" / "alloy" / "defaults" / "main.yml").read_text())
    for name in (
        "wal_max_keepalive",
        "wal_truncate_frequency",
        "log_retries",
        "journal_max_age",
        "trace_retry",
        "trace_queue",
        "profile_retries",
    ):
        assert f"`alloy_{name}` {defaults[f'alloy_{name}']}" in page, name
    files = everything["dev-kafka-1"]["files"]
    assert (
        'min_backoff_period  = "500ms"' in files["11-write-logs.alloy"]
        and 'max_backoff_period  = "1m"' in files["11-write-logs.alloy"]
    )
    waits = [min(0.5 * 2**number, 60) for number in range(defaults["alloy_log_retries"])]
    assert f"= {int(sum(waits))} s" in page and "**1 h 54 min**" in page and 6840 <= sum(waits) < 6900
    spans = defaults["alloy_trace_queue"] * 2048
    assert f"{spans // 1000} 000 spans" in page and f"{spans // 900} spans/s" in page
    assert "send_batch_max_size = 2048" in files["50-otlp.alloy"]
