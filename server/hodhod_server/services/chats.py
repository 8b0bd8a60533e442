"""Chats: opening a private one, and looking at one's own."""

from __future__ import annotations

from typing import Final

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import ChatNotFound, Malformed, UserNotFound
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.phone import parse_phone, phone_hash
from hodhod_server.domain.tokens import Caller
from hodhod_server.store import accounts, chats
from hodhod_server.store.chats import PageOf
from hodhod_server.store.database import Database, Tx
from hodhod_wire.frames import Chat
from hodhod_wire.limits import ID_MAX

PAGE_MAX: Final = 100


class Chats:
    """The caller's chats."""

    def __init__(self, database: Database, keys: Keys, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def open_private(self, caller: Caller, *, user: int | None, phone: str | None) -> Chat:
        """The private chat with a user, by id or phone; made on first use.

        Raises `Malformed` unless exactly one is given, `PhoneInvalid`, `UserNotFound`.
        """
        if (user is None) == (phone is None):
            raise Malformed("give user or phone, and not both")
        async with self._database.transaction() as tx:
            other = await self._find(tx, user, phone)
            if other is None:
                raise UserNotFound
            chat = await chats.open_private(tx, caller.user, other, self._clock.now())
            return await self._load(tx, caller, chat)

    async def get(self, caller: Caller, chat: int) -> Chat:
        """A chat as it stands. Raises `ChatNotFound`, also for a chat of others."""
        async with self._database.connection() as connection:
            return await self._load(connection, caller, ChatId(chat))

    async def page(self, caller: Caller, *, after: int, limit: int) -> list[Chat]:
        """The caller's chats with ids above `after`, oldest id first."""
        async with self._database.connection() as connection:
            asked = PageOf(caller.user, after, ID_MAX)
            return (await chats.pages_of(connection, [asked], limit))[0].chats

    async def _find(self, tx: Tx, user: int | None, phone: str | None) -> UserId | None:
        if phone is None:
            found = await accounts.find_user(tx, UserId(user or 0))
        else:
            sought = phone_hash(self._keys.phone_index, parse_phone(phone))
            found = await accounts.find_user_by_phone(tx, sought)
        return None if found is None else found.user

    async def _load(self, tx: Tx, caller: Caller, chat: ChatId) -> Chat:
        found = await chats.find_for_member(tx, caller.user, chat)
        if found is None:
            raise ChatNotFound
        return found
