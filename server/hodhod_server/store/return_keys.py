"""Keys that let a device in instead of a text; hashes only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.ownership import Owner
from hodhod_server.domain.return_keys import ReturnKey, ReturnKind
from hodhod_server.store.accounts import user_from
from hodhod_server.store.database import Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("return_keys")
SET_RECOVERY: Final = SQL["set_recovery"]
ADD_LOGOUT: Final = SQL["add_logout"]
FIND_USER: Final = SQL["find_user"]
USE_UP: Final = SQL["use_up"]
REMOVE_RECOVERY: Final = SQL["remove_recovery"]
REMOVE_ALL: Final = SQL["remove_all"]
LOGOUT_KEYS_MAX: Final = 20


async def set_recovery(tx: Tx, user: UserId, key: ReturnKey, now: datetime) -> None:
    """From now on this is the person's recovery key."""
    await tx.execute(SET_RECOVERY, key.stored_hash, user, now)


async def add_logout(
    tx: Tx, user: UserId, key: ReturnKey, now: datetime, expires_at: datetime
) -> None:
    """A device that is being signed out may come back by this."""
    await tx.execute(ADD_LOGOUT, key.stored_hash, user, now, expires_at, LOGOUT_KEYS_MAX - 1)


async def find_owner(
    tx: Tx,
    keys: Sequence[ReturnKey],
    phone_hash: bytes,
    kind: ReturnKind,
    now: datetime,
    lost_after: datetime,
) -> tuple[bytes, Owner] | None:
    """Whom one of the keys lets in, and the hash of that key."""
    hashes = [key.stored_hash for key in keys]
    row = await tx.fetchrow(FIND_USER, hashes, phone_hash, kind, now, lost_after)
    if row is None:
        return None
    owner = Owner(user=user_from(row), has_pin=row["has_pin"], has_totp=row["has_totp"])
    return row["key_hash"], owner


async def use_up(tx: Tx, key_hash: bytes, ends_at: datetime) -> None:
    """A logout token that let in ends soon; a recovery key stays."""
    await tx.execute(USE_UP, key_hash, ends_at)


async def remove_recovery(tx: Tx, user: UserId) -> None:
    """The recovery key lets nobody in any more."""
    await tx.execute(REMOVE_RECOVERY, user)


async def remove_all(tx: Tx, user: UserId) -> None:
    """No key lets anybody in any more."""
    await tx.execute(REMOVE_ALL, user)
