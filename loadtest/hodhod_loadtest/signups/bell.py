"""What a person waits with: one future at a time, rung by whatever happens or by the time.

A task and an event for each thing that somebody waits for would cost more than the person.
"""

from __future__ import annotations

import asyncio
import math
import time


class Bell:
    """Rings for one who waits. A ring while nobody waits is kept for the next who does."""

    __slots__ = ("_has_rung", "_loop", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._has_rung = False

    def ring(self, _: object = None) -> None:
        """Something has happened. Takes what a future's callback is given."""
        if self._waiting is None:
            self._has_rung = True
        elif not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, until_s: float) -> None:
        """Until it rings, or until that moment of the monotonic clock."""
        if self._has_rung:
            self._has_rung = False
            return
        self._waiting = self._loop.create_future()
        timer = None
        if until_s < math.inf:
            timer = self._loop.call_later(max(0.0, until_s - time.monotonic()), self.ring)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()
