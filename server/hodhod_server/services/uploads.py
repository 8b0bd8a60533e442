"""Uploads: a file arrives in pieces, over connections that break.

What tus calls an upload and what a message calls a file is the same row and the same blob; it
becomes a file in the moment its last byte is durable.

Removal marks the row, deletes the bytes, deletes the row. A process that dies in between leaves a
marked row, and the sweep finishes the work: no bytes are left behind without a row.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import msgspec

from hodhod_server.blobs.store import (
    Appender,
    BlobBusy,
    BlobMissing,
    BlobsFull,
    BlobStore,
    BlobTorn,
)
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import (
    OffsetMismatch,
    RateLimited,
    StorageFull,
    TooLarge,
    UploadBusy,
    UploadExpired,
    UploadNotFound,
    WrongState,
)
from hodhod_server.domain.ids import MediaId, UserId, random_public_id
from hodhod_server.services.finished_files import Finished, LeftToTheSweep
from hodhod_server.services.upload_turns import RETRY_AFTER_S, Turns
from hodhod_server.services.upload_writing import Writing
from hodhod_server.settings import MediaSettings
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import Lifetime, NewUpload, Upload
from hodhod_server.telemetry import logs, metrics

log = logs.get("uploads")
FULL_RETRY_AFTER_S: Final = 60.0
MANY_RETRY_AFTER_S: Final = 60.0
ABANDONED_AFTER: Final = timedelta(minutes=5)  # a removal that takes longer was interrupted
SWEEP_ROWS: Final = 100

__all__ = ["NewUpload", "Part", "Upload", "Uploads"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an upload on its way in. `length_bytes` is unknown for a chunked body."""

    offset_bytes: int
    length_bytes: int | None
    chunks: AsyncIterator[bytes]


class Uploads:
    """What people do with uploads. Every method refuses other people's as `UploadNotFound`."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        settings: MediaSettings,
        finished: Finished | None = None,
    ) -> None:
        self._database = database
        self._finished = finished or LeftToTheSweep()
        self._blobs = blobs
        self._clock = clock
        self._settings = settings
        self._turns = Turns(writers_max=settings.writers_max, idle_s=settings.idle_s)

    async def create(self, user: UserId, new: NewUpload) -> Upload:
        """Raises `TooLarge`, `StorageFull`, `RateLimited`. An empty file is finished at once."""
        await self._require_room(new.length_bytes)
        media_id = MediaId(random_public_id())
        async with self._database.connection() as connection:
            upload = await uploads.insert(
                connection,
                media_id,
                user,
                new,
                self._lifetime(),
                self._settings.unfinished_per_user_max,
            )
        if upload is None:
            raise RateLimited("too many unfinished uploads", retry_after_s=MANY_RETRY_AFTER_S)
        try:
            await self._blobs.create(media_id)
        except BlobsFull:
            await self.terminate(user, media_id)
            raise StorageFull(retry_after_s=FULL_RETRY_AFTER_S) from None
        if new.length_bytes == 0:
            return await self.write(
                user, media_id, Part(offset_bytes=0, length_bytes=0, chunks=_nothing())
            )
        return upload

    async def load(self, user: UserId, media_id: MediaId) -> Upload:
        """Where to go on. Whoever is writing is asked to stop first: its connection is probably
        dead, and the offset must still be true when the next piece comes.

        Raises `UploadNotFound`, `UploadExpired`, `UploadBusy`.
        """
        await self._load(user, media_id)
        await self._turns.end(media_id)
        return await self._load(user, media_id)

    async def write(self, user: UserId, media_id: MediaId, part: Part) -> Upload:
        """Take a piece, and the turn from whoever is writing. What came is kept, whatever ends it.

        Raises `UploadNotFound`, `UploadExpired`, `UploadBusy`, `OffsetMismatch`, `WrongState`,
        `TooLarge`, `StorageFull`, `Malformed`, `Overloaded`, and what `part.chunks` raises. A piece
        known to be too long is refused whole; of one that turns out to be, what fits is kept.
        """
        await self._load(user, media_id)  # a stranger must not interrupt anybody
        async with self._turns.take(media_id) as turn, self._appending(media_id) as appender:
            upload = await self._begin_writing(user, media_id)
            _require_fits(upload, part)
            await appender.start_at(upload.offset_bytes)
            writing = Writing(upload, appender, self._advance, sync_s=self._settings.sync_s)
            await writing.receive(part.chunks, turn)
            return writing.upload

    async def terminate(self, user: UserId, media_id: MediaId) -> None:
        """Remove it, finished or not. Raises `UploadNotFound`, `UploadExpired`."""
        await self._load(user, media_id)
        async with self._database.connection() as connection:
            await uploads.mark_removed(connection, user, media_id, self._clock.now())
        await self._remove(media_id)

    def interrupt(self) -> None:
        """Everybody who is writing saves, leaves, and may go on elsewhere: the process stops."""
        self._turns.revoke_all()

    async def remove_expired(self) -> int:
        """Remove what nobody finished in time, and finish removals that were interrupted."""
        now, removed = self._clock.now(), 0
        while True:
            async with self._database.connection() as connection:
                batch = await uploads.claim_expired(
                    connection, now, now - ABANDONED_AFTER, SWEEP_ROWS
                )
            for media_id in batch:
                try:
                    await self._remove(media_id)
                except OSError as error:
                    log.error("upload.not_removed", error=error.strerror)  # a later sweep will
                else:
                    removed += 1
            if len(batch) < SWEEP_ROWS:
                return removed

    async def _require_room(self, length_bytes: int) -> None:
        if length_bytes > self._settings.upload_bytes_max:
            raise TooLarge(upload_bytes_max=self._settings.upload_bytes_max)
        free_bytes = await self._blobs.free_bytes()
        if free_bytes - length_bytes < self._settings.free_bytes_min:
            raise StorageFull(retry_after_s=FULL_RETRY_AFTER_S)

    async def _load(self, user: UserId, media_id: MediaId) -> Upload:
        async with self._database.connection() as connection:
            return self._require_alive(await uploads.find(connection, user, media_id))

    async def _begin_writing(self, user: UserId, media_id: MediaId) -> Upload:
        async with self._database.connection() as connection:
            return self._require_alive(await uploads.begin_writing(connection, user, media_id))

    def _require_alive(self, upload: Upload | None) -> Upload:
        if upload is None:
            raise UploadNotFound
        if upload.finished_at is None and upload.expires_at <= self._clock.now():
            raise UploadExpired
        return upload

    @contextlib.asynccontextmanager
    async def _appending(self, media_id: MediaId) -> AsyncIterator[Appender]:
        """The blob for writing; the store's refusals become ours."""
        try:
            async with self._blobs.appending(media_id) as appender:
                yield appender
        except BlobMissing:
            raise UploadNotFound from None  # created by a process that died before it answered
        except BlobBusy:
            raise UploadBusy(retry_after_s=RETRY_AFTER_S) from None
        except BlobTorn as error:
            log.error("upload.torn", reason=str(error))
            raise UploadNotFound from None  # the client begins again, from what it still has
        except BlobsFull:
            raise StorageFull(retry_after_s=FULL_RETRY_AFTER_S) from None

    async def _advance(self, upload: Upload, offset_bytes: int) -> Upload:
        """Record what is durable. Raises `UploadBusy` where the upload is not ours any more."""
        async with self._database.transaction() as tx:
            advanced = await uploads.advance(tx, upload, offset_bytes, self._lifetime())
            if advanced is not None and _is_file(advanced):
                await self._finished.enqueue(tx, advanced.user, advanced.media_id)
        if advanced is None:
            raise UploadBusy("taken over or removed", retry_after_s=RETRY_AFTER_S)
        metrics.UPLOADED_BYTES.inc(offset_bytes - upload.offset_bytes)
        if advanced.finished_at is not None:
            metrics.UPLOADS_FINISHED.inc()
        return advanced

    async def _remove(self, media_id: MediaId) -> None:
        await self._blobs.delete(media_id)
        async with self._database.connection() as connection:
            await uploads.delete(connection, media_id)

    def _lifetime(self) -> Lifetime:
        now = self._clock.now()
        return Lifetime(now, now + timedelta(seconds=self._settings.upload_expiry_s))


def _is_file(upload: Upload) -> bool:
    return upload.finished_at is not None and not upload.is_partial


def _require_fits(upload: Upload, part: Part) -> None:
    if part.offset_bytes != upload.offset_bytes:
        raise OffsetMismatch(offset=upload.offset_bytes)
    if upload.finished_at is not None:
        raise WrongState("the upload is finished")
    if part.offset_bytes + (part.length_bytes or 0) > (upload.length_bytes or 0):
        raise TooLarge("the body is longer than Upload-Length has room for")


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
