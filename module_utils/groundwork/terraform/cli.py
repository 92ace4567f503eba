"""Find terraform and the AWS provider, and run terraform so that a killed caller does not kill it half-way."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..account import merged_environment

REGISTRY = "registry.terraform.io"
PROVIDER = "hashicorp/aws"
MINIMUM = (1, 11, 0)
#: Folders under which somebody may have put a filesystem mirror, and how deep it is looked for.
MIRROR_ROOTS = ("/opt", "/usr/local/share", "/usr/share", "/var/lib")
MIRROR_DEPTH = 4
#: Seconds for the registry to answer. One that is slower than this would make every installation a trial.
REGISTRY_TIMEOUT = 5.0
#: Variables of a person's shell that would change what terraform does here.
FOREIGN_VARIABLES = ("TF_WORKSPACE", "TF_DATA_DIR", "TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG", "TF_PLUGIN_MIRROR")
FOREIGN_PREFIXES = ("TF_CLI_ARGS", "TF_VAR_")


class TerraformError(RuntimeError):
    """Terraform cannot go on. The text says what, where, why and the remedy."""


def find_terraform(binary: str = "terraform") -> str:
    """Path of the terraform program, of a version that knows write-only arguments and the S3 lock file."""
    found = shutil.which(binary)
    if found is None:
        raise TerraformError(
            f"terraform: no program '{binary}' on PATH. Remedy: install Terraform {_dotted(MINIMUM)} or newer "
            "(https://developer.hashicorp.com/terraform/install) or set terraform_component_binary."
        )
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    answer = subprocess.run(
        [found, "version", "-json"], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    try:
        version = str(json.loads(answer.stdout)["terraform_version"])
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    except (ValueError, KeyError) as error:
        raise TerraformError(f"terraform: {found} does not say its version: {answer.stderr.strip()[:300]}") from error
    if numbers < MINIMUM:
        raise TerraformError(
            f"terraform: {found} is {version}; write-only arguments and the S3 lock file need {_dotted(MINIMUM)} or newer."
        )
    return found


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


# --------------------------------------------------------------------------------------------------- where the provider is


def registry_answers(timeout: float = REGISTRY_TIMEOUT) -> bool:
    """Whether the public registry can be reached. A name that does not resolve can block: it is asked in a thread."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"https://{REGISTRY}/.well-known/terraform.json", timeout=timeout) as response:
                answers.append(response.status == 200)
        except (OSError, ValueError, urllib.error.URLError):
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return bool(answers and answers[0])


def mirror_folders(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Iterator[Path]:
    """Folders that may be a filesystem mirror, best first: named, Terraform's implied ones, then found."""
    home = home or Path.home()
    named = environment.get("TF_PLUGIN_MIRROR")
    if named:
        yield Path(named)
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    shared = [
        Path(folder)
        for folder in (environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
        if folder
    ]
    yield home / ".terraform.d/plugins"
    for folder in (data, *shared):
        yield folder / "terraform/plugins"
    for root in (*MIRROR_ROOTS, str(home)):
        yield from _registries_below(Path(root), MIRROR_DEPTH)


def _registries_below(root: Path, depth: int) -> Iterator[Path]:
    """Folders that have a `registry.terraform.io` of their own, at most `depth` below `root`; links are not followed."""
    try:
        children = sorted(entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    if REGISTRY in children:
        yield root
        return
    if depth == 0:
        return
    for name in children:
        # A .terraform folder is a link farm into some other installation, not a mirror.
        if name not in {".terraform", "proc", "sys", "node_modules", ".git"}:
            yield from _registries_below(root / name, depth - 1)


def versions_in(mirror: Path) -> list[str]:
    """Versions of the provider for this machine that a mirror holds, packed or unpacked."""
    base = mirror / REGISTRY / PROVIDER
    system, machine = _platform()
    unpacked = {path.parent.name for path in base.glob(f"*/{system}_{machine}") if path.is_dir()}
    packed = {
        match[1]
        for path in base.glob("terraform-provider-aws_*.zip")
        if (match := re.fullmatch(rf"terraform-provider-aws_(.+)_{system}_{machine}\.zip", path.name))
    }
    return sorted(unpacked | packed)


def _platform() -> tuple[str, str]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine().lower())
    return platform.system().lower(), machine


@dataclass(frozen=True)
class Source:
    """Where the provider comes from: the registry, a mirror, or the user's own CLI configuration."""

    kind: str
    path: Path | None = None

    def describe(self) -> str:
        return self.kind if self.path is None else f"{self.kind} {self.path}"


def own_configuration(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Path | None:
    """The user's CLI configuration, if it can be read and says where providers come from; anything else is ignored."""
    for candidate in (environment.get("TF_CLI_CONFIG_FILE"), str((home or Path.home()) / ".terraformrc")):
        try:
            if candidate and "provider_installation" in Path(candidate).read_text(encoding="utf-8"):
                return Path(candidate)
        except (OSError, UnicodeDecodeError):
            continue
    return None


def find_source(wanted: str | None, environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Source:
    """Where to take the provider from. `wanted` is the version that the lock file pins."""
    own = own_configuration(environment, home)
    if own is not None:
        return Source("CLI configuration", own)
    if registry_answers():
        return Source("registry")
    others: list[str] = []
    for mirror in mirror_folders(environment, home):
        versions = versions_in(mirror)
        if wanted in versions or (versions and wanted is None):
            return Source("mirror", mirror)
        others += [f"{mirror} has {version}" for version in versions]
    system, machine = _platform()
    found = f" Found instead: {'; '.join(others)}." if others else ""
    raise TerraformError(
        f"terraform: no provider {PROVIDER} {wanted or ''} for {system}_{machine}: {REGISTRY} does not answer within "
        f"{REGISTRY_TIMEOUT:.0f} s and no folder with it was found under {', '.join(MIRROR_ROOTS)} or the home folder.{found} "
        f"Remedy: allow https to {REGISTRY}, or run `terraform providers mirror FOLDER` on a machine that has it and set "
        "TF_PLUGIN_MIRROR=FOLDER."
    )


def write_configuration(source: Source, path: Path) -> Path:
    """The CLI configuration for `source`; the user's own one is used as it is."""
    if source.kind == "CLI configuration" and source.path is not None:
        return source.path
    installation = "  direct {}"
    if source.path is not None:
        installation = f"  filesystem_mirror {{\n    path = {json.dumps(str(source.path))}\n  }}"
    text = f"# Written by Groundwork; safe to delete.\nprovider_installation {{\n{installation}\n}}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def pinned_version(lock_file: Path) -> str | None:
    """The provider version that a .terraform.lock.hcl pins."""
    try:
        match = re.search(
            rf'provider "{re.escape(REGISTRY)}/{PROVIDER}" {{\s*version\s*=\s*"([^"]+)"',
            lock_file.read_text(encoding="utf-8"),
        )
    except OSError:
        return None
    return match[1] if match else None


# ------------------------------------------------------------------------------------------------------------- running it


def terraform_environment(
    aws: Mapping[str, str], data_dir: Path, configuration: Path, cache: Path | None
) -> dict[str, str]:
    """Environment of a terraform process: the caller's, without what would change its work."""
    environment = {
        name: value
        for name, value in merged_environment(aws).items()
        if name not in FOREIGN_VARIABLES and not name.startswith(FOREIGN_PREFIXES)
    }
    environment.update(
        CHECKPOINT_DISABLE="1",
        TF_IN_AUTOMATION="1",
        TF_INPUT="0",
        TF_DATA_DIR=str(data_dir),
        TF_CLI_CONFIG_FILE=str(configuration),
    )
    # Terraform and the provider end after seconds: collecting garbage less often saves a fifth of a plan's CPU time and
    # takes 100 MiB more.
    environment.setdefault("GOGC", "400")
    if cache is not None and "TF_PLUGIN_CACHE_DIR" not in environment:
        cache.mkdir(parents=True, exist_ok=True)
        environment["TF_PLUGIN_CACHE_DIR"] = str(cache)
    return environment


class Stopped(TerraformError):
    """The caller was asked to stop while terraform ran; terraform was told, and ended by itself."""


class Processes:
    """The terraform processes of one run, so that a stop reaches all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self.stopping = threading.Event()

    def stop(self) -> None:
        """Ask every terraform to end in order: it finishes the calls in flight, saves the state and releases the lock."""
        self.stopping.set()
        with self._lock:
            for process in self._running.values():
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        *,
        record: Path | None = None,
        heartbeat: Callable[[float], None] | None = None,
        heartbeat_seconds: float = 20.0,
    ) -> int:
        """Run to the end and return the exit code.

        The output goes to a file and the process leads a group of its own: when the caller is killed, terraform is not, and
        does not die of a closed pipe either. Not a session of its own: among sessions the kernel shares the processors, and
        each terraform would get as much as all else that the caller does. `record` holds its pid meanwhile.
        """
        if self.stopping.is_set():
            raise Stopped("stopped")
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("wb") as sink:
            process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        with self._lock:
            self._running[process.pid] = process
        if record is not None:
            record.write_text(json.dumps({"pid": process.pid, "born": birth(process.pid), "started": time.time()}))
        started = beat = time.monotonic()
        try:
            while True:
                try:
                    code = process.wait(timeout=1.0)
                    break
                except subprocess.TimeoutExpired:
                    now = time.monotonic()
                    if heartbeat is not None and now - beat >= heartbeat_seconds:
                        beat = now
                        heartbeat(now - started)
        finally:
            with self._lock:
                self._running.pop(process.pid, None)
        # One that was killed leaves its lock behind: the record tells the next run whose that is.
        if record is not None and code >= 0:
            record.unlink(missing_ok=True)
        if self.stopping.is_set() and code != 0:
            raise Stopped("stopped")
        return code


def birth(pid: int) -> str:
    """When a process was started, in the kernel's ticks; "" when there is none. A reused pid has another one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]


@dataclass(frozen=True)
class Recorded:
    """A terraform that an earlier run started and did not see end."""

    pid: int
    started: float
    alive: bool


def recorded_process(record: Path) -> Recorded | None:
    """What an earlier run left in `record`; None when it ended in order."""
    try:
        entry = json.loads(record.read_text(encoding="utf-8"))
        pid, born, started = int(entry["pid"]), str(entry["born"]), float(entry["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Recorded(pid, started, bool(born) and birth(pid) == born)
