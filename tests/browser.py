"""A real browser without a screen: Chromium from PATH, else Debian's package and what it needs, taken into the cache.

Nothing is installed on the machine: the packages (about 100 MB, once) are unpacked below the project's cache.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from groundwork.estate.paths import cache_dir


def chromium() -> tuple[str, dict[str, str]]:
    """The program, and the environment in which it finds its libraries."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found, dict(os.environ)
    root = cache_dir() / "chromium"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as taken:
            _unpack(Path(taken))
            (Path(taken) / "root").replace(root)
    libraries = [root / "usr" / "lib" / "x86_64-linux-gnu", root / "usr" / "lib" / "x86_64-linux-gnu" / "pulseaudio"]
    return str(root / "usr/lib/chromium/chromium"), {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def _unpack(folder: Path) -> None:
    try:
        told = subprocess.run(
            ["apt-get", "install", "--simulate", "--no-install-recommends", "chromium"],
            check=True, capture_output=True, text=True, timeout=120,
        ).stdout  # fmt: skip
        packages = re.findall(r"(?m)^Inst (\S+)", told)
        subprocess.run(["apt-get", "download", *packages], cwd=folder, check=True, capture_output=True, timeout=600)
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        raise AssertionError(f"needs a browser: no chromium on PATH, and Debian's cannot be had: {error}") from error


def seen(page: str, script: str, folder: Path, width: int = 1400) -> str:
    """What `script`, an expression that gives a text, says in a browser that has loaded the page."""
    program, environment = chromium()
    path = folder / "seen.html"
    ask = f"addEventListener('load', () => {{ document.body.setAttribute('data-seen', String({script})); }});"
    path.write_text(page.replace("</body>", f"<script>{ask}</script></body>"), encoding="utf-8")
    done = subprocess.run(
        [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}",
         f"--window-size={width},2000", "--virtual-time-budget=10000", "--dump-dom", path.as_uri()],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert found, done.stderr[-2000:]
    return html.unescape(found.group(1))
