"""A COMMIT whose answer was lost: the sender hears of a failure, and the message may be there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import asyncpg

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.errors import HodhodError, Overloaded
from hodhod_server.domain.ids import ChatId, ClientId, UserId
from hodhod_server.domain.memberships import ChatKind
from hodhod_server.settings import GroupCommitSettings
from hodhod_server.store.database import Tx
from hodhod_server.store.group_commit import Committed, GroupCommit
from tests.clock import FakeClock
from tests.simulation.postgres import Postgres
from tests.simulation.postgres_tables import Batch, Row, Tables


class LosesTheAnswer(Tables):
    """The answers of these statements that append, counted from 1, never come."""

    def __init__(self, *lost: int) -> None:
        super().__init__()
        self._lost = lost
        self._count = 0

    def append(self, batch: Batch) -> list[Row]:
        rows = super().append(batch)
        self._count += 1
        if self._count in self._lost:
            raise asyncpg.ConnectionDoesNotExistError
        return rows


class Writing:
    """A writer over these tables, and what it told."""

    def __init__(self, tables: Tables, clock: FakeClock) -> None:
        self.announced: list[Committed] = []
        self.doubtful: list[Draft] = []
        self._writer = GroupCommit(
            Postgres(tables, random.Random(1)).pool(1),
            GroupCommitSettings(),
            clock,
            self.announced.extend,
            self._recheck,
            self.doubtful.extend,
        )

    async def write(self, *drafts: Draft) -> list[Appended | BaseException]:
        async with asyncio.TaskGroup() as tasks:
            loop = tasks.create_task(self._writer.run())
            futures = [self._writer.submit(draft) for draft in drafts]
            await asyncio.wait(futures)
            loop.cancel()
        return [future.exception() or future.result() for future in futures]

    async def _recheck(self, tx: Tx, drafts: Sequence[Draft]) -> list[Draft | HodhodError]:
        raise AssertionError("the chat did not change")


def draft(chat: ChatId, client_id: int) -> Draft:
    people = (UserId(1), UserId(2))
    return Draft(chat, UserId(1), ClientId(client_id), b"\xa1x", people)


async def test_the_people_of_a_message_that_may_be_durable_are_named(clock: FakeClock) -> None:
    tables = LosesTheAnswer(1)
    chat = ChatId(tables.add_chat(ChatKind.PRIVATE, [1, 2]))
    writing, one = Writing(tables, clock), draft(chat, 5)
    (result,) = await writing.write(one)
    assert isinstance(result, Overloaded)
    assert tables.chats[chat].last_seq == 1
    assert (writing.announced, writing.doubtful) == ([], [one])


async def test_what_is_durable_is_told_though_the_rest_of_its_batch_fails(
    clock: FakeClock,
) -> None:
    tables = LosesTheAnswer(2)
    chat = ChatId(tables.add_chat(ChatKind.PRIVATE, [1, 2]))
    writing, old, new = Writing(tables, clock), draft(chat, 5), draft(chat, 6)
    await writing.write(old)
    again, refused = await writing.write(old, new)
    assert isinstance(again, Appended)
    assert isinstance(refused, Overloaded)
    assert [one.draft.client_id for one in writing.announced] == [5, 5]
    assert writing.doubtful == [new]
