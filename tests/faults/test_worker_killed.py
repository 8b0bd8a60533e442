"""A worker killed again and again while it looks at photos: each is looked at, none half.

`WORKER_KILLS=50` for a whole run; the suite kills fewer times.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.finished_files import FinishedFiles
from hodhod_server.services.uploads import NewUpload, Part, Uploads
from hodhod_server.settings import Settings, child_environment
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.free_ports import free_port
from tests.people import People
from tests.recordings import photo

KILLS: Final = int(os.environ.get("WORKER_KILLS", "2"))
PHOTOS: Final = 4 + KILLS
WITHIN_S: Final = 45


@contextlib.asynccontextmanager
async def worker_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """`hodhod serve --role worker`, killed at the end of the block."""
    environment = {
        "HODHOD__DATABASE__URL": settings.database.url,
        "HODHOD__SECURITY__MASTER_KEY": "k" * 32,
        "HODHOD__MEDIA__DIRECTORY": str(settings.media.directory),
        "HODHOD__PROCESSING__SILENCE_S": "1",
        "HODHOD__PROCESSING__TRIES_MAX": str(KILLS + 2),
        "HODHOD__LISTEN__PORT": str(free_port()),
        "HODHOD__REDIS__URL": settings.redis.url,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hodhod_server", "serve", "--role", "worker"),
        env=child_environment(environment),
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def upload(uploads: Uploads, user: UserId, content: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    new = NewUpload(length_bytes=len(content), name="a.jpg", content_type="image/jpeg")
    begun = await uploads.create(user, new)
    part = Part(offset_bytes=0, length_bytes=len(content), chunks=chunks())
    await uploads.write(user, begun.media_id, part)


async def count(database: Database, state: str) -> int:
    async with database.connection() as connection:
        return int(
            await connection.fetchval("SELECT count(*) FROM uploads WHERE processing = $1", state)
        )


async def until_done(database: Database, least: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if await count(database, "done") >= least:
                return
            await asyncio.sleep(0.02)


async def keys_of(database: Database) -> tuple[set[str], set[str]]:
    """The names of bytes that files and copies have, and those of copies that may be served."""
    async with database.connection() as connection:
        named = await connection.fetch(
            "SELECT blob_key FROM uploads UNION ALL SELECT blob_key FROM media_objects"
        )
        ready = await connection.fetch(
            "SELECT blob_key FROM media_objects WHERE ready_at IS NOT NULL AND length_bytes > 0"
        )
    return {row["blob_key"] for row in named}, {row["blob_key"] for row in ready}


@pytest.mark.timeout(60 + 6 * KILLS)
async def test_every_file_is_looked_at_to_the_end_and_nothing_is_left_behind(
    settings: Settings, database: Database, keys: Keys
) -> None:
    dice, clock = random.Random(KILLS), SystemClock()
    person = await People(database, keys, clock).new()
    async with open_filesystem(settings.media.directory, 2**20) as blobs:
        files = FinishedFiles(database, blobs, clock, settings.processing)
        uploads = Uploads(database, blobs, clock, settings.media, finished=files)
        for _ in range(PHOTOS):
            await upload(uploads, person.user, photo("jpeg", (1200, 900)))
        for kill in range(KILLS):
            async with worker_process(settings):
                await until_done(database, kill + 1)
                await asyncio.sleep(dice.uniform(0, 0.4))
        async with worker_process(settings):
            await until_done(database, PHOTOS)
        later = FakeClock()
        later.advance((clock.now() - later.now() + timedelta(hours=2)).total_seconds())
        await FinishedFiles(database, blobs, later, settings.processing).remove_abandoned()
    named, ready = await keys_of(database)
    folders = [each for each in settings.media.directory.iterdir() if len(each.name) == 2]
    stored = {folder.name + file.name for folder in folders for file in folder.iterdir()}
    assert stored == named
    assert len(ready) == PHOTOS, "a thumbnail each"
