"""The cases that sign-up must stand, and what must be seen in each. Pure: laws and verdicts.

Every number of a carrier is an assumption (`carriers/law.py`); promises are the design's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hodhod_loadtest.carriers.law import Law, Span
from hodhod_loadtest.carriers.street import Line
from hodhod_loadtest.signups.bots import Flood
from hodhod_loadtest.signups.deaths import Deaths
from hodhod_loadtest.signups.outcome import Outcome
from hodhod_loadtest.signups.returners import Returners
from hodhod_loadtest.signups.secrecy import Secrecy
from hodhod_loadtest.signups.stage import Companion


@dataclass(frozen=True, slots=True)
class Promise:
    """What must be seen: a quantity, and the most or the least it may be."""

    name: str
    goal: float
    measure: Callable[[Outcome], float]
    is_most: bool = True

    def holds(self, measured: float) -> bool:
        """Was it kept?"""
        return measured <= self.goal if self.is_most else measured >= self.goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of trouble."""

    name: str
    about: str
    lines: Callable[[float, float], tuple[Line, ...]]
    """Of the people a second at the peak, and the seconds of the whole wave."""

    promises: tuple[Promise, ...]
    company: tuple[Callable[[], Companion], ...] = ()
    """What happens beside the newcomers."""

    against: str | None = None
    """The case that is the same wave in peace, which it is compared with."""


def _most(name: str, goal: float, measure: Callable[[Outcome], float]) -> Promise:
    return Promise(name, goal, measure)


def _least(name: str, goal: float, measure: Callable[[Outcome], float]) -> Promise:
    return Promise(name, goal, measure, is_most=False)


PEAK: Final = 1 / 6  # of the wave: in the middle of its peak
IN_2_MIN: Final = 120.0
IN_10_MIN: Final = 600.0


def _within(seconds: float) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.share_in(seconds)


def _code(share: float) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.code_in_hand_s(share)


def _texts(outcome: Outcome) -> float:
    return outcome.texts_per_success


def _fact(name: str) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.facts[name]


def _no(name: str) -> Promise:
    return _most(name, 0.0, _fact(name))


def _killed(name: str, about: str, at: Mapping[str, float]) -> Case:
    return Case(
        name=f"kill_{name}",
        about=about,
        lines=lambda peak, _: _three(peak, Law(), Law()),
        company=(lambda: Deaths(at),),
        promises=(
            _no("challenges lost"),
            _no("sent twice beyond those"),
            _least("in within 10 min, share", 1.0, _within(IN_10_MIN)),
        ),
    )


def _killed_alone(name: str, process: str) -> Case:
    about = f"{process} is killed in the middle of the peak; its supervisor starts it again."
    return _killed(name, about, {process: PEAK})


def _three(peak: float, first: Law, others: Law, spare: float = 1.0) -> tuple[Line, ...]:
    """Three providers, of which two can carry the peak, and calls."""
    agreed = max(5.0, peak * spare)
    voice = Law(median_s=6.0, slow=0.0, lost=0.15)
    return (
        Line(name="first", kind="kavenegar", law=first, agreed_per_s=agreed),
        Line(name="second", kind="smsir", law=others, agreed_per_s=agreed, listens=True),
        Line(name="third", kind="ghasedak", law=others, agreed_per_s=agreed),
        Line(name="calls", kind="kavenegar", law=voice, agreed_per_s=40.0, channel="voice"),
    )


def _silent_from(share: float) -> Callable[[float, float], tuple[Line, ...]]:
    def lines(peak: float, wave_s: float) -> tuple[Line, ...]:
        return _three(peak, Law(silent=(Span(wave_s * share),), lying=1.0), Law())

    return lines


def _scarce(peak: float, _: float) -> tuple[Line, ...]:
    """130 a second where 180 come, shared by three."""
    part = peak * 130 / 180 / 3
    law = Law(rate_per_s=part)
    kinds = {"first": "kavenegar", "second": "smsir", "third": "ghasedak"}
    return tuple(
        Line(name=name, kind=kind, law=law, agreed_per_s=part) for name, kind in kinds.items()
    )


def _all_broken(peak: float, _: float) -> tuple[Line, ...]:
    law = Law(broken=(Span(0.0),))
    return (
        Line(name="first", kind="kavenegar", law=law, agreed_per_s=peak),
        Line(name="second", kind="smsir", law=law, agreed_per_s=peak, listens=True),
    )


_WITHIN_TWO: Final = _least("in within 2 min, share", 0.999, _within(IN_2_MIN))

CASES: Final = {
    case.name: case
    for case in (
        Case(
            name="healthy",
            about="Nothing is wrong: one text in twenty is lost, three in a hundred are late.",
            lines=lambda peak, _: _three(peak, Law(), Law()),
            promises=(
                _most("code in hand p50, s", 6.0, _code(0.5)),
                _most("code in hand p95, s", 25.0, _code(0.95)),
                _most("texts for each success", 1.15, _texts),
                _no("secrets found"),
            ),
            company=(Secrecy,),
        ),
        Case(
            name="silent_from_start",
            about="The first provider takes every message, delivers none and says it did.",
            lines=_silent_from(0.0),
            promises=(_most("code in hand p95, s", 30.0, _code(0.95)), _WITHIN_TWO),
        ),
        Case(
            name="silent_mid_surge",
            about="The same, from a sixth of the wave on.",
            lines=_silent_from(1 / 6),
            promises=(_most("code in hand p95, s", 30.0, _code(0.95)), _WITHIN_TWO),
        ),
        Case(
            name="lossy",
            about="Three texts in ten are lost, everywhere.",
            lines=lambda peak, _: _three(peak, Law(lost=0.3), Law(lost=0.3)),
            promises=(
                _WITHIN_TWO,
                _least("in within 10 min, share", 0.9999, _within(IN_10_MIN)),
            ),
        ),
        Case(
            name="scarce",
            about="130 texts a second are agreed where 180 people come.",
            lines=_scarce,
            promises=(
                _least("in within 2 min, share", 0.95, _within(IN_2_MIN)),
                _least("in within 10 min, share", 1.0, _within(IN_10_MIN)),
                _least("promised time kept, share", 0.9, lambda outcome: outcome.promises_kept),
            ),
        ),
        Case(
            name="all_down",
            about="Every provider is out of order: people write to us instead.",
            lines=_all_broken,
            promises=(
                _least("in by their own text, share", 0.99, _within(IN_10_MIN)),
                _most("told of another way p95, s", 5.0, lambda outcome: outcome.told_s(0.95)),
            ),
        ),
        Case(
            name="returns",
            about="Half as many come back as come anew, in the first half of the wave.",
            lines=lambda peak, _: _three(peak, Law(), Law()),
            company=(Returners,),
            promises=(
                _most("return p99, ms", 300.0, _fact("return p99, ms")),
                _no("returns not back"),
                _no("provider calls for returns"),
                _no("returns sent to the waiting room"),
                _WITHIN_TWO,
            ),
        ),
        Case(
            name="bot_flood",
            about="A million starts an hour by bots that enter no code; some pay 0.3 s.",
            lines=lambda peak, _: _three(peak, Law(), Law()),
            company=(Flood,),
            against="healthy",
            promises=(
                _most(
                    "texts to bots, share of people's",
                    0.005,
                    _fact("texts to bots, share of people's"),
                ),
                _most(
                    "code in hand p95 against peace", 1.2, _fact("code in hand p95 against peace")
                ),
                _WITHIN_TWO,
            ),
        ),
        _killed_alone("signup", "signup"),
        _killed_alone("valkey", "valkey"),
        _killed_alone("postgresql", "postgres"),
        _killed(
            "each",
            "Sign-up, Valkey and PostgreSQL are killed in turn while the peak lasts.",
            {"signup": 1 / 12, "valkey": PEAK, "postgres": 1 / 4},
        ),
    )
}
