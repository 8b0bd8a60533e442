"""Chats and their members: rows to models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import ChatId, Seq, UserId
from hodhod_server.domain.memberships import ChatKind, MemberRole, Membership
from hodhod_server.domain.permissions import Permission, names_of
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries
from hodhod_wire.frames import Chat, Member, OwnMembership

SQL: Final = Queries.load("chats")
LOCK_PAIR: Final = SQL["lock_pair"]
FIND_PRIVATE: Final = SQL["find_private"]
INSERT_PRIVATE: Final = SQL["insert_private"]
PAGES_OF: Final = SQL["pages_of"]
CHANGED_PAGES_OF: Final = SQL["changed_pages_of"]
READ_CLOCK: Final = SQL["read_clock"]
SEEN_BY: Final = SQL["seen_by"]
MEMBERS_OF: Final = SQL["members_of"]
ADVANCE_POSITIONS: Final = SQL["advance_positions"]
ALL: Final = "all"
FROM_JOINING: Final = "from_joining"


class Positions(msgspec.Struct, frozen=True):
    """How far one member has a chat."""

    chat: ChatId
    user: UserId
    delivered: Seq
    read: Seq
    read_before: Seq = Seq(0)


class PageOf(msgspec.Struct, frozen=True):
    """Some of a user's chats: those with ids in (`after`, `until`]."""

    user: UserId
    after: int
    until: int


class ChatsPage(msgspec.Struct, frozen=True):
    """The first of what was asked for, oldest id first."""

    chats: list[Chat]
    is_last: bool


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


async def read_clock(tx: Tx) -> datetime:
    """The time by which changes are told from older ones."""
    now: datetime = await tx.fetchval(READ_CLOCK)
    return now


async def pages_of(tx: Tx, asked: Sequence[PageOf], limit: int) -> list[ChatsPage]:
    """For each, the chats of that user with ids in (`after`, `until`], oldest id first."""
    rows = await tx.fetch(PAGES_OF, *_columns(asked), limit)
    seen = await _with_members(tx, rows)
    pages: list[list[Chat]] = [[] for _ in asked]
    for row, chat in zip(rows, seen, strict=True):
        pages[row["page"] - 1].append(chat)
    return [ChatsPage(chats, len(chats) < limit) for chats in pages]


async def changed_pages_of(
    tx: Tx, asked: Sequence[PageOf], since: Sequence[datetime], limit: int, *, look_at_max: int
) -> list[ChatsPage]:
    """As `pages_of`, only of chats in which something changed since the time given for each.

    No more than `look_at_max` chats are looked at; a page that ends there ends with the last of
    them, changed or not.
    """
    rows = await tx.fetch(CHANGED_PAGES_OF, *_columns(asked), list(since), limit, look_at_max)
    seen = await _with_members(tx, rows)
    pages: list[list[Chat]] = [[] for _ in asked]
    looked_at = [0 for _ in asked]
    for row, chat in zip(rows, seen, strict=True):
        pages[row["page"] - 1].append(chat)
        looked_at[row["page"] - 1] = row["looked_at"]
    return [
        ChatsPage(chats, len(chats) < limit and reached < look_at_max)
        for chats, reached in zip(pages, looked_at, strict=True)
    ]


async def find_for_member(tx: Tx, user: UserId, chat: ChatId) -> Chat | None:
    """The chat, if the user is a member of it."""
    return (await seen_by(tx, chat, [user])).get(user)


async def seen_by(tx: Tx, chat: ChatId, users: Iterable[UserId]) -> dict[UserId, Chat]:
    """The chat as those of the users see it who are members."""
    rows = await tx.fetch(SEEN_BY, chat, list(users))
    seen = await _with_members(tx, rows)
    return {row["user_id"]: one for row, one in zip(rows, seen, strict=True)}


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
        Positions(
            row["chat_id"],
            row["user_id"],
            row["delivered_seq"],
            row["read_seq"],
            row["read_before"],
        )
        for row in rows
    ]


def _columns(asked: Sequence[PageOf]) -> tuple[list[UserId], list[int], list[int]]:
    return (
        [item.user for item in asked],
        [item.after for item in asked],
        [item.until for item in asked],
    )


async def _with_members(tx: Tx, rows: Sequence[Row]) -> list[Chat]:
    """Private chats with their members, the others as they are."""
    private = [row["chat_id"] for row in rows if row["kind"] == ChatKind.PRIVATE]
    members: dict[int, list[Member]] = defaultdict(list)
    for row in await tx.fetch(MEMBERS_OF, private) if private else ():
        members[row["chat_id"]].append(
            Member(
                user=row["user_id"],
                name=row["name"],
                delivered=row["delivered_seq"],
                read=row["read_seq"],
            )
        )
    return [
        _group(row)
        if row["kind"] != ChatKind.PRIVATE
        else Chat(
            chat=row["chat_id"],
            kind=row["kind"],
            last_seq=row["last_seq"],
            members=members[row["chat_id"]],
        )
        for row in rows
    ]


def _group(row: Row) -> Chat:
    own = None if row["permissions"] is None else Permission(row["permissions"])
    default = Permission(row["default_permissions"])
    member = Membership(user=row["user_id"], role=MemberRole(row["role"]), permissions=own)
    return Chat(
        chat=row["chat_id"],
        kind=row["kind"],
        last_seq=row["last_seq"],
        title=row["title"],
        about=row["about"],
        member_count=row["member_count"],
        default_permissions=names_of(default),
        slow_mode_s=row["slow_mode_s"],
        history=ALL if row["shows_history"] else FROM_JOINING,
        signs_posts=row["signs_posts"],
        broadcast=row["is_broadcast"],
        me=OwnMembership(
            role=row["role"],
            permissions=names_of(member.effective(default)),
            own_permissions=None if own is None else names_of(own),
            muted_until=None if row["muted_until"] is None else to_ms(row["muted_until"]),
            first_seq=row["first_seq"],
            delivered=row["delivered_seq"],
            read=row["read_seq"],
        ),
    )
