"""A client that does not read is let go with a code after which it resumes; nobody waits for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from hodhod_server.gateway.writer import STALLED_S_MAX, Writer
from hodhod_server.settings import GatewaySettings, Settings
from hodhod_server.store.database import Database
from tests.gateway.conftest import Gateway
from tests.long_logs import new_group
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
LONG_TEXT = "م" * 4096  # 8 KiB
BURST = 40
MESSAGES = 30 * BURST  # more than loopback sockets hold on their own


class StuckTransport:
    """Takes everything and sends what it is told to."""

    def __init__(self) -> None:
        self.unsent = 0
        self.has_moved = asyncio.Event()

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def send(self, frame: bytes) -> int:
        self.unsent += len(frame)
        return len(frame)

    def unsent_bytes(self) -> int:
        return self.unsent

    async def drain(self) -> None:
        await self.has_moved.wait()

    def close(self, code: int) -> None:
        pass

    def abort(self) -> None:
        pass


@pytest.mark.parametrize("is_broadcast", [False, True], ids=["roster", "broadcast"])
async def test_a_slow_client_is_let_go_and_finds_everything_when_it_returns(
    gateway: Gateway,
    people: People,
    connect: Connect,
    settings: Settings,
    database: Database,
    is_broadcast: bool,
) -> None:
    tight = settings.model_copy(update={"gateway": GatewaySettings(send_queue_bytes_max=64 * 1024)})
    sara, reza = await people.new(), await people.new()
    chat = await new_group(database, [sara.user, reza.user], is_broadcast=is_broadcast)
    async with gateway(tight) as base:
        hers, his = await connect(base, sara.token), await connect(base, reza.token)
        body = {"t": "text", "text": LONG_TEXT}
        for first in range(1, MESSAGES + 1, BURST):
            refs = range(1000 + first, 1000 + first + BURST)
            for ref in refs:
                await hers.tell(t="send", ref=ref, chat=chat, client_id=ref, body=body)
            for ref in refs:
                assert (await hers.reply(ref))["seq"] == ref - 1000
        got = await count_until_closed(his)
        assert 0 < got < MESSAGES
        again = await connect(base, reza.token)
        missed = await again.ask("history", chat=chat, after=got, limit=200)
        assert missed["events"][0]["seq"] == got + 1
        assert missed["more"]


async def count_until_closed(client: RawClient) -> int:
    """How many frames came before the end (4001 where the goodbye still got through)."""
    for count in itertools.count():
        try:
            await client.receive()
        except ConnectionError:
            return count
    raise AssertionError


async def test_pages_that_were_asked_for_wait_for_the_client_instead(
    gateway: Gateway, people: People, connect: Connect, settings: Settings
) -> None:
    tight = settings.model_copy(update={"gateway": GatewaySettings(send_queue_bytes_max=64 * 1024)})
    sara = await people.new()
    async with gateway(tight) as base:
        hers = await connect(base, sara.token)
        chat = await hers.open_chat(sara.user)
        for _ in range(70):
            await hers.send_text(chat, LONG_TEXT)
        for ref in range(1000, 1020):
            await hers.tell(t="history", ref=ref, chat=chat, limit=70)
        for ref in range(1000, 1020):
            assert len((await hers.reply(ref))["events"]) > 50


async def test_what_is_unsent_is_bounded_in_bytes() -> None:
    transport = StuckTransport()
    writer = Writer(transport, bytes_max=1000)
    assert all(writer.enqueue(b"x" * 100) for _ in range(10))
    assert not writer.enqueue(b"x")
    transport.unsent -= 100
    assert writer.enqueue(b"x" * 100)
    assert not writer.enqueue(b"x")


async def test_a_client_that_takes_nothing_is_let_go_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
    writer = Writer(StuckTransport(), bytes_max=1000)
    assert writer.enqueue(b"x")
    assert writer.enqueue(b"x")  # the first look at what is left over
    now_s += STALLED_S_MAX - 1
    assert writer.enqueue(b"x")
    now_s += 2
    assert not writer.enqueue(b"x")


async def test_a_client_that_takes_little_by_little_may_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
    transport = StuckTransport()
    writer = Writer(transport, bytes_max=1000)
    for _ in range(20):
        assert writer.enqueue(b"x" * 40)
        now_s += STALLED_S_MAX / 2
        transport.unsent -= 10


async def test_a_page_leaves_the_room_for_pushes_as_it_is() -> None:
    transport = StuckTransport()
    writer = Writer(transport, bytes_max=1000)
    writer.enqueue_page(b"x" * 5000)
    assert all(writer.enqueue(b"x" * 100) for _ in range(10))
    assert not writer.enqueue(b"x")
    transport.unsent -= 5000
    assert not writer.enqueue(b"x")
    transport.unsent -= 100
    assert writer.enqueue(b"x")
