"""Terraform under Ansible: components in dependency order, planned first, applied only when there is a difference."""

from __future__ import annotations

from pathlib import Path

from .cli import TerraformError, find_source, find_terraform, pinned_version
from .engine import Engine, Result, Settings

__all__ = ["Engine", "Result", "Settings", "TerraformError", "check_available"]


def check_available(binary: str = "terraform", terraform_dir: Path | None = None) -> str:
    """Fail with a remedy when terraform or its provider cannot be had; else say where the provider comes from."""
    find_terraform(binary)
    folder = terraform_dir or Path(__file__).resolve().parents[3] / "terraform"
    pinned = {pinned_version(path) for path in sorted(folder.glob("components/*/.terraform.lock.hcl"))}
    return "; ".join(sorted({find_source(version).describe() for version in pinned}))
