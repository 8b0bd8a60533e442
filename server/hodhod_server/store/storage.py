"""What is stored, whose it is, and who needs it: questions about uploads and their blobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.store.database import Tx
from hodhod_server.store.queries import Queries
from hodhod_server.store.uploads import StoredFile, Upload

SQL: Final = Queries.load("storage")
HOLD_TOTAL: Final = SQL["hold_total"]
USED_BY: Final = SQL["used_by"]
USED: Final = SQL["used"]
FIND_KNOWN: Final = SQL["find_known"]
INSERT_KNOWN: Final = SQL["insert_known"]
IS_SHARED: Final = SQL["is_shared"]
FIND_BLOB_KEY: Final = SQL["find_blob_key"]
HOLD_UNUSED: Final = SQL["hold_unused"]
MARK_UNUSED: Final = SQL["mark_unused"]
NAMED: Final = SQL["named"]
UNFINISHED: Final = SQL["unfinished"]
FIND_TO_SCRUB: Final = SQL["find_to_scrub"]
NOTE_SCRUBBED: Final = SQL["note_scrubbed"]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is, whatever it is called."""

    sha256: bytes
    length_bytes: int


class NewName(msgspec.Struct, frozen=True, kw_only=True):
    """What a known file is called this time."""

    name: str
    content_type: str


async def hold_total(tx: Tx) -> None:
    """Until this transaction ends nobody else who asks for it adds bytes."""
    await tx.execute(HOLD_TOTAL)


async def used_by(tx: Tx, user: UserId) -> int:
    """Bytes of this person's uploads, finished or not."""
    return int(await tx.fetchval(USED_BY, user))


async def used(tx: Tx) -> int:
    """Bytes of everybody's."""
    return int(await tx.fetchval(USED))


async def find_known(tx: Tx, user: UserId, content: Content) -> StoredFile | None:
    """A file of this content that this person may see. It stays until the transaction ends."""
    row = await tx.fetchrow(FIND_KNOWN, content.sha256, content.length_bytes, user)
    return None if row is None else StoredFile.from_row(row)


async def insert_known(
    tx: Tx, media_id: MediaId, user: UserId, file: StoredFile, new: NewName, now: datetime
) -> Upload:
    """A finished upload of this person's with the bytes of `file`."""
    row = await tx.fetchrow(
        INSERT_KNOWN,
        media_id,
        user,
        file.length_bytes,
        new.name,
        new.content_type,
        now,
        file.blob_key,
        file.sha256,
    )
    assert row is not None
    return Upload.from_row(row)


async def is_shared(tx: Tx, media_id: MediaId) -> bool:
    """Would another file lose its bytes with this one, which is marked as removed?"""
    return bool(await tx.fetchval(IS_SHARED, media_id))


async def find_blob_key(tx: Tx, media_id: MediaId) -> str | None:
    """Whose bytes it has, whatever its state."""
    key = await tx.fetchval(FIND_BLOB_KEY, media_id)
    return None if key is None else str(key)


async def hold_unused(tx: Tx, finished_before: datetime, rows_max: int) -> list[MediaId]:
    """Files that seem to be in no message. Until the transaction ends nobody else names them."""
    rows = await tx.fetch(HOLD_UNUSED, finished_before, rows_max)
    return [MediaId(row["media_id"]) for row in rows]


async def mark_unused(tx: Tx, held: Sequence[MediaId], now: datetime) -> int:
    """Mark those that no message names, indeed, as removed."""
    return len(await tx.fetch(MARK_UNUSED, list(held), now))


async def named(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Which of these blobs a row names."""
    return {row["blob_key"] for row in await tx.fetch(NAMED, list(keys))}


async def unfinished(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Which of these blobs are still being made."""
    return {row["blob_key"] for row in await tx.fetch(UNFINISHED, list(keys))}


async def find_to_scrub(tx: Tx, before: datetime, rows_max: int) -> list[StoredFile]:
    """Files whose bytes were not looked at since `before`, the longest unseen first."""
    return [StoredFile.from_row(row) for row in await tx.fetch(FIND_TO_SCRUB, before, rows_max)]


async def note_scrubbed(tx: Tx, media_id: MediaId, now: datetime) -> None:
    """Its bytes were looked at."""
    await tx.execute(NOTE_SCRUBBED, media_id, now)
