"""The hub alone: what it does with pushes of a later version, and whom it tells of a gap."""

from __future__ import annotations

import json

import msgpack

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.ids import DeviceId, UserId
from hodhod_server.domain.tokens import Caller
from hodhod_server.gateway.hub import Hub
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
    hub.on_gap_for([UserId(2), UserId(9)])
    assert [len(client.frames) for client in clients] == [1, 2, 1]
    assert msgpack.unpackb(clients[0].frames[0]) == {"t": "resync", "within_ms": 6}
    assert json.loads(clients[1].frames[0]) == {"t": "resync", "within_ms": 6}
    for client in clients:
        hub.remove(client)
