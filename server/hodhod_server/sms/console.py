"""The provider of `hodhod up`: no text leaves the machine, `/dev/outbox` shows them.

Bounded: the newest `phones_max` numbers with their newest `texts_max` texts; the longest untouched
number is dropped. For development only, since whoever reads the outbox can sign in as anybody.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime

import msgspec

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.email import EmailAddress
from hodhod_server.domain.phone import Phone
from hodhod_server.sms.provider import CodeMessage, Outcome, OutcomeClass, Terms


class SentText(msgspec.Struct, frozen=True, kw_only=True):
    """A text as the person would have got it."""

    at: datetime
    text: str

    def __repr__(self) -> str:
        return f"SentText(at={self.at})"


class ConsoleProvider:
    """Keeps texts in memory instead of sending them."""

    def __init__(
        self, terms: Terms, clock: Clock, *, phones_max: int = 20_000, texts_max: int = 5
    ) -> None:
        self.terms = terms
        self._clock = clock
        self._phones_max = phones_max
        self._texts_max = texts_max
        self._texts: OrderedDict[Phone | EmailAddress, deque[SentText]] = OrderedDict()

    async def send(self, message: CodeMessage) -> Outcome:
        texts = self._texts.setdefault(message.to, deque(maxlen=self._texts_max))
        self._texts.move_to_end(message.to)
        texts.append(SentText(at=self._clock.now(), text=message.text))
        if len(self._texts) > self._phones_max:
            self._texts.popitem(last=False)
        return Outcome(kind=OutcomeClass.ACCEPTED)

    def texts_for(self, phone: Phone) -> list[SentText]:
        """The last texts to a number, oldest first."""
        return list(self._texts.get(phone, ()))
