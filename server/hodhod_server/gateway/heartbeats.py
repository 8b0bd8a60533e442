"""Pings to who has been silent, and an end to who does not answer: one loop for all connections.

A timer of its own for each connection is as much memory as the rest of its state. Here it is
an entry in the set of those who are looked at within the same thirtieth of a heartbeat.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final, Protocol

LOOKS: Final = 30  # in the time of a heartbeat


class Beating(Protocol):
    """A connection, as its heartbeat sees it."""

    heard_at: float
    """When the last bytes came, by the loop's clock."""
    look_number: int
    """Which look is the next at it."""
    is_pinged: bool

    def ping(self) -> None:
        """Ask for a sign of life."""

    def abort(self) -> None:
        """Cut the connection."""


class Heartbeats:
    """The hearts of a process's connections."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._look_s = every_s / LOOKS
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()
        self._looks: defaultdict[int, set[Beating]] = defaultdict(set)

    def add(self, one: Beating) -> None:
        """Look after it, from its `heard_at` on, until it is removed."""
        self._count += 1
        self._none.clear()
        self._look_at(one, one.heard_at + self._every_s)

    def remove(self, one: Beating) -> None:
        """It is over."""
        self._count -= 1
        if not self._count:
            self._none.set()
        if (others := self._looks.get(one.look_number)) is not None:
            others.discard(one)

    async def until_none(self) -> None:
        """Wait until all are over."""
        await self._none.wait()

    async def run(self) -> None:
        """Look after all of them, until cancelled."""
        clock = asyncio.get_running_loop().time
        looked = int(clock() / self._look_s)
        while True:
            await asyncio.sleep(self._look_s)
            now_s = clock()
            while looked < int(now_s / self._look_s):
                looked += 1
                for one in self._looks.pop(looked, ()):
                    self._look(one, now_s)

    def _look(self, one: Beating, now_s: float) -> None:
        silent_s = now_s - one.heard_at
        if silent_s < self._every_s:
            one.is_pinged = False
            self._look_at(one, one.heard_at + self._every_s)
        elif one.is_pinged:
            one.abort()
        else:
            one.is_pinged = True
            one.ping()
            self._look_at(one, now_s + self._every_s / 2)

    def _look_at(self, one: Beating, when_s: float) -> None:
        one.look_number = int(when_s / self._look_s) + 1
        self._looks[one.look_number].add(one)
