"""Uploads on a disk that fills up, loses power and refuses; and what the sweep makes of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.upload_errors import StorageFull, UploadExpired, UploadNotFound
from hodhod_server.services import upload_writing
from hodhod_server.services.uploads import NewUpload, Part, Upload, Uploads
from hodhod_server.settings import MediaSettings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.memory_blobs import MemoryBlobs
from tests.people import People

SETTINGS = MediaSettings(free_bytes_min=0)


class Cut(Exception):
    """The connection broke."""


@pytest.fixture
async def user(database: Database, keys: Keys, clock: FakeClock) -> UserId:
    return (await People(database, keys, clock).new()).user


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs(capacity_bytes=100_000)


@pytest.fixture
def uploads(database: Database, blobs: MemoryBlobs, clock: FakeClock) -> Uploads:
    return Uploads(database, blobs, clock, SETTINGS)


def new(length_bytes: int) -> NewUpload:
    return NewUpload(length_bytes=length_bytes, name="a", content_type="image/png")


def part(offset: int, *chunks: bytes, then: type[Exception] | None = None) -> Part:
    async def come() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
        if then is not None:
            raise then

    return Part(offset_bytes=offset, length_bytes=None, chunks=come())


async def rows(database: Database) -> list[Any]:
    async with database.connection() as connection:
        return list(await connection.fetch("SELECT * FROM uploads"))


# --- a disk that is full -------------------------------------------------------------------------


async def test_a_file_for_which_there_is_no_room_is_refused_at_once(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs, database: Database, clock: FakeClock
) -> None:
    with pytest.raises(StorageFull):
        await uploads.create(user, new(100_001))
    careful = Uploads(database, blobs, clock, replace(SETTINGS, free_bytes_min=50_000))
    with pytest.raises(StorageFull):
        await careful.create(user, new(50_001))
    await careful.create(user, new(50_000))
    assert len(await rows(database)) == len(blobs.written) == 1


async def test_a_disk_too_full_for_an_empty_file_leaves_nothing_behind(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs, database: Database
) -> None:
    blobs.capacity_bytes = 0
    with pytest.raises(StorageFull):
        await uploads.create(user, new(0))
    assert await rows(database) == []


async def test_a_disk_that_fills_up_keeps_what_did_fit_and_goes_on_later(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs
) -> None:
    content = os.urandom(90_000)
    upload = await uploads.create(user, new(90_000))
    blobs.capacity_bytes = 60_000
    with pytest.raises(StorageFull):
        await uploads.write(user, upload.media_id, part(0, content[:50_000], content[50_000:]))
    assert (await uploads.load(user, upload.media_id)).offset_bytes == 60_000
    blobs.capacity_bytes = 100_000
    done = await uploads.write(user, upload.media_id, part(60_000, content[60_000:]))
    assert done.finished_at is not None
    assert blobs.durable[upload.media_id] == content


# --- power and connections -----------------------------------------------------------------------


async def test_what_is_recorded_survives_a_power_cut(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs
) -> None:
    content = os.urandom(90_000)
    upload = await uploads.create(user, new(90_000))
    with pytest.raises(Cut):
        await uploads.write(user, upload.media_id, part(0, content[:40_000], then=Cut))
    blobs.lose_power()
    offset = (await uploads.load(user, upload.media_id)).offset_bytes
    assert offset == 40_000
    done = await uploads.write(user, upload.media_id, part(offset, content[offset:]))
    assert done.finished_at is not None
    assert blobs.durable[upload.media_id] == content


async def test_a_store_that_takes_too_long_is_said_to_be_away_and_nothing_is_lost(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_writing, "SAVE_S", 0.05)
    upload = await uploads.create(user, new(10))
    blobs.finish_s = 5.0
    with pytest.raises(Overloaded):
        await uploads.write(user, upload.media_id, part(0, b"0123456789"))
    blobs.finish_s = 0.0
    offset = (await uploads.load(user, upload.media_id)).offset_bytes
    done = await uploads.write(user, upload.media_id, part(offset, b"0123456789"[offset:]))
    assert done.finished_at is not None
    assert blobs.durable[upload.media_id] == b"0123456789"


# --- the sweep -----------------------------------------------------------------------------------


async def begun(uploads: Uploads, user: UserId) -> Upload:
    upload = await uploads.create(user, new(10))
    return await uploads.write(user, upload.media_id, part(0, b"abc"))


async def test_the_sweep_removes_what_expired_and_nothing_else(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs, database: Database, clock: FakeClock
) -> None:
    old, finished = await begun(uploads, user), await begun(uploads, user)
    await uploads.write(user, finished.media_id, part(3, b"defghij"))
    clock.advance(SETTINGS.upload_expiry_s - 1)
    young = await begun(uploads, user)
    assert await uploads.remove_expired() == 0
    clock.advance(1)
    with pytest.raises(UploadExpired):
        await uploads.load(user, old.media_id)
    assert await uploads.remove_expired() == 1
    assert set(blobs.written) == {finished.media_id, young.media_id}
    assert {row["media_id"] for row in await rows(database)} == set(blobs.written)
    with pytest.raises(UploadNotFound):
        await uploads.load(user, old.media_id)
    clock.advance(SETTINGS.upload_expiry_s)
    assert await uploads.remove_expired() == 1
    assert set(blobs.written) == {finished.media_id}


async def test_a_removal_that_was_interrupted_is_finished_by_a_later_sweep(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs, database: Database, clock: FakeClock
) -> None:
    upload = await begun(uploads, user)
    blobs.broken.add(upload.media_id)
    with pytest.raises(OSError, match="Input/output error"):
        await uploads.terminate(user, upload.media_id)
    with pytest.raises(UploadNotFound):
        await uploads.load(user, upload.media_id)
    blobs.broken.clear()
    assert await uploads.remove_expired() == 0, "its remover may still be at it"
    clock.advance(301)
    assert await uploads.remove_expired() == 1
    assert await rows(database) == []
    assert not blobs.written


async def test_one_file_that_cannot_be_removed_does_not_keep_the_others(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs, clock: FakeClock
) -> None:
    stuck, other = await begun(uploads, user), await begun(uploads, user)
    blobs.broken.add(stuck.media_id)
    clock.advance(SETTINGS.upload_expiry_s)
    assert await uploads.remove_expired() == 1
    assert set(blobs.written) == {stuck.media_id}
    assert other.media_id not in blobs.written


async def test_an_upload_that_expires_while_it_is_written_is_not_recorded_any_more(
    uploads: Uploads, user: UserId, blobs: MemoryBlobs, database: Database, clock: FakeClock
) -> None:
    upload = await uploads.create(user, new(10))

    async def outlasting() -> AsyncIterator[bytes]:
        yield b"abc"
        clock.advance(SETTINGS.upload_expiry_s)
        assert await uploads.remove_expired() == 1

    late = Part(offset_bytes=0, length_bytes=None, chunks=outlasting())
    with pytest.raises(Exception, match="taken over or removed"):
        await uploads.write(user, upload.media_id, late)
    assert await rows(database) == []
    assert not blobs.written
