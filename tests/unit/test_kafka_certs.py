"""The internal CA and nodes' certificates."""

from __future__ import annotations

import datetime as dt
import grp
import os
from pathlib import Path

import pytest
from groundwork.kafka import certs

NAMES = ["kafka-1.test.internal"]
ADDRESSES = ["10.0.48.11"]
ME = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture(scope="module")
def ca() -> dict[str, str]:
    return certs.make_ca("test-kafka-ca", "groundwork", 3650)


def issue(folder: Path, ca: dict[str, str], days: int = 365, names: list[str] | None = None) -> None:
    key, request = certs.make_request(names or NAMES, ADDRESSES, "groundwork", "kafka-node")
    signed = certs.sign_request(
        request, ca["certificate"], ca["private_key"], dns_names=names or NAMES, addresses=ADDRESSES, days=days
    )
    (folder / "keystore.pem").write_text(key + signed)
    (folder / "ca.crt").write_text(certs.trust_bundle("", ca["certificate"])[0])


def inspect(folder: Path, ca: dict[str, str]) -> certs.NodeState:
    return certs.inspect_node(
        folder,
        ca["certificate"],
        dns_names=NAMES,
        addresses=ADDRESSES,
        renew_before_days=30,
        organization="groundwork",
        unit="kafka-node",
    )


def test_good_certificate(tmp_path: Path, ca: dict[str, str]) -> None:
    issue(tmp_path, ca)
    found = inspect(tmp_path, ca)
    assert (found.valid, found.reasons, found.trust_changed) == (True, [], False)


def test_nothing_there(tmp_path: Path, ca: dict[str, str]) -> None:
    found = inspect(tmp_path, ca)
    assert (found.valid, found.trust_changed) == (False, True)


def test_renewed_when_few_days_are_left(tmp_path: Path, ca: dict[str, str]) -> None:
    issue(tmp_path, ca, days=29)
    assert "renewed below 30" in inspect(tmp_path, ca).reasons[0]


def test_other_names(tmp_path: Path, ca: dict[str, str]) -> None:
    issue(tmp_path, ca, names=["kafka-9.test.internal"])
    assert [reason.split(":")[0] for reason in inspect(tmp_path, ca).reasons] == ["names differ", "subject differs"]


def test_key_of_another_certificate(tmp_path: Path, ca: dict[str, str]) -> None:
    issue(tmp_path, ca)
    key, _ = certs.make_request(NAMES, ADDRESSES, "groundwork", "kafka-node")
    pem = certs.split_bundle((tmp_path / "keystore.pem").read_text())[0]
    (tmp_path / "keystore.pem").write_text(key + pem)
    assert inspect(tmp_path, ca).reasons == ["the key is another certificate's"]


def test_new_ca_is_trusted_beside_the_old_one(tmp_path: Path, ca: dict[str, str]) -> None:
    issue(tmp_path, ca)
    new = certs.make_ca("test-kafka-ca", "groundwork", 3650)
    found = inspect(tmp_path, new)
    assert found.reasons == ["signed by another CA"]
    assert found.trust_changed
    assert len(certs.split_bundle(found.bundle)) == 2
    again, trusted = certs.trust_bundle(found.bundle, new["certificate"])
    assert (again, len(trusted)) == (found.bundle, 2)


def test_request_for_other_names_is_not_signed(ca: dict[str, str]) -> None:
    _, request = certs.make_request(["kafka-2.test.internal"], ADDRESSES, "groundwork", "kafka-node")
    with pytest.raises(certs.CertificateError, match="asks for other names"):
        certs.sign_request(
            request, ca["certificate"], ca["private_key"], dns_names=NAMES, addresses=ADDRESSES, days=365
        )


def test_key_and_certificate_of_different_cas(ca: dict[str, str]) -> None:
    other = certs.make_ca("x", "groundwork", 10)
    _, request = certs.make_request(NAMES, ADDRESSES, "groundwork", "kafka-node")
    with pytest.raises(certs.CertificateError, match="one version of the secret"):
        certs.sign_request(
            request, ca["certificate"], other["private_key"], dns_names=NAMES, addresses=ADDRESSES, days=365
        )


def test_certificate_does_not_outlive_its_ca(tmp_path: Path) -> None:
    short = certs.make_ca("short", "groundwork", 60)
    issue(tmp_path, short, days=365)
    end = dt.datetime.fromisoformat(inspect(tmp_path, short).not_after or "")
    assert end < dt.datetime.now(dt.UTC) + dt.timedelta(days=61)


def test_files_are_not_world_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "keystore.pem"
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    certs.write_file(target, "key\n", ME, 0o640)
    assert (target.stat().st_mode & 0o777, target.read_text()) == (0o640, "key\n")
    assert [path.name for path in tmp_path.iterdir()] == ["keystore.pem"]


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    with pytest.raises(UnicodeEncodeError):
        certs.write_file(tmp_path / "keystore.pem", "\u00e9", ME, 0o640)
    assert list(tmp_path.iterdir()) == []


def test_a_prepared_ca_is_trusted_and_an_old_one_dropped_when_asked(tmp_path: Path, ca: dict[str, str]) -> None:
    issue(tmp_path, ca)
    coming = certs.make_ca("test-kafka-ca", "groundwork", 3650)
    current = (tmp_path / "ca.crt").read_text()
    both, prints = certs.trust_bundle(current, ca["certificate"], [coming["certificate"]])
    assert certs.split_bundle(both) == [ca["certificate"], coming["certificate"]]
    # Switched: the same two, so that nobody is restarted for it.
    switched, again = certs.trust_bundle(both, coming["certificate"], [ca["certificate"]])
    assert sorted(prints) == sorted(again)
    only, last = certs.trust_bundle(switched, coming["certificate"], [], True)
    assert only == coming["certificate"] and len(last) == 1


# -- Certificates of somebody else's CA ------------------------------------------------------------------------------


def supplied(names: list[str], unit: str = "kafka-node") -> tuple[dict[str, str], str]:
    """As a company's CA gives them: signed by an intermediate, with a name more. Secret and the root's certificate."""
    root, between = make_authority("root", None), None
    between = make_authority("intermediate", root)
    key, request = certs.make_request(names, ADDRESSES, "groundwork", unit)
    leaf = certs.sign_request(request, between[0], between[1], dns_names=names, addresses=ADDRESSES, days=90)
    return {"certificate": leaf + between[0], "private_key": key}, root[0]


def make_authority(name: str, parent: tuple[str, str] | None) -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = subject, key
    if parent:
        issuer = x509.load_pem_x509_certificate(parent[0].encode()).subject
        signer = serialization.load_pem_private_key(parent[1].encode(), None)  # type: ignore[assignment]
    start = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=100))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), pkcs8.decode()


def check(secret: dict[str, str], ca: str) -> tuple[str, int]:
    return certs.check_supplied(
        secret, ca, dns_names=NAMES, addresses=ADDRESSES, organization="groundwork", unit="kafka-node"
    )


def test_a_supplied_certificate_is_compared_as_it_is(tmp_path: Path, ca: dict[str, str]) -> None:
    secret, root = supplied([*NAMES, "more.test.internal"])
    keystore, days = check(secret, root)
    assert days == 89 and len(certs.split_bundle(keystore)) == 2
    issue(tmp_path, ca)
    names = {"dns_names": NAMES, "addresses": ADDRESSES, "organization": "groundwork", "unit": "kafka-node"}
    found = certs.inspect_node(tmp_path, root, renew_before_days=30, supplied=keystore, **names)  # type: ignore[arg-type]
    assert found.reasons == ["another certificate was supplied"] and found.trust_changed
    (tmp_path / "keystore.pem").write_text(keystore)
    assert certs.inspect_node(tmp_path, root, renew_before_days=30, supplied=keystore, **names).valid  # type: ignore[arg-type]


def test_a_supplied_certificate_that_no_node_could_use_is_refused_with_every_reason(ca: dict[str, str]) -> None:
    secret, _ = supplied(["other.test.internal"], unit="people")
    other, _ = certs.make_request(NAMES, ADDRESSES, "groundwork", "kafka-node")
    secret["private_key"] = other.replace("PRIVATE KEY", "EC PRIVATE KEY")
    with pytest.raises(certs.CertificateError) as refused:
        check(secret, ca["certificate"])
    for reason in (
        "signed by another CA",
        "names differ",
        "subject differs",
        "the key",
        "PKCS#8",
        "Needed: names kafka-1",
    ):
        assert reason in str(refused.value)
    with pytest.raises(certs.CertificateError, match="needs certificate and private_key"):
        check({"certificate": "", "private_key": ""}, ca["certificate"])
