"""The contract of bytes at rest: create, append, finish, read, delete.

Small, so that files and object stores can both keep it. Bytes are durable when `durable_bytes` says
so, never earlier; how often that moves by itself is the store's business (a file is synced every
few megabytes, a part of an object is complete), and `sync` asks for it now. Names of blobs are
chosen by the caller and are URL-safe.

A blob is read once it is finished; before that, a store may say that there is none to read. One
that was finished may be appended to all the same: a process can die between the end of a blob and
the record of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final, Protocol

import msgspec

Piece = bytes | memoryview
"""Bytes that nobody changes any more."""

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{22,43}")


class BlobMissing(Exception):
    """There is no blob of this name."""


class BlobBusy(Exception):
    """Another writer has the blob."""


class BlobTorn(Exception):
    """The blob is shorter than what its writer knows to be durable: the disk lost something."""


class BlobsFull(Exception):
    """There is no room for more. What was written before is kept."""


class BlobsUnavailable(OSError):
    """The store does not answer, and was asked again. What was durable is kept."""


class StoredBlob(msgspec.Struct, frozen=True, kw_only=True):
    """A blob as a listing tells it. `modified_at`: when it was last written to, or so."""

    key: str
    size_bytes: int
    modified_at: datetime
    is_finished: bool = True


class Appender(Protocol):
    """The one writer of a blob."""

    @property
    def durable_bytes(self) -> int:
        """The length that survives a power cut."""
        ...

    async def start_at(self, offset: int) -> None:
        """Cut the blob back to `offset` bytes and go on from there. Comes before any write.

        Raises `BlobTorn` where the blob is shorter.
        """
        ...

    async def write(self, data: Piece) -> None:
        """Take bytes; they are on their way when this returns. Raises `BlobsFull`, `OSError`.

        If the caller is cancelled, the bytes are taken all the same.
        """
        ...

    async def sync(self) -> int:
        """Make everything taken durable and return the length.

        Raises what a write raised, `durable_bytes` then tells how much did fit.
        """
        ...

    async def finish(self) -> int:
        """Like `sync`, and the blob is whole: from now on it can be read. Twice is no error."""
        ...


class Reader(Protocol):
    """An open blob. Where it is deleted meanwhile, a file stays readable; an object is missing."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def descriptor(self) -> int | None:
        """The open file where the bytes lie in one, for `sendfile`; valid while it is open."""
        ...

    def pieces(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces; fewer where the blob ends before.

        Raises `BlobMissing`, `BlobsUnavailable`.
        """
        ...


class BlobStore(Protocol):
    """Blobs by name."""

    async def create(self, key: str) -> None:
        """An empty blob. Raises `FileExistsError`, `BlobsFull`."""
        ...

    def appending(self, key: str) -> AbstractAsyncContextManager[Appender]:
        """The blob for its one writer. Raises `BlobMissing`, `BlobBusy`."""
        ...

    def reading(self, key: str) -> AbstractAsyncContextManager[Reader]:
        """The finished blob for a reader. Raises `BlobMissing`."""
        ...

    def place_of(self, key: str) -> str | None:
        """Where a web server that sees the store's folder finds the blob; `None`: it cannot."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the blob for ever, whoever uses it; one that is not there is no error."""
        ...

    async def concatenate(self, key: str, parts: Sequence[str]) -> None:
        """A finished blob with the bytes of finished ones, in order, durable when this returns.

        It replaces what an interrupted attempt left; the parts stay. Raises `BlobMissing`,
        `BlobsFull`, and then nothing of it is left.
        """
        ...

    def blobs(self) -> AsyncIterator[StoredBlob]:
        """Every blob there is, in no order; one made or deleted meanwhile may be told or not."""
        ...

    async def tidy(self, before: datetime) -> int:
        """Remove what writers that died before `before` left and that is no blob; how many."""
        ...

    async def free_bytes(self) -> int:
        """How much more fits."""
        ...


def is_key(name: str) -> bool:
    """Could this be a blob's name?"""
    return _KEY.fullmatch(name) is not None


def require_key(key: str) -> str:
    """Raises `ValueError` for a name that could mean something to a file system."""
    if not is_key(key):
        raise ValueError("not a blob's name")
    return key
