"""The tables of the delivery path in memory, and the store's own statements over them.

Each statement that the store sends is answered by a function here, looked up by its text, so that
`store/*.py` runs unchanged. Always true: a statement happens whole, at one moment, or not at all;
tests/contracts holds it to what PostgreSQL answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg

from hodhod_server.store import chats, messages

Row = dict[str, Any]
Statement = Callable[..., list[Row]]


class ChatTable:
    """A chat's row, its members' rows and its messages."""

    def __init__(self, chat: int, kind: str, members: Iterable[int]) -> None:
        self.chat: Final = chat
        self.kind: Final = kind
        self.last_seq = 0
        self.members = {user: {"delivered_seq": 0, "read_seq": 0} for user in sorted(members)}
        self.log: list[Row] = []


class Tables:
    """What is committed."""

    def __init__(self) -> None:
        self.users: dict[int, str] = {}
        self.chats: dict[int, ChatTable] = {}
        self.by_name: dict[tuple[int, int], Row] = {}
        self._numbers = itertools.count(1)
        self.statements: Final[dict[str, Statement]] = {
            messages.APPEND: self.append,
            messages.FIND_BY_CLIENT_IDS: self._find_by_client_ids,
            messages.PAGE_AFTER: self._page_after,
            messages.PAGE_BEFORE: self._page_before,
            messages.MISSED: self._missed,
            messages.FIND: self._find,
            chats.FIND_ROSTER: self._find_roster,
            chats.PAGE_OF_USER: self._page_of_user,
            chats.FIND_FOR_MEMBER: self._find_for_member,
            chats.MEMBERS_OF: self._members_of,
            chats.ADVANCE_POSITIONS: self._advance_positions,
        }

    def add_chat(self, kind: str, members: Iterable[int]) -> int:
        """A chat of these people, who are users."""
        chat = next(self._numbers)
        self.chats[chat] = ChatTable(chat, kind, members)
        return chat

    def append(
        self,
        chat_ids: Sequence[int],
        senders: Sequence[int],
        client_ids: Sequence[int],
        bodies: Sequence[bytes],
        ranks: Sequence[int],
        distinct: Sequence[int],
        counts: Sequence[int],
        now: datetime,
    ) -> list[Row]:
        """All of them, or none where one is there already."""
        base = {chat: self.chats[chat].last_seq for chat in distinct if chat in self.chats}
        rows: list[Row] = [
            {
                "chat_id": chat,
                "seq": base[chat] + rank,
                "sender_id": sender,
                "client_id": client_id,
                "sent_at": now,
                "body": body,
            }
            for chat, sender, client_id, body, rank in zip(
                chat_ids, senders, client_ids, bodies, ranks, strict=True
            )
            if chat in base
        ]
        self.require_new([(row["sender_id"], row["client_id"]) for row in rows])
        for chat, count in zip(distinct, counts, strict=True):
            if chat in base:
                self.chats[chat].last_seq += count
        self.insert(sorted(rows, key=lambda row: (row["chat_id"], row["seq"])))
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
        return [self.by_name[name] for name in names if name in self.by_name]

    def _page_after(self, chat: int, after: int, limit: int) -> list[Row]:
        return [row for row in self._log(chat) if row["seq"] > after][:limit]

    def _page_before(self, chat: int, before: int, limit: int) -> list[Row]:
        return [row for row in reversed(self._log(chat)) if row["seq"] < before][:limit]

    def _missed(
        self, chat_ids: Sequence[int], after: Sequence[int], at_most: Sequence[int]
    ) -> list[Row]:
        wanted = sorted(zip(chat_ids, after, at_most, strict=True))
        return [row for one in wanted for row in self._page_after(*one)]

    def _find(self, chat: int, seq: int) -> list[Row]:
        return [row for row in self._log(chat) if row["seq"] == seq]

    def _find_roster(self, chat: int) -> list[Row]:
        if chat not in self.chats or not self.chats[chat].members:
            return []
        table = self.chats[chat]
        return [{"kind": table.kind, "user_ids": list(table.members)}]

    def _page_of_user(self, user: int, after: int, until: int, limit: int) -> list[Row]:
        found = [
            _chat_row(table)
            for chat, table in sorted(self.chats.items())
            if after < chat <= until and user in table.members
        ]
        return found[:limit]

    def _find_for_member(self, user: int, chat: int) -> list[Row]:
        table = self.chats.get(chat)
        return [_chat_row(table)] if table is not None and user in table.members else []

    def _members_of(self, chat_ids: Sequence[int]) -> list[Row]:
        return [
            {"chat_id": chat, "user_id": user, "name": self.users[user], **positions}
            for chat in sorted(set(chat_ids))
            if chat in self.chats
            for user, positions in self.chats[chat].members.items()
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
            table = self.chats.get(chat)
            if table is None or user not in table.members:
                continue
            before = table.members[user]
            after = {
                "delivered_seq": max(
                    before["delivered_seq"], min(max(to_delivered, to_read), table.last_seq)
                ),
                "read_seq": max(before["read_seq"], min(to_read, table.last_seq)),
            }
            if after != before:
                table.members[user] = after
                moved.append({"chat_id": chat, "user_id": user, **after})
        return moved

    def _log(self, chat: int) -> list[Row]:
        return self.chats[chat].log if chat in self.chats else []


def _chat_row(table: ChatTable) -> Row:
    return {"chat_id": table.chat, "kind": table.kind, "last_seq": table.last_seq}
