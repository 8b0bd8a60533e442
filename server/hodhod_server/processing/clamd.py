"""A virus scanner that speaks clamd's protocol: the file is streamed to it, nothing is shared.

`INSTREAM`: pieces, each with its length before it, an empty one at the end, one line as the answer.
The scanner runs as its own user, on this machine or another; it never sees our disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from typing import IO, Final, Protocol

from hodhod_server.settings import ProcessingSettings

PIECE_BYTES: Final = 256 * 1024
ANSWER_BYTES_MAX: Final = 4096
CONNECT_S: Final = 5.0
_LENGTH: Final = struct.Struct(">I")


class ScannerUnavailable(Exception):
    """The scanner did not say whether the file is clean; the text is a word for why."""


class Scanner(Protocol):
    """Whoever looks for viruses."""

    async def is_infected(self, file: IO[bytes]) -> bool:
        """Raises `ScannerUnavailable`."""
        ...


class NoScanner:
    """For an installation without one."""

    async def is_infected(self, file: IO[bytes]) -> bool:
        """See `Scanner`."""
        return False


class Clamd:
    """clamd, or whatever answers like it."""

    def __init__(self, address: str, *, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s

    async def is_infected(self, file: IO[bytes]) -> bool:
        """See `Scanner`."""
        try:
            async with asyncio.timeout(self._timeout_s), self._connected() as (reader, writer):
                await _send(writer, file)
                answer = await reader.read(ANSWER_BYTES_MAX)
        except TimeoutError:
            raise ScannerUnavailable("silent") from None
        except OSError:
            raise ScannerUnavailable("unreachable") from None
        return _means_infected(answer)

    @contextlib.asynccontextmanager
    async def _connected(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        async with asyncio.timeout(CONNECT_S):
            if self._address.startswith("/"):
                reader, writer = await asyncio.open_unix_connection(self._address)
            else:
                host, _, port = self._address.rpartition(":")
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        try:
            yield reader, writer
        finally:
            writer.close()


def scanner_of(settings: ProcessingSettings) -> Scanner:
    """The scanner that the settings name."""
    if not settings.clamd:
        return NoScanner()
    return Clamd(settings.clamd, timeout_s=settings.scan_s)


async def _send(writer: asyncio.StreamWriter, file: IO[bytes]) -> None:
    """A scanner that has seen enough answers and hangs up; its answer counts."""
    writer.write(b"zINSTREAM\0")
    offset = 0
    with contextlib.suppress(ConnectionError):
        while piece := await asyncio.to_thread(os.pread, file.fileno(), PIECE_BYTES, offset):
            writer.write(_LENGTH.pack(len(piece)) + piece)
            await writer.drain()
            offset += len(piece)
        writer.write(_LENGTH.pack(0))
        await writer.drain()


def _means_infected(answer: bytes) -> bool:
    """`stream: OK` or `stream: NAME FOUND`; anything else is no answer."""
    said = answer.rstrip(b"\0\n")
    if said.endswith(b" FOUND"):
        return True
    if said == b"stream: OK":
        return False
    raise ScannerUnavailable("too_large" if b"size limit exceeded" in said else "confused")
