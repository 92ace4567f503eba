"""What kafka-python's admin client lacks, on its protocol layer and in this one place.

Requests that it has no class for (raft voters, unregistering a broker) get one from Kafka's own schema; requests that it
has a class but no call for (client quotas, configurations of all brokers, end offsets of one replica) are sent as they are;
and where its call hides the broker's words (elections, features, reassignments), the request is sent here and they are kept.
"""

from __future__ import annotations

import contextlib
import functools
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import KafkaProblem, error_text, uuid_of

#: A topic and the number of a partition.
Key = tuple[str, int]


def label(key: Key) -> str:
    return f"{key[0]}-{key[1]}"


def parse_label(text: str) -> Key:
    """``topic-0`` → ("topic", 0); a topic's name may contain hyphens."""
    name, _, number = text.rpartition("-")
    if not name or not number.isdigit():
        raise KafkaProblem(f"{text!r} is no partition: write it as TOPIC-NUMBER, e.g. orders.v1-0")
    return name, int(number)


def by_topic(keys: Iterable[Key]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for topic, number in sorted(keys):
        found[topic].append(number)
    return dict(found)


def _schema(name: str, key: int, fields: Sequence[tuple[Any, ...]], versions: str = "0") -> dict[str, Any]:
    """A message in the shape of Kafka's own JSON schemas; fields are (name, type[, more])."""

    def field(name: str, type_: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {"name": name, "type": type_, "versions": "0+", **(more or {})}

    return {
        "apiKey": key,
        "type": "request" if name.endswith("Request") else "response",
        "name": name,
        "validVersions": versions,
        "flexibleVersions": "0+",
        "fields": [field(*one) for one in fields],
    }


_NULLABLE = {"nullableVersions": "0+"}
_ANSWER = (("ThrottleTimeMs", "int32"), ("ErrorCode", "int16"), ("ErrorMessage", "string", _NULLABLE))
_LISTENER = {
    "fields": [
        {"name": "Name", "type": "string", "versions": "0+", "mapKey": True},
        {"name": "Host", "type": "string", "versions": "0+"},
        {"name": "Port", "type": "uint16", "versions": "0+"},
    ]
}
# Version 0 of each: what every broker of Kafka 4 speaks. clients/src/main/resources/common/message of Apache Kafka.
_SCHEMAS: dict[str, tuple[int, tuple[tuple[Any, ...], ...]]] = {
    "AddRaftVoter": (
        80,
        (
            ("ClusterId", "string", _NULLABLE),
            ("TimeoutMs", "int32"),
            ("VoterId", "int32"),
            ("VoterDirectoryId", "uuid"),
            ("Listeners", "[]Listener", _LISTENER),
        ),
    ),
    "RemoveRaftVoter": (
        81,
        (("ClusterId", "string", _NULLABLE), ("VoterId", "int32"), ("VoterDirectoryId", "uuid")),
    ),
    "UnregisterBroker": (64, (("BrokerId", "int32"),)),
}


@functools.cache
def _messages(name: str) -> tuple[Any, Any]:
    """The request's and the response's class. They are kept: kafka-python itself only holds weak references."""
    from kafka.protocol.api_message import ApiMessage

    key, fields = _SCHEMAS[name]

    def kind(suffix: str, fields: Sequence[tuple[Any, ...]]) -> Any:
        schema = _schema(name + suffix, key, fields)
        # kafka-python loads a schema by the class's name and lets the class patch it; the loaded one is replaced whole.
        patch = classmethod(lambda _metaclass, _loaded: schema)
        return types.new_class(f"UpdateFeatures{suffix}", (ApiMessage,), {}, lambda body: body.update(json_patch=patch))

    return kind("Request", fields), kind("Response", _ANSWER)


def send(client: Any, request: Any, node: int | None = None) -> Any:
    """Send a request to a broker (None: any) and wait for the response. A broker forwards what is the controller's."""

    async def ask() -> Any:
        return await (client._manager.send(request) if node is None else client._manager.send(request, node_id=node))

    return client._manager.run(ask)


#: Seconds for a broker to apply what the controller has acknowledged.
SETTLE = 10.0


def settled(holds: Callable[[], bool], seconds: float = SETTLE) -> bool:
    """Wait until a change that the controller has acknowledged is seen where it is read next; False: not yet.

    Brokers learn it from the metadata log a moment later, and any of them may be asked. That one is slow is no failure.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def serving(client: Any) -> list[int]:
    """The brokers in service."""
    return sorted(one["broker_id"] for one in client.describe_cluster()["brokers"] if not one.get("is_fenced"))


@contextlib.contextmanager
def asking(client: Any, node: int) -> Iterator[None]:
    """Have this broker asked whatever any broker could answer."""
    manager = client._manager
    manager.send = functools.partial(manager.send, node_id=node)
    try:
        yield
    finally:
        del manager.send


def settled_everywhere(client: Any, holds: Callable[[], bool], seconds: float = SETTLE) -> None:
    """``settled`` at every broker in service: whichever the next run asks, it finds what this one did."""
    from kafka.errors import KafkaError

    for node in serving(client):
        # One that goes down just now answers nobody.
        with contextlib.suppress(KafkaError), asking(client, node):
            settled(holds, seconds)


def refusal(response: Any) -> str:
    """The broker's words for a response's own error; "" when there is none."""
    return error_text(response.error_code, getattr(response, "error_message", None))


def _timeout(client: Any) -> int:
    return int(client.config["request_timeout_ms"])


# -- The quorum and brokers' registrations ---------------------------------------------------------------------------


def add_voter(client: Any, cluster_id: str, voter: int, directory_id: str, endpoints: Mapping[str, str]) -> str:
    """Make a controller a voter; ``endpoints`` {listener: HOST:PORT}. "" or why not."""
    request, _ = _messages("AddRaftVoter")
    listeners = []
    for name, endpoint in endpoints.items():
        host, _, port = endpoint.rpartition(":")
        listeners.append(request.Listener(name=name, host=host, port=int(port)))
    return refusal(
        send(
            client,
            request(
                cluster_id=cluster_id,
                timeout_ms=_timeout(client),
                voter_id=voter,
                voter_directory_id=uuid_of(directory_id),
                listeners=listeners,
            ),
        )
    )


def remove_voter(client: Any, cluster_id: str, voter: int, directory_id: str) -> str:
    """Take a voter out of the quorum. "" or why not."""
    request, _ = _messages("RemoveRaftVoter")
    return refusal(
        send(client, request(cluster_id=cluster_id, voter_id=voter, voter_directory_id=uuid_of(directory_id)))
    )


def unregister_broker(client: Any, broker: int) -> str:
    """Forget a broker that is down for good. "" or why not."""
    request, _ = _messages("UnregisterBroker")
    return refusal(send(client, request(broker_id=broker)))


# -- Client quotas ---------------------------------------------------------------------------------------------------

#: A quota's entity: ((type, name), …), sorted; a name of None is the default of that type.
Entity = tuple[tuple[str, str | None], ...]


def describe_quotas(client: Any) -> dict[Entity, dict[str, float]]:
    """Every client quota of the cluster."""
    from kafka.protocol.admin import DescribeClientQuotasRequest

    response = send(client, DescribeClientQuotasRequest(components=[], strict=False))
    if why := refusal(response):
        raise KafkaProblem(f"client quotas cannot be read: {why}")
    return {
        tuple(sorted((part.entity_type, part.entity_name) for part in entry.entity)): {
            value.key: value.value for value in entry.values
        }
        for entry in response.entries or []
    }


def alter_quotas(client: Any, changes: Mapping[Entity, Mapping[str, float | None]], check: bool) -> dict[Entity, str]:
    """Set quotas (a value of None takes one away). Returns what was refused."""
    from kafka.protocol.admin import AlterClientQuotasRequest as Request

    entry = Request.EntryData
    response = send(
        client,
        Request(
            entries=[
                entry(
                    entity=[entry.EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                    ops=[
                        entry.OpData(key=key, value=0.0 if value is None else float(value), remove=value is None)
                        for key, value in values.items()
                    ],
                )
                for entity, values in changes.items()
            ],
            validate_only=check,
        ),
    )
    return {
        tuple(sorted((part.entity_type, part.entity_name) for part in one.entity)): why
        for one in response.entries
        if (why := refusal(one))
    }


# -- Configurations --------------------------------------------------------------------------------------------------

RESOURCE_TYPES = {"topic": 2, "broker": 4, "default_broker": 4, "client_metrics": 16, "group": 32}
#: Which source means "set on this very entity" (ConfigSource of DescribeConfigsResponse).
SET_HERE = {"topic": 1, "broker": 2, "default_broker": 3, "client_metrics": 7, "group": 8}


@dataclass(frozen=True, order=True)
class Resource:
    """What is configured: its entity and its name, "" for the default of all brokers."""

    entity: str
    name: str

    def __str__(self) -> str:
        return "all brokers" if self.entity == "default_broker" else f"{self.entity} {self.name}"

    @property
    def node(self) -> int | None:
        """A broker's configuration is read from and checked by itself."""
        return int(self.name) if self.entity == "broker" else None


def _by_node(resources: Iterable[Resource]) -> dict[int | None, list[Resource]]:
    found: dict[int | None, list[Resource]] = defaultdict(list)
    for one in sorted(resources):
        found[one.node].append(one)
    return found


def describe_configs(client: Any, resources: Iterable[Resource]) -> dict[Resource, dict[str, dict[str, Any]]]:
    """By resource and name: ``value``, ``read_only``, ``is_sensitive``, ``config_source`` (a number), …"""
    from kafka.protocol.admin import DescribeConfigsRequest

    found: dict[Resource, dict[str, dict[str, Any]]] = {}
    for node, group in _by_node(resources).items():
        response = send(
            client,
            DescribeConfigsRequest(resources=[(RESOURCE_TYPES[one.entity], one.name, None) for one in group]),
            node,
        )
        answers = {(one.resource_type, one.resource_name): one for one in response.results}
        for one in group:
            answer = answers[RESOURCE_TYPES[one.entity], one.name]
            if why := refusal(answer):
                raise KafkaProblem(f"configuration of {one} cannot be read: {why}")
            found[one] = {entry.name: entry.to_dict() for entry in answer.configs}
    return found


def alter_configs(
    client: Any, changes: Mapping[Resource, Mapping[str, str | None]], check: bool
) -> dict[Resource, str]:
    """Set configurations incrementally (None resets one to its default). Returns what was refused."""
    from kafka.protocol.admin import IncrementalAlterConfigsRequest

    refused: dict[Resource, str] = {}
    for node, group in _by_node(changes).items():
        response = send(
            client,
            IncrementalAlterConfigsRequest(
                resources=[
                    (
                        RESOURCE_TYPES[one.entity],
                        one.name,
                        [(key, 1 if value is None else 0, value) for key, value in changes[one].items()],
                    )
                    for one in group
                ],
                validate_only=check,
            ),
            node,
        )
        answers = {(one.resource_type, one.resource_name): one for one in response.responses}
        for one in group:
            if why := refusal(answers[RESOURCE_TYPES[one.entity], one.name]):
                refused[one] = why
    if not check:
        _settle(client, {one: change for one, change in changes.items() if one not in refused})
    return refused


def _settle(client: Any, changes: Mapping[Resource, Mapping[str, str | None]]) -> None:
    from kafka.errors import KafkaError
    from kafka.protocol.admin import DescribeConfigsRequest

    def shows(node: int | None, group: Sequence[Resource]) -> bool:
        request = DescribeConfigsRequest(
            resources=[(RESOURCE_TYPES[one.entity], one.name, sorted(changes[one])) for one in group]
        )
        response = send(client, request, node)
        answers = {(one.resource_type, one.resource_name): one for one in response.results}
        for one in group:
            answer = answers[RESOURCE_TYPES[one.entity], one.name]
            have = {entry.name: entry for entry in answer.configs if entry.config_source == SET_HERE[one.entity]}
            for name, value in changes[one].items():
                entry = have.get(name)
                if (entry is None) != (value is None) or (entry and not entry.is_sensitive and entry.value != value):
                    return False
        return True

    for node, group in _by_node(changes).items():
        holds = functools.partial(shows, node, group)
        if node is None:
            settled_everywhere(client, holds)
            continue
        with contextlib.suppress(KafkaError):
            settled(holds)


# -- Partitions ------------------------------------------------------------------------------------------------------

PREFERRED, UNCLEAN = 0, 1


def elect_leaders(client: Any, kind: int, keys: Iterable[Key]) -> dict[Key, str]:
    """Elect leaders of these partitions; returns what was refused (that none was needed is no refusal)."""
    from kafka.protocol.admin import ElectLeadersRequest

    response = send(
        client,
        ElectLeadersRequest(
            election_type=kind, topic_partitions=list(by_topic(keys).items()), timeout_ms=_timeout(client)
        ),
    )
    if why := refusal(response):
        raise KafkaProblem(f"no election: {why}")
    return {
        (topic.topic, part.partition_id): refusal(part)
        for topic in response.replica_election_results
        for part in topic.partition_result
        if part.error_code not in (0, 84)  # ELECTION_NOT_NEEDED
    }


def alter_reassignments(client: Any, wanted: Mapping[Key, Sequence[int] | None]) -> dict[Key, str]:
    """Start moving partitions to these replicas (None: cancel). Returns what was refused."""
    from kafka.protocol.admin import AlterPartitionReassignmentsRequest as Request

    topic, partition = Request.ReassignableTopic, Request.ReassignableTopic.ReassignablePartition

    def target(key: Key) -> list[int] | None:
        replicas = wanted[key]
        return None if replicas is None else list(replicas)

    response = send(
        client,
        Request(
            timeout_ms=_timeout(client),
            topics=[
                topic(
                    name=name,
                    partitions=[partition(partition_index=one, replicas=target((name, one))) for one in numbers],
                )
                for name, numbers in by_topic(wanted).items()
            ],
        ),
    )
    if why := refusal(response):
        raise KafkaProblem(f"nothing was moved: {why}")
    return {
        (one.name, part.partition_index): why
        for one in response.responses
        for part in one.partitions
        if (why := refusal(part))
    }


def end_offsets(client: Any, broker: int, keys: Iterable[Key]) -> dict[Key, int]:
    """Log end offsets of a broker's own replicas, leader or not; partitions that it cannot read are left out."""
    from kafka.protocol.consumer import ListOffsetsRequest as Request

    topic, partition = Request.ListOffsetsTopic, Request.ListOffsetsTopic.ListOffsetsPartition
    response = send(
        client,
        Request(
            replica_id=-2,  # the debugging replica: a follower answers it too
            isolation_level=0,
            topics=[
                topic(
                    name=name,
                    partitions=[
                        partition(partition_index=one, current_leader_epoch=-1, timestamp=-1) for one in numbers
                    ],
                )
                for name, numbers in by_topic(keys).items()
            ],
            timeout_ms=_timeout(client),
        ),
        broker,
    )
    return {
        (one.name, part.partition_index): part.offset
        for one in response.topics
        for part in one.partitions
        if part.error_code == 0 and part.offset >= 0
    }


# -- Features --------------------------------------------------------------------------------------------------------

UPGRADE, SAFE_DOWNGRADE = 1, 2


def update_features(client: Any, levels: Mapping[str, int], kind: int, check: bool) -> list[str]:
    """Finalise (or with SAFE_DOWNGRADE lower) feature levels, all or none. Returns what was refused."""
    from kafka.protocol.admin import UpdateFeaturesRequest as Request

    response = send(
        client,
        Request(
            timeout_ms=_timeout(client),
            feature_updates=[
                Request.FeatureUpdateKey(
                    feature=name, max_version_level=level, allow_downgrade=kind != UPGRADE, upgrade_type=kind
                )
                for name, level in sorted(levels.items())
            ],
            validate_only=check,
            min_version=1,
        ),
    )
    if why := refusal(response):
        return [why]
    return [f"{one.feature}: {why}" for one in response.results or [] if (why := refusal(one))]
