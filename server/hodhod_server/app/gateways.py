"""The gateway role put together: people who are already inside."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple

from aiohttp import web

from hodhod_server.app.parts import Loop, Parts, Role, keys_of, own_or_shared
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.rate_limit import SlowPace
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.register import Register
from hodhod_server.cluster.route_keeper import RouteKeeper
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import ChatId, GatewayId, UserId
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
from hodhod_server.media.operations import OPERATIONS
from hodhod_server.services.accounts import Accounts
from hodhod_server.services.admission import Admission
from hodhod_server.services.audiences import Audiences
from hodhod_server.services.chat_changes import ChatChanges
from hodhod_server.services.chats import Chats
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.file_links import FileLinks
from hodhod_server.services.groups import Groups
from hodhod_server.services.inside import Inside
from hodhod_server.services.invites import Invites
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.services.media_news import MediaNews
from hodhod_server.services.membership import Membership
from hodhod_server.services.messaging import Announcer, Messaging
from hodhod_server.services.positions import PositionKeeper
from hodhod_server.services.posting import Posting
from hodhod_server.services.returning import new_returning
from hodhod_server.services.rights import Rights
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.syncing import Syncing
from hodhod_server.services.typing_hints import TypingHints
from hodhod_server.services.views import Views
from hodhod_server.services.vouchers import Vouchers
from hodhod_server.settings import DatabaseSettings, Settings
from hodhod_server.signup_api.routes import OPERATIONS as SIGNUP_OPERATIONS
from hodhod_server.store.database import Connections, Database, open_own_connection
from hodhod_server.store.group_commit import GroupCommit
from hodhod_server.telemetry.load_probe import LoadProbe
from hodhod_server.web.admission import use_gate
from hodhod_server.web.callers import use_authenticator
from hodhod_server.web.health import add_health
from hodhod_server.web.serving import new_app
from hodhod_wire.close_codes import CloseCode


@contextlib.asynccontextmanager
async def gateway(
    settings: Settings, clock: Clock, load: Load | None = None, *, shared: Database | None = None
) -> AsyncIterator[Parts]:
    """People who are already inside: the WebSocket and its JSON twin."""
    probe = LoadProbe(settings.load)
    load = load or probe
    keys, gateway_id = keys_of(settings), GatewayId(secrets.token_hex(8))
    async with (
        own_or_shared(shared, settings.database, Role.GATEWAY, spared=1) as database,
        _open_log(shared, settings.database) as log_only,
        open_redis(settings.redis) as redis,
    ):
        prefix = settings.redis.prefix
        broker = RedisBroker(redis, prefix, gateway_id)
        sessions = Sessions(database, keys, clock, settings.security, broker)
        register = Register(redis, prefix, gateway_id, broker)
        fanout = _fanout(Routing(redis, prefix, gateway_id), broker, sessions, database)
        rights, delivery = fanout.rights, fanout.delivery
        posting = Posting(rights, SlowPace(redis, prefix), clock)
        announcer, news = _announcing(database, delivery, clock)
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
            vouchers=Vouchers(database, keys, clock, settings.door),
            file_links=FileLinks(database, rights, links),
            returning=new_returning(database, keys, clock, settings.returning, sessions, delivery),
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
                *(probe.run, writer.run, entrance.house.errands.run, entrance.heartbeats.run),
                *(news.run, *fanout.loops),
                *(inside.syncing.run, inside.positions.run, sessions.run),
                partial(broker.run, fanout.hub),
                register.run,
            ),
        )


def _open_log(
    shared: Database | None, settings: DatabaseSettings
) -> AbstractAsyncContextManager[Connections]:
    """The log has a connection of its own: messages do not queue behind a storm of reads.

    Where roles share a pool they do: that is a border too.
    """
    return contextlib.nullcontext(shared) if shared else open_own_connection(settings, "log")


def _announcing(
    database: Database, delivery: Delivery, clock: Clock
) -> tuple[Announcer, MediaNews]:
    """Who tells of messages, and of the files that messages wait for."""
    announcer = Announcer(delivery)
    news = MediaNews(database, announcer, clock)
    announcer.when_awaiting(news.note)
    return announcer, news


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
        return (
            *(self.hub.run, self.audiences.run, self.routes.run),
            *self.delivery.loops,
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
