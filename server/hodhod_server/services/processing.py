"""Processing: what is made of a file between its last byte and its first reader.

One try reads the bytes once for their hash, has a child look at them, writes what came of it under
new names, and settles everything in one transaction. Whatever dies in between leaves rows that are
not ready; the try is repeated, and the sweep removes what the dead one wrote.

Always true: nothing here parses the file. A copy is served only after the transaction that names
it. A file that fails again and again is given up, and that is written where its sender is told.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import IO, Final, Protocol

from hodhod_server.blobs.store import BlobMissing, BlobsFull, BlobStore
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import MediaId, random_public_id
from hodhod_server.processing import magic
from hodhod_server.processing.clamd import ScannerUnavailable, scanner_of
from hodhod_server.processing.contract import Derived, Details, Nature
from hodhod_server.processing.sandbox import ChildFailed, Findings, Sandbox
from hodhod_server.services.spool import Spool, patched
from hodhod_server.settings import ProcessingSettings
from hodhod_server.store import processing
from hodhod_server.store.database import Database
from hodhod_server.store.processing import MadeObject, Outcome, Raw
from hodhod_server.telemetry import logs, metrics

log = logs.get("processing")
OURS_RETRY_S: Final = 30.0  # the disk is full, the database restarts: not the file's fault
SLOWER: Final = 4.0


class Announcer(Protocol):
    """Whoever tells the chats that name a file."""

    async def media_settled(self, media_id: MediaId) -> None:
        """What is known of the file has changed for good. Called after COMMIT."""
        ...


class NoAnnouncer:
    """Tells nobody."""

    async def media_settled(self, media_id: MediaId) -> None:
        """See `Announcer`."""


class Processing:
    """Does the job of one file."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        settings: ProcessingSettings,
        scratch: Path,
        announcer: Announcer,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._settings = settings
        self._spool = Spool(blobs, scratch)
        self._sandbox = Sandbox(settings, scratch)
        self._scanner = scanner_of(settings)
        self._announcer = announcer

    async def process(self, media_id: MediaId) -> float | None:
        """One try. The seconds after which to come again, or `None` where it is settled."""
        async with self._database.connection() as connection:
            raw = await processing.begin(connection, media_id)
        if raw is None:
            return None
        with metrics.PROCESSING_SECONDS.time(), metrics.PROCESSING_RUNNING.track_inprogress():
            try:
                return await self._try(raw)
            except _SettledElsewhere:
                log.info("media.settled_elsewhere")
                return None
            except (Overloaded, BlobsFull, OSError, ScannerUnavailable) as error:
                return await self._forgive(raw, error)

    async def _forgive(self, raw: Raw, error: Exception) -> float:
        """What failed is ours. Where the database is away the try counts: it is tried again."""
        log.error("media.not_processed", error=type(error).__name__)
        metrics.PROCESSING_TRIES.labels("ours").inc()
        async with self._database.connection() as connection:
            await processing.forgive(connection, raw.media_id)
        return OURS_RETRY_S

    async def _try(self, raw: Raw) -> float | None:
        if raw.tries > self._settings.tries_max:
            await self._give_up(raw, "lost", None)  # whoever tried did not live to tell
            return None
        try:
            async with self._spool.holding(raw) as source:
                if await self._is_infected(source):
                    log.warning("media.infected")
                    await self._settle(raw, _outcome(raw, "infected", magic.OCTETS), [], None)
                    return None
                return await self._look_at(raw, source)
        except BlobMissing:
            await self._give_up(raw, "missing", None)
            return None
        except ChildFailed as failure:
            return await self._again(raw, str(failure), None)

    async def _is_infected(self, source: IO[bytes]) -> bool:
        """Raises `ScannerUnavailable` where nothing is served unseen."""
        if not self._settings.clamd:
            return False
        try:
            is_infected = await self._scanner.is_infected(source)
        except ScannerUnavailable as error:
            metrics.SCANS.labels(str(error)).inc()
            if self._settings.unscanned == "hold":
                raise
            return False
        metrics.SCANS.labels("infected" if is_infected else "clean").inc()
        return is_infected

    async def _look_at(self, raw: Raw, source: IO[bytes]) -> float | None:
        async with self._sandbox.looking_at(source, raw.claimed_type) as found:
            if found.details is None:
                return await self._again(raw, found.failure or "silent", (found.nature, source))
            await self._keep(raw, source, found, found.details)
            return None

    async def _again(
        self, raw: Raw, reason: str, known: tuple[Nature, IO[bytes]] | None
    ) -> float | None:
        metrics.PROCESSING_TRIES.labels(reason).inc()
        if raw.tries < self._settings.tries_max:
            log.warning("media.try_failed", reason=reason, tries=raw.tries)
            return self._settings.retry_s * SLOWER ** (raw.tries - 1)
        await self._give_up(raw, reason, known)
        return None

    async def _give_up(self, raw: Raw, reason: str, known: tuple[Nature, IO[bytes]] | None) -> None:
        """Never shown as anything; downloadable only if what it must not tell could be blanked."""
        log.error("media.given_up", reason=reason, tries=raw.tries)
        if known is None:
            await self._settle(raw, _outcome(raw, "refused", magic.OCTETS), [], None)
            return
        nature, source = known
        new_key, digest = await self._cleaned(raw, source, nature)
        outcome = Outcome(
            state="failed",
            blob_key=new_key or raw.blob_key,
            sha256=digest,
            content_type=magic.OCTETS,
        )
        await self._settle(raw, outcome, [], new_key)

    async def _keep(self, raw: Raw, source: IO[bytes], found: Findings, details: Details) -> None:
        new_key, digest = await self._cleaned(raw, source, found.nature)
        made = [await self._store(raw, found, derived) for derived in details.derived]
        outcome = Outcome(
            state="done",
            blob_key=new_key or raw.blob_key,
            sha256=digest,
            content_type=magic.OCTETS if details.problem else found.nature.content_type,
            width=details.width,
            height=details.height,
            duration_ms=details.duration_ms,
            blur=details.blur,
            waveform=details.waveform,
            codecs=details.codecs,
        )
        if details.problem:
            log.info("media.unreadable", problem=details.problem)
        await self._settle(raw, outcome, made, new_key)

    async def _cleaned(
        self, raw: Raw, source: IO[bytes], nature: Nature
    ) -> tuple[str | None, bytes]:
        """The hash of what will be served, and the name of new bytes where some were blanked."""
        patches = await self._spool.needed(source, nature.patches)
        if not patches:
            return None, await self._spool.digest(source)
        key = await self._announce_bytes(raw, "file")
        digest = await self._spool.store(key, patched(source, patches))
        return key, digest

    async def _store(self, raw: Raw, found: Findings, derived: Derived) -> MadeObject:
        key = await self._announce_bytes(raw, derived.copy)
        output = found.outputs[derived.copy]
        await self._spool.store(key, patched(output, []))
        metrics.OBJECTS_MADE.labels(derived.copy).inc()
        return MadeObject(
            blob_key=key,
            content_type=derived.content_type,
            length_bytes=await asyncio.to_thread(output.seek, 0, 2),
            width=derived.width,
            height=derived.height,
            duration_ms=derived.duration_ms,
        )

    async def _announce_bytes(self, raw: Raw, name: str) -> str:
        """A name for bytes to come, known to the sweep before they are."""
        key, now = random_public_id(), self._clock.now()
        async with self._database.connection() as connection:
            if not await processing.insert_object(connection, key, raw.media_id, name, now):
                raise _SettledElsewhere
        return key

    async def _settle(
        self, raw: Raw, outcome: Outcome, made: list[MadeObject], new_key: str | None
    ) -> None:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if not await processing.settle(tx, raw.media_id, outcome):
                raise _SettledElsewhere
            for each in made:
                if not await processing.finish_object(tx, each, now):
                    raise _SettledElsewhere
            if new_key is not None and not await processing.exchange_object(
                tx, new_key, raw.blob_key, now
            ):
                raise _SettledElsewhere
        metrics.PROCESSED.labels(outcome.state).inc()
        await self._announcer.media_settled(raw.media_id)


class _SettledElsewhere(Exception):
    """Another worker was first, or the file was removed: what this one wrote is for the sweep."""


def _outcome(raw: Raw, state: processing.State, content_type: str) -> Outcome:
    return Outcome(state=state, blob_key=raw.blob_key, sha256=None, content_type=content_type)
