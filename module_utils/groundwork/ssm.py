"""AWS Systems Manager Parameter Store in bulk: whole trees read at once, wanted parameters written when they differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .aws_client import AwsError, chunks, explain, open_client, side_by_side

#: GetParameters takes at most this many names.
BATCH = 10
#: DescribeParameters filters by at most this many names.
DESCRIBE_BATCH = 50
TYPES = ("String", "StringList", "SecureString")
#: https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
NAME_PATTERN = re.compile(r"/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,14}")
MAX_STANDARD_BYTES = 4096
HIDDEN = "(secret)"


class ParametersError(Exception):
    """The wish is wrong or cannot be carried out. The text names parameters, never a SecureString's value."""


@dataclass(frozen=True)
class Parameter:
    """A parameter that should exist, or one that does."""

    path: str
    value: str = field(repr=False)
    type: str = "String"
    description: str | None = None


def parse_parameters(wishes: Mapping[str, Any]) -> list[Parameter]:
    """Parameters from the module's options; every fault in one error."""
    faults: list[str] = []
    parameters: list[Parameter] = []
    for path, given in wishes.items():
        wish: Mapping[str, Any] = given if isinstance(given, Mapping) else {"value": given}
        kind = str(wish.get("type") or "String")
        raw = wish.get("value")
        value = ",".join(str(item) for item in raw) if isinstance(raw, list) else "" if raw is None else str(raw)
        unknown = sorted(set(wish) - {"value", "type", "description"})
        if unknown:
            faults.append(f"{path}: unknown keys {', '.join(unknown)}; a parameter has value, type, description")
        if not NAME_PATTERN.fullmatch(str(path)):
            faults.append(f"{path}: a path starts with / and has 1-15 levels of A-Z a-z 0-9 _ . -")
        if kind not in TYPES:
            faults.append(f"{path}: type must be one of {', '.join(TYPES)}")
        if not value:
            faults.append(f"{path}: the value is empty; Parameter Store refuses empty values")
        if len(value.encode()) > MAX_STANDARD_BYTES:
            faults.append(f"{path}: the value is larger than the {MAX_STANDARD_BYTES} bytes of a standard parameter")
        description = wish.get("description")
        parameters.append(Parameter(str(path), value, kind, None if description is None else str(description)))
    if faults:
        raise ParametersError("the wanted parameters are not valid:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return parameters


def differs(wanted: Parameter, present: Parameter | None) -> bool:
    """Whether a wanted parameter has to be written."""
    return (
        present is None
        or wanted.value != present.value
        or (wanted.description is not None and wanted.description != (present.description or ""))
    )


class ParameterStore:
    """Parameter Store, asked in bulk."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def tree(self, path: str) -> dict[str, Parameter]:
        """Every parameter below a path."""
        found: dict[str, Parameter] = {}
        try:
            pages = self._client.get_paginator("get_parameters_by_path").paginate(
                Path=path, Recursive=True, WithDecryption=True
            )
            for page in pages:
                for entry in page["Parameters"]:
                    parameter = _parameter(entry)
                    found[parameter.path] = parameter
        except Exception as error:
            raise AwsError(explain(error, f"reading SSM parameters below {path}")) from error
        return found

    def named(self, names: Sequence[str]) -> dict[str, Parameter]:
        """The parameters of these names that exist."""
        found: dict[str, Parameter] = {}
        for some in chunks(names, BATCH):
            try:
                answer = self._client.get_parameters(Names=some, WithDecryption=True)
            except Exception as error:
                raise AwsError(explain(error, f"reading SSM parameters {', '.join(some)}")) from error
            for entry in answer["Parameters"]:
                parameter = _parameter(entry)
                found[parameter.path] = parameter
        return found

    def descriptions(self, names: Sequence[str]) -> dict[str, str]:
        """The descriptions, which no reading call returns."""
        found: dict[str, str] = {}
        for some in chunks(names, DESCRIBE_BATCH):
            try:
                pages = self._client.get_paginator("describe_parameters").paginate(
                    ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": some}]
                )
                for page in pages:
                    for entry in page["Parameters"]:
                        found[str(entry["Name"])] = str(entry.get("Description") or "")
            except Exception as error:
                raise AwsError(explain(error, f"describing SSM parameters {', '.join(some)}")) from error
        return found

    def tags(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """The tags of existing parameters."""

        def one(name: str) -> dict[str, str]:
            try:
                answer = self._client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
            except Exception as error:
                raise AwsError(explain(error, f"reading the tags of SSM parameter {name}")) from error
            return {str(tag["Key"]): str(tag["Value"]) for tag in answer.get("TagList", [])}

        return dict(zip(names, side_by_side(one, list(names)), strict=True))

    def write(self, parameter: Parameter, *, exists: bool, kms_key_id: str | None, tags: Mapping[str, str]) -> None:
        """Makes or overwrites one parameter. Tags cannot be given together with Overwrite, hence two forms."""
        request: dict[str, Any] = {
            "Name": parameter.path,
            "Value": parameter.value,
            "Type": parameter.type,
            "Overwrite": exists,
        }
        if parameter.description is not None:
            request["Description"] = parameter.description
        if parameter.type == "SecureString" and kms_key_id:
            request["KeyId"] = kms_key_id
        if not exists and tags:
            request["Tags"] = _tag_list(tags)
        try:
            self._client.put_parameter(**request)
        except Exception as error:
            raise AwsError(explain(error, f"writing SSM parameter {parameter.path}")) from error

    def remove(self, names: Sequence[str]) -> None:
        """Deletes parameters; DeleteParameters takes as many names as GetParameters."""
        for some in chunks(names, BATCH):
            try:
                self._client.delete_parameters(Names=some)
            except Exception as error:
                raise AwsError(explain(error, f"deleting SSM parameters {', '.join(some)}")) from error

    def tag(self, path: str, tags: Mapping[str, str]) -> None:
        """Sets tags of an existing parameter."""
        try:
            self._client.add_tags_to_resource(ResourceType="Parameter", ResourceId=path, Tags=_tag_list(tags))
        except Exception as error:
            raise AwsError(explain(error, f"tagging SSM parameter {path}")) from error


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    return Parameter(str(entry["Name"]), str(entry["Value"]), str(entry["Type"]))


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": text} for key, text in tags.items()]


def ensure(
    wishes: Mapping[str, Any],
    *,
    read_paths: Sequence[str] = (),
    read_names: Sequence[str] = (),
    require_names: bool = True,
    kms_key_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    absent: Sequence[str] = (),
    check: bool = False,
    region: str | None = None,
    client: Any = None,
) -> dict[str, Any]:
    """Everything the module does; the result is the module's result."""
    wanted = parse_parameters(wishes)
    store = ParameterStore(client if client is not None else open_client("ssm", region))
    names = [parameter.path for parameter in wanted]
    present = store.named(names)
    described = [item.path for item in wanted if item.description is not None and item.path in present]
    for path, text in store.descriptions(described).items():
        present[path] = Parameter(path, present[path].value, present[path].type, text)
    wrong = [item for item in wanted if item.path in present and present[item.path].type != item.type]
    if wrong:
        raise ParametersError(
            "a parameter's type cannot be changed in place: "
            + ", ".join(f"{item.path} is {present[item.path].type}, wanted {item.type}" for item in wrong)
            + ". Remedy: delete it by hand after checking who reads it, then run again."
        )
    common = {str(key): str(text) for key, text in (tags or {}).items()}
    tagged = store.tags([name for name in names if name in present]) if common else {}
    created: list[str] = []
    updated: list[str] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for item in wanted:
        old = present.get(item.path)
        missing_tags = {key: text for key, text in common.items() if tagged.get(item.path, {}).get(key) != text}
        write = differs(item, old)
        if not write and not missing_tags:
            continue
        (updated if old else created).append(item.path)
        if write:
            new_value = old is None or old.value != item.value
            before[item.path] = _shown(old, "another value" if new_value else HIDDEN) if old else "missing"
            after[item.path] = _shown(item, "value as given" if new_value else HIDDEN)
        if missing_tags and old:
            before[f"{item.path} tags"] = {key: text for key, text in tagged[item.path].items() if key in missing_tags}
            after[f"{item.path} tags"] = missing_tags
        if check:
            continue
        if write:
            store.write(item, exists=old is not None, kms_key_id=kms_key_id, tags=common)
        if missing_tags and old:
            store.tag(item.path, missing_tags)
    removed = store.named([name for name in absent if name])
    for path, parameter in removed.items():
        before[path], after[path] = _shown(parameter, HIDDEN), "absent"
    if removed and not check:
        store.remove(list(removed))
    values = {item.path: item.value for item in wanted}
    kinds = {item.path: item.type for item in wanted}
    for path in read_paths:
        for parameter in store.tree(path).values():
            values.setdefault(parameter.path, parameter.value)
            kinds.setdefault(parameter.path, parameter.type)
    direct = store.named(list(read_names))
    missing = [name for name in read_names if name not in direct]
    if missing and require_names:
        raise ParametersError(
            f"no such SSM parameter: {', '.join(missing)}. Remedy: run the Terraform component that exports it "
            "(terraform/contract.yml names the producer), and check the account and the region."
        )
    for parameter in direct.values():
        values[parameter.path] = parameter.value
        kinds[parameter.path] = parameter.type
    return {
        "changed": bool(created or updated or removed),
        "created": created,
        "updated": updated,
        "removed": sorted(removed),
        "missing": missing,
        "values": values,
        "types": kinds,
        "diff": {"before": before, "after": after},
    }


def _shown(parameter: Parameter, hidden: str) -> dict[str, str]:
    shown = {"value": hidden if parameter.type == "SecureString" else parameter.value, "type": parameter.type}
    if parameter.description is not None:
        shown["description"] = parameter.description
    return shown
