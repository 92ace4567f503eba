"""The drill `kafka-emergencies`: copies, exports, lost leaders, votes and skew. Each playbook does what its page of the handbook says."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Drill, Run
from drills.harness import NODES, ask, assert_predicted, pids, state, stopped, until, until_whole

BACKUP_BUCKET = "local-kafka-backup-123456789012"
#: On the host that the restore drill starts its node on.
DRILL_DIR, DRILL_UNIT = "/var/lib/groundwork-kafka-drill", "/run/systemd/system/groundwork-kafka-drill.service"
CONFIRM = "confirm=local-kafka-"


def book(name: str) -> str:
    return f"playbooks/breakglass/kafka_{name}.yml"


def done(run: Run) -> Run:
    assert run.code == 0, run.output[-8000:]
    return run


def refused(drill: Drill, name: str, *arguments: str, expected: str) -> str:
    """Nothing is touched, and the reason is said. Returns what was said."""
    before = pids(drill), replicas(drill), exported(drill)
    run = drill.run(book(name), *arguments)
    assert run.code != 0, run.output[-4000:]
    assert expected in run.output, run.output[-6000:]
    assert "Traceback" not in run.output
    assert (pids(drill), replicas(drill), exported(drill)) == before
    return run.output


def replicas(drill: Drill) -> dict[str, list[int]]:
    return {name: part["replicas"] for name, part in state(drill)["partitions"].items()}


def exported(drill: Drill) -> dict[str, Any]:
    """What administrators made, by the client itself: names of topics, ACLs and the settings of topics."""
    return dict(
        ask(
            drill,
            """
anything = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY))
print(json.dumps({
    "topics": sorted(admin.list_topics()),
    "acls": sorted(f"{a.principal} {a.operation.name} {a.resource_pattern.resource_name}" for a in admin.describe_acls(anything)[0]),
}))
""",
        )
    )


@pytest.fixture(scope="module")
def kept(drill: Drill) -> Drill:
    """With the bucket for copies, which is component 60-kafka's."""
    there = [one["Name"] for one in drill.aws("s3").list_buckets()["Buckets"]]
    if BACKUP_BUCKET not in there:
        drill.aws("s3").create_bucket(
            Bucket=BACKUP_BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"}
        )
    return drill


def make(drill: Drill, topic: str, replicas: list[list[int]], records: int, **config: str) -> None:
    script = """
from kafka import KafkaProducer
if TOPIC not in admin.list_topics():
    admin.create_topics({TOPIC: {"assignments": dict(enumerate(REPLICAS)), "configs": CONFIG}}, wait_for_metadata=True)
producer = KafkaProducer(bootstrap_servers=[f"kafka-{i}.local.internal:9092" for i in (1, 2, 3)], acks="all",
    security_protocol="SSL", ssl_context=context)
for number in range(RECORDS):
    producer.send(TOPIC, b"x" * 1000, partition=number % len(REPLICAS))
producer.flush(timeout=60)
producer.close()
"""
    config = {key.replace("_", "."): value for key, value in config.items()}
    for word, value in (("TOPIC", topic), ("REPLICAS", replicas), ("CONFIG", config), ("RECORDS", records)):
        script = script.replace(word, repr(value))
    ask(drill, script, seconds=60)


def drop(drill: Drill, topic: str) -> None:
    ask(drill, f"admin.delete_topics([{topic!r}])")
    until(f"{topic} is gone", lambda: topic not in exported(drill)["topics"], 30)


def placed(drill: Drill, topic: str) -> list[list[int]]:
    there = replicas(drill)
    return [there[name] for name in sorted(there) if name.rsplit("-", 1)[0] == topic]


# -- Copies -----------------------------------------------------------------------------------------------------------


def nothing_left(drill: Drill) -> None:
    for host in NODES:
        drill.on(
            host,
            "sh",
            "-c",
            f"! test -e {DRILL_DIR} && ! test -e {DRILL_UNIT} && ! ls /var/tmp/kafka-metadata-* 2>/dev/null",
        )


def test_a_copy_of_the_metadata_is_made_and_proven(kept: Drill) -> None:
    running = pids(kept)
    done(kept.run(book("metadata_backup"), "--check"))
    s3 = kept.aws("s3")
    assert s3.list_objects_v2(Bucket=BACKUP_BUCKET, Prefix="kafka/metadata/")["KeyCount"] == 0
    done(kept.run(book("metadata_backup")))
    (copy,) = [one["Key"] for one in s3.list_objects_v2(Bucket=BACKUP_BUCKET, Prefix="kafka/metadata/")["Contents"]]
    run = done(kept.run(book("metadata_restore_drill")))
    # The answer is folded into lines.
    assert f"{copy} gives back what the cluster had" in " ".join(run.output.split()), run.output[-4000:]
    nothing_left(kept)
    assert pids(kept) == running


def test_a_copy_that_is_damaged_proves_nothing(kept: Drill) -> None:
    s3 = kept.aws("s3")
    (copy,) = [one["Key"] for one in s3.list_objects_v2(Bucket=BACKUP_BUCKET, Prefix="kafka/metadata/")["Contents"]]
    whole = s3.get_object(Bucket=BACKUP_BUCKET, Key=copy)["Body"].read()
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    s3.put_object(Bucket=BACKUP_BUCKET, Key="kafka/metadata/damaged.tar.gz", Body=damaged)
    running = pids(kept)
    for key, expected in (
        ("kafka/metadata/damaged.tar.gz", "damaged"),
        ("kafka/metadata/none.tar.gz", "There is no kafka/metadata/none.tar.gz"),
    ):
        run = kept.run(book("metadata_restore_drill"), "-e", f"backup={key}")
        assert run.code != 0, run.output[-4000:]
        assert expected in run.output, run.output[-4000:]
        assert "Traceback" not in run.output, run.output[-4000:]
        nothing_left(kept)
    assert pids(kept) == running


def test_what_was_deleted_comes_back_from_an_export(kept: Drill, tmp_path: Path) -> None:
    make(kept, "drill.kept", [[1, 2, 3]], 1, retention_ms="86400000")
    export = tmp_path / "export.json"
    done(kept.run(book("export"), "-e", f"export_file={export}"))
    before = exported(kept)
    gone = ask(
        kept,
        """
anything = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY))
admin.delete_topics(["drill.kept"])
print(json.dumps([len(found) for _, found, _ in admin.delete_acls([anything])]))
""",
    )
    assert gone[0] == len(before["acls"]) > 0
    until("the topic is gone", lambda: "drill.kept" not in exported(kept)["topics"], 30)

    arguments = ("-e", f"export_file={export}")
    predicted = done(kept.run(book("restore"), *arguments, "--check"))
    assert "drill.kept" in predicted.output
    refused(kept, "restore", *arguments, expected=f"-e {CONFIRM}restore")
    refused(kept, "restore", "-e", f"export_file={tmp_path}/none.json", expected="none.json: name the export")
    run = done(kept.run(book("restore"), *arguments, "-e", f"{CONFIRM}restore"))
    assert "nothing: the cluster is as the export says" in run.output, run.output[-4000:]
    assert_predicted(predicted, run)
    assert exported(kept) == before
    run = done(kept.run(book("restore"), *arguments, "-e", f"{CONFIRM}restore"))
    assert run.changed == {}, run.changed
    drop(kept, "drill.kept")
    run = done(kept.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed


def test_an_export_of_another_cluster_wants_its_name(kept: Drill, tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    done(kept.run(book("export"), "-e", f"export_file={export}"))
    export.write_text(json.dumps({**json.loads(export.read_text()), "cluster_id": "AAAAAAAAAAAAAAAAAAAAAA"}))
    refused(
        kept,
        "restore",
        "-e",
        f"export_file={export}",
        "-e",
        f"{CONFIRM}restore",
        expected="-restore-AAAAAAAAAAAAAAAAAAAAAA",
    )


def test_the_support_bundle_holds_no_secret_and_works_with_a_node_down(kept: Drill) -> None:
    secrets = kept.aws("secretsmanager")
    words = set()
    for one in secrets.list_secrets(MaxResults=100)["SecretList"]:
        held = json.loads(secrets.get_secret_value(SecretId=one["ARN"])["SecretString"])
        words |= {value for key, value in held.items() if "password" in key and value}
        words |= {
            line
            for key, value in held.items()
            if key.endswith("key")
            for line in str(value).splitlines()
            if "PRIVATE" not in line
        }
    assert len(words) > 5
    with stopped(kept, NODES[2]):
        run = done(kept.run(book("support_bundle")))
    until_whole(kept)
    (folder,) = set(re.findall(r"/\S*?/kafka/support-\d{8}T\d{6}Z", run.output))
    archives = sorted(Path(folder).iterdir())
    assert [one.name for one in archives] == [f"{host}.tar.gz" for host in NODES]
    for archive in archives:
        with tarfile.open(archive) as tar:
            held = {one.name: tar.extractfile(one).read().decode(errors="replace") for one in tar if one.isfile()}  # type: ignore[union-attr]
        assert any("server.properties" in name for name in held), sorted(held)
        assert any("server.log" in name for name in held), sorted(held)
        for name, text in held.items():
            assert not [word for word in words if word in text], (archive.name, name)
            assert "PRIVATE KEY" not in text, (archive.name, name)
        archive.unlink()
    Path(folder).rmdir()


# -- Leaders ----------------------------------------------------------------------------------------------------------


def test_preferred_leaders_come_back(kept: Drill) -> None:
    with stopped(kept, NODES[1]):
        until("others lead", lambda: all(part["leader"] != 2 for part in state(kept)["partitions"].values()), 60)
    until_whole(kept)
    predicted = done(kept.run(book("leaders"), "--check"))
    assert done(kept.run(book("leaders"), "-e", "do=info")).changed == {}
    run = done(kept.run(book("leaders")))
    assert_predicted(predicted, run)
    assert run.changed != {}
    assert all(part["leader"] == part["replicas"][0] for part in state(kept)["partitions"].values())
    assert done(kept.run(book("leaders"))).changed == {}
    refused(kept, "leaders", "-e", "do=everything", expected="do=everything is unknown: preferred or info.")


def dead(drill: Drill, host: str) -> None:
    drill.on(host, "sh", "-c", "systemctl kill --signal=KILL kafka; systemctl stop kafka")


def test_an_unclean_election_shows_what_is_lost_before_it_is_done(kept: Drill) -> None:
    """Node 3 misses records that node 2 alone has, then 2 dies. Its disk still tells what would be lost."""
    topic = "drill.offline"
    make(kept, topic, [[2, 3]], 10, min_insync_replicas="1")
    dead(kept, NODES[2])
    until("3 is out of sync", lambda: state(kept)["partitions"][f"{topic}-0"]["isr"] == [2], 60)
    make(kept, topic, [[2, 3]], 5, min_insync_replicas="1")
    dead(kept, NODES[1])
    kept.on(NODES[2], "systemctl", "start", "kafka")
    until("it has no leader", lambda: state(kept)["partitions"][f"{topic}-0"]["leader"] < 0, 120)
    until("3 is back", lambda: 3 in state(kept)["brokers"], 120)

    run = done(kept.run(book("offline_partitions")))
    assert run.changed == {}
    assert f"{topic}-0" in run.output
    asked = kept.run(book("offline_partitions"), "-e", "do=elect")
    assert asked.code != 0
    (target,) = set(re.findall(r"-e confirm=(local-kafka-lose-[0-9a-f]{8})", asked.output))
    assert "lost: 5 records, offsets 10 to 14" in asked.output, asked.output[-4000:]
    assert state(kept)["partitions"][f"{topic}-0"]["leader"] < 0
    wrong = kept.run(book("offline_partitions"), "-e", "do=elect", "-e", "confirm=local-kafka-lose-00000000")
    assert wrong.code != 0
    assert "is another target" in wrong.output
    done(kept.run(book("offline_partitions"), "-e", "do=elect", "-e", f"confirm={target}"))
    assert state(kept)["partitions"][f"{topic}-0"]["leader"] == 3
    kept.on(NODES[1], "systemctl", "start", "kafka")
    until_whole(kept)
    assert "every partition has a leader" in done(kept.run(book("offline_partitions"))).output
    drop(kept, topic)


# -- The quorum, the disks, skew --------------------------------------------------------------------------------------


def test_a_voter_goes_and_comes_back(kept: Drill) -> None:
    def voter(do: str) -> Callable[..., Run]:
        return lambda *more: kept.run(book("voters"), "-e", f"do={do}", "-e", "node=3", *more)

    refused(kept, "voters", "-e", "do=remove", "-e", "node=3", expected=f"-e {CONFIRM}voter-remove-3")
    refused(
        kept,
        "voters",
        "-e",
        "do=remove",
        "-e",
        "node=9",
        "-e",
        f"{CONFIRM}voter-remove-9",
        expected="There is no node 9",
    )
    for do, voters in (("remove", [1, 2]), ("add", [1, 2, 3])):
        predicted = done(voter(do)("--check"))
        run = done(voter(do)("-e", f"{CONFIRM}voter-{do}-3"))
        assert state(kept)["voters"] == voters
        assert_predicted(predicted, run)
        assert done(voter(do)("-e", f"{CONFIRM}voter-{do}-3")).changed == {}
    run = done(kept.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed


def test_log_dirs_are_shown(kept: Drill) -> None:
    run = done(kept.run(book("log_dir")))
    assert run.changed == {}
    assert "/var/lib/kafka/data" in run.output
    refused(kept, "log_dir", "-e", "do=grow", "-e", "node=3", expected="it has no data volume of its own")


def test_skew_is_moved_away_and_back(kept: Drill, tmp_path: Path) -> None:
    topic, plan = "drill.skewed", tmp_path / "plan.json"
    skewed = [[1, 2]] * 6
    make(kept, topic, skewed, 60)
    arguments = ("-e", f"topics={topic}", "-e", f"plan_file={plan}")
    done(kept.run(book("reassign"), *arguments))
    assert placed(kept, topic) == skewed, "a plan moves nothing"
    refused(kept, "reassign", *arguments, "-e", "do=execute", expected=f"-e {CONFIRM}reassign-execute")
    predicted = done(
        kept.run(book("reassign"), *arguments, "-e", "do=execute", "-e", f"{CONFIRM}reassign-execute", "--check")
    )
    run = done(kept.run(book("reassign"), *arguments, "-e", "do=execute", "-e", f"{CONFIRM}reassign-execute"))
    assert_predicted(predicted, run)
    # Disks are balanced, not a topic's replicas: how many of the six move depends on what else the brokers hold.
    moves = json.loads(plan.read_text())["moves"]
    assert any(3 in move["replicas"] for move in moves), moves
    now = placed(kept, topic)
    assert all(now[move["partition"]] == move["replicas"] for move in moves), (now, moves)
    again = tmp_path / "again.json"
    done(kept.run(book("reassign"), "-e", f"topics={topic}", "-e", f"plan_file={again}"))
    assert json.loads(again.read_text())["moves"] == []
    done(kept.run(book("reassign"), *arguments, "-e", "do=rollback", "-e", f"{CONFIRM}reassign-rollback"))
    assert placed(kept, topic) == skewed
    drop(kept, topic)


def test_afterwards_there_is_nothing_to_do(kept: Drill) -> None:
    run = done(kept.run("playbooks/kafka.yml"))
    assert run.changed == {}, run.changed
    shown = done(kept.run(book("operation")))
    assert "kafka-" not in "".join(re.findall(r'"open": "?([^",]*)', shown.output)), shown.output[-3000:]
