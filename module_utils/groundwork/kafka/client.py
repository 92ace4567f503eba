"""The one place that speaks to Kafka: connection, errors in the operator's words, and what kafka-python lacks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import logging
import os
import re
import socket
import ssl
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MECHANISM = "SCRAM-SHA-512"


class KafkaProblem(Exception):
    """Something the operator must know; the message says what, where and what to do."""


@dataclass(frozen=True)
class Connection:
    """How to reach the cluster: over mTLS with a node's certificate, or SASL_SSL with a user's password."""

    bootstrap_servers: tuple[str, ...]
    ca_file: str | None = None
    certificate_file: str | None = None
    username: str | None = None
    password: str | None = None
    security_protocol: str = "SSL"
    timeout: float = 15.0

    def settings(self) -> dict[str, Any]:
        """Arguments of kafka-python's clients."""
        _bound_handshakes(self.timeout / 3)
        values: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": "groundwork",
            "security_protocol": self.security_protocol,
            "request_timeout_ms": int(self.timeout * 1000),
        }
        if self.security_protocol.endswith("SSL"):
            values["ssl_context"] = self.tls_context()
        if self.security_protocol.startswith("SASL"):
            values.update(
                sasl_mechanism=MECHANISM, sasl_plain_username=self.username, sasl_plain_password=self.password
            )
        return values

    def tls_context(self) -> ssl.SSLContext:
        for path in (self.ca_file, self.certificate_file):
            if path and not Path(path).is_file():
                raise KafkaProblem(
                    f"{path} is not on this host: run the kafka role's configure step here first (--tags kafka)"
                )
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file)
        except (ssl.SSLError, OSError) as error:
            raise KafkaProblem(f"TLS files {self.ca_file}, {self.certificate_file} cannot be used: {error}") from error
        return context


def _bound_handshakes(seconds: float) -> None:
    """Give up a TLS handshake that is not answered: the process is there and hangs. kafka-python waits for ever.

    A third of what the whole may take, so that there is time to ask another broker.
    """
    from kafka.net.transport import KafkaSSLTransport

    async def handshake(self: Any) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._sock.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self._net.wait_read(self._sock, timeout_at=deadline)
            except ssl.SSLWantWriteError:
                await self._net.wait_write(self._sock, timeout_at=deadline)

    KafkaSSLTransport.handshake = handshake


# Why a request failed, by the name of kafka-python's error class.
WORDS = {
    "NoBrokersAvailable": "no broker answers",
    "KafkaTimeoutError": "no broker answered in time",
    "KafkaConnectionError": "the connection failed",
    "TopicAuthorizationFailedError": "not allowed on this topic",
    "GroupAuthorizationFailedError": "not allowed on this consumer group",
    "ClusterAuthorizationFailedError": "not allowed on the cluster: is the certificate that of a node (super user)?",
    "SaslAuthenticationFailedError": "user name or password refused",
    "AuthenticationFailedError": "user name or password refused",
    "SecurityDisabledError": "the cluster has no authorizer (authorizer.class.name)",
    "NotControllerError": "the active controller is changing; try again",
    "UnsupportedVersionError": "the brokers are too old for this request",
    "IncompatibleBrokerVersion": "the brokers are too old for this request",
    "PolicyViolationError": "a policy of the brokers refuses it",
}


def explain(error: BaseException) -> str:
    """An error in words: what it means first, what the client said after it."""
    name = type(error).__name__
    # kafka-python puts the number and the class's name before the broker's own words.
    said = re.sub(rf"^(\[Error \d+\] )?({name}: ?)?", "", " ".join(str(error).split()))
    meaning = WORDS.get(name, "")
    if meaning:
        return f"{meaning} ({name}: {said[:300]})" if said else f"{meaning} ({name})"
    return f"{name}: {said[:400]}" if said else name


@contextlib.contextmanager
def admin(connection: Connection) -> Iterator[Any]:
    """An admin client; connection faults come out as ``KafkaProblem``."""
    try:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError
    except ImportError as error:
        raise KafkaProblem(
            "kafka-python is not installed for this Python: run the task with ansible_python_interpreter: "
            '"{{ admin_client_python }}" (role admin_client makes it)'
        ) from error
    # kafka-python warns on standard error about each address that refuses; the result says it once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    where = ", ".join(connection.bootstrap_servers)
    if not where:
        raise KafkaProblem("no broker is named: bootstrap_servers is empty")
    settings = connection.settings()
    try:
        client = KafkaAdminClient(bootstrap_timeout_ms=int(connection.timeout * 1000), **settings)
    except (KafkaError, OSError) as error:
        raise KafkaProblem(f"cannot connect to {where}: {explain(error)}") from error
    try:
        _reach(client)
        yield client
    except KafkaError as error:
        raise KafkaProblem(f"{where}: {explain(error)}") from error
    finally:
        with contextlib.suppress(Exception):
            client.close()


def _reach(client: Any) -> None:
    """Have a connection that stands: the client prefers it from then on.

    A broker that has just died is in the metadata until it is fenced, and the client asks one of them at random.
    """
    from kafka.errors import KafkaConnectionError

    others = len(client._manager.cluster.brokers())
    while True:
        others -= 1
        try:
            client.describe_cluster()
            return
        except KafkaConnectionError:
            if others <= 0:
                raise


def error_text(code: int, message: str | None = None) -> str:
    """The words for an error code of a response, or "" for none."""
    from kafka import errors

    if code == 0:
        return ""
    kind = errors.for_code(code)
    return explain(kind(message) if message else kind())


def kafka_uuid(value: Any) -> str:
    """A directory or topic id as Kafka prints it (URL-safe base64), from the UUID of the protocol."""
    if value in (None, ""):
        return ""
    number = value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    return base64.urlsafe_b64encode(number.bytes).decode().rstrip("=")


def uuid_of(text: str) -> uuid.UUID:
    """The UUID of the protocol, from what Kafka prints."""
    try:
        return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))
    except ValueError as error:
        raise KafkaProblem(f"{text!r} is no Kafka Uuid (22 characters of URL-safe base64)") from error


def confirmed(client: Any, action: str, typed: str, targets: list[str], check: bool) -> None:
    """Refuse what destroys something unless ``{cluster id}:{action}`` was typed; check mode only says what it would be."""
    if check or not targets:
        return
    wanted = f"{client.describe_cluster()['cluster_id']}:{action}"
    if typed != wanted:
        heard = f"{typed!r} is not it" if typed else "nothing was typed"
        shown = ", ".join(targets[:20]) + (f" and {len(targets) - 20} more" if len(targets) > 20 else "")
        raise KafkaProblem(
            f"nothing was changed: {action} would touch {shown}. It needs confirm: {wanted} ({heard}); --check shows it all"
        )


def describe_topic_configs(
    client: Any, names: list[str], keys: list[str] | None = None, config_filter: str = "all"
) -> dict[str, dict[str, Any]]:
    """Configurations of many topics in one request: {topic: {key: {value, config_source}}}."""
    from kafka.admin import ConfigResource, ConfigResourceType

    if not names:
        return {}
    found = client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, keys) for name in names], config_filter=config_filter
    )
    return dict(found.get("topic", {}))


def can_connect(address: str, timeout: float) -> str:
    """ "" when a TCP connection to HOST:PORT opens, else why not. Tells "nobody listens" from "refused"."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=timeout):
            return ""
    except OSError as error:
        return f"{address}: {error.strerror or error}"


# -- Raw exchanges: a definite yes or no about a login, which a client that retries does not give. ----------------


def _exchange(channel: socket.socket, api_key: int, version: int, body: bytes) -> bytes:
    """Send one request (header version 1) and return the response's body; b"" when the broker hangs up."""
    client_id = b"groundwork"
    frame = struct.pack(">hhih", api_key, version, 1, len(client_id)) + client_id + body
    channel.sendall(struct.pack(">i", len(frame)) + frame)
    head = _receive(channel, 4)
    if len(head) < 4:
        return b""
    return _receive(channel, struct.unpack(">i", head)[0])[4:]


def _receive(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        block = channel.recv(size - len(data))
        if not block:
            return b""
        data += block
    return data


def _open(connection: Connection) -> socket.socket:
    """A socket to the first bootstrap server that answers, with TLS where the protocol says so."""
    faults = []
    for server in connection.bootstrap_servers:
        host, _, port = server.rpartition(":")
        try:
            plain = socket.create_connection((host, int(port)), timeout=connection.timeout)
        except OSError as error:
            faults.append(f"{server}: {error.strerror or error}")
            continue
        if not connection.security_protocol.endswith("SSL"):
            return plain
        try:
            return connection.tls_context().wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
    raise KafkaProblem(f"no broker answers: {'; '.join(faults)}")


def login(connection: Connection) -> str:
    """Log in with SCRAM-SHA-512 and hang up: "" when accepted, else the broker's refusal.

    The server's proof is checked too, so a broker that does not know the password is not taken for one that does.
    """
    username, password = connection.username or "", connection.password or ""
    try:
        with _open(connection) as channel:
            name = MECHANISM.encode()
            answer = _exchange(channel, 17, 1, struct.pack(">h", len(name)) + name)
            if not answer:
                return "the broker hung up at the SASL handshake"
            if code := struct.unpack(">h", answer[:2])[0]:
                return f"the broker does not offer {MECHANISM}: {error_text(code)}"
            nonce = base64.b64encode(os.urandom(18)).decode()
            first = f"n={username.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
            said, refusal = _authenticate(channel, f"n,,{first}")
            if refusal:
                return refusal
            fields = dict(part.split("=", 1) for part in said.split(","))
            if not fields["r"].startswith(nonce):
                return "the broker answered another login's challenge"
            salted = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
            client_key = hmac.digest(salted, b"Client Key", "sha512")
            final = f"c=biws,r={fields['r']}"
            signed = f"{first},{said},{final}".encode()
            signature = hmac.digest(hashlib.sha512(client_key).digest(), signed, "sha512")
            proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()
            said, refusal = _authenticate(channel, f"{final},p={proof}")
            if refusal:
                return refusal
            expected = base64.b64encode(
                hmac.digest(hmac.digest(salted, b"Server Key", "sha512"), signed, "sha512")
            ).decode()
            return "" if said == f"v={expected}" else "the broker could not prove that it knows the password"
    except ssl.SSLError as error:
        raise KafkaProblem(f"TLS with {', '.join(connection.bootstrap_servers)} failed: {error}") from error
    except OSError as error:
        raise KafkaProblem(f"{', '.join(connection.bootstrap_servers)}: {error.strerror or error}") from error


def _authenticate(channel: socket.socket, message: str) -> tuple[str, str]:
    """One SaslAuthenticate exchange: what the broker said, and its refusal ("" when none)."""
    data = message.encode()
    answer = _exchange(channel, 36, 0, struct.pack(">i", len(data)) + data)
    if not answer:
        return "", "the broker hung up during authentication"
    code, size = struct.unpack(">hh", answer[:4])
    text = answer[4 : 4 + max(size, 0)].decode(errors="replace")
    if code:
        return "", text or error_text(code)
    rest = answer[4 + max(size, 0) :]
    return rest[4 : 4 + max(struct.unpack(">i", rest[:4])[0], 0)].decode(errors="replace"), ""


def refuses_anonymous(connection: Connection) -> str:
    """Ask for metadata without logging in. Returns how the broker refused; "" when it answered (it must not)."""
    try:
        with _open(connection) as channel:
            answer = _exchange(channel, 3, 1, struct.pack(">i", -1))
    except (ssl.SSLError, ConnectionError) as error:
        return f"{type(error).__name__}: {error}"
    except OSError as error:
        raise KafkaProblem(f"{', '.join(connection.bootstrap_servers)}: {error.strerror or error}") from error
    return "" if answer else "the broker hung up"
