"""Two people write to each other over the socket, on one gateway and on two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.conftest import Gateway
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
SUBPROTOCOLS = ("hodhod.v1.msgpack", "hodhod.v1.json")


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
@pytest.mark.parametrize("hello", ["header", "frame"])
async def test_a_message_reaches_the_other_and_the_senders_other_device(
    base: str, people: People, connect: Connect, subprotocol: str, hello: str
) -> None:
    sara, reza = await people.new("سارا"), await people.new("رضا")
    tablet = await people.another_device(sara.user)
    hers = await connect(base, sara.token, subprotocol=subprotocol, hello=hello)
    his = await connect(base, reza.token)
    her_tablet = await connect(base, tablet.token, subprotocol=subprotocol)
    chat = await hers.open_chat(reza.user)

    sent = await hers.send_text(chat, "سلام", client_id=77)

    assert (sent["t"], sent["chat"], sent["seq"]) == ("sent", chat, 1)
    for client in (his, her_tablet):
        event = (await client.push("event"))["event"]
        assert event == {
            "t": "message",
            "chat": chat,
            "seq": 1,
            "sender": sara.user,
            "client_id": 77,
            "at": sent["at"],
            "body": {"t": "text", "text": "سلام"},
        }
    assert not hers.pushes


async def test_gateways_reach_one_another(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    async with gateway() as one, gateway() as other:
        hers, his = await connect(one, sara.token), await connect(other, reza.token)
        chat = await hers.open_chat(reza.user)
        for number in range(1, 51):
            sender = hers if number % 2 else his
            assert (await sender.send_text(chat, str(number)))["seq"] == number
        heard = [(await his.push("event"))["event"]["seq"] for _ in range(25)]
        assert heard == list(range(1, 51, 2))


async def test_messages_in_flight_keep_their_order(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    chat = await hers.open_chat(reza.user)
    for number in range(1, 201):
        await hers.tell(
            t="send",
            ref=1000 + number,
            chat=chat,
            client_id=number,
            body={"t": "text", "text": str(number)},
        )
    replies = [await hers.reply(1000 + number) for number in range(1, 201)]
    assert [reply["seq"] for reply in replies] == list(range(1, 201))
    texts = [(await his.push("event"))["event"]["body"]["text"] for _ in range(200)]
    assert texts == [str(number) for number in range(1, 201)]


async def test_a_resend_returns_the_first_result(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers = await connect(base, sara.token)
    chat = await hers.open_chat(reza.user)
    first = await hers.send_text(chat, "یک", client_id=5)
    await hers.send_text(chat, "دو", client_id=6)
    again = await hers.send_text(chat, "یک", client_id=5)
    assert (again["seq"], again["at"]) == (first["seq"], first["at"])
    page = await hers.ask("history", chat=chat)
    assert [event["seq"] for event in page["events"]] == [1, 2]


async def test_client_id_belongs_to_one_chat(base: str, people: People, connect: Connect) -> None:
    sara, reza = await people.new(), await people.new()
    hers = await connect(base, sara.token)
    chat, notes = await hers.open_chat(reza.user), await hers.open_chat(sara.user)
    await hers.send_text(chat, "یک", client_id=5)
    assert (await hers.send_text(notes, "یک", client_id=5))["code"] == "client_id_reused"


async def test_opening_a_chat_from_both_sides_at_once_makes_one(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(hers.open_chat(reza.user))
        other = tasks.create_task(his.ask("open_chat", phone=sara.phone))
    assert other.result()["chat"]["chat"] == one.result()
    members = other.result()["chat"]["members"]
    assert [member["user"] for member in members] == sorted([sara.user, reza.user])


async def test_positions_move_forward_and_are_told(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    chat = await hers.open_chat(reza.user)
    for text in ("یک", "دو", "سه"):
        await hers.send_text(chat, text)
    assert (await his.ask("delivered", chat=chat, seq=3))["t"] == "ok"
    hint = await hers.push("position")
    assert hint == {"t": "position", "chat": chat, "user": reza.user, "delivered": 3, "read": 0}
    assert (await his.ask("read", chat=chat, seq=2))["t"] == "ok"
    assert (await hers.push("position"))["read"] == 2
    # Backwards and beyond the log change nothing that should not change.
    await his.ask("read", chat=chat, seq=1)
    await his.ask("read", chat=chat, seq=999)
    assert (await hers.push("position"))["read"] == 3
    state = await hers.ask("get_chat", chat=chat)
    mine = next(item for item in state["chat"]["members"] if item["user"] == reza.user)
    assert (mine["delivered"], mine["read"]) == (3, 3)


async def test_typing_is_shown_to_the_other_and_coalesced(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    hers, his = await connect(base, sara.token), await connect(base, reza.token)
    chat = await hers.open_chat(reza.user)
    for _ in range(5):
        assert (await hers.ask("typing", chat=chat))["t"] == "ok"
    assert await his.push("typing") == {"t": "typing", "chat": chat, "user": sara.user}
    await hers.send_text(chat, "سلام")
    await his.push("event")
    assert not his.pushes


async def test_ref_zero_gets_no_reply(base: str, people: People, connect: Connect) -> None:
    sara = await people.new()
    hers = await connect(base, sara.token)
    chat = await hers.open_chat(sara.user)
    await hers.tell(t="typing", chat=chat)
    assert (await hers.ask("ping"))["t"] == "ok"
    assert not hers.pushes
