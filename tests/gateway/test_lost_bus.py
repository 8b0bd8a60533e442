"""Without Redis messages are kept and people on one gateway are served as ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hodhod_server.settings import RedisSettings, Settings
from tests.gateway.conftest import Gateway
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]


async def test_people_on_one_gateway_notice_nothing(
    gateway: Gateway, people: People, connect: Connect, settings: Settings
) -> None:
    nowhere = settings.model_copy(
        update={"redis": RedisSettings(url="unix:///nonexistent/valkey.sock")}
    )
    sara, reza = await people.new(), await people.new()
    async with gateway(nowhere) as base:
        hers, his = await connect(base, sara.token), await connect(base, reza.token)
        chat = await hers.open_chat(reza.user)
        assert (await hers.send_text(chat, "سلام"))["seq"] == 1
        assert (await his.push("event"))["event"]["seq"] == 1
