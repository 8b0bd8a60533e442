"""What a carrier does with a message: pure, and the same again for the same seed.

The shape of a healthy network is an assumption (median four seconds, three in a hundred much
slower, five in a hundred lost); replace it by measured data as soon as there is any.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FOREVER: Final = math.inf


class Answer(StrEnum):
    """What the caller is told at once."""

    TAKEN = "taken"
    THROTTLED = "throttled"
    BROKEN = "broken"
    HANGING = "hanging"  # the request is read and never answered; the message goes out all the same
    NO_CREDIT = "no_credit"


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds of the run, from the first to before the last."""

    from_s: float
    to_s: float = FOREVER

    def holds(self, now_s: float) -> bool:
        """Is this the time?"""
        return self.from_s <= now_s < self.to_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """How one carrier behaves. Shares are of 1."""

    median_s: float = 4.0
    sigma: float = 0.45
    """Of the logarithm of the delay: nine in ten arrive within 1.8 medians."""

    slow: float = 0.03
    slow_from_s: float = 40.0
    slow_to_s: float = 400.0
    lost: float = 0.05
    hanging: float = 0.0
    lying: float = 0.0
    """Of the messages that are lost, so many are told to be delivered."""

    rate_per_s: float = FOREVER
    """What it takes in a second; more is throttled."""

    silent: tuple[Span, ...] = ()
    """When it takes everything and delivers nothing."""

    broken: tuple[Span, ...] = ()
    """When it answers that it is out of order."""

    credit: int | None = None
    """Messages that are paid for."""

    receipt_s: float = 2.0
    """Between the arrival of a message and the word of it."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one message. `None`: it never arrives, no receipt is ever given."""

    answer: Answer
    arrives_in_s: float | None = None
    receipt_in_s: float | None = None
    is_told_delivered: bool = False


@dataclass(slots=True)
class Carrier:
    """One carrier in the course of a run; `now_s` counts from its start."""

    law: Law
    chance: random.Random
    taken: int = 0
    refused: dict[Answer, int] = field(default_factory=dict)
    _tokens: float = 0.0
    _at_s: float = -FOREVER

    def decide(self, now_s: float) -> Fate:
        """The fate of a message handed over now."""
        answer = self._answer(now_s)
        if answer not in (Answer.TAKEN, Answer.HANGING):
            self.refused[answer] = self.refused.get(answer, 0) + 1
            return Fate(answer)
        self.taken += 1
        is_lost = self.chance.random() < self.law.lost
        delay_s = self._delay_s()
        if is_lost or any(span.holds(now_s) for span in self.law.silent):
            is_lie = self.chance.random() < self.law.lying
            return Fate(answer, None, delay_s + self.law.receipt_s if is_lie else None, is_lie)
        receipt_in_s = delay_s + self.law.receipt_s
        return Fate(answer, delay_s, receipt_in_s, is_told_delivered=True)

    def _answer(self, now_s: float) -> Answer:
        if any(span.holds(now_s) for span in self.law.broken):
            return Answer.BROKEN
        if self.law.credit is not None and self.taken >= self.law.credit:
            return Answer.NO_CREDIT
        if not self._has_token(now_s):
            return Answer.THROTTLED
        return Answer.HANGING if self.chance.random() < self.law.hanging else Answer.TAKEN

    def _has_token(self, now_s: float) -> bool:
        if self.law.rate_per_s == FOREVER:
            return True
        passed_s = min(1.0, now_s - self._at_s)
        self._tokens = min(self.law.rate_per_s, self._tokens + passed_s * self.law.rate_per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _delay_s(self) -> float:
        if self.chance.random() < self.law.slow:
            return self.chance.uniform(self.law.slow_from_s, self.law.slow_to_s)
        return self.chance.lognormvariate(math.log(self.law.median_s), self.law.sigma)
