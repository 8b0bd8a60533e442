"""The hub alone: pushes of a later version, gaps, and what is broadcast in large chats."""

from __future__ import annotations

import asyncio
import json

import msgpack
import pytest

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.ids import ChatId, DeviceId, UserId
from hodhod_server.domain.tokens import Caller
from hodhod_server.gateway import hub as module
from hodhod_server.gateway.hub import SLICE, Hub
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import JSON, MSGPACK, Codec


class Client:
    """A connection that keeps what it is pushed."""

    def __init__(self, user: int, codec: Codec) -> None:
        self.id = user * 10 + (codec is JSON)
        self.caller = Caller(UserId(user), DeviceId(user))
        self.codec = codec
        self.frames: list[bytes] = []

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)

    def disconnect(self, code: CloseCode) -> None:
        raise AssertionError(code)


async def test_a_push_of_a_later_version_is_passed_on_or_becomes_a_resync() -> None:
    hub, binary, text = Hub(lambda _: None), Client(1, MSGPACK), Client(1, JSON)
    hub.add(binary)
    hub.add(text)
    later = msgpack.packb({"t": "of_a_later_version", "x": 1})
    hub.on_envelopes([Envelope((UserId(1),), later)])
    assert binary.frames == [later]
    assert [json.loads(frame)["t"] for frame in text.frames] == ["resync"]
    hub.remove(binary)
    hub.remove(text)


async def test_a_gap_is_told_to_everybody_in_their_codec() -> None:
    hub, clients = Hub(lambda _: None), [Client(1, MSGPACK), Client(2, JSON), Client(3, JSON)]
    for client in clients:
        hub.add(client)
    hub.on_gap()
    hub.on_gap_for([UserId(2), UserId(9)], [])
    assert [len(client.frames) for client in clients] == [1, 2, 1]
    assert msgpack.unpackb(clients[0].frames[0]) == {"t": "resync", "within_ms": 6}
    assert json.loads(clients[1].frames[0]) == {"t": "resync", "within_ms": 6}
    for client in clients:
        hub.remove(client)


CHAT = ChatId(100)


def post(number: int, origin: int = 0) -> Envelope:
    return Envelope((), msgpack.packb({"t": "typing", "chat": 100, "user": number}), origin, CHAT)


async def broadcast(hub: Hub) -> None:
    """Let everything go out."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(hub.run())
        for _ in range(100):
            await asyncio.sleep(0)
        running.cancel()


async def test_a_broadcast_goes_to_who_is_in_the_chat_and_here() -> None:
    hub, inside, outside = Hub(lambda _: None), Client(1, MSGPACK), Client(2, MSGPACK)
    hub.add(inside)
    hub.add(outside)
    assert hub.hears(UserId(1), [CHAT])
    assert not hub.hears(UserId(9), [CHAT]), "is not here"
    second_device = Client(1, JSON)
    hub.add(second_device)
    hub.on_envelopes([post(1), post(2, origin=inside.id)])
    await broadcast(hub)
    assert [msgpack.unpackb(frame)["user"] for frame in inside.frames] == [1]
    assert [json.loads(frame)["user"] for frame in second_device.frames] == [1, 2]
    assert outside.frames == []


async def test_who_left_the_chat_or_the_gateway_hears_no_more() -> None:
    hub, leaving, going = Hub(lambda _: None), Client(1, MSGPACK), Client(2, MSGPACK)
    for client in (leaving, going):
        hub.add(client)
        hub.hears(client.caller.user, [CHAT])
    assert not hub.hears(UserId(1), [])
    hub.remove(going)
    hub.on_envelopes([post(1)])
    await broadcast(hub)
    assert (leaving.frames, going.frames) == ([], [])
    hub.add(going)
    assert hub.hears(UserId(2), [CHAT]), "what was known is forgotten with the last connection"


async def test_a_large_audience_is_served_in_order_and_lets_others_in_between() -> None:
    hub = Hub(lambda _: None)
    crowd = [Client(number, MSGPACK) for number in range(1, 3 * SLICE)]
    for client in crowd:
        hub.add(client)
        hub.hears(client.caller.user, [CHAT])
    reached: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(hub.run())
        hub.on_envelopes([post(1), post(2)])
        while len(crowd[-1].frames) < 2:
            reached.append(sum(len(client.frames) for client in crowd))
            await asyncio.sleep(0)
        running.cancel()
    assert len(reached) > 4
    assert all([msgpack.unpackb(frame)["user"] for frame in c.frames] == [1, 2] for c in crowd)


async def test_broadcasts_that_are_too_many_become_a_resync(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BROADCASTS_MAX", 2)
    hub, client = Hub(lambda _: None), Client(1, MSGPACK)
    hub.add(client)
    hub.hears(UserId(1), [CHAT])
    hub.on_envelopes([post(1), post(2), post(3)])
    await broadcast(hub)
    assert [msgpack.unpackb(frame)["t"] for frame in client.frames] == ["resync"] + ["typing"] * 2
