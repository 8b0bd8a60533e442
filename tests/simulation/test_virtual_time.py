"""Virtual time: a day passes in a moment, in order, and a hang is reported."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.simulation.virtual_time import Deadlock, VirtualTimeLoop


def test_a_day_of_waiting_takes_a_moment() -> None:
    async def day() -> float:
        started_s = asyncio.get_running_loop().time()
        for _ in range(24):
            await asyncio.sleep(3600)
        return asyncio.get_running_loop().time() - started_s

    began_s = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(day()) == pytest.approx(86_400)
    assert time.monotonic() - began_s < 1


def test_deadlines_come_when_they_are_due() -> None:
    async def wait() -> float:
        started_s = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.sleep(31)
        return asyncio.get_running_loop().time() - started_s

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(wait()) == pytest.approx(30)


def test_sleepers_wake_in_the_order_of_their_moments() -> None:
    woken: list[int] = []

    async def sleep(number: int) -> None:
        await asyncio.sleep(number * 7 % 20)
        woken.append(number)

    async def everybody() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(sleep(number))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(everybody())
    assert woken == sorted(range(20), key=lambda number: number * 7 % 20)


def test_a_hang_is_reported() -> None:
    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with (
        pytest.raises(Deadlock),
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        runner.run(hang())


def test_blocking_work_takes_virtual_time_and_its_failure_reaches_the_caller() -> None:
    async def work() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 7)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(work()) == 7


def test_tasks_keep_their_place_in_a_set() -> None:
    async def numbers() -> list[int]:
        async with asyncio.TaskGroup() as tasks:
            group = {tasks.create_task(asyncio.sleep(1)) for _ in range(5)}
            return [hash(task) - min(map(hash, group)) for task in group]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(numbers()) == [0, 1, 2, 3, 4]


def test_being_busy_for_ever_is_reported() -> None:
    async def spin() -> None:
        asyncio.get_running_loop().call_soon(again)
        await asyncio.get_running_loop().create_future()

    def again() -> None:
        asyncio.get_running_loop().call_soon(again)

    with (
        pytest.raises(Deadlock),
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        runner.run(spin())
