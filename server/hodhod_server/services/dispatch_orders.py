"""The challenges that may still get a code, as the dispatcher has them in mind.

What is to be done for one follows from what was done (domain/ladder.py), so nothing of this is
stored: a successor computes it again. Times are seconds since the epoch.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hodhod_server.domain.challenges import UNPROVEN, Challenge, ChallengeRules, Send
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import LadderRules, Step, Ways, next_step

_TICK: Final = timedelta(microseconds=1)


class Order:
    """One challenge, and the next step for it."""

    __slots__ = ("challenge", "free_at_s", "is_offered", "step", "ticket")

    def __init__(self, challenge: Challenge) -> None:
        self.challenge = challenge
        self.step: Step | None = None
        self.is_offered = False
        """Does the step wait in the router's queue?"""
        self.free_at_s = -math.inf
        """From when on its number may get one more."""
        self.ticket = -1
        """Its one place in line; earlier ones are void."""

    def next_moment(self, now: datetime) -> datetime:
        """When a hand-off begins: each of a challenge has a moment of its own."""
        sends = self.challenge.sends
        return max(now, sends[-1].at + _TICK) if sends else now

    def begin(self, handoffs: tuple[datetime, ...], send: Send) -> None:
        """A hand-off is under way."""
        self.is_offered = False
        self.challenge = msgspec.structs.replace(
            self.challenge, handoffs=handoffs, sends=(*self.challenge.sends, send)
        )

    def end(self, number: int, outcome: str) -> None:
        """What the provider said."""
        sends = list(self.challenge.sends)
        ended = msgspec.structs.replace(sends[number - 1], outcome=outcome)
        sends[number - 1] = ended
        handoffs, sent_at = self.challenge.handoffs, self.challenge.sent_at
        if ended.is_taken:
            sent_at = max(ended.at, sent_at or ended.at)
        else:
            handoffs = tuple(moment for moment in handoffs if moment != ended.at)
        self.challenge = msgspec.structs.replace(
            self.challenge, sends=tuple(sends), sent_at=sent_at, handoffs=handoffs
        )


class Orders:
    """All of them, by id and by when the next one is due."""

    def __init__(self, rules: ChallengeRules, ladder: LadderRules) -> None:
        self._rules = rules
        self._ladder = ladder
        self._orders: dict[ChallengeId, Order] = {}
        self._queued: dict[ChallengeId, datetime] = {}
        self._due: list[tuple[float, int, ChallengeId]] = []
        self._tickets = itertools.count()

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, challenge: ChallengeId) -> bool:
        return challenge in self._orders

    def find(self, challenge: ChallengeId) -> Order | None:
        """The order, unless nothing more is planned for the challenge."""
        return self._orders.get(challenge)

    def without_handoff(self, created_after: datetime) -> list[ChallengeId]:
        """Those that the database may still show as queued."""
        return [
            challenge
            for challenge, created_at in self._queued.items()
            if created_at >= created_after
        ]

    def add(self, challenge: Challenge, ways: Ways, now: datetime) -> None:
        """Take a challenge on."""
        if challenge.challenge not in self._orders:
            self._orders[challenge.challenge] = Order(challenge)
        if not challenge.handoffs:
            self._queued[challenge.challenge] = challenge.created_at
        self.plan(challenge.challenge, ways, now)

    def is_over(self, order: Order, now: datetime) -> bool:
        """Would a code come too late?"""
        return order.challenge.state(now, self._rules) not in UNPROVEN

    def drop(self, challenge: ChallengeId) -> None:
        """Nothing more is sent for it."""
        self._orders.pop(challenge, None)
        self._queued.pop(challenge, None)

    def plan(self, challenge: ChallengeId, ways: Ways, now: datetime) -> None:
        """Find the next step; without one the challenge is dropped."""
        order = self._orders.get(challenge)
        if order is None or order.is_offered:
            return
        if order.challenge.handoffs:
            self._queued.pop(challenge, None)
        progress = msgspec.structs.replace(
            order.challenge.progress(now, self._rules), free_at_s=order.free_at_s
        )
        order.step = next_step(progress, ways, self._ladder)
        if order.step is None:
            self.drop(challenge)
        else:
            self.put_off(order, order.step.at_s)

    def put_off(self, order: Order, at_s: float) -> None:
        """Look at it again then, and not before: an order has one place in line."""
        order.ticket = next(self._tickets)
        heapq.heappush(self._due, (at_s, order.ticket, order.challenge.challenge))

    def due(self, now_s: float) -> Iterator[Order]:
        """Those whose step is due."""
        while self._due and self._due[0][0] <= now_s:
            _, ticket, challenge = heapq.heappop(self._due)
            order = self._orders.get(challenge)
            if order is not None and order.ticket == ticket and not order.is_offered:
                yield order
