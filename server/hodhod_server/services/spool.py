"""Bytes between the blob store and children: a file to hand over, new bytes to keep.

A child gets an open file, read-only where the bytes lie in one. What lies in an object store is
copied to the local disk first; the copy has no name: whoever dies, nothing is left of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from hodhod_server.blobs.store import BlobMissing, BlobStore, Reader
from hodhod_server.processing.contract import Patch
from hodhod_server.store.processing import Raw

PIECE_BYTES: Final = 1024**2


class Spool:
    """Reads blobs into files and files into blobs."""

    def __init__(self, blobs: BlobStore, scratch: Path) -> None:
        self._blobs = blobs
        self._scratch = scratch

    @contextlib.asynccontextmanager
    async def holding(self, raw: Raw) -> AsyncIterator[IO[bytes]]:
        """The file on the local disk. Raises `BlobMissing`, also for one that is too short."""
        async with self._blobs.reading(raw.blob_key) as reader:
            if reader.descriptor is not None and reader.size_bytes == raw.length_bytes:
                yield io.FileIO(reader.descriptor, closefd=False)
                return
            with contextlib.ExitStack() as files:
                yield await self._copied(reader, raw, files)

    async def _copied(self, reader: Reader, raw: Raw, files: contextlib.ExitStack) -> IO[bytes]:
        copy = await asyncio.to_thread(self._open, files)
        async for piece in reader.pieces(0, raw.length_bytes):
            await asyncio.to_thread(copy.write, piece)
        if await asyncio.to_thread(_written, copy) != raw.length_bytes:
            raise BlobMissing
        return copy

    def _open(self, files: contextlib.ExitStack) -> IO[bytes]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return files.enter_context(tempfile.TemporaryFile(dir=self._scratch))

    async def needed(self, file: IO[bytes], patches: Sequence[Patch]) -> list[Patch]:
        """Those that change something: what was blanked already goes on sharing its bytes."""
        return await asyncio.to_thread(_needed, file, patches)

    async def digest(self, file: IO[bytes]) -> bytes:
        """The SHA-256 of a whole file."""
        return await asyncio.to_thread(_digest, file)

    async def store(self, key: str, pieces: Iterator[bytes]) -> bytes:
        """Make a blob of the pieces, durable when this returns; its SHA-256."""
        digest = hashlib.sha256()
        await self._blobs.create(key)
        async with self._blobs.appending(key) as appender:
            await appender.start_at(0)
            while piece := await asyncio.to_thread(next, pieces, b""):
                digest.update(piece)
                await appender.write(piece)
            await appender.finish()
        return digest.digest()


def _written(file: IO[bytes]) -> int:
    file.flush()
    return file.tell()


def _digest(file: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in patched(file, []):
        digest.update(piece)
    return digest.digest()


def patched(file: IO[bytes], patches: Sequence[Patch]) -> Iterator[bytes]:
    """The file with the patches over it, piece by piece; what would lie beyond its end does not."""
    offset, descriptor = 0, file.fileno()
    while piece := os.pread(descriptor, PIECE_BYTES, offset):
        over = [patch for patch in patches if _touches(patch, offset, len(piece))]
        yield _under(piece, offset, over) if over else piece
        offset += len(piece)


def _needed(file: IO[bytes], patches: Sequence[Patch]) -> list[Patch]:
    descriptor = file.fileno()
    return [p for p in patches if os.pread(descriptor, len(p.data), p.offset) != p.data]


def _touches(patch: Patch, offset: int, length: int) -> bool:
    return patch.offset < offset + length and offset < patch.offset + len(patch.data)


def _under(piece: bytes, offset: int, patches: Sequence[Patch]) -> bytes:
    changed = bytearray(piece)
    for patch in patches:
        start = max(patch.offset, offset)
        stop = min(patch.offset + len(patch.data), offset + len(piece))
        data = patch.data[start - patch.offset : stop - patch.offset]
        changed[start - offset : stop - offset] = data
    return bytes(changed)
