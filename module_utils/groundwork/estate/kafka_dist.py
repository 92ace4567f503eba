"""Build the Kafka archive of the embedded estate from the artifacts published on Maven Central.

Production installs the Apache archive by URL and sha512. Here the same layout (``kafka_2.13-X/libs``, ``config``)
is made from ``org.apache.kafka:kafka_2.13`` and ``kafka-tools`` with their dependencies, so that the role has one
install path. The JMX exporter's agent jar is fetched beside it.

The tarball depends on nothing but the jars' bytes: names sorted, times and owners zero.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from . import paths

SCALA = "2.13"
KAFKA_VERSION = "4.3.1"
JMX_EXPORTER_VERSION = "1.0.1"
POM = paths.PROJECT / "roles" / "kafka" / "files" / "pom.xml"

# What the command line tools log with; the Apache archive carries a file of the same name.
TOOLS_LOG4J2 = """Configuration:
  Appenders:
    Console:
      name: STDERR
      target: SYSTEM_ERR
      PatternLayout:
        Pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: STDERR
"""

Say = Callable[[str], None]


class DistError(Exception):
    """The archive could not be built; the message says why and what to do."""


def cache_dir() -> Path:
    """The folder of the Kafka artifacts: ``$XDG_CACHE_HOME/groundwork/kafka`` (default ``~/.cache``)."""
    return paths.cache_dir() / "kafka"


def sha512(path: Path) -> str:
    digest = hashlib.sha512()
    with path.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def is_complete(path: Path) -> bool:
    """True when the file is there and is what its ``.sha512`` says."""
    record = path.with_name(path.name + ".sha512")
    if not path.is_file() or not record.is_file():
        return False
    words = record.read_text(encoding="ascii", errors="replace").split()
    return bool(words) and words[0] == sha512(path)


def write_checksum(path: Path) -> str:
    digest = sha512(path)
    record = path.with_name(path.name + ".sha512")
    record.write_text(f"{digest}  {path.name}\n", encoding="ascii")
    return digest


def run_maven(arguments: list[str], say: Say, what: str) -> None:
    """Run mvn, with a line each ten downloads or ten seconds; the end of its output is in the error."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise DistError(
            "mvn is not installed: Kafka's jars come from Maven Central. Install it with: apt-get install maven"
        )
    # With the transfer lines: the progress is counted from them.
    command = [mvn, "-B", "--strict-checksums", *arguments]
    downloaded, last, tail = 0, time.monotonic(), list[str]()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    )
    if process.stdout is None:
        raise DistError("mvn gave no output to read")
    for line in process.stdout:
        tail = [*tail, line.rstrip()][-25:]
        if line.startswith("Downloaded from") or " Downloaded from " in line:
            downloaded += 1
            if downloaded % 10 == 0 or time.monotonic() - last > 10:
                say(f"{what}: {downloaded} files downloaded")
                last = time.monotonic()
    if process.wait() != 0:
        errors = [line for line in tail if "ERROR" in line][:4] or tail[-4:]
        raise DistError(f"{what}: mvn failed (exit {process.returncode}). " + " | ".join(errors))


def pack(libs: Path, top: str, target: Path) -> None:
    """Write the deterministic tar.gz; the file appears under its name only when it is whole."""
    partial = target.with_name(target.name + ".partial")

    def clean(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "root", "root"
        info.mode = 0o755 if info.isdir() else 0o644
        return info

    with (
        partial.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for folder in (top, f"{top}/config", f"{top}/libs"):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            tar.addfile(clean(entry))
        content = TOOLS_LOG4J2.encode()
        entry = tarfile.TarInfo(f"{top}/config/tools-log4j2.yaml")
        entry.size = len(content)
        tar.addfile(clean(entry), io.BytesIO(content))
        for jar in sorted(libs.glob("*.jar")):
            tar.add(jar, arcname=f"{top}/libs/{jar.name}", filter=clean)
    partial.replace(target)


def build(version: str = KAFKA_VERSION, folder: Path | None = None, say: Say = print) -> Path:
    """Build ``kafka_2.13-<version>.tgz`` and its ``.sha512`` in the cache, unless they are there. Returns the path."""
    folder = folder or cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    top = f"kafka_{SCALA}-{version}"
    target = folder / f"{top}.tgz"
    if is_complete(target):
        say(f"Kafka {version}: {target} is there")
        return target
    with tempfile.TemporaryDirectory(prefix="kafka-dist-", dir=folder) as work:
        libs = Path(work) / "libs"
        say(f"Kafka {version}: resolving its jars from Maven Central")
        run_maven(
            [
                "-f",
                str(POM),
                "dependency:copy-dependencies",
                f"-Dkafka.version={version}",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={libs}",
                "-Dmdep.useBaseVersion=true",
            ],
            say,
            f"Kafka {version}",
        )
        names = {jar.name for jar in libs.glob("*.jar")}
        missing = {f"kafka_{SCALA}-{version}.jar", f"kafka-tools-{version}.jar", f"kafka-clients-{version}.jar"} - names
        if missing:
            raise DistError(
                f"Kafka {version} is not whole on Maven Central: {', '.join(sorted(missing))} missing. Choose another version."
            )
        say(f"Kafka {version}: packing {len(names)} jars")
        pack(libs, top, target)
    write_checksum(target)
    say(f"Kafka {version}: built {target} ({target.stat().st_size / 1e6:.0f} MB)")
    return target


def fetch_jmx_exporter(version: str = JMX_EXPORTER_VERSION, folder: Path | None = None, say: Say = print) -> Path:
    """Fetch the JMX exporter's agent jar and write its ``.sha512``, unless they are there. Returns the path."""
    folder = folder or cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"jmx_prometheus_javaagent-{version}.jar"
    if is_complete(target):
        say(f"JMX exporter {version}: {target} is there")
        return target
    with tempfile.TemporaryDirectory(prefix="jmx-", dir=folder) as work:
        run_maven(
            [
                "-f",
                str(POM),
                "dependency:copy",
                f"-Dartifact=io.prometheus.jmx:jmx_prometheus_javaagent:{version}",
                f"-DoutputDirectory={work}",
            ],
            say,
            f"JMX exporter {version}",
        )
        (Path(work) / target.name).replace(target)
    write_checksum(target)
    say(f"JMX exporter {version}: fetched {target}")
    return target


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="groundwork.estate.kafka_dist", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("version", nargs="?", default=KAFKA_VERSION, help=f"Kafka version (default {KAFKA_VERSION})")
    arguments = parser.parse_args(argv)
    try:
        build(arguments.version, say=lambda line: print(line, flush=True))
        fetch_jmx_exporter(say=lambda line: print(line, flush=True))
    except (DistError, OSError) as error:
        print(f"kafka_dist: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
