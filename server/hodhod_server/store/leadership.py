"""One leader among processes: who holds a lock of the database, on a connection of its own.

PostgreSQL gives the lock back the moment the connection ends, however the process ended, so that
another takes over without a time-out to tune. A leader asks every `LOOK_S` whether its connection
still stands; in the worst case two lead for that long, so what they do must bear being done twice.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from hodhod_server.settings import DatabaseSettings
from hodhod_server.store.database import StoreError
from hodhod_server.telemetry import logs

log = logs.get("leadership")
LOOK_S: Final = 1.0
ANSWER_S: Final = 3.0
_TRY: Final = "SELECT pg_try_advisory_lock($1)"


class Leadership:
    """A candidate for one office, which is named by a number."""

    def __init__(self, settings: DatabaseSettings, office: int, application: str) -> None:
        self._settings = settings
        self._office = office
        self._application = application
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def win(self) -> None:
        """Return once this process leads, however long that takes."""
        while True:
            try:
                if await self._try():
                    return
            except (TimeoutError, *StoreError) as error:
                log.warning("leadership.unavailable", error=type(error).__name__)
                self.resign()
            await asyncio.sleep(LOOK_S)

    async def lose(self) -> None:
        """Return once it can no longer be said that this process leads."""
        while self._connection is not None:
            try:
                await self._connection.execute("SELECT 1", timeout=ANSWER_S)
            except (TimeoutError, *StoreError) as error:
                log.warning("leadership.lost", error=type(error).__name__)
                break
            await asyncio.sleep(LOOK_S)
        self.resign()

    def resign(self) -> None:
        """Lead no longer; somebody else may from now on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _try(self) -> bool:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._settings.url,
                timeout=ANSWER_S,
                server_settings={"application_name": f"hodhod-{self._application}"},
            )
        return bool(await self._connection.fetchval(_TRY, self._office, timeout=ANSWER_S))
