"""An event loop on virtual time: when nothing can run, its clock jumps to the next timer.

So a day of waiting takes a moment, and a run is a function of its inputs: nothing comes from
outside, there are no sockets, no threads, no clock. Work handed to an executor is done by the loop
itself. Always true: a loop that can never run anything again raises `Deadlock` instead of hanging,
and so does one that is busy for ever; two runs with the same inputs do the same in the same order.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
START_S: Final = 1000.0  # not 0, which means "no moment" in places
EXECUTOR_S: Final = 0.001
ROUNDS_MAX: Final = 5_000  # of one moment
# Work takes time: without it a timer that fires a nanosecond early would be set again for a moment
# that never comes.
ROUND_S: Final = 1e-8


class Deadlock(RuntimeError):
    """Nothing can run and no timer is set; or something always runs, and time stands still."""


class NumberedTask(asyncio.Task[Any]):
    """A task that sets of tasks keep at the same place in every run.

    By default they would be ordered by address, and a TaskGroup cancels its set in that order.
    """

    def __init__(self, number: int, work: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.number = number
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self.number


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """Use as `asyncio.Runner(loop_factory=VirtualTimeLoop)`."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = START_S
        self.note_task: Callable[[NumberedTask], None] = lambda task: None
        """Hears of every task that is started."""
        self._selector = _Jump(self)
        self._numbers = itertools.count(1)
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        return self.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Do it here, at the end of the time it takes; a caller that leaves does not stop it."""

        async def work() -> T:
            await asyncio.sleep(EXECUTOR_S)
            return func(*args)

        return asyncio.shield(self.create_task(work()))

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any
    ) -> asyncio.Future[Any]:
        task = NumberedTask(next(self._numbers), work, loop=loop, **options)
        self.note_task(task)
        return task

    def _process_events(self, event_list: Iterable[object]) -> None:
        """There are none: nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody sleeps outside of the loop who would have to be woken."""


class _Jump:
    """What the loop takes for a selector: waiting is moving the clock."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._rounds = 0

    def select(self, timeout_s: float | None) -> list[object]:
        if timeout_s is None:
            raise Deadlock("nothing can run and no timer is set")
        self._rounds = 0 if timeout_s else self._rounds + 1
        if self._rounds > ROUNDS_MAX:
            self._rounds = 0  # whoever clears up needs some
            raise Deadlock("something runs for ever and time stands still")
        self._loop.now_s += timeout_s + ROUND_S
        return []
