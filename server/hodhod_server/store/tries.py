"""Tries that were used up. One is taken before it is judged, so that none is free at once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hodhod_server.domain.errors import TriesExhausted
from hodhod_server.domain.tries import Allowance
from hodhod_server.store.database import Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("tries")
TAKE: Final = SQL["take"]
FORGET: Final = SQL["forget"]


async def take(tx: Tx, subject: bytes, allowance: Allowance, now: datetime) -> int:
    """Use one try up; how many are left. Raises `TriesExhausted` where none was."""
    level = await tx.fetchval(TAKE, subject, now, float(allowance.tries_max), allowance.refill_s)
    if level is None:
        raise TriesExhausted(retry_after_s=allowance.refill_s)
    return int(allowance.tries_max - float(level))


async def forget(tx: Tx, subject: bytes) -> None:
    """As if nothing had been tried."""
    await tx.execute(FORGET, subject)
