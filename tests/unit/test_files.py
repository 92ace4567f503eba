"""The batch module for files: truthful, atomic, all or nothing before writing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from groundwork.files import FilesError, Wanted, apply


def wanted(path: Path, content: str | None = "a\n", mode: str = "0640") -> Wanted:
    raw = {"path": str(path), "owner": "root", "group": "root", "mode": mode}
    return Wanted.parse({**raw, "state": "absent"} if content is None else {**raw, "content": content})


def test_writes_once_and_is_silent_afterwards(tmp_path: Path) -> None:
    files = [wanted(tmp_path / "x" / "one"), wanted(tmp_path / "two", "ü'\"\n")]
    assert [change.path.name for change in apply(files)] == ["one", "two"]
    assert apply(files) == []
    assert stat.S_IMODE((tmp_path / "two").stat().st_mode) == 0o640
    assert (tmp_path / "two").read_text() == "ü'\"\n"


def test_check_mode_tells_the_same_and_writes_nothing(tmp_path: Path) -> None:
    files = [wanted(tmp_path / "one")]
    predicted = apply(files, check=True)
    assert not (tmp_path / "one").exists()
    assert predicted == apply(files)


def test_mode_alone_is_repaired_without_rewriting(tmp_path: Path) -> None:
    files = [wanted(tmp_path / "one")]
    apply(files)
    inode = (tmp_path / "one").stat().st_ino
    (tmp_path / "one").chmod(0o666)
    assert apply(files)[0].reasons == ("mode 0666 -> 0640",)
    assert (tmp_path / "one").stat().st_ino == inode
    assert apply(files) == []


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("keep\n")
    (tmp_path / "one").symlink_to(tmp_path / "elsewhere")
    apply([wanted(tmp_path / "one")])
    assert not (tmp_path / "one").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "keep\n"


def test_absent_removes(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a")
    assert len(apply([wanted(tmp_path / "one", None)])) == 1
    assert not (tmp_path / "one").exists()
    assert apply([wanted(tmp_path / "one", None)]) == []


def test_nothing_is_written_when_one_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FilesError, match="is a directory"):
        apply([wanted(tmp_path / "one"), wanted(tmp_path / "folder")])
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(
    "raw", [{"path": "relative", "content": ""}, {"path": "/x"}, {"path": "/x", "content": "", "colour": 1}]
)
def test_bad_input_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(FilesError):
        Wanted.parse(raw)
