"""Every way a connection can end, at every moment: nothing stays behind, the client knows why."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import pytest

from hodhod_server.gateway.connection import Connection
from hodhod_server.settings import GatewaySettings, Settings
from tests.eventually import eventually
from tests.gateway.conftest import Gateway
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
LONG_TEXT = "م" * 4096  # 8 KiB


@pytest.fixture(autouse=True)
def _only_what_is_new() -> Iterator[None]:
    """Looking at all that a long session of tests has left takes seconds a time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def errands() -> int:
    """How many tasks there are for requests of connections."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return list(names).count("_told")


def left() -> int:
    """How much there is of connections: themselves and their tasks."""
    gc.collect()
    return errands() + sum(isinstance(one, Connection) for one in gc.get_objects())


def vanish(client: RawClient) -> None:
    """Without a close frame, as when the phone loses its net."""
    client.socket.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


async def test_a_client_that_vanishes_with_pages_asked_for_leaves_nothing_behind(
    gateway: Gateway, people: People, connect: Connect, settings: Settings
) -> None:
    tight = settings.model_copy(update={"gateway": GatewaySettings(send_queue_bytes_max=64 * 1024)})
    sara = await people.new()
    async with gateway(tight) as base:
        hers = await connect(base, sara.token)
        chat = await hers.open_chat(sara.user)
        for _ in range(70):
            await hers.send_text(chat, LONG_TEXT)
        for ref in range(1000, 1064):
            await hers.tell(t="history", ref=ref, chat=chat, limit=70)
        await eventually(lambda: errands() > 0)
        vanish(hers)
        await eventually(lambda: not left())


async def test_a_client_that_vanishes_before_hello_leaves_nothing_behind(
    base: str, connect: Connect
) -> None:
    client = await connect(base, None, hello="none")
    await eventually(lambda: left() > 0)
    vanish(client)
    await eventually(lambda: not left())


async def test_a_session_ended_between_upgrade_and_hello_does_not_get_in(
    gateway: Gateway, people: People
) -> None:
    sara = await people.new()
    stolen = await people.another_device(sara.user)
    async with gateway() as base, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {stolen.token}"}
        async with session.ws_connect(f"{base}/v1/ws", headers=headers) as opened:
            thief = RawClient(opened, is_json=False)
            device, own = f"{base}/v1/devices/{stolen.device}", f"Bearer {sara.token}"
            async with session.delete(device, headers={"Authorization": own}) as response:
                assert response.status == 200
            assert (await thief.ask("hello"))["code"] == "unauthenticated"
            with pytest.raises(ConnectionError, match="4400"):
                await thief.receive()


async def test_a_stopping_gateway_tells_everybody_also_who_has_not_said_hello(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    loop = asyncio.get_running_loop()
    sara = await people.new()
    async with asyncio.TaskGroup() as tasks:

        async def until_closed(client: RawClient) -> str:
            with pytest.raises(ConnectionError) as closed:
                await client.receive()
            return str(closed.value)

        async with gateway() as base:
            inside = await connect(base, sara.token)
            silent = await connect(base, sara.token, hello="none")
            heard = [tasks.create_task(until_closed(client)) for client in (inside, silent)]
            await asyncio.sleep(0.05)
            began = loop.time()
        took_s = loop.time() - began
    assert [task.result() for task in heard] == ["closed with 4000"] * 2
    assert took_s < 2


async def test_a_last_error_that_is_one_too_many_is_still_told(
    gateway: Gateway, connect: Connect, settings: Settings
) -> None:
    strict = settings.model_copy(update={"gateway": GatewaySettings(errors_max=1)})
    async with gateway(strict) as base:
        client = await connect(base, None, hello="none")
        assert (await client.ask("hello", token="wrong"))["code"] == "unauthenticated"
        with pytest.raises(ConnectionError, match="4501"):
            await client.receive()


async def test_a_mark_survives_the_end_of_the_connection_it_came_by(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza = await people.new(), await people.new()
    tablet = await people.another_device(reza.user)
    hers = await connect(base, sara.token)
    his, his_tablet = await connect(base, reza.token), await connect(base, tablet.token)
    chat = await hers.open_chat(reza.user)
    await hers.send_text(chat, "یک")
    await his.ask("get_chat", chat=chat)
    await his.tell(t="read", ref=9, chat=chat, seq=1)
    await his_tablet.tell(t="read", ref=9, chat=chat, seq=1)
    vanish(his)
    assert (await his_tablet.reply(9))["t"] == "ok"
    assert (await hers.push("position"))["read"] == 1
