"""People who download, and what the server notes about files while they are looked at."""

from __future__ import annotations

import asyncio
from typing import Final

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.store.database import Database, Row
from tests.tus_caller import Answer, TusCaller

WITHIN_S: Final = 40.0


async def row_of(database: Database, media_id: str) -> Row:
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM uploads WHERE media_id = $1", media_id)
    assert row is not None
    return row


async def settled(database: Database, media_id: str) -> Row:
    """The row once its file was looked at."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            row = await row_of(database, media_id)
            if row["processing"] != "waiting":
                return row
            await asyncio.sleep(0.05)


class Viewer:
    """Downloads with fresh links."""

    def __init__(self, caller: TusCaller, links: MediaLinks, reader: UserId) -> None:
        self._caller = caller
        self._links = links
        self._reader = reader

    async def get(self, media_id: str, name: str = "") -> Answer:
        url, _ = self._links.mint(MediaId(media_id), self._reader)
        path, _, query = url.partition("?")
        return await self._caller.get(f"{path}/{name}?{query}" if name else url)
