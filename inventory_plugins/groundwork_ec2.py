"""amazon.aws.aws_ec2 with a check of the account first, and one clear line when AWS does not answer."""

from __future__ import annotations

import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from ansible import context
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import inventory_loader
from ansible.utils.display import Display
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTATION = r"""
name: groundwork_ec2
short_description: amazon.aws.aws_ec2 with a check of the account and one clear line instead of a stack of warnings
description:
  - Reads files whose name ends in C(aws_ec2.yml). Their content is that of P(amazon.aws.aws_ec2#inventory), which does
    the work; the files can be used without this plugin too.
  - The identity of the credentials is asked first (STS C(GetCallerIdentity)) and compared with C(account_id) of the
    C(catalog.yml) that lies beside the file. Without credentials, or with those of another account, the command ends
    with one line and exit code 4; no host of a wrong account ever gets into the inventory.
  - C(--syntax-check), C(--list-tasks) and C(--list-tags) need no hosts and go on with a warning.
  - A file whose C(endpoint_url) is on loopback names the embedded AWS. While that is down the inventory has no hosts,
    which is no failure, because the first run is the one that starts it. C(AWS_PROFILE) and C(AWS_SESSION_TOKEN) are
    removed from the environment of the command then; they belong to a real account.
author: [Groundwork]
options: {}
"""

EXAMPLES = r"""
plugin: amazon.aws.aws_ec2
regions: [ap-northeast-2]
filters: {instance-state-name: running, "tag:Environment": prod}
hostnames: ["tag:Name"]
"""

display = Display()

# Exit code of Ansible for hosts that cannot be reached.
EXIT_UNREACHABLE = 4

# Asking AWS may not keep a person waiting who has no credentials or no network (defaults: 60 s, five tries).
PATIENCE = {
    "AWS_MAX_ATTEMPTS": "2",
    "AWS_METADATA_SERVICE_TIMEOUT": "1",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1",
    # amazon.aws 10 passes `disable_lookups` to the templar for every option; nobody who reads the warning can help it.
    "ANSIBLE_DEPRECATION_WARNINGS": "false",
}

# A person's own login means nothing to the embedded AWS, and a profile that does not exist would stop the SDK.
LOGIN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


@contextmanager
def _patience() -> Iterator[None]:
    """What the user has set stays."""
    added = [name for name in PATIENCE if name not in os.environ]
    os.environ.update({name: PATIENCE[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=2):
            return True
    except OSError:
        return False


def _catalog_account(folder: Path) -> str | None:
    """The account id as text; None when the catalog does not say it, which the catalog's validation reports."""
    try:
        text = (folder / "catalog.yml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r"""^account_id:\s*["']?(\d{12})["']?\s*(?:#.*)?$""", text, re.MULTILINE)
    return found.group(1) if found else None


def _caller_account(region: str | None) -> str:
    config = Config(connect_timeout=5, read_timeout=10)
    identity = boto3.session.Session().client("sts", region_name=region, config=config).get_caller_identity()
    return str(identity["Account"])


class InventoryModule(BaseInventoryPlugin):
    NAME = "groundwork_ec2"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(("aws_ec2.yml", "aws_ec2.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        config = loader.load_from_file(path, cache="none", trusted_as_template=True)
        if not isinstance(config, dict):
            raise AnsibleParserError(f"{path}: a mapping with the options of amazon.aws.aws_ec2 is expected")
        endpoint = self.templar.template(config["endpoint_url"]) if config.get("endpoint_url") else ""
        embedded = urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}
        if embedded:
            # For the rest of this process: the modules on this machine inherit the environment.
            for name in LOGIN:
                os.environ.pop(name, None)
        if embedded and not _listens(endpoint):
            display.vv(f"{path}: the embedded AWS at {endpoint} is down; no hosts yet")
            return
        with _patience():
            try:
                if not embedded:
                    self._check_account(Path(path).parent, (config.get("regions") or [None])[0])
                self._delegate(inventory, loader, path, cache)
            except Exception as error:
                # Whatever the SDK raises (it has several families of exceptions) means that the hosts are not known.
                self._stop(Path(path).parent.name, _catalog_account(Path(path).parent), str(error), embedded)

    def _check_account(self, folder: Path, region: str | None) -> None:
        expected = _catalog_account(folder)
        actual = _caller_account(region)
        if expected is not None and actual != expected:
            raise AnsibleError(f"the credentials are of account {actual}")

    def _delegate(self, inventory: Any, loader: Any, path: str, cache: bool) -> None:
        plugin = inventory_loader.get("amazon.aws.aws_ec2")
        if plugin is None:
            raise AnsibleError("the collection amazon.aws is not installed (run: make setup)")
        plugin.parse(inventory, loader, path, cache=cache)

    def _stop(self, env: str, account: str | None, reason: str, embedded: bool) -> None:
        remedy = (
            "run the playbook again; if it stays, make destroy-local and start anew"
            if embedded
            else f"use credentials of account {account} (AWS_PROFILE, aws sso login or an instance role) and run again"
        )
        reason = " ".join(reason.split()).rstrip(".")
        line = f"{env}: no access to AWS account {account}: {reason}; nothing was touched; {remedy}."
        # Questions about the playbook itself need no hosts.
        if any(context.CLIARGS.get(name) for name in ("syntax", "listtags", "listtasks")):
            display.warning(line)
            return
        # Ansible turns an exception of an inventory plugin into several warnings and goes on without hosts.
        display.error(line, wrap_text=False)
        raise SystemExit(EXIT_UNREACHABLE)
