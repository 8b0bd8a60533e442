"""What a Locust master and its workers say to each other: msgpack over ZeroMQ, a kind and data.

A message is `[kind, data, node]`; the master knows a worker by the identity of its socket, which is
the same name. Everything that Locust 2 says is read; what is not for us is left alone.
"""

from __future__ import annotations

import socket
import uuid
from typing import Any, Final, NamedTuple

import msgpack
import zmq
import zmq.asyncio

ANY_VERSION: Final = -1
"""Of a worker that is not Locust itself: no master complains of it."""

LINGER_MS: Final = 2_000
KEEP_ALIVE_S: Final = 30


class Message(NamedTuple):
    """`data` is a map, or `None`, as the kind has it."""

    kind: str
    data: Any


class Line:
    """A worker's line to its master. What is sent before there is one waits for it."""

    def __init__(self, host: str, port: int) -> None:
        self.node: Final = f"{socket.gethostname()}_{uuid.uuid4().hex}"
        self._address = f"tcp://{host}:{port}"
        self._context = zmq.asyncio.Context()
        self._socket = self._open()

    async def send(self, kind: str, data: object = None) -> None:
        """Hand it over; it is on its way."""
        await self._socket.send(msgpack.packb([kind, data, self.node]))

    async def receive(self) -> Message:
        """The next one that can be read."""
        while True:
            parts = await self._socket.recv_multipart()
            message = parse(parts[-1])
            if message is not None:
                return message

    def reopen(self) -> None:
        """The master asks for it when it could not read us."""
        self._socket.close(linger=0)
        self._socket = self._open()

    def close(self) -> None:
        """What was handed over is still sent, if the master takes it soon."""
        self._socket.close(linger=LINGER_MS)
        self._context.term()

    def _open(self) -> zmq.asyncio.Socket:
        opened = self._context.socket(zmq.DEALER)
        opened.setsockopt(zmq.IDENTITY, self.node.encode())
        opened.setsockopt(zmq.IPV6, 1)
        opened.setsockopt(zmq.TCP_KEEPALIVE, 1)
        opened.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEP_ALIVE_S)
        opened.connect(self._address)
        return opened


def parse(payload: bytes) -> Message | None:
    """`None` where it is no message."""
    try:
        kind, data, _ = msgpack.unpackb(payload, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    return Message(kind, data) if isinstance(kind, str) else None
