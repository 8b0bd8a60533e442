"""The pool of one process and its transactions, and the connection that somebody keeps.

Services open a transaction; store functions take it as their first argument and never commit. Pools
are small and per process, so that a surge in one role cannot take another's connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Final, Protocol, TypeAlias, cast

import asyncpg

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.load import StandingDelay
from hodhod_server.settings import DatabaseSettings
from hodhod_server.telemetry import logs, metrics

log = logs.get("database")

Row: TypeAlias = asyncpg.Record
Tx: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
StoreError: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
_UNAVAILABLE: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that broke between two of its states
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.InsufficientResourcesError,  # no connection, no disk, no memory
    asyncpg.TransactionRollbackError,  # a deadlock or the like: the same may go through next time
    asyncpg.ReadOnlySQLTransactionError,  # a standby, in the minute after a failover
)
ACQUIRE_S: Final = 5.0  # a request that waits longer for a connection is better refused
RETRY_AFTER_S: Final = 1.0
WAIT_TARGET_S: Final = 0.005
WAIT_INTERVAL_S: Final = 1.0
# A server that is gone without a word does not keep its own `statement_timeout`.
SILENCE_S: Final = 2.0
CLOSE_S: Final = 1.0


class Connections(Protocol):
    """Where a connection comes from."""

    def connection(self) -> AbstractAsyncContextManager[Tx]:
        """A connection without a transaction. Raises `Overloaded` as `Database.connection`."""
        ...


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self._waits = StandingDelay(WAIT_TARGET_S, WAIT_INTERVAL_S)

    def is_slow(self) -> bool:
        """Does a queue for connections stand?"""
        return self._waits.is_standing(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises `Overloaded` where the database cannot be reached or gives up on a statement.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """A connection without a transaction: each statement stands alone.

        Raises `Overloaded` where the database cannot be reached or gives up on a statement.
        """
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            async with self._pool.acquire(timeout=ACQUIRE_S) as connection:
                now_s = clock()
                metrics.POOL_WAIT_SECONDS.observe(now_s - began_s)
                self._waits.observe(now_s - began_s, now_s)
                yield connection
        except (TimeoutError, *_UNAVAILABLE) as error:
            raise _refusal(error) from error

    async def is_reachable(self) -> bool:
        """Does the database answer?"""
        try:
            async with self._pool.acquire(timeout=2) as connection:
                await connection.execute("SELECT 1", timeout=2)
        except (TimeoutError, *StoreError):
            return False
        return True


class OwnConnection:
    """One connection that its only user keeps, and another once it has failed.

    Taking one from a pool and giving it back costs as much CPU as a small statement: 76 of 156 µs.
    """

    def __init__(self, settings: DatabaseSettings, application: str) -> None:
        self._url = settings.url
        self._options = _options(settings, application)
        self._held: asyncpg.Connection[Row] | None = None

    def connection(self) -> AbstractAsyncContextManager[Tx]:
        """The connection. Raises `Overloaded` as `Database.connection`."""
        return self

    async def __aenter__(self) -> Tx:
        if self._held is None:
            try:
                self._held = await asyncpg.connect(self._url, timeout=ACQUIRE_S, **self._options)
            except (TimeoutError, *_UNAVAILABLE) as error:
                raise _refusal(error) from error
        return cast(Tx, self._held)  # what a pool lends has the same methods

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._held is not None and (kind is not None or self._held.is_closed()):
            await self.close()
        if isinstance(error, (TimeoutError, *_UNAVAILABLE)):
            raise _refusal(error) from error

    async def close(self) -> None:
        """Politely, unless the server does not answer."""
        held, self._held = self._held, None
        if held is not None:
            try:
                await held.close(timeout=CLOSE_S)
            except (TimeoutError, *StoreError):
                held.terminate()


def _refusal(error: BaseException) -> Overloaded:
    log.warning("database.unavailable", error=type(error).__name__)
    return Overloaded(retry_after_s=RETRY_AFTER_S)


@asynccontextmanager
async def open_own_connection(
    settings: DatabaseSettings, application: str
) -> AsyncIterator[OwnConnection]:
    """A connection for the life of the block. Raises as `open_database`."""
    own = OwnConnection(settings, application)
    try:
        yield own
    finally:
        await own.close()


@asynccontextmanager
async def open_database(
    settings: DatabaseSettings, application: str, *, spared: int = 0
) -> AsyncIterator[Database]:
    """A pool for the life of the block, of all the process may have but those `spared`.

    Raises `OSError` or `asyncpg.PostgresError` at once if the database cannot be reached.
    `application` shows in `pg_stat_activity`.
    """
    pool = await asyncpg.create_pool(
        settings.url,
        min_size=0,  # a floor would be restored with a traceback a second while the server is away
        max_size=settings.pool_max - spared,
        reset=_leave_as_it_is,
        **_options(settings, application),
    )
    try:
        await pool.execute("SELECT 1")
        yield Database(pool)
    finally:
        await _close(pool)


def _options(settings: DatabaseSettings, application: str) -> dict[str, Any]:
    return {
        "command_timeout": settings.statement_timeout_s + SILENCE_S,
        "server_settings": {
            "application_name": f"hodhod-{application}",
            "statement_timeout": str(int(settings.statement_timeout_s * 1000)),
            # A commit is durable when it returns: what is acknowledged is kept.
            "synchronous_commit": "on",
            # Plans are made once a connection: nothing here is planned better for its values.
            "plan_cache_mode": "force_generic_plan",
            # Nor for a table's size: made while it is empty, a plan would read all of it, for good.
            "enable_seqscan": "off",
            "jit": "off",
        },
    }


async def _close(pool: asyncpg.Pool[Row]) -> None:
    """Politely, unless the server does not answer: a process that stops has no time to wait."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _leave_as_it_is(connection: asyncpg.Connection[Row]) -> None:
    """Spare each use a round trip: nothing here changes a session, locks are per transaction."""


def rows_affected(status: str) -> int:
    """The count in a command tag such as `UPDATE 3`."""
    return int(status.rpartition(" ")[2])
