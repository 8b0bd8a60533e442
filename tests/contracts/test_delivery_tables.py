"""What the store answers on the delivery path: of PostgreSQL, and of the simulation's tables."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import pytest

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import ChatId, ClientId, Seq, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.store import chats, messages
from hodhod_server.store.chats import Positions
from hodhod_server.store.database import Database
from hodhod_server.store.messages import Wanted
from hodhod_wire.frames import Chat, Member
from tests.clock import FakeClock
from tests.people import People
from tests.simulation.postgres import Postgres
from tests.simulation.postgres_tables import Tables

NOBODY, NO_CHAT = UserId(2**40), ChatId(2**40)


@dataclass(frozen=True)
class Store:
    """A database with three people; the first writes with each of the others."""

    database: Database
    users: tuple[UserId, UserId, UserId]
    one: ChatId
    other: ChatId


@pytest.fixture(params=["memory", "postgres"])
async def store(
    request: pytest.FixtureRequest, database: Database, keys: Keys, clock: FakeClock
) -> Store:
    if request.param == "memory":
        return _in_memory()
    people = People(database, keys, clock)
    sara, reza, ali = [(await people.new(name)).user for name in ("sara", "reza", "ali")]
    async with database.transaction() as tx:
        one = await chats.open_private(tx, sara, reza, clock.now())
        other = await chats.open_private(tx, sara, ali, clock.now())
    return Store(database, (sara, reza, ali), one, other)


def _in_memory() -> Store:
    tables = Tables()
    tables.users = {1: "sara", 2: "reza", 3: "ali"}
    one, other = (ChatId(tables.add_chat("private", members)) for members in ([1, 2], [1, 3]))
    database = Postgres(tables, random.Random(1)).pool(4)
    return Store(database, (UserId(1), UserId(2), UserId(3)), one, other)


def draft(chat: ChatId, sender: UserId, client_id: int) -> Draft:
    return Draft(chat, sender, ClientId(client_id), b"\xa1x")


async def write(
    store: Store, clock: FakeClock, drafts: Sequence[Draft]
) -> list[tuple[int, int] | None]:
    """Append; chat and seq of each."""
    async with store.database.connection() as connection:
        written = await messages.append(connection, drafts, clock.now())
    return [None if one is None else (one.chat, one.seq) for one in written]


async def test_each_chat_counts_for_itself_and_an_unknown_one_gets_nothing(
    store: Store, clock: FakeClock
) -> None:
    sara, reza, _ = store.users
    drafts = [
        draft(store.other, sara, 1),
        draft(store.one, sara, 2),
        draft(NO_CHAT, sara, 3),
        draft(store.one, reza, 2),
    ]
    written = await write(store, clock, drafts)
    assert written == [(store.other, 1), (store.one, 1), None, (store.one, 2)]
    assert await write(store, clock, [draft(store.one, sara, 4)]) == [(store.one, 3)]


@pytest.mark.parametrize("names", [(1,), (2, 2), (2, 1)])
async def test_a_batch_with_a_name_that_is_taken_is_not_written_at_all(
    store: Store, clock: FakeClock, names: tuple[int, ...]
) -> None:
    sara = store.users[0]
    await write(store, clock, [draft(store.one, sara, 1)])
    with pytest.raises(asyncpg.UniqueViolationError):
        await write(store, clock, [draft(store.other, sara, name) for name in names])
    async with store.database.connection() as connection:
        assert await messages.page_after(connection, store.other, 0, 10) == []
    assert await write(store, clock, [draft(store.other, sara, 9)]) == [(store.other, 1)]


async def test_what_was_written_is_found_by_its_name(store: Store, clock: FakeClock) -> None:
    sara, reza, _ = store.users
    await write(store, clock, [draft(store.one, sara, 1), draft(store.one, sara, 2)])
    asked = [draft(store.other, sara, 2), draft(store.one, reza, 1)]
    async with store.database.connection() as connection:
        found = await messages.find_appended(connection, asked)
    assert found == {(sara, ClientId(2)): Appended(store.one, Seq(2), to_ms(clock.now()))}


async def test_the_log_is_read_from_both_ends(store: Store, clock: FakeClock) -> None:
    sara = store.users[0]
    await write(store, clock, [draft(store.one, sara, number) for number in range(1, 8)])
    clock.advance(timedelta(seconds=1).total_seconds())
    await write(store, clock, [draft(store.other, sara, number) for number in range(11, 14)])
    async with store.database.connection() as connection:
        after = await messages.page_after(connection, store.one, 2, 3)
        before = await messages.page_before(connection, store.one, 6, 3)
        wanted = [Wanted(store.other, 1, 10), Wanted(store.one, 4, 2), Wanted(NO_CHAT, 0, 9)]
        missed = await messages.missed(connection, wanted)
        one = await messages.find(connection, store.one, 4)
        assert await messages.find(connection, store.one, 8) is None
    assert [event.seq for event in after] == [3, 4, 5]
    assert [event.seq for event in before] == [3, 4, 5]
    assert [(event.chat, event.seq) for event in missed] == [
        (store.one, 5),
        (store.one, 6),
        (store.other, 2),
        (store.other, 3),
    ]
    assert one is not None
    assert (one.client_id, one.sender, bytes(one.body)) == (4, sara, b"\xa1x")
    assert missed[-1].at - one.at == 1000


async def test_members_and_their_chats(store: Store, clock: FakeClock) -> None:
    sara, reza, ali = store.users
    await write(store, clock, [draft(store.one, sara, 1)])
    async with store.database.connection() as connection:
        roster = await chats.find_roster(connection, store.one)
        assert roster is not None
        assert (roster.kind, roster.users) == ("private", (sara, reza))
        assert await chats.find_roster(connection, NO_CHAT) is None
        assert await chats.find_for_member(connection, ali, store.one) is None
        found = await chats.find_for_member(connection, reza, store.one)
        everything = await chats.page_of_user(connection, sara, after=0, until=2**53, limit=10)
        first = await chats.page_of_user(connection, sara, after=0, until=2**53, limit=1)
        rest = await chats.page_of_user(
            connection, sara, after=store.one, until=store.other, limit=10
        )
        none = await chats.page_of_user(connection, NOBODY, after=0, until=2**53, limit=10)
    members = [Member(user=sara, name="sara"), Member(user=reza, name="reza")]
    assert found == Chat(chat=store.one, kind="private", last_seq=1, members=members)
    assert [chat.chat for chat in everything] == [store.one, store.other]
    assert ([chat.chat for chat in first], [chat.chat for chat in rest]) == (
        [store.one],
        [store.other],
    )
    assert none == []


async def test_positions_only_go_forward_and_never_beyond_the_log(
    store: Store, clock: FakeClock
) -> None:
    sara, reza, ali = store.users
    await write(store, clock, [draft(store.one, sara, number) for number in range(1, 6)])

    async def advance(user: UserId, delivered: int, read: int) -> list[tuple[int, int]]:
        wanted = [Positions(store.one, user, Seq(delivered), Seq(read))]
        async with store.database.connection() as connection:
            moved = await chats.advance_positions(connection, wanted)
        return [(item.delivered, item.read) for item in moved]

    assert await advance(reza, 3, 0) == [(3, 0)]
    assert await advance(reza, 2, 0) == []
    assert await advance(reza, 0, 4) == [(4, 4)]
    assert await advance(reza, 99, 0) == [(5, 4)]
    assert await advance(ali, 1, 0) == []
    async with store.database.connection() as connection:
        chat = await chats.find_for_member(connection, sara, store.one)
    assert chat is not None
    assert [(member.delivered, member.read) for member in chat.members] == [(0, 0), (5, 4)]
