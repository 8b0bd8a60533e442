"""What processing found out, told to the chats that name the file."""

from __future__ import annotations

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.services.media_news import MediaNews
from hodhod_server.store import processing
from hodhod_server.store.database import Database
from hodhod_server.store.processing import Facts
from hodhod_wire.events import MediaObject, MediaReady


class ProcessingNews:
    """See `services.processing.Announcer`."""

    def __init__(self, database: Database, news: MediaNews) -> None:
        self._database = database
        self._news = news

    async def media_settled(self, media_id: MediaId) -> None:
        """Tell all chats that name the file; one that nobody names yet tells whoever names it."""
        async with self._database.connection() as connection:
            facts = await processing.find_facts(connection, media_id)
            made = await processing.objects_of(connection, media_id)
        if facts is not None:
            await self._news.tell_more(UserId(facts.user), _ready(media_id, facts, made))


def _ready(media_id: MediaId, facts: Facts, made: list[MediaObject]) -> MediaReady:
    return MediaReady(
        media=media_id,
        size=facts.length_bytes,
        type=facts.content_type,
        width=facts.width,
        height=facts.height,
        duration_ms=facts.duration_ms,
        blur=facts.blur,
        waveform=facts.waveform,
        problem="" if facts.state == "done" else facts.state,
        objects=made,
    )
