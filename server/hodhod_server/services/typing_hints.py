"""Typing: a hint to the others in a chat, sent at most every few seconds and never stored.

A channel and a broadcast chat show none: there it would cost more than the messages, or tell who
writes what is not signed. In a group the hints of all who type share a small number a second.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.chat_limits import TYPING_HINTS_PER_S
from hodhod_server.domain.ids import ChatId
from hodhod_server.domain.load import Level, Load
from hodhod_server.domain.memberships import ChatKind
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.rights import Rights
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import TypingPush

EVERY_S: Final = 3.0  # clients show a hint for about five seconds
REMEMBERED_MAX: Final = 50_000  # forgetting one early costs a hint too many, nothing more


class TypingHints:
    """Who is typing where."""

    def __init__(self, rights: Rights, delivery: Delivery, load: Load) -> None:
        self._rights = rights
        self._delivery = delivery
        self._load = load
        self._sent_at: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._in_groups: OrderedDict[int, deque[float]] = OrderedDict()

    async def hint(self, caller: Caller, chat: int) -> None:
        """Tell the others, unless they were told moments ago. Raises `ChatNotFound`.

        A process with more important work says nothing: a hint that comes late is none.
        """
        if self._load.level > Level.CALM:
            return
        rights = (await self._rights.require_member(caller.user, ChatId(chat))).chat
        if rights.kind is ChatKind.CHANNEL or rights.is_broadcast:
            return
        others = tuple(user for user in rights.users if user != caller.user)
        has_room = rights.kind is ChatKind.PRIVATE or self._has_room(chat)
        if others and has_room and self._is_due(caller.user, chat):
            if rights.kind is ChatKind.GROUP:
                self._in_groups[chat].append(asyncio.get_running_loop().time())
            push = TypingPush(chat=chat, user=caller.user)
            self._delivery.enqueue([Envelope(others, MSGPACK.encode(push))])

    def _has_room(self, chat: int) -> bool:
        """Were fewer hints shown in the group within the last second than may be?"""
        recent = self._in_groups.setdefault(chat, deque(maxlen=TYPING_HINTS_PER_S))
        self._in_groups.move_to_end(chat)
        if len(self._in_groups) > REMEMBERED_MAX:
            self._in_groups.popitem(last=False)
        now = asyncio.get_running_loop().time()
        return len(recent) < TYPING_HINTS_PER_S or now - recent[0] >= 1.0

    def _is_due(self, user: int, chat: int) -> bool:
        now = asyncio.get_running_loop().time()
        last = self._sent_at.get((user, chat))
        if last is not None and now - last < EVERY_S:
            return False
        self._sent_at[user, chat] = now
        self._sent_at.move_to_end((user, chat))
        if len(self._sent_at) > REMEMBERED_MAX:
            self._sent_at.popitem(last=False)
        return True
