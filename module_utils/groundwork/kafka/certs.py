"""The internal CA and the certificates of Kafka nodes (PEM, ECDSA P-256).

A node's key is made on the node and never leaves it: the node makes a signing request, the control machine signs it
with the CA's key out of Secrets Manager. ``cryptography`` is imported inside the functions, hosts without it can load
this file.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import grp
import ipaddress
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PEM_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.S)


class CertificateError(Exception):
    """A certificate cannot be made or used; the message says which and what to do."""


@dataclass(frozen=True)
class NodeState:
    """What a node holds, against what it should hold."""

    valid: bool
    reasons: list[str]
    not_after: str | None = None
    serial: str | None = None
    fingerprint: str | None = None
    trusted: list[str] = field(default_factory=list)
    trust_changed: bool = False
    bundle: str = ""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _load(pem: str, what: str) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise CertificateError(f"{what} is not a PEM certificate: {error}") from error


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()


def described(pem: str) -> dict[str, str]:
    """``fingerprint`` and ``not_after`` of the first certificate of a PEM text, as :class:`NodeState` has them."""
    certificate = _load(split_bundle(pem)[0], "the certificate")
    return {"fingerprint": fingerprint(certificate), "not_after": _end(certificate)}


def _end(certificate: x509.Certificate) -> str:
    return certificate.not_valid_after_utc.isoformat(timespec="seconds")


def make_ca(common_name: str, organization: str, days: int) -> dict[str, str]:
    """A new CA: ``{"certificate": PEM, "private_key": PEM}``. ``days`` is its life."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    start = _now() - dt.timedelta(minutes=5)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return {"certificate": _pem(certificate), "private_key": _key_pem(key)}


def _key_usage(ca: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _sans(dns_names: list[str], addresses: list[str]) -> list[x509.GeneralName]:
    from cryptography import x509

    return [*(x509.DNSName(name) for name in dns_names), *(x509.IPAddress(ipaddress.ip_address(a)) for a in addresses)]


def make_request(dns_names: list[str], addresses: list[str], organization: str, unit: str) -> tuple[str, str]:
    """A new key and its signing request, both PEM. The first DNS name is the common name."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                    x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
                    x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0]),
                ]
            )
        )
        .add_extension(x509.SubjectAlternativeName(_sans(dns_names, addresses)), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _key_pem(key), request.public_bytes(serialization.Encoding.PEM).decode()


def sign_request(
    request_pem: str, ca_certificate: str, ca_private_key: str, *, dns_names: list[str], addresses: list[str], days: int
) -> str:
    """Sign a node's request. Refuses one that asks for other names than the inventory gives the node."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509.oid import ExtendedKeyUsageOID

    request = x509.load_pem_x509_csr(request_pem.encode())
    if not request.is_signature_valid:
        raise CertificateError(f"the signing request of {dns_names[0]} is not signed by its own key")
    asked = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if set(asked) != set(_sans(dns_names, addresses)):
        raise CertificateError(
            f"the signing request of {dns_names[0]} asks for other names than the inventory gives it: "
            f"{', '.join(str(name.value) for name in asked)}"
        )
    ca = _load(ca_certificate, "the CA's certificate")
    key = serialization.load_pem_private_key(ca_private_key.encode(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise CertificateError("the CA's private key is not an ECDSA key")
    if key.public_key() != ca.public_key():
        raise CertificateError(
            "the CA's private key is not the key of its certificate: restore both from one version of the secret"
        )
    start = _now() - dt.timedelta(minutes=5)
    end = min(start + dt.timedelta(days=days), ca.not_valid_after_utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(ca.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(_sans(dns_names, addresses)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate)


def split_bundle(text: str) -> list[str]:
    return [match.group(0).rstrip("\n") + "\n" for match in PEM_CERTIFICATE.finditer(text)]


def trust_bundle(
    current: str, ca_certificate: str, also: Sequence[str] = (), only: bool = False
) -> tuple[str, list[str]]:
    """The bundle a node should trust: the CA in force, those of ``also``, then CAs it trusted before that have not expired.

    An old CA stays while certificates it signed may still be in use elsewhere: dropping it in the same step that brings
    the new one would cut a running quorum in two. ``only``: the earlier ones are dropped, once nobody shows their certificates.
    """
    wanted = _load(ca_certificate, "the CA's certificate")
    kept = [wanted]
    for pem in [*also, *([] if only else split_bundle(current))]:
        known = _load(pem, "a CA in the node's trust store")
        if fingerprint(known) not in {fingerprint(one) for one in kept} and known.not_valid_after_utc > _now():
            kept.append(known)
    return "".join(_pem(one) for one in kept), [fingerprint(one) for one in kept]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


def inspect_node(
    directory: Path,
    ca_certificate: str,
    *,
    dns_names: list[str],
    addresses: list[str],
    renew_before_days: int,
    organization: str,
    unit: str,
    also: Sequence[str] = (),
    only: bool = False,
    supplied: str = "",
) -> NodeState:
    """Compare the node's certificate files with what they should be; nothing is changed.

    ``supplied``: key and certificate (PEM, with its intermediates) that the node is to have, made by somebody else's CA.
    """
    current_bundle = _read(directory / "ca.crt")
    bundle, trusted = trust_bundle(current_bundle, ca_certificate, also, only)
    trust_changed = bundle != current_bundle
    keystore = _read(directory / "keystore.pem")
    pems = split_bundle(keystore)
    if not pems:
        return NodeState(False, ["no certificate yet"], trusted=trusted, trust_changed=trust_changed, bundle=bundle)
    certificate = _load(pems[0], str(directory / "keystore.pem"))
    if supplied:
        reasons = [] if keystore == supplied else ["another certificate was supplied"]
    else:
        reasons = _faults(
            keystore,
            ca_certificate,
            dns_names=dns_names,
            addresses=addresses,
            organization=organization,
            unit=unit,
        )
        left = certificate.not_valid_after_utc - _now()
        if left < dt.timedelta(days=renew_before_days):
            reasons.append(f"{max(left.days, 0)} days left, renewed below {renew_before_days}")
    return NodeState(
        not reasons,
        reasons,
        _end(certificate),
        format(certificate.serial_number, "x"),
        fingerprint(certificate),
        trusted,
        trust_changed,
        bundle,
    )


def _faults(
    keystore: str,
    ca_certificate: str,
    *,
    dns_names: list[str],
    addresses: list[str],
    organization: str,
    unit: str,
    exact: bool = True,
) -> list[str]:
    """What is wrong with a key and its certificate as a node's. ``exact``: no name but the node's, signed by the CA itself."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    reasons: list[str] = []
    chain = [_load(pem, "the node's certificate") for pem in split_bundle(keystore)]
    certificate, issuers = chain[0], [*chain[1:], _load(ca_certificate, "the CA's certificate")]
    if exact:
        issuers = issuers[-1:]
    try:
        for one, issuer in zip(chain, issuers, strict=False):
            one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        reasons.append("signed by another CA")
    try:
        sans = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        sans = set()
    wanted = set(_sans(dns_names, addresses))
    if sans != wanted if exact else not wanted <= sans:
        reasons.append("names differ: has " + ", ".join(sorted(str(name.value) for name in sans)))
    subject = {a.oid: a.value for a in certificate.subject}
    common_name = dns_names[0] if exact else subject.get(NameOID.COMMON_NAME, "")
    if subject != {
        NameOID.ORGANIZATION_NAME: organization,
        NameOID.ORGANIZATIONAL_UNIT_NAME: unit,
        NameOID.COMMON_NAME: common_name,
    }:
        reasons.append("subject differs")
    try:
        usages = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= usages:
        reasons.append("not for server and client authentication")
    try:
        key = serialization.load_pem_private_key(keystore.encode(), password=None)
        if key.public_key() != certificate.public_key():
            reasons.append("the key is another certificate's")
    except (ValueError, TypeError):
        reasons.append("the key cannot be read")
    return reasons


def check_supplied(
    supplied: dict[str, str],
    ca_certificate: str,
    *,
    dns_names: list[str],
    addresses: list[str],
    organization: str,
    unit: str,
) -> tuple[str, int]:
    """The text of ``keystore.pem`` out of a supplied certificate (with its intermediates) and key (PKCS#8), and its days left.

    :raises CertificateError: when a node could not use it; names everything that is wrong.
    """
    pems = split_bundle(supplied.get("certificate") or "")
    key = (supplied.get("private_key") or "").strip()
    if not pems or not key:
        raise CertificateError("the supplied secret needs certificate and private_key (PEM)")
    keystore = f"{key}\n{''.join(pems)}"
    reasons = _faults(
        keystore,
        ca_certificate,
        dns_names=dns_names,
        addresses=addresses,
        organization=organization,
        unit=unit,
        exact=False,
    )
    if not key.startswith("-----BEGIN PRIVATE KEY-----"):
        reasons.append(
            "the key is not unencrypted PKCS#8, which is all that Kafka reads (openssl pkcs8 -topk8 -nocrypt)"
        )
    certificate = _load(pems[0], "the supplied certificate")
    left = certificate.not_valid_after_utc - _now()
    if left <= dt.timedelta(0) or certificate.not_valid_before_utc > _now():
        reasons.append(f"good from {certificate.not_valid_before_utc} to {certificate.not_valid_after_utc} only")
    if reasons:
        raise CertificateError(
            f"the supplied certificate of {dns_names[0]} cannot be used: {'; '.join(reasons)}. Needed: names "
            f"{', '.join([*dns_names, *addresses])}; subject CN=..., OU={unit}, O={organization}; server and client authentication; "
            "signed by the CA's certificate in the secret, with intermediates behind it"
        )
    return keystore, left.days


def served_fingerprint(address: str, directory: Path, timeout: float = 10.0) -> str:
    """SHA-256 of the certificate that HOST:PORT shows to this node."""
    import hashlib
    import socket
    import ssl

    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(directory / "ca.crt"))
    context.load_cert_chain(directory / "keystore.pem")
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=timeout) as plain,
        context.wrap_socket(plain, server_hostname=host) as channel,
    ):
        return hashlib.sha256(channel.getpeercert(binary_form=True) or b"").hexdigest()


def write_file(path: Path, content: str, group: str, mode: int) -> None:
    """Replace a file whole: never half written, never readable by others in between."""
    gid = grp.getgrnam(group).gr_gid
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            os.fchmod(handle.fileno(), 0o600)
            os.fchown(handle.fileno(), 0, gid)
            os.fchmod(handle.fileno(), mode)
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(partial).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(partial).unlink()
        raise
