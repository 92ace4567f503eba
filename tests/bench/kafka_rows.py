"""The rows about Kafka of `make bench`, on an estate that stands: the project's way beside the command line's, in one run.

    GROUNDWORK_ESTATE=… GROUNDWORK_ESTATE_OCTET=… python tests/bench/kafka_rows.py [state] [objects] [noop] [restart]

The tools of the archive are called as its scripts call them (one JVM a question), on the node that the module runs on.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "module_utils")]

from drills.harness import NODES, PYTHON, Job, services, sum_of_parts, until_whole, worked_on  # noqa: E402
from estate.conftest import Estate  # noqa: E402

OBJECTS = 300
#: How many the loops over the command line are measured on; the rest is extrapolated.
MEASURED = 10
SERVERS = [f"kafka-{number}.local.internal:9092" for number in (1, 2, 3)]
WITH = f"--bootstrap-server {','.join(SERVERS)} --command-config /tmp/bench/node.properties"
# The options of bin/kafka-run-class.sh.
JAVA = (
    "java -Xmx256M -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 "
    '-XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -cp "/opt/kafka/current/libs/*"'
)
TOOLS = (
    f"{JAVA} org.apache.kafka.tools.TopicCommand {WITH} --describe",
    f"{JAVA} org.apache.kafka.tools.MetadataQuorumCommand {WITH} describe --replication",
    f"{JAVA} org.apache.kafka.tools.LogDirsCommand {WITH} --describe",
    f"{JAVA} org.apache.kafka.tools.FeatureCommand {WITH} describe",
)
STATE = """
import sys; sys.path.insert(0, "/tmp/bench")
from groundwork.kafka import cluster
from groundwork.kafka.client import Connection
state = cluster.info(Connection(tuple(SERVERS), "/etc/kafka/tls/ca.crt", "/etc/kafka/tls/keystore.pem"), cluster.Expected())
assert state["brokers"] and state["partitions"], state
"""


def prepare(estate: Estate) -> None:
    """The module's code and the tools' configuration on the first node."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(PROJECT / "module_utils/groundwork/kafka", "groundwork/kafka")
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        file.write(archive.getvalue())
        file.flush()
        estate.podman("cp", file.name, f"{estate.container(NODES[0])}:/tmp/bench.tar")
    settings = (
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=/etc/kafka/tls/ca.crt\n"
        "ssl.keystore.type=PEM\nssl.keystore.location=/etc/kafka/tls/keystore.pem\n"
    )
    estate.on(
        NODES[0], "sh", "-c",
        "mkdir -p /tmp/bench/groundwork && tar -xf /tmp/bench.tar -C /tmp/bench && cat > /tmp/bench/node.properties",
        stdin=settings,
    )  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def shell(estate: Estate, *commands: str) -> None:
    estate.on(NODES[0], "sh", "-euc", "\n".join(f"{command} >/dev/null" for command in commands))


def state_row(estate: Estate) -> str:
    script = STATE.replace("SERVERS", repr(SERVERS))
    ours = statistics.median(seconds(lambda: estate.on(NODES[0], PYTHON, "-c", script)) for _ in range(5))
    tools = statistics.median(seconds(lambda: shell(estate, *TOOLS)) for _ in range(3))
    return (
        f"cluster state: one call {ours:.2f} s (interpreter and connection included), the archive's 4 tools {tools:.1f} s: "
        f"{tools / ours:.1f} times faster (to reach: 15)"
    )


def objects_row(estate: Estate) -> str:
    def ours() -> None:
        run = estate.play(
            "-e", f"bench_objects={OBJECTS}", playbook="tests/bench/kafka_objects.yml", inventory=INVENTORY
        )
        assert run.code == 0, run.output[-4000:]

    def loop(kind: str) -> Callable[[], None]:
        commands = []
        for number in range(MEASURED):
            name = f"bench.{kind}.{number}"
            commands += [
                f"{JAVA} org.apache.kafka.tools.TopicCommand {WITH} --create --if-not-exists --topic {name} --partitions 1 "
                "--replication-factor 1 --config min.insync.replicas=1",
                f"{JAVA} org.apache.kafka.tools.AclCommand {WITH} --add --allow-principal User:bench --operation Read --topic {name}",
            ]
        return lambda: shell(estate, *commands)

    ours_new, tools_new = seconds(ours), seconds(loop("cli")) * OBJECTS / MEASURED
    ours_again, tools_again = seconds(ours), seconds(loop("cli")) * OBJECTS / MEASURED
    return "\n".join(
        f"{OBJECTS} topics and {OBJECTS} ACLs {what}: {mine:.1f} s (whole ansible-playbook), a loop over kafka-topics and kafka-acls {theirs:.0f} s "
        f"(measured on {MEASURED}, extrapolated): {theirs / mine:.0f} times faster (to reach: 100)"
        for what, mine, theirs in (("from nothing", ours_new, tools_new), ("as a no-op", ours_again, tools_again))
    )


def noop_row(estate: Estate) -> str:
    def run() -> None:
        done = estate.play(playbook="playbooks/kafka.yml", inventory=INVENTORY)
        assert done.code == 0, done.output[-4000:]
        assert done.changed == {}, done.changed

    taken = seconds(run)
    return f"the role with nothing to do: {taken:.1f} s over {len(NODES)} hosts, {taken / len(NODES):.1f} s a host (to reach: 6)"


def restart_row(estate: Estate) -> str:
    until_whole(estate)
    samplers = {
        host: Job(estate, host, "sample", {"bootstrap_servers": SERVERS, "interval": 0.3, "seconds": 900})
        for host in NODES[:2]
    }
    before = services(estate)
    try:
        began = time.monotonic()
        run = estate.play(playbook="playbooks/breakglass/kafka_restart.yml", inventory=INVENTORY)
        whole = time.monotonic() - began
        assert run.code == 0, run.output[-4000:]
        samples = {host: job.end({}) for host, job in samplers.items()}
    finally:
        for job in samplers.values():
            job.drop()
    after = services(estate)
    parts = sum_of_parts(after, samples, worked_on(before, after))
    return (
        f"rolling restart of {len(NODES)} nodes: {whole:.1f} s whole, {parts:.1f} s from each stop until nothing was missing any more; "
        f"{whole / parts:.2f} (to reach: at most 1.3)"
    )


ROWS = {"state": state_row, "noop": noop_row, "restart": restart_row, "objects": objects_row}
INVENTORY = os.environ.get("GROUNDWORK_INVENTORY", "inventories/local")


def rows(name: str, octet: int, wanted: list[str] | None = None) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        estate = Estate(name, octet, Path(folder))
        prepare(estate)
        return [ROWS[row](estate) for row in wanted or ROWS]


if __name__ == "__main__":
    told = rows(os.environ["GROUNDWORK_ESTATE"], int(os.environ["GROUNDWORK_ESTATE_OCTET"]), sys.argv[1:])
    print("\n".join(told))
