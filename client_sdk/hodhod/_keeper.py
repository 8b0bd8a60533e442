"""Keeps the state in its file: a second after any change, and at once where that is promised.

Many callers that need durability share one write. Always true: `save` returns only after a write
that began after the call; one write runs at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from hodhod._errors import StateUnusable
from hodhod._pulse import until
from hodhod._state import State, Storage

LINGER_S: Final = 1.0  # positions may be this old after a crash: those events are told again


class Keeper:
    """The state, and its file if there is one."""

    def __init__(self, file: Storage | None, url: str) -> None:
        self.state = State(url=url)
        self._file = file
        self._fill: Callable[[State], None] = lambda state: None
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: Exception | None = None

    async def open(self) -> None:
        """Read the file. Raises `StateUnusable`."""
        if self._file is not None:
            self.state = await asyncio.to_thread(self._file.open, self.state.url)

    async def close(self) -> None:
        """The last write; nobody else writes any more. Raises `StateUnusable`."""
        if self._file is not None:
            try:
                await asyncio.to_thread(self._file.write, self._encoded())
            finally:
                self._file.close()

    def fill_with(self, fill: Callable[[State], None]) -> None:
        """Before each write, `fill` puts what changes all the time into the state."""
        self._fill = fill

    def touch(self) -> None:
        """Something changed that may wait a second."""
        self._changed.set()

    async def save(self) -> None:
        """Durable when this returns. Raises `StateUnusable`."""
        if self._file is None:
            return
        if self._failure is not None:
            raise self._failure
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(saved)
        self._changed.set()
        self._urgent.set()
        await saved

    async def run(self) -> None:
        """Write whenever there is something to write."""
        loop = asyncio.get_running_loop()
        while self._file is not None:
            await until(self._changed, None)
            await until(self._urgent, loop.time() + LINGER_S)
            waiting, self._waiting = self._waiting, []
            self._changed.clear()
            await self._write(self._file, waiting)

    def fail(self, error: Exception) -> None:
        """Nothing is written any more; whoever needs it is told."""
        self._failure = error
        for saved in self._waiting:
            if not saved.done():
                saved.set_exception(error)

    async def _write(self, file: Storage, waiting: list[asyncio.Future[None]]) -> None:
        failure: StateUnusable | None = None
        try:
            await asyncio.to_thread(file.write, self._encoded())
        except StateUnusable as error:
            failure = error
        for saved in waiting:
            if saved.done():
                continue
            if failure is None:
                saved.set_result(None)
            else:
                saved.set_exception(failure)

    def _encoded(self) -> bytes:
        self._fill(self.state)
        return msgspec.json.format(msgspec.json.encode(self.state), indent=1)
