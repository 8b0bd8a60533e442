"""The chat log: appending many messages at once, and reading it forwards and backwards.

Events leave here as `OpaqueMessage`: the body stays the bytes that were stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import ChatId, ClientId, Seq, UserId
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries
from hodhod_wire.events import OpaqueMessage

SQL: Final = Queries.load("messages")
APPEND: Final = SQL["append"]
LOCK_CHATS: Final = SQL["lock_chats"]
APPEND_NOTICE: Final = SQL["append_notice"]
FIND_BY_CLIENT_IDS: Final = SQL["find_by_client_ids"]
PAGE_AFTER: Final = SQL["page_after"]
PAGE_BEFORE: Final = SQL["page_before"]
MISSED: Final = SQL["missed"]
FIND: Final = SQL["find"]
NO_VERSION: Final = -1


class Found(msgspec.Struct, frozen=True):
    """A message that was sent before, and the version that its chat has now."""

    appended: Appended
    body: bytes
    hides_sender: bool
    version: int


class Wanted(msgspec.Struct, frozen=True):
    """The first `at_most` events of a chat after `after`."""

    chat: ChatId
    after: int
    at_most: int


async def append(tx: Tx, drafts: Sequence[Draft], now: datetime) -> list[Appended | None]:
    """Write all drafts in one statement; `None` for a draft whose chat does not exist, or has
    another version than every draft of it in this batch: then none of them is written.

    Raises `asyncpg.UniqueViolationError`, nothing written, if any of them was written before.
    """
    counts = Counter(draft.chat for draft in drafts)
    chats = sorted(counts)
    ranks = _ranks(drafts)
    versions = _versions(drafts)
    rows = await tx.fetch(
        APPEND,
        array_text([draft.chat for draft in drafts]),
        array_text([draft.sender for draft in drafts]),
        array_text([draft.client_id for draft in drafts]),
        [draft.body for draft in drafts],
        array_text(ranks),
        array_text(chats),
        array_text([counts[chat] for chat in chats]),
        now,
        array_text([versions[chat] for chat in chats]),
        array_text([draft.hides_sender for draft in drafts]),
    )
    base = {row["chat_id"]: row["base"] for row in rows}
    at_ms = to_ms(now)
    return [
        Appended(draft.chat, Seq(base[draft.chat] + rank), at_ms) if draft.chat in base else None
        for draft, rank in zip(drafts, ranks, strict=True)
    ]


async def lock_chats(tx: Tx, chats: Iterable[ChatId]) -> None:
    """Until the transaction ends the chats do not change, and only it writes in them."""
    await tx.execute(LOCK_CHATS, list(chats))


async def append_notice(tx: Tx, draft: Draft, now: datetime) -> Appended:
    """Write what the server itself tells, in a transaction that holds the chat's row."""
    seq = await tx.fetchval(
        APPEND_NOTICE,
        draft.chat,
        draft.sender,
        draft.client_id,
        draft.body,
        now,
        draft.hides_sender,
    )
    return Appended(draft.chat, Seq(seq), to_ms(now))


async def find_appended(tx: Tx, drafts: Iterable[Draft]) -> dict[tuple[UserId, ClientId], Found]:
    """Which of the drafts were written before, by sender and client_id, and as what."""
    keys = [(draft.sender, draft.client_id) for draft in drafts]
    rows = await tx.fetch(
        FIND_BY_CLIENT_IDS, [sender for sender, _ in keys], [client_id for _, client_id in keys]
    )
    return {
        (row["sender_id"], row["client_id"]): Found(
            Appended(row["chat_id"], row["seq"], to_ms(row["sent_at"])),
            row["body"],
            row["hides_sender"],
            row["version"],
        )
        for row in rows
    }


async def page_after(tx: Tx, chat: ChatId, after: int, limit: int) -> list[OpaqueMessage]:
    """The first events after a seq, oldest first."""
    return [_event(row) for row in await tx.fetch(PAGE_AFTER, chat, after, limit)]


async def page_before(
    tx: Tx, chat: ChatId, before: int, limit: int, *, first: int = 1
) -> list[OpaqueMessage]:
    """The last events before a seq and not before `first`, oldest first."""
    rows = await tx.fetch(PAGE_BEFORE, chat, before, limit, first)
    return [_event(row) for row in reversed(rows)]


async def missed(tx: Tx, wanted: Sequence[Wanted]) -> list[list[OpaqueMessage]]:
    """The events of each that are wanted, oldest first."""
    rows = await tx.fetch(
        MISSED,
        [item.chat for item in wanted],
        [item.after for item in wanted],
        [item.at_most for item in wanted],
    )
    events: list[list[OpaqueMessage]] = [[] for _ in wanted]
    for row in rows:
        events[row["place"] - 1].append(_event(row))
    return events


async def find(tx: Tx, chat: ChatId, seq: int) -> OpaqueMessage | None:
    """One event."""
    row = await tx.fetchrow(FIND, chat, seq)
    return None if row is None else _event(row)


def array_text(items: Iterable[int]) -> str:
    """An array in PostgreSQL's spelling, `{1,2}`, for `$1::text::bigint[]`.

    asyncpg asks of each element of a list whether it is an array itself: half a microsecond, six
    times a message. PostgreSQL reads the text in less.
    """
    return f"{{{','.join(map(str, items))}}}"


def _ranks(drafts: Sequence[Draft]) -> list[int]:
    """1 for the first draft of each chat in this batch, 2 for its second …"""
    seen: Counter[ChatId] = Counter()
    ranks = []
    for draft in drafts:
        seen[draft.chat] += 1
        ranks.append(seen[draft.chat])
    return ranks


def _versions(drafts: Sequence[Draft]) -> dict[ChatId, int]:
    """The version each chat must have; drafts that disagree fit none, so that all are checked again
    and keep their order.
    """
    versions: dict[ChatId, int] = {}
    for draft in drafts:
        if versions.setdefault(draft.chat, draft.version) != draft.version:
            versions[draft.chat] = NO_VERSION
    return versions


def _event(row: Row) -> OpaqueMessage:
    return OpaqueMessage(
        chat=row["chat_id"],
        seq=row["seq"],
        sender=row["sender_id"],
        client_id=row["client_id"],
        at=to_ms(row["sent_at"]),
        body=msgspec.Raw(row["body"]),
    )
