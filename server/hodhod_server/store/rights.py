"""Rights: what a chat allows and what a member may, read together with the chat's version."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.memberships import ChatKind, ChatRights, MemberRole, Membership
from hodhod_server.domain.permissions import NOTHING, Permission
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("rights")
FIND_CHATS: Final = SQL["find_chats"]
FIND_MEMBERSHIPS: Final = SQL["find_memberships"]
BROADCAST_CHATS_OF: Final = SQL["broadcast_chats_of"]
SEES: Final = SQL["sees"]


def _chat(row: Row) -> ChatRights:
    kind = ChatKind(row["kind"])
    if kind is ChatKind.PRIVATE:
        return ChatRights(chat=row["chat_id"], kind=kind, users=tuple(row["user_ids"]))
    return ChatRights(
        chat=row["chat_id"],
        kind=kind,
        version=row["version"],
        is_broadcast=row["is_broadcast"],
        users=tuple(row["user_ids"] or ()),
        permissions=Permission(row["permissions"]),
        slow_mode_s=row["slow_mode_s"],
        signs_posts=row["signs_posts"] or kind is ChatKind.GROUP,
    )


def _membership(row: Row) -> Membership:
    permissions = row["permissions"]
    return Membership(
        user=row["user_id"],
        role=MemberRole(row["role"]),
        version=row["version"],
        permissions=None if permissions is None else NOTHING | Permission(permissions),
        promoted_by=row["promoted_by"],
        muted_until=row["muted_until"],
        first_seq=row["first_seq"],
    )


async def find_chats(tx: Tx, chats: Collection[ChatId]) -> dict[ChatId, ChatRights]:
    """Those of the chats that exist."""
    return {row["chat_id"]: _chat(row) for row in await tx.fetch(FIND_CHATS, list(chats))}


async def find_memberships(
    tx: Tx, pairs: Collection[tuple[ChatId, UserId]]
) -> dict[tuple[ChatId, UserId], Membership]:
    """Those who are members of their chat."""
    rows = await tx.fetch(
        FIND_MEMBERSHIPS, [chat for chat, _ in pairs], [user for _, user in pairs]
    )
    return {(row["chat_id"], row["user_id"]): _membership(row) for row in rows}


async def broadcast_chats_of(tx: Tx, users: Iterable[UserId]) -> list[tuple[UserId, ChatId]]:
    """Which large chats these people are in."""
    rows = await tx.fetch(BROADCAST_CHATS_OF, list(users))
    return [(row["user_id"], row["chat_id"]) for row in rows]


async def sees(tx: Tx, user: UserId, chat: ChatId, seq: int) -> bool:
    """Is the message there, and shown to the person?"""
    return bool(await tx.fetchval(SEES, user, chat, seq))
