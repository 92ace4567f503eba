"""Build the images of the problem service and push them to an environment: make problem-images ENV=dev TAG=1.0.0.

Lambda takes only a single-platform image for its architecture, in Docker's or OCI's plain manifest: an image built for the
builder's own machine, or one wrapped into an index with attestations, is refused when the function is made. So platform and
format are given, and looked at, before anything is pushed.
"""

from __future__ import annotations

import argparse
import base64
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .account import check_account
from .aws_client import AwsError, explain, open_client
from .estate.paths import PROJECT
from .estate.podman import PodmanError, podman, podman_json

CONTEXT = PROJECT / "services" / "problem"
#: Repository by the folder of its Dockerfile; the repositories are made by 80-problem-service.
IMAGES = {
    "generator": "generator",
    "generator-streaming": "generator_streaming",
    "runner-python": "runner_python",
}
PLATFORM = "linux/amd64"
#: What Lambda and Fargate take: one manifest, no index of several.
MEDIA_TYPES = {
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
}


class ImageError(RuntimeError):
    """An image cannot be used. The text says which and why."""


def build_command(folder: str, reference: str) -> list[str]:
    """podman's arguments: the platform is given whatever the builder is, the format has no attestations."""
    dockerfile = CONTEXT / folder / "Dockerfile"
    return [
        "build",
        "--platform",
        PLATFORM,
        "--format",
        "docker",
        "--file",
        str(dockerfile),
        "--tag",
        reference,
        str(CONTEXT),
    ]


def check(inspected: Mapping[str, Any], reference: str) -> None:
    """Refuse an image that Lambda or Fargate would refuse."""
    platform = f"{inspected.get('Os')}/{inspected.get('Architecture')}"
    if platform != PLATFORM:
        raise ImageError(
            f"{reference} is for {platform}, wanted is {PLATFORM}. Remedy: build with --platform {PLATFORM}."
        )
    media_type = inspected.get("ManifestType")
    if media_type not in MEDIA_TYPES:
        raise ImageError(
            f"{reference} has the media type {media_type}, wanted is one of {', '.join(sorted(MEDIA_TYPES))}."
        )


def push_all(env: str, region: str, tag: str) -> None:
    ecr = open_client("ecr", region)
    registry, token = _login(ecr)
    user, password = base64.b64decode(token).decode().split(":", 1)
    podman("login", "--username", user, "--password-stdin", registry, stdin=password)
    try:
        for name, folder in IMAGES.items():
            reference = f"{registry}/{env}-problem-{name}:{tag}"
            podman(*build_command(folder, reference))
            check(podman_json("image", "inspect", reference)[0], reference)
            podman("push", "--format", "v2s2", reference)
            sys.stdout.write(f"pushed {reference}\n")
    finally:
        podman("logout", registry, check=False)


def _login(ecr: Any) -> tuple[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = ecr.get_authorization_token()["authorizationData"][0]
    except (BotoCoreError, ClientError) as error:
        raise AwsError(explain(error, "logging in to the image registry")) from error
    return re.sub(r"^https://", "", answer["proxyEndpoint"]), answer["authorizationToken"]


def default_tag() -> str:
    """The commit: tags are immutable, so each state of the code has one of its own."""
    git = ["git", "-C", str(PROJECT)]
    changed = subprocess.run(
        [*git, "status", "--porcelain", "services/problem"], capture_output=True, text=True, check=True
    )
    if changed.stdout.strip():
        raise ImageError("services/problem has uncommitted changes. Remedy: commit them or give TAG=….")
    return subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", required=True)
    parser.add_argument("--tag", default="")
    arguments = parser.parse_args()
    catalog = yaml.safe_load(Path(PROJECT, "inventories", arguments.env, "catalog.yml").read_text(encoding="utf-8"))
    try:
        check_account(str(catalog["account_id"]), catalog["region"], {}, arguments.env)
        tag = arguments.tag or default_tag()
        push_all(arguments.env, catalog["region"], tag)
    except (AwsError, ImageError, PodmanError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f'Now set problem_service = {{ image_tag = "{tag}" }} in terraform/environments/{arguments.env}/common.tfvars and '
        "apply 80-problem-service.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
