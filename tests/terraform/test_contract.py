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


def test_agreement() -> None:
    assert lint(GOOD, WRITTEN, READ, NEEDS) == []


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
    problems = lint(GOOD, written, read, needs)
    assert len(problems) == 1, problems
    assert problem in problems[0]


def test_reads_finds_literal_and_environment_paths(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'data "aws_ssm_parameter" "this" {\n  for_each = {\n    a = "/shared/network/vpc-id"\n'
        '    b = "/shared/iam/${module.context.environment}/kafka-instance-profile"\n  }\n}\n'
        'module "exports" {\n  parameters = { "/shared/kafka/x" = 1 }\n}\n'
    )
    assert reads(tmp_path) == {"/shared/network/vpc-id", "/shared/iam/{env}/kafka-instance-profile"}


def test_all_mistakes_of_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "contract.yml"
    path.write_text("parameters:\n  /a: {type: Text, producer: x}\n  /b: {typ: String}\n")
    with pytest.raises(ContractError, match=r"/b: wants type, producer[\s\S]*|/a: type Text"):
        load(path)
