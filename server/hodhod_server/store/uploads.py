"""Uploads and the files they become: rows to models.

The offset only grows, only by its newest writer, and says what is durable. A row marked as removed
is gone for every question asked here; it waits for its bytes to be deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Self

import msgspec

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("uploads")
INSERT: Final = SQL["insert"]
FIND: Final = SQL["find"]
ASK: Final = SQL["ask"]
FIND_ASKED: Final = SQL["find_asked"]
DECLARE_LENGTH: Final = SQL["declare_length"]
FIND_PARTS: Final = SQL["find_parts"]
FIND_FINAL: Final = SQL["find_final"]
BEGIN_WRITING: Final = SQL["begin_writing"]
ADVANCE: Final = SQL["advance"]
COME_FURTHER: Final = SQL["come_further"]
MARK_REMOVED: Final = SQL["mark_removed"]
CLAIM_EXPIRED: Final = SQL["claim_expired"]
FIND_REMOVED: Final = SQL["find_removed"]
DELETE: Final = SQL["delete"]
FIND_FINISHED: Final = SQL["find_finished"]
FIND_FILE: Final = SQL["find_file"]


class NewUpload(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody announces. `metadata` and `concat` are headers as they came.

    An upload with `parts` is made of them; one that `is_partial` will be a part. `length_bytes` is
    `None` where the client will tell it later, and where the parts do.
    """

    length_bytes: int | None
    name: str
    content_type: str
    metadata: str = ""
    is_partial: bool = False
    concat: str | None = None
    parts: tuple[MediaId, ...] = ()


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload under way, or done. `length_bytes` is `None` while its client does not know it."""

    media_id: MediaId
    user: UserId
    length_bytes: int | None
    offset_bytes: int
    writer_epoch: int
    metadata: str
    expires_at: datetime
    finished_at: datetime | None
    blob_key: str
    is_partial: bool
    concat: str | None

    @property
    def is_final(self) -> bool:
        """Made of partial uploads."""
        return self.concat is not None and not self.is_partial

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            media_id=MediaId(row["media_id"]),
            user=UserId(row["user_id"]),
            length_bytes=row["length_bytes"],
            offset_bytes=row["offset_bytes"],
            writer_epoch=row["writer_epoch"],
            metadata=row["metadata"],
            expires_at=row["expires_at"],
            finished_at=row["finished_at"],
            blob_key=row["blob_key"],
            is_partial=row["is_partial"],
            concat=row["concat"],
        )


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A finished upload. `processing` is its state, see `store.processing.State`."""

    media_id: MediaId
    user: UserId
    length_bytes: int
    name: str
    content_type: str
    finished_at: datetime
    blob_key: str
    sha256: bytes | None
    processing: str

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            media_id=MediaId(row["media_id"]),
            user=UserId(row["user_id"]),
            length_bytes=row["length_bytes"],
            name=row["name"],
            content_type=row["content_type"],
            finished_at=row["finished_at"],
            blob_key=row["blob_key"],
            sha256=row["sha256"],
            processing=row["processing"],
        )


class Lifetime(msgspec.Struct, frozen=True):
    """When an upload was touched, and when it ends if nobody touches it again."""

    now: datetime
    expires_at: datetime


class Way(NamedTuple):
    """How far a writer has come."""

    media_id: MediaId
    writer_epoch: int
    durable_bytes: int


async def insert(
    tx: Tx, media_id: MediaId, user: UserId, new: NewUpload, lifetime: Lifetime, unfinished_max: int
) -> Upload | None:
    """A new upload, or `None` where the person has `unfinished_max` of them already."""
    row = await tx.fetchrow(
        INSERT,
        media_id,
        user,
        new.length_bytes,
        new.name,
        new.content_type,
        new.metadata,
        lifetime.now,
        lifetime.expires_at,
        unfinished_max,
        new.is_partial,
        new.concat,
        list(new.parts) or None,
    )
    return None if row is None else Upload.from_row(row)


async def find(tx: Tx, user: UserId, media_id: MediaId) -> Upload | None:
    """An upload of this person's."""
    row = await tx.fetchrow(FIND, media_id, user)
    return None if row is None else Upload.from_row(row)


async def begin_writing(tx: Tx, user: UserId, media_id: MediaId) -> Upload | None:
    """The upload for a new writer, whose `writer_epoch` it carries; earlier ones are shut out."""
    row = await tx.fetchrow(BEGIN_WRITING, media_id, user)
    return None if row is None else Upload.from_row(row)


async def declare_length(tx: Tx, upload: Upload, length_bytes: int) -> Upload | None:
    """The upload with its length; `None` where it has one, has more bytes, or a newer writer."""
    row = await tx.fetchrow(DECLARE_LENGTH, upload.media_id, upload.writer_epoch, length_bytes)
    return None if row is None else Upload.from_row(row)


async def ask(tx: Tx, media_id: MediaId) -> None:
    """Whoever writes it now is to let go."""
    await tx.execute(ASK, media_id)


async def find_asked(tx: Tx, held: Mapping[MediaId, int]) -> list[MediaId]:
    """Which of these writers, by upload and epoch, are to stop."""
    rows = await tx.fetch(FIND_ASKED, list(held), list(held.values()))
    return [MediaId(row["media_id"]) for row in rows]


async def find_parts(tx: Tx, user: UserId, parts: Sequence[MediaId]) -> dict[MediaId, Upload]:
    """Those of the partial uploads that are this person's."""
    rows = await tx.fetch(FIND_PARTS, list(parts), user)
    return {MediaId(row["media_id"]): Upload.from_row(row) for row in rows}


async def find_final(tx: Tx, user: UserId, parts: Sequence[MediaId]) -> Upload | None:
    """The file that was made of these parts already."""
    row = await tx.fetchrow(FIND_FINAL, list(parts), user)
    return None if row is None else Upload.from_row(row)


async def advance(tx: Tx, upload: Upload, offset_bytes: int, lifetime: Lifetime) -> Upload | None:
    """Move the offset to what is durable, and finish the upload where that is all of it.

    `None` where a newer writer has taken over, or the upload was removed.
    """
    row = await tx.fetchrow(
        ADVANCE,
        upload.media_id,
        upload.writer_epoch,
        offset_bytes,
        lifetime.expires_at,
        lifetime.now,
    )
    return None if row is None else Upload.from_row(row)


async def come_further(tx: Tx, ways: Sequence[Way], lifetime: Lifetime) -> None:
    """Move the offsets of uploads under way. Those of writers that were shut out stay."""
    await tx.execute(COME_FURTHER, *map(list, zip(*ways, strict=True)), lifetime.expires_at)


async def mark_removed(tx: Tx, user: UserId, media_id: MediaId, now: datetime) -> None:
    """Nobody sees it any more. Its bytes and then its row are to be deleted."""
    await tx.execute(MARK_REMOVED, media_id, user, now)


async def claim_expired(
    tx: Tx, now: datetime, abandoned_before: datetime, rows_max: int
) -> list[MediaId]:
    """Mark what has expired as removed, and take over what was marked before `abandoned_before`."""
    rows = await tx.fetch(CLAIM_EXPIRED, now, abandoned_before, rows_max)
    return [MediaId(row["media_id"]) for row in rows]


async def find_removed(tx: Tx, media_id: MediaId) -> Upload | None:
    """Something marked as removed."""
    row = await tx.fetchrow(FIND_REMOVED, media_id)
    return None if row is None else Upload.from_row(row)


async def delete(tx: Tx, media_id: MediaId) -> None:
    """The row of something marked as removed, once its bytes are gone."""
    await tx.execute(DELETE, media_id)


async def find_finished(tx: Tx, user: UserId, media_id: MediaId) -> StoredFile | None:
    """A file that this person uploaded."""
    row = await tx.fetchrow(FIND_FINISHED, media_id, user)
    return None if row is None else StoredFile.from_row(row)


async def find_file(tx: Tx, media_id: MediaId) -> StoredFile | None:
    """A file, whoever uploaded it: the caller has checked that it may be read."""
    row = await tx.fetchrow(FIND_FILE, media_id)
    return None if row is None else StoredFile.from_row(row)
