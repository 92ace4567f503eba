"""Which components of which environments a change concerns, from the files that it touches."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..terraform import graph

#: Order in which environments are applied; others follow the first.
STAGES = ("dev", "staging", "prod", "dr")
#: Runs on one machine, never from CI.
EMBEDDED = "local"
#: The engine itself, and the list of what it runs: every component of every environment is planned.
ENGINE = re.compile(
    r"module_utils/groundwork/(terraform/|account\.py|aws_client\.py)|action_plugins/terraform_components\.py"
    r"|roles/terraform_component/|terraform/components\.yml"
)


class DeliveryError(RuntimeError):
    """The step cannot be done. The text says what, why and the remedy."""


def environments(project: Path) -> list[str]:
    """Environments that CI works on, stages first and in their order."""
    found = {path.parent.name for path in (project / "inventories").glob("*/catalog.yml")} - {EMBEDDED}
    return [env for env in STAGES if env in found] + sorted(found - set(STAGES))


def modules_of(folder: Path) -> set[str]:
    """Names of the modules that a component or module uses, directly or through others."""
    found: set[str] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for path in here.glob("*.tf"):
            for source in re.findall(
                r'^\s*source\s*=\s*"(\.\.?/[^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE
            ):
                module = (here / source).resolve()
                if module.name not in found:
                    found.add(module.name)
                    waiting.append(module)
    return found


def files_of(folder: Path, terraform: Path) -> set[str]:
    """Files of terraform/ outside of components and modules that a component or its modules read, like routes.yml."""
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.tf")]
    for module in modules_of(folder):
        texts += [path.read_text(encoding="utf-8") for path in (terraform / "modules" / module).glob("*.tf")]
    names = {path.name for path in terraform.iterdir() if path.is_file()}
    return {name for name in names if any(re.search(rf"/{re.escape(name)}\b", text) for text in texts)}


def plans(project: Path, files: Iterable[str]) -> dict[str, list[str]]:
    """Components to plan by environment, in dependency order; only environments that have some."""
    terraform = project / "terraform"
    known = graph.load(terraform / "components.yml")
    components = list(known)
    packed = {name: tuple(known[name].packages.values()) for name in components}
    uses = {name: modules_of(terraform / "components" / name) for name in components}
    reads = {name: files_of(terraform / "components" / name, terraform) for name in components}
    envs = environments(project)
    chosen: dict[str, set[str]] = {env: set() for env in envs}

    def choose(names: Iterable[str], where: Iterable[str]) -> None:
        for env in where:
            if env in chosen:
                chosen[env] |= set(names)

    for file in files:
        parts = file.split("/")
        choose([name for name in components if file.startswith(tuple(f"{folder}/" for folder in packed[name]))], envs)
        if ENGINE.match(file):
            choose(components, envs)
        elif file.startswith("terraform/components/") and len(parts) > 3:
            choose([parts[2]] if parts[2] in components else [], envs)
        elif file.startswith("terraform/modules/") and len(parts) > 3:
            # A module's own tests change no plan.
            if parts[3] != "tests":
                choose([name for name in components if parts[2] in uses[name]], envs)
        elif file.startswith("terraform/environments/") and len(parts) > 3:
            choose(components, [parts[2]])
        elif re.fullmatch(r"inventories/[^/]+/catalog\.yml", file):
            choose(components, [parts[1]])
        elif file.startswith("terraform/") and len(parts) == 2:
            choose([name for name in components if file.removeprefix("terraform/") in reads[name]], envs)
    return {env: [name for name in components if name in chosen[env]] for env in envs if chosen[env]}


def changed_files(project: Path, base: str, head: str = "HEAD") -> list[str]:
    """Files that differ between the common ancestor of `base` and `head`, and `head`; both names of a moved one."""
    command = ["git", "-C", str(project), "diff", "--name-only", "--no-renames", "-z", f"{base}...{head}", "--"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeliveryError(
            f"git cannot compare {base} with {head}: {done.stderr.strip()}. Remedy: fetch the whole history (fetch-depth: 0)."
        )
    return [name for name in done.stdout.split("\0") if name]
