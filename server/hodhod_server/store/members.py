"""Members of groups and channels, and who is banned from them.

Every change here is made while the group's rows are held (`store/groups.py`), and touches as many
rows as people are named, however many are in the chat.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.errors import MemberNotFound
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.memberships import MemberRole, Membership
from hodhod_server.domain.permissions import Permission
from hodhod_server.store import rights
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.groups import Group
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("members")
ADD: Final = SQL["add"]
REMOVE: Final = SQL["remove"]
ARE_IN: Final = SQL["are_in"]
USERS_OF: Final = SQL["users_of"]
SET_ROLE: Final = SQL["set_role"]
RESTRICT: Final = SQL["restrict"]
MUTE: Final = SQL["mute"]
COUNT_ADMINS: Final = SQL["count_admins"]
PAGE: Final = SQL["page"]
PAGE_OF_ADMINS: Final = SQL["page_of_admins"]
BAN: Final = SQL["ban"]
UNBAN: Final = SQL["unban"]
BANS_IN_FORCE: Final = SQL["bans_in_force"]
PAGE_OF_BANS: Final = SQL["page_of_bans"]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A member as a list shows them."""

    user: UserId
    name: str
    role: MemberRole
    permissions: Permission | None
    muted_until: datetime | None
    joined_at: datetime | None


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may not come in until then; `None`: for good."""

    user: UserId
    name: str
    until: datetime | None
    banned_by: UserId
    banned_at: datetime


async def find(tx: Tx, chat: ChatId, user: UserId) -> Membership | None:
    """A member."""
    return (await rights.find_memberships(tx, [(chat, user)])).get((chat, user))


async def load(tx: Tx, chat: ChatId, user: UserId) -> Membership:
    """A member. Raises `MemberNotFound`."""
    found = await find(tx, chat, user)
    if found is None:
        raise MemberNotFound
    return found


async def add(
    tx: Tx,
    group: Group,
    users: Iterable[UserId],
    now: datetime,
    *,
    role: MemberRole = MemberRole.MEMBER,
) -> list[UserId]:
    """Let people in; returns those who exist and were not in it before."""
    rows = await tx.fetch(
        ADD,
        group.chat,
        list(users),
        1 if group.info.shows_history else group.last_seq + 1,
        group.last_seq,
        now,
        group.is_broadcast,
        role,
    )
    return [row["user_id"] for row in rows]


async def remove(tx: Tx, chat: ChatId, user: UserId) -> bool:
    """Take a member out. False: was none."""
    return await tx.fetchval(REMOVE, chat, user) is not None


async def are_in(tx: Tx, chat: ChatId, users: Iterable[UserId]) -> set[UserId]:
    """Those of the users who are members."""
    return {row["user_id"] for row in await tx.fetch(ARE_IN, chat, list(users))}


async def users_of(tx: Tx, chat: ChatId) -> tuple[UserId, ...]:
    """Everybody in it; only for chats that are small enough to list."""
    return tuple(row["user_id"] for row in await tx.fetch(USERS_OF, chat))


async def set_role(
    tx: Tx,
    chat: ChatId,
    user: UserId,
    role: MemberRole,
    permissions: Permission | None = None,
    promoted_by: UserId | None = None,
) -> None:
    """What a member is. Restrictions and mutes of before are over."""
    stored = None if permissions is None else int(permissions)
    await tx.execute(SET_ROLE, chat, user, role, stored, promoted_by)


async def restrict(tx: Tx, chat: ChatId, user: UserId, permissions: Permission | None) -> None:
    """The most that a member keeps of what members may; `None`: all of it."""
    await tx.execute(RESTRICT, chat, user, None if permissions is None else int(permissions))


async def mute(tx: Tx, chat: ChatId, user: UserId, until: datetime | None) -> None:
    """A member may not write until then."""
    await tx.execute(MUTE, chat, user, until)


async def count_admins(tx: Tx, chat: ChatId) -> int:
    """The admins, the owner included."""
    return int(await tx.fetchval(COUNT_ADMINS, chat))


async def page(
    tx: Tx, chat: ChatId, *, after: int, limit: int, admins_only: bool = False
) -> list[Listed]:
    """Members with ids above `after`, by id."""
    rows = await tx.fetch(PAGE_OF_ADMINS if admins_only else PAGE, chat, after, limit)
    return [_listed(row) for row in rows]


async def ban(
    tx: Tx, chat: ChatId, user: UserId, until: datetime | None, by: UserId, now: datetime
) -> None:
    """Keep somebody out until then; `None`: for good."""
    await tx.execute(BAN, chat, user, until, by, now)


async def unban(tx: Tx, chat: ChatId, user: UserId) -> bool:
    """Let somebody come back. False: was not banned."""
    return await tx.fetchval(UNBAN, chat, user) is not None


async def bans_in_force(
    tx: Tx, chat: ChatId, users: Iterable[UserId], now: datetime
) -> dict[UserId, datetime | None]:
    """Those of the users who may not come in, and until when."""
    rows = await tx.fetch(BANS_IN_FORCE, chat, list(users), now)
    return {row["user_id"]: row["until"] for row in rows}


async def page_of_bans(tx: Tx, chat: ChatId, now: datetime, *, after: int, limit: int) -> list[Ban]:
    """Bans in force of people with ids above `after`, by id."""
    return [
        Ban(
            user=row["user_id"],
            name=row["name"],
            until=row["until"],
            banned_by=row["banned_by"],
            banned_at=row["banned_at"],
        )
        for row in await tx.fetch(PAGE_OF_BANS, chat, after, limit, now)
    ]


def _listed(row: Row) -> Listed:
    permissions = row["permissions"]
    return Listed(
        user=row["user_id"],
        name=row["name"],
        role=MemberRole(row["role"]),
        permissions=None if permissions is None else Permission(permissions),
        muted_until=row["muted_until"],
        joined_at=row["joined_at"],
    )
