"""The same with an object store: kills of media, and ten uploads at once in little memory.

`UPLOAD_KILLS=50` for a whole run of the kills, `TESTS_AT_FULL_SIZE=1` for long uploads.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from hodhod_loadtest.bench.accounting import ServerProcesses
from hodhod_server.blobs.s3 import S3Blobs, open_s3
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.ids import random_public_id
from hodhod_server.settings import S3Settings
from tests.faults.uploader import (
    MIB,
    SETTINGS,
    caller,
    expire,
    kill_while_uploading,
)
from tests.running import running_up
from tests.sizes import sized
from tests.swift.server import s3_settings
from tests.tus_caller import TusCaller

KILLS: Final = int(os.environ.get("UPLOAD_KILLS", "1"))
AT_ONCE: Final = 10
EACH_MIB: Final = sized(6, 200)
RSS_BYTES_MAX: Final = 120_000_000
PIECE: Final = os.urandom(64 * 1024)


def environment(terms: S3Settings) -> dict[str, str]:
    prefix = "HODHOD__MEDIA__S3__"
    return {
        **SETTINGS,
        "HODHOD__MEDIA__STORE": "s3",
        f"{prefix}ENDPOINT": terms.endpoint,
        f"{prefix}BUCKET": terms.bucket,
        f"{prefix}PREFIX": terms.prefix,
        f"{prefix}ACCESS_KEY": terms.access_key,
        f"{prefix}SECRET_KEY": str(terms.secret_key.reveal(), "ascii"),
        f"{prefix}PART_BYTES": str(terms.part_bytes),
        "HODHOD__MEDIA__UPLOAD_BYTES_MAX": str(2**30),
        "HODHOD__MEDIA__DIRECT_BYTES": str(4 * MIB),
    }


async def digest(store: S3Blobs, key: str) -> str:
    async with store.reading(key) as reader:
        found = hashlib.sha256()
        async for piece in reader.pieces(0, reader.size_bytes):
            found.update(piece)
        return found.hexdigest()


async def upload_long(somebody: TusCaller, number: int) -> None:
    """In one request, of which half of them tell the length."""

    async def coming() -> AsyncIterator[bytes]:
        for _ in range(EACH_MIB * MIB // len(PIECE)):
            yield PIECE

    path = await somebody.create(EACH_MIB * MIB)
    told = {"Content-Length": str(EACH_MIB * MIB)} if number % 2 else {}
    assert (await somebody.patch(path, 0, coming(), **told)).status == 204


@pytest.mark.timeout(120 + 20 * KILLS + EACH_MIB)
async def test_uploads_to_an_object_store_survive_kills_and_need_little_memory(
    swift_port: int, tmp_path: Path
) -> None:
    terms = replace(s3_settings(swift_port), prefix=f"{random_public_id()}/")
    with running_up(extra=environment(terms)) as up:
        async with caller(up) as somebody:
            people = await kill_while_uploading(up, somebody, ["media"], KILLS)
            processes = ServerProcesses.of(up.data_dir)
            processes.forget_peaks("media")
            async with asyncio.TaskGroup() as tasks:
                for number in range(AT_ONCE):
                    tasks.create_task(upload_long(somebody, number))
            assert processes.peak_rss_kib("media") * 1024 < RSS_BYTES_MAX
        finished = {key: value for one in people for key, value in one.finished.items()}
        assert finished
        left = {row["media_id"]: row["blob_key"] for row in await expire(up)}
        assert left.keys() >= finished.keys(), "a finished upload was lost"
        async with open_s3(terms, tmp_path, SystemClock()) as store:
            await store.tidy(SystemClock().now() + timedelta(hours=1))
            for media_id, expected in finished.items():
                assert await digest(store, left[media_id]) == expected
            stored = {blob.key async for blob in store.blobs()}
            assert stored == set(left.values()), "orphans"
