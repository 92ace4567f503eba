"""database_report and playbooks/breakglass/db_report.yml: a server that is well has no problems, and each kind of trouble is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from conftest import ADMIN, PASSWORD, PROJECT, Server
from groundwork.databases import mysql_report, postgresql_report, report
from groundwork.terraform.offline import embedded_aws

SERVICES = [
    {"name": "fileflow", "password": "p-fileflow", "max_user_connections": 20},
    {"name": "a_b", "password": "p-a_b", "max_user_connections": 5},
]
LOGINS = [
    {"database": one["name"], "user": f"{one['name']}_user", "max_user_connections": one["max_user_connections"]}
    for one in SERVICES
]
PARAMETERS = {
    "mysql": {"slow_query_log": "1", "require_secure_transport": "1", "character_set_server": "utf8mb4"},
    "postgresql": {"log_min_duration_statement": "1000", "password_encryption": "scram-sha-256", "rds.force_ssl": "1"},
}


@pytest.fixture(scope="module", params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest, empty_server: Callable[[str], Server]) -> Iterator[Server]:
    found = empty_server(str(request.param))
    found.ensure(SERVICES)
    log(found, on=True)
    yield found
    log(found, on=False)


def log(server: Server, *, on: bool) -> None:
    if server.engine == "mysql":
        server.sql(f"SET GLOBAL slow_query_log = {'ON' if on else 'OFF'}")
    else:
        server.sql(f"ALTER SYSTEM SET log_min_duration_statement = {1000 if on else -1}; SELECT pg_reload_conf()")


def options(server: Server, **more: Any) -> dict[str, Any]:
    where = {name: value for name, value in server.where.items() if name != "lock_timeout"}
    return {**where, "services": LOGINS, "parameters": PARAMETERS[server.engine], "allocated_gib": 20, **more}


def ask(server: Server, **more: Any) -> dict[str, Any]:
    answer = server.module("database_report", **options(server, **more))
    assert not answer["changed"] and "p-fileflow" not in json.dumps(answer) and PASSWORD not in json.dumps(answer)
    return answer


def problems(server: Server, check: str, **more: Any) -> list[str]:
    found = [one for one in ask(server, **more)["problems"] if one["check"] == check]
    assert all(one["remedy"] for one in found)
    return [str(one["problem"]) for one in found]


def test_a_server_that_is_well(server: Server) -> None:
    answer = ask(server)
    assert answer["problems"] == []
    seen = answer["report"]
    assert seen["connections"]["max_connections"] == 100 and seen["connections"]["users"][ADMIN[server.engine]] == 1
    assert seen["slow"]["logged"] and seen["disk"]["databases"] and seen["disk"]["logs"] > 0
    if server.engine == "postgresql":
        assert set(seen["disk"]["databases"]) >= {"fileflow", "a_b"}


def test_queries_do_not_grow_with_services(server: Server) -> None:
    many = [{"database": f"many{number}", "user": f"many{number}_user"} for number in range(200)]
    assert ask(server)["queries"] == ask(server, services=many)["queries"] < 16


def test_connections(server: Server) -> None:
    wishes = [*LOGINS, {"database": "more", "user": "more_user", "max_user_connections": 70}]
    assert problems(server, "connections", services=wishes) == [
        "the services' pools may open 95 connections and 10 are reserved, the server takes 100"
    ]
    held = [server.connect("a_b_user", "p-a_b", "a_b") for _ in range(5)]
    try:
        assert problems(server, "connections") == ["a_b_user has 5 of its 5 connections"]
    finally:
        for one in held:
            one.close()


def test_parameters_and_the_slow_log(server: Server) -> None:
    log(server, on=False)
    try:
        assert problems(server, "slow") == ["slow statements are not logged"]
        wrong = {"mysql": "slow_query_log is OFF, not 1", "postgresql": "log_min_duration_statement is -1, not 1000"}
        assert problems(server, "parameters") == [wrong[server.engine]]
    finally:
        log(server, on=True)
    assert problems(server, "parameters", parameters={"nonsense": "1"}) == ["the server has no parameter nonsense"]


def test_a_transaction_that_nobody_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mysql_report, postgresql_report):
        monkeypatch.setattr(module, "LONG", -1)
    server.sql("CREATE TABLE t (i INT)", "fileflow", "fileflow_user", "p-fileflow")
    session = server.connect("fileflow_user", "p-fileflow", "fileflow")
    try:
        with session.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO t VALUES (1)")
            # MySQL shows what it had read of its transactions for a tenth of a second more.
            time.sleep(0.3)
            answer = report.act({"reserved_connections": 10, "max_lag": 60, **options(server)})
        [one] = [one for one in answer["problems"] if one["check"] == "slow" and "fileflow_user" in one["problem"]]
        assert (
            "in fileflow has been idle in a transaction for" in one["problem"]
            and "pg_terminate_backend" in one["remedy"]
        )
    finally:
        session.close()
        server.sql("DROP TABLE t", "fileflow", "fileflow_user", "p-fileflow")


def test_disk(server: Server) -> None:
    [said] = problems(server, "disk", allocated_gib=0.001)
    assert "GiB of 0.001 GiB" in said


def test_replication(server: Server) -> None:
    begin, end, said = {
        "mysql": (
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'nobody.internal'", "RESET REPLICA ALL",
            "copy of nobody.internal: its receiver thread does not run; its applier thread does not run",
        ),
        "postgresql": (
            "SELECT pg_create_physical_replication_slot('lost', true)", "SELECT pg_drop_replication_slot('lost')",
            "slot lost: nobody reads it, and the server keeps",
        ),
    }[server.engine]  # fmt: skip
    server.sql(begin)
    try:
        [found] = problems(server, "replication")
        assert found.startswith(said)
    finally:
        server.sql(end)


def test_character_sets(server: Server) -> None:
    if server.engine == "mysql":
        server.sql(
            "CREATE TABLE old (a VARCHAR(9)) CHARACTER SET latin1; CREATE TABLE mixed (a VARCHAR(9), b VARCHAR(9) COLLATE utf8mb4_bin)",
            "fileflow", "fileflow_user", "p-fileflow",
        )  # fmt: skip
        wanted = [
            "fileflow.mixed.b has utf8mb4_bin, not utf8mb4_unicode_ci",
            "fileflow.old has latin1_swedish_ci, not utf8mb4_unicode_ci",
        ]
    else:
        server.sql("CREATE DATABASE old ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
        wanted = ["old has SQL_ASCII, not UTF8"]
    try:
        assert problems(server, "charset", services=[*LOGINS, {"database": "old", "user": "old_user"}]) == wanted
    finally:
        server.sql("DROP TABLE fileflow.old, fileflow.mixed" if server.engine == "mysql" else "DROP DATABASE old")


def test_the_playbook_reports_and_changes_nothing(server: Server, tmp_path: Path) -> None:
    path = "/shared/rds/unit" + ("/postgresql" if server.engine == "postgresql" else "")
    with embedded_aws("123456789012", "ap-northeast-2", tmp_path) as aws, pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in aws.items():
            patch.setenv(name, value)
        secrets, ssm = boto3.client("secretsmanager"), boto3.client("ssm")
        for one, login in zip(SERVICES, LOGINS, strict=True):
            value = {"dbname": login["database"], "username": login["user"], "password": one["password"]}
            secrets.create_secret(Name=f"unit-{one['name']}-database", SecretString=json.dumps(value))
        master = json.dumps({"username": ADMIN[server.engine], "password": PASSWORD})
        arn = secrets.create_secret(Name="unit-master", SecretString=master)["ARN"]
        exported = {f"{path}/endpoint": "localhost", f"{path}/port": str(server.port), f"{path}/master-secret-arn": arn}
        for name, value in {**exported, "/shared/kms/secrets-manager-key-arn": "none"}.items():
            ssm.put_parameter(Name=name, Value=value, Type="String")
        database = [{"engine": server.engine, "max_connections": one["max_user_connections"]} for one in SERVICES]
        known = {
            "env": "unit", "aws_account_id": "123456789012", "aws_region": "ap-northeast-2", "groundwork_dir": str(PROJECT),
            "aws_environment": aws, "shared_database_secret_prefix": "unit", "shared_database_python": sys.executable,
            "shared_database_ca_file": server.ca,
            "catalog": {
                "databases": {server.engine: {"allocated_gib": 20}},
                "services": [{"name": one["name"], "database": about} for one, about in zip(SERVICES, database, strict=True)],
            },
            "database_maintenance_report_parameters": {server.engine: {**PARAMETERS[server.engine], "nonsense": "1"}},
        }  # fmt: skip
        hosts = {"ops": {"hosts": {"unit-ops-1": {"ansible_connection": "local"}}}}
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"vars": known, "children": hosts}}))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), str(PROJECT / "playbooks/breakglass/db_report.yml"),
             "-i", str(inventory)],
            cwd=PROJECT, capture_output=True, text=True, check=False,
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0 and "changed=0" in text, text
    assert "the server has no parameter nonsense" in text and "max_connections: 100" in text.replace('"', ""), text
    assert "p-fileflow" not in text and PASSWORD not in text
