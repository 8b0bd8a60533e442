"""A gateway that is stopped and started again: people on the others notice nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.gateway.conftest import Gateway
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]


async def test_people_on_the_other_gateways_are_not_told_to_sync(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    async with gateway() as base:
        hers = await connect(base, sara.token)
        chat = await hers.open_chat(reza.user)
        for number in range(1, 3):
            async with gateway() as other:
                his = await connect(other, reza.token)
                assert (await his.send_text(chat, "از آن سو"))["seq"] == number
            assert (await hers.push("event"))["event"]["seq"] == number
        await hers.ask("ping")
    assert not [frame for frame in hers.pushes if frame["t"] == "resync"]
