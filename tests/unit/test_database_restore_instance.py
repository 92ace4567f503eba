"""playbooks/breakglass/db_restore_instance.yml against the embedded AWS: its plan, its refusals, and the instance that it asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from groundwork.operations import Records
from groundwork.terraform.offline import embedded_aws

PROJECT = Path(__file__).resolve().parents[2]
PLAYBOOK = PROJECT / "playbooks/breakglass/db_restore_instance.yml"
STATE = "unit-groundwork-state-123456789012"
SOURCE, NEW = "unit-shared-mysql", "unit-shared-mysql-0311"


class Account:
    """An account with a shared instance, and the playbook's player."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.environment = environment
        self.rds = boto3.client("rds")
        boto3.client("s3").create_bucket(
            Bucket=STATE, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"}
        )
        ec2, ssm = boto3.client("ec2"), boto3.client("ssm")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"ap-northeast-2{zone}")[
                "Subnet"
            ]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        self.group = ec2.create_security_group(GroupName="rds", Description="databases", VpcId=vpc)["GroupId"]
        self.rds.create_db_subnet_group(
            DBSubnetGroupName="unit-data", DBSubnetGroupDescription="data", SubnetIds=subnets
        )
        self.rds.create_db_parameter_group(
            DBParameterGroupName="unit-mysql84", DBParameterGroupFamily="mysql8.4", Description="own"
        )
        self.rds.create_db_instance(
            DBInstanceIdentifier=SOURCE, Engine="mysql", DBInstanceClass="db.t3.medium", AllocatedStorage=20, MasterUsername="admin",
            MasterUserPassword="S3CRETpassword", DBSubnetGroupName="unit-data", VpcSecurityGroupIds=[self.group],
            DBParameterGroupName="unit-mysql84", BackupRetentionPeriod=7, Tags=[{"Key": "Environment", "Value": "unit"}],
        )  # fmt: skip
        exported = {"endpoint": "localhost", "port": "3306", "master-secret-arn": "none", "identifier": SOURCE}
        for name, value in exported.items():
            ssm.put_parameter(Name=f"/shared/rds/unit/{name}", Value=value, Type="String")
        ssm.put_parameter(Name="/shared/kms/secrets-manager-key-arn", Value="none", Type="String")
        known = {
            "env": "unit", "aws_account_id": "123456789012", "aws_region": "ap-northeast-2", "groundwork_dir": str(PROJECT),
            "groundwork_cache": str(folder), "ansible_python_interpreter": sys.executable, "aws_environment": environment,
            "catalog": {"databases": {"mysql": {}}, "services": []},
        }  # fmt: skip
        self.inventory = folder / "hosts.json"
        self.inventory.write_text(
            json.dumps({"all": {"vars": known, "hosts": {"localhost": {"ansible_connection": "local"}}}})
        )

    def play(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), str(PLAYBOOK), "-i", str(self.inventory), *arguments],
            cwd=PROJECT, capture_output=True, text=True, check=False,
            env={**os.environ, **self.environment, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def instances(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {
            one["DBInstanceIdentifier"]: dict(one) for one in self.rds.describe_db_instances()["DBInstances"]
        }
        return found


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("restore-instance")
    with embedded_aws("123456789012", "ap-northeast-2", folder) as environment, pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in environment.items():
            patch.setenv(name, value)
        yield Account(folder, environment)


def test_wrong_input_is_refused_at_once(account: Account) -> None:
    code, text = account.play("-e", "engine=oracle", "-e", "at=yesterday", "-e", "snapshot=x")
    assert code == 2 and "Nothing was touched" in text, text
    for part in ("Which server? -e engine=mysql.", "What shall it be called? -e to=<identifier>.", "two ways: give one",
                 "no time of the form 2026-11-22T03:00:00Z"):  # fmt: skip
        assert part in text, (part, text)
    code, text = account.play("-e", "engine=mysql", "-e", f"to={SOURCE}")
    assert code == 2 and f"{SOURCE} is there already: give another name, nothing is overwritten" in text, text


def test_planned_confirmed_made_as_the_other_and_found_again(account: Account) -> None:
    wanted = ("-e", "engine=mysql", "-e", f"to={NEW}", "-e", "at=2026-11-22T03:11:00Z")
    code, text = account.play(*wanted, "--check")
    assert code == 0 and f"{SOURCE} as of 2026-11-22T03:11:00Z" in text and "unit-mysql84" in text, text
    code, text = account.play(*wanted)
    assert code == 2 and f"add: -e confirm=unit-db-restore-instance-{NEW}" in text, text
    assert set(account.instances()) == {SOURCE}
    confirmed = (*wanted, "-e", f"confirm=unit-db-restore-instance-{NEW}")
    code, text = account.play(*confirmed)
    assert code == 0 and f"db_restore_drill.yml and db_restore.yml take -e instance={NEW}" in text, text
    made = account.instances()[NEW]
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == "unit-data"
    assert [group["VpcSecurityGroupId"] for group in made["VpcSecurityGroups"]] == [account.group]
    assert [group["DBParameterGroupName"] for group in made["DBParameterGroups"]] == ["unit-mysql84"]
    tags = {tag["Key"]: tag["Value"] for tag in made["TagList"]}
    assert (tags["Environment"], tags["RestoredFrom"], tags["RestoredAsOf"]) == ("unit", SOURCE, "2026-11-22T03:11:00Z")
    code, text = account.play(*confirmed)
    assert code == 2 and f"{NEW} is there already" in text, text


def test_a_killed_run_is_gone_on_with(account: Account) -> None:
    records = Records(STATE, "records/databases/instances/half")
    records.open(
        "database-instance", {"from": SOURCE, "to": "half", "as_of": "the last moment that can be had"}, [], {}
    )
    account.rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=SOURCE, TargetDBInstanceIdentifier="half", UseLatestRestorableTime=True
    )
    wanted = (
        "-e",
        "engine=mysql",
        "-e",
        "to=half",
        "-e",
        "confirm=unit-db-restore-instance-half",
        "-e",
        "operation_takeover=true",
    )
    code, text = account.play(*wanted, "-e", "at=2026-11-22T03:11:00Z")
    assert (
        code == 2 and "is open with other values" in text and "db_restore_instance.yml -e to=<another name>" in text
    ), text
    code, text = account.play(*wanted)
    assert code == 0 and "goes on with s3://" in text and records.read() is None, text
    assert {tag["Key"]: tag["Value"] for tag in account.instances()["half"]["TagList"]}["RestoredFrom"] == SOURCE


def test_from_a_snapshot(account: Account) -> None:
    account.rds.create_db_snapshot(DBInstanceIdentifier=SOURCE, DBSnapshotIdentifier="before")
    code, text = account.play(
        "-e", "engine=mysql", "-e", "to=from-snapshot", "-e", "snapshot=before", "-e", "confirm=unit-db-restore-instance-from-snapshot"
    )  # fmt: skip
    assert code == 0, text
    made = account.instances()["from-snapshot"]
    assert [group["DBParameterGroupName"] for group in made["DBParameterGroups"]] == ["unit-mysql84"]
    assert {tag["Key"]: tag["Value"] for tag in made["TagList"]}["RestoredAsOf"] == "snapshot before"
