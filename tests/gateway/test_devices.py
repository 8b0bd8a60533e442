"""Several devices of one person: each has a position of its own, and all see the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from hodhod_server.store.database import Database
from tests.long_logs import new_group
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
MESSAGES = 50


@pytest.mark.parametrize("is_broadcast", [False, True], ids=["roster", "broadcast"])
async def test_what_one_device_sends_appears_on_the_others_in_order(
    base: str, people: People, connect: Connect, database: Database, is_broadcast: bool
) -> None:
    sara, reza = await people.new(), await people.new()
    tablet = await people.another_device(sara.user)
    chat = await new_group(database, [sara.user, reza.user], is_broadcast=is_broadcast)
    desk, hers = await connect(base, sara.token), await connect(base, tablet.token)
    his = await connect(base, reza.token)
    for number in range(MESSAGES):
        await (desk, hers)[number % 2].send_text(chat, str(number))
    everything = list(range(1, MESSAGES + 1))
    assert await heard(his, MESSAGES) == everything
    assert await heard(hers, MESSAGES // 2) == everything[::2]
    assert await heard(desk, MESSAGES // 2) == everything[1::2]


async def test_what_one_device_has_read_is_read_on_the_others(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    tablet = await people.another_device(sara.user)
    desk, hers = await connect(base, sara.token), await connect(base, tablet.token)
    his = await connect(base, reza.token)
    chat = await his.open_chat(sara.user)
    for number in range(1, 4):
        await his.send_text(chat, str(number))
    await desk.ask("read", chat=chat, seq=3)
    for client in (hers, his):
        told = await client.push("position")
        assert (told["user"], told["read"]) == (sara.user, 3)
    late = await connect(base, (await people.another_device(sara.user)).token)
    (delta,) = (await late.ask("sync", positions=[{"chat": chat, "seq": 1}]))["chats"]
    assert [event["seq"] for event in delta["events"]] == [2, 3]
    assert {one["user"]: one.get("read", 0) for one in delta["chat"]["members"]} == {
        sara.user: 3,
        reza.user: 0,
    }


async def heard(client: RawClient, count: int) -> list[int]:
    """The seqs of the next so many events."""
    return [(await client.push("event"))["event"]["seq"] for _ in range(count)]
