"""The composition root: settings → adapters → services → edges, per role.

The only file that knows all names. Each role is an async context manager that yields its HTTP
application with everything behind it open, and its background loops; `run` gives it sockets and
signals. No `if` here is about business.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

from aiohttp import web

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.door_board import DoorBoard
from hodhod_server.cluster.rate_limit import SlowPace
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.register import Register
from hodhod_server.cluster.route_keeper import RouteKeeper
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.addresses import Networks
from hodhod_server.domain.clock import Clock, SystemClock
from hodhod_server.domain.ids import ChatId, GatewayId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.load import Load
from hodhod_server.gateway.commands import Commands
from hodhod_server.gateway.doors import Doors
from hodhod_server.gateway.entrance import Entrance
from hodhod_server.gateway.errands import Errands
from hodhod_server.gateway.handler import add_websocket, upgrade
from hodhod_server.gateway.house import House
from hodhod_server.gateway.hub import Hub
from hodhod_server.http_api.routes import ENDPOINTS as GATEWAY_ENDPOINTS
from hodhod_server.http_api.routes import add_json_api
from hodhod_server.media.downloads import Downloads
from hodhod_server.media.operations import OPERATIONS
from hodhod_server.media.routes import add_media
from hodhod_server.media.tus import Tus
from hodhod_server.services.accounts import Accounts
from hodhod_server.services.admission import Admission, Gate
from hodhod_server.services.audiences import Audiences
from hodhod_server.services.chat_changes import ChatChanges
from hodhod_server.services.chats import Chats
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.door import build_door, process_name
from hodhod_server.services.expiry import Expiry
from hodhod_server.services.file_links import FileLinks
from hodhod_server.services.files import Files
from hodhod_server.services.groups import Groups
from hodhod_server.services.inside import Inside
from hodhod_server.services.invites import Invites
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.services.membership import Membership
from hodhod_server.services.messaging import Announcer, Messaging
from hodhod_server.services.newcomers import build_newcomers, lay_ground
from hodhod_server.services.positions import PositionKeeper
from hodhod_server.services.posting import Posting
from hodhod_server.services.rights import Rights
from hodhod_server.services.sessions import NoAnnouncer, Sessions
from hodhod_server.services.syncing import Syncing
from hodhod_server.services.typing_hints import TypingHints
from hodhod_server.services.uploads import Uploads
from hodhod_server.services.views import Views
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.signup_api.callbacks import Callbacks
from hodhod_server.signup_api.routes import ENDPOINTS as SIGNUP_ENDPOINTS
from hodhod_server.signup_api.routes import OPERATIONS as SIGNUP_OPERATIONS
from hodhod_server.signup_api.routes import (
    add_callbacks,
    add_gate,
    add_outbox,
    add_signup_api,
)
from hodhod_server.sms.opening import open_providers
from hodhod_server.store.database import (
    Connections,
    Database,
    open_database,
    open_own_connection,
)
from hodhod_server.store.group_commit import GroupCommit
from hodhod_server.telemetry import logs
from hodhod_server.telemetry.load_probe import LoadProbe
from hodhod_server.web.admission import use_gate
from hodhod_server.web.callers import use_authenticator
from hodhod_server.web.health import add_health
from hodhod_server.web.serving import new_app, serve
from hodhod_server.workers.sweeps import Sweeper
from hodhod_wire.close_codes import CloseCode

log = logs.get("app")
Loop = Callable[[], Awaitable[None]]
NEWCOMERS_PATIENCE: Final = 5.0  # they wait seconds for a text anyway
COLLECT_AFTER: Final = (50_000, 20, 50)  # a young collection is a millisecond or two


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
async def gateway(
    settings: Settings, clock: Clock, load: Load | None = None
) -> AsyncIterator[Parts]:
    """People who are already inside: the WebSocket and its JSON twin."""
    probe = LoadProbe(settings.load)
    load = load or probe
    keys, gateway_id = keys_of(settings), GatewayId(secrets.token_hex(8))
    async with (
        open_database(settings.database, Role.GATEWAY, spared=1) as database,
        # The log has a connection of its own: messages do not queue behind a storm of reads.
        open_own_connection(settings.database, "log") as log_only,
        open_redis(settings.redis) as redis,
    ):
        prefix = settings.redis.prefix
        broker = RedisBroker(redis, prefix, gateway_id)
        sessions = Sessions(database, keys, clock, settings.security, broker)
        register = Register(redis, prefix, gateway_id, broker)
        fanout = _fanout(Routing(redis, prefix, gateway_id), broker, sessions, database)
        rights, delivery = fanout.rights, fanout.delivery
        posting = Posting(rights, SlowPace(redis, prefix), clock)
        announcer = Announcer(delivery)
        writer = _writer(log_only, settings, clock, announcer, posting)
        links = MediaLinks(keys.media_link, clock, link_s=settings.media.link_s)
        changes = ChatChanges(database, rights, delivery, announcer, broker, clock)
        inside = Inside(
            accounts=Accounts(database, keys),
            sessions=sessions,
            messaging=Messaging(database, posting, writer),
            chats=Chats(database, keys, clock),
            syncing=Syncing(database, rights),
            positions=PositionKeeper(database, rights, delivery, load),
            typing=TypingHints(rights, delivery, load),
            groups=Groups(changes),
            membership=Membership(database, rights, changes, clock),
            invites=Invites(database, rights, changes, clock),
            views=Views(database, rights),
            file_links=FileLinks(database, rights, links),
        )
        admission = Admission(load, settings.gateway, database.is_slow)
        doors = Doors(sessions, fanout.hub, fanout.routes, fanout.audiences, admission)
        entrance = Entrance(
            House(doors, Commands(inside, admission), Errands(), settings.gateway, clock)
        )
        app = _gateway_app(settings, inside, entrance, admission)
        add_health(app, database.is_reachable)
        app.on_shutdown.append(lambda _: fanout.routes.withdraw())
        app.on_shutdown.append(lambda _: entrance.wait_until_empty())
        app.on_cleanup.append(lambda _: register.leave(writer.is_idle, delivery.is_idle))
        yield Parts(
            app=app,
            loops=(
                *(probe.run, writer.run),
                *(entrance.house.errands.run, entrance.heartbeats.run),
                *fanout.loops,
                *(inside.syncing.run, inside.positions.run, sessions.run),
                partial(broker.run, fanout.hub),
                register.run,
            ),
        )


def _writer(
    log_only: Connections, settings: Settings, clock: Clock, announcer: Announcer, posting: Posting
) -> GroupCommit:
    return GroupCommit(
        log_only,
        settings.group_commit,
        clock,
        announcer.announce,
        posting.recheck,
        announcer.doubt,
    )


class _Fanout(NamedTuple):
    """Who is to hear of what, and how it gets to them."""

    hub: Hub
    routes: RouteKeeper
    delivery: Delivery
    rights: Rights
    audiences: Audiences

    @property
    def loops(self) -> Sequence[Loop]:
        delivery = self.delivery
        return (
            *(self.hub.run, self.audiences.run, self.routes.run),
            *(delivery.run_here, delivery.run_elsewhere, delivery.run_gaps),
        )


def _fanout(routing: Routing, broker: RedisBroker, sessions: Sessions, own: Database) -> _Fanout:
    hub = Hub(sessions.note_ended)
    sessions.when_ended(hub.disconnect_device)
    routes = RouteKeeper(routing, hub.on_gap)
    broker.on_return(routes.rewrite)
    rights, audiences = Rights(own), Audiences(own, hub)
    hub.when_chats_change(
        partial(note_change, rights, audiences), partial(note_gap, rights, audiences)
    )
    return _Fanout(hub, routes, Delivery(broker, hub), rights, audiences)


def note_change(
    rights: Rights, audiences: Audiences, chat: ChatId, version: int, users: Sequence[UserId]
) -> None:
    """A chat has changed, and these people's membership with it."""
    rights.note_version(chat, version)
    audiences.refresh(users)


def note_gap(rights: Rights, audiences: Audiences) -> None:
    """Any chat may have changed."""
    rights.forget_all()
    audiences.refresh(None)


def _gateway_app(
    settings: Settings, inside: Inside, entrance: Entrance, admission: Admission
) -> web.Application:
    """The gateway's edge: the socket and its JSON twin."""

    async def say_goodbye(_: web.Application) -> None:
        entrance.house.doors.close(CloseCode.GOING_AWAY)

    app = new_app()
    use_gate(app, admission, GATEWAY_ENDPOINTS, connect=upgrade)
    use_authenticator(app, inside.sessions)
    add_websocket(app, entrance)
    add_json_api(app, settings, inside, {"signup": SIGNUP_OPERATIONS, "media": OPERATIONS})
    app.on_shutdown.append(say_goodbye)
    return app


@contextlib.asynccontextmanager
async def signup(
    settings: Settings, clock: Clock, load: Load | None = None
) -> AsyncIterator[Parts]:
    """Newcomers and those who come back: challenges, codes, sessions."""
    probe = LoadProbe(settings.load, NEWCOMERS_PATIENCE)
    keys = keys_of(settings)
    async with (
        open_database(settings.database, Role.SIGNUP, spared=1) as database,
        open_redis(settings.redis) as redis,
    ):
        broker = RedisBroker(redis, settings.redis.prefix, GatewayId(secrets.token_hex(8)))
        sessions = Sessions(database, keys, clock, settings.security, broker)
        board = DoorBoard(redis, settings.redis.prefix, process_name(settings.listen.port))
        ground = lay_ground(settings, database, clock)
        async with open_providers(settings.signup.providers, clock, ground.arrivals) as providers:
            newcomers = build_newcomers(settings, ground, sessions, providers)
            door = build_door(settings.door, keys, clock, board, newcomers.outlook)
            newcomers.proving.when_proved(door.gatekeeper.note_verified)
            newcomers.dispatcher.when_sent(door.gatekeeper.note_send)
            app = new_app()
            add_health(app, database.is_reachable)
            add_signup_api(app, newcomers.signup, newcomers.proving, sessions)
            add_gate(app, door.gatekeeper, Networks(settings.door.trusted_proxies))
            add_outbox(app, providers)
            add_callbacks(app, Callbacks(providers, keys.callback, ground.arrivals))
            use_gate(app, Gate(load or probe), SIGNUP_ENDPOINTS)
            yield Parts(app=app, loops=(probe.run, *newcomers.loops, door.sharing.run))


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
            Expiry(database, clock, sends_kept_days=settings.signup.sends_kept_days),
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
            _spare_the_collector()
            await stopped.wait()
        for loop in loops:
            loop.cancel()


def _spare_the_collector() -> None:
    """Let the cyclic collector leave what lives as long as the process, and come seldom.

    At its defaults it took a fifth of a busy gateway's CPU: a burst of messages looks to it like
    a leak.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def _forever(loop: Loop) -> None:
    await loop()


def keys_of(settings: Settings) -> Keys:
    """The keys of this installation. Raises `ValueError` for a master key that is none."""
    return Keys.from_master(settings.security.master_key)
