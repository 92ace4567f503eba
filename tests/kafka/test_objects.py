"""Topics, users, ACLs, quotas and configurations on a real cluster, by the modules' own entry."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from conftest import ORGANIZATION, Cluster, wait_for
from groundwork.kafka import acls, certs, protocol
from groundwork.kafka.client import login
from groundwork.kafka.protocol import Resource


def topic(name: str, partitions: int = 2, factor: int = 2, **config: Any) -> dict[str, Any]:
    return {
        "name": name,
        "partitions": partitions,
        "replication_factor": factor,
        "config": {key.replace("_", "."): value for key, value in config.items()},
    }


# -- Topics ----------------------------------------------------------------------------------------------------------


def test_topics_are_made_grown_and_configured(kafka: Cluster) -> None:
    made = kafka.twice("kafka_topics", topics=[topic("objects.a", retention_ms=60_000), topic("objects.b")])
    assert made["created"] == ["objects.a", "objects.b"]
    assert made["diff"]["after"]["objects.a"]["config"] == {"retention.ms": "60000"}
    other = kafka.twice("kafka_topics", topics=[topic("objects.a", 3, max_message_bytes=2048), topic("objects.b")])
    assert other["partitions_added"] == {"objects.a": {"from": 2, "to": 3}}
    assert other["config_set"] == {"objects.a": {"max.message.bytes": "2048"}}
    assert other["config_reset"] == {"objects.a": ["retention.ms"]}
    assert other["diff"]["before"]["objects.a"] == {"partitions": 2, "config": {"retention.ms": "60000"}}
    assert "objects.b" not in other["diff"]["after"]


def test_partitions_are_never_removed(kafka: Cluster) -> None:
    kafka.topic("objects.shrink", [[1, 2], [2, 3]])
    refused = kafka.run("kafka_topics", topics=[topic("objects.shrink", 1), topic("objects.not-made")])
    assert refused.failed
    assert "nothing was changed" in refused.said and "cannot remove partitions" in refused.said
    with kafka.admin() as client:
        assert "objects.not-made" not in client.list_topics()


@pytest.mark.parametrize("check", [True, False])
def test_what_the_brokers_refuse_is_refused_in_check_mode_too(kafka: Cluster, check: bool) -> None:
    refused = kafka.run("kafka_topics", check=check, topics=[topic("objects.bad", retention_ms="soon")])
    assert refused.failed and "objects.bad" in refused.said and "retention.ms" in refused.said


def test_unmanaged_topics_are_reported_and_pruned_by_word(kafka: Cluster) -> None:
    kafka.topic("objects.foreign", [[1, 2]])
    with kafka.admin() as client:
        others = [name for name in client.list_topics() if name != "objects.foreign" and not name.startswith("__")]
    kafka.drop(*others)
    kept = kafka.run("kafka_topics", topics=[])
    assert kept["unmanaged"] == ["objects.foreign"] and not kept.changed
    foreseen = kafka.run("kafka_topics", check=True, topics=[], prune=True)
    assert foreseen["pruned"] == ["objects.foreign"] and foreseen.changed
    for typed in ("", "anothercluster:prune-topics", f"{kafka.id}:prune-users"):
        refused = kafka.run("kafka_topics", topics=[topic("objects.late")], prune=True, confirm=typed)
        assert refused.failed and f"{kafka.id}:prune-topics" in refused.said and "objects.foreign" in refused.said
    with kafka.admin() as client:
        assert "objects.late" not in client.list_topics(), "refused, but something was made"
    done = kafka.twice("kafka_topics", topics=[], prune=True, confirm=f"{kafka.id}:prune-topics")
    assert done["pruned"] == ["objects.foreign"]


def test_replication_factor_is_changed_by_reassignment_only_with_a_throttle(kafka: Cluster) -> None:
    kafka.topic("objects.factor", [[1, 2], [2, 3]])
    kafka.produce("objects.factor", 20, 1000)
    wanted = [topic("objects.factor", 2, 3)]
    left = kafka.run("kafka_topics", topics=wanted)
    assert not left.changed and left["replication_differs"] == {"objects.factor": {"present": [2], "wanted": 3}}
    for throttle in (0, -5):
        refused = kafka.run("kafka_topics", topics=wanted, throttle=throttle)
        assert refused.failed and "more than 0" in refused.said
    refused = kafka.run("kafka_topics", topics=[topic("objects.factor", 2, 4), topic("objects.no")], throttle=10**7)
    assert refused.failed and "4 replicas on 3 brokers" in refused.said
    assert [len(one) for one in kafka.replicas("objects.factor")] == [2, 2]
    with kafka.admin() as client:
        assert "objects.no" not in client.list_topics(), "refused, but something was made"
    done = kafka.twice("kafka_topics", topics=wanted, throttle=10**7, wait=60)
    assert done["replication_changed"] == {"objects.factor": {"present": [2], "wanted": 3}}
    assert [len(one) for one in kafka.replicas("objects.factor")] == [3, 3]
    assert throttles(kafka) == []
    kafka.twice("kafka_topics", topics=[topic("objects.factor", 2, 2)], throttle=10**7, wait=60)
    assert [len(one) for one in kafka.replicas("objects.factor")] == [2, 2]


def test_what_needs_brokers_to_come_is_predicted_and_not_done(kafka: Cluster) -> None:
    """Four replicas on three brokers, as check mode sees them before the fourth is installed."""
    kafka.topic("objects.grows", [[1, 2, 3]])
    wanted = [topic("objects.grows", 1, 4, min_insync_replicas=2), topic("objects.of-four", 1, 4)]
    arguments: dict[str, Any] = {"topics": wanted, "throttle": 10**7, "wait": 60}
    refused = kafka.run("kafka_topics", check=True, **arguments)
    assert refused.failed and "4 replicas on 3 brokers" in refused.said
    foreseen = kafka.run("kafka_topics", check=True, assume={"4": "rack-d"}, **arguments)
    assert foreseen.changed and foreseen["created"] == ["objects.of-four"]
    assert foreseen["replication_changed"] == {"objects.grows": {"present": [3], "wanted": 4}}
    # What is wrong whoever comes is refused all the same.
    bad = [*wanted, topic("objects.bad", retention_ms="soon")]
    refused = kafka.run("kafka_topics", check=True, assume={"4": "rack-d"}, **{**arguments, "topics": bad})
    assert refused.failed and "retention.ms" in refused.said
    # Nobody is assumed when it is really done.
    refused = kafka.run("kafka_topics", assume={"4": "rack-d"}, **arguments)
    assert refused.failed and "4 replicas on 3 brokers" in refused.said
    assert [len(one) for one in kafka.replicas("objects.grows")] == [3]
    with kafka.admin() as client:
        assert "objects.of-four" not in client.list_topics()


def test_a_killed_change_of_replication_is_finished(kafka: Cluster) -> None:
    """The run was killed after the moves had begun: what it began ends, and its throttle does not stay for ever."""
    kafka.topic("objects.killed", [[1, 2]])
    kafka.produce("objects.killed", 300, 2000)
    plan = kafka.run("kafka_reassign", state="planned", replication={"objects.killed": 3}, topics=["objects.killed"])
    kafka.run("kafka_reassign", state="executed", plan=plan["plan"], throttle=150_000)
    assert throttles(kafka)
    done = kafka.twice("kafka_topics", topics=[topic("objects.killed", 1, 3)], throttle=10**7, wait=60)
    assert done.changed
    assert throttles(kafka) == [] and len(kafka.replicas("objects.killed")[0]) == 3


def throttles(kafka: Cluster) -> list[str]:
    """Where a throttle of a reassignment is set, asked of the cluster itself."""
    with kafka.admin() as client:
        names = client.list_topics()
        asked = [Resource("broker", str(id_)) for id_ in kafka.alive()] + [Resource("topic", name) for name in names]
        return [
            f"{one}: {name}"
            for one, entries in protocol.describe_configs(client, asked).items()
            for name, entry in entries.items()
            if "throttled" in name and entry["config_source"] in (1, 2) and entry["value"]
        ]


# -- Users and ACLs --------------------------------------------------------------------------------------------------


def accepted(kafka: Cluster, user: str, password: str) -> bool:
    return login(kafka.clients(user, password)) == ""


def test_users_log_in_change_password_and_go(kafka: Cluster) -> None:
    def users(**passwords: str) -> dict[str, Any]:
        return {
            "users": [{"name": name, "password": password} for name, password in passwords.items()],
            "client_servers": kafka.servers("CLIENT"),
        }

    made = kafka.twice("kafka_users", **users(anna="first-secret", otto="other-secret"))
    assert made["created"] == ["anna", "otto"] and accepted(kafka, "anna", "first-secret")
    assert "first-secret" not in str(made["diff"])
    changed = kafka.twice("kafka_users", **users(anna="second-secret", otto="other-secret"))
    assert list(changed["updated"]) == ["anna"]
    assert accepted(kafka, "anna", "second-secret") and not accepted(kafka, "anna", "first-secret")
    kept = kafka.run("kafka_users", **users(anna="second-secret"))
    assert kept["unmanaged"] == ["otto"] and not kept.changed
    refused = kafka.run("kafka_users", prune=True, **users(anna="third-secret"))
    assert refused.failed and "otto" in refused.said and f"{kafka.id}:prune-users" in refused.said
    assert accepted(kafka, "anna", "second-secret"), "refused, but a password was changed"
    gone = kafka.twice("kafka_users", prune=True, confirm=f"{kafka.id}:prune-users", **users(anna="second-secret"))
    assert gone["pruned"] == ["otto"]
    wait_for(lambda: not accepted(kafka, "otto", "other-secret"), 10, "otto cannot log in any more")


def test_acls_are_exact_for_managed_principals_and_pruned_by_word(kafka: Cluster) -> None:
    def acl(principal: str, operation: str, name: str = "orders") -> dict[str, str]:
        return {"principal": principal, "resource_type": "topic", "resource_name": name, "operation": operation}

    made = kafka.twice("kafka_acls", acls=[acl("User:a", "read"), acl("User:a", "write"), acl("User:b", "read")])
    assert len(made["created"]) == 3
    kept = kafka.twice("kafka_acls", acls=[acl("User:a", "read"), acl("User:a", "describe")])
    assert kept["revoked"] == ["User:a allow write on topic orders"]
    assert kept["unmanaged"] == ["User:b allow read on topic orders"]
    refused = kafka.run("kafka_acls", acls=[acl("User:a", "all")], prune=True, confirm="yes")
    assert refused.failed and f"{kafka.id}:prune-acls" in refused.said and "User:b" in refused.said
    still = kafka.run("kafka_acls", check=True, acls=[acl("User:a", "read"), acl("User:a", "describe")])
    assert not still.changed, "refused, but an ACL was changed"
    gone = kafka.twice("kafka_acls", acls=[], managed=[], prune=True, confirm=f"{kafka.id}:prune-acls")
    assert len(gone["pruned"]) == 3 and "- " not in gone["diff"]["after"]


# -- Quotas ----------------------------------------------------------------------------------------------------------


def test_quotas_of_services_and_others(kafka: Cluster) -> None:
    service = {"name": "fileflow", "kafka": {"quota": {"producer_byte_rate": 1_000_000, "request_percentage": 50}}}
    everybody = {"user": "<default>", "client_id": "<default>", "consumer_byte_rate": 5_000_000}
    made = kafka.twice("kafka_quotas", services=[service], quotas=[everybody])
    assert made["set"] == {
        "user=fileflow": {"producer_byte_rate": 1_000_000, "request_percentage": 50},
        "user=<default>, client-id=<default>": {"consumer_byte_rate": 5_000_000},
    }
    with kafka.admin() as client:
        assert protocol.describe_quotas(client)[("user", "fileflow"),] == {
            "producer_byte_rate": 1_000_000.0,
            "request_percentage": 50.0,
        }
    less = kafka.twice("kafka_quotas", services=[{"name": "fileflow"}])
    assert less["removed"] == {"user=fileflow": ["producer_byte_rate", "request_percentage"]}
    assert list(less["unmanaged"]) == ["user=<default>, client-id=<default>"]
    refused = kafka.run("kafka_quotas", quotas=[{"ip": "10.0.0.1", "connection_creation_rate": 5}], prune=True)
    assert refused.failed and f"{kafka.id}:prune-quotas" in refused.said
    with kafka.admin() as client:
        assert (("ip", "10.0.0.1"),) not in protocol.describe_quotas(client), "refused, but a quota was set"
    kafka.twice("kafka_quotas", prune=True, confirm=f"{kafka.id}:prune-quotas")
    with kafka.admin() as client:
        assert protocol.describe_quotas(client) == {}


def test_what_was_changed_is_seen_at_every_broker(kafka: Cluster) -> None:
    """The next run may ask another broker than the controller's: none may answer what was before."""
    acl = {"principal": "User:settled", "resource_type": "topic", "resource_name": "settled", "operation": "read"}
    stale = []
    with kafka.admin() as client:
        brokers = protocol.serving(client)
        for rate in range(1, 11):
            kafka.run("kafka_quotas", quotas=[{"user": "settled", "producer_byte_rate": rate}])
            quotas = []
            for node in brokers:
                with protocol.asking(client, node):
                    quotas.append(protocol.describe_quotas(client).get((("user", "settled"),)))
            given = kafka.run("kafka_acls", acls=[acl] if rate % 2 else [], managed=["User:settled"])
            assert given.changed
            held = []
            for node in brokers:
                with protocol.asking(client, node):
                    held.append(any(one.principal == "User:settled" for one in acls.read(client)))
            if quotas != [{"producer_byte_rate": float(rate)}] * len(brokers) or held != [bool(rate % 2)] * len(
                brokers
            ):
                stale.append((rate, quotas, held))
    kafka.run("kafka_quotas", prune=True, confirm=f"{kafka.id}:prune-quotas")
    assert not stale


def test_every_wrong_quota_is_named_at_once(kafka: Cluster) -> None:
    refused = kafka.run(
        "kafka_quotas",
        quotas=[
            {"producer_byte_rate": 1},
            {"user": "a"},
            {"user": "b", "producer_byte_rate": 0},
            {"user": "c", "ip": "10.0.0.1", "connection_creation_rate": 1},
            {"user": "d", "connection_creation_rate": 1},
            {"user": "e", "producer_byte_rate": 1},
            {"user": "e", "producer_byte_rate": 2},
        ],
    )
    assert refused.failed
    for words in ("quota 1 is for nobody", "quota 2 (user=a) limits nothing", "producer_byte_rate 0 must be more than 0",
                  "ip stands alone", "connection_creation_rate is for ip", "quota 7 (user=e) is given twice"):  # fmt: skip
        assert words in refused.said
    with kafka.admin() as client:
        assert protocol.describe_quotas(client) == {}


# -- Configurations --------------------------------------------------------------------------------------------------


def test_configurations_of_every_entity(kafka: Cluster) -> None:
    kafka.topic("objects.config", [[1, 2]], retention_ms="1000")
    configs: list[dict[str, Any]] = [
        {"entity": "broker", "name": "1", "config": {"log.cleaner.backoff.ms": 16_000}},
        {"entity": "default_broker", "config": {"log.cleaner.threads": 2}},
        {"entity": "topic", "name": "objects.config", "config": {"segment.bytes": 2_097_152, "retention.ms": None}},
        {"entity": "group", "name": "readers", "config": {"consumer.session.timeout.ms": 50_000}},
        {"entity": "client_metrics", "name": "all", "config": {"interval.ms": 60_000}},
    ]
    done = kafka.twice("kafka_configs", configs=configs)
    assert done["set"] == {
        "broker 1": {"log.cleaner.backoff.ms": "16000"},
        "all brokers": {"log.cleaner.threads": "2"},
        "topic objects.config": {"segment.bytes": "2097152"},
        "group readers": {"consumer.session.timeout.ms": "50000"},
        "client_metrics all": {"interval.ms": "60000"},
    }
    assert done["reset"] == {"topic objects.config": ["retention.ms"]}
    told = {(one["entity"], one["name"]): one["config"] for one in kafka.run("kafka_configs", state="info")["configs"]}
    assert told["broker", "1"] == {"log.cleaner.backoff.ms": "16000"}
    assert told["default_broker", ""]["log.cleaner.threads"] == "2"
    assert told["client_metrics", "all"] == {"interval.ms": "60000"} and told["group", "readers"]
    empty = [{"entity": one["entity"], "name": one.get("name", ""), "exclusive": True} for one in configs]
    back = kafka.twice("kafka_configs", configs=empty)
    assert back["reset"]["all brokers"] == ["log.cleaner.threads"]
    assert {"entity": "topic", "name": "objects.config"} not in kafka.run("kafka_configs", state="info")["configs"]


def test_static_secret_unknown_and_foreign_configurations_are_refused_by_name(kafka: Cluster) -> None:
    refused = kafka.run(
        "kafka_configs",
        configs=[
            {"entity": "default_broker", "config": {"log.cleaner.threads": 1}},
            {
                "entity": "broker",
                "name": "1",
                "config": {"log.dirs": "/x", "no.such.thing": 1, "ssl.key.password": "p"},
            },
            {"entity": "broker", "name": "2", "config": {"leader.replication.throttled.rate": 1}},
        ],
    )
    assert refused.failed and "nothing was changed" in refused.said
    for words in ("broker 1: log.dirs is static", "broker 1: brokers know no configuration no.such.thing",
                  "broker 1: ssl.key.password is a secret", "belongs to module kafka_reassign"):  # fmt: skip
        assert words in refused.said
    for check in (True, False):
        value = kafka.run(
            "kafka_configs",
            check=check,
            configs=[
                {"entity": "default_broker", "config": {"log.cleaner.threads": 2}},
                {"entity": "topic", "name": "objects.config", "config": {"cleanup.policy": "burn"}},
            ],
        )
        assert value.failed and "cleanup.policy" in value.said
    gone = kafka.run("kafka_configs", configs=[{"entity": "broker", "name": "77"}, {"entity": "topic", "name": "none"}])
    assert gone.failed and "broker 77 is not in service" in gone.said and "topic none does not exist" in gone.said
    odd = kafka.run(
        "kafka_configs",
        configs=[{"entity": "broker", "name": "one"}, {"entity": "default_broker", "name": "1"}, {"entity": "group"}],
    )
    assert odd.failed and odd.said.count(";") == 2
    told = kafka.run("kafka_configs", state="info", configs=[{"entity": "default_broker"}])["configs"][0]["config"]
    assert "log.cleaner.threads" not in told, "refused, but something was set"


def served(kafka: Cluster, listener: str) -> str:
    return ssl.get_server_certificate(("localhost", kafka.nodes[2].ports[listener]))


@pytest.mark.parametrize(("listener", "by_path"), [("INTERNAL", False), ("CLIENT", True)])
def test_a_new_certificate_is_served_without_a_restart(kafka: Cluster, listener: str, by_path: bool) -> None:
    """Sent again, a file's name makes the broker read the file anew; null leaves it to server.properties."""
    store = kafka.nodes[2].folder / "keystore.pem"
    before = served(kafka, listener)
    key, request = certs.make_request(["localhost"], ["127.0.0.1"], ORGANIZATION, "kafka-node")
    signed = certs.sign_request(request, kafka.ca["certificate"], kafka.ca["private_key"],
                                dns_names=["localhost"], addresses=["127.0.0.1"], days=2)  # fmt: skip
    store.write_text(key + signed)
    name = f"listener.name.{listener.lower()}.ssl.keystore.location"
    entry = {"entity": "broker", "name": "2", "config": {name: str(store) if by_path else None}}
    assert kafka.run("kafka_configs", configs=[entry]).changed == by_path
    again = kafka.run("kafka_configs", configs=[entry])
    assert not again.changed, "the same name is the same configuration"
    sent = kafka.run("kafka_configs", configs=[{**entry, "resend": True}])
    assert sent.changed and sent["resent"] == {"broker 2": [name]} and not sent["set"] and not sent["reset"]
    wait_for(lambda: served(kafka, listener) != before, 20, "the new certificate is served")
    kafka.run("kafka_configs", configs=[{"entity": "broker", "name": "2", "exclusive": True}])
    kafka.healthy(3)


# -- All of it -------------------------------------------------------------------------------------------------------


def test_everything_of_the_catalog_in_one_call(kafka: Cluster) -> None:
    topics = [{"name": "objects.together", "partitions": 2, "config": {"retention.ms": "60000"}}]
    service = {
        "name": "together",
        "kafka": {"topics": topics, "produces": ["objects.together"], "quota": {"producer_byte_rate": 1_000_000}},
    }
    user = {"name": "together", "password": "a-secret-of-its-own"}
    wanted: dict[str, Any] = {
        "properties": {"log.cleaner.threads": 2},
        "services": [service],
        "principals": [service],
        "users": [user],
        "client_servers": kafka.servers("CLIENT"),
        "canary": "objects.canary",
    }
    made = kafka.twice("kafka_objects", **wanted)
    assert [one["before_header"] for one in made["diff"]] == ["properties", "topics", "users", "acls", "quotas"]
    assert made["parts"]["topics"]["created"] == ["objects.canary", "objects.together"]
    assert user["password"] not in str(made.result["diff"]) and user["password"] not in str(made["parts"])
    # The modules that do it one by one have nothing to do.
    alone: dict[str, dict[str, Any]] = {
        "kafka_configs": {"configs": [{"entity": "default_broker", "config": wanted["properties"]}]},
        "kafka_topics": {"services": [service], "canary": "objects.canary"},
        "kafka_users": {"users": [user], "client_servers": wanted["client_servers"]},
        "kafka_acls": {"services": [service], "canary": "objects.canary"},
        "kafka_quotas": {"services": [service]},
    }
    assert [module for module, params in alone.items() if kafka.run(module, **params).changed] == []
    # One part differs: only that one is shown and changed.
    less = kafka.twice("kafka_objects", **{**wanted, "principals": [{"name": "together"}], "canary": ""})
    assert [one["before_header"] for one in less["diff"]] == ["acls", "quotas"]

    worse = {**service, "kafka": {"topics": [{**topics[0], "config": {"retention.ms": "soon"}}]}}
    wrong = {**wanted, "properties": {"no.such.thing": 1}, "services": [worse], "users": [{**user, "password": "new"}]}
    for check in (True, False):
        refused = kafka.run("kafka_objects", check=check, **wrong)
        assert refused.failed and refused.said.startswith("nothing was changed")
        assert "properties: " in refused.said and "no.such.thing" in refused.said
        assert "topics: " in refused.said and "retention.ms" in refused.said
    assert accepted(kafka, "together", user["password"]), "refused, but a password was changed"
    unread = {**wanted, "services": [], "users": [{"name": "together"}, {"name": "late"}], "principals": [service]}
    refused = kafka.run("kafka_objects", **unread)
    assert refused.failed and "no password for together, late" in refused.said
    assert kafka.run("kafka_objects", check=True, **unread)["parts"]["users"]["created"] == ["late"]
    assert not kafka.run("kafka_acls", check=True, managed=["User:together"]).changed, "refused, but an ACL was made"

    kafka.run("kafka_configs", configs=[{"entity": "default_broker", "name": "", "exclusive": True}])
    kafka.drop("objects.together", "objects.canary")
