"""The store that the settings name, open."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.blobs.pair import PairedBlobs
from hodhod_server.blobs.s3 import open_s3
from hodhod_server.blobs.store import BlobStore
from hodhod_server.domain.clock import Clock
from hodhod_server.settings import MediaSettings

PARTS_MAX = 10_000  # of one object, says S3
SPOOL = "spool"  # in the media folder; too long for one of the folders of blobs


@contextlib.asynccontextmanager
async def open_blobs(settings: MediaSettings, clock: Clock) -> AsyncIterator[BlobStore]:
    """Where new bytes go; bytes in the other store are found where `read_also` names it."""
    async with open_store(settings.store, settings, clock) as first:
        if settings.read_also in ("", settings.store):
            yield first
            return
        async with open_store(settings.read_also, settings, clock) as second:
            yield PairedBlobs(first, second)


@contextlib.asynccontextmanager
async def open_store(name: str, settings: MediaSettings, clock: Clock) -> AsyncIterator[BlobStore]:
    """One store by its name in the settings. Raises `OSError`, `ValueError` for half a setting."""
    if name == "files":
        async with open_filesystem(settings.directory, settings.sync_bytes) as files:
            yield files
        return
    if not (settings.s3.endpoint and settings.s3.bucket and settings.s3.access_key):
        raise ValueError("media.s3 needs endpoint, bucket and access_key")
    if settings.s3.part_bytes * PARTS_MAX < settings.upload_bytes_max:
        raise ValueError("media.s3.part_bytes is too small for media.upload_bytes_max")
    async with open_s3(settings.s3, settings.directory / SPOOL, clock) as objects:
        yield objects
