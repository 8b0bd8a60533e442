"""Group commit against a real PostgreSQL: order, exactly once, refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.errors import (
    ChatNotFound,
    ClientIdReused,
    Forbidden,
    HodhodError,
    Overloaded,
)
from hodhod_server.domain.ids import ChatId, ClientId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.settings import GroupCommitSettings
from hodhod_server.store import chats, messages
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.group_commit import Committed, GroupCommit, Recheck
from tests.clock import FakeClock
from tests.people import People


async def refuse(tx: Tx, drafts: Sequence[Draft]) -> list[Draft | HodhodError]:
    """The answer for chats that are not there."""
    return [ChatNotFound() for _ in drafts]


@asynccontextmanager
async def running(
    database: Database,
    clock: FakeClock,
    recheck: Recheck = refuse,
    *,
    queue_s_max: float = 2.0,
    **settings: int,
) -> AsyncIterator[tuple[GroupCommit, list[Committed]]]:
    """A writer at work, and what it announced."""
    announced: list[Committed] = []
    own = GroupCommitSettings(queue_s_max=queue_s_max, **settings)
    writer = GroupCommit(database, own, clock, announced.extend, recheck)
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(writer.run())
        yield writer, announced
        loop.cancel()


@pytest.fixture
async def pair(database: Database, keys: Keys, clock: FakeClock) -> tuple[UserId, UserId]:
    people = People(database, keys, clock)
    return (await people.new()).user, (await people.new()).user


@pytest.fixture
async def chat(database: Database, clock: FakeClock, pair: tuple[UserId, UserId]) -> ChatId:
    async with database.transaction() as tx:
        return await chats.open_private(tx, *pair, clock.now())


def drafts(chat: ChatId, sender: UserId, client_ids: Sequence[int]) -> list[Draft]:
    return [Draft(chat, sender, ClientId(number), b"\xa1x") for number in client_ids]


async def outcomes(writer: GroupCommit, batch: Sequence[Draft]) -> list[Appended | BaseException]:
    futures = [writer.submit(draft) for draft in batch]
    await asyncio.wait(futures)
    return [future.exception() or future.result() for future in futures]


async def test_order_of_submission_is_order_in_the_log(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    async with running(database, clock, batch_rows_max=7) as (writer, announced):
        results = await outcomes(writer, drafts(chat, pair[0], range(1, 101)))
    assert [result.seq for result in results if isinstance(result, Appended)] == list(range(1, 101))
    assert [item.draft.client_id for item in announced] == list(range(1, 101))


async def test_a_resend_gets_the_first_result(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    async with running(database, clock) as (writer, _):
        first = await outcomes(writer, drafts(chat, pair[0], [1, 2, 3]))
        clock.advance(5)
        again = await outcomes(writer, drafts(chat, pair[0], [2, 4, 2, 5, 4]))
    seqs = [result.seq for result in again if isinstance(result, Appended)]
    assert seqs == [2, 4, 2, 5, 4]
    assert again[0] == first[1]


async def test_two_writers_racing_with_resends_write_each_message_once(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    batch = drafts(chat, pair[0], range(1, 201))
    async with (
        running(database, clock, batch_rows_max=16) as (one, _),
        running(database, clock, batch_rows_max=16) as (other, _),
        asyncio.TaskGroup() as tasks,
    ):
        there = tasks.create_task(outcomes(one, batch))
        here = tasks.create_task(outcomes(other, batch[::-1]))
    assert there.result() == here.result()[::-1]
    async with database.connection() as connection:
        log = await messages.page_after(connection, chat, 0, 1000)
    assert [event.seq for event in log] == list(range(1, 201))
    assert sorted(event.client_id for event in log) == list(range(1, 201))


async def test_two_writers_on_many_chats_never_deadlock(
    database: Database, clock: FakeClock, keys: Keys
) -> None:
    people = People(database, keys, clock)
    users = [(await people.new()).user for _ in range(12)]
    async with database.transaction() as tx:
        rooms = [await chats.open_private(tx, users[0], other, clock.now()) for other in users[1:]]
    batch = [
        Draft(rooms[number % len(rooms)], users[0], ClientId(number + 1), b"\xa1x")
        for number in range(400)
    ]
    async with (
        running(database, clock, batch_rows_max=32) as (one, _),
        running(database, clock, batch_rows_max=32) as (other, _),
        asyncio.TaskGroup() as tasks,
    ):
        halves = (
            tasks.create_task(outcomes(one, batch[::2])),
            tasks.create_task(outcomes(other, batch[1::2][::-1])),
        )
    assert all(isinstance(result, Appended) for half in halves for result in half.result())


async def test_refusals_touch_only_their_own_message(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    async with database.transaction() as tx:
        other_chat = await chats.open_private(tx, pair[0], pair[0], clock.now())
    async with running(database, clock) as (writer, _):
        await outcomes(writer, drafts(chat, pair[0], [1]))
        results = await outcomes(
            writer,
            [
                *drafts(chat, pair[0], [2]),
                *drafts(other_chat, pair[0], [1]),
                *drafts(ChatId(999_999), pair[0], [3]),
                *drafts(chat, pair[0], [4]),
            ],
        )
    assert isinstance(results[1], ClientIdReused)
    assert isinstance(results[2], ChatNotFound)
    assert isinstance(results[0], Appended)
    assert isinstance(results[3], Appended)
    assert {results[0].seq, results[3].seq} == {2, 3}


async def test_a_full_queue_refuses_at_once(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    writer = GroupCommit(
        database, GroupCommitSettings(queue_rows_max=2), clock, lambda batch: None, refuse
    )
    one, two, three = drafts(chat, pair[0], [1, 2, 3])
    writer.submit(one)
    writer.submit(two)
    with pytest.raises(Overloaded):
        writer.submit(three)


async def test_a_queue_that_does_not_move_refuses_before_it_is_full(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    one, two, three, four = drafts(chat, pair[0], [1, 2, 3, 4])
    async with running(database, clock, queue_s_max=0.1) as (writer, _):
        async with database.transaction() as tx:
            await tx.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            in_work = writer.submit(one)
            await asyncio.sleep(0.05)
            waiting = writer.submit(two)
            await asyncio.sleep(0.2)
            with pytest.raises(Overloaded) as refused:
                writer.submit(three)
            assert refused.value.retry_after_s is not None
            assert refused.value.retry_after_s >= 0.5
        assert ((await in_work).seq, (await waiting).seq) == (1, 2)
        assert (await writer.submit(four)).seq == 3, "it moves again and takes more at once"


async def test_a_lost_database_refuses_and_a_resend_goes_through(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    async with running(database, clock) as (writer, _):
        await outcomes(writer, drafts(chat, pair[0], [1]))
        async with database.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        results: list[Appended | BaseException] = []
        for _ in range(10):
            results = await outcomes(writer, drafts(chat, pair[0], [1, 2]))
            if all(isinstance(result, Appended) for result in results):
                break
            assert all(isinstance(result, HodhodError) for result in results)
    assert [result.seq for result in results if isinstance(result, Appended)] == [1, 2]


async def test_a_chat_that_changed_meanwhile_takes_what_is_still_allowed_in_its_order(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE chats SET version = 3 WHERE chat_id = $1", chat)
    rechecked: list[int] = []

    async def recheck(tx: Tx, stale: Sequence[Draft]) -> list[Draft | HodhodError]:
        rechecked.extend(draft.client_id for draft in stale)
        return [
            Forbidden() if draft.client_id == 2 else msgspec.structs.replace(draft, version=3)
            for draft in stale
        ]

    mixed = [
        msgspec.structs.replace(draft, version=version)
        for draft, version in zip(drafts(chat, pair[0], [1, 2, 3, 4]), [2, 2, 3, 3], strict=True)
    ]
    async with running(database, clock, recheck=recheck, batch_rows_max=4) as (writer, announced):
        results = await outcomes(writer, mixed)
    assert rechecked == [1, 2, 3, 4], "drafts that disagree are all checked again"
    assert isinstance(results[1], Forbidden)
    assert [item.draft.client_id for item in announced] == [1, 3, 4]
    assert [item.appended.seq for item in announced] == [1, 2, 3]
    assert {item.draft.version for item in announced} == {3}


async def test_a_chat_that_never_stops_changing_refuses_and_holds_nobody_up(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    async def recheck(tx: Tx, stale: Sequence[Draft]) -> list[Draft | HodhodError]:
        return [msgspec.structs.replace(draft, version=draft.version + 1) for draft in stale]

    restless = msgspec.structs.replace(drafts(chat, pair[0], [1])[0], version=1)
    async with running(database, clock, recheck=recheck) as (writer, _):
        first, second = await outcomes(writer, [restless, *drafts(chat, pair[0], [2])])
        assert isinstance(first, Overloaded)
        assert isinstance(second, Overloaded)  # of the same chat and batch
        assert isinstance((await outcomes(writer, drafts(chat, pair[0], [2])))[0], Appended)


async def test_a_resend_is_told_as_the_log_has_it(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    first = msgspec.structs.replace(drafts(chat, pair[0], [1])[0], hides_sender=True)
    async with running(database, clock) as (writer, announced):
        await outcomes(writer, [first])
        await outcomes(writer, [msgspec.structs.replace(first, hides_sender=False, body=b"\xa1y")])
    assert [(item.draft.hides_sender, item.draft.body) for item in announced] == [
        (True, b"\xa1x")
    ] * 2


async def test_a_resend_with_an_old_audience_tells_nobody(
    database: Database, clock: FakeClock, chat: ChatId, pair: tuple[UserId, UserId]
) -> None:
    async with database.transaction() as tx:
        notes = await chats.open_private(tx, pair[0], pair[0], clock.now())
    batch = [
        msgspec.structs.replace(draft, audience=pair)
        for draft in (*drafts(chat, pair[0], [1]), *drafts(notes, pair[0], [2]))
    ]
    async with running(database, clock) as (writer, announced):
        await outcomes(writer, batch)
        async with database.connection() as connection:
            await connection.execute("UPDATE chats SET version = 1 WHERE chat_id = $1", chat)
        results = await outcomes(writer, batch)
    assert all(isinstance(result, Appended) for result in results)
    assert [item.draft.audience for item in announced] == [pair, pair, (), pair]
