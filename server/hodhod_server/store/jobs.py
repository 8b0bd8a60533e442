"""The queue of jobs: pgqueuer on our own PostgreSQL, through our own driver.

A job is a media id. It is enqueued in the transaction that makes it necessary, once however often
it is asked for, and repeated when the worker that had it falls silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, cast

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import MediaId
from hodhod_server.settings import DatabaseSettings, ProcessingSettings
from hodhod_server.store.database import StoreError, Tx, open_own_connection
from hodhod_server.telemetry import logs

log = logs.get("jobs")
ENTRYPOINT: Final = "media"
POLL_S: Final = 5.0  # should a notification be lost
RECONNECT_S: Final = 1.0

Work = Callable[[MediaId], Awaitable[float | None]]
"""Does a job; the seconds after which it is to be tried again, or `None` where it is done."""


async def enqueue(tx: Tx, media_id: MediaId, priority: int) -> bool:
    """Add the job; False where it is in the queue already. Higher priorities come first."""
    added = await _queries(tx).enqueue(
        ENTRYPOINT, media_id.encode(), priority, dedupe_key=media_id, on_conflict="skip"
    )
    return added[0] is not None


def _queries(connection: object) -> Queries:
    return Queries(AsyncpgDriver(cast("asyncpg.Connection[asyncpg.Record]", connection)))


class JobQueue:
    """The worker's end of the queue."""

    def __init__(
        self, settings: DatabaseSettings, work: Work, processing: ProcessingSettings
    ) -> None:
        self._settings = settings
        self._work = work
        self._parallel = processing.parallel
        self._silence = timedelta(seconds=processing.silence_s)

    async def run(self) -> None:
        """Do jobs for ever, on a connection of its own and on another when that fails."""
        while True:
            try:
                async with (
                    open_own_connection(self._settings, "jobs") as own,
                    own.connection() as tx,
                ):
                    await self._run(tx)
            except (Overloaded, ExceptionGroup, *StoreError) as error:
                log.warning("jobs.interrupted", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_S)

    async def _run(self, connection: Tx) -> None:
        queue = QueueManager(_queries(connection))
        queue.entrypoint(ENTRYPOINT, accepts_context=False)(self._do)
        try:
            await queue.run(
                dequeue_timeout=timedelta(seconds=POLL_S),
                batch_size=1,
                max_concurrent_tasks=self._parallel,
                heartbeat_timeout=self._silence,
                shutdown_on_listener_failure=True,
            )
        finally:
            queue.shutdown.set()

    async def _do(self, job: Job) -> None:
        again_after_s = await self._work(MediaId((job.payload or b"").decode()))
        if again_after_s is not None:
            raise RetryRequested(delay=timedelta(seconds=again_after_s), reason="try again")
