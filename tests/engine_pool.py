"""Engines for a test session: one PostgreSQL and one Valkey, and an empty database for each test.

Cloning the template takes a tenth of a second, emptying a database a few milliseconds: so one
database is lent to one test after the other, and a new clone is made only where emptying fails or
tables were made or dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from hodhod_server.engines import Engines, discard, open_engines
from hodhod_server.settings import DatabaseSettings, RedisSettings
from hodhod_server.store import migrations

T = TypeVar("T")
_TEMPLATE = "template"
_EMPTY = """
DO $$
DECLARE
    item regclass;
BEGIN
    SET LOCAL session_replication_role = replica;  -- no foreign keys: any order will do
    SET LOCAL lock_timeout = '3s';
    PERFORM pg_terminate_backend(pid, 1000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR item IN SELECT oid FROM pg_class WHERE relkind = 'r'
        AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations'
    LOOP
        EXECUTE format('DELETE FROM %s', item);
    END LOOP;
    FOR item IN SELECT oid FROM pg_class WHERE relkind = 'S'
        AND relnamespace = 'public'::regnamespace
    LOOP
        PERFORM setval(item, 1, false);
    END LOOP;
END $$
"""
_SHAPE = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


@contextlib.contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A data dir that the engines' account can reach (pytest's own are closed to others)."""
    root = Path(tempfile.mkdtemp(prefix="hodhod-test-"))
    root.chmod(0o711)
    data_dir = root / "data"
    try:
        yield data_dir
    finally:
        discard(data_dir)
        shutil.rmtree(root, ignore_errors=True)


class EnginePool:
    """The engines of a test session. Its loop runs only inside its own methods."""

    def __init__(self, runner: asyncio.Runner, engines: Engines, data_dir: Path) -> None:
        self.postgres_log = data_dir / "postgres.log"
        self._runner = runner
        self._engines = engines
        self._admin: asyncpg.Connection | None = None
        self._lent = ""
        self._shape = 0

    def start(self) -> None:
        """Make the template; fsync off, because no test pulls the plug."""
        self._run(self._make_template())

    def stop(self) -> None:
        if self._admin is not None:
            self._run(self._admin.close())

    @contextlib.contextmanager
    def database(self) -> Iterator[DatabaseSettings]:
        """An empty, migrated database for one test."""
        if self._admin is None:
            self._run(self._clone())
        try:
            yield DatabaseSettings(url=self._url(self._lent))
        finally:
            self._run(self._empty())

    def redis(self) -> RedisSettings:
        """The shared Valkey, with keys of one's own."""
        return RedisSettings(url=self._engines.redis_url, prefix=f"test-{secrets.token_hex(6)}")

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _url(self, name: str) -> str:
        return self._engines.database_url.replace("@/hodhod?", f"@/{name}?")

    async def _make_template(self) -> None:
        async with self._connection("postgres") as connection:
            await connection.execute("ALTER SYSTEM SET fsync = off")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
        await migrations.up(DatabaseSettings(url=self._url(_TEMPLATE)))

    async def _clone(self) -> None:
        self._lent = f"test_{secrets.token_hex(4)}"
        async with self._connection("postgres") as connection:
            await connection.execute(f"CREATE DATABASE {self._lent} TEMPLATE {_TEMPLATE}")
        self._admin = await asyncpg.connect(self._url(self._lent))
        self._shape = await self._admin.fetchval(_SHAPE)

    async def _empty(self) -> None:
        assert self._admin is not None
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await self._admin.execute(_EMPTY)
            if await self._admin.fetchval(_SHAPE) == self._shape:
                return
        self._admin.terminate()
        self._admin = None
        async with self._connection("postgres") as connection:
            await connection.execute(f"DROP DATABASE {self._lent} WITH (FORCE)")

    @contextlib.asynccontextmanager
    async def _connection(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._url(name))
        try:
            yield connection
        finally:
            await connection.close()


@contextlib.contextmanager
def open_engine_pool() -> Iterator[EnginePool]:
    """Engines in a temporary data dir, while the block runs."""
    with (
        temporary_data_dir() as data_dir,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        stack = AsyncExitStack()
        try:
            engines = runner.run(stack.enter_async_context(open_engines(data_dir)))
            pool = EnginePool(runner, engines, data_dir)
            pool.start()
            yield pool
            pool.stop()
        finally:
            runner.run(stack.aclose())
