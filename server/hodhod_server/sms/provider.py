"""Who carries codes: one contract for every provider and channel.

We make and check the code, a provider only carries it; so the same code can travel over several of
them. A provider gets code and text: most fill the code into a template of their own.

Always true: `send` returns within `SEND_S` and does not raise for anything a provider does. What a
provider tells later (a receipt, a text from a person) is an `Arrival`, however it comes: by
callback, by polling, or over the line that sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

import msgspec

from hodhod_server.domain.challenges import Locale
from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.codes import Code
from hodhod_server.domain.email import EmailAddress
from hodhod_server.domain.phone import Phone

SEND_S: Final = 5.0  # connecting may take two of them (research: MessageWay's own SDK waits five)


class Channel(StrEnum):
    """How a code travels."""

    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"


class CodeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A code on its way. `reference` is unique to this hand-off, for providers that want a key."""

    to: Phone | EmailAddress
    code: Code
    text: str
    locale: Locale
    client: ClientKind = ClientKind.GENERIC
    reference: str
    valid_s: int = 600
    """What is left of the code's life: the network need not deliver it later."""
    tag: str = ""
    """Two letters that the screen shows too, where a number has several challenges."""

    def __repr__(self) -> str:
        return f"CodeMessage({self.reference})"


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
    """The answer of a provider. `answer` is its own code for it (`http 200, status 418`)."""

    kind: OutcomeClass
    message_id: str | None = None
    answer: str = ""
    cost: int | None = None
    retry_after_s: float | None = None

    @property
    def is_taken(self) -> bool:
        """May the person get a text from this? Then it counts, and its code lives."""
        return self.kind in (OutcomeClass.ACCEPTED, OutcomeClass.AMBIGUOUS)


class ReceiptState(StrEnum):
    """How far a message has come. Only `DELIVERED` is success; `AT_OPERATOR` is not."""

    UNKNOWN = "unknown"
    QUEUED = "queued"
    AT_OPERATOR = "at_operator"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    BLACKLISTED = "blacklisted"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Will no better one follow?"""
        return self not in (ReceiptState.UNKNOWN, ReceiptState.QUEUED, ReceiptState.AT_OPERATOR)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says became of a message."""

    provider: str
    message_id: str
    state: ReceiptState
    at: datetime | None = None
    answer: str = ""


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """A text that a person sent to our line. `message_id` is "" where there is none."""

    provider: str
    sender: Phone
    line: str
    text: str
    message_id: str = ""

    def __repr__(self) -> str:
        return f"Inbound({self.provider})"


Arrival = Receipt | Inbound
Listener = Callable[[Sequence[Arrival]], Awaitable[None]]
"""Returns once the arrivals are stored: only then they may be confirmed to the provider."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is agreed with a provider."""

    name: str
    channel: Channel
    failure_domain: str
    rate_per_s: float
    in_flight_max: int
    cost: int = 0


class Provider(Protocol):
    """One way to a person. Opened by `opening.open_providers`, which also closes it."""

    @property
    def terms(self) -> Terms:
        """What is agreed with it."""
        ...

    async def send(self, message: CodeMessage) -> Outcome:
        """Hand the code over."""
        ...


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's HTTP call to us: query and form fields together, and the raw body."""

    fields: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return "Callback()"


@runtime_checkable
class CallingBack(Protocol):
    """A provider that tells by calling `/v1/signup/callbacks/{name}/{secret}`."""

    def read_callback(self, callback: Callback) -> list[Arrival]:
        """What it tells. Raises `Malformed`."""
        ...


@runtime_checkable
class Polled(Protocol):
    """A provider that must be asked. Neither call raises: nothing new is an empty answer."""

    poll_max: int

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        """What became of at most `poll_max` messages."""
        ...

    async def inbox(self) -> list[Inbound]:
        """Texts from people since the last call; many providers show each only once."""
        ...


@runtime_checkable
class Lined(Protocol):
    """A provider with a line of its own that one process may hold: others would be heard there
    too, and each bind counts against the contract. The process that dispatches holds it."""

    async def hold_line(self) -> None:
        """Bind, and bind again after a loss, until cancelled; then unbind."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A provider that tells how much money is left."""

    async def credit(self) -> int | None:
        """In the provider's unit; None where it did not answer."""
        ...
