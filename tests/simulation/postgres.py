"""PostgreSQL in memory, as asyncpg shows it: a pool, connections, statements that take time.

The real `store.database.Database` is put on top of this pool, so that its errors and its patience
are the real ones. A statement travels, happens at one moment, and is answered; it may fail before
or after it happened, and one whose client is gone may still happen, later.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import asyncpg

from hodhod_server.store.database import Database
from tests.simulation.postgres_tables import Row, Tables

COMMAND_TIMEOUT_S: Final = 7.0
SURVIVES: Final = 0.5  # of the statements whose client has left on the way


class Postgres:
    """The server."""

    def __init__(self, tables: Tables, dice: random.Random) -> None:
        self.tables: Final = tables
        self.latency_s = 0.002
        self.failures = 0.0
        """The share of statements whose connection breaks, before or after they happened."""
        self.is_up = True
        self._dice = dice
        self._lives = 0
        self._awake = asyncio.Event()
        self._awake.set()

    def pool(self, size: int) -> Database:
        """A process's pool, as the store wraps it."""
        return Database(cast("asyncpg.Pool[asyncpg.Record]", _Pool(self, size)))

    def crash(self) -> None:
        """Connections break; what was committed stays."""
        self.is_up = False
        self._lives += 1
        self.tables.crashed()
        self._awake.set()

    def start(self) -> None:
        """Back again."""
        self.is_up = True

    def freeze(self) -> None:
        """Statements hang."""
        self._awake.clear()

    def thaw(self) -> None:
        """Those that still wait go on."""
        self._awake.set()

    async def run(self, text: str, arguments: tuple[object, ...]) -> list[Row]:
        """One statement, from sending it to its answer."""
        life, will_fail = self._lives, self._dice.random() < self.failures
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._travel(life)
        except (TimeoutError, asyncio.CancelledError):
            if self._dice.random() < SURVIVES:
                loop, delay_s = asyncio.get_running_loop(), self._dice.random()
                loop.call_later(delay_s, self._happen_alone, life, text, arguments)
            raise
        if will_fail and self._dice.random() < 0.5:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")
        rows = self.tables.statements[text](*arguments)
        await self._travel(life)
        if will_fail:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")
        return rows

    async def _travel(self, life: int) -> None:
        await asyncio.sleep(self.latency_s * (0.5 + self._dice.random()))
        await self._awake.wait()
        if life != self._lives:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")

    def _happen_alone(self, life: int, text: str, arguments: tuple[object, ...]) -> None:
        """Nobody waits for the answer any more."""
        if life == self._lives:
            with contextlib.suppress(asyncpg.UniqueViolationError):
                self.tables.statements[text](*arguments)


class _Pool:
    """What `Database` uses of `asyncpg.Pool`."""

    def __init__(self, server: Postgres, size: int) -> None:
        self._server = server
        self._free = asyncio.Semaphore(size)

    @contextlib.asynccontextmanager
    async def acquire(self, *, timeout: float) -> AsyncIterator[_Connection]:  # as in asyncpg
        async with asyncio.timeout(timeout):
            await self._free.acquire()
        try:
            if not self._server.is_up:
                raise ConnectionRefusedError
            yield _Connection(self._server)
        finally:
            self._free.release()


class _Connection:
    """What the store uses of a connection."""

    def __init__(self, server: Postgres) -> None:
        self._server = server

    async def fetch(self, text: str, *arguments: object) -> list[Row]:
        return await self._server.run(text, arguments)

    async def fetchrow(self, text: str, *arguments: object) -> Row | None:
        rows = await self._server.run(text, arguments)
        return rows[0] if rows else None

    async def fetchval(self, text: str, *arguments: object) -> Any:
        row = await self.fetchrow(text, *arguments)
        return None if row is None else next(iter(row.values()))
