"""One channel's providers, with the queue before them and what is expected of them.

Each second the evidence is summed, the breakers are judged against each other and what is old
enough settles; a send in between costs only the weighing of a handful of roads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from hodhod_server.domain.ladder import SendKind
from hodhod_server.sms.breaker import Bench, Breaker, Cause, Health, Seat
from hodhod_server.sms.choice import DRAWS, Candidate, Road, Weighing, cost_in_seconds
from hodhod_server.sms.conversion import ConversionCurve
from hodhod_server.sms.dispatch_queue import DispatchQueue, Urgency, Wanted
from hodhod_server.sms.health import Evidence, Fading, FirstSend, Verdict, YoungSends
from hodhod_server.sms.pacing import Pace
from hodhod_server.sms.provider import OutcomeClass, Terms
from hodhod_server.sms.router_rules import RouterRules

_REFRESH_S: Final = 60.0
_BUSY_S: Final = 0.05  # when all wait for answers: an answer asks again anyway
_CODE_SHRINKAGE: Final = 50.0


class Leaving(NamedTuple):
    """A send that leaves at a moment, through whom, and why."""

    wanted: Wanted
    road: Road
    words: str
    candidates: list[Candidate]
    at_s: float


class Lane:
    """The roads of one channel."""

    def __init__(self, terms: Sequence[Terms], rules: RouterRules, random: Random) -> None:
        self._rules = rules
        self._random = random
        self.curve = ConversionCurve(rules.curve)
        self.queue = DispatchQueue(rules.queue)
        self.bench = Bench(rules.health)
        self.young = YoungSends()
        self._usual_code_s = self._usual_conversion_s()
        self.roads = [self._road(item, terms) for item in terms]
        self.numbers = {road.terms.name: number for number, road in enumerate(self.roads)}
        self._weighing = Weighing(self.roads, rules, random)
        self._judged_second = -1
        self._refreshed_s: float | None = None
        self._ready_s = -math.inf

    def drain(self, now_s: float, most: int, ahead_s: float) -> Iterator[Leaving]:
        """Whatever may leave within `ahead_s`, each with its moment."""
        blocked: set[Urgency] = set()
        left = most
        self._ready_s = math.inf
        self._weighing.begin()
        waits_s = [self._wait_s(road, now_s, ahead_s) for road in self.roads]
        while left and len(self.queue) and min(waits_s, default=math.inf) <= 0:
            urgency = self.queue.turn(blocked)
            if urgency is None:
                break
            backlog = len(self.queue)
            wanted = self.queue.peek(urgency)
            chosen = self._weighing.choose(wanted, waits_s, backlog, now_s)
            if chosen is None:
                blocked.add(urgency)
                continue
            number, words, candidates = chosen
            self.queue.pop(urgency)
            road = self.roads[number]
            at_s = now_s + road.pace.wait_s(now_s)
            road.pace.take(at_s)
            waits_s[number] = self._wait_s(road, now_s, ahead_s)
            left -= 1
            yield Leaving(wanted, road, words, candidates, at_s)
        busy = [wait_s for wait_s in waits_s if wait_s > 0]
        if len(self.queue):
            soonest_s = min(busy, default=0.0) if left else 0.0
            self._ready_s = now_s + min(soonest_s, _BUSY_S)

    def ready_s(self) -> float:
        """When to ask again; infinite where nobody waits."""
        return self._ready_s if len(self.queue) else math.inf

    def wake(self, now_s: float) -> None:
        """Something came in or was answered: ask at once."""
        self._ready_s = min(self._ready_s, now_s)

    def rate_per_s(self) -> float:
        """What may leave in a second over roads that are open."""
        return sum(road.pace.rate_per_s for road in self.roads if road.breaker.is_open_to_all)

    def agreed_per_s(self) -> float:
        """What may leave in a second while all is well."""
        return sum(road.terms.rate_per_s for road in self.roads)

    @property
    def is_down(self) -> bool:
        """Is there nobody who takes anything?"""
        opened = [road for road in self.roads if road.breaker.is_open_to_all]
        return all(road.pace.is_refused for road in opened)

    def note_taken(self, wanted: Wanted, road: Road, now_s: float) -> None:
        """A hand-off was accepted. Evidence only if it is the first text of its challenge."""
        if wanted.kind not in (SendKind.FIRST, SendKind.FAILOVER) or wanted.key in self.young:
            return
        road.evidence.add(now_s)
        self._add_young(wanted, road.terms.name, now_s)

    def note_doubt(self, wanted: Wanted, now_s: float) -> None:
        """Maybe it was sent: what this newcomer types proves nothing of anybody."""
        if wanted.key not in self.young:
            self._add_young(wanted, "", now_s)

    def note_converted(self, key: str, now_s: float) -> None:
        """The newcomer has the code."""
        first = self.young.find(key)
        if first is None or not first.provider or first.converted_age_s is not None:
            return
        age_s = max(0.0, now_s - first.at_s)
        if age_s <= self._rules.health.band_end_s:
            first.converted_age_s = age_s
            self.roads[self.numbers[first.provider]].evidence.convert(first.at_s)

    def note_refusal(self, road: Road, kind: OutcomeClass, now_s: float) -> None:
        """Count an answer of any kind, and open the breaker where it says so."""
        breaker = road.breaker
        is_many = breaker.note_answer(kind, now_s)
        if breaker.state is Health.HALF_OPEN:
            breaker.note_probe_answer(kind, now_s)
            return
        if not breaker.is_open_to_all:
            return
        is_last = not self.may_open(breaker)
        is_hopeless = kind is OutcomeClass.CONFIG or breaker.is_hopeless
        road.pace.is_refused = is_last and is_hopeless
        if is_last:
            return
        if kind is OutcomeClass.CONFIG:
            breaker.open(Cause.CONFIG, now_s)
        elif is_many:
            breaker.open(Cause.REFUSALS, now_s)

    def may_open(self, breaker: Breaker) -> bool:
        """Would another road remain?"""
        return any(
            road.breaker is not breaker and road.breaker.is_open_to_all for road in self.roads
        )

    def advance(self, now_s: float) -> float:
        """Once a second: settle and judge. How many sends were proven lost, less the windfalls."""
        if int(now_s) <= self._judged_second:
            return 0.0
        self._judged_second = int(now_s)
        grown = self.young.take_grown(now_s - self._rules.health.band_end_s)
        lost = sum(self._settle(first, now_s) for first in grown if first.provider)
        for road in self.roads:
            self._judge(road, now_s)
        self.bench.judge([self._seat(road) for road in self.roads], now_s)
        if self._refreshed_s is None or now_s - self._refreshed_s >= _REFRESH_S:
            passed_s = 0.0 if self._refreshed_s is None else now_s - self._refreshed_s
            self.curve.refresh(passed_s)
            self._usual_code_s = self._usual_conversion_s()
            self._refreshed_s = now_s
        return lost

    def _settle(self, first: FirstSend, now_s: float) -> float:
        """A first send has run its course: into what is believed. How much of it is missing."""
        road = self.roads[self.numbers[first.provider]]
        share = self.curve.share(self._rules.health.band_end_s)
        half_life_s = self._rules.health.half_life_s
        road.evidence.settled.fade(now_s, half_life_s)
        road.evidence.settled.add(share, first.converted_age_s)
        cell = road.cells.get(first.cell)
        if cell is None and len(road.cells) < self._rules.health.cells_max:
            cell = road.cells[first.cell] = Fading(now_s=now_s)
        if cell is not None:
            cell.fade(now_s, half_life_s)
            cell.add(share, first.converted_age_s)
        if road.breaker.state is Health.OK and not self.bench.is_incident:
            self.curve.learn(first.converted_age_s, now_s)
        return share - (0.0 if first.converted_age_s is None else 1.0)

    def _judge(self, road: Road, now_s: float) -> None:
        if road.breaker.advance(now_s):
            road.evidence.restart(now_s)
        road.evidence.advance(now_s)
        road.evidence.judge(self.curve, now_s)
        settled = road.evidence.settled
        settled.fade(now_s, self._rules.health.half_life_s)
        weight = settled.observed + _CODE_SHRINKAGE
        road.code_s = (settled.waited_s + _CODE_SHRINKAGE * self._usual_code_s) / weight
        expected, observed = road.evidence.belief()
        weight = min(1.0, self._rules.health.sample_max / max(1.0, expected))
        arrived, missing = 1.0 + weight * observed, 1.0 + weight * (expected - observed)
        road.success = arrived / (arrived + missing)
        road.draws = self._draw(arrived, missing)
        road.breaker.judge_probes(road.evidence.verdict, now_s)

    def _seat(self, road: Road) -> Seat:
        expected, observed = road.evidence.belief()
        return Seat(
            breaker=road.breaker,
            verdict=road.evidence.verdict,
            belief=Verdict(expected=expected, observed=observed),
        )

    def _wait_s(self, road: Road, now_s: float, ahead_s: float) -> float:
        if road.breaker.state is Health.DEAD:
            return math.inf
        return max(0.0, road.pace.wait_s(now_s) - ahead_s)

    def _add_young(self, wanted: Wanted, provider: str, now_s: float) -> None:
        cell = (wanted.operator, wanted.client)
        self.young.add(FirstSend(key=wanted.key, provider=provider, at_s=now_s, cell=cell))

    def _usual_conversion_s(self) -> float:
        """The age by which half of those that convert in the band have."""
        half = self.curve.share(self._rules.health.band_end_s) / 2
        return next((age for age in range(60) if self.curve.share(age) >= half), 12.0)

    def _road(self, terms: Terms, lane: Sequence[Terms]) -> Road:
        return Road(
            terms=terms,
            pace=Pace(terms, self._rules.pace),
            evidence=Evidence(self._rules.health),
            breaker=Breaker(self._rules.health),
            cost_s=cost_in_seconds(terms, lane, self._rules),
            cells={},
            code_s=self._usual_code_s,
            draws=self._draw(1.0, 1.0),
        )

    def _draw(self, arrived: float, missing: float) -> list[float]:
        return [self._random.betavariate(arrived, missing) for _ in range(DRAWS)]
