"""All that is known of a whole file, in the words in which chats are told of it."""

from __future__ import annotations

from typing import NamedTuple

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.store import processing, uploads
from hodhod_server.store.database import Tx
from hodhod_wire.events import MediaReady


class Told(NamedTuple):
    """In whose name, and what."""

    owner: UserId
    ready: MediaReady


async def find(tx: Tx, media_id: MediaId) -> Told | None:
    """`None` while it is not whole. One that nobody has looked at yet is what its sender claims."""
    facts = await processing.find_facts(tx, media_id)
    if facts is None:
        file = await uploads.find_file(tx, media_id)
        if file is None:
            return None
        ready = MediaReady(media=media_id, size=file.length_bytes, type=file.content_type)
        return Told(file.user, ready)
    ready = MediaReady(
        media=media_id,
        size=facts.length_bytes,
        type=facts.content_type,
        width=facts.width,
        height=facts.height,
        duration_ms=facts.duration_ms,
        blur=facts.blur,
        waveform=facts.waveform,
        problem="" if facts.state == "done" else facts.state,
        objects=await processing.objects_of(tx, media_id),
    )
    return Told(UserId(facts.user), ready)
