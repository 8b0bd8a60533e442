"""One request that writes an upload: bytes in, durable offsets out.

However it ends (the last byte, a cut connection, somebody taking over, a full disk, the process
being stopped), what was received is made durable and recorded before the upload is let go. A piece
with a checksum counts whole or not at all: until its last byte has shown it to be right, nothing of
it is recorded, and what is on the disk already is cut off by the next writer.

While bytes come, what is durable is only noted (`upload_progress`): nobody waits for a commit.

Always true: the recorded offset is never beyond what is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple

from hodhod_server.blobs.store import Appender, Piece
from hodhod_server.domain.errors import TooLarge
from hodhod_server.domain.upload_errors import ChecksumMismatch
from hodhod_server.services.upload_checksums import Checksum, Digest
from hodhod_server.services.upload_progress import Progress
from hodhod_server.services.upload_turns import Turn
from hodhod_server.store.uploads import Upload

SAVE_S: Final = 120.0  # an object store takes its time to put a large file together
SAVE_REVOKED_S: Final = 5.0  # longer keeps a newcomer, or a stopping process, waiting too long

Record = Callable[[Upload, int], Awaitable[Upload]]


class WritingHouse(NamedTuple):
    """What all writings share: how an end is recorded, where progress is noted, how long and how
    much; `upload_bytes_max` counts where nobody has told the length yet.
    """

    record: Record
    progress: Progress
    sync_s: float
    upload_bytes_max: int


class Writing:
    """The upload as this request sees it; `upload` is what was recorded last."""

    def __init__(
        self,
        upload: Upload,
        appender: Appender,
        checksum: Checksum | None,
        house: WritingHouse,
    ) -> None:
        self.upload = upload
        self._appender = appender
        self._house = house
        self._digest = None if checksum is None else Digest(checksum)
        end = house.upload_bytes_max if upload.length_bytes is None else upload.length_bytes
        self._room = end - upload.offset_bytes
        self._noted_bytes = upload.offset_bytes
        self._noted_at_s = asyncio.get_running_loop().time()

    async def receive(self, chunks: AsyncIterator[Piece], turn: Turn) -> None:
        """Take the bytes. Raises what `chunks` raises, `UploadBusy`, `Malformed`, `TooLarge`,
        `BlobsFull`; in each case everything that came before is saved, unless a checksum was
        promised. Raises `ChecksumMismatch`, and `TimeoutError` where saving takes too long.
        """
        try:
            async with turn.until_revoked():
                async for chunk in chunks:
                    turn.received()
                    await self._take(chunk)
            await self._verify()
        finally:
            if self._digest is None:
                async with asyncio.timeout(SAVE_REVOKED_S if turn.is_revoked else SAVE_S):
                    await self._save()
            self._house.progress.forget(self.upload)

    async def _take(self, chunk: Piece) -> None:
        fitting = chunk[: self._room]
        self._room -= len(fitting)
        await self._appender.write(fitting)
        if len(fitting) < len(chunk):
            raise TooLarge("the body is longer than Upload-Length has room for")
        if self._digest is not None:
            await self._digest.update(fitting)
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._noted_at_s >= self._house.sync_s:
            await self._appender.sync()
        if self._room and self._appender.durable_bytes > self._noted_bytes:
            self._noted_bytes, self._noted_at_s = self._appender.durable_bytes, now_s
            self._house.progress.note(self.upload, self._noted_bytes)

    async def _verify(self) -> None:
        """From here on it is a piece like any other."""
        if self._digest is not None and not await self._digest.is_as_expected():
            raise ChecksumMismatch(offset=self.upload.offset_bytes)
        self._digest = None

    async def _save(self) -> None:
        """The last byte counts once the blob is finished: that record makes a file of it."""
        is_finished = False
        try:
            if self._room == 0 and self.upload.length_bytes is not None:
                await self._appender.finish()
                is_finished = True
            else:
                await self._appender.sync()
        finally:
            durable = self._appender.durable_bytes
            is_further = self.upload.offset_bytes < durable != self.upload.length_bytes
            if is_finished or is_further:
                await self._record()

    async def _record(self) -> None:
        self.upload = await self._house.record(self.upload, self._appender.durable_bytes)
