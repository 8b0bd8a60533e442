"""Groups over sockets and several gateways: what each member's device is told, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from hodhod_server.domain.chat_limits import RECEIPT_MEMBERS_MAX, TYPING_HINTS_PER_S
from tests.gateway.conftest import Gateway
from tests.people import People, Person
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
Call = Callable[..., Awaitable[Any]]


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    """Makes a JSON request as somebody; returns the body."""
    async with aiohttp.ClientSession() as session:

        async def request(base: str, method: str, path: str, who: Person, **body: Any) -> Any:
            headers = {"Authorization": f"Bearer {who.token}"}
            async with session.request(method, base + path, headers=headers, json=body) as answer:
                return await answer.json()

        yield request


async def silence(client: RawClient, tag: str) -> None:
    """Nothing of the kind comes before the reply to a ping of a moment later."""
    await asyncio.sleep(0.2)
    await client.ask("ping")
    assert [frame for frame in client.pushes if frame["t"] == tag] == []


async def found(call: Call, base: str, owner: Person, *users: Person, **more: Any) -> int:
    wanted = {"kind": "group", "title": "کوه", "members": [one.user for one in users], **more}
    chat: int = (await call(base, "POST", "/v1/chats", owner, **wanted))["chat"]
    return chat


async def test_whoever_comes_changes_or_goes_is_told_on_every_gateway(
    gateway: Gateway, people: People, connect: Connect, call: Call
) -> None:
    sara, reza, mina = [await people.new() for _ in range(3)]
    async with gateway() as here, gateway() as there:
        his, hers = await connect(there, reza.token), await connect(there, mina.token)
        chat = await found(call, here, sara, reza)
        path = f"/v1/chats/{chat}"
        state = (await his.push("chat_state"))["chat"]
        assert (state["chat"], state["title"], state["me"]["role"]) == (chat, "کوه", "member")
        assert (await his.push("event"))["event"]["body"]["t"] == "created"
        await call(here, "POST", f"{path}/members", sara, users=[mina.user])
        assert (await hers.push("chat_state"))["chat"]["member_count"] == 3
        for client in (his, hers):
            body = (await client.push("event"))["event"]["body"]
            assert body == {"t": "joined", "users": [mina.user]}
        assert (await hers.send_text(chat, "سلام"))["seq"] == 3
        assert (await his.push("event"))["event"]["seq"] == 3
        role = {"role": "admin", "permissions": ["manage_members"]}
        await call(here, "PATCH", f"{path}/members/{mina.user}", sara, **role)
        assert (await hers.push("chat_state"))["chat"]["me"]["role"] == "admin"
        await call(there, "DELETE", f"{path}/members/{reza.user}", mina)
        assert (await his.push("chat_gone"))["chat"] == chat
        assert (await hers.push("event"))["event"]["body"] == {"t": "removed", "user": reza.user}
        await hers.send_text(chat, "نمی‌شنود")
        await silence(his, "event")
        await silence(his, "chat_state")
        for asked in (his.ask("history", chat=chat), his.ask("get_chat", chat=chat)):
            assert (await asked)["code"] == "chat_not_found"
        assert (await his.send_text(chat, "x"))["code"] == "chat_not_found"
        assert (await his.ask("sync"))["chats"] == []


async def test_a_gateway_that_remembers_hears_of_a_removal_and_shows_nothing_more(
    gateway: Gateway, people: People, connect: Connect, call: Call
) -> None:
    sara, reza = await people.new(), await people.new()
    async with gateway() as here, gateway() as there:
        his = await connect(there, reza.token)
        chat = await found(call, here, sara, reza)
        assert (await his.ask("history", chat=chat))["events"]
        await call(here, "DELETE", f"/v1/chats/{chat}/members/{reza.user}", sara)
        await his.push("chat_gone")
        for _ in range(500):
            answer = await his.ask("history", chat=chat)
            if "code" in answer:
                break
            await asyncio.sleep(0.01)
        assert answer["code"] == "chat_not_found"


@pytest.mark.parametrize("subprotocol", ["hodhod.v1.msgpack", "hodhod.v1.json"])
async def test_an_unsigned_post_shows_its_writer_nowhere(
    base: str, people: People, connect: Connect, call: Call, subprotocol: str
) -> None:
    sara, reza = await people.new(), await people.new()
    writer = await connect(base, sara.token)
    other_device = await connect(base, (await people.another_device(sara.user)).token)
    his = await connect(base, reza.token, subprotocol=subprotocol)
    chat = await found(call, base, sara, reza, kind="channel", signs_posts=False)
    assert (await writer.send_text(chat, "سلام", client_id=5))["seq"] == 2
    pushed = [(await his.push("event"))["event"] for _ in range(2)]
    assert (await writer.send_text(chat, "سلام", client_id=5))["seq"] == 2
    await his.ask("ping")
    synced = (await his.ask("sync"))["chats"][0]["events"]
    page = (await his.ask("history", chat=chat))["events"]
    own = [(await other_device.push("event"))["event"] for _ in range(2)]
    again = (await his.push("event"))["event"]
    for event in (*pushed, *synced, *page, *own, again):
        assert event["sender"] == 0
    assert str(sara.user) not in str([pushed[0]["body"], pushed[1]["body"]])
    await writer.ask("typing", chat=chat)
    await writer.ask("read", chat=chat, seq=2)
    await silence(his, "typing")
    await silence(his, "position")


async def test_receipts_go_to_a_small_group_and_in_a_larger_one_to_oneself(
    base: str, people: People, connect: Connect, call: Call
) -> None:
    crowd = [await people.new() for _ in range(RECEIPT_MEMBERS_MAX + 1)]
    sara, reza = crowd[0], crowd[1]
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    his_other = await connect(base, (await people.another_device(reza.user)).token)
    small = await found(call, base, sara, *crowd[1:-1])
    await his.ask("read", chat=small, seq=1)
    assert (await hers.push("position"))["user"] == reza.user
    large = await found(call, base, sara, *crowd[1:])
    for client in (his, his_other):
        client.pushes.clear()
    await his.ask("read", chat=large, seq=1)
    async with asyncio.timeout(5):
        while (await his_other.push("position"))["chat"] != large:
            pass
    await silence(hers, "position")
    assert (await his.ask("get_chat", chat=large))["chat"]["me"]["read"] == 1


async def test_hints_of_typing_share_a_small_number_a_second(
    base: str, people: People, connect: Connect, call: Call
) -> None:
    crowd = [await people.new() for _ in range(8)]
    clients = [await connect(base, one.token) for one in crowd]
    chat = await found(call, base, crowd[0], *crowd[1:])
    for client in clients[1:]:
        assert (await client.ask("typing", chat=chat))["t"] == "ok"
    await asyncio.sleep(0.2)
    await clients[0].ask("ping")
    hints = [frame for frame in clients[0].pushes if frame["t"] == "typing"]
    assert len(hints) == TYPING_HINTS_PER_S


async def test_what_was_before_one_came_is_not_synced(
    base: str, people: People, connect: Connect, call: Call
) -> None:
    sara, reza = await people.new(), await people.new()
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    chat = await found(call, base, sara, history="from_joining")
    for text in ("یک", "دو"):
        await hers.send_text(chat, text)
    await call(base, "POST", f"/v1/chats/{chat}/members", sara, users=[reza.user])
    for positions in ([], [{"chat": chat, "seq": 1}], [{"chat": chat, "seq": 0}]):
        delta = (await his.ask("sync", positions=positions))["chats"][0]
        assert [event["seq"] for event in delta["events"]] == [4]
        assert delta["chat"]["me"]["first_seq"] == 4
        assert "more" not in delta
