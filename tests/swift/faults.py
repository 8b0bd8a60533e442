"""What lies between us and an object store: cuts, pleas to slow down, answers that get lost."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

STILL_S = 3.0
BUFFER_BYTES = 64 * 1024  # what a slow line has not carried yet stays with its sender
SLOW_DOWN = (
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class FaultyLine:
    """A proxy that fails a request in `share` of the cases; `seen` counts how. Bodies come at
    `bytes_s`; of the next `still` ones nothing is read any more after the first piece.
    """

    def __init__(self, target: str, dice: random.Random) -> None:
        self.share = 0.0
        self.bytes_s = 0.0
        self.still = 0
        self.seen: Counter[str] = Counter()
        self._target = target
        self._dice = dice
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        fault = self._fault()
        self.seen[fault] += 1
        if fault == "slow_down":
            return web.Response(status=503, text=SLOW_DOWN, content_type="application/xml")
        if fault == "broken":
            return web.Response(status=500)
        if self.still and request.method == "PUT":
            self.still -= 1
            self.seen["still"] += 1
            await request.content.readany()
            await asyncio.sleep(STILL_S)
            _cut(request)
        if fault == "cut":  # in the middle of the body
            await request.content.readany()
            _cut(request)
        response = await self._passed_on(request)
        if fault == "lost":  # the store has obeyed
            _cut(request)
        return response

    def _fault(self) -> str:
        if self._dice.random() >= self.share:
            return "none"
        return self._dice.choice(["slow_down", "broken", "cut", "lost"])

    async def _passed_on(self, request: web.Request) -> web.StreamResponse:
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                URL(self._target + request.raw_path, encoded=True),
                headers=request.headers,
                data=io.BytesIO(await self._body(request)) if request.body_exists else None,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            ) as response,
        ):
            body = await response.read()
            headers = {
                name: value
                for name, value in response.headers.items()
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}
            }
            if request.method == "HEAD":
                headers["Content-Length"] = response.headers.get("Content-Length", "0")
            return web.Response(status=response.status, headers=headers, body=body)

    async def _body(self, request: web.Request) -> bytes:
        body = bytearray()
        while piece := await request.content.read(64 * 1024):
            body += piece
            if self.bytes_s:
                await asyncio.sleep(len(piece) / self.bytes_s)
        return bytes(body)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError


@contextlib.asynccontextmanager
async def faulty_line(port: int, dice: random.Random) -> AsyncIterator[FaultyLine]:
    """A line to the store at `port`, faultless until its `share` is set."""
    line = FaultyLine(f"http://127.0.0.1:{port}", dice)
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{tail:.*}", line.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        await web.SockSite(runner, listening).start()
        line.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield line
    finally:
        await runner.cleanup()
