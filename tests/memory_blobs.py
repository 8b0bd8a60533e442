"""Blobs in memory, on a disk whose size tests set and which they may break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from hodhod_server.blobs.store import (
    BlobBusy,
    BlobMissing,
    BlobsFull,
    BlobTorn,
    Piece,
    StoredBlob,
    require_key,
)


class MemoryBlobs:
    """Durable is what was synced; `lose_power` forgets the rest."""

    def __init__(self, *, capacity_bytes: int = 2**40) -> None:
        self.capacity_bytes = capacity_bytes
        self.modified_at = datetime(2020, 1, 1, tzinfo=UTC)
        self.written: dict[str, bytearray] = {}
        self.durable: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.finish_s = 0.0
        self._locked: set[str] = set()

    async def create(self, key: str) -> None:
        if require_key(key) in self.written:
            raise FileExistsError(key)
        if await self.free_bytes() <= 0:
            raise BlobsFull
        self.written[key], self.durable[key] = bytearray(), b""

    @contextlib.asynccontextmanager
    async def appending(self, key: str) -> AsyncIterator[_MemoryAppender]:
        if key not in self.written:
            raise BlobMissing
        if key in self._locked:
            raise BlobBusy
        self._locked.add(key)
        try:
            yield _MemoryAppender(self, key, self.written[key])
        finally:
            self._locked.discard(key)

    @contextlib.asynccontextmanager
    async def reading(self, key: str) -> AsyncIterator[_MemoryReader]:
        if key not in self.written:
            raise BlobMissing
        yield _MemoryReader(bytes(self.written[key]))

    def place_of(self, key: str) -> None:
        return None

    async def delete(self, key: str) -> None:
        if key in self.broken:
            raise OSError(5, "Input/output error")
        self.written.pop(require_key(key), None)
        self.durable.pop(key, None)

    async def concatenate(self, key: str, parts: Sequence[str]) -> None:
        if missing := [part for part in parts if part not in self.written]:
            raise BlobMissing(*missing)
        whole = b"".join(self.written[part] for part in parts)
        if len(whole) > await self.free_bytes():
            raise BlobsFull
        self.written[require_key(key)], self.durable[key] = bytearray(whole), whole

    async def blobs(self) -> AsyncIterator[StoredBlob]:
        for key, content in list(self.written.items()):
            yield StoredBlob(key=key, size_bytes=len(content), modified_at=self.modified_at)

    async def tidy(self, before: datetime) -> int:
        return 0

    async def free_bytes(self) -> int:
        return self.capacity_bytes - sum(map(len, self.written.values()))

    def lose_power(self) -> None:
        """Everything that was not synced is gone."""
        self.written = {key: bytearray(content) for key, content in self.durable.items()}


class _MemoryAppender:
    def __init__(self, blobs: MemoryBlobs, key: str, content: bytearray) -> None:
        self._blobs = blobs
        self._key = key
        self._content = content
        self._durable = len(blobs.durable[key])
        self._is_full = False

    @property
    def durable_bytes(self) -> int:
        return self._durable

    async def start_at(self, offset: int) -> None:
        if len(self._content) < offset:
            raise BlobTorn
        del self._content[offset:]
        self._durable = offset

    async def write(self, data: Piece) -> None:
        fitting = data[: max(0, await self._blobs.free_bytes())]
        self._content += fitting
        if len(fitting) < len(data):
            self._is_full = True
            raise BlobsFull

    async def sync(self) -> int:
        self._durable = len(self._content)
        if self._key in self._blobs.written:
            self._blobs.durable[self._key] = bytes(self._content)
        if self._is_full:
            raise BlobsFull
        return len(self._content)

    async def finish(self) -> int:
        await asyncio.sleep(self._blobs.finish_s)
        return await self.sync()


class _MemoryReader:
    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size_bytes(self) -> int:
        return len(self._content)

    @property
    def descriptor(self) -> None:
        return None

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        for position in range(start, min(stop, len(self._content)), 1000):
            yield self._content[position : min(position + 1000, stop)]
