"""Somebody who writes and reads through thick and thin, speaking the wire with `msgpack` alone."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
import msgpack

from hodhod_loadtest.invariants import ChatRecord, Entry

Map = dict[str, Any]
IN_FLIGHT = 3
SILENCE_S = 5.0  # no answer for so long: the connection is taken for dead


class Chatter:
    """One person with one chat: sends `to_send` messages, and keeps the chat's log.

    `pushed` counts the entries that came as pushes, so that a test can tell whether those work.
    """

    def __init__(
        self, session: aiohttp.ClientSession, ws: str, token: str, user: int, dice: random.Random
    ) -> None:
        self.user = user
        self.chat = 0
        self.log: list[Entry] = []
        self.pushed = 0
        self.reconnects = -1
        self._session = session
        self._ws = ws
        self._headers = {"Authorization": f"Bearer {token}"}
        self._dice = dice
        self._record = ChatRecord()
        self._within_s = 0.0
        self._waiting: dict[int, Entry] = {}
        self._unsent: deque[int] = deque()
        self._asked: dict[int, int] = {}
        self._refs = itertools.count(1)

    async def open_chat(self, other: int) -> int:
        """The chat with somebody."""
        async with self._connected() as socket:
            await self._tell(socket, t="open_chat", ref=2, user=other)
            while (frame := await _receive(socket))["t"] != "chat":
                if frame["t"] == "error":
                    await asyncio.sleep(frame["retry_after"])
                    await self._tell(socket, t="open_chat", ref=2, user=other)
        chat: int = frame["chat"]["chat"]
        return chat

    async def talk(self, chat: int, record: ChatRecord, to_send: int) -> None:
        """Send everything, whatever happens to the connection. Returns when all is durable."""
        self.chat, self._record = chat, record
        self._unsent.extend(self._dice.randrange(1, 2**53) for _ in range(to_send))
        while self._unsent or self._asked:
            try:
                await self._talk_once()
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                await asyncio.sleep(self._dice.uniform(0.05, max(0.4, self._within_s)))

    async def listen(self, seconds: float) -> None:
        """Take the pushes of a while, then read what is left of the log."""
        async with self._connected() as socket:
            await self._read_history(socket)
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        self._hear(await _receive(socket))
            except TimeoutError:
                pass

    async def finish(self) -> None:
        """Read the log to its end."""
        async with self._connected() as socket:
            await self._read_history(socket)

    def _connected(self) -> Any:
        self.reconnects += 1
        dial = partial(
            self._session.ws_connect,
            self._ws,
            headers=self._headers,
            protocols=("hodhod.v1.msgpack",),
        )
        return _Connected(dial, self._note_within)

    def _note_within(self, within_s: float) -> None:
        self._within_s = within_s

    async def _talk_once(self) -> None:
        # What was asked and not answered is sent again under the same client_id.
        self._unsent.extendleft(reversed(self._asked.values()))
        self._asked.clear()
        async with self._connected() as socket:
            await self._read_history(socket)
            while self._unsent or self._asked:
                while self._unsent and len(self._asked) < IN_FLIGHT:
                    await self._send(socket, self._unsent.popleft())
                async with asyncio.timeout(SILENCE_S):
                    self._hear(await _receive(socket))

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, client_id: int) -> None:
        ref = next(self._refs) + 1000
        self._asked[ref] = client_id
        self._record.attempted.add((self.user, client_id))
        await self._tell(
            socket,
            t="send",
            ref=ref,
            chat=self.chat,
            client_id=client_id,
            body={"t": "text", "text": f"پیام {client_id}"},
        )

    async def _read_history(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            ref = next(self._refs) + 1000
            after = self.log[-1].seq if self.log else 0
            await self._tell(socket, t="history", ref=ref, chat=self.chat, after=after, limit=200)
            async with asyncio.timeout(SILENCE_S):
                while (frame := await _receive(socket)).get("ref") != ref:
                    self._hear(frame)
            if frame["t"] == "error":
                await asyncio.sleep(frame["retry_after"])
                continue
            for event in frame["events"]:
                self._keep(event, is_push=False)
            if "more" not in frame:
                return

    def _hear(self, frame: Map) -> None:
        match frame["t"]:
            case "event":
                self._keep(frame["event"], is_push=True)
            case "sent":
                client_id = self._asked.pop(frame["ref"])
                self._record.acknowledged[self.user, client_id] = frame["seq"]
                self._append(Entry(frame["seq"], self.user, client_id))
            case "error":
                raise ConnectionError(frame["code"])

    def _keep(self, event: Map, *, is_push: bool) -> None:
        self.pushed += is_push
        self._append(Entry(event["seq"], event["sender"], event["client_id"]))

    def _append(self, entry: Entry) -> None:
        """What follows is kept, what is known is ignored, what is early waits."""
        self._waiting[entry.seq] = entry
        while (following := self.log[-1].seq + 1 if self.log else 1) in self._waiting:
            self.log.append(self._waiting.pop(following))
        for seq in [seq for seq in self._waiting if seq < following]:
            del self._waiting[seq]

    async def _tell(self, socket: aiohttp.ClientWebSocketResponse, **frame: Any) -> None:
        await socket.send_bytes(msgpack.packb(frame))


class _Connected:
    """A welcomed socket, for the life of a block; asked to come later, it comes later."""

    def __init__(
        self, open_socket: Callable[[], Any], note_within: Callable[[float], None]
    ) -> None:
        self._open_socket = open_socket
        self._note_within = note_within
        self._opening: Any = None

    async def __aenter__(self) -> aiohttp.ClientWebSocketResponse:
        while True:
            self._opening = self._open_socket()
            try:
                socket: aiohttp.ClientWebSocketResponse = await self._opening.__aenter__()
            except aiohttp.WSServerHandshakeError as refusal:
                if refusal.status != 503 or not refusal.headers:
                    raise
                await asyncio.sleep(float(refusal.headers["Retry-After"]))
                continue
            await socket.send_bytes(msgpack.packb({"t": "hello", "ref": 1}))
            async with asyncio.timeout(SILENCE_S):
                while (frame := await _receive(socket))["t"] not in {"welcome", "error"}:
                    pass
            if frame["t"] == "welcome":
                self._note_within(frame.get("reconnect_within_ms", 0) / 1000)
                return socket
            await self._opening.__aexit__(None, None, None)
            await asyncio.sleep(frame["retry_after"])

    async def __aexit__(self, *exc: Any) -> None:
        await self._opening.__aexit__(*exc)


async def _receive(socket: aiohttp.ClientWebSocketResponse) -> Map:
    message = await socket.receive()
    if message.type is not aiohttp.WSMsgType.BINARY:
        raise ConnectionError("closed")
    frame: Map = msgpack.unpackb(message.data)
    return frame
