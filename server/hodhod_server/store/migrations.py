"""Plain-SQL migrations, applied in order under an advisory lock.

Each file runs in its own transaction together with its line in `schema_migrations`, so a crash
leaves either both or neither. A released file is never edited: its checksum tells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from hodhod_server.settings import DatabaseSettings

FILE_NAME: Final = re.compile(r"^(\d{4})_(pre|post)_(\w+)\.sql$")
_LOCK: Final = 0x686F64686F64  # "hodhod": any number that is ours alone
_CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class MigrationError(Exception):
    """The files and the database do not fit together; the text says where."""


class Migration(msgspec.Struct, frozen=True):
    """One file; `applied` tells whether the database has it."""

    version: int
    name: str
    sql: str
    applied: bool = False

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def directory() -> Path:
    """Beside the package in a wheel, at the root of a checkout."""
    installed = Path(__file__).parents[1] / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "migrations"


def read_files(folder: Path) -> list[Migration]:
    """The migrations in a folder, in order. Raises `MigrationError` for a misnamed one."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: not named NNNN_pre_what.sql or NNNN_post_what.sql")
        migrations.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    versions = [migration.version for migration in migrations]
    if versions != list(range(1, len(versions) + 1)):
        raise MigrationError("migration numbers must run 1, 2, 3 … without a gap or a double")
    return migrations


async def status(settings: DatabaseSettings, folder: Path | None = None) -> list[Migration]:
    """Every migration and whether it is applied. Raises `MigrationError`, `OSError`."""
    connection = await asyncpg.connect(settings.url)
    try:
        await connection.execute(_CREATE_TABLE)
        return await _compare(connection, read_files(folder or directory()))
    finally:
        await connection.close()


async def up(settings: DatabaseSettings, folder: Path | None = None) -> list[Migration]:
    """Apply what is missing and return it. Safe to run from several nodes at once."""
    connection = await asyncpg.connect(settings.url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_CREATE_TABLE)
        known = await _compare(connection, read_files(folder or directory()))
        missing = [migration for migration in known if not migration.applied]
        for migration in missing:
            await _apply(connection, migration)
        return missing
    finally:
        await connection.close()  # gives the advisory lock back


async def _compare(connection: asyncpg.Connection, files: Sequence[Migration]) -> list[Migration]:
    rows = await connection.fetch("SELECT version, name, checksum FROM schema_migrations")
    applied = {row["version"]: row for row in rows}
    if newer := set(applied) - {migration.version for migration in files}:
        raise MigrationError(f"the database has migration {max(newer)}, which this release lacks")
    for migration in files:
        row = applied.get(migration.version)
        if row is not None and row["checksum"] != migration.checksum:
            raise MigrationError(f"{migration.name} was changed after it was applied")
    return [
        msgspec.structs.replace(migration, applied=migration.version in applied)
        for migration in files
    ]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
