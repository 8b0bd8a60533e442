"""Two stores that act as one, while blobs move from one to the other.

New blobs are made in the first. One that was begun in the second is written there until it is
finished, and read there until it has moved.

Always true: a blob that is in either is found, also one that moves in this moment: a mover deletes
from the second only what the first has whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from hodhod_server.blobs.store import (
    Appender,
    BlobMissing,
    BlobStore,
    Reader,
    StoredBlob,
)

COPY_BYTES = 1024 * 1024


class PairedBlobs:
    """See `BlobStore`."""

    def __init__(self, first: BlobStore, second: BlobStore) -> None:
        self._first = first
        self._second = second

    async def create(self, key: str) -> None:
        await self._first.create(key)

    @contextlib.asynccontextmanager
    async def appending(self, key: str) -> AsyncIterator[Appender]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                appender = await stack.enter_async_context(self._first.appending(key))
            except BlobMissing:
                appender = await stack.enter_async_context(self._second.appending(key))
            yield appender

    @contextlib.asynccontextmanager
    async def reading(self, key: str) -> AsyncIterator[Reader]:
        """First, second, and first again: it may have moved between the two looks."""
        async with contextlib.AsyncExitStack() as stack:
            yield await self._opened(stack, key)

    async def _opened(self, stack: contextlib.AsyncExitStack, key: str) -> Reader:
        for store in (self._first, self._second):
            with contextlib.suppress(BlobMissing):
                return await stack.enter_async_context(store.reading(key))
        return await stack.enter_async_context(self._first.reading(key))

    async def concatenate(self, key: str, parts: Sequence[str]) -> None:
        """Parts that are only in the second are copied first; they are parts, and soon deleted."""
        for part in parts:
            if not await is_whole_in(self._first, part):
                await copy(self._second, self._first, part)
        await self._first.concatenate(key, parts)

    def place_of(self, key: str) -> None:
        """Where it lies changes while blobs move."""

    async def delete(self, key: str) -> None:
        await self._first.delete(key)
        await self._second.delete(key)

    async def blobs(self) -> AsyncIterator[StoredBlob]:
        async for blob in self._first.blobs():
            yield blob
        async for blob in self._second.blobs():
            yield blob

    async def tidy(self, before: datetime) -> int:
        return await self._first.tidy(before) + await self._second.tidy(before)

    async def free_bytes(self) -> int:
        return await self._first.free_bytes()


async def is_whole_in(store: BlobStore, key: str) -> bool:
    """Is it there, to be read?"""
    try:
        async with store.reading(key):
            return True
    except BlobMissing:
        return False


async def copy(source: BlobStore, target: BlobStore, key: str) -> int:
    """Copy a finished blob and finish it there; how long it is. Raises `BlobMissing`, `OSError`.

    What an interrupted copy left is written over.
    """
    async with source.reading(key) as reader:
        with contextlib.suppress(FileExistsError):
            await target.create(key)
        async with target.appending(key) as appender:
            await appender.start_at(0)
            async for piece in reader.pieces(0, reader.size_bytes):
                await appender.write(piece)
            return await appender.finish()
