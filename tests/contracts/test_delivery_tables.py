"""What the store answers on the delivery path: of PostgreSQL, and of the simulation's tables."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import ChatId, ClientId, Seq, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.memberships import ChatKind, ChatRights, MemberRole, Membership
from hodhod_server.domain.permissions import GROUP_DEFAULT, names_of
from hodhod_server.store import chats, groups, members, messages, rights
from hodhod_server.store.chats import PageOf, Positions
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.groups import Info
from hodhod_server.store.messages import Found, Wanted
from hodhod_wire.frames import Chat, Member
from tests.clock import FakeClock
from tests.people import People
from tests.simulation.postgres import Postgres
from tests.simulation.postgres_tables import TITLE, Tables

NOBODY, NO_CHAT = UserId(2**40), ChatId(2**40)


@dataclass(frozen=True)
class Store:
    """A database with three people; the first writes with each of the others.

    They are in a group too, and in one that is broadcast to, both of the first's.
    """

    database: Database
    users: tuple[UserId, UserId, UserId]
    one: ChatId
    other: ChatId
    group: ChatId
    large: ChatId


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
        group, large = [await _new_group(tx, (sara, reza, ali), clock) for _ in range(2)]
        await groups.become_broadcast(tx, large)
        await groups.raise_version(tx, large)
    return Store(database, (sara, reza, ali), one, other, group, large)


async def _new_group(tx: Tx, users: Sequence[UserId], clock: FakeClock) -> ChatId:
    info = Info(title=TITLE, permissions=GROUP_DEFAULT)
    chat = await groups.insert(tx, ChatKind.GROUP, info, clock.now())
    group = await groups.find(tx, chat)
    assert group is not None
    await members.add(tx, group, users, clock.now())
    await members.set_role(tx, chat, users[0], MemberRole.OWNER)
    return chat


def _in_memory() -> Store:
    tables = Tables()
    tables.users = {1: "sara", 2: "reza", 3: "ali"}
    one, other = (ChatId(tables.add_chat(ChatKind.PRIVATE, pair)) for pair in ([1, 2], [1, 3]))
    group, large = (
        ChatId(tables.add_chat(ChatKind.GROUP, [1, 2, 3], is_broadcast=is_broadcast))
        for is_broadcast in (False, True)
    )
    tables.chats[large].version = 1  # since it became one
    database = Postgres(tables, random.Random(1)).pool(4)
    return Store(database, (UserId(1), UserId(2), UserId(3)), one, other, group, large)


def draft(chat: ChatId, sender: UserId, client_id: int, version: int = 0) -> Draft:
    return Draft(chat, sender, ClientId(client_id), b"\xa1x", version=version)


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
    appended = Appended(store.one, Seq(2), to_ms(clock.now()))
    assert found == {(sara, ClientId(2)): Found(appended, b"\xa1x", hides_sender=False, version=0)}


async def test_the_log_is_read_from_both_ends(store: Store, clock: FakeClock) -> None:
    sara = store.users[0]
    await write(store, clock, [draft(store.one, sara, number) for number in range(1, 8)])
    clock.advance(timedelta(seconds=1).total_seconds())
    await write(store, clock, [draft(store.other, sara, number) for number in range(11, 14)])
    async with store.database.connection() as connection:
        after = await messages.page_after(connection, store.one, 2, 3)
        before = await messages.page_before(connection, store.one, 6, 3)
        visible = await messages.page_before(connection, store.one, 6, 9, first=4)
        wanted = [Wanted(store.other, 1, 10), Wanted(store.one, 4, 2), Wanted(NO_CHAT, 0, 9)]
        missed = await messages.missed(connection, wanted)
        one = await messages.find(connection, store.one, 4)
        assert await messages.find(connection, store.one, 8) is None
    assert [event.seq for event in after] == [3, 4, 5]
    assert [event.seq for event in before] == [3, 4, 5]
    assert [event.seq for event in visible] == [4, 5]
    assert [[(event.chat, event.seq) for event in events] for events in missed] == [
        [(store.other, 2), (store.other, 3)],
        [(store.one, 5), (store.one, 6)],
        [],
    ]
    assert one is not None
    assert (one.client_id, one.sender, bytes(one.body)) == (4, sara, b"\xa1x")
    assert missed[0][-1].at - one.at == 1000


async def test_a_draft_that_was_allowed_at_another_version_is_not_written(
    store: Store, clock: FakeClock
) -> None:
    sara, reza, ali = store.users
    written = await write(
        store,
        clock,
        [
            draft(store.large, sara, 1),
            draft(store.group, sara, 2),
            draft(store.group, reza, 3, version=1),
            draft(store.one, reza, 4),
        ],
    )
    assert written == [None, None, None, (store.one, 1)]
    assert await write(store, clock, [draft(store.large, ali, 5, version=1)]) == [(store.large, 1)]


async def test_who_holds_a_chat_is_alone_in_it_until_the_end(
    store: Store, clock: FakeClock
) -> None:
    sara, reza, _ = store.users
    async with asyncio.TaskGroup() as tasks:
        async with store.database.transaction() as tx:
            await messages.lock_chats(tx, [store.one])
            other = tasks.create_task(write(store, clock, [draft(store.one, reza, 1)]))
            await asyncio.sleep(0.05)
            mine = await messages.append(tx, [draft(store.one, sara, 2)], clock.now())
            assert not other.done()
        assert await other == [(store.one, 2)]
    assert [one and one.seq for one in mine] == [1]


async def test_a_transaction_that_fails_leaves_nothing(store: Store, clock: FakeClock) -> None:
    sara = store.users[0]

    async def fail() -> None:
        async with store.database.transaction() as tx:
            await messages.lock_chats(tx, [store.one])
            await messages.append(tx, [draft(store.one, sara, 1)], clock.now())
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with store.database.connection() as connection:
        assert await messages.page_after(connection, store.one, 0, 10) == []
    assert await write(store, clock, [draft(store.one, sara, 2)]) == [(store.one, 1)]


async def test_members_and_their_chats(store: Store, clock: FakeClock) -> None:
    sara, reza, ali = store.users
    await write(store, clock, [draft(store.one, sara, 1)])
    async with store.database.connection() as connection:
        assert await chats.find_for_member(connection, ali, store.one) is None
        found = await chats.find_for_member(connection, reza, store.one)
        pages = await chats.pages_of(
            connection,
            [
                PageOf(sara, 0, 2**53),
                PageOf(NOBODY, 0, 2**53),
                PageOf(sara, store.one, store.other),
                PageOf(ali, 0, 2**53),
            ],
            3,
        )
    people = [Member(user=sara, name="sara"), Member(user=reza, name="reza")]
    assert found == Chat(chat=store.one, kind="private", last_seq=1, members=people)
    assert [[chat.chat for chat in page.chats] for page in pages] == [
        [store.one, store.other, store.group],
        [],
        [store.other],
        [store.other, store.group, store.large],
    ]


async def test_groups_and_who_is_in_them(store: Store) -> None:
    sara, reza, _ = store.users
    async with store.database.connection() as connection:
        group = await chats.find_for_member(connection, sara, store.group)
        seen = await chats.seen_by(connection, store.large, [reza, NOBODY])
    assert group is not None
    assert group.me is not None
    assert (group.title, group.member_count, group.me.role) == (TITLE, 3, "owner")
    assert (group.members, group.broadcast) == ([], False)
    (large,) = seen.values()
    assert large.me is not None
    assert (large.me.role, large.me.permissions, large.broadcast) == (
        "member",
        names_of(GROUP_DEFAULT),
        True,
    )


async def test_rights(store: Store) -> None:
    sara, reza, ali = store.users
    async with store.database.connection() as connection:
        found = await rights.find_chats(connection, [store.one, store.group, store.large, NO_CHAT])
        pairs = [(store.group, sara), (store.large, ali), (store.large, NOBODY), (NO_CHAT, sara)]
        memberships = await rights.find_memberships(connection, pairs)
        broadcasts = await rights.broadcast_chats_of(connection, [NOBODY, ali, reza])
    group = ChatRights(
        chat=store.group,
        kind=ChatKind.GROUP,
        users=tuple(sorted(store.users)),
        permissions=GROUP_DEFAULT,
    )
    assert found == {
        store.one: ChatRights(chat=store.one, kind=ChatKind.PRIVATE, users=(sara, reza)),
        store.group: group,
        store.large: msgspec.structs.replace(
            group, chat=store.large, users=(), version=1, is_broadcast=True
        ),
    }
    assert memberships == {
        (store.group, sara): Membership(user=sara, role=MemberRole.OWNER),
        (store.large, ali): Membership(user=ali, version=1),
    }
    assert sorted(broadcasts) == [(reza, store.large), (ali, store.large)]


async def test_positions_only_go_forward_and_never_beyond_the_log(
    store: Store, clock: FakeClock
) -> None:
    sara, reza, ali = store.users
    await write(store, clock, [draft(store.one, sara, number) for number in range(1, 6)])

    async def advance(user: UserId, delivered: int, read: int) -> list[tuple[int, int, int]]:
        wanted = [Positions(store.one, user, Seq(delivered), Seq(read))]
        async with store.database.connection() as connection:
            moved = await chats.advance_positions(connection, wanted)
        return [(item.delivered, item.read, item.read_before) for item in moved]

    assert await advance(reza, 3, 0) == [(3, 0, 0)]
    assert await advance(reza, 2, 0) == []
    assert await advance(reza, 0, 4) == [(4, 4, 0)]
    assert await advance(reza, 99, 0) == [(5, 4, 4)]
    assert await advance(ali, 1, 0) == []
    async with store.database.connection() as connection:
        chat = await chats.find_for_member(connection, sara, store.one)
    assert chat is not None
    assert [(member.delivered, member.read) for member in chat.members] == [(0, 0), (5, 4)]
