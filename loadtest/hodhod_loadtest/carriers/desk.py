"""The desk of a carrier: takes messages, tells what became of them, and takes texts from people.

The same for every protocol that a carrier may speak (`kavenegar.py`, `smsir.py`, `ghasedak.py`).
Bounded: what became of the oldest messages is forgotten first, as carriers do.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from hodhod_loadtest.carriers.handsets import Handsets
from hodhod_loadtest.carriers.law import Answer, Carrier

KEPT_MAX: Final = 200_000
HANGING_S: Final = 60.0


def held_back_s(answer: Answer) -> float:
    """How long a caller waits for it."""
    return HANGING_S if answer is Answer.HANGING else 0.0


class State(StrEnum):
    """What is told of a message."""

    AT_OPERATOR = "at_operator"
    DELIVERED = "delivered"
    UNKNOWN = "unknown"


class FromPerson(NamedTuple):
    """A text that somebody sent to the carrier's line."""

    sender: str
    text: str


class Handed(NamedTuple):
    """A message that was taken: to whom (`9…`), and when by the loop's time."""

    phone: str
    at_s: float


@dataclass(frozen=True, slots=True)
class _Told:
    delivered_at_s: float | None


class Desk:
    """One carrier, in real time. `started_s` is the loop's time at which its law begins."""

    def __init__(self, carrier: Carrier, handsets: Handsets) -> None:
        self.carrier = carrier
        self._handsets = handsets
        self._clock = time.monotonic
        self._started_s = self._clock()
        self._ids = itertools.count(1_000_001)
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._from_people: deque[FromPerson] = deque(maxlen=KEPT_MAX)
        self.handed: deque[Handed] = deque(maxlen=KEPT_MAX)

    def begin(self) -> None:
        """The law's time starts now."""
        self._started_s = self._clock()

    def take(self, phone: str, text: str) -> tuple[Answer, str]:
        """Hand a message over: the answer and the message's number."""
        now_s = self._clock()
        fate = self.carrier.decide(now_s - self._started_s)
        message_id = str(next(self._ids))
        if fate.arrives_in_s is not None:
            self._handsets.send(phone, text, fate.arrives_in_s)
        if fate.answer in (Answer.TAKEN, Answer.HANGING):
            self.handed.append(Handed(phone[-10:], now_s))
            is_told = fate.is_told_delivered and fate.receipt_in_s is not None
            self._keep(message_id, _Told(now_s + (fate.receipt_in_s or 0.0) if is_told else None))
        return fate.answer, message_id

    def state(self, message_id: str) -> State:
        """What the carrier says became of it, truly or not."""
        told = self._told.get(message_id)
        if told is None:
            return State.UNKNOWN
        is_due = told.delivered_at_s is not None and self._clock() >= told.delivered_at_s
        return State.DELIVERED if is_due else State.AT_OPERATOR

    def hear(self, sender: str, text: str) -> None:
        """Somebody sends a text to the carrier's line."""
        self._from_people.append(FromPerson(sender, text))

    def read(self, at_most: int) -> list[FromPerson]:
        """The texts from people, each once."""
        count = min(at_most, len(self._from_people))
        return [self._from_people.popleft() for _ in range(count)]

    def _keep(self, message_id: str, told: _Told) -> None:
        self._told[message_id] = told
        if len(self._told) > KEPT_MAX:
            self._told.popitem(last=False)
