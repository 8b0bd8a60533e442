"""Which code leaves now, and through whom: queue, pace, health, choice and hedge budget together.

Nothing here waits, reads a clock or sends: the dispatcher tells what happened and when, and asks
what may leave. So all of it runs on a virtual clock in tests, and a successor goes on from a
snapshot.

Always true: what `next` returns keeps to every contract; each send has one outcome or is forgotten
after `lost_s`; memory is the queue, the sends in flight and the first sends of twenty seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import msgspec

from hodhod_server.domain.ladder import SendKind
from hodhod_server.sms.breaker import BreakerSnapshot, Health
from hodhod_server.sms.choice import Choice, Reason, Road
from hodhod_server.sms.conversion import CurveSnapshot
from hodhod_server.sms.dispatch_queue import URGENCIES, Wanted
from hodhod_server.sms.hedging import HedgeBudget
from hodhod_server.sms.lane import Lane
from hodhod_server.sms.provider import Channel, Outcome, OutcomeClass, ReceiptState, Terms
from hodhod_server.sms.router_rules import RouterRules


class RoadState(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider stands, for metrics and people. `receipts_*` are its own claims."""

    provider: str
    channel: Channel
    health: Health
    cause: str
    expected: float
    observed: float
    believed: float
    rate_per_s: float
    in_flight: int
    in_flight_max: int
    code_s: float
    receipts_delivered: int
    receipts_undelivered: int


class RoadSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a provider, without any time of day."""

    provider: str
    breaker: BreakerSnapshot
    expected: float
    observed: float
    waited_s: float
    pace_factor: float


class RouterSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a successor goes on with."""

    roads: tuple[RoadSnapshot, ...] = ()
    curves: dict[Channel, CurveSnapshot] = {}


class _Flight(msgspec.Struct):
    wanted: Wanted
    lane: Lane
    road: Road
    left_s: float


class Router:
    """The dispatcher's brain."""

    def __init__(self, terms: Sequence[Terms], rules: RouterRules, random: Random) -> None:
        self._rules = rules
        self._random = random
        self._lanes = {
            channel: Lane([item for item in terms if item.channel is channel], rules, random)
            for channel in dict.fromkeys(item.channel for item in terms)
        }
        self._by_provider = {
            road.terms.name: (lane, road) for lane in self._lanes.values() for road in lane.roads
        }
        self._flights: dict[str, _Flight] = {}
        self._budget = HedgeBudget(rules.hedge)

    @property
    def is_incident(self) -> bool:
        """Do texts fail everywhere? Then hedges stop and newcomers are shown other ways."""
        return any(lane.bench.is_incident for lane in self._lanes.values())

    def domains(self, channel: Channel) -> int:
        """Failure domains of a channel that are open, for the ladder."""
        lane = self._lanes.get(channel)
        roads = [] if lane is None else lane.roads
        return len({road.terms.failure_domain for road in roads if road.breaker.is_open_to_all})

    def offer(self, wanted: Wanted, now_s: float) -> bool:
        """Into the queue. False: no such channel, or full (the newest is refused)."""
        lane = self._lanes.get(wanted.channel)
        if lane is None or not lane.queue.offer(wanted, lane.rate_per_s(), now_s):
            return False
        if wanted.kind is SendKind.HEDGE:
            self._budget.note_hedge(now_s)
        lane.wake(now_s)
        return True

    def withdraw(self, key: str, now_s: float) -> None:
        """Verified or cancelled: nothing more leaves for this challenge."""
        for lane in self._lanes.values():
            for wanted in lane.queue.withdraw(key):
                if wanted.kind is SendKind.HEDGE:
                    self._budget.give_back(now_s)

    def next(self, now_s: float, ahead_s: float = 0.0) -> list[tuple[Wanted, Choice]]:
        """Everything that may leave within `ahead_s`, at the moment that its choice names; each is
        in flight until `note_outcome`."""
        self._advance(now_s)
        found: list[tuple[Wanted, Choice]] = []
        for lane in self._lanes.values():
            most = self._rules.sends_per_call_max - len(found)
            for leaving in lane.drain(now_s, most, ahead_s):
                wanted, terms = leaving.wanted, leaving.road.terms
                send = f"{self._random.getrandbits(64):016x}"
                self._flights[send] = _Flight(wanted, lane, leaving.road, leaving.at_s)
                if wanted.kind is SendKind.FIRST:
                    self._budget.note_first(now_s)
                reason = Reason(wanted.kind, tuple(leaving.candidates), leaving.words)
                choice = Choice(send, terms.name, terms.failure_domain, reason, leaving.at_s)
                found.append((wanted, choice))
        return found

    def next_at_s(self, now_s: float) -> float:
        """When to ask again; infinite where nobody waits."""
        soonest_s = min((lane.ready_s() for lane in self._lanes.values()), default=math.inf)
        return max(now_s, soonest_s)

    def note_outcome(self, send: str, outcome: Outcome, now_s: float) -> None:
        """What the provider answered. A second answer to one send is ignored."""
        self._advance(now_s)
        flight = self._flights.pop(send, None)
        if flight is None:
            return
        lane, road = flight.lane, flight.road
        road.pace.finish(now_s - flight.left_s)
        lane.note_refusal(road, outcome.kind, now_s)
        match outcome.kind:
            case OutcomeClass.ACCEPTED:
                lane.note_taken(flight.wanted, road, now_s)
            case OutcomeClass.AMBIGUOUS:
                lane.note_doubt(flight.wanted, now_s)
            case OutcomeClass.THROTTLED:
                road.pace.throttle(now_s, outcome.retry_after_s)
            case _:
                pass
        lane.wake(now_s)

    def note_seen(self, key: str, now_s: float) -> None:
        """The app has read the text: as good as typed."""
        self.note_verified(key, now_s)

    def note_verified(self, key: str, now_s: float) -> None:
        """The code was typed."""
        for lane in self._lanes.values():
            lane.note_converted(key, now_s)
        self.withdraw(key, now_s)

    def note_receipt(self, provider: str, state: ReceiptState) -> None:
        """What a provider says. Shown beside what people typed; never believed above it."""
        found = self._by_provider.get(provider)
        if found is None or not state.is_final:
            return
        if state is ReceiptState.DELIVERED:
            found[1].delivered += 1
        else:
            found[1].undelivered += 1

    def wait_s(self, channel: Channel, kind: SendKind = SendKind.FIRST) -> tuple[float, float]:
        """How long one that is offered now will wait: for half, and for nine in ten."""
        lane = self._lanes.get(channel)
        if lane is None:
            return math.inf, math.inf
        urgency = URGENCIES[kind]
        rate_per_s = lane.rate_per_s() * lane.queue.share(urgency)
        median_s = lane.queue.waiting(urgency) / max(0.01, rate_per_s)
        return median_s, 1.3 * median_s + 0.5

    def waiting(self, channel: Channel) -> int:
        """How many sends wait in the queue."""
        lane = self._lanes.get(channel)
        return 0 if lane is None else len(lane.queue)

    def rate_per_s(self, channel: Channel) -> float:
        """What may leave in a second."""
        lane = self._lanes.get(channel)
        return 0.0 if lane is None else lane.rate_per_s()

    def agreed_per_s(self, channel: Channel) -> float:
        """What may leave in a second while all is well."""
        lane = self._lanes.get(channel)
        return 0.0 if lane is None else lane.agreed_per_s()

    def is_down(self, channel: Channel) -> bool:
        """Does nobody take anything?"""
        lane = self._lanes.get(channel)
        return lane is not None and lane.is_down

    def may_hedge(self, now_s: float) -> bool:
        """May one more second text be sent on suspicion? If not, ask again in a second."""
        self._advance(now_s)
        return not self.is_incident and self._budget.left(now_s) >= 1.0

    def clear(self, provider: str, now_s: float) -> None:
        """An operator says that a provider is mended."""
        if provider in self._by_provider:
            road = self._by_provider[provider][1]
            road.evidence.restart(now_s)
            road.breaker.clear(now_s)

    def states(self) -> list[RoadState]:
        """How every provider stands."""
        return [_state_of(road) for lane in self._lanes.values() for road in lane.roads]

    def snapshot(self, now_s: float) -> RouterSnapshot:
        """What a successor needs in order not to begin with an open mind."""
        roads = tuple(
            RoadSnapshot(
                provider=name,
                breaker=road.breaker.snapshot(now_s),
                expected=road.evidence.settled.expected,
                observed=road.evidence.settled.observed,
                waited_s=road.evidence.settled.waited_s,
                pace_factor=road.pace.factor,
            )
            for name, (_, road) in self._by_provider.items()
        )
        curves = {channel: lane.curve.snapshot() for channel, lane in self._lanes.items()}
        return RouterSnapshot(roads=roads, curves=curves)

    def restore(self, snapshot: RouterSnapshot, now_s: float) -> None:
        """Go on from it; providers that are gone are passed over, and one road stays open."""
        for channel, curve in snapshot.curves.items():
            if channel in self._lanes:
                self._lanes[channel].curve.restore(curve)
        for known in snapshot.roads:
            if known.provider not in self._by_provider:
                continue
            lane, road = self._by_provider[known.provider]
            settled = road.evidence.settled
            settled.expected, settled.observed = known.expected, known.observed
            settled.waited_s, settled.updated_s = known.waited_s, now_s
            road.pace.factor = known.pace_factor
            if known.breaker.state in (Health.OK, Health.WEAK) or lane.may_open(road.breaker):
                road.breaker.restore(known.breaker, now_s)

    def _advance(self, now_s: float) -> None:
        for lane in self._lanes.values():
            lost = lane.advance(now_s)
            if lost:
                self._budget.note_judged(lost, now_s)
        lost_before_s = now_s - self._rules.pace.lost_s
        while self._flights:
            send = next(iter(self._flights))
            flight = self._flights[send]
            if flight.left_s > lost_before_s:
                break
            del self._flights[send]
            flight.road.pace.finish(self._rules.pace.answer_max_s)


def _state_of(road: Road) -> RoadState:
    expected, observed = road.evidence.belief()
    return RoadState(
        provider=road.terms.name,
        channel=road.terms.channel,
        health=road.breaker.state,
        cause=str(road.breaker.cause),
        expected=road.evidence.verdict.expected,
        observed=road.evidence.verdict.observed,
        believed=(observed + 1.0) / (expected + 1.0),
        rate_per_s=road.pace.rate_per_s,
        in_flight=road.pace.in_flight,
        in_flight_max=road.pace.in_flight_max,
        code_s=road.code_s,
        receipts_delivered=road.delivered,
        receipts_undelivered=road.undelivered,
    )
