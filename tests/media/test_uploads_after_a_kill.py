"""A media process killed in the middle of a PATCH: the recorded offset is on the disk, always."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

import pytest

from hodhod_server import app
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.secret import Secret
from hodhod_server.settings import ListenSettings, SecuritySettings, Settings, child_environment
from hodhod_server.store.database import Database
from hodhod_server.web.serving import serve
from tests.free_ports import free_port
from tests.people import People
from tests.stored_uploads import recorded_offset, stored, until_recorded
from tests.tus_caller import RawUpload, TusCaller

MIB = 1024 * 1024
MASTER_KEY = "k" * 32


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a key that an environment variable can hold, for a process and for this one."""
    security = SecuritySettings(master_key=Secret(MASTER_KEY.encode()))
    return settings.model_copy(update={"security": security})


@contextlib.asynccontextmanager
async def media_process(
    settings: Settings,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`hodhod serve --role media` as operators start it; killed at the end if it still lives."""
    port = free_port()
    environment = {
        "HODHOD__DATABASE__URL": settings.database.url,
        "HODHOD__SECURITY__MASTER_KEY": MASTER_KEY,
        "HODHOD__MEDIA__DIRECTORY": str(settings.media.directory),
        "HODHOD__MEDIA__SYNC_BYTES": str(MIB),
        "HODHOD__LISTEN__PORT": str(port),
        "HODHOD__REDIS__URL": settings.redis.url,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hodhod_server", "serve", "--role", "media"),
        env=child_environment(environment),
    )
    try:
        await until_it_accepts(port)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until_it_accepts(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


async def send_all(connection: RawUpload, content: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        for start in range(0, len(content), 65_536):
            await connection.send(content[start : start + 65_536])


async def test_after_kill_9_the_upload_goes_on_and_the_content_is_whole(
    settings: Settings, database: Database
) -> None:
    content = os.urandom(64 * MIB)
    keys, clock = Keys.from_master(settings.security.master_key), SystemClock()
    person = await People(database, keys, clock).new()
    async with media_process(settings) as (process, base), TusCaller.open(base, person) as sara:
        path = await sara.create(len(content))
        connection = await RawUpload.begin(sara, path, 0, len(content))
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(send_all(connection, content))
            await until_recorded(database, sara, path, 5 * MIB)
            process.kill()
            await process.wait()
        connection.abort()
    offset, on_disk = await recorded_offset(database, sara, path), stored(settings, path)
    assert 5 * MIB <= offset < len(content), "killed in the middle"
    assert on_disk.read_bytes()[:offset] == content[:offset]
    listen = ListenSettings(port=free_port())
    async with (
        app.media(settings, clock) as parts,
        serve(parts.app, listen),
        TusCaller.open(f"http://127.0.0.1:{listen.port}", person) as sara,
    ):
        assert (await sara.head(path)).offset == offset
        assert (await sara.patch(path, offset, content[offset:])).status == 204
        assert (await sara.head(path)).offset == len(content)
    assert on_disk.read_bytes() == content
