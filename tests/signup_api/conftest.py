"""The sign-up role in this process, over the session's real engines."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from hodhod_server import app
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.ids import GatewayId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.account_notices import NobodyHere
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.handoffs import Handoffs
from hodhod_server.services.returning import new_returning
from hodhod_server.services.sessions import NoAnnouncer, Sessions
from hodhod_server.services.signup import Signup, rules_of
from hodhod_server.settings import Settings
from hodhod_server.signup_api.routes import add_signup_api
from hodhod_server.sms.provider import Provider
from hodhod_server.store.database import Database
from hodhod_server.web.serving import new_app
from tests.clock import FakeClock
from tests.newcomers import Door, Newcomer

OpenDoor = Callable[[Provider], AbstractAsyncContextManager[Door]]


@contextlib.asynccontextmanager
async def _served(application: web.Application) -> AsyncIterator[Door]:
    """As `web/serving.py` does it: without aiohttp's access log."""
    server = TestServer(application)
    await server.start_server(access_log=None)
    async with TestClient(server) as client:
        yield client


@pytest.fixture
async def door(settings: Settings, clock: FakeClock) -> AsyncIterator[Door]:
    """The role as it is served."""
    async with app.signup(settings, clock) as parts, _served(parts.app) as opened:
        yield opened


@pytest.fixture
def newcomer(door: Door, clock: FakeClock) -> Newcomer:
    """Somebody new."""
    return Newcomer(door, clock)


@pytest.fixture
def open_door(settings: Settings, clock: FakeClock, database: Database, keys: Keys) -> OpenDoor:
    """Opens the role with another sender of codes than the console."""

    @contextlib.asynccontextmanager
    async def open_with(provider: Provider) -> AsyncIterator[Door]:
        rules = rules_of(settings.signup)
        sessions = Sessions(database, keys, clock, settings.security, NoAnnouncer())
        handoffs = Handoffs(database, keys, rules, provider)
        async with open_redis(settings.redis) as redis:
            broker = RedisBroker(redis, settings.redis.prefix, GatewayId("test"))
            routing = Routing(redis, settings.redis.prefix, GatewayId("test"))
            returning = new_returning(
                database,
                keys,
                clock,
                settings.returning,
                sessions,
                Delivery(routing, broker, NobodyHere()),
            )
            served = new_app()
            newcomers = Signup(database, keys, clock, rules, handoffs, returning.entrance)
            add_signup_api(served, newcomers, returning)
            async with _served(served) as opened:
                yield opened

    return open_with


@pytest.fixture
async def gate(settings: Settings, clock: FakeClock) -> AsyncIterator[Door]:
    """A gateway, asked over HTTP by those who are signed in."""
    async with app.gateway(settings, clock) as parts, _served(parts.app) as opened:
        yield opened
