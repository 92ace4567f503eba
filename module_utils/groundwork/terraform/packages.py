"""Zip packages of Lambda functions: the same bytes on every machine, so that a plan shows a change only when the code changed.

Terraform cannot make a zip without a further provider, and a built zip does not belong into git. The engine builds a component's
packages (`packages` in components.yml) before each plan; for terraform by hand: ``python -m groundwork.terraform.packages``.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from . import graph
from .cli import TerraformError

#: Below the checkout and git-ignored; components name it relative to themselves, since the path is in the state.
FOLDER = ".groundwork/packages"
#: The first moment that a zip can hold.
EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def contents(source: Path) -> bytes:
    """The files of a folder as a zip without times, owners or compression (whose bytes differ between zlib versions)."""
    files = sorted(path for path in source.rglob("*") if path.is_file() and not _LEFT_OUT.intersection(path.parts))
    if not files:
        raise TerraformError(f"{source}: a package needs at least one file")
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in files:
                entry = zipfile.ZipInfo(path.relative_to(source).as_posix(), EPOCH)
                entry.create_system = 3
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, path.read_bytes())
        file.seek(0)
        return file.read()


def build(project: Path, packages: Mapping[str, str]) -> list[Path]:
    """Make the zips of a component, name by source folder. A package that is up to date is left alone."""
    built = []
    for name, source in packages.items():
        target = project / FOLDER / f"{name}.zip"
        wanted = contents(project / source)
        if not target.exists() or target.read_bytes() != wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            # Another run may read it at this moment: it sees the old or the new one.
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
                file.write(wanted)
            Path(file.name).replace(target)
        built.append(target)
    return built


def main() -> None:
    project = Path(__file__).resolve().parents[3]
    for component in graph.load(project / "terraform/components.yml").values():
        for path in build(project, component.packages):
            sys.stdout.write(f"{os.path.relpath(path)}\n")


if __name__ == "__main__":
    main()
