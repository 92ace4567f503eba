"""A numbered load on one topic, and the proof that nothing of it was lost. Runs inside a container of an estate.

    python load.py load < job     idempotent producers, consumers of one group; at the end the topic is read and compared
    python load.py sample < job   asks for the state of all partitions again and again, with a node's certificate

The job is one line of JSON on standard input. It goes on until a line comes that ends it ({"reader": …} may give newer
credentials), until standard input is closed, or until `seconds` are over; then the result is printed as JSON. Closing
standard input is what happens when the one who started it dies, so nothing is left behind.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
import select
import ssl
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: No job may ask for more than this.
MOST_SECONDS = 3600
MOST_PER_SECOND = 500

#: (producer, partition): numbers.
Numbered = dict[tuple[int, int], list[int]]


# -- The verdict (pure) --------------------------------------------------------------------------------------------


def verdict(acknowledged: Mapping[tuple[int, int], Mapping[int, int]], found: Numbered) -> dict[str, Any]:
    """Acknowledged records ({(producer, partition): {number: offset}}) against the numbers in the order they lie in the log.

    A record that was sent and not acknowledged may lie there once or not at all; twice or out of order is wrong for it too.
    """
    lost: list[str] = []
    duplicated: list[str] = []
    reordered: list[str] = []
    unacknowledged = 0
    for key in sorted(set(acknowledged) | set(found)):
        numbers = found.get(key, [])
        name = f"producer {key[0]} partition {key[1]} number "
        there = Counter(numbers)
        lost += [f"{name}{number}" for number in sorted(acknowledged.get(key, {})) if number not in there]
        duplicated += [f"{name}{number}" for number, times in sorted(there.items()) if times > 1]
        unacknowledged += len(set(there) - set(acknowledged.get(key, {})))
        highest = -1
        seen: set[int] = set()
        for number in numbers:
            # A second appearance is a duplicate; a first one behind a higher number is out of order.
            if number < highest and number not in seen:
                reordered.append(f"{name}{number} after {highest}")
            seen.add(number)
            highest = max(highest, number)
    return {
        "acknowledged": sum(map(len, acknowledged.values())),
        "lost": len(lost),
        "duplicated": len(duplicated),
        "reordered": len(reordered),
        "unacknowledged_but_there": unacknowledged,
        "examples": lost[:5] + duplicated[:5] + reordered[:5],
    }


def stalls(milliseconds: Iterable[float]) -> dict[str, float]:
    """Quantiles of the time from the moment a record was due to its acknowledgement."""
    values = sorted(milliseconds)
    if not values:
        return {}

    def at(share: float) -> float:
        return round(values[min(int(len(values) * share), len(values) - 1)], 1)

    return {"p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999), "max": round(values[-1], 1)}


# -- Connections ---------------------------------------------------------------------------------------------------


class Faults(logging.Handler):
    """Counts what the clients complain about, by the name of the error."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.counted: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        for name in set(re.findall(r"\b([A-Z]\w+(?:Error|Disconnected|Exception))\b", text)):
            self.counted[name] += 1
            self.first.setdefault(name, f"{clock()} {text[:300]}")


def clock() -> str:
    return time.strftime("%H:%M:%S", time.gmtime())


def client_settings(job: Mapping[str, Any], who: Mapping[str, str]) -> dict[str, Any]:
    """The CLIENT listener as a service uses it: TLS with the CA, SCRAM-SHA-512."""
    return {
        "bootstrap_servers": who["bootstrap_servers"].split(","),
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cadata=job["ca"]),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": who["username"],
        "sasl_plain_password": who["password"],
        "client_id": "groundwork-load",
        "metrics_enabled": False,
    }


# -- The load ------------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """What the threads of one load share."""

    job: Mapping[str, Any]
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    stopping: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)
    #: (milliseconds, UTC, partition) of each acknowledged record.
    waits: list[tuple[float, str, int]] = field(default_factory=list)
    sent: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    seen: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    #: Consumers that are ready, by their names.
    ready: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def produce(self, producer_id: int, partitions: list[int]) -> None:
        """One record after the other at its due time; what comes late counts from when it was due."""
        from kafka import KafkaProducer

        producer = KafkaProducer(
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=120_000,
            request_timeout_ms=10_000,
            max_block_ms=60_000,
            retry_backoff_ms=100,
            reconnect_backoff_max_ms=1000,
            metadata_max_age_ms=30_000,
            **client_settings(self.job, self.job["writer"]),
        )
        padding = "x" * int(self.job["bytes"])
        next_number: Counter[int] = Counter()
        pause = 1 / self.job["per_second"]
        began = time.monotonic()
        for index, partition in enumerate(itertools.cycle(partitions)):
            due = began + index * pause
            if self.stopping.wait(max(0.0, due - time.monotonic())):
                break
            number = next_number[partition]
            next_number[partition] += 1
            value = json.dumps([self.run, producer_id, number, padding]).encode()
            try:
                future = producer.send(self.job["topic"], value, partition=partition)
            except Exception as error:  # nothing was handed over: neither acknowledged nor on its way
                self.failures[f"send: {type(error).__name__}"] += 1
                continue
            self.sent[producer_id] += 1
            future.add_callback(self.acknowledge, producer_id, partition, number, due)
            future.add_errback(self.refuse)
        try:
            producer.flush(timeout=120)
        except Exception as error:
            self.failures[f"flush: {type(error).__name__}"] += 1
        producer.close(timeout=10)

    def acknowledge(self, producer_id: int, partition: int, number: int, due: float, metadata: Any) -> None:
        waited = (time.monotonic() - due) * 1000
        with self.lock:
            self.acknowledged.setdefault((producer_id, partition), {})[number] = metadata.offset
            self.waits.append((waited, clock(), partition))

    def refuse(self, error: BaseException) -> None:
        with self.lock:
            self.failures[type(error).__name__] += 1

    def consume(self) -> None:
        from kafka import KafkaConsumer

        consumer = KafkaConsumer(
            self.job["topic"],
            group_id=self.job["group"],
            auto_offset_reset="latest",
            session_timeout_ms=10_000,
            reconnect_backoff_max_ms=1000,
            **client_settings(self.job, self.job["reader"]),
        )
        while not self.finished.is_set():
            try:
                polled = consumer.poll(timeout_ms=500)
            except Exception as error:
                self.failures[f"poll: {type(error).__name__}"] += 1
                self.finished.wait(1)
                continue
            if threading.current_thread().name not in self.ready and (mine := consumer.assignment()):
                for partition in mine:
                    consumer.position(partition)
                self.ready.add(threading.current_thread().name)
            with self.lock:
                for partition, records in polled.items():
                    for record in records:
                        if numbered := self.mine(record.value):
                            self.seen[(numbered[0], partition.partition, numbered[1])] += 1
        consumer.close()

    def mine(self, value: bytes) -> tuple[int, int] | None:
        """(producer, number) of a record of this run."""
        try:
            run, producer_id, number, _ = json.loads(value)
        except ValueError:
            return None
        return (producer_id, number) if run == self.run else None

    def assigned(self) -> bool:
        """Every consumer has partitions, and a position in each."""
        return len(self.ready) == self.job["consumers"]

    def warm(self, partitions: int) -> bool:
        with self.lock:
            return len(self.acknowledged) == partitions * self.job["producers"] and len(self.waits) >= 10 * partitions

    def missing(self) -> int:
        """Acknowledged records that the group has not seen."""
        with self.lock:
            return sum(
                (producer_id, partition, number) not in self.seen
                for (producer_id, partition), numbers in self.acknowledged.items()
                for number in numbers
            )

    def read_back(self, start: Mapping[int, int]) -> tuple[Numbered, int]:
        """Numbers of this run in the order of the log, and how many acknowledged ones lie at another offset than was said."""
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(
            group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
            **client_settings(self.job, self.job["reader"]),
        )  # fmt: skip
        wanted = [TopicPartition(self.job["topic"], partition) for partition in start]
        consumer.assign(wanted)
        ends = consumer.end_offsets(wanted)
        for one in wanted:
            consumer.seek(one, start[one.partition])
        found: Numbered = {}
        moved = 0
        deadline = time.monotonic() + 120
        while any(consumer.position(one) < ends[one] for one in wanted):
            if time.monotonic() > deadline:
                raise TimeoutError("the topic could not be read to its end within 120 s")
            for one, records in consumer.poll(timeout_ms=500).items():
                for record in records:
                    if numbered := self.mine(record.value):
                        producer_id, number = numbered
                        found.setdefault((producer_id, one.partition), []).append(number)
                        said = self.acknowledged.get((producer_id, one.partition), {}).get(number, record.offset)
                        moved += said != record.offset
        consumer.close()
        return found, moved


def within(seconds: float, holds: Callable[[], bool], what: str, work: Load, faults: Faults) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds:.0f} s: {what}; {dict(work.failures)} {faults.first}")
        time.sleep(0.2)


def newer(job: dict[str, Any], line: str) -> None:
    """What the line that ends a job brings: credentials that changed while it ran."""
    said = json.loads(line) if line.strip() else {}
    job.update({key: said[key] for key in ("reader", "ca") if key in said})


def wait_for_the_end(job: dict[str, Any]) -> None:
    ready, _, _ = select.select([sys.stdin], [], [], min(float(job["seconds"]), MOST_SECONDS))
    if ready:
        newer(job, sys.stdin.readline())


def load(job: dict[str, Any]) -> dict[str, Any]:
    from kafka import KafkaConsumer, TopicPartition

    if job["per_second"] * job["producers"] > MOST_PER_SECOND:
        raise SystemExit(f"at most {MOST_PER_SECOND} records a second")
    work = Load(job)
    faults = Faults()
    logging.getLogger("kafka").addHandler(faults)
    logging.getLogger("kafka").propagate = False
    reader = KafkaConsumer(group_id=None, **client_settings(job, job["reader"]))
    partitions = sorted(reader.partitions_for_topic(job["topic"]) or [])
    if not partitions:
        raise SystemExit(f"{job['topic']} has no partitions that {job['reader']['username']} can see")
    ends = reader.end_offsets([TopicPartition(job["topic"], partition) for partition in partitions])
    start = {one.partition: offset for one, offset in ends.items()}
    reader.close()
    consumers = [threading.Thread(target=work.consume, daemon=True) for _ in range(job["consumers"])]
    producers = [
        threading.Thread(target=work.produce, args=(number, partitions), daemon=True)
        for number in range(job["producers"])
    ]
    for thread in consumers:
        thread.start()
    # The group has its partitions before the first record is sent: what it has not seen at the end is then lost.
    within(120, work.assigned, "the group got its partitions", work, faults)
    for thread in producers:
        thread.start()
    within(120, lambda: work.warm(len(partitions)), "every partition acknowledged records", work, faults)
    with work.lock:
        # What connecting for the first time took is no stall of a running service.
        work.waits.clear()
    began = time.monotonic()
    print(json.dumps({"running": work.run, "partitions": len(partitions)}), flush=True)
    wait_for_the_end(job)
    seconds = time.monotonic() - began
    work.stopping.set()
    for thread in producers:
        thread.join(timeout=150)
    deadline = time.monotonic() + 60
    while work.missing() and time.monotonic() < deadline:
        time.sleep(0.5)
    unseen = work.missing()
    work.finished.set()
    for thread in consumers:
        thread.join(timeout=30)
    found, moved = work.read_back(start)
    with work.lock:
        worst = sorted(work.waits, reverse=True)[:5]
        return {
            **verdict(work.acknowledged, found),
            "sent": sum(work.sent.values()),
            "failures": dict(work.failures),
            "at_another_offset": moved,
            "unseen_by_the_group": unseen,
            "delivered_again_to_the_group": sum(times - 1 for times in work.seen.values()),
            "seconds": round(seconds, 1),
            "stall_ms": stalls(wait for wait, _, _ in work.waits),
            "worst": [f"{when} partition {partition}: {wait:.0f} ms" for wait, when, partition in worst],
            "complaints": dict(faults.counted),
            "first_complaints": faults.first,
        }


# -- The sampler ---------------------------------------------------------------------------------------------------


def below_min_isr(topics: list[Mapping[str, Any]], min_isr: Mapping[str, int]) -> list[str]:
    """Partitions with fewer replicas in sync than their topic's min.insync.replicas (pure)."""
    return [
        f"{topic['name']}-{part['partition_index']} in sync {part['isr_nodes']} of {part['replica_nodes']}"
        for topic in topics
        for part in topic["partitions"]
        if len(part["isr_nodes"]) < min_isr.get(topic["name"], 1)
    ]


def sample(job: dict[str, Any]) -> dict[str, Any]:
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    below: list[str] = []
    asked = unanswered = 0
    why: Counter[str] = Counter()
    fewest: int | None = None
    #: Times (of this machine's clock) between which replicas were missing.
    missing: list[list[float]] = []
    longest_gap = 0.0
    answered_at = time.monotonic()
    deadline = time.monotonic() + min(float(job["seconds"]), MOST_SECONDS)
    client: Any = None
    min_isr: dict[str, int] = {}
    refreshed = 0.0
    print(json.dumps({"running": "sample"}), flush=True)
    while time.monotonic() < deadline and not select.select([sys.stdin], [], [], job["interval"])[0]:
        asked += 1
        try:
            if client is None:
                # Its files may be newer than those of the connection before.
                context = ssl.create_default_context(cafile="/etc/kafka/tls/ca.crt")
                context.load_cert_chain("/etc/kafka/tls/keystore.pem")
                client = KafkaAdminClient(
                    bootstrap_servers=job["bootstrap_servers"], security_protocol="SSL", ssl_context=context,
                    request_timeout_ms=4000, bootstrap_timeout_ms=4000, client_id="groundwork-sample",
                )  # fmt: skip
            topics = client.describe_topics(None)
            names = [topic["name"] for topic in topics]
            if time.monotonic() - refreshed > 15 or set(names) - set(min_isr):
                found = client.describe_configs(
                    [ConfigResource(ConfigResourceType.TOPIC, name, ["min.insync.replicas"]) for name in names],
                    config_filter="all",
                )["topic"]
                min_isr = {name: int(config["min.insync.replicas"]["value"]) for name, config in found.items()}
                refreshed = time.monotonic()
        except Exception as error:
            unanswered += 1
            why[f"{type(error).__name__}: {error}"[:200]] += 1
            if client is not None:
                client.close()
                client = None
            continue
        longest_gap = max(longest_gap, time.monotonic() - answered_at)
        answered_at = time.monotonic()
        below += [f"{clock()} {text}" for text in below_min_isr(topics, min_isr)]
        if any(len(part["isr_nodes"]) < len(part["replica_nodes"]) for topic in topics for part in topic["partitions"]):
            if not missing or missing[-1][1]:
                missing.append([time.time(), 0.0])
        elif missing and not missing[-1][1]:
            missing[-1][1] = time.time()
        sizes = [len(part["isr_nodes"]) for topic in topics for part in topic["partitions"]]
        fewest = min([*sizes, *([] if fewest is None else [fewest])], default=fewest)
    longest_gap = max(longest_gap, time.monotonic() - answered_at)
    return {
        "samples": asked - unanswered,
        "unanswered": unanswered,
        "why_unanswered": dict(why),
        "longest_gap_seconds": round(longest_gap, 1),
        "fewest_in_sync": fewest,
        "replicas_missing": missing,
        "below_min_isr": len(below),
        "below_examples": below[:10],
    }


def main() -> None:
    # Unbuffered underneath, so that select() sees what comes after the first line.
    job = json.loads(sys.stdin.readline())
    work = {"load": load, "sample": sample}[sys.argv[1]]
    print(json.dumps(work(job)), flush=True)


if __name__ == "__main__":
    main()
