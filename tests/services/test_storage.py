"""Stored bytes over the years: shared, counted, collected, compared, moved."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.blobs.pair import PairedBlobs
from hodhod_server.domain.errors import MediaNotFound, RateLimited
from hodhod_server.domain.ids import MediaId, UserId, random_public_id
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.upload_errors import QuotaExceeded, StorageFull
from hodhod_server.services.collecting import Collecting
from hodhod_server.services.files import Files
from hodhod_server.services.finished_files import LeftToTheSweep
from hodhod_server.services.known_files import SLOT_S, Content, KnownFiles, NewName
from hodhod_server.services.moving import Moving
from hodhod_server.services.scrubbing import Finding, Scrubbing
from hodhod_server.services.uploads import NewUpload, Part, Uploads
from hodhod_server.settings import MediaSettings, ProcessingSettings
from hodhod_server.store import storage
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.memory_blobs import MemoryBlobs
from tests.people import People

DATA = b"a film that everybody sends"
CONTENT = Content(sha256=hashlib.sha256(DATA).digest(), length_bytes=len(DATA))
NAME = NewName(name="film.mp4", content_type="video/mp4")


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def media_settings() -> MediaSettings:
    return MediaSettings(free_bytes_min=0, known_checks_per_minute=5)


@pytest.fixture
def uploads(
    database: Database, blobs: MemoryBlobs, clock: FakeClock, media_settings: MediaSettings
) -> Uploads:
    return Uploads(database, blobs, clock, media_settings)


@pytest.fixture
def known(database: Database, clock: FakeClock, media_settings: MediaSettings) -> KnownFiles:
    return KnownFiles(database, clock, media_settings, LeftToTheSweep())


@pytest.fixture
async def sara(people: People) -> UserId:
    return (await people.new()).user


@pytest.fixture
async def omid(people: People) -> UserId:
    return (await people.new("امید")).user


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def announced(length: int) -> NewUpload:
    return NewUpload(length_bytes=length, name="film.mp4", content_type="video/mp4")


async def send(uploads: Uploads, database: Database, user: UserId, data: bytes = DATA) -> MediaId:
    """A finished upload whose SHA-256 somebody has computed."""
    upload = await uploads.create(user, announced(len(data)))
    part = Part(offset_bytes=0, length_bytes=len(data), chunks=once(data))
    await uploads.write(user, upload.media_id, part)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE uploads SET sha256 = $2 WHERE media_id = $1",
            upload.media_id,
            hashlib.sha256(data).digest(),
        )
    return upload.media_id


async def name_in_chat(database: Database, media_id: MediaId, *members: UserId) -> None:
    """A message of a new chat names it; the last member sees only what comes later."""
    async with database.connection() as connection:
        chat = await connection.fetchval(
            "INSERT INTO chats (kind, last_seq, created_at) VALUES ('group', 1, now())"
            " RETURNING chat_id"
        )
        for user in members:
            first_seq = 2 if user == members[-1] else 1
            await connection.execute(
                "INSERT INTO members (chat_id, user_id, first_seq) VALUES ($1, $2, $3)",
                *(chat, user, first_seq),
            )
        await connection.execute(
            "INSERT INTO media_uses (chat_id, seq, media_id) VALUES ($1, 1, $2)", chat, media_id
        )


async def test_a_known_file_shares_its_bytes_until_the_last_goes(
    uploads: Uploads, known: KnownFiles, blobs: MemoryBlobs, database: Database, sara: UserId
) -> None:
    first = await send(uploads, database, sara)
    second = (await known.take(sara, CONTENT, NAME)).media_id
    files = Files(database, blobs, ProcessingSettings())
    assert (await files.load(second)).blob_key == first
    await uploads.terminate(sara, first)
    async with files.reading(await files.load(second)) as reader:
        assert b"".join([piece async for piece in reader.pieces(0, 100)]) == DATA
    await uploads.terminate(sara, second)
    assert blobs.written == {}


async def test_only_files_one_may_see_are_known_and_others_take_as_long_as_none(
    uploads: Uploads, known: KnownFiles, people: People, database: Database, sara: UserId
) -> None:
    friend, newcomer, stranger = [(await people.new()).user for _ in range(3)]
    media_id = await send(uploads, database, sara)
    await name_in_chat(database, media_id, sara, friend, newcomer)
    assert (await known.take(friend, CONTENT, NAME)).finished_at is not None
    loop = asyncio.get_running_loop()
    unheard_of = Content(sha256=bytes(32), length_bytes=len(DATA))
    for who, content in ((newcomer, CONTENT), (stranger, CONTENT), (stranger, unheard_of)):
        began_at_s = loop.time()
        with pytest.raises(MediaNotFound) as refused:
            await known.take(who, content, NAME)
        assert refused.value.detail == ""
        assert loop.time() - began_at_s >= SLOT_S - 0.01
    for _ in range(4):
        await known.take(friend, CONTENT, NAME)
    with pytest.raises(RateLimited):
        await known.take(friend, CONTENT, NAME)


async def test_of_many_at_once_as_many_get_in_as_fit(
    database: Database, blobs: MemoryBlobs, clock: FakeClock, sara: UserId, omid: UserId
) -> None:
    settings = MediaSettings(free_bytes_min=0, user_bytes_max=1000, server_bytes_max=1500)
    uploads = Uploads(database, blobs, clock, settings)
    outcomes: list[str] = []
    made: list[tuple[UserId, MediaId]] = []

    async def try_one(user: UserId) -> None:
        try:
            upload = await uploads.create(user, announced(300))
        except (QuotaExceeded, StorageFull) as refused:
            outcomes.append(refused.code)
        else:
            made.append((user, upload.media_id))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(try_one(sara))
            tasks.create_task(try_one(omid))
    assert len(made) == 5
    assert max(sum(user == who for who, _ in made) for user in (sara, omid)) <= 3
    assert set(outcomes) <= {"quota_exceeded", "storage_full"}
    await uploads.terminate(*made[0])
    assert (await uploads.create(made[0][0], announced(300))).length_bytes == 300
    async with database.connection() as connection:
        totals = await connection.fetchval("SELECT sum(bytes) FROM media_totals WHERE user_id > 0")
    assert totals == 1500


async def test_what_nobody_needs_is_collected_and_nothing_else(
    uploads: Uploads,
    database: Database,
    blobs: MemoryBlobs,
    clock: FakeClock,
    media_settings: MediaSettings,
    sara: UserId,
    omid: UserId,
) -> None:
    unused, used = [await send(uploads, database, sara) for _ in range(2)]
    await name_in_chat(database, used, sara, omid)
    nameless = random_public_id()
    await blobs.create(nameless)
    collecting = Collecting(database, blobs, clock, media_settings)
    blobs.modified_at = clock.now()
    assert (await collecting.mark_unused(), await collecting.delete_nameless()) == (0, 0)
    clock.advance(31 * 86_400)
    fresh = (await uploads.create(sara, announced(10))).media_id
    assert (await collecting.mark_unused(), await collecting.delete_nameless()) == (1, 1)
    async with database.transaction() as tx:
        assert await storage.mark_unused(tx, [used], clock.now()) == 0, "named at the last moment"
    clock.advance(600)
    await uploads.remove_expired()
    assert set(blobs.written) == {used, fresh}
    assert unused not in blobs.written


async def test_a_scrub_tells_what_is_not_as_it_was(
    uploads: Uploads, database: Database, blobs: MemoryBlobs, clock: FakeClock, sara: UserId
) -> None:
    sound, missing, shorter, other = [await send(uploads, database, sara) for _ in range(4)]
    del blobs.written[missing]
    blobs.written[shorter] = blobs.written[shorter][:-1]
    blobs.written[other][3] ^= 1
    scrubbing = Scrubbing(database, blobs, clock, bytes_per_s=10**9)
    found = await scrubbing.scrub(clock.now())
    assert found == dict.fromkeys(Finding, 1)
    assert sum((await scrubbing.scrub(clock.now() - timedelta(days=1))).values()) == 0
    assert sound in blobs.written


async def test_files_move_while_they_are_read_and_written(
    uploads: Uploads,
    database: Database,
    blobs: MemoryBlobs,
    clock: FakeClock,
    media_settings: MediaSettings,
    sara: UserId,
    tmp_path: Path,
) -> None:
    sent = [await send(uploads, database, sara, DATA * number) for number in range(1, 4)]
    under_way = (await uploads.create(sara, announced(len(DATA)))).media_id
    async with open_filesystem(tmp_path, 2**20) as target:
        await target.create(sent[0])  # half a copy of a run that was cut off
        both = PairedBlobs(target, blobs)
        moving = Uploads(database, both, clock, replace(media_settings))
        moved = await Moving(database, blobs, target).move(lambda _: None)
        assert (moved.blobs, moved.left, moved.differing) == (3, 1, 0)
        part = Part(offset_bytes=0, length_bytes=len(DATA), chunks=once(DATA))
        await moving.write(sara, under_way, part)
        new = await send(moving, database, sara)
        files = Files(database, both, ProcessingSettings())
        for media_id, data in [*zip(sent, (DATA, DATA * 2, DATA * 3), strict=True), (new, DATA)]:
            async with files.reading(await files.load(media_id)) as reader:
                assert b"".join([piece async for piece in reader.pieces(0, 1000)]) == data
        assert (await Moving(database, blobs, target).move(lambda _: None)).blobs == 1
        assert blobs.written == {}
        assert {blob.key async for blob in both.blobs()} == {*sent, under_way, new}
