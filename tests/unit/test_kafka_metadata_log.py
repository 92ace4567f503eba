"""Copies of the metadata log: what counts of it, and what a new quorum is started from."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from pathlib import Path

import pytest
from groundwork.kafka import metadata_log as work
from groundwork.kafka.storage import random_uuid
from kafka.record.default_records import DefaultRecordBatchBuilder

TOPIC, NO_OP, BEGIN, END, ABORT = 2, 20, 23, 24, 25
NODES = (0, 1, 7, 8, 17, 27)


def batch(base: int, *kinds: int, control: bool = False) -> bytes:
    """A batch of records of these kinds, in the frame of Kafka's metadata records."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for offset, kind in enumerate(kinds):
        builder.append(offset, timestamp=0, key=None, value=bytes([1, kind, 0, 7, 7]), headers=[])
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, base)
    if control:
        struct.pack_into(">h", data, 21, 0x20)
        struct.pack_into(">I", data, 17, work._crc32c(bytes(data[21:])))
    return bytes(data)


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    """A log dir with a snapshot up to 5 and a log that goes on to 9; the segment is preallocated."""
    folder = tmp_path / "data" / work.FOLDER
    folder.mkdir(parents=True)
    (tmp_path / "data" / "meta.properties").write_text(
        f"version=1\ncluster.id={random_uuid()}\nnode.id=1\ndirectory.id={random_uuid()}\n"
    )
    (folder / "00000000000000000005-0000000001.checkpoint").write_bytes(
        batch(0, 0, control=True) + batch(1, TOPIC, TOPIC) + batch(3, 0, control=True)
    )
    (folder / "00000000000000000000.log").write_bytes(
        batch(0, TOPIC, TOPIC, TOPIC, TOPIC)
        + batch(4, TOPIC)
        + batch(5, NO_OP, TOPIC)
        + batch(7, TOPIC)
        + batch(8, 0, control=True)
        + b"\0" * 4096
    )
    return tmp_path / "data"


def test_snapshot_and_the_log_behind_it(log_dir: Path) -> None:
    told = work.info(str(log_dir))
    assert told["records"] == {"NoOp": 1, "Topic": 4}
    assert told["end_offset"] == 8
    assert [one["end_offset"] for one in told["snapshots"]] == [5]


def test_what_was_not_committed_is_left_out(log_dir: Path) -> None:
    assert work.info(str(log_dir), 7)["records"] == {"NoOp": 1, "Topic": 3}


def test_control_batches_count_for_the_end(log_dir: Path) -> None:
    assert work.log_end(work.segments(log_dir / work.FOLDER)) == 9


def test_a_wrong_checksum_is_an_error(log_dir: Path) -> None:
    path = log_dir / work.FOLDER / "00000000000000000000.log"
    data = bytearray(path.read_bytes())
    data[70] ^= 1
    path.write_bytes(data)
    with pytest.raises(work.MetadataError, match="corrupt"):
        work.info(str(log_dir))


def test_a_hole_behind_the_snapshot_is_an_error(log_dir: Path) -> None:
    folder = log_dir / work.FOLDER
    (folder / "00000000000000000000.log").rename(folder / "00000000000000000006.log")
    with pytest.raises(work.MetadataError, match="hole"):
        work.info(str(log_dir))


def record(kind: int, offset: int = 0) -> work.Record:
    return work.Record(offset, kind, b"")


def test_transactions_count_when_they_ended() -> None:
    kinds = [TOPIC, BEGIN, TOPIC, NO_OP, END, BEGIN, TOPIC, ABORT, TOPIC, BEGIN, TOPIC]
    kept = work.settled(record(kind, offset) for offset, kind in enumerate(kinds))
    assert [one.offset for one in kept] == [0, 2, 8]


def make(log_dir: Path, tmp_path: Path, end_offset: int = 9) -> Path:
    archive = tmp_path / "copy.tar.gz"
    told = work.backup(
        str(log_dir),
        str(archive),
        end_offset=end_offset,
        objects='{"version": 1}\n',
        taken_at="now",
        kafka_version="4.3.1",
    )
    assert told["sha256"] == work.sha256(archive)
    return archive


def test_a_copy_is_read_back_whole_and_private(log_dir: Path, tmp_path: Path) -> None:
    archive = make(log_dir, tmp_path)
    assert archive.stat().st_mode & 0o777 == 0o600
    told = work.unpack(str(archive), str(tmp_path / "out"))
    assert told["records"] == {"NoOp": 1, "Topic": 4}
    assert told["objects"] == {"version": 1}


def test_a_new_quorum_gets_the_records_and_nothing_of_the_old_one(log_dir: Path, tmp_path: Path) -> None:
    told = work.unpack(str(make(log_dir, tmp_path)), str(tmp_path / "out"))
    first = work.bootstrap(str(tmp_path / "out"), told["end_offset"])
    assert [one.kind for one in work.read_records(first, "test")] == [TOPIC] * 4
    # Attributes of every batch: no control batch, so no voters and no leader.
    assert struct.unpack_from(">h", first, 21) == (0,)


def test_a_new_quorum_knows_no_address_of_an_old_node(log_dir: Path, tmp_path: Path) -> None:
    """A client that is told an old broker's address asks that one: the old cluster would be compared with itself."""
    with (log_dir / work.FOLDER / "00000000000000000009.log").open("wb") as more:
        more.write(batch(9, TOPIC, *NODES, TOPIC))
    told = work.unpack(str(make(log_dir, tmp_path, end_offset=17)), str(tmp_path / "out"))
    assert told["records"]["RegisterBroker"] == told["records"]["RegisterController"] == 1, "the copy itself is whole"
    first = work.bootstrap(str(tmp_path / "out"), told["end_offset"])
    assert [one.kind for one in work.read_records(first, "test")] == [TOPIC] * 6


def test_a_controller_that_is_behind_is_refused(log_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(work.MetadataError, match="not caught up"):
        make(log_dir, tmp_path, end_offset=10)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "other.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("../etc/passwd")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(work.MetadataError, match="another archive"):
        work.unpack(str(archive), str(tmp_path / "out"))


def test_a_copy_that_is_not_whole_is_refused(log_dir: Path, tmp_path: Path) -> None:
    archive, other = make(log_dir, tmp_path), tmp_path / "less.tar.gz"
    with tarfile.open(archive) as tar, tarfile.open(other, "w:gz") as less:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == work.MANIFEST:
                data = json.dumps({**json.loads(data), "records": {"Topic": 99}}).encode()
                member.size = len(data)
            less.addfile(member, io.BytesIO(data))
    with pytest.raises(work.MetadataError, match="not whole"):
        work.unpack(str(other), str(tmp_path / "out"))


def test_ends_of_replicas_that_are_there(tmp_path: Path) -> None:
    replica = tmp_path / "orders.v1-0"
    replica.mkdir()
    (replica / f"{7:020d}.log").write_bytes(batch(7, 1, 1, 1)[:-3])
    assert work.replica_ends([str(tmp_path)], ["orders.v1-0", "orders.v1-1"]) == {"orders.v1-0": 7}
    (replica / f"{7:020d}.log").write_bytes(batch(7, 1, 1, 1))
    assert work.replica_ends([str(tmp_path)], ["orders.v1-0"]) == {"orders.v1-0": 10}
