"""Ask the JMX exporters of many nodes at once. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..observability.web import request


def parse(text: str) -> dict[str, dict[str, float]]:
    """Prometheus text: {name: {labels as written: value}}; comments are skipped."""
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name, _, labels = series.partition("{")
        found.setdefault(name, {})[labels.rstrip("}")] = float(value)
    return found


def judge(series: Mapping[str, Mapping[str, float]], required: Sequence[str]) -> list[str]:
    """Required names that are not there."""
    return [name for name in required if not series.get(name)]


def fetch(url: str, timeout: float) -> dict[str, dict[str, float]]:
    status, text = request(url, timeout=timeout)
    if status != 200:
        raise OSError(text if status == 0 else f"HTTP {status}")
    return parse(text)


def ask(urls: Sequence[str], required: Sequence[str], timeout: float) -> dict[str, dict[str, Any]]:
    """By URL: ``series`` (how many), ``missing`` (required names without a series) and ``error``."""

    def one(url: str) -> tuple[str, dict[str, Any]]:
        try:
            series = fetch(url, timeout)
        except (OSError, ValueError) as error:
            return url, {"series": 0, "missing": list(required), "error": str(error)}
        return url, {"series": sum(map(len, series.values())), "missing": judge(series, required), "error": ""}

    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(pool.map(one, urls))
