"""Checksums of pieces (tus 1.0.0, checksum), computed beside the writing and never on the loop.

Pieces of a request are gathered to a megabyte and hashed in a thread while the next are read; the
algorithms let go of the interpreter meanwhile, or need a tenth of a millisecond.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

import google_crc32c

from hodhod_server.blobs.store import Piece

BATCH_BYTES: Final = 1024 * 1024


class _Hash(Protocol):
    def update(self, data: Piece, /) -> None: ...

    def digest(self) -> bytes: ...


_crc32c: Final[Callable[[], _Hash]] = google_crc32c.Checksum


class _Crc32c:
    """It takes nothing but bytes."""

    def __init__(self) -> None:
        self._checksum = _crc32c()

    def update(self, data: Piece, /) -> None:
        self._checksum.update(bytes(data))

    def digest(self) -> bytes:
        return self._checksum.digest()


_sha1: Final = partial(hashlib.sha1, usedforsecurity=False)  # against accidents, not against people
ALGORITHMS: Final[dict[str, Callable[[], _Hash]]] = {
    "sha1": _sha1,
    "sha256": hashlib.sha256,
    "crc32c": _Crc32c,
}


class Checksum(NamedTuple):
    """What the sender says of a piece. The algorithm is one of `ALGORITHMS`."""

    algorithm: str
    digest: bytes


class Digest:
    """The checksum of what has come so far. At most one batch is in a thread."""

    def __init__(self, checksum: Checksum) -> None:
        self._expected = checksum.digest
        self._hash = ALGORITHMS[checksum.algorithm]()
        self._gathered: list[Piece] = []
        self._gathered_bytes = 0
        self._job: asyncio.Future[None] | None = None

    async def update(self, data: Piece) -> None:
        """Take bytes; they are on their way when this returns."""
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= BATCH_BYTES:
            await self._settle()
            self._hand_over()

    async def is_as_expected(self) -> bool:
        """After the last piece."""
        await self._settle()
        self._hand_over()
        await self._settle()
        return hmac.compare_digest(self._hash.digest(), self._expected)

    def _hand_over(self) -> None:
        batch, self._gathered, self._gathered_bytes = self._gathered, [], 0
        loop = asyncio.get_running_loop()
        self._job = loop.run_in_executor(None, _update, self._hash, batch)

    async def _settle(self) -> None:
        if self._job is not None:
            await asyncio.shield(self._job)
            self._job = None


def _update(into: _Hash, batch: list[Piece]) -> None:
    for piece in batch:
        into.update(piece)
