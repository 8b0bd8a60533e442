"""A long way on which answers take their time, and single bytes of what passes may be damaged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

PIECE_BYTES = 64 * 1024
ANSWER_BYTES = 4 * 1024  # what is smaller is an answer, what is larger a file


class FarProxy:
    """In front of one server. Of the first connection on which so many bytes pass, one way or the
    other, the last of them is changed; once each.
    """

    def __init__(
        self, target: str, *, answer_s: float = 0.0, spoil_up: int = 0, spoil_down: int = 0
    ) -> None:
        self._target_port = urlsplit(target).port
        self._answer_s = answer_s
        self._spoil = {"up": spoil_up, "down": spoil_down}
        self.spoiled: list[str] = []
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FarProxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_on("up", reader, back))
            tasks.create_task(self._pass_on("down", there, writer))

    async def _pass_on(
        self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        passed = 0
        with contextlib.suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                if way == "down" and len(data) < ANSWER_BYTES:
                    await asyncio.sleep(self._answer_s)
                sink.write(self._spoiled(way, data, passed))
                passed += len(data)
                await sink.drain()
        sink.close()

    def _spoiled(self, way: str, data: bytes, passed: int) -> bytes:
        place = self._spoil[way] - passed - 1
        if not 0 <= place < len(data) or way in self.spoiled:
            return data
        self.spoiled.append(way)
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
