"""The whole estate: brought up, silent afterwards, broken by hand, reported exactly, repaired exactly.

The tests of this file run in order: each leaves the estate as it found it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

from conftest import PROJECT, Estate, Run
from drills.harness import under_load
from groundwork.estate import programs
from groundwork.observability import contract, contract_promql, dashboards, query, report_data, routes, rules
from groundwork.observability.web import request

# What stands on the skeleton, without asking Terraform again; and from the hosts up.
SERVERS = ("--tags", "skeleton,verify", "--skip-tags", "terraform")
HOSTS_UP = ("--tags", "skeleton,hosts,kafka,observability", "--skip-tags", "terraform")

BROKERS = ["local-kafka-1", "local-kafka-2", "local-kafka-3"]


def prometheus(estate: Estate) -> tuple[str, dict[str, str]]:
    """Where the estate's Prometheus is asked, through the routing proxy, and the header with the tenant."""
    header = routes.load(PROJECT / "terraform" / "routes.yml").tenant_header
    return f"http://10.{estate.octet}.255.21/prometheus", {header: "local"}


def assert_silent(run: Run) -> None:
    assert run.code == 0, run.output[-8000:]
    # Terraform's own words come long before the end.
    planned = "\n".join(re.findall(r"(?m)^ *(?:\d\d-[a-z-]+: (?!no changes).*|[-+~<] .*)$", run.output))
    assert run.changed == {}, f"changed: {run.changed}\n{planned}\n{run.output[-8000:]}"
    for key in ("changed", "failures", "unreachable", "ignored", "rescued"):
        assert run.totals(key) == 0, (key, run.hosts)


def test_the_first_run_brings_everything_up(estate: Estate, first_run: Run) -> None:
    assert first_run.totals("failures") == 0
    servers = {"local-shared-mysql", "local-shared-postgresql", "local-fileflow-cache", "local-authhub-cache"}
    assert {"aws", "local-ops-1", *BROKERS, *servers} <= set(estate.containers())
    assert set(first_run.hosts) == {"localhost", "local-ops-1", *BROKERS}


def test_it_ends_with_a_table(first_run: Run) -> None:
    table = first_run.output[first_run.output.rindex("PLAY RECAP") :]
    for expected in (
        "endpoints",
        "kafka-1.local.internal:9094",
        "of Cloud Map lead to their addresses",
        "databases",
        "fileflow",
        "authhub/migration",
        "crawler_user as crawler_owner",
        "shared endpoints",
        "local-shared-postgresql",
        "seconds per phase",
        "total",
    ):
        assert expected in table, f"{expected!r} is not in:\n{table}"


def test_the_second_run_changes_nothing(estate: Estate) -> None:
    before = estate.containers()
    # --diff: should anything change, the output says what.
    assert_silent(estate.play("--diff"))
    assert estate.containers() == before


def test_one_part_alone_in_check_mode(estate: Estate) -> None:
    run = estate.play("--tags", "kafka", "--limit", "kafka", "--check", "--diff")
    assert_silent(run)
    assert set(run.hosts) - {"localhost"} == set(BROKERS)


def test_the_estate_can_be_asked_alone(estate: Estate) -> None:
    run = estate.play("--tags", "verify")
    assert_silent(run)
    assert "refusals seen" in run.output
    assert "active controller" in run.output


def measured() -> set[str]:
    """Jobs whose metrics arrive. Without Alloy, Prometheus asks the brokers itself, and nobody the rest."""
    return (
        {"alloy", "kafka", "kafka_lag", "mysql", "node", "postgresql"}
        if programs.path("alloy").is_file()
        else {"kafka"}
    )


#: Conditions of the contract that hold in the estate while services work with Kafka. The others want a fault, a quota that
#: is reached, or programs that send traces and profiles.
HOLDS = {
    "",
    "a group has committed",
    "a topic has traffic",
    "statements are recorded",
    "the broker follows",
    "there are log files",
    "there are topics",
}


def must_answer(expression: str, listed: contract.Contract, records: dict[str, str]) -> bool:
    """Whether everything that a panel's query reads is there, in an estate whose jobs are `measured`."""
    expanded = dashboards.expand(expression)
    if contract_promql.is_comparison(contract_promql.parse(expanded)):
        return False  # A list of what is wrong: nothing is.
    for selector in contract_promql.selectors(expanded):
        through = [records[name] for name in selector.names if name in records]
        jobs = {job for job in measured() if all(matcher.accepts(job) for matcher in selector.of("job"))}
        there = any(metric.job in jobs and metric.when in HOLDS for metric in listed.taken(selector))
        there = there or (selector.names == ("up",) and bool(jobs))
        if not (there or (through and all(must_answer(one, listed, records) for one in through))):
            return False
    return True


def test_every_dashboard_holds_data(estate: Estate) -> None:
    """Every panel's queries, asked of the real Prometheus through the routing proxy with the tenant."""
    server = report_data.Server(*prometheus(estate))
    listed = contract.load(PROJECT / "observability" / "metrics.yml")
    records = rules.recorded(rules.load(PROJECT / "observability" / "rules"))
    with under_load(estate, "services at work", samplers=()) as seen:
        until = time.monotonic() + 240
        while True:
            panels = report_data.collect(dashboards.models(), server, report_data.Span.last(0.25))
            asked = {
                f"{panel.dashboard}/{panel.title}/{one.expression}": answer
                for panel in panels
                if panel.state != "elsewhere"
                for one, answer in zip(panel.queries, panel.answers or [[]] * len(panel.queries), strict=True)
                if must_answer(one.expression, listed, records)
            }
            empty = sorted(name for name, answer in asked.items() if not answer)
            # A machine that suites beside take up misses scrapes, and a rate needs two.
            if not empty or time.monotonic() > until:
                break
            time.sleep(5)
    seen.assert_nothing_lost()
    assert {panel.error for panel in panels} == {""}
    assert empty == []
    assert len(asked) > (200 if "node" in measured() else 100), len(asked)


def test_every_alert_finds_what_it_asks_for(estate: Estate) -> None:
    """The real Prometheus evaluates each rule without an error, and has the series that the alerts read."""
    url, headers = prometheus(estate)
    listed = contract.load(PROJECT / "observability" / "metrics.yml")
    groups = rules.load(PROJECT / "observability" / "rules")
    wanted = [
        query.Query(f"{job} {name}", f'{name}{{job="{job}"}}', at_least=1)
        for job in sorted(measured())
        for name in rules.needed(groups, listed, job)
    ]
    assert len(wanted) > 20
    assert query.ask_all(url, headers, wanted, wait=180).missing == {}
    status, text = request(f"{url}/api/v1/rules", headers=headers)
    assert status == 200, text
    told = {one["name"]: one for group in json.loads(text)["data"]["groups"] for one in group["rules"]}
    assert set(told) == {rule.name for group in groups for rule in group.rules}
    assert {name: one["lastError"] for name, one in told.items() if one["health"] == "err"} == {}


def test_no_secret_is_in_argv_or_output(estate: Estate, first_run: Run) -> None:
    secrets = estate.aws("secretsmanager")
    names = [entry["Name"] for entry in secrets.list_secrets(MaxResults=100)["SecretList"]]
    assert {"local-shared-mysql-master", "local-kafka-ca", "local-fileflow-database", "local-fileflow-kafka"} <= set(
        names
    )
    passwords = []
    for name in names:
        text = secrets.get_secret_value(SecretId=name)["SecretString"]
        value = json.loads(text) if text.startswith("{") else {"password": text}
        passwords += [value[key] for key in ("password", "private_key") if key in value]
    assert len(passwords) == len(names)
    arguments = "".join(estate.on(host, "ps", "-eo", "args") for host in [*BROKERS, "local-ops-1"])
    for password in passwords:
        needle = password if len(password) < 100 else password.splitlines()[1]
        assert needle not in arguments
        assert needle not in first_run.output


# One break of each kind, by hand, past the suite: the cluster, the database, the cloud, a file.


def break_topic(estate: Estate) -> None:
    script = """
import sys
from kafka.admin import KafkaAdminClient, ConfigResource, ConfigResourceType
admin = KafkaAdminClient(bootstrap_servers='kafka-1.local.internal:9092', security_protocol='SSL',
    ssl_cafile='/etc/kafka/tls/ca.crt', ssl_certfile='/etc/kafka/tls/keystore.pem', ssl_keyfile='/etc/kafka/tls/keystore.pem')
admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, 'fileflow.uploaded.v1', configs={'retention.ms': '1000'})])
"""
    estate.on("local-kafka-1", "/opt/groundwork/venv/bin/python", "-", stdin=script)


def mysql(estate: Estate, statement: str) -> str:
    return estate.on("local-shared-mysql", "mysql", "--batch", "--skip-column-names", stdin=statement)


def postgresql(estate: Estate, statements: str) -> str:
    provider = ("setpriv", "--reuid=postgres", "--clear-groups", "psql", "-XqAt", "-U", "rdsadmin", "postgres")
    return estate.on("local-shared-postgresql", *provider, stdin=statements)


def break_grant(estate: Estate) -> None:
    mysql(
        estate,
        "GRANT SELECT ON mysql.* TO 'fileflow_user'@'%'; REVOKE DELETE ON `fileflow`.* FROM 'fileflow_user'@'%';",
    )
    postgresql(estate, "GRANT CONNECT ON DATABASE crawler TO PUBLIC; ALTER ROLE crawler_readonly CREATEDB;")


def kafka_group(estate: Estate) -> str:
    groups = estate.aws("ec2").describe_security_groups(
        Filters=[{"Name": "tag:Name", "Values": ["local-kafka-sg", "local-kafka"]}]
    )
    return str(groups["SecurityGroups"][0]["GroupId"])


def break_security_group(estate: Estate) -> str:
    """Take one rule away that Terraform made; returns its description of ports."""
    ec2 = estate.aws("ec2")
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [kafka_group(estate)]}])[
        "SecurityGroupRules"
    ]
    rule = next(r for r in rules if not r["IsEgress"] and r["FromPort"] == 9094)
    ec2.revoke_security_group_ingress(GroupId=kafka_group(estate), SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    return f"{rule['FromPort']}"


def count_rules(estate: Estate) -> int:
    rules = estate.aws("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [kafka_group(estate)]}]
    )
    return len(rules["SecurityGroupRules"])


def break_alloy(estate: Estate) -> str:
    path = estate.on("local-kafka-2", "sh", "-c", "ls /etc/alloy/conf.d/*.alloy | head -n 1").strip()
    estate.on("local-kafka-2", "sh", "-c", f"echo '// edited by hand' >> {path}")
    return path


def test_four_kinds_of_drift_are_reported_exactly_and_repaired_exactly(estate: Estate) -> None:
    rules = count_rules(estate)
    break_topic(estate)
    break_grant(estate)
    break_security_group(estate)
    alloy = break_alloy(estate)

    predicted = estate.play("--check", "--diff")
    assert predicted.code == 0, predicted.output[-8000:]
    # Exactly these four, each on the one host that it concerns.
    assert len(predicted.changed) == 4, predicted.changed
    assert predicted.totals("changed") == 4, predicted.changed
    for expected in (
        r"-.*retention\.ms.*1000",
        r"\+.*retention\.ms.*604800000",
        r"DELETE",
        r"NOCREATEDB|createdb",
        r"30-security-groups",
        re.escape("// edited by hand"),
    ):
        assert re.search(expected, predicted.output), f"{expected} is not in the diff:\n{predicted.output[-8000:]}"
    assert "edited by hand" in estate.on("local-kafka-2", "cat", alloy), "check mode changed a file"

    repaired = estate.play("--diff")
    assert repaired.code == 0, repaired.output[-8000:]
    assert repaired.changed == predicted.changed, "check mode predicted something else than the run did"
    assert count_rules(estate) == rules
    assert "edited by hand" not in estate.on("local-kafka-2", "cat", alloy)
    grants = mysql(estate, "SHOW GRANTS FOR 'fileflow_user'@'%';")
    assert "DELETE" in grants
    assert "`mysql`" not in grants
    held = "SELECT datacl FROM pg_database WHERE datname = 'crawler'; SELECT rolcreatedb FROM pg_roles WHERE rolname = 'crawler_readonly';"
    assert postgresql(estate, held).split() == [
        "{crawler_owner=CTc/crawler_owner,crawler_readonly=c/crawler_owner}",
        "f",
    ]


def test_a_stopped_broker_is_noticed_and_started(estate: Estate) -> None:
    estate.on("local-kafka-3", "systemctl", "stop", "kafka")
    # What dashboards and alerts ask for moves within a minute (13 s by itself); twice that where suites beside take the processors.
    alerts = ("KafkaNodeDown", "KafkaUnderReplicated", "KafkaVoterMissing")
    moved = [
        query.Query("alerts", "ALERTS", "alertname", alerts),
        query.Query("under-replicated", "sum by (env) (kafka_server_underreplicatedpartitions) > 0", at_least=1),
    ]
    assert query.ask_all(*prometheus(estate), moved, wait=120).missing == {}
    run = estate.play("--tags", "kafka")
    assert run.code == 0, run.output[-8000:]
    assert list(run.changed.values()) == [["local-kafka-3"]], run.changed
    assert_silent(estate.play("--tags", "kafka"))


def test_servers_that_were_killed_and_changed_are_repaired(estate: Estate) -> None:
    """Database and caches: a killed container, a lost one, a master user who became a superuser, another token."""
    secrets = estate.aws("secretsmanager")
    postgresql(estate, "ALTER ROLE postgres SUPERUSER PASSWORD 'other'; CREATE TABLE kept AS SELECT 1 AS a;")
    token = json.loads(secrets.get_secret_value(SecretId="local-crawler-cache")["SecretString"])
    secrets.put_secret_value(SecretId="local-crawler-cache", SecretString=json.dumps({**token, "password": "x" * 40}))
    estate.podman("kill", estate.container("local-shared-postgresql"))
    estate.podman("rm", "--force", "--time", "1", estate.container("local-authhub-cache"))

    run = estate.play(*SERVERS)
    assert run.code == 0, run.output[-8000:]
    assert {host for hosts in run.changed.values() for host in hosts} == {"localhost"}
    held = "TABLE kept; SELECT rolsuper FROM pg_roles WHERE rolname = 'postgres'; DROP TABLE kept;"
    assert postgresql(estate, held).split() == ["1", "f"]
    secrets.put_secret_value(SecretId="local-crawler-cache", SecretString=json.dumps(token))
    assert estate.play(*SERVERS).code == 0
    assert_silent(estate.play(*SERVERS))


def test_a_restarted_container_keeps_its_data(estate: Estate) -> None:
    before = estate.on("local-kafka-2", "cat", "/var/lib/kafka/data/meta.properties")
    estate.podman("restart", "--time", "30", estate.container("local-kafka-2"))
    deadline = time.monotonic() + 60
    ready = "systemctl is-system-running || true"
    while "running" not in estate.podman("exec", estate.container("local-kafka-2"), "sh", "-c", ready):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert estate.on("local-kafka-2", "cat", "/var/lib/kafka/data/meta.properties") == before


def test_a_killed_run_is_finished_by_the_next(estate: Estate) -> None:
    """A host and an Alloy folder are lost, the run that repairs it is killed while it works, the next one finishes."""
    estate.podman("rm", "--force", "--time", "5", estate.container("local-kafka-1"))
    process = subprocess.Popen(
        ["ansible-playbook", "site.yml", "-i", "inventories/local", *HOSTS_UP],
        cwd=PROJECT,
        env=estate.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # As soon as the host is there again the run is in the middle of putting it in order.
    deadline = time.monotonic() + 300
    while "local-kafka-1" not in estate.containers():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.5)
    time.sleep(15)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run = estate.play(*HOSTS_UP)
    assert run.code == 0, run.output[-8000:]
    assert_silent(estate.play(*HOSTS_UP))
