"""The inventories: one shape in every environment, and what a person sees without credentials, hosts or an estate."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
INVENTORIES = PROJECT / "inventories"
ENVIRONMENTS = tuple(sorted(path.parent.name for path in (PROJECT / "inventories").glob("*/catalog.yml")))
CLOUD = tuple(env for env in ENVIRONMENTS if env != "local")
PROGRAMS = Path(sys.executable).parent

# What the documents' table of environments says: task CPU, task memory, tasks, cache node.
SIZES = {
    "dev": (512, 1024, 1, "cache.t3.micro"),
    "staging": (1024, 2048, 2, "cache.t3.small"),
    "prod": (2048, 4096, 3, "cache.t3.medium"),
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def catalog(env: str) -> dict[str, Any]:
    data: dict[str, Any] = load(INVENTORIES / env / "catalog.yml")
    return data


# --- shape ------------------------------------------------------------------------------------------------------------


def test_there_are_no_others() -> None:
    assert {"local", "dev", "staging", "prod", "dr"} <= set(ENVIRONMENTS)
    assert {path.name for path in INVENTORIES.iterdir() if path.is_dir()} == set(ENVIRONMENTS)
    assert {path.name for path in (PROJECT / "terraform/environments").iterdir()} == set(ENVIRONMENTS)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_dynamic_inventory_differs_in_values_only(env: str) -> None:
    mine, model = load(INVENTORIES / env / "aws_ec2.yml"), load(INVENTORIES / "prod" / "aws_ec2.yml")
    credentials = {"endpoint_url", "access_key", "secret_key"} if env == "local" else set()
    assert set(mine) - set(model) == credentials
    assert mine["plugin"] == "amazon.aws.aws_ec2"
    assert mine["regions"] == [catalog(env)["region"]]
    assert mine["filters"].pop("tag:Environment") == env
    # Hosts are instances there, containers named after them here.
    address = mine["compose"].pop("ansible_host")
    assert address == "ec2_instance_id" if env != "local" else address.endswith("ec2_tags.Name")
    del model["compose"]["ansible_host"]
    for key in set(model) - {"regions", "filters"}:
        assert mine[key] == model[key], key
    assert mine["filters"] == {"instance-state-name": "running", "tag:ManagedBy": "terraform"}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_hosts_and_variables_have_the_same_names(env: str) -> None:
    assert load(INVENTORIES / env / "hosts.yml") == load(INVENTORIES / "prod" / "hosts.yml")
    mine = load(INVENTORIES / env / "group_vars" / "all" / "main.yml")
    model = load(INVENTORIES / "prod" / "group_vars" / "all" / "main.yml")
    embedded = {"embedded_estate", "embedded_estate_octet"} if env == "local" else set()
    assert set(mine) - set(model) == embedded
    assert set(model) <= set(mine)
    assert mine["env"] == env


def test_accounts_and_ranges_are_the_environments_own() -> None:
    # Disaster recovery stands in production's account, in another region.
    accounts = [catalog(env)["account_id"] for env in ENVIRONMENTS if env != "dr"]
    assert catalog("dr")["account_id"] == catalog("prod")["account_id"]
    assert len(set(accounts)) == len(accounts)
    assert catalog("prod")["network"]["vpc_cidr"] == "10.0.0.0/16"
    assert catalog("dr")["region"] == "ap-northeast-1"


@pytest.mark.parametrize("env", CLOUD)
def test_the_cloud_is_reached_through_session_manager(env: str) -> None:
    connection = load(INVENTORIES / env / "group_vars" / "ec2" / "main.yml")
    assert connection["ansible_connection"] == "ansible.builtin.ssh"
    assert connection["ansible_ssh_pipelining"] is True
    assert "AWS-StartSSHSession" in connection["ansible_ssh_common_args"]
    assert "ControlPersist" in connection["ansible_ssh_common_args"]
    assert connection == load(INVENTORIES / "prod" / "group_vars" / "ec2" / "main.yml")


@pytest.mark.parametrize(("env", "sizes"), SIZES.items())
def test_sizes_are_those_of_the_documents(env: str, sizes: tuple[int, int, int, str]) -> None:
    for service in catalog(env)["services"]:
        task = service["task"]
        assert (task["cpu"], task["memory_mib"], task["count"], service["cache"]["node_type"]) == sizes


def test_the_services_are_the_same_everywhere() -> None:
    for env in ENVIRONMENTS:
        names = [service["name"] for service in catalog(env)["services"]]
        assert names == [service["name"] for service in catalog("prod")["services"]]
        assert names[:3] == ["fileflow", "authhub", "crawler"]
    assert catalog("dev")["kafka"]["brokers"] == 1
    assert catalog("prod")["kafka"]["brokers"] == 3
    assert len(catalog("prod")["network"]["availability_zones"]) == 3
    assert catalog("prod")["network"]["nat_gateways"] == "per_zone"
    assert [catalog(env)["databases"]["mysql"]["max_connections"] for env in ("dev", "prod")] == [100, 200]


# --- what a person sees -----------------------------------------------------------------------------------------------


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """An Ansible program in the project, with no AWS settings but the given ones."""
    ours = ("AWS_", "ANSIBLE_", "GROUNDWORK_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Neither the credentials of the machine's user nor an instance role may get into the answer.
    clean |= {
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_COLOR": "1",
        "COLUMNS": "1000",
    }
    return subprocess.run(
        [str(PROGRAMS / program), *arguments],
        cwd=PROJECT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def free_octet() -> int:
    """An octet whose port (5000 + octet) nobody listens on."""
    for octet in range(254, 225, -1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", 5000 + octet))
            except OSError:
                continue
            return octet
    raise AssertionError("every port from 5226 to 5254 is in use")


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[str, int]]:
    """An embedded AWS with four hosts of local and of prod: (endpoint, octet)."""
    octet = free_octet()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=5000 + octet, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{5000 + octet}"
    hosts = {
        "kafka-1": {"Role": "kafka", "KafkaNodeId": "1", "KafkaRoles": "broker,controller"},
        "kafka-2": {"Role": "kafka", "KafkaNodeId": "2", "KafkaRoles": "broker"},
        "kafka-controller-101": {"Role": "kafka", "KafkaNodeId": "101", "KafkaRoles": "controller"},
        "ops-1": {"Role": "ops"},
    }
    try:
        ec2: Any = boto3.client(
            "ec2",
            endpoint_url=endpoint,
            region_name="ap-northeast-2",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        image = ec2.describe_images()["Images"][0]["ImageId"]
        for env, manager in (("local", "terraform"), ("prod", "terraform"), ("local", "somebody")):
            for name, role in hosts.items():
                tags = {
                    "Name": f"{env}-{name}" if manager == "terraform" else f"{env}-stranger-{name}",
                    "DnsName": f"{name}.{env}.internal",
                    "Environment": env,
                    "ManagedBy": manager,
                    **role,
                }
                ec2.run_instances(
                    ImageId=image,
                    MinCount=1,
                    MaxCount=1,
                    TagSpecifications=[
                        {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
                    ],
                )
        yield endpoint, octet
    finally:
        server.stop()


def groups(inventory: dict[str, Any], name: str) -> set[str]:
    """Hosts of a group and of the groups in it."""
    group = inventory.get(name, {})
    found = set(group.get("hosts", []))
    for child in group.get("children", []):
        found |= groups(inventory, child)
    return found


def test_hosts_and_groups_of_the_embedded_estate(aws: tuple[str, int]) -> None:
    done = run("ansible-inventory", "-i", "inventories/local", "--list", GROUNDWORK_ESTATE_OCTET=str(aws[1]))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    inventory = json.loads(done.stdout)
    assert groups(inventory, "kafka") == {"local-kafka-1", "local-kafka-2", "local-kafka-controller-101"}
    assert groups(inventory, "kafka_broker") == {"local-kafka-1", "local-kafka-2"}
    assert groups(inventory, "kafka_controller") == {"local-kafka-1", "local-kafka-controller-101"}
    assert groups(inventory, "ops") == {"local-ops-1"}
    variables = inventory["_meta"]["hostvars"]
    broker = variables["local-kafka-1"]
    assert broker["kafka_node_id"] == 1
    assert "KafkaNodeId" in broker["ec2_tags"]
    assert "tags" not in broker
    assert "kafka_node_id" not in variables["local-ops-1"]


def test_variables_of_the_contract_have_values(aws: tuple[str, int]) -> None:
    names = [
        *("env", "aws_region", "aws_account_id", "aws_environment", "catalog", "embedded_estate", "tenant_id"),
        *("groundwork_dir", "groundwork_cache", "groundwork_work", "ansible_connection", "ansible_host"),
        *("private_ip", "dns_domain", "dns_name", "availability_zone", "kafka_node_id", "kafka_node_roles"),
    ]
    message = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} }}"
    task = ["-m", "ansible.builtin.debug", "-a", json.dumps({"msg": message})]
    done = run(
        "ansible",
        *("-i", "inventories/local", "local-kafka-1", *task),
        ANSIBLE_CALLBACK_RESULT_FORMAT="json",
        GROUNDWORK_ESTATE="mine",
        GROUNDWORK_ESTATE_OCTET=str(aws[1]),
        AWS_PROFILE="of-a-person",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    values = json.loads(done.stdout[done.stdout.index("{") :])["msg"]
    assert values["embedded_estate"] == {"name": "mine", "subnet": f"10.{aws[1]}.0.0/16", "aws_port": 5000 + aws[1]}
    assert values["aws_environment"]["AWS_ENDPOINT_URL"] == aws[0]
    assert values["aws_environment"]["AWS_REGION"] == values["aws_region"] == "ap-northeast-2"
    assert values["aws_account_id"] == "123456789012"
    assert values["groundwork_dir"] == str(PROJECT)
    assert values["groundwork_work"] == str(PROJECT / ".groundwork" / "work" / "mine")
    assert values["dns_domain"] == "local.internal"
    assert values["ansible_connection"] == "groundwork_podman"
    assert values["ansible_host"] == "groundwork-mine-local-kafka-1"
    assert values["private_ip"].count(".") == 3
    assert values["dns_name"] == "kafka-1.local.internal"
    assert values["availability_zone"].startswith("ap-northeast-2")
    assert values["kafka_node_id"] == 1
    assert values["kafka_node_roles"] == ["broker", "controller"]
    assert values["catalog"] == catalog("local")


def test_without_an_estate_there_are_no_hosts_and_no_noise() -> None:
    begin = time.monotonic()
    done = run("ansible-inventory", "-i", "inventories/local", "--list", GROUNDWORK_ESTATE_OCTET=str(free_octet()))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(json.loads(done.stdout)["_meta"]["hostvars"]) == ["localhost"]
    # Seconds without a load on the machine; it waits for no metadata service, which takes minutes.
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize("env", CLOUD)
def test_without_credentials_there_is_one_line(env: str) -> None:
    begin = time.monotonic()
    done = run("ansible-playbook", "-i", f"inventories/{env}", "playbooks/preflight.yml")
    assert done.returncode == 4
    [line] = done.stderr.strip().splitlines()
    assert done.stdout.strip() == ""
    assert f"{env}: no access to AWS account {catalog(env)['account_id']}" in line
    assert "Unable to locate credentials" in line and "nothing was touched" in line and "AWS_PROFILE" in line
    # Seconds without a load on the machine; it waits for no metadata service, which takes minutes.
    assert time.monotonic() - begin < 60


def test_a_profile_that_does_not_exist_is_one_line() -> None:
    done = run("ansible-inventory", "-i", "inventories/prod", "--list", AWS_PROFILE="nobody")
    assert done.returncode == 4
    [line] = done.stderr.strip().splitlines()
    assert "The config profile (nobody) could not be found" in line


def test_credentials_of_another_account_are_one_line(aws: tuple[str, int]) -> None:
    keys = {"AWS_ENDPOINT_URL": aws[0], "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    done = run("ansible-playbook", "-i", "inventories/prod", "playbooks/preflight.yml", **keys)
    assert done.returncode == 4
    [line] = done.stderr.strip().splitlines()
    assert "the credentials are of account 123456789012" in line and "777788889999" in line
    assert done.stdout.strip() == ""


def test_syntax_can_be_checked_without_credentials() -> None:
    done = run("ansible-playbook", "-i", "inventories/prod", "--syntax-check", "playbooks/preflight.yml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no access to AWS account") == 1


@pytest.fixture
def own_account(aws: tuple[str, int], tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the inventories whose prod is the embedded AWS's account, and the settings to get in."""
    copy = tmp_path / "inventories"
    shutil.copytree(INVENTORIES, copy)
    for env, old in (("prod", "777788889999"), ("local", "123456789012")):
        file = copy / env / "catalog.yml"
        new = "123456789012" if env == "prod" else "777788889999"
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    keys = {"AWS_ENDPOINT_URL": aws[0], "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    return copy / "prod", keys


def test_preflight_lets_the_right_run_through(own_account: tuple[Path, dict[str, str]]) -> None:
    inventory, keys = own_account
    for limit in ([], ["--limit", "kafka", "--tags", "kafka", "--check", "--diff"]):
        done = run("ansible-playbook", "-i", str(inventory), *limit, "playbooks/preflight.yml", **keys)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The catalog is right" in done.stdout
        assert "The credentials are of the inventory's account" in done.stdout
        assert "changed=0" in done.stdout and "changed=1" not in done.stdout


def test_preflight_stops_on_a_wrong_catalog(own_account: tuple[Path, dict[str, str]]) -> None:
    inventory, keys = own_account
    file = inventory / "catalog.yml"
    text = file.read_text(encoding="utf-8")
    text = text.replace("controllers: 3", "controllers: 2").replace("team: files", "team: no")
    file.write_text(text, encoding="utf-8")
    done = run("ansible-playbook", "-i", str(inventory), "--limit", "kafka", "playbooks/preflight.yml", **keys)
    assert done.returncode == 2
    output = done.stdout + done.stderr
    assert "2 things are wrong; nothing was touched" in output
    assert "kafka.controllers: 2 is an even number of controllers" in output
    assert "services[0].team: no without quotes" in output
    assert "The credentials are of" not in output
    assert "Traceback" not in output
