"""Fifty thousand chats of one person: all of them by pages, and then only what changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgpack

from hodhod_server.services.sync_pages import CHATS_PER_PAGE, LOOK_AT_MAX
from hodhod_server.store import accounts
from hodhod_server.store.database import Database
from tests.long_logs import new_chats, write
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
CHATS = 50_000
JUST_NOW = timedelta(0)


async def test_who_returns_to_fifty_thousand_chats_is_told_what_changed(
    base: str, people: People, connect: Connect, database: Database
) -> None:
    sara, reza = await people.new(), await people.new()
    chats = sorted(await new_chats(database, sara.user, CHATS))
    hers = await connect(base, sara.token)
    pages = await sync(hers)
    assert [delta["chat"]["chat"] for page in pages for delta in page["chats"]] == chats
    assert all(len(page["chats"]) <= CHATS_PER_PAGE for page in pages)
    as_of = pages[0]["as_of"]
    written = chats[::500]
    await write(database, written, sara.user, 1, JUST_NOW)
    new = await (await connect(base, reza.token)).open_chat(sara.user)
    pages = await sync(hers, since=as_of)
    told = {delta["chat"]["chat"]: delta for page in pages for delta in page["chats"]}
    at_the_edges = set(chats[LOOK_AT_MAX - 1 :: LOOK_AT_MAX])
    assert set(told) - at_the_edges == {*written, new} - at_the_edges
    assert all(len(told[chat]["events"]) == 1 for chat in written)
    assert len(pages) == CHATS // LOOK_AT_MAX + 1
    assert sum(len(msgpack.packb(page)) for page in pages) < 64 * 1024


async def test_what_changed_everywhere_comes_page_by_page(
    base: str, people: People, connect: Connect, database: Database
) -> None:
    sara = await people.new()
    chats = sorted(await new_chats(database, sara.user, 3 * CHATS_PER_PAGE))
    hers = await connect(base, sara.token)
    as_of = (await sync(hers))[0]["as_of"]
    await write(database, chats, sara.user, 2, JUST_NOW)
    pages = await sync(hers, since=as_of)
    told = [delta["chat"]["chat"] for page in pages for delta in page["chats"]]
    assert told == chats
    assert all(len(page["chats"]) <= CHATS_PER_PAGE for page in pages)


async def sync(client: RawClient, **members: Any) -> list[dict[str, Any]]:
    """All pages."""
    pages = [await client.ask("sync", **members)]
    while "next" in pages[-1]:
        pages.append(await client.ask("sync", after=pages[-1]["next"], **members))
    return pages


async def test_a_new_name_is_told_to_who_returns(
    base: str, people: People, connect: Connect, database: Database
) -> None:
    sara, reza = await people.new(), await people.new()
    hers = await connect(base, sara.token)
    chat = await hers.open_chat(reza.user)
    await backdate(database)
    as_of = (await sync(hers))[0]["as_of"]
    assert (await sync(hers, since=as_of))[0]["chats"] == []
    async with database.transaction() as tx:
        await accounts.set_name(tx, reza.user, "رضا")
    ((delta,),) = [page["chats"] for page in await sync(hers, since=as_of)]
    assert delta["chat"]["chat"] == chat
    assert "رضا" in [member["name"] for member in delta["chat"]["members"]]


async def backdate(database: Database) -> None:
    """As if everything had happened long ago."""
    async with database.transaction() as tx:
        await tx.execute("ALTER TABLE members DISABLE TRIGGER members_note_change")
        await tx.execute("UPDATE members SET changed_at = changed_at - interval '1 day'")
        await tx.execute("ALTER TABLE members ENABLE TRIGGER members_note_change")
