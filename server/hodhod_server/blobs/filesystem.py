"""Blobs as files, in 4,096 folders by the first two letters of their name.

The event loop never touches the disk: dirty-page throttling was seen to stop it for 0.4 s. A writer
gathers 1 MiB, hands it to a thread and reads on while that is written; syncs run beside the writes.
The disk begins with each MiB at once: a sync that finds four of them keeps the database's own syncs
waiting for as long.

Always true: a writer has at most one write and one sync in threads; its descriptor outlives both. A
file has one writer on this machine (`flock`). A new file's folder entry is durable before `create`
returns, and a deleted one's before `delete` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from hodhod_server.blobs import folders, joining
from hodhod_server.blobs.store import (
    BlobBusy,
    BlobMissing,
    BlobsFull,
    BlobTorn,
    Piece,
    StoredBlob,
    is_key,
    require_key,
)

T = TypeVar("T")
BATCH_BYTES: Final = 1024 * 1024  # measured: 584 MB/s overlapped, against 302 in the loop
BATCH_PIECES: Final = 512  # half of what one writev takes; a slow link brings a packet at a time
PIECE_BYTES: Final = 256 * 1024  # of a download: what a socket takes in one go
THREADS: Final = 8  # syncs wait for the disk; own threads keep them from starving the process
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_sync_data: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)  # macOS has none
_advise: Final[Callable[[int, int, int, int], None] | None] = getattr(os, "posix_fadvise", None)


class _Landed(NamedTuple):
    """What became of one job: how far the file is written, and since when it is durable."""

    position: int
    durable: int | None
    failure: OSError | None


class _Threads:
    """Runs blocking calls outside the event loop."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    def start(self, call: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def open(self, call: Callable[[], int]) -> int:
        """A descriptor. If the caller is cancelled meanwhile, it is closed again."""
        opening = self.start(call)
        try:
            await asyncio.wait({opening})
        except asyncio.CancelledError:
            opening.add_done_callback(self._close_abandoned)
            raise
        return opening.result()

    def _close_abandoned(self, opening: asyncio.Future[int]) -> None:
        if opening.exception() is None:
            self.start(partial(os.close, opening.result()))


class _FileAppender:
    """See `Appender`."""

    def __init__(self, descriptor: int, sync_bytes: int, threads: _Threads) -> None:
        self._descriptor = descriptor
        self._sync_bytes = sync_bytes
        self._threads = threads
        self._gathered: list[Piece] = []
        self._gathered_bytes = 0
        self._position = 0
        self._durable = 0
        self._job: asyncio.Future[_Landed] | None = None
        self._syncing: asyncio.Future[_Landed] | None = None
        self._failure: OSError | None = None

    @property
    def durable_bytes(self) -> int:
        return self._durable

    async def start_at(self, offset: int) -> None:
        self._job = self._threads.start(partial(_cut_back, self._descriptor, offset))
        await self._settle()

    async def write(self, data: Piece) -> None:
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= BATCH_BYTES or len(self._gathered) >= BATCH_PIECES:
            await self._settle()
            await self._keep_synced()
            self._hand_over()

    async def sync(self) -> int:
        await self._settle()
        await self._settle_sync()
        self._hand_over(must_sync=True)
        await self._settle()
        self._raise_failure()
        return self._durable

    async def finish(self) -> int:
        """A file is whole as it is."""
        return await self.sync()

    def _hand_over(self, *, must_sync: bool = False) -> None:
        """Start writing what was gathered; the job before is done."""
        self._raise_failure()
        batch, self._gathered = self._gathered, []
        end, self._gathered_bytes = self._position + self._gathered_bytes, 0
        is_due = self._syncing is None and end - self._durable >= self._sync_bytes
        job = partial(_store, self._descriptor, batch, self._position, is_due or must_sync)
        self._job = self._threads.start(job)

    async def _settle(self) -> None:
        """Wait for the job under way. A cancelled wait leaves it running, to be settled later."""
        if self._job is None:
            return
        await asyncio.wait({self._job})
        job, self._job = self._job, None
        landed = job.result()
        self._position = landed.position
        self._durable = self._durable if landed.durable is None else landed.durable
        self._failure = self._failure or landed.failure

    async def _keep_synced(self) -> None:
        """Sync beside the writing: begin when half of what may be unsynced is there, and wait for
        the end where all of it is.
        """
        if self._syncing is not None and self._syncing.done():
            await self._settle_sync()
        if self._syncing is None and self._position - self._durable >= self._sync_bytes // 2:
            sync = partial(_store, self._descriptor, [], self._position, True)
            self._syncing = self._threads.start(sync)
        if self._position - self._durable >= self._sync_bytes - BATCH_BYTES:
            await self._settle_sync()

    async def _settle_sync(self) -> None:
        if self._syncing is None:
            return
        await asyncio.wait({self._syncing})
        job, self._syncing = self._syncing, None
        landed = job.result()
        self._durable = max(self._durable, landed.durable or 0)
        self._failure = self._failure or landed.failure

    def _raise_failure(self) -> None:
        if self._failure is None:
            return
        if self._failure.errno in _NO_ROOM:
            raise BlobsFull from self._failure
        raise self._failure

    async def close(self) -> None:
        """Give the file free, as soon as no thread writes to it."""
        try:
            await self._settle()
            await self._settle_sync()
        finally:
            jobs = [job for job in (self._job, self._syncing) if job is not None]
            if not jobs:
                await asyncio.shield(self._threads.start(partial(os.close, self._descriptor)))
            for job in jobs:
                job.add_done_callback(partial(self._close_after, jobs))

    def _close_after(self, jobs: list[asyncio.Future[_Landed]], ended: object) -> None:
        jobs[:] = [job for job in jobs if job is not ended]
        if not jobs:
            self._threads.start(partial(os.close, self._descriptor))


class _FileReader:
    """See `Reader`."""

    def __init__(self, descriptor: int, size_bytes: int, threads: _Threads) -> None:
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self._threads = threads

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def descriptor(self) -> int | None:
        return self._descriptor

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        while start < stop:
            length = min(PIECE_BYTES, stop - start)
            read = partial(os.pread, self._descriptor, length, start)
            if not (piece := await self._threads.start(read)):
                return
            start += len(piece)
            yield piece


class FilesystemBlobs:
    """See `BlobStore`. Made by `open_filesystem`."""

    def __init__(self, directory: Path, sync_bytes: int, threads: _Threads) -> None:
        self._directory = directory
        self._sync_bytes = sync_bytes
        self._threads = threads

    async def create(self, key: str) -> None:
        try:
            await self._threads.start(partial(_create, self._path(key)))
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise BlobsFull from error
            raise

    @contextlib.asynccontextmanager
    async def appending(self, key: str) -> AsyncIterator[_FileAppender]:
        descriptor = await self._threads.open(partial(_open_locked, self._path(key)))
        appender = _FileAppender(descriptor, self._sync_bytes, self._threads)
        try:
            yield appender
        finally:
            await appender.close()

    @contextlib.asynccontextmanager
    async def reading(self, key: str) -> AsyncIterator[_FileReader]:
        descriptor = await self._threads.open(partial(_open, self._path(key), os.O_RDONLY))
        try:
            status = await self._threads.start(partial(os.fstat, descriptor))
            yield _FileReader(descriptor, status.st_size, self._threads)
        finally:
            await asyncio.shield(self._threads.start(partial(os.close, descriptor)))

    def place_of(self, key: str) -> str:
        return self._path(key).relative_to(self._directory).as_posix()

    async def delete(self, key: str) -> None:
        await self._threads.start(partial(_delete, self._path(key)))

    async def concatenate(self, key: str, parts: Sequence[str]) -> None:
        sources = [self._path(part) for part in parts]
        try:
            await self._threads.start(partial(joining.join, self._path(key), sources))
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise BlobsFull from error
            raise

    async def blobs(self) -> AsyncIterator[StoredBlob]:
        for folder in await self._threads.start(partial(sorted, self._directory.iterdir())):
            for blob in await self._threads.start(partial(_listed, folder)):
                yield blob

    async def tidy(self, before: datetime) -> int:
        """A file is a blob, whoever left it."""
        return 0

    async def free_bytes(self) -> int:
        return (await self._threads.start(partial(shutil.disk_usage, self._directory))).free

    def _path(self, key: str) -> Path:
        require_key(key)
        return self._directory / key[:2] / key[2:]


@contextlib.asynccontextmanager
async def open_filesystem(directory: Path, sync_bytes: int) -> AsyncIterator[FilesystemBlobs]:
    """The blobs under `directory`, which is made if need be. Raises `OSError`.

    `sync_bytes` is how much a writer may take between two durable lengths.
    """
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")
    threads = _Threads(executor)
    try:
        await threads.start(partial(directory.mkdir, parents=True, exist_ok=True))
        yield FilesystemBlobs(directory, sync_bytes, threads)
    finally:
        await asyncio.to_thread(executor.shutdown)


def _create(path: Path) -> None:
    folders.require(path.parent)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
    folders.sync(path.parent)


def _listed(folder: Path) -> list[StoredBlob]:
    """What lies in one of the folders; what is no blob is not ours to tell."""
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        key = folder.name + path.name
        with contextlib.suppress(FileNotFoundError):
            if is_key(key):
                status = path.stat()
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                found.append(
                    StoredBlob(key=key, size_bytes=status.st_size, modified_at=modified_at)
                )
    return found


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        raise BlobMissing from None


def _open_locked(path: Path) -> int:
    descriptor = _open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink == 0:
            raise BlobMissing
    except BlockingIOError:
        os.close(descriptor)
        raise BlobBusy from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _cut_back(descriptor: int, offset: int) -> _Landed:
    size = os.fstat(descriptor).st_size
    if size < offset:
        raise BlobTorn(f"{size} bytes where {offset} were durable")
    os.ftruncate(descriptor, offset)
    return _Landed(offset, offset, None)


def _store(descriptor: int, batch: list[Piece], start: int, must_sync: bool) -> _Landed:
    """Write one batch. What fits before a failure is synced: it was taken, so it is kept."""
    position, failure = start, None
    rest = batch
    try:
        while rest:
            written = os.pwritev(descriptor, rest, position)
            position += written
            rest = _without(rest, written)
    except OSError as error:
        failure = error
    if failure is None and not must_sync:
        _begin_writing(descriptor, start, position - start)
        return _Landed(position, None, None)
    try:
        _sync_data(descriptor)
    except OSError as error:
        return _Landed(position, None, failure or error)
    return _Landed(position, position, failure)


def _begin_writing(descriptor: int, start: int, length: int) -> None:
    """Let the disk have these pages, and wait for nothing: what Linux makes of the advice."""
    if _advise is not None:
        _advise(descriptor, start, length, os.POSIX_FADV_DONTNEED)


def _without(pieces: list[Piece], length: int) -> list[Piece]:
    """What is left of the pieces after their first `length` bytes."""
    for number, piece in enumerate(pieces):
        if length < len(piece):
            return [memoryview(piece)[length:], *pieces[number + 1 :]]
        length -= len(piece)
    return []


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    folders.sync(path.parent)
