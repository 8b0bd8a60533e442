"""Places at work: shares, borrowing, waits that end, nothing lost."""

from __future__ import annotations

import asyncio

import pytest

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.load import Work
from hodhod_server.services.turnstile import Turnstile


class Worker:
    """Requests that hold their places until they are let go."""

    def __init__(self, turnstile: Turnstile, tasks: asyncio.TaskGroup) -> None:
        self._turnstile = turnstile
        self._tasks = tasks
        self.at_work: list[Work] = []
        self.refused: list[float | None] = []
        self.leaving: dict[Work, list[asyncio.Event]] = {Work.SYNC: [], Work.OTHER: []}

    async def begin(self, work: Work, count: int = 1) -> list[asyncio.Task[None]]:
        begun = [self._tasks.create_task(self._one(work)) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return begun

    async def end(self, work: Work, count: int = 1) -> None:
        for _ in range(count):
            self.leaving[work].pop().set()
        for _ in range(4):
            await asyncio.sleep(0)

    def count(self, work: Work) -> int:
        return self.at_work.count(work)

    async def _one(self, work: Work) -> None:
        try:
            async with self._turnstile.turn(work):
                self.at_work.append(work)
                leave = asyncio.Event()
                self.leaving[work].append(leave)
                try:
                    await leave.wait()
                finally:
                    self.at_work.remove(work)
        except Overloaded as refusal:
            self.refused.append(refusal.retry_after_s)


def turnstile(*, is_slow: bool = False) -> Turnstile:
    return Turnstile({Work.SYNC: 4, Work.OTHER: 2}, lambda: is_slow)


async def test_an_idle_share_is_lent_and_given_back_at_once() -> None:
    async with asyncio.TaskGroup() as tasks:
        worker = Worker(turnstile(), tasks)
        await worker.begin(Work.OTHER, 8)
        assert worker.count(Work.OTHER) == 6, "what nobody uses is lent"
        await worker.begin(Work.SYNC, 4)
        assert worker.count(Work.SYNC) == 0
        await worker.end(Work.OTHER, 4)
        assert worker.count(Work.SYNC) == 4, "the share comes first, though others waited longer"
        assert worker.count(Work.OTHER) == 2
        await worker.end(Work.SYNC, 2)
        assert worker.count(Work.OTHER) == 4, "who waited gets what became idle"
        await worker.end(Work.SYNC, 2)
        await worker.end(Work.OTHER, 4)
        assert not worker.at_work
    assert not worker.refused


async def test_a_wait_ends_with_a_time_to_come_back() -> None:
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        worker = Worker(turnstile(), tasks)
        await worker.begin(Work.SYNC, 6)
        waiting = await worker.begin(Work.SYNC, 3)
        await asyncio.wait(waiting)
        assert len({time_s for time_s in worker.refused if time_s and time_s >= 0.5}) == 3
        await worker.end(Work.SYNC, 6)
        await worker.begin(Work.SYNC)
        assert worker.count(Work.SYNC) == 1
        await worker.end(Work.SYNC)


async def test_in_a_queue_that_stands_nobody_waits_for_long() -> None:
    clock = asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        worker = Worker(turnstile(is_slow=True), tasks)
        await worker.begin(Work.OTHER, 6)
        began_s = clock()
        await asyncio.wait(await worker.begin(Work.OTHER))
        assert len(worker.refused) == 1
        assert clock() - began_s < 0.4, "the queue of a burst would have been waited for longer"
        await worker.end(Work.OTHER, 6)


@pytest.mark.parametrize("moment", ["waiting", "just let in", "just gone"])
async def test_who_leaves_while_waiting_takes_no_place_along(moment: str) -> None:
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        one = turnstile()
        worker = Worker(one, tasks)
        await worker.begin(Work.SYNC, 6)
        [waiting] = await worker.begin(Work.SYNC)
        if moment != "waiting":
            worker.leaving[Work.SYNC].pop().set()
        if moment == "just let in":
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await worker.end(Work.SYNC, worker.count(Work.SYNC))
        await worker.begin(Work.SYNC, 6)
        assert worker.count(Work.SYNC) == 6
        await worker.end(Work.SYNC, 6)
