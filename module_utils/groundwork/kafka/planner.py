"""Plan where replicas go: the least data that satisfies replication, racks, disk use and leader balance (pure).

Rules, in the order in which they win:

1. every partition keeps, or gets, its number of replicas, on brokers that stay;
2. no rack holds two replicas of a partition while another rack holds none;
3. a broker never takes more than its free space, and space that a move frees is not counted on before it is done;
4. disk use of every broker stays within ``tolerance`` of the mean (fractions of its capacity);
5. preferred leaders are spread as evenly as the replicas allow, by reordering alone.

Rules 1 to 3 hold or the plan is refused; 4 and 5 are approached. The same input gives the same plan.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .client import KafkaProblem

#: What a replica counts for in the balance even when it is empty: files, indexes and fetches have a price too.
EMPTY_REPLICA = 1 << 20

Key = tuple[str, int]


@dataclass(frozen=True)
class Broker:
    """A registered broker. Sizes in bytes; ``used`` is what its replicas take, ``free`` what it may still take."""

    id: int
    rack: str
    used: int
    free: int
    #: Replicas leave it: it is being drained, or it is dead.
    leaving: bool = False

    @property
    def capacity(self) -> int:
        return self.used + self.free


@dataclass(frozen=True)
class Partition:
    """A partition as the cluster has it; the first replica is the preferred leader. ``size`` in bytes of one replica."""

    topic: str
    partition: int
    replicas: tuple[int, ...]
    size: int

    @property
    def key(self) -> Key:
        return (self.topic, self.partition)


@dataclass(frozen=True)
class Move:
    """A changed replica list. ``bytes`` are copied; a reordering copies none."""

    topic: str
    partition: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    bytes: int

    @property
    def adding(self) -> tuple[int, ...]:
        return tuple(broker for broker in self.after if broker not in self.before)

    @property
    def removing(self) -> tuple[int, ...]:
        return tuple(broker for broker in self.before if broker not in self.after)

    def line(self) -> str:
        return f"{self.topic}-{self.partition}: {list(self.before)} -> {list(self.after)} ({self.bytes} bytes)"


@dataclass
class Plan:
    """The moves, and what they cost each broker."""

    moves: list[Move]
    received: dict[int, int] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(move.bytes for move in self.moves)

    def seconds(self, throttle: int) -> float:
        """How long the copying takes at least, with ``throttle`` bytes a second in and out of each broker."""
        if throttle <= 0:
            raise KafkaProblem(f"the throttle must be more than 0 bytes a second, not {throttle}")
        return max([*self.received.values(), *self.sent.values(), 0]) / throttle

    def forward(self) -> list[dict[str, Any]]:
        """Topic, partition and replicas after the plan, as Kafka's reassignment wants them."""
        return [_entry(move.topic, move.partition, move.after) for move in self.moves]

    def rollback(self) -> list[dict[str, Any]]:
        """The same for the way back."""
        return [_entry(move.topic, move.partition, move.before) for move in self.moves]


def _entry(topic: str, partition: int, replicas: Sequence[int]) -> dict[str, Any]:
    return {"topic": topic, "partition": partition, "replicas": list(replicas)}


def plan(
    brokers: Iterable[Broker],
    partitions: Iterable[Partition],
    *,
    replication: Mapping[str, int] | None = None,
    tolerance: float | None = 0.1,
    leaders: bool = True,
    only: Collection[str] | None = None,
) -> Plan:
    """The plan for this cluster.

    ``replication``: wanted number of replicas by topic, where it is not what the topic has. ``tolerance``: how far a
    broker's disk use may be from the mean, as a part of the mean; None leaves disk use alone. ``leaders``: whether
    preferred leaders are spread. ``only``: topics that may be moved; the others count in the balance and stay.
    Raises :class:`KafkaProblem` with every partition that cannot be placed.
    """
    work = _Work(brokers, partitions, replication or {}, only)
    work.satisfy()
    if tolerance is not None:
        work.balance(tolerance)
    if leaders:
        work.spread_leaders()
    return work.result()


class _Work:
    def __init__(
        self,
        brokers: Iterable[Broker],
        partitions: Iterable[Partition],
        replication: Mapping[str, int],
        only: Collection[str] | None,
    ) -> None:
        self.brokers = {broker.id: broker for broker in sorted(brokers, key=lambda broker: broker.id)}
        self.staying = [broker for broker in self.brokers.values() if not broker.leaving]
        self.partitions = sorted(partitions, key=lambda one: (-one.size, one.topic, one.partition))
        self.replication = replication
        self.racks: dict[str, list[Broker]] = defaultdict(list)
        for broker in self.staying:
            self.racks[broker.rack].append(broker)
        self.rack_of = {broker.id: broker.rack for broker in self.staying}
        self.free = {broker.id: broker.free for broker in self.staying}
        # What the balance counts: every replica at least as an empty one.
        self.load: dict[int, float] = dict.fromkeys(self.rack_of, 0.0)
        for one in self.partitions:
            for id_ in one.replicas:
                if id_ in self.load:
                    self.load[id_] += self._weight(one)
        # Preferred leaders of the partitions that stay where they are.
        self.led = dict.fromkeys(self.rack_of, 0)
        if only is not None:
            for one in self.partitions:
                if one.topic not in only and one.replicas and one.replicas[0] in self.led:
                    self.led[one.replicas[0]] += 1
            self.partitions = [one for one in self.partitions if one.topic in only]
        self.capacity = {broker.id: max(broker.capacity, 1) for broker in self.staying}
        self.now: dict[Key, list[int]] = {}

    @staticmethod
    def _weight(one: Partition) -> int:
        return max(one.size, EMPTY_REPLICA)

    def _fraction(self, id_: int, more: float = 0.0) -> float:
        return (self.load[id_] + more) / self.capacity[id_]

    def _counts(self, replicas: Iterable[int]) -> dict[str, int]:
        counts = dict.fromkeys(self.racks, 0)
        for id_ in replicas:
            counts[self.rack_of[id_]] += 1
        return counts

    # ------------------------------------------------------------------------------------------------- rules 1 to 3

    def satisfy(self) -> None:
        problems: list[str] = []
        for one in self.partitions:
            try:
                self.now[one.key] = self._place(one)
            except KafkaProblem as problem:
                problems.append(str(problem))
        if problems:
            shown = "\n  ".join(problems[:20])
            more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
            raise KafkaProblem(f"no plan, nothing was changed:\n  {shown}{more}")

    def _place(self, one: Partition) -> list[int]:
        wanted = self.replication.get(one.topic, len(one.replicas))
        replicas = [id_ for id_ in one.replicas if id_ in self.rack_of]
        if wanted > len(self.staying):
            raise KafkaProblem(
                f"{one.topic}-{one.partition}: {wanted} replicas on {len(self.staying)} brokers that stay"
            )
        while len(replicas) > wanted:
            self._drop(one, replicas)
        counts = self._counts(replicas)
        # A swap brings a replica to a rack that has none, from one that has two.
        empty = sum(count == 0 for count in counts.values())
        double = sum(count - 1 for count in counts.values() if count > 1)
        for _ in range(min(max(0, empty - (wanted - len(replicas))), double)):
            self._drop(one, replicas)
        while len(replicas) < wanted:
            replicas.append(self._target(one, replicas))
        return replicas

    def _drop(self, one: Partition, replicas: list[int]) -> None:
        """Take the replica away that the rack and the disk miss least; the preferred leader last."""
        counts = self._counts(replicas)
        victim = max(
            replicas, key=lambda id_: (counts[self.rack_of[id_]], id_ != replicas[0], self._fraction(id_), id_)
        )
        replicas.remove(victim)
        self.load[victim] -= self._weight(one)

    def _target(self, one: Partition, replicas: Sequence[int]) -> int:
        counts = self._counts(replicas)
        empty = {rack for rack, count in counts.items() if count == 0}
        best: tuple[int, float, int] | None = None
        for broker in self.staying:
            if broker.id in replicas or (empty and broker.rack not in empty) or self.free[broker.id] < one.size:
                continue
            rank = (counts[broker.rack], self._fraction(broker.id, self._weight(one)), broker.id)
            best = rank if best is None else min(best, rank)
        if best is None:
            where = f"rack {', '.join(sorted(empty))}" if empty else "any broker that stays"
            raise KafkaProblem(f"{one.topic}-{one.partition}: {one.size} bytes do not fit on {where}")
        self._take(one, best[2])
        return best[2]

    def _take(self, one: Partition, id_: int) -> None:
        self.free[id_] -= one.size
        self.load[id_] += self._weight(one)

    # ------------------------------------------------------------------------------------------------------- rule 4

    def balance(self, tolerance: float) -> None:
        total = sum(self.capacity.values())
        mean = sum(self.load.values()) / total if total else 0.0
        high, low = mean * (1 + tolerance), mean * (1 - tolerance)
        held: dict[int, list[Partition]] = {id_: [] for id_ in self.rack_of}
        for one in self.partitions:
            for id_ in self.now[one.key]:
                # A replica that this plan has just placed stays where it was placed.
                if id_ in one.replicas:
                    held[id_].append(one)
        stuck: set[int] = set()
        while True:
            order = sorted(self.rack_of, key=lambda id_: (self._fraction(id_), id_))
            over = next((id_ for id_ in reversed(order) if self._fraction(id_) > high and id_ not in stuck), None)
            under = next((id_ for id_ in order if self._fraction(id_) < low and id_ not in stuck), None)
            if over is not None:
                need = self.load[over] - high * self.capacity[over]
                targets = [id_ for id_ in order if self._fraction(id_) < mean]
                done = self._shift(held, [over], targets, need, high)
                culprit = over
            elif under is not None:
                need = low * self.capacity[under] - self.load[under]
                sources = [id_ for id_ in reversed(order) if self._fraction(id_) > mean]
                done = self._shift(held, sources, [under], need, high)
                culprit = under
            else:
                return
            if not done:
                stuck.add(culprit)

    def _shift(
        self, held: dict[int, list[Partition]], sources: list[int], targets: list[int], need: float, high: float
    ) -> bool:
        """Move one replica: the smallest that is enough, else the largest that helps. Whether there was one."""
        for source in sources:
            for target in targets:
                gap = self._fraction(source) - self._fraction(target)
                best: tuple[bool, int, Key] | None = None
                chosen: Partition | None = None
                for one in held[source]:
                    weight = self._weight(one)
                    # Both must come nearer to each other, or the next step would move it back.
                    closer = weight / self.capacity[source] + weight / self.capacity[target] <= gap
                    if not closer or one.size > self.free[target] or self._fraction(target, weight) > high:
                        continue
                    if not self._may(one, source, target):
                        continue
                    enough = weight >= need
                    rank = (not enough, weight if enough else -weight, one.key)
                    if best is None or rank < best:
                        best, chosen = rank, one
                if chosen is not None:
                    replicas = self.now[chosen.key]
                    replicas[replicas.index(source)] = target
                    held[source].remove(chosen)
                    self.load[source] -= self._weight(chosen)
                    self._take(chosen, target)
                    return True
        return False

    def _may(self, one: Partition, source: int, target: int) -> bool:
        replicas = self.now[one.key]
        if target in replicas:
            return False
        if self.rack_of[source] == self.rack_of[target]:
            return True
        counts = self._counts(replicas)
        counts[self.rack_of[source]] -= 1
        counts[self.rack_of[target]] += 1
        return not (max(counts.values()) > 1 and min(counts.values()) == 0)

    # ------------------------------------------------------------------------------------------------------- rule 5

    def spread_leaders(self) -> None:
        """Hand preferred leaders over along paths of shared partitions until no broker has more than its share."""
        led = dict(self.led)
        # edges[a][b]: partitions that a leads and b could.
        edges: dict[int, dict[int, dict[Key, None]]] = {id_: defaultdict(dict) for id_ in self.rack_of}

        def put(key: Key) -> None:
            leader, *others = self.now[key]
            led[leader] += 1
            for other in others:
                edges[leader][other][key] = None

        def take(key: Key) -> None:
            leader, *others = self.now[key]
            led[leader] -= 1
            for other in others:
                del edges[leader][other][key]

        for one in sorted(self.partitions, key=lambda one: one.key):
            if self.now[one.key]:
                put(one.key)
        share = math.ceil(sum(led.values()) / len(led)) if led else 0
        for overloaded in sorted(led):
            while led[overloaded] > share:
                path = self._path(edges, led, overloaded, share)
                if path is None:
                    break
                for giver, taker in pairwise(path):
                    key = next(iter(edges[giver][taker]))
                    take(key)
                    replicas = self.now[key]
                    replicas.remove(taker)
                    replicas.insert(0, taker)
                    put(key)

    @staticmethod
    def _path(
        edges: Mapping[int, Mapping[int, Mapping[Key, None]]], led: Mapping[int, int], start: int, share: int
    ) -> list[int] | None:
        came: dict[int, int] = {start: start}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            if led[here] < share:
                path = [here]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return path[::-1]
            for there in sorted(edges[here]):
                if there not in came and edges[here][there]:
                    came[there] = here
                    queue.append(there)
        return None

    # ------------------------------------------------------------------------------------------------------- result

    def result(self) -> Plan:
        moves: list[Move] = []
        received: dict[int, int] = defaultdict(int)
        sent: dict[int, int] = defaultdict(int)
        for one in sorted(self.partitions, key=lambda one: one.key):
            after = tuple(self.now[one.key])
            if after == one.replicas:
                continue
            adding = [id_ for id_ in after if id_ not in one.replicas]
            moves.append(Move(one.topic, one.partition, one.replicas, after, one.size * len(adding)))
            for id_ in adding:
                received[id_] += one.size
            # New replicas are copied from the leader, which is one of the replicas that were there.
            sent[one.replicas[0]] += one.size * len(adding)
        return Plan(moves, dict(received), dict(sent))
