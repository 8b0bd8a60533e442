"""Carriers and surges that exist only in a simulation: laws of delay and loss, and the named cases.

Every number of a carrier is an assumption, taken from the research behind the sign-up: it ranks
policies and predicts no carrier.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

import msgspec

from hodhod_server.domain.ladder import LadderRules
from hodhod_server.sms.provider import Channel, Outcome, OutcomeClass, Terms
from hodhod_server.sms.router_rules import RouterRules

NEVER: Final = math.inf
SURGE_USERS: Final = 60_000
SURGE_S: Final = 600.0


class Carrier(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider behaves. From `silent_from_s` it takes everything and delivers nothing."""

    name: str
    channel: Channel = Channel.SMS
    rate_per_s: float = 200.0
    true_rate_per_s: float = NEVER
    cost: int = 0
    median_s: float = 4.0
    sigma: float = 0.5
    loss: float = 0.05
    slow: float = 0.03
    silent_from_s: float = NEVER
    silent_until_s: float = NEVER
    failing_from_s: float = NEVER
    fault: OutcomeClass = OutcomeClass.PROVIDER_FAULT
    answer_s: float = 0.25

    @property
    def terms(self) -> Terms:
        return Terms(
            name=self.name,
            channel=self.channel,
            failure_domain=self.name,
            rate_per_s=self.rate_per_s,
            in_flight_max=200,
            cost=self.cost,
        )


class CarrierState:
    """A carrier at work."""

    def __init__(self, law: Carrier, random: Random) -> None:
        self.law = law
        self._random = random
        self._second = -1
        self._in_second = 0
        self.taken = 0
        self.busiest_second = 0

    def answer(self, now_s: float) -> Outcome:
        """What it says to a hand-off that arrives now."""
        if int(now_s) != self._second:
            self._second, self._in_second = int(now_s), 0
        self._in_second += 1
        self.busiest_second = max(self.busiest_second, self._in_second)
        if now_s >= self.law.failing_from_s:
            return Outcome(kind=self.law.fault)
        if self._in_second > self.law.true_rate_per_s:
            return Outcome(kind=OutcomeClass.THROTTLED)
        self.taken += 1
        return Outcome(kind=OutcomeClass.ACCEPTED)

    def arrival_s(self, now_s: float) -> float:
        """How long the text takes; infinite where it is lost."""
        law = self.law
        if law.silent_from_s <= now_s < law.silent_until_s or self._random.random() < law.loss:
            return math.inf
        if self._random.random() < law.slow:
            return 40.0 * math.exp(math.log(10.0) * self._random.random())
        return law.median_s * math.exp(self._random.gauss(0.0, law.sigma))


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A world to live through. `arrivals` of "surge" are 60 % in the first third."""

    carriers: tuple[Carrier, ...]
    is_impatient: bool = False
    message_success: float = 0.9
    takes_messages: bool = True
    deaf: float = 0.0
    """Handsets that get no text at all."""
    rules: RouterRules = RouterRules()
    ladder: LadderRules = LadderRules()


def three(**first: object) -> tuple[Carrier, ...]:
    """Three equal carriers of texts and one of calls; the first as told."""
    base = [Carrier(name=name) for name in ("ada", "bita", "caman")]
    return (msgspec.structs.replace(base[0], **first), *base[1:], CALLS)


def all_with(**every: object) -> tuple[Carrier, ...]:
    """The same three, all as told."""
    return (*(msgspec.structs.replace(item, **every) for item in three()[:3]), CALLS)


CALLS: Final = Carrier(
    name="calls",
    channel=Channel.VOICE,
    rate_per_s=40.0,
    median_s=8.0,
    sigma=0.3,
    loss=0.15,
    slow=0.0,
)
FLAT_BUDGET: Final = msgspec.structs.replace(
    RouterRules(), hedge=msgspec.structs.replace(RouterRules().hedge, share_max=0.15)
)

CASES: Final[dict[str, Case]] = {
    "healthy": Case(carriers=three()),
    "healthy, impatient": Case(carriers=three(), is_impatient=True),
    "silent from the start": Case(carriers=three(silent_from_s=0.0)),
    "cheap one silent from the start": Case(
        carriers=(
            Carrier(name="ada", cost=100, silent_from_s=0.0),
            Carrier(name="bita", cost=200),
            Carrier(name="caman", cost=200),
            CALLS,
        )
    ),
    "silent at 60 s": Case(carriers=three(silent_from_s=60.0)),
    "cheap one silent at 60 s": Case(
        carriers=(
            Carrier(name="ada", cost=100, silent_from_s=60.0),
            Carrier(name="bita", cost=200),
            Carrier(name="caman", cost=200),
            CALLS,
        )
    ),
    "hard errors": Case(carriers=three(failing_from_s=0.0)),
    "credit gone at 60 s": Case(carriers=three(failing_from_s=60.0, fault=OutcomeClass.CONFIG)),
    "30 % lost everywhere": Case(carriers=all_with(loss=0.3)),
    "30 % lost, flat hedge budget": Case(carriers=all_with(loss=0.3), rules=FLAT_BUDGET),
    "30 % lost, 1 % deaf": Case(carriers=all_with(loss=0.3), deaf=0.01),
    "30 % lost, 1 % deaf, texts only": Case(
        carriers=all_with(loss=0.3)[:3], deaf=0.01, takes_messages=False
    ),
    "one weak (60 % lost)": Case(carriers=three(loss=0.6)),
    "130/s under 180/s": Case(carriers=all_with(rate_per_s=130.0 / 3)),
    "silent without spare capacity": Case(
        carriers=(
            Carrier(name="ada", rate_per_s=120.0, silent_from_s=0.0),
            Carrier(name="bita", rate_per_s=100.0),
            Carrier(name="caman", rate_per_s=80.0),
            CALLS,
        )
    ),
    "throttled to half": Case(carriers=three(true_rate_per_s=50.0)),
    "all silent": Case(carriers=all_with(silent_from_s=0.0)),
}
