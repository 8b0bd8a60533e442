"""The SDK after a long absence, and with more chats than most have, against the real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hodhod import Client, Message
from hodhod_server.domain.ids import UserId
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests.long_logs import new_chats, write
from tests.node import Node, new_node, running_node

PHONE = "+989123456789"
CHATS = 300
MISSED = 100_000
WITHIN_S = 50.0


@pytest.fixture
async def node(settings: Settings) -> AsyncIterator[Node]:
    async with running_node(settings) as running:
        yield running


async def signed_up(node: Node, path: Path) -> UserId:
    async with Client(node.url, state=path) as client:
        challenge = await client.request_code(PHONE)
        await challenge.wait_sent()
        user = await challenge.verify(await node.code(PHONE), name="Sara")
        await client.chats()
    return UserId(user.id)


async def test_a_backlog_is_handed_over_once_and_in_order(
    node: Node, database: Database, tmp_path: Path
) -> None:
    user = await signed_up(node, tmp_path / "sara")
    chats = await new_chats(database, user, CHATS)
    one = min(chats)
    await write(database, chats, chats[one], MISSED // 2 // CHATS)
    await write(database, [one], chats[one], MISSED // 2)
    async with Client(node.url, state=tmp_path / "sara") as client:
        got = await handed_over(client, CHATS * (MISSED // 2 // CHATS) + MISSED // 2)
    assert set(got) == set(chats)
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in got.values())


async def handed_over(client: Client, count: int) -> dict[int, list[int]]:
    """The seqs of the next so many messages, by chat."""
    got: defaultdict[int, list[int]] = defaultdict(list)
    async with asyncio.timeout(WITHIN_S):
        async for event in client.events():
            if isinstance(event, Message):
                got[event.chat].append(event.seq)
                count -= 1
            if not count:
                return got
    raise AssertionError("events end only by an exception")


async def test_thousands_of_chats_are_known_after_the_first_sync_and_followed_after_a_cut(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    node = new_node()
    async with contextlib.AsyncExitStack() as stack:
        async with running_node(settings, node=node):
            user = await signed_up(node, tmp_path / "sara")
            chats = await new_chats(database, user, 3000)
            client = await stack.enter_async_context(Client(node.url, state=tmp_path / "sara"))
            assert {chat.id for chat in await client.chats()} == set(chats)
        quiet = list(chats)[::300]
        await write(database, quiet, user, 30, timedelta(0))
        async with running_node(settings, node=node):
            got = await handed_over(client, 30 * len(quiet))
    assert got == {chat: list(range(1, 31)) for chat in quiet}
