"""Servers in trouble, really made: certificates that ran out, replicas, full disks, killed servers. A clear error, and the next run completes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, Server, container_name, podman, quiet, started
from groundwork.databases import mysql, postgresql
from groundwork.databases.model import DatabaseError

BASE = {"mysql": "/var/lib/mysql", "postgresql": "/var/lib/postgresql"}
AUTHORITY = "/var/lib/groundwork-ca"
PAST = "-not_before 20200101000000Z -not_after 20210101000000Z"
SERVICES = [{"name": name, "password": f"password-{name}"} for name in ("fileflow", "authhub", "crawler")]
CONNECTION = {"mysql": mysql.Connection, "postgresql": postgresql.Connection}
CREATES_USER = {"mysql": "CREATE USER `authhub_user`", "postgresql": 'CREATE ROLE "authhub_user"'}


@pytest.fixture(scope="module", params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest, empty_server: Callable[[str], Server]) -> Server:
    return empty_server(str(request.param))


def shell(server: Server, script: str) -> str:
    done = server.container.exec(["sh", "-euc", script])
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(server: Server, **more: Any) -> str:
    with pytest.raises(DatabaseError) as caught:
        server.ensure_here(SERVICES, **more)
    assert PASSWORD not in str(caught.value) and "password-" not in str(caught.value)
    return str(caught.value)


def completes(server: Server) -> None:
    """The run after the trouble does the rest, and the one after that nothing."""
    assert server.ensure(SERVICES)["changed"]
    assert quiet(server.ensure(SERVICES)) and server.verify(SERVICES)["failures"] == []
    server.empty()


def in_the_middle(server: Server, patch: pytest.MonkeyPatch, trouble: Callable[[], None]) -> None:
    """Before the second service's user is made, the first one's is there."""
    kind = CONNECTION[server.engine]
    original = kind.run

    def run(connection: Any, statement: Any) -> None:
        if statement.shown.startswith(CREATES_USER[server.engine]):
            trouble()
        original(connection, statement)

    patch.setattr(kind, "run", run)


def test_an_authority_that_ran_out(server: Server, tmp_path: Path) -> None:
    old = shell(server, f"openssl x509 -in {AUTHORITY}/ca.pem -key {AUTHORITY}/ca-key.pem {PAST}")
    bundle = tmp_path / "expired.pem"
    bundle.write_text(old)
    for more in ({"ca_file": str(bundle)}, {"ca_file": None, "ca_pem": old}):
        error = refused(server, **more)
        assert "certificate is not accepted: certificate has expired" in error
        assert "Remedy: give the CA bundle of this server" in error and "never switch the verification off" in error
    completes(server)


def test_a_server_s_certificate_that_ran_out(server: Server) -> None:
    tls = f"{BASE[server.engine]}/tls"
    reload = {"mysql": "ALTER INSTANCE RELOAD TLS", "postgresql": "SELECT pg_reload_conf()"}[server.engine]
    # MySQL takes no certificate that has run out already: this one does so while it is in use.
    shell(
        server,
        f"cd {tls}; cp server-cert.pem /tmp/good.pem; printf 'subjectAltName=DNS:localhost\\n' > /tmp/ext; end=$(date -ud '+8 seconds' +%Y%m%d%H%M%SZ);"
        f"openssl req -new -key server-key.pem -subj /CN=old | openssl x509 -req -CA {AUTHORITY}/ca.pem -CAkey {AUTHORITY}/ca-key.pem"
        f" -not_before 20200101000000Z -not_after $end -extfile /tmp/ext > /tmp/old.pem; cat /tmp/old.pem > server-cert.pem",
    )
    with server.connect() as session, session.cursor() as cursor:
        cursor.execute(reload)
        try:
            shell(
                server,
                f"while openssl x509 -in {tls}/server-cert.pem -noout -checkend 0 >/dev/null; do sleep 0.2; done; sleep 1",
            )
            error = refused(server)
        finally:
            shell(server, f"cat /tmp/good.pem > {tls}/server-cert.pem")
            cursor.execute(reload)
    assert "certificate is not accepted: certificate has expired" in error
    completes(server)


def test_a_standby(server: Server) -> None:
    """A server that follows another one, until it is promoted."""
    folder = f"{BASE[server.engine]}/data"
    if server.engine == "mysql":
        server.sql("SET GLOBAL super_read_only = ON")
    else:
        shell(server, f"touch {folder}/standby.signal && chown postgres {folder}/standby.signal")
        restart(server)
        assert server.sql("SELECT pg_is_in_recovery()") == [(True,)]
    try:
        error = refused(server)
        assert "is read-only and fileflow, authhub, crawler needs a change" in error
        assert "Remedy: take the writer's endpoint" in error
        assert refused(server, check=True) == error
    finally:
        if server.engine == "mysql":
            server.sql("SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF")
        else:
            assert server.sql("SELECT pg_promote()") == [(True,)]
    completes(server)


def answering(server: Server) -> None:
    if server.engine == "mysql":
        server.container.wait(["mysql", "--no-defaults", "--protocol=socket", "-uroot", "-e", "SELECT 1"], 60, "MySQL")
    else:
        command = ["psql", "-XqAt", "-U", "rdsadmin", "-d", "postgres", "-c", "SELECT 1"]
        server.container.wait(command, 60, "PostgreSQL", user="postgres")


def restart(server: Server) -> None:
    server.container.restart()
    answering(server)


def test_a_server_that_is_killed_in_the_middle(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_middle(server, monkeypatch, lambda: void(podman("kill", "--signal", "KILL", server.container.name)))
    error = refused(server)
    assert "authhub: CREATE" in error and "; the next run goes on where this one stopped" in error
    monkeypatch.undo()
    assert "Remedy: check the name, the security group and that the server runs" in refused(server)
    podman("start", server.container.name)
    answering(server)
    done = server.ensure(SERVICES)
    assert done["created_users"] == ["authhub_user", "crawler_user"], "what was done before stays done"
    assert quiet(server.ensure(SERVICES)) and server.verify(SERVICES)["failures"] == []
    server.empty()


def void(_: object) -> None:
    """The value is nobody's."""


@pytest.fixture(params=["mysql", "postgresql"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server whose data lie on a file system that is soon full."""
    engine = str(request.param)
    options = ("--tmpfs", f"{BASE[engine]}:rw,mode=0755,size=512m")
    with started(engine, container_name(f"small-{engine}"), tmp_path, *options) as found:
        yield found


def test_a_disk_that_is_full_in_the_middle(small: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    filler = f"{BASE[small.engine]}/filler"
    in_the_middle(small, monkeypatch, lambda: void(shell(small, f"cat /dev/zero > {filler} || true")))
    if small.engine == "mysql":
        original = mysql._raw_connection
        monkeypatch.setattr(
            mysql, "_raw_connection", lambda *about, **more: original(*about, **{**more, "read_timeout": 4})
        )
    # Each statement is logged: some of MySQL's fit into what is left of the binary log's last page.
    many = [*SERVICES, *({"name": f"many{number}", "password": f"password-{number}"} for number in range(20))]
    with pytest.raises(DatabaseError) as caught:
        small.ensure_here(many)
    assert "raise the allocated storage" in str(caught.value), caught.value
    monkeypatch.undo()
    shell(small, f"rm {filler}")
    # MySQL looks once a minute whether there is room, and until then the run that was cut off holds the lock.
    done = small.ensure(many, lock_timeout=90)
    assert done["created_users"][-1] == "many19_user" and "fileflow_user" not in done["created_users"]
    assert quiet(small.ensure(many)) and small.verify(SERVICES)["failures"] == []
