"""Bring the containers of one embedded estate to the state that is asked for, in one pass.

Everything carries the estate's name, in its own name and as the label `groundwork.estate`: what a killed run left is
recognised by it and adopted or removed, and nothing else is ever touched.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .paths import Estate
from .podman import PodmanError, podman, podman_json

LABEL_ESTATE = "groundwork.estate"
LABEL_PART = "groundwork.part"
LABEL_SPEC = "groundwork.spec"
READY_SECONDS = 60


class EstateError(RuntimeError):
    """The estate cannot be brought to the wanted state; the message says why and what to do."""


@dataclass(frozen=True)
class Container:
    """One container of the estate.

    `name` has no prefix; `volumes` maps a volume's name (also without prefix) to the path in the container; `binds`
    lists `path here:path there` (read-only); `memory` is podman's notation (`1g`); `cgroup_parent` is another
    control group than podman's own, in which all containers share what one process of the machine gets.
    """

    name: str
    image: str
    ip: str = ""
    hostname: str = ""
    aliases: tuple[str, ...] = ()
    systemd: bool = False
    command: tuple[str, ...] = ()
    volumes: dict[str, str] = field(default_factory=dict)
    binds: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    publish: tuple[str, ...] = ()
    memory: str = ""
    cgroup_parent: str = ""

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Container:
        known = set(cls.__dataclass_fields__)
        unknown = set(raw) - known
        if unknown:
            raise EstateError(f"container {raw.get('name')!r}: unknown keys {sorted(unknown)}; known: {sorted(known)}")
        values: dict[str, Any] = {key: value for key, value in raw.items() if value is not None}
        for key in ("aliases", "binds", "command", "publish"):
            values[key] = tuple(str(item) for item in values.get(key, ()))
        return cls(**values)


@dataclass
class Outcome:
    """What was done (or, in check mode, would be): names without prefix."""

    network_created: bool = False
    created: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.network_created or any((self.created, self.replaced, self.started, self.removed))


def _machine_routes() -> list[tuple[ipaddress.IPv4Network, str]]:
    done = subprocess.run(["ip", "-j", "-4", "route", "show"], capture_output=True, text=True, check=True)
    routes = []
    for route in json.loads(done.stdout or "[]"):
        if route["dst"] != "default":
            routes.append((ipaddress.ip_network(route["dst"], strict=False), str(route.get("dev", "?"))))
    return [(network, device) for network, device in routes if isinstance(network, ipaddress.IPv4Network)]


def check_range(subnet: str, own_device: str = "") -> None:
    """Refuse a range that the machine already routes somewhere: two answers to one address help nobody."""
    wanted = ipaddress.ip_network(subnet)
    for network, device in _machine_routes():
        if device != own_device and network.overlaps(wanted):
            raise EstateError(
                f"the estate's range {subnet} collides with this machine's route {network} (device {device}). "
                "Choose another: GROUNDWORK_ESTATE_OCTET=<1..254> gives the estate 10.<octet>.0.0/16"
            )


def ensure_network(estate: Estate, check: bool = False) -> bool:
    """Make the estate's network; returns whether it had to be made."""
    for network in podman_json("network", "ls", "--format", "json"):
        ranges = {entry["subnet"] for entry in network.get("subnets") or []}
        if network["name"] == estate.prefix:
            if ranges != {estate.subnet}:
                raise EstateError(
                    f"network {estate.prefix} is there with {', '.join(sorted(ranges))}, wanted {estate.subnet}. "
                    "Take the estate down first (make destroy-local), or give GROUNDWORK_ESTATE another name"
                )
            check_range(estate.subnet, network.get("network_interface", ""))
            return False
        if estate.subnet in ranges:
            raise EstateError(
                f"the estate's range {estate.subnet} belongs to network {network['name']} already. "
                "Give this estate its own: GROUNDWORK_ESTATE_OCTET=<1..254>"
            )
    check_range(estate.subnet)
    if not check:
        # Addresses that nobody chose come from the end of the range, past every subnet of the VPC.
        octets = estate.subnet.split(".")[:2]
        podman("network", "create", "--subnet", estate.subnet, "--ip-range", f"{'.'.join(octets)}.255.128/25",
               "--label", f"{LABEL_ESTATE}={estate.name}", estate.prefix)  # fmt: skip
    return True


def _image_id(image: str) -> str:
    full = image if "/" in image else f"localhost/groundwork/{image}:latest"
    identity = podman("images", "--no-trunc", "--format", "{{.ID}}", full, check=False).strip().splitlines()
    if not identity:
        raise EstateError(f"image {full} is not there. Run: make setup")
    return identity[0]


def _mac_address(name: str) -> str:
    """The same one at each start: neighbours send to the one before for half a minute, and nobody answers there."""
    return ":".join(f"{byte:02x}" for byte in (2, *hashlib.sha256(name.encode()).digest()[:5]))


def _arguments(estate: Estate, part: str, container: Container, image_id: str) -> list[str]:
    """podman's arguments for a container; their hash is the container's identity."""
    arguments = ["--network", estate.prefix, "--hostname", container.hostname or container.name]
    arguments += ["--mac-address", _mac_address(f"{estate.prefix}-{container.name}")]
    if container.ip:
        arguments += ["--ip", container.ip]
    for alias in sorted({container.name, *container.aliases}):
        arguments += ["--network-alias", alias]
    if container.systemd:
        # systemd's sandboxing of its services (ProtectSystem and the like) is real only with this capability.
        arguments += ["--systemd=always", "--cap-add", "SYS_ADMIN"]
    for volume, path in sorted(container.volumes.items()):
        arguments += ["--volume", f"{estate.prefix}-{volume}:{path}"]
    for bind in sorted(container.binds):
        arguments += ["--volume", f"{bind}:ro"]
    for key, value in sorted(container.env.items()):
        arguments += ["--env", f"{key}={value}"]
    for published in container.publish:
        if not published.startswith("127."):
            raise EstateError(
                f"container {container.name}: {published} would be open to the network; publish on 127.0.0.1 only"
            )
        arguments += ["--publish", published]
    if container.memory:
        arguments += ["--memory", container.memory]
    if container.cgroup_parent:
        arguments += ["--cgroup-parent", container.cgroup_parent]
    arguments += ["--label", f"{LABEL_ESTATE}={estate.name}", "--label", f"{LABEL_PART}={part}", image_id]
    return [*arguments, *container.command]


def _wait_ready(name: str) -> None:
    """Wait until the init of a systemd container has started everything."""
    deadline = time.monotonic() + READY_SECONDS
    state = "?"
    while time.monotonic() < deadline:
        try:
            state = podman("exec", name, "systemctl", "is-system-running", check=False).strip()
        except PodmanError as error:
            state = str(error)
        if state in {"running", "degraded"}:
            return
        time.sleep(0.3)
    raise EstateError(
        f"container {name} is up but its systemd is {state!r} after {READY_SECONDS} s. Look: podman logs {name}"
    )


def existing(estate: Estate, part: str | None = None) -> dict[str, dict[str, Any]]:
    """The estate's containers by full name, as `podman ps` tells them."""
    filters = ["--filter", f"label={LABEL_ESTATE}={estate.name}"]
    if part is not None:
        filters += ["--filter", f"label={LABEL_PART}={part}"]
    return {entry["Names"][0]: entry for entry in podman_json("ps", "--all", *filters, "--format", "json")}


def apply(estate: Estate, part: str, wanted: Iterable[Container], check: bool = False) -> Outcome:
    """Make the containers of one part of the estate exactly those in `wanted`; their volumes are always kept."""
    outcome = Outcome(network_created=ensure_network(estate, check))
    present = existing(estate)
    containers = {f"{estate.prefix}-{container.name}": container for container in wanted}
    work: list[tuple[str, Container, list[str], bool]] = []
    image_ids: dict[str, str] = {}
    for full, container in containers.items():
        image_id = image_ids.setdefault(container.image, _image_id(container.image))
        arguments = _arguments(estate, part, container, image_id)
        spec = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:16]
        before = present.get(full)
        run = ["run", "--detach", "--name", full, "--label", f"{LABEL_SPEC}={spec}", *arguments]
        if before is None:
            outcome.created.append(container.name)
            work.append((full, container, run, False))
        elif (before.get("Labels") or {}).get(LABEL_SPEC) != spec:
            outcome.replaced.append(container.name)
            work.append((full, container, run, True))
        elif before["State"] != "running":
            outcome.started.append(container.name)
            work.append((full, container, ["start", full], False))
    extra = [name for name, entry in present.items()
             if (entry.get("Labels") or {}).get(LABEL_PART) == part and name not in containers]  # fmt: skip
    outcome.removed = [name.removeprefix(estate.prefix + "-") for name in extra]
    if check or not (work or extra):
        return outcome
    # What has to go goes first: its address may be wanted by what comes.
    leaving = extra + [full for full, _, _, replaced in work if replaced]
    if leaving:
        _remove(leaving, 20)

    # Two containers that share a volume, begun at the same time, would both make it, and podman lets one fail.
    shared = {f"{estate.prefix}-{volume}" for _, container, _, _ in work for volume in container.volumes}
    for volume in sorted(shared - {entry["Name"] for entry in podman_json("volume", "ls", "--format", "json")}):
        podman("volume", "create", volume)

    def bring_up(item: tuple[str, Container, list[str], bool]) -> None:
        full, container, command, _ = item
        podman(*command)
        if container.systemd:
            _wait_ready(full)

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(bring_up, work))
    return outcome


def _remove(names: list[str], seconds: int) -> None:
    """Stop (for that long in order) and remove containers."""
    arguments = ("rm", "--force", "--ignore", "--time", str(seconds), *names)
    try:
        podman(*arguments)
    except PodmanError:
        # One that ends by itself between the time limit and the kill makes podman give up; it has ended by now.
        podman(*arguments)


def destroy(estate: Estate, check: bool = False) -> Outcome:
    """Remove all containers, volumes and the network of the estate."""
    outcome = Outcome()
    found = list(existing(estate))
    volumes = [entry["Name"] for entry in podman_json("volume", "ls", "--format", "json")
               if entry["Name"].startswith(estate.prefix + "-")]  # fmt: skip
    networks = [entry["name"] for entry in podman_json("network", "ls", "--format", "json")
                if (entry.get("labels") or {}).get(LABEL_ESTATE) == estate.name]  # fmt: skip
    outcome.removed = [name.removeprefix(estate.prefix + "-") for name in found + volumes] + networks
    if check:
        return outcome
    if found:
        _remove(found, 5)
    if volumes:
        podman("volume", "rm", "--force", *volumes)
    if networks:
        podman("network", "rm", "--force", *networks)
    return outcome
