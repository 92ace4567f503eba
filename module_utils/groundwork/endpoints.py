"""Asks what an environment shares from the place where clients stand: private names, databases, caches."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .caches.client import Cache, CacheError

PARALLEL = 8


class EndpointError(Exception):
    """One thing that is not as it should be."""


@dataclass
class Answer:
    """What one endpoint answered. `kind` is name, database or cache."""

    kind: str
    name: str
    address: str
    facts: dict[str, Any] = field(default_factory=dict)
    failure: str = ""


def resolve(name: str) -> list[str]:
    """The addresses that this host's resolver knows for a name."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise EndpointError(f"{name} does not resolve: {error}") from error
    return sorted({str(entry[4][0]) for entry in found})


def ask_name(name: str, registered: Sequence[str]) -> dict[str, Any]:
    """A registered name leads to the registered addresses; an alias leads anywhere."""
    addresses = resolve(name)
    if registered and addresses != sorted(registered):
        raise EndpointError(f"{name} leads to {', '.join(addresses)}, registered is {', '.join(sorted(registered))}")
    return {"addresses": addresses}


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Verifies certificate and name; without a file by the authorities that this host trusts."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise EndpointError(f"the CA bundle {ca_file} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def ask_postgresql(endpoint: Mapping[str, Any], timeout: int) -> dict[str, Any]:
    """The administrator gets in over verified TLS and is no superuser; without TLS nobody does."""
    try:
        import psycopg
    except ImportError as error:
        raise EndpointError("psycopg is missing in the Python that runs this module") from error
    host, port = str(endpoint["host"]), int(endpoint["port"])
    login: dict[str, Any] = {
        "host": host,
        "port": port,
        "user": str(endpoint["user"]),
        "password": str(endpoint["password"]),
        "dbname": "postgres",
        "connect_timeout": timeout,
    }
    question = (
        "SELECT current_setting('server_version'), s.version, r.rolsuper "
        "FROM pg_stat_ssl s, pg_roles r WHERE s.pid = pg_backend_pid() AND r.rolname = current_user"
    )
    root = str(endpoint.get("ca_file") or "system")
    try:
        with psycopg.connect(**login, sslmode="verify-full", sslrootcert=root) as connection:
            row = connection.execute(question).fetchone()
    except psycopg.Error as error:
        raise EndpointError(f"{host}:{port}: {str(error).strip()}") from error
    if row is None or row[2]:
        raise EndpointError(f"{host}:{port}: {login['user']} is a superuser, which a managed server does not give")
    try:
        psycopg.connect(**login, sslmode="disable").close()
    except psycopg.OperationalError:
        return {"version": str(row[0]).split()[0], "tls": str(row[1]), "user": login["user"]}
    raise EndpointError(f"{host}:{port} lets a login in without TLS: set rds.force_ssl")


def ask_cache(endpoint: Mapping[str, Any], timeout: int) -> dict[str, Any]:
    """The token gets in over verified TLS; nobody does without token or without TLS."""
    host, port = str(endpoint["host"]), int(endpoint["port"])
    context = tls_context(str(endpoint.get("ca_file") or ""))
    try:
        with Cache(host, port, context, timeout) as cache:
            try:
                cache.ask("PING")
            except CacheError as error:
                if not str(error).startswith("NOAUTH"):
                    raise
            else:
                raise EndpointError(f"{host}:{port} answers without a token")
            cache.ask("AUTH", str(endpoint["password"]))
            cache.ask("PING")
            said = dict(line.split(":", 1) for line in cache.ask("INFO", "server").splitlines() if ":" in line)
            tls = cache.tls()
    except (OSError, CacheError) as error:
        raise EndpointError(f"{host}:{port}: {error}") from error
    try:
        with Cache(host, port, None, timeout) as plain:
            plain.ask("PING")
    except (OSError, CacheError):
        version = said.get("valkey_version") or said.get("redis_version", "?")
        return {"version": version, "engine": said.get("server_name", "redis"), "tls": tls}
    raise EndpointError(f"{host}:{port} answers without TLS")


def ask(options: Mapping[str, Any]) -> list[Answer]:
    """Everything at once, each again until it is right or the time is over."""
    deadline = time.monotonic() + int(options["wait"])
    timeout = int(options["connect_timeout"])
    work: list[tuple[Answer, Callable[[], dict[str, Any]]]] = [
        (Answer("name", name, ", ".join(registered)), partial(ask_name, name, registered))
        for name, registered in sorted((options.get("names") or {}).items())
    ]
    for kind, entries, question in (
        ("database", options.get("postgresql") or [], ask_postgresql),
        ("cache", options.get("caches") or [], ask_cache),
    ):
        for entry in entries:
            answer = Answer(kind, str(entry["name"]), f"{entry['host']}:{entry['port']}")
            work.append((answer, partial(question, entry, timeout)))

    def one(item: tuple[Answer, Callable[[], dict[str, Any]]]) -> Answer:
        answer, question = item
        while True:
            try:
                answer.facts = question()
            except EndpointError as error:
                if time.monotonic() < deadline:
                    time.sleep(1)
                    continue
                answer.failure = str(error)
            return answer

    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        return list(pool.map(one, work))
