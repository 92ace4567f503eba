"""The engine's parts that need no cloud: finding the provider, the graph, locks, processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from groundwork.terraform import cli, graph, locks
from groundwork.terraform.backend import Names
from groundwork.terraform.cli import Processes, Recorded, TerraformError


def mirror(folder: Path, version: str) -> Path:
    system, machine = cli._platform()
    (folder / cli.REGISTRY / cli.PROVIDER / version / f"{system}_{machine}").mkdir(parents=True)
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(cli, "registry_answers", lambda: False)
    monkeypatch.setattr(cli, "MIRROR_ROOTS", (str(tmp_path / "opt"),))
    (tmp_path / "home").mkdir()
    return tmp_path


def test_the_registry_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "registry_answers", lambda: True)
    source = cli.find_source("5.100.0", {"TF_PLUGIN_MIRROR": str(mirror(tmp_path / "m", "5.100.0"))}, tmp_path)
    assert source == cli.Source("registry")
    assert "direct {}" in cli.write_configuration(source, tmp_path / "rc").read_text()


def test_a_named_mirror_is_better_than_a_found_one(offline: Path) -> None:
    mirror(offline / "opt/plugins", "5.100.0")
    named = mirror(offline / "named", "5.100.0")
    assert cli.find_source("5.100.0", {"TF_PLUGIN_MIRROR": str(named)}, offline / "home").path == named
    assert cli.find_source("5.100.0", {}, offline / "home").path == offline / "opt/plugins"


def test_an_implied_mirror_of_terraform(offline: Path) -> None:
    implied = mirror(offline / "home/.terraform.d/plugins", "5.100.0")
    assert cli.find_source("5.100.0", {}, offline / "home").path == implied


def test_a_packed_mirror(offline: Path) -> None:
    folder = offline / "opt/m" / cli.REGISTRY / cli.PROVIDER
    folder.mkdir(parents=True)
    system, machine = cli._platform()
    (folder / f"terraform-provider-aws_5.100.0_{system}_{machine}.zip").touch()
    assert cli.find_source("5.100.0", {}, offline / "home").path == offline / "opt/m"


def test_a_mirror_of_another_version_is_named_in_the_error(offline: Path) -> None:
    mirror(offline / "opt/m", "5.1.0")
    with pytest.raises(TerraformError, match=r"5\.100\.0.*opt/m has 5\.1\.0.*TF_PLUGIN_MIRROR"):
        cli.find_source("5.100.0", {}, offline / "home")


def test_folders_are_searched_to_a_bounded_depth(offline: Path) -> None:
    mirror(offline / "opt/1/2/3/4/5/6", "5.100.0")
    with pytest.raises(TerraformError, match="no provider"):
        cli.find_source("5.100.0", {}, offline / "home")


def test_an_unusable_cli_configuration_is_ignored(offline: Path) -> None:
    found = mirror(offline / "opt/m", "5.100.0")
    environment = {"TF_CLI_CONFIG_FILE": str(offline / "not-there")}
    assert cli.find_source("5.100.0", environment, offline / "home").path == found


def test_a_usable_cli_configuration_is_kept(offline: Path) -> None:
    own = offline / "own.tfrc"
    own.write_text("provider_installation {\n  direct {}\n}\n")
    source = cli.find_source("5.100.0", {"TF_CLI_CONFIG_FILE": str(own)}, offline / "home")
    assert cli.write_configuration(source, offline / "generated") == own


def test_no_terraform_says_what_to_do() -> None:
    with pytest.raises(
        TerraformError, match=r"no program 'terraform-none' on PATH. Remedy: install Terraform 1\.11\.0"
    ):
        cli.find_terraform("terraform-none")


def test_an_old_terraform_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text("""#!/bin/sh\necho '{"terraform_version": "1.9.8"}'\n""")
    program.chmod(0o755)
    with pytest.raises(TerraformError, match=r"is 1\.9\.8"):
        cli.find_terraform(str(program))


def test_a_shells_own_terraform_variables_do_not_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TF_CLI_ARGS_plan", "TF_VAR_environment", "TF_WORKSPACE", "AWS_PROFILE"):
        monkeypatch.setenv(name, "other")
    environment = cli.terraform_environment({"AWS_ACCESS_KEY_ID": "x"}, tmp_path, tmp_path / "rc", None)
    assert not {"TF_CLI_ARGS_plan", "TF_VAR_environment", "TF_WORKSPACE", "AWS_PROFILE"} & set(environment)


def test_a_users_own_gogc_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOGC", raising=False)
    assert cli.terraform_environment({}, tmp_path, tmp_path / "rc", None)["GOGC"] == "400"
    monkeypatch.setenv("GOGC", "50")
    assert cli.terraform_environment({}, tmp_path, tmp_path / "rc", None)["GOGC"] == "50"


def graph_of(tmp_path: Path, text: str, *folders: str) -> Path:
    for folder in folders:
        (tmp_path / "components" / folder).mkdir(parents=True)
    path = tmp_path / "components.yml"
    path.write_text(text)
    return path


def test_all_mistakes_of_the_graph_at_once(tmp_path: Path) -> None:
    path = graph_of(tmp_path, "components:\n  a: {needs: [b]}\n  c: {neds: []}\n", "a", "d")
    with pytest.raises(TerraformError) as error:
        graph.load(path)
    for part in (
        "needs b, which is no component",
        "c: unknown key neds",
        "has no folder components/c",
        "components/d: is not listed",
    ):
        assert part in str(error.value)


def test_a_circle(tmp_path: Path) -> None:
    path = graph_of(tmp_path, "components:\n  a: {needs: [b]}\n  b: {needs: [a]}\n", "a", "b")
    with pytest.raises(TerraformError, match="a, b need each other in a circle"):
        graph.load(path)


def test_destroying_goes_the_other_way(tmp_path: Path) -> None:
    path = graph_of(tmp_path, "components:\n  a: {}\n  b: {needs: [a]}\n  c: {needs: [b]}\n", "a", "b", "c")
    components = graph.select(graph.load(path), (), reverse=True)
    assert list(components) == ["c", "b", "a"]
    assert components["a"].needs == ("b",)
    assert components["c"].needs == ()


def test_the_longest_chain_comes_first(tmp_path: Path) -> None:
    path = graph_of(
        tmp_path, "components:\n  a: {}\n  b: {}\n  c: {needs: [b]}\n  d: {needs: [a, c]}\n", "a", "b", "c", "d"
    )
    assert graph.followers(graph.load(path)) == {"a": 1, "b": 2, "c": 1, "d": 0}


def test_a_selection_keeps_the_order_through_what_is_left_out(tmp_path: Path) -> None:
    path = graph_of(tmp_path, "components:\n  a: {}\n  b: {needs: [a]}\n  c: {needs: [b, a]}\n", "a", "b", "c")
    components = graph.load(path)
    assert graph.select(components, ("a", "c"))["c"].needs == ("a",)
    assert graph.select(components, ("a", "c"), reverse=True)["a"].needs == ("c",)


LOCKED = """
│ Error: Error acquiring the state lock
│
│ Lock Info:
│   ID:        3dd07a1e-3a1e-4c5d-8d5c-2c2c5a5d1f0e
│   Path:      local-groundwork-state-123456789012/components/10-network/terraform.tfstate
│   Operation: OperationTypeApply
│   Who:       someone@{host}
│   Version:   1.11.4
│   Created:   {created} +0000 UTC
"""


def lock_made(seconds_ago: float, host: str) -> locks.Lock:
    created = datetime.fromtimestamp(time.time() - seconds_ago, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    lock = locks.parse(LOCKED.format(host=host, created=created))
    assert lock is not None
    return lock


def test_a_lock_is_broken_only_when_its_holder_was_ours_and_is_dead() -> None:
    here = socket.gethostname()
    started = time.time() - 600
    dead, alive = Recorded(1, started, False), Recorded(1, started, True)
    lock = lock_made(590, here)
    assert lock.id == "3dd07a1e-3a1e-4c5d-8d5c-2c2c5a5d1f0e"
    assert locks.left_by_dead_run(lock, dead)
    assert not locks.left_by_dead_run(lock, alive), "the holder works"
    assert not locks.left_by_dead_run(lock, None), "no run of ours was interrupted"
    assert not locks.left_by_dead_run(lock_made(590, "other-machine"), dead), "another machine's"
    assert not locks.left_by_dead_run(lock_made(10, here), dead), "taken long after our run died: somebody else's"
    assert locks.parse("Error: something else") is None


def test_a_killed_caller_does_not_kill_its_process(tmp_path: Path) -> None:
    record, done = tmp_path / "record.json", tmp_path / "done"
    program = (
        "from pathlib import Path\nfrom groundwork.terraform.cli import Processes\n"
        f"Processes().run(['sh', '-c', 'sleep 2; echo out; touch {done}'], {dict(os.environ)!r}, "
        f"Path({str(tmp_path / 'log')!r}), record=Path({str(record)!r}))"
    )
    modules = str(Path(cli.__file__).parents[2])
    caller = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": modules}, start_new_session=True
    )
    deadline = time.monotonic() + 20
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    caller.kill()
    caller.wait()
    earlier = cli.recorded_process(record)
    assert earlier is not None
    assert earlier.alive, "it must outlive its caller"
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert done.exists(), "and finish its work"


def test_a_record_of_a_reused_pid_is_dead(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"pid": os.getpid(), "born": "1", "started": 1.0}))
    earlier = cli.recorded_process(record)
    assert earlier is not None
    assert not earlier.alive


def test_a_stopped_run_starts_nothing(tmp_path: Path) -> None:
    processes = Processes()
    processes.stop()
    with pytest.raises(cli.Stopped):
        processes.run(["true"], os.environ, tmp_path / "log")


def test_names_are_those_of_the_bootstrap_component() -> None:
    names = Names.of("prod", "111122223333")
    text = (Path(__file__).resolve().parents[2] / "terraform/components/00-bootstrap/main.tf").read_text()
    assert names.state_bucket == "prod-groundwork-state-111122223333"
    assert '"${module.context.environment}-groundwork-state-${module.context.account_id}"' in text
    assert '"${module.context.environment}-groundwork-state-lock"' in text
