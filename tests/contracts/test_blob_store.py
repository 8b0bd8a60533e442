"""What every blob store promises, asked of each of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.blobs.s3 import open_s3
from hodhod_server.blobs.store import (
    Appender,
    BlobBusy,
    BlobMissing,
    BlobsFull,
    BlobStore,
    BlobTorn,
)
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.ids import random_public_id
from tests.memory_blobs import MemoryBlobs
from tests.swift.server import s3_settings

SYNC_BYTES = 3 * 1024 * 1024
MIB = 1024 * 1024


@pytest.fixture(params=["memory", "filesystem", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    if request.param == "memory":
        yield MemoryBlobs()
    elif request.param == "filesystem":
        async with open_filesystem(tmp_path / "blobs", SYNC_BYTES) as blobs:
            yield blobs
    else:
        terms = s3_settings(request.getfixturevalue("swift_port"))
        async with open_s3(terms, tmp_path / "spool", SystemClock()) as objects:
            yield objects


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[BlobStore]:
    async with open_filesystem(tmp_path / "blobs", SYNC_BYTES) as blobs:
        yield blobs


async def append(store: BlobStore, key: str, offset: int, data: bytes) -> int:
    async with store.appending(key) as appender:
        await appender.start_at(offset)
        await appender.write(data)
        return await appender.sync()


async def finish(store: BlobStore, key: str, length: int) -> None:
    async with store.appending(key) as appender:
        await appender.start_at(length)
        assert await appender.finish() == length


async def content(store: BlobStore, key: str, start: int = 0, stop: int = 2**40) -> bytes:
    async with store.reading(key) as reader:
        return b"".join([piece async for piece in reader.pieces(start, stop)])


async def new_blob(store: BlobStore) -> str:
    key = random_public_id()
    await store.create(key)
    return key


async def test_a_new_blob_is_empty_and_a_name_is_given_once(store: BlobStore) -> None:
    key = await new_blob(store)
    with pytest.raises(FileExistsError):
        await store.create(key)
    await finish(store, key, 0)
    async with store.reading(key) as reader:
        assert reader.size_bytes == 0
    with pytest.raises(FileExistsError):
        await store.create(key)


async def test_bytes_come_back_as_they_were_appended(store: BlobStore) -> None:
    key, data = await new_blob(store), os.urandom(5 * MIB + 17)
    half = await append(store, key, 0, data[:1234])
    whole = await append(store, key, half, data[1234:])
    assert (half, whole) == (1234, len(data))
    await finish(store, key, whole)
    assert await content(store, key) == data
    assert await content(store, key, 1000, 1300) == data[1000:1300]
    assert await content(store, key, len(data) - 5) == data[-5:]
    assert await content(store, key, len(data) + 5) == b""


async def test_many_small_writes_keep_their_order(store: BlobStore) -> None:
    key, pieces = await new_blob(store), [os.urandom(size) for size in range(1, 4000, 3)]
    async with store.appending(key) as appender:
        await appender.start_at(0)
        for piece in pieces:
            await appender.write(piece)
        assert await appender.finish() == sum(map(len, pieces))
    assert await content(store, key) == b"".join(pieces)


async def test_what_is_beyond_the_start_is_cut_off(store: BlobStore) -> None:
    key = await new_blob(store)
    await append(store, key, 0, b"kept and lost")
    assert await append(store, key, 4, b"!") == 5
    await finish(store, key, 5)
    assert await content(store, key) == b"kept!"


async def test_a_start_beyond_the_end_is_refused(store: BlobStore) -> None:
    key = await new_blob(store)
    await append(store, key, 0, b"short")
    with pytest.raises(BlobTorn):
        await append(store, key, 6, b"!")
    await finish(store, key, 5)
    assert await content(store, key) == b"short"


async def test_durable_is_never_more_than_was_synced_and_all_of_it_then(store: BlobStore) -> None:
    key = await new_blob(store)
    async with store.appending(key) as appender:
        await appender.start_at(0)
        assert appender.durable_bytes == 0
        await appender.write(b"x" * 100)
        assert appender.durable_bytes == 0
        assert await appender.sync() == appender.durable_bytes == 100


async def test_a_long_blob_goes_on_wherever_it_was_durable(store: BlobStore) -> None:
    key, data = await new_blob(store), os.urandom(17 * MIB)
    async with store.appending(key) as appender:
        await appender.start_at(0)
        told = []
        for start in range(0, 12 * MIB, MIB):
            await appender.write(data[start : start + MIB])
            if start == 6 * MIB:
                told.append(await appender.sync())
        told.append(await appender.sync())
    assert told == [7 * MIB, 12 * MIB]
    for offset in reversed(told):  # the second writer's record was lost
        assert await append(store, key, offset, data[offset : offset + 4 * MIB]) == offset + 4 * MIB
    assert await append(store, key, 11 * MIB, data[11 * MIB :]) == 17 * MIB
    await finish(store, key, 17 * MIB)
    await finish(store, key, 17 * MIB)
    assert await content(store, key) == data
    assert await append(store, key, 6 * MIB, b"!") == 6 * MIB + 1  # a finish that was not recorded
    await finish(store, key, 6 * MIB + 1)
    assert await content(store, key) == data[: 6 * MIB] + b"!"


async def test_every_blob_is_listed(store: BlobStore) -> None:
    finished, begun = await new_blob(store), await new_blob(store)
    await append(store, finished, 0, b"12345")
    await finish(store, finished, 5)
    listed = {blob.key: blob async for blob in store.blobs()}
    assert listed[finished].size_bytes == 5
    assert begun in listed
    await store.delete(begun)
    assert begun not in {blob.key async for blob in store.blobs()}


async def test_one_writer_at_a_time(store: BlobStore) -> None:
    key = await new_blob(store)
    async with store.appending(key):
        with pytest.raises(BlobBusy):
            async with store.appending(key):
                pass
    assert await append(store, key, 0, b"free again") == 10


async def test_a_deleted_blob_is_gone_and_deleting_twice_is_no_error(store: BlobStore) -> None:
    key = await new_blob(store)
    await append(store, key, 0, b"x")
    await finish(store, key, 1)
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(BlobMissing):
        await content(store, key)
    with pytest.raises(BlobMissing):
        await append(store, key, 0, b"x")


async def test_a_writer_outlives_the_deletion(store: BlobStore) -> None:
    key = await new_blob(store)
    async with store.appending(key) as appender:
        await appender.start_at(0)
        await store.delete(key)
        await appender.write(b"into the void")
        await appender.sync()
    with pytest.raises(BlobMissing):
        await content(store, key)


async def test_a_reader_of_what_is_deleted_gets_it_or_hears_so(store: BlobStore) -> None:
    key = await new_blob(store)
    await append(store, key, 0, b"still here")
    await finish(store, key, 10)
    async with store.reading(key) as reader:
        await store.delete(key)
        with contextlib.suppress(BlobMissing):
            assert b"".join([piece async for piece in reader.pieces(0, 10)]) == b"still here"
    with pytest.raises(BlobMissing):
        await content(store, key)


@pytest.mark.parametrize("key", ["", "short", "../../../../etc/passwd", "a" * 21 + "/", "é" * 22])
async def test_a_name_that_means_something_elsewhere_is_refused(store: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await store.create(key)
    with pytest.raises(ValueError, match="name"):
        await store.delete(key)


async def test_parts_are_joined_in_order_and_stay(store: BlobStore) -> None:
    parts, contents = [], [os.urandom(size) for size in (6 * MIB + 1, 0, 17)]
    for data in contents:
        parts.append(await new_blob(store))
        await append(store, parts[-1], 0, data)
        await finish(store, parts[-1], len(data))
    whole = random_public_id()
    for order in ([0, 1], [2, 0, 1, 2]):  # the second replaces the first
        await store.concatenate(whole, [parts[number] for number in order])
        assert await content(store, whole) == b"".join(contents[number] for number in order)
    assert await content(store, parts[0]) == contents[0]
    assert await append(store, whole, 17, b"!") == 18
    broken = random_public_id()
    with pytest.raises(BlobMissing):
        await store.concatenate(broken, [parts[0], random_public_id()])
    with pytest.raises(BlobMissing):
        await content(store, broken)


async def test_free_bytes_is_what_is_left(store: BlobStore) -> None:
    assert await store.free_bytes() > 0


# --- what only files can show --------------------------------------------------------------------


async def test_a_file_is_synced_by_itself_every_few_megabytes(files: BlobStore) -> None:
    key = await new_blob(files)
    seen = []
    async with files.appending(key) as appender:
        await appender.start_at(0)
        for taken in range(1, 9):
            await appender.write(b"x" * MIB)
            seen.append(appender.durable_bytes)
            assert taken * MIB - appender.durable_bytes <= SYNC_BYTES
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


async def test_another_process_cannot_write_at_the_same_time(
    files: BlobStore, tmp_path: Path
) -> None:
    key = await new_blob(files)
    path = tmp_path / "blobs" / key[:2] / key[2:]
    hold = "import fcntl,sys; f=open(sys.argv[1]); fcntl.flock(f,2); print(); sys.stdin.read()"
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", hold, str(path)), stdin=pipe, stdout=pipe
    )
    assert other.stdout is not None
    await other.stdout.readline()
    with pytest.raises(BlobBusy):
        await append(files, key, 0, b"x")
    other.kill()
    await other.communicate()
    assert await append(files, key, 0, b"x") == 1


async def test_of_a_write_that_does_not_fit_the_beginning_is_kept(files: BlobStore) -> None:
    key = await new_blob(files)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with files.appending(key) as appender:
        await appender.start_at(0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB // 2, hard))  # the disk of this test
        try:
            with pytest.raises(BlobsFull):
                await write_two_mib(appender)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        with pytest.raises(BlobsFull):
            await appender.sync()
        assert appender.durable_bytes == 3 * MIB // 2
    assert await append(files, key, 3 * MIB // 2, b"room again") == 3 * MIB // 2 + 10


async def write_two_mib(appender: Appender) -> None:
    for _ in range(2):
        await appender.write(b"x" * MIB)
    await appender.sync()


async def test_a_cancelled_writer_neither_loses_its_place_nor_keeps_the_lock(
    files: BlobStore,
) -> None:
    key = await new_blob(files)

    async def write_for_ever() -> None:
        async with files.appending(key) as appender:
            await appender.start_at(0)
            while True:
                await appender.write(b"y" * MIB)

    for after_s in (0.0, 0.0005, 0.002, 0.01):
        writing = asyncio.create_task(write_for_ever())
        await asyncio.sleep(after_s)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(BlobBusy):
                    assert await append(files, key, 0, b"mine") == 4
                    break
                await asyncio.sleep(0.005)
        assert await content(files, key) == b"mine"
