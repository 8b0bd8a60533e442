"""A provider of codes on loopback: keeps what it was asked, answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.test_utils import TestServer


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeProvider:
    """Answers 200 `{}` until told otherwise."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._answer: tuple[int, bytes, dict[str, str]] = (200, b"{}", {})
        self._is_silent = self._resets = False
        self._takes_s = 0.0
        self.at_once = self.at_once_max = self.connections = 0
        self._known: set[int] = set()

    def will_answer(self, body: Any, status: int = 200, **headers: str) -> None:
        """From now on."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answer = (status, raw, named)

    def will_be_silent(self) -> None:
        """Reads requests and never answers."""
        self._is_silent = True

    def will_take(self, seconds: float) -> None:
        """Before each answer."""
        self._takes_s = seconds

    def will_reset(self) -> None:
        """Reads requests and hangs up."""
        self._resets = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take one request, and count who else is being served."""
        self._known.add(id(request.protocol))
        self.connections = len(self._known)
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            return await self._take(request)
        finally:
            self.at_once -= 1

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        path = request.raw_path.partition("?")[0]
        self.asked.append(Asked(request.method, path, request.query, request.headers, body))
        if self._is_silent:
            await asyncio.sleep(3600)
        if self._resets:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError
        await asyncio.sleep(self._takes_s)
        status, raw, headers = self._answer
        return web.Response(status=status, body=raw, headers=headers)


@contextlib.asynccontextmanager
async def running_provider() -> AsyncIterator[FakeProvider]:
    """Serve one."""
    fake = FakeProvider()
    app = web.Application(client_max_size=1024**2)
    app.router.add_route("*", "/{path:.*}", fake.handle)
    server = TestServer(app)
    await server.start_server(access_log=None, shutdown_timeout=0.1)
    fake.url = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        await server.close()
