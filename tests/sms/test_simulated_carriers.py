"""Each protocol that a simulated carrier speaks is understood by the adapter made for the real one.

What a surge is rehearsed with would otherwise be a world of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from pydantic import TypeAdapter

from hodhod_loadtest.carriers.law import Law, Span
from hodhod_loadtest.carriers.street import Line, Street, open_street
from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.codes import Code
from hodhod_server.domain.phone import parse_phone
from hodhod_server.settings.providers import AnyProvider
from hodhod_server.sms.opening import open_providers
from hodhod_server.sms.provider import (
    Arrival,
    CodeMessage,
    OutcomeClass,
    Polled,
    Provider,
    ReceiptState,
)
from tests.clock import FakeClock

KINDS = ("kavenegar", "smsir", "ghasedak")
PROVIDERS: TypeAdapter[list[AnyProvider]] = TypeAdapter(list[AnyProvider])
PHONE = parse_phone("09121234567")
AT_ONCE = Law(median_s=0.01, slow=0.0, lost=0.0, receipt_s=0.01)


def _message() -> CodeMessage:
    return CodeMessage(
        to=PHONE,
        code=Code("482913"),
        text="482913",
        locale="fa",
        client=ClientKind.GENERIC,
        tag="",
        reference="challenge-1",
        valid_s=600,
    )


@contextlib.asynccontextmanager
async def _opened(kind: str, law: Law) -> AsyncIterator[tuple[Street, Provider]]:
    async def ignore(_: Sequence[Arrival]) -> None:
        raise AssertionError

    line = Line(name="one", kind=kind, law=law, listens=True)
    async with open_street([line], seed=1) as street:
        settings = PROVIDERS.validate_python(json.loads(street.settings()))
        async with open_providers(settings, FakeClock(), ignore) as opened:
            yield street, opened["one"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_text_arrives_and_its_receipt_is_understood(kind: str) -> None:
    async with _opened(kind, AT_ONCE) as (street, provider):
        handset = street.handsets.open(PHONE.national)
        outcome = await provider.send(_message())
        assert outcome.kind is OutcomeClass.ACCEPTED
        async with asyncio.timeout(5):
            await handset.arrived.wait()
        assert handset.codes == ["482913"]
        assert isinstance(provider, Polled)
        assert outcome.message_id is not None
        await asyncio.sleep(0.05)
        [receipt] = await provider.receipts([outcome.message_id])
        assert receipt.state is ReceiptState.DELIVERED
        assert receipt.message_id == outcome.message_id


@pytest.mark.parametrize("kind", KINDS)
async def test_a_text_from_a_person_is_read_from_the_inbox(kind: str) -> None:
    async with _opened(kind, AT_ONCE) as (street, provider):
        street.hear(PHONE.national, "ABCD2345")
        assert isinstance(provider, Polled)
        [text] = await provider.inbox()
        assert (text.sender, text.text) == (PHONE, "ABCD2345")
        assert await provider.inbox() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("law", "outcome"),
    [
        (Law(broken=(Span(0.0),)), OutcomeClass.PROVIDER_FAULT),
        (Law(credit=0), OutcomeClass.CONFIG),
        (Law(rate_per_s=0.5), OutcomeClass.THROTTLED),
    ],
)
async def test_each_trouble_is_told_apart(kind: str, law: Law, outcome: OutcomeClass) -> None:
    async with _opened(kind, law) as (_, provider):
        assert (await provider.send(_message())).kind is outcome
