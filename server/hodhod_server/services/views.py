"""View counts of a channel's posts, as its readers may see them."""

from __future__ import annotations

from hodhod_server.domain.errors import ChatNotFound
from hodhod_server.domain.ids import ChatId
from hodhod_server.domain.memberships import ChatKind
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.rights import Rights
from hodhod_server.store import views
from hodhod_server.store.database import Database


class Views:
    """Reading the counts; `services/positions.py` counts."""

    def __init__(self, database: Database, rights: Rights) -> None:
        self._database = database
        self._rights = rights

    async def between(
        self, caller: Caller, chat: int, first: int, last: int
    ) -> list[tuple[int, int]]:
        """Seq and views of the posts in a range that have any. Raises `ChatNotFound`."""
        standing = await self._rights.require_member(caller.user, ChatId(chat))
        if standing.chat.kind is not ChatKind.CHANNEL:
            raise ChatNotFound("only channels count views")
        first = max(first, standing.member.first_seq)
        async with self._database.connection() as connection:
            return await views.between(connection, ChatId(chat), first, last)
