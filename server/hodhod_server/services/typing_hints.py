"""Typing: a hint to the others in a chat, sent at most every few seconds and never stored."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.ids import ChatId
from hodhod_server.domain.load import Level, Load
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.rosters import Rosters
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import TypingPush

EVERY_S: Final = 3.0  # clients show a hint for about five seconds
REMEMBERED_MAX: Final = 50_000  # forgetting one early costs a hint too many, nothing more


class TypingHints:
    """Who is typing where."""

    def __init__(self, rosters: Rosters, delivery: Delivery, load: Load) -> None:
        self._rosters = rosters
        self._delivery = delivery
        self._load = load
        self._sent_at: OrderedDict[tuple[int, int], float] = OrderedDict()

    async def hint(self, caller: Caller, chat: int) -> None:
        """Tell the others, unless they were told moments ago. Raises `ChatNotFound`.

        A process with more important work says nothing: a hint that comes late is none.
        """
        if self._load.level > Level.CALM:
            return
        roster = await self._rosters.require_member(caller.user, ChatId(chat))
        others = tuple(user for user in roster.users if user != caller.user)
        if others and self._is_due(caller.user, chat):
            push = TypingPush(chat=chat, user=caller.user)
            self._delivery.enqueue([Envelope(others, MSGPACK.encode(push))])

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
