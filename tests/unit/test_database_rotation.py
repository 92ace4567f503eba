"""Rotation of database passwords: what is made of what the server shows, and the half in Secrets Manager on a real moto server."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import pytest
from groundwork.aws_client import AwsError
from groundwork.databases import mysql, mysql_rotation, postgresql, postgresql_rotation, rotation, rotation_secrets
from groundwork.databases.model import DatabaseError, Endpoint
from groundwork.databases.mysql_rotation import Account, Published
from groundwork.databases.mysql_state import ServerState
from groundwork.databases.postgresql_rotation import Role
from groundwork.databases.rotation import Done, RotationServer, RotationSpec, Seen, Settings
from groundwork.secrets import SecretsError
from groundwork.terraform.offline import embedded_aws

ENDPOINT = Endpoint("db.internal", 3306, "admin", "S3CRET", ca_file="/ca.pem")


def specs(engine: str = "mysql", *wishes: dict[str, Any], check: bool = False) -> list[RotationSpec]:
    one = mysql.MySQL() if engine == "mysql" else postgresql.PostgreSQL()
    step = mysql_rotation.next_user if engine == "mysql" else postgresql_rotation.next_user
    return rotation.parse_rotation(
        one, wishes or ({"name": "a", "password": "old", "password_id": "1"},), step, check=check
    )


def spec(engine: str = "mysql", **more: Any) -> RotationSpec:
    return specs(engine, {"name": "a", "password": "old", "password_id": "1", **more})[0]


NEXT = {"user": "a_user", "password": "new", "password_id": "2"}


# --- wishes --------------------------------------------------------------------------------------------------------


def test_every_fault_at_once() -> None:
    with pytest.raises(DatabaseError) as caught:
        specs(
            "postgresql",
            {"name": "a", "password": "x", "next": {"user": "a_user", "password": "y"}},
            {"name": "b", "password": "x", "next": {"user": "b_user_2", "password": "x"}},
            {"name": "c", "password": "x", "next": {"user": "c_user_2"}},
            {"name": "d", "user": "d", "password": "x", "next": {"user": "d_2", "password": "a\nb"}},
            {"name": "e", "user": "d_2", "password": "x"},
        )
    for part in (
        "a: its next login is 'a_user', after 'a_user' it is 'a_user_2'", "b: its next password is the present one",
        "c: its next login has no password", "control character", "d: its next login 'd_2' is the login of e",
    ):  # fmt: skip
        assert part in str(caught.value)
    assert specs("postgresql", {"name": "c", "password": "x", "next": {"user": "c_user_2"}}, check=True)[0].next


def test_two_roles_take_turns_and_a_mysql_account_stays() -> None:
    assert postgresql_rotation.next_user("a_user") == "a_user_2"
    assert postgresql_rotation.next_user("a_user_2") == "a_user"
    assert mysql_rotation.next_user("a_user") == "a_user"


def test_nothing_shows_a_password() -> None:
    one = spec(password="S3CRET-old", next={**NEXT, "password": "S3CRET-new"})
    assert "S3CRET" not in repr(one) + repr(one.published)
    assert "S3CRET" not in repr(rotation_secrets.Version("1", {"password": "S3CRET"}))


def test_servers_without_what_is_needed_are_refused() -> None:
    with pytest.raises(DatabaseError, match=r"is MySQL 8.0.21, .*upgrade it to 8.0.22"):
        mysql_rotation.check_dual_passwords("8.0.21", ENDPOINT)
    mysql_rotation.check_dual_passwords("8.4.3", ENDPOINT)
    with pytest.raises(DatabaseError, match="is MariaDB"):
        mysql.check_server(ServerState("11.4.2-MariaDB", False, 0, False), ENDPOINT)


# --- what MySQL shows ----------------------------------------------------------------------------------------------

PUBLISHED = Published(at=1000.0, connection=50, changed="990.0", told=True)
TWO = Account("caching_sha2_password", False, False, True, "990.0", "1", PUBLISHED)


def moment(account: Account | None = TWO, **more: Any) -> mysql_rotation.Moment:
    values: dict[str, Any] = {
        "now": 5000.0, "started": 0.0, "connection": 90, "told": True, "oldest": 10.0,
        "accounts": {"a_user": account} if account else {}, "sessions": {}, "uses": {},
    }  # fmt: skip
    return mysql_rotation.Moment(**{**values, **more})


def see(account: Account | None = TWO, *, ready: bool = False, wish: RotationSpec | None = None, **more: Any) -> Seen:
    return mysql_rotation.see(wish or spec(), moment(account, **more), True, ready)


def test_states_of_a_mysql_service() -> None:
    one = replace(TWO, second=False, published=None)
    assert see(one).status(spec()) == rotation.IDLE
    coming = spec(next=NEXT)
    assert see(one, wish=coming).status(coming) == rotation.PENDING
    assert see(replace(TWO, password_id="2"), wish=coming).status(coming) == rotation.SET
    assert see(replace(TWO, password_id=""), wish=coming, ready=True).status(coming) == rotation.SET
    assert see().status(spec()) == rotation.PUBLISHED
    # A next login that nobody set must not hide that the rotation before it is not finished.
    assert see(wish=coming).status(coming) == rotation.PUBLISHED
    assert "last rotation is not finished" in rotation.set_faults([coming], {"a": see(wish=coming)})[0]


def test_an_account_that_cannot_be_rotated() -> None:
    for account, reason in (
        (None, "does not exist"),
        (replace(TWO, locked=True), "it is locked"),
        (replace(TWO, expired=True), "its password is expired"),
        (replace(TWO, plugin="mysql_native_password"), "its plugin is mysql_native_password"),
    ):
        assert reason in rotation.account_faults([spec()], {"a": see(account)})[0]
    assert (
        "refused with the secret's password" in rotation.account_faults([spec()], {"a": Seen("a_user", works=False)})[0]
    )


def test_clients_have_moved_when_nobody_used_the_second_password_for_the_grace() -> None:
    seen = see()
    assert (seen.told_by, seen.quiet, seen.last_use, seen.holders) == (mysql_rotation.BY_LOG, 4000.0, None, ())
    assert seen.blockers(3600) == []
    used = see(uses={"a_user": 4900.0})
    assert used.last_use == 100.0 and "was used to log in 100 s ago" in used.blockers(3600)[0]
    assert see(uses={"a_user": 900.0}).last_use is None, "before the publication everybody used it"
    assert see(now=1010.0).blockers(3600) == [
        "10 s of 3600 have passed without a use of the old password of `a_user`@`%`"
    ]


def test_sessions_from_before_the_publication_hold_it_up_until_they_end_or_the_server_restarts() -> None:
    sessions = {"a_user": [(60, "10.0.0.2 java"), (50, "10.0.0.1")], "other": [(1, "x")]}
    assert see(sessions=sessions).holders == ("50 (10.0.0.1)",)
    assert "1 sessions of the old password" in see(sessions=sessions).blockers(0)[0]
    assert see(sessions=sessions, started=2000.0).holders == ()
    many = {"a_user": [(number, "h") for number in range(1, 10)]}
    assert "and 4 more" in see(sessions=many).blockers(0)[0]


def test_a_log_that_lost_entries_or_is_off_tells_less() -> None:
    assert see(oldest=4990.0).quiet == 10.0
    assert see(oldest=None).quiet == 0.0
    for seen in (see(told=False, uses={}), see(replace(TWO, published=replace(PUBLISHED, told=False)))):
        assert (seen.told_by, seen.quiet) == (mysql_rotation.BY_SESSIONS, 4000.0)


def test_a_password_changed_by_somebody_else_makes_what_was_noted_worthless() -> None:
    assert see().settled
    assert not see(replace(TWO, changed="2000.0")).settled
    assert see(replace(TWO, published=None)).settled, "set by this program and not noted yet"
    assert not see(replace(TWO, published=None, password_id="9")).settled
    assert see(replace(TWO, changed="2000.0")).blockers(0) == ["its publication was not noted on the server yet"]


def test_attributes_of_others_count_as_absent() -> None:
    row = {"plugin": "p", "locked": "N", "expired": "N", "second": 1, "changed": 1.0}
    for text in (None, "[]", '"x"', "{}", '{"published": 1}', '{"published": {"at": "x"}}', '{"published": {"at": 1}}'):
        assert mysql_rotation.parse_account({**row, "noted": text}).published is None
    written = json.loads(mysql_rotation.password_note("2"))["groundwork"]
    assert written["published"] is None, "what was noted of the password before is taken away"
    written |= json.loads(mysql_rotation.published_note(PUBLISHED))["groundwork"]
    back = mysql_rotation.parse_account({**row, "noted": json.dumps(written)})
    assert (back.password_id, back.published) == ("2", PUBLISHED)


# --- what PostgreSQL shows -----------------------------------------------------------------------------------------


def roles(
    other: Role | None, sessions: Mapping[str, Sequence[tuple[int, str]]] | None = None
) -> postgresql_rotation.Moment:
    found = {"a_user": Role(True)} | ({"a_user_2": other} if other else {})
    return postgresql_rotation.Moment(5000.0, found, sessions or {})


def test_states_of_a_postgresql_service() -> None:
    coming = spec("postgresql", next={**NEXT, "user": "a_user_2"})
    idle = spec("postgresql")
    for other, wish, ready, status in (
        (None, idle, False, rotation.IDLE),
        (Role(False), idle, False, rotation.IDLE),
        (None, coming, False, rotation.PENDING),
        (Role(True), coming, True, rotation.SET),
        (Role(True), coming, False, rotation.PUBLISHED),
        (Role(True, 1000.0), idle, False, rotation.PUBLISHED),
    ):
        assert postgresql_rotation.see(wish, roles(other), True, ready).status(wish) == status
    assert (
        "may not log in"
        in postgresql_rotation.see(idle, replace(roles(None), roles={"a_user": Role(False)}), None, False).fault
    )


def test_sessions_of_the_role_that_was_replaced_hold_it_up() -> None:
    wish = spec("postgresql")
    sessions = {"a_user_2": [(7, "10.0.0.1 app")], "a_user": [(8, "10.0.0.1 app")]}
    seen = postgresql_rotation.see(wish, roles(Role(True, 1000.0), sessions), True, False)
    assert seen.holders == ("7 (10.0.0.1 app)",) and seen.quiet == 4000.0
    assert seen.blockers(3600) == ['1 sessions of the login "a_user_2": 7 (10.0.0.1 app)']
    assert postgresql_rotation.see(wish, roles(Role(True)), True, False).blockers(0) == [
        "its publication was not noted on the server yet"
    ]


@pytest.mark.parametrize("comment", [None, "by hand", "[]", '{"groundwork": 1}', '{"groundwork": {"replaced": "x"}}'])
def test_comments_of_others_say_nothing(comment: str | None) -> None:
    assert postgresql_rotation.parse_role({"login": True, "comment": comment}) == Role(True)


# --- waiting for clients -------------------------------------------------------------------------------------------


class Script(RotationServer):
    """A server whose looks are written down, one second apart."""

    queries = 0

    def __init__(self, *looks: dict[str, Seen]) -> None:
        self.looks = list(looks)
        self.now = 0.0
        self.retired: list[tuple[float, str]] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def look(self, specs: Sequence[RotationSpec], *, logins: bool) -> dict[str, Seen]:
        found = self.looks[min(int(self.now), len(self.looks) - 1)]
        gone = {name for _, name in self.retired}
        return {one.name: Seen("u") if one.name in gone else found[one.name] for one in specs}

    def set_next(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        raise AssertionError

    def note(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        return Done()

    def retire(self, specs: Sequence[RotationSpec], seen: Mapping[str, Seen], *, check: bool) -> Done:
        if not check:
            self.retired += [(self.now, one.name) for one in specs]
        return Done(changes=[one.name for one in specs])

    def sleep(self, seconds: float) -> None:
        self.now += seconds


FREE = Seen("u", old="the old one", published=100.0, quiet=100.0)
HELD = replace(FREE, holders=("7 (10.0.0.1)",))


def finish(script: Script, **more: Any) -> dict[str, Any]:
    wishes = specs("mysql", {"name": "a", "password": "x"}, {"name": "b", "password": "x"})
    settings = Settings(**{"grace": 60, "watch": 3, **more})
    return rotation.Run(script, ENDPOINT, wishes, settings, clock=lambda: script.now, sleep=script.sleep).run(
        "finished"
    )


def test_who_is_free_is_watched_and_retired_and_the_other_is_told() -> None:
    script = Script({"a": FREE, "b": HELD})
    answer = finish(script)
    assert script.retired == [(3.0, "a")]
    assert answer["finished"] == ["a"] and list(answer["left"]) == ["b"]
    assert answer["left"]["b"] == ["1 sessions of the old one: 7 (10.0.0.1)"]


def test_one_use_while_watching_begins_it_anew() -> None:
    free, held = {"a": FREE, "b": FREE}, {"a": FREE, "b": HELD}
    script = Script(free, free, held, free)
    answer = finish(script, wait=2)
    assert script.retired == [(3.0, "a"), (6.0, "b")] and answer["left"] == {}


def test_clients_are_waited_for_only_as_long_as_was_said() -> None:
    held, free = {"a": HELD, "b": HELD}, {"a": FREE, "b": FREE}
    assert finish(Script(*[held] * 8, free), wait=10)["finished"] == ["a", "b"]
    script = Script(*[held] * 8, free)
    assert list(finish(script, wait=5)["left"]) == ["a", "b"] and script.now == 5.0


def test_a_secret_that_was_read_before_its_publication_is_not_made_the_servers() -> None:
    """Else the login that clients were just given would be lost."""
    settings, wishes = Settings(), specs("mysql", {"name": "a", "password": "x"})
    script = Script({"a": replace(FREE, settled=False)})
    with pytest.raises(
        DatabaseError, match="a: of two logins that work, the newer one is not what its secret was read"
    ):
        rotation.Run(script, ENDPOINT, wishes, settings).run("published")


def test_force_waits_for_nobody_and_check_mode_only_predicts() -> None:
    script = Script({"a": HELD, "b": FREE})
    assert finish(script, force=True)["finished"] == ["a", "b"] and script.now == 0.0
    script = Script({"a": HELD, "b": FREE})
    predicted = finish(script, check=True)
    assert (predicted["finished"], list(predicted["left"]), script.retired) == (["b"], ["a"], [])


# --- Secrets Manager -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with (
        embedded_aws("123456789012", "ap-northeast-2", tmp_path_factory.mktemp("aws")) as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


def made(engine: str = "mysql", **more: Any) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}-database"
    value = {"engine": engine, "host": "h", "port": 1, "dbname": "a", "username": "a_user", "password": "first", **more}
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(value))
    return name


def step(state: str, *names: str, check: bool = False, **more: Any) -> dict[str, Any]:
    options = {"state": state, "names": list(names), **more}
    if state == "published":
        seen = rotation_secrets.ensure({"state": "read", "names": list(names)}, check=False)["logins"]
        options = {"expect": {name: seen[name]["next"].get("password_id") for name in names}, **options}
    return rotation_secrets.ensure(options, check=check)


def stored(name: str) -> dict[str, Any]:
    """What a client reads."""
    value: dict[str, Any] = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    return value


@pytest.mark.parametrize(
    ("engine", "users"), [("mysql", ["a_user"] * 3), ("postgres", ["a_user", "a_user_2", "a_user"])]
)
def test_a_login_is_made_once_then_published_once(aws: None, engine: str, users: list[str]) -> None:
    name = made(engine)
    for now, following in itertools.pairwise(users):
        before = stored(name)
        predicted = step("pending", name, check=True)
        assert predicted["changed"] and rotation_secrets.login(predicted["logins"][name]["next"]) == {
            "username": following
        }
        first = step("pending", name)
        assert first["diff"] == predicted["diff"]
        coming = first["logins"][name]["next"]
        assert stored(name) == before and before["username"] == now, "clients read what they read before"
        assert coming["username"] == following and len(coming["password"]) == 32 and coming["password_id"]
        assert {**coming, **rotation_secrets.login(before)} == {
            **before,
            "password_id": before.get("password_id", coming["password_id"]),
        }
        again = step("pending", name)
        assert not again["changed"] and again["logins"][name]["next"] == coming
        done = step("published", name)
        assert done["changed"] and done["logins"][name]["next"] == {} and done["logins"][name]["can_go_back"]
        assert stored(name) == coming
        assert not step("published", name)["changed"]


def test_the_rest_of_the_secret_is_as_it_is_now_not_as_it_was(aws: None) -> None:
    name = made()
    coming = step("pending", name)["logins"][name]["next"]
    boto3.client("secretsmanager").put_secret_value(
        SecretId=name, SecretString=json.dumps({**stored(name), "host": "moved"})
    )
    again = step("pending", name)
    assert again["changed"] and again["logins"][name]["next"] == {**coming, "host": "moved"}
    step("published", name)
    assert stored(name)["host"] == "moved" and stored(name)["password"] == coming["password"]


def test_killed_between_the_two_labels(aws: None) -> None:
    name = made()
    step("pending", name)
    store = rotation_secrets.StageStore(boto3.client("secretsmanager"))
    stages = store.read([name])[name]
    assert stages.next
    store._move(name, rotation_secrets.CURRENT, stages.next.id, stages.current.id)
    assert step("read", name)["logins"][name]["next"] == {}
    store._move(name, rotation_secrets.CURRENT, stages.next.id, stages.current.id)  # an answer that was lost
    assert step("published", name)["changed"]
    assert store.read([name])[name].left_over is False


def test_a_label_that_somebody_else_moved_is_left(aws: None) -> None:
    name = made()
    step("pending", name)
    store = rotation_secrets.StageStore(boto3.client("secretsmanager"))
    stale = store.read([name])[name]
    by_hand = {**stored(name), "password": "by hand"}
    boto3.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(by_hand))
    with pytest.raises(AwsError, match="moving AWSCURRENT"):
        store.publish(stale, stale.next.value["password_id"] if stale.next else "")
    assert stored(name) == by_hand


def test_only_the_login_that_the_server_was_given_is_published(aws: None) -> None:
    name = made()
    step("pending", name)
    with pytest.raises(SecretsError, match="is not the one that the server was given"):
        step("published", name, expect={name: "another"})
    assert stored(name)["password"] == "first"


@pytest.mark.parametrize("engine", ["mysql", "postgres"])
def test_the_way_back(aws: None, engine: str) -> None:
    name = made(engine)
    with pytest.raises(SecretsError, match="nothing to go back to"):
        step("pending", name, back=True)
    step("pending", name)
    step("published", name)
    assert step("pending", name, back=True, check=True)["logins"][name]["next"]["password"] == "first"
    coming = step("pending", name, back=True)["logins"][name]["next"]
    assert (coming["username"], coming["password"]) == ("a_user", "first") and coming["password_id"]
    assert not step("pending", name, back=True)["changed"]
    step("published", name)
    assert stored(name)["password"] == "first"


def test_no_way_back_beside_another_rotation(aws: None) -> None:
    name = made()
    step("pending", name)
    step("published", name)
    step("pending", name)
    with pytest.raises(SecretsError, match="a rotation is under way"):
        step("pending", name, back=True)


def test_what_is_no_login_is_refused_and_no_value_is_told(aws: None) -> None:
    with pytest.raises(SecretsError, match="it is not there"):
        step("read", "t-none")
    for name, reason in (
        (made(password=""), "has no password"),
        (made(engine="oracle"), "rotation knows mysql, postgres"),
    ):
        with pytest.raises(SecretsError, match=reason):
            step("pending", name)
    name = made(password="S3CRET")
    texts = [step("pending", name), step("published", name)]
    assert all("S3CRET" not in json.dumps(text["diff"]) for text in texts)
    assert stored(name)["password"] not in json.dumps([text["diff"] for text in texts])
