"""What the catalog wants a cluster to hold, in one call: all of it predicted first, then made part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .client import KafkaProblem

#: Makes a kind of objects so, or with True says what would change: ``changed``, ``before``, ``after`` and what its module returns.
Part = Callable[[bool], dict[str, Any]]


class HalfDone(KafkaProblem):
    """A part failed after others were made; ``results`` are those of the parts that were."""

    def __init__(self, message: str, results: Mapping[str, dict[str, Any]]) -> None:
        super().__init__(message)
        self.results = dict(results)


def ensure(parts: Mapping[str, Part], check: bool) -> dict[str, dict[str, Any]]:
    """By part its result. What the brokers or the project refuse is refused of all parts at once, before any is touched."""
    results: dict[str, dict[str, Any]] = {}
    refused = []
    for name, part in parts.items():
        try:
            results[name] = part(True)
        except KafkaProblem as problem:
            refused.append(f"{name}: {str(problem).removeprefix('nothing was changed').lstrip(':. ')}")
    if refused:
        raise KafkaProblem("nothing was changed. " + "; ".join(refused))
    made: dict[str, dict[str, Any]] = {}
    for name in [] if check else [name for name, result in results.items() if result["changed"]]:
        try:
            made[name] = parts[name](False)
        except KafkaProblem as problem:
            done = f"; changed before it: {', '.join(made)}" if made else ""
            raise HalfDone(f"{name}: {problem}{done}", made) from problem
    return {**results, **made}


def diff(results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What Ansible shows, a section a part that changed."""
    return [
        {"before_header": name, "after_header": name, "before": result["before"], "after": result["after"]}
        for name, result in results.items()
        if result["changed"]
    ]
