"""A real Prometheus of a test's own, on loopback, with series that were made for it: no estate needed.

The programs are Debian's, from PATH or taken out of the package into the project's cache; nothing is installed.
"""

from __future__ import annotations

import itertools
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundwork.estate.paths import cache_dir
from groundwork.observability.web import request

NAMES = ("prometheus", "promtool")
SECONDS, STEP = 3600, 60
HOSTS = {
    "local-kafka-1": {"role": "kafka", "node_id": "1"},
    "local-kafka-2": {"role": "kafka", "node_id": "2"},
}
#: Values of labels that panels ask for by name; any other label has one value.
VALUES: dict[str, list[str]] = {
    "mode": ["idle", "user"], "request": ["Produce", "FetchConsumer", "FetchFollower"], "quantile": ["0.99"],
    "operation": ["Produce", "Fetch"], "area": ["heap"], "fstype": ["ext4"], "mountpoint": ["/", "/var/lib/kafka"],
    "device": ["nvme0n1"], "component": ["data_length", "index_length"], "schema": ["fileflow", "authhub"],
    "datname": ["crawler"], "command": ["select", "insert"], "status_code": ["200", "500"], "topic": ["fileflow.uploaded.v1"],
    "consumergroup": ["fileflow"], "health_type": ["healthy"], "partition": ["0", "1"], "state": ["failed", "active"],
}  # fmt: skip


def programs() -> tuple[Path, Path]:
    """prometheus and promtool."""
    found = [shutil.which(name) for name in NAMES]
    if all(found):
        return Path(str(found[0])), Path(str(found[1]))
    folder = cache_dir() / "bin"
    if not all((folder / name).exists() for name in NAMES):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as taken:
            try:
                subprocess.run(
                    ["apt-get", "download", "prometheus"], cwd=taken, check=True, capture_output=True, timeout=300
                )
                package = next(Path(taken).glob("prometheus_*.deb"))
                subprocess.run(
                    ["dpkg-deb", "-x", package.name, "."], cwd=taken, check=True, capture_output=True, timeout=120
                )
            except (OSError, subprocess.SubprocessError, StopIteration) as error:
                raise AssertionError(f"needs Debian's package prometheus, which cannot be had: {error}") from error
            for name in NAMES:
                (Path(taken) / "usr" / "bin" / name).replace(folder / name)
    return folder / NAMES[0], folder / NAMES[1]


def open_metrics(contract: Mapping[str, Any], end: float) -> str:
    """An hour of every metric of the contract, from two hosts, as OpenMetrics. Counters rise, free space falls."""
    lines: list[str] = []
    start = end - SECONDS
    common = {
        host: {"env": "local", "host": host, "az": "a", "service": "shared", **more} for host, more in HOSTS.items()
    }
    for job in contract["jobs"]:
        for host in HOSTS:
            labels = {**common[host], "job": job, "instance": f"{host}:{job}"}
            lines += _samples("up", labels, start, lambda age: 1)
    for job, entry in contract["jobs"].items():
        for metric, told in entry["metrics"].items():
            for name, more in _series(metric, told["type"]):
                for host in HOSTS:
                    base = {**common[host], "job": job, "instance": f"{host}:{job}", **more}
                    names = told.get("labels") or []
                    for values in itertools.product(*(VALUES.get(one, [f"{one}-1"]) for one in names)):
                        lines += _samples(
                            name, {**base, **dict(zip(names, values, strict=True))}, start, _shape(name, told["type"])
                        )
    return "\n".join([*lines, "# EOF", ""])


def _series(metric: str, kind: str) -> list[tuple[str, dict[str, str]]]:
    if kind == "histogram":
        buckets = [(f"{metric}_bucket", {"le": le}) for le in ("0.1", "1.0", "+Inf")]
        return [*buckets, (f"{metric}_sum", {}), (f"{metric}_count", {})]
    if kind == "summary":
        return [(f"{metric}_sum", {}), (f"{metric}_count", {})]
    return [(metric, {})]


def _shape(name: str, kind: str) -> Any:
    if kind in {"counter", "histogram", "summary"} or name.startswith("mysql_global_status"):
        return lambda age: 10 + age / 4
    if re.search(r"(avail|free)_bytes$", name):
        return lambda age: 9e9 - 1e5 * age
    if name.endswith(("_seconds", "_timestamp_seconds")) and "node_timex" not in name:
        return lambda age: time.time() - 600
    # Sizes and limits stay above what is used of them.
    if re.search(r"(size_bytes|max|MemTotal_bytes|_capacity|max_connections|_files|maximum|limit)$", name):
        return lambda age: 1e10
    return lambda age: 1


def _samples(name: str, labels: Mapping[str, str], start: float, shape: Any) -> list[str]:
    words = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return [f"{name}{{{words}}} {shape(age)} {start + age:.3f}" for age in range(0, SECONDS + 1, STEP)]


@contextmanager
def serving(contract: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """URL of a Prometheus that has the last hour of the contract's metrics."""
    prometheus, promtool = programs()
    text = folder / "made.om"
    text.write_text(open_metrics(contract, time.time()))
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", text, folder / "data"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    text.unlink()
    (folder / "prometheus.yml").write_text("{}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "log").open("wb")
    running = subprocess.Popen(
        [prometheus, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--web.route-prefix=/prometheus"],
        stdout=log, stderr=log,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/prometheus"
    try:
        until = time.monotonic() + 60
        while request(f"{url}/-/ready")[0] != 200:
            assert running.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        running.terminate()
        running.wait(20)
        log.close()
