"""Migrations on a real PostgreSQL: once, in order, under a lock, and never edited afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from hodhod_server.settings import DatabaseSettings
from hodhod_server.store import migrations
from hodhod_server.store.migrations import MigrationError

FIRST = "CREATE TABLE one (id bigint PRIMARY KEY);"
SECOND = "CREATE TABLE two (id bigint PRIMARY KEY REFERENCES one);"


@pytest.fixture
async def empty(database_settings: DatabaseSettings) -> DatabaseSettings:
    """A database with nothing in it."""
    connection = await asyncpg.connect(database_settings.url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return database_settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations."""
    (tmp_path / "0001_pre_one.sql").write_text(FIRST)
    (tmp_path / "0002_pre_two.sql").write_text(SECOND)
    return tmp_path


async def test_what_is_missing_is_applied_in_order_and_once(
    empty: DatabaseSettings, folder: Path
) -> None:
    assert [item.applied for item in await migrations.status(empty, folder)] == [False, False]
    applied = await migrations.up(empty, folder)
    assert [item.name for item in applied] == ["0001_pre_one.sql", "0002_pre_two.sql"]
    assert await migrations.up(empty, folder) == []
    assert all(item.applied for item in await migrations.status(empty, folder))


async def test_many_nodes_may_start_at_once(empty: DatabaseSettings, folder: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        starts = [tasks.create_task(migrations.up(empty, folder)) for _ in range(5)]
    assert sorted(len(start.result()) for start in starts) == [0, 0, 0, 0, 2]


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty: DatabaseSettings, folder: Path
) -> None:
    (folder / "0003_pre_broken.sql").write_text("CREATE TABLE three (id bigint); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrations.up(empty, folder)
    assert [item.applied for item in await migrations.status(empty, folder)] == [True, True, False]
    (folder / "0003_pre_broken.sql").write_text("CREATE TABLE three (id bigint);")
    assert [item.version for item in await migrations.up(empty, folder)] == [3]


async def test_an_applied_file_may_not_be_changed(empty: DatabaseSettings, folder: Path) -> None:
    await migrations.up(empty, folder)
    (folder / "0001_pre_one.sql").write_text(FIRST + " -- harmless")
    with pytest.raises(MigrationError, match=r"0001_pre_one\.sql was changed"):
        await migrations.up(empty, folder)


async def test_a_database_of_a_later_release_is_left_alone(
    empty: DatabaseSettings, folder: Path
) -> None:
    await migrations.up(empty, folder)
    (folder / "0002_pre_two.sql").unlink()
    with pytest.raises(MigrationError, match="which this release lacks"):
        await migrations.status(empty, folder)


@pytest.mark.parametrize(
    "name", ["3_pre_x.sql", "0003_x.sql", "0004_pre_gap.sql", "0002_pre_x.sql"]
)
def test_names_that_break_the_order_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError):
        migrations.read_files(folder)


async def test_the_real_migrations_make_the_schema_the_tests_run_on(
    empty: DatabaseSettings,
) -> None:
    assert [item.name for item in await migrations.up(empty)] == [
        item.name for item in migrations.read_files(migrations.directory())
    ]
