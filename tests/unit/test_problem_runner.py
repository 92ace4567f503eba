"""The runner of submissions, run for real: each program is a process of its own under the runner's limits."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

RUNNER = Path(__file__).parents[2] / "services/problem/runner_python"
CASES = [{"input": "2 3\n", "output": "5"}]
SUM = "a, b = map(int, input().split())\nprint(a + b)\n"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    sys.path.insert(0, str(RUNNER))
    try:
        return importlib.import_module("runner")
    finally:
        sys.path.remove(str(RUNNER))


@pytest.mark.parametrize(
    ("program", "verdict", "message"),
    [
        pytest.param(SUM, "accepted", "", id="right"),
        pytest.param("print('5  ')\nprint()", "accepted", "", id="white space at the end"),
        pytest.param("import threading, json\nprint(5)", "accepted", "", id="standard library"),
        pytest.param("print(6)", "wrong_answer", "", id="wrong"),
        pytest.param("pass", "wrong_answer", "", id="silent"),
        pytest.param("while True: pass", "time_limit_exceeded", "", id="endless loop"),
        pytest.param("import time\ntime.sleep(60)", "time_limit_exceeded", "", id="sleep"),
        pytest.param("x = bytearray(10**10)", "memory_limit_exceeded", "", id="memory at once"),
        pytest.param(
            "x = []\nwhile True: x.append(bytearray(10**6))", "memory_limit_exceeded", "", id="memory by and by"
        ),
        pytest.param("while True: print('x' * 1000)", "output_limit_exceeded", "", id="endless output"),
        pytest.param("1 / 0", "runtime_error", "ZeroDivisionError", id="exception"),
        pytest.param("def", "runtime_error", "SyntaxError", id="no program"),
        pytest.param("import sys\nsys.exit(3)", "runtime_error", "", id="exit code"),
        pytest.param("import socket\nsocket.socket()", "runtime_error", "not permitted", id="socket"),
        pytest.param("import socket\nsocket.socketpair()", "runtime_error", "not permitted", id="socket pair"),
        pytest.param(
            "import urllib.request\nurllib.request.urlopen('http://169.254.170.2/')",
            "runtime_error",
            "not permitted",
            id="credentials endpoint",
        ),
        pytest.param("import os\nos.fork()", "runtime_error", "not permitted", id="fork"),
        pytest.param("import os\nos.execv('/bin/true', ['true'])", "runtime_error", "not permitted", id="exec"),
        pytest.param("import subprocess\nsubprocess.run(['true'])", "runtime_error", "not permitted", id="program"),
        pytest.param(
            "import threading\nthreading.Thread(target=print).start()", "runtime_error", "new thread", id="thread"
        ),
        pytest.param("import os\nos.kill(os.getppid(), 9)", "runtime_error", "not permitted", id="kill the runner"),
        pytest.param(
            "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
            "runtime_error",
            "",
            id="own limits",
        ),
    ],
)
def test_verdict(runner: ModuleType, program: str, verdict: str, message: str) -> None:
    report = runner.grade(program, CASES, 1, 128)
    assert (report["verdict"], report["total"]) == (verdict, 1), report
    assert message in report["results"][0]["message"]
    assert report["passed"] == (verdict == "accepted")


def test_the_first_failure_is_the_verdict_and_all_cases_run(runner: ModuleType) -> None:
    cases = [*CASES, {"input": "1 1", "output": "3"}, {"input": "x y", "output": "0"}]
    report = runner.grade(SUM, cases, 1, 128)
    assert [result["verdict"] for result in report["results"]] == ["accepted", "wrong_answer", "runtime_error"]
    assert (report["verdict"], report["passed"], report["total"]) == ("wrong_answer", 1, 3)


def test_a_program_sees_nothing_of_the_runner(runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/secret")
    program = "import os, sys\nprint(sorted(os.environ), sys.argv)\nraise SystemExit(1)"
    code, output, _, _ = runner.execute(program.encode(), b"", 1, 128)
    assert code == 1
    assert b"AWS" not in output
    assert b"solution.py" in output


def test_nothing_can_be_written(runner: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "written"
    program = f"import os\nf = os.open({str(target)!r}, os.O_CREAT | os.O_WRONLY)\nos.write(f, b'x')"
    report = runner.grade(program, CASES, 1, 128)
    assert report["verdict"] == "runtime_error", report
    assert not target.exists() or target.stat().st_size == 0


def test_the_environment_of_the_runner_is_unreadable_for_its_user(tmp_path: Path) -> None:
    """The tests may be root, who reads everything: runner and reader become somebody else, as in the image."""
    script = tmp_path / "probe.py"
    script.write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {str(RUNNER)!r})\n"
        "import runner\n"
        "if os.geteuid() == 0:\n"
        "    os.setgid(65534); os.setuid(65534)\n"
        "runner.hide()\n"
        "try:\n"
        "    open(f'/proc/{os.getpid()}/environ').read()\n"
        "except PermissionError:\n"
        "    print('unreadable')\n"
    )
    answer = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, env={**os.environ, "SECRET": "x"}
    )
    assert answer.stdout == "unreadable\n", answer.stderr


def test_the_filter_cannot_be_left_out(monkeypatch: pytest.MonkeyPatch, runner: ModuleType, tmp_path: Path) -> None:
    """On a machine whose system calls the filter does not know nothing runs at all."""
    broken = tmp_path / "sandbox.py"
    broken.write_text((RUNNER / "sandbox.py").read_text().replace("platform.machine()", '"riscv64"'))
    monkeypatch.setattr(runner, "SANDBOX", broken)
    with pytest.raises(RuntimeError, match="cannot be locked"):
        runner.grade("print(5)", CASES, 1, 128)
