"""What comes over a line waits here until it is stored, so the line itself never waits.

Overflow policy: refuse. A full queue says no to the line, which says no to the SMSC, which keeps
the receipt or the text and brings it again; so a store that is down loses nothing that it can keep.

Always true: what was taken is handed to the listener until the listener has taken it, in batches,
oldest first. Only the end of the process loses it: at most `waiting_max` arrivals.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from hodhod_server.sms.provider import Arrival, Listener
from hodhod_server.telemetry import logs, metrics

BATCH_MAX: Final = 200
PAUSE_S: Final = 0.5
log = logs.get("lines")


class ArrivalQueue:
    """One provider's. `run` empties it."""

    def __init__(self, provider: str, listener: Listener, waiting_max: int) -> None:
        self._provider = provider
        self._listener = listener
        self._waiting_max = waiting_max
        self._waiting: deque[Arrival] = deque()
        self._came = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Would the next be refused?"""
        return len(self._waiting) >= self._waiting_max

    def offer(self, arrival: Arrival) -> bool:
        """Take it, unless the queue is full."""
        if self.is_full:
            return self.refuse()
        self._waiting.append(arrival)
        self._came.set()
        return True

    def refuse(self) -> bool:
        """Count one that must come again."""
        metrics.ARRIVALS_REFUSED.labels(self._provider).inc()
        return False

    async def run(self) -> None:
        """Hand everything on, for ever."""
        while True:
            await self._came.wait()
            while self._waiting:
                if not await self._hand_on():
                    await asyncio.sleep(PAUSE_S)
            self._came.clear()

    async def _hand_on(self) -> bool:
        batch = [self._waiting[place] for place in range(min(BATCH_MAX, len(self._waiting)))]
        try:
            await self._listener(batch)
        except Exception:
            log.exception("arrivals.not_stored", provider=self._provider, count=len(batch))
            return False
        for _ in batch:
            self._waiting.popleft()
        return True
