"""A bad link: passes TCP bytes on, and breaks each connection after a while."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

PIECE_BYTES = 64 * 1024


class CuttingProxy:
    """In front of one server. Each connection breaks after a random number of bytes."""

    def __init__(self, target: str, *, cut_after_bytes: int, seed: int) -> None:
        self._target_port = urlsplit(target).port
        self._cut_after_bytes = cut_after_bytes
        self._dice = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[CuttingProxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.cut_all()
            await asyncio.sleep(0)

    def cut_all(self) -> None:
        """Break what is open."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        room = [self._dice.randint(1, 2 * self._cut_after_bytes)]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_on(reader, back, room))
            tasks.create_task(self._pass_on(there, writer, room))
        self._writers -= {writer, back}

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, room: list[int]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                room[0] -= len(data)
                if room[0] < 0:
                    self.cuts += 1
                    sink.transport.abort()
                    break
                sink.write(data)
                await sink.drain()
        sink.close()
