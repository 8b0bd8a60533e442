"""A file that is here already need not be sent again.

Only a file that the person may see anyway is known to them: their own, or one in a message of a
chat they are in. Everything else is unknown, whether it is here or not, and is so in the same words
and after the same time: the answer waits for the end of a slot far longer than the search takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import MediaNotFound, RateLimited
from hodhod_server.domain.ids import MediaId, UserId, random_public_id
from hodhod_server.services.finished_files import Finished
from hodhod_server.services.quotas import Quotas
from hodhod_server.settings import MediaSettings
from hodhod_server.store import storage
from hodhod_server.store.database import Database
from hodhod_server.store.storage import Content, NewName
from hodhod_server.store.uploads import Upload

SLOT_S: Final = 0.1
MINUTE_S: Final = 60.0
PEOPLE_MAX: Final = 10_000

__all__ = ["Content", "KnownFiles", "NewName"]


class KnownFiles:
    """Asked before an upload."""

    def __init__(
        self, database: Database, clock: Clock, settings: MediaSettings, finished: Finished
    ) -> None:
        self._database = database
        self._clock = clock
        self._finished = finished
        self._quotas = Quotas(settings)
        self._per_minute = settings.known_checks_per_minute
        self._asked: dict[UserId, deque[float]] = {}

    async def take(self, user: UserId, content: Content, new: NewName) -> Upload:
        """A finished upload of the caller's with these bytes.

        Raises `MediaNotFound`, `RateLimited`, `QuotaExceeded`, `StorageFull`.
        """
        loop = asyncio.get_running_loop()
        began_at_s = loop.time()
        self._require_rate(user, began_at_s)
        upload = await self._find(user, content, new)
        if upload is None:
            slots = int((loop.time() - began_at_s) / SLOT_S) + 1
            await asyncio.sleep(began_at_s + slots * SLOT_S - loop.time())
            raise MediaNotFound
        return upload

    async def _find(self, user: UserId, content: Content, new: NewName) -> Upload | None:
        async with self._database.transaction() as tx:
            await self._quotas.begin(tx)
            file = await storage.find_known(tx, user, content)
            if file is None:
                return None
            media_id, now = MediaId(random_public_id()), self._clock.now()
            upload = await storage.insert_known(tx, media_id, user, file, new, now)
            await self._quotas.require(tx, user)
            await self._finished.enqueue(tx, user, media_id)  # its copies are its own
            return upload

    def _require_rate(self, user: UserId, now_s: float) -> None:
        """So many in a minute, in this process."""
        if len(self._asked) > PEOPLE_MAX:
            self._asked = {who: at for who, at in self._asked.items() if at[-1] > now_s - MINUTE_S}
        asked = self._asked.setdefault(user, deque(maxlen=self._per_minute))
        if len(asked) == self._per_minute and asked[0] > now_s - MINUTE_S:
            raise RateLimited(retry_after_s=asked[0] + MINUTE_S - now_s)
        asked.append(now_s)
