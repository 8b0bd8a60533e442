"""Local files without blocking the event loop: every touch of the disk happens in a thread."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
from pathlib import Path
from typing import BinaryIO, Final, Self

from msgspec import Struct

from hodhod._errors import FileChanged

PIECE_BYTES: Final = 512 * 1024  # a fraction of a millisecond of disk, a moment of a link
UNKNOWN_TYPE: Final = "application/octet-stream"


class LocalFile(Struct, frozen=True):
    """A file as it is now; another size or time means that it is another file."""

    path: str
    size: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return Path(self.path).name


async def look_at(path: str | os.PathLike[str]) -> LocalFile:
    """What is at the path. Raises `OSError`."""
    return await asyncio.to_thread(_look_at, Path(path))


def _look_at(path: Path) -> LocalFile:
    full = path.resolve(strict=True)
    if not full.is_file():
        raise IsADirectoryError(f"{path.name} is not a file")
    status = full.stat()
    return LocalFile(str(full), status.st_size, status.st_mtime_ns)


async def require_unchanged(file: LocalFile) -> None:
    """Raises `FileChanged`."""
    if await look_at(file.path) != file:
        raise FileChanged(f"{file.name} changed while it was being sent")


async def sha256_of(path: str) -> str:
    """The digest of a whole file, in hexadecimal. Raises `OSError`."""
    return await asyncio.to_thread(_sha256_of, path)


def _sha256_of(path: str) -> str:
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


async def guess_type(name: str) -> str:
    """The media type that goes with the name's ending."""
    guessed, _ = await asyncio.to_thread(mimetypes.guess_type, name)
    return guessed or UNKNOWN_TYPE


class PartFile:
    """A file that is not complete yet, beside the place where it will be."""

    def __init__(self, target: Path, mark: str) -> None:
        self._target = target
        self._part = target.with_name(f"{target.name}.{mark}.part")
        self._opened: BinaryIO | None = None
        self.size = 0
        """Bytes that are here."""

    async def __aenter__(self) -> Self:
        self._opened = await asyncio.to_thread(open, self._part, "ab")
        self.size = self._opened.tell()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)

    async def append(self, data: bytes) -> None:
        """Raises `OSError`."""
        assert self._opened is not None
        await asyncio.to_thread(self._opened.write, data)
        self.size += len(data)

    async def clear(self) -> None:
        """Begin again."""
        assert self._opened is not None
        await asyncio.to_thread(self._opened.truncate, 0)
        self.size = 0

    async def has_sha256(self, expected: bytes | None) -> bool:
        """Are these the bytes with this digest? `None`: nobody knows it."""
        return expected is None or await asyncio.to_thread(self._sha256) == expected

    async def finish(self) -> None:
        """All is here: put it in its place, durably."""
        await asyncio.to_thread(self._finish)

    def _sha256(self) -> bytes:
        assert self._opened is not None
        self._opened.flush()
        with open(self._part, "rb") as part:
            return hashlib.file_digest(part, "sha256").digest()

    def _finish(self) -> None:
        assert self._opened is not None
        self._opened.flush()
        os.fsync(self._opened.fileno())
        self._opened.close()
        self._part.replace(self._target)
