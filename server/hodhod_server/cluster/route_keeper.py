"""Keeping this gateway's part of the routing table true.

One loop writes arrivals and departures, gathered, in the order in which they happened; so a
person who leaves and comes back at once keeps their route. While Redis is away arrivals do not wait
for it: everybody's route is written again when it returns, and only then are the people here told
to sync, since others could not reach them until then.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from typing import Final

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.cluster.routing import RENEW_S, Routing
from hodhod_server.domain.ids import UserId

RETRY_S: Final = 1.0
GATHER_S: Final = 0.005  # nobody feels it, and a storm writes two hundred times a second at most
# A route that stands too long costs a push to nobody: departures can be gathered for longer.
GATHER_DEPARTED_S: Final = 0.25


class _Gathered:
    """People whose routes are written together."""

    __slots__ = ("_written", "people")

    def __init__(self) -> None:
        self.people: set[UserId] = set()
        self._written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def until_written(self, user: UserId) -> asyncio.Future[None]:
        """The same for all of them; for others, done."""
        if user in self.people:
            return self._written
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def settle(self) -> None:
        """Whoever waits goes on."""
        if not self._written.done():
            self._written.set_result(None)


class RouteKeeper:
    """Who is connected to this gateway, as the other gateways are to know it.

    `tell_gap` is called when people may have missed pushes because their routes were missing.
    """

    def __init__(self, routing: Routing, tell_gap: Callable[[], None]) -> None:
        self._routing = routing
        self._tell_gap = tell_gap
        self._present: Counter[UserId] = Counter()
        self._arrived = _Gathered()
        self._being_written = _Gathered()
        self._departed: set[UserId] = set()
        self._remove_at = math.inf
        self._changed = asyncio.Event()
        self._write_all_at = 0.0
        self._is_incomplete = False  # somebody here may have no route

    def arrive(self, user: UserId) -> asyncio.Future[None]:
        """One more connection of this person. Done when pushes for them come here.

        The future is shared by all whose routes are written together; nobody may cancel it.
        """
        self._present[user] += 1
        if user not in self._arrived.people:
            if self._present[user] > 1:
                return self._being_written.until_written(user)
            self._arrived.people.add(user)
            self._changed.set()
        return self._arrived.until_written(user)

    def depart(self, user: UserId) -> None:
        """One connection of this person less."""
        self._present[user] -= 1
        if self._present[user] <= 0:
            del self._present[user]
            self._departed.add(user)
            if self._remove_at == math.inf:
                self._remove_at = asyncio.get_running_loop().time() + GATHER_DEPARTED_S
                self._changed.set()

    def rewrite(self) -> None:
        """Redis may have lost the table: write this gateway's part again."""
        self._must_write_all(after_s=0)

    async def run(self) -> None:
        """Write changes as they come and renew every route in time, until cancelled."""
        loop = asyncio.get_running_loop()
        self._write_all_at = loop.time() + RENEW_S
        while True:
            try:
                async with asyncio.timeout_at(self._next_at()):
                    await self._changed.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(GATHER_S)
            self._changed.clear()
            await self._write_changes()
            if loop.time() >= self._write_all_at:
                await self._write_all()

    async def withdraw(self) -> None:
        """This gateway stops: nobody is here any more."""
        try:
            await self._routing.remove([*self._present, *self._departed])
        except BrokerUnavailable:
            return  # the routes expire by themselves

    async def _write_changes(self) -> None:
        arrived, self._arrived = self._arrived, _Gathered()
        if self._is_incomplete:
            arrived.settle()  # Redis is away, and has not been waited for in vain again
            return
        self._being_written = arrived
        try:
            await self._routing.add(arrived.people)
            arrived.settle()
            if asyncio.get_running_loop().time() >= self._remove_at:
                await self._remove()
        except BrokerUnavailable:
            self._must_write_all(after_s=RETRY_S)
        finally:
            self._being_written = _Gathered()
            arrived.settle()

    def _next_at(self) -> float:
        """While Redis is away departures wait until all is written again."""
        is_away = self._is_incomplete
        return self._write_all_at if is_away else min(self._write_all_at, self._remove_at)

    async def _remove(self) -> None:
        self._remove_at = math.inf
        departed, self._departed = self._departed, set()
        try:
            await self._routing.remove(user for user in departed if user not in self._present)
        except BrokerUnavailable:
            self._departed |= departed
            raise

    async def _write_all(self) -> None:
        was_incomplete, self._is_incomplete = self._is_incomplete, False
        self._write_all_at = asyncio.get_running_loop().time() + RENEW_S
        try:
            await self._routing.add(list(self._present))
        except BrokerUnavailable:
            self._must_write_all(after_s=RETRY_S)
            return
        if was_incomplete:
            self._remove_at = asyncio.get_running_loop().time()  # departures wait since then
            self._tell_gap()

    def _must_write_all(self, *, after_s: float) -> None:
        self._is_incomplete = True
        self._write_all_at = asyncio.get_running_loop().time() + after_s
        self._changed.set()
