"""Ask Prometheus or Mimir many instant queries, and wait until the expected series are there. Standard library only."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .web import request


class QueryError(RuntimeError):
    """The server did not answer a query; the message carries its own words."""


@dataclass(frozen=True)
class Query:
    """An instant query. When `label` is given, the answer must have a series for each of `expect`'s values of it;
    without `label`, `at_least` series."""

    name: str
    expr: str
    label: str = ""
    expect: tuple[str, ...] = ()
    at_least: int = 0

    def missing(self, series: Sequence[Mapping[str, Any]]) -> list[str]:
        """What the answer lacks, in words."""
        if self.label:
            have = {one["labels"].get(self.label) for one in series}
            return [f"{self.label}={value}" for value in self.expect if value not in have]
        return [] if len(series) >= self.at_least else [f"{self.at_least} series (there are {len(series)})"]


@dataclass
class Answer:
    series: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)


def parse_queries(raw: Mapping[str, Any]) -> list[Query]:
    queries = []
    for name, value in raw.items():
        data = {"expr": value} if isinstance(value, str) else dict(value)
        unknown = set(data) - {"expr", "label", "expect", "at_least"}
        if unknown or not isinstance(data.get("expr"), str):
            raise QueryError(f"query {name}: keys are expr, label, expect, at_least; not {', '.join(sorted(unknown))}")
        if ("label" in data) != ("expect" in data):
            raise QueryError(f"query {name}: label and expect go together")
        queries.append(Query(
            str(name), data["expr"], str(data.get("label", "")),
            tuple(str(one) for one in data.get("expect", ())), int(data.get("at_least", 0)),
        ))  # fmt: skip
    return queries


def ask(url: str, headers: Mapping[str, str], query: Query) -> list[dict[str, Any]]:
    """The series of one instant query as `{labels, value, timestamp}`; a scalar is one series without labels."""
    body = urllib.parse.urlencode({"query": query.expr}).encode()
    sent = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    status, text = request(f"{url.rstrip('/')}/api/v1/query", "POST", sent, body)
    if status != 200:
        raise QueryError(f"query {query.name} ({query.expr}): {url} answered {status or '-'}: {text.strip()[:400]}")
    try:
        data = json.loads(text)["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise QueryError(f"query {query.name}: {url} does not answer as Prometheus does: {text[:200]!r}") from error
    if data["resultType"] in {"scalar", "string"}:
        return [{"labels": {}, "value": data["result"][1], "timestamp": data["result"][0]}]
    return [
        {"labels": one["metric"], "value": one["value"][1], "timestamp": one["value"][0]}
        for one in data["result"]
        if "value" in one
    ]


def ask_all(url: str, headers: Mapping[str, str], queries: Sequence[Query], wait: float, pause: float = 1.0) -> Answer:
    """Answers of all queries, side by side; asked again until nothing is missing or `wait` seconds are over.

    A server that does not answer is asked again too; its last words are raised at the end.
    """
    until = time.monotonic() + wait
    with ThreadPoolExecutor(max_workers=8) as pool:
        while True:
            failure: QueryError | None = None
            answer = Answer()
            try:
                results = list(pool.map(lambda one: ask(url, headers, one), queries))
                answer.series = {query.name: series for query, series in zip(queries, results, strict=True)}
                answer.missing = {
                    query.name: lacks
                    for query, series in zip(queries, results, strict=True)
                    if (lacks := query.missing(series))
                }
            except QueryError as error:
                failure = error
            if failure is None and not answer.missing:
                return answer
            if time.monotonic() + pause > until:
                if failure is not None:
                    raise failure
                return answer
            time.sleep(pause)


def refusals(url: str, header: str, tenant: str) -> list[str]:
    """What is wrong with the tenant gate at `url`: a request without, or with another, tenant must get 401."""
    problems = []
    for title, headers in (("no tenant", {}), ("another tenant", {header: f"{tenant}-not"})):
        status, text = request(f"{url.rstrip('/')}/api/v1/query?query=1", headers=headers)
        if status != 401:
            problems.append(f"{url} answered {status or text} to a request with {title}, and 401 is right")
    return problems
