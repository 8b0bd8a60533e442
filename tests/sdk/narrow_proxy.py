"""A bad link by the clock: so many bytes a second and no more, and every few seconds all is cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

PIECE_BYTES = 64 * 1024
BUFFER_BYTES = 64 * 1024  # what lies in a kernel when a link is cut was sent for nothing


class NarrowProxy:
    """In front of one server."""

    def __init__(self, target: str, *, bytes_s: float, cut_every_s: float) -> None:
        self._target_port = urlsplit(target).port
        self._bytes_s = bytes_s
        self._cut_every_s = cut_every_s
        self._writers: set[asyncio.StreamWriter] = set()
        self._free_at_s = 0.0
        self.cuts = 0
        self.upward_bytes = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[NarrowProxy]:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        server = await asyncio.start_server(self._serve, sock=listening, limit=PIECE_BYTES)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        cutting = asyncio.ensure_future(self._cut_by_the_clock())
        try:
            yield self
        finally:
            cutting.cancel()
            server.close()
            self._cut_all()
            await asyncio.sleep(0)

    async def _cut_by_the_clock(self) -> None:
        while True:
            await asyncio.sleep(self._cut_every_s)
            self.cuts += bool(self._writers)
            self._cut_all()

    def _cut_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers |= {writer, back}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._up(reader, back))
            tasks.create_task(self._down(there, writer))
        self._writers -= {writer, back}

    async def _up(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                self.upward_bytes += len(data)
                self._free_at_s = max(self._free_at_s, loop.time() - 0.05)
                self._free_at_s += len(data) / self._bytes_s
                await asyncio.sleep(self._free_at_s - loop.time())
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                sink.write(data)
                await sink.drain()
        sink.close()
