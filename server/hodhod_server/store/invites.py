"""Invite links and those who asked to join by one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("invites")
INSERT: Final = SQL["insert"]
FIND_BY_TOKEN: Final = SQL["find_by_token"]
COUNT_IN_FORCE: Final = SQL["count_in_force"]
IN_FORCE: Final = SQL["in_force"]
REVOKE: Final = SQL["revoke"]
USE: Final = SQL["use"]
GIVE_BACK: Final = SQL["give_back"]
REQUEST: Final = SQL["request"]
TAKE_REQUEST: Final = SQL["take_request"]
FORGET_REQUESTS: Final = SQL["forget_requests"]
PAGE_OF_REQUESTS: Final = SQL["page_of_requests"]


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """What its maker decides about a link."""

    expires_at: datetime | None = None
    uses_max: int | None = None
    requires_approval: bool = False


class InviteLink(msgspec.Struct, frozen=True, kw_only=True):
    """A way into a chat for whoever has the token."""

    link: int
    token: str
    chat: ChatId
    created_by: UserId
    uses: int
    terms: NewLink
    is_revoked: bool

    def __repr__(self) -> str:
        return f"InviteLink({self.link} into {self.chat})"

    def is_in_force(self, now: datetime) -> bool:
        """May somebody still come in by it?"""
        ends_at, uses_max = self.terms.expires_at, self.terms.uses_max
        is_over = ends_at is not None and ends_at <= now
        is_used_up = uses_max is not None and self.uses >= uses_max
        return not (self.is_revoked or is_over or is_used_up)


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody waits to be let in."""

    user: UserId
    name: str
    requested_at: datetime


def _link(row: Row) -> InviteLink:
    return InviteLink(
        link=row["link_id"],
        token=row["token"],
        chat=row["chat_id"],
        created_by=row["created_by"],
        uses=row["uses"],
        terms=NewLink(
            expires_at=row["expires_at"],
            uses_max=row["uses_max"],
            requires_approval=row["requires_approval"],
        ),
        is_revoked=row["revoked_at"] is not None,
    )


async def insert(
    tx: Tx, token: str, chat: ChatId, by: UserId, terms: NewLink, now: datetime
) -> InviteLink:
    """A new link."""
    row = await tx.fetchrow(
        INSERT, token, chat, by, now, terms.expires_at, terms.uses_max, terms.requires_approval
    )
    assert row is not None
    return _link(row)


async def find_by_token(tx: Tx, token: str) -> InviteLink | None:
    """The link with this token, in force or not."""
    row = await tx.fetchrow(FIND_BY_TOKEN, token)
    return None if row is None else _link(row)


async def count_in_force(tx: Tx, chat: ChatId, now: datetime) -> int:
    """How many links lead into the chat, those that are used up included."""
    return int(await tx.fetchval(COUNT_IN_FORCE, chat, now))


async def in_force(tx: Tx, chat: ChatId, now: datetime) -> list[InviteLink]:
    """The links into the chat, oldest first, those that are used up included."""
    return [_link(row) for row in await tx.fetch(IN_FORCE, chat, now)]


async def revoke(tx: Tx, chat: ChatId, link: int, now: datetime) -> bool:
    """Nobody comes in by it any more. False: there is none."""
    return await tx.fetchval(REVOKE, chat, link, now) is not None


async def use(tx: Tx, link: int, now: datetime) -> bool:
    """Take a place on it. False: it is not in force."""
    return await tx.fetchval(USE, link, now) is not None


async def give_back(tx: Tx, link: int) -> None:
    """A place on it is free again."""
    await tx.execute(GIVE_BACK, link)


async def request(tx: Tx, chat: ChatId, user: UserId, link: int, now: datetime) -> bool:
    """Somebody asks to be let in. False: did so before."""
    return await tx.fetchval(REQUEST, chat, user, link, now) is not None


async def take_request(tx: Tx, chat: ChatId, user: UserId) -> int | None:
    """Somebody's request is over; the link it came by. `None`: there is none."""
    link: int | None = await tx.fetchval(TAKE_REQUEST, chat, user)
    return link


async def forget_requests(tx: Tx, chat: ChatId, users: Iterable[UserId]) -> None:
    """These people came in, or may not: nothing is left to decide."""
    await tx.execute(FORGET_REQUESTS, chat, list(users))


async def page_of_requests(tx: Tx, chat: ChatId, *, after: int, limit: int) -> list[JoinRequest]:
    """Who waits, with ids above `after`, by id."""
    return [
        JoinRequest(user=row["user_id"], name=row["name"], requested_at=row["requested_at"])
        for row in await tx.fetch(PAGE_OF_REQUESTS, chat, after, limit)
    ]
