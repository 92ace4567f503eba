"""AWS Secrets Manager in bulk: the secrets that should exist, each a JSON object, made once and never re-made.

The plan is made by pure functions (`plan_secret`), so that check mode and a real run cannot disagree.
Values never appear in a diff, in an error or in `repr`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .aws_client import AwsError, Refusal, chunks, error_code, explain, open_client, side_by_side

#: BatchGetSecretValue takes at most this many ids.
BATCH = 20
#: Limits of Secrets Manager: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
MAX_VALUE_BYTES = 65536
MAX_NAME = 512
#: GetRandomPassword's own upper limit.
MAX_PASSWORD = 4096
#: Fewer than this cannot hold the strength that the estate promises (20 of 62 characters is about 119 bits).
MIN_PASSWORD = 20

#: Days for which a deletion can be taken back.
MIN_RECOVERY, MAX_RECOVERY = 7, 30

NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+=.@-")

Value = dict[str, Any]


class SecretsError(Exception):
    """The wish is wrong or the secret cannot be used. The text names secrets and keys, never values."""


@dataclass(frozen=True)
class SecretSpec:
    """A secret that should exist."""

    name: str
    value: Value = field(repr=False)
    generate: tuple[str, ...] = ()
    #: Set when the key is absent, left alone afterwards: what a rotation changes.
    defaults: Value = field(default_factory=dict, repr=False)
    password_length: int = 32
    description: str | None = None
    kms_key_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A secret as Secrets Manager has it."""

    name: str
    arn: str
    value: Value = field(repr=False)
    description: str = ""
    kms_key_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(frozen=True)
class Plan:
    """What one secret needs. Empty fields mean: leave it."""

    spec: SecretSpec
    found: Found | None
    set_keys: tuple[str, ...] = ()
    generate: tuple[str, ...] = ()
    description: str | None = None
    kms_key_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def create(self) -> bool:
        return self.found is None

    @property
    def restore(self) -> bool:
        return self.found is not None and self.found.deleted

    @property
    def changed(self) -> bool:
        return bool(
            self.create
            or self.restore
            or self.set_keys
            or self.generate
            or self.tags
            or self.description is not None
            or self.kms_key_id is not None
        )


def parse_specs(wishes: Sequence[Mapping[str, Any]], common_tags: Mapping[str, Any] | None = None) -> list[SecretSpec]:
    """Specs from the module's options; every fault of every wish in one error."""
    faults: list[str] = []
    specs: list[SecretSpec] = []
    seen: set[str] = set()
    for index, wish in enumerate(wishes):
        name = str(wish.get("name") or "")
        where = f"secrets[{index}] ({name or 'no name'})"
        value = wish.get("value") or {}
        generate = tuple(str(key) for key in wish.get("generate") or ())
        length = int(wish.get("password_length") or 32)
        if not name or len(name) > MAX_NAME or set(name) - NAME_CHARACTERS:
            faults.append(f"{where}: a name is 1-{MAX_NAME} characters of A-Z a-z 0-9 / _ + = . @ -")
        if name in seen:
            faults.append(f"{where}: named twice")
        seen.add(name)
        if not isinstance(value, Mapping):
            faults.append(f"{where}: value must be a dictionary of keys and values")
            value = {}
        defaults = wish.get("defaults") or {}
        both = sorted((set(generate) | set(defaults)) & {str(key) for key in value} | set(generate) & set(defaults))
        if both:
            faults.append(
                f"{where}: {', '.join(both)} is in two of value, generate and defaults; it can be in only one of them"
            )
        if not value and not generate:
            faults.append(f"{where}: neither value nor generate is given; an empty secret has no use")
        if not MIN_PASSWORD <= length <= MAX_PASSWORD:
            faults.append(f"{where}: password_length must be {MIN_PASSWORD}-{MAX_PASSWORD}, not {length}")
        tags = {str(key): str(text) for key, text in {**(common_tags or {}), **(wish.get("tags") or {})}.items()}
        specs.append(
            SecretSpec(
                name=name,
                value={str(key): item for key, item in value.items()},
                generate=generate,
                defaults={str(key): item for key, item in defaults.items()},
                password_length=length,
                description=wish.get("description"),
                kms_key_id=wish.get("kms_key_id") or None,
                tags=tags,
            )
        )
    if faults:
        raise SecretsError("the wanted secrets are not valid:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return specs


def plan_secret(spec: SecretSpec, found: Found | None) -> Plan:
    """The difference between a wish and what is there. A key that generate names is made only when it is absent."""
    if found is None:
        return Plan(
            spec=spec,
            found=None,
            set_keys=tuple(sorted({**spec.defaults, **spec.value})),
            generate=spec.generate,
            description=spec.description or None,
            kms_key_id=spec.kms_key_id,
            tags=spec.tags,
        )
    return Plan(
        spec=spec,
        found=found,
        set_keys=tuple(
            sorted(
                [key for key, item in spec.value.items() if not _same(found.value, key, item)]
                + [key for key in spec.defaults if key not in found.value]
            )
        ),
        generate=tuple(key for key in spec.generate if not found.value.get(key)),
        description=spec.description if spec.description not in (None, found.description) else None,
        kms_key_id=spec.kms_key_id if spec.kms_key_id and not same_key(spec.kms_key_id, found.kms_key_id) else None,
        tags={key: text for key, text in spec.tags.items() if found.tags.get(key) != text},
    )


def _same(value: Mapping[str, Any], key: str, wanted: Any) -> bool:
    # JSON types count: an application that reads a port as a number must not suddenly read text.
    return key in value and type(value[key]) is type(wanted) and value[key] == wanted


def same_key(wanted: str, present: str) -> bool:
    """Whether two KMS key ids name the same key; either may be an ARN and the other the bare id or alias."""
    if not present:
        return False
    return wanted == present or wanted.endswith(f":key/{present}") or present.endswith(f":key/{wanted}")


def describe(plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Before and after of one secret for Ansible's diff: names, key names, tags; never a value of the secret."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    found = plan.found
    if found is None:
        before["state"], after["state"] = "missing", "exists"
    elif plan.restore:
        before["state"], after["state"] = "scheduled for deletion", "exists"
    for key in plan.set_keys:
        present = found is not None and key in found.value
        before.setdefault("keys", {})[key] = "another value" if present else "missing"
        after.setdefault("keys", {})[key] = "value as given"
    for key in plan.generate:
        before.setdefault("keys", {})[key] = "missing"
        after.setdefault("keys", {})[key] = "generated"
    if plan.description is not None:
        before["description"] = found.description if found else ""
        after["description"] = plan.description
    if plan.kms_key_id is not None:
        before["kms_key_id"] = found.kms_key_id if found else ""
        after["kms_key_id"] = plan.kms_key_id
    if plan.tags:
        before["tags"] = {key: found.tags[key] for key in plan.tags if found and key in found.tags}
        after["tags"] = dict(plan.tags)
    return before, after


class SecretStore:
    """Secrets Manager, asked in bulk."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def describe(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Metadata of the secrets that exist. DescribeSecret, because ListSecrets may be minutes behind."""

        def one(name: str) -> dict[str, Any] | None:
            try:
                answer: dict[str, Any] = self._client.describe_secret(SecretId=name)
                return answer
            except Exception as error:
                if error_code(error) == "ResourceNotFoundException":
                    return None
                raise AwsError(explain(error, f"reading the description of secret {name}")) from error

        answers = side_by_side(one, list(names))
        return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}

    def values(self, ids: Sequence[str]) -> dict[str, tuple[str, str, Value]]:
        """{id as asked: (name, arn, value)} of the secrets that have a value; absent ones are left out."""
        result: dict[str, tuple[str, str, Value]] = {}
        for some in chunks(dict.fromkeys(ids), BATCH):
            try:
                answer = self._client.batch_get_secret_value(SecretIdList=some)
            except Exception as error:
                # A secret without any version may fail the whole batch instead of being one of its errors.
                if error_code(error) == "ResourceNotFoundException":
                    for single in some if len(some) > 1 else []:
                        result.update(self.values([single]))
                    continue
                raise AwsError(explain(error, f"reading secrets {', '.join(some)}")) from error
            for fault in answer.get("Errors", []):
                self._judge(fault)
            for entry in answer.get("SecretValues", []):
                name, arn = str(entry["Name"]), str(entry["ARN"])
                value = parse_value(name, entry)
                for asked in some:
                    # An id may be the name, the ARN, or the ARN without its random suffix.
                    if asked in (name, arn) or (asked.startswith("arn:") and arn.startswith(f"{asked}-")):
                        result[asked] = (name, arn, value)
        return result

    @staticmethod
    def _judge(fault: Mapping[str, Any]) -> None:
        code, message = str(fault.get("ErrorCode", "")), str(fault.get("Message", ""))
        # Neither is a failure here: a secret that is absent or scheduled for deletion simply has no value to read.
        if code in {"ResourceNotFoundException", "InvalidRequestException"}:
            return
        raise AwsError(explain(Refusal(code, message), f"reading secret {fault.get('SecretId')}"))

    def find(self, names: Sequence[str]) -> dict[str, Found]:
        """The secrets of these names, with metadata and value."""
        metadata = self.describe(names)
        alive = [name for name, about in metadata.items() if not about.get("DeletedDate")]
        values = self.values(alive) if alive else {}
        return {
            name: Found(
                name=name,
                arn=str(about["ARN"]),
                value=values[name][2] if name in values else {},
                description=str(about.get("Description") or ""),
                kms_key_id=str(about.get("KmsKeyId") or ""),
                tags={str(tag["Key"]): str(tag["Value"]) for tag in about.get("Tags") or []},
                deleted=bool(about.get("DeletedDate")),
            )
            for name, about in metadata.items()
        }

    def restore(self, found: Found) -> Found:
        """Takes back a scheduled deletion; the value is as it was."""
        try:
            self._client.restore_secret(SecretId=found.arn)
        except Exception as error:
            raise AwsError(explain(error, f"restoring secret {found.name} from its scheduled deletion")) from error
        return self.find([found.name])[found.name]

    def password(self, name: str, length: int) -> str:
        """A password of letters and digits only, safe in a URL, a shell and every client's option file."""
        try:
            answer = self._client.get_random_password(
                PasswordLength=length, ExcludePunctuation=True, IncludeSpace=False, RequireEachIncludedType=True
            )
        except Exception as error:
            raise AwsError(explain(error, f"generating a password for secret {name}")) from error
        return str(answer["RandomPassword"])

    def apply(self, plan: Plan) -> tuple[str, Value]:
        """Carries out one plan; returns the secret's ARN and value."""
        spec = plan.spec
        if plan.restore and plan.found is not None:
            # Only now can the value be read, so only now is it known what else it needs.
            return self.apply(plan_secret(spec, self.restore(plan.found)))
        found = plan.found
        value: Value = dict(found.value) if found else {}
        value.update({key: {**spec.defaults, **spec.value}[key] for key in plan.set_keys})
        value.update({key: self.password(spec.name, spec.password_length) for key in plan.generate})
        text = json.dumps(value, ensure_ascii=False)
        if len(text.encode()) > MAX_VALUE_BYTES:
            raise SecretsError(f"secret {spec.name}: the value is over the {MAX_VALUE_BYTES} bytes a secret can hold")
        try:
            if found is None:
                return self._create(spec, text), value
            if plan.description is not None or plan.kms_key_id is not None:
                self._client.update_secret(SecretId=found.arn, **_metadata(plan.description, plan.kms_key_id))
            if plan.set_keys or plan.generate:
                self._client.put_secret_value(SecretId=found.arn, SecretString=text)
            if plan.tags:
                self._client.tag_resource(SecretId=found.arn, Tags=_tag_list(plan.tags))
        except AwsError:
            raise
        except Exception as error:
            doing = "creating" if found is None else "updating"
            raise AwsError(explain(error, f"{doing} secret {spec.name}")) from error
        return found.arn, value

    def remove(self, name: str, recovery_days: int) -> None:
        """Schedules a deletion; until it is due the secret can be restored as it was."""
        try:
            self._client.delete_secret(SecretId=name, RecoveryWindowInDays=recovery_days)
        except Exception as error:
            raise AwsError(explain(error, f"scheduling the deletion of secret {name}")) from error

    def _create(self, spec: SecretSpec, text: str) -> str:
        answer = self._client.create_secret(
            Name=spec.name,
            SecretString=text,
            Tags=_tag_list(spec.tags),
            **_metadata(spec.description or None, spec.kms_key_id),
        )
        return str(answer["ARN"])


def _metadata(description: str | None, kms_key_id: str | None) -> dict[str, str]:
    result: dict[str, str] = {}
    if description is not None:
        result["Description"] = description
    if kms_key_id is not None:
        result["KmsKeyId"] = kms_key_id
    return result


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": text} for key, text in tags.items()]


def parse_value(name: str, entry: Mapping[str, Any]) -> Value:
    """The JSON object that a secret holds; anything else is refused, because overwriting it would lose it."""
    text = entry.get("SecretString")
    remedy = "Remedy: store a JSON object there by hand, or give the secret another name; nothing was overwritten."
    if text is None:
        raise SecretsError(f"secret {name} holds binary data, not a JSON object. {remedy}")
    try:
        value = json.loads(text)
    except ValueError:
        # The parser's own message would quote the value.
        raise SecretsError(f"secret {name} holds text that is not JSON. {remedy}") from None
    if not isinstance(value, dict):
        raise SecretsError(f"secret {name} holds JSON that is not an object. {remedy}")
    return value


def ensure(
    wishes: Sequence[Mapping[str, Any]],
    *,
    read: Sequence[str] = (),
    absent: Sequence[str] = (),
    recovery_days: int = MAX_RECOVERY,
    tags: Mapping[str, Any] | None = None,
    require_read: bool = True,
    return_values: bool = True,
    check: bool = False,
    region: str | None = None,
    client: Any = None,
) -> dict[str, Any]:
    """Everything the module does; the result is the module's result."""
    specs = parse_specs(wishes, tags)
    both = sorted(set(absent) & {*read, *(spec.name for spec in specs)})
    if both:
        raise SecretsError(f"{', '.join(both)} is to be absent and to be made or read; it can be one only")
    if not MIN_RECOVERY <= recovery_days <= MAX_RECOVERY:
        raise SecretsError(f"recovery_days must be {MIN_RECOVERY}-{MAX_RECOVERY}, not {recovery_days}")
    store = SecretStore(client if client is not None else open_client("secretsmanager", region))
    found = store.find([spec.name for spec in specs]) if specs else {}
    plans = [plan_secret(spec, found.get(spec.name)) for spec in specs]
    read_values = store.values(read) if read else {}
    missing = [asked for asked in dict.fromkeys(read) if asked not in read_values]
    if missing and require_read:
        raise SecretsError(
            f"no readable secret: {', '.join(missing)}. It does not exist in this account and region, has no value "
            "yet, or is scheduled for deletion. Remedy: run the step that makes it first (Terraform for masters)."
        )
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for plan in plans:
        if plan.changed:
            before[plan.spec.name], after[plan.spec.name] = describe(plan)
    removed = sorted(name for name, about in store.describe(absent).items() if not about.get("DeletedDate"))
    for name in removed:
        before[name], after[name] = {"state": "exists"}, {"state": f"scheduled for deletion in {recovery_days} days"}
        if not check:
            store.remove(name, recovery_days)
    arns: dict[str, str] = {}
    values: dict[str, Value] = {}
    pending: list[str] = []
    for plan in plans:
        name = plan.spec.name
        if plan.changed and not check:
            arns[name], values[name] = store.apply(plan)
            continue
        known = {**plan.spec.defaults, **(plan.found.value if plan.found else {})}
        known.update(plan.spec.value)
        values[name] = known
        if plan.found:
            arns[name] = plan.found.arn
        if plan.create or plan.restore or plan.generate:
            pending.append(name)
    for asked, (_, arn, value) in read_values.items():
        arns[asked] = arn
        values[asked] = value
    result: dict[str, Any] = {
        "changed": any(plan.changed for plan in plans) or bool(removed),
        "created": [plan.spec.name for plan in plans if plan.create],
        "updated": [plan.spec.name for plan in plans if plan.changed and not plan.create],
        "removed": removed,
        "restored": [plan.spec.name for plan in plans if plan.restore],
        "pending": pending,
        "missing": missing,
        "arns": arns,
        "diff": {"before": before, "after": after},
    }
    if return_values:
        result["values"] = values
    return result
