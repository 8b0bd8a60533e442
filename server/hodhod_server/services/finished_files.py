"""Finished files on their way to processing: who is next, how many, and what nobody asked for.

A job is enqueued in the transaction that finishes the upload. The first file of everybody comes
before the second of anybody, so that somebody's thousand photos do not keep others waiting. A full
queue takes no more: the file waits in its row, and the sweep brings it when there is room.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol

from hodhod_server.blobs.store import BlobStore
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.settings import ProcessingSettings
from hodhod_server.store import jobs, processing
from hodhod_server.store.database import Database, Tx
from hodhod_server.telemetry import logs, metrics

log = logs.get("processing")
FORGOTTEN_AFTER: Final = timedelta(seconds=30)  # far longer than a transaction that finishes one
SWEEP_ROWS: Final = 100
RANK_MAX: Final = 1000  # from there on somebody's files come in the order they came


class Finished(Protocol):
    """Told of uploads that end."""

    async def enqueue(self, tx: Tx, user: UserId, media_id: MediaId) -> None:
        """The upload ends with this transaction."""
        ...


class LeftToTheSweep:
    """Enqueues nothing: the sweep finds it."""

    async def enqueue(self, tx: Tx, user: UserId, media_id: MediaId) -> None:
        """See `Finished`."""


class FinishedFiles:
    """The way into the queue, and the sweep of what processing leaves behind."""

    def __init__(
        self, database: Database, blobs: BlobStore, clock: Clock, settings: ProcessingSettings
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._settings = settings

    async def enqueue(self, tx: Tx, user: UserId, media_id: MediaId) -> None:
        """See `Finished`."""
        if await processing.count_waiting(tx) <= self._settings.waiting_max:
            rank = await processing.count_of_user(tx, user)
            await jobs.enqueue(tx, media_id, -min(rank, RANK_MAX))

    async def enqueue_forgotten(self) -> int:
        """Enqueue what finished and is in no queue: its job was lost, or there was no room."""
        before, enqueued = self._clock.now() - FORGOTTEN_AFTER, 0
        async with self._database.connection() as connection:
            metrics.PROCESSING_WAITING.set(await processing.count_waiting(connection))
            waiting = await processing.find_forgotten(
                connection, before, self._settings.waiting_max
            )
            for media_id, user in waiting:
                rank = await processing.count_of_user(connection, user)
                enqueued += await jobs.enqueue(connection, media_id, -min(rank, RANK_MAX))
        return enqueued

    async def remove_abandoned(self) -> int:
        """Delete what crashes left behind, what was replaced, and copies of files that are gone."""
        before, removed = self._clock.now() - timedelta(seconds=self._settings.grace_s), 0
        while True:
            async with self._database.connection() as connection:
                batch = await processing.find_abandoned(connection, before, SWEEP_ROWS)
            for each in batch:
                if not each.is_named:
                    await self._blobs.delete(each.blob_key)
                async with self._database.connection() as connection:
                    await processing.delete_object(connection, each.blob_key)
                removed += 1
            if len(batch) < SWEEP_ROWS:
                return removed
