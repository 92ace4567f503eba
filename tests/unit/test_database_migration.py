"""Planning and decoding of a migration between MySQL servers, without one."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from groundwork.databases import mysql_binlog as binlog
from groundwork.databases import mysql_row_values as values
from groundwork.databases.migrate import phase
from groundwork.databases.migration_secret import act
from groundwork.databases.model import DatabaseError
from groundwork.databases.mysql_migration import Note, concerns
from groundwork.databases.mysql_migration_plan import Definer, Facts, Table, Wish, problems
from groundwork.databases.mysql_row_values import Bytes, Column
from groundwork.secrets import SecretsError

VARIABLES = {
    "log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_value_options": "", "binlog_transaction_compression": "OFF",
    "binlog_expire_logs_seconds": "604800", "sql_mode": "STRICT_TRANS_TABLES", "max_allowed_packet": "67108864", "read_only": "OFF",
    "lower_case_table_names": "0", "innodb_page_size": "16384", "log_bin_trust_function_creators": "ON", "time_zone": "SYSTEM",
}  # fmt: skip
TABLE = Table("InnoDB", "utf8mb4_bin", (Column("id"),), ("id",))
SOURCE = Facts(
    where="old:3306", administrator="admin", version="8.4.1", variables=VARIABLES, rds_retention=None, defaults=("utf8mb4", "utf8mb4_bin"),
    size=1000, all_sizes=1000, tables={"t": TABLE}, used_collations=frozenset({"utf8mb4_bin"}), accounts=frozenset({"app@%"}), writers=(("app", "%"),),
)  # fmt: skip
TARGET = replace(
    SOURCE, where="shared:3306", tables={}, collations=frozenset({"utf8mb4_bin"}), accounts=frozenset({"x_user@%"}), writers=(("x_user", "%"),)
)  # fmt: skip
WISH = Wish("app", "x_user", frozenset({"x_user", "x_readonly"}), storage=1 << 30)


def found(
    source: Facts = SOURCE, target: Facts = TARGET, wish: Wish = WISH, names: tuple[str, str] = ("x", "x")
) -> list[str]:
    return [problem.text for problem in problems(source, target, names, wish)]


def test_nothing_is_wrong() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("source", "target", "wish", "reason"),
    [
        ({"where": "shared:3306"}, {}, {}, "is the shared server itself"),
        ({"defaults": None}, {}, {}, "there is no database x at old:3306"),
        ({}, {"defaults": None}, {}, "there is no database x at shared:3306"),
        ({"tables": {}}, {}, {}, "has no tables"),
        ({"tables": {"t": replace(TABLE, engine="MyISAM")}}, {}, {}, "table t is MyISAM's"),
        ({"tables": {"t": replace(TABLE, key=())}}, {}, {}, "table t has no primary key"),
        ({"tables": {"t": replace(TABLE, inexact=("f",))}}, {}, {}, "the primary key of table t has f"),
        ({"outside": ("view v reads other.t",)}, {}, {}, "view v reads other.t"),
        ({"running": ("ev",)}, {}, {}, "event ev runs at old:3306"),
        ({"definers": (Definer("view v", "gone@%"),)}, {}, {}, "view v runs as gone@%, which is no account at shared:3306"),
        ({"objects": {"triggers": ("tr",)}, "variables": {**VARIABLES, "log_bin_trust_function_creators": "OFF"}}, {}, {}, "tr cannot be made at old:3306"),
        ({"version": "9.0.1"}, {}, {}, "an older server may not take what a newer one wrote"),
        ({"variables": {**VARIABLES, "binlog_format": "MIXED"}}, {}, {}, "the binary log of old:3306 has binlog_format = MIXED"),
        ({}, {"rds_retention": 0}, {}, "shared:3306 keeps its binary log for 0 hours"),
        ({"variables": {**VARIABLES, "binlog_expire_logs_seconds": "3600"}}, {}, {}, "old:3306 keeps its binary log for 1 hours"),
        ({}, {"variables": {**VARIABLES, "read_only": "ON"}}, {}, "shared:3306 is read-only"),
        ({}, {"variables": {**VARIABLES, "lower_case_table_names": "1"}}, {}, "lower_case_table_names is 0 at old:3306 and 1"),
        ({}, {"variables": {**VARIABLES, "max_allowed_packet": "1024"}}, {}, "a large row would not fit"),
        ({"used_collations": frozenset({"utf8mb4_bin", "new_ci"})}, {}, {}, "shared:3306 does not know new_ci"),
        ({"defaults": ("latin1", "latin1_bin")}, {}, {}, "instead of latin1/latin1_bin"),
        ({"variables": {**VARIABLES, "sql_mode": "ANSI"}}, {}, {}, "sql_mode: ANSI only at old:3306, STRICT_TRANS_TABLES only at shared:3306"),
        ({"variables": {**VARIABLES, "time_zone": "Asia/Seoul"}}, {}, {}, "time_zone is Asia/Seoul and SYSTEM"),
        ({}, {"tables": {"mine": TABLE}}, {}, "is not empty (table mine)"),
        ({}, {}, {"storage": 0}, "how much room shared:3306 has is not known"),
        ({"size": 1 << 29}, {}, {}, "more than nine tenths"),
        ({}, {}, {"user": "admin"}, "the service logs in as admin, the administrator"),
        ({}, {}, {"user": "who"}, "who, whom the secret names, may write nothing"),
        ({}, {"writers": ()}, {}, "x_user is no open account"),
        ({}, {"writers": (("x_user", "%"), ("z", "%"))}, {}, "`z`@`%` may write to x"),
    ],
)  # fmt: skip
def test_each_reason_alone_and_with_its_remedy(
    source: dict[str, Any], target: dict[str, Any], wish: dict[str, Any], reason: str
) -> None:
    told = found(replace(SOURCE, **source), replace(TARGET, **target), replace(WISH, **wish))
    assert len(told) == 1 and reason in told[0] and "Remedy: " in told[0], told


def test_what_is_a_migrations_own_may_be_overwritten() -> None:
    assert found(target=replace(TARGET, tables={"t": TABLE}), wish=replace(WISH, own_copy=True)) == []
    assert found(replace(SOURCE, rds_retention=None, variables={**VARIABLES, "binlog_expire_logs_seconds": "0"})) == []
    assert "and views v may name it" in found(replace(SOURCE, objects={"views": ("v",)}), names=("old", "x"))[0]


@pytest.mark.parametrize(
    ("forward", "backward", "expected"),
    [
        (None, None, "none"), ("copying", None, "copying"), ("following", None, "following"), ("following", "following", "following"),
        ("switched", "following", "switched"), ("switched", "switched", "returned"), ("back", "switched", "gone back"), ("back", None, "gone back"),
    ],
)  # fmt: skip
def test_how_far_it_is(forward: str | None, backward: str | None, expected: str) -> None:
    assert phase(Note(forward) if forward else None, Note(backward) if backward else None) == expected


@pytest.mark.parametrize(
    ("schema", "sql", "expected"),
    [
        ("x", "ALTER TABLE t ADD a INT", True), ("", "/* a comment */ TRUNCATE `x`.`t`", True), ("other", "ALTER TABLE x.t ADD a INT", True),
        ("x", "INSERT INTO t VALUES (1)", True), ("other", "DROP TABLE xx.t", False), ("other", "DROP TABLE x2", False),
        ("x", "GRANT SELECT ON x.* TO a", False), ("x", "CREATE USER a", False), ("x", "CREATE DEFINER=`a`@`%` TRIGGER tr", False),
        ("x", "DROP TRIGGER x.tr", False), ("x", "DROP /*!40005 TEMPORARY */ TABLE t", False), ("x", "CREATE TABLE groundwork_migration (i INT)", False),
        ("x", "CREATE DEFINER=`a`@`%` PROCEDURE p()", True),
    ],
)  # fmt: skip
def test_which_statements_change_definitions(schema: str, sql: str, expected: bool) -> None:
    assert concerns(binlog.Text(schema, sql), "x") is expected


def read(kind: int, meta: bytes, data: bytes, **column: Any) -> str:
    rest = Bytes(data)
    text = values.value(kind, meta, Column("c", **column), rest)
    assert len(rest) == 0
    return text


@pytest.mark.parametrize(
    ("kind", "meta", "data", "column", "expected"),
    [
        (values.TINY, b"", b"\xff", {}, "-1"), (values.TINY, b"", b"\xff", {"unsigned": True}, "255"),
        (values.INT24, b"", b"\x00\x00\x80", {}, "-8388608"), (values.LONGLONG, b"", b"\xff" * 8, {"unsigned": True}, "18446744073709551615"),
        (values.FLOAT, b"\x04", struct.pack("<f", 1.1), {}, "1.100000023841858"), (values.DOUBLE, b"\x08", struct.pack("<d", 5e-324), {}, "5e-324"),
        (values.NEWDECIMAL, b"\x05\x02", b"\x80\x01\x00", {}, "1.00"), (values.NEWDECIMAL, b"\x05\x02", b"\x7f\xff\xfa", {}, "-0.05"),
        # The example in the server's own source.
        (values.NEWDECIMAL, b"\x0e\x04", bytes.fromhex("810dfb38d204d2"), {}, "1234567890.1234"),
        (values.STRING, b"\xf7\x01", b"\x02", {}, "2"), (values.STRING, b"\xf8\x02", b"\x05\x00", {}, "5"),
        (values.STRING, b"\xfe\x14", b"\x02ab", {"charset": "utf8mb4"}, "_utf8mb4 X'6162'"), (values.STRING, b"\xee\x2c", b"\x02\x00ab", {}, "X'6162'"),
        (values.VARCHAR, b"\x2c\x01", b"\x01\x00\xe9", {"charset": "latin1"}, "_latin1 X'e9'"), (values.VARCHAR, b"\x10\x00", b"\x00", {}, "X''"),
        (values.BLOB, b"\x02", b"\x03\x00\x00\xff'", {}, "X'00ff27'"), (values.BIT, b"\x05\x01", b"\x10\x01", {}, "4097"),
        (values.DATE, b"", b"\x00\x00\x00", {}, "'0000-00-00'"), (values.DATE, b"", b"\x5d\xd0\x0f", {}, "'2024-02-29'"),
        (values.YEAR, b"", b"\x00", {}, "'0000'"), (values.YEAR, b"", b"\x01", {}, "'1901'"),
        (values.TIMESTAMP2, b"\x03", b"\x00\x00\x00\x01\x04\xce", {}, "'1970-01-01 00:00:01.123'"),
        (values.TIMESTAMP2, b"\x00", b"\x00" * 4, {}, "'0000-00-00 00:00:00'"),
        (values.DATETIME2, b"\x00", b"\x80\x00\x00\x00\x00", {}, "'0000-00-00 00:00:00'"), (values.TIME2, b"\x00", b"\x7f\xff\xff", {}, "'-00:00:01'"),
        (values.TIME2, b"\x01", b"\x7f\xff\xff\xce", {}, "'-00:00:00.5'"), (values.TIME2, b"\x06", b"\x80\x00\x01\x00\x00\x01", {}, "'00:00:01.000001'"),
        (values.JSON, b"\x04", b"\x00\x00\x00\x00", {}, f"_utf8mb4 X'{b'null'.hex()}'"),
    ],
)  # fmt: skip
def test_values_of_rows(kind: int, meta: bytes, data: bytes, column: dict[str, Any], expected: str) -> None:
    assert read(kind, meta, data, **column) == expected


def test_documents() -> None:
    # {"a": 1} and [-2, "x"], small; the same object, large.
    assert values.document(b"\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x05\x01\x00a") == '{"a": 1}'
    assert values.document(b"\x02\x02\x00\x0c\x00\x05\xfe\xff\x0c\x0a\x00\x01x") == '[-2, "x"]'
    assert (
        values.document(b"\x01\x01\x00\x00\x00\x14\x00\x00\x00\x13\x00\x00\x00\x01\x00\x07\x01\x00\x00\x00a")
        == '{"a": 1}'
    )
    assert values.document(b"\x0f\xf6\x05\x05\x02\x7f\xff\xfa") == "-0.05"
    with pytest.raises(DatabaseError, match="no text stands for them"):
        values.document(b"\x0f\xfc\x01x")


def test_rows_and_statements_of_the_log() -> None:
    table = b"\x07\0\0\0\0\0\x01\0\x01x\0\x01t\0\x02\x03\x0f\x02\x14\0\x02"
    number, about = binlog.parse_map(Bytes(table))
    assert (number, about.schema, about.table) == (7, "x", "t")
    columns = {"t": (Column("id"), Column("v", charset="utf8mb4"))}
    head = b"\x07\0\0\0\0\0\x03\0\x02\0\x02"
    rows = binlog.parse_rows(
        binlog.UPDATE_ROWS, Bytes(head + b"\x03\x03" + b"\0\x01\0\0\0\x01a" + b"\x02\x01\0\0\0"), {7: about}, columns
    )
    assert rows == binlog.Rows("t", (("1", "_utf8mb4 X'61'"),), (("1", "NULL"),), foreign_keys=False)
    with pytest.raises(DatabaseError, match="in part only"):
        binlog.parse_rows(binlog.WRITE_ROWS, Bytes(head + b"\x01" + b"\0\x01\0\0\0"), {7: about}, columns)
    with pytest.raises(DatabaseError, match=r"was changed meanwhile \(2 columns in the binary log, 1 now\)"):
        binlog.parse_rows(binlog.WRITE_ROWS, Bytes(head), {7: about}, {"t": (Column("id"),)})
    assert binlog.parse_query(Bytes(b"\0" * 8 + b"\x01\0\0\x02\0\0\0x\0DROP TABLE t")) == binlog.Text(
        "x", "DROP TABLE t"
    )
    assert binlog.position("log.000009", 900) < binlog.position("log.000010", 4) < binlog.position("log.000010", 5)


class Secrets:
    """As much of Secrets Manager as one secret needs."""

    def __init__(self, text: str) -> None:
        self.versions, self.stages = {"0": text}, {"AWSCURRENT": "0"}

    def describe_secret(self, **_: Any) -> dict[str, Any]:
        stages: dict[str, list[str]] = {}
        for label, version in self.stages.items():
            stages.setdefault(version, []).append(label)
        return {"VersionIdsToStages": stages}

    def get_secret_value(self, **wanted: Any) -> dict[str, Any]:
        return {"SecretString": self.versions[wanted["VersionId"]]}

    def put_secret_value(self, **wanted: Any) -> None:
        version = str(len(self.versions))
        self.versions[version] = wanted["SecretString"]
        self.stages |= dict.fromkeys(wanted["VersionStages"], version)

    def update_secret_version_stage(self, **wanted: Any) -> None:
        label, to = wanted["VersionStage"], wanted.get("MoveToVersionId")
        assert self.stages.get(label) == wanted.get("RemoveFromVersionId"), "AWS refuses it"
        if to:
            self.stages[label] = to
        else:
            del self.stages[label]


def test_the_secret_has_both_logins_until_the_end() -> None:
    client = Secrets('{"host": "old", "username": "app", "password": "p0", "of": "x"}')

    def do(state: str, *, check: bool = False) -> dict[str, Any]:
        options = {
            "state": state,
            "name": "s",
            "login": {"host": "new", "username": "x_user", "password": "p1"},
            "return_values": True,
        }
        return act(options, check=check, client=client)

    assert do("prepared", check=True)["changed"] and client.stages == {"AWSCURRENT": "0"}
    assert do("prepared")["changed"] and do("read")["login"]["username"] == "app" and not do("prepared")["changed"]
    assert do("shared", check=True)["changed"] and do("read")["names"] == "dedicated"
    assert do("shared")["names"] == "shared" and not do("shared")["changed"] and not do("prepared")["changed"]
    assert do("read")["login"] == {"host": "new", "username": "x_user", "password": "p1", "of": "x"}
    assert do("dedicated")["names"] == "dedicated" and do("read")["login"]["password"] == "p0"
    client.put_secret_value(SecretString='{"host": "elsewhere"}', VersionStages=["AWSCURRENT"])
    with pytest.raises(SecretsError, match="was changed by somebody else meanwhile"):
        do("shared")
    assert do("prepared")["changed"] and do("shared")["names"] == "shared"
    assert do("finished")["changed"] and set(client.stages) == {"AWSCURRENT"} and not do("finished")["changed"]
    with pytest.raises(SecretsError, match="has no version groundwork-shared"):
        do("shared")
    assert "p1" not in str(do("read")["diff"])
