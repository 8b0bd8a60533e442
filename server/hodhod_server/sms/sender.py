"""Who carries codes: one contract for every provider and channel.

We make and check the code, a sender only carries it; so the same code can travel over several of
them. A sender gets the code and not a text, because providers fill it into a template of their own.

Always true: `send` returns within five seconds and does not raise for anything a provider does.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol

import msgspec

from hodhod_server.domain.challenges import Locale
from hodhod_server.domain.codes import Code
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.phone import Phone

# One UCS-2 text has 70 units, 67 where a provider's footer makes it a part; more costs two texts.
TEXT_UNITS_MAX: Final = 67
_TEXTS: Final[dict[Locale, str]] = {
    "fa": "کد ورود هدهد: {digits}\nبه هیچ‌کس ندهید.",
    "en": "Hodhod code: {digits}\nGive it to nobody.",
}


class CodeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A code on its way. `reference` is the same for every send of a challenge."""

    phone: Phone
    code: Code
    locale: Locale
    reference: ChallengeId

    def text(self) -> str:
        """What the person reads, where the sender has no template: ASCII digits, for autofill."""
        return _TEXTS[self.locale].format(digits=self.code.digits)


class OutcomeClass(StrEnum):
    """What became of a hand-off, by what is to be done about it."""

    ACCEPTED = "accepted"  # the provider took it, which is not delivery
    AMBIGUOUS = "ambiguous"  # cut off after the request was written: maybe sent
    PROVIDER_FAULT = "provider_fault"  # 5xx, busy: another provider, at once
    THROTTLED = "throttled"  # our pace is too high for it
    CONFIG = "config"  # credit, key, template: an operator has to act
    RECIPIENT = "recipient"  # this number cannot get it on this channel
    FRAUD = "fraud"  # the provider suspects abuse


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a sender. `retry_after_s` is what the provider asked for, if it did."""

    kind: OutcomeClass
    retry_after_s: float | None = None

    @property
    def is_taken(self) -> bool:
        """May the person get a text from this? Then it counts, and its code lives."""
        return self.kind in (OutcomeClass.ACCEPTED, OutcomeClass.AMBIGUOUS)


class CodeSender(Protocol):
    """One way to a person's phone."""

    @property
    def channel(self) -> str:
        """How the code travels: `sms`."""
        ...

    async def send(self, message: CodeMessage) -> Outcome:
        """Hand the code over."""
        ...
