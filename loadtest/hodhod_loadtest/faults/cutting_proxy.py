"""A TCP proxy that breaks connections: a bad link on demand, the same for the same seed.

Each connection is cut after so many bytes from the client, drawn from a range. A cut is abrupt
(RST), as when a phone changes towers: neither side hears a goodbye.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from typing import Final, Self

CHUNK_BYTES: Final = 64 * 1024


class CuttingProxy:
    """Between clients and one address. `cuts` counts what it broke."""

    def __init__(self, target: tuple[str, int], cut_after: range, dice: random.Random) -> None:
        self.cuts = 0
        self._target = target
        self._cut_after = cut_after
        self._dice = dice
        self._port = 0

    @property
    def port(self) -> int:
        """The loopback port that clients connect to."""
        return self._port

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, target: tuple[str, int], cut_after: range, *, seed: int = 1, port: int = 0
    ) -> AsyncIterator[Self]:
        """Accept connections for the life of the block. `cut_after` is in bytes."""
        proxy = cls(target, cut_after, random.Random(seed))
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", port, limit=CHUNK_BYTES)
        proxy._port = server.sockets[0].getsockname()[1]
        async with server:
            yield proxy

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        budget = self._dice.choice(self._cut_after)
        try:
            async with asyncio.TaskGroup() as tasks:
                back = tasks.create_task(_pump(far_reader, writer))
                sent = await _pump(reader, far_writer, budget)
                if sent >= budget:
                    self.cuts += 1
                    _reset(writer)
                    _reset(far_writer)
                back.cancel()
        except* OSError:
            pass  # one of the two went away by itself: that ends the other
        finally:
            writer.close()
            far_writer.close()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None = None
) -> int:
    """Copy until the end or until `budget` bytes have passed; returns how many did."""
    passed = 0
    while budget is None or passed < budget:
        data = await reader.read(CHUNK_BYTES)
        if not data:
            break
        writer.write(data)
        await writer.drain()
        passed += len(data)
    return passed


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a RST instead of a FIN."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
