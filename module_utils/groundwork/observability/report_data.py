"""What the panels of the dashboards show, asked of Prometheus or Mimir by their own queries. No Grafana needed."""

from __future__ import annotations

import json
import math
import re
import time
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .dashboards import PanelQuery, expand, panel_queries
from .dashboards.build import PROMETHEUS, panels_of
from .web import request

#: Points of a line; as many as a panel of this size can show.
POINTS = 240
WORKERS = 6
#: Lines, bars or rows of one panel that are shown; the largest ones.
MOST = 12


class ReportError(RuntimeError):
    """The report cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Server:
    """A query API. `url` is what /api/v1/query comes behind; `headers` carry the tenant."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0


@dataclass(frozen=True)
class Span:
    """The time that is shown, seconds since the epoch."""

    start: float
    end: float

    @classmethod
    def last(cls, hours: float) -> Span:
        now = time.time()
        return cls(now - hours * 3600, now)

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def step(self) -> int:
        return max(15, round(self.seconds / POINTS))


@dataclass(frozen=True)
class Series:
    """One line: a name, its labels, and (time, value) without gaps' NaN."""

    name: str
    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        return self.points[-1][1]


@dataclass
class Panel:
    """A panel and what its queries answered. `state`: data, none, failed, or elsewhere (only Grafana can ask)."""

    model: Mapping[str, Any]
    dashboard: str
    queries: Sequence[PanelQuery]
    answers: list[list[Series]] = field(default_factory=list)
    error: str = ""

    @property
    def title(self) -> str:
        return str(self.model["title"])

    @property
    def unit(self) -> str:
        return str(self.model.get("fieldConfig", {}).get("defaults", {}).get("unit", "none"))

    @property
    def steps(self) -> list[tuple[float, str]]:
        """Thresholds as (from, colour), the lowest first."""
        found = self.model.get("fieldConfig", {}).get("defaults", {}).get("thresholds", {}).get("steps", [])
        return [(-math.inf if one.get("value") is None else float(one["value"]), str(one["color"])) for one in found]

    @property
    def series(self) -> list[Series]:
        """All series of all queries, the largest ones when there are too many."""
        found = [one for answer in self.answers for one in answer]
        if len(found) > MOST:
            found = sorted(found, key=lambda one: one.last, reverse=True)[:MOST]
        return found

    @property
    def state(self) -> str:
        if any(query.kind != PROMETHEUS for query in self.queries):
            return "elsewhere"
        if self.error:
            return "failed"
        return "data" if any(self.answers) else "none"


def rows(panel: Panel) -> tuple[list[str], list[list[str]]]:
    """A table panel as Grafana shows it: headings, and one row for the same labels in all queries."""
    organize = next(one["options"] for one in panel.model["transformations"] if one["id"] == "organize")
    order = sorted(organize["renameByName"], key=organize["indexByName"].__getitem__)
    renamed = {name: str(organize["renameByName"][name]) for name in order}
    labels = [name for name in renamed if not name.startswith("Value")]
    found: dict[tuple[str, ...], list[str]] = {}
    for column, answer in enumerate(panel.answers):
        for one in sorted(answer, key=lambda one: one.last, reverse=True):
            key = tuple(one.labels.get(name, "") for name in labels)
            row = found.setdefault(key, [""] * len(panel.answers))
            row[column] = human(one.last, panel.unit)
    return list(renamed.values()), [[*key, *values] for key, values in found.items()]


def color_at(steps: Sequence[tuple[float, str]], value: float) -> str:
    """The colour that thresholds give a value."""
    found = "blue"
    for start, color in steps:
        if value >= start:
            found = color
    return found


def collect(dashboards: Iterable[Mapping[str, Any]], server: Server, span: Span) -> list[Panel]:
    """Every panel of the dashboards with its answers, all asked side by side.

    Raises ReportError when the server does not answer at all; a query that it refuses is told in its panel.
    """
    _reachable(server)
    panels = [Panel(model, one["uid"], panel_queries(one, model)) for one in dashboards for model in panels_of(one)]
    asked = [panel for panel in panels if panel.state != "elsewhere"]

    def fill(panel: Panel) -> None:
        try:
            panel.answers = [ask(server, query, span) for query in panel.queries]
        except ReportError as error:
            panel.error = str(error)

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        list(pool.map(fill, asked))
    return panels


def _reachable(server: Server) -> None:
    status, text = request(f"{server.url}/api/v1/query?query=1", headers=dict(server.headers), timeout=server.timeout)
    if status == 401:
        raise ReportError(f"{server.url} refuses the tenant: {text.strip()}. Give another: TENANT=…")
    if status != 200:
        raise ReportError(
            f"{server.url} does not answer queries ({status or text.strip()}). Bring the estate up (make local), or give URL=…"
        )


def ask(server: Server, query: PanelQuery, span: Span) -> list[Series]:
    """The series of one query over the span, or as they are at its end when the panel shows only that."""
    # A busy machine misses a scrape now and then: two minutes hold two samples all the same.
    window = f"{max(120, 4 * span.step)}s"
    known = {"__rate_interval": window, "__interval": f"{span.step}s", "__range": f"{round(span.seconds)}s"}
    expression = expand(query.expression, known)
    if query.instant:
        path, asked = "query", {"query": expression, "time": f"{span.end:.3f}"}
    else:
        path = "query_range"
        asked = {
            "query": expression,
            "start": f"{span.start:.3f}",
            "end": f"{span.end:.3f}",
            "step": str(span.step),
        }
    headers = {**server.headers, "Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode(asked).encode()
    status, text = request(f"{server.url}/api/v1/{path}", "POST", headers, body, server.timeout)
    try:
        data = json.loads(text)
    except ValueError:
        data = {}
    if status != 200 or data.get("status") != "success":
        raise ReportError(f"{query.expression}: {data.get('error') or text.strip()[:200] or status}")
    return [one for one in (_series(raw, query) for raw in _results(data["data"])) if one.points]


def _results(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    if data["resultType"] == "scalar":
        return [{"metric": {}, "value": data["result"]}]
    return list(data["result"])


def _series(raw: Mapping[str, Any], query: PanelQuery) -> Series:
    labels = {name: value for name, value in raw["metric"].items() if name != "__name__"}
    pairs = raw["values"] if "values" in raw else [raw["value"]]
    points = [(float(at), float(value)) for at, value in pairs]
    return Series(_name(query.legend, raw["metric"]), labels, [one for one in points if math.isfinite(one[1])])


def _name(legend: str, metric: Mapping[str, str]) -> str:
    if legend:
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: metric.get(match.group(1), ""), legend).strip()
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items()) if name != "__name__") or "value"


# Units of Grafana as the dashboards use them: (what it is divided by, its words).
_THOUSANDS = ["", " K", " M", " G", " T"]
_BYTES = [" B", " KiB", " MiB", " GiB", " TiB", " PiB"]
_RATES = {"cps": "/s", "reqps": " req/s", "iops": " io/s", "pps": " p/s"}


def human(value: float, unit: str) -> str:
    """A value as a person reads it."""
    if unit in {"bytes", "Bps"}:
        return _scaled(value, 1024, _BYTES) + ("/s" if unit == "Bps" else "")
    if unit == "percent":
        return f"{value:.1f} %"
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    if unit in {"s", "ms"}:
        return _duration(value / 1000 if unit == "ms" else value)
    if unit == "dateTimeFromNow":
        return f"{_duration(max(0.0, time.time() - value / 1000))} ago"
    if unit in _RATES:
        return _scaled(value, 1000, _THOUSANDS) + _RATES[unit]
    return _scaled(value, 1000, _THOUSANDS) if unit == "short" else f"{value:.6g}"


def _scaled(value: float, base: int, words: Sequence[str]) -> str:
    place = 0
    while abs(value) >= base and place < len(words) - 1:
        value /= base
        place += 1
    return f"{value:.3g}{words[place]}" if abs(value) < 1000 else f"{value:.0f}{words[place]}"


def _duration(seconds: float) -> str:
    if abs(seconds) < 1:
        return f"{1000 * seconds:.3g} ms"
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds:.3g} s"
