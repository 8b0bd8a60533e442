"""Files: finished uploads, for whoever holds a valid link."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from hodhod_server.blobs.store import BlobMissing, BlobStore, Reader
from hodhod_server.domain.errors import LinkInvalid, MediaNotFound
from hodhod_server.domain.ids import MediaId
from hodhod_server.services.media_links import Sight
from hodhod_server.store import rights, uploads
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import StoredFile

__all__ = ["BlobMissing", "Files", "Reader", "StoredFile"]


class Files:
    """Reading."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def require_sight(self, sight: Sight) -> None:
        """Raises `LinkInvalid` for who was in the chat, or for what was a message there."""
        async with self._database.connection() as connection:
            if not await rights.sees(connection, sight.user, sight.chat, sight.seq):
                raise LinkInvalid("the message that gave this link is out of sight")

    def place_of(self, file: StoredFile) -> str | None:
        """Its path within the media folder, for a web server that serves that."""
        return self._blobs.place_of(file.blob_key)

    async def load(self, media_id: MediaId) -> StoredFile:
        """Raises `MediaNotFound`, also for an upload that is not finished."""
        async with self._database.connection() as connection:
            file = await uploads.find_file(connection, media_id)
        if file is None:
            raise MediaNotFound
        return file

    def reading(self, file: StoredFile) -> AbstractAsyncContextManager[Reader]:
        """Its bytes. Raises `BlobMissing` where it was removed a moment ago."""
        return self._blobs.reading(file.blob_key)
