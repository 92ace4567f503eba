"""The contract's linter: every kind of disagreement is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from groundwork.contract import ContractError, Parameter, lint, load, reads

PATH = "/shared/network/vpc-id"
GOOD = {PATH: Parameter(PATH, "String", "10-network", ("60-kafka",))}
WRITTEN = {"10-network": {PATH: "String"}}
READ = {"60-kafka": {PATH}}
NEEDS = {"60-kafka": ("10-network",)}
CATALOG = {
    "environment": "dev",
    "databases": {"mysql": {}},
    "services": [
        {"name": "fileflow", "cache": {}, "queue": {}, "task": {}},
        {"name": "authhub", "cache": {}},
        {"name": "crawler", "queue": {}},
    ],
}


def test_agreement() -> None:
    assert lint(GOOD, WRITTEN, READ, NEEDS, CATALOG) == []


@pytest.mark.parametrize(
    ("written", "read", "needs", "problem"),
    [
        ({"10-network": {PATH: "StringList"}}, READ, NEEDS, "10-network writes /shared/network/vpc-id as StringList"),
        ({"10-network": {}}, READ, NEEDS, "10-network must write /shared/network/vpc-id and does not"),
        (
            {**WRITTEN, "20-kms": {PATH: "String"}},
            READ,
            NEEDS,
            "20-kms writes /shared/network/vpc-id, which the contract gives",
        ),
        (
            {"10-network": {PATH: "String", "/shared/x/y": "String"}},
            READ,
            NEEDS,
            "10-network writes /shared/x/y, which",
        ),
        (
            WRITTEN,
            {"60-kafka": {PATH, "/shared/x/y"}},
            NEEDS,
            "60-kafka reads /shared/x/y, which the contract does not have",
        ),
        (
            WRITTEN,
            {**READ, "40-iam": {PATH}},
            {**NEEDS, "40-iam": ("10-network",)},
            "40-iam reads /shared/network/vpc-id and",
        ),
        (WRITTEN, {"60-kafka": set()}, NEEDS, "60-kafka is a consumer of /shared/network/vpc-id and does not read it"),
        (WRITTEN, READ, {"60-kafka": ()}, "of 10-network and does not need it"),
    ],
)
def test_disagreements(
    written: dict[str, dict[str, str]], read: dict[str, set[str]], needs: dict[str, tuple[str, ...]], problem: str
) -> None:
    problems = lint(GOOD, written, read, needs, CATALOG)
    assert len(problems) == 1, problems
    assert problem in problems[0]


def test_reads_finds_literal_and_environment_paths(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'data "aws_ssm_parameter" "this" {\n  for_each = {\n    a = "/shared/network/vpc-id"\n'
        '    b = "/shared/iam/${module.context.environment}/kafka-instance-profile"\n  }\n}\n'
        'module "exports" {\n  parameters = { "/shared/kafka/x" = 1 }\n}\n'
    )
    assert reads(tmp_path) == {"/shared/network/vpc-id", "/shared/iam/{env}/kafka-instance-profile"}


def test_reads_finds_services_and_peers(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'data "aws_ssm_parameter" "cache" {\n'
        '  for_each = { for name in local.cached : name => "/shared/cache/${local.env}/${name}/endpoint" }\n}\n'
        'data "aws_ssm_parameter" "peer" {\n  provider = aws.peer\n'
        '  name     = "/shared/rds/${var.settings.peer.environment}/identifier"\n}\n'
    )
    assert reads(tmp_path) == {"/shared/cache/{env}/{service}/endpoint", "/shared/rds/{peer}/identifier"}


def test_a_line_stands_for_every_service_that_has_the_keys() -> None:
    path = "/shared/cache/{env}/{service}/endpoint"

    def services(*keys: str) -> list[str]:
        paths = Parameter(path, "String", "52-cache", services_with=keys).paths(CATALOG)
        return [name.split("/")[4] for name in paths]

    assert services("cache") == ["fileflow", "authhub"]
    assert services("task", "queue") == ["fileflow"]
    assert services("image") == []


def test_what_is_missing_or_too_much_for_a_service_is_named() -> None:
    path = "/shared/cache/{env}/{service}/endpoint"
    parameters = {path: Parameter(path, "String", "52-cache", services_with=("cache",))}
    written = {"52-cache": {f"/shared/cache/{{env}}/{name}/endpoint": "String" for name in ("fileflow", "crawler")}}
    assert lint(parameters, written, {}, {}, CATALOG) == [
        "52-cache writes /shared/cache/{env}/crawler/endpoint, which the contract does not have",
        "52-cache must write /shared/cache/{env}/authhub/endpoint and does not",
    ]


def test_an_optional_line_is_for_catalogs_that_have_it() -> None:
    path = "/shared/rds/{env}/postgresql/endpoint"
    parameters = {path: Parameter(path, "String", "50-shared-rds", optional="databases.postgresql")}
    assert lint(parameters, {}, {}, {}, CATALOG) == []
    with_it = {**CATALOG, "databases": {"mysql": {}, "postgresql": {}}}
    assert lint(parameters, {}, {}, {}, with_it) == [f"50-shared-rds must write {path} and does not"]
    written = {"50-shared-rds": {path: "String"}}
    assert lint(parameters, written, {}, {}, with_it) == []
    assert lint(parameters, written, {}, {}, CATALOG) == [
        f"50-shared-rds writes {path}, which the contract does not have"
    ]


def test_a_peer_s_parameter_must_exist_and_needs_nothing_here() -> None:
    read = {"90-backup-dr": {"/shared/rds/{peer}/identifier"}}
    path = "/shared/rds/{env}/identifier"
    parameters = {path: Parameter(path, "String", "50-shared-rds")}
    written = {"50-shared-rds": {path: "String"}}
    assert lint(parameters, written, read, {}, CATALOG) == []
    assert lint({}, {}, read, {}, CATALOG) == [
        "90-backup-dr reads /shared/rds/{peer}/identifier, which the contract does not have"
    ]


def test_services_and_their_keys_go_together(tmp_path: Path) -> None:
    path = tmp_path / "contract.yml"
    path.write_text(
        "parameters:\n  /a/{service}: {type: String, producer: x}\n  /b: {type: String, producer: x, for: cache}\n"
        "  /c/{service}: {type: String, producer: x, for: [task, queue], optional: databases.mysql}\n"
    )
    with pytest.raises(ContractError) as error:
        load(path)
    assert "/a/{service}: {service} and `for`" in str(error.value)
    assert "/b: {service} and `for`" in str(error.value)
    assert "/c/{service}" not in str(error.value)


def test_all_mistakes_of_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "contract.yml"
    path.write_text("parameters:\n  /a: {type: Text, producer: x}\n  /b: {typ: String}\n")
    with pytest.raises(ContractError, match=r"/b: wants type, producer[\s\S]*|/a: type Text"):
        load(path)
