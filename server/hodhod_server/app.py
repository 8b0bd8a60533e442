"""The composition root: settings → adapters → services → edges, per role.

The only file that knows all names. Each role is an async context manager that yields its HTTP
application with everything behind it open, and its background loops; `run` gives it sockets and
signals. No `if` here is about business.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from aiohttp import web

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.route_keeper import RouteKeeper
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.clock import Clock, SystemClock
from hodhod_server.domain.ids import GatewayId
from hodhod_server.domain.keys import Keys
from hodhod_server.gateway.commands import Commands
from hodhod_server.gateway.connection import Connection
from hodhod_server.gateway.doors import Doors
from hodhod_server.gateway.handler import add_websocket
from hodhod_server.gateway.hub import Hub
from hodhod_server.http_api.routes import add_json_api
from hodhod_server.media.downloads import Downloads
from hodhod_server.media.operations import OPERATIONS
from hodhod_server.media.routes import add_media
from hodhod_server.media.tus import Tus
from hodhod_server.services.accounts import Accounts
from hodhod_server.services.chats import Chats
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.expiry import Expiry
from hodhod_server.services.file_links import FileLinks
from hodhod_server.services.files import Files
from hodhod_server.services.handoffs import Handoffs
from hodhod_server.services.inside import Inside
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.services.messaging import Announcer, Messaging
from hodhod_server.services.positions import PositionKeeper
from hodhod_server.services.rosters import Rosters
from hodhod_server.services.sessions import NoAnnouncer, Sessions
from hodhod_server.services.signup import Signup, rules_of
from hodhod_server.services.syncing import Syncing
from hodhod_server.services.typing_hints import TypingHints
from hodhod_server.services.uploads import Uploads
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.signup_api.routes import ENDPOINTS as SIGNUP_ENDPOINTS
from hodhod_server.signup_api.routes import add_outbox, add_signup_api
from hodhod_server.sms.console import ConsoleSender
from hodhod_server.store.database import open_database
from hodhod_server.store.group_commit import GroupCommit
from hodhod_server.telemetry import logs
from hodhod_server.web.callers import use_authenticator
from hodhod_server.web.health import add_health
from hodhod_server.web.serving import new_app, serve
from hodhod_server.workers.sweeps import Sweeper
from hodhod_wire.close_codes import CloseCode

log = logs.get("app")
Loop = Callable[[], Awaitable[None]]


class Role(StrEnum):
    """What one process does."""

    GATEWAY = "gateway"
    SIGNUP = "signup"
    MEDIA = "media"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A role, open: its edge, and the loops that run beside it."""

    app: web.Application
    loops: Sequence[Loop] = ()


@contextlib.asynccontextmanager
async def gateway(settings: Settings, clock: Clock) -> AsyncIterator[Parts]:
    """People who are already inside: the WebSocket and its JSON twin."""
    keys, gateway_id = keys_of(settings), GatewayId(secrets.token_hex(8))
    async with (
        open_database(settings.database, Role.GATEWAY, spared=1) as database,
        # The log has a connection of its own: messages do not queue behind a storm of reads.
        open_database(settings.database, "log", spared=settings.database.pool_max - 1) as log_only,
        open_redis(settings.redis) as redis,
    ):
        broker = RedisBroker(redis, settings.redis.prefix, gateway_id)
        sessions = Sessions(database, keys, clock, settings.security, broker)
        hub = Hub(sessions.note_ended)
        sessions.when_ended(hub.disconnect_device)
        routing = Routing(redis, settings.redis.prefix, gateway_id)
        routes = RouteKeeper(routing, hub.on_gap)
        broker.on_return(routes.rewrite)
        delivery = Delivery(routing, broker, hub)
        rosters = Rosters(database)
        announcer = Announcer(delivery)
        writer = GroupCommit(
            log_only, settings.group_commit, clock, announcer.announce, announcer.doubt
        )
        inside = Inside(
            accounts=Accounts(database, keys),
            sessions=sessions,
            messaging=Messaging(database, rosters, writer),
            chats=Chats(database, keys, clock),
            syncing=Syncing(database, rosters),
            positions=PositionKeeper(database, rosters, delivery),
            typing=TypingHints(rosters, delivery),
            file_links=FileLinks(
                database, rosters, MediaLinks(keys.media_link, clock, link_s=settings.media.link_s)
            ),
        )
        doors = Doors(sessions, hub, routes)
        app = _gateway_app(settings, clock, inside, doors)
        add_health(app, database.is_reachable)
        app.on_shutdown.append(lambda _: routes.withdraw())
        yield Parts(
            app=app,
            loops=(
                writer.run,
                delivery.run_here,
                delivery.run_elsewhere,
                delivery.run_gaps,
                inside.positions.run,
                routes.run,
                sessions.run,
                partial(broker.run, hub),
            ),
        )


def _gateway_app(settings: Settings, clock: Clock, inside: Inside, doors: Doors) -> web.Application:
    """The gateway's edge: the socket and its JSON twin."""

    async def say_goodbye(_: web.Application) -> None:
        doors.close(CloseCode.GOING_AWAY)

    app = new_app()
    opener = partial(
        Connection, doors=doors, commands=Commands(inside), settings=settings.gateway, clock=clock
    )
    use_authenticator(app, inside.sessions)
    add_websocket(app, opener, settings.gateway)
    add_json_api(app, settings, inside, {"signup": SIGNUP_ENDPOINTS, "media": OPERATIONS})
    app.on_shutdown.append(say_goodbye)
    return app


@contextlib.asynccontextmanager
async def signup(settings: Settings, clock: Clock) -> AsyncIterator[Parts]:
    """Newcomers and those who come back: challenges, codes, sessions."""
    keys, rules, console = keys_of(settings), rules_of(settings.signup), ConsoleSender(clock)
    async with (
        open_database(settings.database, Role.SIGNUP) as database,
        open_redis(settings.redis) as redis,
    ):
        broker = RedisBroker(redis, settings.redis.prefix, GatewayId(secrets.token_hex(8)))
        sessions = Sessions(database, keys, clock, settings.security, broker)
        handoffs = Handoffs(database, keys, rules, console)
        app = new_app()
        add_health(app, database.is_reachable)
        add_signup_api(app, Signup(database, keys, clock, rules, handoffs, sessions), sessions)
        add_outbox(app, console)
        yield Parts(app=app)


@contextlib.asynccontextmanager
async def media(settings: Settings, clock: Clock) -> AsyncIterator[Parts]:
    """Uploads and downloads."""
    keys, own = keys_of(settings), settings.media
    async with (
        open_database(settings.database, Role.MEDIA) as database,
        open_filesystem(own.directory, own.sync_bytes) as blobs,
    ):
        sessions = Sessions(database, keys, clock, settings.security, NoAnnouncer())
        tus = Tus(Uploads(database, blobs, clock, own), upload_bytes_max=own.upload_bytes_max)
        links = MediaLinks(
            keys.media_link, clock, link_s=own.link_s, base_url=settings.public.media_url
        )
        app = new_app()
        add_health(app, database.is_reachable)
        use_authenticator(app, sessions)
        downloads = Downloads(Files(database, blobs), links, readers_max=own.readers_max)
        add_media(app, tus, downloads)
        yield Parts(app=app, loops=(sessions.run,))


@contextlib.asynccontextmanager
async def worker(settings: Settings, clock: Clock) -> AsyncIterator[Parts]:
    """What is done by the clock; its socket serves only health."""
    own = settings.media
    async with (
        open_database(settings.database, Role.WORKER) as database,
        open_filesystem(own.directory, own.sync_bytes) as blobs,
    ):
        sweeper = Sweeper(
            Uploads(database, blobs, clock, own),
            Expiry(database, clock),
            every_s=settings.worker.sweep_s,
        )
        app = new_app()
        add_health(app, database.is_reachable)
        yield Parts(app=app, loops=(sweeper.run,))


ROLES: Final[dict[Role, Callable[[Settings, Clock], AbstractAsyncContextManager[Parts]]]] = {
    Role.GATEWAY: gateway,
    Role.SIGNUP: signup,
    Role.MEDIA: media,
    Role.WORKER: worker,
}


async def run(role: Role, settings: Settings) -> None:
    """Serve one role until SIGTERM or SIGINT."""
    await run_all({role: settings})


async def run_all(settings: Mapping[Role, Settings]) -> None:
    """Serve roles in this process, each on its own sockets, until SIGTERM or SIGINT.

    A loop that dies ends the process, loudly.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        opened = [
            (await stack.enter_async_context(ROLES[role](own, SystemClock())), own.listen)
            for role, own in settings.items()
        ]
        await _serve_until(stopped, opened)
    log.info("process.stopped")


async def _serve_until(
    stopped: asyncio.Event, opened: Sequence[tuple[Parts, ListenSettings]]
) -> None:
    """Every background loop of the process is started here and nowhere else.

    They start before the sockets and stop after them, so that no request meets half a process.
    """
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(_forever(loop)) for parts, _ in opened for loop in parts.loops]
        async with contextlib.AsyncExitStack() as sockets:
            for parts, listen in opened:
                await sockets.enter_async_context(serve(parts.app, listen))
                log.info("process.ready", port=listen.port)
            await stopped.wait()
        for loop in loops:
            loop.cancel()


async def _forever(loop: Loop) -> None:
    await loop()


def keys_of(settings: Settings) -> Keys:
    """The keys of this installation. Raises `ValueError` for a master key that is none."""
    return Keys.from_master(settings.security.master_key)
