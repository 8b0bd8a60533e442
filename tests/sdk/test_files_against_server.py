"""Files between two people at the real server: announced, in parts, over links that damage them."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from PIL import Image

from hodhod import Client, MediaReady, Message
from hodhod_server.domain.clock import SystemClock
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests import recordings
from tests.node import Node, new_node, running_node, worker_role
from tests.sdk.far_proxy import FarProxy
from tests.sdk.reading import next_messages, next_of
from tests.sdk.signing_in import two_signed_in
from tests.viewers import settled

MIB = 1024 * 1024


async def next_ready(client: Client) -> MediaReady:
    """The next notice about a file."""
    while True:
        notice = (await next_of(client, Message)).notice
        if isinstance(notice, MediaReady):
            return notice


async def test_a_photo_is_seen_before_it_is_there_and_gets_ready_and_looked_at(
    settings: Settings, tmp_path: Path
) -> None:
    photo, is_seen = recordings.photo("jpeg"), asyncio.Event()

    async def coming() -> AsyncIterator[bytes]:
        yield photo[:100]
        await is_seen.wait()
        yield photo[100:]

    async with (
        running_node(settings) as node,
        worker_role(settings, SystemClock()),
        two_signed_in(node) as (sara, reza, chat),
        asyncio.TaskGroup() as tasks,
    ):
        sending = tasks.create_task(sara.send_file(chat, coming(), name="کوه.jpg", announce=True))
        [seen] = await next_messages(reza, 1)
        assert seen.file is not None
        assert (seen.file.awaited, seen.file.size, seen.ready) == (True, 0, None)
        assert not sending.done()
        is_seen.set()
        arrived = await next_ready(reza)
        assert (arrived.media, arrived.size, arrived.problem) == (seen.file.media, len(photo), "")
        found = arrived if arrived.objects else await next_ready(reza)
        assert (found.type, found.width, found.height) == ("image/jpeg", 48, 64)
        now = reza.renewed(seen)
        assert now.file is not None
        assert (now.file.awaited, now.file.size, now.ready) == (False, len(photo), found)
        await reza.download(now, tmp_path / "thumb.jpg", made="thumb")
        assert Image.open(io.BytesIO(read(tmp_path / "thumb.jpg"))).size == (48, 64)
        await reza.download(now, tmp_path / "photo.jpg")
        assert len(read(tmp_path / "photo.jpg")) == len(photo)
        assert (await sending).seq == seen.seq


async def test_a_large_file_on_a_long_way_goes_in_parts_at_once(
    settings: Settings, tmp_path: Path, database: Database
) -> None:
    content, node = secrets.token_bytes(32 * MIB), new_node()
    async with FarProxy(node.media, answer_s=0.11).running() as way:
        got = await carried(settings, node, way, tmp_path, content)
    assert got == content
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT concat, is_partial FROM uploads")
    assert [row["is_partial"] for row in rows] == [False], "the parts are gone"
    assert rows[0]["concat"].startswith("final;")
    assert len(rows[0]["concat"].split()) == 3


async def test_bytes_that_are_damaged_on_the_way_are_sent_again(
    settings: Settings, tmp_path: Path, database: Database
) -> None:
    content, node = secrets.token_bytes(MIB), new_node()
    async with (
        worker_role(settings, SystemClock()),
        FarProxy(node.media, spoil_up=300_000, spoil_down=300_000).running() as way,
    ):
        got = await carried(settings, node, way, tmp_path, content, database)
    assert got == content
    assert way.spoiled == ["up", "down"], "a checksum and a digest found what TCP did not"


async def carried(
    settings: Settings,
    node: Node,
    way: FarProxy,
    folder: Path,
    content: bytes,
    looked_at_in: Database | None = None,
) -> bytes:
    """What comes out at the other end, over this way to media."""
    source, target = folder / "film.mp4", folder / "got.mp4"
    source.write_bytes(content)
    async with (
        running_node(settings, node=node, public=node._replace(media=way.url)),
        two_signed_in(node) as (sara, reza, chat),
    ):
        await sara.send_file(chat, source)
        [got] = await next_messages(reza, 1)
        assert got.file is not None
        if looked_at_in is not None:
            await settled(looked_at_in, got.file.media)  # from then on its SHA-256 is told
        await reza.download(got, target)
    return read(target)


def read(path: Path) -> bytes:
    return path.read_bytes()
