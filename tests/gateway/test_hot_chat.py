"""One chat in which everybody writes at once, on two gateways: order, no loss."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from hodhod_server.services import chat_changes
from tests.gateway.conftest import Gateway
from tests.people import People, Person
from tests.raw_client import RawClient
from tests.sizes import sized

Connect = Callable[..., Awaitable[RawClient]]
MEMBERS = 20
WRITERS = 5
EACH = sized(300, 1000)
IN_FLIGHT = 50
BODY = {"t": "text", "text": "گل!"}


@pytest.fixture
async def two(gateway: Gateway) -> AsyncIterator[tuple[str, str]]:
    async with gateway() as one, gateway() as other:
        yield one, other


@pytest.mark.parametrize("is_broadcast", [False, True], ids=["roster", "broadcast"])
async def test_all_of_a_hot_chat_arrives_at_everybody_in_order(
    two: tuple[str, str],
    people: People,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    is_broadcast: bool,
) -> None:
    if is_broadcast:
        monkeypatch.setattr(chat_changes, "BROADCAST_MEMBERS", 3)
    members = [await people.new() for _ in range(MEMBERS)]
    chat = await group_of(two[0], members)
    clients = [
        await connect(base, who.token)
        for base, who in zip(itertools.cycle(two), members, strict=False)
    ]
    writers, readers = clients[:WRITERS], clients[WRITERS:]
    for client in clients:
        client.pushes.clear()
    first = (await clients[0].ask("get_chat", chat=chat))["chat"]["last_seq"] + 1
    until = first + WRITERS * EACH - 1
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(write(client, chat)) for client in writers]
        reading = [tasks.create_task(read(client, WRITERS * EACH)) for client in readers]
    own = [seq for task in writing for seq in task.result()]
    assert sorted(own) == list(range(first, until + 1))
    for task in writing:
        assert task.result() == sorted(task.result())
    for task in reading:
        assert in_order(task.result()) == list(range(first, until + 1))


async def group_of(base: str, members: list[Person]) -> int:
    """Founded by the first of them."""
    headers = {"Authorization": f"Bearer {members[0].token}"}
    users = [who.user for who in members[1:]]
    wanted = {"kind": "group", "title": "کوه", "members": users}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{base}/v1/chats", json=wanted) as answer,
    ):
        chat: int = (await answer.json())["chat"]
        return chat


async def write(client: RawClient, chat: int) -> list[int]:
    """Send as fast as the answers come; returns what the messages became."""
    seqs: list[int] = []
    for start in range(0, EACH, IN_FLIGHT):
        refs = range(10_000 + start, 10_000 + start + IN_FLIGHT)
        for ref in refs:
            await client.tell(t="send", ref=ref, chat=chat, client_id=ref, body=BODY)
        for ref in refs:
            reply = await client.reply(ref)
            assert reply["t"] == "sent", reply
            seqs.append(reply["seq"])
        client.pushes.clear()
    return seqs


async def read(client: RawClient, count: int) -> list[int]:
    """The seqs of so many pushed events."""
    return [(await client.push("event"))["event"]["seq"] for _ in range(count)]


def in_order(seqs: list[int]) -> list[int]:
    """As a client puts them: two gateways' pushes may cross, none comes twice or strays far."""
    ordered = sorted(seqs)
    assert len(set(seqs)) == len(seqs)
    assert all(abs(place - ordered.index(seq)) < 500 for place, seq in list(enumerate(seqs))[::50])
    return ordered
