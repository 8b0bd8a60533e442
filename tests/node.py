"""A whole server in this process: gateway, sign-up and media on free ports, over real engines."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Self

import aiohttp

from hodhod_server import app
from hodhod_server.app import Role
from hodhod_server.domain.clock import Clock, SystemClock
from hodhod_server.settings import ListenSettings, PublicSettings, Settings
from hodhod_server.web.serving import serve
from tests.free_ports import free_port

ROLES = (Role.GATEWAY, Role.SIGNUP, Role.MEDIA)


class Node(NamedTuple):
    """Where the roles listen."""

    gateway: str
    signup: str
    media: str

    @property
    def url(self) -> str:
        """The one address that a client is given."""
        return self.gateway

    async def code(self, phone: str) -> str:
        """The newest code sent to a number, as its owner reads it; waits for the first."""
        async with aiohttp.ClientSession() as session:
            for _ in range(500):
                params = {"phone": phone}
                async with session.get(f"{self.signup}/dev/outbox", params=params) as answer:
                    texts: list[dict[str, Any]] = (await answer.json())["texts"]
                if texts:
                    break
                await asyncio.sleep(0.01)
        code: str = re.findall(r"[0-9]{6}", texts[-1]["text"])[-1]
        return code


def new_node() -> Node:
    """Addresses on free ports, for a node that is started later, or again."""
    return Node(*(f"http://127.0.0.1:{free_port()}" for _ in ROLES))


@contextlib.asynccontextmanager
async def running_node(
    settings: Settings,
    *,
    clock: Clock | None = None,
    node: Node | None = None,
    public: Node | None = None,
) -> AsyncIterator[Node]:
    """Serve the roles at `node`; clients are told the addresses of `public` (a proxy's, say)."""
    node = node or new_node()
    told = public or node
    known = PublicSettings(gateway_url=told.gateway, signup_url=told.signup, media_url=told.media)
    async with contextlib.AsyncExitStack() as stack:
        opened: list[tuple[app.Parts, ListenSettings]] = []
        for role, address in zip(ROLES, node, strict=True):
            listen = ListenSettings(port=int(address.rpartition(":")[2]))
            own = settings.model_copy(update={"public": known, "listen": listen})
            parts = await stack.enter_async_context(app.ROLES[role](own, clock or SystemClock()))
            opened.append((parts, listen))
        # As `app` does it: loops start before the sockets and stop after them.
        loops = await stack.enter_async_context(_Loops())
        for parts, _ in opened:
            for loop in parts.loops:
                loops.start(loop)
        for parts, listen in opened:
            await stack.enter_async_context(serve(parts.app, listen))
        yield node


@contextlib.asynccontextmanager
async def media_role(settings: Settings, clock: Clock) -> AsyncIterator[str]:
    """One media role with its loops; its address."""
    listen = ListenSettings(port=free_port())
    async with app.media(settings, clock) as parts, _Loops() as loops:
        for loop in parts.loops:
            loops.start(loop)
        async with serve(parts.app, listen):
            yield f"http://127.0.0.1:{listen.port}"


@contextlib.asynccontextmanager
async def worker_role(settings: Settings, clock: Clock) -> AsyncIterator[None]:
    """One worker role at work."""
    async with app.worker(settings, clock) as parts, _Loops() as loops:
        for loop in parts.loops:
            loops.start(loop)
        yield


class _Loops:
    """Background loops; what fails in the test is raised as it is, and not in a group."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def start(self, loop: app.Loop) -> None:
        self._running.append(self._group.create_task(_forever(loop)))


async def _forever(loop: app.Loop) -> None:
    await loop()
