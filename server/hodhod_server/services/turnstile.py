"""A bounded number of requests at work in the whole process, a share of them for each class.

What a class does not use the others may borrow; a place that is given back goes to the class that
has less than its share first. Waiting is bounded in time: two seconds while the queue is that of
a burst, hardly any once it stands, since then every wait is only added to the work.

Always true: a place taken is given back, also when the taker is cancelled while it waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.load import Spread, StandingDelay, Work
from hodhod_server.telemetry import metrics

WAIT_S: Final = 2.0
WAIT_STANDING_S: Final = 0.1
TARGET_S: Final = 0.005
INTERVAL_S: Final = (
    1.0  # CoDel says 0.1, for work of microseconds; here each piece takes milliseconds
)
RETRY_LOW_S: Final = 0.5
RETRY_HIGH_S: Final = 2.5


class Turnstile:
    """`shares` in order of precedence; `is_slow` tells of a queue that stands further inside."""

    def __init__(
        self,
        shares: Mapping[Work, int],
        is_slow: Callable[[], bool],
        standing_s: float = WAIT_STANDING_S,
    ) -> None:
        self._shares = dict(shares)
        self._is_slow = is_slow
        self._standing_s = standing_s
        self._places = sum(shares.values())
        self._taken = dict.fromkeys(shares, 0)
        self._waiting: dict[Work, deque[asyncio.Future[None]]] = {work: deque() for work in shares}
        self._waits = StandingDelay(TARGET_S, INTERVAL_S)
        self._spread = Spread()

    @asynccontextmanager
    async def turn(self, work: Work) -> AsyncIterator[None]:
        """Hold a place for the block. Raises `Overloaded` where none becomes free in time."""
        await self._enter(work)
        try:
            yield
        finally:
            self._leave(work)

    async def _enter(self, work: Work) -> None:
        clock = asyncio.get_running_loop().time
        if sum(self._taken.values()) < self._places:
            self._taken[work] += 1
            self._waits.observe(0.0, clock())
            return
        began_s = clock()
        is_standing = self._waits.is_standing(began_s) or self._is_slow()
        place = asyncio.get_running_loop().create_future()
        self._waiting[work].append(place)
        try:
            async with asyncio.timeout(self._standing_s if is_standing else WAIT_S):
                await place
        except BaseException as end:
            if place.done() and not place.cancelled():
                self._leave(work)  # it came in the same moment
            elif place in self._waiting[work]:
                self._waiting[work].remove(place)
            if isinstance(end, TimeoutError):
                metrics.SHED.labels(work).inc()
                raise Overloaded(
                    retry_after_s=self._spread.between(RETRY_LOW_S, RETRY_HIGH_S)
                ) from None
            raise
        finally:
            waited_s = clock() - began_s
            self._waits.observe(waited_s, clock())
            metrics.TURN_WAIT_SECONDS.observe(waited_s)

    def _leave(self, work: Work) -> None:
        self._taken[work] -= 1
        heir = self._next()
        if heir is not None:
            self._taken[heir] += 1
            self._waiting[heir].popleft().set_result(None)

    def _next(self) -> Work | None:
        """Whose turn it is: a class below its share, else the first that waits."""
        for places in self._waiting.values():
            while places and places[0].done():
                places.popleft()  # given up a moment ago; its owner has not run since
        waiting = [work for work, places in self._waiting.items() if places]
        within = [work for work in waiting if self._taken[work] < self._shares[work]]
        return next(iter(within or waiting), None)
