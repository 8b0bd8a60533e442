"""An open loop: when each message is due does not depend on how the earlier ones fared.

So a slow server cannot slow the load down and thereby hide its slowness. What is late is sent at
once, and its waiting counts from when it was due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConstantPacer:
    """Evenly spaced."""

    rate_per_s: float

    def due_s(self, number: int) -> float:
        """When the message with this number (from 0) is due, counted from the start."""
        return number / self.rate_per_s

    def count(self, seconds: float) -> int:
        """How many are due before that time."""
        return round(seconds * self.rate_per_s)


async def keep_pace(
    pacer: ConstantPacer, count: int, fire: Callable[[int, float], None]
) -> list[float]:
    """Call `fire(number, due)` for each, `due` on the loop's clock; returns how late each was."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    lags_s: list[float] = []
    for number in range(count):
        due = started + pacer.due_s(number)
        # Also when late: answers are read between two messages.
        await asyncio.sleep(max(0.0, due - loop.time()))
        lags_s.append(max(0.0, loop.time() - due))
        fire(number, due)
    return lags_s
