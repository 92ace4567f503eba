"""Alloy's folder on a host: swapped as a whole, checked first, taken back when it is refused.

Alloy itself is stood for by a control port that answers as its documentation says (reload 400 with the error, healthy
500) and by a shell script; the drill with the real program belongs to the observability suite.
"""

from __future__ import annotations

import grp
import http.server
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from groundwork.observability import alloyfolder
from groundwork.observability.alloyfolder import AlloyError, Folder

FILES = {"00-agent.alloy": 'logging {\n\tlevel = "info"\n}\n', "10-write.alloy": "// nothing\n"}


class Alloy(http.server.BaseHTTPRequestHandler):
    """Refuses to reload a folder in which a file says `refuse`; is unhealthy with one that says `sick`."""

    folder: Path
    reloads: list[str]

    def text(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.alloy")))

    def do_POST(self) -> None:
        type(self).reloads.append(self.text())
        self.answer(
            400 if "refuse" in self.text() else 200, "error during the initial load: 10-write.alloy:1:1: refused"
        )

    def do_GET(self) -> None:
        self.answer(500 if "sick" in self.text() else 200, "unhealthy components: prometheus.scrape.x")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    group = grp.getgrgid(os.getegid()).gr_name
    return Folder(tmp_path / "etc" / "conf.d", FILES, tmp_path / "etc" / "environment", {"TENANT": "local"}, group)


@pytest.fixture
def alloy(folder: Folder) -> Iterator[str]:
    Alloy.folder, Alloy.reloads = folder.path, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alloy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def contents(folder: Folder) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.path.glob("*.alloy")}


def with_environment(folder: Folder) -> Folder:
    """The process that runs has this environment already: nothing of it is to be restarted."""
    folder.environment_file.parent.mkdir(parents=True)
    folder.environment_file.write_text(alloyfolder.environment_text(folder.environment))
    folder.environment_file.chmod(0o640)
    return folder


def names(outcome: alloyfolder.Outcome) -> list[str]:
    return [change.path.name for change in outcome.changes]


def test_first_run_second_run_and_prediction(folder: Folder) -> None:
    predicted = alloyfolder.apply(folder, check_mode=True)
    assert names(predicted) == ["00-agent.alloy", "10-write.alloy", "environment"]
    assert not folder.path.exists()
    assert names(alloyfolder.apply(folder, check_mode=False)) == names(predicted)
    assert contents(folder) == FILES
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (folder.path, *folder.path.iterdir(), folder.environment_file)
    ]
    assert modes == [0o750, 0o640, 0o640, 0o640]
    again = alloyfolder.apply(folder, check_mode=False)
    assert (again.changes, again.reload) == ([], "not needed")


def test_every_kind_of_drift_is_told_and_repaired(folder: Folder) -> None:
    alloyfolder.apply(folder, check_mode=False)
    (folder.path / "10-write.alloy").write_text("// mine\n")
    (folder.path / "00-agent.alloy").chmod(0o644)
    (folder.path / "99-more.alloy").write_text("// more\n")
    (folder.path / "NOTES").write_text("kept")
    folder.environment_file.chmod(0o604)
    expected = {
        "00-agent.alloy": ("mode 0644, wanted 0640",), "10-write.alloy": ("content",),
        "99-more.alloy": ("not one of the wanted files",), "environment": ("mode 0604, wanted 0640",),
    }  # fmt: skip
    predicted = alloyfolder.apply(folder, check_mode=True)
    assert {change.path.name: change.reasons for change in predicted.changes} == expected
    assert next(change for change in predicted.changes if change.path.name == "10-write.alloy").before == "// mine\n"
    alloyfolder.apply(folder, check_mode=False)
    assert contents(folder) == FILES
    assert (folder.path / "NOTES").read_text() == "kept"
    assert alloyfolder.apply(folder, check_mode=True).changes == []
    assert (folder.path.parent / ".conf.d.previous" / "10-write.alloy").read_text() == "// mine\n"


def test_a_link_in_place_of_a_file_is_replaced(folder: Folder, tmp_path: Path) -> None:
    alloyfolder.apply(folder, check_mode=False)
    outside = tmp_path / "outside"
    outside.write_text(FILES["10-write.alloy"])
    (folder.path / "10-write.alloy").unlink()
    (folder.path / "10-write.alloy").symlink_to(outside)
    assert names(alloyfolder.apply(folder, check_mode=False)) == ["10-write.alloy"]
    assert not (folder.path / "10-write.alloy").is_symlink()


def test_the_environment_is_hidden_and_quoted(folder: Folder) -> None:
    folder = replace(folder, environment={"B": 'a"b\\c$d`', "A": "x # y"})
    outcome = alloyfolder.apply(folder, check_mode=False)
    change = outcome.changes[-1]
    assert (change.secret, change.before, change.after) == (True, "", "")
    assert folder.environment_file.read_text().splitlines()[1:] == ['A="x # y"', 'B="a\\"b\\\\c\\$d\\`"']


def test_what_was_staged_by_a_killed_run_is_removed(folder: Folder) -> None:
    left = folder.path.parent / ".conf.d.staged-dead"
    left.mkdir(parents=True)
    alloyfolder.apply(folder, check_mode=False)
    assert not left.exists()
    assert sorted(path.name for path in folder.path.parent.iterdir()) == ["conf.d", "environment"]


def test_a_killed_swap_without_exchange_is_made_good(folder: Folder) -> None:
    alloyfolder.apply(folder, check_mode=False)
    folder.path.rename(folder.path.with_name(".conf.d.previous"))
    alloyfolder.apply(folder, check_mode=False)
    assert contents(folder) == FILES


def test_a_file_system_without_exchange(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alloyfolder, "_exchange", lambda one, other: False)
    alloyfolder.apply(folder, check_mode=False)
    alloyfolder.apply(replace(folder, files={"00-agent.alloy": "// new\n"}), check_mode=False)
    assert contents(folder) == {"00-agent.alloy": "// new\n"}


def test_change_is_loaded(folder: Folder, alloy: str) -> None:
    folder = replace(with_environment(folder), url=alloy)
    assert alloyfolder.apply(folder, check_mode=False).reload == "done"
    assert alloyfolder.apply(folder, check_mode=False).reload == "not needed"
    assert Alloy.reloads == ["".join(FILES.values())]


@pytest.mark.parametrize(
    ("word", "says"), [("refuse", "10-write.alloy:1:1: refused"), ("sick", "unhealthy components")]
)
def test_refused_configuration_is_taken_back(folder: Folder, alloy: str, word: str, says: str) -> None:
    folder = replace(folder, url=alloy)
    alloyfolder.apply(folder, check_mode=False)
    broken = replace(folder, files={"10-write.alloy": f"// {word}\n"})
    with pytest.raises(AlloyError, match=f"the old one is back and loaded. Alloy says .*{says}"):
        alloyfolder.apply(broken, check_mode=False)
    assert contents(folder) == FILES
    assert Alloy.reloads[-1] == "".join(FILES.values())
    assert (folder.path.parent / ".conf.d.refused" / "10-write.alloy").exists()
    assert alloyfolder.apply(folder, check_mode=False).reload == "not needed"


def test_alloy_that_does_not_run_reads_it_at_its_start(folder: Folder) -> None:
    outcome = alloyfolder.apply(replace(with_environment(folder), url="http://127.0.0.1:9"), check_mode=False)
    assert outcome.reload == "not running"
    assert contents(folder) == FILES


def test_run_that_was_killed_before_the_reload_is_made_good(folder: Folder, alloy: str) -> None:
    folder = replace(with_environment(folder), url=alloy)
    alloyfolder.apply(folder, check_mode=False)
    (folder.path.parent / ".conf.d.reload-pending").touch()
    outcome = alloyfolder.apply(folder, check_mode=False)
    assert (outcome.changes, outcome.reload, len(Alloy.reloads)) == ([], "done", 2)


def test_a_process_with_an_older_environment_is_restarted_and_not_asked_to_reload(folder: Folder, alloy: str) -> None:
    folder = replace(with_environment(folder), url=alloy)
    alloyfolder.apply(folder, check_mode=False)
    # What the new folder needs, the running process does not have: asked to reload it would refuse.
    later = replace(folder, environment={"TENANT": "local", "MORE": "x"}, files={"10-write.alloy": "// refuse\n"})
    assert alloyfolder.apply(later, check_mode=True).reload == "restart"
    assert contents(folder) == FILES
    assert alloyfolder.apply(later, check_mode=False).reload == "restart"
    assert contents(folder) == {"10-write.alloy": "// refuse\n"} and len(Alloy.reloads) == 1
    # Until Alloy was healthy after its restart.
    assert alloyfolder.apply(later, check_mode=True).reload == "restart"
    shutil.rmtree(alloyfolder.kept(folder.path))
    # Another mode is no other environment.
    folder.environment_file.chmod(0o644)
    outcome = alloyfolder.apply(later, check_mode=False)
    assert (names(outcome), outcome.reload) == (["environment"], "not needed")


def test_the_environment_stays_when_the_folder_is_refused(folder: Folder, tmp_path: Path) -> None:
    program = tmp_path / "alloy"
    program.write_text("#!/bin/sh\n[ $1 = fmt ] || { echo 'no such component' >&2; exit 1; }\n")
    program.chmod(0o755)
    before = with_environment(folder).environment_file.read_text()
    with pytest.raises(AlloyError, match="no such component"):
        alloyfolder.apply(replace(folder, binary=str(program), environment={"MORE": "x"}), check_mode=False)
    assert folder.environment_file.read_text() == before and not folder.path.exists()


def test_the_hosts_program_is_asked_before_the_swap(folder: Folder, tmp_path: Path) -> None:
    program = tmp_path / "alloy"
    log = tmp_path / "log"
    program.write_text(f"""\
#!/bin/sh
echo "$@" "$TENANT" >>{log}
[ "$1" = validate ] || exit 0
grep -q wrong "$3"/* || exit 0
echo "bad: $3/10-write.alloy" >&2
exit 1
""")
    program.chmod(0o755)
    folder = replace(folder, binary=str(program), flags=("--stability.level=generally-available",))
    alloyfolder.apply(folder, check_mode=False)
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [line[0] for line in lines] == ["fmt", "fmt", "validate"]
    assert lines[2][1] == "--stability.level=generally-available"
    assert {line[-1] for line in lines} == {"local"}
    with pytest.raises(
        AlloyError, match="alloy validate refuses the new configuration, the old one is unchanged:\nbad: 10-write"
    ):
        alloyfolder.apply(replace(folder, files={"10-write.alloy": "// wrong\n"}), check_mode=False)
    assert contents(folder) == FILES


@pytest.mark.parametrize("name", ["../x.alloy", "a.conf", ".hidden.alloy", "a b.alloy", ""])
def test_names_that_are_none(folder: Folder, name: str) -> None:
    with pytest.raises(AlloyError, match=r"ends in \.alloy"):
        replace(folder, files={name: ""})


def test_what_cannot_be_configured(folder: Folder) -> None:
    with pytest.raises(AlloyError, match="would stop every signal"):
        replace(folder, files={})
    with pytest.raises(AlloyError, match="a value is one line"):
        replace(folder, environment={"A": "x\ny"})
    with pytest.raises(AlloyError, match="group nobody-has-this is not there"):
        alloyfolder.apply(replace(folder, group="nobody-has-this"), check_mode=False)
    folder.path.parent.mkdir()
    folder.path.write_text("a file")
    with pytest.raises(AlloyError, match="is not a folder"):
        alloyfolder.apply(folder, check_mode=True)
