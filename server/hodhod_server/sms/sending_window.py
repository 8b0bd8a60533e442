"""How many unanswered messages a line may carry: enough for its pace, not so many that it chokes.

By Little's law a line of R messages a second whose answers take T seconds has R * T of them under
way. T is the slow end (p99) of the newest answers and half is added, so the window never holds back
an honest pace, and a line that suddenly stalls meets a bound instead of the whole surge.

Always true: `limit` lies between `WINDOW_START` (or the contract's in-flight maximum, if that is
less) and `WINDOW_MAX`. Who does not get in within `WINDOW_WAIT_S` was never written to the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

WINDOW_START: Final = 10
WINDOW_MAX: Final = 100
WINDOW_WAIT_S: Final = 1.0
ROUND_TRIPS: Final = 200
RECKON_EACH: Final = 20  # answers; sorting two hundred numbers for each would be waste
HEADROOM: Final = 1.5


class WindowFull(Exception):
    """The line has as many unanswered messages as it may have."""


class SendingWindow:
    """Counts what is unanswered, and learns from the answers how much may be."""

    def __init__(self, rate_per_s: float, in_flight_max: int) -> None:
        self._rate_per_s = rate_per_s
        self._most = min(WINDOW_MAX, in_flight_max)
        self._least = min(WINDOW_START, self._most)
        self._limit = self._least
        self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._round_trips_s: deque[float] = deque(maxlen=ROUND_TRIPS)
        self._until_reckoning = RECKON_EACH

    @property
    def limit(self) -> int:
        """How many may be unanswered now."""
        return self._limit

    @property
    def used(self) -> int:
        """How many are unanswered now."""
        return self._used

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One place, first come first served. Raises `WindowFull`."""
        await self._enter()
        try:
            yield
        finally:
            self._used -= 1
            self._let_in()

    def note_round_trip(self, took_s: float) -> None:
        """An answer came. Silence is not noted: it says nothing about pace."""
        self._round_trips_s.append(took_s)
        self._until_reckoning -= 1
        if self._until_reckoning == 0:
            self._until_reckoning = RECKON_EACH
            slow_s = sorted(self._round_trips_s)[math.ceil(len(self._round_trips_s) * 0.99) - 1]
            wanted = math.ceil(self._rate_per_s * slow_s * HEADROOM)
            self._limit = max(self._least, min(self._most, wanted))
            self._let_in()

    async def _enter(self) -> None:
        if self._used < self._limit and not self._waiting:
            self._used += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WINDOW_WAIT_S):
                await turn
        except BaseException as error:
            self._give_back(turn)
            if isinstance(error, TimeoutError):
                raise WindowFull from None
            raise

    def _give_back(self, turn: asyncio.Future[None]) -> None:
        """The one who waited is gone; the place may have come at the same moment."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn.done() and not turn.cancelled():
            self._used -= 1
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._used < self._limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._used += 1
                turn.set_result(None)
