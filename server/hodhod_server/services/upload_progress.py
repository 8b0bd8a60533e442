"""How far uploads under way have come, written down for all of them at once.

A writer notes what is durable and reads on; one statement records what was noted meanwhile. So a
fast upload never waits for a commit, and ten uploads cost as many commits as one. The last of a
request is recorded by the request itself, before it is answered.

Always true: what is noted is durable. A note that comes late changes nothing, because an offset
only grows, and only by its newest writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import MediaId
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from hodhod_server.store.uploads import Lifetime, Upload, Way

RECORD_EVERY_S: Final = 0.05
AWAY_S: Final = 1.0


class Progress:
    """What is noted and not recorded yet: at most one way for each writer."""

    def __init__(self, database: Database, lifetime: Callable[[], Lifetime]) -> None:
        self._database = database
        self._lifetime = lifetime
        self._noted: dict[MediaId, Way] = {}
        self._filled = asyncio.Event()

    def note(self, upload: Upload, durable_bytes: int) -> None:
        """So much of it survives whatever happens. Never waits."""
        self._noted[upload.media_id] = Way(upload.media_id, upload.writer_epoch, durable_bytes)
        self._filled.set()

    def forget(self, upload: Upload) -> None:
        """Its request has ended, and recorded the rest."""
        self._noted.pop(upload.media_id, None)

    async def run(self) -> None:
        """Record for ever."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            noted, self._noted = self._noted, {}
            try:
                await self._record(noted)
            except Overloaded:
                self._noted = noted | self._noted
                self._filled.set()
                await asyncio.sleep(AWAY_S)
            await asyncio.sleep(RECORD_EVERY_S)

    async def _record(self, noted: dict[MediaId, Way]) -> None:
        if noted:
            async with self._database.connection() as connection:
                await uploads.come_further(connection, list(noted.values()), self._lifetime())
