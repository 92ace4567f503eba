"""States and their locks, for a person in an emergency: who holds a lock, which versions there are, break, restore.

Talks to S3 and DynamoDB itself: a break-glass operation must work when `terraform init` does not, and on a state that
Terraform cannot read any more.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import re
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from ..account import Identity, check_account, open_session_client
from ..aws_client import AwsError, error_code, explain
from . import locks
from .backend import NOT_THERE, Names
from .cli import TerraformError, recorded_process
from .graph import BOOTSTRAP

T = TypeVar("T")

#: Minutes within which a lock counts as fresh: longer than any job of the workflows may run.
FRESH_MINUTES = 90
#: Characters of an id that a confirmation must have at least.
PREFIX = 8
#: What a lock that is already there answers to a conditional write.
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "ConditionalCheckFailedException", "412", "409"})

Document = dict[str, Any]


def key_of(component: str) -> str:
    return f"components/{component}/terraform.tfstate"


def run_key_of(component: str) -> str:
    return f"components/{component}/run.json"


# ----------------------------------------------------------------------------------------------------------- which run


def ci_run(environment: Mapping[str, str]) -> dict[str, str]:
    """The CI run that this process belongs to; {} outside of CI. Terraform's own lock info names only user and host."""
    if environment.get("GITHUB_RUN_ID"):
        server = environment.get("GITHUB_SERVER_URL", "https://github.com")
        repository, run = environment.get("GITHUB_REPOSITORY", ""), environment["GITHUB_RUN_ID"]
        attempt = environment.get("GITHUB_RUN_ATTEMPT", "1")
        return {
            "run": f"GitHub Actions {run}, attempt {attempt}, started by {environment.get('GITHUB_ACTOR', '?')}",
            "url": f"{server}/{repository}/actions/runs/{run}",
        }
    if environment.get("ATLANTIS_TERRAFORM_VERSION") or environment.get("PULL_NUM"):
        pull = f"{environment.get('BASE_REPO_OWNER', '?')}/{environment.get('BASE_REPO_NAME', '?')}#{environment.get('PULL_NUM', '?')}"
        return {"run": f"Atlantis {pull}, started by {environment.get('USER_NAME', '?')}", "url": ""}
    if environment.get("AWX_JOB_ID") or environment.get("JOB_ID"):
        return {"run": f"AWX job {environment.get('AWX_JOB_ID') or environment['JOB_ID']}", "url": ""}
    return {}


def run_record(environment: Mapping[str, str]) -> Document | None:
    """What a CI run leaves beside a state before it takes the lock, so that the lock can be traced to it."""
    found = ci_run(environment)
    if not found:
        return None
    return {**found, "host": socket.gethostname(), "started": datetime.now(UTC).isoformat(timespec="seconds")}


# --------------------------------------------------------------------------------------------------------------- locks


@dataclass(frozen=True)
class Held:
    """A lock that is held, in the lock file, in the lock table or in both."""

    component: str
    id: str
    operation: str
    who: str
    created: str
    version: str
    where: tuple[str, ...]
    minutes: float
    #: The run that took it, when that can be told.
    run: str
    url: str
    fresh: bool
    #: Why it is fresh or stale.
    reason: str

    @property
    def word(self) -> str:
        """Beginning of the confirmation: `<env>-` comes before it."""
        return f"{self.component}-{self.id[:PREFIX]}"

    def describe(self) -> str:
        run = f", run {self.run}" + (f" ({self.url})" if self.url else "") if self.run else ""
        return (
            f"{self.component}: {'fresh' if self.fresh else 'stale'}: {self.who} since {self.created} "
            f"({age_words(self.minutes)}), {self.operation}{run}, in the {' and the '.join(self.where)}, "
            f"lock id {self.id}: {self.reason}"
        )

    def report(self) -> Document:
        return {
            "component": self.component,
            "id": self.id,
            "operation": self.operation,
            "who": self.who,
            "since": self.created,
            "minutes": round(self.minutes, 1),
            "where": list(self.where),
            "run": self.run,
            "url": self.url,
            "fresh": self.fresh,
            "reason": self.reason,
            "terraform": self.version,
        }


def age_words(minutes: float) -> str:
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} d"


def parse_time(text: str) -> datetime | None:
    """The time of a lock info, RFC 3339 or as Go prints it, with up to nine digits of a second."""
    found = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)", text)
    return datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00") if found else None


@dataclass(frozen=True)
class _Entry:
    """One place where a lock was found; `token` makes sure that exactly this one is removed."""

    where: str
    info: Document
    token: str
    modified: datetime | None
    now: datetime


def _info(text: str, fallback: str) -> Document:
    """Lock info as data. A damaged one is a lock too: it gets an id of its own."""
    try:
        info = json.loads(text)
    except ValueError:
        info = None
    if not isinstance(info, dict) or not info.get("ID"):
        return {"ID": f"unreadable-{fallback}", "Operation": "unknown operation", "Who": "unknown", "Created": ""}
    return info


# -------------------------------------------------------------------------------------------------------------- states


@dataclass(frozen=True)
class Version:
    """One version of a state that the bucket keeps."""

    id: str
    time: str
    current: bool
    size: int
    serial: int | None
    lineage: str
    resources: int
    terraform: str
    #: "" or why it cannot be restored.
    fault: str = ""

    def describe(self) -> str:
        if self.fault:
            return f"{self.id}  {self.time}  {self.fault}"
        mark = "  current" if self.current else ""
        return (
            f"{self.id}  {self.time}  serial {self.serial}  {self.resources} resources  {self.size} bytes  "
            f"terraform {self.terraform}{mark}"
        )

    def report(self) -> Document:
        return {
            "version": self.id,
            "time": self.time,
            "current": self.current,
            "size": self.size,
            "serial": self.serial,
            "lineage": self.lineage,
            "resources": self.resources,
            "terraform": self.terraform,
            "fault": self.fault,
        }


def parse_state(body: bytes) -> Document:
    """A state as data, or ValueError with what is wrong with it."""
    state = json.loads(body)
    if not isinstance(state, dict) or state.get("version") != 4:
        raise ValueError("it is no state of format 4")
    if not isinstance(state.get("serial"), int) or not state.get("lineage"):
        raise ValueError("it has no serial or lineage")
    if not isinstance(state.get("resources"), list):
        raise ValueError("it has no list of resources")
    return state


def instances(state: Document | None) -> dict[str, Any]:
    """Attributes of every managed resource instance by address."""
    found: dict[str, Any] = {}
    for resource in (state or {}).get("resources", []):
        if resource.get("mode") != "managed":
            continue
        module = f"{resource['module']}." if resource.get("module") else ""
        for instance in resource.get("instances", []):
            index = instance.get("index_key")
            suffix = "" if index is None else f"[{json.dumps(index)}]"
            deposed = f" (deposed {instance['deposed']})" if instance.get("deposed") else ""
            address = f"{module}{resource['type']}.{resource['name']}{suffix}{deposed}"
            found[address] = instance.get("attributes") or instance.get("attributes_flat") or {}
    return found


def difference(before: Document | None, after: Document) -> list[str]:
    """What a restore would change, one line per resource and output: names of attributes, never values."""
    old, new = instances(before), instances(after)
    lines = []
    for address in sorted({*old, *new}):
        if address not in old:
            lines.append(f"+ {address}")
        elif address not in new:
            lines.append(f"- {address}")
        elif old[address] != new[address]:
            names = sorted(
                name for name in {*old[address], *new[address]} if old[address].get(name) != new[address].get(name)
            )
            lines.append(f"~ {address} ({', '.join(names)})")
    was, will = (before or {}).get("outputs") or {}, after.get("outputs") or {}
    lines += [f"~ output {name}" for name in sorted({*was, *will}) if was.get(name) != will.get(name)]
    return lines


# ---------------------------------------------------------------------------------------------------------- the estate


class States:
    """States and locks of one environment."""

    def __init__(
        self,
        env: str,
        region: str,
        account_id: str,
        aws_environment: Mapping[str, str] | None = None,
        *,
        work_dir: Path | None = None,
        fresh_minutes: float = FRESH_MINUTES,
    ) -> None:
        self.env = env
        self.names = Names.of(env, account_id)
        self._environment = dict(aws_environment or {})
        self._work_dir = work_dir
        self._fresh_minutes = fresh_minutes
        self.identity: Identity = check_account(account_id, region, self._environment, env)
        self._s3 = open_session_client("s3", region, self._environment)
        self._dynamodb = open_session_client("dynamodb", region, self._environment)

    def bucket_of(self, component: str) -> str:
        return self.names.bootstrap_bucket if component == BOOTSTRAP else self.names.state_bucket

    def _ask(self, doing: str, call: Callable[[], T], absent: T) -> T:
        """The answer of AWS, or `absent` when the thing is not there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            if error_code(error) in NOT_THERE or error_code(error) == "NoSuchKey":
                return absent
            raise AwsError(explain(error, doing)) from error

    # ----------------------------------------------------------------------------------------------------------- locks

    def locks(self, components: Sequence[str]) -> list[Held]:
        return [held for component in components for held in self._locks_of(component)]

    def _locks_of(self, component: str) -> list[Held]:
        entries = [entry for entry in (self._file_entry(component), self._table_entry(component)) if entry]
        grouped: dict[str, list[_Entry]] = {}
        for entry in entries:
            grouped.setdefault(str(entry.info["ID"]), []).append(entry)
        return [self._held(component, group) for group in grouped.values()]

    def _file_entry(self, component: str) -> _Entry | None:
        bucket, key = self.bucket_of(component), f"{key_of(component)}.tflock"
        answer = self._ask(
            f"reading the lock s3://{bucket}/{key}", lambda: self._s3.get_object(Bucket=bucket, Key=key), None
        )
        if answer is None:
            return None
        tag = str(answer["ETag"])
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        # S3's own clock for both times: the holder's and this machine's may differ.
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        info = _info(answer["Body"].read().decode("utf-8", "replace"), tag.strip('"')[:12])
        return _Entry("lock file", info, tag, answer["LastModified"], now)

    def _table_entry(self, component: str) -> _Entry | None:
        item = self._item(f"{self.bucket_of(component)}/{key_of(component)}")
        text = item.get("Info", {}).get("S")
        if text is None:
            return None
        fallback = hashlib.sha256(text.encode()).hexdigest()[:12]
        return _Entry("lock table", _info(text, fallback), text, None, datetime.now(UTC))

    def _item(self, lock_id: str) -> Document:
        table = self.names.lock_table
        answer: Document = self._ask(
            f"reading the lock table {table}",
            lambda: dict(self._dynamodb.get_item(TableName=table, Key={"LockID": {"S": lock_id}}, ConsistentRead=True)),
            {},
        )
        return dict(answer.get("Item", {}))

    def _held(self, component: str, entries: list[_Entry]) -> Held:
        info = entries[0].info
        created = parse_time(str(info.get("Created", "")))
        # The youngest that any clock says: a wrong clock must not make a working run look dead.
        ages = [
            (entry.now - since).total_seconds() / 60
            for entry in entries
            for since in (entry.modified, created)
            if since
        ]
        minutes = max(0.0, min(ages, default=0.0))
        who = str(info.get("Who", "") or "unknown")
        run = self._run_of(component, who, created)
        fresh, reason = self._freshness(component, info, who, minutes, bool(ages))
        return Held(
            component=component,
            id=str(info["ID"]),
            operation=str(info.get("Operation", "") or "unknown operation"),
            who=who,
            created=created.strftime("%Y-%m-%d %H:%M:%S UTC") if created else "an unknown time",
            version=str(info.get("Version", "")),
            where=tuple(entry.where for entry in entries),
            minutes=minutes,
            run=run.get("run", "") or str(info.get("Info", "") or ""),
            url=run.get("url", ""),
            fresh=fresh,
            reason=reason,
        )

    def _run_of(self, component: str, who: str, created: datetime | None) -> Document:
        """The CI run that wrote its name beside the state before it took this lock, on the holder's host."""
        bucket = self.bucket_of(component)
        try:
            record = json.loads(self._read(bucket, run_key_of(component)))
            started = parse_time(record["started"])
            if created and started and started <= created and who.endswith(f"@{record['host']}"):
                return dict(record)
        except (ValueError, KeyError, TypeError):
            pass
        return {}

    def _freshness(self, component: str, info: Document, who: str, minutes: float, dated: bool) -> tuple[bool, str]:
        here = who.endswith(f"@{socket.gethostname()}")
        earlier = recorded_process(self._work_dir / component / "process.json") if self._work_dir else None
        if here and earlier is not None and earlier.alive:
            return True, f"its terraform works on this machine (pid {earlier.pid})"
        lock = locks.Lock(
            str(info["ID"]), who, str(info.get("Operation", "")), str(info.get("Created", "")).replace("T", " ")
        )
        if locks.left_by_dead_run(lock, earlier):
            return False, "its terraform was started on this machine and is dead"
        if not dated:
            return False, "it does not say since when it is held"
        if minutes < self._fresh_minutes:
            return True, f"younger than {self._fresh_minutes:.0f} minutes: its run may be alive"
        return False, f"older than {self._fresh_minutes:.0f} minutes, longer than any run may take"

    def unlock(self, components: Sequence[str], confirm: str, check: bool = False) -> tuple[list[Held], list[Held]]:
        """Break the locks that `confirm` names, all others stay. Returns (all that were held, the broken ones).

        Nothing is broken when one of the named locks is fresh or is not there.
        """
        held = self.locks(components)
        words = [word for word in re.split(r"[\s,]+", confirm) if word]
        chosen: list[Held] = []
        faults: list[str] = []
        for word in words:
            matches = [lock for lock in held if self._names_lock(word, lock)]
            if not matches:
                faults.append(
                    f"no lock is named {word}: write {self.env}-<component>-<lock id, {PREFIX} characters of it at least>"
                )
            chosen += [lock for lock in matches if lock not in chosen]
        faults += [f"refused, it is fresh: {lock.describe()}" for lock in chosen if lock.fresh]
        if faults:
            remedy = "Remedy: wait until that run has ended, or stop it (its URL or host is in the line)."
            raise TerraformError("no lock was broken:\n" + "\n".join(faults) + f"\n{remedy}")
        if not check:
            for lock in chosen:
                self._break(lock)
        return held, chosen

    def _names_lock(self, word: str, lock: Held) -> bool:
        start = f"{self.env}-{lock.component}-"
        given = word.removeprefix(start)
        return word.startswith(start) and len(given) >= PREFIX and lock.id.startswith(given)

    def _break(self, lock: Held) -> None:
        """Remove exactly this lock: one that was taken in the meantime stays."""
        from botocore.exceptions import BotoCoreError, ClientError

        component = lock.component
        bucket, key = self.bucket_of(component), f"{key_of(component)}.tflock"
        file, item = self._file_entry(component), self._table_entry(component)
        removed = []
        try:
            if item is not None and item.info["ID"] == lock.id:
                self._dynamodb.delete_item(
                    TableName=self.names.lock_table,
                    Key={"LockID": {"S": f"{bucket}/{key_of(component)}"}},
                    ConditionExpression="Info = :info",
                    ExpressionAttributeValues={":info": {"S": item.token}},
                )
                removed.append(item.where)
            if file is not None and file.info["ID"] == lock.id:
                self._s3.delete_object(Bucket=bucket, Key=key, IfMatch=file.token)
                removed.append(file.where)
        except (BotoCoreError, ClientError) as error:
            if error_code(error) in TAKEN:
                raise TerraformError(
                    f"{component}: the lock changed hands just now; nothing of it was removed"
                ) from error
            raise AwsError(explain(error, f"breaking the lock of {component}")) from error
        self._record(component, "unlock", {"lock": lock.report(), "removed": removed})

    # -------------------------------------------------------------------------------------------------------- versions

    def versions(self, component: str, limit: int = 20) -> list[Version]:
        """The newest versions of a state, newest first."""
        return [self._version(component, entry) for entry in self._entries(component)[:limit]]

    def _entries(self, component: str) -> list[Document]:
        bucket, key = self.bucket_of(component), key_of(component)

        def ask() -> list[Document]:
            found: list[Document] = []
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
                found += [dict(entry) for entry in page.get("Versions", []) if entry["Key"] == key]
                found += [{**entry, "Deleted": True} for entry in page.get("DeleteMarkers", []) if entry["Key"] == key]
            return found

        entries: list[Document] = self._ask(f"listing versions of s3://{bucket}/{key}", ask, [])
        return sorted(entries, key=lambda entry: (bool(entry["IsLatest"]), entry["LastModified"]), reverse=True)

    def _body(self, component: str, version: str) -> bytes:
        return self._read(self.bucket_of(component), key_of(component), VersionId=version)

    def _read(self, bucket: str, key: str, **version: str) -> bytes:
        """An object's content; empty when it is not there."""
        answer = self._ask(
            f"reading s3://{bucket}/{key}", lambda: self._s3.get_object(Bucket=bucket, Key=key, **version), None
        )
        return bytes(answer["Body"].read()) if answer is not None else b""

    def _version(self, component: str, entry: Document) -> Version:
        values: Document = {
            "id": str(entry["VersionId"]),
            "time": entry["LastModified"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            "current": bool(entry["IsLatest"]),
            "size": int(entry.get("Size", 0)),
            "serial": None,
            "lineage": "",
            "resources": 0,
            "terraform": "",
        }
        if entry.get("Deleted"):
            return Version(**values, fault="the state was deleted")
        try:
            state = parse_state(self._body(component, values["id"]))
        except ValueError as error:
            return Version(**values, fault=f"not readable: {error}")
        values |= {
            "serial": state["serial"],
            "lineage": state["lineage"],
            "resources": len(instances(state)),
            "terraform": str(state.get("terraform_version", "")),
        }
        return Version(**values)

    def restore(self, component: str, version: str, confirm: str, check: bool = False) -> Document:
        """Make an earlier version of a state the current one. `check` shows the difference and needs no confirmation."""
        entry = self._chosen(component, version)
        held = self._locks_of(component)
        if held:
            raise TerraformError(
                "not restored, the state is locked:\n"
                + "\n".join(lock.describe() for lock in held)
                + "\nRemedy: wait until that run has ended; a stale lock: playbooks/breakglass/state_unlock.yml"
            )
        word = f"{self.env}-{component}-{entry['VersionId'][:PREFIX]}"
        if check:
            return self._restore(component, entry, word, write=False)
        given = confirm.removeprefix(f"{self.env}-{component}-")
        if (
            given == confirm
            or len(given) < min(PREFIX, len(entry["VersionId"]))
            or not entry["VersionId"].startswith(given)
        ):
            raise TerraformError(
                f"not restored: confirm it by name, -e confirm={word}. See first what it changes: the same command with --check"
            )
        with self._locked(component):
            return self._restore(component, entry, word, write=True)

    def _chosen(self, component: str, version: str) -> Document:
        entries = [entry for entry in self._entries(component) if not entry.get("Deleted")]
        if not entries:
            raise TerraformError(f"{component}: the bucket {self.bucket_of(component)} has no version of its state")
        matches = [entry for entry in entries if str(entry["VersionId"]) == version]
        if not matches and len(version) >= PREFIX:
            matches = [entry for entry in entries if str(entry["VersionId"]).startswith(version)]
        if len(matches) != 1:
            raise TerraformError(
                f"{component}: {'several versions begin' if matches else 'no version begins'} with {version!r}. "
                "Remedy: take one of the list that this playbook shows without -e version"
            )
        return matches[0]

    def _restore(self, component: str, entry: Document, word: str, write: bool) -> Document:
        version = str(entry["VersionId"])
        try:
            wanted = parse_state(self._body(component, version))
        except ValueError as error:
            raise TerraformError(f"{component}: version {version} cannot be restored: {error}") from error
        latest = next((one for one in self._entries(component) if one["IsLatest"]), None)
        current, damaged = None, ""
        if latest is not None and not latest.get("Deleted"):
            try:
                current = parse_state(self._body(component, str(latest["VersionId"])))
            except ValueError as error:
                damaged = f"the current state is not readable ({error})"
        if current is not None and current["lineage"] != wanted["lineage"]:
            raise TerraformError(
                f"{component}: version {version} is of lineage {wanted['lineage']}, the current state of "
                f"{current['lineage']}: it is the state of something else. Remedy: import by hand what it knows."
            )
        lines = difference(current, wanted)
        highest = max((one.serial for one in self.versions(component) if one.serial is not None), default=0)
        result: Document = {
            "component": component,
            "version": version,
            "version_serial": wanted["serial"],
            "serial_before": current["serial"] if current else None,
            "serial": highest + 1,
            "lineage": wanted["lineage"],
            "difference": lines,
            "current_state": damaged or ("there" if current else "deleted"),
            "changed": bool(lines) or current is None or self._digest_differs(component, latest),
            "confirm": word,
        }
        if result["changed"] and write:
            # Above every serial that any machine has seen: Terraform refuses to go back.
            body = json.dumps({**wanted, "serial": result["serial"]}, indent=2).encode() + b"\n"
            self._put_state(component, body)
            result["record"] = self._record(component, "restore", result)
        return result

    # ----------------------------------------------------------------------------------------------------------- write

    def _digest_id(self, component: str) -> str:
        return f"{self.bucket_of(component)}/{key_of(component)}-md5"

    def _digest_differs(self, component: str, latest: Document | None) -> bool:
        """Whether the lock table expects another content: Terraform refuses to read such a state."""
        digest = self._item(self._digest_id(component)).get("Digest", {}).get("S")
        if digest is None or latest is None or latest.get("Deleted"):
            return False
        body = self._body(component, str(latest["VersionId"]))
        return bool(digest != hashlib.md5(body, usedforsecurity=False).hexdigest())

    def _put_state(self, component: str, body: bytes) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, key = self.bucket_of(component), key_of(component)
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
            if self._item(self._digest_id(component)):
                digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
                self._dynamodb.put_item(
                    TableName=self.names.lock_table,
                    Item={"LockID": {"S": self._digest_id(component)}, "Digest": {"S": digest}},
                )
        except (BotoCoreError, ClientError) as error:
            raise AwsError(explain(error, f"writing the state s3://{bucket}/{key}")) from error

    @contextmanager
    def _locked(self, component: str) -> Iterator[None]:
        """Both locks, as Terraform takes them, so that no run works on the state meanwhile."""
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, key = self.bucket_of(component), key_of(component)
        info = {
            "ID": str(uuid.uuid4()),
            "Operation": "restore of a state version",
            "Info": ci_run(os.environ).get("run", ""),
            "Who": f"{getpass.getuser()}@{socket.gethostname()}",
            "Version": "",
            "Created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Path": f"{bucket}/{key}",
        }
        text = json.dumps(info)
        item = {"LockID": {"S": f"{bucket}/{key}"}}
        with_table = self._ask(
            f"looking for the lock table {self.names.lock_table}",
            lambda: bool(self._dynamodb.describe_table(TableName=self.names.lock_table)),
            False,
        )
        try:
            self._s3.put_object(Bucket=bucket, Key=f"{key}.tflock", Body=text.encode(), IfNoneMatch="*")
            try:
                if with_table:
                    self._dynamodb.put_item(
                        TableName=self.names.lock_table,
                        Item={**item, "Info": {"S": text}},
                        ConditionExpression="attribute_not_exists(LockID)",
                    )
            except (BotoCoreError, ClientError):
                self._s3.delete_object(Bucket=bucket, Key=f"{key}.tflock")
                raise
        except (BotoCoreError, ClientError) as error:
            if error_code(error) in TAKEN:
                raise TerraformError(
                    f"{component}: another run took the lock just now. Remedy: run this again."
                ) from error
            raise AwsError(explain(error, f"locking the state of {component}")) from error
        try:
            yield
        finally:
            if with_table:
                self._dynamodb.delete_item(TableName=self.names.lock_table, Key=item)
            self._s3.delete_object(Bucket=bucket, Key=f"{key}.tflock")

    def _record(self, component: str, operation: str, done: Document) -> str:
        """Write down who did what, beside the states; returns where."""
        from botocore.exceptions import BotoCoreError, ClientError

        now = datetime.now(UTC)
        bucket = self.bucket_of(component)
        key = f"records/{component}/{now.strftime('%Y%m%dT%H%M%S.%fZ')}-{operation}.json"
        record = {
            "operation": operation,
            "environment": self.env,
            "time": now.isoformat(timespec="seconds"),
            "by": self.identity.arn,
            "from": f"{getpass.getuser()}@{socket.gethostname()}",
            "run": ci_run(os.environ).get("url", ""),
            **done,
        }
        try:
            self._s3.put_object(
                Bucket=bucket, Key=key, Body=json.dumps(record, indent=2).encode(), ContentType="application/json"
            )
        except (BotoCoreError, ClientError) as error:
            raise AwsError(
                explain(error, f"writing the record s3://{bucket}/{key}; the {operation} itself is done")
            ) from error
        return f"s3://{bucket}/{key}"


def environments_of(document: Mapping[str, Any]) -> set[str]:
    """The environments whose resources a state has, by the required tag."""
    return {
        instance["attributes"]["tags_all"]["Environment"]
        for resource in document.get("resources", [])
        for instance in resource.get("instances", [])
        if "Environment" in (instance.get("attributes", {}).get("tags_all") or {})
    }
