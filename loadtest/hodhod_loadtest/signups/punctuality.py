"""A generator that is on time: one timer for all arrivals, a collector that keeps out of the way.

A full collection looks at everything that ten thousand people hold, and takes a tenth of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

TICK_S: Final = 0.001
"""As fine as timers are; a shorter wait would be spun away."""

YOUNG_OBJECTS: Final = 20_000
YOUNG_COLLECTIONS: Final = 50
NEVER: Final = 1_000_000


async def pace(
    times_s: Iterable[float], fire: Callable[[float], None], started_s: float | None = None
) -> None:
    """Call `fire(due)` at each of these times, counted from `started_s` or from now on; `due` is
    the monotonic clock's.
    """
    loop = asyncio.get_running_loop()
    started_s = time.monotonic() if started_s is None else started_s
    done: asyncio.Future[None] = loop.create_future()
    due = (started_s + time_s for time_s in times_s)

    def step(due_s: float | None) -> None:
        while due_s is not None and not done.done():
            left_s = due_s - time.monotonic()
            if left_s > 0:
                loop.call_later(max(left_s, TICK_S), step, due_s)
                return
            fire(due_s)
            due_s = next(due, None)
        if not done.done():
            done.set_result(None)

    step(next(due, None))
    try:
        await done
    finally:
        done.cancel()


@contextlib.contextmanager
def calm_collector() -> Iterator[None]:
    """Only what is young is collected while the block runs; what was there before is left alone."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def niceness(level: int) -> Iterator[None]:
    """This thread alone, while the block runs. Below 0 takes a privilege: raises `OSError`."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if level:
        os.setpriority(os.PRIO_PROCESS, 0, level)
    try:
        yield
    finally:
        if level:
            os.setpriority(os.PRIO_PROCESS, 0, before)
