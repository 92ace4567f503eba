"""Locks and versions of states on a moto, made by the real terraform: shown, refused, broken, restored."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT, Estate
from groundwork.terraform import TerraformError
from groundwork.terraform.state import FRESH_MINUTES, States, ci_run, difference, instances, parse_time

# Little, applied fast, and with both a bootstrap and another component.
COMPONENTS = ("00-bootstrap", "20-kms")
KMS = "20-kms"
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")


@pytest.fixture(scope="module")
def estate(estate_of: Callable[[str], Estate]) -> Estate:
    """dev with the DynamoDB table locking beside the lock file."""
    made = estate_of("dev")
    # A lifecycle of old versions would only add a minute.
    made.overrides = {"state_lock_dynamodb": "true", "state_version_days": "0"}
    assert made.statuses(components=COMPONENTS) == dict.fromkeys(COMPONENTS, "applied")
    return made


def states(estate: Estate, **options: Any) -> States:
    return States(
        estate.env,
        estate.catalog["region"],
        str(estate.catalog["account_id"]),
        estate.aws,
        work_dir=estate.work / "terraform",
        **options,
    )


def bucket(estate: Estate) -> str:
    return f"{estate.env}-groundwork-state-{estate.catalog['account_id']}"


def key(component: str = KMS) -> str:
    return f"components/{component}/terraform.tfstate"


def info(estate: Estate, minutes: float, number: int = 1, who: str = "runner@gone") -> dict[str, str]:
    created = datetime.now(UTC) - timedelta(minutes=minutes)
    return {
        "ID": f"{number:08d}-2222-3333-4444-555555555555",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": who,
        "Version": "1.11.4",
        "Created": created.strftime("%Y-%m-%dT%H:%M:%S.123456789Z"),
        "Path": f"{bucket(estate)}/{key()}",
    }


def lock_file(estate: Estate, lock: dict[str, str] | bytes) -> None:
    body = lock if isinstance(lock, bytes) else json.dumps(lock).encode()
    estate.client("s3").put_object(Bucket=bucket(estate), Key=f"{key()}.tflock", Body=body)


def lock_item(estate: Estate, lock: dict[str, str]) -> None:
    item = {"LockID": {"S": f"{bucket(estate)}/{key()}"}, "Info": {"S": json.dumps(lock)}}
    estate.client("dynamodb").put_item(TableName="dev-groundwork-state-lock", Item=item)


def items(estate: Estate) -> dict[str, dict[str, Any]]:
    found = estate.client("dynamodb").scan(TableName="dev-groundwork-state-lock")["Items"]
    return {entry["LockID"]["S"]: entry for entry in found}


@pytest.fixture(autouse=True)
def unlocked(estate: Estate) -> None:
    estate.client("s3").delete_object(Bucket=bucket(estate), Key=f"{key()}.tflock")
    estate.client("dynamodb").delete_item(
        TableName="dev-groundwork-state-lock", Key={"LockID": {"S": f"{bucket(estate)}/{key()}"}}
    )


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket's own clock says that a lock was written just now: let only its holder's words count."""
    plain = States._file_entry

    def entry(self: States, component: str) -> Any:
        found = plain(self, component)
        if found is not None:
            object.__setattr__(found, "modified", None)
        return found

    monkeypatch.setattr(States, "_file_entry", entry)


def records(estate: Estate) -> list[dict[str, Any]]:
    s3 = estate.client("s3")
    listed = s3.list_objects_v2(Bucket=bucket(estate), Prefix=f"records/{KMS}/").get("Contents", [])
    return [json.loads(s3.get_object(Bucket=bucket(estate), Key=entry["Key"])["Body"].read()) for entry in listed]


# ------------------------------------------------------------------------------------------------------- lock table


def test_the_lock_table_works_beside_the_lock_file(estate: Estate) -> None:
    """Applied, unchanged, check mode and reports are as without it, in spite of terraform's deprecation warning."""
    assert "Deprecated Parameter" in (estate.work / f"terraform/{KMS}/apply.log").read_text()
    assert f"{bucket(estate)}/{key()}-md5" in items(estate), "the digest shows that the table is used"
    assert estate.statuses(components=(KMS,)) == {KMS: "unchanged"}
    [parameter] = [
        entry["Name"]
        for entry in estate.client("ssm").describe_parameters()["Parameters"]
        if entry["Name"].endswith("sqs-key-arn")
    ]
    estate.client("ssm").delete_parameter(Name=parameter)
    [planned] = estate.engine(components=(KMS,), check=True).run()
    assert planned.summary.count("create") == 1
    assert estate.statuses(components=(KMS,)) == {KMS: "applied"}


def test_a_lock_in_the_table_alone_stops_a_run(estate: Estate) -> None:
    lock_item(estate, info(estate, 5))
    with pytest.raises(TerraformError, match=r"locked by runner@gone.*confirm=dev-20-kms-00000001"):
        # A dead run's record makes the engine ask once instead of waiting a minute.
        (estate.work / f"terraform/{KMS}/process.json").write_text(
            json.dumps({"pid": os.getpid(), "born": "1", "started": 1.0})
        )
        estate.engine(components=(KMS,)).run()


# ------------------------------------------------------------------------------------------------------------ locks


def test_nothing_is_locked(estate: Estate) -> None:
    assert states(estate).locks(COMPONENTS) == []


def test_a_lock_in_both_places_is_one_lock_and_is_broken_in_both(estate: Estate, aged: None) -> None:
    lock = info(estate, 600)
    lock_file(estate, lock)
    lock_item(estate, lock)
    [held] = states(estate).locks(COMPONENTS)
    assert (held.component, held.who, held.operation) == (KMS, "runner@gone", "OperationTypeApply")
    assert held.where == ("lock file", "lock table")
    assert not held.fresh
    assert 599 < held.minutes < 602
    before = len(records(estate))
    _, would = states(estate).unlock(COMPONENTS, "dev-20-kms-00000001", check=True)
    assert [one.id for one in would] == [lock["ID"]]
    assert len(states(estate).locks(COMPONENTS)) == 1, "check mode breaks nothing"
    states(estate).unlock(COMPONENTS, f"dev-20-kms-{lock['ID']}")
    assert states(estate).locks(COMPONENTS) == []
    record = records(estate)[-1]
    assert len(records(estate)) == before + 1
    assert record["operation"] == "unlock" and record["lock"]["id"] == lock["ID"]
    assert record["removed"] == ["lock table", "lock file"] and record["by"].startswith("arn:aws")
    assert estate.statuses(components=(KMS,)) == {KMS: "unchanged"}


def test_a_fresh_lock_is_refused(estate: Estate, aged: None) -> None:
    lock_file(estate, info(estate, FRESH_MINUTES - 1))
    with pytest.raises(TerraformError, match=r"no lock was broken:\nrefused, it is fresh: 20-kms: fresh: runner@gone"):
        states(estate).unlock(COMPONENTS, "dev-20-kms-00000001")
    assert len(states(estate).locks(COMPONENTS)) == 1


def test_a_holder_with_a_wrong_clock_does_not_look_dead(estate: Estate) -> None:
    lock_file(estate, info(estate, 100_000))
    [held] = states(estate).locks((KMS,))
    assert held.fresh, "the bucket says that it was written just now"


@pytest.mark.parametrize(
    "word", ["yes", "dev-20-kms", "dev-20-kms-", "dev-20-kms-0000", "prod-20-kms-00000001", "dev-20-kms-00000009"]
)
def test_only_the_locks_own_name_confirms(estate: Estate, aged: None, word: str) -> None:
    lock_file(estate, info(estate, 600))
    with pytest.raises(TerraformError, match=f"no lock is named {word}"):
        states(estate).unlock(COMPONENTS, word)
    assert len(states(estate).locks(COMPONENTS)) == 1


def test_one_wrong_name_breaks_nothing(estate: Estate, aged: None) -> None:
    lock_file(estate, info(estate, 600))
    with pytest.raises(TerraformError, match="no lock is named dev-00-bootstrap-00000001"):
        states(estate).unlock(COMPONENTS, "dev-20-kms-00000001,dev-00-bootstrap-00000001")
    assert len(states(estate).locks(COMPONENTS)) == 1


def test_a_lock_that_changed_hands_stays(estate: Estate, aged: None) -> None:
    lock_file(estate, info(estate, 600, 1))
    seen = states(estate)
    [old] = seen.locks((KMS,))
    lock_file(estate, info(estate, 1, 2))
    seen._break(old)
    assert [held.id[:8] for held in states(estate).locks((KMS,))] == ["00000002"]


def test_a_damaged_lock_can_be_broken(estate: Estate, aged: None) -> None:
    lock_file(estate, b"{not json")
    [held] = states(estate).locks((KMS,))
    assert held.id.startswith("unreadable-") and not held.fresh
    states(estate).unlock((KMS,), f"dev-20-kms-{held.id}")
    assert states(estate).locks((KMS,)) == []


def test_a_living_terraform_of_this_machine_is_fresh_whatever_its_age(estate: Estate, aged: None) -> None:
    from groundwork.terraform import cli

    record = estate.work / f"terraform/{KMS}/process.json"
    lock_file(estate, info(estate, 6000, who=f"me@{socket.gethostname()}"))
    record.write_text(
        json.dumps({"pid": os.getpid(), "born": cli.birth(os.getpid()), "started": time.time() - 360_000})
    )
    try:
        [held] = states(estate).locks((KMS,))
        assert held.fresh and "works on this machine" in held.reason
        # The same with a dead process: stale at once, however young.
        lock_file(estate, info(estate, 2, who=f"me@{socket.gethostname()}"))
        record.write_text(json.dumps({"pid": os.getpid(), "born": "1", "started": time.time() - 125}))
        [held] = states(estate).locks((KMS,))
        assert not held.fresh and "is dead" in held.reason
    finally:
        record.unlink()


GITHUB = {
    "GITHUB_RUN_ID": "4711",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_ACTOR": "ann",
    "GITHUB_REPOSITORY": "example/groundwork",
    "GITHUB_SERVER_URL": "https://github.com",
}


def test_the_ci_run_of_a_lock_is_named(estate: Estate, aged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    assert estate.statuses(components=(KMS,), check=True) == {KMS: "unchanged"}
    time.sleep(1.1)
    lock_file(estate, info(estate, 0, who=f"runner@{socket.gethostname()}"))
    [held] = states(estate).locks((KMS,))
    assert held.run == "GitHub Actions 4711, attempt 2, started by ann"
    assert held.url == "https://github.com/example/groundwork/actions/runs/4711"
    lock_file(estate, info(estate, 0, who="ann@laptop"))
    assert states(estate).locks((KMS,))[0].run == "", "another host's lock is not of that run"


def test_runs_of_other_engines_are_named() -> None:
    assert ci_run({"AWX_JOB_ID": "17"})["run"] == "AWX job 17"
    pull = {"PULL_NUM": "8", "BASE_REPO_OWNER": "example", "BASE_REPO_NAME": "groundwork", "USER_NAME": "ann"}
    assert ci_run(pull)["run"] == "Atlantis example/groundwork#8, started by ann"
    assert ci_run({}) == {}


def test_times_of_lock_infos() -> None:
    wanted = datetime(2026, 1, 31, 10, 0, 5, tzinfo=UTC)
    assert parse_time("2026-01-31T10:00:05.123456789Z") == wanted
    assert parse_time("2026-01-31 10:00:05.1 +0000 UTC") == wanted
    assert parse_time("") is None


# --------------------------------------------------------------------------------------------------------- versions


def current(estate: Estate) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(estate.client("s3").get_object(Bucket=bucket(estate), Key=key())["Body"].read())
    return state


def lose_a_parameter(estate: Estate) -> str:
    """Somebody removes a resource from the state by hand; returns its address."""
    state = current(estate)
    exported = next(one for one in state["resources"] if one["type"] == "aws_ssm_parameter")
    lost = exported["instances"].pop()
    state["serial"] += 1
    body = json.dumps(state).encode()
    estate.client("s3").put_object(Bucket=bucket(estate), Key=key(), Body=body)
    digest = {
        "LockID": {"S": f"{bucket(estate)}/{key()}-md5"},
        "Digest": {"S": hashlib.md5(body, usedforsecurity=False).hexdigest()},
    }
    estate.client("dynamodb").put_item(TableName="dev-groundwork-state-lock", Item=digest)
    return f'{exported["module"]}.aws_ssm_parameter.{exported["name"]}["{lost["index_key"]}"]'


def test_a_version_is_restored_and_terraform_agrees(estate: Estate) -> None:
    good = states(estate).versions(KMS)[0]
    address = lose_a_parameter(estate)
    listed = states(estate).versions(KMS)
    assert [one.current for one in listed[:2]] == [True, False]
    assert listed[1] == good.__class__(**{**good.__dict__, "current": False})
    assert listed[0].resources == good.resources - 1
    assert listed[0].serial == (good.serial or 0) + 1
    assert listed[0].size > 1000 and listed[0].time.endswith("UTC")
    before = current(estate)

    shown = states(estate).restore(KMS, good.id, "", check=True)
    assert shown["difference"] == [f"+ {address}"]
    assert current(estate) == before, "check mode writes nothing"

    done = states(estate).restore(KMS, good.id, shown["confirm"])
    after = current(estate)
    assert (after["lineage"], after["serial"]) == (before["lineage"], before["serial"] + 1)
    assert difference(before, after) == [f"+ {address}"]
    record = records(estate)[-1]
    assert done["record"].startswith(f"s3://{bucket(estate)}/records/{KMS}/")
    assert (record["operation"], record["version"], record["serial"]) == ("restore", good.id, after["serial"])
    assert record["difference"] == [f"+ {address}"]
    assert states(estate).locks((KMS,)) == [], "its own locks are gone"
    # The digest in the table fits, the serial is new enough, and every resource is known again.
    assert estate.statuses(components=(KMS,), check=True) == {KMS: "unchanged"}
    again = states(estate).restore(KMS, good.id, shown["confirm"])
    assert again["changed"] is False and current(estate) == after


def test_a_deleted_state_comes_back(estate: Estate) -> None:
    good, before = states(estate).versions(KMS)[0], current(estate)
    estate.client("s3").delete_object(Bucket=bucket(estate), Key=key())
    assert states(estate).versions(KMS)[0].fault == "the state was deleted"
    states(estate).restore(KMS, good.id, f"dev-20-kms-{good.id}")
    after = current(estate)
    assert after["serial"] == before["serial"] + 1 and instances(after) == instances(before)


def test_a_damaged_state_comes_back(estate: Estate) -> None:
    good, before = states(estate).versions(KMS)[0], current(estate)
    estate.client("s3").put_object(Bucket=bucket(estate), Key=key(), Body=b"{half")
    assert "not readable" in states(estate).versions(KMS)[0].fault
    with pytest.raises(TerraformError, match="cannot be restored"):
        states(estate).restore(KMS, states(estate).versions(KMS)[0].id, "", check=True)
    states(estate).restore(KMS, good.id, f"dev-20-kms-{good.id}")
    assert instances(current(estate)) == instances(before)


def test_a_wrong_digest_is_repaired(estate: Estate) -> None:
    """What is left when the lock table was switched off for a while: terraform refuses to read the state."""
    wrong = {"LockID": {"S": f"{bucket(estate)}/{key()}-md5"}, "Digest": {"S": "0" * 32}}
    estate.client("dynamodb").put_item(TableName="dev-groundwork-state-lock", Item=wrong)
    newest = states(estate).versions(KMS)[0]
    done = states(estate).restore(KMS, newest.id, f"dev-20-kms-{newest.id}")
    assert done["changed"] and done["difference"] == []
    assert estate.statuses(components=(KMS,), check=True) == {KMS: "unchanged"}


def test_a_restore_is_refused_while_locked(estate: Estate) -> None:
    lock_item(estate, info(estate, 600))
    version = states(estate).versions(KMS)[-1].id
    for check in (True, False):
        with pytest.raises(TerraformError, match=r"not restored, the state is locked:\n20-kms: stale: runner@gone"):
            states(estate).restore(KMS, version, f"dev-20-kms-{version}", check=check)


def test_a_restore_takes_the_locks(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the write somebody else gets in: nothing is written, and his lock stays."""
    version = states(estate).versions(KMS)[-1].id
    monkeypatch.setattr(States, "_locks_of", lambda self, component: [])
    for lock in (lock_file, lock_item):
        before = current(estate)
        lock(estate, info(estate, 1))
        with pytest.raises(TerraformError, match="another run took the lock just now"):
            states(estate).restore(KMS, version, f"dev-20-kms-{version}")
        assert current(estate) == before
    listed = estate.client("s3").list_objects_v2(Bucket=bucket(estate), Prefix=f"{key()}.tflock")
    assert listed["KeyCount"] == 1


@pytest.mark.parametrize("word", ["", "yes", "dev-20-kms", "dev-20-kms-", "dev-20-kms-0", "prod-20-kms-{}"])
def test_a_restore_wants_the_versions_name(estate: Estate, word: str) -> None:
    version, before = states(estate).versions(KMS)[-1].id, current(estate)
    with pytest.raises(TerraformError, match=rf"confirm it by name, -e confirm=dev-20-kms-{version[:8]}"):
        states(estate).restore(KMS, version, word.format(version))
    assert current(estate) == before


def test_another_lineage_and_an_unknown_version_are_refused(estate: Estate) -> None:
    before = current(estate)
    body = json.dumps({**before, "lineage": "another"}).encode()
    s3 = estate.client("s3")
    foreign = s3.put_object(Bucket=bucket(estate), Key=key(), Body=body)["VersionId"]
    s3.put_object(Bucket=bucket(estate), Key=key(), Body=json.dumps(before, indent=2).encode() + b"\n")
    with pytest.raises(TerraformError, match="is of lineage another, the current state of"):
        states(estate).restore(KMS, foreign, f"dev-20-kms-{foreign}")
    with pytest.raises(TerraformError, match="no version begins with 'none'"):
        states(estate).restore(KMS, "none", "", check=True)
    with pytest.raises(TerraformError, match="has no version of its state"):
        states(estate).restore("10-network", "none", "", check=True)


# -------------------------------------------------------------------------------------------------------- playbooks


def playbook(estate: Estate, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    inventory = estate.work / "inventory.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {
        "env": estate.env,
        "aws_region": estate.catalog["region"],
        "aws_account_id": str(estate.catalog["account_id"]),
        "aws_environment": estate.aws,
        "groundwork_dir": str(PROJECT),
        "groundwork_work": str(estate.work),
    }
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"localhost": host}, "vars": variables}}))
    return subprocess.run(
        [PLAYBOOK, f"playbooks/breakglass/{name}.yml", "-i", str(inventory), *arguments],
        cwd=PROJECT,
        env={**os.environ, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_playbook_of_locks(estate: Estate) -> None:
    clean = playbook(estate, "state_unlock")
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "no state of dev is locked" in clean.stdout
    lock_file(estate, info(estate, 600))
    refused = playbook(estate, "state_unlock", "-e", f"component={KMS}", "-e", "confirm=dev-20-kms-00000001")
    assert refused.returncode == 2 and "refused, it is fresh" in refused.stdout + refused.stderr
    options = ("-e", "state_lock_fresh_minutes=0", "-e", "state_stale_is_failure=true")
    found = playbook(estate, "state_unlock", *options)
    assert found.returncode == 2 and "stale locks: 20-kms" in found.stdout + found.stderr
    assert "-e confirm=dev-20-kms-00000001" in found.stdout
    broken = playbook(estate, "state_unlock", *options, "-e", "confirm=dev-20-kms-00000001")
    assert broken.returncode == 0, broken.stdout + broken.stderr
    assert "broke 00000001-2222-3333-4444-555555555555" in broken.stdout and "changed=1" in broken.stdout
    unknown = playbook(estate, "state_unlock", "-e", "component=nope")
    assert unknown.returncode == 2 and "nope is no component" in unknown.stdout + unknown.stderr


def test_the_playbook_of_versions(estate: Estate) -> None:
    listed = playbook(estate, "state_versions", "-e", f"component={KMS}")
    assert listed.returncode == 0, listed.stdout + listed.stderr
    good, before = states(estate).versions(KMS)[0], current(estate)
    assert " ".join(good.describe().split()) in " ".join(listed.stdout.split())
    lose_a_parameter(estate)
    options = ("-e", f"component={KMS}", "-e", f"version={good.id}")
    dry = playbook(estate, "state_versions", *options, "--check", "--diff")
    assert dry.returncode == 0 and "+ module." in dry.stdout and "confirm=dev-20-kms-" in dry.stdout
    unconfirmed = playbook(estate, "state_versions", *options)
    assert unconfirmed.returncode == 2 and "confirm it by name" in unconfirmed.stdout + unconfirmed.stderr
    done = playbook(estate, "state_versions", *options, "-e", f"confirm=dev-20-kms-{good.id[:8]}")
    assert done.returncode == 0 and "recorded in s3://" in done.stdout, done.stdout + done.stderr
    assert instances(current(estate)) == instances(before)
