"""What is made of files: the state of their processing, what is known of them, and their copies.

A copy's row is written before its bytes and deleted after them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.store.database import Row, Tx, rows_affected
from hodhod_server.store.queries import Queries
from hodhod_wire.events import MediaObject

SQL: Final = Queries.load("processing")
BEGIN: Final = SQL["begin"]
FORGIVE: Final = SQL["forgive"]
SETTLE: Final = SQL["settle"]
COUNT_OF_USER: Final = SQL["count_of_user"]
COUNT_WAITING: Final = SQL["count_waiting"]
FIND_FORGOTTEN: Final = SQL["find_forgotten"]
INSERT_OBJECT: Final = SQL["insert_object"]
FINISH_OBJECT: Final = SQL["finish_object"]
EXCHANGE_OBJECT: Final = SQL["exchange_object"]
FIND_OBJECT: Final = SQL["find_object"]
FIND_FACTS: Final = SQL["find_facts"]
OBJECTS_OF: Final = SQL["objects_of"]
FIND_ABANDONED: Final = SQL["find_abandoned"]
DELETE_OBJECT: Final = SQL["delete_object"]

State = Literal["waiting", "done", "failed", "refused", "infected"]


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be looked at, for the `tries`th time."""

    media_id: MediaId
    user: UserId
    blob_key: str
    length_bytes: int
    claimed_type: str
    tries: int

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            media_id=MediaId(row["media_id"]),
            user=UserId(row["user_id"]),
            blob_key=row["blob_key"],
            length_bytes=row["length_bytes"],
            claimed_type=row["content_type"],
            tries=row["processing_tries"],
        )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the processing of a file ended."""

    state: State
    blob_key: str
    sha256: bytes | None
    content_type: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    blur: str = ""
    waveform: str = ""
    codecs: list[str] = []


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file that was looked at."""

    user: int
    state: str
    length_bytes: int
    content_type: str
    width: int | None
    height: int | None
    duration_ms: int | None
    blur: str
    waveform: str


class MadeObject(msgspec.Struct, frozen=True, kw_only=True):
    """A copy whose bytes are durable."""

    blob_key: str
    content_type: str
    length_bytes: int
    width: int | None
    height: int | None
    duration_ms: int | None


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that may be served."""

    blob_key: str
    content_type: str
    length_bytes: int


class Abandoned(msgspec.Struct, frozen=True):
    """The row of a copy that nobody waits for; `is_named`: its bytes belong to a file."""

    blob_key: str
    is_named: bool


async def begin(tx: Tx, media_id: MediaId) -> Raw | None:
    """The file for one more try; `None` where there is nothing to do any more."""
    row = await tx.fetchrow(BEGIN, media_id)
    return None if row is None else Raw.from_row(row)


async def forgive(tx: Tx, media_id: MediaId) -> None:
    """The last try does not count."""
    await tx.execute(FORGIVE, media_id)


async def settle(tx: Tx, media_id: MediaId, outcome: Outcome) -> bool:
    """Record how it ended; False where it had ended already, or the file is gone."""
    status = await tx.execute(
        SETTLE,
        media_id,
        outcome.state,
        outcome.blob_key,
        outcome.sha256,
        outcome.content_type,
        outcome.width,
        outcome.height,
        outcome.duration_ms,
        outcome.blur,
        outcome.waveform,
        outcome.codecs,
    )
    return rows_affected(status) == 1


async def count_of_user(tx: Tx, user: UserId) -> int:
    """How many of somebody's files wait."""
    return int(await tx.fetchval(COUNT_OF_USER, user))


async def count_waiting(tx: Tx) -> int:
    """How many files wait, in the queue or for a place in it."""
    return int(await tx.fetchval(COUNT_WAITING))


async def find_forgotten(
    tx: Tx, finished_before: datetime, rows_max: int
) -> list[tuple[MediaId, UserId]]:
    """Files that wait, and whose."""
    rows = await tx.fetch(FIND_FORGOTTEN, finished_before, rows_max)
    return [(MediaId(row["media_id"]), UserId(row["user_id"])) for row in rows]


async def insert_object(tx: Tx, blob_key: str, media_id: MediaId, name: str, now: datetime) -> bool:
    """Bytes will come under this name; False where the file is gone."""
    return rows_affected(await tx.execute(INSERT_OBJECT, blob_key, media_id, name, now)) == 1


async def finish_object(tx: Tx, made: MadeObject, now: datetime) -> bool:
    """The bytes are there; False where they were given up meanwhile."""
    status = await tx.execute(
        FINISH_OBJECT,
        made.blob_key,
        made.content_type,
        made.length_bytes,
        made.width,
        made.height,
        made.duration_ms,
        now,
    )
    return rows_affected(status) == 1


async def exchange_object(tx: Tx, new_key: str, old_key: str, now: datetime) -> bool:
    """The file has the new bytes; the old ones are left to the sweep."""
    return rows_affected(await tx.execute(EXCHANGE_OBJECT, new_key, old_key, now)) == 1


async def find_object(tx: Tx, media_id: MediaId, name: str) -> StoredObject | None:
    """A copy of a file, whoever asks: the caller has checked that it may be read."""
    row = await tx.fetchrow(FIND_OBJECT, media_id, name)
    return None if row is None else StoredObject(**row)


async def find_facts(tx: Tx, media_id: MediaId) -> Facts | None:
    """What was found out; `None` while it waits."""
    row = await tx.fetchrow(FIND_FACTS, media_id)
    return None if row is None else Facts(**row)


async def objects_of(tx: Tx, media_id: MediaId) -> list[MediaObject]:
    """The copies that may be served, as chats are told of them."""
    return [MediaObject(**row) for row in await tx.fetch(OBJECTS_OF, media_id)]


async def find_abandoned(tx: Tx, created_before: datetime, rows_max: int) -> list[Abandoned]:
    """Copies that a crash left behind, and those of files that are gone."""
    rows = await tx.fetch(FIND_ABANDONED, created_before, rows_max)
    return [Abandoned(row["blob_key"], row["is_named"]) for row in rows]


async def delete_object(tx: Tx, blob_key: str) -> None:
    """The row, once its bytes are gone."""
    await tx.execute(DELETE_OBJECT, blob_key)
