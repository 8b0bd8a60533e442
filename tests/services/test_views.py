"""Views of a channel's posts: each reader counts once, and the author never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hodhod_server.domain.chat_limits import VIEWS_PER_JUMP_MAX
from hodhod_server.domain.errors import ChatNotFound
from hodhod_server.domain.ids import ChatId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.permissions import Permission
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.house import House, open_house
from tests.people import People, Person


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
async def house(settings: Settings, database: Database, clock: FakeClock) -> AsyncIterator[House]:
    async with open_house(settings, database, clock) as opened:
        yield opened


async def views(house: House, who: Person, chat: ChatId) -> dict[int, int]:
    return dict(await house.views.between(who.caller, chat, 1, 1000))


async def test_each_reader_counts_once_over_several_gateways(
    house: House, settings: Settings, database: Database, clock: FakeClock, people: People
) -> None:
    sara = await people.new()
    readers = [await people.new() for _ in range(8)]
    chat = await house.found(sara.caller, [one.user for one in readers], "channel")
    for number in range(4):
        await house.say(sara.caller, chat, str(number))  # seq 2 to 5, after `created`
    async with open_house(settings, database, clock) as other, asyncio.TaskGroup() as tasks:
        for number, reader in enumerate(readers):
            for seq in (2, 3, 3, 2, 5 if number % 2 else 3, 99):
                for one in (house, other):
                    tasks.create_task(one.positions.mark(reader.caller, chat, read=min(seq, 4)))
    assert await views(house, sara, chat) == {1: 8, 2: 8, 3: 8, 4: 8}
    await house.positions.mark(readers[0].caller, chat, read=99)
    await house.positions.mark(readers[1].caller, chat, delivered=99)
    assert await views(house, readers[0], chat) == {1: 8, 2: 8, 3: 8, 4: 8, 5: 1}


async def test_ones_own_posts_and_what_was_before_one_came_do_not_count(
    house: House, people: People
) -> None:
    sara, reza, mina = await people.new(), await people.new(), await people.new()
    chat = await house.found(sara.caller, [reza.user], "channel", signs_posts=False)
    await house.membership.appoint(sara.caller, chat, reza.user, Permission.POST)
    await house.say(sara.caller, chat)  # 2
    await house.say(reza.caller, chat)  # 3
    await house.membership.add(sara.caller, chat, [mina.user])
    await house.say(sara.caller, chat)  # 4
    for reader in (sara, reza, mina):
        await house.positions.mark(reader.caller, chat, read=4)
    assert await views(house, sara, chat) == {1: 1, 2: 1, 3: 1, 4: 2}
    await house.membership.leave(mina.caller, chat)
    await house.membership.add(sara.caller, chat, [mina.user])
    await house.positions.mark(mina.caller, chat, read=4)
    assert await views(house, sara, chat) == {1: 1, 2: 1, 3: 1, 4: 2}, (
        "coming back is no second view"
    )
    with pytest.raises(ChatNotFound):
        await house.views.between((await people.new()).caller, chat, 1, 9)


async def test_a_long_jump_counts_its_last_posts(house: House, people: People) -> None:
    sara, reza = await people.new(), await people.new()
    chat = await house.found(sara.caller, [reza.user], "channel")
    for future in [await house.submit(sara.caller, chat) for _ in range(VIEWS_PER_JUMP_MAX + 20)]:
        await future
    last = VIEWS_PER_JUMP_MAX + 21
    await house.positions.mark(reza.caller, chat, read=last)
    counted = await views(house, sara, chat)
    assert sorted(counted) == list(range(last - VIEWS_PER_JUMP_MAX + 1, last + 1))
    assert set(counted.values()) == {1}


async def test_groups_count_no_views(house: House, people: People, database: Database) -> None:
    sara, reza = await people.new(), await people.new()
    chat = await house.found(sara.caller, [reza.user])
    await house.say(sara.caller, chat)
    await house.positions.mark(reza.caller, chat, read=2)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM post_views") == 0
