"""A server of a few lines that people can chat on: what a generator did is known here exactly.

Every token is a user's number. Nothing is kept; every fiftieth message is refused as overloaded.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import msgpack

from hodhod_loadtest.bench.connection import SUBPROTOCOL
from hodhod_loadtest.bench.websocket import ACCEPT_SALT, BINARY
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.http.routes import Route, Routes
from hodhod_loadtest.http.server import Reply, Request, json_reply, serve
from hodhod_loadtest.selftest.stub import Stub

REFUSED_EACH = 50
KEY = re.compile(rb"\r\nSec-WebSocket-Key: ([^\r]+)")
TOKEN = re.compile(rb"\r\nAuthorization: Bearer ([^\r]+)")


class ChatStub:
    """Who is here, and what was asked of it."""

    def __init__(self) -> None:
        self.url = ""
        self.gateway = 0
        """Its port."""

        self.sends = 0
        self.refusals = 0
        self.connects = 0
        self.lines: dict[int, _Line] = {}

    def well_known(self, request: Request) -> Reply:
        """Where everything is."""
        del request
        ws = f"ws://127.0.0.1:{self.gateway}/v1/ws"
        return json_reply(200, {"ws": ws, "signup": self.url, "api": self.url})


class _Line(asyncio.Protocol):
    def __init__(self, stub: ChatStub) -> None:
        self._stub = stub
        self._transport: asyncio.Transport | None = None
        self._user = 0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if not self._user:
            self._upgrade(data)
            return
        self._buffer += data
        for payload in self._payloads():
            if payload[:1] != b"\x03":  # the code of a goodbye
                self._answer(msgpack.unpackb(payload))

    def tell(self, frame: dict[str, Any]) -> None:
        payload = msgpack.packb(frame)
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2)
        if self._transport is not None:
            self._transport.write(bytes([0x80 | BINARY]) + length + payload)

    def _upgrade(self, data: bytes) -> None:
        key, token = KEY.search(data), TOKEN.search(data)
        assert key is not None
        assert token is not None
        assert self._transport is not None
        self._user = int(token[1])
        self._stub.lines[self._user] = self
        self._stub.connects += 1
        salted = hashlib.sha1(key[1] + ACCEPT_SALT, usedforsecurity=False).digest()
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: %b\r\n\r\n"
            % (base64.b64encode(salted), SUBPROTOCOL.encode())
        )

    def _payloads(self) -> Iterator[bytes]:
        while len(self._buffer) >= 2:
            length, at = self._buffer[1] & 0x7F, 2
            if length == 126:
                length, at = int.from_bytes(self._buffer[2:4]), 4
            end = at + 4 + length
            if len(self._buffer) < end:
                return
            cover = (self._buffer[at : at + 4] * (length // 4 + 1))[:length]
            covered = self._buffer[at + 4 : end]
            self._buffer = self._buffer[end:]
            yield bytes(one ^ other for one, other in zip(covered, cover, strict=True))

    def _answer(self, frame: dict[str, Any]) -> None:
        match frame["t"]:
            case "hello":
                self.tell({"t": "welcome", "ref": frame["ref"]})
            case "sync":
                self.tell({"t": "synced", "ref": frame["ref"], "chats": []})
            case "open_chat":  # named after both, so that each message finds its reader
                chat = self._user << 20 | frame["user"]
                self.tell({"t": "chat", "ref": frame["ref"], "chat": {"chat": chat}})
            case "send":
                self._take(frame)

    def _take(self, frame: dict[str, Any]) -> None:
        self._stub.sends += 1
        if self._stub.sends % REFUSED_EACH == 0:
            self._stub.refusals += 1
            self.tell({"t": "error", "ref": frame["ref"], "code": "overloaded"})
            return
        self.tell({"t": "sent", "ref": frame["ref"]})
        reader = self._stub.lines[frame["chat"] & 0xFFFFF]
        told = {"client_id": frame["client_id"], "body": frame["body"]}
        reader.tell({"t": "event", "event": told})


@contextlib.asynccontextmanager
async def chat_stub(carrier: str = "") -> AsyncIterator[ChatStub]:
    """Listening on loopback; codes are texted at `carrier`."""
    stub = ChatStub()
    loop = asyncio.get_running_loop()
    async with Client() as client:
        door = Stub(client, carrier).routes
        known = Routes([Route("GET", "/.well-known/hodhod", stub.well_known)])

        def handle(request: Request) -> Reply | asyncio.Future[Reply]:
            return (known if request.path.startswith("/.well-known") else door)(request)

        gateway = await loop.create_server(lambda: _Line(stub), "127.0.0.1", 0)
        try:
            async with serve(handle) as port:
                stub.url = f"http://127.0.0.1:{port}"
                stub.gateway = gateway.sockets[0].getsockname()[1]
                yield stub
        finally:
            gateway.close()
