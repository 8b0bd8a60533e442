"""Gateways in this process, on real sockets, over the session's real engines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from hodhod_server import app
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.load import Load
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.store.database import Database
from hodhod_server.web.serving import serve
from tests.clock import FakeClock
from tests.free_ports import free_port
from tests.people import People
from tests.raw_client import RawClient

Gateway = Callable[..., AbstractAsyncContextManager[str]]


@contextlib.asynccontextmanager
async def running(parts: app.Parts, listen: ListenSettings) -> AsyncIterator[None]:
    """A role's edge and its loops, for the life of the block."""

    async def forever(loop: Callable[[], Awaitable[None]]) -> None:
        await loop()

    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(forever(loop)) for loop in parts.loops]
        async with serve(parts.app, listen):
            yield
        for loop in loops:
            loop.cancel()


@pytest.fixture
def clients() -> list[tuple[str, RawClient]]:
    """Who is connected, and where."""
    return []


@pytest.fixture
def gateway(settings: Settings, clock: FakeClock, clients: list[tuple[str, RawClient]]) -> Gateway:
    """Starts a gateway; yields its address `http://…`. Its clients answer when it sends them away,
    as programs do: otherwise it would wait seconds for them."""

    @contextlib.asynccontextmanager
    async def start(changed: Settings = settings, load: Load | None = None) -> AsyncIterator[str]:
        listen = ListenSettings(port=free_port())
        address = f"http://127.0.0.1:{listen.port}"
        async with (
            asyncio.TaskGroup() as goodbyes,
            app.gateway(changed, clock, load) as parts,
            running(parts, listen),
        ):
            yield address
            for base, client in clients:
                if base == address:
                    goodbyes.create_task(client.answer_goodbye())

    return start


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
async def base(gateway: Gateway) -> AsyncIterator[str]:
    """One gateway."""
    async with gateway() as address:
        yield address


@pytest.fixture
async def connect(
    clients: list[tuple[str, RawClient]],
) -> AsyncIterator[Callable[..., Awaitable[RawClient]]]:
    """Opens clients and closes them at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_client(base: str, token: str | None, **options: str) -> RawClient:
            client = await stack.enter_async_context(RawClient.open(base, token, **options))
            clients.append((base, client))
            return client

        yield open_client
