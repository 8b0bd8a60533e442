"""Files: finished uploads, for whoever holds a valid link."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from hodhod_server.blobs.store import BlobMissing, BlobStore, Reader
from hodhod_server.domain.errors import MediaNotFound
from hodhod_server.domain.ids import MediaId
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import StoredFile

__all__ = ["BlobMissing", "Files", "StoredFile"]


class Files:
    """Reading."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

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
