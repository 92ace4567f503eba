"""Grades one submission: an ECS task of the state machine. Runs the program against each case, writes the report to S3.

The task's role, its environment and the expected outputs stay in this process: the program under test runs in another one
(sandbox.py), without sockets, with an empty environment, and gets nothing but the case's input.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

SANDBOX = Path(__file__).with_name("sandbox.py")
EXIT_MEMORY, EXIT_UNLOCKED = 86, 87
#: Bytes that are kept of a program's output; more is a verdict of its own.
MAX_OUTPUT = 1024 * 1024
MAX_ERROR = 2000
#: Wall clock beyond the CPU time: a program that sleeps is stopped too.
EXTRA_SECONDS = 2
#: The interpreter itself needs address space before the program has any.
INTERPRETER_MIB = 64
PR_SET_DUMPABLE = 4
ACCEPTED = "accepted"


@dataclass(frozen=True)
class Outcome:
    """What one case showed."""

    verdict: str
    milliseconds: int
    message: str = ""


def run_case(source: bytes, case: dict[str, str], seconds: int, memory_mib: int) -> Outcome:
    """Run the program once and judge its output."""
    began = time.monotonic()
    code, output, errors, stopped = execute(source, case["input"].encode(), seconds, memory_mib)
    spent = int((time.monotonic() - began) * 1000)
    if code == EXIT_UNLOCKED:
        raise RuntimeError(f"the sandbox cannot be locked here: {errors.strip()}")
    if stopped == "output":
        return Outcome("output_limit_exceeded", spent)
    if stopped == "time" or code in {-signal.SIGXCPU, -signal.SIGKILL}:
        return Outcome("time_limit_exceeded", spent)
    if code == EXIT_MEMORY:
        return Outcome("memory_limit_exceeded", spent)
    if code != 0:
        return Outcome("runtime_error", spent, errors[-MAX_ERROR:])
    return Outcome(ACCEPTED if same(output.decode(errors="replace"), case["output"]) else "wrong_answer", spent)


def same(given: str, wanted: str) -> bool:
    """Equal but for white space at the ends of lines and of the text."""

    def lines(text: str) -> list[str]:
        return [line.rstrip() for line in text.rstrip().splitlines()]

    return lines(given) == lines(wanted)


def execute(source: bytes, given: bytes, seconds: int, memory_mib: int) -> tuple[int, bytes, str, str]:
    """Exit code, output, errors, and what it was stopped for: `time`, `output` or nothing."""
    # Both travel in memory: the root is read-only, and a program that does not read must not block the one that writes.
    with memory_file(source) as program, memory_file(given) as stdin:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-B", str(SANDBOX)),
                *(str(number) for number in (program.fileno(), seconds, memory_mib + INTERPRETER_MIB)),
            ],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[program.fileno()],
            cwd="/",
            env={"LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
    output, errors, stopped = collect(process, time.monotonic() + seconds + EXTRA_SECONDS)
    return process.returncode, output, errors.decode(errors="replace"), stopped


def memory_file(content: bytes) -> BinaryIO:
    file = os.fdopen(os.memfd_create("case"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def collect(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes, str]:
    """Read both streams until they end, grow too long, or the time is over; the process is dead afterwards."""
    kept = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr) if stream is not None}
    output, errors = kept
    stopped = ""
    with process, selectors.DefaultSelector() as selector:
        for descriptor in kept:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map() and not stopped:
            if time.monotonic() >= deadline:
                stopped = "time"
            for key, _ in selector.select(timeout=0.1):
                piece = os.read(key.fd, 65536)
                if not piece:
                    selector.unregister(key.fd)
                elif len(kept[key.fd]) < MAX_OUTPUT:
                    kept[key.fd] += piece
                else:
                    stopped = "output"
        if not stopped:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                stopped = "time"
        if process.poll() is None:
            process.kill()
    return bytes(kept[output]), bytes(kept[errors]), stopped


def grade(program: str, cases: list[dict[str, str]], seconds: int, memory_mib: int) -> dict[str, Any]:
    """The report: a verdict for each case and one for all, the first that is not `accepted`."""
    outcomes = [run_case(program.encode(), case, seconds, memory_mib) for case in cases]
    verdicts = [outcome.verdict for outcome in outcomes]
    return {
        "verdict": next((verdict for verdict in verdicts if verdict != ACCEPTED), ACCEPTED),
        "passed": verdicts.count(ACCEPTED),
        "total": len(verdicts),
        "results": [asdict(outcome) for outcome in outcomes],
    }


def hide() -> None:
    """Make this process unreadable for others of the same user: /proc/<pid>/environ has the way to the task's role."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> int:
    import boto3

    hide()
    submission_id = os.environ["SUBMISSION_ID"]
    dynamodb = boto3.resource("dynamodb")
    submission = dynamodb.Table(os.environ["SUBMISSIONS_TABLE"]).get_item(
        Key={"submission_id": submission_id}, ConsistentRead=True
    )["Item"]
    problem = dynamodb.Table(os.environ["PROBLEMS_TABLE"]).get_item(
        Key={"problem_id": submission["problem_id"]}, ConsistentRead=True
    )["Item"]
    limits = problem["limits"]
    report = grade(submission["source"], problem["cases"], int(limits["seconds"]), int(limits["memory_mib"]))
    boto3.client("s3").put_object(
        Bucket=os.environ["OUTPUT_BUCKET"],
        Key=f"reports/{submission_id}.json",
        Body=json.dumps({"submission_id": submission_id, **report}).encode(),
        ContentType="application/json",
    )
    print(f"submission {submission_id}: {report['verdict']}, {report['passed']} of {report['total']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
