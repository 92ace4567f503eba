"""Arguments that every Kafka module has: how to reach the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import Connection
from .cluster import Expected
from .users import ITERATIONS

CONNECTION: dict[str, Any] = {
    "bootstrap_servers": {"type": "list", "elements": "str", "required": True},
    "ca_file": {"type": "path", "default": "/etc/kafka/tls/ca.crt"},
    "certificate_file": {"type": "path", "default": "/etc/kafka/tls/keystore.pem"},
    "timeout": {"type": "float", "default": 15.0},
}

EXPECTED: dict[str, Any] = {
    "expect_cluster_id": {"type": "str"},
    "expect_brokers": {"type": "list", "elements": "int"},
    "expect_voters": {"type": "list", "elements": "int"},
    "max_voter_lag": {"type": "int", "default": 100},
    "max_voter_lag_ms": {"type": "int", "default": 10000},
    "min_free_percent": {"type": "float", "default": 5.0},
    "without": {"type": "list", "elements": "int", "default": []},
}

# What exists outside the catalog is reported; with these it is removed.
PRUNE: dict[str, Any] = {
    "prune": {"type": "bool", "default": False},
    "confirm": {"type": "str", "default": ""},
}


USER: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "no_log": True},
    "iterations": {"type": "int", "default": ITERATIONS},
}

ACL: dict[str, Any] = {
    "principal": {"type": "str", "required": True},
    "resource_type": {"type": "str", "required": True},
    "resource_name": {"type": "str", "required": True},
    "operation": {"type": "str", "required": True},
    "pattern_type": {"type": "str", "default": "literal"},
    "permission": {"type": "str", "default": "allow"},
    "host": {"type": "str", "default": "*"},
}

# Topics of the catalog's services, and how a replication factor is changed.
TOPICS: dict[str, Any] = {
    "throttle": {"type": "int"},
    "wait": {"type": "float", "default": 600.0},
    "assume": {"type": "dict", "default": {}},
    "default_replication_factor": {"type": "int", "default": 3},
    "default_min_insync_replicas": {"type": "int", "default": 2},
    "canary": {"type": "str", "default": ""},
    "brokers": {"type": "int", "default": 3},
}


def assumed(params: Mapping[str, Any]) -> dict[int, str]:
    """Brokers to come, by id their rack."""
    return {int(id_): str(rack) for id_, rack in params["assume"].items()}


def connection(params: Mapping[str, Any]) -> Connection:
    """mTLS with the node's certificate, on the INTERNAL listener."""
    return Connection(
        tuple(params["bootstrap_servers"]), params["ca_file"], params["certificate_file"], timeout=params["timeout"]
    )


def client_connection(params: Mapping[str, Any], servers: list[str]) -> Connection:
    """The CLIENT listener: TLS with the CA, a user's name and password are added by the caller."""
    return Connection(
        tuple(servers),
        params["ca_file"],
        security_protocol="SASL_SSL",
        timeout=params["timeout"],
        username=params.get("username"),
        password=params.get("password"),
    )


def expected(params: Mapping[str, Any]) -> Expected:
    def ids(key: str) -> tuple[int, ...] | None:
        return None if params[key] is None else tuple(params[key])

    return Expected(
        params["expect_cluster_id"],
        ids("expect_brokers"),
        ids("expect_voters"),
        params["max_voter_lag"],
        params["max_voter_lag_ms"],
        params["min_free_percent"],
        frozenset(params["without"]),
    )
