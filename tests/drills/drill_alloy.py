"""The drill `alloy`: the real agent sends to the real Prometheus and Loki through the routing proxy; a broken configuration is refused;
an outage of ten minutes loses no sample and no line; nobody else reads its secrets; the second run changes nothing. Loki's ruler
takes the rules of the logs, and each of them fires and keeps quiet."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Drill
from drills.harness import PROJECT, until
from groundwork.estate import programs
from groundwork.observability import rules
from groundwork.observability.web import request

HOSTS = ("local-kafka-1", "local-ops-1")
BROKER, OWNER = HOSTS
TENANT = {"X-Scope-OrgID": "local"}
#: Seconds between two scrapes, and of the outage.
INTERVAL, OUTAGE = 15, 600
FOLDER = "/etc/alloy/conf.d"
DRILL_LOG = "/var/log/kafka/drill.log"
#: A line a second into a file that Alloy reads, as Kafka writes it; ends with the file `stop`.
WRITER = f"""
import datetime, os, time
number = 0
with open("{DRILL_LOG}", "a", buffering=1) as out:
    while not os.path.exists("/tmp/drill-stop"):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        out.write(f"[{{now}}] WARN drill line {{number}} trace_id={{number:032x}} (drill)\\n")
        number += 1
        time.sleep(1)
print(number)
"""


def play(drill: Drill, *arguments: str) -> Any:
    return drill.run(
        "tests/drills/alloy.yml", "-e", f"drill_loki={programs.path('loki')}", *arguments, nodes="alloy", timeout=2400
    )


@pytest.fixture(scope="module")
def up(empty: Drill) -> Drill:
    for name in ("alloy", "loki"):
        programs.build(name, lambda text: print(text, flush=True))
    run = play(empty)
    assert run.code == 0, run.output[-8000:]
    return empty


# -- What the receivers have, asked through the proxy as everybody asks --------------------------------------------


def proxy(drill: Drill) -> str:
    return f"http://10.{drill.octet}.255.21"


def metrics(drill: Drill, expression: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    question = urllib.parse.urlencode({"query": expression})
    status, text = request(
        f"{proxy(drill)}/prometheus/api/v1/query?{question}", headers=TENANT if headers is None else headers
    )
    assert status == 200, (status, text)
    return list(json.loads(text)["data"]["result"])


def lines(drill: Drill, selector: str, since: float, limit: int = 500) -> list[tuple[dict[str, str], str]]:
    """At most so many: an answer of Loki must not be larger than 4 MB."""
    question = urllib.parse.urlencode(
        {
            "query": selector,
            "start": int(since * 1e9),
            "end": int(time.time() * 1e9),
            "limit": limit,
            "direction": "forward",
        }
    )
    status, text = request(f"{proxy(drill)}/loki/api/v1/query_range?{question}", headers=TENANT, timeout=60)
    assert status == 200, (status, text)
    return [(one["stream"], line) for one in json.loads(text)["data"]["result"] for _, line in one["values"]]


def own_metric(drill: Drill, host: str, name: str) -> float:
    """The sum of a metric that Alloy has of itself now, asked on the host: it waits for no receiver."""
    text = drill.on(
        host,
        "python3",
        "-c",
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:12345/metrics').read().decode())",
    )
    found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.split("{", 1)[0].split(" ", 1)[0] == name]
    return sum(map(float, found))


def process(drill: Drill, host: str) -> str:
    return drill.on(host, "systemctl", "show", "-p", "MainPID", "--value", "alloy").strip()


def content(drill: Drill, host: str) -> str:
    return drill.on(host, "sh", "-c", f"cd {FOLDER} && sha256sum *.alloy")


# -- The drill, in order -------------------------------------------------------------------------------------------


def test_metrics_and_logs_arrive_with_their_labels(up: Drill) -> None:
    began = time.time() - 3600
    wanted = (
        {("node", host) for host in HOSTS}
        | {("alloy", host) for host in HOSTS}
        | {("kafka", BROKER), ("kafka_lag", "local-kafka")}
    )

    def there() -> set[tuple[str, str]]:
        return {(one["metric"]["job"], one["metric"]["host"]) for one in metrics(up, 'up{job!="prometheus"} == 1')}

    until("every job of every host is up", lambda: wanted <= there(), 180)
    for one in metrics(up, 'up{job!="prometheus"}'):
        assert {"env", "host", "az", "service", "role", "instance", "job"} <= set(one["metric"]), one
    # Exactly one host asks for the lag, whoever it is.
    assert len(metrics(up, 'up{job="kafka_lag"}')) == 1
    assert metrics(up, 'kafka_brokers{job="kafka_lag"} == 1')
    until("Kafka's log is there", lambda: bool(lines(up, '{job="kafka", host="local-kafka-1"}', began)), 120)
    kafka = lines(up, '{job="kafka", host="local-kafka-1"}', began)
    assert (
        {"info"}
        <= {labels.get("level", "") for labels, _ in kafka}
        <= {"trace", "debug", "info", "warn", "error", "fatal", ""}
    )
    for host in HOSTS:
        until(
            f"the journal of {host}", lambda host=host: bool(lines(up, f'{{job="journal", host="{host}"}}', began)), 120
        )


def test_nothing_goes_without_the_tenant(up: Drill) -> None:
    for path in ("/prometheus/api/v1/query?query=up", "/loki/api/v1/labels"):
        assert request(f"{proxy(up)}{path}")[0] == 401
        assert request(f"{proxy(up)}{path}", headers={"X-Scope-OrgID": "other"})[0] == 401
    assert own_metric(up, BROKER, "prometheus_remote_storage_samples_failed_total") == 0


def test_nobody_else_reads_its_secrets(up: Drill) -> None:
    for host in HOSTS:
        shown = up.on(host, "sh", "-c", f"stat -c '%U:%G %a' /etc/alloy/environment {FOLDER}/*.alloy {FOLDER}")
        assert sorted(set(shown.split("\n")) - {""}) == ["root:alloy 640", "root:alloy 750"], shown
        for path in ("/etc/alloy/environment", f"{FOLDER}/10-write-metrics.alloy"):
            up.on(host, "sh", "-c", f"! setpriv --reuid=nobody --regid=nogroup --clear-groups cat {path} 2>/dev/null")
        assert up.on(host, "ps", "-o", "user=", "-p", process(up, host)).strip() == "alloy"
    secret = json.loads(
        up.aws("secretsmanager").get_secret_value(SecretId="local-groundwork.monitoring-kafka")["SecretString"]
    )
    assert secret["password"] in up.on(OWNER, "cat", "/etc/alloy/environment")
    assert secret["password"] not in up.on(
        OWNER, "sh", "-c", f"cat {FOLDER}/*.alloy; tr '\\0' ' ' < /proc/{process(up, OWNER)}/cmdline"
    )


def test_the_second_run_changes_nothing(up: Drill) -> None:
    before = {host: process(up, host) for host in HOSTS}
    run = play(up, "--tags", "drill_alloy", "--diff")
    assert run.code == 0 and run.changed == {}, (run.changed, run.output[-6000:])
    assert {host: process(up, host) for host in HOSTS} == before


@pytest.mark.parametrize(
    ("where", "text", "message"),
    [
        # The checker of the control machine does not know this component's arguments; `alloy validate` does.
        ("validate", 'prometheus.exporter.blackbox "broken" {\n\tno_such_argument = true\n}\n', "no_such_argument"),
        # Right by every rule; it cannot be built, which only a reload finds.
        ("reload", 'local.file "broken" {\n\tfilename = "/no/such/file"\n}\n', "/no/such/file"),
    ],
)
def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(
    up: Drill, where: str, text: str, message: str
) -> None:
    before = {host: (process(up, host), content(up, host)) for host in HOSTS}
    run = play(up, "--tags", "drill_alloy", "-e", json.dumps({"alloy_extra_files": {"90-broken.alloy": text}}))
    assert run.code != 0, where
    assert message in run.output and "refuses the new configuration" in run.output, run.output[-4000:]
    assert {host: (process(up, host), content(up, host)) for host in HOSTS} == before
    for host in HOSTS:
        assert own_metric(up, host, "alloy_config_last_load_successful") == 1
    now = time.time()
    fresh = f'count(timestamp(up{{job="node"}}) > {now:.0f})'
    until("metrics go on", lambda: metrics(up, fresh) != [] and metrics(up, fresh)[0]["value"][1] == "2", 90)
    # A run without the broken file has nothing to do.
    again = play(up, "--tags", "drill_alloy")
    assert again.code == 0 and again.changed == {}, (again.changed, again.output[-4000:])


def test_an_environment_with_which_alloy_does_not_start_is_taken_back(up: Drill) -> None:
    """Right by every check before the restart: only the start finds that there is no such file."""

    def shown(host: str) -> str:
        return content(up, host) + up.on(host, "sh", "-c", "cat /etc/alloy/environment; systemctl cat alloy")

    before = {host: (process(up, host), shown(host)) for host in HOSTS}
    text = 'local.file "broken" {\n\tfilename = sys.env("GROUNDWORK_DRILL")\n}\n'
    wrong = {
        "alloy_extra_files": {"90-broken.alloy": text},
        "alloy_environment": {"GROUNDWORK_DRILL": "/no/such/drill"},
    }
    run = play(up, "--tags", "drill_alloy", "-e", json.dumps(wrong))
    assert run.code != 0
    assert "the old ones are back and Alloy runs with them" in run.output, run.output[-4000:]
    for host, (was, had) in before.items():
        assert shown(host) == had, host
        assert process(up, host) != was
        assert own_metric(up, host, "alloy_config_last_load_successful") == 1
        up.on(host, "sh", "-c", "journalctl -u alloy -o cat | grep -q /no/such/drill")
        up.on(host, "sh", "-c", "! ls -d /etc/alloy/.conf.d.restart-pending 2>/dev/null")
    again = play(up, "--tags", "drill_alloy")
    assert again.code == 0 and again.changed == {}, (again.changed, again.output[-4000:])


@contextmanager
def outage(up: Drill) -> Iterator[None]:
    """Nothing answers where the receivers are."""
    up.podman("stop", "--time", "1", up.container("lgtm"))
    try:
        yield
    finally:
        up.podman("start", up.container("lgtm"))


def gaps(up: Drill, expression: str) -> dict[str, float]:
    """By series, the longest time between two samples."""
    found = {}
    for one in metrics(up, expression):
        times = [float(at) for at, _ in one["values"]]
        assert len(times) > 2, one
        found[f"{one['metric']['job']} {one['metric']['host']}"] = max(b - a for a, b in itertools.pairwise(times))
    return found


def test_an_outage_of_ten_minutes_loses_no_sample_and_no_line(up: Drill) -> None:
    up.on(BROKER, "sh", "-c", f"rm -f /tmp/drill-stop; install -o kafka -g kafka -m 0640 /dev/null {DRILL_LOG}")
    writer = subprocess.Popen(
        ["podman", "exec", "-i", up.container(BROKER), "python3", "-c", WRITER], stdout=subprocess.PIPE, text=True
    )
    began = time.time()
    try:
        time.sleep(3 * INTERVAL)
        with outage(up):
            time.sleep(OUTAGE)
        ended = time.time()
        time.sleep(2 * INTERVAL)
    finally:
        up.on(BROKER, "touch", "/tmp/drill-stop")
        said, _ = writer.communicate(timeout=60)
    written = int(said)
    assert written > OUTAGE * 0.8, written

    # Metrics: what waited in the write-ahead log is sent, then every series has a sample for each scrape.
    until(
        "the newest sample is there", lambda: metrics(up, f'min(timestamp(up{{job="node"}})) > {ended:.0f}') != [], 120
    )
    until(
        "nothing waits any more",
        lambda: all(own_metric(up, host, "prometheus_remote_storage_samples_pending") < 1000 for host in HOSTS),
    )
    window = int(time.time() - began)
    for job in ("node", "alloy", "kafka", "kafka_lag"):
        longest = gaps(up, f'up{{job="{job}"}}[{window}s]')
        print(f"outage of {OUTAGE} s: longest time between two samples of {job}: {longest}", flush=True)
        assert longest and max(longest.values()) <= INTERVAL * 1.5, longest
    for host in HOSTS:
        for name in (
            "prometheus_remote_storage_samples_failed_total",
            "prometheus_remote_storage_samples_dropped_total",
        ):
            assert own_metric(up, host, name) == 0, (host, name)

    # Logs: a batch is tried again within a minute; each line once, in order, with level and trace id.
    def arrived() -> list[tuple[dict[str, str], str]]:
        return lines(up, '{job="kafka", host="local-kafka-1"} |= "drill line"', began - 60, limit=5000)

    until("every line is there", lambda: len(arrived()) >= written, 300)
    found = arrived()
    numbers = sorted(int(line.split("drill line ")[1].split()[0]) for _, line in found)
    assert numbers == list(range(written)), f"{written} written, {len(numbers)} arrived, {len(set(numbers))} different"
    labels = found[-1][0]
    assert labels["level"] == "warn" and len(labels["trace_id"]) == 32, labels
    assert own_metric(up, BROKER, "loki_write_dropped_entries_total") == 0
    print(f"outage of {OUTAGE} s: {written} lines written, {len(numbers)} arrived", flush=True)


def test_another_environment_restarts_it_and_another_file_does_not(up: Drill) -> None:
    before = process(up, OWNER)
    run = play(up, "--tags", "drill_alloy", "--limit", OWNER, "-e", "alloy_log_level=debug")
    assert run.code == 0 and process(up, OWNER) == before, run.output[-4000:]
    run = play(
        up,
        "--tags",
        "drill_alloy",
        "--limit",
        OWNER,
        "-e",
        json.dumps({"alloy_environment": {"DRILL": "a b"}}),
    )
    assert run.code == 0 and process(up, OWNER) != before, run.output[-4000:]


# -- Rules of the logs: no tool but Loki itself evaluates LogQL ----------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A line that fires an alert when it came often enough, and one that looks like it and does not."""

    labels: dict[str, str]
    line: str
    quiet_labels: dict[str, str]
    quiet_line: str
    #: How many of the line are one more than is allowed.
    times: int = 1


KAFKA, JOURNAL = {"job": "kafka"}, {"job": "journal"}
SSH, AGENT = {**JOURNAL, "unit": "ssh.service"}, {**JOURNAL, "unit": "alloy.service"}
CASES = {
    "KafkaLogFatal": Case(
        {**KAFKA, "level": "fatal"},
        "Exiting Kafka due to fatal exception",
        {**KAFKA, "level": "error"},
        "Exiting Kafka",
    ),
    "KafkaLogErrors": Case(
        {**KAFKA, "level": "error"},
        "Error for partition a-0",
        {**KAFKA, "level": "warn"},
        "Error for partition a-0",
        31,
    ),
    "KafkaLogOutOfMemory": Case(
        KAFKA, "java.lang.OutOfMemoryError: Java heap space", KAFKA, "-XX:+ExitOnOutOfMemoryError"
    ),
    "KafkaLogDirFailed": Case(
        KAFKA,
        "Stopping serving logs in dir /var/lib/kafka/data",
        KAFKA,
        "Stopping serving metrics in dir /var/lib/kafka",
    ),
    "KafkaLogCorrupt": Case(
        KAFKA, "Found a corrupted index file corresponding to log file", KAFKA, "Rebuilding an index file"
    ),
    "HostDiskErrors": Case(
        JOURNAL,
        "kernel: EXT4-fs error (device nvme1n1): ext4_find_entry",
        JOURNAL,
        "kernel: EXT4-fs (nvme1n1): mounted",
    ),
    "HostLoginsFail": Case(
        SSH,
        "Failed password for root from 10.0.0.9 port 4242 ssh2",
        SSH,
        "Accepted publickey for admin from 10.0.0.9",
        11,
    ),
    "AlloyLogErrors": Case(AGENT, 'level=error msg="non-recoverable error"', AGENT, 'level=warn msg="retrying"', 61),
}
ABSENT = {"LogsAbsent", "KafkaLogsAbsent"}


def log_rules() -> dict[str, str]:
    """By alert its expression."""
    return {rule.name: rule.expr for group in rules.load(PROJECT / "observability/loki-rules") for rule in group.rules}


def say(up: Drill, host: str, labels: dict[str, str], line: str, times: int) -> None:
    now = time.time_ns()
    stream = {**labels, "env": "local", "host": host}
    values = [[str(now - number * 1_000_000), line] for number in range(times)]
    status, text = request(
        f"{proxy(up)}/loki/api/v1/push",
        "POST",
        {**TENANT, "Content-Type": "application/json"},
        json.dumps({"streams": [{"stream": stream, "values": values}]}).encode(),
    )
    assert status == 204, (status, text)


def evaluated(up: Drill, expression: str, at: float) -> list[dict[str, str]]:
    """Labels of what a rule's expression finds at a time."""
    question = urllib.parse.urlencode({"query": expression, "time": f"{at:.0f}"})
    status, text = request(f"{proxy(up)}/loki/api/v1/query?{question}", headers=TENANT, timeout=60)
    assert status == 200, (expression, text)
    return [one["metric"] for one in json.loads(text)["data"]["result"]]


def test_every_rule_of_the_logs_has_its_case() -> None:
    assert set(log_rules()) == {*CASES, *ABSENT}


@pytest.mark.parametrize("alert", CASES)
def test_a_log_rule_fires_and_keeps_quiet(up: Drill, alert: str) -> None:
    """The same number of lines that look like it, and one line too few, are no alert."""
    case, name = CASES[alert], alert.lower()
    say(up, f"{name}-fires", case.labels, case.line, case.times)
    say(up, f"{name}-other", case.quiet_labels, case.quiet_line, case.times)
    if case.times > 1:
        say(up, f"{name}-few", case.labels, case.line, case.times - 1)

    def found() -> set[str]:
        return {one["host"] for one in evaluated(up, log_rules()[alert], time.time() + 1) if name in one["host"]}

    until(f"{alert} fires", lambda: found() == {f"{name}-fires"}, 30)


@pytest.mark.parametrize("alert", sorted(ABSENT))
def test_a_log_rule_sees_that_nothing_comes(up: Drill, alert: str) -> None:
    expression = log_rules()[alert]
    assert evaluated(up, expression, time.time()) == [], "the agents send"
    # Before there was anything.
    assert len(evaluated(up, expression, time.time() - 86400)) == 1


def test_lokis_ruler_takes_the_rules_and_fires(up: Drill) -> None:
    # The ruler took them when the estate came up; somebody deletes them.
    status, text = request(f"{proxy(up)}/loki/api/v1/rules/groundwork", "DELETE", TENANT)
    assert status == 202, (status, text)
    first = play(up, "--tags", "drill_rules")
    assert first.code == 0, first.output[-6000:]
    assert first.changed != {}
    again = play(up, "--tags", "drill_rules", "--diff")
    assert again.code == 0 and again.changed == {}, (again.changed, again.output[-4000:])

    def ruler() -> dict[str, dict[str, Any]]:
        # The state of Loki's rules has no path through the load balancer: nobody but this asks for it.
        status, text = request(f"http://10.{up.octet}.255.22:3100/prometheus/api/v1/rules", headers=TENANT)
        assert status == 200, text
        return {rule["name"]: rule for group in json.loads(text)["data"]["groups"] for rule in group["rules"]}

    until("Loki's ruler has every rule", lambda: set(ruler()) == set(log_rules()), 120)
    say(up, "ruler-fires", CASES["KafkaLogFatal"].labels, CASES["KafkaLogFatal"].line, 1)

    def firing() -> set[str]:
        return {one["labels"]["host"] for one in ruler()["KafkaLogFatal"]["alerts"] if one["state"] == "firing"}

    until("a line has fired its alert", lambda: "ruler-fires" in firing(), 120)
    assert {name: rule["lastError"] for name, rule in ruler().items() if rule.get("lastError")} == {}
