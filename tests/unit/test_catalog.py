"""Validation of catalogs: each kind of mistake by its message, all at once, and no traceback whatever comes in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork import catalog as subject
from groundwork.catalog import docs, main, nearest, path_text, validate_file, validate_text
from groundwork.catalog_schema import FARGATE_MEMORY, SCHEMA, TOPIC_CONFIGS, Field, ListOf, Map, Type
from hypothesis import given, settings
from hypothesis import strategies as st

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = tuple(sorted(path.parent.name for path in (PROJECT / "inventories").glob("*/catalog.yml")))

GOOD = """\
environment: test
region: ap-northeast-2
account_id: "123456789012"
tags:
  owner: platform@example.com
  team: platform
  cost_center: CC-1000
  lifecycle: permanent
  data_class: internal
  repository: example/groundwork
network:
  vpc_cidr: 10.50.0.0/16
  availability_zones: [a, b, c]
  nat_gateways: one
kafka:
  version: 4.3.1
  topology: combined
  brokers: 3
  controllers: 0
  instance_type: t3.medium
  volume_gib: 20
  default_replication_factor: 3
  default_min_insync_replicas: 2
ops: {count: 1, instance_type: t3.small}
databases:
  mysql: {engine_version: "8.4", instance_class: db.t3.small,
          allocated_gib: 20, max_allocated_gib: 100, max_connections: 100}
  postgresql: {engine_version: "17", instance_class: db.t3.small,
               allocated_gib: 20, max_allocated_gib: 100, max_connections: 100}
services:
  - name: fileflow
    owner: files@example.com
    team: files
    cost_center: CC-1100
    lifecycle: permanent
    data_class: confidential
    repository: example/fileflow
    database: {engine: mysql, max_connections: 20}
    kafka:
      topics:
        - name: fileflow.uploaded.v1
          partitions: 6
          config: {retention.ms: "604800000"}
      produces: [fileflow.uploaded.v1]
      consumes: [authhub.events.v1]
      consumer_groups: [fileflow]
    queue: {visibility_timeout_seconds: 60, max_receive_count: 5}
    bucket: {ia_days: 90, glacier_days: 365, expire_days: 2555}
    cache: {engine: valkey, node_type: cache.t3.micro}
    image: {keep: 30}
    task: {cpu: 256, memory_mib: 512, count: 1}
  - name: authhub
    owner: identity@example.com
    team: 인증 팀
    cost_center: CC-1200
    lifecycle: permanent
    data_class: restricted
    repository: example/authhub
    database: {engine: mysql, max_connections: 20}
    kafka:
      topics:
        - {name: authhub.events.v1, partitions: 3, replication_factor: 3, min_insync_replicas: 2}
"""


def problems(text: str) -> list[str]:
    return [str(problem) for problem in validate_text(text, "catalog.yml").problems]


def edited(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text, f"the sample has no {old!r}"
        text = text.replace(old, new, 1)
    return text


def test_the_sample_is_right() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(("version", "patched"), [('"8.4"', '"8.0.42"'), ('"17"', '"17.5"')])
def test_a_version_may_name_its_patch(version: str, patched: str) -> None:
    assert problems(edited((version, patched))) == []


def test_both_engines_and_logins_beside_the_services_own() -> None:
    limits = "readonly: {max_connections: 5}, migration: {max_connections: 2}}"
    wanted = ("engine: mysql, max_connections: 20}", f"engine: postgresql, max_connections: 20, {limits}")
    report = validate_text(edited(wanted), "catalog.yml")
    assert report.ok, report.message()
    assert subject.connections(report.catalog["services"][0]) == {
        "fileflow": 20,
        "fileflow/readonly": 5,
        "fileflow/migration": 2,
    }


def test_each_engine_has_its_own_connections() -> None:
    """Both services would be too much for one server."""
    text = edited(("max_connections: 20}", "max_connections: 80}"), ("max_connections: 20}", "max_connections: 80}"))
    assert problems(text.replace("engine: mysql", "engine: postgresql", 1)) == []


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_environments_are_right(env: str) -> None:
    report = validate_file(PROJECT / "inventories" / env / "catalog.yml")
    assert report.ok, report.message()
    assert report.catalog["environment"] == env


POSTGRESQL = GOOD[GOOD.index("  postgresql: {") : GOOD.index("services:")]

# One row a mistake: what is changed, where it is reported, what the message must say.
MISTAKES: list[tuple[str, list[tuple[str, str]], str, list[str]]] = [
    ("unknown key", [("nat_gateways: one", "nat_gatways: one")], "network.nat_gatways", ["did you mean nat_gateways?"]),
    ("unknown key far", [("ops: {count", "ops: {xyzzy: 1, count")], "ops.xyzzy", ["known here: count, instance_type"]),
    ("missing key", [("  vpc_cidr: 10.50.0.0/16\n", "")], "network", ["the key vpc_cidr is missing"]),
    ("missing owner", [("    owner: files@example.com\n", "")],
     "services[0]", ["owner is missing", "files@example.com"]),
    ("missing tags", [("  cost_center: CC-1000\n", "")], "tags", ["cost_center is missing"]),
    ("owner", [("owner: files@example.com", "owner: files")], "services[0].owner", ["e-mail"]),
    ("text for number", [("brokers: 3", 'brokers: "3"')], "kafka.brokers", ["whole number", "remove the quotes: 3"]),
    ("decimal for number", [("brokers: 3", "brokers: 3.5")], "kafka.brokers", ["the number 3.5", "whole number"]),
    ("truth for number", [("brokers: 3", "brokers: true")], "kafka.brokers", ["whole number"]),
    ("number for text", [('"123456789012"', "123456789012")], "account_id", ['in quotes: "123456789012"']),
    ("number for PostgreSQL", [('"17"', "17")], "databases.postgresql.engine_version", ['in quotes: "17"']),
    ("engine that nobody has", [("engine: mysql", "engine: oracle")], "services[0].database.engine", ["mysql, postgresql"]),
    ("server that is not there", [("engine: mysql", "engine: postgresql"), (POSTGRESQL, "")], "services[0].database.engine",
     ["no shared server for postgresql", "add databases.postgresql, or use mysql"]),
    ("login without a limit", [("max_connections: 20}", "max_connections: 20, readonly: {}}")],
     "services[0].database.readonly", ["max_connections is missing", "add max_connections: 5"]),
    ("login that nobody knows", [("max_connections: 20}", "max_connections: 20, read_only: {max_connections: 1}}")],
     "services[0].database.read_only", ["did you mean readonly?"]),
    ("long login", [("name: fileflow\n", f"name: {'f' * 23}\n"), ("    task: {cpu: 256, memory_mib: 512, count: 1}\n", ""),
                    ("    queue: {visibility_timeout_seconds: 60, max_receive_count: 5}\n", ""),
                    ("    bucket: {ia_days: 90, glacier_days: 365, expire_days: 2555}\n", ""),
                    ("max_connections: 20}", "max_connections: 20, migration: {max_connections: 1}}")],
     "services[0].name", ["database user", "33 characters, 32 are allowed"]),
    ("number for version", [('"8.4"', "8.4")], "databases.mysql.engine_version", ['in quotes: "8.4"']),
    ("short account", [('"123456789012"', '"1234"')], "account_id", ["4 characters", "use 12"]),
    ("list for mapping", [("ops: {count: 1, instance_type: t3.small}", "ops: [1]")], "ops", ["a list", "a mapping"]),
    ("mapping for list", [("[a, b, c]", "{a: 1}")], "network.availability_zones", ["a mapping", "a list"]),
    ("no value", [("topology: combined", "topology:")], "kafka.topology", ["no value", "combined or isolated"]),
    ("tilde", [("topology: combined", "topology: ~")], "kafka.topology", ["no value"]),
    ("choice", [("topology: combined", "topology: combinde")], "kafka.topology", ["did you mean combined?"]),
    ("range", [("volume_gib: 20", "volume_gib: 4")], "kafka.volume_gib", ["4 GiB is out of range", "8 to 16384"]),
    ("tag", [("team: files", 'team: "files;drop"')], "services[0].team", ["what AWS allows in a tag"]),
    ("duplicate key", [("  topology: combined\n", "  topology: combined\n  topology: isolated\n")], "kafka.topology",
     ["there twice, first on line 17"]),
    ("duplicate service", [("name: authhub\n", "name: fileflow\n")], "services[1].name", ["twice, first on line 31"]),
    ("duplicate topic", [("name: authhub.events.v1,", "name: fileflow.uploaded.v1,")],
     "services[1].kafka.topics[0].name", ["twice, first on line 41"]),
    ("duplicate zone", [("[a, b, c]", "[a, b, b]")], "network.availability_zones[2]", ["in the list twice"]),
    ("long service", [("name: fileflow\n", f"name: {'f' * 28}\n")], "services[0].name", ["28 characters", "2 to 27"]),
    ("service for S3", [("name: fileflow\n", "name: file_flow\n")], "services[0].name", ["S3"]),
    ("capital service", [("name: fileflow\n", "name: FileFlow\n")], "services[0].name", ["lower-case"]),
    ("service for MySQL", [("name: fileflow\n", "name: mysql\n")],
     "services[0].name", ["a name of the database servers' own"]),
    ("service for PostgreSQL", [("name: fileflow\n", "name: pg\n")],
     "services[0].name", ["a name of the database servers' own"]),
    ("service for us", [("name: fileflow\n", "name: kafka\n")], "services[0].name", ["shared infrastructure"]),
    ("load balancer", [("name: fileflow\n", f"name: {'f' * 24}\n")], "services[0].name",
     ["load balancer", "33 characters, 32 are allowed", "shorten the name by 1"]),
    ("topic characters", [("name: authhub.events.v1,", "name: authhub/events,")],
     "services[1].kafka.topics[0].name", ["Kafka refuses"]),
    ("topic length", [("name: authhub.events.v1,", f"name: {'t' * 250},")],
     "services[1].kafka.topics[0].name", ["250 characters"]),
    ("topic dot", [("name: authhub.events.v1,", "name: '..',")], "services[1].kafka.topics[0].name", ["Kafka refuses"]),
    ("internal topic", [("name: authhub.events.v1,", "name: __authhub,")], "services[1].kafka.topics[0].name", ["__"]),
    ("metric collision", [("name: authhub.events.v1,", "name: fileflow_uploaded.v1,")],
     "services[1].kafka.topics[0].name", ["fileflow_uploaded_v1 in metrics"]),
    ("too many replicas", [("replication_factor: 3, min", "replication_factor: 4, min")],
     "services[1].kafka.topics[0].replication_factor", ["4 replicas on 3 brokers"]),
    ("default replicas", [("default_replication_factor: 3", "default_replication_factor: 5")],
     "kafka.default_replication_factor", ["5 replicas on 3 brokers"]),
    ("ISR", [("min_insync_replicas: 2}", "min_insync_replicas: 3}")], "services[1].kafka.topics[0].min_insync_replicas",
     ["3 in-sync replicas of 3", "at most 2"]),
    ("ISR of one", [("replication_factor: 3, min", "replication_factor: 1, min")],
     "services[1].kafka.topics[0].min_insync_replicas", ["2 in-sync replicas of 1"]),
    ("ISR against the default", [("partitions: 6\n", "partitions: 6\n          min_insync_replicas: 3\n")],
     "services[0].kafka.topics[0].min_insync_replicas", ["3 in-sync replicas of 3"]),
    ("consumes", [("[authhub.events.v1]", "[authub.events.v1]")], "services[0].kafka.consumes[0]",
     ["no service declares", "did you mean authhub.events.v1?"]),
    ("produces", [("produces: [fileflow.uploaded.v1]", "produces: [zebra]")], "services[0].kafka.produces[0]",
     ["no service declares the topic zebra"]),
    ("no group", [("      consumer_groups: [fileflow]\n", "")],
     "services[0].kafka.consumes", ["consumer_groups: [fileflow]"]),
    ("shared group", [("min_insync_replicas: 2}\n", "min_insync_replicas: 2}\n      consumer_groups: [fileflow]\n")],
     "services[1].kafka.consumer_groups[0]", ["another service too"]),
    ("topic config", [("retention.ms:", "retension.ms:")], 'services[0].kafka.topics[0].config["retension.ms"]',
     ["Kafka 4.3 has no", "did you mean retention.ms?"]),
    ("topic config with _", [("retention.ms:", "retention_ms:")], "services[0].kafka.topics[0].config.retention_ms",
     ["did you mean retention.ms?"]),
    ("topic config number", [('"604800000"', "604800000")], 'services[0].kafka.topics[0].config["retention.ms"]',
     ['quote it: "604800000"']),
    ("topic config value", [('"604800000"', '"-2"')],
     'services[0].kafka.topics[0].config["retention.ms"]', ["use -1 to"]),
    ("topic config list", [('retention.ms: "604800000"', 'cleanup.policy: "compact, delete"')],
     'services[0].kafka.topics[0].config["cleanup.policy"]', ["no blank"]),
    ("topic config elsewhere", [('retention.ms: "604800000"', 'min.insync.replicas: "2"')],
     'services[0].kafka.topics[0].config["min.insync.replicas"]', ["use the key min_insync_replicas"]),
    ("even controllers", [("topology: combined", "topology: isolated"), ("controllers: 0", "controllers: 2")],
     "kafka.controllers", ["even number of controllers", "use 1 or 3"]),
    ("no controllers", [("topology: combined", "topology: isolated")], "kafka.controllers", ["without controllers"]),
    ("controllers beside combined", [("controllers: 0", "controllers: 3")], "kafka.controllers", ["write 0"]),
    ("zones", [("[a, b, c]", "[a, c]")], "kafka.brokers", ["3 brokers in 2 zones"]),
    ("five zones", [("[a, b, c]", "[a, b, c, d, e]")], "network.availability_zones", ["room for four"]),
    ("small VPC", [("10.50.0.0/16", "10.50.0.0/20")], "network.vpc_cidr", ["too small for the subnets", "/16"]),
    ("large VPC", [("10.50.0.0/16", "10.0.0.0/8")], "network.vpc_cidr", ["larger than a VPC may be"]),
    ("host bits", [("10.50.0.0/16", "10.50.1.0/16")], "network.vpc_cidr", ["write 10.50.0.0/16"]),
    ("public range", [("10.50.0.0/16", "8.8.0.0/16")], "network.vpc_cidr", ["not a private range"]),
    ("no range", [("10.50.0.0/16", "10.500.0.0/16")], "network.vpc_cidr", ["not an IPv4 range"]),
    ("Fargate pair", [("memory_mib: 512", "memory_mib: 4096")], "services[0].task.memory_mib",
     ["512, 1024, 2048", "nearest is 2048"]),
    ("Fargate CPU", [("cpu: 256", "cpu: 300")], "services[0].task.cpu", ["use one of 256, 512"]),
    ("Glacier", [("glacier_days: 365", "glacier_days: 100")], "services[0].bucket.glacier_days", ["use 120 or more"]),
    ("expiry", [("expire_days: 2555", "expire_days: 365")], "services[0].bucket.expire_days", ["more than 365"]),
    ("task without image", [("    image: {keep: 30}\n", "")], "services[0].task", ["add image: {keep: 30}"]),
    ("queue without task", [("    task: {cpu: 256, memory_mib: 512, count: 1}\n", "")], "services[0].queue", ["would not be made"]),
    ("pools", [("max_connections: 20}", "max_connections: 71}")], "databases.mysql.max_connections",
     ["91 connections (fileflow 71, authhub 20)", "raise it to 101"]),
    ("pools of other logins", [("max_connections: 20}", "max_connections: 66, readonly: {max_connections: 5}}")],
     "databases.mysql.max_connections", ["91 connections (fileflow 66, fileflow/readonly 5, authhub 20)"]),
    ("storage", [("max_allocated_gib: 100", "max_allocated_gib: 22"), ("allocated_gib: 20", "allocated_gib: 21")],
     "databases.mysql.max_allocated_gib", ["use 24 or more"]),
    ("octal", [("volume_gib: 20", "volume_gib: 020")],
     "kafka.volume_gib", ["16 to Ansible", "20 to Terraform", "quote it"]),
    ("Norway", [("team: files", "team: no")], "services[0].team", ['quote it if text is meant: "no"']),
    ("float", [("team: files", "team: 1e3")],
     "services[0].team", ['text "1e3" to Ansible', "number 1000 to Terraform"]),
    ("key", [("ops: {count", "ops: {on: 1, count")], "ops", ["the key on is not text"]),
    ("decomposed", [("team: files", "team: \u1100\u1161")], "services[0].team", ["Terraform replaces", "\uac00"]),
    ("alias", [("tags:\n", "tags: &t\n"), ("ops: {count: 1, instance_type: t3.small}", "ops: *t")], "", ["alias *t"]),
    ("tag of YAML", [("team: files", "team: !!str files")], "", ["the tag tag:yaml.org,2002:str is not supported"]),
    ("two documents", [("ops:", "---\nops:")], "", ["a second document starts here"]),
    ("broken", [("[a, b, c]", "[a, b, c")], "", ["this is not YAML"]),
    ("control character", [("team: files", "team: fi\x07les")], "", ["U+0007"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "path", "words"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_reported(name: str, changes: list[tuple[str, str]], path: str, words: list[str]) -> None:
    text = edited(*changes)
    found = validate_text(text, "catalog.yml").problems
    matching = [p for p in found if p.path == path and all(word in str(p) for word in words)]
    assert matching, f"{name}: expected {path}: {words}; got:\n" + "\n".join(map(str, found))
    assert matching[0].line <= text.count("\n") + 1


# Mistakes that rightly show up twice, or whose consequence is a mistake of its own.
CONSEQUENCES = {"unknown key", "duplicate topic", "metric collision", "topic characters", "topic length", "topic dot",
                "internal topic", "mapping for list", "duplicate zone", "service for S3",
                "default replicas", "queue without task"}  # fmt: skip


@pytest.mark.parametrize(("name", "changes"), [(row[0], row[1]) for row in MISTAKES if row[0] not in CONSEQUENCES])
def test_a_mistake_is_reported_once(name: str, changes: list[tuple[str, str]]) -> None:
    found = problems(edited(*changes))
    assert len(found) == 1, f"{name}:\n" + "\n".join(found)


def test_the_line_is_that_of_the_mistake() -> None:
    text = edited(("volume_gib: 20", "volume_gib: 4"))
    [problem] = validate_text(text, "inventories/x/catalog.yml").problems
    assert text.splitlines()[problem.line - 1].strip() == "volume_gib: 4"
    assert str(problem).startswith(f"inventories/x/catalog.yml:{problem.line}: kafka.volume_gib: ")


def test_everything_wrong_is_reported_at_once() -> None:
    text = edited(
        ("brokers: 3", "brokers: 2"),
        ("nat_gateways: one", "nat_gatways: one"),
        ("owner: files@example.com\n", "owner: files\n"),
        ("cpu: 256", "cpu: 300"),
        ("team: 인증 팀", "team: 010"),
        ("engine: valkey", "engine: memcached"),
    )
    report = validate_text(text, "catalog.yml")
    assert {problem.path for problem in report.problems} == {
        "kafka.brokers",
        "kafka.default_replication_factor",
        "services[1].kafka.topics[0].replication_factor",
        "network.nat_gatways",
        "services[0].owner",
        "services[0].task.cpu",
        "services[1].team",
        "services[0].cache.engine",
    }
    assert report.problems == sorted(report.problems)
    assert report.message().startswith("8 things are wrong; nothing was touched\n")


@pytest.mark.parametrize(
    "text", ["no", "1e3", "010", "12:30:00", "~", 'a "b" c', "it's", "한글 팀", "ｔｅａｍ", "null"]
)
def test_quoted_text_is_only_text(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    report = validate_text(edited(("team: files", f"team: {quoted}")), "catalog.yml")
    if re.fullmatch(r"[\w .:/=+\-@]+", text):
        assert report.ok, report.message()
        assert report.catalog["services"][0]["team"] == text
    else:
        # What AWS refuses in a tag is refused, for that reason.
        assert [problem.reason for problem in report.problems] == [f"{subject.show(text)} is not allowed"]


def test_ranges_of_other_environments(tmp_path: Path) -> None:
    for env, cidr in (("test", "10.50.0.0/16"), ("other", "10.50.0.0/16"), ("far", "10.60.0.0/16"), ("broken", "x")):
        (tmp_path / env).mkdir()
        text = edited(("10.50.0.0/16", cidr), ("environment: test", f"environment: {env}"))
        (tmp_path / env / "catalog.yml").write_text(text, encoding="utf-8")
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable" / "catalog.yml").write_bytes(b"\xff\xfe")
    [problem] = validate_file(tmp_path / "test" / "catalog.yml").problems
    assert problem.path == "network.vpc_cidr"
    assert "overlaps 10.50.0.0/16 of" in problem.reason
    assert problem.reason.endswith("other/catalog.yml:12")
    assert validate_file(tmp_path / "far" / "catalog.yml").ok


def test_the_folder_names_the_environment(tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "catalog.yml").write_text(GOOD, encoding="utf-8")
    [problem] = validate_file(tmp_path / "prod" / "catalog.yml").problems
    assert (problem.path, problem.line) == ("environment", 1)
    assert "lies in the folder prod" in problem.reason


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in validate_file(tmp_path / "none.yml").message()
    (tmp_path / "latin.yml").write_bytes(b"environment: test\nregion: \xe9\n")
    [problem] = validate_file(tmp_path / "latin.yml").problems
    assert (problem.line, problem.reason) == (2, "the text is not UTF-8")
    (tmp_path / "empty.yml").write_text("", encoding="utf-8")
    assert "the file is empty" in validate_file(tmp_path / "empty.yml").message()


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(PROJECT / "inventories" / "prod")]) == 0
    assert "right (prod: 3 services" in capsys.readouterr().out
    bad = tmp_path / "catalog.yml"
    bad.write_text("environment: 1\n", encoding="utf-8")
    assert main([str(PROJECT / "inventories" / "dev" / "catalog.yml"), str(bad)]) == 1
    out = capsys.readouterr().out
    assert "environment: is the number 1, text is expected" in out
    assert "things are wrong; nothing was touched" in out
    assert main(["--wrong"]) == 2
    assert main([]) == 0


def test_docs_are_current() -> None:
    """Remedy: PYTHONPATH=module_utils python -m groundwork.catalog --docs > docs/catalog.md"""
    assert (PROJECT / "docs" / "catalog.md").read_text(encoding="utf-8") == docs()


def test_nearest_and_paths() -> None:
    assert nearest("replication-factor", ["replication_factor", "partitions"]) == "replication_factor"
    assert nearest("zzz", ["replication_factor"]) is None
    assert path_text(("services", 2, "kafka", "topics", 0, "name")) == "services[2].kafka.topics[0].name"


def test_fargate_pairs() -> None:
    assert FARGATE_MEMORY[512] == (1024, 2048, 3072, 4096)
    assert FARGATE_MEMORY[8192][-1] == 61_440
    assert len(FARGATE_MEMORY[16_384]) == 12


def test_examples_in_the_schema_are_right() -> None:
    """An example that is shown as the remedy must not be refused itself."""

    def walk(fields: dict[str, Field]) -> None:
        for name, item in fields.items():
            nested: Type = item.type.item if isinstance(item.type, ListOf) else item.type
            if isinstance(nested, Map):
                walk(nested.fields)
            elif item.example:
                document = subject.parse(f"{name}: {item.example}")
                check = subject.Check("example", document)
                subject._shape(check, item.type, document.data[name], (name,))
                assert check.problems == [] and document.faults == [], name

    walk(SCHEMA.fields)


def test_defaults_of_topics_are_checked_once() -> None:
    found = problems(edited(("default_min_insync_replicas: 2", "default_min_insync_replicas: 3")))
    assert len(found) == 1
    assert "kafka.default_min_insync_replicas: 3 in-sync replicas of 3" in found[0]


# --- whatever comes in ------------------------------------------------------------------------------------------------

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.sampled_from(["no", "1e3", "..", "10.0.0.0/33", "a" * 300, "mysql", "cache.t3.micro", "-1", "é"]),
)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


PLACES = places(yaml.safe_load(GOOD))


def survives(text: str) -> None:
    report = validate_text(text, "catalog.yml", "test")
    lines = len(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text))
    for problem in report.problems:
        assert 1 <= problem.line <= lines + 1
        assert problem.reason and problem.remedy
        assert "\n" not in str(problem)
    if report.ok:
        assert report.catalog["environment"] == "test"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_survived(text: str) -> None:
    survives(text)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_at_any_place_is_survived(data: st.DataObject) -> None:
    tree = yaml.safe_load(GOOD)
    path = data.draw(st.sampled_from(PLACES))
    value = data.draw(TREES)
    if path:
        parent = tree
        for part in path[:-1]:
            parent = parent[part]
        parent[path[-1]] = value
    else:
        tree = value
    survives(yaml.safe_dump(tree, allow_unicode=True))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_cut_or_insertion_is_survived(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 40)))
    survives(GOOD[:start] + data.draw(st.text(max_size=6)) + GOOD[end:])


@pytest.mark.parametrize(
    "text", ["[" * 5000, "{a: " * 3000, "- " * 5000, "? " * 3000, "&a [*a]", "!<x> y", "%YAML 9.9\n---\na"]
)
def test_hostile_text_is_survived(text: str) -> None:
    survives(text)


def test_topic_configurations_have_sensible_limits() -> None:
    for key, rule in TOPIC_CONFIGS.items():
        if rule.kind in {"int", "float"}:
            assert rule.minimum is not None and rule.maximum is not None and rule.minimum < rule.maximum, key
            assert subject.topic_config_fault(rule, str(int(rule.minimum))) is None, key
            assert subject.topic_config_fault(rule, "x"), key
