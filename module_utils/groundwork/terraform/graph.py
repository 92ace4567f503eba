"""The components and what each needs: terraform/components.yml."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from .cli import TerraformError

BOOTSTRAP = "00-bootstrap"


@dataclass(frozen=True)
class Component:
    """One component: a folder, a state."""

    name: str
    needs: tuple[str, ...] = ()
    data: str = ""
    #: Zip packages that its plan reads: source folder by name.
    packages: Mapping[str, str] = field(default_factory=dict)


def load(path: Path) -> dict[str, Component]:
    """The components in an order in which each follows what it needs. All mistakes at once."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TerraformError(f"{path}: cannot be read: {error}") from error
    entries: Any = (document or {}).get("components") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise TerraformError(f"{path}: wants a mapping `components` of component names")
    problems: list[str] = []
    components: dict[str, Component] = {}
    for name, given in entries.items():
        entry = given or {}
        unknown = sorted(set(entry) - {"needs", "data", "packages"})
        if unknown:
            problems.append(f"{name}: unknown key {', '.join(unknown)}; known are needs, data and packages")
        needs = tuple(entry.get("needs") or ())
        problems += [f"{name}: needs {need}, which is no component" for need in needs if need not in entries]
        packages = {str(package): str(folder) for package, folder in (entry.get("packages") or {}).items()}
        components[str(name)] = Component(str(name), needs, str(entry.get("data") or ""), packages)
    folders = {folder.name for folder in (path.parent / "components").glob("*") if folder.is_dir()}
    problems += [f"{name}: has no folder components/{name}" for name in components if name not in folders]
    problems += [f"components/{name}: is not listed" for name in sorted(folders) if name not in components]
    if problems:
        raise TerraformError(f"{path}: " + "; ".join(problems))
    return {name: components[name] for name in ordered(components)}


def ordered(components: dict[str, Component]) -> list[str]:
    """Names in dependency order, in the file's order where that leaves a choice."""
    result: list[str] = []
    while len(result) < len(components):
        ready = [
            name
            for name, component in components.items()
            if name not in result and all(need in result for need in component.needs)
        ]
        if not ready:
            rest = ", ".join(sorted(set(components) - set(result)))
            raise TerraformError(f"components.yml: {rest} need each other in a circle")
        result += ready
    return result


def followers(components: dict[str, Component]) -> dict[str, int]:
    """Length of the longest chain of components that come after each; `components` in dependency order."""
    result = dict.fromkeys(components, 0)
    for name in reversed(components):
        for need in components[name].needs:
            result[need] = max(result[need], result[name] + 1)
    return result


def select(components: dict[str, Component], wanted: Collection[str], reverse: bool = False) -> dict[str, Component]:
    """Only the wanted ones (all when none is named); in reverse, `needs` become what must be destroyed first."""
    unknown = sorted(set(wanted) - set(components))
    if unknown:
        raise TerraformError(f"no component {', '.join(unknown)}; there are {', '.join(components)}")
    names = [name for name in components if not wanted or name in wanted]

    def needed(name: str) -> Iterator[str]:
        """What must come before; through those that were not chosen, to those that were."""
        for need in components[name].needs:
            if need in names:
                yield need
            else:
                yield from needed(need)

    chosen = {name: replace(components[name], needs=tuple(dict.fromkeys(needed(name)))) for name in names}
    if not reverse:
        return chosen
    return {
        name: replace(chosen[name], needs=tuple(other for other, entry in chosen.items() if name in entry.needs))
        for name in reversed(chosen)
    }
