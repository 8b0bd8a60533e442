"""A line between a test's clients and Valkey that can be cut, taken away, or frozen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from hodhod_server.settings import RedisSettings


class Cable:
    """Unix socket to unix socket. `settings` leads through it."""

    def __init__(self, target: str, settings: RedisSettings) -> None:
        self.settings = settings
        self._target = target
        self._is_cut = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._ends: set[asyncio.StreamWriter] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def laid(cls, settings: RedisSettings, path: Path) -> AsyncIterator[Self]:
        """The cable, for the life of the block."""
        through = replace(settings, url=f"unix://{path}")
        cable = cls(settings.url.removeprefix("unix://"), through)
        server = await asyncio.start_unix_server(cable._serve, path)
        try:
            yield cable
        finally:
            server.close()
            cable.mend()
            cable._break()

    def cut(self) -> None:
        """Every connection breaks, and no new one is made."""
        self._is_cut = True
        self._break()

    def freeze(self) -> None:
        """Nothing passes, and nobody is told."""
        self._flowing.clear()

    def mend(self) -> None:
        """As it was."""
        self._is_cut = False
        self._flowing.set()

    @property
    def is_used(self) -> bool:
        """Does a connection run through it?"""
        return bool(self._ends)

    def _break(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        self._ends |= {writer, there_writer}
        with contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, there_writer))
                tasks.create_task(self._pump(there_reader, writer))
        self._ends -= {writer, there_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
