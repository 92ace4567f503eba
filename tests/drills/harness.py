"""What drills and tests of maintenance share: a load around an action, runs that are killed, faults that are really made."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estate.conftest import Estate, Run

PROJECT = Path(__file__).resolve().parents[2]
PYTHON = "/opt/groundwork/venv/bin/python"
GENERATOR = "/root/groundwork-load.py"
OPS = "local-ops-1"
NODES = ("local-kafka-1", "local-kafka-2", "local-kafka-3")
TOPIC = "fileflow.uploaded.v1"
#: Stalls that a service may see while a node is worked on, in milliseconds.
P999, LONGEST = 2000, 5000


# -- The load ------------------------------------------------------------------------------------------------------


class Job:
    """The generator inside a container. It ends with the one who started it: its standard input is ours."""

    def __init__(self, estate: Estate, host: str, kind: str, job: dict[str, Any]) -> None:
        self.what = f"{kind} on {host}"
        source = (PROJECT / "tests/drills/load.py").read_text()
        estate.on(host, "sh", "-c", f"cat > {GENERATOR}", stdin=source)
        self.process = subprocess.Popen(
            ["podman", "exec", "-i", estate.container(host), PYTHON, GENERATOR, kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.say(job)
        assert self.process.stdout
        # It speaks when it is at work; when it cannot be, it says why and ends.
        if not self.process.stdout.readline():
            raise AssertionError(f"{self.what} did not start: {self.process.communicate()[1][-3000:]}")

    def say(self, line: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def end(self, last: dict[str, Any]) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):
            self.say(last)
        out, faults = self.process.communicate(timeout=420)
        assert self.process.returncode == 0, f"{self.what} failed: {faults[-3000:]}"
        return dict(json.loads(out.splitlines()[-1]))

    def drop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def login(estate: Estate, service: str) -> dict[str, str]:
    text = estate.aws("secretsmanager").get_secret_value(SecretId=f"local-{service}-kafka")["SecretString"]
    return {key: json.loads(text)[key] for key in ("username", "password", "bootstrap_servers")}


def authority(estate: Estate) -> str:
    """The CAs that a service is to trust: while the CA is changed, the next or the one before too."""
    text = estate.aws("secretsmanager").get_secret_value(SecretId="local-kafka-ca")["SecretString"]
    known = json.loads(text)
    return "\n".join(
        known[key] for key in ("certificate", "next_certificate", "previous_certificate") if known.get(key)
    )


@dataclass
class Observed:
    """What the load and the samplers saw, once the block that they surround is over."""

    load: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    def told(self, name: str) -> str:
        load = self.load
        unanswered = sum(one["unanswered"] for one in self.samples.values())
        return (
            f"{name}: {self.seconds:.0f} s; acknowledged {load['acknowledged']}, lost {load['lost']}, duplicated {load['duplicated']}, "
            f"reordered {load['reordered']}, not seen by the group {load['unseen_by_the_group']}; produce stall ms {load['stall_ms']}; "
            f"partitions below min ISR {sum(one['below_min_isr'] for one in self.samples.values())} in "
            f"{sum(one['samples'] for one in self.samples.values())} samples ({unanswered} unanswered); complaints {load['complaints']}"
        )

    def assert_nothing_lost(self) -> None:
        """Every acknowledged record is there exactly once and in order per partition, and the group has seen it."""
        wrong = {
            key: self.load[key]
            for key in ("lost", "duplicated", "reordered", "unseen_by_the_group", "at_another_offset")
        }
        assert self.load["acknowledged"] > 100, self.load
        assert not any(wrong.values()), (wrong, self.load)

    def assert_unnoticed(self) -> None:
        """What planned work must look like to a service: nothing lost, no refusal, always enough replicas, no long stall."""
        self.assert_nothing_lost()
        assert self.load["failures"] == {}, self.load
        for host, sample in self.samples.items():
            assert sample["samples"] > 5, (host, sample)
            assert sample["below_min_isr"] == 0, (host, sample)
        refused = [name for name in self.load["complaints"] if "Authentication" in name or "NotEnoughReplicas" in name]
        assert refused == [], self.load["first_complaints"]
        stall = self.load["stall_ms"]
        assert stall["p99.9"] <= P999 and stall["max"] <= LONGEST, (stall, self.load["worst"])


@contextlib.contextmanager
def under_load(estate: Estate, name: str, *, samplers: tuple[str, ...] = NODES[:2], per_second: int = 40,
               seconds: int = 1800, topic: str = TOPIC) -> Iterator[Observed]:  # fmt: skip
    """A load from before to after the block. ``samplers``: nodes whose containers the block leaves in place."""
    observed = Observed()
    servers = [f"kafka-{number}.local.internal:9092" for number in (1, 2, 3)]
    jobs: dict[str, Job] = {}
    try:
        for host in samplers:
            jobs[host] = Job(
                estate, host, "sample", {"bootstrap_servers": servers, "interval": 0.4, "seconds": seconds}
            )
        main = jobs[OPS] = Job(
            estate, OPS, "load",
            {
                "topic": topic, "group": "crawler", "writer": login(estate, "fileflow"), "reader": login(estate, "crawler"),
                "ca": authority(estate), "producers": 2, "consumers": 2, "per_second": per_second, "bytes": 200, "seconds": seconds,
            },
        )  # fmt: skip
        began = time.monotonic()
        yield observed
        observed.seconds = time.monotonic() - began
        # A little more than the work took: what breaks late is seen too.
        time.sleep(3)
        observed.load = main.end({"reader": login(estate, "crawler"), "ca": authority(estate)})
        observed.samples = {host: jobs[host].end({}) for host in samplers}
        print(observed.told(name), flush=True)
    finally:
        for job in jobs.values():
            job.drop()


#: Whether leaders have to be brought back depends on whom the cluster elects while replicas move.
UNKNOWN_BEFORE = ("kafka_maintenance : Bring preferred leaders back",)


def assert_predicted(predicted: Run, run: Run) -> None:
    """Check mode said which tasks change something on which hosts, and so it came."""
    said, came = (
        {task: hosts for task, hosts in one.changed.items() if task not in UNKNOWN_BEFORE} for one in (predicted, run)
    )
    unforeseen = {task: hosts for task, hosts in came.items() if said.get(task) != hosts}
    missing = {task: hosts for task, hosts in said.items() if came.get(task) != hosts}
    told = [line for task in {*unforeseen, *missing} for line in _about(predicted.output, task)]
    assert came == said, (
        f"came and was said otherwise: {unforeseen}; was said and came otherwise: {missing}; check mode had:\n"
        + "\n".join(told)
    )


def _about(output: str, task: str) -> list[str]:
    """What a run printed below a task, each time."""
    return [
        f"TASK {block.split(' ****', 1)[0]}: {' | '.join(line for line in block.splitlines()[1:12] if line.strip())}"
        for block in output.split("\nTASK ")
        if block.startswith(f"[{task}]")
    ]


# -- Runs that are killed ------------------------------------------------------------------------------------------


class Started:
    """A playbook that runs in a process group of its own; its output is watched while it runs."""

    def __init__(
        self, estate: Estate, arguments: list[str], log: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["ansible-playbook", *arguments], cwd=PROJECT, env={**estate.environment, **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, times: int = 1, timeout: float = 600) -> bool:
        """Until the output has matched often enough; False when the run ended before it."""
        deadline = time.monotonic() + timeout
        while len(re.findall(pattern, self.output)) < times:
            if self.process.poll() is not None:
                return len(re.findall(pattern, self.output)) >= times
            assert time.monotonic() < deadline, f"{pattern} did not come within {timeout:.0f} s:\n{self.output[-4000:]}"
            time.sleep(0.1)
        return True

    def kill(self) -> None:
        """The whole group at once, as when the machine of the operator goes away."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def finish(self, timeout: float = 1200) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def killed_at(estate: Estate, arguments: list[str], pattern: str, times: int, log: Path) -> bool:
    """Start, and kill when the step is seen. False: it ended before that step, so there was nothing left to kill."""
    run = Started(estate, arguments, log)
    try:
        seen = run.wait_for(pattern, times)
        return seen and run.process.poll() is None
    finally:
        run.kill()


# -- The cluster, and what can be wrong with it --------------------------------------------------------------------

CLIENT = """
import json, ssl, sys
from kafka import KafkaAdminClient
from kafka.admin import *
context = ssl.create_default_context(cafile="/etc/kafka/tls/ca.crt")
context.load_cert_chain("/etc/kafka/tls/keystore.pem")
admin = KafkaAdminClient(bootstrap_servers=[f"kafka-{i}.local.internal:9092" for i in (1, 2, 3)],
    security_protocol="SSL", ssl_context=context, request_timeout_ms=20000)
"""


def ask(estate: Estate, script: str, host: str = NODES[0], seconds: int = 15) -> Any:
    """What a script prints as JSON that has an admin client `admin`, on a node, with its certificate."""
    # A broker that hangs holds whoever shakes hands with it (124); asked again, another one answers.
    again = (
        f"cat > /tmp/ask.py; for i in 1 2 3 4 5 6; do timeout {seconds} {PYTHON} /tmp/ask.py; code=$?; "
        "[ $code = 124 ] || exit $code; done; exit 124"
    )
    return json.loads(estate.on(host, "sh", "-c", again, stdin=CLIENT + script) or "null")


def state(estate: Estate, host: str = NODES[0]) -> dict[str, Any]:
    """Active controller, and by partition its leader, replicas and replicas in sync."""
    return dict(
        ask(
            estate,
            """
quorum = admin.describe_metadata_quorum()["topics"][0]["partitions"][0]
print(json.dumps({
    "controller": quorum["leader_id"],
    "voters": sorted(voter["replica_id"] for voter in quorum["current_voters"]),
    "brokers": sorted(b["broker_id"] for b in admin.describe_cluster()["brokers"]),
    "partitions": {f"{t['name']}-{p['partition_index']}": {"leader": p["leader_id"], "replicas": p["replica_nodes"], "isr": p["isr_nodes"]}
                   for t in admin.describe_topics(None) for p in t["partitions"]}}))
""",
            host,
        )
    )


def orders(estate: Estate) -> dict[str, list[int]]:
    """By partition its replicas in their order, the preferred leader first."""
    return {name: part["replicas"] for name, part in state(estate)["partitions"].items()}


def not_in_sync(estate: Estate, host: str = NODES[0]) -> list[str]:
    parts = state(estate, host)["partitions"]
    return sorted(name for name, part in parts.items() if len(part["isr"]) < len(part["replicas"]))


def until(what: str, holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except (AssertionError, ValueError):
            # The cluster does not answer yet.
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(1)


def until_whole(estate: Estate, host: str = NODES[0]) -> None:
    until("every replica in sync", lambda: not not_in_sync(estate, host))


@contextlib.contextmanager
def stopped(estate: Estate, host: str) -> Iterator[None]:
    """A broker that is down and stays down."""
    estate.on(host, "systemctl", "stop", "kafka")
    try:
        yield
    finally:
        estate.on(host, "systemctl", "start", "kafka")


@contextlib.contextmanager
def frozen(estate: Estate, host: str) -> Iterator[None]:
    """A process that is there and does nothing: what a hung disk or a long pause looks like from outside."""
    estate.on(host, "systemctl", "kill", "--signal=STOP", "kafka")
    try:
        yield
    finally:
        estate.on(host, "systemctl", "kill", "--signal=CONT", "kafka")


@contextlib.contextmanager
def min_isr(estate: Estate, topic: str, wanted: int) -> Iterator[None]:
    """A topic that wants more replicas in sync than its partitions have."""
    script = """
resource = ConfigResource(ConfigResourceType.TOPIC, NAME, configs={"min.insync.replicas": WANTED})
admin.alter_configs([resource])
"""

    def put(value: int) -> None:
        ask(estate, script.replace("NAME", repr(topic)).replace("WANTED", repr(str(value))))

    put(wanted)
    try:
        yield
    finally:
        put(2)


def crash(estate: Estate, host: str) -> None:
    """kill -9; systemd starts it again after its RestartSec."""
    estate.on(host, "systemctl", "kill", "--signal=KILL", "kafka")


FILL = """
from kafka import KafkaProducer
ssl_settings = dict(security_protocol="SSL", ssl_context=context)
admin.create_topics({"drill.recovery": {"num_partitions": 1, "replication_factor": 3}})
producer = KafkaProducer(bootstrap_servers=["kafka-1.local.internal:9092"], acks="all", max_request_size=1048576, **ssl_settings)
for _ in range(300):
    producer.send("drill.recovery", bytes(900_000))
producer.flush(timeout=300)
producer.close()
"""


@contextlib.contextmanager
def held_in_recovery(estate: Estate, host: str) -> Iterator[None]:
    """A broker that was killed, has much to recover, and is stopped in the middle of it."""
    ask(estate, FILL, seconds=300)
    estate.on(host, "sh", "-c", "wc -l < /var/log/kafka/server.log > /tmp/lines")
    crash(estate, host)
    try:
        estate.on(
            host, "timeout", "120", "bash", "-c",
            "until tail -n +$(cat /tmp/lines) /var/log/kafka/server.log | grep -q 'Recovering unflushed segment'; do sleep 0.02; done; "
            "systemctl kill --signal=STOP kafka",
        )  # fmt: skip
        # It could also have been done already: then this would be no recovery.
        later = estate.on(host, "sh", "-c", "tail -n +$(cat /tmp/lines) /var/log/kafka/server.log")
        assert "Kafka Server started" not in later
        yield
    finally:
        estate.on(host, "systemctl", "kill", "--signal=CONT", "kafka")
        until_whole(estate)
        ask(estate, 'admin.delete_topics(["drill.recovery"])')


class LateCrash(threading.Thread):
    """Kills a broker as soon as a step is seen in a run's output."""

    def __init__(self, estate: Estate, run: Started, pattern: str, host: str) -> None:
        super().__init__(daemon=True)
        self.estate, self.started_run, self.pattern, self.host = estate, run, pattern, host
        self.happened = False

    def run(self) -> None:
        if self.started_run.wait_for(self.pattern):
            crash(self.estate, self.host)
            self.happened = True


def broker_dies(estate: Estate, command: list[str], step: str, victim: str, log: Path) -> None:
    """A run in whose middle a broker is killed. It ends well, or does when it is run again."""
    run = Started(estate, command, log)
    crash = LateCrash(estate, run, step, victim)
    crash.start()
    code = run.finish()
    crash.join(timeout=10)
    assert crash.happened, run.output[-4000:]
    until_whole(estate)
    if code != 0:
        again = Started(estate, command, log.with_suffix(".again"))
        assert again.finish() == 0, again.output[-8000:]


def killed_then_broker_dies(
    estate: Estate, command: list[str], points: tuple[str, ...], dies: tuple[str, str], folder: Path
) -> None:
    """Killed at each point, one run after the other; in the run that goes on a broker dies: ``dies`` names the step and the node."""
    for number, point in enumerate(points):
        log = folder / f"{number}.log"
        assert killed_at(estate, command, point, 1, log), f"{point}: {log.read_text()[-4000:]}"
    broker_dies(estate, command, *dies, folder / "last.log")


def services(estate: Estate, hosts: tuple[str, ...] = NODES) -> dict[str, dict[str, float]]:
    """By node: process, and when its last stop began and its last start was done, in seconds of this machine's clock."""
    shown = {}
    for host in hosts:
        text = estate.on(
            host,
            "systemctl",
            "show",
            "--timestamp=unix",
            "-p",
            "MainPID,ActiveExitTimestamp,ActiveEnterTimestamp",
            "kafka",
        )
        values = dict(line.split("=", 1) for line in text.splitlines())
        shown[host] = {key: float(value.lstrip("@") or 0) for key, value in values.items()}
    return shown


def pids(estate: Estate, hosts: tuple[str, ...] = NODES) -> dict[str, float]:
    return {host: values["MainPID"] for host, values in services(estate, hosts).items()}


def node_id(host: str) -> int:
    return int(host.rsplit("-", 1)[1])


def worked_on(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> list[str]:
    """The nodes that were restarted, in the order in which they were stopped."""
    again = [host for host in after if after[host]["MainPID"] != before[host]["MainPID"]]
    return sorted(again, key=lambda host: after[host]["ActiveExitTimestamp"])


def sum_of_parts(after: dict[str, dict[str, float]], samples: dict[str, dict[str, Any]], order: list[str]) -> float:
    """Seconds from the stop of each node until no replica was missing any more, added up."""
    ends = sorted(end for one in samples.values() for _, end in one["replicas_missing"])
    total = 0.0
    for place, host in enumerate(order):
        begin = after[host]["ActiveExitTimestamp"]
        limit = after[order[place + 1]]["ActiveExitTimestamp"] if place + 1 < len(order) else float("inf")
        # The last time within this node's turn at which a sampler saw everything in sync again.
        within = [end for end in ends if begin < end < limit + 1]
        total += max([*within, after[host]["ActiveEnterTimestamp"]]) - begin
    return total
