"""Uploads: a file arrives in pieces, over connections that break.

What tus calls an upload and what a message calls a file is the same row and the same blob; it
becomes a file in the moment its last byte is durable.

Removal marks the row, deletes the bytes, deletes the row. A process that dies in between leaves a
marked row, and the sweep finishes the work: no bytes are left behind without a row.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from hodhod_server.blobs.store import (
    Appender,
    BlobBusy,
    BlobMissing,
    BlobsFull,
    BlobStore,
    BlobsUnavailable,
    BlobTorn,
    Piece,
)
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import (
    Forbidden,
    Malformed,
    Overloaded,
    RateLimited,
    TooLarge,
    WrongState,
)
from hodhod_server.domain.ids import MediaId, UserId, random_public_id
from hodhod_server.domain.upload_errors import (
    FileTypeRefused,
    OffsetMismatch,
    StorageFull,
    UploadBusy,
    UploadExpired,
    UploadNotFound,
)
from hodhod_server.services.finished_files import Finished, LeftToTheSweep
from hodhod_server.services.quotas import Quotas
from hodhod_server.services.upload_checksums import Checksum
from hodhod_server.services.upload_handover import Handover
from hodhod_server.services.upload_news import News, NoNews
from hodhod_server.services.upload_progress import Progress
from hodhod_server.services.upload_turns import RETRY_AFTER_S, Turns
from hodhod_server.services.upload_writing import Writing, WritingHouse
from hodhod_server.settings import MediaSettings
from hodhod_server.store import storage, uploads
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import Lifetime, NewUpload, Upload
from hodhod_server.telemetry import logs, metrics

log = logs.get("uploads")
FULL_RETRY_AFTER_S: Final = 60.0
MANY_RETRY_AFTER_S: Final = 60.0
AWAY_RETRY_AFTER_S: Final = 10.0
ABANDONED_AFTER: Final = timedelta(minutes=5)  # a removal that takes longer was interrupted
SWEEP_ROWS: Final = 100

__all__ = ["Checksum", "NewUpload", "Part", "Upload", "Uploads"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an upload on its way in. `length_bytes` is unknown for a chunked body.

    `upload_length_bytes` is the whole upload's, told by a client that did not know it before.
    """

    offset_bytes: int
    length_bytes: int | None
    chunks: AsyncIterator[Piece]
    checksum: Checksum | None = None
    upload_length_bytes: int | None = None


class Uploads:
    """What people do with uploads. Every method refuses other people's as `UploadNotFound`."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        settings: MediaSettings,
        news: News | None = None,
        finished: Finished | None = None,
    ) -> None:
        self._database = database
        self._finished = finished or LeftToTheSweep()
        self._blobs = blobs
        self._clock = clock
        self._settings = settings
        self._news = news or NoNews()
        self._quotas = Quotas(settings)
        self._turns = Turns(writers_max=settings.writers_max, idle_s=settings.idle_s)
        self._handover = Handover(database, blobs, self._turns)
        self._progress = Progress(database, self._lifetime)
        self._house = WritingHouse(
            self._advance, self._progress, settings.sync_s, settings.upload_bytes_max
        )

    async def run(self) -> None:
        """Record how far uploads come, and let other processes have what they ask for, until
        cancelled.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._progress.run())
            tasks.create_task(self._handover.run())

    async def create(self, user: UserId, new: NewUpload) -> Upload:
        """An empty file is finished at once, and so is one that is made of others.

        Raises `TooLarge`, `FileTypeRefused`, `StorageFull`, `RateLimited`; for parts also
        `UploadNotFound` and `WrongState`.
        """
        if not new.is_partial:
            self._require_type(new.content_type)
        if new.parts:
            return await self._concatenate(user, new)
        await self._require_room(new.length_bytes or 0)
        upload = await self._insert(user, new)
        try:
            await self._blobs.create(upload.blob_key)
        except BlobsFull:
            await self.terminate(user, upload.media_id)
            raise StorageFull(retry_after_s=FULL_RETRY_AFTER_S) from None
        if new.length_bytes == 0:
            nothing = Part(offset_bytes=0, length_bytes=0, chunks=_nothing())
            return await self.write(user, upload.media_id, nothing)
        return upload

    async def _insert(self, user: UserId, new: NewUpload) -> Upload:
        """Raises `RateLimited`, `QuotaExceeded`, `StorageFull`. Parts are counted until they go."""
        media_id = MediaId(random_public_id())
        unfinished_max = self._settings.unfinished_per_user_max
        async with self._database.transaction() as tx:
            await self._quotas.begin(tx)
            upload = await uploads.insert(tx, media_id, user, new, self._lifetime(), unfinished_max)
            if upload is None:
                raise RateLimited("too many unfinished uploads", retry_after_s=MANY_RETRY_AFTER_S)
            if not new.parts:  # made of bytes that are counted already, and then go
                await self._quotas.require(tx, user)
        return upload

    async def _concatenate(self, user: UserId, new: NewUpload) -> Upload:
        """A file of finished parts, which are removed: it has their bytes. Asked again, it is the
        same file: the answer to a long request is easily lost.
        """
        async with self._database.connection() as connection:
            if known := await uploads.find_final(connection, user, new.parts):
                return known
            found = await uploads.find_parts(connection, user, new.parts)
        parts = _all_whole(new.parts, found)
        length_bytes = sum(self._require_alive(part).offset_bytes for part in parts)
        await self._require_room(length_bytes)
        upload = await self._insert(user, msgspec.structs.replace(new, length_bytes=length_bytes))
        try:
            upload = await self._begin_writing(user, upload.media_id)
            await self._blobs.concatenate(upload.blob_key, [part.blob_key for part in parts])
            upload = await self._advance(upload, length_bytes)
        except Exception as error:
            await self.terminate(user, upload.media_id)
            if isinstance(error, BlobsFull):
                raise StorageFull(retry_after_s=FULL_RETRY_AFTER_S) from None
            if isinstance(error, BlobMissing):
                raise UploadNotFound from None  # made to another file a moment ago, or expired
            raise
        for part in parts:
            await self._discard(user, part.media_id)
        return upload

    async def _discard(self, user: UserId, media_id: MediaId) -> None:
        """Remove a part that is not needed any more; the sweep does what fails here."""
        with contextlib.suppress(OSError, Overloaded):
            async with self._database.connection() as connection:
                await uploads.mark_removed(connection, user, media_id, self._clock.now())
            await self._remove(media_id)

    async def load(self, user: UserId, media_id: MediaId) -> Upload:
        """Where to go on. Whoever is writing is asked to stop first: its connection is probably
        dead, and the offset must still be true when the next piece comes.

        Raises `UploadNotFound`, `UploadExpired`, `UploadBusy`.
        """
        upload = await self._load(user, media_id)
        if upload.finished_at is not None or upload.is_final:
            return upload
        await self._turns.end(media_id)
        async with self._appending(media_id):
            return await self._load(user, media_id)

    async def write(self, user: UserId, media_id: MediaId, part: Part) -> Upload:
        """Take a piece, and the turn from whoever is writing. What came is kept, whatever ends it.

        Raises `UploadNotFound`, `UploadExpired`, `UploadBusy`, `OffsetMismatch`, `WrongState`,
        `TooLarge`, `StorageFull`, `Malformed`, `ChecksumMismatch`, `Overloaded`, and what
        `part.chunks` raises. A piece known to be too long is refused whole; of one that turns out
        to be, what fits is kept.
        """
        await self._load(user, media_id)  # a stranger must not interrupt anybody
        async with self._turns.take(media_id) as turn, self._appending(media_id) as appender:
            upload = await self._begin_writing(user, media_id)
            turn.epoch = upload.writer_epoch
            _require_at(upload, part)
            if part.upload_length_bytes is not None:
                upload = await self._declare_length(upload, part.upload_length_bytes)
            self._require_fits(upload, part)
            await appender.start_at(upload.offset_bytes)
            writing = Writing(upload, appender, part.checksum, self._house)
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

    def _require_type(self, content_type: str) -> None:
        kind = content_type.partition("/")[0] + "/*"
        if {content_type, kind} & set(self._settings.refused_types):
            raise FileTypeRefused(content_type=content_type)

    def _require_fits(self, upload: Upload, part: Part) -> None:
        end = self._settings.upload_bytes_max
        if upload.length_bytes is not None:
            end = upload.length_bytes
        if part.offset_bytes + (part.length_bytes or 0) > end:
            raise TooLarge("the body is longer than Upload-Length has room for")

    async def _declare_length(self, upload: Upload, length_bytes: int) -> Upload:
        if upload.length_bytes == length_bytes:
            return upload
        await self._require_room(length_bytes, upload.offset_bytes)
        async with self._database.transaction() as tx:
            await self._quotas.begin(tx)
            declared = await uploads.declare_length(tx, upload, length_bytes)
            if declared is None:
                raise Malformed("Upload-Length is told once, and is not less than what is there")
            await self._quotas.require(tx, upload.user)
        return declared

    async def _require_room(self, length_bytes: int, present_bytes: int = 0) -> None:
        if length_bytes > self._settings.upload_bytes_max:
            raise TooLarge(upload_bytes_max=self._settings.upload_bytes_max)
        free_bytes = await self._blobs.free_bytes()
        if free_bytes - (length_bytes - present_bytes) < self._settings.free_bytes_min:
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
        may_expire = upload.finished_at is None or upload.is_partial
        if may_expire and upload.expires_at <= self._clock.now():
            raise UploadExpired
        return upload

    @contextlib.asynccontextmanager
    async def _appending(self, media_id: MediaId) -> AsyncIterator[Appender]:
        """The blob for writing; the store's refusals become ours."""
        try:
            async with self._handover.appending(media_id) as appender:
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
        except (BlobsUnavailable, TimeoutError):
            raise Overloaded("the store is away", retry_after_s=AWAY_RETRY_AFTER_S) from None

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
            self._news.note(upload.media_id)
        return advanced

    async def _remove(self, media_id: MediaId) -> None:
        """Its bytes and its row. Marked as removed already, so nobody shares its bytes anew."""
        await self._news.tell_lost(media_id)
        async with self._database.connection() as connection:
            key = await storage.find_blob_key(connection, media_id)
            is_shared = await storage.is_shared(connection, media_id)
        if key is not None and not is_shared:
            await self._blobs.delete(key)
        async with self._database.connection() as connection:
            await uploads.delete(connection, media_id)

    def _lifetime(self) -> Lifetime:
        now = self._clock.now()
        return Lifetime(now, now + timedelta(seconds=self._settings.upload_expiry_s))


def _is_file(upload: Upload) -> bool:
    return upload.finished_at is not None and not upload.is_partial


def _require_at(upload: Upload, part: Part) -> None:
    if upload.is_final:
        raise Forbidden("a final upload is made of its parts")
    if part.offset_bytes != upload.offset_bytes:
        raise OffsetMismatch(offset=upload.offset_bytes)
    if upload.finished_at is not None:
        raise WrongState("the upload is finished")


def _all_whole(wanted: Sequence[MediaId], found: Mapping[MediaId, Upload]) -> list[Upload]:
    """Raises `UploadNotFound`, `WrongState`."""
    if not found.keys() >= set(wanted):
        raise UploadNotFound("a partial upload is not there")
    parts = [found[media_id] for media_id in wanted]
    if any(part.finished_at is None for part in parts):
        raise WrongState("a partial upload is not finished")
    return parts


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
