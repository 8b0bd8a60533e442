"""What becomes of a file that messages name, told to their chats as events of their logs.

A message may name an upload that has not ended. Whoever sees the end (the media process), or writes
the message while the upload ends (a gateway), notes the file here; one of the two finds both facts,
because each looks after its own COMMIT. A process that dies before it tells is replaced by the next
look at what is owed.

Always true: of the chats that waited each is told once. The event is written in the transaction
that ends the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Final

from hodhod_server.domain.chat_log import Draft
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import ChatId, ClientId, MediaId, UserId
from hodhod_server.services import media_facts
from hodhod_server.services.messaging import Announcer
from hodhod_server.store import media_uses, members, messages, uploads
from hodhod_server.store.database import Database
from hodhod_server.store.group_commit import Committed
from hodhod_server.telemetry import logs
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import MediaReady
from hodhod_wire.limits import ID_MAX

log = logs.get("media_news")
OWED_EVERY_S: Final = 30.0
OWED_MAX: Final = 100
LOST: Final = "lost"


class MediaNews:
    """Tells chats of files. `run` has to run for what is noted to be told."""

    def __init__(self, database: Database, announcer: Announcer, clock: Clock) -> None:
        self._database = database
        self._announcer = announcer
        self._clock = clock
        self._noted: set[MediaId] = set()
        self._filled = asyncio.Event()

    def note(self, media_id: MediaId) -> None:
        """The file may be whole, and a chat may wait for it. Never waits and never raises."""
        self._noted.add(media_id)
        self._filled.set()

    async def run(self) -> None:
        """Tell what is noted, and now and then what others left untold, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._tell_owed()
                await self._tell_noted(loop.time() + OWED_EVERY_S)
            except Overloaded:
                await asyncio.sleep(1)  # the database is away; what is owed is found again

    async def tell_whole(self, media_id: MediaId) -> None:
        """Tell the chats that wait for this file, if it is whole."""
        async with self._database.connection() as connection:
            chats = await media_uses.chats_of(connection, media_id, only_awaiting=True)
            told = await media_facts.find(connection, media_id) if chats else None
        if told is not None:
            for chat in chats:
                await self._tell(chat, *told, only_awaiting=True)

    async def media_settled(self, media_id: MediaId) -> None:
        """Tell all chats that name the file; one that nobody names yet tells whoever names it."""
        async with self._database.connection() as connection:
            chats = await media_uses.chats_of(connection, media_id, only_awaiting=False)
            told = await media_facts.find(connection, media_id) if chats else None
        if told is not None:
            for chat in chats:
                await self._tell(chat, *told, only_awaiting=False)

    async def tell_lost(self, media_id: MediaId) -> None:
        """Tell the chats that wait for this file, which is removed, that it will never come."""
        async with self._database.connection() as connection:
            chats = await media_uses.chats_of(connection, media_id, only_awaiting=True)
            upload = await uploads.find_removed(connection, media_id) if chats else None
        if upload is None:
            return
        lost = MediaReady(media=media_id, size=upload.length_bytes or 0, type="", problem=LOST)
        for chat in chats:
            await self._tell(chat, upload.user, lost, only_awaiting=True)

    async def _tell_noted(self, until_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout_at(until_s):
                    await self._filled.wait()
                self._filled.clear()
                while self._noted:
                    await self.tell_whole(self._noted.pop())

    async def _tell_owed(self) -> None:
        async with self._database.connection() as connection:
            owed = await media_uses.find_owed(connection, OWED_MAX)
        for media_id in owed:
            log.info("media.owed")
            await self.tell_whole(media_id)

    async def _tell(
        self, chat: ChatId, owner: UserId, ready: MediaReady, *, only_awaiting: bool
    ) -> None:
        async with self._database.transaction() as tx:
            held = await media_uses.hold_chat(tx, chat)
            did_wait = await media_uses.settle(tx, MediaId(ready.media), chat)
            if only_awaiting and not did_wait:
                return  # another process was faster
            draft = Draft(
                chat,
                owner,
                ClientId(secrets.randbelow(ID_MAX) + 1),
                MSGPACK.encode(ready),
                () if held.is_broadcast else await members.users_of(tx, chat),
                is_broadcast=held.is_broadcast,
                hides_sender=held.hides_sender,
            )
            appended = await messages.append_notice(tx, draft, self._clock.now())
        self._announcer.announce([Committed(draft, appended)])
