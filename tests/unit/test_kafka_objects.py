"""Topics, users, ACLs: what the catalog means and what would be changed."""

from __future__ import annotations

from typing import Any

import pytest
from groundwork.kafka import acls, desired, topics, users
from groundwork.kafka.acls import Acl
from groundwork.kafka.client import KafkaProblem

SERVICES: list[dict[str, Any]] = [
    {
        "name": "fileflow",
        "kafka": {
            "topics": [
                {
                    "name": "fileflow.uploaded.v1",
                    "partitions": 6,
                    "config": {"retention.ms": 604800000, "preallocate": False},
                }
            ],
            "produces": ["fileflow.uploaded.v1"],
            "consumes": ["authhub.events.v1"],
            "consumer_groups": ["fileflow"],
        },
    },
    {"name": "authhub", "kafka": {"topics": [{"name": "authhub.events.v1", "replication_factor": 2}]}},
    {"name": "static"},
]


def test_topics_of_the_catalog_take_the_defaults() -> None:
    found = {topic.name: topic for topic in topics.parse(desired.topics(SERVICES, 3, 2))}
    assert found["fileflow.uploaded.v1"] == topics.Topic(
        "fileflow.uploaded.v1", 6, 3, {"retention.ms": "604800000", "preallocate": "false", "min.insync.replicas": "2"}
    )
    # Two replicas and min ISR 2 would stop at the first failure.
    assert found["authhub.events.v1"].config == {"min.insync.replicas": "1"}


def test_canary_keeps_the_partitions_of_a_broker_that_left() -> None:
    (canary,) = topics.parse([desired.canary_topic("c", 3, 3, 2)])
    present = topics.Present(4, (3,), {"retention.ms": "3600000", "min.insync.replicas": "2"})
    assert not topics.make_plan([canary], {"c": present}).problems
    assert not topics.make_plan([canary], {"c": present}).changed


def test_canary_fits_a_single_broker() -> None:
    assert desired.canary_topic("c", 1, 3, 2)["replication_factor"] == 1
    assert desired.canary_topic("c", 3, 3, 2)["min_insync_replicas"] == 2


def test_acls_are_exactly_what_is_produced_and_consumed() -> None:
    assert desired.acls(SERVICES) == sorted(
        [
            Acl("User:fileflow", "topic", "fileflow.uploaded.v1", "write"),
            Acl("User:fileflow", "topic", "fileflow.uploaded.v1", "describe"),
            Acl("User:fileflow", "topic", "authhub.events.v1", "read"),
            Acl("User:fileflow", "topic", "authhub.events.v1", "describe"),
            Acl("User:fileflow", "group", "fileflow", "read"),
            Acl("User:fileflow", "group", "fileflow", "describe"),
        ]
    )
    assert {acl.principal for acl in desired.acls(SERVICES, "canary") if acl.resource_name == "canary"} == {
        "User:fileflow",
        "User:authhub",
    }


def test_service_that_left_kafka_loses_its_acls() -> None:
    old = Acl("User:static", "topic", "*", "read")
    plan = acls.make_plan(desired.acls(SERVICES), [old], desired.principals(SERVICES))
    assert plan.delete == [old]


def test_acls_of_others_are_left_alone() -> None:
    foreign = Acl("User:legacy", "topic", "*", "all")
    plan = acls.make_plan([], [foreign], ["User:fileflow"])
    assert (plan.create, plan.delete, plan.unmanaged, plan.changed) == ([], [], [foreign], False)


def test_acl_words_are_checked() -> None:
    with pytest.raises(KafkaProblem, match="no type"):
        acls.parse([{"principal": "fileflow", "resource_type": "topic", "resource_name": "a", "operation": "read"}])
    with pytest.raises(KafkaProblem, match="'reed' is not one of"):
        acls.parse([{"principal": "User:f", "resource_type": "topic", "resource_name": "a", "operation": "reed"}])


def present(partitions: int = 6, factors: tuple[int, ...] = (3,), **config: str) -> topics.Present:
    return topics.Present(partitions, factors, {key.replace("_", "."): value for key, value in config.items()})


def wanted(partitions: int = 6, factor: int = 3, **config: str) -> topics.Topic:
    return topics.Topic("t", partitions, factor, {key.replace("_", "."): value for key, value in config.items()})


def test_topic_no_op() -> None:
    plan = topics.make_plan([wanted(retention_ms="1")], {"t": present(retention_ms="1")})
    assert not plan.changed


def test_topic_create_grow_set_and_reset() -> None:
    have = {"t": present(3, retention_ms="2", cleanup_policy="compact"), "other": present()}
    plan = topics.make_plan([wanted(retention_ms="1"), topics.Topic("new", 1, 1)], have)
    assert [topic.name for topic in plan.create] == ["new"]
    assert plan.grow == {"t": (3, 6)}
    assert plan.config_set == {"t": {"retention.ms": "1"}}
    assert plan.config_reset == {"t": ["cleanup.policy"]}
    assert plan.unmanaged == ["other"]
    before, after = topics.diff([], have, plan)
    assert before["t"] == {"partitions": 3, "config": {"retention.ms": "2", "cleanup.policy": "compact"}}
    assert after["t"] == {"partitions": 6, "config": {"retention.ms": "1"}}


def test_topic_shrink_is_refused() -> None:
    plan = topics.make_plan([wanted(partitions=2)], {"t": present(6)})
    assert "cannot remove partitions" in plan.problems[0]


def test_topic_replication_is_reported_not_changed() -> None:
    plan = topics.make_plan([wanted(factor=2)], {"t": present()})
    assert plan.replication == {"t": {"present": [3], "wanted": 2}}
    assert not plan.changed


def test_reassignment_throttles_are_not_drift() -> None:
    have = topics.Present(6, (3,), {"leader.replication.throttled.replicas": "0:1"})
    assert not topics.make_plan([wanted()], {"t": have}).changed


def test_topic_twice_is_an_error() -> None:
    entry = {"name": "t", "partitions": 1, "replication_factor": 1}
    with pytest.raises(KafkaProblem, match="twice"):
        topics.parse([entry, entry])


CREDENTIAL = [{"mechanism": "SCRAM-SHA-512", "iterations": 4096}]


@pytest.mark.parametrize(
    ("have", "password", "refusal", "action"),
    [
        ({}, "p", None, "create"),
        ({"u": [{"mechanism": "SCRAM-SHA-256", "iterations": 4096}]}, "p", None, "create"),
        ({"u": CREDENTIAL}, "p", "", "keep"),
        ({"u": CREDENTIAL}, "p", "refused", "update"),
        ({"u": CREDENTIAL}, None, None, "update"),
        ({"u": [{"mechanism": "SCRAM-SHA-512", "iterations": 8192}]}, "p", "", "update"),
    ],
)
def test_user_verdicts(have: dict[str, Any], password: str | None, refusal: str | None, action: str) -> None:
    assert users.judge(users.User("u", password), have, refusal).action == action


def test_users_cannot_take_the_brokers_principal() -> None:
    with pytest.raises(KafkaProblem, match="reserved"):
        users.check_names([users.User("kafka-node", "p")])


def grown(wanted: int, have: int) -> tuple[topics.Plan, dict[str, topics.Present]]:
    present = {"a.v1": topics.Present(3, (have,), {"min.insync.replicas": "1"})}
    wish = topics.Topic("a.v1", 3, wanted, {"min.insync.replicas": "2", "retention.ms": "1000"})
    return topics.make_plan([wish], present), present


def test_min_isr_waits_for_its_replicas() -> None:
    plan, present = grown(3, 1)
    now, later = topics.by_replicas(plan, plan.replication)
    assert now.config_set == {}
    assert later.config_set == {"a.v1": {"min.insync.replicas": "2", "retention.ms": "1000"}}
    # Without a throttle nothing is copied: the topic would not be writable.
    topics.hold_min_isr(plan, present)
    assert plan.config_set == {"a.v1": {"retention.ms": "1000"}}


def test_min_isr_is_lowered_before_its_replicas() -> None:
    plan, _ = grown(2, 3)
    now, later = topics.by_replicas(plan, plan.replication)
    assert now.config_set == {"a.v1": {"min.insync.replicas": "2", "retention.ms": "1000"}}
    assert not later.changed
