"""Things that come by chance at a rate that somebody else changes: an open loop for a closed one.

Locust says how many people there are, not what comes a second. Here so many people are so many
times the rate of one, and when something is due does not depend on how the server fares.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from hodhod_loadtest.bench.figures import percentile

SLOT_S: Final = 0.1
"""So long a rate holds; a change of it is felt that soon."""

ROUNDING_S: Final = 0.0005
"""uvloop's timers are whole milliseconds, the nearest: nothing is to be done before it is due."""


class Lateness:
    """How late the generator itself was, since it was last asked."""

    def __init__(self) -> None:
        self._lags_s: list[float] = []

    def note(self, lag_s: float) -> None:
        """Something was begun so long after it was due."""
        self._lags_s.append(lag_s)

    def p99_s(self) -> float:
        """Of what was noted since; 0 where nothing was."""
        lags_s, self._lags_s = self._lags_s, []
        return percentile(lags_s, 0.99) if lags_s else 0.0


async def stream(
    per_s: Callable[[], float],
    fire: Callable[[float], None],
    chance: random.Random,
    lateness: Lateness,
) -> None:
    """A Poisson process for ever: `fire(due)`, by the monotonic clock, when one is due."""
    slot_s = time.monotonic()
    while True:
        rate, due_s = per_s(), slot_s
        slot_s += SLOT_S
        while rate > 0 and (due_s := due_s + chance.expovariate(rate)) < slot_s:
            left_s = due_s - time.monotonic()
            if left_s > 0:
                await asyncio.sleep(left_s + ROUNDING_S)
            lateness.note(time.monotonic() - due_s)
            fire(due_s)
        # Also where it is late: answers must be read.
        await asyncio.sleep(max(0.0, slot_s - time.monotonic()))
