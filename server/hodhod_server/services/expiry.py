"""Expiry: what the database may forget after its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from hodhod_server.domain.clock import Clock
from hodhod_server.store import sweeps
from hodhod_server.store.database import Database, Tx

ROWS_MAX: Final = 1000  # of one statement: milliseconds, so that nobody waits for its locks
# Wrong tries count for a day, and the last may come half an hour after the challenge began.
CHALLENGE_KEPT: Final = timedelta(days=2)
LINK_KEPT: Final = timedelta(days=1)
JOB_LOG_KEPT: Final = timedelta(days=3)


class Expiry:
    """Deletes in batches. Safe with several workers: each takes rows that no other has locked."""

    def __init__(self, database: Database, clock: Clock, *, sends_kept_days: int) -> None:
        self._database = database
        self._clock = clock
        self._sends_kept = timedelta(days=sends_kept_days)

    async def forget_challenges(self) -> int:
        """Challenges whose tries no longer count."""
        return await self._in_batches(sweeps.delete_challenges, self._clock.now() - CHALLENGE_KEPT)

    async def forget_sends(self) -> int:
        """Hand-offs of codes that are too old for statistics."""
        return await self._in_batches(sweeps.delete_sends, self._clock.now() - self._sends_kept)

    async def forget_refresh_tokens(self) -> int:
        """Refresh tokens that nobody can use any more."""
        return await self._in_batches(sweeps.delete_refresh_tokens, self._clock.now())

    async def forget_tries(self) -> int:
        """Tries that have all come back."""
        return await self._in_batches(sweeps.delete_tries, self._clock.now())

    async def forget_return_keys(self) -> int:
        """Tokens of sign-outs that let nobody in any more."""
        return await self._in_batches(sweeps.delete_return_keys, self._clock.now())

    async def forget_device_links(self) -> int:
        """Links whose session was given, or is given no more."""
        return await self._in_batches(sweeps.delete_device_links, self._clock.now() - LINK_KEPT)

    async def forget_job_logs(self) -> int:
        """What the queue of jobs noted about each."""
        return await self._in_batches(sweeps.delete_job_logs, self._clock.now() - JOB_LOG_KEPT)

    async def _in_batches(
        self, delete: Callable[[Tx, datetime, int], Awaitable[int]], before: datetime
    ) -> int:
        total = 0
        while True:
            async with self._database.connection() as connection:
                deleted = await delete(connection, before, ROWS_MAX)
            total += deleted
            if deleted < ROWS_MAX:
                return total
