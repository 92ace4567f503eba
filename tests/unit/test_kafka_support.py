"""No secret leaves a host in a support bundle."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from groundwork.kafka import support

SECRET = "hunter2-0c6f"


@pytest.mark.parametrize(
    "text",
    [
        f"ssl.keystore.password={SECRET}",
        f"ssl.key.password = {SECRET}",
        f'"password": "{SECRET}", "username": "x"',
        f"password: '{SECRET}'",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"aws_session_token: {SECRET}",
        f'sasl.jaas.config=org.apache.kafka.ScramLoginModule required username="a" password="{SECRET}";',
        f"listener.name.client.scram-sha-512.sasl.jaas.config=ScramLoginModule required x={SECRET};",
        f"http://admin:{SECRET}@host:8080/path",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}",
        f"storedKey={SECRET}, serverKey={SECRET}, salt={SECRET}",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    assert SECRET not in support.redact(text)
    assert support.HIDDEN in support.redact(text)


def test_aws_keys_are_hidden() -> None:
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    assert key not in support.redact(f"signed with {key}")


@pytest.mark.parametrize(
    "text",
    [
        "ssl.keystore.location=/etc/kafka/tls/keystore.pem",
        "num.network.threads=3",
        "User:fileflow allow read on topic fileflow.uploaded.v1",
        "delegation.token.expiry.check.interval.ms=3600000",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert support.redact(text) == text


def test_the_bundle_says_what_it_could_not_read(tmp_path: Path) -> None:
    good, binary = tmp_path / "server.properties", tmp_path / "0.log"
    good.write_text(f"node.id=1\nssl.key.password={SECRET}\n")
    binary.write_bytes(b"\0\1\2")
    archive = tmp_path / "bundle.tar.gz"
    told = support.collect(
        support.Wanted([str(good), str(binary), "/nowhere"], {"echo": ["echo", f"token={SECRET}"], "no": ["no-such-program"]},
                       {"cluster.json": "{}"}),
        "node-1", str(archive),
    )  # fmt: skip
    assert told["missing"] == {str(binary): "not a text", "/nowhere": "No such file or directory"}
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        texts = {member.name: tar.extractfile(member).read().decode() for member in tar}  # type: ignore[union-attr]
    assert SECRET not in "".join(texts.values())
    assert "node.id=1" in texts[f"node-1/files{good}"]
    assert "not installed" in texts["node-1/commands/no.txt"]
