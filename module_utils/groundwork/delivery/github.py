"""The few calls of GitHub's REST API that the workflows need: one comment per plan, one issue per environment."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..observability.web import request
from .changed import DeliveryError
from .report import marker

PAGE = 100
PAGES = 50


class GitHub:
    """A repository, with the job's token."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environment.get(name)]
        if missing:
            raise DeliveryError(
                f"{' and '.join(missing)} not set. Remedy: run it in a workflow, with `env: GITHUB_TOKEN`."
            )
        self._base = environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        if not self._base.startswith(("https://", "http://127.0.0.1:")):
            raise DeliveryError(f"GITHUB_API_URL={self._base}: the token goes over https only")
        self._repository = environment["GITHUB_REPOSITORY"]
        self._token = environment["GITHUB_TOKEN"]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        status, text = request(
            f"{self._base}/repos/{self._repository}/{path}",
            method,
            {
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "Content-Type": "application/json",
            },
            None if body is None else json.dumps(body).encode(),
            timeout=30,
            public=True,
        )
        if not status:
            raise DeliveryError(f"GitHub does not answer at {self._base}: {text}")
        if status >= 400:
            raise DeliveryError(f"GitHub refused {method} {path}: {status} {text[:300]}")
        return json.loads(text or "null")

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        mark = "&" if "?" in path else "?"
        for page in range(1, PAGES + 1):
            found = self._call("GET", f"{path}{mark}per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return

    def comment(self, number: int, kind: str, env: str, text: str) -> str:
        """Write the comment of this kind and environment, over the earlier one if there is one."""
        mark = marker(kind, env)
        for found in self._all(f"issues/{number}/comments"):
            if str(found.get("body") or "").startswith(mark):
                self._call("PATCH", f"issues/comments/{found['id']}", {"body": text})
                return "updated"
        self._call("POST", f"issues/{number}/comments", {"body": text})
        return "created"

    def issue(self, kind: str, env: str, title: str, text: str, wanted: bool) -> str:
        """Open, update or close the one issue of this kind and environment."""
        mark = marker(kind, env)
        issues = self._all(f"issues?state=open&labels={urllib.parse.quote(kind)}")
        number = next((one["number"] for one in issues if str(one.get("body") or "").startswith(mark)), None)
        if wanted and number is None:
            made = self._call("POST", "issues", {"title": title, "body": text, "labels": [kind]})
            return f"opened #{made['number']}"
        if wanted:
            self._call("PATCH", f"issues/{number}", {"title": title, "body": text})
            return f"updated #{number}"
        if number is not None:
            self._call("POST", f"issues/{number}/comments", {"body": text})
            self._call("PATCH", f"issues/{number}", {"state": "closed", "state_reason": "completed"})
            return f"closed #{number}"
        return "no issue, none needed"


def pull_request(environment: Mapping[str, str]) -> int:
    """Number of the pull request that started this job."""
    try:
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return int(event["pull_request"]["number"])
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise DeliveryError("this job was not started by a pull request (GITHUB_EVENT_PATH names none)") from error
