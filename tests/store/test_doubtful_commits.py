"""A COMMIT whose answer was lost: the sender hears of a failure, and the message may be there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import asyncpg
import pytest

from hodhod_server.domain.chat_log import Draft
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import ChatId, ClientId, UserId
from hodhod_server.settings import GroupCommitSettings
from hodhod_server.store.group_commit import Committed, GroupCommit
from tests.clock import FakeClock
from tests.simulation.postgres import Postgres
from tests.simulation.postgres_tables import Row, Tables


class LosesTheAnswer(Tables):
    def insert(self, rows: Sequence[Row]) -> None:
        super().insert(rows)
        raise asyncpg.ConnectionDoesNotExistError


async def test_the_people_of_a_message_that_may_be_durable_are_named(clock: FakeClock) -> None:
    tables = LosesTheAnswer()
    chat = ChatId(tables.add_chat("private", [1, 2]))
    database = Postgres(tables, random.Random(1)).pool(1)
    announced: list[Committed] = []
    doubtful: list[Draft] = []
    writer = GroupCommit(database, GroupCommitSettings(), clock, announced.extend, doubtful.extend)
    draft = Draft(chat, UserId(1), ClientId(5), b"\xa1x", (UserId(1), UserId(2)))
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(writer.run())
        with pytest.raises(Overloaded):
            await writer.submit(draft)
        loop.cancel()
    assert tables.chats[chat].last_seq == 1
    assert (announced, doubtful) == ([], [draft])
