"""How much may be stored: by one person, and by all.

An upload counts from its creation, with its whole length, and until it is removed; one whose length
nobody knows counts from when it is told. It is counted first and refused then, in the same
transaction: whoever else creates one meanwhile waits for that row, so two never fit where one does.
"""

from __future__ import annotations

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.upload_errors import QuotaExceeded, StorageFull
from hodhod_server.settings import MediaSettings
from hodhod_server.store import storage
from hodhod_server.store.database import Tx

FULL_RETRY_AFTER_S = 3600.0


class Quotas:
    """The two limits; 0 is none."""

    def __init__(self, settings: MediaSettings) -> None:
        self._user_bytes_max = settings.user_bytes_max
        self._server_bytes_max = settings.server_bytes_max

    async def begin(self, tx: Tx) -> None:
        """Comes before what adds bytes."""
        if self._server_bytes_max:
            await storage.hold_total(tx)

    async def require(self, tx: Tx, user: UserId) -> None:
        """Comes after it. Raises `QuotaExceeded`, `StorageFull`: nothing of it may be kept."""
        if self._user_bytes_max:
            used_bytes = await storage.used_by(tx, user)
            if used_bytes > self._user_bytes_max:
                raise QuotaExceeded(user_bytes_max=self._user_bytes_max)
        if self._server_bytes_max and await storage.used(tx) > self._server_bytes_max:
            raise StorageFull("the server's quota is used up", retry_after_s=FULL_RETRY_AFTER_S)
