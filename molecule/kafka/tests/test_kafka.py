"""The scenario's cluster, asked from its nodes."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra

PYTHON = "/opt/groundwork/venv/bin/python"
NODES = [f"kafka-{i}.local.internal" for i in (1, 2, 3)]
# Straight into the containers, one process a question; the wrapper beside this Python knows where they are stored.
os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
testinfra_hosts = [f"podman://groundwork-molecule-kafka-local-kafka-{i}" for i in (1, 2, 3)]


@pytest.fixture(scope="module")
def node_id(host: Any) -> int:
    return int(host.check_output("hostname").rsplit("-", 1)[1])


@pytest.fixture(scope="module")
def private_ip(node_id: int) -> str:
    return f"10.221.16.{10 + node_id}"


@pytest.fixture(scope="module")
def meta(host: Any) -> dict[str, str]:
    text = host.file("/var/lib/kafka/data/meta.properties").content_string
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def test_service_runs_and_is_enabled(host: Any) -> None:
    assert host.service("kafka").is_running
    assert host.service("kafka").is_enabled


def test_unit_is_hardened(host: Any) -> None:
    shown = host.run(
        "systemctl show kafka -p User,NoNewPrivileges,ProtectSystem,PrivateTmp,CapabilityBoundingSet,TimeoutStopUSec,LimitNOFILE"
    ).stdout
    values = dict(line.split("=", 1) for line in shown.splitlines())
    assert values == {
        "User": "kafka",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
        "TimeoutStopUSec": "5min",
        "LimitNOFILE": "16384",
    }


def test_process_runs_as_kafka_with_its_limits(host: Any) -> None:
    process = host.process.get(comm="java")
    assert process.user == "kafka"
    assert "Max open files            16384" in host.file(f"/proc/{process.pid}/limits").content_string
    assert "NoNewPrivs:\t1" in host.file(f"/proc/{process.pid}/status").content_string


@pytest.mark.parametrize(
    ("path", "user", "group", "mode"),
    [
        ("/etc/kafka/tls/keystore.pem", "root", "kafka", 0o640),
        ("/etc/kafka/tls/ca.crt", "root", "kafka", 0o644),
        ("/etc/kafka/tls", "root", "kafka", 0o750),
        ("/etc/kafka/server.properties", "root", "kafka", 0o640),
        ("/etc/kafka/identity.json", "root", "root", 0o644),
        ("/var/lib/kafka/data", "kafka", "kafka", 0o750),
        ("/opt/kafka/current/libs", "root", "root", 0o755),
    ],
)
def test_files(host: Any, path: str, user: str, group: str, mode: int) -> None:
    found = host.file(path)
    assert (found.user, found.group, found.mode) == (user, group, mode)


def test_no_key_is_left_over(host: Any) -> None:
    assert sorted(host.file("/etc/kafka/tls").listdir()) == ["ca.crt", "keystore.pem"]


def test_certificate_names_the_node(host: Any, node_id: int, private_ip: str) -> None:
    text = host.check_output("openssl x509 -in /etc/kafka/tls/keystore.pem -noout -subject -ext subjectAltName")
    assert f"CN = kafka-{node_id}.local.internal" in text
    assert "OU = kafka-node" in text
    assert f"DNS:kafka-{node_id}.local.internal, IP Address:{private_ip}" in text


def test_quorum_is_dynamic(host: Any) -> None:
    properties = host.file("/etc/kafka/server.properties").content_string
    assert "controller.quorum.voters" not in properties
    assert "controller.quorum.bootstrap.servers=" in properties


def test_identity_is_what_the_disk_says(host: Any, meta: dict[str, str], node_id: int) -> None:
    identity = json.loads(host.file("/etc/kafka/identity.json").content_string)
    assert meta["node.id"] == str(node_id)
    paths = ["/var/lib/kafka/data", *(["/var/lib/kafka/data2"] if node_id == 3 else [])]
    on_disk = {path: host.check_output(f"sed -n 's/^directory.id=//p' {path}/meta.properties") for path in paths}
    assert identity == {"cluster_id": meta["cluster.id"], "node_id": node_id, "directory_ids": on_disk}
    assert on_disk["/var/lib/kafka/data"] == meta["directory.id"]


def test_a_second_log_dir_is_used(host: Any, node_id: int) -> None:
    if node_id == 3:
        # Which partitions it gets is the broker's choice; that it gets some is not: the dir with the fewest is next.
        assert [name for name in host.file("/var/lib/kafka/data2").listdir() if re.search(r"-\d+$", name)]


def test_running_brokers_show_the_renewed_certificate(host: Any, node_id: int) -> None:
    began = float(host.check_output('date -d "$(systemctl show kafka -p ExecMainStartTimestamp --value)" +%s'))
    written = float(host.check_output("stat -c %Y /etc/kafka/tls/keystore.pem"))
    assert written > began, "the process is younger than its certificate: it was restarted"
    on_disk = host.check_output("openssl x509 -in /etc/kafka/tls/keystore.pem -noout -fingerprint -sha256")
    for port in (9092, 9093, 9094):
        shown = host.check_output(
            f"echo | openssl s_client -connect kafka-{node_id}.local.internal:{port} -CAfile /etc/kafka/tls/ca.crt "
            "-cert /etc/kafka/tls/keystore.pem -key /etc/kafka/tls/keystore.pem 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
        )
        assert shown == on_disk, port


def test_after_the_restart_each_broker_is_preferred_as_before(host: Any) -> None:
    """A new topic's preferred leaders take turns; a roll moves them away and has to give back each replica's place."""
    code = (
        "import json, ssl; from kafka import KafkaAdminClient; tls = ssl.create_default_context(cafile='/etc/kafka/tls/ca.crt'); "
        "tls.load_cert_chain('/etc/kafka/tls/keystore.pem'); admin = KafkaAdminClient(bootstrap_servers="
        f"{[f'{node}:9092' for node in NODES]}, security_protocol='SSL', ssl_context=tls); "
        "print(json.dumps([[t['name'], p['leader_id'], p['replica_nodes'][0]] for t in admin.describe_topics(None) for p in t['partitions']]))"
    )
    parts = json.loads(host.check_output(f'{PYTHON} -c "{code}"'))
    assert [part for part in parts if part[1] != part[2]] == []
    preferred = [first for _, _, first in parts]
    assert max(map(preferred.count, (1, 2, 3))) <= 2 * min(map(preferred.count, (1, 2, 3))), preferred


def test_listeners_are_on_the_private_address_only(host: Any, private_ip: str) -> None:
    listening = host.check_output("ss -Hltn").splitlines()
    addresses = {line.split()[3].replace("[::ffff:", "").replace("]", "") for line in listening}
    assert {f"{private_ip}:{port}" for port in (9092, 9093, 9094, 9404)} <= addresses
    assert not [one for one in addresses if one.startswith(("0.0.0.0:90", "*:90"))]


def test_every_node_needs_a_certificate(host: Any, node_id: int) -> None:
    for port in (9092, 9093):
        # With TLS 1.2 a refused client certificate ends the handshake itself.
        refused = host.run(
            f"echo | openssl s_client -tls1_2 -connect kafka-{node_id}.local.internal:{port} -CAfile /etc/kafka/tls/ca.crt 2>&1"
        )
        assert (
            "alert bad certificate" in refused.stdout
            or "alert certificate required" in refused.stdout
            or refused.rc != 0
        )


def test_plaintext_is_refused_on_the_client_listener(host: Any, node_id: int) -> None:
    code = (
        "import socket, struct; s = socket.create_connection(('kafka-%d.local.internal', 9094), 5); s.settimeout(5); "
        "f = struct.pack('>hhih', 3, 1, 1, 1) + b'x' + struct.pack('>i', -1); s.sendall(struct.pack('>i', len(f)) + f); "
        "print(s.recv(1).hex() or 'closed')"
    )
    answer = host.run(f'python3 -c "{code % node_id}"')
    # 15 is a TLS alert: the listener speaks nothing else.
    assert answer.stdout.strip() in {"15", "closed"} or "ConnectionResetError" in answer.stderr


def test_metrics_of_the_quorum(host: Any, private_ip: str) -> None:
    code = f"import urllib.request; print(urllib.request.urlopen('http://{private_ip}:9404/metrics', timeout=20).read().decode())"
    text = host.check_output(f'python3 -c "{code}"')
    assert "kafka_raft_number_of_voters 3.0" in text
    assert "kafka_server_broker_state 3.0" in text
    assert "kafka_log_offline_directories 0.0" in text


def test_no_secret_on_a_command_line(host: Any) -> None:
    line = host.check_output("cat /proc/$(pgrep -x java)/cmdline | tr '\\0' ' '")
    assert "password" not in line.lower()


def test_logs_are_written(host: Any) -> None:
    assert host.file("/var/log/kafka/gc.log").size > 0
    assert host.file("/var/log/kafka/server.log").size > 0
    assert host.file("/var/log/kafka/server.log").user == "kafka"


def test_cluster_is_healthy_seen_from_every_node(node_id: int, meta: dict[str, str]) -> None:
    controlled = testinfra.get_host(
        f"ansible://local-kafka-{node_id}?ansible_inventory={os.environ['MOLECULE_INVENTORY_FILE']}"
    )
    state = controlled.ansible(
        "kafka_cluster_info",
        f"bootstrap_servers={','.join(f'{node}:9092' for node in NODES)} expect_brokers=1,2,3 expect_voters=1,2,3",
        check=False,
        extra_vars={"ansible_python_interpreter": PYTHON},
    )
    assert state["reasons"] == []
    assert state["healthy"] is True
    assert state["cluster_id"] == meta["cluster.id"]
    assert state["controllers"] == [1, 2, 3]
    assert sorted(broker["rack"] for broker in state["brokers"]) == [
        "ap-northeast-2a",
        "ap-northeast-2b",
        "ap-northeast-2c",
    ]
    assert meta["directory.id"] in {voter["directory_id"] for voter in state["quorum"]["voters"]}
    assert {"fileflow.uploaded.v1", "groundwork.canary.v1"} <= set(state["topics"])
    assert state["features"]["kraft.version"]["finalized"] == 1


def test_a_dynamic_property_is_set_without_being_in_the_file(host: Any, node_id: int) -> None:
    assert "num.replica.fetchers" not in host.file("/etc/kafka/server.properties").content_string
    controlled = testinfra.get_host(
        f"ansible://local-kafka-{node_id}?ansible_inventory={os.environ['MOLECULE_INVENTORY_FILE']}"
    )
    found = controlled.ansible(
        "kafka_configs",
        f"bootstrap_servers={','.join(f'{node}:9092' for node in NODES)} state=info",
        check=False,
        extra_vars={"ansible_python_interpreter": PYTHON},
    )
    # Kafka itself keeps another one there.
    (defaults,) = [one["config"] for one in found["configs"] if one["entity"] == "default_broker"]
    assert defaults["num.replica.fetchers"] == "2"
