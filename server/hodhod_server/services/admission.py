"""Admission: every class of work has its place in line, and messages are served first.

Refusing must cost next to nothing, so it is decided before any work, from one number: the load
level of the process. Then catching up and the small requests, which share the database pool, take
turns; messages do not, they have a connection and a queue of their own.

Always true: a refusal is `Overloaded` and tells when to come back, differently each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.load import Level, Load, Refusals, Spread, Work
from hodhod_server.services.arrivals import Arrivals, Step
from hodhod_server.services.turnstile import Turnstile
from hodhod_server.settings import GatewaySettings
from hodhod_server.telemetry import metrics

SHED_FROM: Final = {
    Work.NEWCOMER: Level.BUSY,
    Work.CONNECT: Level.STRAINED,
    Work.OTHER: Level.STRAINED,
    Work.SYNC: Level.STRAINED,
    Work.HELLO: Level.SATURATED,
}
AT_THE_DOOR: Final = {**SHED_FROM, Work.NEWCOMER: Level.STRAINED, Work.OTHER: Level.SATURATED}
"""Of sign-up processes: newcomers wait in their room first; who has begun is refused last."""

# A level lasts five seconds at least: who is told to come back sooner would be told so again.
RETRY_LOW_S: Final = {Level.CALM: 1.0, Level.BUSY: 2.0, Level.STRAINED: 3.0, Level.SATURATED: 4.0}
RETRY_FACTOR: Final = 3.0
RECONNECT_MS_MAX: Final = 30_000
_SHED: Final = {work: metrics.SHED.labels(work) for work in Work}


class Gate:
    """What a process refuses at which level."""

    def __init__(self, load: Load, shed_from: Mapping[Work, Level] = SHED_FROM) -> None:
        self._load = load
        self._shed_from = shed_from
        self._spread = Spread()
        self._refusals = Refusals()

    def admit(self, work: Work) -> None:
        """Returns if this work may begin. Raises `Overloaded`."""
        if not self.is_open(work):
            raise self.refusal(work)

    def is_open(self, work: Work) -> bool:
        """Would `admit` let this work begin?"""
        return self._load.level < self._shed_from[work]

    def refusal(self, work: Work) -> Overloaded:
        """The answer to what is not let in."""
        _SHED[work].inc()
        low_s = RETRY_LOW_S[self._load.level] * self._refusals.note(time.monotonic())
        return Overloaded(retry_after_s=self._spread.between(low_s, low_s * RETRY_FACTOR))


class Admission(Gate):
    """The gate of a gateway, which also knows how many are inside."""

    def __init__(
        self,
        load: Load,
        settings: GatewaySettings,
        is_pool_slow: Callable[[], bool],
    ) -> None:
        super().__init__(load)
        self._settings = settings
        other = max(1, settings.requests_at_work_max // 3)
        sync = max(1, settings.requests_at_work_max - other)
        self._turnstile = Turnstile({Work.SYNC: sync, Work.OTHER: other}, is_pool_slow)
        self._arrivals = Arrivals()
        self._connections = 0

    def admit(self, work: Work) -> None:
        """Returns if this work may begin. Raises `Overloaded`.

        Messages always may: they wait in the line of their log.
        """
        if work is Work.MESSAGE:
            return
        super().admit(work)

    def is_open(self, work: Work) -> bool:
        """Would `admit` let this work begin? For a connection there must also be room."""
        is_full = self._connections >= self._settings.connections_max
        return super().is_open(work) and not (is_full and work is Work.CONNECT)

    def turn(self, work: Work) -> AbstractAsyncContextManager[None]:
        """One of the places of `SYNC` and `OTHER`. Entering raises `Overloaded`."""
        return self._turnstile.turn(work)

    def pace(self, step: Step) -> None:
        """Take one step of an arrival when it is its turn; it is told whether that is in time."""
        self._arrivals.take(step)

    async def wait_for_turn(self) -> None:
        """The same for who waits. Raises `Overloaded`."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self._arrivals.is_late:
            self._arrivals.take(partial(_tell, turn))
        if self._arrivals.is_late or not await turn:
            raise self.refusal(Work.CONNECT)

    def note_connections(self, count: int) -> None:
        """So many connections there are."""
        self._connections = count

    @property
    def reconnect_within_ms(self) -> int:
        """Over how long those who are here are to spread their return if this process dies."""
        needed_s = self._connections / self._settings.reconnects_per_s
        return min(RECONNECT_MS_MAX, round(needed_s * 1000))


def _tell(turn: asyncio.Future[bool], is_in_time: bool) -> None:
    if not turn.done():
        turn.set_result(is_in_time)
