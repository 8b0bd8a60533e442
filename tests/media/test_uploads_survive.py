"""Uploads over connections that break, hang and come back twice: what arrived is kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hodhod_server.settings import MediaSettings, Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.node import media_role as media_address
from tests.people import People, Person
from tests.stored_uploads import (
    recorded_offset,
    stored,
    until_on_disk,
    until_recorded,
    until_writing,
)
from tests.tus_caller import RawUpload, TusCaller

MIB = 1024 * 1024


@pytest.fixture(params=[2**40, 1], ids=["parsed", "direct"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Bodies come through aiohttp's parser, or past it."""
    return with_media(settings, replace(settings.media, direct_bytes=request.param))


# --- cut connections -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_cut_connection_keeps_what_arrived(
    sara: TusCaller, database: Database, settings: Settings, how: str
) -> None:
    content = os.urandom(3 * MIB)
    path = await sara.create(len(content))
    connection = await RawUpload.begin(sara, path, 0, len(content))
    await connection.send(content[: 2 * MIB + 5])
    await until_on_disk(settings, path, MIB)
    await until_writing(database, sara, path)
    if how == "close":
        await connection.close()
    else:
        connection.abort()
    offset = await until_recorded(database, sara, path, 1)
    assert MIB <= offset <= 2 * MIB + 5
    assert (await sara.head(path)).offset == offset
    assert (await sara.patch(path, offset, content[offset:])).offset == len(content)
    assert stored(settings, path).read_bytes() == content


async def test_every_few_bytes_a_cut_and_the_content_is_whole(
    sara: TusCaller, settings: Settings, database: Database
) -> None:
    content = os.urandom(600_000)
    path = await sara.create(len(content))
    cuts = 0
    while (offset := (await sara.head(path)).offset) < len(content):
        connection = await RawUpload.begin(sara, path, offset, len(content) - offset)
        await connection.send(content[offset : offset + 90_001])
        cuts += 1
        await until_writing(database, sara, path, writers=cuts)
        connection.abort()
        assert cuts < 50
    assert stored(settings, path).read_bytes() == content


async def test_head_stops_a_silent_writer_and_tells_what_it_had(
    sara: TusCaller, database: Database
) -> None:
    path = await sara.create(10)
    silent = await RawUpload.begin(sara, path, 0, 10)
    await silent.send(b"abc")
    await until_writing(database, sara, path)
    assert (await sara.head(path)).offset == 3
    assert await silent.status() == 423
    assert (await sara.patch(path, 3, b"defghij")).status == 204
    await silent.close()


async def test_a_newcomer_takes_over_from_a_connection_that_hangs(
    sara: TusCaller, database: Database
) -> None:
    path = await sara.create(10)
    silent = await RawUpload.begin(sara, path, 0, 10)
    await silent.send(b"abc")
    await until_writing(database, sara, path)
    early = await sara.patch(path, 0, b"abcdefghij")
    assert (early.status, early.members["offset"]) == (409, 3)
    newcomer = await RawUpload.begin(sara, path, 3, 7)
    await newcomer.send(b"de")
    await until_writing(database, sara, path, writers=3)
    assert await silent.status() == 423
    last = await sara.patch(path, 5, b"fghij")
    assert (last.status, last.offset) == (204, 10)
    assert await newcomer.status() == 423
    await silent.close()
    await newcomer.close()


async def test_of_many_newcomers_one_after_the_other_writes(
    sara: TusCaller, settings: Settings
) -> None:
    content = os.urandom(50_000)
    path = await sara.create(len(content))
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(sara.patch(path, 0, content)) for _ in range(8)]
    statuses = sorted(task.result().status for task in asked)
    assert set(statuses) <= {204, 409, 423}
    offset = (await sara.head(path)).offset
    if offset < len(content):
        assert (await sara.patch(path, offset, content[offset:])).status == 204
    assert stored(settings, path).read_bytes() == content


async def test_a_stranger_interrupts_nobody(
    sara: TusCaller, omid: TusCaller, database: Database
) -> None:
    path = await sara.create(6)
    writing = await RawUpload.begin(sara, path, 0, 6)
    await writing.send(b"abc")
    await until_writing(database, sara, path)
    assert (await omid.head(path)).status == 404
    assert (await omid.patch(path, 0, b"x")).status == 404
    assert (await omid.ask("DELETE", path)).status == 404
    await writing.send(b"def")
    assert await writing.status() == 204
    await writing.close()


async def test_a_writer_of_a_terminated_upload_ends_and_leaves_nothing(
    sara: TusCaller, settings: Settings, database: Database
) -> None:
    path = await sara.create(6)
    writing = await RawUpload.begin(sara, path, 0, 6)
    await writing.send(b"abc")
    await until_writing(database, sara, path)
    assert (await sara.ask("DELETE", path)).status == 204
    await writing.send(b"def")
    assert await writing.status() == 423
    assert not stored(settings, path).exists()
    await writing.close()


# --- what a crash may leave on the disk -----------------------------------------------------------


async def test_bytes_beyond_the_recorded_offset_were_never_promised(
    sara: TusCaller, settings: Settings
) -> None:
    path = await sara.create(10)
    await sara.patch(path, 0, b"abc")
    with stored(settings, path).open("ab") as file:
        file.write(os.urandom(100))
    assert (await sara.patch(path, 3, b"defghij")).status == 204
    assert stored(settings, path).read_bytes() == b"abcdefghij"


async def test_an_upload_whose_disk_lost_promised_bytes_is_begun_again(
    sara: TusCaller, settings: Settings
) -> None:
    path = await sara.create(10)
    await sara.patch(path, 0, b"abc")
    os.truncate(stored(settings, path), 2)
    answer = await sara.patch(path, 3, b"defghij")
    assert (answer.status, answer.code) == (404, "upload_not_found")


async def test_an_upload_without_its_file_is_begun_again(
    sara: TusCaller, settings: Settings
) -> None:
    path = await sara.create(10)
    stored(settings, path).unlink()
    assert (await sara.patch(path, 0, b"abc")).code == "upload_not_found"


# --- impatience and stopping ---------------------------------------------------------------------


@contextlib.asynccontextmanager
async def media_role(
    settings: Settings, clock: FakeClock, person: Person
) -> AsyncIterator[TusCaller]:
    async with (
        media_address(settings, clock) as address,
        TusCaller.open(address, person) as caller,
    ):
        yield caller


def with_media(settings: Settings, media: MediaSettings) -> Settings:
    return settings.model_copy(update={"media": media})


async def test_a_connection_that_says_nothing_is_given_up_and_its_bytes_are_kept(
    settings: Settings, clock: FakeClock, people: People
) -> None:
    async with media_role(
        with_media(settings, replace(settings.media, idle_s=0.2)), clock, await people.new()
    ) as sara:
        path = await sara.create(6)
        silent = await RawUpload.begin(sara, path, 0, 6)
        await silent.send(b"abc")
        assert await silent.status() == 400
        assert (await sara.head(path)).offset == 3
        await silent.close()


async def test_a_body_that_is_not_http_keeps_what_came_before(
    settings: Settings, clock: FakeClock, people: People, database: Database
) -> None:
    async with media_role(
        with_media(settings, replace(settings.media, idle_s=0.3)), clock, await people.new()
    ) as sara:
        path = await sara.create(10)
        garbled = await RawUpload.begin(sara, path, 0, None)
        await garbled.send(b"3\r\nabc\r\n")
        await until_writing(database, sara, path)
        await garbled.send(b"not a length\r\n")
        assert await garbled.status() == 400
        assert (await sara.head(path)).offset == 3
        await garbled.close()


async def test_a_slow_upload_is_recorded_as_time_passes(
    settings: Settings, clock: FakeClock, people: People, database: Database
) -> None:
    async with media_role(
        with_media(settings, replace(settings.media, sync_s=0.05)), clock, await people.new()
    ) as sara:
        path = await sara.create(1000)
        slow = await RawUpload.begin(sara, path, 0, 1000)
        recorded = sent = 0
        while not recorded:
            await slow.send(b"x")
            sent += 1
            await asyncio.sleep(0.03)
            recorded = await recorded_offset(database, sara, path)
        assert recorded <= sent < 1000
        await slow.close()


async def test_more_writers_than_a_process_can_hold_are_told_to_wait(
    settings: Settings, clock: FakeClock, people: People, database: Database
) -> None:
    async with media_role(
        with_media(settings, replace(settings.media, writers_max=1)), clock, await people.new()
    ) as sara:
        first, second = await sara.create(5), await sara.create(5)
        writing = await RawUpload.begin(sara, first, 0, 5)
        await until_writing(database, sara, first)
        answer = await sara.patch(second, 0, b"abcde")
        assert (answer.status, answer.code) == (503, "overloaded")
        assert "Retry-After" in answer.headers
        await writing.send(b"abcde")
        assert await writing.status() == 204
        assert (await sara.patch(second, 0, b"abcde")).status == 204
        await writing.close()


async def test_two_processes_do_not_write_one_upload_at_the_same_time(
    settings: Settings, clock: FakeClock, people: People, database: Database
) -> None:
    person = await people.new()
    async with (
        media_role(settings, clock, person) as one,
        media_role(settings, clock, person) as two,
    ):
        path = await one.create(6)
        writing = await RawUpload.begin(one, path, 0, 6)
        await writing.send(b"abc")
        await until_writing(database, one, path)
        answer = await two.patch(path, 0, b"x")
        assert (answer.status, answer.members["offset"]) == (409, 3), "asked for it, and got it"
        assert await writing.status() == 423
        again = await RawUpload.begin(one, path, 3, 3)
        await again.send(b"d")
        await until_writing(database, one, path, writers=3)
        assert (await two.head(path)).offset == 4, "a HEAD elsewhere is as honest as here"
        assert await again.status() == 423
        assert (await two.patch(path, 4, b"ef")).status == 204
        await writing.close()
        await again.close()


async def test_a_process_that_stops_keeps_what_arrived(
    settings: Settings, clock: FakeClock, people: People, database: Database
) -> None:
    person = await people.new()
    async with media_role(settings, clock, person) as sara:
        path = await sara.create(6)
        writing = await RawUpload.begin(sara, path, 0, 6)
        await writing.send(b"abc")
        await until_writing(database, sara, path)
        assert await recorded_offset(database, sara, path) == 0
    assert await recorded_offset(database, sara, path) == 3
    assert await writing.status() == 423
    await writing.close()
