"""The part that is being gathered and the one that is on its way: two places in one local file.

A part of an object is sent whole, and perhaps several times, so it must be kept until the store has
it. Kept in memory, ten uploads would need ten times two parts; in a file without a name they need
none that counts, and the file goes with the process. Nothing here is durable, and nothing here is
ever called so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, TypeVar, cast

from hodhod_server.blobs.s3_objects import Content
from hodhod_server.blobs.store import Piece

T = TypeVar("T")
PIECE_BYTES: Final = 64 * 1024


class Spool:
    """The places of one appender. Made by `open_spool`."""

    def __init__(self, file: IO[bytes], place_bytes: int, executor: ThreadPoolExecutor) -> None:
        self._file = file
        self._descriptor = file.fileno()
        self._place_bytes = place_bytes
        self._executor = executor
        self._jobs: set[asyncio.Future[Any]] = set()

    def write(self, place: int, at: int, pieces: list[Piece]) -> asyncio.Future[None]:
        """Begin to put pieces into a place."""
        position = place * self._place_bytes + at
        return self._start(partial(_write_all, self._descriptor, pieces, position))

    async def content(self, place: int, start: int, stop: int) -> Content:
        """What lies in a place, ready to be sent."""
        offset = place * self._place_bytes
        first, last = offset + start, offset + stop
        return Content(
            body=partial(self._pieces, first, last),
            length_bytes=stop - start,
            sha256=await self._start(partial(_digest, self._descriptor, first, last)),
        )

    async def close(self) -> None:
        """The file goes after the last thread that has its descriptor, which may be given anew."""
        while self._jobs:
            await asyncio.wait(self._jobs)
        self._file.close()

    async def _pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        for position in range(start, stop, PIECE_BYTES):
            length = min(PIECE_BYTES, stop - position)
            yield await self._start(partial(os.pread, self._descriptor, length, position))

    def _start(self, call: Callable[[], T]) -> asyncio.Future[T]:
        job = asyncio.get_running_loop().run_in_executor(self._executor, call)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job


@contextlib.asynccontextmanager
async def open_spool(
    directory: Path, place_bytes: int, executor: ThreadPoolExecutor
) -> AsyncIterator[Spool]:
    """A file without a name, for the life of the block. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    file = await loop.run_in_executor(executor, partial(_nameless, directory))
    spool = Spool(file, place_bytes, executor)
    try:
        yield spool
    finally:
        await asyncio.shield(spool.close())


def _nameless(directory: Path) -> IO[bytes]:
    return cast("IO[bytes]", tempfile.TemporaryFile(dir=directory))


def _write_all(descriptor: int, pieces: list[Piece], position: int) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            written = os.pwrite(descriptor, rest, position)
            position += written
            rest = rest[written:]


def _digest(descriptor: int, start: int, stop: int) -> str:
    digest = hashlib.sha256()
    while start < stop:
        piece = os.pread(descriptor, min(PIECE_BYTES, stop - start), start)
        if not piece:
            raise OSError("the spool is shorter than what was put there")
        digest.update(piece)
        start += len(piece)
    return digest.hexdigest()
