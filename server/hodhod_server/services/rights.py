"""Who may what in a chat, remembered: rights are checked on every message, without a query.

What is remembered may be old. For sending this does no harm: a message is written only while the
chat has the version its sender's rights were read at, and is checked again otherwise. For reading,
a change is announced over the bus, and nothing of a group is believed for longer than `TRUSTED_S`.
A private chat never changes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import Final, NamedTuple

from hodhod_server.domain.errors import ChatNotFound
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.memberships import (
    ANYBODY,
    ChatKind,
    ChatRights,
    Membership,
    Standing,
)
from hodhod_server.store import rights
from hodhod_server.store.database import Database, Tx

CHATS_MAX: Final = 100_000  # about 30 MB of private chats; the least recently used leaves first
NAMED_MAX: Final = 2_000_000  # members in all rosters together: about 16 MB
MEMBERS_MAX: Final = 200_000  # members of groups who wrote or read lately: about 40 MB
TRUSTED_S: Final = 60.0  # how long a change may go unnoticed while the bus is lost
_Pair = tuple[ChatId, UserId]


class _Known(NamedTuple):
    chat: ChatRights
    until_s: float


class Rights:
    """The rights in the chats this process dealt with last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chats: OrderedDict[ChatId, _Known] = OrderedDict()
        self._members: OrderedDict[_Pair, Membership] = OrderedDict()
        self._named = 0
        self._changes = 0

    async def require_member(self, user: UserId, chat: ChatId) -> Standing:
        """A member's standing. Raises `ChatNotFound`, also for a chat of others."""
        known = self._chats.get(chat)
        if known is not None:
            rights = known.chat
            if rights.kind is ChatKind.PRIVATE:
                self._chats.move_to_end(chat)
                return _in_private(rights, user)
            member = self._members.get((chat, user))
            is_fresh = known.until_s > asyncio.get_running_loop().time()
            if is_fresh and member is not None and member.version >= rights.version:
                self._chats.move_to_end(chat)
                self._members.move_to_end((chat, user))
                return Standing(rights, member)
        async with self._database.connection() as connection:
            standing = (await self.reload(connection, [(chat, user)])).get((chat, user))
        if standing is None:
            raise ChatNotFound
        return standing

    async def reload(self, tx: Tx, pairs: Collection[_Pair]) -> dict[_Pair, Standing]:
        """The standing of each, as the database has it now; who is no member is left out."""
        changes = self._changes
        chats = await rights.find_chats(tx, {chat for chat, _ in pairs})
        grouped = [
            (chat, user)
            for chat, user in pairs
            if chat in chats and chats[chat].kind is not ChatKind.PRIVATE
        ]
        members = await rights.find_memberships(tx, grouped) if grouped else {}
        if changes == self._changes:  # else it may be what was just declared old
            self._remember(chats, members)
        standings = {}
        for chat, user in pairs:
            if chat in chats and chats[chat].kind is ChatKind.PRIVATE:
                if user in chats[chat].users:
                    standings[chat, user] = Standing(chats[chat], ANYBODY)
            elif (chat, user) in members:
                standings[chat, user] = Standing(chats[chat], members[chat, user])
        return standings

    def note_version(self, chat: ChatId, version: int) -> None:
        """A chat has this version now: what is known of an older one is forgotten."""
        known = self._chats.get(chat)
        if known is None or known.chat.version < version:
            self._changes += 1
            self._drop(chat)

    def forget_all(self) -> None:
        """Any group may have changed unnoticed."""
        self._changes += 1
        for key, known in list(self._chats.items()):
            if known.chat.kind is not ChatKind.PRIVATE:
                self._drop(key)

    def _remember(self, chats: dict[ChatId, ChatRights], members: dict[_Pair, Membership]) -> None:
        until_s = asyncio.get_running_loop().time() + TRUSTED_S
        for chat, one in chats.items():
            self._drop(chat)
            self._chats[chat] = _Known(one, until_s)
            self._named += len(one.users)
        for pair, member in members.items():
            self._members[pair] = member
            self._members.move_to_end(pair)
        while len(self._chats) > CHATS_MAX or self._named > NAMED_MAX:
            self._drop(next(iter(self._chats)))
        while len(self._members) > MEMBERS_MAX:
            self._members.popitem(last=False)

    def _drop(self, chat: ChatId) -> None:
        known = self._chats.pop(chat, None)
        if known is not None:
            self._named -= len(known.chat.users)


def _in_private(chat: ChatRights, user: UserId) -> Standing:
    if user not in chat.users:
        raise ChatNotFound
    return Standing(chat, ANYBODY)
