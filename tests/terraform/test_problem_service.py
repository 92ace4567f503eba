"""The problem service on an embedded AWS: what once went wrong stays impossible, and a submission is graded end to end.

ECS of the embedded AWS starts no containers: the test stands in for Fargate and runs the real runner, with the environment of the
task definition and the state machine's overrides, whenever the state machine has started a task.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import PROJECT, TERRAFORM, Estate
from groundwork import problem_images
from groundwork.terraform import TerraformError, packages

COMPONENT = TERRAFORM / "components/80-problem-service"
SERVICE = PROJECT / "services/problem"
SELECTED = ("00-bootstrap", "80-problem-service")
#: Without an expiry rule, on which the provider waits a minute.
SETTINGS = "report_days = 0"
WAIT = 60
MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def shared_ground(estate: Estate) -> None:
    """What the component reads: made by hand, the components that make it have their own tests."""
    ec2, ssm, kms = estate.client("ec2"), estate.client("ssm"), estate.client("kms")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{part}.0/24")["Subnet"]["SubnetId"] for part in (1, 2)]
    values = {
        "/shared/network/private-subnet-ids": ",".join(subnets),
        f"/shared/security-groups/{estate.env}/problem-id": ec2.create_security_group(
            GroupName="problem", Description="problem", VpcId=vpc
        )["GroupId"],
        f"/shared/ecs/{estate.env}/cluster-arn": estate.client("ecs").create_cluster(clusterName="dev-ecs")["cluster"][
            "clusterArn"
        ],
    }
    for key in ("cloudwatch-logs", "rds", "s3", "ssm"):
        values[f"/shared/kms/{key}-key-arn"] = kms.create_key()["KeyMetadata"]["Arn"]
    for name, value in values.items():
        ssm.put_parameter(Name=name, Value=value, Type="String")


@pytest.fixture(scope="module")
def estate(estate_of: Callable[[str], Estate]) -> Estate:
    made = estate_of("dev")
    made.overrides = {"state_version_days": "0", "problem_service": f"{{ {SETTINGS} }}"}
    shared_ground(made)
    assert made.statuses(components=SELECTED) == dict.fromkeys(SELECTED, "applied"), made.lines
    return made


@pytest.fixture
def aws(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in estate.aws.items():
        monkeypatch.setenv(name, value)


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def grader(estate: Estate, aws: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The function as it was deployed: its package's code with its environment."""
    function = estate.client("lambda").get_function_configuration(FunctionName="dev-problem-grader")
    for name, value in function["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMAGE_TAG", "1.0.0")
    with zipfile.ZipFile(PROJECT / packages.FOLDER / "problem-grader.zip") as archive:
        archive.extractall(tmp_path)
    yield load(tmp_path / "handler.py", "deployed_grader")


class Fargate(threading.Thread):
    """Runs what the state machine starts: the runner's program with the environment that its container would have."""

    def __init__(self, estate: Estate, program: list[str]) -> None:
        super().__init__(daemon=True)
        self.estate, self.program = estate, program
        self.done: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        ecs = self.estate.client("ecs")
        while not self.stopped.wait(0.2):
            for arn in ecs.list_tasks(cluster="dev-ecs")["taskArns"]:
                if arn in self.done:
                    continue
                self.done.append(arn)
                task = ecs.describe_tasks(cluster="dev-ecs", tasks=[arn])["tasks"][0]
                definition = ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])["taskDefinition"]
                (container,) = definition["containerDefinitions"]
                (override,) = task["overrides"]["containerOverrides"]
                assert override["name"] == container["name"]
                given = {
                    entry["name"]: entry["value"] for entry in [*container["environment"], *override["environment"]]
                }
                subprocess.run(self.program, env={**os.environ, **self.estate.aws, **given}, check=False)
                ecs.stop_task(cluster="dev-ecs", task=arn)


@pytest.fixture
def fargate(estate: Estate) -> Iterator[Callable[[list[str]], Fargate]]:
    started = []

    def start(program: list[str]) -> Fargate:
        started.append(Fargate(estate, program))
        started[-1].start()
        return started[-1]

    yield start
    for thread in started:
        thread.stopped.set()
        thread.join(30)


def ask(grader: ModuleType, route: str, body: Any = None, **path: str) -> dict[str, Any]:
    answer = grader.handler({"routeKey": route, "pathParameters": path, "body": json.dumps(body)}, None)
    document: dict[str, Any] = json.loads(answer["body"])
    assert answer["statusCode"] in {200, 202}, document
    return document


def submit(grader: ModuleType, estate: Estate, source: str) -> dict[str, Any]:
    """Send a program in and wait for what becomes of it."""
    item = {
        "problem_id": {"S": "0" * 32},
        "status": {"S": "ready"},
        "cases": {"L": [{"M": {"input": {"S": "2 3"}, "output": {"S": "5"}}}]},
        "limits": {"M": {"seconds": {"N": "2"}, "memory_mib": {"N": "128"}}},
    }
    estate.client("dynamodb").put_item(TableName="dev-problem-problems", Item=item)
    name = ask(grader, "POST /submissions", {"problem_id": "0" * 32, "language": "python", "source": source})[
        "submission_id"
    ]
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        seen = ask(grader, "GET /submissions/{submission_id}", submission_id=name)
        if seen["status"] in {"graded", "failed"}:
            return seen
        time.sleep(0.5)
    pytest.fail(f"not graded within {WAIT} s: {seen}")


# ------------------------------------------------------------------------------------------------------------ end to end

RUNNER = [sys.executable, "-B", str(SERVICE / "runner_python/runner.py")]


def test_a_submission_is_graded(grader: ModuleType, estate: Estate, fargate: Callable[[list[str]], Fargate]) -> None:
    fargate(RUNNER)
    seen = submit(grader, estate, "print(sum(map(int, input().split())))")
    assert (seen.get("verdict"), seen.get("passed"), seen.get("total")) == ("accepted", 1, 1), seen
    assert seen["results"][0]["verdict"] == "accepted"
    seen = submit(grader, estate, "import socket\nsocket.socket()")
    assert (seen["status"], seen["verdict"]) == ("graded", "runtime_error"), seen


def test_a_runner_without_a_report_is_told(
    grader: ModuleType, estate: Estate, fargate: Callable[[list[str]], Fargate]
) -> None:
    fargate(["true"])
    seen = submit(grader, estate, "print(5)")
    assert (seen["status"], "verdict" in seen) == ("failed", False)
    assert re.fullmatch(r"could not be graded \([Ss]3\.\w+\)", seen["error"]), seen
    executions = estate.client("stepfunctions").list_executions(
        stateMachineArn=os.environ["STATE_MACHINE_ARN"], statusFilter="FAILED"
    )["executions"]
    assert [execution["name"] for execution in executions] == [seen["submission_id"]]


def test_every_task_of_the_state_machine_has_an_end_and_patience() -> None:
    states = json.loads((COMPONENT / "grader.asl.json").read_text())["States"]
    for name, state in states.items():
        if state["Type"] != "Task":
            continue
        assert state["TimeoutSeconds"] <= 480, name
        last = state["Retry"][-1]
        assert (last["ErrorEquals"], last["JitterStrategy"]) == (["States.ALL"], "FULL"), name
        assert last["BackoffRate"] > 1, name
        assert "Catch" in state or name.startswith("Mark"), name


def test_the_second_plan_is_empty(estate: Estate) -> None:
    assert estate.statuses(components=SELECTED, check=True) == dict.fromkeys(SELECTED, "unchanged"), estate.lines


# ------------------------------------------------------------------------------ the six pitfalls of the first deployment


def test_pitfall_1_no_reserved_variable(estate: Estate) -> None:
    """Lambda refused AWS_REGION as a variable. The module refuses all such names (its own tests), and none is there."""
    function = estate.client("lambda").get_function_configuration(FunctionName="dev-problem-grader")
    names = function["Environment"]["Variables"]
    assert names
    assert not [name for name in names if name.startswith(("AWS_", "LAMBDA_", "_"))]
    module = (TERRAFORM / "modules/lambda-function/tests/lambda-function.tftest.hcl").read_text()
    assert 'environment = { AWS_REGION = "ap-northeast-2" }' in module
    assert "expect_failures = [var.environment]" in module


def test_pitfall_2_subnets_come_from_the_network(estate: Estate) -> None:
    """Subnets were named that nobody had declared: functions and tasks stand in those that the network hands over."""
    handed = (
        estate.client("ssm").get_parameter(Name="/shared/network/private-subnet-ids")["Parameter"]["Value"].split(",")
    )
    function = estate.client("lambda").get_function_configuration(FunctionName="dev-problem-grader")
    # A function's subnets are a set.
    assert sorted(function["VpcConfig"]["SubnetIds"]) == sorted(handed)
    machines = estate.client("stepfunctions")
    arn = machines.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    states = json.loads(machines.describe_state_machine(stateMachineArn=arn)["definition"])["States"]
    for name in ("RunSubmission", "GenerateProblem"):
        network = states[name]["Parameters"]["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert (network["Subnets"], network["AssignPublicIp"]) == (handed, "DISABLED")


@pytest.mark.parametrize("folder", sorted(problem_images.IMAGES.values()))
def test_pitfall_4_images_are_for_the_platform_of_lambda_and_fargate(folder: str) -> None:
    """An image of a laptop's own platform, or an index, was refused: given twice, and looked at before it is pushed."""
    base = re.findall(r"^FROM (.*)$", (SERVICE / folder / "Dockerfile").read_text(), re.MULTILINE)
    assert base
    assert all(line.startswith("--platform=linux/amd64 ") for line in base), base
    command = " ".join(problem_images.build_command(folder, "x:1"))
    assert "--platform linux/amd64 --format docker" in command


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Architecture": "arm64"}, "is for linux/arm64"),
        ({"ManifestType": "application/vnd.oci.image.index.v1+json"}, "media type"),
    ],
)
def test_pitfall_4_another_image_is_not_pushed(change: dict[str, str], said: str) -> None:
    good = {
        "Os": "linux",
        "Architecture": "amd64",
        "ManifestType": MEDIA_TYPE,
    }
    problem_images.check(good, "x:1")
    with pytest.raises(problem_images.ImageError, match=said):
        problem_images.check({**good, **change}, "x:1")


def test_pitfall_5_the_function_may_pull_its_image(estate: Estate) -> None:
    """The pull right was missing: the role has it on its repository, and the repository lets Lambda in."""
    iam = estate.client("iam")
    pull = {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
    arns = {
        repository["repositoryName"]: repository["repositoryArn"]
        for repository in estate.client("ecr").describe_repositories()["repositories"]
    }
    for role, images in {"streaming": ["generator-streaming"], "execution": ["generator", "runner-python"]}.items():
        document = iam.get_role_policy(RoleName=f"dev-problem-{role}", PolicyName="own")["PolicyDocument"]
        granted = [statement for statement in document["Statement"] if pull <= set(statement["Action"])]
        assert len(granted) == 1, role
        resources = granted[0]["Resource"]
        wanted = {arns[f"dev-problem-{image}"] for image in images}
        assert {resources} if isinstance(resources, str) else set(resources) == wanted
    policy = json.loads(
        estate.client("ecr").get_repository_policy(repositoryName="dev-problem-generator-streaming")["policyText"]
    )
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert pull <= set(statement["Action"])


def test_pitfall_6_the_account_has_a_log_role_before_a_stage(estate: Estate) -> None:
    """API Gateway had no role for logs, which somebody then set in the console."""
    arn = estate.client("apigateway").get_account()["cloudwatchRoleArn"]
    assert arn.endswith(":role/dev-api-gateway-logs")
    attached = estate.client("iam").list_attached_role_policies(RoleName="dev-api-gateway-logs")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AmazonAPIGatewayPushToCloudWatchLogs"]
    code = (COMPONENT / "main.tf").read_text()
    for name in ("http_api", "websocket_api"):
        block = re.search(rf'^module "{name}" \{{.*?^\}}', code, re.MULTILINE | re.DOTALL)
        assert block is not None
        assert "depends_on = [module.api_account]" in block[0]


def test_pitfall_3_the_function_waits_for_its_image_and_then_comes(estate: Estate) -> None:
    """The image was missing when the function was made, half-way through an apply. Last: it changes and destroys the estate."""
    functions = estate.client("lambda")
    names = {function["FunctionName"] for function in functions.list_functions()["Functions"]}
    assert names == {"dev-problem-grader"}, "without a tag there is no function to fail"

    estate.overrides["problem_service"] = f'{{ {SETTINGS}, image_tag = "1.0.0" }}'
    with pytest.raises(TerraformError, match="terraform plan failed"):
        estate.statuses(components=SELECTED[1:])
    ecr = estate.client("ecr")
    for image in problem_images.IMAGES:
        ecr.put_image(
            repositoryName=f"dev-problem-{image}",
            imageTag="1.0.0",
            imageManifest=json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": {"digest": image}}),
        )
    assert estate.statuses(components=SELECTED[1:]) == {"80-problem-service": "applied"}, estate.lines
    assert estate.statuses(components=SELECTED[1:], check=True) == {"80-problem-service": "unchanged"}, estate.lines
    code = functions.get_function(FunctionName="dev-problem-generator-streaming")["Code"]
    assert "@sha256:" in code["ImageUri"], "a tag would hide a later push"
    gateway = estate.client("apigatewayv2")
    api = next(api for api in gateway.get_apis()["Items"] if api["ProtocolType"] == "WEBSOCKET")
    routes = {
        route["RouteKey"]: route["AuthorizationType"] for route in gateway.get_routes(ApiId=api["ApiId"])["Items"]
    }
    assert routes == {"$connect": "AWS_IAM", "$disconnect": "NONE", "$default": "NONE", "generate": "NONE"}

    confirm = "dev-80-problem-service"
    assert estate.statuses(components=SELECTED[1:], state="absent", confirm=confirm) == {
        "80-problem-service": "destroyed"
    }
    left = [function["FunctionName"] for function in functions.list_functions()["Functions"]]
    left += [name for name in estate.client("dynamodb").list_tables()["TableNames"] if "problem" in name]
    left += [repository["repositoryName"] for repository in ecr.describe_repositories()["repositories"]]
    left += [api["Name"] for api in gateway.get_apis()["Items"]]
    left += [machine["name"] for machine in estate.client("stepfunctions").list_state_machines()["stateMachines"]]
    left += [group["logGroupName"] for group in estate.client("logs").describe_log_groups()["logGroups"]]
    left += [bucket["Name"] for bucket in estate.client("s3").list_buckets()["Buckets"] if "problem" in bucket["Name"]]
    left += [role["RoleName"] for role in estate.client("iam").list_roles()["Roles"] if "problem" in role["RoleName"]]
    assert left == []


# -------------------------------------------------------------------------------------------------------------- package


def test_a_package_is_the_same_on_every_machine(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "__pycache__").mkdir(parents=True)
    (source / "__pycache__/handler.pyc").write_bytes(b"x")
    (source / "handler.py").write_text("x = 1\n")
    first = packages.contents(source)
    os.utime(source / "handler.py", (0, 0))
    (source / "handler.py").chmod(0o600)
    assert packages.contents(source) == first
    assert zipfile.ZipFile(io.BytesIO(first)).namelist() == ["handler.py"]
    (target,) = packages.build(tmp_path, {"one": "source"})
    before = target.stat().st_mtime_ns
    packages.build(tmp_path, {"one": "source"})
    assert target.stat().st_mtime_ns == before, "what is up to date is left alone"
    (source / "handler.py").write_text("x = 2\n")
    packages.build(tmp_path, {"one": "source"})
    assert target.read_bytes() != first
