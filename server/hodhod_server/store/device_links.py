"""Links by which a signed-in device let a new one in."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import DeviceId, UserId
from hodhod_server.store.database import Tx, rows_affected
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("device_links")
APPROVE: Final = SQL["approve"]
FIND: Final = SQL["find"]
LOCK: Final = SQL["lock"]
FINISH: Final = SQL["finish"]


class ApprovedLink(msgspec.Struct, frozen=True):
    """Who approved, when, and what became of it."""

    user: UserId
    approved_at: datetime
    device: DeviceId | None


async def approve(tx: Tx, link: str, user: UserId, now: datetime) -> bool:
    """This person lets the link's device in. False if the link was approved before."""
    return rows_affected(await tx.execute(APPROVE, link, user, now)) == 1


async def is_approved(tx: Tx, link: str) -> bool:
    """Has somebody approved?"""
    return await tx.fetchrow(FIND, link) is not None


async def lock(tx: Tx, link: str) -> ApprovedLink | None:
    """The approved link, locked."""
    row = await tx.fetchrow(LOCK, link)
    if row is None:
        return None
    device = row["device_id"]
    return ApprovedLink(
        UserId(row["user_id"]),
        row["approved_at"],
        None if device is None else DeviceId(device),
    )


async def finish(tx: Tx, link: str, device: DeviceId) -> None:
    """The result, for whoever asks again."""
    await tx.execute(FINISH, link, device)
