"""Arrivals, a few in each turn of the event loop.

A wall of arrivals is served a little later this way, and nobody else with it. Where nothing waits,
a step is taken at once and costs nothing. The wait is bounded: whoever would wait longer does it
better at home.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from hodhod_server.telemetry import metrics

STEPS_MAX: Final = 8  # in a turn: together about a millisecond
WAIT_S: Final = 2.0
LATE_S: Final = 0.1  # so long after somebody came too late, others need not try
Step = Callable[[bool], None]


class Arrivals:
    """Steps of arrivals in order, each taken with whether its turn came in time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Step]] = deque()
        self._left = STEPS_MAX
        self._turn_is_coming = False
        self._late_until = 0.0

    @property
    def is_late(self) -> bool:
        """Has the wait become too long?"""
        return self._late_until > asyncio.get_running_loop().time()

    def take(self, step: Step) -> None:
        """Take this step, now or in one of the next turns."""
        if not self._turn_is_coming:
            self._turn_is_coming = True
            asyncio.get_running_loop().call_soon(self._turn)
        if self._left and not self._waiting:
            self._left -= 1
            step(True)
        else:
            self._waiting.append((asyncio.get_running_loop().time(), step))

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._left = STEPS_MAX
        self._turn_is_coming = bool(self._waiting)
        if self._turn_is_coming:
            loop.call_soon(self._turn)  # first: a step that fails does not hold up the others
        while self._left and self._waiting:
            self._left -= 1
            since_s, step = self._waiting.popleft()
            metrics.TURN_WAIT_SECONDS.observe(now_s - since_s)
            is_in_time = now_s - since_s <= WAIT_S
            if not is_in_time:
                self._late_until = now_s + LATE_S
            step(is_in_time)
