"""The embedded database servers and caches: what is compared, what is sent, what an endpoint must answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from groundwork import endpoints
from groundwork.caches import client, embedded
from groundwork.databases import embedded as databases
from groundwork.databases import embedded_postgresql as postgresql
from groundwork.databases.model import DatabaseError
from groundwork.estate import images
from groundwork.estate.inside import Container, ContainerError

# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def managed() -> postgresql.State:
    return postgresql.State(
        roles={
            "postgres": postgresql.ATTRIBUTES,
            "rds_superuser": frozenset(),
            "rds_password": frozenset(),
            "rds_replication": frozenset(),
        },
        members={"rds_superuser": dict.fromkeys(postgresql.MEMBERSHIPS, True), "postgres": {"rds_superuser": True}},
        parameters={"max_connections": "100", "log_min_duration_statement": "1000"},
        at_start={"max_connections"},
    )


def statements(state: postgresql.State, login_works: bool = True, **wanted: str) -> list[str]:
    before, after, done = postgresql.compare("postgres", login_works, state, wanted)
    assert set(before) == set(after)
    assert bool(after) == bool(done)
    return done


def test_a_managed_server_is_left_alone() -> None:
    assert statements(managed(), max_connections="100") == []


def test_a_new_server_gets_everything() -> None:
    done = statements(postgresql.State(), login_works=False)
    assert 'CREATE ROLE "postgres" LOGIN CREATEDB CREATEROLE NOSUPERUSER NOREPLICATION NOBYPASSRLS' in done
    assert 'GRANT "pg_monitor" TO "rds_superuser" WITH ADMIN OPTION' in done
    # Roles are there before they are granted, and the administrator before it gets its password.
    assert [word.split()[0] for word in done] == sorted(
        (word.split()[0] for word in done), key="CREATE GRANT ALTER".index
    )
    assert done[-1] == "ALTER ROLE \"postgres\" PASSWORD (password) VALID UNTIL 'infinity'"


def test_a_superuser_is_made_a_master_user_again() -> None:
    state = managed()
    state.roles["postgres"] = postgresql.ATTRIBUTES | {"SUPERUSER"}
    assert statements(state) == [
        'ALTER ROLE "postgres" LOGIN CREATEDB CREATEROLE NOSUPERUSER NOREPLICATION NOBYPASSRLS'
    ]


def test_what_the_provider_s_role_must_not_have_is_revoked_and_the_user_s_own_roles_are_kept() -> None:
    state = managed()
    state.members["rds_superuser"]["pg_execute_server_program"] = False
    state.members["rds_superuser"]["pg_monitor"] = False
    state.members["postgres"]["fileflow_user"] = True
    assert statements(state) == [
        'REVOKE "pg_execute_server_program" FROM "rds_superuser"',
        'GRANT "pg_monitor" TO "rds_superuser" WITH ADMIN OPTION',
    ]


def test_parameters_are_reloaded_or_the_server_is_restarted() -> None:
    assert statements(managed(), log_min_duration_statement="5") == [
        "ALTER SYSTEM SET log_min_duration_statement = '5'",
        "SELECT pg_reload_conf()",
    ]
    assert statements(managed(), max_connections="50")[-1] == postgresql.RESTART


def test_the_verifier_is_what_rfc_5803_says() -> None:
    text = postgresql.verifier("pencil", b"salt of 16 bytes")
    kind, rounds, keys = text.split("$")
    assert (kind, rounds.split(":")[0]) == ("SCRAM-SHA-256", "4096")
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(rounds.split(":")[1]), 4096)
    assert base64.b64decode(keys.split(":")[1]) == hmac.digest(salted, b"Server Key", "sha256")
    assert postgresql.verifier("pencil") != postgresql.verifier("pencil")
    with pytest.raises(DatabaseError):
        postgresql.verifier("한글")


def test_quoting() -> None:
    assert postgresql.literal("a'b\\") == "'a''b\\'"
    assert postgresql.identifier('a"b') == '"a""b"'


class Fake(Container):
    """A container that answers from a table and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__("false", "fake")

    def running(self) -> bool:
        return False


def test_commands_run_as_a_user_of_the_container() -> None:
    done = Container("echo", "server").exec(["psql"], user="postgres")
    assert done.stdout.split() == [
        "exec",
        "-i",
        "server",
        "setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--init-groups",
        "psql",
    ]


def test_check_mode_does_not_ask_what_is_not_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(databases, "Container", lambda podman, name: Fake())
    server = {"engine": "postgresql", "container": "x", "user": "u", "password": "p", "parameters": {"work_mem": 1}}
    options = {"podman": "false", "servers": [server], "ca_file": str(tmp_path / "ca.pem"), "timeout": 1}
    assert not databases.ensure(options, check=True)["changed"]
    with pytest.raises(DatabaseError, match="not names of postgresql parameters: a b"):
        databases.ensure({**options, "servers": [{**server, "parameters": {"a b": 1}}]}, check=True)


# --- caches --------------------------------------------------------------------------------------------------------


def test_the_file_of_users_has_a_hash_only() -> None:
    text = embedded.users("t0ken")
    assert hashlib.sha256(b"t0ken").hexdigest() in text and "t0ken" not in text
    assert " -config " in text and " -acl|setuser " in text
    for wrong in ("", "a b", "a\nuser other on nopass"):
        with pytest.raises(ContainerError):
            embedded.users(wrong)


def test_resp() -> None:
    assert client.encode("AUTH", "é") == b"*2\r\n$4\r\nAUTH\r\n$2\r\n\xc3\xa9\r\n"
    assert client.decode(io.BytesIO(b"+PONG\r\n")) == "PONG"
    assert client.decode(io.BytesIO(b"$5\r\na\r\nbc\r\n")) == "a\r\nbc"
    assert client.decode(io.BytesIO(b"$-1\r\n")) == ""
    for wrong, said in ((b"-NOAUTH x\r\n", "NOAUTH x"), (b"", "closed"), (b"*1\r\n", "not expected")):
        with pytest.raises(client.CacheError, match=said):
            client.decode(io.BytesIO(wrong))


# --- endpoints -----------------------------------------------------------------------------------------------------


def test_a_name_must_lead_where_it_is_registered() -> None:
    assert endpoints.ask_name("localhost", ["127.0.0.1"]) == {"addresses": ["127.0.0.1"]}
    assert endpoints.ask_name("localhost", []) == {"addresses": ["127.0.0.1"]}
    with pytest.raises(endpoints.EndpointError, match=r"leads to 127.0.0.1, registered is 10.0.0.1"):
        endpoints.ask_name("localhost", ["10.0.0.1"])


@pytest.fixture
def open_cache() -> Iterator[int]:
    """A cache that answers to everyone, without TLS."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(100)
                connection.sendall(b"+PONG\r\n")

    threading.Thread(target=serve, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()


def test_every_failure_is_reported(open_cache: int) -> None:
    cache = {"name": "fileflow", "host": "127.0.0.1", "port": open_cache, "password": "secret-token"}
    answers = endpoints.ask(
        {"names": {"localhost": ["10.0.0.1"]}, "postgresql": [], "caches": [cache], "wait": 0, "connect_timeout": 2}
    )
    assert [(answer.kind, bool(answer.failure)) for answer in answers] == [("name", True), ("cache", True)]
    assert "secret-token" not in str(answers)
    missing = endpoints.ask({"caches": [{**cache, "ca_file": "/nonexistent"}], "wait": 0, "connect_timeout": 2})
    assert "/nonexistent cannot be used" in missing[0].failure


# --- images --------------------------------------------------------------------------------------------------------


def test_the_servers_images_make_their_certificates_in_one_way() -> None:
    for name in ("mysql", "postgresql", "valkey"):
        assert images.definition(name)["copy"] == {"/usr/local/sbin/server-certificate": "server-certificate"}
