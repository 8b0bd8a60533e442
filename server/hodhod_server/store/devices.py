"""Devices and their refresh tokens: rows to models. Tokens are stored as hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import DeviceId, UserId
from hodhod_server.domain.models import Device
from hodhod_server.store.database import Row, Tx, rows_affected
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("devices")
INSERT: Final = SQL["insert"]
FIND: Final = SQL["find"]
OF_USER: Final = SQL["of_user"]
LOCK_BY_TOKEN: Final = SQL["lock_by_token"]
USE_KEY: Final = SQL["use_key"]
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
    )


async def insert(
    tx: Tx, user: UserId, *, name: str, platform: str, public_key: bytes | None, now: datetime
) -> Device:
    """A new device of a person."""
    row = await tx.fetchrow(INSERT, user, name, platform, public_key, now)
    assert row is not None
    return _device(row)


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


async def use_key(tx: Tx, device: DeviceId, *, at_ms: int, now: datetime) -> bool:
    """Take a signed time. False if it, or a later one, was taken before, or the device ended."""
    return rows_affected(await tx.execute(USE_KEY, device, at_ms, now)) == 1


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
