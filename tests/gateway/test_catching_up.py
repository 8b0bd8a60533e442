"""Sync after an absence, history in both directions, and pages that are bounded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hodhod_server.services import sync_pages
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]


async def sync_all(client: RawClient, positions: dict[int, int]) -> list[dict[str, Any]]:
    """Every page of a sync, as a client reads them."""
    deltas: list[dict[str, Any]] = []
    after = 0
    while True:
        page = await client.ask(
            "sync",
            positions=[{"chat": chat, "seq": seq} for chat, seq in positions.items()],
            after=after,
        )
        deltas += page["chats"]
        if "next" not in page:
            return deltas
        after = page["next"]


async def test_what_was_missed_comes_once_and_in_order(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers = await connect(base, sara.token)
    chat = await hers.open_chat(reza.user)
    for number in range(1, 11):
        await hers.send_text(chat, str(number))
    his = await connect(base, reza.token)
    (delta,) = await sync_all(his, {chat: 4})
    assert [event["seq"] for event in delta["events"]] == [5, 6, 7, 8, 9, 10]
    assert delta["chat"]["last_seq"] == 10
    assert "more" not in delta


async def test_a_chat_new_to_the_client_comes_with_its_last_events(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers = await connect(base, sara.token)
    chat = await hers.open_chat(reza.user)
    for number in range(1, 31):
        await hers.send_text(chat, str(number))
    (delta,) = await sync_all(await connect(base, reza.token), {})
    assert [event["seq"] for event in delta["events"]] == list(range(11, 31))


async def test_a_long_backlog_is_continued_with_history(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    chat = await hers.open_chat(reza.user)
    for number in range(1, 131):
        await hers.send_text(chat, str(number))
    (delta,) = await sync_all(his, {chat: 0})
    assert delta["more"]
    seqs = [event["seq"] for event in delta["events"]]
    while True:
        page = await his.ask("history", chat=chat, after=seqs[-1], limit=50)
        seqs += [event["seq"] for event in page["events"]]
        if "more" not in page:
            break
    assert seqs == list(range(1, 131))


async def test_a_page_is_bounded_in_chats_events_and_bytes(
    base: str, people: People, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_pages, "CHATS_PER_PAGE", 3)
    monkeypatch.setattr(sync_pages, "EVENTS_PER_PAGE", 60)
    monkeypatch.setattr(sync_pages, "BYTES_PER_PAGE", 20_000)
    sara = await people.new()
    hers = await connect(base, sara.token)
    lasts: dict[int, int] = {}
    for _ in range(7):
        other = await people.new()
        chat = await hers.open_chat(other.user)
        for number in range(1, 6):
            await hers.send_text(chat, "م" * 1000)
            lasts[chat] = number
    deltas = await sync_all(hers, dict.fromkeys(lasts, 0))
    assert {delta["chat"]["chat"]: delta["chat"]["last_seq"] for delta in deltas} == lasts
    for delta in deltas:
        seqs = [event["seq"] for event in delta["events"]]
        assert seqs == list(range(1, len(seqs) + 1))
        assert seqs[-1] == 5 or delta["more"]


async def test_a_client_may_ask_for_small_pages(
    base: str, people: People, connect: Connect
) -> None:
    sara = await people.new()
    hers = await connect(base, sara.token)
    chats = [await hers.open_chat((await people.new()).user) for _ in range(3)]
    for chat in chats:
        for number in range(4):
            await hers.send_text(chat, str(number))
    positions = [{"chat": chat, "seq": 0} for chat in chats]
    page = await hers.ask("sync", positions=positions, limit=5)
    assert [len(delta["events"]) for delta in page["chats"]] == [4]
    assert page["next"] == chats[0]
    page = await hers.ask("sync", positions=positions, limit=1, after=chats[0])
    assert [(len(delta["events"]), delta["more"]) for delta in page["chats"]] == [(1, True)]
    assert page["next"] == chats[1]


async def test_history_backwards_reaches_the_beginning(
    base: str, people: People, connect: Connect
) -> None:
    sara = await people.new()
    hers = await connect(base, sara.token)
    chat = await hers.open_chat(sara.user)
    for number in range(1, 26):
        await hers.send_text(chat, str(number))
    seqs: list[int] = []
    before: dict[str, int] = {}
    while True:
        page = await hers.ask("history", chat=chat, limit=10, **before)
        found = [event["seq"] for event in page["events"]]
        assert found == sorted(found)
        seqs = found + seqs
        if "more" not in page:
            break
        before = {"before": found[0]}
    assert seqs == list(range(1, 26))


async def test_sync_of_a_range_of_chats_keeps_to_it(
    base: str, people: People, connect: Connect
) -> None:
    sara = await people.new()
    hers = await connect(base, sara.token)
    chats = [await hers.open_chat((await people.new()).user) for _ in range(5)]
    page = await hers.ask("sync", after=chats[0], until=chats[3])
    assert [delta["chat"]["chat"] for delta in page["chats"]] == chats[1:4]
