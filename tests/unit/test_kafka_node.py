"""Installation of an archive and reading of a host."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from groundwork.estate import kafka_dist
from groundwork.kafka import metrics, node

NAME = "kafka_2.13-9.9.9"


def archive(path: Path, *names: str) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    return node.sha512(path)


def test_unpack_and_link(tmp_path: Path) -> None:
    digest = archive(tmp_path / "a.tgz", f"{NAME}/libs/a.jar", f"{NAME}/config/c.yaml")
    assert node.installed(str(tmp_path)) == {"current": "", "available": []}
    node.unpack(str(tmp_path / "a.tgz"), digest.upper(), str(tmp_path), NAME)
    node.link(str(tmp_path), NAME)
    assert node.installed(str(tmp_path)) == {"current": NAME, "available": [NAME]}
    assert not list(tmp_path.glob("*.partial"))


def test_wrong_checksum_installs_nothing(tmp_path: Path) -> None:
    archive(tmp_path / "a.tgz", f"{NAME}/libs/a.jar")
    with pytest.raises(node.NodeError, match="Nothing was installed"):
        node.unpack(str(tmp_path / "a.tgz"), "0" * 128, str(tmp_path), NAME)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize("member", ["other/libs/a.jar", f"{NAME}/../../etc/passwd", "/etc/passwd"])
def test_archive_that_escapes_its_folder(tmp_path: Path, member: str) -> None:
    digest = archive(tmp_path / "a.tgz", f"{NAME}/libs/a.jar", member)
    with pytest.raises(node.NodeError, match="outside"):
        node.unpack(str(tmp_path / "a.tgz"), digest, str(tmp_path), NAME)


def test_archive_of_another_version(tmp_path: Path) -> None:
    digest = archive(tmp_path / "a.tgz", f"{NAME}/config/c.yaml")
    with pytest.raises(node.NodeError, match="not the archive"):
        node.unpack(str(tmp_path / "a.tgz"), digest, str(tmp_path), NAME)


def test_directories(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert node.Directory(str(tmp_path / "none"), "root", "root", 0o755).differs() == ["missing"]
    assert node.Directory(str(tmp_path), "nobody-here", "root", 0o750).differs() == ["owner", "mode"]
    (tmp_path / "file").write_text("")
    with pytest.raises(node.NodeError, match="not a directory"):
        node.Directory(str(tmp_path / "file"), "root", "root", 0o755).differs()


def test_running_environment() -> None:
    assert node.running_environment(os.getpid(), "PATH") != ""
    assert node.running_environment(os.getpid(), node.CONFIG_HASH) == ""
    assert node.running_environment(2**22 + 1, "PATH") == ""


def test_dist_is_deterministic_and_verified(tmp_path: Path) -> None:
    libs = tmp_path / "libs"
    libs.mkdir()
    for name in ("b.jar", "a.jar"):
        (libs / name).write_bytes(name.encode())
    first, second = tmp_path / "1.tgz", tmp_path / "2.tgz"
    kafka_dist.pack(libs, NAME, first)
    os.utime(libs / "a.jar", (1, 1))
    kafka_dist.pack(libs, NAME, second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert [entry.name for entry in tar if entry.isfile()] == [
            f"{NAME}/config/tools-log4j2.yaml",
            f"{NAME}/libs/a.jar",
            f"{NAME}/libs/b.jar",
        ]
    assert not kafka_dist.is_complete(first)
    kafka_dist.write_checksum(first)
    assert kafka_dist.is_complete(first)
    first.write_bytes(b"broken")
    assert not kafka_dist.is_complete(first)


def test_metrics_text() -> None:
    text = '# HELP a b\na 1.0\nkafka_raft_state{state="leader"} 1.0\nkafka_raft_state{state="x"} 0.0\n'
    found = metrics.parse(text)
    assert found == {"a": {"": 1.0}, "kafka_raft_state": {'state="leader"': 1.0, 'state="x"': 0.0}}
    assert metrics.judge(found, ["a", "b"]) == ["b"]


def test_metrics_of_a_node_that_is_down() -> None:
    found = metrics.ask(["http://127.0.0.1:9/metrics"], ["a"], 1)["http://127.0.0.1:9/metrics"]
    assert found["missing"] == ["a"]
    assert "refused" in found["error"]


def test_what_the_next_process_starts_with_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "start.env"
    assert node.written_environment(str(file)) == {}
    file.write_text("GROUNDWORK_CONFIG_HASH=a\nGROUNDWORK_CERTIFICATE_END=2027-01-01T00:00:00+00:00\n")
    assert node.written_environment(str(file))["GROUNDWORK_CERTIFICATE_END"] == "2027-01-01T00:00:00+00:00"


def test_the_running_archive_is_that_of_the_command_line() -> None:
    # Until the program speaks, its exec may be half done: the kernel shows no command line then.
    program = "import time; print('up', flush=True); time.sleep(30)"
    command = ["python3", "-c", program, f"/opt/kafka/{NAME}/libs/*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            assert node.running_archive(process.pid) == NAME
        finally:
            process.kill()
    assert node.running_archive(2**22 + 1) == ""
