"""Waiting for what must happen soon, without guessing how soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

DEADLINE_S: Final = 20.0  # costs nothing where all is well, and a busy machine is no failure
LOOK_S: Final = 0.01


async def eventually(has_happened: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Return once it has. Raises `TimeoutError` after the deadline."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + within_s  # a look may itself take long
    while not has_happened():
        if loop.time() >= ends_s:
            raise TimeoutError
        await asyncio.sleep(LOOK_S)
