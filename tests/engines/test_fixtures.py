"""What every other test relies on: its database is empty, whatever the test before did."""

from __future__ import annotations

import pytest

from hodhod_server.settings import Settings
from hodhod_server.store.database import Database


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_each_test_gets_an_empty_database(
    database: Database, settings: Settings, turn: int
) -> None:
    async with database.transaction() as tx:
        user_id = await tx.fetchval(
            "INSERT INTO users (phone_hash, phone_encrypted, name, created_at)"
            " VALUES ('a', 'b', 'c', now()) RETURNING user_id"
        )
        assert await tx.fetchval("SELECT count(*) FROM users") == 1
    assert user_id == 1
    assert settings.redis.prefix.startswith("test-")


async def test_a_connection_left_open_does_not_reach_the_next_test(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("CREATE TABLE left_behind (x integer)")
