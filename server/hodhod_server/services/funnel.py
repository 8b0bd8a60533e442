"""The funnel of sign-up: of those who asked, how many got where, how fast, and for what money.

Counted from challenges and hand-offs, so it is the same whichever process is asked, and survives
all of them. Always true: what is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from hodhod_server.domain.clock import Clock
from hodhod_server.services.outlook import STALE
from hodhod_server.sms.breaker import Cause, Health
from hodhod_server.sms.router import RouterSnapshot
from hodhod_server.store import funnel
from hodhod_server.store.database import Database
from hodhod_server.store.funnel import Asked, Carried

_decode = msgspec.msgpack.Decoder(RouterSnapshot).decode


class By(StrEnum):
    """What the rows are of."""

    PROVIDER = "provider"
    OPERATOR = "operator"
    CHANNEL = "channel"
    KIND = "kind"


class FunnelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `asked` is known by operator only: who asks has no provider yet."""

    name: str
    asked: int | None
    handed_over: int
    taken: int
    delivered: int | None
    """None where no receipt came at all."""
    undelivered: int | None
    without_receipt: int
    seen: int
    verified: int
    share_verified: float | None
    """Of the people something was handed over for, whose end is known."""
    p50_s: float | None
    p95_s: float | None
    texts_per_success: float | None
    cost: int | None
    without_cost: int


class BreakerNow(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider stood when the dispatcher last told."""

    provider: str
    state: Health
    cause: Cause
    openings: int
    open_for_s: float


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a span of time, and how providers stand now."""

    since: datetime
    until: datetime
    by: By
    rows: tuple[FunnelRow, ...]
    total: FunnelRow
    untried: int
    """Asked, and nothing has been handed over for them."""
    unanswered: int
    """Hand-offs under way, or whose process died."""
    verified_otherwise: int
    cancelled: int
    forgotten: int
    """Texts whose challenge is kept no longer: nobody knows whether they were typed."""
    told_at: datetime | None
    is_dispatched: bool
    breakers: tuple[BreakerNow, ...]


class Funnels:
    """Counts funnels. Reads only."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def count(self, since: datetime, by: By) -> Funnel:
        """The challenges begun since then, and what became of them until now."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            asked = await funnel.asked(tx, since)
            carried = await funnel.carried(tx, since, by)
            whole = await funnel.carried(tx, since, "all")
            told = await funnel.told(tx)
        total = whole[0] if whole else _nothing("")
        return Funnel(
            since=since,
            until=now,
            by=by,
            rows=_rows(asked, carried, by),
            total=_row(total, "total", sum(item.asked for item in asked)),
            untried=sum(item.untried for item in asked),
            unanswered=total.unanswered,
            verified_otherwise=sum(item.verified_otherwise for item in asked),
            cancelled=sum(item.cancelled for item in asked),
            forgotten=total.forgotten,
            told_at=None if told is None else told.written_at,
            is_dispatched=told is not None and now - told.written_at <= STALE,
            breakers=() if told is None else _breakers(told.snapshot),
        )


def _rows(asked: Sequence[Asked], carried: Sequence[Carried], by: By) -> tuple[FunnelRow, ...]:
    if by is not By.OPERATOR:
        return tuple(_row(item, item.name, None) for item in carried)
    counts = {item.name: item.asked for item in asked}
    found = {item.name: item for item in carried}
    return tuple(
        _row(found.get(name) or _nothing(name), name, counts.get(name, 0))
        for name in sorted({*counts, *found})
    )


def _row(item: Carried, name: str, asked: int | None) -> FunnelRow:
    is_told = item.without_receipt < item.taken
    return FunnelRow(
        name=name,
        asked=asked,
        handed_over=item.handed_over,
        taken=item.taken,
        delivered=item.delivered if is_told else None,
        undelivered=item.undelivered if is_told else None,
        without_receipt=item.without_receipt,
        seen=item.seen,
        verified=item.verified,
        share_verified=item.verified / item.people if item.people else None,
        p50_s=item.p50_s,
        p95_s=item.p95_s,
        # Of texts whose end is known: the others would look like failures.
        texts_per_success=(item.taken - item.forgotten) / item.verified if item.verified else None,
        cost=item.cost,
        without_cost=item.without_cost,
    )


def _nothing(name: str) -> Carried:
    counts = dict.fromkeys(Carried.__struct_fields__, 0)
    unknown = dict.fromkeys(("p50_s", "p95_s", "cost"))
    return msgspec.convert({**counts, **unknown, "name": name}, Carried)


def _breakers(snapshot: bytes) -> tuple[BreakerNow, ...]:
    return tuple(
        BreakerNow(
            provider=road.provider,
            state=road.breaker.state,
            cause=road.breaker.cause,
            openings=road.breaker.openings,
            open_for_s=road.breaker.open_for_s,
        )
        for road in _decode(snapshot).roads
    )
