"""People's rows. A number is only ever a hash and a sealed copy here."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hodhod_server.domain.errors import UserNotFound
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.models import User
from hodhod_server.domain.ownership import Owner
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("accounts")
FIND: Final = SQL["find"]
FIND_BY_PHONE: Final = SQL["find_by_phone"]
INSERT: Final = SQL["insert"]
SET_NAME: Final = SQL["set_name"]
FIND_OWNER: Final = SQL["find_owner"]
LOSE_NUMBER: Final = SQL["lose_number"]
CHANGE_NUMBER: Final = SQL["change_number"]


def user_from(row: Row) -> User:
    """A person, from a row with their columns."""
    return User(
        user=UserId(row["user_id"]),
        name=row["name"],
        phone_sealed=row["phone_encrypted"],
        created_at=row["created_at"],
    )


async def find_user(tx: Tx, user: UserId) -> User | None:
    """The person with this id."""
    row = await tx.fetchrow(FIND, user)
    return None if row is None else user_from(row)


async def load_user(tx: Tx, user: UserId) -> User:
    """The person with this id. Raises `UserNotFound`."""
    found = await find_user(tx, user)
    if found is None:
        raise UserNotFound
    return found


async def find_user_by_phone(tx: Tx, phone_hash: bytes) -> User | None:
    """The person with this number."""
    row = await tx.fetchrow(FIND_BY_PHONE, phone_hash)
    return None if row is None else user_from(row)


async def insert_user(
    tx: Tx, *, phone_hash: bytes, phone_sealed: bytes, name: str, now: datetime
) -> User:
    """A new person. The number's lock is held, so that nobody else adds it meanwhile."""
    row = await tx.fetchrow(INSERT, phone_hash, phone_sealed, name, now)
    assert row is not None
    return user_from(row)


async def set_name(tx: Tx, user: UserId, name: str) -> None:
    """A person takes another name."""
    await tx.execute(SET_NAME, user, name)


async def find_owner(tx: Tx, phone_hash: bytes) -> Owner | None:
    """The person with this number, what guards the account, and when it was last seen."""
    row = await tx.fetchrow(FIND_OWNER, phone_hash)
    if row is None:
        return None
    return Owner(
        user=user_from(row),
        has_pin=row["has_pin"],
        has_totp=row["has_totp"],
        last_seen_at=row["last_seen_at"],
    )


async def lose_number(tx: Tx, user: UserId, now: datetime) -> None:
    """The number passed to somebody else; the account stays, marked."""
    await tx.execute(LOSE_NUMBER, user, now)


async def change_number(tx: Tx, user: UserId, *, phone_hash: bytes, phone_sealed: bytes) -> None:
    """A person takes another number. Its lock is held."""
    await tx.execute(CHANGE_NUMBER, user, phone_hash, phone_sealed)
