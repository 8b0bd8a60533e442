"""Blobs as objects of any store that speaks S3.

A finished blob is one object under its own name. While it is being written, all that belongs to it
lies under `open/`; see `s3_appender.py`. Small blobs are put whole, and large ones are made of
parts, which travel while the next is gathered.

Always true: what an upload needs of memory does not grow with its length or its parts. S3 has no
lock: within a process a blob has one writer, and between processes the caller sees to that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from hodhod_server.blobs.s3_appender import OPEN, S3Appender, State, forget, state_key
from hodhod_server.blobs.s3_concatenation import plan
from hodhod_server.blobs.s3_objects import Content, Objects, Window
from hodhod_server.blobs.s3_requests import Bucket, S3Requests, open_session
from hodhod_server.blobs.s3_signing import Signer
from hodhod_server.blobs.s3_spool import Spool, open_spool
from hodhod_server.blobs.store import (
    BlobBusy,
    BlobMissing,
    BlobsUnavailable,
    StoredBlob,
    is_key,
    require_key,
)
from hodhod_server.domain.clock import Clock
from hodhod_server.settings import S3Settings

THREADS: Final = 4
PIECE_BYTES: Final = 256 * 1024
READ_TRIES: Final = 4
BOUNDLESS: Final = 2**62


class _S3Reader:
    """See `Reader`."""

    descriptor = None

    def __init__(self, objects: Objects, key: str, size_bytes: int) -> None:
        self._objects = objects
        self._key = key
        self._size_bytes = size_bytes

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """A transfer that breaks off goes on where it was, with another request."""
        stop, cuts = min(stop, self._size_bytes), 0
        while start < stop:
            async with self._objects.reading(Window(self._key, start, stop)) as response:
                try:
                    async for piece in response.content.iter_chunked(PIECE_BYTES):
                        yield piece
                        start += len(piece)
                except (aiohttp.ClientError, TimeoutError, ConnectionError):
                    cuts += 1
                    if cuts == READ_TRIES:
                        raise BlobsUnavailable from None


class S3Blobs:
    """See `BlobStore`. Made by `open_s3`."""

    def __init__(
        self, objects: Objects, part_bytes: int, spools: Path, executor: ThreadPoolExecutor
    ) -> None:
        self._objects = objects
        self._part_bytes = part_bytes
        self._spools = spools
        self._executor = executor
        self._locked: set[str] = set()

    async def create(self, key: str) -> None:
        require_key(key)
        if await self._is_there(key) or await self._is_there(state_key(key)):
            raise FileExistsError(key)
        state = State(part_bytes=self._part_bytes)
        await self._objects.put(state_key(key), Content.of(msgspec.json.encode(state)))

    @contextlib.asynccontextmanager
    async def appending(self, key: str) -> AsyncIterator[S3Appender]:
        require_key(key)
        if key in self._locked:
            raise BlobBusy
        self._locked.add(key)
        try:
            async with self._opened(key, await self._state(key)) as appender:
                yield appender
        finally:
            self._locked.discard(key)

    @contextlib.asynccontextmanager
    async def reading(self, key: str) -> AsyncIterator[_S3Reader]:
        yield _S3Reader(self._objects, key, await self._objects.size_bytes(require_key(key)))

    async def concatenate(self, key: str, parts: Sequence[str]) -> None:
        sizes = [await self._objects.size_bytes(require_key(part)) for part in parts]
        sources = [Window(part, 0, size) for part, size in zip(parts, sizes, strict=True)]
        pieces = plan(sources)
        async with open_spool(self._spools, self._part_bytes, self._executor) as spool:
            if len(pieces) > 1 or any(len(piece) == 1 for piece in pieces):
                await self._concatenate(require_key(key), pieces, spool)
            else:
                content = await self._fetched(spool, pieces[0] if pieces else ())
                await self._objects.put(require_key(key), content)
        await forget(self._objects, key)

    def place_of(self, key: str) -> None:
        """No folder has it."""

    async def delete(self, key: str) -> None:
        require_key(key)
        with contextlib.suppress(BlobMissing):
            state = await self._read_state(key)
            if state.upload_id:
                await self._objects.abort_parts(key, state.upload_id)
        await self._objects.delete(key)
        await forget(self._objects, key)

    async def blobs(self) -> AsyncIterator[StoredBlob]:
        """Also those begun and not finished, with what their segments hold for a size."""
        async for listed in self._objects.listed("", is_flat=True):
            if is_key(listed.name):
                yield StoredBlob(
                    key=listed.name, size_bytes=listed.size_bytes, modified_at=listed.modified_at
                )
        unfinished: dict[str, StoredBlob] = {}
        async for listed in self._objects.listed(OPEN):
            key = listed.name.partition("/")[0]
            known = unfinished.get(key)
            if is_key(key):
                unfinished[key] = _with(known, key, listed.size_bytes, listed.modified_at)
        for blob in unfinished.values():
            yield blob

    async def tidy(self, before: datetime) -> int:
        """End multipart uploads that no unfinished blob knows."""
        aborted = 0
        async for key, upload_id, began_at in self._objects.unfinished():
            if began_at < before and is_key(key) and await self._upload_id(key) != upload_id:
                await self._objects.abort_parts(key, upload_id)
                aborted += 1
        return aborted

    async def free_bytes(self) -> int:
        return BOUNDLESS

    @contextlib.asynccontextmanager
    async def _opened(self, key: str, state: State) -> AsyncIterator[S3Appender]:
        """What the block raises comes out as it is: the part on its way never raises."""
        try:
            async with (
                open_spool(self._spools, state.part_bytes, self._executor) as spool,
                asyncio.TaskGroup() as tasks,
            ):
                appender = S3Appender(self._objects, key, state, spool, tasks)
                try:
                    yield appender
                finally:
                    appender.close()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _state(self, key: str) -> State:
        """Raises `BlobMissing` for a blob neither begun nor finished."""
        try:
            return await self._read_state(key)
        except BlobMissing:
            await self._objects.size_bytes(key)
            return State(part_bytes=self._part_bytes)

    async def _read_state(self, key: str) -> State:
        return msgspec.json.decode(await self._objects.read(state_key(key)), type=State)

    async def _upload_id(self, key: str) -> str:
        try:
            return (await self._read_state(key)).upload_id
        except BlobMissing:
            return ""

    async def _is_there(self, key: str) -> bool:
        try:
            await self._objects.size_bytes(key)
        except BlobMissing:
            return False
        return True

    async def _concatenate(
        self, key: str, pieces: Sequence[tuple[Window, ...]], spool: Spool
    ) -> None:
        upload_id = await self._objects.begin_parts(key)
        try:
            for number, piece in enumerate(pieces, 1):
                if len(piece) == 1:
                    await self._objects.copy_part(key, upload_id, number, piece[0])
                else:
                    content = await self._fetched(spool, piece)
                    await self._objects.put_part(key, upload_id, number, content)
            parts = await self._objects.parts(key, upload_id)
            await self._objects.end_parts(key, upload_id, parts)
        except BaseException:
            with contextlib.suppress(OSError):
                await asyncio.shield(self._objects.abort_parts(key, upload_id))
            raise

    async def _fetched(self, spool: Spool, windows: Sequence[Window]) -> Content:
        position = 0
        for window in windows:
            reader = _S3Reader(self._objects, window.key, window.stop)
            async for piece in reader.pieces(window.start, window.stop):
                await spool.write(0, position, [piece])
                position += len(piece)
        return await spool.content(0, 0, position)


@contextlib.asynccontextmanager
async def open_s3(terms: S3Settings, spools: Path, clock: Clock) -> AsyncIterator[S3Blobs]:
    """The blobs in a bucket. `spools` is a local folder for parts on their way; it is made."""
    bucket = Bucket(
        endpoint=terms.endpoint, name=terms.bucket, is_path_style=terms.address_style == "path"
    )
    signer = Signer(access_key=terms.access_key, secret_key=terms.secret_key, region=terms.region)
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="s3-spool")
    try:
        await asyncio.to_thread(partial(spools.mkdir, parents=True, exist_ok=True))
        async with open_session(terms.connections_max) as session:
            requests = S3Requests(session, bucket, signer, clock, terms.tries)
            objects = Objects(requests, terms.prefix)
            yield S3Blobs(objects, terms.part_bytes, spools, executor)
    finally:
        await asyncio.to_thread(executor.shutdown)


def _with(known: StoredBlob | None, key: str, size_bytes: int, modified_at: datetime) -> StoredBlob:
    if known is not None:
        size_bytes += known.size_bytes
        modified_at = max(modified_at, known.modified_at)
    return StoredBlob(key=key, size_bytes=size_bytes, modified_at=modified_at, is_finished=False)
