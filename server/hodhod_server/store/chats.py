"""Chats and their members: rows to models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import ChatId, Seq, UserId
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries
from hodhod_wire.frames import Chat, Member

SQL: Final = Queries.load("chats")
LOCK_PAIR: Final = SQL["lock_pair"]
FIND_PRIVATE: Final = SQL["find_private"]
INSERT_PRIVATE: Final = SQL["insert_private"]
FIND_ROSTER: Final = SQL["find_roster"]
PAGE_OF_USER: Final = SQL["page_of_user"]
FIND_FOR_MEMBER: Final = SQL["find_for_member"]
MEMBERS_OF: Final = SQL["members_of"]
ADVANCE_POSITIONS: Final = SQL["advance_positions"]


class Roster(msgspec.Struct, frozen=True):
    """Who is in a chat: what rights and fan-out need."""

    kind: str
    users: tuple[UserId, ...]


class Positions(msgspec.Struct, frozen=True):
    """How far one member has a chat."""

    chat: ChatId
    user: UserId
    delivered: Seq
    read: Seq


async def open_private(tx: Tx, one: UserId, other: UserId, now: datetime) -> ChatId:
    """The chat of two people (or of one with oneself), made if there is none."""
    first, second = sorted((one, other))
    await tx.execute(LOCK_PAIR, first, second)
    found = await tx.fetchval(FIND_PRIVATE, first, second)
    if found is None:
        found = await tx.fetchval(INSERT_PRIVATE, first, second, now)
    return ChatId(found)


async def find_private(tx: Tx, one: UserId, other: UserId) -> ChatId | None:
    """The chat of two people, if they have one."""
    found = await tx.fetchval(FIND_PRIVATE, *sorted((one, other)))
    return None if found is None else ChatId(found)


async def find_roster(tx: Tx, chat: ChatId) -> Roster | None:
    """Who is in the chat; `None` where there is no such chat."""
    row = await tx.fetchrow(FIND_ROSTER, chat)
    return None if row is None else Roster(row["kind"], tuple(row["user_ids"]))


async def page_of_user(tx: Tx, user: UserId, *, after: int, until: int, limit: int) -> list[Chat]:
    """The user's chats with ids in (`after`, `until`], with their members, oldest id first."""
    rows = await tx.fetch(PAGE_OF_USER, user, after, until, limit)
    return await _with_members(tx, rows)


async def find_for_member(tx: Tx, user: UserId, chat: ChatId) -> Chat | None:
    """The chat, if the user is a member of it."""
    row = await tx.fetchrow(FIND_FOR_MEMBER, user, chat)
    return None if row is None else (await _with_members(tx, [row]))[0]


async def advance_positions(tx: Tx, wanted: Sequence[Positions]) -> list[Positions]:
    """Move positions forward; returns those that moved, as they now are."""
    rows = await tx.fetch(
        ADVANCE_POSITIONS,
        [item.chat for item in wanted],
        [item.user for item in wanted],
        [item.delivered for item in wanted],
        [item.read for item in wanted],
    )
    return [
        Positions(row["chat_id"], row["user_id"], row["delivered_seq"], row["read_seq"])
        for row in rows
    ]


async def _with_members(tx: Tx, rows: Sequence[Row]) -> list[Chat]:
    members: dict[int, list[Member]] = defaultdict(list)
    for row in await tx.fetch(MEMBERS_OF, [row["chat_id"] for row in rows]):
        members[row["chat_id"]].append(
            Member(
                user=row["user_id"],
                name=row["name"],
                delivered=row["delivered_seq"],
                read=row["read_seq"],
            )
        )
    return [
        Chat(
            chat=row["chat_id"],
            kind=row["kind"],
            last_seq=row["last_seq"],
            members=members[row["chat_id"]],
        )
        for row in rows
    ]
