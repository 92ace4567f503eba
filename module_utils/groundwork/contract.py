"""The SSM contract: terraform/contract.yml against the code and against the running estate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .aws_client import AwsError, chunks, explain, open_client

TYPES = ("String", "StringList")
#: GetParameters takes at most ten names (API reference of Systems Manager).
BATCH = 10
SERVICE = "{service}"
PEER = "{peer}"
KEYS = {"type", "producer", "consumers", "for", "optional"}


class ContractError(Exception):
    """The contract is broken. The text has all the disagreements."""


@dataclass(frozen=True)
class Parameter:
    """One line of the contract.

    In `path`, `{env}` stands for the environment and `{service}` for every service of the catalog that has all keys of
    `services_with`. A line with `optional` is for catalogs that have that path (dotted) only.
    """

    path: str
    type: str
    producer: str
    consumers: tuple[str, ...] = ()
    services_with: tuple[str, ...] = ()
    optional: str = ""

    @property
    def by_terraform(self) -> bool:
        return not self.producer.startswith("role ")

    def paths(self, catalog: Mapping[str, Any]) -> list[str]:
        """The paths that the line stands for with this catalog; `{env}` stays."""
        if self.optional and not _has(catalog, self.optional):
            return []
        if SERVICE not in self.path:
            return [self.path]
        return [
            self.path.replace(SERVICE, str(service["name"]))
            for service in catalog["services"]
            if all(_has(service, key) for key in self.services_with)
        ]


def _has(values: Any, path: str) -> bool:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values is not None


def load(path: Path | str) -> dict[str, Parameter]:
    """The contract by path. All mistakes at once."""
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ContractError(f"{path}: cannot be read: {error}") from error
    entries = document.get("parameters") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ContractError(f"{path}: wants a mapping `parameters` of paths")
    problems: list[str] = []
    parameters: dict[str, Parameter] = {}
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not {"type", "producer"} <= set(entry) <= KEYS:
            problems.append(f"{name}: wants type, producer and optional consumers, for, optional")
            continue
        if entry["type"] not in TYPES:
            problems.append(f"{name}: type {entry['type']} is none of {', '.join(TYPES)}")
        keys = entry.get("for") or ()
        if bool(keys) != (SERVICE in str(name)):
            problems.append(f"{name}: {SERVICE} and `for` (the keys that a service must have) go together")
        parameters[name] = Parameter(
            path=str(name),
            type=str(entry["type"]),
            producer=str(entry["producer"]),
            consumers=tuple(str(consumer) for consumer in entry.get("consumers") or ()),
            services_with=(keys,) if isinstance(keys, str) else tuple(str(key) for key in keys),
            optional=str(entry.get("optional") or ""),
        )
    if problems:
        raise ContractError(f"{path}: " + "; ".join(problems))
    return parameters


# ------------------------------------------------------------------------------------------------- against the code


def reads(component: Path) -> set[str]:
    """Paths that a component's code reads: every /shared path in a data source's arguments."""
    found: set[str] = set()
    for source in sorted(component.glob("*.tf")):
        text = source.read_text(encoding="utf-8")
        for block in re.finditer(r'^data "aws_ssm_parameter" .*?^}', text, re.MULTILINE | re.DOTALL):
            found |= {_general(match) for match in re.findall(r'"(/shared/[^"]+)"', block[0])}
    return found


def _general(path: str) -> str:
    """A path of the code as the contract writes it: an environment becomes {env}, any other interpolation {service}.

    The environment of a peer (another region's) becomes {peer}: its components are applied elsewhere.
    """
    path = re.sub(r"\$\{[\w.]*\bpeer\.environment\}", PEER, path)
    path = re.sub(r"\$\{(?:[\w.]+\.environment|local\.env)\}", "{env}", path)
    return re.sub(r"\$\{[^}]*\}", SERVICE, path)


def lint(
    parameters: Mapping[str, Parameter],
    written: Mapping[str, Mapping[str, str]],
    read: Mapping[str, Iterable[str]],
    needs: Mapping[str, Iterable[str]],
    catalog: Mapping[str, Any],
) -> list[str]:
    """Disagreements between the contract and the components.

    `written`: type by path by component, as its state says; `read`: paths by component, as the code has them; `needs`:
    components.yml; `catalog`: what `written` was made from.
    """
    problems: list[str] = []
    promised = {path: parameter for parameter in parameters.values() for path in parameter.paths(catalog)}
    for component, paths in written.items():
        for path, kind in paths.items():
            parameter = promised.get(path)
            if parameter is None:
                problems.append(f"{component} writes {path}, which the contract does not have")
            elif parameter.producer != component:
                problems.append(f"{component} writes {path}, which the contract gives to {parameter.producer}")
            elif parameter.type != kind:
                problems.append(f"{component} writes {path} as {kind}, the contract says {parameter.type}")
    problems += [
        f"{parameter.producer} must write {path} and does not"
        for path, parameter in promised.items()
        if parameter.by_terraform and path not in written.get(parameter.producer, {})
    ]
    for component, used in read.items():
        for path in used:
            parameter = parameters.get(path.replace(PEER, "{env}"))
            if parameter is None:
                problems.append(f"{component} reads {path}, which the contract does not have")
                continue
            if PEER in path:
                continue
            if component not in parameter.consumers:
                problems.append(f"{component} reads {path} and is not among its consumers")
            if parameter.producer not in needs.get(component, ()):
                problems.append(
                    f"{component} reads {path} of {parameter.producer} and does not need it (components.yml)"
                )
    problems += [
        f"{consumer} is a consumer of {path} and does not read it"
        for path, parameter in parameters.items()
        for consumer in parameter.consumers
        if path not in set(read.get(consumer, ()))
    ]
    return problems


# ------------------------------------------------------------------------------------------------ against the estate


def check_live(path: Path | str, catalog: Mapping[str, Any]) -> int:
    """Every parameter of a Terraform producer is there, has a value and its type; the number that was checked."""
    from botocore.exceptions import BotoCoreError, ClientError

    env = str(catalog["environment"])
    expected = {
        name.replace("{env}", env): parameter
        for parameter in load(path).values()
        if parameter.by_terraform
        for name in parameter.paths(catalog)
    }
    client = open_client("ssm", str(catalog["region"]))
    found: dict[str, Any] = {}
    try:
        for names in chunks(expected, BATCH):
            for answer in client.get_parameters(Names=names)["Parameters"]:
                found[answer["Name"]] = answer
    except (BotoCoreError, ClientError) as error:
        raise AwsError(explain(error, f"{env}: reading the SSM contract")) from error
    problems = []
    for name, parameter in expected.items():
        answer = found.get(name)
        if answer is None:
            problems.append(f"{name} is missing: apply {parameter.producer}")
        elif answer["Type"] != parameter.type:
            problems.append(f"{name} is a {answer['Type']}, not a {parameter.type}: apply {parameter.producer}")
        elif not str(answer["Value"]).strip(","):
            problems.append(f"{name} is empty: apply {parameter.producer}")
    if problems:
        raise ContractError(f"{env}: the SSM contract is not complete:\n  " + "\n  ".join(problems))
    return len(expected)
