"""A client that knows nothing of `hodhod_wire`: aiohttp, `msgpack` or `json`, and dicts.

What it can do a stranger can do from `docs/reference/wire-protocol.md` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
import msgpack

Map = dict[str, Any]
DEADLINE_S = 10.0


class RawClient:
    """One WebSocket; replies are found by `ref`, pushes wait in `pushes`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, is_json: bool) -> None:
        self.socket = socket
        self.pushes: list[Map] = []
        self._unread: deque[aiohttp.WSMessage] = deque()
        self._is_json = is_json
        self._refs = itertools.count(1)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        base: str,
        token: str | None,
        subprotocol: str = "hodhod.v1.msgpack",
        hello: str = "header",
    ) -> AsyncIterator[Self]:
        """Connected and welcomed; `hello`: the token goes in the `header`, in the `frame`, or no
        hello is said (`none`).
        """
        headers = {"Authorization": f"Bearer {token}"} if token and hello == "header" else {}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"{base}/v1/ws", protocols=(subprotocol,), headers=headers, max_msg_size=0
            ) as socket,
        ):
            client = cls(socket, is_json=subprotocol.endswith("json"))
            if hello == "header":
                assert (await client.ask("hello"))["t"] == "welcome"
            elif hello == "frame":
                assert (await client.ask("hello", token=token))["t"] == "welcome"
            yield client

    async def tell(self, **frame: Any) -> None:
        """Send a frame as it is."""
        if self._is_json:
            await self.socket.send_str(json.dumps(frame))
        else:
            await self.socket.send_bytes(msgpack.packb(frame))

    async def ask(self, tag: str, **members: Any) -> Map:
        """Send a request and wait for its reply."""
        ref = next(self._refs)
        await self.tell(t=tag, ref=ref, **members)
        return await self.reply(ref)

    async def reply(self, ref: int) -> Map:
        """The reply to `ref`; pushes that come before it are kept."""
        while True:
            frame = await self.receive()
            if frame.get("ref") == ref:
                return frame
            self.pushes.append(frame)

    async def receive(self, within_s: float = DEADLINE_S) -> Map:
        """The next frame, whatever it is. Raises `ConnectionError` when the socket is closed."""
        if self._unread:
            message = self._unread.popleft()
        else:
            async with asyncio.timeout(within_s):
                message = await self.socket.receive()
        match message.type:
            case aiohttp.WSMsgType.BINARY:
                unpacked: Map = msgpack.unpackb(message.data)
                return unpacked
            case aiohttp.WSMsgType.TEXT:
                parsed: Map = json.loads(message.data)
                return parsed
            case aiohttp.WSMsgType.CLOSE:
                # `close_code` becomes 1006 if the server has gone before our own close frame.
                raise ConnectionError(f"closed with {message.data}")
            case _:
                raise ConnectionError(f"closed with {self.socket.close_code}")

    async def answer_goodbye(self) -> None:
        """Read on while the server sends everybody away, so that it need not wait for an answer.

        What comes is kept for `receive`. Whoever is reading already answers by that.
        """
        with contextlib.suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(DEADLINE_S):
                while not self.socket.closed:
                    self._unread.append(await self.socket.receive())

    async def push(self, tag: str) -> Map:
        """The next push with this tag."""
        for index, frame in enumerate(self.pushes):
            if frame["t"] == tag:
                return self.pushes.pop(index)
        while True:
            frame = await self.receive()
            if frame["t"] == tag:
                return frame
            self.pushes.append(frame)

    async def send_text(self, chat: int, text: str, client_id: int | None = None) -> Map:
        """Send a text under a new client_id."""
        return await self.ask(
            "send",
            chat=chat,
            client_id=client_id or secrets.randbelow(2**53 - 1) + 1,
            body={"t": "text", "text": text},
        )

    async def open_chat(self, user: int) -> int:
        """The private chat with a user."""
        chat: int = (await self.ask("open_chat", user=user))["chat"]["chat"]
        return chat
