"""Conventions of the project that a reader relies on: every role tells its variables, every pin agrees with its twin."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import ansible_collections
import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (PROJECT / "roles").iterdir())


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()) or {})


def options(role: str) -> dict[str, dict[str, Any]]:
    return dict(load(PROJECT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"])


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_a_role_is_described(role: str) -> None:
    defaults = load(PROJECT / "roles" / role / "defaults" / "main.yml")
    described = options(role)
    assert set(defaults) <= set(described), f"not described: {set(defaults) - set(described)}"
    required = {name for name, option in described.items() if option.get("required")}
    assert set(described) - required == set(defaults), "described, neither required nor with a default"
    assert all(option.get("description") and option.get("type") for option in described.values())


@pytest.mark.parametrize("role", ROLES)
def test_described_defaults_are_the_defaults(role: str) -> None:
    defaults = load(PROJECT / "roles" / role / "defaults" / "main.yml")
    told = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert {name: defaults[name] for name in told} == told


@pytest.mark.parametrize("role", ROLES)
def test_variables_carry_the_roles_name(role: str) -> None:
    assert [name for name in options(role) if not name.startswith(role)] == []


def test_galaxy_and_the_virtual_environment_give_the_same_collections() -> None:
    for wanted in load(PROJECT / "requirements.yml")["collections"]:
        folder = Path(next(iter(ansible_collections.__path__))) / wanted["name"].replace(".", "/")
        manifest = json.loads((folder / "MANIFEST.json").read_text())
        assert manifest["collection_info"]["version"] == wanted["version"], wanted["name"]


def test_every_collection_in_use_is_required() -> None:
    base = Path(next(iter(ansible_collections.__path__)))
    required = {entry["name"] for entry in load(PROJECT / "requirements.yml")["collections"]}
    used = set()
    for folder in ("roles", "playbooks", "molecule"):
        for path in (PROJECT / folder).rglob("*.yml"):
            for namespace, name in re.findall(r"\b([a-z_]+)\.([a-z_]+)\.[a-z_0-9]+:", path.read_text()):
                if (base / namespace / name).is_dir():
                    used.add(f"{namespace}.{name}")
    assert {"amazon.aws", "ansible.posix"} <= used
    assert used <= required, used - required


def unsorted_sets(text: str) -> list[str]:
    """Calls of Ansible's set filters whose result is neither sorted nor counted."""
    found = []
    for call in re.finditer(r"\|\s*(?:ansible\.builtin\.)?(?:difference|intersect|symmetric_difference|union)\(", text):
        depth, end = 1, call.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        if not re.match(r"\s*\|\s*(?:sort|length)\b", text[end:]):
            found.append(text[call.start() : end])
    return found


def test_no_order_is_left_to_chance() -> None:
    # They go through Python's sets: strings come in another order every run, numbers in their own.
    left = {
        str(path.relative_to(PROJECT)): found
        for folder in ("roles", "playbooks", "molecule", "inventories")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in {".yml", ".j2"} and (found := unsorted_sets(path.read_text()))
    }
    assert left == {}, "add: | sort"
    assert unsorted_sets("a | difference((b | list) + c) | join(',')") == ["| difference((b | list) + c)"]
    assert unsorted_sets("a | union(b)\n   | sort(reverse=true) and a | intersect(b) | length > 0") == []


def test_every_gap_of_the_embedded_aws_is_told() -> None:
    code = ast.parse((PROJECT / "roles/embedded_estate/files/moto_extensions.py").read_text())
    gaps = {
        node.name: " ".join((ast.get_docstring(node) or "").split())
        for node in code.body
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "extension" for one in node.decorator_list)
    }
    page = (PROJECT / "docs/aws-coverage.md").read_text()
    told = dict(re.findall(r"(?m)^\| `(\w+)` \| (.+[.:!]) \|$", page.partition("<!-- matrix -->")[0]))
    assert told == gaps
