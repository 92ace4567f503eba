"""The pins of Alloy and Loki, and what is refused before a build of half an hour. Nothing is built here: the drill `alloy` does that."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml
from groundwork.estate import programs
from groundwork.estate.paths import PROJECT
from groundwork.estate.programs import PROGRAMS, ProgramError

THEIRS = {
    "Go": "1.26.7",
    "Require": [
        {"Path": "example.org/a", "Version": "v1.2.3"},
        {"Path": "github.com/grafana/alloy/syntax", "Version": "v0.1.2"},
    ],
    "Replace": [
        {"Old": {"Path": "github.com/grafana/alloy/syntax"}, "New": {"Path": "./syntax"}},
        {"Old": {"Path": "example.org/b"}, "New": {"Path": "example.org/fork", "Version": "v0.0.1"}},
        {"Old": {"Path": "example.org/c", "Version": "v1.0.0"}, "New": {"Path": "example.org/c", "Version": "v1.0.1"}},
    ],
    "Exclude": [{"Path": "example.org/d", "Version": "v8.0.0"}],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_pins_are_of_this_version_and_whole(name: str) -> None:
    program, folder = PROGRAMS[name], PROJECT / programs.SOURCES / name
    text, sums = (folder / "go.mod").read_text(), (folder / "go.sum").read_text()
    assert f"require {program.module} {program.version}" in text
    for module, version in [(program.module, program.version), *re.findall(r"(?m)^\t(\S+) (\S+) // indirect$", text)]:
        if re.search(rf"(?m)^replace {re.escape(module)} =>", text):
            continue
        assert f"{module} {version}/go.mod h1:" in sums, module
    # A folder of somebody's repository is none of ours.
    assert "=> ." not in text
    assert not (set(program.local) & set(re.findall(r"(?m)^replace (\S+)", text)))


def test_the_pin_has_their_versions_and_replacements() -> None:
    text = programs.go_mod(PROGRAMS["alloy"], THEIRS)  # type: ignore[arg-type]
    lines = text.splitlines()
    assert lines[2:7] == [
        "module groundwork/alloy",
        "",
        "go 1.26.7",
        "",
        f"require github.com/grafana/alloy {PROGRAMS['alloy'].version}",
    ]
    assert (
        "\texample.org/a v1.2.3 // indirect" in lines
        and "\tgithub.com/grafana/alloy/syntax v0.1.2 // indirect" in lines
    )
    assert "replace example.org/b => example.org/fork v0.0.1" in lines
    assert "replace example.org/c v1.0.0 => example.org/c v1.0.1" in lines
    assert "exclude example.org/d v8.0.0" in lines
    assert "./syntax" not in text


def test_a_folder_that_nobody_named_is_refused() -> None:
    theirs = {**THEIRS, "Replace": [{"Old": {"Path": "example.org/new"}, "New": {"Path": "./new"}}]}
    with pytest.raises(ProgramError, match=r"example\.org/new"):
        programs.go_mod(PROGRAMS["alloy"], theirs)  # type: ignore[arg-type]


def test_other_pins_are_another_file_and_the_inventory_finds_it(tmp_path: Path) -> None:
    pins = (PROJECT / programs.SOURCES / "alloy" / "go.mod").read_bytes()
    wanted = tmp_path / "bin" / f"alloy-{hashlib.sha256(pins).hexdigest()[:12]}"
    assert programs.path("alloy", PROJECT, tmp_path) == wanted
    local = yaml.safe_load((PROJECT / "inventories" / "local" / "group_vars" / "ec2" / "main.yml").read_text())
    for part in (
        "/bin/alloy-",
        f"{programs.SOURCES}/alloy/go.mod",
        "rstrip=false",
        "hash('sha256') | truncate(12, true, '')",
    ):
        assert part in local["alloy_program_file"], part
    other = tmp_path / "project" / programs.SOURCES / "alloy"
    other.mkdir(parents=True)
    (other / "go.mod").write_text("module x\n")
    assert programs.path("alloy", tmp_path / "project", tmp_path) != wanted


def test_what_is_there_is_not_built(tmp_path: Path) -> None:
    binary = programs.path("loki", PROJECT, tmp_path)
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert programs.build("loki", print, PROJECT, tmp_path) is False


def test_what_would_fail_after_half_an_hour_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "HEADERS", {str(tmp_path / "none.h"): "libsystemd-dev"})
    with pytest.raises(ProgramError, match="apt-get install libsystemd-dev"):
        programs.build("alloy", print, PROJECT, tmp_path)
    monkeypatch.setattr(programs, "ROOM", 10**9)
    with pytest.raises(ProgramError, match="MB of free disk"):
        programs.build("alloy", print, PROJECT, tmp_path)


def test_the_role_and_the_pin_are_one_version() -> None:
    defaults = yaml.safe_load((PROJECT / "roles" / "alloy" / "defaults" / "main.yml").read_text())
    assert f"v{defaults['alloy_version']}" == PROGRAMS["alloy"].version


def test_an_unknown_program_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert programs.main(["grafana"]) == 2 and programs.main([]) == 2
    assert "alloy|loki" in capsys.readouterr().err
