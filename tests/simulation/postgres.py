"""PostgreSQL in memory, as asyncpg shows it: a pool, connections, statements that take time.

The real `store.database.Database` is put on top of this pool, so that its errors and its patience
are the real ones. A statement travels, happens at one moment, and is answered; it may fail before
or after it happened, and one whose client is gone may still happen, later.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Final, cast

import asyncpg

from hodhod_server.store import messages
from hodhod_server.store.database import Database
from tests.simulation.postgres_tables import Batch, Row, Tables

COMMAND_TIMEOUT_S: Final = 7.0
HELD_S: Final = 0.001
Operation = Callable[[], list[Row]]
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
        self._holders: dict[int, _Connection] = {}
        self._freed = asyncio.Event()
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
        self._holders.clear()
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

    def change_chat(self, chat: int) -> None:
        """Something about it changes that makes what was allowed be checked again."""
        if chat in self._holders:
            asyncio.get_running_loop().call_later(HELD_S, self.change_chat, chat)
        else:
            self.tables.chats[chat].version += 1

    @property
    def life(self) -> int:
        """Connections do not outlive it."""
        return self._lives

    async def run(
        self, operation: Operation, life: int, *, chats: Sequence[int] = (), survives: bool = True
    ) -> list[Row]:
        """One statement, from sending it to its answer, once nobody else holds these chats."""
        will_fail = self._dice.random() < self.failures
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._travel(life)
                while any(chat in self._holders for chat in chats):
                    await self._freed.wait()
        except (TimeoutError, asyncio.CancelledError):
            if self._dice.random() < SURVIVES and survives:
                loop, delay_s = asyncio.get_running_loop(), self._dice.random()
                loop.call_later(delay_s, self._happen_alone, life, operation, chats)
            raise
        if will_fail and self._dice.random() < 0.5:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")
        rows = operation()
        await self._travel(life)
        if will_fail:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")
        return rows

    def hold(self, chats: Sequence[int], holder: _Connection) -> list[Row]:
        """Nobody else writes in them until `release`."""
        self._holders.update(dict.fromkeys(chats, holder))
        return []

    def release(self, holder: _Connection) -> None:
        """Its transaction is over."""
        self._holders = {chat: one for chat, one in self._holders.items() if one is not holder}
        freed, self._freed = self._freed, asyncio.Event()
        freed.set()

    async def _travel(self, life: int) -> None:
        await asyncio.sleep(self.latency_s * (0.5 + self._dice.random()))
        await self._awake.wait()
        if life != self._lives:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")

    def _happen_alone(self, life: int, operation: Operation, chats: Sequence[int]) -> None:
        """Nobody waits for the answer any more."""
        if life == self._lives and not any(chat in self._holders for chat in chats):
            with contextlib.suppress(asyncpg.UniqueViolationError):
                operation()


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
        self._life = server.life
        self._batches: list[Batch] | None = None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """What is written in the block happens at its end, or not at all."""
        batches = self._batches = []
        try:
            yield
            await self._server.run(partial(self._commit, batches), self._life)
        finally:
            self._batches = None
            self._server.release(self)

    async def execute(self, text: str, *arguments: Any) -> None:
        if text != messages.LOCK_CHATS:
            raise NotImplementedError
        (chats,) = arguments
        hold = partial(self._server.hold, chats, self)
        await self._server.run(hold, self._life, chats=chats, survives=False)

    async def fetch(self, text: str, *arguments: Any) -> list[Row]:
        tables = self._server.tables
        if text != messages.APPEND:
            return await self._server.run(partial(tables.statements[text], *arguments), self._life)
        batch = Batch.read(*arguments)
        if self._batches is None:
            append = partial(tables.append, batch)
            return await self._server.run(append, self._life, chats=batch.distinct)
        rows = await self._server.run(partial(tables.places, batch), self._life, survives=False)
        self._batches.append(batch)
        return rows

    async def fetchrow(self, text: str, *arguments: object) -> Row | None:
        rows = await self.fetch(text, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, text: str, *arguments: object) -> Any:
        row = await self.fetchrow(text, *arguments)
        return None if row is None else next(iter(row.values()))

    def _commit(self, batches: Sequence[Batch]) -> list[Row]:
        return [row for batch in batches for row in self._server.tables.append(batch)]
