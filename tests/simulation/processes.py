"""Processes of the simulated world: tasks that belong together and die together.

A task belongs to the process that started it. Killing one cancels all its tasks at once; since a
cancelled task still runs its `finally`, everything that leads out of a process (connections, disks,
stores) asks `is_alive` first: what a dead process says is not heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Final

from tests.simulation.virtual_time import NumberedTask, VirtualTimeLoop

_CURRENT: Final[ContextVar[Process | None]] = ContextVar("process", default=None)
FORGET_AT: Final = 256  # tasks; most of those that were started are long done
AGAIN_S: Final = 0.5  # a task may be in the middle of a `finally` that outlives one cancellation


class Process:
    """What runs until it is killed. `note_death` hears of a process that dies by itself."""

    def __init__(self, name: str, note_death: Callable[[str, BaseException], None]) -> None:
        self.name: Final = name
        self.is_alive = True
        self._note_death = note_death
        self._tasks: list[NumberedTask] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, and all that it starts, as part of this process."""
        context = copy_context()
        context.run(_CURRENT.set, self)
        loop = asyncio.get_running_loop()
        task = context.run(loop.create_task, work)
        task.add_done_callback(self._ended)

    def kill(self) -> None:
        """All of it ends now."""
        self.is_alive = False
        running = self._running()
        for task in running:
            task.cancel()
        if running:
            asyncio.get_running_loop().call_later(AGAIN_S, self.kill)

    def note_task(self, task: NumberedTask) -> None:
        """A task of this process was started."""
        self._tasks.append(task)
        if len(self._tasks) >= FORGET_AT:
            self._tasks = self._running()
        if not self.is_alive:
            asyncio.get_running_loop().call_soon(task.cancel)

    def _running(self) -> list[NumberedTask]:
        return [task for task in self._tasks if not task.done()]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self.is_alive and not task.cancelled() and (error := task.exception()) is not None:
            self._note_death(self.name, error)


def follow(loop: VirtualTimeLoop) -> None:
    """From here on each task of the loop belongs to the process that starts it."""

    def note(task: NumberedTask) -> None:
        process = _CURRENT.get()
        if process is not None:
            process.note_task(task)

    loop.note_task = note
