"""atlantis.yaml: a project per component and environment, in dependency order. Made from components.yml, never by hand."""

from __future__ import annotations

from pathlib import Path

from ..terraform import graph
from .changed import environments, files_of, modules_of

HEAD = """\
# Made by `make atlantis` from terraform/components.yml and inventories/; a test fails while it differs.
# The workflow `groundwork` is the server's (scripts/ci/atlantis-repos.yaml): a pull request cannot change what is run.
version: 3
automerge: false
parallel_plan: false
parallel_apply: false
projects:
"""


def levels(components: dict[str, graph.Component]) -> dict[str, int]:
    """How many components must be applied one after the other before each."""
    found: dict[str, int] = {}
    for name, component in components.items():
        found[name] = max((found[need] + 1 for need in component.needs), default=0)
    return found


def render(project: Path) -> str:
    terraform = project / "terraform"
    components = graph.load(terraform / "components.yml")
    depth = levels(components)
    envs = environments(project)
    span = max(depth.values()) + 1
    lines = [HEAD]
    for stage, env in enumerate(envs):
        for name in components:
            folder = terraform / "components" / name
            watched = ["*.tf", ".terraform.lock.hcl"]
            watched += [f"../../modules/{module}/**/*.tf*" for module in sorted(modules_of(folder))]
            watched += [f"../../{file}" for file in sorted(files_of(folder, terraform))]
            watched += [f"../../../{source}/**" for source in sorted(components[name].packages.values())]
            watched += [f"../../environments/{env}/*", f"../../../inventories/{env}/catalog.yml"]
            lines.append(f"  - name: {env}-{name}\n")
            lines.append(f"    dir: terraform/components/{name}\n")
            lines.append(f"    workspace: {env}\n")
            lines.append("    workflow: groundwork\n")
            lines.append(f"    execution_order_group: {stage * span + depth[name]}\n")
            lines.append("    autoplan:\n      enabled: true\n      when_modified:\n")
            lines += [f'        - "{pattern}"\n' for pattern in watched]
    return "".join(lines)


def split(project: Path, name: str) -> tuple[str, str]:
    """Environment and component of an Atlantis project's name."""
    components = graph.load(project / "terraform" / "components.yml")
    for env in environments(project):
        component = name.removeprefix(f"{env}-")
        if component != name and component in components:
            return env, component
    raise ValueError(f"{name} is no project of atlantis.yaml: <environment>-<component>")
