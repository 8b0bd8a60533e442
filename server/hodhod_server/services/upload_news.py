"""What chats are told of uploads; see `services.media_news`, which tells it."""

from __future__ import annotations

from typing import Protocol

from hodhod_server.domain.ids import MediaId


class News(Protocol):
    """Told of ends of uploads, after COMMIT."""

    def note(self, media_id: MediaId) -> None:
        """It may be whole. Never waits and never raises."""
        ...

    async def tell_lost(self, media_id: MediaId) -> None:
        """It is removed. Asked again after a crash."""
        ...


class NoNews:
    """Tells nobody."""

    def note(self, media_id: MediaId) -> None:
        """See `News`."""

    async def tell_lost(self, media_id: MediaId) -> None:
        """See `News`."""
