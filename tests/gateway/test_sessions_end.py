"""Ending a session: its connections go at once, on every gateway, and its token is worthless."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.gateway.conftest import Gateway
from tests.people import People, Person
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]


async def end(base: str, person: Person, device: int) -> int:
    """Ask for a device of the person's to be signed out."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.delete(f"{base}/v1/devices/{device}") as response,
    ):
        return response.status


async def test_a_stolen_phone_is_signed_out_everywhere(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    sara = await people.new()
    stolen = await people.another_device(sara.user)
    async with gateway() as one, gateway() as other:
        here, there = await connect(one, sara.token), await connect(other, stolen.token)
        assert await end(one, sara, stolen.device) == 200
        with pytest.raises(ConnectionError, match="4500"):
            await there.receive()
        for base in (one, other):
            again = await connect(base, None, hello="none")
            answer = await again.ask("hello", token=stolen.token)
            assert answer["code"] == "unauthenticated"
        assert (await here.ask("ping"))["t"] == "ok"


async def test_only_ones_own_devices_can_be_ended(
    base: str, people: People, connect: Connect
) -> None:
    sara, ali = await people.new(), await people.new()
    hers = await connect(base, sara.token)
    assert await end(base, ali, sara.device) == 404
    assert (await hers.ask("ping"))["t"] == "ok"
