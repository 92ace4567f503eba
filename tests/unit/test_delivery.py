"""Workflows, Atlantis and the commands behind them: what a change concerns, what GitHub is told, that limits fit."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from groundwork.delivery import atlantis, changed, report
from groundwork.delivery.__main__ import hooks, main
from groundwork.delivery.changed import DeliveryError
from groundwork.delivery.execution_environment import definition, pins
from groundwork.delivery.github import GitHub, pull_request
from groundwork.estate import actionlint
from groundwork.estate.paths import cache_dir
from groundwork.terraform import graph
from groundwork.terraform.state import FRESH_MINUTES

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
COMPONENTS = list(graph.load(PROJECT / "terraform/components.yml"))


def load(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            yield path.stem, name, job


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(job.get("steps", []))


# ------------------------------------------------------------------------------------------------------------ workflows


def test_actionlint_finds_nothing() -> None:
    assert actionlint.version() == "v1.7.12"
    assert actionlint.main([str(path) for path in WORKFLOWS]) == 0


def test_actionlint_finds_something(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        (PROJECT / ".github/workflows/drift.yml").read_text().replace("matrix.environment", "matrix.enviroment")
    )
    assert actionlint.main([str(wrong)]) == 1
    assert 'property "enviroment" is not defined' in capfd.readouterr().out
    assert actionlint.path(PROJECT, cache_dir()).exists()


def test_workflows_call_make_targets_and_nothing_else() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for workflow, name, job in jobs():
        for step in steps(job):
            if "run" in step:
                words = [word for word in step["run"].split() if "=" not in word]
                assert words[0] == "make" and set(words[1:]) <= targets, f"{workflow}/{name}: {step['run']}"
            else:
                assert re.search(r"@v\d+\.\d+\.\d+$", step["uses"]), f"{workflow}/{name}: pin {step['uses']} by version"


def test_every_job_ends_and_none_that_locks_is_killed_by_the_next() -> None:
    for workflow, name, job in jobs():
        if "uses" in job:
            continue
        assert job["timeout-minutes"] <= 150, f"{workflow}/{name}"
        locking = [
            step for step in steps(job) if re.match(r"make ci-(plan|apply|site|drift|hook)\b", step.get("run", ""))
        ]
        if locking:
            assert job["concurrency"]["cancel-in-progress"] is False, f"{workflow}/{name}"


def limits() -> dict[str, int]:
    """Minutes by step, of scripts/ci/run."""
    text = (PROJECT / "scripts/ci/run").read_text()
    found = {}
    for names, minutes in re.findall(r"^  ([a-z| -]+)\) limit=\$\{LIMIT:-(\d+)m\}", text, re.MULTILINE):
        found |= {name.strip(): int(minutes) for name in names.split("|")}
    return found


def test_terraform_ends_before_its_job_and_long_before_its_lock_is_stale() -> None:
    minutes = limits()
    grace = 10
    for workflow, name, job in jobs():
        used = [re.match(r"make ci-([a-z]+)", step.get("run", "")) for step in steps(job)]
        worst = sum(minutes.get(match[1], 5) for match in used if match)
        if "timeout-minutes" in job:
            assert worst + grace < job["timeout-minutes"] or worst <= 5, f"{workflow}/{name}: {worst} minutes of steps"
    assert max(minutes.values()) + grace < FRESH_MINUTES


def test_roles_fit_what_a_job_may_do() -> None:
    """A token of a job with an environment is trusted by the apply role, one without by the plan role."""
    for workflow, name, job in jobs():
        for step in steps(job):
            if match := re.search(r"ROLE=(\w+)", step.get("run", "")):
                assert match[1] == ("apply" if "environment" in job else "plan"), f"{workflow}/{name}"
                assert job["permissions"]["id-token"] == "write"
    trust = (PROJECT / "terraform/components/40-iam/ci.tf").read_text()
    assert 'apply = ["environment:${local.env}"]' in trust and '"pull_request"' in trust


def test_stages_follow_each_other() -> None:
    found = load(PROJECT / ".github/workflows/apply.yml")["jobs"]
    chain = ["environments", *changed.STAGES]
    for before, stage in itertools.pairwise(chain):
        assert found[stage]["needs"] == before and found[stage]["with"] == {"environment": stage}


def test_hooks_and_their_cron_lines() -> None:
    workflow = load(PROJECT / ".github/workflows/scheduled.yml")
    # YAML 1.1 reads the key `on` as a truth value.
    lines = {entry["cron"] for entry in workflow[True]["schedule"]}
    assert lines == {hook["cron"] for hook in hooks().values()}
    for hook in hooks().values():
        assert (PROJECT / hook["playbook"]).is_file()
        assert set(hook) <= {"playbook", "arguments", "cron", "role", "except"}
        assert hook.get("role", "plan") in ("plan", "apply") and set(hook.get("except", ())) <= set(changed.STAGES)


def test_hooks_that_change_an_environment_have_their_own_time(capsys: pytest.CaptureFixture[str]) -> None:
    def due(cron: str) -> dict[str, list[dict[str, str]]]:
        assert main(["hooks", "--cron", cron]) == 0
        return {
            name: json.loads(text)
            for name, text in (line.split("=", 1) for line in capsys.readouterr().out.split("\n")[:-1])
        }

    by_hand = due("")
    assert by_hand["changes"] == [] and {one["hook"] for one in by_hand["hooks"]} == {"locks", "verify"}
    monthly = due(hooks()["rotate-databases"]["cron"])
    assert monthly["hooks"] == []
    assert {one["environment"] for one in monthly["changes"]} == set(changed.environments(PROJECT)) - {"dr"}
    assert {one["hook"] for one in monthly["changes"]} == {"rotate-databases"}


# -------------------------------------------------------------------------------------------------------------- changed


def test_what_a_file_concerns() -> None:
    def of(*files: str) -> dict[str, list[str]]:
        return changed.plans(PROJECT, files)

    clouds = changed.environments(PROJECT)
    assert clouds[:4] == ["dev", "staging", "prod", "dr"] and "local" not in clouds
    assert of("README.md", "roles/kafka/tasks/main.yml", "docs/x.md") == {}
    assert of("terraform/components/10-network/main.tf") == {env: ["10-network"] for env in clouds}
    assert of("terraform/components/10-network/main.tf", "README.md")["prod"] == ["10-network"]
    assert of("inventories/prod/catalog.yml") == {"prod": COMPONENTS}
    assert of("inventories/local/catalog.yml", "terraform/environments/local/common.tfvars") == {}
    assert of("inventories/prod/group_vars/all/main.yml") == {}
    assert of("terraform/environments/dr/common.tfvars") == {"dr": COMPONENTS}
    assert of("terraform/modules/rds/main.tf")["dev"] == ["50-shared-rds"]
    assert of("terraform/modules/rds/tests/rds.tftest.hcl") == {}
    # A module of modules: state-backend makes its bucket by the module bucket.
    assert "00-bootstrap" in of("terraform/modules/bucket/main.tf")["dev"]
    assert of("terraform/modules/context/variables.tf") == dict.fromkeys(clouds, COMPONENTS)
    assert of("module_utils/groundwork/terraform/plan.py") == dict.fromkeys(clouds, COMPONENTS)
    assert of("terraform/components.yml") == dict.fromkeys(clouds, COMPONENTS)
    for name, component in graph.load(PROJECT / "terraform/components.yml").items():
        for folder in component.packages.values():
            assert name in of(f"{folder}/handler.py")["dev"]


def git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com"}
    identity |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **identity},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_changes_of_a_branch_are_those_since_it_left(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    for folder in ("terraform", "inventories"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".terraform"))
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    git(tmp_path, "checkout", "-q", "-b", "topic")
    moved = tmp_path / "terraform/components/20-kms/main.tf"
    moved.rename(moved.with_name("keys.tf"))
    (tmp_path / "terraform/environments/prod/common.tfvars").write_text("# changed\n")
    (tmp_path / "a file with ümlaut and\ttab.md").write_text("x")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "two")
    # Meanwhile on main: no part of the pull request.
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "terraform/modules/vpc/main.tf").write_text("# main's\n")
    git(tmp_path, "commit", "-q", "-a", "-m", "three")
    files = changed.changed_files(tmp_path, "main", "topic")
    assert files == [
        "a file with ümlaut and\ttab.md",
        "terraform/components/20-kms/keys.tf",
        "terraform/components/20-kms/main.tf",
        "terraform/environments/prod/common.tfvars",
    ]
    git(tmp_path, "checkout", "-q", "topic")
    found = changed.plans(tmp_path, files)
    assert found["dev"] == ["20-kms"] and found["prod"] == COMPONENTS
    with pytest.raises(DeliveryError, match="fetch-depth: 0"):
        changed.changed_files(tmp_path, "0" * 40)


def test_outputs_of_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(target))
    assert main(["environments"]) == 0
    assert main(["settings", "--env", "dev", "--role", "apply"]) == 0
    assert main(["hooks", "--cron", hooks()["locks"]["cron"]]) == 0
    assert main(["settings", "--env", "local"]) == 1
    written = dict(line.split("=", 1) for line in target.read_text().splitlines())
    assert json.loads(written["environments"])[:4] == ["dev", "staging", "prod", "dr"]
    account = load(PROJECT / "inventories/dev/catalog.yml")["account_id"]
    assert written["role"] == f"arn:aws:iam::{account}:role/dev-ci-apply"
    assert {"hook": "locks", "environment": "prod"} in json.loads(written["hooks"])
    assert all(entry["hook"] == "locks" for entry in json.loads(written["hooks"]))


# --------------------------------------------------------------------------------------------------------------- report


def entry(name: str, status: str = "planned", *changes: str, **more: Any) -> dict[str, Any]:
    counts = {"add": sum(line.startswith("+") for line in changes), "change": 0, "destroy": 0, "seconds": 3.2}
    return {
        "component": name,
        "status": status,
        "changes": list(changes),
        "message": "",
        "losses": [],
        **counts,
        **more,
    }


def test_a_plan_as_a_comment() -> None:
    text = report.plan(
        "dev",
        [
            entry("10-network", "planned", "+ aws_eip.this", "~ aws_vpc.this (```evil```)"),
            entry("60-kafka", "planned", "- aws_volume.x", losses=["aws_volume.x: volume is deleted"]),
            entry("20-kms", "unchanged"),
            entry("30-security-groups", "blocked"),
        ],
    )
    assert text.startswith(
        "<!-- groundwork plan dev -->\n### Terraform plan of dev: 2 components of 4 would change, 1 component"
    )
    assert "| 60-kafka | **would be refused: it loses data** |" in text and "confirm=dev-60-kafka" in text
    assert "````diff\n+ aws_eip.this\n~ aws_vpc.this (```evil```)\n````" in text, "no line may end its own block"
    assert "Blocked until what they read is applied: 30-security-groups" in text
    assert "no changes" in report.plan("dev", [entry("20-kms", "unchanged")])
    failed = report.plan("dev", [entry("20-kms", "failed", message="boom")], "20-kms: boom")
    assert "failed (20-kms)" in failed and "boom" in failed


def test_a_long_comment_is_cut_where_github_would_refuse_it() -> None:
    many = [
        entry(f"{number:02}-x", "planned", *[f"+ {'r' * 80}[{line}]" for line in range(300)]) for number in range(40)
    ]
    text = report.plan("dev", many)
    assert len(text) < 65_536 and "… cut" in text and "… and 100 more" in text
    assert text.count("<details>") == text.count("</details>") and text.count("```") % 2 == 0


def test_drift_and_what_could_not_be_compared() -> None:
    site = {
        "changed": {"kafka : Topics | pipe": ["a", "b"]},
        "hosts": {"a": {"unreachable": 0, "failures": 0}},
        "code": 0,
    }
    assert report.has_drift([entry("20-kms", "unchanged")], site)
    text = report.drift("prod", [entry("20-kms", "unchanged")], site)
    assert "### prod differs from the code" in text and "| kafka : Topics \\| pipe | a, b |" in text
    clean = {"changed": {}, "hosts": {}, "code": 0}
    assert not report.has_drift([entry("20-kms", "unchanged")], clean)
    assert "prod is what the code says" in report.drift("prod", [entry("20-kms", "unchanged")], clean)
    lost = {"changed": {}, "hosts": {"a": {"unreachable": 1, "failures": 0}}, "code": 4}
    assert report.failures([], lost) == ["a: unreachable"]
    assert "could not be compared wholly" in report.drift("prod", [], lost)
    assert report.failures([], {"code": 2}) == ["site.yml --check ended with 2"]


# --------------------------------------------------------------------------------------------------------------- GitHub


class FakeGitHub(BaseHTTPRequestHandler):
    """Comments and issues of one repository, in memory."""

    comments: dict[int, list[dict[str, Any]]]
    issues: list[dict[str, Any]]

    def _body(self) -> dict[str, Any]:
        return dict(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, code: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _handle(self) -> None:
        if self.headers["Authorization"] != "Bearer t0ken":
            return self._answer(401, {"message": "Bad credentials"})
        path, _, query = self.path.removeprefix("/repos/example/groundwork/").partition("?")
        page = int((re.search(r"\bpage=(\d+)", query) or [0, "1"])[1])
        parts = path.split("/")
        if self.command == "GET":
            found = self.comments.setdefault(int(parts[1]), []) if len(parts) > 1 else self._open(query)
            return self._answer(200, found[(page - 1) * 100 : page * 100])
        body = self._body()
        if path.startswith("issues/comments/"):
            one = next(c for cs in self.comments.values() for c in cs if c["id"] == int(parts[2]))
            one.update(body)
        elif path.endswith("/comments"):
            self.comments.setdefault(int(parts[1]), []).append({"id": time.monotonic_ns() % 10**9, **body})
        elif path == "issues":
            one = {"number": len(self.issues) + 1, "state": "open", **body}
            self.issues.append(one)
            return self._answer(201, one)
        else:
            self.issues[int(parts[1]) - 1].update(body)
        return self._answer(200, {})

    def _open(self, query: str) -> list[dict[str, Any]]:
        label = (re.search(r"labels=(\w+)", query) or [0, ""])[1]
        return [issue for issue in self.issues if issue["state"] == "open" and label in issue["labels"]]

    do_GET = do_POST = do_PATCH = _handle

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeGitHub]]:
    fake = type("Fake", (FakeGitHub,), {"comments": {}, "issues": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}))
    for name, value in {
        "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
        "GITHUB_REPOSITORY": "example/groundwork",
        "GITHUB_TOKEN": "t0ken",
        "GITHUB_EVENT_PATH": str(event),
    }.items():
        monkeypatch.setenv(name, value)
    yield fake
    server.shutdown()


def test_one_comment_per_environment(github: type[FakeGitHub], tmp_path: Path) -> None:
    github.comments[7] = [{"id": number, "body": "a person's"} for number in range(150)]
    assert main(["comment", "--env", "dev", "--out", str(tmp_path)]) == 0
    (tmp_path / "plan-dev.md").write_text(report.plan("dev", [entry("20-kms", "unchanged")]))
    (tmp_path / "plan-prod.md").write_text(report.plan("prod", [entry("20-kms", "unchanged")]))
    for env in ("dev", "prod", "dev"):
        assert main(["comment", "--env", env, "--out", str(tmp_path)]) == 0
    ours = [one["body"] for one in github.comments[7] if one["body"] != "a person's"]
    assert [body.splitlines()[0] for body in ours] == ["<!-- groundwork plan dev -->", "<!-- groundwork plan prod -->"]
    assert "no changes" in ours[0], "the later plan took the place of the first"


def test_an_issue_is_opened_updated_and_closed(github: type[FakeGitHub], tmp_path: Path) -> None:
    def issue(drift: bool, failures: list[str] | None = None) -> None:
        data = {"environment": "dev", "drift": drift, "failures": failures or []}
        (tmp_path / "drift-dev.json").write_text(json.dumps(data))
        (tmp_path / "drift-dev.md").write_text(report.drift("dev", [entry("20-kms")], {"code": 0}))
        assert main(["issue", "--env", "dev", "--out", str(tmp_path)]) == 0

    issue(False)
    assert github.issues == []
    issue(True)
    issue(True)
    assert [(one["state"], one["title"]) for one in github.issues] == [("open", "dev differs from the code")]
    issue(False)
    assert [one["state"] for one in github.issues] == ["closed"] and len(github.comments[1]) == 1
    issue(False, ["a: unreachable"])
    assert [one["title"] for one in github.issues][1:] == ["dev could not be compared with the code"]


def test_what_github_refuses_is_said(github: type[FakeGitHub], capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {**os.environ, "GITHUB_TOKEN": "other"}
    with pytest.raises(DeliveryError, match=r"GitHub refused GET issues/7/comments.*401.*Bad credentials"):
        GitHub(wrong).comment(7, "plan", "dev", "x")
    with pytest.raises(DeliveryError, match="GITHUB_TOKEN not set"):
        GitHub({"GITHUB_REPOSITORY": "a/b"})
    with pytest.raises(DeliveryError, match="over https only"):
        GitHub({**wrong, "GITHUB_API_URL": "http://example.com"})
    with pytest.raises(DeliveryError, match="not started by a pull request"):
        pull_request({})


# ------------------------------------------------------------------------------------------------- limits and Atlantis


def test_a_step_is_stopped_in_order_at_its_limit(tmp_path: Path) -> None:
    """scripts/ci/run sends python an interrupt at the limit and at the job's cancellation, and waits for its end."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "scripts/ci", project / "scripts/ci")
    (project / "module_utils/groundwork/delivery").mkdir(parents=True)
    for folder in ("groundwork", "groundwork/delivery"):
        (project / "module_utils" / folder / "__init__.py").touch()
    (project / "module_utils/groundwork/delivery/__main__.py").write_text(
        "import signal, sys, time\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "try:\n    print('begun', flush=True); time.sleep(60)\nexcept KeyboardInterrupt:\n"
        "    time.sleep(1); print('released', flush=True); sys.exit(130)\n"
    )
    bin_dir = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}", "LIMIT": "2s"}
    command = [str(project / "scripts/ci/run"), "plan", "--env", "dev"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout == "begun\nreleased\n" and done.returncode != 0
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(command, env={**environment, "LIMIT": "50s"}, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.stdout.read() == "released\n" and process.wait(timeout=20) != 0


def test_atlantis_has_a_project_per_component_and_environment() -> None:
    text = (PROJECT / "atlantis.yaml").read_text()
    assert text == atlantis.render(PROJECT), "run: make atlantis"
    document = yaml.safe_load(text)
    assert document["version"] == 3 and "workflows" not in document
    projects = {one["name"]: one for one in document["projects"]}
    envs = changed.environments(PROJECT)
    assert list(projects) == [f"{env}-{name}" for env in envs for name in COMPONENTS]
    assert len({(one["dir"], one["workspace"]) for one in projects.values()}) == len(projects), (
        "Atlantis locks by these"
    )
    components = graph.load(PROJECT / "terraform/components.yml")
    for name, one in projects.items():
        env, component = atlantis.split(PROJECT, name)
        assert (PROJECT / one["dir"] / "versions.tf").is_file()
        for need in components[component].needs:
            assert projects[f"{env}-{need}"]["execution_order_group"] < one["execution_order_group"]
        for pattern in one["autoplan"]["when_modified"]:
            assert list((PROJECT / one["dir"]).glob(pattern)), f"{name}: {pattern} matches nothing"
    ends = [max(one["execution_order_group"] for one in projects.values() if one["workspace"] == env) for env in envs]
    assert ends == sorted(ends), "an environment comes after the one before it"
    with pytest.raises(ValueError, match="is no project"):
        atlantis.split(PROJECT, "dev-nothing")


def test_the_server_decides_what_atlantis_runs() -> None:
    server = load(PROJECT / "scripts/ci/atlantis-repos.yaml")
    [repository] = server["repos"]
    assert repository["allow_custom_workflows"] is False
    assert set(repository["apply_requirements"]) == {"approved", "mergeable", "undiverged"}
    used = {one["workflow"] for one in load(PROJECT / "atlantis.yaml")["projects"]}
    assert used == set(repository["allowed_workflows"]) == set(server["workflows"])
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for stage in server["workflows"]["groundwork"].values():
        for step in stage["steps"]:
            assert set(step["run"].split('"')[-1].split()) <= targets


# ------------------------------------------------------------------------------------------------ execution environment


def test_the_execution_environment_has_the_locked_versions() -> None:
    versions = pins((PROJECT / "requirements/control.lock").read_text())
    found = definition(PROJECT)["dependencies"]
    assert found["ansible_core"]["package_pip"] == f"ansible-core=={versions['ansible-core']}"
    assert f"boto3=={versions['boto3']}" in found["python"]
    imported = set()
    for folder in ("module_utils", "library", "inventory_plugins", "action_plugins", "callback_plugins"):
        for path in (PROJECT / folder).rglob("*.py"):
            imported |= set(
                re.findall(
                    r"^\s*(?:import|from) (boto3|cryptography|jsonschema|kafka|psycopg|pymysql|yaml)\b",
                    path.read_text(),
                    re.M,
                )
            )
    packages = {"kafka": "kafka-python", "yaml": "pyyaml"}
    names = {requirement.partition("==")[0] for requirement in found["python"]}
    assert {packages.get(name, name) for name in imported} <= names


def test_the_build_context_is_made(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "groundwork.delivery.execution_environment",
        "--context",
        str(tmp_path / "context"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "module_utils")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "context/Containerfile").read_text()
    assert "COPY --from=docker.io/hashicorp/terraform" in text and "session-manager-plugin" in text
    galaxy = yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text())
    assert galaxy == load(PROJECT / "requirements.yml")
    assert "boto3==" in (tmp_path / "context/_build/requirements.txt").read_text()
    # The build context pins terraform as the workflows do.
    versions = {
        match
        for path in WORKFLOWS
        for match in re.findall(r"(?:terraform_version|TERRAFORM_VERSION): (\d\S+)", path.read_text())
    }
    assert versions == set(re.findall(r"hashicorp/terraform:(\S+)", text)[:1])
