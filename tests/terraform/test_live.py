"""dev and prod on a moto each: apply, an empty plan, what must be refused, what must be repaired, destroy, nothing left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import TERRAFORM, Estate
from groundwork import contract
from groundwork.account import check_account
from groundwork.aws_client import AwsError
from groundwork.terraform import TerraformError, graph
from lifecycle import apply, destroy, differences, leftovers

ENVIRONMENTS = ("dev", "prod")


@pytest.fixture(scope="module")
def estates(estate_of: Callable[[str], Estate]) -> dict[str, Estate]:
    """Both environments applied side by side: most of an apply is waiting for the database."""
    made = {env: estate_of(env) for env in ENVIRONMENTS}

    def make(estate: Estate) -> None:
        blocked = estate.statuses(check=True)
        assert set(blocked.values()) == {"blocked"}, "nothing can be planned before the bootstrap"
        assert leftovers(estate) == [], "check mode must not make the bucket"
        apply(estate)

    both(made, make)
    return made


def both(estates: dict[str, Estate], work: Callable[[Estate], Any]) -> dict[str, Any]:
    with ThreadPoolExecutor(len(estates)) as pool:
        return dict(zip(estates, pool.map(work, estates.values()), strict=True))


def states(estate: Estate) -> dict[str, dict[str, Any]]:
    s3 = estate.client("s3")
    found = {}
    for use in ("bootstrap", "state"):
        bucket = f"{estate.env}-groundwork-{use}-{estate.catalog['account_id']}"
        for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]:
            if entry["Key"].endswith("terraform.tfstate"):
                found[entry["Key"].split("/")[1]] = json.loads(
                    s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                )
    return found


def test_the_second_plan_is_empty(estates: dict[str, Estate]) -> None:
    assert both(estates, differences) == {env: [] for env in estates}


def test_the_resource_matrix_is_in_the_docs(estates: dict[str, Estate]) -> None:
    """Every type that was applied, with its number by environment; GROUNDWORK_WRITE_DOCS=1 writes it."""
    counts = {
        env: Counter(
            resource["type"]
            for state in states(estate).values()
            for resource in state["resources"]
            if resource["mode"] == "managed"
            for _ in resource["instances"]
        )
        for env, estate in estates.items()
    }
    lines = [f"| resource | {' | '.join(counts)} |", "| --- |" + " ---: |" * len(counts)]
    lines += [
        f"| `{kind}` | {' | '.join(str(count[kind]) for count in counts.values())} |"
        for kind in sorted(set().union(*counts.values()))
    ]
    page = TERRAFORM.parent / "docs/aws-coverage.md"
    before, _, after = page.read_text().partition("<!-- matrix -->\n")
    text = f"{before}<!-- matrix -->\n" + "\n".join(lines) + "\n" + after[after.index("<!-- end of matrix -->") :]
    if os.environ.get("GROUNDWORK_WRITE_DOCS"):
        page.write_text(text)
    assert page.read_text() == text, "run this test with GROUNDWORK_WRITE_DOCS=1"


def test_the_contract_is_kept(estates: dict[str, Estate], monkeypatch: pytest.MonkeyPatch) -> None:
    estate = estates["dev"]
    written = {
        name: {
            instance["attributes"]["name"].replace("/dev/", "/{env}/"): instance["attributes"]["type"]
            for resource in state["resources"]
            if resource["mode"] == "managed" and resource["type"] == "aws_ssm_parameter"
            for instance in resource["instances"]
        }
        for name, state in states(estate).items()
    }
    components = graph.load(TERRAFORM / "components.yml")
    read = {name: contract.reads(TERRAFORM / "components" / name) for name in components}
    needs = {name: component.needs for name, component in components.items()}
    problems = contract.lint(contract.load(TERRAFORM / "contract.yml"), written, read, needs, estate.catalog)
    assert not problems, "\n".join(problems)

    for estate in estates.values():
        for name, value in estate.aws.items():
            monkeypatch.setenv(name, value)
        assert contract.check_live(TERRAFORM / "contract.yml", estate.catalog) > 30


def test_a_missing_parameter_is_named_with_its_producer(
    estates: dict[str, Estate], monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = estates["dev"]
    for name, value in estate.aws.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(contract.ContractError, match=r"/shared/kafka/staging/node-names is missing: apply 60-kafka"):
        contract.check_live(TERRAFORM / "contract.yml", {**estate.catalog, "environment": "staging"})


def test_generated_passwords_are_in_no_state_and_open_what_they_are_for(estates: dict[str, Estate]) -> None:
    for env, estate in estates.items():
        client = estate.client("secretsmanager")

        def read(name: str, client: Any = client) -> str:
            return str(client.get_secret_value(SecretId=name)["SecretString"])

        passwords = []
        instances = {
            instance["DBInstanceIdentifier"]: instance
            for instance in estate.client("rds").describe_db_instances()["DBInstances"]
        }
        for engine, facts in {"mysql": (3306, "admin"), "postgresql": (5432, "postgres")}.items():
            secret = json.loads(read(f"{env}-shared-{engine}-master"))
            assert sorted(secret) == ["engine", "host", "password", "port", "username"]
            assert secret["host"] == instances[f"{env}-shared-{engine}"]["Endpoint"]["Address"]
            assert (secret["port"], secret["username"], len(secret["password"])) == (*facts, 40)
            origin = read(f"{env}-shared-{engine}-master-password")
            assert origin == secret["password"], "both secrets must hold the instance's password"
            passwords.append(origin)
        for group in estate.client("elasticache").describe_replication_groups()["ReplicationGroups"]:
            assert group["AuthTokenEnabled"], f"{group['ReplicationGroupId']} answers without a token"
            secret = json.loads(read(group["ReplicationGroupId"]))
            assert secret["host"] == group["NodeGroups"][0]["PrimaryEndpoint"]["Address"]
            assert read(f"{group['ReplicationGroupId']}-token") == secret["password"]
            passwords.append(secret["password"])
        assert len(set(passwords)) == 2 + sum("cache" in service for service in estate.catalog["services"])
        held = json.dumps(states(estate))
        assert not [password for password in passwords if password in held]
        for path in (estate.work / "terraform").rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 5_000_000:
                content = path.read_bytes()
                assert not [password for password in passwords if password.encode() in content], path


def test_prod_is_protected_and_dev_is_not(estates: dict[str, Estate]) -> None:
    def facts(estate: Estate) -> tuple[Any, ...]:
        database = next(
            database
            for database in estate.client("rds").describe_db_instances()["DBInstances"]
            if database["Engine"] == "mysql"
        )
        gateways = estate.client("ec2").describe_nat_gateways()["NatGateways"]
        return (
            database["MultiAZ"],
            database["DeletionProtection"],
            database["BackupRetentionPeriod"],
            database["StorageEncrypted"],
            database["StorageType"],
            len(gateways),
        )

    assert facts(estates["prod"]) == (
        True,
        True,
        7,
        True,
        "gp3",
        len(estates["prod"].catalog["network"]["availability_zones"]),
    )
    assert facts(estates["dev"]) == (False, False, 3, True, "gp3", 1)


def test_hosts_are_what_the_inventory_looks_for(estates: dict[str, Estate]) -> None:
    for env, estate in estates.items():
        reservations = estate.client("ec2").describe_instances()["Reservations"]
        hosts = {}
        for instance in (instance for reservation in reservations for instance in reservation["Instances"]):
            tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
            hosts[tags["Name"]] = (tags, instance)
        kafka = estate.catalog["kafka"]
        wanted = {f"{env}-kafka-{number + 1}" for number in range(kafka["brokers"])}
        if kafka["topology"] == "isolated":
            wanted |= {f"{env}-kafka-controller-{number + 101}" for number in range(kafka["controllers"])}
        wanted |= {f"{env}-ops-{number + 1}" for number in range(estate.catalog["ops"]["count"])}
        assert set(hosts) == wanted
        tags, first = hosts[f"{env}-kafka-1"]
        base = ".".join(estate.catalog["network"]["vpc_cidr"].split(".")[:2])
        assert first["PrivateIpAddress"] == f"{base}.0.11"
        assert tags["DnsName"] == f"kafka-1.{env}.internal"
        required = {
            "Environment",
            "Service",
            "Owner",
            "CostCenter",
            "Team",
            "Lifecycle",
            "DataClass",
            "ManagedBy",
            "Repository",
        }
        assert required <= set(tags)


def fewer_brokers(catalog: dict[str, Any]) -> None:
    catalog["kafka"]["brokers"] -= 1


def test_losing_a_broker_is_refused_and_nothing_is_applied(estates: dict[str, Estate]) -> None:
    estate = estates["prod"]
    catalog = estate.write_catalog("fewer", fewer_brokers)
    before = states(estate)["60-kafka"]["serial"]
    with pytest.raises(TerraformError, match=r"volume is deleted[\s\S]*-e confirm=prod-60-kafka"):
        estate.engine(catalog_path=catalog, components=("60-kafka",)).run()
    with pytest.raises(TerraformError, match="confirm=prod-60-kafka"):
        estate.engine(catalog_path=catalog, components=("60-kafka",), confirm="yes,prod,60-kafka,dev-60-kafka").run()
    assert states(estate)["60-kafka"]["serial"] == before
    predicted = estate.engine(catalog_path=catalog, components=("60-kafka",), check=True).run()
    assert predicted[0].status == "planned"
    assert any("WOULD BE REFUSED" in line for line in estate.lines)


def test_a_rule_changed_by_hand_is_found_and_repaired(estates: dict[str, Estate]) -> None:
    estate = estates["dev"]
    ec2 = estate.client("ec2")
    group = next(group for group in ec2.describe_security_groups()["SecurityGroups"] if group["GroupName"] == "dev-alb")
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}])[
        "SecurityGroupRules"
    ]
    rule = next(rule for rule in rules if not rule["IsEgress"] and rule["FromPort"] == 443)
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    selected = ("30-security-groups",)
    check = estate.engine(components=selected, check=True).run()[0]
    assert [change.address for change in check.summary.changes] == [
        'module.groups.aws_vpc_security_group_ingress_rule.public["alb:443"]'
    ]
    assert estate.statuses(components=selected) == {"30-security-groups": "applied"}
    assert estate.statuses(components=selected, check=True) == {"30-security-groups": "unchanged"}


def test_lost_states_are_adopted(estates: dict[str, Estate]) -> None:
    """The bootstrap's state is lost and its bucket and table survive; and an alias and a parameter that no state knows."""
    estate = estates["dev"]
    s3 = estate.client("s3")
    account = estate.catalog["account_id"]
    s3.delete_object(Bucket=f"dev-groundwork-bootstrap-{account}", Key="components/00-bootstrap/terraform.tfstate")
    result = estate.engine(components=("00-bootstrap",)).run()[0]
    assert result.status == "applied"
    assert result.summary.count("import") >= 1, result.summary.lines()
    # Settings of a bucket are put, not made: nothing but them may look new.
    made = {change.type for change in result.summary.changes if change.action == "create"}
    assert all(kind.startswith("aws_s3_bucket_") for kind in made), result.summary.lines()
    assert states(estate)["30-security-groups"], "the other states are still there"
    assert estate.statuses(components=("00-bootstrap",)) == {"00-bootstrap": "unchanged"}

    key = "components/20-kms/terraform.tfstate"
    state = states(estate)["20-kms"]
    for resource in state["resources"]:
        if resource["type"] in {"aws_kms_alias", "aws_ssm_parameter"}:
            resource["instances"] = [entry for entry in resource["instances"] if "sqs" not in entry["index_key"]]
    state["serial"] += 1
    s3.put_object(Bucket=f"dev-groundwork-state-{account}", Key=key, Body=json.dumps(state).encode())
    assert estate.statuses(components=("20-kms",)) == {"20-kms": "applied"}
    assert any("adopted what a killed run had made" in line for line in estate.lines), estate.lines
    assert estate.statuses(components=("20-kms",), check=True) == {"20-kms": "unchanged"}, estate.lines


def test_somebody_elses_lock_is_respected(estates: dict[str, Estate]) -> None:
    estate = estates["dev"]
    s3 = estate.client("s3")
    bucket = f"dev-groundwork-state-{estate.catalog['account_id']}"
    key = "components/40-iam/terraform.tfstate.tflock"
    lock = {"ID": "11111111-2222-3333-4444-555555555555", "Operation": "OperationTypeApply", "Who": "ann@elsewhere"}
    lock |= {"Info": "", "Version": "1.11.4", "Created": "2026-01-01T00:00:00Z", "Path": f"{bucket}/{key}"}
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(lock).encode())
    work = estate.work / "terraform/40-iam"
    # A dead run of ours was there too: its lock would be broken, this one must not be.
    (work / "process.json").write_text(json.dumps({"pid": os.getpid(), "born": "1", "started": 1.0}))
    try:
        with pytest.raises(
            TerraformError,
            match=r"locked by ann@elsewhere since 2026-01-01.*state_unlock.yml.*confirm=dev-40-iam-11111111",
        ):
            estate.engine(components=("40-iam",)).run()
    finally:
        s3.delete_object(Bucket=bucket, Key=key)
        (work / "process.json").unlink(missing_ok=True)


def test_another_account_is_one_clear_line(estates: dict[str, Estate]) -> None:
    estate = estates["dev"]
    with pytest.raises(AwsError) as error:
        check_account("999999999999", estate.catalog["region"], estate.aws, "prod")
    assert "\n" not in str(error.value)
    assert "credentials are of account 111122223333" in str(error.value)
    assert "the inventory names 999999999999" in str(error.value)
    with pytest.raises(AwsError, match="Nothing was touched"):
        check_account("1", "ap-northeast-2", {**estate.aws, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "dev")


def test_destroying_leaves_nothing(estates: dict[str, Estate]) -> None:
    with pytest.raises(TerraformError, match="confirm=dev-50-shared-rds"):
        estates["dev"].engine(state="absent", components=("50-shared-rds",)).run()

    both(estates, destroy)
    for env, estate in estates.items():
        assert leftovers(estate) == [], env


def test_a_killed_terraform_is_finished_by_the_next_run(estate_of: Callable[[str], Estate]) -> None:
    """SIGKILL in the middle of an apply: the lock stays, the state lacks what was made last. The next run goes on."""
    estate = estate_of("local")
    selected = ("00-bootstrap", "20-kms")
    estate.statuses(components=selected[:1])
    work = estate.work / "terraform/20-kms"

    def kill() -> bool:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if '"apply_complete"' in (work / "apply.log").read_text():
                    # Like a machine that goes down: the provider dies with it.
                    os.killpg(json.loads((work / "process.json").read_text())["pid"], signal.SIGKILL)
                    return True
            time.sleep(0.02)
        return False

    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill)
        with pytest.raises(TerraformError, match="20-kms"):
            estate.statuses(components=selected)
    assert killed.result(), "the apply was over before it could be killed"

    assert estate.statuses(components=selected)["20-kms"] == "applied", estate.lines
    assert any("broke the lock of a killed run" in line for line in estate.lines), estate.lines
    assert estate.statuses(components=selected, check=True) == dict.fromkeys(selected, "unchanged")
    keys = estate.client("kms").list_aliases()["Aliases"]
    assert len([alias for alias in keys if alias["AliasName"].startswith("alias/local-")]) == 7

    # Terraform could not save a state: it lies beside the configuration, which every environment uses.
    copy = shutil.copytree(TERRAFORM, estate.work / "code")
    left = copy / "components/20-kms/errored.tfstate"
    unsaved = states(estate)["20-kms"]
    unsaved["serial"] += 1
    unsaved["outputs"]["parameters"]["value"] = ["only in the state that was not saved"]
    other = json.dumps(unsaved).replace('"Environment": "local"', '"Environment": "prod"')
    for text, expected, stays in (
        (other, "errored.tfstate is of prod: left alone", True),
        (json.dumps(unsaved), "saved the state", False),
    ):
        left.write_text(text)
        estate.statuses(components=selected, terraform_dir=copy)
        assert any(expected in line for line in estate.lines), estate.lines
        assert left.exists() is stays
    assert states(estate)["20-kms"]["serial"] > unsaved["serial"] - 1
