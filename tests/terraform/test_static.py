"""The code by itself: format, validity, the modules' own tests against a mocked provider, complete outputs."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import CACHE, TERRAFORM
from groundwork.terraform import cli

COMPONENTS = sorted(path for path in (TERRAFORM / "components").iterdir() if path.is_dir())
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())


def terraform(folder: Path, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    lock_file = COMPONENTS[0] / ".terraform.lock.hcl"
    source = cli.find_source(cli.pinned_version(lock_file))
    configuration = cli.write_configuration(source, data / "cli.tfrc")
    cache = CACHE / "terraform/plugins" if source.kind == "registry" else None
    return subprocess.run(
        [cli.find_terraform(), f"-chdir={folder}", *arguments],
        env=cli.terraform_environment({}, data / folder.name, configuration, cache),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: `init` of a module writes a lock file beside it, and the sources are not for writing."""
    copy = tmp_path_factory.mktemp("staged") / "terraform"
    shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform"))
    for module in (copy / "modules").iterdir():
        if module.name != "context":
            shutil.copy(COMPONENTS[0] / ".terraform.lock.hcl", module)
    return copy


def test_format(tmp_path: Path) -> None:
    answer = terraform(TERRAFORM, tmp_path, "fmt", "-check", "-recursive", "-diff")
    assert answer.returncode == 0, answer.stdout


def test_components_are_valid(staged: Path, tmp_path: Path) -> None:
    def check(component: Path) -> str:
        folder = staged / "components" / component.name
        init = terraform(folder, tmp_path, "init", "-backend=false", "-lockfile=readonly", "-no-color")
        if init.returncode:
            return f"{component.name}: {init.stdout}{init.stderr}"
        valid = terraform(folder, tmp_path, "validate", "-no-color")
        return "" if valid.returncode == 0 else f"{component.name}: {valid.stdout}{valid.stderr}"

    with ThreadPoolExecutor(2) as pool:
        problems = [problem for problem in pool.map(check, COMPONENTS) if problem]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "module", [module for module in MODULES if (module / "tests").is_dir()], ids=lambda path: path.name
)
def test_module(module: Path, staged: Path, tmp_path: Path) -> None:
    folder = staged / "modules" / module.name
    init = terraform(folder, tmp_path, "init", "-no-color")
    assert init.returncode == 0, init.stdout + init.stderr
    answer = terraform(folder, tmp_path, "test", "-no-color")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", answer.stdout), answer.stdout


def test_every_module_is_tested_or_needs_a_real_cloud() -> None:
    # Terraform cannot mock ephemeral resources: the module that has one is tested on a live estate only.
    untested = {module.name for module in MODULES if not list(module.glob("tests/*.tftest.hcl"))}
    assert untested == {"generated-password"}


def test_every_managed_resource_is_in_an_output_of_its_module() -> None:
    """An identifier that a module keeps to itself sends its user to the console."""
    # Parts of a resource that has an output itself, and grants, which nobody refers to.
    parts = re.compile(
        r"_(policy|versioning|public_access_block|ownership_controls|lifecycle_configuration|route|association|attachment"
        r"|version|encryption_configuration|internet_gateway|default_security_group|role)\b|_rule\.(public|internet)"
        r"|discovery_instance|aws_route_table.(public|data)"
    )
    missing = []
    for module in MODULES:
        outputs = (module / "outputs.tf").read_text()
        for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', (module / "main.tf").read_text(), re.MULTILINE):
            if f"{kind}.{name}" not in outputs and not parts.search(f"{kind}.{name}"):
                missing.append(f"{module.name}: {kind}.{name}")
    assert not missing


def test_variables_and_outputs_are_described_and_typed() -> None:
    problems = []
    for folder in (*COMPONENTS, *MODULES):
        for file, wanted in (("variables.tf", ("description", "type ", "nullable")), ("outputs.tf", ("description",))):
            for name, body in re.findall(
                r'^(?:variable|output) "(\w+)" \{\n(.*?)^\}', (folder / file).read_text(), re.M | re.S
            ):
                problems += [
                    f"{folder.name}/{file}: {name} has no {word.strip()}"
                    for word in wanted
                    if f"\n  {word}" not in f"\n{body}"
                ]
    assert not problems


def test_nothing_hides_a_difference() -> None:
    found = {
        f"{path.parent.name}: {line.strip()}"
        for path in TERRAFORM.rglob("*.tf")
        for line in re.findall(r"^\s*ignore_changes.*", path.read_text(), re.MULTILINE)
    }
    # Autoscaling owns the number of tasks.
    assert found == {"application-stack: ignore_changes = [desired_count]"}


def test_one_provider_for_all() -> None:
    locks = {(component / ".terraform.lock.hcl").read_text() for component in COMPONENTS}
    assert len(locks) == 1, "every component must pin the same provider"
    text = locks.pop()
    assert text.count('"zh:') >= 10, "the registry's hashes of all platforms must be there"
    assert '"h1:' in text, "a filesystem mirror is checked by its h1 hash"
