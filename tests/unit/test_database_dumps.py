"""Dumps and offboarding without a server: sums of a dump's rows, manifests, comparisons, pipes, and the order of steps."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from groundwork.databases import backup, dump_store, dumps, mysql_dumps, offboarding, pipes
from groundwork.databases.dump_store import DumpStore
from groundwork.databases.dumps import Contents, Dumping, Manifest, Part, TableSum
from groundwork.databases.model import DatabaseError, Endpoint
from groundwork.operations import PLAYBOOKS, OperationError, Records
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

KEY = "dumps/crawler/mysql/20260102T030405Z"
MANIFEST = Manifest(
    service="crawler",
    engine="mysql",
    database="crawler",
    host="db.internal",
    made="2026-01-02T03:04:05+00:00",
    server_version="8.4.3",
    client="mysqldump  Ver 8.4.3",
    objects={"views": ("v",), "events": ("e",)},
    parts=(Part("database", f"{KEY}/database.sql.zst", 3, "ab"), Part("events", f"{KEY}/events.sql.zst", 4, "cd")),
    tables={"a": TableSum(2, "x"), "b": TableSum(0, "y")},
)


# --- rows of mysqldump ---------------------------------------------------------------------------------------------

DUMP = rb"""
CREATE TABLE `a``b` (
  `i` int
);
LOCK TABLES `a``b` WRITE;
/*!40000 ALTER TABLE `a``b` DISABLE KEYS */;
INSERT INTO `a``b` VALUES (1,'),(\''),(2,'\\'),(3,NULL);
INSERT INTO `a``b` VALUES (4,'x\n');
/*!40000 ALTER TABLE `a``b` ENABLE KEYS */;
UNLOCK TABLES;
LOCK TABLES `empty` WRITE;
UNLOCK TABLES;
LOCK TABLES `gen` WRITE;
INSERT INTO `gen` (`c) VALUES (`, `d``e`) VALUES (1,0x2C28),(2,_binary '),(');
UNLOCK TABLES;
DELIMITER ;;
CREATE PROCEDURE `p`()
BEGIN
INSERT INTO `gen` VALUES (1,2);
END ;;
DELIMITER ;
"""


def sums(data: bytes, size: int) -> dict[str, TableSum]:
    result = mysql_dumps.RowSums()
    for start in range(0, len(data), size):
        result.feed(data[start : start + size])
    return result.tables()


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=len(DUMP)))
def test_rows_are_counted_whatever_they_hold_and_however_they_come(size: int) -> None:
    found = sums(DUMP, size)
    assert {name: table.rows for name, table in found.items()} == {"a`b": 4, "empty": 0, "gen": 2}
    rows = rb"(1,'),(\''),(2,'\\'),(3,NULL),(4,'x\n')"
    assert found["a`b"].checksum == hashlib.sha256(rows).hexdigest()
    assert found["gen"].checksum == hashlib.sha256(b"(1,0x2C28),(2,_binary '),(')").hexdigest()


def test_a_sum_does_not_depend_on_how_many_rows_a_statement_has() -> None:
    one = b"LOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES (1),(2),(3);\nUNLOCK TABLES;\n"
    many = one.replace(b"),(", b");\nINSERT INTO `t` VALUES (")
    assert sums(one, 7) == sums(many, 7) and sums(one, 7)["t"].rows == 3
    assert sums(one.replace(b"(2)", b"(4)"), 7)["t"].checksum != sums(one, 7)["t"].checksum


@settings(deadline=None)
@given(st.lists(st.text(alphabet="a'\\),(\n`;0 ", max_size=12), min_size=1, max_size=6))
def test_rows_of_any_text(texts: list[str]) -> None:
    def literal(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"

    rows = ",".join(f"({number},{literal(text)})" for number, text in enumerate(texts))
    dump = f"LOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES {rows};\nUNLOCK TABLES;\n".encode()
    assert sums(dump, 5)["t"].rows == len(texts)


# --- manifests -----------------------------------------------------------------------------------------------------


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert dumps.parse_manifest(MANIFEST.as_json(), "here") == MANIFEST
    assert MANIFEST.as_result(KEY) == {
        "service": "crawler", "engine": "mysql", "database": "crawler", "key": KEY, "host": "db.internal", "made": "2026-01-02T03:04:05+00:00",
        "server_version": "8.4.3", "bytes": 7, "tables": 2, "rows": 2,
    }  # fmt: skip


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b'{"format": 2}'])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(DatabaseError, match=r"here is no manifest of a dump|here has format 2"):
        dumps.parse_manifest(text, "here")


def test_keys() -> None:
    assert dumps.new_key("crawler", "mysql", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == KEY
    for given_key in (KEY, f"{KEY}/", f"{KEY}/manifest.json"):
        assert dumps.check_key(given_key) == KEY
    for wrong in ("", "dumps/crawler", f"x/{KEY}", "dumps/../mysql/20260102T030405Z", f"{KEY}/database.sql.zst"):
        with pytest.raises(DatabaseError, match="names no dump"):
            dumps.check_key(wrong)
    assert dumps.scratch_name(KEY) == dumps.scratch_name(KEY) != dumps.scratch_name(KEY[:-2] + "6Z")
    assert dumps.scratch_name(KEY).startswith(dumps.SCRATCH) and len(dumps.scratch_name(KEY)) <= 63


def test_every_difference_is_told() -> None:
    assert dumps.differences(MANIFEST, MANIFEST.tables, MANIFEST.objects) == []
    found = dumps.differences(
        MANIFEST, {"a": TableSum(3, "x"), "c": TableSum(0, "")}, {"views": ["w"], "triggers": ["t"], "events": ["e"]}
    )
    assert found == [
        "table b is missing", "table c is too many", "table a has 3 rows instead of 2",
        "triggers: t is too many", "views: v is missing", "views: w is too many",
    ]  # fmt: skip
    other = {**MANIFEST.tables, "a": TableSum(2, "z")}
    assert dumps.differences(MANIFEST, other, MANIFEST.objects) == ["table a has its 2 rows, but other values in them"]
    assert dumps.some([str(number) for number in range(12)]).endswith("; 9; and 2 more")


# --- pipes ---------------------------------------------------------------------------------------------------------


class Collected:
    """What a pipe brought."""

    def __init__(self) -> None:
        self.data = b""

    def feed(self, data: bytes) -> None:
        self.data += data


def script(text: str, **more: Any) -> pipes.Command:
    return pipes.Command(("/bin/sh", "-c", text), **more)


def test_a_dump_goes_through_the_pipe_and_back() -> None:
    collected = Collected()
    with pipes.Reader("dumping", script("seq 100000"), collected) as reader:
        packed = b"".join(iter(lambda: reader.read(1000), b""))
    assert collected.data.endswith(b"99999\n100000\n") and len(packed) < len(collected.data)
    assert (reader.size, reader.sha256) == (len(packed), hashlib.sha256(packed).hexdigest())
    plain = subprocess.run(["zstd", "-dqc"], input=packed, capture_output=True, check=True).stdout
    assert plain == collected.data
    with pipes.Writer("restoring", script("test $(wc -l) = 100000"), lambda line: line) as writer:
        writer.write(packed[:10])
        writer.write(packed[10:])
        writer.finish()
    assert writer.sha256 == reader.sha256


def test_lines_are_changed_on_the_way(tmp_path: Path) -> None:
    packed = subprocess.run(["zstd", "-qc"], input=b"a\nb\n\xff", capture_output=True, check=True).stdout
    with pipes.Writer("restoring", script(f"cat > {tmp_path}/out"), lambda line: line.replace(b"a", b"A")) as writer:
        writer.write(packed)
        writer.finish()
    assert (tmp_path / "out").read_bytes() == b"A\nb\n\xff"


def test_half_is_never_taken_for_whole() -> None:
    with (
        pytest.raises(DatabaseError, match=r"dumping x: sh ended with 3: one / two$"),
        pipes.Reader("dumping x", script("seq 1000; echo one >&2; echo two >&2; exit 3")) as reader,
    ):
        while reader.read(64):
            pass
    packed = subprocess.run(["zstd", "-qc"], input=b"x" * 5_000_000, capture_output=True, check=True).stdout
    with (
        pytest.raises(DatabaseError, match=r"restoring x: sh ended with 1: refused"),
        pipes.Writer("restoring x", script("echo refused >&2; exit 1")) as writer,
    ):
        for _ in range(1000):
            writer.write(packed)
        writer.finish()
    with (
        pytest.raises(DatabaseError, match=r"zstd ended with 1"),
        pipes.Writer("restoring x", script("cat >/dev/null")) as writer,
    ):
        writer.write(packed[:-5])
        writer.finish()


def test_a_fault_of_the_sink_is_told() -> None:
    class Broken:
        def feed(self, data: bytes) -> None:
            raise DatabaseError("cannot be read")

    with pytest.raises(DatabaseError, match="cannot be read"):
        pipes.look("looking", script("seq 10"), Broken())


def test_a_secret_reaches_a_program_by_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S3CRET")
    text = 'cat "$1" "$FILE"; stat -Lc %a "$1"; tr "\\0" " " < /proc/$$/cmdline; env'
    command = pipes.Command(
        ("/bin/sh", "-c", text, "sh", pipes.PRIVATE), {"FILE": pipes.PRIVATE, "A": "b"}, private="pass\n"
    )
    collected = Collected()
    pipes.look("looking", command, collected)
    lines = collected.data.decode().splitlines()
    assert lines[:3] == ["pass", "pass", "600"] and "A=b" in lines
    assert "pass" not in "".join(lines[3:]) and "S3CRET" not in "".join(lines)
    assert "pass" not in repr(command)


def test_option_and_password_files() -> None:
    assert pipes.option_file({"user": "a", "password": 'p"\\w %s#'}) == '[client]\nuser="a"\npassword="p\\"\\\\w %s#"\n'
    assert pipes.password_file("a:b\\c") == "*:*:*:*:a\\:b\\\\c\n"
    for text in ("a\nb", "a\0b"):
        with pytest.raises(DatabaseError, match="control character"):
            pipes.option_file({"password": text})
        with pytest.raises(DatabaseError, match="control character"):
            pipes.password_file(text)


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", (9, 7)),
        ("mysqldump from 11.8.2-MariaDB, client 10.19 for debian-linux-gnu", (11, 8)),
        ("pg_dump (PostgreSQL) 17.11 (Debian 17.11-0+deb13u1)", (17, 11)),
        ("what", ()),
    ],
)
def test_versions_of_programs(tmp_path: Path, said: str, number: tuple[int, ...]) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    assert pipes.version(str(program))[1] == number
    assert pipes.find("program", [str(tmp_path)]) == str(program) and pipes.find("program") is None


# --- dump, restore, drill: the order of steps ----------------------------------------------------------------------


class FakeEngine(dumps.DumpEngine):
    """A server of text: its databases are files, its client programs cat."""

    name, suffix = "mysql", "txt.zst"

    def __init__(self, folder: Path) -> None:
        super().__init__(Endpoint("db.internal", 3306, "admin", "S3CRET"))
        self.databases = folder / "databases"
        self.databases.mkdir()
        self.did: list[str] = []
        self.notes: dict[str, str] = {}
        self.fails = ""

    def client(self) -> str:
        return "cat 1.0"

    def contents(self, database: str) -> Contents | None:
        path = self.databases / database
        if not path.exists():
            return None
        tables = ("t",) if path.read_bytes() else ()
        return Contents("1.0", path.stat().st_size, tables, unfinished=self.notes.get(database, ""))

    @contextmanager
    def dump(self, database: str) -> Iterator[Dumping]:
        engine = self

        class Running(Dumping):
            @property
            def tables(self) -> dict[str, TableSum]:
                return engine.sums(database)

            def parts(self) -> Sequence[str]:
                return ["database"]

            def read(self, part: str) -> pipes.Reader:
                end = "; exit 1" if engine.fails == "dump" else ""
                return pipes.Reader(f"dumping {database}", script(f"cat {engine.databases}/{database}{end}"))

        yield Running()

    @contextmanager
    def restore(self, database: str, part: str, manifest: Manifest) -> Iterator[pipes.Writer]:
        self.did.append(f"restore {database}")
        more = "; echo more" if self.fails == "restore" else ""
        with pipes.Writer("restoring", script(f"(cat{more}) > {self.databases}/{database}")) as writer:
            yield writer

    def sums(self, database: str) -> dict[str, TableSum]:
        data = (self.databases / database).read_bytes()
        return {"t": TableSum(data.count(b"\n"), hashlib.sha256(data).hexdigest())} if data else {}

    def begin(self, database: str, key: str) -> None:
        self.notes[database] = key

    def end(self, database: str) -> None:
        del self.notes[database]

    def clear(self, database: str) -> None:
        self.did.append(f"clear {database}")
        self.make(database)

    def make(self, database: str) -> None:
        (self.databases / database).write_bytes(b"")

    def drop_scratch(self, database: str) -> None:
        assert database.startswith(dumps.SCRATCH)
        (self.databases / database).unlink(missing_ok=True)

    @property
    def there(self) -> set[str]:
        return {path.name for path in self.databases.iterdir()}


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    made = FakeEngine(tmp_path)
    (made.databases / "crawler").write_bytes(b"1\n2\n")
    return made


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DumpStore]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="dumps-of-unit")
        yield DumpStore("dumps-of-unit", "arn:aws:kms:us-east-1:123456789012:key/k", client=client)


def dump(engine: FakeEngine, store: DumpStore) -> str:
    return str(backup.dumped(engine, store, [{"name": "crawler"}], check=False)["dumps"][0]["key"])


def test_dumped_listed_verified_restored(engine: FakeEngine, store: DumpStore) -> None:
    assert backup.dumped(engine, store, [{"name": "crawler"}], check=True)["changes"] and store.keys() == []
    key = dump(engine, store)
    assert backup.listed(store, "crawler")["dumps"][0]["rows"] == 2
    assert backup.chosen(store, "mysql", "crawler", "") == key == backup.chosen(store, "mysql", "", f"{key}/")
    assert not backup.verified(engine, store, key, check=False)["changed"] and engine.there == {"crawler"}
    backup.restored(engine, store, key, "copy", check=True)
    assert engine.there == {"crawler"}
    backup.restored(engine, store, key, "copy", check=False)
    assert (engine.databases / "copy").read_bytes() == b"1\n2\n" and engine.notes == {}
    with pytest.raises(DatabaseError, match="there is no dump of other on mysql"):
        backup.chosen(store, "mysql", "other", "")


def test_a_dump_that_failed_is_none(engine: FakeEngine, store: DumpStore) -> None:
    engine.fails = "dump"
    with pytest.raises(DatabaseError, match=r"these were: none\):\ncrawler: dumping crawler: sh ended with 1"):
        dump(engine, store)
    assert store.keys() == [] and "Contents" not in store._s3.list_objects_v2(Bucket="dumps-of-unit")


def test_a_large_dump_goes_in_parts_and_a_failed_one_leaves_none(
    engine: FakeEngine, store: DumpStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump_store, "UPLOAD_CHUNK", 5 << 20)
    (engine.databases / "crawler").write_bytes(os.urandom(12 << 20))
    key = dump(engine, store)
    part = store.manifest(key).parts[0]
    assert part.size > 12 << 20
    assert store._s3.head_object(Bucket="dumps-of-unit", Key=part.key)["ETag"].endswith('-3"')
    backup.verified(engine, store, key, check=False)
    engine.fails = "dump"
    with pytest.raises(DatabaseError, match="sh ended with 1"):
        dump(engine, store)
    assert "Uploads" not in store._s3.list_multipart_uploads(Bucket="dumps-of-unit")


def test_a_restore_that_differs_fails_and_leaves_no_scratch_database(engine: FakeEngine, store: DumpStore) -> None:
    key = dump(engine, store)
    engine.fails = "restore"
    with pytest.raises(DatabaseError, match=r"does not give back what was dumped: table t has 3 rows instead of 2"):
        backup.verified(engine, store, key, check=False)
    assert engine.there == {"crawler"}
    engine.make("empty")
    with pytest.raises(DatabaseError, match="which now has something else than was dumped"):
        backup.restored(engine, store, key, "empty", check=False)


def test_only_an_unfinished_restore_of_the_same_dump_is_replaced(engine: FakeEngine, store: DumpStore) -> None:
    key = dump(engine, store)
    for unfinished, replaced in (("", False), (key[:-2] + "xZ", False), (key, True)):
        (engine.databases / "half").write_bytes(b"1\n")
        engine.notes = {"half": unfinished}
        engine.did = []
        if replaced:
            backup.restored(engine, store, key, "half", check=False)
            assert engine.did == ["clear half", "restore half"]
        else:
            with pytest.raises(DatabaseError, match=r"database half at db.internal:3306 is not empty \(1 tables\)"):
                backup.restored(engine, store, key, "half", check=False)
            assert engine.did == [] and (engine.databases / "half").read_bytes() == b"1\n"


def test_a_dump_of_another_engine_is_refused(engine: FakeEngine, store: DumpStore) -> None:
    key = dump(engine, store)
    engine.name = "postgresql"
    with pytest.raises(DatabaseError, match="is a dump of mysql, this server is postgresql"):
        backup.verified(engine, store, key, check=True)
    with pytest.raises(DatabaseError, match="is a dump of mysql, this server is postgresql"):
        backup.restored(engine, store, key, "x", check=True)


def test_every_state_is_known() -> None:
    with pytest.raises(DatabaseError, match="there are: listed, dumped, restored, verified"):
        backup.act({"state": "what"}, check=False)


# --- offboarding: the order of steps -------------------------------------------------------------------------------


class FakeServer(offboarding.OffboardingServer):
    """A server that notes what it was told."""

    def __init__(self, **seen: Any) -> None:
        self.endpoint = Endpoint("db.internal", 3306, "admin", "S3CRET")
        self.seen: dict[str, Any] = {"version": "1", "database": True, "size": 5, **seen}
        self.logins = {"a": offboarding.Login("a", False, ("7 (10.0.0.1)",)), "b": offboarding.Login("b", True)}
        self.did: list[str] = []
        self.held = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        self.held = True
        yield
        self.held = False

    def see(self, database: str, users: Sequence[str]) -> offboarding.Seen:
        return offboarding.Seen(logins=dict(self.logins), **self.seen)

    def _step(self, what: str, do: Callable[[], object]) -> offboarding.Step:
        def done() -> None:
            assert self.held, "changes are made under the lock"
            self.did.append(what)
            do()

        return what, done

    def turn(self, user: str, *, lock: bool) -> offboarding.Step:
        old = self.logins[user]
        new = offboarding.Login(user, lock, old.sessions)
        return self._step(f"{'lock' if lock else 'unlock'} {user}", lambda: self.logins.update({user: new}))

    def end_sessions(self, database: str, users: Sequence[str]) -> None:
        self.did.append("end sessions")
        self.logins = {name: offboarding.Login(name, login.locked) for name, login in self.logins.items()}

    def drops(self, database: str, seen: offboarding.Seen) -> Sequence[offboarding.Step]:
        steps = [self._step("drop database", lambda: self.seen.update(database=False))] if seen.database else []
        return [*steps, *(self._step(f"drop {name}", partial(self.logins.pop, name)) for name in seen.logins)]


def test_lock_ends_sessions_and_unlock_takes_it_back() -> None:
    server = FakeServer()
    predicted = offboarding.act(server, "locked", "d", ["a", "b"], check=True)
    assert server.did == [] and predicted["changed"]
    done = offboarding.act(server, "locked", "d", ["a", "b"], check=False)
    assert done["changes"] == predicted["changes"] == ["lock a", "end 1 sessions of a: 7 (10.0.0.1)"]
    assert server.did == ["lock a", "end sessions"]
    assert not offboarding.act(server, "locked", "d", ["a", "b"], check=False)["changed"]
    assert offboarding.act(server, "unlocked", "d", ["a"], check=False)["changes"] == ["unlock a", "unlock b"]


def test_nothing_is_dropped_that_is_in_use() -> None:
    for more, reason in (
        ({}, "a is not locked; a is still connected"),
        ({"others": ("x holds SELECT",)}, "in database d: x holds SELECT"),
        ({"visitors": ("session 3 of x",)}, "in database d: session 3 of x"),
    ):
        server = FakeServer(**more)
        for check in (True, False):
            with pytest.raises(DatabaseError, match=reason):
                offboarding.act(server, "dropped", "d", ["a", "b"], check=check)
        assert server.did == []


def test_dropped_once_and_gone_on_with_after_a_kill() -> None:
    server = FakeServer()
    offboarding.act(server, "locked", "d", ["a", "b"], check=False)
    server.did = []
    predicted = offboarding.act(server, "dropped", "d", ["a", "b"], check=True)
    assert server.did == []
    done = offboarding.act(server, "dropped", "d", ["a", "b"], check=False)
    assert done["changes"] == predicted["changes"] == server.did == ["drop database", "drop a", "drop b"]
    assert done["seen"]["gone"] and done["diff"]["before"]["database"] and not done["diff"]["after"]["database"]
    assert not offboarding.act(server, "dropped", "d", ["a", "b"], check=False)["changed"]
    server.logins = {"b": offboarding.Login("b", True)}
    assert offboarding.act(server, "dropped", "d", ["a", "b"], check=False)["changes"] == ["drop b"]
    with pytest.raises(DatabaseError, match="there are: info, locked, unlocked, dropped"):
        offboarding.act(server, "what", "d", [], check=False)


@mock_aws
def test_an_open_offboarding_names_its_own_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    client.create_bucket(Bucket="records-of-unit")
    for prefix, playbook in (("records/databases/offboarding/a", PLAYBOOKS["records/databases/offboarding"]),
                             ("records/databases", "db_operation.yml"), ("records/kafka", "kafka_operation.yml")):  # fmt: skip
        records = Records("records-of-unit", prefix, client=client)
        records.open("one", {}, [], {})
        with pytest.raises(OperationError, match=f"playbooks/breakglass/{playbook},"):
            records.open("other", {}, [], {})


def test_zstd_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shutil.which("zstd"), "set-up installs zstd on the control machine"
    monkeypatch.setitem(os.environ, "PATH", "/nonexistent")
    with pytest.raises(DatabaseError, match="run role database_client"):
        pipes.zstd()
