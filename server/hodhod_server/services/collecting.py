"""What nobody needs any more goes: files in no message, and bytes that no row names.

Rows come before their bytes and go after them, so bytes without a row were left by somebody who
died, or are being made this moment; hence the grace, far longer than anything takes to be made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from hodhod_server.blobs.store import BlobStore
from hodhod_server.domain.clock import Clock
from hodhod_server.settings import MediaSettings
from hodhod_server.store import storage
from hodhod_server.store.database import Database
from hodhod_server.telemetry import logs

log = logs.get("collecting")
ROWS_MAX: Final = 100
KEYS_MAX: Final = 500
GRACE: Final = timedelta(days=1)


class Collecting:
    """Marks unused files, for the sweep of uploads to remove, and deletes nameless blobs."""

    def __init__(
        self, database: Database, blobs: BlobStore, clock: Clock, settings: MediaSettings
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._settings = settings

    async def mark_unused(self) -> int:
        """Files that were in no message for `unused_days`. Their bytes go with the next sweep."""
        if not self._settings.unused_days:
            return 0
        now, marked = self._clock.now(), 0
        before = now - timedelta(days=self._settings.unused_days)
        while True:
            async with self._database.transaction() as tx:
                batch = await storage.hold_unused(tx, before, ROWS_MAX)
                marked += await storage.mark_unused(tx, batch, now)
            if len(batch) < ROWS_MAX:
                return marked

    async def delete_nameless(self) -> int:
        """Blobs older than an upload may be that no row names."""
        expiry = timedelta(seconds=self._settings.upload_expiry_s)
        before, deleted, keys = self._clock.now() - expiry - GRACE, 0, list[str]()
        async for blob in self._blobs.blobs():
            if blob.modified_at < before:
                keys.append(blob.key)
            if len(keys) == KEYS_MAX:
                deleted += await self._delete_nameless(keys)
                keys = []
        deleted += await self._delete_nameless(keys)
        return deleted + await self._blobs.tidy(before)

    async def _delete_nameless(self, keys: list[str]) -> int:
        async with self._database.connection() as connection:
            nameless = set(keys) - await storage.named(connection, keys)
        for key in nameless:
            await self._blobs.delete(key)
        if nameless:
            log.warning("blobs.nameless", deleted=len(nameless))
        return len(nameless)
