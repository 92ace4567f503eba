"""New services and environments, written so that every check passes at once; nothing is written while one would not.

python -m groundwork.scaffold service NAME [--env all] [--owner …] [--with database,kafka,…]
python -m groundwork.scaffold environment NAME [--source dev] [--account <id>]
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .catalog import connections, validate_text
from .catalog_schema import RESERVED_CONNECTIONS, SCHEMA, SERVICE_NAME, Text
from .catalog_yaml import parse
from .delivery import atlantis

PROJECT = Path(__file__).resolve().parents[2]
#: Parts of a service, in the order in which the catalogs have them.
PARTS = ("database", "kafka", "queue", "bucket", "cache", "image", "task")
DEFAULT_PARTS = ("database", "kafka", "cache", "image", "task")
TAGS = ("owner", "team", "cost_center", "data_class", "lifecycle", "repository")


class ScaffoldError(RuntimeError):
    """What is asked for cannot be written. The text has every reason; nothing was written."""

    def __init__(self, reasons: Sequence[str]) -> None:
        count = len(reasons)
        super().__init__(
            f"{count} {'thing is' if count == 1 else 'things are'} wrong; nothing was written\n" + "\n".join(reasons)
        )


@dataclass
class Files:
    """Files to be written, all or none."""

    project: Path
    texts: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def write(self) -> list[str]:
        for path, text in self.texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return [str(path.relative_to(self.project)) for path in self.texts]


def environments(project: Path) -> list[str]:
    return sorted(path.parent.name for path in (project / "inventories").glob("*/catalog.yml"))


def catalog_path(project: Path, env: str) -> Path:
    return project / "inventories" / env / "catalog.yml"


def load(project: Path, env: str) -> dict[str, Any]:
    return dict(yaml.safe_load(catalog_path(project, env).read_text(encoding="utf-8")))


def _fault(kind: Text, word: str, what: str) -> list[str]:
    if re.fullmatch(kind.pattern, word) and kind.min_length <= len(word) <= kind.max_length:
        return []
    return [
        f"{what} {json.dumps(word)} is not allowed; use {kind.form}, {kind.min_length} to {kind.max_length} characters"
    ]


def neighbours(project: Path, texts: Mapping[str, str]) -> list[tuple[str, ipaddress.IPv4Network, int]]:
    """Ranges of the environments, as the catalog's checker wants them."""
    found = []
    for env, text in texts.items():
        document = parse(text)
        cidr = str((document.data or {}).get("network", {}).get("vpc_cidr", ""))
        place = document.mark(("network", "vpc_cidr"))
        found.append((f"inventories/{env}/catalog.yml", ipaddress.IPv4Network(cidr), place.line))
    return found


def check(project: Path, texts: Mapping[str, str], changed: Sequence[str]) -> list[str]:
    """What the catalog's checker says of the new texts."""
    problems: list[str] = []
    for env in changed:
        others = neighbours(project, {name: text for name, text in texts.items() if name != env})
        report = validate_text(texts[env], f"inventories/{env}/catalog.yml", env, others)
        problems += [str(problem) for problem in report.problems]
    return problems


# -------------------------------------------------------------------------------------------------------------- service


def flow(value: Any) -> str:
    """A mapping or list on one line, as the catalogs write small ones."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def model(catalog: Mapping[str, Any], part: str) -> Any:
    """The part as the environment's first service that has it: sizes are an environment's, not a service's."""
    return next((service[part] for service in catalog["services"] if part in service), None)


def database(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """The database part, with at most half of the server's free connections: the next service wants some too."""
    part = model(catalog, "database") or FALLBACKS["database"]
    engine = part["engine"]
    held = [service for service in catalog["services"] if service.get("database", {}).get("engine") == engine]
    taken = sum(size for service in held for size in connections(service).values())
    free = catalog["databases"][engine]["max_connections"] - RESERVED_CONNECTIONS - taken
    # Logins beside the service's own are another service's wish.
    return {"engine": engine, "max_connections": min(part["max_connections"], max(1, free // 2))}


FALLBACKS: dict[str, Any] = {
    "database": {"engine": "mysql", "max_connections": 10},
    "queue": {"visibility_timeout_seconds": 60, "max_receive_count": 5},
    "bucket": {"ia_days": 90, "glacier_days": 365, "expire_days": 2555},
    "cache": {"engine": "valkey", "node_type": "cache.t3.micro", "nodes": 1},
    "image": {"keep": 30},
    "task": {"cpu": 512, "memory_mib": 1024, "count": 1},
}


#: Parts that others stand on: a queue and a bucket are of a task's stack, a task runs an image.
NEEDS = {"queue": {"task", "image"}, "bucket": {"task", "image"}, "task": {"image"}}


def service_text(catalog: Mapping[str, Any], name: str, tags: Mapping[str, str], parts: Sequence[str]) -> str:
    """The entry of a service in one environment's catalog, with the parts that the wanted ones need."""
    parts = [*parts, *(needed for part in parts for needed in NEEDS.get(part, ()))]
    lines = [f"  - name: {flow(name)}", *(f"    {key}: {_scalar(tags[key])}" for key in TAGS)]
    for part in PARTS:
        if part not in parts:
            continue
        if part == "database":
            lines.append(f"    database: {flow(database(catalog))}")
            continue
        if part != "kafka":
            lines.append(f"    {part}: {flow(model(catalog, part) or FALLBACKS[part])}")
            continue
        topics = (model(catalog, "kafka") or {}).get("topics") or [{"partitions": 3}]
        topic = f"{name}.events.v1"
        lines += [
            "    kafka:",
            "      topics:",
            f"        - name: {topic}",
            f"          partitions: {topics[0]['partitions']}",
            '          config: {retention.ms: "604800000"}',
            f"      produces: [{topic}]",
            "      consumes: []",
            f"      consumer_groups: [{name}]",
        ]
    return "\n".join(lines) + "\n"


def _scalar(value: str) -> str:
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9._@/+-]*", value) and yaml.safe_load(value) == value
    return value if plain else json.dumps(value, ensure_ascii=False)


def append_service(text: str, entry: str) -> str:
    """The catalog with one more entry at the end of `services`; everything else, comments too, stays as it is."""
    lines = text.splitlines(keepends=True)
    start = next((index for index, line in enumerate(lines) if re.match(r"services:", line)), None)
    if start is None:
        raise ScaffoldError(["the catalog has no key services"])
    if re.match(r"services:\s*\[\s*\]", lines[start]):
        lines[start] = "services:\n"
        return "".join([*lines[: start + 1], entry, *lines[start + 1 :]])
    end = next((index for index in range(start + 1, len(lines)) if re.match(r"[^\s#-]", lines[index])), len(lines))
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    before = "".join(lines[:end])
    return (before if before.endswith("\n") else before + "\n") + "\n" + entry + "".join(lines[end:])


def new_service(
    project: Path,
    name: str,
    env: str = "all",
    tags: Mapping[str, str] | None = None,
    parts: Sequence[str] = DEFAULT_PARTS,
) -> Files:
    """A service in one or all environments; its stack comes from its catalog entry, so there are no folders to make."""
    known = environments(project)
    chosen = known if env == "all" else [one for one in env.split(",") if one]
    reasons = _fault(SERVICE_NAME, name, "the service name")
    reasons += [f"there is no environment {one}; there are: {', '.join(known)}" for one in chosen if one not in known]
    reasons += [f"a service has no part {part}; there are: {', '.join(PARTS)}" for part in parts if part not in PARTS]
    chosen = [one for one in chosen if one in known]
    catalogs = {one: load(project, one) for one in known}
    reasons += [
        f"{one} has a service {name} already"
        for one in chosen
        if name in [service["name"] for service in catalogs[one]["services"]]
    ]
    texts = {one: catalog_path(project, one).read_text(encoding="utf-8") for one in known}
    if not reasons:
        for one in chosen:
            shared = catalogs[one]["tags"]
            own = {
                "owner": f"{name}@{str(shared['owner']).partition('@')[2]}",
                "team": name,
                "cost_center": str(shared["cost_center"]),
                "data_class": "internal",
                "lifecycle": "permanent",
                "repository": f"{str(shared['repository']).partition('/')[0]}/{name}",
                **{key: value for key, value in (tags or {}).items() if value},
            }
            texts[one] = append_service(texts[one], service_text(catalogs[one], name, own, parts))
        reasons += check(project, texts, chosen)
    if reasons:
        raise ScaffoldError(reasons)
    files = Files(project, {catalog_path(project, one): texts[one] for one in chosen})
    if env != "all":
        files.notes.append("the services are meant to be the same in every environment; this one is not")
    return files


# ---------------------------------------------------------------------------------------------------------- environment


def example_account(taken: Sequence[str]) -> str:
    """An account id of the kind that AWS uses in its documentation, which is nobody's."""
    return next(str(digit) * 12 for digit in range(2, 10) if str(digit) * 12 not in taken)


def free_range(catalogs: Mapping[str, Mapping[str, Any]]) -> str:
    """The first 10.N0.0.0/16 that overlaps no environment's range."""
    taken = [ipaddress.IPv4Network(str(catalog["network"]["vpc_cidr"])) for catalog in catalogs.values()]
    candidates = (ipaddress.IPv4Network(f"10.{number}.0.0/16") for number in (*range(50, 250, 10), *range(1, 250)))
    return str(next(network for network in candidates if not any(network.overlaps(other) for other in taken)))


def _set(text: str, key: str, value: str) -> str:
    """The text with another value of a key that is there once; comments behind it were about the old value."""
    changed, count = re.subn(rf"(?m)^(\s*{key}:[ \t]*).*$", rf"\g<1>{value}", text, count=1)
    if not count:
        raise ScaffoldError([f"the source catalog has no line {key}:"])
    return changed


def new_environment(project: Path, name: str, source: str = "dev", account: str = "") -> Files:
    """An environment with the sizes of another: inventory, catalog, variables and backend."""
    known = environments(project)
    rule = SCHEMA.fields["environment"].type
    reasons = _fault(rule, name, "the environment name") if isinstance(rule, Text) else []
    if source not in known or source == "local":
        cloud = ", ".join(env for env in known if env != "local")
        reasons.append(f"there is no environment {source} in the cloud to copy; there are: {cloud}")
    folders = [project / "inventories" / name, project / "terraform" / "environments" / name]
    reasons += [f"{path.relative_to(project)} is there already" for path in folders if name and path.exists()]
    catalogs = {env: load(project, env) for env in known}
    owners: dict[str, str] = {}
    for env, catalog in catalogs.items():
        owners.setdefault(str(catalog["account_id"]), env)
    if account and not re.fullmatch(r"[0-9]{12}", account):
        reasons.append(f"the account {json.dumps(account)} is not allowed; use 12 digits")
    if account in owners:
        reasons.append(f"account {account} is {owners[account]}'s; an environment has an account of its own")
    if reasons:
        raise ScaffoldError(reasons)

    files = Files(project)
    chosen = account or example_account(list(owners))
    text = catalog_path(project, source).read_text(encoding="utf-8")
    head = f"---\n# {name.capitalize()}: in the sizes of {source}.\n"
    # The comment at the head of a catalog says what its environment is for.
    body = re.sub(r"\A(?:---\n)?(?:#.*\n)*", "", text)
    text = (
        head
        + "# Every key, its meaning and its limits: docs/catalog.md. Terraform and Ansible both read this file.\n"
        + body
    )
    for key, value in (("environment", name), ("account_id", f'"{chosen}"'), ("vpc_cidr", free_range(catalogs))):
        text = _set(text, key, value)
    texts = {env: catalog_path(project, env).read_text(encoding="utf-8") for env in known} | {name: text}
    problems = check(project, texts, [name])
    if problems:
        raise ScaffoldError(problems)
    # The name as a word, but no device path like /dev/sdf.
    word = re.compile(rf"(?<![\"'\s]/)\b{re.escape(source)}\b")
    for folder in ("inventories", "terraform/environments"):
        for path in sorted((project / folder / source).rglob("*")):
            if path.is_file():
                target = project / folder / name / path.relative_to(project / folder / source)
                files.texts[target] = word.sub(name, path.read_text(encoding="utf-8"))
    files.texts[catalog_path(project, name)] = text
    if not account:
        files.notes.append(
            f"account {chosen} is an example: write the environment's own into its catalog.yml before a first run"
        )
    files.notes.append(f"make the GitHub environment {name} with its approvals (docs/delivery.md)")
    return files


# ----------------------------------------------------------------------------------------------------------- entry point


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="make", description="New services and environments")
    kinds = made.add_subparsers(dest="kind", required=True)
    service = kinds.add_parser("service")
    service.add_argument("name", nargs="?", default="")
    service.add_argument("--env", default="all", help="environments with commas between")
    service.add_argument("--with", dest="parts", default=",".join(DEFAULT_PARTS), help=f"parts: {', '.join(PARTS)}")
    for tag in TAGS:
        service.add_argument(f"--{tag.replace('_', '-')}", default="")
    environment = kinds.add_parser("environment")
    environment.add_argument("name", nargs="?", default="")
    environment.add_argument("--source", default="dev", help="environment whose sizes it gets")
    environment.add_argument("--account", default="", help="AWS account id")
    return made


def main(arguments: Sequence[str], project: Path = PROJECT) -> int:
    given = parser().parse_args(arguments)
    try:
        if given.kind == "service":
            tags = {tag: getattr(given, tag) for tag in TAGS}
            parts = [part for part in given.parts.split(",") if part]
            files = new_service(project, given.name, given.env, tags, parts)
        else:
            files = new_environment(project, given.name, given.source, given.account)
    except ScaffoldError as error:
        print(error, file=sys.stderr)
        return 1
    written = files.write()
    target = project / "atlantis.yaml"
    text = atlantis.render(project)
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
        written.append("atlantis.yaml")
    print("\n".join([*(f"wrote {name}" for name in written), *(f"note: {note}" for note in files.notes)]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
