"""A person's connection, as lean as a generator needs it: the wire spoken with `msgpack` alone.

It knows nothing of `hodhod_wire`, so that what is measured is what any client would get.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, cast

import msgpack

from hodhod_loadtest.bench import websocket
from hodhod_loadtest.bench.websocket import FrameReader, WebSocketError

PATIENCE_S: Final = 30.0
PAGE_EVENTS: Final = 200
SUBPROTOCOL: Final = "hodhod.v1.msgpack"
_NORMAL_CLOSURE: Final = (1000).to_bytes(2)
_Map = dict[str, Any]


class Listener(Protocol):
    """Who is told what happens on a connection."""

    def sent(self, ref: int) -> None:
        """A message of this connection is durable."""

    def received(self, client_id: int) -> None:
        """Somebody else's text is here."""

    def refused(self, ref: int, code: str) -> None:
        """A message was not taken."""

    def ended(self, why: str) -> None:
        """The server, or the network, ended the connection."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where gateways listen."""

    host: str
    port: int
    path: str


class Connection(asyncio.Protocol):
    """One WebSocket. Messages go out under a number that is both `ref` and `client_id`."""

    def __init__(self, door: Door, token: str, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        self._door = door
        self._token = token
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._key = random.randbytes(16)
        self._head = bytearray()
        self._reader = FrameReader()
        self._upgraded: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._refs = itertools.count(1)
        self._replies: dict[int, asyncio.Future[_Map]] = {}
        self._is_closing = False
        self.reconnect_within_s = 0.0
        """Over how long those who lose their connection are to spread their return."""

    @classmethod
    async def open(cls, door: Door, token: str, listener: Listener) -> Self:
        """Connected and welcomed. Raises `ConnectionError`, `TimeoutError`."""
        connection = cls(door, token, listener)
        await connection.connect()
        return connection

    async def connect(self) -> None:
        """Until the welcome. Raises `ConnectionError`, `TimeoutError`."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: self, self._door.host, self._door.port)
                await self._upgraded
                welcome = await self._ask("hello", agent="bench")
                self.reconnect_within_s = welcome.get("reconnect_within_ms", 0) / 1000
        except BaseException:
            self._abort()
            raise

    async def sync(self, positions: Mapping[int, int]) -> _Map:
        """Ask what was missed, as a client does after every welcome."""
        told = [{"chat": chat, "seq": seq} for chat, seq in positions.items()]
        return await self._ask("sync", positions=told)

    async def history(self, chat: int, after: int) -> _Map:
        """The page of a chat's log that follows."""
        return await self._ask("history", chat=chat, after=after, limit=PAGE_EVENTS)

    async def open_chat(self, user: int) -> int:
        """The private chat with a user."""
        chat: int = (await self._ask("open_chat", user=user))["chat"]["chat"]
        return chat

    def send_text(self, chat: int, number: int, text: str) -> None:
        """Write; the listener hears how it went. `number` must be above all requests' refs."""
        body = {"t": "text", "text": text}
        self._tell({"t": "send", "ref": number, "chat": chat, "client_id": number, "body": body})

    async def close(self) -> None:
        """Say goodbye and wait until the connection is over."""
        self._is_closing = True
        self._write(websocket.CLOSE, _NORMAL_CLOSURE)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.shield(self._over)
        finally:
            self._abort()

    def hang_up(self) -> None:
        """End it without a word, and without hearing what was under way."""
        self._is_closing = True
        self._abort()

    # --- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._transport = transport
        headers = [f"Sec-WebSocket-Protocol: {SUBPROTOCOL}", f"Authorization: Bearer {self._token}"]
        address = (self._door.host, self._door.port)
        transport.write(websocket.upgrade_request(address, self._door.path, self._key, headers))

    def data_received(self, data: bytes) -> None:
        try:
            if not self._upgraded.done():
                data = self._take_head(data)
            for opcode, payload in self._reader.feed(data):
                self._take(opcode, payload)
        except WebSocketError as error:
            self._end(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(None)
        self._end(ConnectionError(f"the connection was lost ({error or 'no reason told'})"))

    # --- inside ----------------------------------------------------------------------------------

    def _take_head(self, data: bytes) -> bytes:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return b""
        websocket.require_upgraded(bytes(head), self._key)
        self._upgraded.set_result(None)
        return bytes(rest)

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == websocket.BINARY:
            frame: _Map = msgpack.unpackb(payload)
            self._dispatch(frame)
        elif opcode == websocket.PING:
            self._write(websocket.PONG, payload)
        elif opcode == websocket.CLOSE:
            code = int.from_bytes(payload[:2])
            self._end(ConnectionError(f"the server closed the connection with {code}"))

    def _dispatch(self, frame: _Map) -> None:
        match frame["t"]:
            case "event" if frame["event"]["body"]["t"] == "text":
                self._listener.received(frame["event"]["client_id"])
            case "sent":
                self._listener.sent(frame["ref"])
            case tag if (reply := self._replies.pop(frame.get("ref", 0), None)) is not None:
                if tag == "error":
                    reply.set_exception(ConnectionError(f"refused: {frame['code']}"))
                else:
                    reply.set_result(frame)
            case "error":
                self._listener.refused(frame["ref"], frame["code"])
            case _:
                pass  # hints, and notices: of a group that was founded before we came

    async def _ask(self, tag: str, **members: object) -> _Map:
        ref = next(self._refs)
        reply: asyncio.Future[_Map] = asyncio.get_running_loop().create_future()
        self._replies[ref] = reply
        self._tell({"t": tag, "ref": ref, **members})
        async with asyncio.timeout(PATIENCE_S):
            return await reply

    def _tell(self, frame: _Map) -> None:
        self._write(websocket.BINARY, msgpack.packb(frame))

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None:
            frame = websocket.client_frame(opcode, payload, random.getrandbits(32))
            self._transport.write(frame)

    def _end(self, error: ConnectionError) -> None:
        """Whoever waits is told; the listener only if nobody here wanted the end."""
        waiting: list[asyncio.Future[Any]] = [self._upgraded, *self._replies.values()]
        self._replies.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        if not self._is_closing:
            self._is_closing = True
            self._listener.ended(str(error))
        self._abort()

    def _abort(self) -> None:
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()
