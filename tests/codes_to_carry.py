"""Codes on their way and those who listen to carriers, for tests of providers."""

from __future__ import annotations

from collections.abc import Sequence

from hodhod_server.domain.codes import Code
from hodhod_server.domain.email import EmailAddress
from hodhod_server.domain.phone import Phone
from hodhod_server.sms.provider import Arrival, CodeMessage, Inbound, Receipt

PERSIAN = "کد ورود هدهد: 123456"


def code_message(
    to: Phone | EmailAddress | None = None,
    text: str = PERSIAN,
    *,
    reference: str = "first",
    valid_s: int = 600,
) -> CodeMessage:
    """A code for a number of the tests."""
    return CodeMessage(
        to=to or Phone("+989121234567"),
        code=Code("123456"),
        text=text,
        locale="fa",
        reference=reference,
        valid_s=valid_s,
    )


class Heard:
    """A listener that keeps what it was told."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.is_broken = False

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        if self.is_broken:
            raise ConnectionError
        self.arrivals += arrivals

    @property
    def receipts(self) -> list[Receipt]:
        return [arrival for arrival in self.arrivals if isinstance(arrival, Receipt)]

    @property
    def texts(self) -> list[Inbound]:
        return [arrival for arrival in self.arrivals if isinstance(arrival, Inbound)]
