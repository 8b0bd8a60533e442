"""Deadlines by the hundred thousand: one timer for all, as fine as a tick.

A timer of the loop for each request would cost more than the request itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

TICK_S: Final = 0.1
T = TypeVar("T")


class Deadlines(Generic[T]):
    """A wheel: what is due in the same tick lies in one set, and is called late by a tick."""

    def __init__(self, on_due: Callable[[T], None]) -> None:
        self._on_due = on_due
        self._due: dict[int, set[T]] = {}
        self._next_tick = _tick(time.monotonic())
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T, within_s: float) -> int:
        """The tick in which it is due, which `remove` wants back."""
        tick = _tick(time.monotonic() + within_s) + 1
        items = self._due.get(tick)
        if items is None:
            self._due[tick] = {item}
            if self._timer is None:
                self._next_tick = _tick(time.monotonic())
                self._wait()
        else:
            items.add(item)
        return tick

    def remove(self, item: T, tick: int) -> None:
        """It is done in time."""
        items = self._due.get(tick)
        if items is not None:
            items.discard(item)

    def stop(self) -> None:
        """Nothing is due any more."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._turn)

    def _turn(self) -> None:
        """All ticks until now; the wheel stands still while nothing is on it."""
        now = _tick(time.monotonic())
        while self._next_tick <= now:
            for item in self._due.pop(self._next_tick, ()):
                self._on_due(item)
            self._next_tick += 1
        self._timer = None
        if self._due:
            self._wait()


def _tick(moment_s: float) -> int:
    return int(moment_s / TICK_S)
