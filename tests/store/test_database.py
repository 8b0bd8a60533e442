"""A database that fails in its many ways: a refusal in time, never a hang."""

from __future__ import annotations

import asyncio
import dataclasses

import asyncpg
import pytest

from hodhod_server.domain.errors import Overloaded
from hodhod_server.settings import DatabaseSettings
from hodhod_server.store import database as module
from hodhod_server.store.database import Database, open_database


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.DeadlockDetectedError,
        asyncpg.SerializationError,
        asyncpg.ReadOnlySQLTransactionError,
        asyncpg.AdminShutdownError,
        asyncpg.TooManyConnectionsError,
        ConnectionResetError,
        TimeoutError,
    ],
)
async def test_what_passes_is_overload(database: Database, failure: type[Exception]) -> None:
    with pytest.raises(Overloaded):
        async with database.transaction():
            raise failure("x")


async def test_a_defect_stays_one(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.transaction() as tx:
            await tx.execute("SELECT * FROM nothing")


async def test_a_read_only_server_refuses(database: Database) -> None:
    async def write() -> None:
        async with database.transaction() as tx:
            await tx.execute("SET TRANSACTION READ ONLY")
            await tx.execute("DELETE FROM chats")

    with pytest.raises(Overloaded):
        await write()


async def test_a_server_that_falls_silent_is_given_up(
    database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.1)
    monkeypatch.setattr(module, "ACQUIRE_S", 0.2)
    monkeypatch.setattr(module, "CLOSE_S", 0.2)
    hasty = dataclasses.replace(database_settings, statement_timeout_s=0.1)

    async def read(database: Database) -> None:
        async with database.connection() as connection:
            # The server's own limit does not hold here, as when its machine is gone.
            await connection.execute("SET statement_timeout = 0")
            await connection.execute("SELECT pg_sleep(60)")

    async with asyncio.timeout(20), open_database(hasty, "silent") as database:
        with pytest.raises(Overloaded):
            await read(database)


async def test_closing_does_not_wait_for_a_connection_in_use(
    database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.1)
    opened = open_database(database_settings, "busy")
    database = await opened.__aenter__()

    async def read_while_closing() -> None:
        async with database.connection() as connection:
            await opened.__aexit__(None, None, None)
            await connection.execute("SELECT 1")

    async with asyncio.timeout(20):
        with pytest.raises(Overloaded):
            await read_while_closing()
