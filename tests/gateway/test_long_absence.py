"""Tens of thousands of missed messages: page by page, in bounds, holding nobody back."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgpack

from hodhod_server.services.sync_pages import (
    BYTES_PER_PAGE,
    CHATS_PER_PAGE,
    EVENTS_PER_CHAT,
    EVENTS_PER_PAGE,
)
from hodhod_server.store.database import Database
from hodhod_wire.limits import PAGE_EVENTS_MAX, POSITIONS_MAX
from tests.long_logs import new_chats, open_chat, write
from tests.people import People
from tests.raw_client import RawClient
from tests.sizes import sized

Connect = Callable[..., Awaitable[RawClient]]
MISSED = sized(40_000, 100_000)
CHATS = 300
PROMPT_S = 2.0  # coarse: the machine is shared
HEAP_GROWTH_MAX = sized(8, 20) * 1024 * 1024  # a page is half a MB; a backlog would be 24, or 60


async def test_a_backlog_in_one_chat_comes_page_by_page(
    base: str, people: People, connect: Connect, database: Database
) -> None:
    sara, reza = await people.new(), await people.new()
    chat = await open_chat(database, sara.user, reza.user)
    await write(database, [chat], sara.user, MISSED)
    his = await connect(base, reza.token)
    async with others_talk(base, people, connect):
        (delta,) = (await his.ask("sync", positions=[{"chat": chat, "seq": 0}]))["chats"]
        assert len(delta["events"]) == EVENTS_PER_CHAT
        assert delta["more"]
        seq = await read_on(his, chat, EVENTS_PER_CHAT)
    assert seq == MISSED


async def test_a_backlog_in_many_chats_comes_page_by_page(
    base: str, people: People, connect: Connect, database: Database
) -> None:
    reza = await people.new()
    chats = await new_chats(database, reza.user, CHATS)
    await write(database, chats, reza.user, MISSED // CHATS + 1)
    his = await connect(base, reza.token)
    reached = dict.fromkeys(chats, 0)
    with heap_growth_bounded():
        async with others_talk(base, people, connect):
            async for page in pages(his, reached):
                take(page, reached)
            assert sorted(reached) == sorted(chats)
            for chat, seq in reached.items():
                reached[chat] = await read_on(his, chat, seq)
    assert sum(reached.values()) >= MISSED


async def test_a_device_away_for_a_month_holds_up_none_of_the_others(
    base: str, people: People, connect: Connect, database: Database
) -> None:
    sara, reza = await people.new(), await people.new()
    tablet = await people.another_device(reza.user)
    chats = await new_chats(database, reza.user, 200)
    chat = await open_chat(database, sara.user, reza.user)
    await write(database, chats, reza.user, 150)
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    returned = await connect(base, tablet.token)
    reached = dict.fromkeys([*chats, chat], 0)

    async def catch_up() -> None:
        async for page in pages(returned, reached):
            take(page, reached)
        for one in chats:
            reached[one] = await read_on(returned, one, reached[one])

    async with asyncio.TaskGroup() as tasks:
        catching_up = tasks.create_task(catch_up())
        told = 0
        while not catching_up.done():
            told += 1
            await prompt_turn(hers, his, chat)
    assert [reached[one] for one in chats] == [150] * len(chats)
    assert told > 1, "there was nothing meanwhile"
    live = [(await returned.push("event"))["event"]["seq"] for _ in range(told)]
    assert live == list(range(1, told + 1))


# --- what they do --------------------------------------------------------------------------------


async def pages(client: RawClient, reached: dict[int, int]) -> AsyncIterator[dict[str, Any]]:
    """The pages of a sync, asked for as the protocol describes it."""
    known = sorted(reached)
    after: int | None = 0
    while after is not None:
        ahead = [chat for chat in known if chat > after]
        until = {"until": ahead[POSITIONS_MAX - 1]} if len(ahead) > POSITIONS_MAX else {}
        positions = [{"chat": chat, "seq": reached[chat]} for chat in ahead[:POSITIONS_MAX]]
        page = await client.ask("sync", after=after, positions=positions, **until)
        yield page
        after = page.get("next", until.get("until"))


def take(page: dict[str, Any], reached: dict[int, int]) -> None:
    """What the client has after a page, which must be in bounds, contiguous and in order."""
    assert len(page["chats"]) <= CHATS_PER_PAGE
    assert sum(len(delta.get("events", ())) for delta in page["chats"]) <= EVENTS_PER_PAGE
    assert len(msgpack.packb(page)) <= BYTES_PER_PAGE + 64 * 1024
    for delta in page["chats"]:
        chat = delta["chat"]["chat"]
        for event in delta.get("events", ()):
            assert event["seq"] == reached.get(chat, 0) + 1
            reached[chat] = event["seq"]


async def read_on(client: RawClient, chat: int, seq: int) -> int:
    """Read a log to its end; returns its last seq."""
    while True:
        page = await client.ask("history", chat=chat, after=seq, limit=PAGE_EVENTS_MAX)
        events = page.get("events", [])
        assert len(events) <= PAGE_EVENTS_MAX
        assert [event["seq"] for event in events] == list(range(seq + 1, seq + 1 + len(events)))
        seq += len(events)
        if not page.get("more"):
            return seq


@contextlib.asynccontextmanager
async def others_talk(base: str, people: People, connect: Connect) -> AsyncIterator[None]:
    """Meanwhile others go on writing to one another, each message arriving promptly."""
    mina, ali = await people.new(), await people.new()
    hers, his = await connect(base, mina.token), await connect(base, ali.token)
    chat = await hers.open_chat(ali.user)

    async def talk() -> None:
        while True:
            await prompt_turn(hers, his, chat)
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(talk())
        yield
        talking.cancel()


async def prompt_turn(writer: RawClient, reader: RawClient, chat: int) -> None:
    """One message is written and arrives promptly."""
    async with asyncio.timeout(PROMPT_S):
        seq = (await writer.send_text(chat, "خبری هست؟"))["seq"]
        assert (await reader.push("event"))["event"]["seq"] == seq


@contextlib.contextmanager
def heap_growth_bounded() -> Iterator[None]:
    """Server and client together never hold much more than a page, at any moment."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        grown, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < HEAP_GROWTH_MAX, (grown, peak)
