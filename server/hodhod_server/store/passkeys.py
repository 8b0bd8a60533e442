"""Passkeys: what is kept of a credential."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.models import User
from hodhod_server.store.accounts import user_from
from hodhod_server.store.database import Tx, rows_affected
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("passkeys")
INSERT: Final = SQL["insert"]
OF_USER: Final = SQL["of_user"]
FIND: Final = SQL["find"]
USE: Final = SQL["use"]
REMOVE: Final = SQL["remove"]
PER_USER_MAX: Final = 20


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that was registered; its key in COSE."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A credential, as its owner sees it."""

    credential_id: bytes
    name: str
    created_at: datetime
    used_at: datetime | None


class KnownPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a credential lets in, and what its answers are checked by."""

    user: User
    public_key: bytes
    sign_count: int


async def insert(tx: Tx, user: UserId, passkey: NewPasskey, now: datetime) -> bool:
    """False if the person has as many as may be, or the credential is known."""
    status = await tx.execute(
        INSERT,
        passkey.credential_id,
        user,
        passkey.public_key,
        passkey.sign_count,
        passkey.name,
        now,
        PER_USER_MAX,
    )
    return rows_affected(status) == 1


async def of_user(tx: Tx, user: UserId) -> list[Passkey]:
    """A person's passkeys, oldest first."""
    return [
        Passkey(
            credential_id=row["credential_id"],
            name=row["name"],
            created_at=row["created_at"],
            used_at=row["used_at"],
        )
        for row in await tx.fetch(OF_USER, user)
    ]


async def find(tx: Tx, credential_id: bytes, lost_after: datetime) -> KnownPasskey | None:
    """Whom a credential lets in; not into an account that lost its number long ago."""
    row = await tx.fetchrow(FIND, credential_id, lost_after)
    if row is None:
        return None
    return KnownPasskey(
        user=user_from(row), public_key=row["public_key"], sign_count=row["sign_count"]
    )


async def use(tx: Tx, credential_id: bytes, sign_count: int, now: datetime) -> bool:
    """Take a count. False if it, or a higher one, was taken before."""
    return rows_affected(await tx.execute(USE, credential_id, sign_count, now)) == 1


async def remove(tx: Tx, user: UserId, credential_id: bytes) -> bool:
    """False if the person has no such passkey."""
    return rows_affected(await tx.execute(REMOVE, credential_id, user)) == 1
