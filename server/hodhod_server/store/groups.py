"""Groups and channels: what they are called, how many are in them, what holds for everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import ChatId
from hodhod_server.domain.memberships import ChatKind, ChatRights
from hodhod_server.domain.permissions import Permission
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("groups")
INSERT: Final = SQL["insert"]
FIND: Final = SQL["find"]
LOCK: Final = SQL["lock"]
LOCK_FOR_JOINING: Final = SQL["lock_for_joining"]
RAISE_VERSION: Final = SQL["raise_version"]
SET_INFO: Final = SQL["set_info"]
BECOME_BROADCAST: Final = SQL["become_broadcast"]


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for every member, and what admins change."""

    title: str
    about: str = ""
    permissions: Permission
    slow_mode_s: int = 0
    shows_history: bool = True
    signs_posts: bool = True


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group or channel as its rows were when they were read."""

    chat: ChatId
    kind: ChatKind
    version: int
    last_seq: int
    is_broadcast: bool
    member_count: int
    info: Info

    @property
    def rights(self) -> ChatRights:
        """The part of it that rights follow from; nobody is listed."""
        return ChatRights(
            chat=self.chat,
            kind=self.kind,
            version=self.version,
            is_broadcast=self.is_broadcast,
            permissions=self.info.permissions,
            slow_mode_s=self.info.slow_mode_s,
            signs_posts=self.signs,
        )

    @property
    def signs(self) -> bool:
        """Do events show who caused them? Those of a group always do."""
        return self.info.signs_posts or self.kind is ChatKind.GROUP

    @property
    def tells_members(self) -> bool:
        """Are joining and leaving events? Readers of a channel are not shown to one another."""
        return self.kind is ChatKind.GROUP and not self.is_broadcast


def _group(row: Row) -> Group:
    return Group(
        chat=ChatId(row["chat_id"]),
        kind=ChatKind(row["kind"]),
        version=row["version"],
        last_seq=row["last_seq"],
        is_broadcast=row["is_broadcast"],
        member_count=row["member_count"],
        info=Info(
            title=row["title"],
            about=row["about"],
            permissions=Permission(row["permissions"]),
            slow_mode_s=row["slow_mode_s"],
            shows_history=row["shows_history"],
            signs_posts=row["signs_posts"],
        ),
    )


async def insert(tx: Tx, kind: ChatKind, info: Info, now: datetime) -> ChatId:
    """A new one, with nobody in it."""
    chat = await tx.fetchval(
        INSERT,
        kind,
        now,
        info.title,
        info.about,
        int(info.permissions),
        info.shows_history,
        info.signs_posts,
    )
    return ChatId(chat)


async def find(tx: Tx, chat: ChatId) -> Group | None:
    """The group or channel, if the chat is one."""
    row = await tx.fetchrow(FIND, chat)
    return None if row is None else _group(row)


async def lock(tx: Tx, chat: ChatId) -> Group | None:
    """The same, held until the transaction ends: no message is written meanwhile."""
    row = await tx.fetchrow(LOCK, chat)
    return None if row is None else _group(row)


async def lock_for_joining(tx: Tx, chat: ChatId) -> Group | None:
    """The same for a broadcast chat, whose messages go on; bans and the count are held."""
    row = await tx.fetchrow(LOCK_FOR_JOINING, chat)
    return None if row is None else _group(row)


async def raise_version(tx: Tx, chat: ChatId) -> None:
    """Whatever was allowed before is checked again."""
    await tx.execute(RAISE_VERSION, chat)


async def set_info(tx: Tx, chat: ChatId, info: Info) -> None:
    """Change what holds for everybody."""
    await tx.execute(
        SET_INFO,
        chat,
        info.title,
        info.about,
        int(info.permissions),
        info.slow_mode_s,
        info.shows_history,
        info.signs_posts,
    )


async def become_broadcast(tx: Tx, chat: ChatId) -> None:
    """From now on nobody lists the members."""
    await tx.execute(BECOME_BROADCAST, chat)
