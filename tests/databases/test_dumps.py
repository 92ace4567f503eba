"""Dumps, restores and offboarding against a real MySQL and a real PostgreSQL: by the modules' code and by the playbooks."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pymysql
import pytest
from conftest import KIND, PASSWORD, PROJECT, PROVIDER, Server
from groundwork.aws_client import AwsError
from groundwork.databases import backup, dumps, mysql_dumps, offboard, run
from groundwork.databases.model import DatabaseError
from groundwork.estate import images
from groundwork.operations import Records
from groundwork.terraform.offline import embedded_aws

PATHS = {"mysql": "/shared/rds/unit", "postgresql": "/shared/rds/unit/postgresql"}
BUCKET, STATE = "unit-database-backup-123456789012", "unit-groundwork-state-123456789012"
#: The first is what is dumped, the second is in the catalog all the time.
SERVICES = ["fileflow", "a_b"]

#: What a service makes in its database: kinds of columns and of things that a dump could lose.
MADE = {
    "mysql": [
        "CREATE TABLE files (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(200), body BLOB, price DECIMAL(20,5), f FLOAT, d DOUBLE,"
        " j JSON, b BIT(9), at DATETIME(6), e ENUM('a','b'), n INT DEFAULT 3, g INT AS (n * 2) VIRTUAL,"
        " `c) VALUES (` VARCHAR(220) AS (concat(name, 'x')) STORED, p POINT NULL, hidden INT INVISIBLE DEFAULT 7)",
        "CREATE TABLE `we``ird (VALUES) 이름` (`a b` INT, `c) VALUES (` TEXT)",
        "CREATE TABLE nokey (t TEXT)",
        "CREATE TABLE none (i INT)",
        "CREATE TABLE parted (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10),"
        " PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "INSERT INTO parted VALUES (1), (20)",
        "INSERT INTO files (name, body, price, f, d, j, b, at, e, p) VALUES ('na''m\\\\e ),( \\n\\t 한글 😀', x'00ff0a0d27', 123.45678, 1.1, 0.1,"
        " '{\"a\": [1, \"x),(y\"]}', 5, '2024-02-29 12:13:14.123456', 'a', ST_GeomFromText('POINT(1 2)'))",
        "INSERT INTO files (name) SELECT concat(name, id) FROM files",
        "INSERT INTO `we``ird (VALUES) 이름` VALUES (1, '),('), (2, '''),('''), (3, '\\\\'), (NULL, NULL)",
        "INSERT INTO nokey VALUES ('x'), ('x'), ('y')",
        "CREATE TABLE one (i INT)",
        "CREATE TABLE two (i INT)",
    ],
    "postgresql": [
        "CREATE TABLE files (id serial PRIMARY KEY, t text, body bytea, at timestamptz, n numeric, d double precision, j jsonb, a int[],"
        " g int GENERATED ALWAYS AS (length(t)) STORED, i interval)",
        "CREATE SCHEMA more",
        'CREATE TABLE more."we""ird t" (t text, "T" int)',
        "CREATE TABLE parted (i int) PARTITION BY RANGE (i)",
        "CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "CREATE TYPE mood AS ENUM ('a', 'b')",
        "CREATE TABLE moods (m mood, CONSTRAINT c CHECK (m <> 'b'))",
        "CREATE VIEW v AS SELECT id FROM files",
        "CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM files",
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
        "CREATE TRIGGER tr BEFORE INSERT ON files FOR EACH ROW EXECUTE FUNCTION tr()",
        "CREATE EXTENSION citext",
        "CREATE TABLE ci (c citext)",
        "CREATE TABLE child (x int) INHERITS (files)",
        "CREATE TABLE none ()",
        "INSERT INTO none DEFAULT VALUES",
        "INSERT INTO files (t, body, at, n, d, j, a, i) SELECT E'한글 😀 '' \\n' || n, '\\x00ff', now(), 1.50, 0.1 + n, '{\"a\": 1}', '{1,2}',"
        " '1 day 2 hours' FROM generate_series(1, 20) n",
        "INSERT INTO more.\"we\"\"ird t\" VALUES ('x', 1), (NULL, 2), ('x', 1)",
        "INSERT INTO parted VALUES (1), (2)",
        "INSERT INTO moods VALUES ('a')",
        "INSERT INTO ci VALUES ('A')",
        "CREATE TABLE one (i int)",
        "CREATE TABLE two (i int)",
    ],
}
#: What only an administrator, or a login for migrations, makes on MySQL.
MADE_BY_ADMIN = [
    "CREATE VIEW fileflow.v AS SELECT id, name FROM fileflow.files",
    "CREATE FUNCTION fileflow.fn(a INT) RETURNS INT DETERMINISTIC RETURN a + 1",
    "CREATE PROCEDURE fileflow.pr() INSERT INTO nokey VALUES ('from pr')",
    "CREATE TRIGGER fileflow.tr BEFORE INSERT ON fileflow.nokey FOR EACH ROW SET NEW.t = concat(NEW.t, '!')",
    # It would run at once, and empty a table.
    "CREATE EVENT fileflow.ev ON SCHEDULE EVERY 1 DAY STARTS '2000-01-01' ON COMPLETION PRESERVE DISABLE DO DELETE FROM fileflow.nokey",
]
ROWS = {"mysql": {"files": 2, "nokey": 3, "none": 0, "parted": 2, "we`ird (VALUES) 이름": 4, "one": 0, "two": 0}}
ROWS["postgresql"] = {
    '"public"."files"': 20, '"more"."we""ird t"': 3, '"public"."p1"': 2, '"public"."moods"': 1, '"public"."ci"': 1,
    '"public"."child"': 0, '"public"."none"': 1, '"public"."one"': 0, '"public"."two"': 0,
}  # fmt: skip


def install_clients(folder: Path) -> None:
    images.install_programs("host", folder)


class Place:
    """A server, an AWS with the services' secrets, and who works with both."""

    def __init__(self, server: Server, programs: Path) -> None:
        self.engine = server.engine
        self.where = server.where
        self.programs = programs
        self.aws = boto3.client("secretsmanager")
        self.s3 = boto3.client("s3")
        self.key_arn = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
        for bucket in (BUCKET, STATE):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
        self.said: list[str] = []
        for service in SERVICES:
            self.secret(service)

    def secret(self, service: str) -> None:
        login = {"username": f"{service}_user", "password": f"first {service}'%s\\", "dbname": service}
        value = json.dumps({"engine": KIND[self.engine], **login})
        self.aws.create_secret(Name=f"unit-{service}-database", SecretString=value)

    def login(self, service: str = "fileflow") -> dict[str, Any]:
        text = self.aws.get_secret_value(SecretId=f"unit-{service}-database")["SecretString"]
        value: dict[str, Any] = json.loads(text)
        return value

    def enter(self, login: dict[str, Any] | None = None, database: str = "fileflow") -> Any:
        """A session of a login, of the administrator when none is given."""
        who = login or {"username": self.where["user"], "password": PASSWORD}
        host, port, ca = self.where["host"], self.where["port"], self.where["ca_file"]
        if self.engine == "mysql":
            return pymysql.connect(
                host=host, port=port, user=who["username"], password=who["password"], database=database or None,
                ssl={"ca": ca}, connect_timeout=10, autocommit=True,
            )  # fmt: skip
        return psycopg.connect(
            host=host, port=port, user=who["username"], password=who["password"], dbname=database or "postgres",
            sslmode="verify-full", sslrootcert=ca, connect_timeout=10, autocommit=True,
        )  # fmt: skip

    def sql(self, *texts: str, login: dict[str, Any] | None = None, database: str = "fileflow") -> list[Any]:
        connection = self.enter(login, database)
        try:
            cursor = connection.cursor()
            for text in texts:
                cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def refused(self, service: str = "fileflow") -> bool:
        try:
            self.enter(self.login(service), service).close()
        except (pymysql.MySQLError, psycopg.Error) as error:
            assert "locked" in str(error) or "not permitted to log in" in str(error), error
            return True
        return False

    def databases(self) -> set[str]:
        text = "SHOW DATABASES" if self.engine == "mysql" else "SELECT datname FROM pg_database WHERE datallowconn"
        own = {"mysql", "sys", "information_schema", "performance_schema", "postgres", "template1"}
        return {str(row[0]) for row in self.sql(text, database="")} - own

    # --- what an operator does ---------------------------------------------------------------------------------------

    def site(self, services: list[str] = SERVICES) -> dict[str, Any]:
        """What playbooks/databases.yml asks for."""
        wishes = []
        for service in services:
            value = self.login(service)
            wishes.append(
                {"name": service, "database": value["dbname"], "user": value["username"], "password": value["password"]}
            )
        return run.ensure({**self.where, "services": wishes, "ignore_users": [PROVIDER]}, check=False)

    def make(self) -> None:
        self.site()
        self.sql(*MADE[self.engine], login=self.login())
        if self.engine == "mysql":
            self.sql(*MADE_BY_ADMIN)

    def options(self, state: str, **more: Any) -> dict[str, Any]:
        base = {**self.where, "bucket": BUCKET, "kms_key_id": self.key_arn, "programs": str(self.programs)}
        return {**base, "state": state, "services": [], **more}

    def act(self, state: str, *, check: bool = False, **more: Any) -> dict[str, Any]:
        answer = backup.act(self.options(state, **more), check=check)
        self.said.append(json.dumps(answer))
        return answer

    def dump(self, service: str = "fileflow") -> str:
        return str(self.act("dumped", services=[{"name": service}])["dumps"][0]["key"])

    def manifest(self, key: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.s3.get_object(Bucket=BUCKET, Key=f"{key}/manifest.json")["Body"].read())
        return value

    def offboard(self, state: str, *, check: bool = False, **more: Any) -> dict[str, Any]:
        users = [f"fileflow_{kind}" for kind in ("user", "readonly", "user_2")]
        options = {**self.where, "state": state, "database": "fileflow", "users": users, **more}
        answer = offboard.offboard(options, check=check)
        self.said.append(json.dumps(answer))
        return answer

    def clear(self) -> None:
        """A service's database as playbooks/databases.yml makes it."""
        self.offboard("locked")
        if "fileflow" in self.databases():
            self.offboard("dropped")
        self.site()


@pytest.fixture(scope="module", params=["mysql", "postgresql"])
def place(
    request: pytest.FixtureRequest, empty_server: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    server = empty_server(str(request.param))
    folder = tmp_path_factory.mktemp("clients")
    programs = folder / "programs"
    install_clients(programs)
    with (
        embedded_aws("123456789012", "ap-northeast-2", folder) as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        found = Place(server, programs)
        found.make()
        yield found


# --- dumps ---------------------------------------------------------------------------------------------------------


def test_a_dump_says_what_it_holds_and_gives_it_back(place: Place) -> None:
    predicted = place.act("dumped", check=True, services=[{"name": "fileflow"}])
    assert predicted["changed"] and place.act("listed", service="fileflow")["dumps"] == [], (
        "check mode changed something"
    )
    done = place.act("dumped", services=[{"name": "fileflow"}, {"name": "a_b"}])
    assert done["changes"][:1] == predicted["changes"] and [one["service"] for one in done["dumps"]] == SERVICES
    key = done["dumps"][0]["key"]
    manifest = place.manifest(key)
    assert {name: table["rows"] for name, table in manifest["tables"].items()} == ROWS[place.engine]
    if place.engine == "mysql":
        assert manifest["objects"] == {
            "views": ["v"], "triggers": ["tr"], "routines": ["function fn", "procedure pr"], "events": ["ev"],
        }  # fmt: skip
        assert [part["name"] for part in manifest["parts"]] == ["database", "events"]
    else:
        assert manifest["objects"]["extensions"] == ["citext"] and manifest["objects"]["triggers"] == [
            "tr on public.files"
        ]
    for part in [*(part["key"] for part in manifest["parts"]), f"{key}/manifest.json"]:
        head = place.s3.head_object(Bucket=BUCKET, Key=part)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", place.key_arn)
    answer = place.act("verified", service="fileflow")
    assert answer["dump"]["key"] == key and answer["database"] not in place.databases() == set(SERVICES)


def test_a_dump_is_of_one_moment(place: Place) -> None:
    """A transaction writes to two tables; no dump has half of one."""
    stop, written = threading.Event(), []

    def write() -> None:
        connection = place.enter(place.login())
        cursor = connection.cursor()
        while not stop.is_set():
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO one VALUES (1)")
            cursor.execute("INSERT INTO two VALUES (1)")
            cursor.execute("COMMIT")
            written.append(1)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        keys = []
        for _ in range(3):
            keys.append(place.dump())
            # A dump's name has its second.
            time.sleep(1.1)
    finally:
        stop.set()
        writer.join()
    assert len(written) > 20
    name = "{}" if place.engine == "mysql" else '"public"."{}"'
    for key in keys:
        tables = place.manifest(key)["tables"]
        assert tables[name.format("one")] == tables[name.format("two")] and tables[name.format("one")]["rows"] > 0
        place.act("verified", dump=key)


def test_what_was_changed_is_seen(place: Place) -> None:
    key = place.dump()
    good = place.manifest(key)
    table = next(name for name, about in good["tables"].items() if about["rows"] == 2)
    kind = "views" if place.engine == "mysql" else "types"
    for change, reason in (
        ({"tables": {**good["tables"], table: {**good["tables"][table], "rows": 3}}}, "has 2 rows instead of 3"),
        ({"tables": {**good["tables"], table: {**good["tables"][table], "checksum": "0"}}}, "other values in them"),
        ({"tables": {**good["tables"], "lost": {"rows": 0, "checksum": "0"}}}, "table lost is missing"),
        ({"objects": {**good["objects"], kind: []}}, f"{kind}: .* is too many"),
    ):
        place.s3.put_object(Bucket=BUCKET, Key=f"{key}/manifest.json", Body=json.dumps({**good, **change}))
        with pytest.raises(DatabaseError, match=f"does not give back what was dumped: .*{reason}"):
            place.act("verified", dump=key)
    part = good["parts"][0]["key"]
    body = place.s3.get_object(Bucket=BUCKET, Key=part)["Body"].read()
    place.s3.put_object(Bucket=BUCKET, Key=f"{key}/manifest.json", Body=json.dumps(good))
    for torn in (body[:-9], body[:-9] + b"\0" * 9, b""):
        place.s3.put_object(Bucket=BUCKET, Key=part, Body=torn)
        with pytest.raises(DatabaseError, match=r"it was changed or is torn|zstd ended with 1"):
            place.act("verified", dump=key)
    place.s3.put_object(Bucket=BUCKET, Key=part, Body=body)
    place.act("verified", dump=key)
    place.s3.delete_object(Bucket=BUCKET, Key=f"{key}/manifest.json")
    with pytest.raises(DatabaseError, match="is no dump, or one that was never finished"):
        place.act("verified", dump=key)
    assert place.databases() == set(SERVICES), "nothing is left"


def apart(options: dict[str, Any], kill: Callable[[], bool]) -> None:
    """A call in a process of its own, killed as soon as `kill` says so."""
    process = multiprocessing.get_context("fork").Process(target=backup.act, args=(options,), kwargs={"check": False})
    process.start()
    while process.is_alive() and not kill():
        time.sleep(0.01)
    if process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_run_that_was_killed_leaves_no_dump_and_no_scratch_database(place: Place) -> None:
    before = {one["key"] for one in place.act("listed", service="fileflow")["dumps"]}

    def uploading() -> bool:
        found = place.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"dumps/fileflow/{place.engine}/").get("Contents", [])
        return any(one["Key"].rpartition("/")[0] not in before for one in found)

    apart(place.options("dumped", services=[{"name": "fileflow"}]), uploading)
    assert {one["key"] for one in place.act("listed", service="fileflow")["dumps"]} - before in (set(), {place.dump()})
    key = place.dump()
    apart(place.options("verified", dump=key), lambda: dumps.scratch_name(key) in place.databases())
    place.act("verified", dump=key)
    assert place.databases() == set(SERVICES)


def test_nothing_is_overwritten_and_a_killed_restore_is_begun_again(place: Place) -> None:
    key = place.dump()
    with pytest.raises(
        DatabaseError, match=r"database fileflow at localhost:\d+ is not empty \(\d+ tables, .*: nothing is overwritten"
    ):
        place.act("restored", dump=key)
    assert place.act("restored", check=True, dump=key, into="copy")["changes"][0].startswith("make database copy")
    assert "copy" not in place.databases()
    place.act("restored", dump=key, into="copy")
    drop = "DROP DATABASE copy"
    if place.engine == "mysql":
        assert place.sql("SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'copy'") == [(0,)]
    place.sql(drop, database="")
    place.clear()
    tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'files' AND table_schema IN ('fileflow', 'public')"
    apart(place.options("restored", dump=key), lambda: place.sql(tables)[0][0] > 0)
    if place.engine == "mysql":
        # As it is when it was killed in the middle.
        place.sql("DROP DATABASE fileflow", "CREATE DATABASE fileflow", database="")
        mysql_dumps.MySQLDumps(run.endpoint_of(place.where), str(place.programs)).begin("fileflow", key)
        place.sql("CREATE TABLE files (half INT)")
        other = place.dump()
        with pytest.raises(DatabaseError, match="is not empty"):
            place.act("restored", dump=other)
    else:
        place.clear()
    place.act("restored", dump=key)
    with pytest.raises(DatabaseError, match="is not empty"):
        place.act("restored", dump=key)
    answer = place.site()
    assert not {change for change in answer["changes"] if "CREATE" in change}, answer
    assert place.sql("SELECT COUNT(*) FROM files", login=place.login())[0][0] == ROWS[place.engine].get("files", 20)


def test_passwords_are_in_no_argument_and_no_environment(place: Place, tmp_path: Path) -> None:
    for name in ("mysqldump", "mysql", "pg_dump", "pg_restore"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\ntr "\\0" "\\n" < /proc/$$/environ >> {tmp_path}/seen; echo "$0" "$@" >> {tmp_path}/seen\n'
            f'exec {place.programs}/{name} "$@"\n'
        )
        program.chmod(0o755)
    key = place.act("dumped", services=[{"name": "fileflow"}], programs=str(tmp_path))["dumps"][0]["key"]
    place.act("verified", dump=key, programs=str(tmp_path))
    seen = (tmp_path / "seen").read_text()
    assert "dump" in seen and PASSWORD not in seen and "AWS_SECRET_ACCESS_KEY" not in seen


def test_clear_errors(place: Place, tmp_path: Path) -> None:
    wish = [{"name": "fileflow"}]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"password": "wrong"}, "the password in the secret is not the server's"),
        ({"port": 1}, "check the name, the security group"),
        ({"services": [{"name": "nobody"}]}, "there is no database 'nobody'"),
    ]
    for more, reason in wrong:
        with pytest.raises(DatabaseError, match=reason):
            place.act("dumped", **{"services": wish, **more})
    with pytest.raises((DatabaseError, AwsError), match="bucket nothere does not exist"):
        place.act("dumped", services=wish, bucket="nothere")
    for text, reason in (
        ("mysqldump from 11.4.2-MariaDB", "is MariaDB's"),
        ("mysqldump  Ver 8.0.1 for Linux", "is older than the server's"),
        ("pg_dump (PostgreSQL) 9.6", "is older than the server's"),
    ):
        for name in ("mysqldump", "mysql", "pg_dump", "pg_restore"):
            (tmp_path / name).write_text(f"#!/bin/sh\necho '{text}'\n")
            (tmp_path / name).chmod(0o755)
        if text.startswith("mysqldump") == (place.engine == "mysql"):
            with pytest.raises(DatabaseError, match=reason):
                place.act("dumped", services=wish, programs=str(tmp_path))
    # What was dumped before one failed is said.
    with pytest.raises(DatabaseError, match=r"these were: dumps/a_b/\w+/\d+T\d+Z\):\nnobody: there is no database"):
        place.act("dumped", services=[{"name": "nobody"}, {"name": "a_b"}])


# --- offboarding on the server -------------------------------------------------------------------------------------


def test_locked_let_in_again_and_dropped(place: Place) -> None:
    session = place.enter(place.login())
    with pytest.raises(DatabaseError, match=r"is not dropped: .*is not locked; .*is still connected"):
        place.offboard("dropped")
    predicted = place.offboard("locked", check=True)
    assert predicted["changed"] and not place.refused()
    done = place.offboard("locked")
    assert done["changes"] == predicted["changes"] and place.refused()
    with pytest.raises((pymysql.MySQLError, psycopg.Error)):
        session.cursor().execute("SELECT 1")
    assert not place.offboard("locked")["changed"]
    place.offboard("unlocked")
    assert not place.refused()
    place.offboard("locked")
    visitor = place.enter()
    with pytest.raises(DatabaseError, match="in database fileflow: session"):
        place.offboard("dropped")
    visitor.close()
    other = {"mysql": "`a_b_user`@`%` holds privileges on `fileflow`", "postgresql": "a_b_user holds CONNECT on it"}
    grant = {"mysql": "SELECT ON fileflow.* TO a_b_user@'%'", "postgresql": "CONNECT ON DATABASE fileflow TO a_b_user"}
    place.sql(f"GRANT {grant[place.engine]}", database="")
    with pytest.raises(DatabaseError, match=other[place.engine]):
        place.offboard("dropped")
    place.sql(f"REVOKE {grant[place.engine].replace(' TO ', ' FROM ')}", database="")
    predicted = place.offboard("dropped", check=True)
    assert "fileflow" in place.databases()
    done = place.offboard("dropped")
    assert done["changes"] == predicted["changes"] and done["seen"]["gone"] and place.databases() == {"a_b"}
    assert not place.offboard("dropped")["changed"]
    assert place.site(["a_b"])["unknown"] == {"databases": [], "users": [], "access": []}
    with pytest.raises(DatabaseError, match="is no database of a service"):
        place.offboard("dropped", database={"mysql": "mysql", "postgresql": "postgres"}[place.engine])
    place.make()


# --- the playbooks -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inventory(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An estate whose ops host is this process's machine, and what Terraform would have exported of it."""
    ssm, path = boto3.client("ssm"), PATHS[place.engine]
    login = {"username": place.where["user"], "password": PASSWORD}
    master = place.aws.create_secret(Name="unit-master", SecretString=json.dumps(login))["ARN"]
    exported = {
        f"{path}/endpoint": "localhost",
        f"{path}/port": str(place.where["port"]),
        f"{path}/identifier": f"unit-shared-{place.engine}",
        f"{path}/master-secret-arn": master,
        "/shared/rds/unit/backup-bucket": BUCKET,
        "/shared/kms/s3-key-arn": place.key_arn,
        "/shared/kms/secrets-manager-key-arn": place.key_arn,
    }
    for name, value in exported.items():
        ssm.put_parameter(Name=name, Value=value, Type="String")
    aws = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    known = {
        "env": "unit", "aws_account_id": "123456789012", "aws_region": "ap-northeast-2", "groundwork_dir": str(PROJECT),
        "aws_environment": aws, "database_maintenance_dump_environment": aws,
        "catalog": {"databases": {place.engine: {}}, "services": []},
        "shared_database_secret_prefix": "unit", "shared_database_python": sys.executable,
        "shared_database_ca_file": place.where["ca_file"],
    }  # fmt: skip
    hosts = {"ops": {"hosts": {"unit-ops-1": {"ansible_connection": "local"}}}}
    file = tmp_path_factory.mktemp("inventory") / "hosts.json"
    file.write_text(json.dumps({"all": {"vars": known, "children": hosts}}))
    return file


class Player:
    """Plays playbooks; `services` are in the catalog."""

    def __init__(self, place: Place, inventory: Path) -> None:
        self.place, self.inventory = place, inventory
        self.services = [*SERVICES]

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        database = {"engine": self.place.engine, "max_connections": 30}
        services = [{"name": service, "database": database} for service in self.services]
        catalog = {"catalog": {"databases": {self.place.engine: {}}, "services": services}}
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("ansible-playbook")), str(PROJECT / "playbooks/breakglass" / name),
             "-i", str(self.inventory), "-e", json.dumps(catalog), *arguments],
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip

    def __call__(self, name: str, *arguments: str) -> tuple[int, str]:
        process = self.start(name, *arguments)
        text, _ = process.communicate()
        self.place.said.append(text)
        # One line, however it was broken.
        return process.returncode, " ".join(text.split())

    def killed_at(self, step: str, name: str, *arguments: str) -> None:
        """Killed as soon as its record has the step."""
        process = self.start(name, *arguments)
        records = Records(STATE, "records/databases/offboarding/fileflow")
        while process.poll() is None and step not in [
            one["step"] for one in (records.read() or {"steps": []})["steps"]
        ]:
            time.sleep(0.05)
        assert process.poll() is None, process.communicate()[0]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def play(place: Place, inventory: Path) -> Player:
    return Player(place, inventory)


def test_backup_drill_and_restore_by_playbook(place: Place, play: Player) -> None:
    code, text = play("db_backup.yml", "--check", "-e", "services=fileflow")
    assert code == 0 and "fileflow: dump database fileflow" in text, text
    code, text = play("db_backup.yml")
    assert code == 0 and "changed=1" in text and f"dumps/a_b/{place.engine}/" in text, text
    code, text = play("db_restore_drill.yml")
    assert code == 0 and "changed=0" in text and "every table compared, dropped" in text, text
    assert place.databases() == set(SERVICES)
    for arguments, reason in (
        ((), "Which service? -e service=<name>."),
        (("-e", "service=nobody"), "The catalog has no database of nobody"),
        (("-e", "service=fileflow"), "is not empty"),
    ):
        code, text = play("db_restore.yml", *arguments)
        assert code == 2 and reason in text, text
    place.clear()
    code, text = play("db_restore.yml", "-e", "service=fileflow", "--check")
    assert (
        code == 0
        and "would be recorded in" in text
        and place.act("dumped", check=True, services=[{"name": "fileflow"}])["changes"]
        == ["fileflow: dump database fileflow (0 tables)"]
    ), text
    code, text = play("db_restore.yml", "-e", "service=fileflow")
    assert code == 2 and "add: -e confirm=unit-db-restore-fileflow" in text, text
    code, text = play("db_restore.yml", "-e", "service=fileflow", "-e", "confirm=unit-db-restore-fileflow")
    assert code == 0 and "recorded in s3://unit-groundwork-state-" in text, text
    assert place.sql("SELECT COUNT(*) FROM files", login=place.login())[0][0] == ROWS[place.engine].get("files", 20)


def test_offboarding_by_playbook(place: Place, play: Player) -> None:
    confirmed = ("-e", "service=fileflow", "-e", "confirm=unit-db-offboard-fileflow")
    code, text = play("db_offboard.yml", *confirmed)
    assert code == 2 and "fileflow is in the catalog" in text and "Nothing was touched" in text, text
    play.services = ["a_b"]
    code, text = play("db_offboard.yml", "-e", "service=fileflow", "--check", "--diff")
    assert code == 0 and "would be locked" in text and not place.refused(), text
    code, text = play("db_offboard.yml", "-e", "service=fileflow")
    assert code == 2 and "add: -e confirm=unit-db-offboard-fileflow" in text and not place.refused(), text
    code, text = play("db_offboard.yml", *confirmed)
    assert code == 0 and "In 7.0 days run the same command again" in text and place.refused(), text
    code, text = play("db_offboard.yml", *confirmed)
    assert code == 0 and "changed=0" in text and "nothing is done before" in text and "fileflow" in place.databases(), (
        text
    )
    # Back.
    code, text = play("db_offboard.yml", "-e", "service=fileflow", "-e", "do=undo")
    assert code == 0 and not place.refused(), text
    code, text = play("db_offboard.yml", "-e", "service=fileflow", "-e", "do=undo")
    assert code == 2 and "there is nothing to take back" in text, text
    # Locked, let in again by somebody, locked anew.
    code, text = play("db_offboard.yml", *confirmed, "-e", "days=0")
    assert code == 0 and place.refused(), text
    place.offboard("unlocked")
    code, text = play("db_offboard.yml", *confirmed)
    assert code == 2 and "Let in again by somebody" in text and "fileflow" in place.databases(), text
    place.offboard("locked")
    code, text = play("db_offboard.yml", "-e", "service=fileflow", "--check")
    assert code == 0 and "fileflow" in place.databases() and "is dumped" in text, text
    code, text = play("db_offboard.yml", *confirmed)
    assert code == 0 and "fileflow is gone. Its last dump: dumps/fileflow/" in text and place.databases() == {"a_b"}, (
        text
    )
    assert place.aws.describe_secret(SecretId="unit-fileflow-database")["DeletedDate"]
    code, text = play("db_offboard.yml", *confirmed, "-e", f"engine={place.engine}")
    assert code == 2 and "has neither database fileflow nor a login of fileflow" in text, text
    # Back into the catalog, and filled from its last dump.
    play.services = [*SERVICES]
    place.aws.restore_secret(SecretId="unit-fileflow-database")
    place.site()
    code, text = play("db_restore.yml", "-e", "service=fileflow", "-e", "confirm=unit-db-restore-fileflow")
    assert code == 0 and place.sql("SELECT COUNT(*) FROM files", login=place.login())[0][0] > 0, text
    place.site()


@pytest.mark.parametrize("step", ["locked", "dumped", "verified", "dropped"])
def test_offboarding_goes_on_after_a_kill(place: Place, play: Player, step: str) -> None:
    play.services = ["a_b"]
    again = ("-e", "service=fileflow", "-e", "confirm=unit-db-offboard-fileflow", "-e", "operation_takeover=true")
    first = (*again, "-e", "days=0")
    if step == "locked":
        play.killed_at("opened", "db_offboard.yml", *first)
    code, text = play("db_offboard.yml", *first)
    assert code == 0 and place.refused(), text
    if step != "locked":
        play.killed_at(step, "db_offboard.yml", *again)
    code, text = play("db_offboard.yml", *again)
    assert code == 0 and "fileflow is gone" in text and place.databases() == {"a_b"}, text
    record = Records(STATE, "records/databases/offboarding/fileflow")
    assert record.read() is None
    assert len(place.act("listed", service="fileflow")["dumps"]) > 0
    assert place.aws.describe_secret(SecretId="unit-fileflow-database")["DeletedDate"]
    place.aws.restore_secret(SecretId="unit-fileflow-database")
    play.services = [*SERVICES]
    place.make()


def test_no_password_was_said(place: Place) -> None:
    text = "".join(place.said)
    assert "dumps/fileflow/" in text and PASSWORD not in text and "first fileflow" not in text
