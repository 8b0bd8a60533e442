"""Tries again after failures for as long as there is progress, and a while beyond."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from hodhod._errors import ConnectionLost, TryLater
from hodhod._reconnect import Backoff

FIRST_S: Final = 0.1  # after progress a cut is a cut: most links are there again at once
MAX_S: Final = 15.0
PATIENCE_S: Final = 600.0  # ten minutes without a byte: the caller should know


class Patience:
    """The waits of one transfer."""

    def __init__(self, dice: random.Random, *, patience_s: float = PATIENCE_S) -> None:
        self._backoff = Backoff(dice, first_s=FIRST_S, max_s=MAX_S)
        self._patience_s = patience_s
        self._reached = -1
        self._since_s = asyncio.get_running_loop().time()

    def reach(self, offset: int) -> None:
        """The transfer is so far; further than ever means that patience is new."""
        if offset > self._reached:
            self._reached = offset
            self._since_s = asyncio.get_running_loop().time()
            self._backoff.reset()

    async def wait(self, failure: ConnectionLost | TryLater) -> None:
        """Wait before the next try. Raises the failure when it is the last."""
        if asyncio.get_running_loop().time() - self._since_s > self._patience_s:
            raise failure
        at_least_s = failure.retry_after_s if isinstance(failure, TryLater) else None
        await asyncio.sleep(self._backoff.next_delay_s(at_least_s))
