"""Exports: their shape, and how one is compared with another."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from groundwork.kafka import export
from groundwork.kafka.client import KafkaProblem

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "cluster_id": "x",
    "topics": [{"name": "a", "partitions": 3, "replication_factor": 3, "config": {"retention.ms": "1"}}],
    "acls": [
        {
            "principal": "User:a", "resource_type": "topic", "resource_name": "a", "operation": "read",
            "pattern_type": "literal", "permission": "allow", "host": "*",
        }
    ],
    "users": [{"name": "a", "mechanism": "SCRAM-SHA-512", "iterations": 4096}],
    "quotas": [{"user": "a", "producer_byte_rate": 1000}],
    "configs": [{"entity": "default_broker", "name": "", "config": {"log.retention.ms": "5"}}],
}  # fmt: skip


def test_the_same_is_the_same() -> None:
    assert export.compare(DOCUMENT, copy.deepcopy(DOCUMENT)) == []


def test_every_difference_is_a_line() -> None:
    other = copy.deepcopy(DOCUMENT)
    other["topics"][0]["partitions"] = 4
    other["acls"] = []
    other["users"].append({"name": "b", "mechanism": "SCRAM-SHA-512", "iterations": 4096})
    other["quotas"][0]["producer_byte_rate"] = 5
    other["configs"] = []
    lines = export.compare(DOCUMENT, other)
    assert [line.split(":")[0] for line in lines] == ["topics", "acls", "users", "quotas", "configs"]
    assert "users: b (SCRAM-SHA-512) is not in the document" in lines
    assert "acls: User:a allow read on topic a is missing" in lines


def test_quotas_have_the_module_s_words() -> None:
    found = export.quotas(
        {(("client-id", None), ("user", "a")): {"producer_byte_rate": 1000.0, "request_percentage": 12.5}}
    )
    assert found == [{"client_id": "<default>", "user": "a", "producer_byte_rate": 1000, "request_percentage": 12.5}]


@pytest.mark.parametrize("wrong", [{}, {**DOCUMENT, "version": 2}, {**DOCUMENT, "topics": {}}])
def test_another_document_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(KafkaProblem, match="no export"):
        export.check(wrong)
