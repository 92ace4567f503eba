"""A real cluster for the modules: three combined nodes (a fourth on demand) as plain processes on loopback.

mTLS between the nodes, SASL_SSL with SCRAM-SHA-512 for clients, StandardAuthorizer: the security of the role, so that
modules are run with the arguments that they have in production. Everything lies in one folder below ``.groundwork``; what a
killed run left there is ended and removed first.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
from ansible.module_utils.testing import patch_module_args
from groundwork.estate import kafka_dist
from groundwork.kafka import certs, cluster, protocol, storage
from groundwork.kafka.client import Connection, KafkaProblem, admin

PROJECT = Path(__file__).resolve().parents[2]
WORK = PROJECT / ".groundwork" / "kafka-tests"
HEAP = "256m"
#: How much longer than on an idle machine something may take before it counts as not happening.
PATIENCE = 5
ORGANIZATION = "Groundwork tests"
RACKS = {1: "a", 2: "b", 3: "c", 4: "a"}

# The module's file finds the project's module_utils below Ansible's name, as Ansible's own wrapper lets it.
ansible.module_utils.__path__.append(str(PROJECT / "module_utils"))


@dataclass
class Answer:
    """What a module said: its whole result, or why it refused."""

    result: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        assert key in self.result, self.said or self.result
        return self.result[key]

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def said(self) -> str:
        return str(self.result.get("msg", ""))

    @property
    def changed(self) -> bool:
        assert not self.failed, self.said
        return bool(self.result["changed"])


@dataclass
class Node:
    id: int
    ports: dict[str, int]
    folder: Path
    directory_id: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def log_dirs(self) -> list[str]:
        return [str(self.folder / "data-1"), str(self.folder / "data-2")]

    @property
    def controller(self) -> str:
        return f"localhost:{self.ports['CONTROLLER']}"


@dataclass
class Cluster:
    libs: Path
    id: str
    nodes: dict[int, Node]
    ca: dict[str, str]
    #: Ports of the fourth node, which only some tests want.
    spare: dict[str, int]

    # ------------------------------------------------------------------------------------------------------ its life

    def prepare(self, node: Node) -> None:
        node.folder.mkdir(parents=True)
        key, request = certs.make_request(["localhost"], ["127.0.0.1"], ORGANIZATION, "kafka-node")
        signed = certs.sign_request(
            request,
            self.ca["certificate"],
            self.ca["private_key"],
            dns_names=["localhost"],
            addresses=["127.0.0.1"],
            days=2,
        )
        (node.folder / "keystore.pem").write_text(key + signed)
        (node.folder / "keystore.pem").chmod(0o600)
        (node.folder / "ca.crt").write_text(self.ca["certificate"])
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in node.ports.items())
        properties = {
            "process.roles": "broker,controller",
            "node.id": node.id,
            "broker.rack": RACKS[node.id],
            "controller.quorum.bootstrap.servers": ",".join(one.controller for one in self.nodes.values()),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:SSL,INTERNAL:SSL,CLIENT:SASL_SSL",
            "inter.broker.listener.name": "INTERNAL",
            "listeners": listeners,
            "advertised.listeners": listeners.replace("127.0.0.1", "localhost"),
            "log.dirs": ",".join(node.log_dirs),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": node.folder / "keystore.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": node.folder / "ca.crt",
            "listener.name.controller.ssl.client.auth": "required",
            "listener.name.internal.ssl.client.auth": "required",
            "listener.name.client.ssl.client.auth": "none",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.principal.mapping.rules": f"RULE:^CN=[^,]+,OU=kafka-node,O={ORGANIZATION}$/kafka-node/,DEFAULT",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:kafka-node",
            "default.replication.factor": 3,
            "min.insync.replicas": 2,
            "offsets.topic.replication.factor": 3,
            "offsets.topic.num.partitions": 3,
            "auto.create.topics.enable": "false",
            # Leaders stay where a test puts them.
            "auto.leader.rebalance.enable": "false",
            "broker.session.timeout.ms": 12000,
            # A machine under load answers late: that is no reason for an election.
            "controller.quorum.fetch.timeout.ms": 6000,
            "controller.quorum.election.timeout.ms": 3000,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 8_388_608,
        }
        (node.folder / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def format(self, node: Node, first: list[Node]) -> None:
        """Format as the role does; without ``first`` the node joins as an observer."""
        initial = ",".join(f"{one.id}@{one.controller}:{one.directory_id}" for one in first)
        command = storage.format_command(
            "java",
            str(self.libs),
            str(node.folder / "server.properties"),
            self.id,
            initial_controllers=initial,
            log4j2=str(self.libs.parent / "config" / "tools-log4j2.yaml"),
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        meta = (Path(node.log_dirs[0]) / "meta.properties").read_text()
        node.directory_id = storage.parse_properties(meta)["directory.id"]

    def start(self, *ids: int) -> None:
        for id_ in ids:
            node = self.nodes[id_]
            log4j2 = f"-Dlog4j2.configurationFile={self.libs.parent}/config/tools-log4j2.yaml"
            command = ["java", f"-Xms{HEAP}", f"-Xmx{HEAP}", "-XX:+UseSerialGC", log4j2]
            command += ["-cp", f"{self.libs}/*", "kafka.Kafka", str(node.folder / "server.properties")]
            with (node.folder / "console.log").open("ab") as console:
                node.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
                )
            (node.folder / "pid").write_text(str(node.process.pid))

    def kill(self, id_: int) -> None:
        """As a power cut: nothing is handed over."""
        process = self.nodes[id_].process
        assert process is not None
        process.kill()
        process.wait(timeout=30)

    def alive(self) -> list[int]:
        return [node.id for node in self.nodes.values() if node.process is not None and node.process.poll() is None]

    def connection(self, timeout: float = 60.0) -> Connection:
        node = self.nodes[1]
        return Connection(
            tuple(self.servers()), str(node.folder / "ca.crt"), str(node.folder / "keystore.pem"), timeout=timeout
        )

    def clients(self, username: str, password: str) -> Connection:
        """A user's connection to the CLIENT listener."""
        return Connection(
            tuple(self.servers("CLIENT")),
            str(self.nodes[1].folder / "ca.crt"),
            security_protocol="SASL_SSL",
            timeout=60.0,
            username=username,
            password=password,
        )

    def servers(self, listener: str = "INTERNAL") -> list[str]:
        return [f"localhost:{self.nodes[id_].ports[listener]}" for id_ in self.alive()]

    @contextlib.contextmanager
    def admin(self) -> Iterator[Any]:
        with admin(self.connection()) as client:
            yield client

    def state(self) -> dict[str, Any]:
        return cluster.info(self.connection(), cluster.Expected())

    def healthy(self, brokers: int, seconds: float = 120.0) -> dict[str, Any]:
        """Wait until so many brokers are in service and nothing is amiss."""

        def so() -> dict[str, Any] | None:
            state = self.state()
            serving = [one for one in state["brokers"] if not one["fenced"]]
            return state if state["healthy"] and len(serving) == brokers else None

        return wait_for(so, seconds, f"{brokers} healthy brokers")

    # ---------------------------------------------------------------------------------------------- modules and load

    def run(self, module: str, check: bool = False, **params: Any) -> Answer:
        """Run a module's file with these arguments and the cluster's connection."""
        node = self.nodes[1]
        arguments = {
            "bootstrap_servers": self.servers(),
            "ca_file": str(node.folder / "ca.crt"),
            "certificate_file": str(node.folder / "keystore.pem"),
            "timeout": 60,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(WORK),
            **params,
        }
        said = io.StringIO()
        # What Ansible does in a process of its own is done here: arguments in, JSON out, and an exit at the end.
        with patch_module_args(arguments), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            runpy.run_path(str(PROJECT / "library" / f"{module}.py"), run_name="__main__")
        return Answer(json.loads(said.getvalue()))

    def twice(self, module: str, **params: Any) -> Answer:
        """What every module owes: check mode says what the run then does, and a second run changes nothing."""
        predicted = self.run(module, check=True, **params)
        done = self.run(module, **params)
        assert (predicted.changed, predicted["diff"]) == (done.changed, done["diff"]), (
            predicted.result,
            done.result,
        )
        again = self.run(module, **params)
        assert not again.changed, again.result
        return done

    def topic(self, name: str, replicas: list[list[int]], **config: str) -> None:
        """A topic with exactly these replicas, ready for use."""
        with self.admin() as client:
            client.create_topics(
                {
                    name: {
                        "assignments": dict(enumerate(replicas)),
                        "configs": {key.replace("_", "."): value for key, value in config.items()},
                    }
                }
            )
            client.wait_for_topics([name], timeout_ms=60_000)
            # A module that is run next asks any broker.
            protocol.settled_everywhere(client, lambda: name in client.list_topics(), 60)

    def drop(self, *names: str) -> None:
        with self.admin() as client:
            there = set(client.list_topics())
            if gone := [name for name in names if name in there]:
                client.delete_topics(gone)
                protocol.settled_everywhere(client, lambda: not set(gone) & set(client.list_topics()), 60)

    def produce(self, topic: str, records: int, size: int = 100, partition: int = 0, acks: str | int = "all") -> int:
        """Write records over the nodes' listener; returns the offset of the last."""
        from kafka import KafkaProducer

        producer = KafkaProducer(**self.connection().settings(), acks=acks, compression_type=None, max_block_ms=60_000)
        try:
            sent = [producer.send(topic, b"x" * size, partition=partition) for _ in range(records)]
            producer.flush(timeout=120)
            return max(one.get(timeout=60).offset for one in sent)
        finally:
            producer.close(timeout=10)

    def replicas(self, topic: str) -> list[list[int]]:
        with self.admin() as client:
            (found,) = client.describe_topics([topic])
        return [
            list(part["replica_nodes"]) for part in sorted(found["partitions"], key=lambda one: one["partition_index"])
        ]

    def leaders(self, topic: str) -> list[int]:
        with self.admin() as client:
            (found,) = client.describe_topics([topic])
        return [part["leader_id"] for part in sorted(found["partitions"], key=lambda one: one["partition_index"])]


def wait_for(so: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds * PATIENCE
    last: object = None
    while time.monotonic() < deadline:
        try:
            if answer := so():
                return answer
        except KafkaProblem as problem:
            last = problem
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {what} ({last})")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those that the system gives to clients: a client's own port may become a node's."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for port in range(20_000, 30_000):
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError(f"no {count} free ports on loopback")


def remove_leftovers() -> None:
    """End what a killed run left running, by the process ids it wrote and only while they are still those brokers."""
    for record in WORK.glob("*/pid"):
        command = Path(f"/proc/{record.read_text().strip()}/cmdline")
        with contextlib.suppress(OSError):
            if str(record.parent / "server.properties").encode() in command.read_bytes():
                os.kill(int(record.read_text()), signal.SIGKILL)
    shutil.rmtree(WORK, ignore_errors=True)


def built_archive() -> Path:
    archive = kafka_dist.cache_dir() / f"kafka_{kafka_dist.SCALA}-{kafka_dist.KAFKA_VERSION}.tgz"
    assert kafka_dist.is_complete(archive), f"{archive} is not there: python -m groundwork.estate.kafka_dist builds it"
    return archive


@pytest.fixture(scope="session")
def kafka() -> Iterator[Cluster]:
    remove_leftovers()
    WORK.mkdir(parents=True)
    with tarfile.open(built_archive()) as archive:
        archive.extractall(WORK / "dist", filter="data")
    (libs,) = (WORK / "dist").glob("*/libs")
    ports = free_ports(3 * len(RACKS))
    names = ("CONTROLLER", "INTERNAL", "CLIENT")
    nodes = {
        id_: Node(
            id_,
            dict(zip(names, ports[3 * index : 3 * index + 3], strict=True)),
            WORK / f"node-{id_}",
            storage.random_uuid(),
        )
        for index, id_ in enumerate((1, 2, 3))
    }
    spare = dict(zip(names, ports[9:], strict=True))
    made = Cluster(libs, storage.random_uuid(), nodes, certs.make_ca("tests", ORGANIZATION, 2), spare)
    try:
        for node in nodes.values():
            made.prepare(node)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda node: made.format(node, list(nodes.values())), nodes.values()))
        made.start(1, 2, 3)
        made.healthy(3)
        yield made
    finally:
        for id_ in made.alive():
            made.kill(id_)
        shutil.rmtree(WORK, ignore_errors=True)
