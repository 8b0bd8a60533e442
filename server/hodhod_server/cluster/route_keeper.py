"""Keeping this gateway's part of the routing table true.

One loop writes arrivals and departures, gathered, in the order in which they happened; so a
person who leaves and comes back at once keeps their route. While Redis is away arrivals do not wait
for it: everybody's route is written again when it returns, and only then are the people here told
to sync, since others could not reach them until then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.cluster.routing import RENEW_S, Routing
from hodhod_server.domain.ids import UserId

RETRY_S: Final = 1.0
GATHER_S: Final = 0.005  # nobody feels it, and a storm writes two hundred times a second at most
_Waiting = dict[UserId, asyncio.Future[None]]


class RouteKeeper:
    """Who is connected to this gateway, as the other gateways are to know it.

    `tell_gap` is called when people may have missed pushes because their routes were missing.
    """

    def __init__(self, routing: Routing, tell_gap: Callable[[], None]) -> None:
        self._routing = routing
        self._tell_gap = tell_gap
        self._present: Counter[UserId] = Counter()
        self._arrived: _Waiting = {}
        self._being_written: _Waiting = {}
        self._departed: set[UserId] = set()
        self._changed = asyncio.Event()
        self._write_all_at = 0.0
        self._is_incomplete = False  # somebody here may have no route

    async def arrive(self, user: UserId) -> None:
        """One more connection of this person. Returns when pushes for them come here."""
        self._present[user] += 1
        waiting = self._arrived.get(user)
        if waiting is None and self._present[user] > 1:
            waiting = self._being_written.get(user)
        elif waiting is None:
            waiting = self._arrived[user] = asyncio.get_running_loop().create_future()
            self._changed.set()
        if waiting is not None:
            await asyncio.shield(waiting)

    def depart(self, user: UserId) -> None:
        """One connection of this person less."""
        self._present[user] -= 1
        if self._present[user] <= 0:
            del self._present[user]
            self._departed.add(user)
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
                async with asyncio.timeout_at(self._write_all_at):
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
            await self._routing.remove(list(self._present))
        except BrokerUnavailable:
            return  # the routes expire by themselves

    async def _write_changes(self) -> None:
        arrived, self._arrived = self._arrived, {}
        if self._is_incomplete:
            _settle(arrived)  # Redis is away, and has not been waited for in vain again
            return
        departed, self._departed = self._departed, set()
        self._being_written = arrived
        try:
            await self._routing.add(arrived)
            _settle(arrived)
            await self._routing.remove(user for user in departed if user not in self._present)
        except BrokerUnavailable:
            self._departed |= departed
            self._must_write_all(after_s=RETRY_S)
        finally:
            self._being_written = {}
            _settle(arrived)

    async def _write_all(self) -> None:
        was_incomplete, self._is_incomplete = self._is_incomplete, False
        self._write_all_at = asyncio.get_running_loop().time() + RENEW_S
        try:
            await self._routing.add(list(self._present))
        except BrokerUnavailable:
            self._must_write_all(after_s=RETRY_S)
            return
        if was_incomplete:
            self._changed.set()  # departures wait since then
            self._tell_gap()

    def _must_write_all(self, *, after_s: float) -> None:
        self._is_incomplete = True
        self._write_all_at = asyncio.get_running_loop().time() + after_s
        self._changed.set()


def _settle(waiting: _Waiting) -> None:
    for arrival in waiting.values():
        if not arrival.done():
            arrival.set_result(None)
