"""The role `shared_database`: which users, secrets and grants it makes of a catalog, rendered by Ansible."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from groundwork.databases import mysql_plan, postgresql_plan
from groundwork.databases.model import parse_services
from groundwork.databases.run import engine_of
from plays import HERE, PROJECT, play

ROLE = PROJECT / "roles" / "shared_database"
EIGHT = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "INDEX", "ALTER"]
LIMITS = {"readonly": {"max_connections": 5}, "migration": {"max_connections": 2}}
SERVICES = [
    {"name": "plain", "database": {"engine": "mysql", "max_connections": 20}},
    {"name": "none", "cache": {"engine": "valkey"}},
    {"name": "all", "owner": "all@example.com", "database": {"engine": "mysql", "max_connections": 10, **LIMITS}},
    {"name": "other", "database": {"engine": "postgresql", "max_connections": 7, **LIMITS}},
]
#: A rotation and an older naming may have left other names in a secret: those count.
LOGINS = {
    "test-plain-database": {"dbname": "plain", "username": "plain_user", "password": "p1"},
    "test-all-database": {"dbname": "all_old", "username": "all_2", "password": "p2"},
}
PLAY = """
- hosts: localhost
  gather_facts: false
  vars_files: ["{{ role }}/defaults/main.yml", "{{ role }}/vars/main.yml"]
  tasks:
    - ansible.builtin.copy:
        dest: "{{ out }}/{{ item.0 }}-{{ item.1 }}.json"
        content: "{{ lookup('ansible.builtin.template', item.1 ~ '.json.j2') }}"
        mode: "0600"
      vars: {shared_database_engine: "{{ item.0 }}"}
      loop: "{{ shared_database_engines | product(['secrets', 'services']) + [['run', 'summary']] }}"
"""
PATHS = {"mysql": "/shared/rds/test", "postgresql": "/shared/rds/test/postgresql"}
TAGS = ("owner", "team", "cost_center", "lifecycle", "data_class", "repository")
#: What database_login saw.
TRIED = {"tls": "TLSv1.3", "refused": {"a": "refused", "b": "refused"}}
SEEN = {
    "mysql": {"name": "all", "user": "all_user", "database": "all", "account": "all_user@%", **TRIED},
    "postgresql": {"name": "other", "user": "other_user", "database": "other", "account": "other_owner", **TRIED},
}


def inventory() -> dict[str, Any]:
    """This machine, and the hosts whose answers are in the table at the end of a run."""
    parameters = {f"{path}/endpoint": f"{engine}.internal" for engine, path in PATHS.items()}
    parameters |= {f"{PATHS['mysql']}/port": "3306", f"{PATHS['postgresql']}/port": "5432"}
    cluster = {
        "brokers": [],
        "active_controller": 1,
        "cluster_id": "x",
        "partitions": 0,
        "under_replicated_partitions": [],
    }
    answers = [{"shared_database_engine": engine, "logins": [login]} for engine, login in SEEN.items()]
    ops = {"shared_database_verified": {"results": answers}, "shared_endpoints_answers": {"answers": []}}
    here = {
        **HERE,
        "env": "test",
        "lgtm_url": "http://lgtm",
        "catalog": {
            "databases": {"mysql": {}, "postgresql": {}},
            "services": SERVICES,
            "tags": dict.fromkeys(TAGS, "the environment's"),
        },
        "shared_database_parameters": {"values": {**parameters, "/shared/kms/secrets-manager-key-arn": "arn:key"}},
        "shared_database_logins": {"values": LOGINS},
        "verify_contract": {"parameters": 1},
        "verify_parameters": {
            "values": {"/shared/kafka/test/bootstrap-servers": "k", "/shared/rds/test/endpoint": "m"}
        },
    }
    groups = {
        "kafka_broker": {"hosts": {"kafka": {"kafka_verified": {"state": cluster}}}},
        "ops": {"hosts": {"ops": ops}},
    }
    return {"all": {"hosts": {"localhost": here}, "children": groups}}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the templates give, by engine and template."""
    folder = tmp_path_factory.mktemp("shared-database")
    templates = (*(ROLE / "templates").iterdir(), PROJECT / "playbooks" / "templates" / "summary.json.j2")
    more = {"role": str(ROLE), "out": str(folder)}
    done = play(folder, inventory(), PLAY, "-e", json.dumps(more), templates=templates)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*-*.json")}


def test_each_user_has_a_secret_of_its_own(rendered: dict[str, Any]) -> None:
    secrets = {secret["name"]: secret for secret in rendered["mysql-secrets"]}
    assert rendered["postgresql-secrets"] == rendered["mysql-secrets"], "they are made in one call"
    # The agent's logins have no database.
    agents = {engine: secrets.pop(f"test-groundwork.monitoring-{engine}") for engine in ("mysql", "postgresql")}
    for engine, secret in agents.items():
        assert secret["defaults"] == {"username": "groundwork_monitoring"}, engine
        assert set(secret["value"]) == {"engine", "host", "port"}, engine
    assert {name: (secret["defaults"]["username"], secret["value"]["dbname"]) for name, secret in secrets.items()} == {
        "test-plain-database": ("plain_user", "plain"),
        "test-all-database": ("all_user", "all"),
        "test-all-database-readonly": ("all_readonly", "all"),
        "test-all-database-migration": ("all_migration", "all"),
        "test-other-database": ("other_user", "other"),
        "test-other-database-readonly": ("other_readonly", "other"),
        "test-other-database-migration": ("other_migration", "other"),
    }
    assert all((secret["generate"], secret["kms_key_id"]) == (["password"], "arn:key") for secret in secrets.values())
    assert secrets["test-all-database-readonly"]["tags"]["Owner"] == "all@example.com"
    assert secrets["test-plain-database"]["tags"]["Owner"] == "the environment's"


@pytest.mark.parametrize(
    ("name", "engine", "host", "port"),
    [("test-plain-database", "mysql", "mysql.internal", 3306), ("test-other-database-readonly", "postgres", "postgresql.internal", 5432)],
)  # fmt: skip
def test_a_secret_says_where_to_connect_in_the_words_of_rds(
    rendered: dict[str, Any], name: str, engine: str, host: str, port: int
) -> None:
    [value] = [secret["value"] for secret in rendered["mysql-secrets"] if secret["name"] == name]
    assert (value["engine"], value["host"], value["port"]) == (engine, host, port)
    assert set(value) == {"engine", "host", "port", "dbname"}, "the password is made by Secrets Manager"


def test_users_and_grants_of_mysql(rendered: dict[str, Any]) -> None:
    services = {service["name"]: service for service in rendered["mysql-services"]}
    assert list(services) == ["plain", "all", "all/readonly", "all/migration"]
    assert services["plain"] == {
        "name": "plain", "database": "plain", "user": "plain_user", "password": "p1", "charset": "utf8mb4",
        "collation": "utf8mb4_unicode_ci", "max_user_connections": 20, "grants": EIGHT,
    }  # fmt: skip
    assert (services["all"]["database"], services["all"]["user"]) == ("all_old", "all_2"), "the secret's word counts"
    assert services["all"]["grants"] == EIGHT, "other logins take nothing away and add nothing"
    reader, migration = services["all/readonly"], services["all/migration"]
    assert (reader["grants"], reader["max_user_connections"], reader["password"]) == (["SELECT"], 5, None)
    assert set(migration["grants"]) == mysql_plan.DATABASE_PRIVILEGES - {"EVENT"}
    assert migration["max_user_connections"] == 2


def test_users_and_grants_of_postgresql(rendered: dict[str, Any]) -> None:
    services = {service["name"]: service for service in rendered["postgresql-services"]}
    assert {name: (service["user"], service["max_user_connections"], service["grants"]) for name, service in services.items()} == {
        "other": ("other_user", 7, [postgresql_plan.OWNER]),
        "other/readonly": ("other_readonly", 5, ["SELECT"]),
        "other/migration": ("other_migration", 2, [postgresql_plan.OWNER]),
    }  # fmt: skip
    assert {service["database"] for service in services.values()} == {"other"}


@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_the_module_takes_what_the_role_gives(rendered: dict[str, Any], engine: str) -> None:
    specs = parse_services(engine_of(engine), rendered[f"{engine}-services"], check=True)
    assert len(specs) == len(rendered[f"{engine}-services"])


def test_defaults_name_every_engine_that_a_catalog_may() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    for name in ("ssm_paths", "grants", "charsets", "collations"):
        assert set(defaults[f"shared_database_{name}"]) == {"mysql", "postgresql"}, name


def test_the_table_says_who_a_session_acts_as(rendered: dict[str, Any]) -> None:
    assert rendered["run-summary"]["databases"] == [
        ["all", "mysql", "all", "all_user@%", "TLSv1.3", "2 refusals seen"],
        ["other", "postgresql", "other", "other_user as other_owner", "TLSv1.3", "2 refusals seen"],
    ]
