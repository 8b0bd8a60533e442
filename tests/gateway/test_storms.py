"""A storm of reads does not hold up messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hodhod_server.store.database import Database
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]


async def test_messages_are_durable_while_every_read_is_stuck(
    base: str, people: People, connect: Connect, database: Database
) -> None:
    sara, reza = await people.new(), await people.new()
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    chat = await hers.open_chat(reza.user)
    await hers.send_text(chat, "پیش از آن")
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE members IN ACCESS EXCLUSIVE MODE")
        for ref in range(1000, 1020):
            await his.tell(t="get_chat", ref=ref, chat=chat)
        await his.ask("ping")
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            assert (await hers.send_text(chat, "در میانه"))["seq"] == 2
    for _ in range(20):
        await his.push("chat")
