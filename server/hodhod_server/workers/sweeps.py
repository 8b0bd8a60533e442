"""The sweep: what has had its time is removed, round after round.

A round that fails (the database restarts, a disk is gone) is logged, and the next one does its
work: everything it removes is found again by what it is, not by a list somebody keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from hodhod_server.services.expiry import Expiry
from hodhod_server.services.finished_files import FinishedFiles
from hodhod_server.services.uploads import Uploads
from hodhod_server.telemetry import logs, metrics

log = logs.get("sweeps")


class Sweeper:
    """Runs for the life of a worker; several workers share the work."""

    def __init__(
        self, uploads: Uploads, expiry: Expiry, files: FinishedFiles, *, every_s: float
    ) -> None:
        self._every_s = every_s
        self._kinds: Mapping[str, Callable[[], Awaitable[int]]] = {
            "upload": uploads.remove_expired,
            "media_job": files.enqueue_forgotten,
            "media_object": files.remove_abandoned,
            "job_log": expiry.forget_job_logs,
            "challenge": expiry.forget_challenges,
            "send": expiry.forget_sends,
            "refresh_token": expiry.forget_refresh_tokens,
            "tries": expiry.forget_tries,
            "return_key": expiry.forget_return_keys,
            "device_link": expiry.forget_device_links,
        }

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> None:
        """One round: every kind, whatever becomes of the others."""
        for kind, remove in self._kinds.items():
            try:
                removed = await remove()
            except Exception:
                log.exception("sweep.failed", kind=kind)
            else:
                metrics.SWEPT.labels(kind).inc(removed)
                log.debug("sweep.done", kind=kind, removed=removed)
