"""Who goes next: by urgency first, then by age, and no source more than its share.

Classes take turns by weight (deficit round robin, a send at a time). Inside a class the oldest
ticket goes first; a source that asks for more than a multiple of its equal share gets its tickets
dated later, so a flood from one place waits behind everybody else and costs nobody their place.

Always true: bounded. The policy when full is to refuse the newest: the waiting room is for it.
"""

from __future__ import annotations

import heapq
from enum import IntEnum
from typing import Final

import msgspec

from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.ladder import SendKind
from hodhod_server.sms.provider import Channel
from hodhod_server.sms.router_rules import QueueRules


class Urgency(IntEnum):
    """The classes, in the order of their weights."""

    FIRST = 0
    SECOND = 1
    LATE = 2


# A failover is the first text of somebody who has none yet.
URGENCIES: Final = {
    SendKind.FIRST: Urgency.FIRST,
    SendKind.FAILOVER: Urgency.FIRST,
    SendKind.HEDGE: Urgency.SECOND,
    SendKind.RESEND: Urgency.SECOND,
    SendKind.LATE: Urgency.LATE,
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A code that is to be sent. `source` is hashed to a bucket: the address and number block."""

    key: str
    channel: Channel
    kind: SendKind
    source: int = 0
    operator: str = ""
    client: ClientKind = ClientKind.GENERIC
    avoid: frozenset[str] = frozenset()
    """Failure domains that this challenge has used."""


class Waiting(msgspec.Struct, kw_only=True):
    """One in the queue."""

    wanted: Wanted
    urgency: Urgency
    bucket: int
    since_s: float
    is_withdrawn: bool = False


class DispatchQueue:
    """What waits for one channel."""

    def __init__(self, rules: QueueRules) -> None:
        self._rules = rules
        self._heaps: list[list[tuple[float, int, Waiting]]] = [[] for _ in Urgency]
        self._sizes = [0 for _ in Urgency]
        self._credit = [0.0 for _ in Urgency]
        self._dated_s: list[dict[int, float]] = [{} for _ in Urgency]
        self._held: dict[int, int] = {}
        self._by_key: dict[str, list[Waiting]] = {}
        self._tickets = 0
        second = int(rules.waiting_max * rules.second_share_max)
        self._bounds = (rules.waiting_max, second, max(1, second // 4))
        self._bucket_max = max(1, int(rules.waiting_max * rules.bucket_share_max))

    def __len__(self) -> int:
        return sum(self._sizes)

    def waiting(self, urgency: Urgency) -> int:
        """How many of a class wait."""
        return self._sizes[urgency]

    def share(self, urgency: Urgency) -> float:
        """The share of the sends that a class gets, of those that have somebody waiting."""
        weights = self._rules.weights
        active = sum(weights[item] for item in Urgency if self._sizes[item] or item is urgency)
        return weights[urgency] / active

    def offer(self, wanted: Wanted, rate_per_s: float, now_s: float) -> bool:
        """A ticket in the queue, or False where the queue, the class or the source is full."""
        urgency = URGENCIES[wanted.kind]
        bucket = wanted.source % self._rules.buckets
        is_full = len(self) >= self._rules.waiting_max
        if is_full or self._sizes[urgency] >= self._bounds[urgency]:
            return False
        if self._held.get(bucket, 0) >= self._bucket_max:
            return False
        if not self._sizes[urgency]:
            self._dated_s[urgency].clear()
            self._credit[urgency] = 0.0
        waiting = Waiting(wanted=wanted, urgency=urgency, bucket=bucket, since_s=now_s)
        dated_s = self._dated_s[urgency]
        date_s = max(now_s, dated_s.get(bucket, now_s))
        fair_per_s = self._rules.fair_factor * max(rate_per_s, 0.1) / self._rules.buckets
        dated_s[bucket] = date_s + 1.0 / fair_per_s
        self._tickets += 1
        heapq.heappush(self._heaps[urgency], (date_s, self._tickets, waiting))
        self._sizes[urgency] += 1
        self._held[bucket] = self._held.get(bucket, 0) + 1
        self._by_key.setdefault(wanted.key, []).append(waiting)
        return True

    def withdraw(self, key: str) -> list[Wanted]:
        """Nothing more for this challenge; what had waited for it."""
        found = self._by_key.pop(key, [])
        for waiting in found:
            waiting.is_withdrawn = True
            self._forget(waiting)
        return [waiting.wanted for waiting in found]

    def turn(self, blocked: set[Urgency]) -> Urgency | None:
        """The class whose turn it is, of those that wait and are not blocked."""
        ready = [item for item in Urgency if self._sizes[item] and item not in blocked]
        return max(ready, key=self._merit, default=None)

    def peek(self, urgency: Urgency) -> Wanted:
        """The first of a class that has somebody waiting."""
        heap = self._heaps[urgency]
        while heap[0][2].is_withdrawn:
            heapq.heappop(heap)
        return heap[0][2].wanted

    def pop(self, urgency: Urgency) -> Waiting:
        """Take the first of a class; the others have earned for their turn."""
        self.peek(urgency)
        waiting = heapq.heappop(self._heaps[urgency])[2]
        weights = self._rules.weights
        active = sum(weights[item] for item in Urgency if self._sizes[item])
        for item in Urgency:
            if self._sizes[item]:
                earned = self._credit[item] + weights[item] / active
                self._credit[item] = min(self._rules.blocked_credit_max, earned)
        self._credit[urgency] = max(-self._rules.blocked_credit_max, self._credit[urgency] - 1.0)
        self._forget(waiting)
        same = self._by_key[waiting.wanted.key]
        same.remove(waiting)
        if not same:
            del self._by_key[waiting.wanted.key]
        return waiting

    def _merit(self, urgency: Urgency) -> float:
        return self._credit[urgency] + self._rules.weights[urgency]

    def _forget(self, waiting: Waiting) -> None:
        self._sizes[waiting.urgency] -= 1
        left = self._held[waiting.bucket] - 1
        if left:
            self._held[waiting.bucket] = left
        else:
            del self._held[waiting.bucket]
        heap = self._heaps[waiting.urgency]
        if len(heap) > 64 and len(heap) > 2 * self._sizes[waiting.urgency]:
            heap[:] = [entry for entry in heap if not entry[2].is_withdrawn]
            heapq.heapify(heap)
