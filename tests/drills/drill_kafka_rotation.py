"""The drill `kafka-rotation`: certificates, the CA and passwords changed under load; no client is refused before its time."""

from __future__ import annotations

import json
import re
from pathlib import Path

from conftest import Drill, Run
from drills.harness import (
    NODES,
    OPS,
    PYTHON,
    assert_predicted,
    authority,
    killed_then_broker_dies,
    login,
    orders,
    pids,
    under_load,
)
from groundwork.kafka import certs

CERTIFICATES = "playbooks/breakglass/kafka_certificates.yml"
PASSWORDS = "playbooks/breakglass/kafka_passwords.yml"
AGENT = "groundwork.monitoring"
# One login as a service makes it: "in" or the error's name.
LOGIN = """
import json, ssl, sys
from kafka import KafkaConsumer
job = json.loads(sys.stdin.readline())
try:
    consumer = KafkaConsumer(bootstrap_servers=job["bootstrap_servers"].split(","), security_protocol="SASL_SSL",
        ssl_context=ssl.create_default_context(cadata=job["ca"]), sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=job["username"], sasl_plain_password=job["password"], bootstrap_timeout_ms=8000)
    print("in", sorted(consumer.topics())[:1])
except Exception as error:
    print(type(error).__name__)
"""


def done(run: Run) -> Run:
    assert run.code == 0, run.output[-8000:]
    return run


def shown(drill: Drill, port: int = 9094) -> dict[str, str]:
    """Fingerprint and issuer of the certificate that each running broker shows."""
    return {
        host: drill.on(
            OPS, "sh", "-c",
            f"echo | openssl s_client -connect kafka-{host[-1]}.local.internal:{port} 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
        ).strip()
        for host in NODES
    }  # fmt: skip


def said(drill: Drill, who: dict[str, str], ca: str) -> str:
    return drill.on(OPS, PYTHON, "-c", LOGIN, stdin=json.dumps({**who, "ca": ca}) + "\n")


def answer(drill: Drill, who: dict[str, str], ca: str) -> str:
    return said(drill, who, ca).split()[0]


def agent_uses(drill: Drill, who: dict[str, str]) -> None:
    """The line that role alloy writes on the host that asks for the lag."""
    line = f'GROUNDWORK_KAFKA_USER="{who["username"]}"\n'
    drill.on(OPS, "sh", "-c", "mkdir -p /etc/alloy; cat > /etc/alloy/environment", stdin=line)


def test_certificates_are_renewed_without_a_restart(drill: Drill) -> None:
    before, running = shown(drill), pids(drill)
    predicted = done(drill.run(CERTIFICATES, "--check"))
    with under_load(drill, "certificates renewed") as seen:
        run = done(drill.run(CERTIFICATES))
    assert_predicted(predicted, run)
    after = shown(drill)
    assert all(before[host] != after[host] for host in NODES), (before, after)
    assert pids(drill) == running
    seen.assert_unnoticed()
    run = done(drill.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed


def test_they_are_renewed_although_killed_and_a_broker_dies(drill: Drill, tmp_path: Path) -> None:
    before = shown(drill)
    points = (
        r"TASK \[.*Open the record\]",
        r"TASK \[.*Sign the node's certificate\]",
        r"TASK \[.*Install the node's certificate\]",
        r"TASK \[.*Read the certificate and the trust store anew\]",
        r"TASK \[.*Gate after it\]",
    )
    with under_load(drill, "certificates renewed, killed at five points, and a broker dies") as seen:
        dies = (r"TASK \[.*Gate\]", NODES[1])
        killed_then_broker_dies(drill, [CERTIFICATES, *drill.inventory()], points, dies, tmp_path)
    seen.assert_nothing_lost()
    after = shown(drill)
    assert all(before[host] != after[host] for host in NODES), (before, after)
    run = done(drill.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed


def test_the_ca_is_changed_in_three_steps(drill: Drill) -> None:
    old, placed = authority(drill), orders(drill)
    for step in ("ca-prepare", "ca-switch", "ca-finish"):
        arguments = ("-e", f"do={step}", "-e", f"confirm=local-kafka-certificates-{step}")
        predicted = done(drill.run(CERTIFICATES, *arguments, "--check"))
        # A service takes what is published before each step.
        with under_load(drill, step) as seen:
            run = done(drill.run(CERTIFICATES, *arguments))
        assert_predicted(predicted, run)
        # The last step restarts every node twice; each time the replicas get their order back.
        assert orders(drill) == placed, step
        seen.assert_unnoticed()
    new = authority(drill)
    assert not set(re.findall(r"-----BEGIN.*?END CERTIFICATE-----", old, re.DOTALL)) & set(
        re.findall(r"-----BEGIN.*?END CERTIFICATE-----", new, re.DOTALL)
    )
    who = login(drill, "crawler")
    assert answer(drill, who, new) == "in"
    assert answer(drill, who, old) != "in"
    run = done(drill.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed


def test_passwords_are_changed_by_two_users_in_turn(drill: Drill) -> None:
    ca, old, old_agent = authority(drill), login(drill, "crawler"), login(drill, AGENT)
    predicted = done(drill.run(PASSWORDS, "--check"))
    with under_load(drill, "passwords rotated") as seen:
        run = done(drill.run(PASSWORDS))
        # Clients that have not read the new login yet can still connect; so can the agent until it is given it.
        assert answer(drill, old, ca) == "in"
        assert answer(drill, old_agent, ca) == "in"
    seen.assert_unnoticed()
    assert_predicted(predicted, run)
    # The drill's host of the agent is in no group; in an estate it is one of `ops`.
    agents = {"kafka_maintenance_agent_hosts": [OPS]}
    revoke = ("-e", "do=revoke", "-e", "confirm=local-kafka-passwords-revoke", "-e", json.dumps(agents))
    new = login(drill, "crawler")
    assert new["username"] != old["username"]
    assert new["password"] != old["password"]
    new_agent = login(drill, AGENT)
    assert new_agent["username"] != old_agent["username"]
    assert new_agent["password"] != old_agent["password"]
    # With the same rights: it sees topics, which nobody does without the right to describe them.
    assert said(drill, new_agent, ca).startswith("in ['"), said(drill, new_agent, ca)
    assert said(drill, old_agent, ca) == said(drill, new_agent, ca)
    # Not before the agent has left the old user.
    agent_uses(drill, old_agent)
    for arguments in (revoke, ("-e", "do=rotate", "-e", json.dumps(agents))):
        refused = drill.run(PASSWORDS, *arguments)
        assert refused.code != 0
        assert f"the agent on {OPS} still logs in as {old_agent['username']};" in refused.output, refused.output[-4000:]
        assert refused.changed == {}, refused.changed
    assert answer(drill, old_agent, ca) == "in"
    agent_uses(drill, new_agent)
    with under_load(drill, "old passwords revoked") as seen:
        done(drill.run(PASSWORDS, *revoke))
    seen.assert_unnoticed()
    assert answer(drill, new, ca) == "in"
    assert answer(drill, old, ca) != "in"
    assert answer(drill, new_agent, ca) == "in"
    assert answer(drill, old_agent, ca) != "in"
    run = done(drill.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed


def test_they_are_changed_although_killed_and_a_broker_dies(drill: Drill, tmp_path: Path) -> None:
    ca, old = authority(drill), login(drill, "crawler")
    points = (
        r"TASK \[.*Open the record\]",
        r"TASK \[.*Keep it at hand\]",
        r"TASK \[.*Make the next logins\]",
        r"TASK \[.*Give both users of a service the same rights\]",
        # A run goes on for a moment after this is printed: the secrets may name the next users already, or not.
        r"TASK \[.*Give the next users their passwords\]",
    )
    with under_load(drill, "passwords rotated, killed at five points, and a broker dies") as seen:
        dies = (r"TASK \[.*Make the next logins\]", NODES[1])
        killed_then_broker_dies(drill, [PASSWORDS, *drill.inventory()], points, dies, tmp_path)
        assert answer(drill, old, ca) == "in"
    seen.assert_nothing_lost()
    new = login(drill, "crawler")
    assert (new["username"] != old["username"], answer(drill, new, ca)) == (True, "in")
    revoke = ["-e", "do=revoke", "-e", "confirm=local-kafka-passwords-revoke"]
    done(drill.run(PASSWORDS, *revoke))
    assert answer(drill, old, ca) != "in"
    run = done(drill.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed


def test_certificates_of_a_ca_of_ones_own(drill: Drill) -> None:
    """Last: from here on the cluster's certificates are not made by the role any more."""
    own = ("-e", '{"kafka_certificates_supplied": true}')
    before = pids(drill)
    run = drill.run("playbooks/kafka.yml", *own)
    assert run.code != 0
    assert (
        "local-kafka-certificate-1, local-kafka-certificate-2, local-kafka-certificate-3. Nothing was touched"
        in run.output
    )
    assert run.changed == {}, run.changed
    assert pids(drill) == before

    secrets = drill.aws("secretsmanager")
    ca = certs.make_ca("somebody else's", "Example", 100)
    made = json.loads(secrets.get_secret_value(SecretId="local-kafka-ca")["SecretString"])["certificate"]
    secrets.put_secret_value(
        SecretId="local-kafka-ca",
        SecretString=json.dumps({"certificate": ca["certificate"], "previous_certificate": made}),
    )
    for number, host in enumerate(NODES, 1):
        address = drill.on(host, "hostname", "-I").split()[0]
        names = {"dns_names": [f"kafka-{number}.local.internal"], "addresses": [address]}
        key, request = certs.make_request(*names.values(), "groundwork", "kafka-node")
        leaf = certs.sign_request(request, ca["certificate"], ca["private_key"], days=50, **names)
        secrets.create_secret(
            Name=f"local-kafka-certificate-{number}",
            SecretString=json.dumps({"certificate": leaf, "private_key": key}),
        )
    with under_load(drill, "over to a CA of one's own") as seen:
        done(drill.run("playbooks/kafka.yml", *own))
    seen.assert_unnoticed()
    assert answer(drill, login(drill, "crawler"), ca["certificate"]) == "in"
    run = done(drill.run("playbooks/kafka.yml", *own))
    assert run.changed == {}, run.changed
    refused = drill.run(CERTIFICATES, *own)
    assert refused.code != 0
    assert "the certificates are supplied, not made here" in refused.output
