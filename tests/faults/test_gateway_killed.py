"""Hundreds of people, two gateways, one of them killed in the middle of their messages."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterable

import aiohttp
import pytest

from hodhod_loadtest.invariants import ChatRecord, violations
from tests.eventually import eventually
from tests.faults.chatter import Chatter
from tests.over_http import sign_up
from tests.running import RunningUp, running_up
from tests.sizes import sized

PEOPLE = sized(400, 1000)
MESSAGES = sized(10_000, 20_000)
AT_ONCE = 32


async def everybody(
    session: aiohttp.ClientSession, up: RunningUp, dice: random.Random
) -> list[Chatter]:
    """All people, signed up, a few at a time."""
    async with session.get(f"{up.address}/.well-known/hodhod") as response:
        known = await response.json()
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Chatter:
        async with slots:
            user, token = await sign_up(session, known["signup"], f"0912{number:07}")
            return Chatter(session, known["ws"], token, user, random.Random(dice.random()))

    async with asyncio.TaskGroup() as tasks:
        people = [tasks.create_task(one(number)) for number in range(PEOPLE)]
    return [person.result() for person in people]


async def open_chats(people: list[Chatter]) -> list[int]:
    """The chats of neighbours: the first with the second, the third with the fourth …"""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(person: Chatter, other: Chatter) -> int:
        async with slots:
            return await person.open_chat(other.user)

    async with asyncio.TaskGroup() as tasks:
        chats = [
            tasks.create_task(one(person, other))
            for person, other in zip(people[::2], people[1::2], strict=True)
        ]
    return [chat.result() for chat in chats]


async def talk(
    up: RunningUp, people: list[Chatter], chats: list[int], records: dict[int, ChatRecord]
) -> None:
    """Everybody sends their share; when a third is durable, one gateway dies."""

    def is_time() -> bool:
        return sum(len(record.acknowledged) for record in records.values()) > MESSAGES // 3

    async def kill() -> None:
        await eventually(is_time, within_s=60)
        os.kill(up.find("gateway-0").pid, signal.SIGKILL)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kill())
        for number, person in enumerate(people):
            chat = chats[number // 2]
            tasks.create_task(person.talk(chat, records[chat], MESSAGES // PEOPLE))


async def finish(people: Iterable[Chatter]) -> None:
    """Everybody reads their log to its end."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(person: Chatter) -> None:
        async with slots:
            await person.finish()

    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(one(person))


@pytest.mark.timeout(180)
async def test_every_acknowledged_message_is_in_every_log_once_and_in_order() -> None:
    seed = 20261123
    with running_up("--gateways", "2") as up:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            people = await everybody(session, up, random.Random(seed))
            chats = await open_chats(people)
            records = {chat: ChatRecord() for chat in chats}
            before = up.find("gateway-0").pid
            await talk(up, people, chats, records)
            await finish(people)
        after = up.find("gateway-0").pid
    for number, person in enumerate(people):
        records[chats[number // 2]].logs[person.user] = person.log
    assert sum(len(record.acknowledged) for record in records.values()) == MESSAGES
    assert violations(records) == []
    assert before != after, "the gateway was not killed and started again"
    assert sum(person.reconnects for person in people) > PEOPLE // 4
    # Who is away, or asked to come later, reads from the log what others get as pushes.
    assert sum(person.pushed for person in people) > MESSAGES // 4, "pushes hardly arrive"
