"""The tables of the delivery path in memory, and the store's own statements over them.

Each statement that the store sends is answered by a function here, looked up by its text, so that
`store/*.py` runs unchanged. Always true: a statement happens whole, at one moment, or not at all;
tests/contracts holds it to what PostgreSQL answers.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from hodhod_server.domain.memberships import ChatKind
from hodhod_server.domain.permissions import GROUP_DEFAULT
from hodhod_server.store import chats, messages, rights

TITLE: Final = "کوه"
Row = dict[str, Any]
Statement = Callable[..., list[Row]]


class Batch(NamedTuple):
    """What `append` is given, in its order."""

    chats: Sequence[int]
    senders: Sequence[int]
    client_ids: Sequence[int]
    bodies: Sequence[bytes]
    ranks: Sequence[int]
    distinct: Sequence[int]
    counts: Sequence[int]
    now: datetime
    versions: Sequence[int]
    hides_sender: Sequence[bool]

    @classmethod
    def read(cls, *arguments: Any) -> Batch:
        """Lists of numbers come in PostgreSQL's spelling, `{1,2}`."""
        read: list[Any] = [_listed(item) if isinstance(item, str) else item for item in arguments]
        return cls(*read)


def _listed(text: str) -> list[Any]:
    words = {"True": True, "False": False}
    return [words[item] if item in words else int(item) for item in text[1:-1].split(",")]


class ChatTable:
    """A chat's row, its members' rows and its messages. A group's first member is its owner."""

    def __init__(
        self, chat: int, kind: ChatKind, members: Iterable[int], *, is_broadcast: bool
    ) -> None:
        self.chat: Final = chat
        self.kind: Final = kind
        self.is_broadcast: Final = is_broadcast
        self.version = 0
        self.last_seq = 0
        self.members: dict[int, Row] = {
            user: {
                "user_id": user,
                "role": "owner" if place == 0 and self.is_group else "member",
                "permissions": None,
                "promoted_by": None,
                "muted_until": None,
                "first_seq": 1,
                "delivered_seq": 0,
                "read_seq": 0,
            }
            for place, user in enumerate(sorted(members))
        }
        self.log: list[Row] = []

    @property
    def is_group(self) -> bool:
        return self.kind is not ChatKind.PRIVATE


class Tables:
    """What is committed."""

    def __init__(self) -> None:
        self.users: dict[int, str] = {}
        self.chats: dict[int, ChatTable] = {}
        self.by_name: dict[tuple[int, int], Row] = {}
        self._numbers = itertools.count(1)
        self.statements: Final[dict[str, Statement]] = {
            messages.FIND_BY_CLIENT_IDS: self._find_by_client_ids,
            messages.PAGE_AFTER: self._page_after,
            messages.PAGE_BEFORE: self._page_before,
            messages.MISSED: self._missed,
            messages.FIND: self._find,
            rights.FIND_CHATS: self._find_chats,
            rights.FIND_MEMBERSHIPS: self._find_memberships,
            rights.BROADCAST_CHATS_OF: self._broadcast_chats_of,
            chats.PAGES_OF: self._pages_of,
            chats.CHANGED_PAGES_OF: self._changed_pages_of,
            chats.READ_CLOCK: _read_clock,
            chats.SEEN_BY: self._seen_by,
            chats.MEMBERS_OF: self._members_of,
            chats.ADVANCE_POSITIONS: self._advance_positions,
        }

    def add_chat(
        self, kind: ChatKind, members: Iterable[int], *, is_broadcast: bool = False
    ) -> int:
        """A chat of these people, who are users."""
        chat = next(self._numbers)
        self.chats[chat] = ChatTable(chat, kind, members, is_broadcast=is_broadcast)
        return chat

    def append(self, batch: Batch) -> list[Row]:
        """All of them, or none where one is there already."""
        places = self.places(batch)
        base = {row["chat_id"]: row["base"] for row in places}
        columns = (batch.senders, batch.client_ids, batch.bodies, batch.hides_sender)
        rows: list[Row] = [
            {
                "chat_id": chat,
                "seq": base[chat] + rank,
                "sender_id": sender,
                "client_id": client_id,
                "sent_at": batch.now,
                "body": body,
                "hides_sender": hides_sender,
            }
            for chat, rank, sender, client_id, body, hides_sender in zip(
                batch.chats, batch.ranks, *columns, strict=True
            )
            if chat in base
        ]
        for chat, count in zip(batch.distinct, batch.counts, strict=True):
            if chat in base:
                self.chats[chat].last_seq += count
        self.insert(sorted(rows, key=lambda row: (row["chat_id"], row["seq"])))
        return places

    def places(self, batch: Batch) -> list[Row]:
        """Where its messages come to stand, should it be written now."""
        base = {
            chat: self.chats[chat].last_seq
            for chat, version in zip(batch.distinct, batch.versions, strict=True)
            if chat in self.chats and self.chats[chat].version == version
        }
        names = zip(batch.chats, batch.senders, batch.client_ids, strict=True)
        self.require_new([(sender, name) for chat, sender, name in names if chat in base])
        return [{"chat_id": chat, "base": seq} for chat, seq in base.items()]

    def insert(self, rows: Sequence[Row]) -> None:
        """By chat, oldest first."""
        for row in rows:
            self.chats[row["chat_id"]].log.append(row)
            self.by_name[row["sender_id"], row["client_id"]] = row

    def crashed(self) -> None:
        """The server broke down: what is committed stays."""

    def require_new(self, names: Sequence[tuple[int, int]]) -> None:
        """The unique index. Raises `asyncpg.UniqueViolationError`."""
        if len(set(names)) < len(names) or any(name in self.by_name for name in names):
            raise asyncpg.UniqueViolationError("duplicate key value violates unique constraint")

    def _find_by_client_ids(self, senders: Sequence[int], client_ids: Sequence[int]) -> list[Row]:
        names = zip(senders, client_ids, strict=True)
        found = [self.by_name[name] for name in names if name in self.by_name]
        return [{**row, "version": self.chats[row["chat_id"]].version} for row in found]

    def _page_after(self, chat: int, after: int, limit: int) -> list[Row]:
        return [row for row in self._log(chat) if row["seq"] > after][:limit]

    def _page_before(self, chat: int, before: int, limit: int, first: int) -> list[Row]:
        rows = [row for row in self._log(chat) if first <= row["seq"] < before]
        return rows[::-1][:limit]

    def _missed(
        self, chat_ids: Sequence[int], after: Sequence[int], at_most: Sequence[int]
    ) -> list[Row]:
        wanted = enumerate(zip(chat_ids, after, at_most, strict=True), 1)
        return [{**row, "place": place} for place, one in wanted for row in self._page_after(*one)]

    def _find(self, chat: int, seq: int) -> list[Row]:
        return [row for row in self._log(chat) if row["seq"] == seq]

    def _find_chats(self, chat_ids: Sequence[int]) -> list[Row]:
        return [_rights_row(self.chats[chat]) for chat in chat_ids if chat in self.chats]

    def _find_memberships(self, chat_ids: Sequence[int], users: Sequence[int]) -> list[Row]:
        return [
            {**self.chats[chat].members[user], "chat_id": chat, "version": self.chats[chat].version}
            for chat, user in zip(chat_ids, users, strict=True)
            if self._is_member(chat, user)
        ]

    def _broadcast_chats_of(self, users: Sequence[int]) -> list[Row]:
        return [
            {"user_id": user, "chat_id": chat}
            for chat, table in self.chats.items()
            if table.is_broadcast
            for user in users
            if user in table.members
        ]

    def _pages_of(
        self, users: Sequence[int], after: Sequence[int], until: Sequence[int], limit: int
    ) -> list[Row]:
        rows = []
        for page, (user, after_id, until_id) in enumerate(zip(users, after, until, strict=True), 1):
            found = [
                {**_chat_row(table, user), "page": page}
                for chat, table in sorted(self.chats.items())
                if after_id < chat <= until_id and user in table.members
            ]
            rows += found[:limit]
        return rows

    def _changed_pages_of(
        self,
        users: Sequence[int],
        after: Sequence[int],
        until: Sequence[int],
        since: Sequence[object],
        limit: int,
        look_at_max: int,
    ) -> list[Row]:
        """What did not change is told as well: a client may be told too much at any time."""
        rows = self._pages_of(users, after, until, min(limit, look_at_max))
        places: Counter[int] = Counter()
        for row in rows:
            places[row["page"]] += 1
            row["looked_at"] = places[row["page"]]
        return rows

    def _seen_by(self, chat: int, users: Sequence[int]) -> list[Row]:
        return [_chat_row(self.chats[chat], user) for user in users if self._is_member(chat, user)]

    def _members_of(self, chat_ids: Sequence[int]) -> list[Row]:
        return [
            {**member, "chat_id": chat, "name": self.users[user]}
            for chat in sorted(set(chat_ids))
            if chat in self.chats
            for user, member in self.chats[chat].members.items()
        ]

    def _advance_positions(
        self,
        chat_ids: Sequence[int],
        users: Sequence[int],
        delivered: Sequence[int],
        read: Sequence[int],
    ) -> list[Row]:
        moved = []
        for chat, user, to_delivered, to_read in zip(chat_ids, users, delivered, read, strict=True):
            if not self._is_member(chat, user):
                continue
            table = self.chats[chat]
            before = table.members[user]
            delivered_seq = min(max(to_delivered, to_read), table.last_seq)
            after = {
                **before,
                "delivered_seq": max(before["delivered_seq"], delivered_seq),
                "read_seq": max(before["read_seq"], min(to_read, table.last_seq)),
            }
            if after != before:
                table.members[user] = after
                moved.append({**after, "chat_id": chat, "read_before": before["read_seq"]})
        return moved

    def _is_member(self, chat: int, user: int) -> bool:
        return chat in self.chats and user in self.chats[chat].members

    def _log(self, chat: int) -> list[Row]:
        return self.chats[chat].log if chat in self.chats else []


def _rights_row(table: ChatTable) -> Row:
    is_group = table.is_group
    return {
        "chat_id": table.chat,
        "kind": str(table.kind),
        "version": table.version,
        "is_broadcast": table.is_broadcast,
        "permissions": int(GROUP_DEFAULT) if is_group else None,
        "slow_mode_s": 0 if is_group else None,
        "signs_posts": True if is_group else None,
        "user_ids": None if table.is_broadcast else list(table.members),
    }


def _chat_row(table: ChatTable, user: int) -> Row:
    is_group = table.is_group
    return {
        **_rights_row(table),
        **table.members[user],
        "last_seq": table.last_seq,
        "title": TITLE if is_group else None,
        "about": "" if is_group else None,
        "member_count": len(table.members) if is_group else None,
        "default_permissions": int(GROUP_DEFAULT) if is_group else None,
        "shows_history": True if is_group else None,
    }


def _read_clock() -> list[Row]:
    """The server's clock is the loop's."""
    passed_s = asyncio.get_running_loop().time()
    return [{"clock_timestamp": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=passed_s)}]
