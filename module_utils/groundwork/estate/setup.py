"""Second stage of set-up: podman's configuration, images, wheels, the Kafka archive, the checkers of syntax and policies.

Every step says in one line what it does, is skipped when done, and on failure says what to do. Run by `make setup`.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator

import yaml

from .. import policy
from . import images, wheels
from .paths import PROJECT, VENV
from .podman import PodmanError, write_configuration

Step = Callable[[], bool]


def _say(text: str) -> None:
    print(f"set-up: {text}", flush=True)


def _activate_script() -> bool:
    """`. .groundwork/activate`: the commands of this README on PATH, nothing else changed."""
    path = PROJECT / ".groundwork" / "activate"
    text = (
        "# Puts ansible-playbook, molecule and Groundwork's podman on PATH: . .groundwork/activate\n"
        f'export PATH="{VENV}/bin:$PATH"\n'
    )
    if path.exists() and path.read_text() == text:
        return False
    path.write_text(text)
    return True


def _kafka_archive() -> bool:
    from . import kafka_dist

    version = str(yaml.safe_load((PROJECT / "inventories" / "local" / "catalog.yml").read_text())["kafka"]["version"])
    paths = [kafka_dist.cache_dir() / f"kafka_{kafka_dist.SCALA}-{version}.tgz"]
    there = all(kafka_dist.is_complete(path) for path in paths)
    kafka_dist.build(version, say=_say)
    kafka_dist.fetch_jmx_exporter(say=_say)
    return not there


def _terraform() -> bool:
    from .. import terraform

    terraform.check_available()
    return False


def _alloy_syntax() -> bool:
    from ..observability import alloysyntax

    return alloysyntax.build(_say)


def _promtool() -> bool:
    from ..observability import rules_promtool

    return rules_promtool.install(_say)


def _actionlint() -> bool:
    from . import actionlint

    return actionlint.build(_say)


def steps() -> Iterator[tuple[str, Step]]:
    yield "podman with a configuration and storage of its own", write_configuration
    yield "Terraform and its AWS provider", _terraform
    yield "Python wheels for the hosts", lambda: wheels.build("hosts")
    for name in images.names():
        yield f"image {name}", functools.partial(images.build, name, _say)
    yield "Apache Kafka archive from its published artifacts", _kafka_archive
    yield "checker of Alloy's configuration syntax", _alloy_syntax
    yield "checker of alert rules", _promtool
    yield "policy checker", policy.install
    yield "linter of GitHub workflows", _actionlint
    yield "activation script .groundwork/activate", _activate_script


def main() -> int:
    for title, step in steps():
        started = time.monotonic()
        try:
            made = step()
        except (RuntimeError, OSError, PodmanError) as error:
            print(f"set-up: {title}: FAILED\n{error}", file=sys.stderr)
            return 1
        _say(f"{title}: " + (f"done ({time.monotonic() - started:.0f} s)" if made else "there"))
    images.remove_superseded()
    return 0


if __name__ == "__main__":
    sys.exit(main())
