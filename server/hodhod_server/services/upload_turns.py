"""Whose turn it is to write an upload: one at a time, and the newest wins.

A phone that changed networks comes back while its old connection still looks alive. So a newcomer
asks the present writer to stop; that one saves what it has, leaves, and the newcomer goes on from
there. A writer to whom nothing is sent for long ends by itself.

Always true: within a process an upload has at most one turn; between processes the blob's lock and
the upload's `writer_epoch` see to the same (`upload_handover`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from hodhod_server.domain.errors import Malformed, Overloaded
from hodhod_server.domain.ids import MediaId
from hodhod_server.domain.upload_errors import UploadBusy
from hodhod_server.telemetry import metrics

TAKE_OVER_S: Final = 5.0  # a writer on a healthy disk saves in milliseconds
RETRY_AFTER_S: Final = 2.0
EAGER_SHARE: Final = 0.1  # of the patience: a fast upload need not move its end with each piece


class Turn:
    """The right to write, until somebody else asks for it. `epoch` is the writer's, once known."""

    def __init__(self, idle_s: float) -> None:
        self.epoch = 0
        self._idle_s = idle_s
        self._patience: asyncio.Timeout | None = None
        self._is_revoked = False
        self._renewed_at_s = 0.0
        self.ended: Final = asyncio.Event()

    @contextlib.asynccontextmanager
    async def until_revoked(self) -> AsyncIterator[None]:
        """Runs the block until it is done, revoked or idle.

        Raises `UploadBusy` when revoked, `Malformed` when nothing was received for too long.
        """
        patience = asyncio.timeout(0 if self._is_revoked else self._idle_s)
        try:
            async with patience:
                self._patience = patience
                yield
        except TimeoutError:
            if not patience.expired():
                raise
            if self._is_revoked:
                raise UploadBusy("another request goes on with this upload") from None
            raise Malformed("the body stopped in the middle") from None
        finally:
            self._patience = None

    @property
    def is_revoked(self) -> bool:
        """Somebody waits for it to end."""
        return self._is_revoked

    def received(self) -> None:
        """Something came: the patience starts anew, give or take a tenth."""
        now_s = asyncio.get_running_loop().time()
        if not self._is_revoked and now_s - self._renewed_at_s >= self._idle_s * EAGER_SHARE:
            self._renewed_at_s = now_s
            self._expire_in(self._idle_s)

    def revoke(self) -> None:
        """Ask the writer to stop."""
        if not self._is_revoked:
            self._is_revoked = True
            self._expire_in(0)

    def _expire_in(self, seconds: float) -> None:
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time() + seconds)


class Turns:
    """The turns of one process."""

    def __init__(self, *, writers_max: int, idle_s: float) -> None:
        self._writers_max = writers_max
        self._idle_s = idle_s
        self._present: dict[MediaId, Turn] = {}

    @contextlib.asynccontextmanager
    async def take(self, media_id: MediaId) -> AsyncIterator[Turn]:
        """A turn for the life of the block. Raises `UploadBusy`, `Overloaded`."""
        await self.end(media_id)
        if len(self._present) >= self._writers_max:
            raise Overloaded("too many uploads at once", retry_after_s=RETRY_AFTER_S)
        turn = self._present[media_id] = Turn(self._idle_s)
        metrics.UPLOAD_WRITERS.inc()
        try:
            yield turn
        finally:
            metrics.UPLOAD_WRITERS.dec()
            del self._present[media_id]
            turn.ended.set()

    def held(self) -> dict[MediaId, int]:
        """Who writes what: the epochs of writers."""
        return {media_id: turn.epoch for media_id, turn in self._present.items() if turn.epoch}

    def revoke(self, media_id: MediaId, epoch: int) -> None:
        """Ask this writer to stop; a newer one goes on."""
        turn = self._present.get(media_id)
        if turn is not None and turn.epoch == epoch:
            turn.revoke()

    def revoke_all(self) -> None:
        """Ask every writer to stop."""
        for turn in self._present.values():
            turn.revoke()

    async def end(self, media_id: MediaId) -> None:
        """Wait until nobody writes; whoever does is asked to stop. Raises `UploadBusy`."""
        try:
            async with asyncio.timeout(TAKE_OVER_S):
                while (turn := self._present.get(media_id)) is not None:
                    turn.revoke()
                    await turn.ended.wait()
        except TimeoutError:
            raise UploadBusy(retry_after_s=RETRY_AFTER_S) from None
