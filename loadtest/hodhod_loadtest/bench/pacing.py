"""An open loop: when each message is due does not depend on how the earlier ones fared.

So a slow server cannot slow the load down and thereby hide its slowness. What is late is sent at
once, and its waiting counts from when it was due.

The generator is the stopwatch, and shares the cores with what it times. Hence a loop that looks up
at fixed ticks instead of at each byte, and real-time priority where the system grants it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

TICK_S: Final = 0.0005


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


class Pace:
    """Calls `fire(number, due)` for each message when it is due, `due` on the loop's clock."""

    def __init__(
        self, pacer: ConstantPacer, count: int, fire: Callable[[int, float], None]
    ) -> None:
        self.lags_s: list[float] = []
        """How late each was."""

        self._pacer = pacer
        self._count = count
        self._fire = fire
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()

    async def run(self) -> None:
        """From the first to the last message."""
        self._started = self._clock()
        while len(self.lags_s) < self._count:
            await asyncio.sleep(max(0.0, self._next_due() - self._clock()))
            self.catch_up()

    def catch_up(self) -> None:
        """Fire what is due by now. Also to be called amid other work, so that it delays nothing."""
        while len(self.lags_s) < self._count:
            due, now = self._next_due(), self._clock()
            if due > now:
                return
            self.lags_s.append(now - due)
            self._fire(len(self.lags_s) - 1, due)

    def _next_due(self) -> float:
        return self._started + self._pacer.due_s(len(self.lags_s))


class TickingSelector(selectors.EpollSelector):
    """Sleeps a whole tick and then takes everything that has come, as one.

    Waiting in epoll would wake for each answer, and round times up to milliseconds.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            time.sleep(TICK_S)
        return super().select(0)


def ticking_loop() -> asyncio.AbstractEventLoop:
    """An event loop that is never later than a tick, for what it costs in ticks."""
    return asyncio.SelectorEventLoop(TickingSelector())


@contextlib.contextmanager
def real_time_priority() -> Iterator[bool]:
    """Before everybody else while the block runs; yields False where that is not granted.

    Processes started meanwhile do not inherit it.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, policy, parameters)
