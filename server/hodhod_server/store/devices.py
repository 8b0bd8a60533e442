"""Devices and their refresh tokens: rows to models. Tokens are stored as hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import DeviceId, UserId
from hodhod_server.domain.models import Device, Entrant, User
from hodhod_server.store.accounts import user_from
from hodhod_server.store.database import Row, Tx, rows_affected
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("devices")
INSERT: Final = SQL["insert"]
FIND: Final = SQL["find"]
FIND_TWIN: Final = SQL["find_twin"]
LIFT_HOLD: Final = SQL["lift_hold"]
OF_USER: Final = SQL["of_user"]
LOCK_BY_TOKEN: Final = SQL["lock_by_token"]
RETURN_BY_KEY: Final = SQL["return_by_key"]
REFRESH: Final = SQL["refresh"]
END: Final = SQL["end"]
END_OF_USER: Final = SQL["end_of_user"]
ENDED_SINCE: Final = SQL["ended_since"]
FIND_TOKEN: Final = SQL["find_token"]
INSERT_TOKEN: Final = SQL["insert_token"]
ROTATE_TOKEN: Final = SQL["rotate_token"]
WITHDRAW_TOKENS: Final = SQL["withdraw_tokens"]


class StoredToken(msgspec.Struct, frozen=True):
    """What is kept of a refresh token besides its hash."""

    expires_at: datetime
    used_at: datetime | None


def _device(row: Row) -> Device:
    return Device(
        device=DeviceId(row["device_id"]),
        user=UserId(row["user_id"]),
        name=row["name"],
        platform=row["platform"],
        public_key=row["public_key"],
        created_at=row["created_at"],
        last_seen_at=row["last_seen_at"],
        revoked_at=row["revoked_at"],
        held_until=row["held_until"],
    )


async def insert(
    tx: Tx, user: UserId, entrant: Entrant, now: datetime, held_until: datetime | None = None
) -> Device:
    """A new device of a person."""
    row = await tx.fetchrow(
        INSERT, user, entrant.name, entrant.platform, entrant.public_key, now, held_until
    )
    assert row is not None
    return _device(row)


async def find_twin(tx: Tx, user: UserId, entrant: Entrant, since: datetime) -> Device | None:
    """The device that this program was let in as moments ago, and whose answer was lost."""
    row = await tx.fetchrow(FIND_TWIN, user, entrant.public_key, since)
    return None if row is None else _device(row)


async def lift_hold(tx: Tx, device: DeviceId) -> None:
    """The device need not wait any more."""
    await tx.execute(LIFT_HOLD, device)


async def find(tx: Tx, device: DeviceId) -> Device | None:
    """The device, ended or not."""
    row = await tx.fetchrow(FIND, device)
    return None if row is None else _device(row)


async def of_user(tx: Tx, user: UserId) -> list[Device]:
    """The devices that are signed in, oldest first."""
    return [_device(row) for row in await tx.fetch(OF_USER, user)]


async def lock_by_token(tx: Tx, token_hash: bytes) -> Device | None:
    """The device that a refresh token was issued to, locked until the transaction ends."""
    row = await tx.fetchrow(LOCK_BY_TOKEN, token_hash)
    return None if row is None else _device(row)


async def return_by_key(
    tx: Tx, device: DeviceId, *, at_ms: int, now: datetime, token_hash: bytes, expires_at: datetime
) -> User | None:
    """Take a signed time, withdraw the device's tokens and issue this one.

    `None` if the time, or a later one, was taken before, or the device ended.
    """
    row = await tx.fetchrow(RETURN_BY_KEY, device, at_ms, now, token_hash, expires_at)
    return None if row is None else user_from(row)


async def refresh(
    tx: Tx, token_hash: bytes, next_hash: bytes, now: datetime, expires_at: datetime
) -> tuple[DeviceId, User] | None:
    """Use an unused token up and issue its successor. `None`: there is more to this token."""
    row = await tx.fetchrow(REFRESH, token_hash, next_hash, now, expires_at)
    return None if row is None else (DeviceId(row["device_id"]), user_from(row))


async def end(tx: Tx, device: DeviceId, now: datetime) -> None:
    """The session is over: the device's tokens are gone with it."""
    await tx.execute(END, device, now)
    await tx.execute(WITHDRAW_TOKENS, device)


async def end_of_user(tx: Tx, user: UserId, device: DeviceId, now: datetime) -> bool:
    """As `end`, if the device is signed in and this person's."""
    if rows_affected(await tx.execute(END_OF_USER, device, user, now)) == 0:
        return False
    await tx.execute(WITHDRAW_TOKENS, device)
    return True


async def ended_since(tx: Tx, moment: datetime) -> list[DeviceId]:
    """The devices whose sessions ended after a moment."""
    return [DeviceId(row["device_id"]) for row in await tx.fetch(ENDED_SINCE, moment)]


async def find_token(tx: Tx, token_hash: bytes) -> StoredToken | None:
    """A refresh token, used or not, expired or not."""
    row = await tx.fetchrow(FIND_TOKEN, token_hash)
    return None if row is None else StoredToken(row["expires_at"], row["used_at"])


async def insert_token(
    tx: Tx, device: DeviceId, token_hash: bytes, *, now: datetime, expires_at: datetime
) -> None:
    """Issue a refresh token."""
    await tx.execute(INSERT_TOKEN, token_hash, device, now, expires_at)


async def rotate_token(
    tx: Tx, token_hash: bytes, next_hash: bytes, *, now: datetime, expires_at: datetime
) -> None:
    """Use a token up and issue its successor."""
    await tx.execute(ROTATE_TOKEN, token_hash, next_hash, expires_at, now)


async def withdraw_tokens(tx: Tx, device: DeviceId) -> None:
    """No token issued so far lets the device in."""
    await tx.execute(WITHDRAW_TOKENS, device)
