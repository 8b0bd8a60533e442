"""Three times as many messages as the log can take: it goes on taking as many as it can.

What the log can take is bounded on purpose, by a trigger that makes each commit slow, so that the
outcome does not depend on the machine.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hodhod_server.settings import GroupCommitSettings, Settings
from hodhod_server.store.database import Database
from tests.gateway.conftest import Gateway
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
WRITERS = 6
COMMIT_S = 0.05
ROWS = 10
MEASURED_S = 2.0
OVERLOADED_S = 4.0
SLOW_COMMITS = f"""
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep({COMMIT_S}); RETURN NULL; END $$;
    CREATE TRIGGER dawdle AFTER INSERT ON messages EXECUTE FUNCTION dawdle();
"""


class Writer:
    """Sends at its own pace, whatever becomes of the messages, and counts the answers."""

    def __init__(self, client: RawClient, chat: int) -> None:
        self.sent = 0
        self.refused: list[float] = []
        self._client = client
        self._chat = chat
        self._numbers = itertools.count(1000)

    async def write(self, every_s: float, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        began_s = clock()
        for turn in range(round(seconds / every_s)):
            await asyncio.sleep(max(0.0, began_s + turn * every_s - clock()))
            await self._tell()

    async def write_with(self, in_flight: int, seconds: float) -> None:
        """As many as are answered: what the log can take."""
        for _ in range(in_flight):
            await self._tell()
        until_s = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until_s:
            before = self.sent
            await asyncio.sleep(0.01)
            for _ in range(self.sent - before):
                await self._tell()

    async def hear(self) -> None:
        while True:
            answer = await self._client.receive(within_s=OVERLOADED_S * 5)
            self.sent += answer["t"] == "sent"
            if answer["t"] == "error":
                assert answer["code"] == "overloaded"
                self.refused.append(answer["retry_after"])

    async def _tell(self) -> None:
        number = next(self._numbers)
        body = {"t": "text", "text": "سلام"}
        await self._client.tell(t="send", ref=number, chat=self._chat, client_id=number, body=body)


@pytest.fixture
async def base(gateway: Gateway, settings: Settings, database: Database) -> AsyncIterator[str]:
    """A gateway whose log takes two hundred messages a second."""
    async with database.connection() as connection:
        await connection.execute(SLOW_COMMITS)
    slow = GroupCommitSettings(batch_rows_max=ROWS, queue_s_max=0.5)
    async with gateway(settings.model_copy(update={"group_commit": slow})) as address:
        yield address


async def test_at_three_times_the_load_goodput_stays_and_recovery_is_quick(
    base: str, people: People, connect: Connect
) -> None:
    reader = await people.new()
    writers = []
    for _ in range(WRITERS):
        client = await connect(base, (await people.new()).token)
        writers.append(Writer(client, await client.open_chat(reader.user)))
    async with asyncio.TaskGroup() as hearing:
        ears = [hearing.create_task(writer.hear()) for writer in writers]
        capacity = await rate(writers, lambda one: one.write_with(ROWS, MEASURED_S), MEASURED_S)
        assert not any(writer.refused for writer in writers)
        every_s = WRITERS / (3 * capacity)
        goodput = await rate(writers, lambda one: one.write(every_s, OVERLOADED_S), OVERLOADED_S)
        refused = [time_s for writer in writers for time_s in writer.refused]
        assert len(refused) > capacity * OVERLOADED_S, "there was no overload"
        assert goodput >= 0.9 * capacity
        assert min(refused) >= 0.5
        assert len(set(refused)) > 5, "those who were refused would return together"
        for ear in ears:
            ear.cancel()
    async with asyncio.timeout(10):
        answers = [
            await (await connect(base, (await people.new()).token)).ask("ping") for _ in range(3)
        ]
        assert [answer["t"] for answer in answers] == ["ok"] * 3
        client = await connect(base, (await people.new()).token)
        chat = await client.open_chat(reader.user)
        while (await client.send_text(chat, "پس از آن"))["t"] != "sent":
            pass


async def rate(
    writers: list[Writer], work: Callable[[Writer], Awaitable[None]], seconds: float
) -> float:
    """Messages made durable in a second, while all of them do this."""

    async def one(writer: Writer) -> None:
        await work(writer)

    before = sum(writer.sent for writer in writers)
    async with asyncio.TaskGroup() as tasks:
        for writer in writers:
            tasks.create_task(one(writer))
    return (sum(writer.sent for writer in writers) - before) / seconds
