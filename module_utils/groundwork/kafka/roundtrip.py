"""Proof that the cluster serves a catalog user, and refuses everybody else."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import replace
from typing import Any

from .client import Connection, KafkaProblem, can_connect, explain, login, refuses_anonymous


def produce_and_consume(connection: Connection, topic: str) -> dict[str, Any]:
    """Write one record with acks=all as the user, read exactly that record back."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.errors import KafkaError

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    nonce = f"groundwork-verify {uuid.uuid4()}".encode()
    settings = connection.settings()
    started = time.monotonic()
    who = f"{connection.username} on topic {topic}"
    try:
        producer = KafkaProducer(acks="all", retries=3, max_block_ms=int(connection.timeout * 1000), **settings)
        try:
            written = producer.send(topic, nonce).get(timeout=connection.timeout)
        finally:
            producer.close(timeout=5)
    except KafkaError as error:
        raise KafkaProblem(f"{who} cannot produce: {explain(error)}") from error
    produced = time.monotonic()
    try:
        consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", **settings)
        try:
            partition = TopicPartition(topic, written.partition)
            consumer.assign([partition])
            consumer.seek(partition, written.offset)
            read = None
            while read is None and time.monotonic() - produced < connection.timeout:
                for record in consumer.poll(timeout_ms=500).get(partition, []):
                    if record.offset == written.offset:
                        read = record.value
        finally:
            consumer.close()
    except KafkaError as error:
        raise KafkaProblem(f"{who} cannot consume: {explain(error)}") from error
    if read is None:
        raise KafkaProblem(
            f"{who}: the record at {written.partition}@{written.offset} was not there within {connection.timeout:.0f} s"
        )
    if read != nonce:
        raise KafkaProblem(f"{who}: the record at {written.partition}@{written.offset} is not the one that was written")
    return {
        "user": connection.username,
        "topic": topic,
        "partition": written.partition,
        "offset": written.offset,
        "produce_ms": round((produced - started) * 1000),
        "consume_ms": round((time.monotonic() - produced) * 1000),
    }


def refused(connection: Connection) -> dict[str, str]:
    """How the CLIENT listener refuses: TLS without a login, plaintext, and a wrong password. An accepted one is a problem."""
    for server in connection.bootstrap_servers:
        if fault := can_connect(server, connection.timeout):
            raise KafkaProblem(f"the CLIENT listener does not answer: {fault}")
    answers = {
        "anonymous": refuses_anonymous(replace(connection, security_protocol="SSL", username=None, password=None)),
        "plaintext": refuses_anonymous(
            replace(connection, security_protocol="PLAINTEXT", username=None, password=None)
        ),
        "wrong_password": login(replace(connection, password=f"not-{uuid.uuid4()}")),
    }
    accepted = sorted(name for name, answer in answers.items() if not answer)
    if accepted:
        raise KafkaProblem(
            f"the CLIENT listener {', '.join(connection.bootstrap_servers)} accepted what it must refuse: {', '.join(accepted)}"
        )
    return answers


def forbidden(connection: Connection, topic: str) -> str:
    """How the authorizer refuses the user a topic it has no ACL for."""
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    producer = KafkaProducer(
        acks="all", retries=0, max_block_ms=int(connection.timeout * 1000), **connection.settings()
    )
    try:
        producer.send(topic, b"refused").get(timeout=connection.timeout)
    except KafkaError as error:
        if "Authorization" in type(error).__name__:
            return type(error).__name__
        raise KafkaProblem(
            f"{connection.username} on topic {topic}: expected a refusal by the authorizer, got {explain(error)}"
        ) from error
    finally:
        producer.close(timeout=5)
    raise KafkaProblem(f"{connection.username} could write to topic {topic}, for which it has no ACL")


def roundtrip(connection: Connection, topic: str, forbidden_topic: str | None) -> dict[str, Any]:
    refusal = login(connection)
    if refusal:
        raise KafkaProblem(
            f"{connection.username} cannot log in on {', '.join(connection.bootstrap_servers)}: {refusal}"
        )
    result: dict[str, Any] = {"roundtrip": produce_and_consume(connection, topic), "refused": refused(connection)}
    if forbidden_topic:
        result["refused"]["forbidden_topic"] = f"{forbidden_topic}: {forbidden(connection, forbidden_topic)}"
    return result
