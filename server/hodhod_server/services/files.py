"""Files: finished uploads and what was made of them, for whoever holds a valid link.

A file that may tell where it was taken, or that a virus scanner has yet to see, waits until it was
looked at. Which files that are is told by their first bytes, by comparison alone.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec

from hodhod_server.blobs.store import BlobMissing, BlobStore, Reader
from hodhod_server.domain.errors import LinkInvalid, MediaNotFound, MediaNotReady, MediaRefused
from hodhod_server.domain.ids import MediaId
from hodhod_server.processing import magic
from hodhod_server.services.media_links import Sight
from hodhod_server.settings import ProcessingSettings
from hodhod_server.store import processing, rights, uploads
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import StoredFile

__all__ = ["BlobMissing", "Files", "Reader", "StoredFile"]
RETRY_AFTER_S: Final = 2.0


class Files:
    """Reading."""

    def __init__(self, database: Database, blobs: BlobStore, settings: ProcessingSettings) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings

    async def require_sight(self, sight: Sight) -> None:
        """Raises `LinkInvalid` for who was in the chat, or for what was a message there."""
        async with self._database.connection() as connection:
            if not await rights.sees(connection, sight.user, sight.chat, sight.seq):
                raise LinkInvalid("the message that gave this link is out of sight")

    def place_of(self, file: StoredFile) -> str | None:
        """Its path within the media folder, for a web server that serves that."""
        return self._blobs.place_of(file.blob_key)

    async def load(self, media_id: MediaId) -> StoredFile:
        """Raises `MediaNotFound`, also for an upload that is not finished, `MediaNotReady`,
        `MediaRefused`.
        """
        async with self._database.connection() as connection:
            file = await uploads.find_file(connection, media_id)
        if file is None:
            raise MediaNotFound
        if file.processing in ("refused", "infected"):
            raise MediaRefused
        if file.processing == "waiting" and await self._must_wait(file):
            raise MediaNotReady(retry_after_s=RETRY_AFTER_S)
        return file

    async def load_object(self, media_id: MediaId, name: str) -> StoredFile:
        """What was made of a file. Raises as `load`."""
        file = await self.load(media_id)
        async with self._database.connection() as connection:
            found = await processing.find_object(connection, media_id, name)
        if found is None:
            raise MediaNotFound
        return msgspec.structs.replace(
            file,
            media_id=MediaId(f"{media_id}-{name}"),
            blob_key=found.blob_key,
            sha256=None,
            content_type=found.content_type,
            length_bytes=found.length_bytes,
        )

    def reading(self, file: StoredFile) -> AbstractAsyncContextManager[Reader]:
        """Its bytes. Raises `BlobMissing` where it was removed a moment ago."""
        return self._blobs.reading(file.blob_key)

    async def _must_wait(self, file: StoredFile) -> bool:
        if self._settings.clamd and self._settings.unscanned == "hold":
            return True
        if not self._settings.strips_metadata:
            return False
        try:
            async with self.reading(file) as reader:
                head = b"".join([p async for p in reader.pieces(0, magic.HEAD_BYTES)])
        except BlobMissing:
            raise MediaNotFound from None
        return magic.type_of(head) in magic.PHOTOS
