"""Run the components: plan, refuse what would lose data, apply the saved plan. Knows nothing of Ansible."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..account import check_account
from ..aws_client import AwsError
from . import adopt, graph, locks, packages, state
from .backend import Backend, Names
from .cli import (
    Processes,
    Stopped,
    TerraformError,
    find_source,
    find_terraform,
    pinned_version,
    recorded_process,
    terraform_environment,
    write_configuration,
)
from .graph import BOOTSTRAP, Component
from .plan import Summary, summarize

#: Seconds to wait for a lock whose holder works; an apply of the shared database takes minutes.
LOCK_WAIT = 60
LOCK_WAIT_OWN = 900
#: What terraform says when its working data does not fit the configuration any more.
NEEDS_INIT = (
    'please run "terraform init"',
    "terraform init",
    "Module not installed",
    "Required plugins are not installed",
)
#: What the provider says of a parameter or bucket that its producer has not made.
NOT_MADE = ("ParameterNotFound", "couldn't find resource", "NoSuchBucket", "S3 bucket does not exist")
#: Attempts of one component: an adoption or a broken lock makes another one worth while.
ATTEMPTS = 4


@dataclass(frozen=True)
class Settings:
    """What to run and where. Nothing is written outside `work_dir`, `cache_dir`, the packages' folder and AWS."""

    env: str
    region: str
    account_id: str
    terraform_dir: Path
    catalog_path: Path
    work_dir: Path
    cache_dir: Path
    aws_environment: Mapping[str, str] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    var_file: Path | None = None
    state: str = "present"
    check: bool = False
    confirm: str = ""
    parallelism: int = 2
    binary: str = "terraform"

    @property
    def common_tfvars(self) -> Path:
        return self.var_file or self.terraform_dir / "environments" / self.env / "common.tfvars"


@dataclass
class Result:
    """What became of one component."""

    name: str
    status: str = "pending"
    summary: Summary = field(default_factory=Summary)
    seconds: float = 0.0
    message: str = ""

    @property
    def changed(self) -> bool:
        return self.status in {"applied", "planned", "destroyed", "blocked"}

    def report(self) -> dict[str, Any]:
        """The result as data, for Ansible."""
        return {
            "component": self.name,
            "status": self.status,
            "add": self.summary.adds,
            "change": self.summary.updates,
            "destroy": self.summary.deletes,
            "changes": self.summary.lines(),
            "seconds": round(self.seconds, 1),
            "message": self.message,
        }


class Refused(TerraformError):
    """The plan loses data and nobody has confirmed it."""


class Engine:
    """One run over the components of one environment."""

    def __init__(self, settings: Settings, say: Callable[[str], None] = print) -> None:
        self.settings = settings
        self.processes = Processes()
        self._say = say
        self._all = graph.load(settings.terraform_dir / "components.yml")
        self._chosen = graph.select(self._all, settings.components, reverse=settings.state == "absent")
        self._names = Names.of(settings.env, settings.account_id)
        self._followers = graph.followers(self._chosen)
        self._results = {name: Result(name) for name in self._chosen}
        self._backend: Backend | None = None
        self._halted = threading.Event()
        self._terraform = ""
        self._sources: dict[str | None, Path] = {}
        self._cache: Path | None = None

    # ---------------------------------------------------------------------------------------------------------- the run

    def run(self) -> list[Result]:
        """Plan and apply everything. Raises with all failures at once; `results` has what was done until then."""
        settings = self.settings
        self._terraform = find_terraform(settings.binary)
        check_account(settings.account_id, settings.region, settings.aws_environment, settings.env)
        settings.work_dir.mkdir(parents=True, exist_ok=True)
        with self._only_one():
            self._backend = Backend(self._names, settings.account_id, settings.region, settings.aws_environment)
            self._run_graph()
            done = [result for result in self._results.values() if result.status != "pending"]
            failed = [result for result in done if result.status in {"failed", "refused"}]
            if (
                settings.state == "absent"
                and not failed
                and not settings.check
                and BOOTSTRAP in self._results
                and self.backend.remove_bootstrap_bucket()
            ):
                self._say(f"bootstrap bucket {self._names.bootstrap_bucket}: removed")
        if failed:
            raise TerraformError("\n\n".join(f"{result.name}: {result.message}" for result in failed))
        return list(self._results.values())

    @property
    def results(self) -> list[Result]:
        return list(self._results.values())

    @property
    def backend(self) -> Backend:
        if self._backend is None:
            raise RuntimeError("the backend is opened by run()")
        return self._backend

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        """One run per work folder: two would overwrite each other's plan files before any state lock is asked."""
        path = self.settings.work_dir / "run.lock"
        with path.open("w", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise TerraformError(
                    f"terraform: another run works in {self.settings.work_dir}. Remedy: wait until it has ended."
                ) from error
            # Terraform must not inherit it: it may outlive a killed run, which its own state lock shows.
            os.set_inheritable(handle.fileno(), False)
            yield

    def _run_graph(self) -> None:
        waiting = dict(self._chosen)
        running: dict[Future[None], str] = {}
        stopped = False
        with ThreadPoolExecutor(max_workers=max(1, self.settings.parallelism)) as pool:
            try:
                while waiting or running:
                    free = 0 if stopped else max(1, self.settings.parallelism) - len(running)
                    for name in self._ready(waiting)[:free]:
                        running[pool.submit(self._component, waiting.pop(name))] = name
                    if not running:
                        break
                    finished, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                    for future in finished:
                        name = running.pop(future)
                        future.result()
                        # A refusal or an error stops the run: what works already ends, nothing new begins.
                        stopped = stopped or self._results[name].status in {"failed", "refused"}
            except BaseException:
                self.processes.stop()
                raise
        for name in waiting:
            self._results[name].status = "not run"

    def _ready(self, waiting: Mapping[str, Component]) -> list[str]:
        """What can be done now; first what the longest chain waits for."""
        ready = [
            name
            for name, component in waiting.items()
            if all(need not in waiting and self._results[need].status != "pending" for need in component.needs)
        ]
        return sorted(ready, key=lambda name: -self._followers[name])

    def _component(self, component: Component) -> None:
        result = self._results[component.name]
        started = time.monotonic()
        try:
            blockers = self._blockers(component)
            if blockers:
                result.message = f"blocked by unapplied {', '.join(blockers)}"
                self._finish(result, "blocked", result.message, started)
            else:
                self._attempts(component, result, started)
        except Refused as error:
            self._halted.set()
            result.message = str(error)
            self._finish(result, "refused", "refused", started)
        except Stopped:
            result.message = "stopped: terraform ended in order and saved its state; run again to go on."
            self._finish(result, "failed", "stopped", started)
        except (TerraformError, AwsError) as error:
            result.message = str(error)
            self._finish(result, "failed", "FAILED", started)

    def _finish(self, result: Result, status: str, text: str, started: float) -> None:
        result.status = status
        result.seconds = time.monotonic() - started
        self._say(f"{result.name}: {text} ({result.seconds:.0f} s)")

    def _blockers(self, component: Component) -> list[str]:
        """In check mode: what must be applied before this component can be planned at all."""
        if not self.settings.check or self.settings.state == "absent":
            return []
        if component.name == BOOTSTRAP:
            return [] if self.backend.bootstrap_bucket_ready() else [f"bucket {self._names.bootstrap_bucket}"]
        needed = [self._results[need] for need in component.needs if need in self._results]
        blocked = [result.name for result in needed if result.status == "blocked"]
        unmade = [
            result.name
            for result in needed
            if result.status == "planned"
            and any(change.action == "create" and change.type in MADE_FIRST for change in result.summary.changes)
        ]
        return blocked + unmade

    # -------------------------------------------------------------------------------------------------- one component

    def _attempts(self, component: Component, result: Result, started: float) -> None:
        runner = Runner(self, component)
        if component.name == BOOTSTRAP and self.settings.state == "present":
            self._prepare_bootstrap(component)
        if self.settings.state == "absent" and not runner.has_state():
            self._finish(result, "unchanged", "no state, nothing to destroy", started)
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._plan_and_apply(component, runner, result, started)
                return
            except Again as again:
                self._say(f"{component.name}: {again}")
                if attempt == ATTEMPTS:
                    raise TerraformError(f"{again} (after {ATTEMPTS} attempts)") from again

    def _prepare_bootstrap(self, component: Component) -> None:
        if self.backend.bootstrap_bucket_ready():
            return
        self.backend.make_bootstrap_bucket(self._tags())
        self._say(f"{component.name}: made the bootstrap bucket {self._names.bootstrap_bucket}")

    def _tags(self) -> dict[str, str]:
        catalog = yaml.safe_load(self.settings.catalog_path.read_text(encoding="utf-8"))
        tags = catalog["tags"]
        return {
            "Environment": self.settings.env,
            "Service": "terraform",
            "Owner": str(tags["owner"]),
            "CostCenter": str(tags["cost_center"]),
            "Team": str(tags["team"]),
            "Lifecycle": str(tags["lifecycle"]),
            "DataClass": str(tags["data_class"]),
            "ManagedBy": "groundwork",
            "Repository": str(tags["repository"]),
        }

    def _plan_and_apply(self, component: Component, runner: Runner, result: Result, started: float) -> None:
        destroy = self.settings.state == "absent"
        done = "destroyed" if destroy else "applied"
        if not runner.plan(destroy):
            # An attempt that stopped half way may have been all there was to do: then this run has changed something.
            status, said = (done, f"{done} at an earlier attempt") if runner.applied else ("unchanged", "no changes")
            self._finish(result, status, said, started)
            return
        result.summary = runner.summary()
        planned = time.monotonic() - started
        self._say(f"{component.name}: {'destroy ' if destroy else ''}plan {result.summary.counts()} ({planned:.0f} s)")
        self._guard(component, result.summary)
        if self._halted.is_set() and not self.settings.check:
            self._finish(result, "not run", "planned, but not applied: another component stopped the run", started)
            return
        if self.settings.check:
            result.status = "planned"
            result.seconds = planned
            return
        runner.apply(
            result.summary, heartbeat=lambda seconds, doing: self._say(f"{component.name}: {seconds:.0f} s, {doing}")
        )
        self._finish(result, done, done, started)

    def _guard(self, component: Component, summary: Summary) -> None:
        """Refuse a plan that loses data unless it is confirmed by name."""
        losses = summary.losses()
        word = f"{self.settings.env}-{component.name}"
        if not losses or word in re.split(r"[\s,]+", self.settings.confirm):
            return
        text = f"this plan loses data ({component.data or 'see below'}) and was not applied:\n"
        text += "".join(f"  {loss}\n" for loss in losses)
        text += "The whole plan:\n" + "".join(f"  {line}\n" for line in summary.lines())
        text += f"If that is meant, say so by name: -e confirm={word}"
        if self.settings.check:
            self._say(f"{component.name}: WOULD BE REFUSED: {text}")
            return
        raise Refused(text)

    # --------------------------------------------------------------------------------------------------- for the runner

    def configuration_for(self, lock_file: Path) -> tuple[Path, Path | None]:
        """CLI configuration and plugin cache for the provider that a lock file pins; looked for once a run."""
        wanted = pinned_version(lock_file)
        path = self.settings.work_dir / "cli.tfrc"
        if wanted not in self._sources:
            source = find_source(wanted)
            self._cache = self.settings.cache_dir / "terraform/plugins" if source.kind == "registry" else None
            self._say(f"provider hashicorp/aws {wanted or ''} from {source.describe()}")
            self._sources[wanted] = write_configuration(source, path)
        return self._sources[wanted], self._cache


#: Created resources without which a dependent component cannot even be planned.
MADE_FIRST = frozenset({"aws_ssm_parameter", "aws_s3_bucket"})


class Again(TerraformError):
    """The obstacle was removed; plan and apply again."""


class Runner:
    """Terraform commands of one component."""

    def __init__(self, engine: Engine, component: Component) -> None:
        self._engine = engine
        self._settings = engine.settings
        self._name = component.name
        self._packages = component.packages
        self._source = self._settings.terraform_dir / "components" / component.name
        self._work = self._settings.work_dir / component.name
        self._work.mkdir(parents=True, exist_ok=True)
        self._plan_file = self._work / "plan.tfplan"
        self._record = self._work / "process.json"
        self._stamp = self._work / "init.json"
        self._unsaved = self._work / "errored.tfstate"
        #: Whether an apply was begun, however it ended.
        self.applied = False

    @property
    def _bucket(self) -> str:
        names = self._engine._names
        return names.bootstrap_bucket if self._name == BOOTSTRAP else names.state_bucket

    @property
    def _key(self) -> str:
        return state.key_of(self._name)

    def has_state(self) -> bool:
        backend = self._engine.backend
        return backend.bucket_exists(self._bucket) and backend.has_state(self._bucket, self._key)

    # ------------------------------------------------------------------------------------------------------------ init

    def _backend_arguments(self) -> list[str]:
        folder = self._settings.terraform_dir / "environments" / self._settings.env
        arguments = [
            f"-backend-config={folder / 'backend.s3.tfbackend'}",
            f"-backend-config=bucket={self._bucket}",
            f"-backend-config=key={self._key}",
            f"-backend-config=region={self._settings.region}",
            "-backend-config=encrypt=true",
            "-backend-config=use_lockfile=true",
        ]
        tfvars = self._settings.common_tfvars.read_text(encoding="utf-8")
        if self._name != BOOTSTRAP and re.search(r"^\s*state_lock_dynamodb\s*=\s*true\b", tfvars, re.MULTILINE):
            arguments.append(f"-backend-config=dynamodb_table={self._engine._names.lock_table}")
        return arguments

    def _fingerprint(self) -> str:
        """Everything that an init depends on: while it is the same, init is left out."""
        digest = hashlib.sha256()
        lock_file = self._source / ".terraform.lock.hcl"
        digest.update(lock_file.read_bytes() if lock_file.exists() else b"")
        for argument in self._backend_arguments():
            digest.update(argument.encode())
            path = Path(argument.removeprefix("-backend-config="))
            if path.is_file():
                digest.update(path.read_bytes())
        digest.update(str(self._settings.aws_environment.get("AWS_ENDPOINT_URL", "")).encode())
        digest.update(str(self._source).encode())
        for path in sorted([*self._source.glob("*.tf"), *self._settings.terraform_dir.glob("modules/*/*.tf")]):
            text = path.read_text(encoding="utf-8")
            digest.update("\n".join(re.findall(r"^\s*(?:source|version|backend)\b.*$", text, re.MULTILINE)).encode())
        return digest.hexdigest()

    def _initialized(self) -> bool:
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
            configuration = Path(stamp["configuration"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        providers = self._work / "data/providers"
        alive = configuration.is_file() and any(path.exists() for path in providers.glob("*/*/*/*/*"))
        return bool(alive and stamp.get("fingerprint") == self._fingerprint())

    def _environment(self) -> dict[str, str]:
        if self._initialized():
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
            configuration, cache = Path(stamp["configuration"]), None
        else:
            configuration, cache = self._engine.configuration_for(self._source / ".terraform.lock.hcl")
        return terraform_environment(self._settings.aws_environment, self._work / "data", configuration, cache)

    def _init(self) -> None:
        self._stamp.unlink(missing_ok=True)
        environment = self._environment()
        output = self._work / "init.log"
        # Two inits at once would write the same file of the plugin cache.
        with exclusive(self._settings.cache_dir / "terraform/init.lock"):
            code = self._engine.processes.run(
                self._command("init", "-reconfigure", "-lockfile=readonly", *self._backend_arguments()),
                environment,
                output,
            )
        if code != 0:
            raise self._error("init", output)
        self._stamp.write_text(
            json.dumps({"fingerprint": self._fingerprint(), "configuration": environment["TF_CLI_CONFIG_FILE"]})
        )

    # ------------------------------------------------------------------------------------------------- plan and apply

    def _command(self, *arguments: str) -> list[str]:
        name, *rest = arguments
        return [self._engine._terraform, f"-chdir={self._source}", name, "-no-color", "-input=false", *rest]

    def _variables(self) -> list[str]:
        arguments = [f"-var-file={self._settings.common_tfvars}", f"-var=catalog_path={self._settings.catalog_path}"]
        variables = dict(self._settings.variables.get(self._name, {}))
        if self._name == BOOTSTRAP and self._settings.state == "present":
            backend = self._engine.backend
            variables["adopt"] = {
                "bucket": backend.bucket_exists(self._engine._names.state_bucket),
                "table": backend.table_exists(),
            }
        return arguments + [
            f"-var={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in variables.items()
        ]

    def _lock_timeout(self) -> str:
        earlier = recorded_process(self._record)
        if earlier is not None and earlier.alive:
            self._engine._say(
                f"{self._name}: terraform of a killed run still works (pid {earlier.pid}): waiting for its lock"
            )
            return f"-lock-timeout={LOCK_WAIT_OWN}s"
        return f"-lock-timeout={LOCK_WAIT}s" if earlier is None else "-lock-timeout=0s"

    def plan(self, destroy: bool) -> bool:
        """Make the plan; whether there is anything to do."""
        packages.build(self._settings.terraform_dir.parent, self._packages)
        if not self._initialized():
            self._init()
        self._push_unsaved_state()
        self._sign()
        earlier = recorded_process(self._record)
        output = self._work / "plan.log"
        command = self._command("plan", "-detailed-exitcode", f"-out={self._plan_file}", self._lock_timeout())
        command += [*self._variables(), *(["-destroy"] if destroy else [])]
        if destroy:
            # A saved plan of a destroyed state must not stay behind as if it were one to apply.
            self._plan_file.unlink(missing_ok=True)
        code = self._engine.processes.run(command, self._environment(), output, record=self._record)
        if code in {0, 2}:
            return code == 2
        text = output.read_text(encoding="utf-8", errors="replace")
        self._break_dead_lock(text, earlier)
        if any(sign in text for sign in NEEDS_INIT) and self._stamp.exists():
            self._stamp.unlink()
            raise Again("its working data does not fit the configuration any more: init again")
        raise self._error("plan", output)

    def _sign(self) -> None:
        """In CI: leave the run's name beside the state, so that a lock of a machine that is gone can be traced to it."""
        record = state.run_record(os.environ)
        if record is not None:
            self._engine.backend.write_json(self._bucket, state.run_key_of(self._name), record)

    def _take_unsaved_state(self) -> None:
        """What terraform leaves beside the configuration, which all environments share, when it cannot save a state."""
        left = self._source / "errored.tfstate"
        if not left.exists():
            return
        owners = state.environments_of(json.loads(left.read_text(encoding="utf-8")))
        if owners == {self._settings.env}:
            shutil.move(left, self._unsaved)
        else:
            self._engine._say(f"{self._name}: {left} is of {', '.join(sorted(owners)) or 'no environment'}: left alone")

    def _push_unsaved_state(self) -> None:
        """Save what an earlier apply made and could not save."""
        self._take_unsaved_state()
        kept = self._unsaved
        if not kept.exists():
            return
        if self._settings.check:
            self._engine._say(f"{self._name}: a state that could not be saved waits in {kept}; the next run saves it")
            return
        output = self._work / "push.log"
        command = [self._engine._terraform, f"-chdir={self._source}", "state", "push", self._lock_timeout(), str(kept)]
        if self._engine.processes.run(command, self._environment(), output, record=self._record) == 0:
            kept.unlink()
            self._engine._say(f"{self._name}: saved the state that an earlier run could not save")
            return
        text = output.read_text(encoding="utf-8", errors="replace")
        raise TerraformError(
            f"an earlier run could not save its state, and the stored one has moved on since:\n{text.strip()[:2000]}\n"
            f"Remedy: compare {kept} with `terraform -chdir={self._source} state pull`; import what only the former knows, "
            "then delete that file."
        )

    def _break_dead_lock(self, text: str, earlier: Any) -> None:
        lock = locks.parse(text)
        if lock is None:
            return
        if not locks.left_by_dead_run(lock, earlier):
            raise TerraformError(
                f"the state is locked by {lock.describe()}. Remedy: wait until that run has ended. If it is dead for certain: "
                f"ansible-playbook playbooks/breakglass/state_unlock.yml -i inventories/{self._settings.env} "
                f"-e component={self._name} -e confirm={self._settings.env}-{self._name}-{lock.id[: state.PREFIX]}"
            )
        output = self._work / "unlock.log"
        command = [self._engine._terraform, f"-chdir={self._source}", "force-unlock", "-force", lock.id]
        if self._engine.processes.run(command, self._environment(), output) != 0:
            raise self._error("force-unlock", output)
        raise Again(f"broke the lock of a killed run of this machine ({lock.describe()})")

    def summary(self) -> Summary:
        output = self._work / "plan.json"
        command = [
            self._engine._terraform,
            f"-chdir={self._source}",
            "show",
            "-json",
            "-no-color",
            str(self._plan_file),
        ]
        try:
            if self._engine.processes.run(command, self._environment(), output) != 0:
                raise self._error("show", output)
            document = json.loads(output.read_text(encoding="utf-8"))
        finally:
            # It holds every value of the plan.
            output.unlink(missing_ok=True)
        self._planned = document
        return summarize(document)

    def apply(self, summary: Summary, heartbeat: Callable[[float, str], None]) -> None:
        output = self._work / "apply.log"

        def beat(seconds: float) -> None:
            heartbeat(seconds, f"{_busy(output) or 'working'}")

        self.applied = True
        code = self._engine.processes.run(
            self._command("apply", "-json", self._lock_timeout(), str(self._plan_file)),
            self._environment(),
            output,
            record=self._record,
            heartbeat=beat,
        )
        self._plan_file.unlink(missing_ok=True)
        if code == 0:
            return
        self._take_unsaved_state()
        text = _diagnostics(output)
        adopted = adopt.adopt(
            planned=self._planned,
            diagnostics=text,
            import_=self._import,
            environment=self._settings.aws_environment,
            region=self._settings.region,
        )
        if adopted:
            raise Again("adopted what a killed run had made: " + ", ".join(adopted))
        raise TerraformError(f"terraform apply failed:\n{text}\nThe whole output: {output}")

    def _import(self, address: str, identifier: str) -> bool:
        output = self._work / "import.log"
        command = self._command("import", self._lock_timeout(), *self._variables(), address, identifier)
        return self._engine.processes.run(command, self._environment(), output, record=self._record) == 0

    def _error(self, command: str, output: Path) -> TerraformError:
        text = output.read_text(encoding="utf-8", errors="replace")
        errors = text[text.find("Error:") :] if "Error:" in text else text[-3000:]
        hint = ""
        if any(sign in text for sign in NOT_MADE):
            needs = ", ".join(self._engine._all[self._name].needs)
            hint = f"\nRemedy: apply what this component reads first ({needs}): run without a selection of components."
        return TerraformError(f"terraform {command} failed:\n{errors.strip()[:4000]}{hint}\nThe whole output: {output}")


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """One process at a time; for what several runs of one machine share."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _messages(output: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of an apply."""
    try:
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                yield message


def _busy(output: Path) -> str:
    """What terraform works on now."""
    started: dict[str, None] = {}
    for message in _messages(output):
        address = message.get("hook", {}).get("resource", {}).get("addr", "")
        if message.get("type") == "apply_start":
            started[address] = None
        elif message.get("type") in {"apply_complete", "apply_errored"}:
            started.pop(address, None)
    names = list(started)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _diagnostics(output: Path) -> str:
    """The errors of an apply, as a person reads them."""
    errors = []
    for message in _messages(output):
        diagnostic = message.get("diagnostic", {})
        if message.get("type") == "diagnostic" and diagnostic.get("severity") == "error":
            address = diagnostic.get("address", "")
            text = "\n  ".join(part for part in (diagnostic.get("summary"), diagnostic.get("detail")) if part)
            errors.append(f"{address}: {text}" if address else text)
    return "\n".join(errors) or output.read_text(encoding="utf-8", errors="replace")[-3000:]
