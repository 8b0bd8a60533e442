"""Which provider carries a code: the least expected time until it is in hand, with its reason.

The time expected of a provider is its wait, plus the time to a code if it arrives, plus the time
until the next text and its code if it does not, plus what its price is worth. Whether it arrives is
drawn from what is believed (Thompson sampling): doubtful ones are tried as often as they may be
best. Waiting counts: a good provider that is busy beats a bad one that is free, up to a point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from hodhod_server.domain.ladder import SendKind
from hodhod_server.sms.breaker import Breaker, Health
from hodhod_server.sms.dispatch_queue import Wanted
from hodhod_server.sms.health import Evidence, Fading
from hodhod_server.sms.pacing import Pace
from hodhod_server.sms.provider import Terms
from hodhod_server.sms.router_rules import RouterRules

Cell = tuple[str, str]
DRAWS: Final = 32


class Candidate(msgspec.Struct, frozen=True):
    """A provider that was weighed. `why_not` is "" for those that could have been chosen."""

    provider: str
    score_s: float
    wait_s: float
    success: float
    cost: int
    state: Health
    why_not: str


class Reason(msgspec.Struct, frozen=True):
    """Why this provider: the kind of send, all that were weighed, and words for a person."""

    kind: SendKind
    candidates: tuple[Candidate, ...]
    words: str


class Choice(msgspec.Struct, frozen=True):
    """Through whom, under what name of the send, why, and when."""

    send: str
    provider: str
    failure_domain: str
    reason: Reason
    leaves_at_s: float


class Road(msgspec.Struct, kw_only=True):
    """A provider with everything that is known of it."""

    terms: Terms
    pace: Pace
    evidence: Evidence
    breaker: Breaker
    cost_s: float
    cells: dict[Cell, Fading]
    code_s: float
    """Time to a code when it arrives; refreshed each second, as what follows."""
    success: float = 1.0
    """The share of codes believed to arrive."""
    draws: list[float]
    """Drawn from that belief. It changes once a second, and so do they."""
    delivered: int = 0
    undelivered: int = 0


def cost_in_seconds(terms: Terms, lane: Sequence[Terms], rules: RouterRules) -> float:
    """What a provider's price is worth, against the cheapest that has one."""
    cheapest = min((other.cost for other in lane if other.cost > 0), default=0)
    if terms.cost <= 0 or cheapest <= 0:
        return 0.0
    return rules.cost_doubling_s * math.log2(terms.cost / cheapest)


class Weighing:
    """One send weighed over the roads of its channel."""

    def __init__(self, roads: Sequence[Road], rules: RouterRules, random: Random) -> None:
        self._roads = roads
        self._rules = rules
        self._random = random
        self._opened: list[int] = []
        self._other_code_s: list[float] = []

    def begin(self) -> None:
        """Look at what is the same for all sends of one moment."""
        self._opened = [
            number for number, road in enumerate(self._roads) if road.breaker.is_open_to_all
        ]
        codes_s = sorted(road.code_s for road in self._roads)
        self._other_code_s = [
            codes_s[1] if len(codes_s) > 1 and road.code_s == codes_s[0] else codes_s[0]
            for road in self._roads
        ]

    def choose(
        self, wanted: Wanted, waits_s: Sequence[float], backlog: int, now_s: float
    ) -> tuple[int, str, list[Candidate]] | None:
        """The road's number with words and candidates; None where waiting is best.

        `waits_s` are the roads' own waits; `backlog` are those behind this send.
        """
        usable, why_not = self._usable(wanted)
        if not usable:
            return None
        probe = self._find_probe(wanted, waits_s, now_s)
        behind_s = self._behind_s(usable, waits_s, backlog)
        scores: dict[int, tuple[float, float, float]] = {}
        best, best_s = usable[0], math.inf
        for number in usable:
            own_s = waits_s[number]
            wait_s = own_s + behind_s if own_s > 0 else 0.0
            success = self._draw_success(self._roads[number], wanted)
            score_s = self._score_s(number, wait_s, success)
            scores[number] = (score_s, wait_s, success)
            if score_s < best_s:
                best, best_s = number, score_s
        words = "least expected time to a code"
        if len(usable) == 1:
            words = "the only one that may be used"
        if probe is not None:
            best, words = probe, "a probe: does it work again?"
        elif self._random.random() < self._rules.exploration:
            free = [number for number in usable if waits_s[number] <= 0]
            if free:
                best, words = self._random.choice(free), "a try: one in fifty goes anywhere"
        if waits_s[best] > 0:
            return None
        return best, words, self._candidates(waits_s, scores, why_not)

    def _usable(self, wanted: Wanted) -> tuple[list[int], dict[int, str]]:
        """Roads in no domain used before, if one is open; the others with why not."""
        opened = fresh = self._opened
        if wanted.avoid:
            fresh = [
                number
                for number in opened
                if self._roads[number].terms.failure_domain not in wanted.avoid
            ]
        usable = fresh or opened
        why_not: dict[int, str] = {}
        if len(usable) == len(self._roads):
            return usable, why_not
        for number, road in enumerate(self._roads):
            if not road.breaker.is_open_to_all:
                why_not[number] = str(road.breaker.cause)
            elif number not in usable:
                why_not[number] = "its failure domain was used already"
        return usable, why_not

    def _find_probe(self, wanted: Wanted, waits_s: Sequence[float], now_s: float) -> int | None:
        if wanted.kind is not SendKind.FIRST:
            return None
        for number, road in enumerate(self._roads):
            if road.breaker.state is not Health.HALF_OPEN or waits_s[number] > 0:
                continue
            by_chance = self._random.random() < self._rules.health.probe_share
            if by_chance or road.breaker.is_probe_due(now_s):
                road.breaker.note_probe(now_s)
                return number
        return None

    def _behind_s(self, usable: list[int], waits_s: Sequence[float], backlog: int) -> float:
        """What holding the queue for a busy road costs those behind: the time it needs for all."""
        busy = [number for number in usable if waits_s[number] > 0]
        rate_per_s = sum(self._roads[number].pace.rate_per_s for number in busy)
        return backlog / rate_per_s if rate_per_s > 0 else 0.0

    def _draw_success(self, road: Road, wanted: Wanted) -> float:
        success = road.draws[int(self._random.random() * len(road.draws))]
        cell = road.cells.get((wanted.operator, wanted.client))
        if cell is None:
            return success
        whole = road.success
        shrinkage = self._rules.health.shrinkage
        finer = (cell.observed + shrinkage * whole) / (cell.expected + shrinkage)
        return min(1.0, success * finer / whole)

    def _score_s(self, number: int, wait_s: float, success: float) -> float:
        road = self._roads[number]
        if_lost_s = self._rules.hedge_after_s + self._other_code_s[number]
        return wait_s + success * road.code_s + (1.0 - success) * if_lost_s + road.cost_s

    def _candidates(
        self,
        waits_s: Sequence[float],
        scores: dict[int, tuple[float, float, float]],
        why_not: dict[int, str],
    ) -> list[Candidate]:
        found: list[Candidate] = []
        for number, road in enumerate(self._roads):
            score_s, wait_s, success = scores.get(number, (math.inf, waits_s[number], 0.0))
            found.append(
                Candidate(
                    road.terms.name,
                    score_s,
                    wait_s,
                    success,
                    road.terms.cost,
                    road.breaker.state,
                    why_not.get(number, ""),
                )
            )
        return found
