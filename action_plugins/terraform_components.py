"""Runs on the control machine, inside Ansible, so that each component's progress is seen while it happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

# Ansible ships module_utils to hosts only; a plugin of the control machine imports the same package from the project.
PROJECT = Path(__file__).resolve().parents[1]
if str(PROJECT / "module_utils") not in sys.path:
    sys.path.insert(0, str(PROJECT / "module_utils"))

from groundwork.aws_client import AwsError
from groundwork.terraform import Engine, Result, Settings, TerraformError

ARGUMENTS: dict[str, dict[str, Any]] = {
    "env": {"type": "str", "required": True},
    "region": {"type": "str", "required": True},
    "account_id": {"type": "str", "required": True},
    "catalog_path": {"type": "path", "required": True},
    "terraform_dir": {"type": "path", "required": True},
    "work_dir": {"type": "path", "required": True},
    "cache_dir": {"type": "path", "required": True},
    "components": {"type": "list", "elements": "str", "default": []},
    "variables": {"type": "dict", "default": {}},
    "var_file": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "confirm": {"type": "str", "default": ""},
    "parallelism": {"type": "int", "default": 2},
    "binary": {"type": "str", "default": "terraform"},
}


class ActionModule(ActionBase):
    """See library/terraform_components.py for the documentation."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        settings = Settings(
            env=arguments["env"],
            region=arguments["region"],
            account_id=arguments["account_id"],
            terraform_dir=Path(arguments["terraform_dir"]),
            catalog_path=Path(arguments["catalog_path"]),
            work_dir=Path(arguments["work_dir"]),
            cache_dir=Path(arguments["cache_dir"]),
            aws_environment=self._environment(),
            components=tuple(arguments["components"]),
            variables=arguments["variables"],
            var_file=Path(arguments["var_file"]) if arguments["var_file"] else None,
            state=arguments["state"],
            check=bool(self._task.check_mode),
            confirm=arguments["confirm"],
            parallelism=arguments["parallelism"],
            binary=arguments["binary"],
        )
        display = Display()
        engine: Engine | None = None
        try:
            engine = Engine(settings, lambda line: display.display(f"  {line}"))
            engine.run()
        except (TerraformError, AwsError) as error:
            result.update(self._report(engine.results if engine else []))
            result.update(failed=True, msg=str(error))
            return result
        result.update(self._report(engine.results))
        return result

    def _environment(self) -> dict[str, str]:
        """The task's `environment`: an action runs in the control process, which does not get it by itself."""
        merged: dict[str, str] = {}
        try:
            self._compute_environment_string(merged)
        except TypeError as error:
            raise AnsibleActionFail(f"environment: wants a mapping of names to values: {error}") from error
        return {str(name): str(value) for name, value in merged.items()}

    def _report(self, results: list[Result]) -> dict[str, Any]:
        changed = [entry for entry in results if entry.changed]
        report: dict[str, Any] = {
            "changed": bool(changed),
            "components": [entry.report() for entry in results],
            "seconds": {entry.name: round(entry.seconds, 1) for entry in results},
        }
        if self._task.diff:
            report["diff"] = [
                {"prepared": "\n".join([f"{entry.name}: {entry.summary.counts()}", *entry.summary.lines(), ""])}
                for entry in results
                if not entry.summary.empty
            ]
        return report
