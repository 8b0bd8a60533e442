"""How often a channel's events were read. Counted in the transaction that moves the readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.store.database import Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("views")
ADD: Final = SQL["add"]
BETWEEN: Final = SQL["between"]


class Jump(msgspec.Struct, frozen=True):
    """A reader's position moved from `after` to `seq`."""

    chat: ChatId
    user: UserId
    after: int
    seq: int


async def add(tx: Tx, jumps: Sequence[Jump]) -> None:
    """Count what the readers moved past."""
    await tx.execute(
        ADD,
        [jump.chat for jump in jumps],
        [jump.user for jump in jumps],
        [jump.after for jump in jumps],
        [jump.seq for jump in jumps],
    )


async def between(tx: Tx, chat: ChatId, first: int, last: int) -> list[tuple[int, int]]:
    """Seq and views of the events in the range that have any."""
    return [(row["seq"], row["views"]) for row in await tx.fetch(BETWEEN, chat, first, last)]
