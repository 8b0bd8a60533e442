"""Who is in a chat, remembered: rights are checked on every message and must not cost a query.

A private chat's members never change, so its roster is kept until it is pushed out by others.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from hodhod_server.domain.errors import ChatNotFound
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.store import chats
from hodhod_server.store.chats import Roster
from hodhod_server.store.database import Database

ROSTERS_MAX: Final = 100_000  # about 30 MB; the least recently used leaves first


class Rosters:
    """The rosters of the chats this process dealt with last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[ChatId, Roster] = OrderedDict()

    async def require_member(self, user: UserId, chat: ChatId) -> Roster:
        """The roster of a chat the user is in. Raises `ChatNotFound`, also for a chat of others."""
        roster = self._known.get(chat) or await self._load(chat)
        if user not in roster.users:
            raise ChatNotFound
        self._known.move_to_end(chat)
        return roster

    async def _load(self, chat: ChatId) -> Roster:
        async with self._database.connection() as connection:
            roster = await chats.find_roster(connection, chat)
        if roster is None:
            raise ChatNotFound
        self._known[chat] = roster
        if len(self._known) > ROSTERS_MAX:
            self._known.popitem(last=False)
        return roster
