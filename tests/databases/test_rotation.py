"""Rotation against a real MySQL and a real PostgreSQL: clients that are never refused, killed runs, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pymysql
import pytest
from conftest import KIND, PASSWORD, PROJECT, PROVIDER, Server
from databases import rotation_flow as flow
from groundwork.databases import run
from groundwork.databases.model import DatabaseError
from groundwork.databases.postgresql_plan import other_login
from groundwork.operations import Records
from groundwork.terraform.offline import embedded_aws

SERVICES = ["fileflow", "a_b"]


class Refused(Exception):
    """The server refused a login."""


class Place:
    """A server, an AWS with the services' secrets, and who works with both."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = engine = server.engine
        self.container = server.container
        self.prefix = engine
        self.where = {name: server.where[name] for name in ("engine", "host", "port", "ca_file", "user", "password")}
        self.aws = boto3.client("secretsmanager")
        self.said: list[str] = []
        for service in SERVICES:
            login = {"username": f"{service}_user", "password": f"first {service}'%s\\"}
            self.aws.create_secret(
                Name=self.secret(service), SecretString=json.dumps({"engine": KIND[engine], "dbname": service, **login})
            )

    def secret(self, service: str) -> str:
        return f"{self.prefix}-{service}-database"

    def read(self, service: str) -> dict[str, Any]:
        """What a client reads."""
        value: dict[str, Any] = json.loads(self.aws.get_secret_value(SecretId=self.secret(service))["SecretString"])
        return value

    def write(self, service: str, **more: Any) -> None:
        """A change by hand."""
        self.aws.put_secret_value(
            SecretId=self.secret(service), SecretString=json.dumps({**self.read(service), **more})
        )

    def enter(self, login: dict[str, Any]) -> Any:
        """A session as a service makes it."""
        host, port, ca = self.where["host"], self.where["port"], self.where["ca_file"]
        try:
            if self.engine == "mysql":
                return pymysql.connect(
                    host=host, port=port, user=login["username"], password=login["password"], database=login["dbname"],
                    ssl={"ca": ca}, connect_timeout=10, program_name="unit",
                )  # fmt: skip
            return psycopg.connect(
                host=host, port=port, user=login["username"], password=login["password"], dbname=login["dbname"],
                sslmode="verify-full", sslrootcert=ca, connect_timeout=10, application_name="unit",
            )  # fmt: skip
        except (pymysql.MySQLError, psycopg.Error) as error:
            text = str(error)
            if "1045" in text or "password authentication failed" in text or "not permitted to log in" in text:
                raise Refused(text) from error
            raise

    def works(self, login: dict[str, Any]) -> bool:
        try:
            self.enter(login).close()
        except Refused:
            return False
        return True

    def sql(self, text: str) -> str:
        """As the server's own superuser."""
        if self.engine == "mysql":
            done = self.container.exec(
                ["mysql", "--no-defaults", "--protocol=socket", "-uroot", "-N", "-B", "-r"], text
            )
        else:
            done = self.container.exec(["psql", "-XqAt", "-U", "rdsadmin", "-d", "postgres"], text, user="postgres")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # --- what an operator does ---------------------------------------------------------------------------------------

    def site(self, *, check: bool = False) -> dict[str, Any]:
        """What playbooks/databases.yml asks for: the logins of the secrets."""
        wishes = []
        for service in SERVICES:
            value = self.read(service)
            wishes.append({
                "name": service, "database": value["dbname"], "user": value["username"], "password": value["password"],
                "max_user_connections": 30,
            })  # fmt: skip
        options = {
            **self.where,
            "connect_timeout": 5,
            "lock_timeout": 30,
            "services": wishes,
            "ignore_users": [PROVIDER],
        }
        return run.ensure(options, check=check)

    def job(self, what: str, services: list[str] | None = None, **more: Any) -> flow.Job:
        chosen = services or SERVICES
        begun = {service: self.read(service).get("password_id", "") for service in chosen}
        settings = {"grace": 0, **more}
        return {
            **self.where,
            "prefix": self.prefix,
            "do": what,
            "services": chosen,
            "begun": begun,
            "settings": settings,
        }

    def do(self, what: str, services: list[str] | None = None, *, check: bool = False, **more: Any) -> dict[str, Any]:
        answer = flow.do(self.job(what, services, **more), check=check)
        self.said.append(json.dumps(answer))
        return answer

    def apart(self, job: flow.Job, kill_before: int | None = None) -> dict[str, Any]:
        """The same in a process of its own, which can be killed; the answer is empty when it was."""
        answer = flow.apart(job, kill_before)
        self.said.append(json.dumps(answer))
        assert "error" not in answer, answer["error"]
        return answer


@pytest.fixture(scope="module", params=["mysql", "postgresql"])
def place(
    request: pytest.FixtureRequest, empty_server: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    server = empty_server(str(request.param))
    with (
        embedded_aws("123456789012", "ap-northeast-2", tmp_path_factory.mktemp("aws")) as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in environment.items():
            patch.setenv(name, value)
        found = Place(server)
        assert found.site()["changed"] and not found.site()["changed"]
        yield found


@contextmanager
def idle_afterwards(place: Place) -> Iterator[None]:
    """Whatever the body left is finished: one login a service, nothing to be done, nothing reported."""
    yield
    place.do("revoke")
    answer = place.site()
    assert not answer["changed"], answer
    assert (answer["second_passwords"], answer["unknown"]["users"], answer["unknown"]["access"]) == ([], [], [])


def statuses(place: Place) -> set[str]:
    logins = flow.secrets(place.job("rotate"), "read", SERVICES)["logins"]
    return {about["status"] for about in flow.server(place.job("rotate"), "info", logins)["services"].values()}


# --- from beginning to end -----------------------------------------------------------------------------------------


def test_rotated_and_finished(place: Place) -> None:
    before = {service: place.read(service) for service in SERVICES}
    predicted = place.do("rotate", check=True)
    assert predicted["changed"] and statuses(place) == {"idle"}
    assert {service: place.read(service) for service in SERVICES} == before, "check mode changed something"
    with idle_afterwards(place):
        done = place.do("rotate")
        # Secrets, server, secrets; the note on the server is not foreseen.
        assert done["diffs"][:3] == predicted["diffs"]
        after = {service: place.read(service) for service in SERVICES}
        assert all(place.works(before[service]) and place.works(after[service]) for service in SERVICES)
        assert all(before[service]["password"] != after[service]["password"] for service in SERVICES)
        assert statuses(place) == {"published"}
        report = place.site()
        assert not report["changed"] and len(report["second_passwords"]) == 2, (
            "a second login is reported, not repaired"
        )
        foreseen = place.do("finish", check=True)
        assert foreseen["finished"] == SERVICES and statuses(place) == {"published"}
        ended = place.do("finish")
        assert ended["finished"] == SERVICES and ended["left"] == {} and ended["diff"] == foreseen["diff"]
        assert statuses(place) == {"idle"}
        assert all(place.works(after[service]) and not place.works(before[service]) for service in SERVICES)
        assert not place.do("finish")["changed"]


def test_one_service_alone(place: Place) -> None:
    other = place.read("a_b")
    with idle_afterwards(place):
        place.do("rotate", ["fileflow"])
        place.do("finish", ["fileflow"])
        assert place.read("a_b") == other and place.works(other)


def test_queries_do_not_grow_with_services(place: Place) -> None:
    job = place.job("rotate")
    logins = flow.secrets(job, "read", SERVICES)["logins"]
    counts = [
        flow.server(job, "info", {name: logins[name] for name in some})["queries"] for some in (SERVICES[:1], SERVICES)
    ]
    assert counts[0] == counts[1] < 10


def test_what_both_logins_make_is_the_services(place: Place) -> None:
    old = place.read("fileflow")
    with idle_afterwards(place):
        place.do("rotate", ["fileflow"])
        for number, login in enumerate((old, place.read("fileflow"))):
            with place.enter(login) as session, session.cursor() as cursor:
                cursor.execute(f"CREATE TABLE made_{number} (i int)")
                session.commit()
        place.do("finish", ["fileflow"])
        with place.enter(place.read("fileflow")) as session, session.cursor() as cursor:
            for number in range(2):
                cursor.execute(f"ALTER TABLE made_{number} ADD j int")
                cursor.execute(f"DROP TABLE made_{number}")
            session.commit()


# --- under load ----------------------------------------------------------------------------------------------------

ROTATIONS = 20
CLIENTS = 8
#: Seconds that a client keeps what it has read.
CACHE = 0.3


class Client(threading.Thread):
    """Connects again and again with what it has read of the secret at most CACHE seconds ago."""

    def __init__(self, place: Place, service: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.place, self.service, self.stop = place, service, stop
        self.logins: set[str] = set()
        self.entered = 0
        self.refused: list[str] = []
        self.failed: list[str] = []

    def run(self) -> None:
        read, login = 0.0, {}
        while not self.stop.is_set():
            try:
                if time.monotonic() - read > CACHE:
                    login, read = self.place.read(self.service), time.monotonic()
                with self.place.enter(login) as session, session.cursor() as cursor:
                    cursor.execute("SELECT 1")
                self.entered += 1
                self.logins.add(login["password"])
            except Refused as error:
                self.refused.append(str(error))
            except Exception as error:
                self.failed.append(repr(error))
            time.sleep(0.02)


@contextmanager
def clients(place: Place) -> Iterator[list[Client]]:
    stop = threading.Event()
    found = [Client(place, SERVICES[number % len(SERVICES)], stop) for number in range(CLIENTS)]
    for client in found:
        client.start()
    try:
        yield found
    finally:
        stop.set()
        for client in found:
            client.join(timeout=30)


def test_clients_that_reconnect_are_never_refused(place: Place) -> None:
    seen: set[str] = set()
    with idle_afterwards(place), clients(place) as working:
        for number in range(ROTATIONS):
            place.do("rotate")
            done = place.do("finish", grace=1.5, watch=0.3, wait=60)
            assert done["left"] == {} and done["finished"] == SERVICES, (number, done["left"])
            seen.add(place.read("fileflow")["password"])
            assert [client.refused for client in working if client.refused] == [], number
    assert len(seen) == ROTATIONS
    assert [client.refused + client.failed for client in working if client.refused or client.failed] == []
    # They were really there, with old and with new logins.
    assert all(client.entered > ROTATIONS and len(client.logins) > ROTATIONS // 2 for client in working)
    print(
        f"{sum(client.entered for client in working)} logins of {CLIENTS} clients over {ROTATIONS} rotations, 0 refused"
    )


# --- killed --------------------------------------------------------------------------------------------------------


def killed_at_every_write(place: Place, what: str, prepare: Callable[[], None], check: Callable[[], None]) -> int:
    """Kills the operation before each of its writes, checks, lets the next run go on; returns how many writes there are."""
    prepare()
    writes = int(place.apart(place.job(what))["writes"])
    for number in range(writes):
        prepare()
        job = place.job(what)
        assert place.apart(job, number) == {}, f"{what} has no write {number}"
        assert all(place.works(place.read(service)) for service in SERVICES), (
            f"the secret's login fails before write {number}"
        )
        check()
        assert not place.site()["changed"], f"databases.yml would change something before write {number}"
        # The record of the operation keeps what the secrets had at the beginning.
        place.apart(job)
        again = place.apart(job)
        assert not again["changed"], f"not whole after the resume of write {number}: {again}"
        assert all(place.works(place.read(service)) for service in SERVICES)
    return writes


def test_a_rotation_killed_anywhere_is_gone_on_with(place: Place) -> None:
    before: dict[str, Any] = {}

    def prepare() -> None:
        place.do("revoke")
        assert statuses(place) == {"idle"}
        before.update({service: place.read(service) for service in SERVICES})

    def check() -> None:
        assert all(place.works(before[service]) for service in SERVICES), (
            "clients that read the secret before are refused"
        )

    with idle_afterwards(place):
        # Next login, server, both labels, note: five for a service, more where the server makes a role.
        assert killed_at_every_write(place, "rotate", prepare, check) >= 5 * len(SERVICES)
        assert all(before[service]["password"] != place.read(service)["password"] for service in SERVICES)


def test_the_end_killed_anywhere_is_gone_on_with(place: Place) -> None:
    def prepare() -> None:
        place.do("revoke")
        place.do("rotate")

    with idle_afterwards(place):
        assert killed_at_every_write(place, "finish", prepare, lambda: None) >= len(SERVICES)
        assert statuses(place) == {"idle"}


def test_the_way_back_killed_anywhere_is_gone_on_with(place: Place) -> None:
    before: dict[str, Any] = {}

    def prepare() -> None:
        place.do("revoke")
        before.update({service: place.read(service) for service in SERVICES})
        place.do("rotate")
        before.update({f"{service} new": place.read(service) for service in SERVICES})

    def check() -> None:
        assert all(place.works(login) for login in before.values()), "clients that have either login are refused"

    with idle_afterwards(place):
        killed_at_every_write(place, "back", prepare, check)
        check()
        assert all(before[service]["password"] == place.read(service)["password"] for service in SERVICES)
        place.do("finish")
        assert all(place.works(before[service]) for service in SERVICES)
        assert not any(place.works(before[f"{service} new"]) for service in SERVICES)


# --- clients that have not moved -----------------------------------------------------------------------------------


def test_a_session_of_before_holds_the_end_up_and_is_named(place: Place) -> None:
    old = place.read("fileflow")
    with idle_afterwards(place):
        session = place.enter(old)
        place.do("rotate")
        held = place.do("finish")
        assert held["finished"] == ["a_b"] and list(held["left"]) == ["fileflow"]
        assert "1 sessions of the" in held["left"]["fileflow"][0] and "unit" in held["left"]["fileflow"][0]
        assert place.works(old) and statuses(place) == {"idle", "published"}
        threading.Timer(1.5, session.close).start()
        assert place.do("finish", wait=20)["finished"] == ["fileflow"]
        assert not place.works(old)


def test_the_grace_is_kept(place: Place) -> None:
    with idle_afterwards(place):
        place.do("rotate", ["fileflow"])
        left = place.do("finish", ["fileflow"], grace=3600)["left"]
        assert "of 3600 have passed without a use of the" in left["fileflow"][0]
        assert place.do("finish", ["fileflow"], grace=1.0, wait=20)["finished"] == ["fileflow"]


def test_a_login_with_the_old_password_is_told_by_mysqls_error_log(place: Place) -> None:
    if place.engine != "mysql":
        # There the session itself says whose it is: the test above.
        return
    old = place.read("fileflow")
    with idle_afterwards(place):
        place.do("rotate")
        assert place.works(old)
        left = place.do("finish", grace=5)["left"]["fileflow"]
        assert any("was used to log in" in reason for reason in left), left
        started = time.monotonic()
        assert sorted(place.do("finish", grace=5, wait=30)["finished"]) == sorted(SERVICES)
        assert time.monotonic() - started > 2


def test_without_its_notes_mysql_tells_sessions_and_time_only(place: Place) -> None:
    if place.engine != "mysql":
        return
    place.sql("SET GLOBAL log_error_verbosity = 2")
    try:
        with idle_afterwards(place):
            old = place.read("fileflow")
            place.do("rotate")
            session = place.enter(old)
            about = place.do("finish", grace=3600)["services"]["fileflow"]
            assert about["told_by"] == "sessions and time" and about["holders"] == []
            session.close()
            place.sql("SET GLOBAL log_error_verbosity = 3")
            # What was not logged in between stays unknown.
            assert place.do("finish", grace=3600)["services"]["fileflow"]["told_by"] == "sessions and time"
    finally:
        place.sql("SET GLOBAL log_error_verbosity = 3")


def test_revoke_waits_for_nobody(place: Place) -> None:
    old = place.read("fileflow")
    with idle_afterwards(place):
        session = place.enter(old)
        place.do("rotate")
        assert place.do("revoke")["finished"] == SERVICES
        assert not place.works(old) and place.works(place.read("fileflow"))
        with session.cursor() as cursor:
            cursor.execute("SELECT 1")  # what is open goes on
        session.close()


# --- the way back --------------------------------------------------------------------------------------------------


def test_back_to_the_login_of_before(place: Place) -> None:
    old = place.read("fileflow")
    with idle_afterwards(place):
        place.do("rotate", ["fileflow"])
        new = place.read("fileflow")
        place.do("back", ["fileflow"])
        assert place.read("fileflow")["password"] == old["password"] and place.works(old) and place.works(new)
        report = place.site()
        assert not report["changed"] and len(report["second_passwords"]) == 1
        place.do("finish", ["fileflow"])
        assert place.works(old) and not place.works(new)


# --- refusals ------------------------------------------------------------------------------------------------------


def test_an_unfinished_rotation_is_not_rotated_over(place: Place) -> None:
    old = place.read("fileflow")
    with idle_afterwards(place):
        place.do("rotate", ["fileflow"])
        new = place.read("fileflow")
        with pytest.raises(DatabaseError, match=r"fileflow: its last rotation is not finished: .* still works"):
            place.do("rotate")
        assert place.works(old) and place.works(new) and place.read("fileflow") == new
        # The next login that was made in vain does not keep it from being finished.
        assert place.do("finish", ["fileflow"])["finished"] == ["fileflow"]
        place.do("rotate")


def test_a_secret_that_is_not_the_servers_is_refused(place: Place) -> None:
    right = place.read("a_b")
    place.write("a_b", password="by hand")
    with pytest.raises(
        DatabaseError, match=r"a_b: a_b_user\S* is refused with the secret's password. Remedy: run playbooks/"
    ):
        place.do("rotate")
    assert place.works(right) and place.works(place.read("fileflow"))
    with idle_afterwards(place):
        assert place.site()["updated"] == ["a_b"]
        place.do("rotate")


def test_an_account_that_is_gone_or_locked_is_refused(place: Place) -> None:
    user = place.read("a_b")["username"]
    lock = {"mysql": f"ALTER USER '{user}'@'%' ACCOUNT LOCK", "postgresql": f'ALTER ROLE "{user}" NOLOGIN'}[
        place.engine
    ]
    place.sql(lock)
    with pytest.raises(DatabaseError, match=r"it is locked|may not log in"):
        place.do("rotate")
    assert place.site()["changed"]
    with idle_afterwards(place):
        place.do("rotate")


def test_a_second_password_by_hand_is_adopted_and_retired(place: Place) -> None:
    """Which of two passwords is the old one, nobody wrote down."""
    if place.engine != "mysql":
        return
    right = place.read("fileflow")
    password = right["password"].replace("\\", "\\\\").replace("'", "''")
    for text in (
        # The secret's is the first password, then the second.
        f"ALTER USER fileflow_user@'%' IDENTIFIED BY 'by hand'; ALTER USER fileflow_user@'%' IDENTIFIED BY '{password}' RETAIN CURRENT PASSWORD",
        "ALTER USER fileflow_user@'%' IDENTIFIED BY 'by hand' RETAIN CURRENT PASSWORD",
    ):
        place.sql(text)
        assert place.works(right) and place.works({**right, "password": "by hand"})
        with pytest.raises(DatabaseError, match="its last rotation is not finished"):
            place.do("rotate", ["fileflow"])
        with idle_afterwards(place):
            assert place.do("finish", ["fileflow"])["finished"] == ["fileflow"]
            assert place.works(right) and not place.works({**right, "password": "by hand"})


def test_a_server_in_trouble(place: Place) -> None:
    job = place.job("rotate")
    with pytest.raises(DatabaseError, match="Remedy: the password in the secret is not the server's"):
        flow.do({**job, "password": "wrong"})
    with pytest.raises(DatabaseError, match="Remedy: check the name, the security group"):
        flow.do({**job, "port": 1})
    assert all(place.works(place.read(service)) for service in SERVICES)
    with idle_afterwards(place):
        place.do("rotate")


def test_two_rotations_at_once_leave_one_login(place: Place) -> None:
    with idle_afterwards(place), ThreadPoolExecutor(2) as pool:
        job = place.job("rotate")
        tasks = [pool.submit(flow.do, job) for _ in range(2)]
        errors = [task.exception() for task in tasks]
        # The operation's record keeps a second one out; without it nobody is locked out either, and both can be gone on with.
        assert all(place.works(place.read(service)) for service in SERVICES), errors
        place.do("revoke")
        place.do("rotate")


def test_names_that_two_logins_cannot_have(place: Place) -> None:
    if place.engine != "postgresql":
        return
    assert other_login(other_login("fileflow_user")) == "fileflow_user"
    long = {"username": "u" * 62, "password": "x", "dbname": "d"}
    login = {
        "current": {"engine": "postgres", **long},
        "next": {**long, "username": "u" * 62 + "_2", "password": "y"},
    }
    with pytest.raises(DatabaseError, match="64 bytes, it may have 63"):
        flow.server(place.job("rotate"), "set", {"long": login})


# --- the playbook --------------------------------------------------------------------------------------------------

PLAYBOOK = PROJECT / "playbooks/breakglass/db_rotate.yml"


@pytest.fixture(scope="module")
def inventory(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An estate whose ops host is this process's machine, and what Terraform would have exported of it."""
    ssm, path = boto3.client("ssm"), "/shared/rds/unit" + ("/postgresql" if place.engine == "postgresql" else "")
    login = {"username": place.where["user"], "password": PASSWORD}
    master = place.aws.create_secret(Name=f"{place.prefix}-master", SecretString=json.dumps(login))["ARN"]
    exported = {
        f"{path}/endpoint": "localhost",
        f"{path}/port": str(place.where["port"]),
        f"{path}/master-secret-arn": master,
    }
    for name, value in {**exported, "/shared/kms/secrets-manager-key-arn": "none"}.items():
        ssm.put_parameter(Name=name, Value=value, Type="String")
    database = {"engine": place.engine, "max_connections": 30}
    known = {
        "env": "unit", "aws_account_id": "123456789012", "groundwork_dir": str(PROJECT), "embedded_estate": {"name": "unit", "subnet": "10.230.0.0/16"},
        "aws_environment": {name: os.environ[name] for name in os.environ if name.startswith("AWS_")},
        "catalog": {"databases": {place.engine: {}}, "services": [{"name": name, "database": database} for name in SERVICES]},
        "shared_database_secret_prefix": place.prefix, "shared_database_python": sys.executable,
        "shared_database_ca_file": place.where["ca_file"], "database_maintenance_grace": 0, "database_maintenance_watch": 0,
    }  # fmt: skip
    hosts = {"ops": {"hosts": {"unit-ops-1": {"ansible_connection": "local"}}}}
    file = tmp_path_factory.mktemp("inventory") / "hosts.json"
    file.write_text(json.dumps({"all": {"vars": known, "children": hosts}}))
    return file


def play(place: Place, inventory: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(PLAYBOOK), "-i", str(inventory), *arguments],
        cwd=PROJECT, capture_output=True, text=True, check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    text = done.stdout + done.stderr
    place.said.append(text)
    # One line, however it was broken.
    return done.returncode, " ".join(text.split())


def test_the_playbook_from_beginning_to_end(place: Place, inventory: Path) -> None:
    old = place.read("fileflow")
    with idle_afterwards(place):
        session = place.enter(old)
        code, text = play(place, inventory, "--check", "--diff")
        assert code == 0 and statuses(place) == {"idle"} and place.read("fileflow") == old, text
        code, text = play(place, inventory, "-vvv")
        assert code == 0 and statuses(place) == {"published"} and "recorded in s3://unit-groundwork-state-" in text, (
            text
        )
        new = place.read("fileflow")
        assert new["password"] != old["password"] and place.works(old) and place.works(new)
        code, text = play(place, inventory)
        assert (
            code == 2 and "their last rotation is not finished: a_b, fileflow" in text and "Nothing was touched" in text
        )
        code, text = play(place, inventory, "-e", "do=finish")
        assert code == 2 and "still used: fileflow: 1 sessions of the" in text and "-e wait=600" in text, text
        assert statuses(place) == {"idle", "published"}
        session.close()
        code, text = play(place, inventory, "-e", "do=finish", "-e", "wait=10", "--diff")
        assert code == 0 and statuses(place) == {"idle"} and not place.works(old), text
        code, text = play(place, inventory, "-e", "do=finish")
        assert code == 0 and "changed=0" in text, text


def test_the_playbook_goes_back_and_revokes(place: Place, inventory: Path) -> None:
    old = place.read("a_b")
    with idle_afterwards(place):
        for arguments in (("-e", "services=a_b"), ("-e", "services=a_b", "-e", "do=back")):
            code, text = play(place, inventory, *arguments)
            assert code == 0, text
        assert place.read("a_b")["password"] == old["password"]
        code, text = play(place, inventory, "-e", "do=revoke")
        assert (
            code == 2 and "add: -e confirm=unit-databases-revoke" in text and statuses(place) == {"idle", "published"}
        )
        code, text = play(place, inventory, "-e", "do=revoke", "-e", "confirm=unit-databases-revoke")
        assert code == 0 and statuses(place) == {"idle"} and place.works(old), text
        code, text = play(place, inventory, "-e", "do=back")
        assert code == 2 and "no login of before works any more: a_b, fileflow" in text
        code, text = play(place, inventory, "-e", "services=a_b,nobody", "-e", "do=turn")
        assert code == 2 and "no such service with a database: nobody; there are a_b, fileflow" in text


def test_the_playbook_goes_on_with_a_run_that_was_killed(place: Place, inventory: Path) -> None:
    with idle_afterwards(place):
        job = place.job("rotate")
        wanted = {"do": "rotate", "services": sorted(SERVICES)}
        records = Records("unit-groundwork-state-123456789012", "records/databases")
        records.make_bucket()
        records.open("database-rotation", wanted, [], {"begun": job["begun"]})
        # It was killed after one service, before the other.
        place.apart({**job, "services": SERVICES[:1]})
        published = {name: place.read(name) for name in SERVICES}
        assert [name for name in SERVICES if published[name].get("password_id", "") == job["begun"][name]] == SERVICES[
            1:
        ]
        code, text = play(place, inventory, "-e", "do=finish")
        assert code == 2 and "is open with other values" in text and "db_operation.yml" in text, text
        code, text = play(place, inventory, "-e", "operation_takeover=true")
        assert code == 0 and "goes on with s3://" in text and statuses(place) == {"published"}, text
        again = {name: place.read(name) for name in SERVICES}
        assert [name for name in SERVICES if again[name] != published[name]] == SERVICES[1:], "nobody was rotated twice"


# --- last: what was said -------------------------------------------------------------------------------------------


def test_no_password_was_said_or_logged(place: Place) -> None:
    client = place.aws
    passwords = set()
    for service in SERVICES:
        for version in client.list_secret_version_ids(SecretId=place.secret(service), IncludeDeprecated=True)[
            "Versions"
        ]:
            value = client.get_secret_value(SecretId=place.secret(service), VersionId=version["VersionId"])
            passwords.add(json.loads(value["SecretString"])["password"])
    passwords -= {"by hand"}
    assert len(passwords) > 10
    text = "".join(place.said) + place.server.log()
    assert not [password for password in passwords if password in text]
