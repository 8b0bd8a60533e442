"""For tests of what is built with the SDK: a server in the test's own process, in memory.

    async with FakeServer() as server, Client(server.url) as client:
        await server.sign_in(client, "0912 345 6789", "Sara")

It speaks the whole contract that the client uses, takes the code 123456 from everyone, forgets
everything at the end, and breaks on request: see `Faults` and the methods.
"""

from __future__ import annotations

import contextlib
import random
from typing import Final, Self

import msgspec
from aiohttp import web

from hodhod._background import Background
from hodhod._client import Client
from hodhod._models import User
from hodhod.testing._doors import CODE, Doors
from hodhod.testing._faults import Faults
from hodhod.testing._gateway import Gateway
from hodhod.testing._group_doors import GroupDoors
from hodhod.testing._logs import Logs
from hodhod.testing._media import Media
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.errors import ErrorCode
from hodhod_wire.frames import Resync
from hodhod_wire.version import WIRE_VERSION

HOST: Final = "127.0.0.1"
CLOSE_S: Final = 0.1


class FakeServer:
    """A server on a free port, for the life of an `async with`."""

    def __init__(self, *, port: int = 0, seed: int = 0) -> None:
        """`seed` decides which frames the faults hit."""
        self._port = port
        self._background = Background()
        self.logs: Final = Logs()
        """What is durable: people, chats, messages."""
        self.doors: Final = Doors(self.logs)
        """Sign-up and tokens."""
        self.gateway: Final = Gateway(self.logs, self.doors, self._background, random.Random(seed))
        """Connections."""
        self.groups: Final = GroupDoors(self.logs, self.doors, self.gateway)
        """Groups and channels over HTTP."""
        self.media: Final = Media(self.doors)
        """Uploads and downloads."""
        self.gateway_path = "/v1/ws"
        """Where connections are taken; changed to `/v1/elsewhere`, clients have to ask again."""
        self._stack = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"http://{HOST}:{self._port}"

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on."""
        return self.gateway.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.gateway.faults = self.media.faults = faults

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=0)
        app.add_routes(
            [
                web.get("/.well-known/hodhod", self._describe),
                web.get("/v1/{gateway:ws|elsewhere}", self._serve_gateway),
                *self.doors.routes(),
                *self.groups.routes(),
                *self.media.routes(),
            ]
        )
        await self._stack.enter_async_context(self._background)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, HOST, self._port)
        await site.start()
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_connections(CloseCode.GOING_AWAY)
        await self._stack.aclose()

    async def sign_in(self, client: Client, phone: str, name: str) -> User:
        """The whole way through sign-up."""
        challenge = await client.request_code(phone)
        return await challenge.verify(CODE, name=name)

    async def close_connections(self, code: CloseCode) -> None:
        """End every WebSocket with a reason."""
        for wire in list(self.gateway.wires):
            await wire.close(code)

    def cut(self) -> None:
        """Break every WebSocket without a word."""
        for wire in list(self.gateway.wires):
            wire.cut()

    async def resync(self, within_ms: int = 0) -> None:
        """Tell everybody that pushes may have been lost."""
        for wire in list(self.gateway.wires):
            await wire.send(Resync(within_ms=within_ms))

    def refuse_sends(self, code: ErrorCode, *, times: int = 1, retry_after_s: float = 0.0) -> None:
        """Answer the next sends with this code."""
        self.gateway.refusals += [(code, retry_after_s)] * times

    async def _serve_gateway(self, request: web.Request) -> web.StreamResponse:
        if request.path != self.gateway_path:
            raise web.HTTPNotFound
        return await self.gateway.serve(request)

    async def _describe(self, request: web.Request) -> web.Response:
        addresses = {
            "version": WIRE_VERSION,
            "ws": self.url.replace("http", "ws", 1) + self.gateway_path,
            "api": self.url,
            "signup": self.url,
            "media": self.url,
            "limits": {},
            "features": [],
        }
        return web.Response(body=msgspec.json.encode(addresses), content_type="application/json")


__all__ = ["FakeServer", "Faults"]
