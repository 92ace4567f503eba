"""The controllers' quorum: who votes, adding a voter that has caught up, taking one out without losing the majority."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import protocol
from .client import Connection, KafkaProblem, admin
from .cluster import summarise_quorum

#: Seconds from a controller's start until it fetches the metadata log, on a slow machine.
STARTS = 30.0
#: Milliseconds without a fetch after which an observer is taken for gone; one that is there fetches every half second,
#: on a busy machine later. Before that, Kafka itself refuses a voter whose endpoint does not answer.
SILENT_MS = 10_000


def read(client: Any) -> dict[str, Any]:
    """The quorum as kafka_cluster_info shows it, with ``cluster_id`` and whether it is dynamic."""
    return {
        **summarise_quorum(client.describe_metadata_quorum()),
        "cluster_id": client.describe_cluster()["cluster_id"],
        "dynamic": int((client.describe_features().get("kraft.version", {}).get("finalized") or (0, 0))[1]) >= 1,
    }


def caught_up(replica: Mapping[str, Any], lag: int, lag_ms: int) -> bool:
    return (
        replica["lag"] is not None
        and replica["lag_ms"] is not None
        and replica["lag"] <= lag
        and replica["lag_ms"] <= lag_ms
    )


def _meant(replicas: Iterable[Mapping[str, Any]], voter: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those with this id, and with this directory id where one is given."""
    return [
        one for one in replicas if one["id"] == voter["id"] and voter.get("directory_id") in (None, one["directory_id"])
    ]


def _listed(quorum: Mapping[str, Any], voter: Mapping[str, Any]) -> bool:
    return bool(_meant(quorum["voters"], voter))


def _observer(quorum: Mapping[str, Any], voter: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The observer that fetches the metadata log now.

    For minutes Kafka still lists one that is gone, also the lost disk of a node that was replaced: same id, another
    directory id, in any order. The one that fetched last is the one that is there.
    """
    fetching = [
        one
        for one in _meant(quorum["observers"], voter)
        if one["fetched_ms"] is not None and one["fetched_ms"] <= SILENT_MS
    ]
    return min(fetching, key=lambda one: one["fetched_ms"], default=None)


def refuse_add(quorum: Mapping[str, Any], voter: Mapping[str, Any], lag: int, lag_ms: int) -> str:
    """Why this controller cannot become a voter now; "" when it can (pure)."""
    id_ = voter["id"]
    if not quorum["dynamic"]:
        return "kraft.version is 0: the quorum is static (controller.quorum.voters); finalise kraft.version 1 first (kafka_features)"
    if other := next((one for one in quorum["voters"] if one["id"] == id_), None):
        return (
            f"controller {id_} is a voter already, with directory id {other['directory_id']}: its disk was replaced. Take that voter out first "
            f"(state: absent, voter: {{id: {id_}, directory_id: {other['directory_id']}}})"
        )
    observer = _observer(quorum, voter)
    if observer is None:
        seen = ", ".join(f"{one['id']} ({one['directory_id']})" for one in quorum["observers"]) or "none"
        return (
            f"controller {id_} does not fetch the metadata log (observers: {seen}): start it, formatted without initial controllers, and let it "
            "catch up"
        )
    if not caught_up(observer, lag, lag_ms):
        return f"controller {id_} is not caught up: {observer['lag']} records, {observer['lag_ms']} ms behind"
    return ""


def refuse_remove(quorum: Mapping[str, Any], voter: Mapping[str, Any], lag: int, lag_ms: int) -> str:
    """Why this voter cannot be taken out now; "" when it can (pure)."""
    rest = [one for one in quorum["voters"] if one["id"] != voter["id"]]
    if not rest:
        return f"controller {voter['id']} is the only voter: without it there is no quorum"
    if not quorum["dynamic"]:
        return "kraft.version is 0: the quorum is static (controller.quorum.voters); finalise kraft.version 1 first (kafka_features)"
    healthy = [one["id"] for one in rest if caught_up(one, lag, lag_ms)]
    majority = len(rest) // 2 + 1
    if len(healthy) < majority:
        behind = sorted({one["id"] for one in rest} - set(healthy))
        return (
            f"without controller {voter['id']} the voters {sorted(one['id'] for one in rest)} need {majority} that are caught up, and only "
            f"{healthy} are: bring {behind} back first"
        )
    return ""


def _wait(so: Callable[[], str], wait: float) -> str:
    """Ask until there is no reason against it any more; the last reason after ``wait`` seconds."""
    deadline = time.monotonic() + wait
    while why := so():
        if time.monotonic() >= deadline:
            return why
        time.sleep(0.5)
    return ""


def run(connection: Connection, state: str, params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What module kafka_quorum does."""
    lag, lag_ms, wait = params["max_voter_lag"], params["max_voter_lag_ms"], params["wait"]
    voter: dict[str, Any] | None = params["voter"]
    with admin(connection) as client:
        before = read(client)
        changed = False
        if state != "info":
            if voter is None:
                raise KafkaProblem(f"state {state} needs a voter")
            changed = _listed(before, voter) != (state == "present")
        if changed and voter is not None and state == "present":
            _add(client, before, voter, params, check)
        elif changed and voter is not None:
            if why := refuse_remove(before, voter, lag, lag_ms):
                raise KafkaProblem(f"nothing was changed: {why}")
            directory = next(one["directory_id"] for one in before["voters"] if one["id"] == voter["id"])
            if not check:
                if why := protocol.remove_voter(client, before["cluster_id"], voter["id"], directory):
                    raise KafkaProblem(f"controller {voter['id']} stays a voter: {why}")
                if why := _wait(lambda: "still a voter" if _listed(read(client), voter) else "", wait):
                    raise KafkaProblem(f"controller {voter['id']} after {wait:.0f} s: {why}")
        after = before if check or not changed else read(client)
    voters = sorted(one["id"] for one in after["voters"])
    was = sorted(one["id"] for one in before["voters"])
    will = was
    if changed and voter is not None:
        will = sorted({*was, voter["id"]} if state == "present" else set(was) - {voter["id"]})
    return {
        "changed": changed,
        "quorum": after,
        "voters": voters,
        "healthy": sorted(one["id"] for one in after["voters"] if caught_up(one, lag, lag_ms)),
        "majority": len(voters) // 2 + 1,
        "before": {"voters": was},
        "after": {"voters": will},
    }


def _add(
    client: Any, quorum: Mapping[str, Any], voter: Mapping[str, Any], params: Mapping[str, Any], check: bool
) -> None:
    lag, lag_ms, wait = params["max_voter_lag"], params["max_voter_lag_ms"], params["wait"]
    if not voter.get("endpoint"):
        raise KafkaProblem("nothing was changed: a new voter needs its endpoint, HOST:PORT of its controller listener")
    # Somebody who starts or has not caught up yet may; everything else is refused at once.
    if why := refuse_add(quorum, voter, lag, lag_ms):
        if check or not quorum["dynamic"] or any(one["id"] == voter["id"] for one in quorum["voters"]):
            raise KafkaProblem(f"nothing was changed: {why}")
        silent = _wait(lambda: "" if _observer(read(client), voter) else "it does not fetch", min(wait, STARTS))
        if why := _wait(lambda: refuse_add(read(client), voter, lag, lag_ms), 0 if silent else wait):
            raise KafkaProblem(f"nothing was changed: {why}")
    observer = _observer(read(client), voter)
    if observer is None:
        raise KafkaProblem(
            f"nothing was changed: controller {voter['id']} stopped fetching the metadata log just now: is it up?"
        )
    if check:
        return
    endpoints = {params["listener"]: voter["endpoint"]}
    if why := protocol.add_voter(client, quorum["cluster_id"], voter["id"], observer["directory_id"], endpoints):
        raise KafkaProblem(f"controller {voter['id']} was not added: {why}")
    if why := _wait(lambda: "" if _listed(read(client), voter) else "not among the voters yet", wait):
        raise KafkaProblem(f"controller {voter['id']} after {wait:.0f} s: {why}")
