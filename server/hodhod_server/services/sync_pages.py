"""One page of a sync: which chats and which of their events fit, and how it is told.

A page is bounded in chats, events and bytes; always at least one chat goes with it, and of each
chat at least one event, so that every page makes progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Raw

from hodhod_server.domain.ids import ChatId
from hodhod_server.store.chats import ChatsPage
from hodhod_server.store.messages import Wanted
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import OpaqueMessage
from hodhod_wire.frames import Chat, ChatDelta, Position, Synced
from hodhod_wire.limits import SYNC_EVENTS_MAX

CHATS_PER_PAGE: Final = 100
LOOK_AT_MAX: Final = 5_000  # chats, to find those that changed: some 20 ms of the database
EVENTS_PER_CHAT: Final = 50  # more in one chat is a backlog, fetched by `history` while others wait
EVENTS_PER_PAGE: Final = SYNC_EVENTS_MAX
BYTES_PER_PAGE: Final = 512 * 1024  # a second on a slow link, and far below what a socket buffers
RECENT_EVENTS: Final = 20  # of a chat that is new to the client: about a screenful


class SyncPage:
    """What of the chats `found` goes to a client that knows some up to certain positions.

    `as_of_ms` is a time at which all of it was true, or still is.
    """

    def __init__(
        self,
        found: ChatsPage,
        positions: Iterable[Position],
        as_of_ms: int | None = None,
        limit: int | None = None,
    ) -> None:
        self.wanted: list[Wanted] = []
        """The events to fetch, at most so many of each chat that has some."""

        room = EVENTS_PER_PAGE if limit is None else min(limit, EVENTS_PER_PAGE)
        chats = found.chats[:room]
        self._is_last = found.is_last and len(chats) == len(found.chats)
        self._as_of_ms = as_of_ms
        self._known = {position.chat: position.seq for position in positions}
        self._starts: dict[int, int] = {}
        per_chat = min(EVENTS_PER_CHAT, room)
        for chat in chats:
            start = self._start_of(chat)
            count = min(per_chat, max(0, chat.last_seq - start))
            if count > room:
                self._is_last = False
                break
            room -= count
            self._starts[chat.chat] = start
            if count:
                self.wanted.append(Wanted(ChatId(chat.chat), start, count))
        self._chats = chats[: len(self._starts)]

    def answer(self, ref: int, fetched: Iterable[list[OpaqueMessage]]) -> Synced:
        """The page with its events, those of each in `wanted`; cut where it is full of bytes."""
        of_chat = dict(zip((item.chat for item in self.wanted), fetched, strict=True))
        deltas: list[ChatDelta] = []
        room = BYTES_PER_PAGE
        for chat in self._chats:
            events = fitting(of_chat.get(ChatId(chat.chat), []), EVENTS_PER_CHAT, room)
            room -= sum(len(bytes(event)) for event in events)
            reached = self._starts[chat.chat] + len(events)
            deltas.append(ChatDelta(chat=chat, events=events, more=reached < chat.last_seq))
            if room <= 0:
                break
        is_last = self._is_last and len(deltas) == len(self._chats)
        following = None if is_last or not deltas else deltas[-1].chat.chat
        return Synced(ref=ref, chats=deltas, next=following, as_of=self._as_of_ms)

    def _start_of(self, chat: Chat) -> int:
        start = self._known.get(chat.chat, max(0, chat.last_seq - RECENT_EVENTS))
        if chat.me is None:
            return start
        return max(start, chat.me.first_seq - 1)  # what was before the person came stays hidden


def fitting(
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
