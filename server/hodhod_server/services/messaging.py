"""Messaging: a message from its sender to the log, and from the log to everybody's devices.

The body is encoded once, here, and travels as bytes from then on. A sender hears back after COMMIT;
the pushes follow through `Delivery`, in the order of the commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.errors import Malformed, MediaNotFound
from hodhod_server.domain.ids import ChatId, ClientId, MediaId
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.rosters import Rosters
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from hodhod_server.store.group_commit import Committed, GroupCommit
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Body, File, OpaqueMessage, Text
from hodhod_wire.frames import EventPush, Send


class Announcer:
    """What follows a commit: each event goes to everybody in its chat."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def announce(self, batch: Sequence[Committed]) -> None:
        """Queue the pushes of a batch that is durable."""
        self._delivery.enqueue(_envelope(committed) for committed in batch)

    def doubt(self, drafts: Sequence[Draft]) -> None:
        """They may be durable or not: their people are to look for themselves."""
        self._delivery.suspect(user for draft in drafts for user in draft.audience)


class Messaging:
    """Sending."""

    def __init__(self, database: Database, rosters: Rosters, writer: GroupCommit) -> None:
        self._database = database
        self._rosters = rosters
        self._writer = writer

    async def submit(
        self, caller: Caller, request: Send, origin: int = 0
    ) -> asyncio.Future[Appended]:
        """Check a message and queue it. The future is done when the message is durable.

        Calls for one connection must follow one another: their order is the order in the log.
        Raises `ChatNotFound`, `MediaNotFound`, `Malformed`, `Overloaded`; the future raises
        `ClientIdReused`, `ChatNotFound` and `Overloaded`. `origin` gets no push of it.
        """
        roster = await self._rosters.require_member(caller.user, ChatId(request.chat))
        await self._require_valid(caller, request.body)
        return self._writer.submit(
            Draft(
                ChatId(request.chat),
                caller.user,
                ClientId(request.client_id),
                MSGPACK.encode(request.body),
                roster.users,
                origin,
            )
        )

    async def _require_valid(self, caller: Caller, body: Body) -> None:
        match body:
            case Text(text):
                if not text.strip():
                    raise Malformed("a text needs a visible character")
            case File():
                await self._require_own(caller, body)

    async def _require_own(self, caller: Caller, file: File) -> None:
        """A file message tells the truth about a finished upload of its sender's."""
        async with self._database.connection() as connection:
            upload = await uploads.find_finished(connection, caller.user, MediaId(file.media))
        if upload is None:
            raise MediaNotFound
        if upload.length_bytes != file.size:
            raise Malformed("size differs from the upload's")


def _envelope(committed: Committed) -> Envelope:
    draft, appended = committed.draft, committed.appended
    event = OpaqueMessage(
        chat=draft.chat,
        seq=appended.seq,
        sender=draft.sender,
        client_id=draft.client_id,
        at=appended.at_ms,
        body=msgspec.Raw(draft.body),
    )
    frame = MSGPACK.encode(EventPush(event=msgspec.Raw(MSGPACK.encode(event))))
    return Envelope(draft.audience, frame, draft.origin)
