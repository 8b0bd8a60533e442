"""Waiting for news of a challenge, for thousands at once.

A client asks once and is answered when something happens: at once where the dispatcher of this
process did it. The other questions are looked up together: what is known to have changed here
within `GATHER_S`, everything else each second, because it may have changed in another process, or
before the question came. So a waiter costs a future and no query of its own.

Always true: at most `watchers_max` wait; whoever comes beyond is answered as things stand and told
when to come back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from random import Random
from typing import Final

from hodhod_server.domain.challenges import Challenge
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.store import challenges
from hodhod_server.store.database import Database
from hodhod_server.telemetry import logs, metrics

log = logs.get("watching")
GATHER_S: Final = 0.1  # who hears of a text has seconds until it comes
LOOK_S: Final = 1.0
LOOKED_AT_ONCE_MAX: Final = 1000
COME_BACK_S: Final = (4.0, 8.0)


class _Watcher:
    __slots__ = ("after", "challenge", "news")

    def __init__(self, challenge: ChallengeId, after: int, news: asyncio.Future[Challenge]) -> None:
        self.challenge = challenge
        self.after = after
        self.news = news


class Watching:
    """Who waits for what, in this process."""

    def __init__(self, database: Database, random: Random, *, watchers_max: int) -> None:
        self._database = database
        self._random = random
        self._watchers_max = watchers_max
        self._watchers: dict[ChallengeId, set[_Watcher]] = {}
        self._count = 0
        self._doubtful: set[ChallengeId] = set()
        self._has_doubts = asyncio.Event()

    async def change(
        self, challenge: ChallengeId, after: int, wait_s: float
    ) -> Challenge | float | None:
        """The challenge once it is later than version `after`; None if it is not in time.

        A number: too many wait already, come back after so many seconds.
        """
        if self._count >= self._watchers_max:
            metrics.SIGNUP_WATCHERS_REFUSED.inc()
            return self._random.uniform(*COME_BACK_S)
        watcher = _Watcher(challenge, after, asyncio.get_running_loop().create_future())
        self._add(watcher)
        try:
            async with asyncio.timeout(wait_s):
                return await watcher.news
        except TimeoutError:
            return None
        finally:
            self._remove(watcher)

    def note_changed(self, changed: Iterable[ChallengeId]) -> None:
        """These have a new version, written by this process."""
        watched = self._watchers.keys() & set(changed)
        if watched:
            self._doubtful |= watched
            self._has_doubts.set()

    def tell(self, challenge: Challenge) -> None:
        """It stands like that now, and so it does in the database."""
        for watcher in self._watchers.get(challenge.challenge, ()):
            if challenge.version > watcher.after and not watcher.news.done():
                watcher.news.set_result(challenge)

    async def run(self) -> None:
        """Look things up for those who wait, until cancelled."""
        loop_time = asyncio.get_running_loop().time
        look_at_s = loop_time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at_s):
                    await self._has_doubts.wait()
                    await asyncio.sleep(GATHER_S)
            if loop_time() >= look_at_s:
                look_at_s = loop_time() + LOOK_S
                await self._doubt_the_changed()
            await self._look_up()

    async def _doubt_the_changed(self) -> None:
        """What other processes have changed, and what had changed before it was asked about."""
        seen = {
            challenge: min(watcher.after for watcher in watchers)
            for challenge, watchers in self._watchers.items()
        }
        if not seen:
            return
        try:
            async with self._database.connection() as connection:
                self._doubtful |= set(await challenges.changed_since(connection, seen))
        except Overloaded:
            log.warning("watching.look_failed")

    async def _look_up(self) -> None:
        self._doubtful &= self._watchers.keys()  # who was let in no longer waits
        doubtful = list(self._doubtful)[:LOOKED_AT_ONCE_MAX]
        self._doubtful.difference_update(doubtful)
        if not self._doubtful:
            self._has_doubts.clear()
        if not doubtful:
            return
        try:
            async with self._database.connection() as connection:
                found = await challenges.find_many(connection, doubtful)
        except Overloaded:
            return  # the look of the next second finds them
        for challenge in found:
            self.tell(challenge)

    def _add(self, watcher: _Watcher) -> None:
        self._watchers.setdefault(watcher.challenge, set()).add(watcher)
        self._count += 1
        metrics.SIGNUP_WATCHERS.set(self._count)

    def _remove(self, watcher: _Watcher) -> None:
        watchers = self._watchers[watcher.challenge]
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[watcher.challenge]
        self._count -= 1
        metrics.SIGNUP_WATCHERS.set(self._count)
