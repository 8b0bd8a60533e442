"""Messaging: a message from its sender to the log, and from the log to everybody's devices.

The body is encoded once, here, and travels as bytes from then on. A sender hears back after COMMIT;
the pushes follow through `Delivery`, in the order of the commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.errors import Malformed, MediaNotFound
from hodhod_server.domain.ids import ChatId, ClientId, MediaId
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.posting import Posting
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from hodhod_server.store.group_commit import Committed, GroupCommit
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import File, OpaqueMessage
from hodhod_wire.frames import EventPush, Send


class Announcer:
    """What follows a commit: each event goes to everybody in its chat.

    A broadcast chat's members are not named; each gateway knows which of them are connected to it.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._on_awaiting: Callable[[MediaId], None] = lambda media_id: None

    def when_awaiting(self, call: Callable[[MediaId], None]) -> None:
        """`call` gets each file that a message names: there may be something to tell of it."""
        self._on_awaiting = call

    def announce(self, batch: Sequence[Committed]) -> None:
        """Queue the pushes of a batch that is durable."""
        self._delivery.enqueue(_envelope(committed) for committed in batch)
        for committed in batch:
            if committed.draft.media:
                self._on_awaiting(MediaId(committed.draft.media))

    def doubt(self, drafts: Sequence[Draft]) -> None:
        """They may be durable or not: their people are to look for themselves."""
        self._delivery.suspect(
            {user for draft in drafts for user in draft.audience},
            {draft.chat for draft in drafts if draft.is_broadcast},
        )


class Messaging:
    """Sending."""

    def __init__(self, database: Database, posting: Posting, writer: GroupCommit) -> None:
        self._database = database
        self._posting = posting
        self._writer = writer

    def has_room(self) -> bool:
        """Would a message be taken at once, or have to wait for its turn?"""
        return self._writer.has_room()

    async def submit(
        self, caller: Caller, request: Send, origin: int = 0
    ) -> asyncio.Future[Appended]:
        """Check a message and queue it, in its turn. The future is done when it is durable.

        Calls for one connection must follow one another: their order is the order in the log.
        Raises `ChatNotFound`, `Forbidden`, `Muted`, `SlowMode`, `MediaNotFound`, `Malformed`,
        `Overloaded`; the future raises `ClientIdReused`, `Overloaded`, and what became forbidden
        meanwhile. `origin` gets no push of it.
        """
        await self._writer.room()
        chat, client_id = ChatId(request.chat), ClientId(request.client_id)
        body = request.body
        holds_file = isinstance(body, File)
        standing = await self._posting.allow(caller.user, chat, client_id, holds_file=holds_file)
        if isinstance(body, File):
            body = await self._as_it_is(caller, body)
        elif not body.text.strip():
            raise Malformed("a text needs a visible character")
        return self._writer.submit(
            Draft(
                chat,
                caller.user,
                client_id,
                MSGPACK.encode(body),
                standing.chat.users,
                origin,
                standing.version,
                standing.chat.is_broadcast,
                not standing.chat.signs_posts,
                holds_file,
                body.media if isinstance(body, File) else "",
                isinstance(body, File) and body.awaited,
            )
        )

    async def _as_it_is(self, caller: Caller, file: File) -> File:
        """A file message tells the truth about an upload of its sender's, finished or not."""
        async with self._database.connection() as connection:
            upload = await uploads.find(connection, caller.user, MediaId(file.media))
        if upload is None or upload.is_partial:
            raise MediaNotFound
        if (upload.length_bytes or 0) != file.size:
            raise Malformed("size differs from the upload's")
        return msgspec.structs.replace(file, awaited=upload.finished_at is None)


def _envelope(committed: Committed) -> Envelope:
    draft, appended = committed.draft, committed.appended
    event = OpaqueMessage(
        chat=draft.chat,
        seq=appended.seq,
        sender=0 if draft.hides_sender else draft.sender,
        client_id=draft.client_id,
        at=appended.at_ms,
        body=msgspec.Raw(draft.body),
    )
    frame = MSGPACK.encode(EventPush(event=msgspec.Raw(MSGPACK.encode(event))))
    return Envelope(draft.audience, frame, draft.origin, draft.chat if draft.is_broadcast else 0)
