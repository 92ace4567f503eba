"""Steps of the workflows: python -m groundwork.delivery STEP …; scripts/ci/run calls them with time limits."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..aws_client import AwsError
from ..estate.paths import PROJECT, cache_dir
from ..terraform import Engine, Result, Settings, TerraformError
from . import atlantis, changed, report
from .changed import DeliveryError
from .github import GitHub, pull_request

ROLES = ("plan", "apply")


def say(text: str) -> None:
    print(text, flush=True)


def output(name: str, value: str) -> None:
    """An output of the job's step, where there is one."""
    if "\n" in value:
        raise DeliveryError(f"output {name} has several lines")
    say(f"{name}={value}")
    if target := os.environ.get("GITHUB_OUTPUT"):
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")


def summary(text: str) -> None:
    if target := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(text)


def catalog(env: str) -> dict[str, Any]:
    if env not in changed.environments(PROJECT):
        raise DeliveryError(f"no environment {env!r}; there are: {', '.join(changed.environments(PROJECT))}")
    path = PROJECT / "inventories" / env / "catalog.yml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def settings(env: str, components: str, **more: Any) -> Settings:
    """The engine's settings, as roles/terraform_component has them."""
    entry = catalog(env)
    region = str(entry["region"])
    # The shell's own credentials, endpoint included; only the region is the catalog's.
    values: dict[str, Any] = {
        "env": env,
        "region": region,
        "account_id": str(entry["account_id"]),
        "terraform_dir": PROJECT / "terraform",
        "catalog_path": PROJECT / "inventories" / env / "catalog.yml",
        "work_dir": PROJECT / ".groundwork" / "work" / env / "terraform",
        "cache_dir": cache_dir(),
        "aws_environment": {"AWS_REGION": region, "AWS_DEFAULT_REGION": region},
        "components": tuple(components.split()),
    }
    return Settings(**(values | more))


def entries(results: list[Result]) -> list[dict[str, Any]]:
    return [{**result.report(), "losses": result.summary.losses()} for result in results if result.status != "not run"]


def work(chosen: Settings) -> tuple[list[dict[str, Any]], str]:
    """Run the engine; what became of each component, and the error if there was one."""
    engine: Engine | None = None
    try:
        engine = Engine(chosen, say)
        return entries(engine.run()), ""
    except (TerraformError, AwsError) as error:
        return entries(engine.results) if engine else [], str(error)


def write(folder: Path, name: str, text: str, data: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    say(f"{folder / name}.md")


# ---------------------------------------------------------------------------------------------------------------- steps


def step_environments(_: argparse.Namespace) -> int:
    """Environments of the matrix jobs, and those that are none of the named stages."""
    found = changed.environments(PROJECT)
    output("environments", json.dumps(found))
    output("others", json.dumps([env for env in found if env not in changed.STAGES]))
    return 0


def step_settings(given: argparse.Namespace) -> int:
    """Role and region of an environment, for aws-actions/configure-aws-credentials."""
    entry = catalog(given.env)
    output("role", f"arn:aws:iam::{entry['account_id']}:role/{given.env}-ci-{given.role}")
    output("region", str(entry["region"]))
    return 0


def step_changed(given: argparse.Namespace) -> int:
    """Components to plan by environment, from the difference to BASE."""
    files = changed.changed_files(PROJECT, given.base, given.head)
    found = changed.plans(PROJECT, files)
    plans = [{"environment": env, "components": " ".join(names)} for env, names in found.items()]
    output("plans", json.dumps(plans))
    return 0


def step_plan(given: argparse.Namespace) -> int:
    """Plan components; the comment goes to OUT/plan-ENV.md."""
    done, error = work(settings(given.env, given.components, check=True, confirm=given.confirm))
    text = report.plan(given.env, done, error)
    write(given.out, f"plan-{given.env}", text, {"environment": given.env, "components": done, "error": error})
    summary(text)
    return 1 if error else 0


def step_apply(given: argparse.Namespace) -> int:
    """Apply components; with EXPECT only if the plan is still what that file says."""
    chosen = {"confirm": given.confirm}
    if given.expect is not None:
        planned, error = work(settings(given.env, given.components, check=True, **chosen))
        if error:
            raise DeliveryError(error)
        try:
            shown = json.loads(given.expect.read_text(encoding="utf-8"))["components"]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise DeliveryError(f"no approved plan in {given.expect}: {problem}. Remedy: plan again.") from problem
        if _changes(shown) != _changes(planned):
            raise DeliveryError("the plan is not the approved one any more; nothing was applied. Remedy: plan again.")
    done, error = work(settings(given.env, given.components, **chosen))
    text = report.plan(given.env, done, error, kind="apply").replace(
        "### Terraform plan of", "### Terraform apply of", 1
    )
    text = text.replace(" would change", " changed", 1)
    write(given.out, f"apply-{given.env}", text, {"environment": given.env, "components": done, "error": error})
    summary(text)
    if error:
        print(error, file=sys.stderr)
    return 1 if error else 0


def _changes(shown: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    return {str(entry["component"]): list(entry["changes"]) for entry in shown}


def site(env: str, out: Path, *arguments: str) -> dict[str, Any]:
    """Run site.yml; totals by host and the tasks that changed something, as the summary callback writes them."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"site-{env}.json"
    target.unlink(missing_ok=True)
    command = ["ansible-playbook", str(PROJECT / "site.yml"), "-i", f"inventories/{env}", *arguments]
    environment = {**os.environ, "GROUNDWORK_TIMINGS": str(target.resolve()), "ANSIBLE_NOCOLOR": "1"}
    code = subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    return {**found, "code": code}


def step_site(given: argparse.Namespace) -> int:
    """What comes after Terraform: hosts, Kafka, databases, observability, verification."""
    return int(site(given.env, given.out, "--skip-tags", "skeleton", "-e", f"confirm={given.confirm}")["code"])


def step_drift(given: argparse.Namespace) -> int:
    """Compare an environment with the code; the issue's text goes to OUT/drift-ENV.md. 0 even when it differs."""
    done, error = work(settings(given.env, given.components, check=True))
    seen = {} if given.terraform_only else site(given.env, given.out, "--check", "--skip-tags", "skeleton")
    text = report.drift(given.env, done, seen or {"code": 0}, error)
    data = {
        "environment": given.env,
        "drift": report.has_drift(done, seen),
        "failures": report.failures(done, seen) + ([error] if error and not done else []),
    }
    write(given.out, f"drift-{given.env}", text, data)
    summary(text)
    return 1 if data["failures"] else 0


def step_comment(given: argparse.Namespace) -> int:
    """Put OUT/plan-ENV.md under the pull request, in place of the earlier one."""
    path = given.out / f"plan-{given.env}.md"
    text = report.plan(given.env, [], "The plan did not begin; see the job's log.")
    if path.exists():
        text = path.read_text(encoding="utf-8")
    say(GitHub(os.environ).comment(pull_request(os.environ), "plan", given.env, text))
    return 0


def step_issue(given: argparse.Namespace) -> int:
    """Open, update or close the environment's drift issue from OUT/drift-ENV.*."""
    try:
        data = json.loads((given.out / f"drift-{given.env}.json").read_text(encoding="utf-8"))
        text = (given.out / f"drift-{given.env}.md").read_text(encoding="utf-8")
        wanted, failed = bool(data["drift"]), bool(data["failures"])
    except (OSError, ValueError, KeyError):
        wanted, failed = False, True
        text = report.drift(given.env, [], {}, "The comparison did not end; see the job's log.")
    title = f"{given.env} differs from the code" if wanted else f"{given.env} could not be compared with the code"
    say(GitHub(os.environ).issue("drift", given.env, title, text, wanted or failed))
    return 0


def hooks() -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((PROJECT / "scripts/ci/hooks.yml").read_text(encoding="utf-8"))
    return dict(document["hooks"])


def step_hooks(given: argparse.Namespace) -> int:
    """Hooks that are due at a cron line, for each environment; by the role that they need."""
    for role, name in (("plan", "hooks"), ("apply", "changes")):
        # What changes an environment has its own time: it is not started by hand with all the others.
        everything = given.cron == "" and role == "plan"
        pairs = [
            {"hook": one, "environment": env}
            for env in changed.environments(PROJECT)
            for one, hook in hooks().items()
            if hook.get("role", "plan") == role
            and (everything or hook["cron"] == given.cron)
            and env not in hook.get("except", ())
        ]
        output(name, json.dumps(pairs))
    return 0


def step_hook(given: argparse.Namespace) -> int:
    """Run one hook."""
    known = hooks()
    if given.hook not in known:
        raise DeliveryError(f"no hook {given.hook!r} in scripts/ci/hooks.yml; there are: {', '.join(known)}")
    catalog(given.env)
    hook = known[given.hook]
    command = ["ansible-playbook", hook["playbook"], "-i", f"inventories/{given.env}", *hook.get("arguments", [])]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode


def step_atlantis(given: argparse.Namespace) -> int:
    """Write atlantis.yaml, or say whether it is right."""
    path, text = PROJECT / "atlantis.yaml", atlantis.render(PROJECT)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        say("atlantis.yaml: right")
        return 0
    if given.check:
        raise DeliveryError("atlantis.yaml is not what components.yml and inventories say. Remedy: make atlantis")
    path.write_text(text, encoding="utf-8")
    say("atlantis.yaml: written")
    return 0


def step_atlantis_plan(_: argparse.Namespace) -> int:
    """Plan of the Atlantis project that the environment names; the approved plan is what PLANFILE says."""
    env, component = atlantis.split(PROJECT, os.environ.get("PROJECT_NAME", ""))
    done, error = work(settings(env, component, check=True))
    say(report.plan(env, done, error))
    if error:
        return 1
    # Atlantis applies only projects that have left this file.
    Path(os.environ["PLANFILE"]).write_text(json.dumps({"components": done}), encoding="utf-8")
    return 0


def step_atlantis_apply(_: argparse.Namespace) -> int:
    """Apply of that project, if its plan is still the approved one. A loss is confirmed by `atlantis apply … -- NAME`."""
    env, component = atlantis.split(PROJECT, os.environ.get("PROJECT_NAME", ""))
    # Atlantis hands extra arguments over with a backslash before every character.
    confirm = os.environ.get("COMMENT_ARGS", "").replace("\\", "").replace(",", " ")
    given = argparse.Namespace(
        env=env,
        components=component,
        confirm=confirm,
        expect=Path(os.environ["PLANFILE"]),
        out=PROJECT / ".groundwork" / "ci",
    )
    return step_apply(given)


Step = Callable[[argparse.Namespace], int]
STEPS: dict[str, tuple[Step, tuple[str, ...]]] = {
    "environments": (step_environments, ()),
    "settings": (step_settings, ("env", "role")),
    "changed": (step_changed, ("base", "head")),
    "plan": (step_plan, ("env", "components", "confirm", "out")),
    "apply": (step_apply, ("env", "components", "confirm", "expect", "out")),
    "site": (step_site, ("env", "confirm", "out")),
    "drift": (step_drift, ("env", "components", "terraform_only", "out")),
    "comment": (step_comment, ("env", "out")),
    "issue": (step_issue, ("env", "out")),
    "hooks": (step_hooks, ("cron",)),
    "hook": (step_hook, ("hook", "env")),
    "atlantis": (step_atlantis, ("check",)),
    "atlantis-plan": (step_atlantis_plan, ()),
    "atlantis-apply": (step_atlantis_apply, ()),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "env": {"required": True, "help": "environment"},
    "role": {"choices": ROLES, "default": "plan"},
    "base": {"required": True, "help": "commit or branch to compare with"},
    "head": {"default": "HEAD"},
    "components": {"default": "", "help": "names with blanks between; all without"},
    "confirm": {"default": "", "help": "confirmed losses: <env>-<component>, with commas between"},
    "expect": {"type": Path, "help": "JSON of the approved plan"},
    "out": {"type": Path, "default": PROJECT / ".groundwork" / "ci", "help": "folder of the reports"},
    "terraform_only": {"action": "store_true"},
    "cron": {"default": "", "help": "cron line of the workflow; all hooks that only look without"},
    "hook": {"required": True},
    "check": {"action": "store_true"},
}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="groundwork.delivery", description=__doc__)
    steps = made.add_subparsers(dest="step", required=True)
    for name, (function, names) in STEPS.items():
        one = steps.add_parser(name, help=(function.__doc__ or "").strip())
        for option in names:
            one.add_argument(f"--{option.replace('_', '-')}", dest=option, **OPTIONS[option])
    return made


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    # A cancelled or timed out job ends terraform in order: it saves the state and releases the lock.
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        return STEPS[given.step][0](given)
    except (DeliveryError, TerraformError, AwsError, ValueError) as error:
        print(f"{given.step}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{given.step}: stopped; terraform ended in order", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
