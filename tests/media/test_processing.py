"""What is made of a file: seen by people who upload and download, with a real worker at work."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pi_heif.heif
import pytest
from PIL import Image, ImageSequence

from hodhod_server.app.files import SCRATCH
from hodhod_server.blobs.filesystem import FilesystemBlobs, open_filesystem
from hodhod_server.blobs.store import BlobStore, Reader
from hodhod_server.domain.ids import ChatId, MediaId
from hodhod_server.processing.contract import Copy
from hodhod_server.processing.sandbox import Sandbox
from hodhod_server.services.finished_files import FinishedFiles
from hodhod_server.services.processing import NoAnnouncer, Processing
from hodhod_server.settings import Settings
from hodhod_server.store import messages
from hodhod_server.store.database import Database
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import MediaReady, OpaqueMessage
from tests import recordings
from tests.clock import FakeClock
from tests.node import worker_role
from tests.phone_photo import HEIC
from tests.tus_caller import TusCaller
from tests.viewers import Viewer, settled


@pytest.fixture
async def worker(settings: Settings, clock: FakeClock) -> AsyncIterator[None]:
    """A worker role beside the media role."""
    async with worker_role(settings, clock):
        yield


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif", "tiff"])
async def test_a_photo_loses_its_place_and_nothing_else_before_anybody_gets_it(
    kind: str, worker: None, sara: TusCaller, viewer: Viewer, database: Database
) -> None:
    content = recordings.photo(kind)
    media_id = await sara.upload(content, "کوه.txt", "text/html")
    row = await settled(database, media_id)
    assert (row["processing"], row["content_type"]) == ("done", f"image/{kind}")
    answer = await viewer.get(media_id)
    assert answer.headers["Content-Type"] == f"image/{kind}"
    assert len(answer.body) == len(content), "messages name its size"
    assert hashlib.sha256(answer.body).digest() == row["sha256"]
    before, after = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(answer.body))
    assert before.getexif().get_ifd(0x8825)[2] == recordings.LATITUDE
    assert not any(after.getexif().get_ifd(0x8825).values())
    assert after.getexif()[0x0112] == 6
    assert after.convert("RGB").tobytes() == before.convert("RGB").tobytes(), "not a pixel changed"
    assert (row["width"], row["height"]) == (48, 64), "as it is to be seen"
    assert len(row["blur"]) == 28
    thumb = await viewer.get(media_id, "thumb")
    assert thumb.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(thumb.body)).size == (48, 64)


async def test_a_photo_of_a_phone_that_writes_heic_is_turned_and_has_a_thumbnail(
    worker: None, sara: TusCaller, viewer: Viewer, database: Database
) -> None:
    content = HEIC
    media_id = await sara.upload(content, "IMG_0001.HEIC", "image/heic")
    row = await settled(database, media_id)
    assert (row["processing"], row["content_type"]) == ("done", "image/heic")
    assert (row["width"], row["height"]) == (48, 64), "as it is to be seen"
    served = (await viewer.get(media_id)).body
    assert (len(served), place_of(content)[2]) == (len(content), recordings.LATITUDE)
    assert not any(place_of(served).values())
    thumb = Image.open(io.BytesIO((await viewer.get(media_id, "thumb")).body))
    assert thumb.size == (48, 64)
    red, green, blue = thumb.crop((34, 2, 46, 20)).resize((1, 1)).tobytes()
    assert red > 150 > green + blue, "what was on the left is above now"


def place_of(heic: bytes) -> dict[int, Any]:
    exif = Image.Exif()
    exif.load(pi_heif.heif.open_heif(io.BytesIO(heic)).info["exif"])
    return dict(exif.get_ifd(0x8825))


async def test_a_gif_keeps_what_is_drawn_and_nothing_that_is_said(
    worker: None, sara: TusCaller, viewer: Viewer, database: Database
) -> None:
    content = recordings.moving_gif()
    media_id = await sara.upload(content)
    row = await settled(database, media_id)
    assert (row["processing"], row["width"], row["height"]) == ("done", 40, 30)
    served = (await viewer.get(media_id)).body
    assert len(served) == len(content)
    assert b"Tehran" in content
    assert b"Tehran" not in served
    before, after = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(served))
    assert after.info["loop"] == before.info["loop"] == 0
    frames = zip(ImageSequence.Iterator(before), ImageSequence.Iterator(after), strict=True)
    same = [one.convert("RGB").tobytes() == two.convert("RGB").tobytes() for one, two in frames]
    assert same == [True, True, True]


async def test_chats_hear_what_was_found_and_a_known_photo_shares_its_bytes(
    worker: None, sara: TusCaller, database: Database, clock: FakeClock
) -> None:
    content = recordings.photo("jpeg")
    path = await sara.create(len(content))
    media_id = path.rpartition("/")[2]
    async with database.connection() as connection:
        chat = await connection.fetchval(
            "INSERT INTO chats (kind, last_seq, created_at) VALUES ('group', 1, now())"
            " RETURNING chat_id"
        )
        await connection.execute("INSERT INTO media_uses VALUES ($1, 1, $2)", chat, media_id)
    await sara.patch(path, 0, content)
    row = await settled(database, media_id)
    asked = {"sha256": row["sha256"].hex(), "length": len(content)}
    headers = {"Content-Type": "application/json"}
    answer = await sara.ask("POST", "/v1/uploads/known", headers, msgspec.json.encode(asked))
    again = await settled(database, answer.members["media"])
    assert (again["blob_key"], again["sha256"]) == (row["blob_key"], row["sha256"])
    [event] = await events_of(database, ChatId(chat))
    ready = MSGPACK.decode_body(event.body)
    assert isinstance(ready, MediaReady)
    assert (ready.media, ready.type, ready.width, ready.height) == (media_id, "image/jpeg", 48, 64)
    assert [made.name for made in ready.objects] == ["thumb"]


async def events_of(database: Database, chat: ChatId) -> list[OpaqueMessage]:
    """What the chat was told, which is soon after the file is settled."""
    async with asyncio.timeout(10), database.connection() as connection:
        while True:
            if found := await messages.page_after(connection, chat, 1, 9):
                return found
            await asyncio.sleep(0.02)


async def test_until_then_a_photo_is_not_ready_and_other_files_are(
    sara: TusCaller, viewer: Viewer
) -> None:
    photo_id, other_id = await sara.upload(recordings.photo("jpeg")), await sara.upload(b"a text")
    answer = await viewer.get(photo_id)
    assert (answer.status, answer.code) == (409, "media_not_ready")
    assert (await viewer.get(photo_id, "thumb")).code == "media_not_ready"
    assert (await viewer.get(other_id)).status == 200
    assert (await viewer.get(other_id, "thumb")).code == "media_not_found"


async def test_a_film_gets_a_poster_and_a_copy_that_plays_while_it_comes(
    worker: None, sara: TusCaller, viewer: Viewer, database: Database
) -> None:
    media_id = await sara.upload(recordings.film(), "سفر.mov", "video/quicktime")
    row = await settled(database, media_id)
    assert (row["processing"], row["content_type"]) == ("done", "video/mp4")
    assert (row["width"], row["height"], row["codecs"]) == (320, 180, ["h264", "aac"])
    assert abs(row["duration_ms"] - 1000) < 100
    play = (await viewer.get(media_id, "play")).body
    assert 0 < play.index(b"moov") < play.index(b"mdat")
    assert recordings.frames_of(play) == recordings.frames_of(recordings.film())
    poster = Image.open(io.BytesIO((await viewer.get(media_id, "poster")).body))
    assert poster.size == (320, 180)
    ready = await sara.upload(recordings.film(is_fast=True))
    await settled(database, ready)
    assert (await viewer.get(ready, "play")).code == "media_not_found", "it plays as it is"


async def test_a_voice_note_gets_its_waveform_and_an_opus_copy(
    worker: None, sara: TusCaller, viewer: Viewer, database: Database
) -> None:
    media_id = await sara.upload(recordings.voice(), "voice.wav", "audio/wav")
    row = await settled(database, media_id)
    assert (row["content_type"], row["duration_ms"]) == ("audio/wav", 2048)
    assert len(row["waveform"]) == 100
    assert list(row["waveform"][::20]) == sorted(row["waveform"][::20]), "it grows louder"
    assert row["waveform"][0] == "0"
    voice = await viewer.get(media_id, "voice")
    assert voice.headers["Content-Type"] == "audio/ogg"
    assert len(voice.body) < len(recordings.voice()) / 4
    again = await sara.upload(voice.body)
    assert (await settled(database, again))["codecs"] == ["opus"]
    assert (await viewer.get(again, "voice")).code == "media_not_found", "it is Opus already"


async def test_smaller_copies_are_made_where_the_operator_wants_them(
    settings: Settings, tmp_path: Path
) -> None:
    own = replace(settings.processing, film_heights=(240,))
    source = tmp_path / "film"
    source.write_bytes(recordings.film(width=480, height=360))
    with source.open("rb") as file:
        async with Sandbox(own, tmp_path / "scratch").looking_at(file, "") as found:
            assert found.details is not None
            sizes = {each.copy: (each.width, each.height) for each in found.details.derived}
            assert sizes[Copy.P240] == (320, 240)
            copy = found.outputs[Copy.P240]
            copy.seek(0)
            assert recordings.frames_of(copy.read()) == 30


async def test_a_file_that_is_removed_takes_its_copies_along(
    worker: None, sara: TusCaller, database: Database, settings: Settings, clock: FakeClock
) -> None:
    media_id = await sara.upload(recordings.photo("jpeg"))
    await settled(database, media_id)
    assert len(_stored(settings)) == 3, "as it came, as it is served, and small"
    assert (await sara.ask("DELETE", f"/v1/uploads/{media_id}")).status == 204
    clock.advance(settings.processing.grace_s + 1)
    async with open_filesystem(settings.media.directory, 2**20) as blobs:
        files = FinishedFiles(database, blobs, clock, settings.processing)
        await files.remove_abandoned()
    assert _stored(settings) == []


class Meanwhile:
    """A store of which something happens whenever a file was opened."""

    def __init__(self, blobs: FilesystemBlobs, then: Callable[[], Awaitable[object]]) -> None:
        self._blobs = blobs
        self._then = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    @contextlib.asynccontextmanager
    async def reading(self, key: str) -> AsyncIterator[Reader]:
        async with self._blobs.reading(key) as reader:
            await self._then()
            yield reader


async def test_a_file_that_goes_while_it_is_looked_at_leaves_nothing(
    sara: TusCaller, database: Database, settings: Settings, clock: FakeClock
) -> None:
    media_id = await sara.upload(recordings.photo("jpeg"))
    scratch = settings.media.directory / SCRATCH
    async with open_filesystem(settings.media.directory, 2**20) as blobs:
        going = Meanwhile(blobs, lambda: sara.ask("DELETE", f"/v1/uploads/{media_id}"))
        processing = Processing(
            database,
            cast(BlobStore, going),
            clock,
            settings.processing,
            scratch,
            NoAnnouncer(),
        )
        assert await processing.process(MediaId(media_id)) is None
    assert _stored(settings) == []
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM media_objects") == 0


def _stored(settings: Settings) -> list[Path]:
    return [path for path in settings.media.directory.glob("??/*") if path.is_file()]
