"""Everything at once in one group, from two gateways: nothing deadlocks, and the books agree."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from hodhod_server.domain.chat_limits import BROADCAST_MEMBERS
from hodhod_server.domain.errors import HodhodError, Overloaded
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.permissions import GROUP_DEFAULT, NOTHING
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.groups import Edit
from hodhod_server.services.invites import NewLink
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.house import House, open_house
from tests.people import People

PEOPLE = 24
STEPS = 12
CROWD = """
INSERT INTO users (phone_hash, phone_encrypted, name, created_at)
SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), '', 'n', now() FROM generate_series(1, $1::int) AS n
RETURNING user_id
"""
BOOKS = """
SELECT g.member_count, count(m.user_id) AS members, c.last_seq,
       (SELECT count(*) FROM messages WHERE chat_id = $1) AS messages,
       count(*) FILTER (WHERE m.is_broadcast IS DISTINCT FROM c.is_broadcast) AS astray
FROM groups AS g JOIN chats AS c USING (chat_id) JOIN members AS m USING (chat_id)
WHERE chat_id = $1
GROUP BY g.member_count, c.last_seq
"""


class Storm:
    """What happens, and what was refused for a reason that is none."""

    def __init__(self, houses: tuple[House, ...], owner: Caller, chat: ChatId, token: str) -> None:
        self.houses = houses
        self.owner = owner
        self.chat = chat
        self.token = token
        self.failures: list[BaseException] = []

    async def live(self, who: Caller, clock: FakeClock, dice: random.Random) -> None:
        """Somebody's restless time with the group."""
        for _ in range(STEPS):
            house = dice.choice(self.houses)
            try:
                await self._do(house, who, dice.randrange(9), clock)
            except Overloaded as failure:
                self.failures.append(failure)
            except HodhodError:
                pass  # a refusal is what this is about

    async def _do(self, house: House, who: Caller, what: int, clock: FakeClock) -> None:
        chat, owner, membership = self.chat, self.owner, house.membership
        soon = clock.now() + timedelta(seconds=1)
        match what:
            case 0 | 1:
                await house.say(who, chat)
            case 2 | 3:
                await house.invites.join(who, self.token)
            case 4:
                await membership.leave(who, chat)
            case 5:
                await membership.mute(owner, chat, who.user, soon)
            case 6:
                await membership.ban(owner, chat, who.user, soon)
                await membership.unban(owner, chat, who.user)
            case 7:
                await house.positions.mark(who, chat, read=1000)
            case _:
                allowed = NOTHING if who.user % 2 else GROUP_DEFAULT
                await house.groups.edit(owner, chat, Edit(permissions=allowed))


async def test_a_storm_leaves_the_books_in_order(
    settings: Settings, database: Database, clock: FakeClock, keys: Keys
) -> None:
    people = People(database, keys, clock)
    owner = (await people.new()).caller
    crowd = [(await people.new()).caller for _ in range(PEOPLE)]
    async with (
        open_house(settings, database, clock) as one,
        open_house(settings, database, clock) as other,
    ):
        chat = await one.found(owner, [who.user for who in crowd[: PEOPLE // 2]])
        await _fill(one, database, owner, chat)
        link = await one.invites.create(owner, chat, NewLink())
        storm = Storm((one, other), owner, chat, link.token)
        async with asyncio.TaskGroup() as tasks:
            for number, who in enumerate(crowd):
                tasks.create_task(storm.live(who, clock, random.Random(number)))
    assert storm.failures == []
    async with database.connection() as connection:
        counted = await connection.fetchrow(BOOKS, chat)
    assert counted is not None
    assert counted["member_count"] == counted["members"]
    assert counted["last_seq"] == counted["messages"]
    assert counted["astray"] == 0


async def _fill(house: House, database: Database, owner: Caller, chat: ChatId) -> None:
    """So far that the storm may carry the group over the edge of its roster."""
    async with database.connection() as connection:
        rows = await connection.fetch(CROWD, BROADCAST_MEMBERS - PEOPLE // 2 - 5)
    users = [UserId(row["user_id"]) for row in rows]
    for start in range(0, len(users), 200):
        await house.membership.add(owner, chat, users[start : start + 200])
