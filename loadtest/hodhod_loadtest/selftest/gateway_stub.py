"""A gateway that welcomes everybody and then says nothing, for memory on the generator's side."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from typing import Final, cast

import msgpack

from hodhod_loadtest.bench.connection import SUBPROTOCOL
from hodhod_loadtest.bench.websocket import ACCEPT_SALT, BINARY

_KEY: Final = re.compile(rb"\r\nSec-WebSocket-Key: ([^\r]+)")
_UPGRADED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: %b\r\n\r\n"
)
_WELCOME: Final[bytes] = msgpack.packb({"t": "welcome", "ref": 1})
_WELCOMED: Final = bytes((0x80 | BINARY, len(_WELCOME))) + _WELCOME


class Idle(asyncio.Protocol):
    """One connection: its first bytes ask for the upgrade, the next ones say hello."""

    __slots__ = ("_is_upgraded", "_transport")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._is_upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self._is_upgraded:
            self._transport.write(_WELCOMED)
            return
        self._is_upgraded = True
        asked = _KEY.search(data)
        if asked is None:
            self._transport.abort()
            return
        salted = hashlib.sha1(asked[1] + ACCEPT_SALT, usedforsecurity=False).digest()
        accepted = base64.b64encode(salted)
        self._transport.write(_UPGRADED % (accepted, SUBPROTOCOL.encode()))
