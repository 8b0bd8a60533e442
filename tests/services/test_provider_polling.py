"""Polling: often while there is news, seldom while there is none, and nothing read is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hodhod_server.domain.phone import parse_phone
from hodhod_server.services.provider_polling import ProviderPolling
from hodhod_server.sms.provider import (
    Arrival,
    CodeMessage,
    Inbound,
    Outcome,
    OutcomeClass,
    Receipt,
    ReceiptState,
)
from tests.providers import terms
from tests.simulation.virtual_time import VirtualTimeLoop


def _text(message_id: str = "", text: str = "A7") -> Inbound:
    sender = parse_phone("09123456789")
    return Inbound(provider="first", sender=sender, line="3000", text=text, message_id=message_id)


class Panel:
    """A provider whose inbox shows each text once, unless it `repeats`."""

    poll_max = 2

    def __init__(self, *, repeats: bool = False) -> None:
        self.terms = terms()
        self.texts: list[Inbound] = []
        self.state = ReceiptState.AT_OPERATOR
        self.inbox_at: list[float] = []
        self.asked: list[tuple[float, Sequence[str]]] = []
        self._repeats = repeats

    async def send(self, _: CodeMessage) -> Outcome:
        return Outcome(kind=OutcomeClass.ACCEPTED)

    async def inbox(self) -> list[Inbound]:
        self.inbox_at.append(asyncio.get_running_loop().time())
        texts = list(self.texts)
        if not self._repeats:
            self.texts.clear()
        return texts

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        self.asked.append((asyncio.get_running_loop().time(), message_ids))
        return [Receipt(provider="first", message_id=one, state=self.state) for one in message_ids]


class Ear:
    """Stores what it is told; fails as often as it is told to."""

    def __init__(self) -> None:
        self.heard: list[Arrival] = []
        self.failures = 0

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        self.heard += arrivals


async def _nothing_pending(_: str, __: int) -> Sequence[str]:
    return ()


def _run(polling: ProviderPolling, seconds: float) -> None:
    async def for_a_while() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await polling.run()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(for_a_while())


def test_an_idle_inbox_is_asked_ever_more_seldom() -> None:
    panel = Panel()
    _run(ProviderPolling({"first": panel}, _nothing_pending, Ear()), 100)
    waits = [
        after - before for before, after in zip(panel.inbox_at, panel.inbox_at[1:], strict=False)
    ]
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(1.5)
    assert waits[-1] == pytest.approx(10)
    assert panel.asked == []


def test_while_texts_come_the_inbox_is_asked_each_second() -> None:
    panel, ear = Panel(repeats=True), Ear()
    panel.texts = [_text()]  # without a name each showing is a new text
    _run(ProviderPolling({"first": panel}, _nothing_pending, ear), 30)
    assert len(ear.heard) == pytest.approx(30, abs=1)


def test_a_page_of_texts_is_followed_by_the_next_at_once() -> None:
    panel, ear = Panel(repeats=True), Ear()
    panel.texts = [_text()] * 100
    _run(ProviderPolling({"first": panel}, _nothing_pending, ear), 30)
    assert len(ear.heard) / 30 > 400


def test_a_text_that_is_shown_again_is_told_once() -> None:
    panel, ear = Panel(repeats=True), Ear()
    panel.texts = [_text("1"), _text("2")]
    _run(ProviderPolling({"first": panel}, _nothing_pending, ear), 60)
    assert ear.heard == [_text("1"), _text("2")]
    assert len(panel.inbox_at) < 15


def test_a_text_shown_once_is_kept_until_it_is_stored() -> None:
    panel, ear = Panel(), Ear()
    panel.texts, ear.failures = [_text("1")], 5
    _run(ProviderPolling({"first": panel}, _nothing_pending, ear), 60)
    assert ear.heard == [_text("1")]
    assert panel.inbox_at[1] - panel.inbox_at[0] > 10  # nothing was read while it was not stored


def test_receipts_are_asked_for_in_the_batches_a_provider_takes() -> None:
    panel, ear, waiting = Panel(), Ear(), [str(number) for number in range(5)]

    async def pending(provider: str, ids_max: int) -> Sequence[str]:
        assert provider == "first"
        given = waiting[:ids_max]
        del waiting[:ids_max]
        return given

    _run(ProviderPolling({"first": panel}, pending, ear), 60)
    assert [ids for _, ids in panel.asked] == [["0", "1"], ["2", "3"], ["4"]]
    assert len(ear.heard) == 5


def test_receipts_without_news_are_asked_for_ever_more_seldom_and_not_told() -> None:
    panel, ear = Panel(), Ear()
    panel.state = ReceiptState.UNKNOWN

    async def pending(_: str, __: int) -> Sequence[str]:
        return ("1",)

    _run(ProviderPolling({"first": panel}, pending, ear), 300)
    assert ear.heard == []
    assert panel.asked[-1][0] - panel.asked[-2][0] == pytest.approx(30)


def test_a_database_that_is_away_stops_no_polling() -> None:
    panel, ear, failures = Panel(), Ear(), [1, 2, 3]

    async def pending(_: str, __: int) -> Sequence[str]:
        if failures:
            failures.pop()
            raise ConnectionError
        return ("1",)

    _run(ProviderPolling({"first": panel}, pending, ear), 60)
    assert ear.heard
