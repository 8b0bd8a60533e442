"""Rows of uploads: who may move an offset, and what is left of something removed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hodhod_server.domain.ids import MediaId, UserId, random_public_id
from hodhod_server.domain.keys import Keys
from hodhod_server.store import uploads
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.uploads import Lifetime, NewUpload, Upload
from tests.clock import FakeClock
from tests.people import People


@pytest.fixture
async def user(database: Database, keys: Keys, clock: FakeClock) -> UserId:
    return (await People(database, keys, clock).new()).user


def lifetime(clock: FakeClock) -> Lifetime:
    return Lifetime(clock.now(), clock.now() + timedelta(days=1))


async def new_upload(tx: Tx, user: UserId, clock: FakeClock, length_bytes: int = 10) -> Upload:
    new = NewUpload(length_bytes=length_bytes, name="a", content_type="image/png")
    upload = await uploads.insert(
        tx, MediaId(random_public_id()), user, new, lifetime(clock), unfinished_max=1000
    )
    assert upload is not None
    return upload


async def begin(tx: Tx, user: UserId, media_id: MediaId) -> Upload:
    upload = await uploads.begin_writing(tx, user, media_id)
    assert upload is not None
    return upload


async def test_only_the_newest_writer_moves_the_offset(
    database: Database, user: UserId, clock: FakeClock
) -> None:
    async with database.connection() as tx:
        media_id = (await new_upload(tx, user, clock)).media_id
        older = await begin(tx, user, media_id)
        newer = await begin(tx, user, media_id)
        assert await uploads.advance(tx, older, 4, lifetime(clock)) is None
        advanced = await uploads.advance(tx, newer, 4, lifetime(clock))
        assert advanced is not None
        assert advanced.offset_bytes == 4


async def test_an_offset_never_goes_back(
    database: Database, user: UserId, clock: FakeClock
) -> None:
    async with database.connection() as tx:
        upload = await begin(tx, user, (await new_upload(tx, user, clock)).media_id)
        assert await uploads.advance(tx, upload, 4, lifetime(clock))
        assert await uploads.advance(tx, upload, 3, lifetime(clock)) is None


async def test_the_last_byte_and_the_end_are_one_change(
    database: Database, user: UserId, clock: FakeClock
) -> None:
    async with database.connection() as tx:
        upload = await begin(tx, user, (await new_upload(tx, user, clock)).media_id)
        before = await uploads.advance(tx, upload, 9, lifetime(clock))
        assert before is not None
        assert before.finished_at is None
        assert await uploads.find_finished(tx, user, upload.media_id) is None
        after = await uploads.advance(tx, upload, 10, lifetime(clock))
        assert after is not None
        assert after.finished_at == clock.now()
        file = await uploads.find_finished(tx, user, upload.media_id)
        assert file is not None
        assert (file.length_bytes, file.name, file.content_type) == (10, "a", "image/png")
        assert await uploads.find_finished(tx, UserId(user + 1), upload.media_id) is None
        assert await uploads.find_file(tx, upload.media_id) == file
        assert await uploads.advance(tx, upload, 10, lifetime(clock)) is None


async def test_what_is_marked_as_removed_is_gone_for_every_question(
    database: Database, user: UserId, clock: FakeClock
) -> None:
    async with database.connection() as tx:
        upload = await begin(tx, user, (await new_upload(tx, user, clock)).media_id)
        await uploads.delete(tx, upload.media_id)
        assert await uploads.find(tx, user, upload.media_id), "not marked, not deleted"
        assert await uploads.advance(tx, upload, 10, lifetime(clock))
        await uploads.mark_removed(tx, UserId(user + 1), upload.media_id, clock.now())
        assert await uploads.find_finished(tx, user, upload.media_id), "not theirs to remove"
        await uploads.mark_removed(tx, user, upload.media_id, clock.now())
        assert await uploads.find(tx, user, upload.media_id) is None
        assert await uploads.begin_writing(tx, user, upload.media_id) is None
        assert await uploads.find_finished(tx, user, upload.media_id) is None
        assert await uploads.find_file(tx, upload.media_id) is None


async def test_two_sweeps_do_not_claim_the_same_upload(
    database: Database, user: UserId, clock: FakeClock
) -> None:
    async with database.connection() as tx:
        media_ids = {(await new_upload(tx, user, clock)).media_id for _ in range(5)}
    clock.advance(2 * 86_400)
    long_ago = clock.now() - timedelta(hours=1)

    async def sweep() -> list[MediaId]:
        async with database.connection() as tx:  # a claim is one statement; totals are locked by it
            return list(await uploads.claim_expired(tx, clock.now(), long_ago, 4))

    async with asyncio.TaskGroup() as sweeps:
        tasks = [sweeps.create_task(sweep()) for _ in range(3)]
    claimed = [media_id for task in tasks for media_id in task.result()]
    assert len(claimed) == len(media_ids)
    assert {*claimed} == media_ids
    async with database.connection() as tx:
        assert await uploads.claim_expired(tx, clock.now(), long_ago, 9) == []
