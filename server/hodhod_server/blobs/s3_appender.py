"""Appending to what S3 only knows whole: parts, and segments for what is less than a part.

Part number n always covers the same bytes of the blob, so a part sent again, even by a process that
has lost its turn, puts the same bytes into the same place. What does not fill a part is kept by
`sync` as a segment, an object of its own named after the bytes it covers; the next writer gathers
the part from its segments again. Segments go when the blob is finished, or when a writer starts
beyond them: until then an offset told earlier can be gone back to.

Always true: one part is on its way at most, and what is durable is in parts that arrived and in
segments that reach from their end onwards without a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import msgspec

from hodhod_server.blobs.s3_objects import Content, ListedPart, Objects, Window
from hodhod_server.blobs.s3_spool import Spool
from hodhod_server.blobs.store import BlobMissing, BlobsFull, BlobTorn, Piece

BATCH_BYTES: Final = 256 * 1024  # two of them for each of ten uploads; the store is slower
BATCH_PIECES: Final = 512
OPEN: Final = "open/"
_DIGITS: Final = 15


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an unfinished blob: an object of its own, so that it outlives us."""

    part_bytes: int
    upload_id: str = ""


def open_prefix(key: str) -> str:
    """Where all that belongs to an unfinished blob lies."""
    return f"{OPEN}{key}/"


def state_key(key: str) -> str:
    """Where its `State` lies."""
    return f"{open_prefix(key)}state"


class S3Appender:
    """See `Appender`. `tasks` waits for the part on its way."""

    def __init__(
        self, objects: Objects, key: str, state: State, spool: Spool, tasks: asyncio.TaskGroup
    ) -> None:
        self._objects = objects
        self._key = key
        self._state = state
        self._spool = spool
        self._tasks = tasks
        self._gathered: list[Piece] = []
        self._gathered_bytes = 0
        self._spooled = 0  # how far the blob is in the spool or beyond it
        self._part_start = 0
        self._durable = 0
        self._place = 0
        self._whole_bytes: int | None = None  # of a finished blob that nobody has opened again
        self._write: asyncio.Future[None] | None = None
        self._part: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    @property
    def durable_bytes(self) -> int:
        return self._durable

    async def start_at(self, offset: int) -> None:
        self._part_start = offset - offset % self._state.part_bytes
        self._spooled = self._durable = offset
        if not await self._resume(offset):
            await self._require_whole(offset)

    async def write(self, data: Piece) -> None:
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= BATCH_BYTES or len(self._gathered) >= BATCH_PIECES:
            await self._spool_gathered()

    async def sync(self) -> int:
        await self._settle()
        if self._spooled > self._durable:
            await self._put_segment(self._durable, self._spooled)
            self._durable = self._spooled
        return self._durable

    async def finish(self) -> int:
        await self._settle()
        if self._whole_bytes is not None:
            if self._whole_bytes == self._spooled:
                return self._durable
            await self._open_again()
        if self._state.upload_id:
            await self._end_parts()
        else:
            await self._objects.put(self._key, await self._rest(self._part_start))
        self._durable = self._whole_bytes = self._spooled
        with contextlib.suppress(OSError, BlobsFull):  # left to the sweep
            await forget(self._objects, self._key)
        return self._durable

    def close(self) -> None:
        """Nothing more is sent."""
        if self._part is not None:
            self._part.cancel()

    # --- going on where another writer stopped ----------------------------------------------------

    async def _resume(self, offset: int) -> bool:
        """Gather the part that `offset` is in. False where its bytes are not there in pieces."""
        try:
            parts = await self._parts()
        except BlobMissing:
            return False
        if len(parts) < self._part_start // self._state.part_bytes:
            return False
        segments = await self._segments()
        cursor = self._part_start
        for segment in segments:
            if segment.start <= cursor < min(segment.stop, offset):
                stop = min(segment.stop, offset)
                await self._fetch(segment.key, cursor - segment.start, stop - segment.start, cursor)
                cursor = stop
        if cursor < offset:
            return False
        await self._cut_segments(segments, offset)
        return True

    async def _parts(self) -> list[ListedPart]:
        """The parts that reach from the beginning without a gap."""
        if not self._state.upload_id:
            return []
        listed = await self._objects.parts(self._key, self._state.upload_id)
        whole = []
        for number, part in enumerate(listed, 1):
            if part.number != number or part.size_bytes != self._state.part_bytes:
                break
            whole.append(part)
        return whole

    async def _segments(self) -> list[Window]:
        found = []
        async for listed in self._objects.listed(open_prefix(self._key)):
            first, dash, last = listed.name.partition("-")
            if dash and first.isdigit() and last.isdigit():
                key = open_prefix(self._key) + listed.name
                found.append(Window(key, int(first), int(last)))
        return sorted(found, key=lambda segment: (segment.start, -segment.stop))

    async def _cut_segments(self, segments: list[Window], offset: int) -> None:
        """What lies beyond `offset` must not be taken for what will be written there."""
        if any(segment.start < offset < segment.stop for segment in segments):
            await self._put_segment(self._part_start, offset)
        for segment in segments:
            if segment.stop > offset or segment.stop <= self._part_start:
                await self._objects.delete(segment.key)

    async def _require_whole(self, offset: int) -> None:
        """The blob was finished, or its parts are there but are only readable once they are one."""
        try:
            size = await self._objects.size_bytes(self._key)
        except BlobMissing:
            if not (parts := await self._parts_or_none()):
                raise BlobTorn(f"nothing where {offset} bytes were durable") from None
            await self._objects.end_parts(self._key, self._state.upload_id, parts)
            size = len(parts) * self._state.part_bytes
        if size < offset:
            raise BlobTorn(f"{size} bytes where {offset} were durable")
        self._whole_bytes = size

    async def _parts_or_none(self) -> list[ListedPart]:
        try:
            return await self._parts()
        except BlobMissing:
            return []

    async def _open_again(self) -> None:
        """Make parts and a segment of a finished blob, as far as the start; the store copies."""
        part_bytes, stop = self._state.part_bytes, self._part_start
        upload_id = await self._objects.begin_parts(self._key) if stop else ""
        for number, start in enumerate(range(0, stop, part_bytes), 1):
            source = Window(self._key, start, start + part_bytes)
            await self._objects.copy_part(self._key, upload_id, number, source)
        await forget(self._objects, self._key)
        if self._spooled > stop:
            await self._fetch(self._key, stop, self._spooled, stop)
            await self._put_segment(stop, self._spooled)
        await self._put_state(upload_id)
        self._whole_bytes = None

    async def _fetch(self, key: str, start: int, stop: int, position: int) -> None:
        """Copy bytes of an object into the part being gathered, at `position` of the blob."""
        async with self._objects.reading(Window(key, start, stop)) as response:
            async for piece in response.content.iter_chunked(BATCH_BYTES):
                await self._spool.write(self._place, position - self._part_start, [piece])
                position += len(piece)

    # --- towards the store ------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Everything taken is in the spool, and no part is on its way."""
        while self._gathered:
            await self._spool_gathered()
        await self._written()
        await self._send_full_part()
        await self._arrived()
        self._raise_failure()

    async def _spool_gathered(self) -> None:
        """Write a batch into the part being gathered; a full part is sent."""
        if self._whole_bytes is not None:
            await self._open_again()
        await self._written()
        await self._send_full_part()
        self._raise_failure()
        room = self._part_start + self._state.part_bytes - self._spooled
        batch, self._gathered = _split(self._gathered, room)
        length = sum(map(len, batch))
        self._gathered_bytes -= length
        at = self._spooled - self._part_start
        self._write = self._spool.write(self._place, at, batch)
        self._spooled += length

    async def _written(self) -> None:
        """The batch is in the spool. A cancelled wait leaves it to be waited for later."""
        if self._write is not None:
            await asyncio.wait({self._write})
            write, self._write = self._write, None
            if (error := write.exception()) is not None:  # the spool's disk is full, or broken
                self._failure = BlobsFull()
                self._failure.__cause__ = error

    async def _send_full_part(self) -> None:
        """Put the part on its way, once the one before has arrived; gather in its place."""
        if self._spooled - self._part_start < self._state.part_bytes:
            return
        await self._arrived()
        self._raise_failure()
        number = self._part_start // self._state.part_bytes + 1
        self._part = self._tasks.create_task(self._send(number, self._place))
        self._part_start, self._place = self._spooled, 1 - self._place

    async def _arrived(self) -> None:
        if self._part is not None:
            await asyncio.wait({self._part})
            self._part = None

    async def _send(self, number: int, place: int) -> None:
        """Never raises: what went wrong is told to the next who writes or syncs."""
        try:
            if not self._state.upload_id:
                await self._put_state(await self._objects.begin_parts(self._key))
            content = await self._spool.content(place, 0, self._state.part_bytes)
            await self._objects.put_part(self._key, self._state.upload_id, number, content)
        except (OSError, BlobMissing, BlobsFull) as error:
            self._failure = self._failure or error
        else:
            self._durable = number * self._state.part_bytes

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _put_state(self, upload_id: str) -> None:
        self._state = msgspec.structs.replace(self._state, upload_id=upload_id)
        await self._objects.put(state_key(self._key), Content.of(msgspec.json.encode(self._state)))

    async def _put_segment(self, start: int, stop: int) -> None:
        first, last = start - self._part_start, stop - self._part_start
        name = f"{start:0{_DIGITS}d}-{stop:0{_DIGITS}d}"
        content = await self._spool.content(self._place, first, last)
        await self._objects.put(open_prefix(self._key) + name, content)

    async def _rest(self, start: int) -> Content:
        stop = self._spooled - self._part_start
        return await self._spool.content(self._place, start - self._part_start, stop)

    async def _end_parts(self) -> None:
        upload_id, number = self._state.upload_id, self._part_start // self._state.part_bytes
        if self._spooled > self._part_start:
            number += 1
            rest = await self._rest(self._part_start)
            await self._objects.put_part(self._key, upload_id, number, rest)
        parts = (await self._objects.parts(self._key, upload_id))[:number]
        if sum(part.size_bytes for part in parts) != self._spooled:
            raise BlobTorn("parts that had arrived are not there")
        with contextlib.suppress(BlobMissing):  # an answer was lost: it is one object already
            await self._objects.end_parts(self._key, upload_id, parts)
        if await self._objects.size_bytes(self._key) != self._spooled:
            raise BlobTorn("the parts did not become the blob")


async def forget(objects: Objects, key: str) -> None:
    """Remove what belongs to an unfinished blob, the state last."""
    async for listed in objects.listed(open_prefix(key)):
        if listed.name != "state":
            await objects.delete(open_prefix(key) + listed.name)
    await objects.delete(state_key(key))


def _split(pieces: list[Piece], length: int) -> tuple[list[Piece], list[Piece]]:
    """The first `length` bytes, and what is left."""
    for number, piece in enumerate(pieces):
        if length < len(piece):
            first = [*pieces[:number], piece[:length]] if length else pieces[:number]
            return first, [piece[length:], *pieces[number + 1 :]]
        length -= len(piece)
    return pieces, []
