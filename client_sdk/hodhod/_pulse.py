"""A pulse: wakes everyone who waits at this moment, and remembers nothing.

A waiter looks at the state, and only if it is not what it wants, waits for the next beat; as
nothing else runs between the look and the wait, no change is missed.
"""

from __future__ import annotations

import asyncio


class Pulse:
    """Something changed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def beat(self) -> None:
        """Wake whoever waits now."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Until the next beat."""
        await self._next.wait()


async def until(event: asyncio.Event, due_s: float | None) -> None:
    """Until the event is set, which is cleared, or the loop's clock shows `due_s`."""
    try:
        async with asyncio.timeout_at(due_s):
            await event.wait()
    except TimeoutError:
        return
    event.clear()
