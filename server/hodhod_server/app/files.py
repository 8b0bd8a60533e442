"""The media and worker roles put together."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Final

from hodhod_server.app.parts import Parts, Role, keys_of, own_or_shared
from hodhod_server.blobs.opening import open_blobs
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import GatewayId
from hodhod_server.media.downloads import Downloads, Sending
from hodhod_server.media.known import Known
from hodhod_server.media.routes import add_media
from hodhod_server.media.sending import open_sender
from hodhod_server.media.tus import Tus
from hodhod_server.services.account_notices import NobodyHere
from hodhod_server.services.collecting import Collecting
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.expiry import Expiry
from hodhod_server.services.files import Files
from hodhod_server.services.finished_files import FinishedFiles
from hodhod_server.services.known_files import KnownFiles
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.services.media_news import MediaNews
from hodhod_server.services.messaging import Announcer
from hodhod_server.services.processing import Processing
from hodhod_server.services.scrubbing import Scrubbing
from hodhod_server.services.sessions import NoAnnouncer, Sessions
from hodhod_server.services.uploads import Uploads
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from hodhod_server.store.jobs import JobQueue
from hodhod_server.telemetry.load_probe import LoadProbe
from hodhod_server.web.callers import use_authenticator
from hodhod_server.web.health import add_health
from hodhod_server.web.serving import new_app
from hodhod_server.workers.storage_duties import StorageDuties
from hodhod_server.workers.sweeps import Sweeper

SCRATCH: Final = ".scratch"
"""Beside the blobs, whose folders have names of two letters."""


@contextlib.asynccontextmanager
async def media(
    settings: Settings, clock: Clock, *, shared: Database | None = None
) -> AsyncIterator[Parts]:
    """Uploads and downloads."""
    keys, own = keys_of(settings), settings.media
    async with (
        own_or_shared(shared, settings.database, Role.MEDIA) as database,
        open_blobs(own, clock) as blobs,
        open_sender() as sender,
        open_redis(settings.redis) as redis,
    ):
        broker = RedisBroker(redis, settings.redis.prefix, GatewayId(secrets.token_hex(8)))
        delivery = Delivery(broker, NobodyHere())
        news = MediaNews(database, Announcer(delivery), clock)
        sessions = Sessions(database, keys, clock, settings.security, NoAnnouncer())
        finished = FinishedFiles(database, blobs, clock, settings.processing)
        uploads = Uploads(database, blobs, clock, own, news, finished)
        tus = Tus(
            uploads,
            upload_bytes_max=own.upload_bytes_max,
            direct_bytes=own.direct_bytes,
            base_url=settings.public.media_url,
        )
        links = MediaLinks(
            keys.media_link, clock, link_s=own.link_s, base_url=settings.public.media_url
        )
        app = new_app()
        add_health(app, database.is_reachable)
        use_authenticator(app, sessions)
        files = Files(database, blobs, settings.processing)
        sending = Sending(sender, readers_max=own.readers_max, accel_location=own.accel_location)
        downloads = Downloads(files, links, sending, recheck_s=own.recheck_s)
        add_media(app, tus, Known(KnownFiles(database, clock, own, finished)), downloads)
        loops = (sessions.run, uploads.run, news.run, LoadProbe(settings.load).run)
        yield Parts(app=app, loops=(*loops, *delivery.loops))


@contextlib.asynccontextmanager
async def worker(
    settings: Settings, clock: Clock, *, shared: Database | None = None
) -> AsyncIterator[Parts]:
    """What is done by the clock; its socket serves only health."""
    own = settings.media
    async with (
        own_or_shared(shared, settings.database, Role.WORKER) as database,
        open_blobs(own, clock) as blobs,
        open_redis(settings.redis) as redis,
    ):
        broker = RedisBroker(redis, settings.redis.prefix, GatewayId(secrets.token_hex(8)))
        delivery = Delivery(broker, NobodyHere())
        news = MediaNews(database, Announcer(delivery), clock)
        collecting = Collecting(database, blobs, clock, own)
        scrubbing = Scrubbing(database, blobs, clock, bytes_per_s=own.scrub_bytes_per_s)
        duties = StorageDuties(collecting, scrubbing, clock, collect_s=own.collect_s)
        scrub = partial(duties.scrub, timedelta(days=own.scrub_days), settings.worker.sweep_s)
        sweeper = Sweeper(
            Uploads(database, blobs, clock, own, news),
            Expiry(database, clock, sends_kept_days=settings.signup.sends_kept_days),
            FinishedFiles(database, blobs, clock, settings.processing),
            every_s=settings.worker.sweep_s,
        )
        scratch = own.directory / SCRATCH
        processing = Processing(database, blobs, clock, settings.processing, scratch, news)
        jobs = JobQueue(settings.database, processing.process, settings.processing)
        app = new_app()
        add_health(app, database.is_reachable)
        loops = (sweeper.run, duties.collect, scrub, jobs.run)
        yield Parts(app=app, loops=(*loops, *delivery.loops))
