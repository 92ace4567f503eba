"""The metadata log on a controller's disk: what is in it, a copy of it, and a blank node's first records made from that copy.

A copy has the newest snapshot and the log behind it, up to the high watermark that the quorum told. What is restored from it is
a ``bootstrap.checkpoint``: the records that a new quorum writes first. Nothing of the old quorum is in that file (its voters and
its votes are left out), so a node that is started from it can never answer in the old quorum's name.

Sources: record batch format v2 (Kafka documentation, "Message Format"), KIP-630 (snapshots), KIP-853 (voters in the log).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .storage import META, parse_properties

FOLDER = "__cluster_metadata-0"
BOOTSTRAP = "bootstrap.checkpoint"
MANIFEST = "manifest.json"
OBJECTS = "objects.json"

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CONTROL = 0x20
_COMPRESSION = 0x07
# Records of one batch of the file that a new quorum reads first.
_BATCH_RECORDS = 500

RECORD_NAMES = {
    0: "RegisterBroker",
    1: "UnregisterBroker",
    2: "Topic",
    3: "Partition",
    4: "Config",
    5: "PartitionChange",
    7: "FenceBroker",
    8: "UnfenceBroker",
    9: "RemoveTopic",
    10: "DelegationToken",
    11: "UserScramCredential",
    12: "FeatureLevel",
    14: "ClientQuota",
    15: "ProducerIds",
    17: "BrokerRegistrationChange",
    18: "AccessControlEntry",
    19: "RemoveAccessControlEntry",
    20: "NoOp",
    21: "ZkMigrationState",
    22: "RemoveUserScramCredential",
    23: "BeginTransaction",
    24: "EndTransaction",
    25: "AbortTransaction",
    26: "RemoveDelegationToken",
    27: "RegisterController",
    28: "ClearElr",
}
_NO_OP, _BEGIN, _END, _ABORT = 20, 23, 24, 25
# Who the old nodes are and where: register, unregister, fence, unfence, change of a broker; register a controller.
_NODES = frozenset({0, 1, 7, 8, 17, 27})


class MetadataError(Exception):
    """The metadata log or a copy of it cannot be used; the message says where, why and what to do."""


@dataclass(frozen=True)
class Record:
    """A record of the metadata log. ``value`` is what Kafka wrote; ``kind`` its number (see RECORD_NAMES)."""

    offset: int
    kind: int
    value: bytes


@dataclass(frozen=True)
class Snapshot:
    path: Path
    end_offset: int
    epoch: int


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def _signed(data: bytes, at: int) -> tuple[int, int]:
    value, at = _unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def _crc32c(data: bytes) -> int:
    from kafka.record.util import calc_crc32c

    return int(calc_crc32c(data))


def read_records(data: bytes, source: str) -> Iterator[Record]:
    """The metadata records of a segment or a snapshot; control records are left out.

    The last batch of a segment that is being written may be cut: it ends the reading, since it was not committed. A batch
    whose checksum is wrong is an error.
    """
    at = 0
    while at + _HEADER.size <= len(data):
        base, length, _, magic, crc, attributes, _, _, _, _, _, _, count = _HEADER.unpack_from(data, at)
        end = at + 12 + length
        # Segments are preallocated: zeros follow the last batch.
        if length <= 0 or end > len(data):
            return
        if magic != 2:
            raise MetadataError(f"{source}: the batch at byte {at} has format {magic}, not 2")
        if _crc32c(data[at + 21 : end]) != crc:
            raise MetadataError(f"{source}: the batch at byte {at} (offset {base}) is corrupt: its checksum is wrong")
        if attributes & _COMPRESSION:
            raise MetadataError(f"{source}: the batch at byte {at} is compressed, which Kafka does not do here")
        if not attributes & _CONTROL:
            yield from _records_of(data, at + _HEADER.size, base, count)
        at = end


def _records_of(data: bytes, at: int, base: int, count: int) -> Iterator[Record]:
    for _ in range(count):
        length, at = _signed(data, at)
        after = at + length
        at += 1  # attributes
        _, at = _signed(data, at)  # timestamp
        delta, at = _signed(data, at)
        size, at = _signed(data, at)
        at += max(size, 0)  # key
        size, at = _signed(data, at)
        value = bytes(data[at : at + max(size, 0)])
        at = after
        # Frame version, then the number of the record's kind.
        _, where = _unsigned(value, 0)
        kind, _ = _unsigned(value, where)
        yield Record(base + delta, kind, value)


def snapshots(folder: Path) -> list[Snapshot]:
    """Complete snapshots, newest last. The one of a formatted, never started node is 0-0 and has no metadata records."""
    found = []
    for path in folder.glob("*.checkpoint"):
        if match := re.fullmatch(r"(\d{20})-(\d{10})\.checkpoint", path.name):
            found.append(Snapshot(path, int(match[1]), int(match[2])))
    return sorted(found, key=lambda one: (one.end_offset, one.epoch))


def segments(folder: Path) -> list[tuple[int, Path]]:
    """Base offset and path of the log's segments, in order."""
    return sorted((int(path.stem), path) for path in folder.glob("*.log") if path.stem.isdigit())


def needed(folder: Path) -> tuple[Snapshot | None, list[tuple[int, Path]]]:
    """The newest snapshot and the segments that go on from it."""
    logs = segments(folder)
    known = snapshots(folder)
    newest = known[-1] if known else None
    start = newest.end_offset if newest else 0
    kept = [
        (base, path) for index, (base, path) in enumerate(logs) if index + 1 == len(logs) or logs[index + 1][0] > start
    ]
    if kept and kept[0][0] > start:
        raise MetadataError(
            f"{folder}: the log begins at offset {kept[0][0]}, the newest snapshot ends at {start}: there is a hole. "
            "Take the copy on another controller."
        )
    return newest, kept


def read_folder(folder: Path, end_offset: int | None = None) -> tuple[list[Record], int]:
    """The records of the newest snapshot and of the log after it, and the offset behind the last one.

    ``end_offset``: records from this offset on were not known to be committed and are left out.
    """
    newest, logs = needed(folder)
    records: list[Record] = []
    if newest:
        records += read_records(newest.path.read_bytes(), str(newest.path))
    start = end = newest.end_offset if newest else 0
    for _, path in logs:
        for record in read_records(path.read_bytes(), str(path)):
            if record.offset < start or (end_offset is not None and record.offset >= end_offset):
                continue
            records.append(record)
            end = record.offset + 1
    return records, end


def settled(records: Iterable[Record]) -> list[Record]:
    """What counts: without records that say nothing, without the marks of transactions, without an unfinished or aborted one."""
    kept: list[Record] = []
    pending: list[Record] | None = None
    for record in records:
        if record.kind == _BEGIN:
            pending = []
        elif record.kind == _ABORT:
            pending = None
        elif record.kind == _END:
            kept += pending or []
            pending = None
        elif record.kind == _NO_OP:
            continue
        elif pending is not None:
            pending.append(record)
        else:
            kept.append(record)
    return kept


def counts(records: Iterable[Record]) -> dict[str, int]:
    found = Counter(RECORD_NAMES.get(record.kind, f"kind {record.kind}") for record in records)
    return dict(sorted(found.items()))


def info(metadata_dir: str, end_offset: int | None = None) -> dict[str, Any]:
    """What the metadata log of a log dir holds."""
    folder = Path(metadata_dir) / FOLDER
    if not folder.is_dir():
        raise MetadataError(
            f"{folder} is not there: this log dir has no metadata log (is it the first one of log.dirs?)"
        )
    meta = parse_properties((Path(metadata_dir) / META).read_text(encoding="utf-8"))
    records, end = read_folder(folder, end_offset)
    known = snapshots(folder)
    return {
        "cluster_id": meta.get("cluster.id", ""),
        "node_id": int(meta.get("node.id", "-1")),
        "directory_id": meta.get("directory.id", ""),
        "snapshots": [
            {"end_offset": one.end_offset, "epoch": one.epoch, "bytes": one.path.stat().st_size} for one in known
        ],
        "end_offset": end,
        "records": counts(records),
        "bytes": sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
    }


def backup(
    metadata_dir: str, archive: str, *, end_offset: int, objects: str, taken_at: str, kafka_version: str
) -> dict[str, Any]:
    """Copy the metadata log into an archive that only root can read (it holds SCRAM credentials). Returns its manifest.

    ``end_offset`` is the high watermark of the quorum; the log here must reach it. ``objects`` is what an administrator sees
    at the same moment (kafka_export): a drill compares with it.
    """
    folder = Path(metadata_dir) / FOLDER
    told = info(metadata_dir, end_offset)
    records, end = read_folder(folder, end_offset)
    # The high watermark may stand behind control records, which are not counted here; far behind is not caught up.
    newest, logs = needed(folder)
    if log_end(logs) < end_offset:
        raise MetadataError(
            f"{folder} ends at offset {log_end(logs)}, the quorum has committed up to {end_offset}: this node is not caught up. "
            "Take the copy on another controller."
        )
    manifest = {
        "cluster_id": told["cluster_id"],
        "node_id": told["node_id"],
        "kafka_version": kafka_version,
        "taken_at": taken_at,
        "end_offset": end_offset,
        "records": counts(records),
    }
    target = Path(archive)
    partial = target.with_name(f".{target.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as tar:
        _add(tar, MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
        _add(tar, OBJECTS, objects.encode())
        _add(tar, META, (Path(metadata_dir) / META).read_bytes())
        for path in [*([newest.path] if newest else []), *(path for _, path in logs)]:
            _add(tar, f"{FOLDER}/{path.name}", path.read_bytes())
    partial.replace(target)
    return {**manifest, "last_record": end - 1, "bytes": target.stat().st_size, "sha256": sha256(target)}


def log_end(logs: Sequence[tuple[int, Path]]) -> int:
    """The offset behind the last whole batch of a partition's log, control batches too. Only headers are read."""
    if not logs:
        return 0
    end, path = logs[-1]
    size = path.stat().st_size
    with path.open("rb") as handle:
        at = 0
        while at + _HEADER.size <= size:
            handle.seek(at)
            first, length, _, _, _, _, last, *_ = _HEADER.unpack(handle.read(_HEADER.size))
            # Zeros of a preallocated segment, or a batch that is being written.
            if length <= 0 or at + 12 + length > size:
                break
            end = first + last + 1
            at += 12 + length
    return end


def replica_ends(log_dirs: Iterable[str], partitions: Iterable[str]) -> dict[str, int]:
    """The log ends of replicas on these disks, by partition (``topic-0``); those that are not there are left out."""
    found: dict[str, int] = {}
    for name in partitions:
        for folder in (Path(one) / name for one in log_dirs):
            if folder.is_dir():
                found[name] = max(found.get(name, 0), log_end(segments(folder)))
    return found


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def unpack(archive: str, folder: str) -> dict[str, Any]:
    """Unpack a copy below ``folder`` and read every record of it. Returns its manifest with ``objects``."""
    wanted = re.compile(
        rf"{FOLDER}/[0-9.-]+(log|checkpoint)|{re.escape(MANIFEST)}|{re.escape(OBJECTS)}|{re.escape(META)}"
    )
    root = Path(folder)
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() and wanted.fullmatch(member.name) else None
                if content is None:
                    raise MetadataError(
                        f"{archive} has {member.name!r}, which no copy of the metadata has: it is another archive"
                    )
                (root / member.name).write_bytes(content.read())
        manifest: dict[str, Any] = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        objects = json.loads((root / OBJECTS).read_text(encoding="utf-8"))
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError) as error:
        raise MetadataError(f"{archive} cannot be read: {error}. Take another copy.") from error
    records, _ = read_folder(root / FOLDER, manifest["end_offset"])
    if counts(records) != manifest["records"]:
        raise MetadataError(
            f"{archive} has {counts(records)}, its manifest says {manifest['records']}: it is not whole. Take another copy."
        )
    return {**manifest, "objects": objects}


def bootstrap(folder: str, end_offset: int) -> bytes:
    """The ``bootstrap.checkpoint`` of a new quorum, from an unpacked copy.

    Old nodes' registrations are left out: the new node would name them to its clients, which then asked the old cluster.
    """
    from kafka.record.default_records import DefaultRecordBatchBuilder

    records, _ = read_folder(Path(folder) / FOLDER, end_offset)
    kept = [one for one in settled(records) if one.kind not in _NODES]
    if not kept:
        raise MetadataError(f"{folder}: the copy has no record")
    out = b""
    for first in range(0, len(kept), _BATCH_RECORDS):
        some = kept[first : first + _BATCH_RECORDS]
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=False,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=1 << 30,
        )
        for offset, record in enumerate(some):
            builder.append(offset, timestamp=0, key=None, value=record.value, headers=[])
        batch = bytearray(builder.build())
        # The builder starts at 0; the base offset is outside the checksum.
        struct.pack_into(">q", batch, 0, first)
        out += bytes(batch)
    return out
