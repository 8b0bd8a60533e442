"""A link is as good as its holder's sight of the message that it was given for."""

from __future__ import annotations

import os
from dataclasses import replace

import aiohttp
import pytest

from hodhod_server import app
from hodhod_server.domain.ids import ChatId, MediaId, Seq, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.media_links import MediaLinks, Sight
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.store.database import Database
from hodhod_server.web.serving import serve
from tests.clock import FakeClock
from tests.free_ports import free_port
from tests.people import People
from tests.tus_caller import TusCaller

IN_CHAT = """
WITH chat AS (
    INSERT INTO chats (kind, last_seq, created_at) VALUES ('group', 1, now()) RETURNING chat_id
), member AS (
    INSERT INTO members (chat_id, user_id) SELECT chat_id, $1 FROM chat
)
INSERT INTO messages (chat_id, seq, sender_id, client_id, sent_at, body)
SELECT chat_id, 1, $1, 1, now(), '' FROM chat RETURNING chat_id
"""
LOSSES = (
    "DELETE FROM members WHERE chat_id = $1",
    "DELETE FROM messages WHERE chat_id = $1",
    "UPDATE members SET first_seq = 2 WHERE chat_id = $1",
)


@pytest.fixture
async def sight(database: Database, omid: TusCaller) -> Sight:
    """Omid is in a chat and sees its only message."""
    async with database.connection() as connection:
        chat = await connection.fetchval(IN_CHAT, omid.person.user)
    return Sight(UserId(omid.person.user), ChatId(chat), Seq(1))


@pytest.mark.parametrize("loss", LOSSES, ids=["left", "deleted", "hidden"])
async def test_who_lost_sight_of_the_message_lost_the_link(
    sara: TusCaller, links: MediaLinks, sight: Sight, database: Database, loss: str
) -> None:
    media_id = MediaId(await sara.upload(b"film"))
    url, _ = links.mint(media_id, sight.user, sight=sight)
    assert (await sara.get(url)).body == b"film"
    async with database.connection() as connection:
        await connection.execute(loss, sight.chat)
    for headers in ({}, {"Range": "bytes=0-1"}, {"If-None-Match": f'"{media_id}"'}):
        answer = await sara.get(url, **headers)
        assert (answer.status, answer.code) == (403, "link_invalid")


async def test_a_long_download_ends_with_the_right(
    settings: Settings,
    clock: FakeClock,
    keys: Keys,
    people: People,
    sight: Sight,
    database: Database,
) -> None:
    own = replace(settings.media, recheck_s=0.001)
    listen = ListenSettings(port=free_port())
    async with (
        app.media(settings.model_copy(update={"media": own}), clock) as parts,
        serve(parts.app, listen),
        TusCaller.open(f"http://127.0.0.1:{listen.port}", await people.new()) as sara,
        aiohttp.ClientSession() as session,
    ):
        links = MediaLinks(keys.media_link, clock, link_s=60, base_url=sara.base)
        media_id = MediaId(await sara.upload(os.urandom(40_000_000)))
        async with session.get(links.mint(media_id, sight.user, sight=sight)[0]) as film:
            await film.content.readexactly(1_000_000)
            async with database.connection() as connection:
                await connection.execute(LOSSES[0], sight.chat)
            with pytest.raises(aiohttp.ClientPayloadError):
                await film.read()
