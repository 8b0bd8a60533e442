"""What a worker does for stored bytes, slowly and for ever: it collects, and it scrubs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hodhod_server.domain.clock import Clock
from hodhod_server.services.collecting import Collecting
from hodhod_server.services.scrubbing import Scrubbing
from hodhod_server.telemetry import logs, metrics

log = logs.get("storage")


class StorageDuties:
    """Two loops. A round that fails is logged, and the next one does its work."""

    def __init__(
        self, collecting: Collecting, scrubbing: Scrubbing, clock: Clock, *, collect_s: float
    ) -> None:
        self._collecting = collecting
        self._scrubbing = scrubbing
        self._clock = clock
        self._collect_s = collect_s

    async def collect(self) -> None:
        """Look for files that no message names, and blobs that nothing names, for ever."""
        while True:
            await asyncio.sleep(self._collect_s)
            try:
                metrics.SWEPT.labels("unused_file").inc(await self._collecting.mark_unused())
                metrics.SWEPT.labels("nameless_blob").inc(await self._collecting.delete_nameless())
            except Exception:
                log.exception("collecting.failed")

    async def scrub(self, every: timedelta, look_s: float) -> None:
        """Look at what was not looked at for `every`, for ever."""
        while True:
            await asyncio.sleep(look_s)
            try:
                await self._scrubbing.scrub(self._clock.now() - every)
            except Exception:
                log.exception("scrubbing.failed")
