"""A loaded sign-up role: newcomers wait outside first, then everybody; a refusal reads no body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from hodhod_server import app
from hodhod_server.domain.load import Level
from hodhod_server.settings import Settings
from tests.clock import FakeClock
from tests.load import Told
from tests.newcomers import Door, Newcomer, ask
from tests.signup_api.conftest import running


@pytest.fixture
def load() -> Told:
    return Told()


@pytest.fixture
async def door(settings: Settings, clock: FakeClock, load: Told) -> AsyncIterator[Door]:
    """The role with a load that the test sets."""
    async with app.signup(settings, clock, load) as parts, running(parts.loops):
        server = TestServer(parts.app)
        await server.start_server(access_log=None)
        async with TestClient(server) as client:
            yield client


async def test_a_busy_role_lets_those_finish_who_have_begun(
    door: Door, clock: FakeClock, load: Told
) -> None:
    one, late = Newcomer(door, clock), Newcomer(door, clock)
    await one.start()
    load.level = Level.BUSY
    refused = await late.start()
    assert refused.refusal == (503, "overloaded")
    assert 2.0 <= refused["retry_after"] <= 6.0
    assert (await one.verify(await one.code())).status == 200
    load.level = Level.CALM
    assert (await late.start()).status == 201


async def test_those_who_are_refused_are_told_different_times(
    door: Door, clock: FakeClock, load: Told
) -> None:
    load.level = Level.BUSY
    times = [(await Newcomer(door, clock).start())["retry_after"] for _ in range(8)]
    assert len(set(times)) >= 7


@pytest.mark.parametrize("level", [Level.STRAINED, Level.SATURATED])
async def test_a_strained_role_refuses_before_it_reads_a_body(
    door: Door, load: Told, level: Level
) -> None:
    load.level = level
    assert (await ask(door, "POST", "/v1/sessions/refresh", json={})).status == 503
    reader, writer = await asyncio.open_connection(door.host, door.port)
    with contextlib.closing(writer):
        writer.write(
            b"POST /v1/signup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 500\r\n\r\n"
        )
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: " in head


async def test_health_is_told_whatever_the_load(door: Door, load: Told) -> None:
    load.level = Level.SATURATED
    for path in ("/live", "/ready", "/metrics"):
        async with door.get(path) as response:
            assert response.status == 200
