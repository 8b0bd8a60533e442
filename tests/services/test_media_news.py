"""Messages that name an upload before it ends: their chats are told once, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from hodhod_server.domain.chat_log import Appended
from hodhod_server.domain.errors import Malformed, MediaNotFound
from hodhod_server.domain.ids import ChatId, MediaId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.media_news import MediaNews
from hodhod_server.services.messaging import Announcer
from hodhod_server.services.uploads import Uploads
from hodhod_server.settings import MediaSettings, Settings
from hodhod_server.store import messages, processing, uploads
from hodhod_server.store.database import Database
from hodhod_server.store.processing import Outcome
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Content, File, MediaReady, Text
from hodhod_wire.frames import Send
from tests.clock import FakeClock
from tests.house import House, open_house
from tests.memory_blobs import MemoryBlobs
from tests.people import People, Person

DONE = Outcome(
    state="done", blob_key="k", sha256=bytes(32), content_type="image/png", width=4, height=3
)


@pytest.fixture
async def sara(database: Database, keys: Keys, clock: FakeClock) -> Person:
    return await People(database, keys, clock).new()


@pytest.fixture
async def house(settings: Settings, database: Database, clock: FakeClock) -> AsyncIterator[House]:
    async with open_house(settings, database, clock, is_writing=False) as opened:
        yield opened


@pytest.fixture
async def chat(house: House, sara: Person) -> ChatId:
    return await house.found(sara.caller)


async def log_of(house: House, chat: ChatId) -> list[Content]:
    """What was written after the chat began."""
    async with house.database.connection() as tx:
        events = await messages.page_after(tx, chat, 1, 100)
    return [MSGPACK.decode_body(event.body) for event in events]


async def until_logged(house: House, chat: ChatId, count: int) -> list[Content]:
    async with asyncio.timeout(10):
        while True:
            if len(found := await log_of(house, chat)) >= count:
                return found
            await asyncio.sleep(0.01)


async def uses(database: Database) -> list[tuple[int, str, bool]]:
    async with database.connection() as tx:
        rows = await tx.fetch("SELECT seq, media_id, awaits FROM media_uses ORDER BY seq")
    return [(row["seq"], row["media_id"], row["awaits"]) for row in rows]


async def written(house: House, *queued: asyncio.Future[Appended]) -> None:
    """Let the writer run until these are durable."""
    writing = asyncio.ensure_future(house.writer.run())
    for one in queued:
        await one
    writing.cancel()


async def test_files_are_noted_with_their_messages_and_texts_are_not(
    house: House, sara: Person, chat: ChatId, database: Database
) -> None:
    begun, ended = await house.begin_file(sara.caller), await house.begin_file(sara.caller)
    await house.end_file(sara.caller, ended)
    queued = [
        await house.submit(sara.caller, chat),
        await house.submit_file(sara.caller, chat, begun),
        await house.submit_file(sara.caller, chat, ended),
    ]
    await written(house, *queued)
    assert await uses(database) == [(3, begun, True), (4, ended, False)]
    text, first, second = await log_of(house, chat)
    assert isinstance(text, Text)
    assert isinstance(first, File)
    assert isinstance(second, File)
    assert (first.awaited, second.awaited) == (True, False)


async def test_the_chat_is_told_once_however_many_tell(
    house: House, sara: Person, chat: ChatId, database: Database
) -> None:
    media_id = await house.begin_file(sara.caller)
    await written(house, *[await house.submit_file(sara.caller, chat, media_id) for _ in range(2)])
    await house.news.tell_whole(media_id)
    assert len(await log_of(house, chat)) == 2, "it is not whole"
    await house.end_file(sara.caller, media_id)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(house.news.tell_whole(media_id))
    ready = MediaReady(media=media_id, size=3, type="image/png")
    assert (await log_of(house, chat))[2:] == [ready]
    assert [awaits for _, _, awaits in await uses(database)] == [False, False]
    async with database.connection() as tx:
        await processing.settle(tx, media_id, DONE)
    more = msgspec.structs.replace(ready, width=4, height=3)
    await house.news.media_settled(media_id)
    assert (await log_of(house, chat))[3:] == [more]
    queued = await house.submit_file(sara.caller, chat, media_id)  # after it was looked at
    await written(house, queued)
    await house.news.tell_whole(media_id)
    assert (await log_of(house, chat))[5:] == [more]


async def test_a_chat_that_waits_for_a_file_hears_that_it_will_not_come(
    house: House, sara: Person, chat: ChatId, database: Database, clock: FakeClock
) -> None:
    media_id = await house.begin_file(sara.caller)
    await written(house, await house.submit_file(sara.caller, chat, media_id))
    settings = MediaSettings()
    clock.advance(settings.upload_expiry_s + 1)
    await Uploads(database, MemoryBlobs(), clock, settings, house.news).remove_expired()
    assert (await log_of(house, chat))[1:] == [
        MediaReady(media=media_id, size=3, type="", problem="lost")
    ]


async def test_an_upload_that_ends_while_its_message_is_written_is_told_too(
    house: House, sara: Person, chat: ChatId
) -> None:
    media_id = await house.begin_file(sara.caller)
    queued = await house.submit_file(sara.caller, chat, media_id)
    await house.end_file(sara.caller, media_id)
    await house.news.tell_whole(media_id)
    await written(house, queued)

    first, second = await until_logged(house, chat, 2)
    assert isinstance(first, File)
    assert first.awaited
    assert isinstance(second, MediaReady)


async def test_what_a_process_left_untold_another_tells(
    house: House, sara: Person, chat: ChatId, database: Database, clock: FakeClock
) -> None:
    media_id = await house.begin_file(sara.caller)
    await written(house, await house.submit_file(sara.caller, chat, media_id))
    await house.end_file(sara.caller, media_id)  # and here its process died
    other = asyncio.ensure_future(MediaNews(database, Announcer(house.delivery), clock).run())
    _, ready = await until_logged(house, chat, 2)
    other.cancel()
    assert isinstance(ready, MediaReady)


async def test_a_message_of_a_file_that_is_removed_meanwhile_is_refused_and_others_are_not(
    house: House, sara: Person, chat: ChatId, database: Database, clock: FakeClock
) -> None:
    media_id, kept = await house.begin_file(sara.caller), await house.begin_file(sara.caller)
    late = await house.submit_file(sara.caller, chat, media_id)
    others = [
        await house.submit(sara.caller, chat),
        await house.submit_file(sara.caller, chat, kept),
    ]
    async with database.connection() as tx:
        await uploads.mark_removed(tx, sara.user, media_id, clock.now())
    await written(house, *others)
    with pytest.raises(MediaNotFound):
        await late  # else the chat would wait for it for ever
    assert len(await log_of(house, chat)) == 2
    assert await uses(database) == [(3, kept, True)]
    with pytest.raises(MediaNotFound):
        await house.submit_file(sara.caller, chat, media_id)


async def test_a_file_message_tells_the_truth_about_an_upload_of_its_senders(
    house: House, sara: Person, chat: ChatId, keys: Keys, database: Database, clock: FakeClock
) -> None:
    omid = await People(database, keys, clock).new()
    foreign = await house.begin_file(omid.caller)
    with pytest.raises(MediaNotFound):
        await house.submit_file(sara.caller, chat, foreign)
    own = MediaId(await house.begin_file(sara.caller))
    body = File(media=own, name="a.png", size=4)
    with pytest.raises(Malformed):
        await house.messaging.submit(sara.caller, Send(chat=chat, client_id=5, body=body))
