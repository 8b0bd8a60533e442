"""One request that writes an upload: bytes in, durable offsets out.

However it ends (the last byte, a cut connection, somebody taking over, a full disk, the process
being stopped), what was received is made durable and recorded before the upload is let go.

Always true: the recorded offset is never beyond what is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from hodhod_server.blobs.store import Appender
from hodhod_server.domain.errors import TooLarge
from hodhod_server.services.upload_turns import Turn
from hodhod_server.store.uploads import Upload

SAVE_S: Final = 5.0  # a disk that takes longer keeps a stopping process waiting too long

Record = Callable[[Upload, int], Awaitable[Upload]]


class Writing:
    """The upload as this request sees it; `upload` is what was recorded last."""

    def __init__(
        self, upload: Upload, appender: Appender, record: Record, *, sync_s: float
    ) -> None:
        self.upload = upload
        self._appender = appender
        self._record_offset = record
        self._sync_s = sync_s
        self._room = (upload.length_bytes or 0) - upload.offset_bytes
        self._recorded_at_s = asyncio.get_running_loop().time()

    async def receive(self, chunks: AsyncIterator[bytes], turn: Turn) -> None:
        """Take the bytes. Raises what `chunks` raises, `UploadBusy`, `Malformed`, `TooLarge`,
        `BlobsFull`; in each case everything that came before is saved.
        """
        try:
            async with turn.until_revoked():
                async for chunk in chunks:
                    turn.received()
                    await self._take(chunk)
        finally:
            async with asyncio.timeout(SAVE_S):
                await self._save()

    async def _take(self, chunk: bytes) -> None:
        fitting = chunk[: self._room]
        self._room -= len(fitting)
        await self._appender.write(fitting)
        if len(fitting) < len(chunk):
            raise TooLarge("the body is longer than Upload-Length has room for")
        if asyncio.get_running_loop().time() - self._recorded_at_s >= self._sync_s:
            await self._appender.sync()
        if self._appender.durable_bytes > self.upload.offset_bytes:
            await self._record()

    async def _save(self) -> None:
        try:
            await self._appender.sync()
        finally:
            durable = self._appender.durable_bytes
            if durable > self.upload.offset_bytes or self._is_complete():
                await self._record()

    def _is_complete(self) -> bool:
        return (
            self.upload.finished_at is None
            and self._appender.durable_bytes == self.upload.length_bytes
        )

    async def _record(self) -> None:
        self.upload = await self._record_offset(self.upload, self._appender.durable_bytes)
        self._recorded_at_s = asyncio.get_running_loop().time()
