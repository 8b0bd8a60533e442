"""Catching up: what a client lacks, and the log read backwards.

A page of a sync is bounded in chats, events and bytes; what does not fit is fetched next. Positions
of members come along, since their pushes are only hints. Nobody reads what is before their
`first_seq`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from msgspec import Raw

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.ids import ChatId
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.rights import Rights
from hodhod_server.store import chats, messages
from hodhod_server.store.database import Database
from hodhod_server.store.messages import Wanted
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import OpaqueMessage
from hodhod_wire.frames import Chat, ChatDelta, History, Page, Sync, Synced
from hodhod_wire.limits import ID_MAX

CHATS_PER_PAGE: Final = 100
EVENTS_PER_CHAT: Final = 50  # more in one chat is a backlog, fetched by `history` while others wait
EVENTS_PER_PAGE: Final = 500
BYTES_PER_PAGE: Final = 512 * 1024  # a second on a slow link, and far below what a socket buffers
RECENT_EVENTS: Final = 20  # of a chat that is new to the client: about a screenful


class Syncing:
    """Reading the log."""

    def __init__(self, database: Database, rights: Rights) -> None:
        self._database = database
        self._rights = rights

    async def sync(self, caller: Caller, request: Sync) -> Synced:
        """One page of what happened beyond the client's positions."""
        known = {position.chat: position.seq for position in request.positions}
        async with self._database.connection() as connection:
            found = await chats.page_of_user(
                connection,
                caller.user,
                after=request.after,
                until=request.until or ID_MAX,
                limit=CHATS_PER_PAGE,
            )
            wanted = _wanted(found, known)
            events = await messages.missed(connection, wanted.within) if wanted.within else []
        deltas = _deltas(found[: wanted.chats], wanted.starts, events)
        is_last = len(deltas) == len(found) < CHATS_PER_PAGE
        return Synced(
            ref=request.ref,
            chats=deltas,
            next=None if is_last or not deltas else deltas[-1].chat.chat,
        )

    async def history(self, caller: Caller, request: History) -> Page:
        """A page of one chat's log. Raises `ChatNotFound`, `Malformed`."""
        chat = ChatId(request.chat)
        if request.before is not None and request.after is not None:
            raise Malformed("give before or after, not both")
        standing = await self._rights.require_member(caller.user, chat)
        first = standing.member.first_seq
        forwards = request.after is not None
        async with self._database.connection() as connection:
            if request.after is not None:
                events = await messages.page_after(
                    connection, chat, max(request.after, first - 1), request.limit + 1
                )
            else:
                events = await messages.page_before(
                    connection, chat, request.before or ID_MAX, request.limit + 1, first=first
                )
        kept = _fitting(events if forwards else events[::-1], request.limit)
        if not forwards:
            kept.reverse()
        return Page(ref=request.ref, chat=chat, events=kept, more=len(kept) < len(events))


class _WantedPage:
    """Which events to fetch for a page, for how many of its chats."""

    __slots__ = ("chats", "starts", "within")

    def __init__(self) -> None:
        self.chats = 0
        self.starts: dict[int, int] = {}
        self.within: list[Wanted] = []


def _wanted(found: Sequence[Chat], known: dict[int, int]) -> _WantedPage:
    """As many chats as their events fit into a page; always at least one."""
    page, room = _WantedPage(), EVENTS_PER_PAGE
    for chat in found:
        start = known.get(chat.chat, max(0, chat.last_seq - RECENT_EVENTS))
        if chat.me is not None:  # what was before the person came stays hidden
            start = max(start, chat.me.first_seq - 1)
        count = min(EVENTS_PER_CHAT, max(0, chat.last_seq - start))
        if count > room:
            break
        room -= count
        page.chats += 1
        page.starts[chat.chat] = start
        if count:
            page.within.append(Wanted(ChatId(chat.chat), start, count))
    return page


def _deltas(
    found: Sequence[Chat], starts: dict[int, int], events: Iterable[OpaqueMessage]
) -> list[ChatDelta]:
    """Each chat with its events, cut where the page is full of bytes."""
    by_chat = {chat: list(group) for chat, group in groupby(events, key=lambda event: event.chat)}
    deltas: list[ChatDelta] = []
    room = BYTES_PER_PAGE
    for chat in found:
        encoded = _fitting(by_chat.get(chat.chat, []), EVENTS_PER_CHAT, room)
        room -= sum(map(len, map(bytes, encoded)))
        reached = starts[chat.chat] + len(encoded)
        deltas.append(ChatDelta(chat=chat, events=encoded, more=reached < chat.last_seq))
        if room <= 0:
            break
    return deltas


def _fitting(
    events: Sequence[OpaqueMessage], count_max: int, bytes_max: int = BYTES_PER_PAGE
) -> list[Raw]:
    """The first events, encoded, that fit; always at least one."""
    kept: list[Raw] = []
    for event in events[:count_max]:
        encoded = MSGPACK.encode(event)
        bytes_max -= len(encoded)
        if kept and bytes_max < 0:
            break
        kept.append(Raw(encoded))
    return kept
