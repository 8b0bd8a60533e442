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


async def test_a_busy_role_has_newcomers_wait_and_lets_those_finish_who_have_begun(
    door: Door, clock: FakeClock, load: Told
) -> None:
    one = Newcomer(door, clock)
    await one.start()
    load.level = Level.BUSY
    await _newcomers_are_answered(402, door, clock)  # what a place in the room costs
    assert (await one.verify(await one.code())).status == 200
    load.level = Level.CALM
    await _newcomers_are_answered(201, door, clock)


async def _newcomers_are_answered(status: int, door: Door, clock: FakeClock) -> None:
    """Some ticks later: the room looks at the load a few times a second."""
    for _ in range(50):
        clock.advance(0.2)
        answer = await Newcomer(door, clock).start()
        if answer.status == status:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(answer.status)


async def test_those_who_are_refused_are_told_different_times(
    door: Door, clock: FakeClock, load: Told
) -> None:
    load.level = Level.STRAINED
    times = [(await Newcomer(door, clock).start())["retry_after"] for _ in range(8)]
    assert len(set(times)) >= 7


@pytest.mark.parametrize(("level", "returns"), [(Level.STRAINED, 400), (Level.SATURATED, 503)])
async def test_a_strained_role_refuses_newcomers_before_it_reads_a_body_and_others_last(
    door: Door, load: Told, level: Level, returns: int
) -> None:
    load.level = level
    assert (await ask(door, "POST", "/v1/sessions/refresh", json={})).status == returns
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
