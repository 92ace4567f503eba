"""The record of a maintenance operation, kept in S3: who does what to which cluster, and how far it is.

One operation at a time: the open one is named by ``<prefix>/open.json``, written with a conditional put, so that two
operators cannot both open one. A run that was killed goes on with the record it left: what was asked for
(``parameters``) must be the same, what it had worked out (``data``) is handed back to it.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from .aws_client import AwsError, error_code, explain, open_client

T = TypeVar("T")
Document = dict[str, Any]

#: A run on another machine that has said nothing for this long is taken for dead.
SILENT_MINUTES = 30
#: What S3 answers when somebody else was first.
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
#: What shows an open operation and gives it up, by where its record is.
PLAYBOOKS = {
    "records/databases/offboarding": "db_offboard.yml -e do=undo",
    "records/databases/migration": "db_migrate.yml -e do=back",
    "records/databases/instances": "db_restore_instance.yml -e to=<another name>",
    "records/databases": "db_operation.yml",
    "": "kafka_operation.yml",
}
ABSENT = frozenset({"NoSuchKey", "404", "NoSuchBucket"})


class OperationError(Exception):
    """The operation cannot go on; the text says who holds what and how to end it."""


def _process(pid: int) -> tuple[int, str, str]:
    """Parent, start time and command line of a process; zero and empty where /proc does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return int(fields[1]), fields[19], command
    except (OSError, IndexError, ValueError):
        return 0, "", ""


def runner() -> Document:
    """Who runs this: the user, the machine, and the ansible process above this one (0 where it cannot be told)."""
    found, began = 0, ""
    pid = os.getpid()
    while pid > 1:
        parent, started, command = _process(pid)
        if "ansible-playbook" in command or "ansible-runner" in command:
            found, began = pid, started
        pid = parent
    return {"user": getpass.getuser(), "host": socket.gethostname(), "pid": found, "started": began}


def who(holder: Mapping[str, Any]) -> str:
    return f"{holder.get('user', '?')}@{holder.get('host', '?')}"


def alive(holder: Mapping[str, Any], last: str, now: datetime, me: Mapping[str, Any]) -> bool:
    """Whether the run that last wrote to a record still works on it."""
    if holder.get("host") == me.get("host") and holder.get("pid"):
        if (holder.get("pid"), holder.get("started")) == (me.get("pid"), me.get("started")):
            return False  # this very run
        return bool(_process(int(holder["pid"]))[1] == holder.get("started"))
    return now - datetime.fromisoformat(last) < timedelta(minutes=SILENT_MINUTES)


class Records:
    """Records below ``prefix`` of one bucket."""

    def __init__(self, bucket: str, prefix: str, *, region: str | None = None, client: Any = None) -> None:
        self.bucket, self.prefix = bucket, prefix.strip("/")
        self._s3 = client if client is not None else open_client("s3", region)
        self.me = runner()

    @property
    def _pointer(self) -> str:
        return f"{self.prefix}/open.json"

    def where(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def _ask(self, doing: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except OperationError:
            raise
        except Exception as error:
            if error_code(error) == "NoSuchBucket":
                raise OperationError(
                    f"{doing}: the bucket {self.bucket} does not exist. Remedy: run component 00-bootstrap, or check the account."
                ) from error
            raise AwsError(explain(error, doing)) from error

    def _get(self, key: str) -> Document | None:
        def call() -> Document | None:
            try:
                document: Document = json.loads(self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
                return document
            except ValueError as error:
                raise OperationError(f"{self.where(key)} is not JSON: look at its earlier versions") from error
            except Exception as error:
                if error_code(error) in ABSENT:
                    return None
                raise

        return self._ask(f"reading {self.where(key)}", call)

    def _put(self, key: str, document: Mapping[str, Any], **conditions: str) -> None:
        body = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        self._ask(
            f"writing {self.where(key)}",
            lambda: self._s3.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType="application/json", **conditions
            ),
        )

    def make_bucket(self) -> None:
        """For an estate without Terraform's bucket."""

        def call() -> None:
            try:
                self._s3.head_bucket(Bucket=self.bucket)
            except Exception as error:
                if error_code(error) not in ABSENT:
                    raise
                region = self._s3.meta.region_name
                where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
                self._s3.create_bucket(Bucket=self.bucket, **where)

        self._ask(f"making the bucket {self.bucket}", call)

    def read(self) -> Document | None:
        """The open record, or None."""
        pointer = self._get(self._pointer)
        if pointer is None:
            return None
        return self._get(str(pointer["key"])) or pointer

    def open(
        self,
        operation: str,
        parameters: Mapping[str, Any],
        plan: list[str],
        data: Mapping[str, Any],
        *,
        check: bool = False,
        takeover: bool = False,
    ) -> tuple[Document, bool]:
        """A new record, or the open one of the same operation and parameters: (record, whether it was resumed)."""
        now = datetime.now(UTC)
        present = self.read()
        if present is not None:
            self._may_resume(present, operation, parameters, now, takeover)
            record = {**present, "holder": self.me}
            self._append(record, "resumed", "", now)
            if not check:
                self._put(record["key"], record)
            return record, True
        record = {
            "operation": operation,
            "key": f"{self.prefix}/{operation}/{now.strftime('%Y%m%dT%H%M%S.%fZ')}.json",
            "opened": now.isoformat(timespec="seconds"),
            "by": who(self.me),
            "holder": self.me,
            "parameters": dict(parameters),
            "plan": list(plan),
            "data": dict(data),
            "steps": [],
            "closed": "",
            "outcome": "",
        }
        self._append(record, "opened", "", now)
        if not check:
            try:
                # The pointer holds the whole record, so that a run killed between the two puts is resumed from it.
                self._put(self._pointer, record, IfNoneMatch="*")
            except AwsError as error:
                if error.__cause__ is not None and error_code(error.__cause__) in TAKEN:
                    raise OperationError(
                        f"another operation was opened just now in {self.where(self._pointer)}. Remedy: run this again to see whose it is."
                    ) from error
                raise
            self._put(record["key"], record)
        return record, False

    def _may_resume(
        self, present: Document, operation: str, parameters: Mapping[str, Any], now: datetime, takeover: bool
    ) -> None:
        holder = present.get("holder") or {}
        since = f"opened {present['opened']} by {present['by']}, last step {present['steps'][-1]['time']}"
        end = (
            "Remedy: run its playbook again with the same values, it goes on where it stopped; or give it up with "
            f"playbooks/breakglass/{next(name for start, name in PLAYBOOKS.items() if self.prefix.startswith(start))}, which "
            "says what it had done."
        )
        if present["operation"] != operation:
            raise OperationError(f"{present['operation']} is open ({since}): one operation at a time. {end}")
        # As JSON has them: numbers of a template may come as text, keys always do.
        wanted, had = (json.loads(json.dumps(one, sort_keys=True)) for one in (parameters, present["parameters"]))
        if wanted != had:
            raise OperationError(
                f"{operation} is open with other values ({since}): {json.dumps(had, sort_keys=True)}, asked for now: "
                f"{json.dumps(wanted, sort_keys=True)}. {end}"
            )
        if not takeover and alive(holder, present["steps"][-1]["time"], now, self.me):
            raise OperationError(
                f"{operation} is being worked on by {who(holder)} (process {holder.get('pid', '?')}; {since}). Remedy: wait for it; "
                "when you know that it is dead, -e operation_takeover=true."
            )

    def _append(self, record: Document, step: str, detail: str, now: datetime | None = None) -> None:
        time = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        record["steps"] = [*record["steps"], {"time": time, "by": who(self.me), "step": step, "detail": detail}]

    def _open_record(self) -> Document:
        record = self.read()
        if record is None:
            raise OperationError(f"no operation is open in {self.where(self.prefix)}/: nothing can be noted or closed")
        return record

    def note(self, step: str, detail: str, data: Mapping[str, Any]) -> Document:
        """Append a step; ``data`` is added to what a resumed run gets back."""
        record = self._open_record()
        self._append(record, step, detail)
        record["data"] = {**record["data"], **data}
        self._put(record["key"], record)
        return record

    def close(self, outcome: str) -> Document | None:
        """Close the open record; None when none is open."""
        record = self.read()
        if record is None:
            return None
        self._append(record, "closed", outcome)
        record["closed"], record["outcome"] = record["steps"][-1]["time"], outcome
        self._put(record["key"], record)
        self._ask(
            f"deleting {self.where(self._pointer)}",
            lambda: self._s3.delete_object(Bucket=self.bucket, Key=self._pointer),
        )
        return record
