"""All blobs from one store to another, while people go on using them.

A finished blob is copied, read back and compared, and only then deleted where it was. One that is
being made stays until it is finished, and goes with a later run. A run that was cut off is simply
started again: what has moved is not there any more, and a half copy is written over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from hodhod_server.blobs.pair import copy, is_whole_in
from hodhod_server.blobs.store import BlobMissing, BlobStore
from hodhod_server.store import storage
from hodhod_server.store.database import Database

KEYS_MAX: Final = 100


class Moved(msgspec.Struct, kw_only=True):
    """How far it is."""

    blobs: int = 0
    bytes: int = 0
    left: int = 0
    """Being made: run it again when they are done."""
    differing: int = 0
    """Read back otherwise than they were: still where they were."""


class Moving:
    """From `source` to `target`."""

    def __init__(self, database: Database, source: BlobStore, target: BlobStore) -> None:
        self._database = database
        self._source = source
        self._target = target

    async def move(self, tell: Callable[[Moved], None]) -> Moved:
        """Everything there is now."""
        moved = Moved()
        keys = [blob.key async for blob in self._source.blobs()]
        for start in range(0, len(keys), KEYS_MAX):
            batch = keys[start : start + KEYS_MAX]
            async with self._database.connection() as connection:
                unfinished = await storage.unfinished(connection, batch)
            moved.left += len(unfinished)
            for key in batch:
                if key not in unfinished:
                    await self._move(key, moved)
            tell(moved)
        return moved

    async def _move(self, key: str, moved: Moved) -> None:
        try:
            length = await copy(self._source, self._target, key)
            is_same = await _digest(self._source, key) == await _digest(self._target, key)
        except BlobMissing:  # removed meanwhile, or begun and never finished
            if await is_whole_in(self._source, key):
                raise
            return
        if not is_same:
            moved.differing += 1
            return
        await self._source.delete(key)
        moved.blobs += 1
        moved.bytes += length


async def _digest(store: BlobStore, key: str) -> bytes:
    digest = hashlib.sha256()
    async with store.reading(key) as reader:
        async for piece in reader.pieces(0, reader.size_bytes):
            digest.update(piece)
    return digest.digest()
