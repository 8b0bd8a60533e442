"""What became of codes, counted and told for operators. Reads only. Rows to models."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeVar

import msgspec

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("funnel")
ASKED: Final = SQL["asked"]
CARRIED: Final = SQL["carried"]
STORY: Final = SQL["story"]
TOLD: Final = SQL["told"]
T = TypeVar("T", bound=msgspec.Struct)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Those who asked for a code, of one mobile operator."""

    name: str
    asked: int
    untried: int
    """Nothing was handed over for them."""
    verified: int
    verified_otherwise: int
    """Without a text: they wrote to us, or approved in another device."""
    cancelled: int


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """Hand-offs of one provider, operator, channel or kind."""

    name: str
    handed_over: int
    people: int
    taken: int
    unanswered: int
    delivered: int
    undelivered: int
    without_receipt: int
    forgotten: int
    """Of those taken: their challenge is not kept any more, so the end is unknown."""
    seen: int
    verified: int
    p50_s: float | None
    p95_s: float | None
    cost: int | None
    without_cost: int


class ToldSend(msgspec.Struct, frozen=True, kw_only=True):
    """A hand-off with all that is known of it. `reason` is the router's, JSON."""

    number: int
    provider: str
    channel: str
    kind: str
    generation: int
    operator: str
    reason: str
    began_at: datetime
    outcome: str | None
    answer: str
    answered_at: datetime | None
    cost: int | None
    receipt: str | None
    receipt_at: datetime | None


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """What the dispatcher has told last."""

    written_at: datetime
    outlook: bytes
    snapshot: bytes


async def asked(tx: Tx, since: datetime) -> list[Asked]:
    """Who asked for a code since then, by mobile operator."""
    return [_read(Asked, row) for row in await tx.fetch(ASKED, since)]


async def carried(tx: Tx, since: datetime, by: str) -> list[Carried]:
    """What became of hand-offs, by `provider`, `operator`, `channel` or `kind`; `all`: as one."""
    return [_read(Carried, row) for row in await tx.fetch(CARRIED, since, by)]


async def story(tx: Tx, challenge: ChallengeId) -> list[ToldSend]:
    """The hand-offs of a challenge, oldest first."""
    return [_read(ToldSend, row) for row in await tx.fetch(STORY, challenge)]


async def told(tx: Tx) -> Dispatch | None:
    """What a dispatcher has told, if there ever was one."""
    row = await tx.fetchrow(TOLD)
    return None if row is None else _read(Dispatch, row)


def _read(shape: type[T], row: Row) -> T:
    return msgspec.convert(dict(row), shape)
