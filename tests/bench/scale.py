"""Seconds of one play over many simulated hosts, by forks, serial and slices: the figures of docs/scale.md.

    python tests/bench/scale.py [HOSTS] [RUNS…]      RUN: forks=25  forks=25,serial=20  forks=25,slices=4

Each host is a local connection with a folder of its own and does what a host of the baseline does: a few modules that find
nothing to do. A task also waits for half a second, as a module over SSH does; the rest is the control machine's own work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
RUNS = ("forks=5", "forks=25", "forks=50", "forks=25,serial=20", "forks=25,slices=2", "forks=25,slices=4")
PLAY = """\
- hosts: all
  gather_facts: false
  serial: "{{ batch | default('100%') }}"
  tasks:
    - ansible.builtin.file: {path: "{{ folder }}/{{ inventory_hostname }}", state: directory, mode: "0755"}
    - ansible.builtin.copy: {content: same, dest: "{{ folder }}/{{ inventory_hostname }}/file", mode: "0644"}
    - ansible.builtin.stat: {path: "{{ folder }}/{{ inventory_hostname }}/file"}
    - ansible.builtin.command: {cmd: sleep 0.5}
      changed_when: false
"""


def seconds(inventory: Path, play: Path, folder: Path, hosts: int, options: dict[str, str]) -> float:
    """One run; slices are processes side by side, each with every n-th host, as AWX makes them."""
    slices = int(options.get("slices", 1))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_PIPELINING": "1",
    }
    started = time.monotonic()
    processes = []
    for number in range(slices):
        limit = folder / f"slice-{number}"
        limit.write_text("".join(f"host{index:04}\n" for index in range(number, hosts, slices)))
        command = [
            "ansible-playbook",
            str(play),
            "-i",
            str(inventory),
            "-f",
            options["forks"],
            "-e",
            f"folder={folder}",
            "-l",
            f"@{limit}",
        ]
        if "serial" in options:
            command += ["-e", f"batch={options['serial']}"]
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"{options}: ansible-playbook ended with {codes}")
    return time.monotonic() - started


def main(arguments: list[str]) -> None:
    hosts = int(arguments[0]) if arguments else 100
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        inventory, play = folder / "hosts.ini", folder / "play.yml"
        local = f"ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        inventory.write_text("".join(f"host{index:04} {local}" for index in range(hosts)))
        play.write_text(PLAY)
        (folder / "ansible.cfg").touch()
        print(
            f"{hosts} hosts, 4 tasks, {os.cpu_count()} cores\n\n| run | seconds | ms a host and task |\n| --- | ---: | ---: |"
        )
        for run in arguments[1:] or RUNS:
            options = dict(part.split("=", 1) for part in run.split(","))
            taken = seconds(inventory, play, folder, hosts, options)
            print(
                f"| {run.replace(',', ', ').replace('=', ' ')} | {taken:.0f} | {taken / hosts / 4 * 1000:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
