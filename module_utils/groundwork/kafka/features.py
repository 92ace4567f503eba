"""Feature levels of the cluster: finalise those of a release, or lower them while that is still safe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import protocol
from .client import Connection, KafkaProblem, admin

SETTLE = 30.0  # seconds a broker may take to hear of a level

# What each release finalises: kafka-storage version-mapping --release-version X (a test compares it with that tool).
RELEASES: dict[str, dict[str, int]] = {
    "4.0": {"metadata.version": 25, "eligible.leader.replicas.version": 0, "share.version": 0, "streams.version": 0},
    "4.1": {"metadata.version": 27, "eligible.leader.replicas.version": 1, "share.version": 0, "streams.version": 0},
    "4.2": {"metadata.version": 29, "eligible.leader.replicas.version": 1, "share.version": 1, "streams.version": 1},
    "4.3": {"metadata.version": 30, "eligible.leader.replicas.version": 1, "share.version": 1, "streams.version": 1},
}
for _levels in RELEASES.values():
    _levels.update({"group.version": 1, "kraft.version": 1, "transaction.version": 2})


def read(client: Any) -> dict[str, dict[str, int]]:
    return {
        name: {
            "finalized": int((feature.get("finalized") or (0, 0))[1]),
            "supported_min": int((feature.get("supported") or (0, 0))[0]),
            "supported_max": int((feature.get("supported") or (0, 0))[1]),
        }
        for name, feature in sorted(client.describe_features().items())
    }


def wanted(release: str | None, features: Mapping[str, Any] | None) -> dict[str, int]:
    """The levels that are asked for."""
    if release and features:
        raise KafkaProblem("nothing was changed: give release or features, not both")
    if features:
        try:
            return {str(name): int(level) for name, level in features.items()}
        except (TypeError, ValueError) as error:
            raise KafkaProblem(f"nothing was changed: a feature's level is a number ({error})") from error
    if not release:
        raise KafkaProblem("nothing was changed: give release (like 4.3) or features")
    short = ".".join(str(release).split(".")[:2])
    if short not in RELEASES:
        raise KafkaProblem(
            f"nothing was changed: the levels of release {release} are not known; there are {', '.join(RELEASES)}"
        )
    return dict(RELEASES[short])


def release_of(have: Mapping[str, Mapping[str, int]]) -> str:
    """The newest release all of whose levels are finalised; "" when not even the oldest's are."""
    done = [
        release
        for release, levels in RELEASES.items()
        if all(have.get(name, {}).get("finalized", 0) >= level for name, level in levels.items())
    ]
    return done[-1] if done else ""


def changes(have: Mapping[str, Mapping[str, int]], levels: Mapping[str, int], state: str) -> dict[str, tuple[int, int]]:
    """By feature (from, to). Refuses what the cluster does not know, and the wrong direction (pure)."""
    problems = []
    found: dict[str, tuple[int, int]] = {}
    for name, level in sorted(levels.items()):
        if name not in have:
            if level:
                problems.append(f"the brokers know no feature {name} (they know {', '.join(have)})")
            continue
        now = have[name]["finalized"]
        if level > have[name]["supported_max"]:
            problems.append(
                f"{name} {level} is more than these brokers support ({have[name]['supported_max']}): upgrade every broker and controller first"
            )
        elif level < now and state == "downgraded" and name == "kraft.version":
            problems.append("kraft.version cannot be lowered: a dynamic quorum stays dynamic")
        elif (level < now) if state == "downgraded" else (level > now):
            found[name] = (now, level)
    if problems:
        raise KafkaProblem("nothing was changed: " + "; ".join(problems))
    return found


def run(connection: Connection, state: str, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What module kafka_features does. Brokers validate in check mode too, so that their refusal is predicted."""
    with admin(connection) as client:
        have = read(client)
        todo: dict[str, tuple[int, int]] = {}
        if state != "info":
            levels = wanted(params["release"], params["features"])
            if params["release"] and state == "downgraded":
                levels.pop("kraft.version")  # it has no way back, and no older release needs one
            todo = changes(have, levels, state)
            lower = sorted(name for name, level in levels.items() if level < have.get(name, {}).get("finalized", 0))
            if lower and state == "finalized" and not params["release"]:
                raise KafkaProblem(
                    f"nothing was changed: {', '.join(lower)} would be lowered; that is state: downgraded, and not always possible"
                )
        if todo:
            kind = protocol.UPGRADE if state == "finalized" else protocol.SAFE_DOWNGRADE
            target = {name: to for name, (_, to) in todo.items()}
            refused = protocol.update_features(client, target, kind, True)
            if refused:
                raise KafkaProblem(
                    "nothing was changed: " + "; ".join(refused)
                    + ("" if state == "finalized" else ". Only lossless downgrades are asked for: once metadata of the higher level may exist, "
                       "the way back is the metadata snapshot of before the upgrade.")
                )  # fmt: skip
            if not check and (failed := protocol.update_features(client, target, kind, False)):
                raise KafkaProblem("; ".join(failed))
        after = have
        if todo and not check:
            protocol.settled_everywhere(client, lambda: _finalized(client, todo), SETTLE)
            after = read(client)
    return {
        "changed": bool(todo),
        "features": after,
        "release": release_of(after),
        "changes": {name: {"from": old, "to": new} for name, (old, new) in todo.items()},
        "before": {name: old for name, (old, _) in todo.items()},
        "after": {name: new for name, (_, new) in todo.items()},
    }


def _finalized(client: Any, todo: Mapping[str, tuple[int, int]]) -> bool:
    have = read(client)
    return all(have[name]["finalized"] == to for name, (_, to) in todo.items())
