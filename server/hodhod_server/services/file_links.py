"""From a file message to an address that serves its file.

The right to a file is the right to a message that holds it: whoever is in the chat and sees the
message may ask.
"""

from __future__ import annotations

import msgspec

from hodhod_server.domain.errors import MessageNotFound
from hodhod_server.domain.ids import ChatId, MediaId, Seq
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.media_links import MediaLinks, Sight
from hodhod_server.services.rights import Rights
from hodhod_server.store import messages
from hodhod_server.store.database import Database
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import File


class OpenLink(msgspec.Struct, frozen=True):
    """An address relative to the media role's, and when it ends (ms since the epoch)."""

    url: str
    expires_at: int


class FileLinks:
    """Links to the files of chats."""

    def __init__(self, database: Database, rights: Rights, links: MediaLinks) -> None:
        self._database = database
        self._rights = rights
        self._links = links

    async def open(self, caller: Caller, chat: int, seq: int) -> OpenLink:
        """A short-lived link for the caller. Raises `ChatNotFound`, `MessageNotFound`."""
        standing = await self._rights.require_member(caller.user, ChatId(chat))
        if seq < standing.member.first_seq:
            raise MessageNotFound
        async with self._database.connection() as connection:
            event = await messages.find(connection, ChatId(chat), seq)
        if event is None:
            raise MessageNotFound
        body = MSGPACK.decode_body(event.body)
        if not isinstance(body, File):
            raise MessageNotFound("the message holds no file")
        sight = Sight(caller.user, ChatId(chat), Seq(seq))
        return OpenLink(*self._links.mint(MediaId(body.media), caller.user, sight=sight))
