"""`make service` and `make environment` on a copy of the tree: what they write passes the checks that the rest passes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from groundwork import scaffold
from groundwork.catalog import validate_file
from groundwork.delivery import atlantis
from groundwork.scaffold import ScaffoldError

PROJECT = Path(__file__).resolve().parents[2]
CHECKS = (
    *(
        f"tests/unit/test_inventories.py::{name}"
        for name in (
            "test_there_are_no_others",
            "test_the_dynamic_inventory_differs_in_values_only",
            "test_hosts_and_variables_have_the_same_names",
            "test_accounts_and_ranges_are_the_environments_own",
            "test_the_cloud_is_reached_through_session_manager",
            "test_the_services_are_the_same_everywhere",
        )
    ),
    "tests/unit/test_catalog.py::test_the_environments_are_right",
    "tests/unit/test_catalog.py::test_docs_are_current",
    *(
        f"tests/unit/test_delivery.py::{name}"
        for name in (
            "test_what_a_file_concerns",
            "test_stages_follow_each_other",
            "test_atlantis_has_a_project_per_component_and_environment",
        )
    ),
)
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".groundwork", ".terraform", "__pycache__", ".*_cache", ".hypothesis", ".ansible"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files that scaffolding reads and writes."""
    for folder in ("inventories", "terraform"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=LEFT_OUT)
    shutil.copy(PROJECT / "atlantis.yaml", tmp_path)
    return tmp_path


def texts(tree: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in tree.rglob("*") if path.is_file() and path.suffix != ".zip"}


def environments(tree: Path) -> list[str]:
    return [path.parent.name for path in (tree / "inventories").glob("*/catalog.yml")]


def test_a_service_in_every_environment(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(tree)
    assert scaffold.main(["service", "orders"], tree) == 0
    for env in environments(tree):
        path = tree / "inventories" / env / "catalog.yml"
        report = validate_file(path)
        assert report.ok, report.message()
        assert path.read_text().startswith(before[path].rstrip("\n")), "everything that was there stays, comments too"
        old, new = report.catalog["services"][0], report.catalog["services"][-1]
        assert new["name"] == "orders" and new["team"] == "orders" and new["owner"] == "orders@example.com"
        assert (new["task"], new["cache"], new["image"]) == (old["task"], old["cache"], old["image"])
        assert new["database"]["max_connections"] <= old["database"]["max_connections"]
        assert new["kafka"]["produces"] == ["orders.events.v1"]
    assert "wrote inventories/prod/catalog.yml" in capsys.readouterr().out


def test_a_service_with_values_of_its_own_in_one_environment(tree: Path) -> None:
    files = scaffold.new_service(
        tree, "orders", "dev", {"team": "no", "cost_center": "CC-9", "repository": "a/b"}, ["queue", "bucket"]
    )
    [path] = files.texts
    files.write()
    assert validate_file(path).ok
    service = yaml.safe_load(path.read_text())["services"][-1]
    assert service["team"] == "no", "a word that YAML reads as a truth value is quoted"
    assert {"queue", "bucket", "task", "image"} <= set(service), "a queue is of a task's stack, a task runs an image"
    assert not {"kafka", "database", "cache"} & set(service)
    assert files.notes


def test_a_new_service_has_no_logins_that_another_one_asked_for(tree: Path) -> None:
    path = tree / "inventories/dev/catalog.yml"
    old = "database: {engine: mysql, max_connections: 20}"
    path.write_text(path.read_text().replace(old, f"{old[:-1]}, readonly: {{max_connections: 27}}}}", 1))
    scaffold.new_service(tree, "orders", "dev", parts=["database"]).write()
    # Of 100 connections 10 are reserved and 87 are held: the reader's count.
    assert yaml.safe_load(path.read_text())["services"][-1]["database"] == {"engine": "mysql", "max_connections": 1}


def test_all_reasons_at_once_and_nothing_written(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(tree)
    assert scaffold.main(["service", "Fileflow_x", "--env", "dev,moon", "--with", "queue,lake"], tree) == 1
    said = capsys.readouterr().err
    for part in (
        "3 things are wrong; nothing was written",
        '"Fileflow_x" is not allowed',
        "no environment moon",
        "no part lake",
    ):
        assert part in said
    assert scaffold.main(["service", "fileflow"], tree) == 1
    assert "prod has a service fileflow already" in capsys.readouterr().err
    assert scaffold.main(["service", ""], tree) == 1
    # Names that only the catalog's checker knows to be wrong.
    assert scaffold.main(["service", "kafka"], tree) == 1
    assert "would collide with names of the shared infrastructure" in capsys.readouterr().err
    assert texts(tree) == before


def test_more_connections_than_the_server_has_are_refused(tree: Path) -> None:
    for number in range(20):
        try:
            scaffold.new_service(tree, f"service{number}", "dev", parts=["database"]).write()
        except ScaffoldError as error:
            assert "the services may hold" in str(error) and "inventories/dev/catalog.yml" in str(error)
            break
    else:
        pytest.fail("20 more services cannot fit")
    assert validate_file(tree / "inventories/dev/catalog.yml").ok


def test_a_catalog_without_services_and_one_with_more_keys_behind() -> None:
    entry = "  - name: orders\n"
    assert scaffold.append_service("a: 1\nservices: []  # none yet\n", entry) == "a: 1\nservices:\n  - name: orders\n"
    text = "services:\n  - name: a  # first\n\n# about z\nz: 1\n"
    assert yaml.safe_load(scaffold.append_service(text, entry))["services"] == [{"name": "a"}, {"name": "orders"}]
    assert "# first" in scaffold.append_service(text, entry) and "# about z" in scaffold.append_service(text, entry)
    assert scaffold.append_service("services:\n  - name: a", entry) == "services:\n  - name: a\n\n  - name: orders\n"


def test_an_environment(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(tree)
    assert scaffold.main(["environment", "qa", "--source", "staging"], tree) == 0
    said = capsys.readouterr().out
    assert "wrote terraform/environments/qa/common.tfvars" in said and "is an example" in said
    folder = tree / "inventories/qa"
    report = validate_file(folder / "catalog.yml")
    assert report.ok, report.message()
    source = yaml.safe_load((tree / "inventories/staging/catalog.yml").read_text())
    assert report.catalog["services"] == source["services"]
    assert report.catalog["account_id"] not in {
        yaml.safe_load(text)["account_id"]
        for path, text in before.items()
        if path.name == "catalog.yml" and "inventories" in path.parts
    }
    for path in (*folder.rglob("*"), *(tree / "terraform/environments/qa").iterdir()):
        assert path.is_dir() or "staging" not in path.read_text().replace("sizes of staging", ""), path
    assert yaml.safe_load((folder / "group_vars/all/main.yml").read_text())["env"] == "qa"
    assert (tree / "atlantis.yaml").read_text() == atlantis.render(tree)
    assert "name: qa-10-network" in (tree / "atlantis.yaml").read_text()
    changed = {path for path, text in texts(tree).items() if before.get(path) != text}
    assert {path.relative_to(tree).as_posix().replace("/qa/", "/*/") for path in changed} == {
        *(
            path.relative_to(tree).as_posix().replace("/staging/", "/*/")
            for path in before
            if "/staging/" in path.as_posix()
        ),
        "atlantis.yaml",
    }


def test_an_environment_that_cannot_be(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = texts(tree)
    assert scaffold.main(["environment", "prod", "--source", "moon", "--account", "12"], tree) == 1
    said = capsys.readouterr().err
    for part in (
        "inventories/prod is there already",
        "terraform/environments/prod is there already",
        "no environment moon",
        'the account "12" is not allowed',
    ):
        assert part in said
    assert scaffold.main(["environment", "QA-1"], tree) == 1
    assert "2 to 10 lower-case letters and digits" in capsys.readouterr().err
    account = yaml.safe_load((tree / "inventories/dev/catalog.yml").read_text())["account_id"]
    assert scaffold.main(["environment", "qa", "--account", account], tree) == 1
    assert f"account {account} is dev's" in capsys.readouterr().err
    assert texts(tree) == before


def test_ranges_of_several_new_environments_do_not_overlap(tree: Path) -> None:
    for name in ("qa", "perf", "demo"):
        assert scaffold.main(["environment", name], tree) == 0
    for env in environments(tree):
        assert validate_file(tree / "inventories" / env / "catalog.yml").ok


def test_the_projects_own_checks_take_what_was_written(tmp_path: Path) -> None:
    """A service and an environment in a copy of the whole tree; its static tests and linters run there."""
    copy = tmp_path / "groundwork"
    shutil.copytree(PROJECT, copy, ignore=LEFT_OUT)
    (copy / ".groundwork").mkdir()
    (copy / ".groundwork/venv").symlink_to(PROJECT / ".groundwork/venv")
    environment = {**os.environ, "PYTHONPATH": str(copy / "module_utils"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    make = ["make", "--no-print-directory"]
    commands = [
        [*make, "service", "NAME=orders"],
        [*make, "environment", "NAME=qa"],
        ["python", "-m", "groundwork.catalog"],
        ["yamllint", "--strict", "inventories", "atlantis.yaml"],
        ["terraform", "fmt", "-check", "-recursive", "terraform/environments"],
        # What reads the files of an environment; what runs Ansible or a linter says nothing more about them.
        ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *CHECKS],
    ]
    for command in commands:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
