"""One gateway, asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from hodhod_server import app
from hodhod_server.domain.keys import Keys
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.free_ports import free_port
from tests.gateway.conftest import running
from tests.people import People, Person


@dataclass(frozen=True)
class Answer:
    """A status and a JSON body."""

    status: int
    body: Any


Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
async def base(settings: Settings, clock: FakeClock) -> AsyncIterator[str]:
    """The address of a gateway."""
    listen = ListenSettings(port=free_port())
    async with app.gateway(settings, clock) as parts, running(parts, listen):
        yield f"http://127.0.0.1:{listen.port}"


@pytest.fixture
async def ask(base: str) -> AsyncIterator[Ask]:
    """Makes a request as somebody, or as nobody."""
    async with aiohttp.ClientSession() as session:

        async def request(
            method: str, path: str, person: Person | None = None, **options: Any
        ) -> Answer:
            headers = {**options.pop("headers", {})}
            if person is not None:
                headers["Authorization"] = f"Bearer {person.token}"
            async with session.request(method, base + path, headers=headers, **options) as response:
                return Answer(response.status, await response.json(content_type=None))

        yield request
