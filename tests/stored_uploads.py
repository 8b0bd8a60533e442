"""What is stored of an upload, seen past the server: its row and its file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hodhod_server.domain.ids import MediaId
from hodhod_server.settings import Settings
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import Upload
from tests.tus_caller import TusCaller


async def row_of(database: Database, caller: TusCaller, path: str) -> Upload:
    """What the database says, without disturbing whoever writes."""
    async with database.connection() as connection:
        media_id = MediaId(path.rpartition("/")[2])
        upload = await uploads.find(connection, caller.person.user, media_id)
    assert upload is not None
    return upload


async def recorded_offset(database: Database, caller: TusCaller, path: str) -> int:
    """How much of the upload is durable."""
    return (await row_of(database, caller, path)).offset_bytes


async def until_writing(
    database: Database, caller: TusCaller, path: str, *, writers: int = 1
) -> None:
    """Wait for the so-manieth PATCH to hold the upload and to have read what was sent with it."""
    async with asyncio.timeout(20):
        while True:
            if (await row_of(database, caller, path)).writer_epoch >= writers:
                break
            await asyncio.sleep(0.002)
    await asyncio.sleep(0.1)


async def until_recorded(database: Database, caller: TusCaller, path: str, least: int) -> int:
    """The first recorded offset of at least `least`."""
    async with asyncio.timeout(20):
        while True:
            if (offset := await recorded_offset(database, caller, path)) >= least:
                return offset
            await asyncio.sleep(0.002)


async def until_on_disk(settings: Settings, path: str, least: int) -> None:
    """Wait for the file to have at least so many bytes."""
    async with asyncio.timeout(20):
        while True:
            if stored(settings, path).stat().st_size >= least:
                return
            await asyncio.sleep(0.002)


def stored(settings: Settings, path: str) -> Path:
    """The file of an upload."""
    media_id = path.rpartition("/")[2]
    return settings.media.directory / media_id[:2] / media_id[2:]
