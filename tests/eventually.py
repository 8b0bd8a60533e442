"""Waiting for what must happen soon, without guessing how soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

DEADLINE_S: Final = 5.0
LOOK_S: Final = 0.01


async def eventually(has_happened: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Return once it has. Raises `TimeoutError` after the deadline."""
    for _ in range(round(within_s / LOOK_S)):
        if has_happened():
            return
        await asyncio.sleep(LOOK_S)
    raise TimeoutError
