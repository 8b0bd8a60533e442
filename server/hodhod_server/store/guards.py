"""What guards an account: rows to structs."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.tokens import Caller
from hodhod_server.store.database import Tx, rows_affected
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("guards")
FIND: Final = SQL["find"]
SET_PIN: Final = SQL["set_pin"]
ENROL_TOTP: Final = SQL["enrol_totp"]
CONFIRM_TOTP: Final = SQL["confirm_totp"]
USE_TOTP_STEP: Final = SQL["use_totp_step"]
REMOVE_TOTP: Final = SQL["remove_totp"]
OVERVIEW: Final = SQL["overview"]


class StoredGuard(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the guards of an account."""

    pin_hash: str | None = None
    totp_sealed: bytes | None = None
    totp_confirmed_at: datetime | None = None

    def __repr__(self) -> str:
        return "StoredGuard()"


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Which guards there are, and until when the asking device is held."""

    has_pin: bool
    has_totp: bool
    has_recovery_key: bool
    passkeys: int
    held_until: datetime | None


async def find(tx: Tx, user: UserId) -> StoredGuard:
    """What guards this person's account."""
    row = await tx.fetchrow(FIND, user)
    if row is None:
        return StoredGuard()
    return StoredGuard(
        pin_hash=row["pin_hash"],
        totp_sealed=row["totp_sealed"],
        totp_confirmed_at=row["totp_confirmed_at"],
    )


async def set_pin(tx: Tx, user: UserId, pin_hash: str | None) -> None:
    """From now on this PIN guards the account; `None`: no PIN does."""
    await tx.execute(SET_PIN, user, pin_hash)


async def enrol_totp(tx: Tx, user: UserId, sealed: bytes) -> bool:
    """A secret that is to be confirmed. False if a confirmed one is there."""
    return await tx.fetchval(ENROL_TOTP, user, sealed) is not None


async def confirm_totp(tx: Tx, user: UserId, now: datetime) -> None:
    """From now on one-time codes guard the account."""
    await tx.execute(CONFIRM_TOTP, user, now)


async def use_totp_step(tx: Tx, user: UserId, step: int) -> bool:
    """Take a step. False if it, or a later one, was taken before."""
    return rows_affected(await tx.execute(USE_TOTP_STEP, user, step)) == 1


async def remove_totp(tx: Tx, user: UserId) -> None:
    """One-time codes guard the account no more."""
    await tx.execute(REMOVE_TOTP, user)


async def overview(tx: Tx, caller: Caller) -> Overview | None:
    """Which guards the caller's account has."""
    row = await tx.fetchrow(OVERVIEW, caller.user, caller.device)
    return None if row is None else Overview(**dict(row))
