"""A gateway is killed under hundreds of people: they come back as a slope, others feel nothing.

The people are clients of the SDK on the port that two gateways share; the pair that must not notice
is on the gateway that lives on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal

import aiohttp
import pytest

from hodhod import Client, TryLater
from tests.over_http import sign_up
from tests.raw_client import RawClient
from tests.running import RunningUp, running_up
from tests.sizes import sized

PEOPLE = sized(240, 400)
AT_ONCE = 16
RECONNECTS_PER_S = 25
LOOK_S = 0.25
RETURN_S = 40.0
CONNECTIONS = re.compile(r"^hodhod_connections (\S+)$", re.MULTILINE)


async def connections(session: aiohttp.ClientSession, up: RunningUp, gateway: str) -> int:
    """How many people a gateway has; none while it is gone."""
    try:
        async with session.get(f"{up.role_address(gateway)}/metrics") as response:
            found = CONNECTIONS.search(await response.text())
    except (aiohttp.ClientError, StopIteration):
        return 0
    return int(float(found[1])) if found else 0


async def come_in(session: aiohttp.ClientSession, outbox: str, client: Client, number: int) -> None:
    """Sign in; asked to come later, come later."""
    phone = f"0912{number:07}"
    while True:
        try:
            challenge = await client.request_code(phone)
            await challenge.wait_sent()
            async with session.get(outbox, params={"phone": phone}) as response:
                text = (await response.json())["texts"][-1]["text"]
            code = re.search(r"\d{6}", text)
            assert code is not None
            await challenge.verify(code[0], name="Sara")
        except TryLater as busy:
            await asyncio.sleep(busy.retry_after_s or 1.0)
        else:
            return


async def crowd(
    stack: contextlib.AsyncExitStack, session: aiohttp.ClientSession, up: RunningUp, outbox: str
) -> None:
    """Everybody, connected, for the life of the stack."""
    numbers = iter(range(1, PEOPLE + 1))

    async def some() -> None:
        for number in numbers:
            client = await stack.enter_async_context(Client(up.address))
            await come_in(session, outbox, client, number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(some())
    await total(session, up, at_least=PEOPLE)


async def total(session: aiohttp.ClientSession, up: RunningUp, at_least: int) -> list[float]:
    """Wait for so many; returns when each look happened and what was seen, as shares of it."""
    curve: list[float] = []
    async with asyncio.timeout(RETURN_S):
        while not curve or curve[-1] < 1.0:
            there = [await connections(session, up, name) for name in ("gateway-0", "gateway-1")]
            curve.append(sum(there) / at_least)
            await asyncio.sleep(LOOK_S)
    return curve


class Talk:
    """Two people who write to each other all the time, and what it was like."""

    def __init__(self, hers: RawClient, his: RawClient, chat: int) -> None:
        self.waits_s: list[float] = []
        self._hers, self._his, self._chat = hers, his, chat

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        for number in range(1, 1_000_000):
            writer, reader = (self._hers, self._his) if number % 2 else (self._his, self._hers)
            began_s = clock()
            sent = await writer.send_text(self._chat, "سلام")
            assert sent["seq"] == number, "a message was lost, or written twice"
            assert (await reader.push("event"))["event"]["seq"] == number
            self.waits_s.append(clock() - began_s)
            await asyncio.sleep(0.02)


@pytest.mark.timeout(180)
async def test_people_come_back_spread_and_the_others_feel_nothing() -> None:
    told = {"HODHOD__GATEWAY__RECONNECTS_PER_S": str(RECONNECTS_PER_S)}
    async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as stack:
        up = stack.enter_context(running_up("--gateways", "2", extra=told))
        async with session.get(f"{up.address}/.well-known/hodhod") as response:
            signup = (await response.json())["signup"]
        (_, her_token), (reza, his_token) = [
            await sign_up(session, signup, phone) for phone in ("09351112233", "09351112234")
        ]
        other = up.role_address("gateway-1")
        hers = await stack.enter_async_context(RawClient.open(other, her_token))
        his = await stack.enter_async_context(RawClient.open(other, his_token))
        talk = Talk(hers, his, await hers.open_chat(reza))
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(talk.run())
            await crowd(stack, session, up, f"{signup}/dev/outbox")
            killed = await connections(session, up, "gateway-0")
            survived = await connections(session, up, "gateway-1")
            assert killed > PEOPLE / 4, "the shared port did not share"
            os.kill(up.find("gateway-0").pid, signal.SIGKILL)
            curve = await total(session, up, at_least=killed + survived)
            talking.cancel()
    back = [(share * (killed + survived) - survived) / killed for share in curve]
    spread_s = killed / RECONNECTS_PER_S
    assert back[round(spread_s * 0.1 / LOOK_S)] < 0.7, f"a wall: {back}"
    assert len(back) * LOOK_S > spread_s * 0.5, f"sooner than they were told: {back}"
    assert max(later - sooner for sooner, later in zip(back, back[2:], strict=False)) < 0.5
    assert len(talk.waits_s) > 100
    assert max(talk.waits_s) < 3.0, "the pair felt it"
