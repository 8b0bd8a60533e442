"""What connections have done beside their reading: one group of tasks for the whole process.

A connection on which nothing happens has no task: ten thousand of them would be most of its memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hodhod_server.telemetry import logs

log = logs.get("errands")


class Errands:
    """Starts tasks that nobody waits for. One that fails is told in the log, the others go on."""

    def __init__(self) -> None:
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Have tasks run, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def start(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do this soon; not at all in a process that is stopping."""
        if self._tasks is None:
            errand.close()
        else:
            self._tasks.create_task(_told(errand))


async def _told(errand: Coroutine[Any, Any, None]) -> None:
    try:
        await errand
    except Exception:
        log.exception("errand.failed")  # the outermost layer of the edge: nobody expected this
