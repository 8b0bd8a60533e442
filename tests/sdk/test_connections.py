"""How long to wait, when a connection counts as dead, and where to look for one that moved."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from hodhod import Client, ConnectionLost
from hodhod._conversation import Conversation
from hodhod._patience import Patience
from hodhod._reconnect import Backoff
from hodhod._transport import Ended
from hodhod.testing import FakeServer
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.frames import Ok, Ping, Push, Request, ServerFrame, TypingPush
from tests.sdk.reading import until


class Pipe:
    """A connection in memory: what the test puts in is received."""

    reconnect_within_s = 0.0

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.incoming: asyncio.Queue[ServerFrame | Ended] = asyncio.Queue()

    async def send(self, frame: Request) -> None:
        self.sent.append(frame)

    async def receive(self) -> ServerFrame:
        frame = await self.incoming.get()
        if isinstance(frame, Ended):
            raise frame
        return frame

    async def close(self) -> None:
        """Nothing to close."""


def ignore(push: Push) -> None:
    """For tests that expect none."""


async def test_replies_find_their_requests_in_any_order() -> None:
    pipe, pushes = Pipe(), list[Push]()
    conversation = Conversation(pipe)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(conversation.ask(Ping()))
        second = tasks.create_task(conversation.ask(Ping()))
        reading = tasks.create_task(conversation.read(pushes.append))
        await until(lambda: len(pipe.sent) == 2)
        refs = [frame.ref for frame in pipe.sent]
        typing = TypingPush(chat=1, user=2)
        for frame in (Ok(ref=refs[1]), typing, Ok(ref=99), Ok(ref=refs[0]), Ended(4000)):
            pipe.incoming.put_nowait(frame)
    assert (first.result().ref, second.result().ref) == (refs[0], refs[1])
    assert pushes == [typing]
    assert reading.result().code == 4000


async def test_what_is_unanswered_at_the_end_fails() -> None:
    pipe = Pipe()
    conversation = Conversation(pipe)
    reading = asyncio.ensure_future(conversation.read(ignore))
    asking = asyncio.ensure_future(conversation.ask(Ping()))
    await until(lambda: pipe.sent)
    pipe.incoming.put_nowait(Ended(None))
    with pytest.raises(Ended):
        await asking
    assert (await reading).code is None
    with pytest.raises(Ended):
        await conversation.ask(Ping())


async def test_a_connection_that_does_not_answer_is_dead() -> None:
    pipe = Pipe()
    conversation = Conversation(pipe, patience_s=0.05)
    reading = asyncio.ensure_future(conversation.read(ignore))
    await asyncio.sleep(0.1)
    assert not reading.done(), "silence alone is no sign of death"
    with pytest.raises(Ended):
        await conversation.ask(Ping())
    assert (await reading).code is None


def test_waits_double_up_to_a_bound_and_are_spread_over_all_of_it() -> None:
    waits = [list[float]() for _ in range(8)]
    for seed in range(300):
        backoff = Backoff(random.Random(seed), first_s=1.0, max_s=30.0)
        for wait in waits:
            wait.append(backoff.next_delay_s())
    for wait, ceiling_s in zip(waits, (1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        assert min(wait) < 0.05 * ceiling_s
        assert 0.95 * ceiling_s < max(wait) <= ceiling_s


def test_a_return_is_spread_as_wide_as_the_server_says() -> None:
    waits = [Backoff(random.Random(seed)).next_delay_s(within_s=12.0) for seed in range(600)]
    for slice_s in range(12):
        assert 20 < sum(slice_s <= wait < slice_s + 1 for wait in waits) < 100
    assert max(waits) <= 12.0
    assert Backoff(random.Random(1)).next_delay_s(within_s=0.1) <= 1.0


@pytest.mark.parametrize("end", ["cut", CloseCode.GOING_AWAY, CloseCode.OVERLOADED])
async def test_a_client_spreads_its_return_as_its_welcome_said(end: str | CloseCode) -> None:
    async with FakeServer() as server, contextlib.AsyncExitStack() as stack:
        server.gateway.reconnect_within_ms = 3_000
        for number in range(20):
            client = await stack.enter_async_context(Client(server.url))
            await server.sign_in(client, f"0912345678{number % 10}", "Sara")
        await until(lambda: len(server.gateway.wires) == 20)
        if isinstance(end, CloseCode):
            await server.close_connections(end)
        else:
            server.cut()
        await asyncio.sleep(1.2)
        assert len(server.gateway.wires) < 18, "they came back as a wall"
        await asyncio.sleep(2.2)
        assert len(server.gateway.wires) == 20


def test_what_the_server_asks_for_is_waited_first() -> None:
    backoff = Backoff(random.Random(1), first_s=1.0)
    assert 7.0 <= backoff.next_delay_s(7.0) <= 8.0
    backoff.next_delay_s()
    backoff.reset()
    assert backoff.next_delay_s() <= 1.0


async def test_a_transfer_without_progress_is_given_back() -> None:
    patience = Patience(random.Random(1), patience_s=0.0)
    patience.reach(5)
    await asyncio.sleep(0.01)
    with pytest.raises(ConnectionLost, match="cut"):
        await patience.wait(ConnectionLost("cut"))


async def test_a_gateway_that_moved_is_found_again() -> None:
    async with FakeServer() as server, Client(server.url, deadline_s=30.0) as client:
        await server.sign_in(client, "09123456789", "Sara")
        chat = await client.open_private_chat(user=client.user)
        server.gateway_path = "/v1/elsewhere"
        server.cut()
        assert (await client.send(chat, "found you")).seq == 1
