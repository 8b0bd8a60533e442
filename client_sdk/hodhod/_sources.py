"""Where the bytes of an upload come from: a path, an open stream, or an iterator of bytes.

All look alike to the uploader: bytes at an offset. What cannot go back keeps what the server has
not confirmed yet, which is one chunk, and nothing else. Disks are touched in threads.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast, runtime_checkable

from hodhod import _files as files
from hodhod._errors import FileChanged
from hodhod._files import LocalFile

NAMELESS: Final = "file"
STREAM_BYTES: Final = 256 * 1024


@runtime_checkable
class AsyncReadable(Protocol):
    """An open stream whose `read` is awaited."""

    def read(self, length: int, /) -> Awaitable[bytes]: ...


@runtime_checkable
class Readable(Protocol):
    """An open stream: a file, a pipe, a response."""

    def read(self, length: int, /) -> bytes: ...


Sendable = str | os.PathLike[str] | Readable | AsyncReadable | AsyncIterator[bytes]


class Source(Protocol):
    """Bytes to send."""

    name: str
    size: int | None
    """`None`: nobody knows before the end."""
    file: LocalFile | None
    """What a restarted program recognises it by."""

    async def read(self, offset: int, length: int) -> bytes:
        """So many bytes from there; fewer at the end only. Offsets never go back behind what the
        server has. Raises `OSError`, `FileChanged`.
        """
        ...

    async def require_unchanged(self) -> None:
        """Raises `FileChanged`, `OSError`."""
        ...


class PathSource:
    """A file by its path."""

    def __init__(self, file: LocalFile) -> None:
        self.name = file.name
        self.size: int | None = file.size
        self.file: LocalFile | None = file
        self._local = file

    async def read(self, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._read, offset, length)

    async def require_unchanged(self) -> None:
        await files.require_unchanged(self._local)

    def _read(self, offset: int, length: int) -> bytes:
        with open(self._local.path, "rb") as opened:
            opened.seek(offset)
            return opened.read(length)


class SeekableSource:
    """An open file that can go back; what is before its position is not sent."""

    def __init__(self, opened: BinaryIO, name: str, start: int, size: int) -> None:
        self.name = name
        self.size: int | None = size
        self.file: LocalFile | None = None
        self._opened = opened
        self._start = start
        self._lock = asyncio.Lock()

    async def read(self, offset: int, length: int) -> bytes:
        async with self._lock:
            return await asyncio.to_thread(self._read, self._start + offset, length)

    async def require_unchanged(self) -> None:
        """Nobody can tell; one that is shorter now is noticed when it is read."""

    def _read(self, position: int, length: int) -> bytes:
        self._opened.seek(position)
        return self._opened.read(length)


class StreamSource:
    """What comes once, and how long it is nobody knows."""

    def __init__(self, next_bytes: Callable[[], Awaitable[bytes]], name: str) -> None:
        self.name = name
        self.size: int | None = None
        self.file: LocalFile | None = None
        self._next_bytes = next_bytes
        self._kept = bytearray()
        self._kept_from = 0

    async def read(self, offset: int, length: int) -> bytes:
        if offset < self._kept_from:
            raise FileChanged("the server lost what was sent, and the stream cannot go back")
        del self._kept[: offset - self._kept_from]
        self._kept_from = offset
        while len(self._kept) < length and self.size is None:
            data = await self._next_bytes()
            self._kept += data
            if not data:
                self.size = self._kept_from + len(self._kept)
        return bytes(self._kept[:length])

    async def require_unchanged(self) -> None:
        """A stream is what it is."""


async def source_of(what: Sendable, name: str | None) -> Source:
    """The bytes of whatever was handed over. Raises `OSError`, `TypeError`."""
    if isinstance(what, str | os.PathLike):
        source = PathSource(await files.look_at(what))
        source.name = name or source.name
        return source
    named = name or _name_of(what)
    if inspect.iscoroutinefunction(getattr(what, "read", None)):
        readable = cast(AsyncReadable, what)
        return StreamSource(lambda: readable.read(STREAM_BYTES), named)
    if isinstance(what, Readable):
        return await _of_open_file(what, named)
    if isinstance(what, AsyncIterator):
        return StreamSource(_nexts(what), named)
    raise TypeError("a file is a path, an open stream of bytes or an async iterator of bytes")


async def _of_open_file(opened: Readable, name: str) -> Source:
    if await asyncio.to_thread(_is_seekable, opened):
        seekable = cast(BinaryIO, opened)
        start, size = await asyncio.to_thread(_measure, seekable)
        return SeekableSource(seekable, name, start, size)

    async def next_bytes() -> bytes:
        return await asyncio.to_thread(opened.read, STREAM_BYTES)

    return StreamSource(next_bytes, name)


def _is_seekable(opened: object) -> bool:
    seekable = getattr(opened, "seekable", None)
    return bool(seekable is not None and seekable())


def _measure(opened: BinaryIO) -> tuple[int, int]:
    start = opened.tell()
    size = opened.seek(0, os.SEEK_END) - start
    opened.seek(start)
    return start, size


def _nexts(iterator: AsyncIterator[bytes]) -> Callable[[], Awaitable[bytes]]:
    async def next_bytes() -> bytes:
        async for data in iterator:
            if data:  # an empty one is not the end
                return data
        return b""

    return next_bytes


def _name_of(what: object) -> str:
    name = getattr(what, "name", None)
    return Path(name).name if isinstance(name, str) and Path(name).name else NAMELESS
