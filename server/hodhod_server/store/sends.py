"""Hand-offs: written before the provider is called, completed after. Rows to models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from hodhod_server.domain.challenges import Challenge, ChallengeRules
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.store.challenges import challenge_of, limit_columns
from hodhod_server.store.database import Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("sends")
QUEUED: Final = SQL["queued"]
UNFINISHED: Final = SQL["unfinished"]
NEWS: Final = SQL["news"]
DELIVERED: Final = SQL["delivered"]
BEGIN: Final = SQL["begin"]
ANSWER: Final = SQL["answer"]
ABANDON: Final = SQL["abandon"]
NOTE_RECEIPTS: Final = SQL["note_receipts"]
PENDING_RECEIPTS: Final = SQL["pending_receipts"]
WRITE_DISPATCH: Final = SQL["write_dispatch"]
READ_OUTLOOK: Final = SQL["read_outlook"]
READ_SNAPSHOT: Final = SQL["read_snapshot"]


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """A hand-off that is about to begin."""

    challenge: ChallengeId
    number: int
    provider: str
    channel: str
    kind: str
    reason: str
    began_at: datetime


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider said to a hand-off."""

    challenge: ChallengeId
    number: int
    outcome: str
    answer: str
    message_id: str | None
    cost: int | None
    answered_at: datetime


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What a newcomer did that the dispatcher has to hear of."""

    challenge: ChallengeId
    at: datetime
    voice_wanted_at: datetime | None
    seen_at: datetime | None
    accepted_by: str | None
    is_over: bool

    @property
    def wants_voice(self) -> bool:
        """Is a call still wanted?"""
        return self.voice_wanted_at is not None and not self.is_over


class Told(msgspec.Struct, frozen=True):
    """What a provider says became of a message."""

    provider: str
    message_id: str
    state: str


class Delivered(msgspec.Struct, frozen=True):
    """A hand-off with a receipt."""

    challenge: ChallengeId
    number: int
    provider: str
    state: str
    at: datetime


class ReceiptNoted(msgspec.Struct, frozen=True):
    """A receipt that was new."""

    provider: str
    operator: str
    state: str


async def queued(
    tx: Tx, created_after: datetime, known: Sequence[ChallengeId], rows_max: int
) -> list[Challenge]:
    """Challenges that no provider has been given yet, oldest first, but those known."""
    rows = await tx.fetch(QUEUED, created_after, known, rows_max)
    return [challenge_of(row) for row in rows]


async def unfinished(tx: Tx, created_after: datetime) -> list[ChallengeId]:
    """Challenges that may still get a code, oldest first."""
    return [ChallengeId(row["challenge_id"]) for row in await tx.fetch(UNFINISHED, created_after)]


async def news(tx: Tx, since: datetime) -> list[News]:
    """Challenges whose newcomers did something, the oldest first."""
    return [
        News(
            challenge=ChallengeId(row["challenge_id"]),
            at=row["news_at"],
            voice_wanted_at=row["voice_wanted_at"],
            seen_at=row["seen_at"],
            accepted_by=row["accepted_by"],
            is_over=row["is_over"],
        )
        for row in await tx.fetch(NEWS, since)
    ]


async def delivered(tx: Tx, since: datetime) -> list[Delivered]:
    """Hand-offs whose receipts came since then."""
    return [
        Delivered(
            ChallengeId(row["challenge_id"]),
            row["number"],
            row["provider"],
            row["receipt"],
            row["receipt_at"],
        )
        for row in await tx.fetch(DELIVERED, since)
    ]


async def begin(
    tx: Tx, beginnings: Sequence[Beginning], rules: ChallengeRules
) -> dict[ChallengeId, tuple[datetime, ...]]:
    """Begin hand-offs, at most one for a challenge.

    Those that may begin, with the moments of all hand-offs of their challenge. Raises `Overloaded`
    where another dispatcher has begun one of them.
    """
    try:
        rows = await tx.fetch(
            BEGIN,
            *_columns(beginnings, Beginning),
            rules.tries_max,
            timedelta(seconds=rules.second_generation_s),
            *limit_columns(rules.handoffs),
            *limit_columns(rules.calls),
        )
    except asyncpg.UniqueViolationError as error:
        raise Overloaded("somebody else dispatches") from error
    return {ChallengeId(row["challenge_id"]): tuple(row["handoffs"]) for row in rows}


async def answer(tx: Tx, answers: Sequence[Answered]) -> dict[ChallengeId, int]:
    """Complete hand-offs; one that was refused counts as if it never was.

    The versions of their challenges, each one later than before.
    """
    rows = await tx.fetch(ANSWER, *_columns(answers, Answered))
    return {ChallengeId(row["challenge_id"]): row["version"] for row in rows}


async def abandon(tx: Tx, ids: Sequence[ChallengeId], now: datetime, why: str) -> None:
    """Hand-offs under way of these challenges will have no answer."""
    await tx.execute(ABANDON, ids, now, why)


async def note_receipts(tx: Tx, receipts: Sequence[Told], now: datetime) -> list[ReceiptNoted]:
    """Keep what providers tell; those that were news."""
    rows = await tx.fetch(NOTE_RECEIPTS, *_columns(receipts, Told), now)
    return [ReceiptNoted(row["provider"], row["operator"], row["receipt"]) for row in rows]


async def pending_receipts(tx: Tx, provider: str, ids_max: int, now: datetime) -> list[str]:
    """Messages of the last ten minutes of which no end is known; each counts as asked for now."""
    rows = await tx.fetch(PENDING_RECEIPTS, provider, ids_max, now)
    return [row["message_id"] for row in rows]


async def write_dispatch(tx: Tx, now: datetime, outlook: bytes, snapshot: bytes) -> None:
    """Replace what the dispatcher tells the other processes, and its successor."""
    await tx.execute(WRITE_DISPATCH, now, outlook, snapshot)


async def read_outlook(tx: Tx, since: datetime) -> bytes | None:
    """What a dispatcher told after that moment."""
    outlook: bytes | None = await tx.fetchval(READ_OUTLOOK, since)
    return outlook


async def read_snapshot(tx: Tx) -> bytes | None:
    """What the last dispatcher's router had learned."""
    snapshot: bytes | None = await tx.fetchval(READ_SNAPSHOT)
    return snapshot


def _columns(rows: Sequence[msgspec.Struct], shape: type[msgspec.Struct]) -> list[list[object]]:
    """Rows as arrays of their members, in the order of the shape."""
    return [[getattr(row, name) for row in rows] for name in shape.__struct_fields__]
