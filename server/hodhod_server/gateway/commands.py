"""From a request frame to the service that does it, and back to its reply: one table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, get_args

from hodhod_server.domain.chat_log import Appended
from hodhod_server.domain.errors import WrongState
from hodhod_server.domain.load import Work
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.admission import Admission
from hodhod_server.services.inside import Inside
from hodhod_server.telemetry import metrics
from hodhod_wire.frames import (
    ChatState,
    ClientFrame,
    Delivered,
    GetChat,
    Hello,
    History,
    Link,
    MediaLink,
    Ok,
    OpenChat,
    Ping,
    Read,
    Reply,
    Send,
    Sync,
    Synced,
    Typing,
)

# What is not here costs next to nothing, or is put off by the service that does it.
# Syncs are let in by this, too, and wait in a line of their own (services/syncing.py).
WORK: Final[Mapping[type[ClientFrame], Work]] = {
    Send: Work.MESSAGE,
    Sync: Work.SYNC,
    History: Work.SYNC,
    OpenChat: Work.OTHER,
    GetChat: Work.OTHER,
    MediaLink: Work.OTHER,
}
FRAMES_IN: Final = {
    shape: metrics.FRAMES_IN.labels(shape.__name__) for shape in get_args(ClientFrame)
}


class Commands:
    """The request frames and what they do."""

    def __init__(self, services: Inside, admission: Admission) -> None:
        self._services = services
        self._admission = admission
        # Any: each handler takes exactly the frame it is listed under.
        self._handlers: dict[type[ClientFrame], Callable[[Caller, Any], Awaitable[Reply]]] = {
            Hello: self._refuse_hello,
            Sync: services.syncing.sync,
            History: services.syncing.history,
            OpenChat: self._open_chat,
            GetChat: self._get_chat,
            Delivered: self._delivered,
            Read: self._read,
            Typing: self._typing,
            MediaLink: self._media_link,
            Ping: self._ping,
        }

    def admit(self, frame: ClientFrame) -> None:
        """Before any work: is there time for this frame now? Raises `Overloaded`."""
        FRAMES_IN[type(frame)].inc()
        work = WORK.get(type(frame))
        if work is not None:
            self._admission.admit(work)

    def has_room(self) -> bool:
        """Would `send` take a message at once, or have it wait for its turn?"""
        return self._services.messaging.has_room()

    async def send(self, caller: Caller, frame: Send, origin: int) -> asyncio.Future[Appended]:
        """Queue a message; the caller awaits calls one by one, so that order is kept."""
        return await self._services.messaging.submit(caller, frame, origin)

    def sync(self, caller: Caller, frame: Sync) -> asyncio.Future[Synced]:
        """A page to come, which whoever no longer wants it cancels. Raises `HodhodError`."""
        return self._services.syncing.submit(caller, frame)

    async def answer(self, caller: Caller, frame: ClientFrame) -> Reply:
        """Do what any other frame asks. Raises `HodhodError`."""
        work = WORK.get(type(frame))
        if work is None or type(frame) is Sync:
            return await self._handlers[type(frame)](caller, frame)
        async with self._admission.turn(work):
            return await self._handlers[type(frame)](caller, frame)

    async def _refuse_hello(self, caller: Caller, frame: Hello) -> Reply:
        raise WrongState("hello was said already")

    async def _open_chat(self, caller: Caller, frame: OpenChat) -> Reply:
        chat = await self._services.chats.open_private(caller, user=frame.user, phone=frame.phone)
        return ChatState(ref=frame.ref, chat=chat)

    async def _get_chat(self, caller: Caller, frame: GetChat) -> Reply:
        return ChatState(ref=frame.ref, chat=await self._services.chats.get(caller, frame.chat))

    async def _delivered(self, caller: Caller, frame: Delivered) -> Reply:
        positions = self._services.positions
        await positions.mark(caller, frame.chat, delivered=frame.seq)
        return Ok(ref=frame.ref)

    async def _read(self, caller: Caller, frame: Read) -> Reply:
        positions = self._services.positions
        await positions.mark(caller, frame.chat, read=frame.seq)
        return Ok(ref=frame.ref)

    async def _typing(self, caller: Caller, frame: Typing) -> Reply:
        await self._services.typing.hint(caller, frame.chat)
        return Ok(ref=frame.ref)

    async def _media_link(self, caller: Caller, frame: MediaLink) -> Reply:
        link = await self._services.file_links.open(caller, frame.chat, frame.seq)
        return Link(ref=frame.ref, url=link.url, expires_at=link.expires_at)

    async def _ping(self, caller: Caller, frame: Ping) -> Reply:
        return Ok(ref=frame.ref)
