"""The client's background tasks, in one TaskGroup that lives as long as its `async with`.

A TaskGroup cancels the task that opened it when a child fails, and wraps what its block raised.
Neither is a library's place: here a failure is handed to `on_failure` and surfaces where the user
next asks, and the user's own exceptions pass as they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Self

log: Final = logging.getLogger("hodhod")


class Background:
    """Starts loops, and ends all of them on exit."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def start(
        self, loop: Callable[[], Awaitable[None]], on_failure: Callable[[Exception], None]
    ) -> asyncio.Task[None]:
        """Run a loop until it ends, fails or is no longer needed; it may be cancelled before."""
        task = self._group.create_task(self._guarded(loop, on_failure))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _guarded(
        self, loop: Callable[[], Awaitable[None]], on_failure: Callable[[Exception], None]
    ) -> None:
        try:
            await loop()
        except Exception as error:
            log.exception("A background loop of the client failed.")
            on_failure(error)
