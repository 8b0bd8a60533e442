"""What a loaded gateway refuses, level by level, and what goes on as if nothing were."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from hodhod_server.domain.load import Level
from hodhod_server.settings import GatewaySettings, GroupCommitSettings, Settings
from hodhod_server.store.database import Database
from tests.gateway.conftest import Gateway
from tests.load import Told
from tests.people import People, Person
from tests.raw_client import Map, RawClient

Connect = Callable[..., Awaitable[RawClient]]
GENTLE_S = 1.0  # people see a reply within this time as soon


def assert_told_when(answer: Map) -> None:
    assert answer["t"] == "error"
    assert answer["code"] == "overloaded"
    assert 1.0 <= answer["retry_after"] <= 12.0


async def upgrade(base: str, person: Person) -> aiohttp.ClientResponse:
    """Ask for the socket with a token that is wrong: refused before anybody looks at it."""
    headers = {"Upgrade": "websocket", "Authorization": f"Bearer {person.token}x"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base}/v1/ws", headers=headers) as response,
    ):
        await response.read()
        return response


@pytest.mark.parametrize("level", list(Level))
async def test_messages_go_on_at_every_level(
    gateway: Gateway, people: People, connect: Connect, level: Level
) -> None:
    load = Told()
    sara, reza = await people.new(), await people.new()
    async with gateway(load=load) as base:
        hers, his = await connect(base, sara.token), await connect(base, reza.token)
        chat = await hers.open_chat(reza.user)
        load.level = level
        assert (await hers.send_text(chat, "سلام"))["seq"] == 1
        assert (await his.push("event"))["event"]["seq"] == 1
        assert (await his.ask("ping"))["t"] == "ok"
        assert (await his.ask("read", chat=chat, seq=1))["t"] == "ok"
        assert (await hers.push("position"))["read"] == 1


@pytest.mark.parametrize("level", list(Level))
async def test_where_everything_is_is_told_at_every_level(gateway: Gateway, level: Level) -> None:
    async with (
        gateway(load=Told(level)) as base,
        aiohttp.ClientSession() as session,
        session.get(f"{base}/.well-known/hodhod") as response,
    ):
        assert (await response.json())["ws"].startswith("ws://")


async def test_a_busy_gateway_drops_typing_and_nothing_else(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    load = Told()
    sara, reza = await people.new(), await people.new()
    async with gateway(load=load) as base:
        hers, his = await connect(base, sara.token), await connect(base, reza.token)
        chat = await hers.open_chat(reza.user)
        load.level = Level.BUSY
        assert (await hers.ask("typing", chat=chat))["t"] == "ok"
        assert (await hers.ask("sync"))["t"] == "synced"
        assert (await hers.ask("get_chat", chat=chat))["t"] == "chat"
        await hers.send_text(chat, "سلام")
        await his.push("event")
        assert not [frame for frame in his.pushes if frame["t"] == "typing"]
        load.level = Level.CALM
        await hers.ask("typing", chat=chat)
        assert (await his.push("typing"))["user"] == sara.user


async def test_a_strained_gateway_refuses_all_but_messages_and_says_until_when(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    load = Told()
    sara, reza = await people.new(), await people.new()
    async with gateway(load=load) as base, aiohttp.ClientSession() as session:
        hers = await connect(base, sara.token)
        chat = await hers.open_chat(reza.user)
        load.level = Level.STRAINED
        refused = [
            await hers.ask("sync"),
            await hers.ask("history", chat=chat),
            await hers.ask("open_chat", user=reza.user),
            await hers.ask("get_chat", chat=chat),
            await hers.ask("media_link", chat=chat, seq=1),
        ]
        for answer in refused:
            assert_told_when(answer)
        assert len({answer["retry_after"] for answer in refused}) == 5, "they would return together"
        headers = {"Authorization": f"Bearer {sara.token}"}
        async with session.get(f"{base}/v1/chats", headers=headers) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert (await response.json())["code"] == "overloaded"
        event = {"client_id": 5, "body": {"t": "text", "text": "سلام"}}
        url = f"{base}/v1/chats/{chat}/events"
        async with session.post(url, json=event, headers=headers) as response:
            assert response.status == 201
        for path in ("/live", "/ready", "/metrics"):
            async with session.get(f"{base}{path}") as response:
                assert response.status == 200
        load.level = Level.CALM
        assert (await hers.ask("sync"))["t"] == "synced"


async def test_refusals_for_load_are_no_fault_of_the_client(
    gateway: Gateway, people: People, connect: Connect, settings: Settings
) -> None:
    strict = settings.model_copy(update={"gateway": GatewaySettings(errors_max=3)})
    load = Told()
    sara = await people.new()
    async with gateway(strict, load) as base:
        hers = await connect(base, sara.token)
        load.level = Level.STRAINED
        for _ in range(10):
            assert_told_when(await hers.ask("sync"))
        assert (await hers.ask("ping"))["t"] == "ok"


async def test_a_strained_gateway_takes_no_new_connections(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    load = Told(Level.STRAINED)
    sara = await people.new()
    async with gateway(load=load) as base:
        response = await upgrade(base, sara)
        assert response.status == 503
        assert 3 <= int(response.headers["Retry-After"]) <= 9
        load.level = Level.CALM
        assert (await upgrade(base, sara)).status == 401
        await connect(base, sara.token)


async def test_who_is_at_the_door_of_a_saturated_gateway_is_sent_away_with_4003(
    gateway: Gateway, people: People, connect: Connect
) -> None:
    load = Told()
    sara = await people.new()
    async with gateway(load=load) as base:
        client = await connect(base, sara.token, hello="none")
        load.level = Level.SATURATED
        assert_told_when(await client.ask("hello"))
        with pytest.raises(ConnectionError, match="4003"):
            await client.receive()


async def test_a_full_gateway_refuses_the_upgrade_until_somebody_leaves(
    gateway: Gateway, people: People, connect: Connect, settings: Settings
) -> None:
    small = settings.model_copy(update={"gateway": GatewaySettings(connections_max=2)})
    sara = await people.new()
    async with gateway(small) as base:
        first = await connect(base, sara.token)
        await connect(base, sara.token, hello="none")
        response = await upgrade(base, sara)
        assert response.status == 503
        assert int(response.headers["Retry-After"]) >= 1
        await first.socket.close()
        for _ in range(100):
            if (await upgrade(base, sara)).status != 503:
                return
        pytest.fail("nobody is let in though there is room")


async def test_messages_beyond_the_queue_wait_unread_and_are_refused_when_it_gets_late(
    gateway: Gateway, people: People, connect: Connect, settings: Settings, database: Database
) -> None:
    own = GroupCommitSettings(batch_rows_max=4, queue_rows_max=8, queue_s_max=0.3)
    load = Told()
    sara, reza = await people.new(), await people.new()
    async with gateway(settings.model_copy(update={"group_commit": own}), load) as base:
        hers, his = await connect(base, sara.token), await connect(base, reza.token)
        chat = await hers.open_chat(reza.user)
        await hers.send_text(chat, "پیش از آن")
        load.level = Level.SATURATED
        async with database.transaction() as tx:
            await tx.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            for number in range(14):
                body = {"t": "text", "text": "در میانه"}
                await hers.tell(
                    t="send", ref=100 + number, chat=chat, client_id=9 + number, body=body
                )
            answer = await hers.receive()
            assert (answer["code"], answer["retry_after"] >= 0.5) == ("overloaded", True)
            assert (await his.ask("ping"))["t"] == "ok", "others are read as before"
        answers = [(await hers.receive())["t"] for _ in range(13)]
        assert answers.count("sent") >= 8, "who was in the queue is served"
        assert (await hers.send_text(chat, "پس از آن"))["t"] == "sent"


async def test_a_welcome_says_how_wide_to_spread_a_return(
    gateway: Gateway, people: People, connect: Connect, settings: Settings
) -> None:
    slow = settings.model_copy(update={"gateway": GatewaySettings(reconnects_per_s=2)})
    sara = await people.new()
    async with gateway(slow) as base:
        for number in range(1, 4):
            client = await connect(base, sara.token, hello="none")
            welcome = await client.ask("hello", token=sara.token)
            assert welcome["reconnect_within_ms"] == 500 * number
    many = settings.model_copy(update={"gateway": GatewaySettings(reconnects_per_s=1)})
    async with gateway(many) as base:
        for _ in range(31):
            client = await connect(base, sara.token, hello="none")
        welcome = await client.ask("hello", token=sara.token)
        assert welcome["reconnect_within_ms"] == 30_000, "it has a bound"


async def test_more_reads_than_places_are_refused_in_time_and_messages_do_not_notice(
    gateway: Gateway, people: People, connect: Connect, settings: Settings, database: Database
) -> None:
    small = settings.model_copy(update={"gateway": GatewaySettings(requests_at_work_max=6)})
    sara, reza = await people.new(), await people.new()
    async with gateway(small) as base:
        hers, his = await connect(base, sara.token), await connect(base, reza.token)
        chat = await hers.open_chat(reza.user)
        await hers.send_text(chat, "پیش از آن")
        async with database.transaction() as tx:
            await tx.execute("LOCK TABLE members IN ACCESS EXCLUSIVE MODE")
            for ref in range(1000, 1020):
                await his.tell(t="get_chat", ref=ref, chat=chat)
            async with asyncio.timeout(GENTLE_S):
                assert (await hers.send_text(chat, "در میانه"))["seq"] == 2
            refused: list[Map] = []
            while len(refused) < 14:
                frame = await his.receive()
                if frame["t"] != "event":
                    refused.append(frame)
        for answer in refused:
            assert answer["code"] == "overloaded"
            assert answer["retry_after"] >= 0.5
        for _ in range(6):
            await his.push("chat")
