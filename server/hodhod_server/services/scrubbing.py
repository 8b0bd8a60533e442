"""Does what is stored still say what was stored? Every file is read once in a while and compared.

Read slowly: disks and networks are there for people. Nothing is repaired here, and nothing removed:
a file that differs is logged with its id, and an operator has a copy to bring back.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final

from hodhod_server.blobs.store import BlobMissing, BlobStore, Reader
from hodhod_server.domain.clock import Clock
from hodhod_server.store import storage
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import StoredFile
from hodhod_server.telemetry import logs, metrics

log = logs.get("scrubbing")
ROWS_MAX: Final = 20


class Finding(StrEnum):
    """What became of a file."""

    SOUND = "sound"
    MISSING = "missing"
    LENGTH = "length"
    CONTENT = "content"


class Scrubbing:
    """Reads at most `bytes_per_s`."""

    def __init__(
        self, database: Database, blobs: BlobStore, clock: Clock, *, bytes_per_s: int
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._bytes_per_s = bytes_per_s

    async def scrub(self, before: datetime) -> dict[Finding, int]:
        """Look at every file that was not looked at since `before`."""
        found = dict.fromkeys(Finding, 0)
        while True:
            async with self._database.connection() as connection:
                batch = await storage.find_to_scrub(connection, before, ROWS_MAX)
            for file in batch:
                finding = await self._look_at(file)
                found[finding] += 1
                async with self._database.connection() as connection:
                    await storage.note_scrubbed(connection, file.media_id, self._clock.now())
            if len(batch) < ROWS_MAX:
                return found

    async def _look_at(self, file: StoredFile) -> Finding:
        try:
            async with self._blobs.reading(file.blob_key) as reader:
                finding = await self._compare(file, reader)
        except BlobMissing:
            finding = Finding.MISSING
        metrics.SCRUBBED.labels(finding).inc()
        if finding is not Finding.SOUND:
            log.error("file.unsound", media_id=file.media_id, finding=finding)
        return finding

    async def _compare(self, file: StoredFile, reader: Reader) -> Finding:
        loop = asyncio.get_running_loop()
        digest, length, began_at_s = hashlib.sha256(), 0, loop.time()
        async for piece in reader.pieces(0, reader.size_bytes):
            await asyncio.to_thread(digest.update, piece)
            length += len(piece)
            await asyncio.sleep(began_at_s + length / self._bytes_per_s - loop.time())
        if length != file.length_bytes:
            return Finding.LENGTH
        is_same = file.sha256 is None or file.sha256 == digest.digest()
        return Finding.SOUND if is_same else Finding.CONTENT
